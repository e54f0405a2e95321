-- AMX history-store V1 tables (BigQuery dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_runs` (
  `run_id` STRING NOT NULL OPTIONS (description = 'The run, such as run_2026-05-03_15-44-002.'),
  `who` STRING NOT NULL OPTIONS (description = 'Who ran it: AMX_USER, or the OS user.'),
  `started_at` TIMESTAMP NOT NULL OPTIONS (description = 'When the run began (UTC).'),
  `finished_at` TIMESTAMP OPTIONS (description = 'When the run ended (UTC).'),
  `scope` STRING NOT NULL OPTIONS (description = 'What it covered, such as sales or sales.customer; * for all.'),
  `llm_provider` STRING NOT NULL OPTIONS (description = 'Provider of the language model.'),
  `llm_model` STRING NOT NULL OPTIONS (description = 'The language model.'),
  `db_backend` STRING NOT NULL OPTIONS (description = 'Kind of database that was described.'),
  `state` STRING NOT NULL OPTIONS (description = 'running, reviewed, applied or failed.'),
  `applied_at` TIMESTAMP OPTIONS (description = 'When its newest description was applied (UTC).'),
  `applied_by` STRING OPTIONS (description = 'Who applied it.'),
  `metadata_json` STRING OPTIONS (description = 'All else that is known of the run, a JSON object.'),
  PRIMARY KEY (`run_id`) NOT ENFORCED
)
CLUSTER BY `run_id`
OPTIONS (description = 'One AMX run per row.');

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_results` (
  `run_id` STRING NOT NULL OPTIONS (description = 'The run that described the object.'),
  `target_qname` STRING NOT NULL OPTIONS (description = 'The object, such as sales.customer.c_first_name.'),
  `target_kind` STRING NOT NULL OPTIONS (description = 'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.'),
  `description` STRING OPTIONS (description = 'The chosen description.'),
  `alternatives` STRING OPTIONS (description = 'Other drafts, a JSON array of {text, logprob}.'),
  `confidence` STRING NOT NULL OPTIONS (description = 'high, medium or low.'),
  `applied` BOOL NOT NULL OPTIONS (description = 'Whether the description was written to the catalog.'),
  `applied_at` TIMESTAMP OPTIONS (description = 'When it was written to the catalog (UTC).'),
  PRIMARY KEY (`run_id`, `target_qname`) NOT ENFORCED,
  CONSTRAINT `fk_amx_history_results_run_id` FOREIGN KEY (`run_id`) REFERENCES `{{ schema }}`.`amx_history_runs` (`run_id`) NOT ENFORCED
)
CLUSTER BY `run_id`, `target_qname`
OPTIONS (description = 'One described object of a run per row.');
