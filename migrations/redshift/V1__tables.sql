-- AMX history-store V1 tables (Redshift dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
CREATE TABLE IF NOT EXISTS "{{ schema }}"."amx_history_runs" (
  "run_id" VARCHAR(64) NOT NULL,
  "who" VARCHAR(65535) NOT NULL,
  "started_at" TIMESTAMPTZ NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "scope" VARCHAR(65535) NOT NULL,
  "llm_provider" VARCHAR(65535) NOT NULL,
  "llm_model" VARCHAR(65535) NOT NULL,
  "db_backend" VARCHAR(65535) NOT NULL,
  "state" VARCHAR(65535) NOT NULL,
  "applied_at" TIMESTAMPTZ,
  "applied_by" VARCHAR(65535),
  "metadata_json" VARCHAR(65535)
);

-- step: comment on amx_history_runs
COMMENT ON TABLE "{{ schema }}"."amx_history_runs" IS 'One AMX run per row.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."run_id" IS 'The run, such as run_2026-05-03_15-44-002.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."who" IS 'Who ran it: AMX_USER, or the OS user.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."started_at" IS 'When the run began (UTC).';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."finished_at" IS 'When the run ended (UTC).';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."scope" IS 'What it covered, such as sales or sales.customer; * for all.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."llm_provider" IS 'Provider of the language model.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."llm_model" IS 'The language model.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."db_backend" IS 'Kind of database that was described.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."state" IS 'running, reviewed, applied or failed.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."applied_at" IS 'When its newest description was applied (UTC).';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."applied_by" IS 'Who applied it.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."metadata_json" IS 'All else that is known of the run, a JSON object.';

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at)
CREATE TABLE IF NOT EXISTS "{{ schema }}"."amx_history_results" (
  "run_id" VARCHAR(64) NOT NULL,
  "target_qname" VARCHAR(2400) NOT NULL,
  "target_kind" VARCHAR(65535) NOT NULL,
  "description" VARCHAR(65535),
  "alternatives" VARCHAR(65535),
  "confidence" VARCHAR(65535) NOT NULL,
  "applied" BOOLEAN NOT NULL,
  "applied_at" TIMESTAMPTZ
);

-- step: comment on amx_history_results
COMMENT ON TABLE "{{ schema }}"."amx_history_results" IS 'One described object of a run per row.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."run_id" IS 'The run that described the object.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."target_qname" IS 'The object, such as sales.customer.c_first_name.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."target_kind" IS 'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."description" IS 'The chosen description.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."alternatives" IS 'Other drafts, a JSON array of {text, logprob}.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."confidence" IS 'high, medium or low.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."applied" IS 'Whether the description was written to the catalog.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."applied_at" IS 'When it was written to the catalog (UTC).';
