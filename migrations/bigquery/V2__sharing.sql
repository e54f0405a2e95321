-- AMX history-store V2 sharing (BigQuery dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by, hostname, client_version, local_id, origin, writer, landing)
ALTER TABLE `{{ schema }}`.`amx_history_runs`
  ADD COLUMN IF NOT EXISTS `created_by` STRING OPTIONS (description = 'Login name of the writer.'),
  ADD COLUMN IF NOT EXISTS `hostname` STRING OPTIONS (description = 'Machine that the run was made on.'),
  ADD COLUMN IF NOT EXISTS `client_version` STRING OPTIONS (description = 'Version of AMX that wrote the row.'),
  ADD COLUMN IF NOT EXISTS `local_id` INT64 OPTIONS (description = 'Id of the row on the machine it came from.'),
  ADD COLUMN IF NOT EXISTS `origin` STRING OPTIONS (description = 'Installation that first wrote the run: its owner.'),
  ADD COLUMN IF NOT EXISTS `writer` STRING OPTIONS (description = 'Installation that changed the row last.'),
  ADD COLUMN IF NOT EXISTS `landing` INT64 OPTIONS (description = 'Number of the write that changed the row last, counted per writer.');

-- step: add columns amx_history_results (metadata_json, created_by, hostname, client_version, local_id, origin, writer, landing)
ALTER TABLE `{{ schema }}`.`amx_history_results`
  ADD COLUMN IF NOT EXISTS `metadata_json` STRING OPTIONS (description = 'All else that is known of the result, a JSON object.'),
  ADD COLUMN IF NOT EXISTS `created_by` STRING OPTIONS (description = 'Login name of the writer.'),
  ADD COLUMN IF NOT EXISTS `hostname` STRING OPTIONS (description = 'Machine that the result was made on.'),
  ADD COLUMN IF NOT EXISTS `client_version` STRING OPTIONS (description = 'Version of AMX that wrote the row.'),
  ADD COLUMN IF NOT EXISTS `local_id` INT64 OPTIONS (description = 'Id of the row on the machine it came from.'),
  ADD COLUMN IF NOT EXISTS `origin` STRING OPTIONS (description = 'Installation that first wrote the result.'),
  ADD COLUMN IF NOT EXISTS `writer` STRING OPTIONS (description = 'Installation that changed the row last.'),
  ADD COLUMN IF NOT EXISTS `landing` INT64 OPTIONS (description = 'Number of the write that changed the row last, counted per writer.');

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_origins` (
  `origin` STRING NOT NULL OPTIONS (description = 'The installation.'),
  `landed` INT64 NOT NULL OPTIONS (description = 'Number of its last write that landed.'),
  `epoch` STRING NOT NULL OPTIONS (description = 'Changes where the count was set back, as by a restored backup.'),
  `hostname` STRING OPTIONS (description = 'Machine of the installation.'),
  `created_by` STRING OPTIONS (description = 'Login name of the installation\'s user.'),
  PRIMARY KEY (`origin`) NOT ENFORCED
)
CLUSTER BY `origin`
OPTIONS (description = 'One installation that writes to the store per row, with the number of its last write.');

-- step: create table amx_history_store (item, value)
CREATE TABLE IF NOT EXISTS `{{ schema }}`.`amx_history_store` (
  `item` STRING NOT NULL OPTIONS (description = 'What the fact is, such as store_id.'),
  `value` STRING NOT NULL OPTIONS (description = 'The fact.'),
  PRIMARY KEY (`item`) NOT ENFORCED
)
CLUSTER BY `item`
OPTIONS (description = 'Facts about the store itself, one per row.');

-- step: backfill amx_history_runs
UPDATE `{{ schema }}`.`amx_history_runs` SET `created_by` = `who`, `landing` = 1, `origin` = 'v1', `writer` = 'v1' WHERE `writer` IS NULL;

-- step: backfill amx_history_results
UPDATE `{{ schema }}`.`amx_history_results` SET `landing` = 1, `origin` = 'v1', `writer` = 'v1' WHERE `writer` IS NULL;

-- step: backfill amx_history_origins
INSERT INTO `{{ schema }}`.`amx_history_origins` (`epoch`, `landed`, `origin`)
SELECT 'v1' AS `epoch`, 1 AS `landed`, 'v1' AS `origin` FROM (SELECT 1 AS one)
WHERE EXISTS (SELECT 1 FROM `{{ schema }}`.`amx_history_runs` WHERE `writer` = 'v1')
  AND NOT EXISTS (SELECT 1 FROM `{{ schema }}`.`amx_history_origins` WHERE `origin` = 'v1');
