-- AMX history-store V2 sharing (Databricks dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by, hostname, client_version, local_id, origin, writer, landing)
ALTER TABLE `{{ schema }}`.`amx_history_runs` ADD COLUMNS (
  `created_by` STRING COMMENT 'Login name of the writer.',
  `hostname` STRING COMMENT 'Machine that the run was made on.',
  `client_version` STRING COMMENT 'Version of AMX that wrote the row.',
  `local_id` BIGINT COMMENT 'Id of the row on the machine it came from.',
  `origin` STRING COMMENT 'Installation that first wrote the run: its owner.',
  `writer` STRING COMMENT 'Installation that changed the row last.',
  `landing` BIGINT COMMENT 'Number of the write that changed the row last, counted per writer.'
);

-- step: add columns amx_history_results (metadata_json, created_by, hostname, client_version, local_id, origin, writer, landing)
ALTER TABLE `{{ schema }}`.`amx_history_results` ADD COLUMNS (
  `metadata_json` STRING COMMENT 'All else that is known of the result, a JSON object.',
  `created_by` STRING COMMENT 'Login name of the writer.',
  `hostname` STRING COMMENT 'Machine that the result was made on.',
  `client_version` STRING COMMENT 'Version of AMX that wrote the row.',
  `local_id` BIGINT COMMENT 'Id of the row on the machine it came from.',
  `origin` STRING COMMENT 'Installation that first wrote the result.',
  `writer` STRING COMMENT 'Installation that changed the row last.',
  `landing` BIGINT COMMENT 'Number of the write that changed the row last, counted per writer.'
);

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_origins` (
  `origin` STRING NOT NULL COMMENT 'The installation.',
  `landed` BIGINT NOT NULL COMMENT 'Number of its last write that landed.',
  `epoch` STRING NOT NULL COMMENT 'Changes where the count was set back, as by a restored backup.',
  `hostname` STRING COMMENT 'Machine of the installation.',
  `created_by` STRING COMMENT 'Login name of the installation\'s user.',
  CONSTRAINT `pk_amx_history_origins` PRIMARY KEY (`origin`)
)
USING DELTA
COMMENT 'One installation that writes to the store per row, with the number of its last write.';

-- step: create table amx_history_store (item, value)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_store` (
  `item` STRING NOT NULL COMMENT 'What the fact is, such as store_id.',
  `value` STRING NOT NULL COMMENT 'The fact.',
  CONSTRAINT `pk_amx_history_store` PRIMARY KEY (`item`)
)
USING DELTA
COMMENT 'Facts about the store itself, one per row.';

-- step: backfill amx_history_runs
UPDATE `{{ schema }}`.`amx_history_runs` SET `created_by` = `who`, `landing` = 1, `origin` = 'v1', `writer` = 'v1' WHERE `writer` IS NULL;

-- step: backfill amx_history_results
UPDATE `{{ schema }}`.`amx_history_results` SET `landing` = 1, `origin` = 'v1', `writer` = 'v1' WHERE `writer` IS NULL;

-- step: backfill amx_history_origins
INSERT INTO `{{ schema }}`.`amx_history_origins` (`epoch`, `landed`, `origin`)
SELECT 'v1' AS `epoch`, 1 AS `landed`, 'v1' AS `origin` FROM (SELECT 1 AS one) o
WHERE EXISTS (SELECT 1 FROM `{{ schema }}`.`amx_history_runs` WHERE `writer` = 'v1')
  AND NOT EXISTS (SELECT 1 FROM `{{ schema }}`.`amx_history_origins` WHERE `origin` = 'v1');
