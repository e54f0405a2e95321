-- AMX history-store V2 sharing (Redshift dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "created_by" VARCHAR(65535);

-- step: add columns amx_history_runs (hostname)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "hostname" VARCHAR(65535);

-- step: add columns amx_history_runs (client_version)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "client_version" VARCHAR(65535);

-- step: add columns amx_history_runs (local_id)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "local_id" BIGINT;

-- step: add columns amx_history_runs (origin)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "origin" VARCHAR(64);

-- step: add columns amx_history_runs (writer)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "writer" VARCHAR(64);

-- step: add columns amx_history_runs (landing)
ALTER TABLE "{{ schema }}"."amx_history_runs"
  ADD COLUMN "landing" BIGINT;

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."created_by" IS 'Login name of the writer.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."hostname" IS 'Machine that the run was made on.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."client_version" IS 'Version of AMX that wrote the row.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."local_id" IS 'Id of the row on the machine it came from.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."origin" IS 'Installation that first wrote the run: its owner.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."writer" IS 'Installation that changed the row last.';

-- step: comment on amx_history_runs
COMMENT ON COLUMN "{{ schema }}"."amx_history_runs"."landing" IS 'Number of the write that changed the row last, counted per writer.';

-- step: add columns amx_history_results (metadata_json)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "metadata_json" VARCHAR(65535);

-- step: add columns amx_history_results (created_by)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "created_by" VARCHAR(65535);

-- step: add columns amx_history_results (hostname)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "hostname" VARCHAR(65535);

-- step: add columns amx_history_results (client_version)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "client_version" VARCHAR(65535);

-- step: add columns amx_history_results (local_id)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "local_id" BIGINT;

-- step: add columns amx_history_results (origin)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "origin" VARCHAR(64);

-- step: add columns amx_history_results (writer)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "writer" VARCHAR(64);

-- step: add columns amx_history_results (landing)
ALTER TABLE "{{ schema }}"."amx_history_results"
  ADD COLUMN "landing" BIGINT;

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."metadata_json" IS 'All else that is known of the result, a JSON object.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."created_by" IS 'Login name of the writer.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."hostname" IS 'Machine that the result was made on.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."client_version" IS 'Version of AMX that wrote the row.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."local_id" IS 'Id of the row on the machine it came from.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."origin" IS 'Installation that first wrote the result.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."writer" IS 'Installation that changed the row last.';

-- step: comment on amx_history_results
COMMENT ON COLUMN "{{ schema }}"."amx_history_results"."landing" IS 'Number of the write that changed the row last, counted per writer.';

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
CREATE TABLE IF NOT EXISTS "{{ schema }}"."amx_history_origins" (
  "origin" VARCHAR(64) NOT NULL,
  "landed" BIGINT NOT NULL,
  "epoch" VARCHAR(64) NOT NULL,
  "hostname" VARCHAR(65535),
  "created_by" VARCHAR(65535)
);

-- step: comment on amx_history_origins
COMMENT ON TABLE "{{ schema }}"."amx_history_origins" IS 'One installation that writes to the store per row, with the number of its last write.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."amx_history_origins"."origin" IS 'The installation.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."amx_history_origins"."landed" IS 'Number of its last write that landed.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."amx_history_origins"."epoch" IS 'Changes where the count was set back, as by a restored backup.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."amx_history_origins"."hostname" IS 'Machine of the installation.';

-- step: comment on amx_history_origins
COMMENT ON COLUMN "{{ schema }}"."amx_history_origins"."created_by" IS 'Login name of the installation''s user.';

-- step: create table amx_history_store (item, value)
CREATE TABLE IF NOT EXISTS "{{ schema }}"."amx_history_store" (
  "item" VARCHAR(64) NOT NULL,
  "value" VARCHAR(65535) NOT NULL
);

-- step: comment on amx_history_store
COMMENT ON TABLE "{{ schema }}"."amx_history_store" IS 'Facts about the store itself, one per row.';

-- step: comment on amx_history_store
COMMENT ON COLUMN "{{ schema }}"."amx_history_store"."item" IS 'What the fact is, such as store_id.';

-- step: comment on amx_history_store
COMMENT ON COLUMN "{{ schema }}"."amx_history_store"."value" IS 'The fact.';

-- step: backfill amx_history_runs
UPDATE "{{ schema }}"."amx_history_runs" SET "created_by" = "who", "landing" = 1, "origin" = 'v1', "writer" = 'v1' WHERE "writer" IS NULL;

-- step: backfill amx_history_results
UPDATE "{{ schema }}"."amx_history_results" SET "landing" = 1, "origin" = 'v1', "writer" = 'v1' WHERE "writer" IS NULL;

-- step: backfill amx_history_origins
INSERT INTO "{{ schema }}"."amx_history_origins" ("epoch", "landed", "origin")
SELECT 'v1' AS "epoch", 1 AS "landed", 'v1' AS "origin"
WHERE EXISTS (SELECT 1 FROM "{{ schema }}"."amx_history_runs" WHERE "writer" = 'v1')
  AND NOT EXISTS (SELECT 1 FROM "{{ schema }}"."amx_history_origins" WHERE "origin" = 'v1');
