-- AMX history-store V1 tables (MySQL dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_runs` (
  `run_id` VARCHAR(64) NOT NULL COMMENT 'The run, such as run_2026-05-03_15-44-002.',
  `who` LONGTEXT NOT NULL COMMENT 'Who ran it: AMX_USER, or the OS user.',
  `started_at` DATETIME(6) NOT NULL COMMENT 'When the run began (UTC).',
  `finished_at` DATETIME(6) COMMENT 'When the run ended (UTC).',
  `scope` LONGTEXT NOT NULL COMMENT 'What it covered, such as sales or sales.customer; * for all.',
  `llm_provider` LONGTEXT NOT NULL COMMENT 'Provider of the language model.',
  `llm_model` LONGTEXT NOT NULL COMMENT 'The language model.',
  `db_backend` LONGTEXT NOT NULL COMMENT 'Kind of database that was described.',
  `state` LONGTEXT NOT NULL COMMENT 'running, reviewed, applied or failed.',
  `applied_at` DATETIME(6) COMMENT 'When its newest description was applied (UTC).',
  `applied_by` LONGTEXT COMMENT 'Who applied it.',
  `metadata_json` LONGTEXT COMMENT 'All else that is known of the run, a JSON object.',
  PRIMARY KEY (`run_id`)
) COMMENT 'One AMX run per row.' ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 /*!80017 COLLATE=utf8mb4_0900_bin */ /*M!100202 COLLATE=utf8mb4_nopad_bin */;

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at) with ix_amx_history_results_run_id, ix_amx_history_results_target
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_results` (
  `run_id` VARCHAR(64) NOT NULL COMMENT 'The run that described the object.',
  `target_qname` VARCHAR(700) NOT NULL COMMENT 'The object, such as sales.customer.c_first_name.',
  `target_kind` LONGTEXT NOT NULL COMMENT 'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.',
  `description` LONGTEXT COMMENT 'The chosen description.',
  `alternatives` LONGTEXT COMMENT 'Other drafts, a JSON array of {text, logprob}.',
  `confidence` LONGTEXT NOT NULL COMMENT 'high, medium or low.',
  `applied` TINYINT(1) NOT NULL COMMENT 'Whether the description was written to the catalog.',
  `applied_at` DATETIME(6) COMMENT 'When it was written to the catalog (UTC).',
  PRIMARY KEY (`run_id`, `target_qname`),
  KEY `ix_amx_history_results_run_id` (`run_id`),
  KEY `ix_amx_history_results_target` (`target_qname`),
  CONSTRAINT `fk_amx_history_results_run_id` FOREIGN KEY (`run_id`) REFERENCES `amx_history_runs` (`run_id`)
) COMMENT 'One described object of a run per row.' ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 /*!80017 COLLATE=utf8mb4_0900_bin */ /*M!100202 COLLATE=utf8mb4_nopad_bin */;
