-- AMX history-store V1 tables (SQLite dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
CREATE TABLE IF NOT EXISTS "amx_history_runs" (
  "run_id" TEXT NOT NULL,
  "who" TEXT NOT NULL,
  "started_at" TEXT NOT NULL,
  "finished_at" TEXT,
  "scope" TEXT NOT NULL,
  "llm_provider" TEXT NOT NULL,
  "llm_model" TEXT NOT NULL,
  "db_backend" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "applied_at" TEXT,
  "applied_by" TEXT,
  "metadata_json" TEXT,
  PRIMARY KEY ("run_id")
);

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at)
CREATE TABLE IF NOT EXISTS "amx_history_results" (
  "run_id" TEXT NOT NULL,
  "target_qname" TEXT NOT NULL,
  "target_kind" TEXT NOT NULL,
  "description" TEXT,
  "alternatives" TEXT,
  "confidence" TEXT NOT NULL,
  "applied" INTEGER NOT NULL,
  "applied_at" TEXT,
  PRIMARY KEY ("run_id", "target_qname"),
  FOREIGN KEY ("run_id") REFERENCES "amx_history_runs" ("run_id")
);

-- step: create index ix_amx_history_results_run_id on amx_history_results
CREATE INDEX IF NOT EXISTS "ix_amx_history_results_run_id" ON "amx_history_results" (`run_id`);

-- step: create index ix_amx_history_results_target on amx_history_results
CREATE INDEX IF NOT EXISTS "ix_amx_history_results_target" ON "amx_history_results" (`target_qname`);
