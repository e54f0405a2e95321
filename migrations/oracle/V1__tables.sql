-- AMX history-store V1 tables (Oracle dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
BEGIN
  EXECUTE IMMEDIATE 'CREATE TABLE "{{ schema }}"."AMX_HISTORY_RUNS" (
  "RUN_ID" VARCHAR2(64 CHAR) NOT NULL,
  "WHO" CLOB NOT NULL,
  "STARTED_AT" TIMESTAMP(6) NOT NULL,
  "FINISHED_AT" TIMESTAMP(6),
  "SCOPE" CLOB NOT NULL,
  "LLM_PROVIDER" CLOB NOT NULL,
  "LLM_MODEL" CLOB NOT NULL,
  "DB_BACKEND" CLOB NOT NULL,
  "STATE" CLOB NOT NULL,
  "APPLIED_AT" TIMESTAMP(6),
  "APPLIED_BY" CLOB,
  "METADATA_JSON" CLOB,
  CONSTRAINT "PK_AMX_HISTORY_RUNS" PRIMARY KEY ("RUN_ID")
)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: comment on amx_history_runs
COMMENT ON TABLE "{{ schema }}"."AMX_HISTORY_RUNS" IS 'One AMX run per row.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."RUN_ID" IS 'The run, such as run_2026-05-03_15-44-002.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."WHO" IS 'Who ran it: AMX_USER, or the OS user.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."STARTED_AT" IS 'When the run began (UTC).'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."FINISHED_AT" IS 'When the run ended (UTC).'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."SCOPE" IS 'What it covered, such as sales or sales.customer; * for all.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."LLM_PROVIDER" IS 'Provider of the language model.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."LLM_MODEL" IS 'The language model.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."DB_BACKEND" IS 'Kind of database that was described.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."STATE" IS 'running, reviewed, applied or failed.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."APPLIED_AT" IS 'When its newest description was applied (UTC).'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."APPLIED_BY" IS 'Who applied it.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."METADATA_JSON" IS 'All else that is known of the run, a JSON object.'
/

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at)
BEGIN
  EXECUTE IMMEDIATE 'CREATE TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" (
  "RUN_ID" VARCHAR2(64 CHAR) NOT NULL,
  "TARGET_QNAME" VARCHAR2(700 CHAR) NOT NULL,
  "TARGET_KIND" CLOB NOT NULL,
  "DESCRIPTION" CLOB,
  "ALTERNATIVES" CLOB,
  "CONFIDENCE" CLOB NOT NULL,
  "APPLIED" NUMBER(1) NOT NULL CHECK ("APPLIED" IN (0, 1)),
  "APPLIED_AT" TIMESTAMP(6),
  CONSTRAINT "PK_AMX_HISTORY_RESULTS" PRIMARY KEY ("RUN_ID", "TARGET_QNAME"),
  CONSTRAINT "FK_AMX_HISTORY_RESULTS_RUN_ID" FOREIGN KEY ("RUN_ID") REFERENCES "{{ schema }}"."AMX_HISTORY_RUNS" ("RUN_ID")
)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: create index ix_amx_history_results_run_id on amx_history_results
BEGIN
  EXECUTE IMMEDIATE 'CREATE INDEX "{{ schema }}"."IX_AMX_HISTORY_RESULTS_RUN_ID" ON "{{ schema }}"."AMX_HISTORY_RESULTS" ("RUN_ID")';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: create index ix_amx_history_results_target on amx_history_results
BEGIN
  EXECUTE IMMEDIATE 'CREATE INDEX "{{ schema }}"."IX_AMX_HISTORY_RESULTS_TARGET" ON "{{ schema }}"."AMX_HISTORY_RESULTS" ("TARGET_QNAME")';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: comment on amx_history_results
COMMENT ON TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" IS 'One described object of a run per row.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."RUN_ID" IS 'The run that described the object.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."TARGET_QNAME" IS 'The object, such as sales.customer.c_first_name.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."TARGET_KIND" IS 'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."DESCRIPTION" IS 'The chosen description.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."ALTERNATIVES" IS 'Other drafts, a JSON array of {text, logprob}.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."CONFIDENCE" IS 'high, medium or low.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."APPLIED" IS 'Whether the description was written to the catalog.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."APPLIED_AT" IS 'When it was written to the catalog (UTC).'
/
