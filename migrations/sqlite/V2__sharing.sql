-- AMX history-store V2 sharing (SQLite dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "created_by" TEXT;

-- step: add columns amx_history_runs (hostname)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "hostname" TEXT;

-- step: add columns amx_history_runs (client_version)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "client_version" TEXT;

-- step: add columns amx_history_runs (local_id)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "local_id" INTEGER;

-- step: add columns amx_history_runs (origin)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "origin" TEXT;

-- step: add columns amx_history_runs (writer)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "writer" TEXT;

-- step: add columns amx_history_runs (landing)
ALTER TABLE "amx_history_runs"
  ADD COLUMN "landing" INTEGER;

-- step: create index ix_amx_history_runs_started_at on amx_history_runs
CREATE INDEX IF NOT EXISTS "ix_amx_history_runs_started_at" ON "amx_history_runs" (`started_at`, `run_id`);

-- step: create index ix_amx_history_runs_landing on amx_history_runs
CREATE INDEX IF NOT EXISTS "ix_amx_history_runs_landing" ON "amx_history_runs" (`writer`, `landing`);

-- step: add columns amx_history_results (metadata_json)
ALTER TABLE "amx_history_results"
  ADD COLUMN "metadata_json" TEXT;

-- step: add columns amx_history_results (created_by)
ALTER TABLE "amx_history_results"
  ADD COLUMN "created_by" TEXT;

-- step: add columns amx_history_results (hostname)
ALTER TABLE "amx_history_results"
  ADD COLUMN "hostname" TEXT;

-- step: add columns amx_history_results (client_version)
ALTER TABLE "amx_history_results"
  ADD COLUMN "client_version" TEXT;

-- step: add columns amx_history_results (local_id)
ALTER TABLE "amx_history_results"
  ADD COLUMN "local_id" INTEGER;

-- step: add columns amx_history_results (origin)
ALTER TABLE "amx_history_results"
  ADD COLUMN "origin" TEXT;

-- step: add columns amx_history_results (writer)
ALTER TABLE "amx_history_results"
  ADD COLUMN "writer" TEXT;

-- step: add columns amx_history_results (landing)
ALTER TABLE "amx_history_results"
  ADD COLUMN "landing" INTEGER;

-- step: create index ix_amx_history_results_landing on amx_history_results
CREATE INDEX IF NOT EXISTS "ix_amx_history_results_landing" ON "amx_history_results" (`writer`, `landing`);

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
CREATE TABLE IF NOT EXISTS "amx_history_origins" (
  "origin" TEXT NOT NULL,
  "landed" INTEGER NOT NULL,
  "epoch" TEXT NOT NULL,
  "hostname" TEXT,
  "created_by" TEXT,
  PRIMARY KEY ("origin")
);

-- step: create table amx_history_store (item, value)
CREATE TABLE IF NOT EXISTS "amx_history_store" (
  "item" TEXT NOT NULL,
  "value" TEXT NOT NULL,
  PRIMARY KEY ("item")
);

-- step: backfill amx_history_runs
UPDATE "amx_history_runs" SET "created_by" = "who", "landing" = 1, "origin" = 'v1', "writer" = 'v1' WHERE "writer" IS NULL;

-- step: backfill amx_history_results
UPDATE "amx_history_results" SET "landing" = 1, "origin" = 'v1', "writer" = 'v1' WHERE "writer" IS NULL;

-- step: backfill amx_history_origins
INSERT INTO "amx_history_origins" ("epoch", "landed", "origin")
SELECT 'v1' AS "epoch", 1 AS "landed", 'v1' AS "origin"
WHERE EXISTS (SELECT 1 FROM "amx_history_runs" WHERE "writer" = 'v1')
  AND NOT EXISTS (SELECT 1 FROM "amx_history_origins" WHERE "origin" = 'v1');
