-- AMX history-store V2 sharing (MySQL dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by, hostname, client_version, local_id, origin, writer, landing)
ALTER TABLE `{{ schema }}`.`amx_history_runs`
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `created_by` LONGTEXT COMMENT 'Login name of the writer.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `hostname` LONGTEXT COMMENT 'Machine that the run was made on.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `client_version` LONGTEXT COMMENT 'Version of AMX that wrote the row.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `local_id` BIGINT COMMENT 'Id of the row on the machine it came from.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `origin` VARCHAR(64) COMMENT 'Installation that first wrote the run: its owner.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `writer` VARCHAR(64) COMMENT 'Installation that changed the row last.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `landing` BIGINT COMMENT 'Number of the write that changed the row last, counted per writer.';

-- step: create index ix_amx_history_runs_started_at on amx_history_runs
CREATE INDEX /*M!100104 IF NOT EXISTS */ `ix_amx_history_runs_started_at` ON `{{ schema }}`.`amx_history_runs` (`started_at`, `run_id`);

-- step: create index ix_amx_history_runs_landing on amx_history_runs
CREATE INDEX /*M!100104 IF NOT EXISTS */ `ix_amx_history_runs_landing` ON `{{ schema }}`.`amx_history_runs` (`writer`, `landing`);

-- step: add columns amx_history_results (metadata_json, created_by, hostname, client_version, local_id, origin, writer, landing)
ALTER TABLE `{{ schema }}`.`amx_history_results`
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `metadata_json` LONGTEXT COMMENT 'All else that is known of the result, a JSON object.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `created_by` LONGTEXT COMMENT 'Login name of the writer.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `hostname` LONGTEXT COMMENT 'Machine that the result was made on.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `client_version` LONGTEXT COMMENT 'Version of AMX that wrote the row.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `local_id` BIGINT COMMENT 'Id of the row on the machine it came from.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `origin` VARCHAR(64) COMMENT 'Installation that first wrote the result.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `writer` VARCHAR(64) COMMENT 'Installation that changed the row last.',
  ADD COLUMN /*M!100002 IF NOT EXISTS */ `landing` BIGINT COMMENT 'Number of the write that changed the row last, counted per writer.';

-- step: create index ix_amx_history_results_landing on amx_history_results
CREATE INDEX /*M!100104 IF NOT EXISTS */ `ix_amx_history_results_landing` ON `{{ schema }}`.`amx_history_results` (`writer`, `landing`);

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_origins` (
  `origin` VARCHAR(64) NOT NULL COMMENT 'The installation.',
  `landed` BIGINT NOT NULL COMMENT 'Number of its last write that landed.',
  `epoch` VARCHAR(64) NOT NULL COMMENT 'Changes where the count was set back, as by a restored backup.',
  `hostname` LONGTEXT COMMENT 'Machine of the installation.',
  `created_by` LONGTEXT COMMENT 'Login name of the installation\'s user.',
  PRIMARY KEY (`origin`)
) COMMENT 'One installation that writes to the store per row, with the number of its last write.' ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 /*!80017 COLLATE=utf8mb4_0900_bin */ /*M!100202 COLLATE=utf8mb4_nopad_bin */;

-- step: create table amx_history_store (item, value)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_store` (
  `item` VARCHAR(64) NOT NULL COMMENT 'What the fact is, such as store_id.',
  `value` LONGTEXT NOT NULL COMMENT 'The fact.',
  PRIMARY KEY (`item`)
) COMMENT 'Facts about the store itself, one per row.' ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 /*!80017 COLLATE=utf8mb4_0900_bin */ /*M!100202 COLLATE=utf8mb4_nopad_bin */;

-- step: backfill amx_history_runs
UPDATE `{{ schema }}`.`amx_history_runs` SET `created_by` = `who`, `landing` = 1, `origin` = 'v1', `writer` = 'v1' WHERE `writer` IS NULL;

-- step: backfill amx_history_results
UPDATE `{{ schema }}`.`amx_history_results` SET `landing` = 1, `origin` = 'v1', `writer` = 'v1' WHERE `writer` IS NULL;

-- step: backfill amx_history_origins
INSERT INTO `{{ schema }}`.`amx_history_origins` (`epoch`, `landed`, `origin`)
SELECT 'v1' AS `epoch`, 1 AS `landed`, 'v1' AS `origin` FROM DUAL
WHERE EXISTS (SELECT 1 FROM `{{ schema }}`.`amx_history_runs` WHERE `writer` = 'v1')
  AND NOT EXISTS (SELECT 1 FROM `{{ schema }}`.`amx_history_origins` WHERE `origin` = 'v1');
