-- AMX history-store V2 sharing (Snowflake dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "CREATED_BY" VARCHAR;

-- step: add columns amx_history_runs (hostname)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "HOSTNAME" VARCHAR;

-- step: add columns amx_history_runs (client_version)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "CLIENT_VERSION" VARCHAR;

-- step: add columns amx_history_runs (local_id)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "LOCAL_ID" NUMBER(19,0);

-- step: add columns amx_history_runs (origin)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "ORIGIN" VARCHAR(64);

-- step: add columns amx_history_runs (writer)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "WRITER" VARCHAR(64);

-- step: add columns amx_history_runs (landing)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RUNS"
  ADD COLUMN IF NOT EXISTS "LANDING" NUMBER(19,0);

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."CREATED_BY" IS 'Login name of the writer.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."HOSTNAME" IS 'Machine that the run was made on.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."CLIENT_VERSION" IS 'Version of AMX that wrote the row.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."LOCAL_ID" IS 'Id of the row on the machine it came from.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."ORIGIN" IS 'Installation that first wrote the run: its owner.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."WRITER" IS 'Installation that changed the row last.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RUNS"."LANDING" IS 'Number of the write that changed the row last, counted per writer.';

-- step: add columns amx_history_results (metadata_json)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "METADATA_JSON" VARCHAR;

-- step: add columns amx_history_results (created_by)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "CREATED_BY" VARCHAR;

-- step: add columns amx_history_results (hostname)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "HOSTNAME" VARCHAR;

-- step: add columns amx_history_results (client_version)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "CLIENT_VERSION" VARCHAR;

-- step: add columns amx_history_results (local_id)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "LOCAL_ID" NUMBER(19,0);

-- step: add columns amx_history_results (origin)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "ORIGIN" VARCHAR(64);

-- step: add columns amx_history_results (writer)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "WRITER" VARCHAR(64);

-- step: add columns amx_history_results (landing)
ALTER TABLE "{{ schema }}"."AMX_HISTORY_RESULTS"
  ADD COLUMN IF NOT EXISTS "LANDING" NUMBER(19,0);

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."METADATA_JSON" IS 'All else that is known of the result, a JSON object.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."CREATED_BY" IS 'Login name of the writer.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."HOSTNAME" IS 'Machine that the result was made on.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."CLIENT_VERSION" IS 'Version of AMX that wrote the row.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."LOCAL_ID" IS 'Id of the row on the machine it came from.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."ORIGIN" IS 'Installation that first wrote the result.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."WRITER" IS 'Installation that changed the row last.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_RESULTS"."LANDING" IS 'Number of the write that changed the row last, counted per writer.';

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
CREATE TABLE IF NOT EXISTS "{{ schema }}"."AMX_HISTORY_ORIGINS" (
  "ORIGIN" VARCHAR(64) NOT NULL,
  "LANDED" NUMBER(19,0) NOT NULL,
  "EPOCH" VARCHAR(64) NOT NULL,
  "HOSTNAME" VARCHAR,
  "CREATED_BY" VARCHAR,
  CONSTRAINT "PK_AMX_HISTORY_ORIGINS" PRIMARY KEY ("ORIGIN")
) DEFAULT_DDL_COLLATION = '';

-- step: comment on amx_history_origins
COMMENT ON TABLE "{{ schema }}"."AMX_HISTORY_ORIGINS" IS 'One installation that writes to the store per row, with the number of its last write.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."ORIGIN" IS 'The installation.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."LANDED" IS 'Number of its last write that landed.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."EPOCH" IS 'Changes where the count was set back, as by a restored backup.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."HOSTNAME" IS 'Machine of the installation.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_ORIGINS"."CREATED_BY" IS 'Login name of the installation''s user.';

-- step: create table amx_history_store (item, value)
CREATE TABLE IF NOT EXISTS "{{ schema }}"."AMX_HISTORY_STORE" (
  "ITEM" VARCHAR(64) NOT NULL,
  "VALUE" VARCHAR NOT NULL,
  CONSTRAINT "PK_AMX_HISTORY_STORE" PRIMARY KEY ("ITEM")
) DEFAULT_DDL_COLLATION = '';

-- step: comment on amx_history_store
COMMENT ON TABLE "{{ schema }}"."AMX_HISTORY_STORE" IS 'Facts about the store itself, one per row.';

-- step: comment on amx_history_store
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_STORE"."ITEM" IS 'What the fact is, such as store_id.';

-- step: comment on amx_history_store
COMMENT ON COLUMN "{{ schema }}"."AMX_HISTORY_STORE"."VALUE" IS 'The fact.';

-- step: backfill amx_history_runs
UPDATE "{{ schema }}"."AMX_HISTORY_RUNS" SET "CREATED_BY" = "WHO", "LANDING" = 1, "ORIGIN" = 'v1', "WRITER" = 'v1' WHERE "WRITER" IS NULL;

-- step: backfill amx_history_results
UPDATE "{{ schema }}"."AMX_HISTORY_RESULTS" SET "LANDING" = 1, "ORIGIN" = 'v1', "WRITER" = 'v1' WHERE "WRITER" IS NULL;

-- step: backfill amx_history_origins
INSERT INTO "{{ schema }}"."AMX_HISTORY_ORIGINS" ("EPOCH", "LANDED", "ORIGIN")
SELECT 'v1' AS "EPOCH", 1 AS "LANDED", 'v1' AS "ORIGIN" FROM (SELECT 1 AS one) o
WHERE EXISTS (SELECT 1 FROM "{{ schema }}"."AMX_HISTORY_RUNS" WHERE "WRITER" = 'v1')
  AND NOT EXISTS (SELECT 1 FROM "{{ schema }}"."AMX_HISTORY_ORIGINS" WHERE "ORIGIN" = 'v1');
