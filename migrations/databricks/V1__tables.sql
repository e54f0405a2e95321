-- AMX history-store V1 tables (Databricks dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_runs` (
  `run_id` STRING NOT NULL COMMENT 'The run, such as run_2026-05-03_15-44-002.',
  `who` STRING NOT NULL COMMENT 'Who ran it: AMX_USER, or the OS user.',
  `started_at` TIMESTAMP NOT NULL COMMENT 'When the run began (UTC).',
  `finished_at` TIMESTAMP COMMENT 'When the run ended (UTC).',
  `scope` STRING NOT NULL COMMENT 'What it covered, such as sales or sales.customer; * for all.',
  `llm_provider` STRING NOT NULL COMMENT 'Provider of the language model.',
  `llm_model` STRING NOT NULL COMMENT 'The language model.',
  `db_backend` STRING NOT NULL COMMENT 'Kind of database that was described.',
  `state` STRING NOT NULL COMMENT 'running, reviewed, applied or failed.',
  `applied_at` TIMESTAMP COMMENT 'When its newest description was applied (UTC).',
  `applied_by` STRING COMMENT 'Who applied it.',
  `metadata_json` STRING COMMENT 'All else that is known of the run, a JSON object.',
  CONSTRAINT `pk_amx_history_runs` PRIMARY KEY (`run_id`)
)
USING DELTA
COMMENT 'One AMX run per row.';

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_results` (
  `run_id` STRING NOT NULL COMMENT 'The run that described the object.',
  `target_qname` STRING NOT NULL COMMENT 'The object, such as sales.customer.c_first_name.',
  `target_kind` STRING NOT NULL COMMENT 'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.',
  `description` STRING COMMENT 'The chosen description.',
  `alternatives` STRING COMMENT 'Other drafts, a JSON array of {text, logprob}.',
  `confidence` STRING NOT NULL COMMENT 'high, medium or low.',
  `applied` BOOLEAN NOT NULL COMMENT 'Whether the description was written to the catalog.',
  `applied_at` TIMESTAMP COMMENT 'When it was written to the catalog (UTC).',
  CONSTRAINT `pk_amx_history_results` PRIMARY KEY (`run_id`, `target_qname`),
  CONSTRAINT `fk_amx_history_results_run_id` FOREIGN KEY (`run_id`) REFERENCES `{{ schema }}`.`amx_history_runs` (`run_id`)
)
USING DELTA
COMMENT 'One described object of a run per row.';
