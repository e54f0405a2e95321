-- AMX history-store V2 sharing (Oracle dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("CREATED_BY" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_runs (hostname)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("HOSTNAME" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_runs (client_version)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("CLIENT_VERSION" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_runs (local_id)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("LOCAL_ID" NUMBER(19))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_runs (origin)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("ORIGIN" VARCHAR2(64 CHAR))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_runs (writer)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("WRITER" VARCHAR2(64 CHAR))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_runs (landing)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS" ADD ("LANDING" NUMBER(19))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: create index ix_amx_history_runs_started_at on amx_history_runs
BEGIN
  EXECUTE IMMEDIATE 'CREATE INDEX "{{ schema }}"."IX_AMX_HISTORY_RUNS_STARTED_AT" ON "{{ schema }}"."AMX_HISTORY_RUNS" ("STARTED_AT", "RUN_ID")';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: create index ix_amx_history_runs_landing on amx_history_runs
BEGIN
  EXECUTE IMMEDIATE 'CREATE INDEX "{{ schema }}"."IX_AMX_HISTORY_RUNS_LANDING" ON "{{ schema }}"."AMX_HISTORY_RUNS" ("WRITER", "LANDING")';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."CREATED_BY" IS 'Login name of the writer.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."HOSTNAME" IS 'Machine that the run was made on.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."CLIENT_VERSION" IS 'Version of AMX that wrote the row.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."LOCAL_ID" IS 'Id of the row on the machine it came from.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."ORIGIN" IS 'Installation that first wrote the run: its owner.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."WRITER" IS 'Installation that changed the row last.'
/

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."LANDING" IS 'Number of the write that changed the row last, counted per writer.'
/

-- step: add columns amx_history_results (metadata_json)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("METADATA_JSON" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (created_by)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("CREATED_BY" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (hostname)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("HOSTNAME" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (client_version)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("CLIENT_VERSION" CLOB)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (local_id)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("LOCAL_ID" NUMBER(19))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (origin)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("ORIGIN" VARCHAR2(64 CHAR))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (writer)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("WRITER" VARCHAR2(64 CHAR))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: add columns amx_history_results (landing)
BEGIN
  EXECUTE IMMEDIATE 'ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS" ADD ("LANDING" NUMBER(19))';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
/

-- step: create index ix_amx_history_results_landing on amx_history_results
BEGIN
  EXECUTE IMMEDIATE 'CREATE INDEX "{{ schema }}"."IX_AMX_HISTORY_RESULTS_LANDING" ON "{{ schema }}"."AMX_HISTORY_RESULTS" ("WRITER", "LANDING")';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."METADATA_JSON" IS 'All else that is known of the result, a JSON object.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."CREATED_BY" IS 'Login name of the writer.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."HOSTNAME" IS 'Machine that the result was made on.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."CLIENT_VERSION" IS 'Version of AMX that wrote the row.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."LOCAL_ID" IS 'Id of the row on the machine it came from.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."ORIGIN" IS 'Installation that first wrote the result.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."WRITER" IS 'Installation that changed the row last.'
/

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."LANDING" IS 'Number of the write that changed the row last, counted per writer.'
/

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
BEGIN
  EXECUTE IMMEDIATE 'CREATE TABLE "{{ schema }}"."AMX_HISTORY_ORIGINS" (
  "ORIGIN" VARCHAR2(64 CHAR) NOT NULL,
  "LANDED" NUMBER(19) NOT NULL,
  "EPOCH" VARCHAR2(64 CHAR) NOT NULL,
  "HOSTNAME" CLOB,
  "CREATED_BY" CLOB,
  CONSTRAINT "PK_AMX_HISTORY_ORIGINS" PRIMARY KEY ("ORIGIN")
)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: comment on amx_history_origins
COMMENT ON TABLE "{{ schema }}"."AMX_HISTORY_ORIGINS" IS 'One installation that writes to the store per row, with the number of its last write.'
/

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."ORIGIN" IS 'The installation.'
/

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."LANDED" IS 'Number of its last write that landed.'
/

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."EPOCH" IS 'Changes where the count was set back, as by a restored backup.'
/

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."HOSTNAME" IS 'Machine of the installation.'
/

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."CREATED_BY" IS 'Login name of the installation''s user.'
/

-- step: create table amx_history_store (item, value)
BEGIN
  EXECUTE IMMEDIATE 'CREATE TABLE "{{ schema }}"."AMX_HISTORY_STORE" (
  "ITEM" VARCHAR2(64 CHAR) NOT NULL,
  "VALUE" CLOB NOT NULL,
  CONSTRAINT "PK_AMX_HISTORY_STORE" PRIMARY KEY ("ITEM")
)';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
/

-- step: comment on amx_history_store
COMMENT ON TABLE "{{ schema }}"."AMX_HISTORY_STORE" IS 'Facts about the store itself, one per row.'
/

-- step: comment on amx_history_store
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_STORE"."ITEM" IS 'What the fact is, such as store_id.'
/

-- step: comment on amx_history_store
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_STORE"."VALUE" IS 'The fact.'
/

-- step: backfill amx_history_runs
UPDATE "{{ schema }}"."AMX_HISTORY_RUNS" SET "CREATED_BY" = "WHO", "LANDING" = 1, "ORIGIN" = 'v1', "WRITER" = 'v1' WHERE "WRITER" IS NULL
/

-- step: backfill amx_history_results
UPDATE "{{ schema }}"."AMX_HISTORY_RESULTS" SET "LANDING" = 1, "ORIGIN" = 'v1', "WRITER" = 'v1' WHERE "WRITER" IS NULL
/

-- step: backfill amx_history_origins
INSERT INTO "{{ schema }}"."AMX_HISTORY_ORIGINS" ("EPOCH", "LANDED", "ORIGIN")
SELECT 'v1' AS "EPOCH", 1 AS "LANDED", 'v1' AS "ORIGIN" FROM DUAL
WHERE EXISTS (SELECT 1 FROM "{{ schema }}"."AMX_HISTORY_RUNS" WHERE "WRITER" = 'v1')
  AND NOT EXISTS (SELECT 1 FROM "{{ schema }}"."AMX_HISTORY_ORIGINS" WHERE "ORIGIN" = 'v1')
/
