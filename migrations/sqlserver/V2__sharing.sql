-- AMX history-store V2 sharing (SQL Server dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: add columns amx_history_runs (created_by)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'created_by')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [created_by] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_runs (hostname)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'hostname')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [hostname] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_runs (client_version)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'client_version')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [client_version] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_runs (local_id)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'local_id')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [local_id] BIGINT NULL
GO

-- step: add columns amx_history_runs (origin)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'origin')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [origin] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_runs (writer)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'writer')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [writer] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_runs (landing)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'landing')
  ALTER TABLE [{{ schema }}].[amx_history_runs] ADD [landing] BIGINT NULL
GO

-- step: create index ix_amx_history_runs_started_at on amx_history_runs
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'ix_amx_history_runs_started_at')
  CREATE NONCLUSTERED INDEX [ix_amx_history_runs_started_at] ON [{{ schema }}].[amx_history_runs] ([started_at], [run_id])
GO

-- step: create index ix_amx_history_runs_landing on amx_history_runs
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND name = N'ix_amx_history_runs_landing')
  CREATE NONCLUSTERED INDEX [ix_amx_history_runs_landing] ON [{{ schema }}].[amx_history_runs] ([writer], [landing])
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'created_by', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Login name of the writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'created_by'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Login name of the writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'created_by'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'hostname', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Machine that the run was made on.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'hostname'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Machine that the run was made on.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'hostname'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'client_version', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Version of AMX that wrote the row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'client_version'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Version of AMX that wrote the row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'client_version'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'local_id', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Id of the row on the machine it came from.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'local_id'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Id of the row on the machine it came from.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'local_id'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'origin', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Installation that first wrote the run: its owner.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'origin'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Installation that first wrote the run: its owner.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'origin'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'writer', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Installation that changed the row last.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'writer'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Installation that changed the row last.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'writer'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'landing', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Number of the write that changed the row last, counted per writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'landing'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Number of the write that changed the row last, counted per writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'landing'
GO

-- step: add columns amx_history_results (metadata_json)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'metadata_json')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [metadata_json] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_results (created_by)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'created_by')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [created_by] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_results (hostname)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'hostname')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [hostname] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_results (client_version)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'client_version')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [client_version] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_results (local_id)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'local_id')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [local_id] BIGINT NULL
GO

-- step: add columns amx_history_results (origin)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'origin')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [origin] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_results (writer)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'writer')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [writer] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL
GO

-- step: add columns amx_history_results (landing)
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'landing')
  ALTER TABLE [{{ schema }}].[amx_history_results] ADD [landing] BIGINT NULL
GO

-- step: create index ix_amx_history_results_landing on amx_history_results
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'ix_amx_history_results_landing')
  CREATE NONCLUSTERED INDEX [ix_amx_history_results_landing] ON [{{ schema }}].[amx_history_results] ([writer], [landing])
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'metadata_json', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'All else that is known of the result, a JSON object.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'metadata_json'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'All else that is known of the result, a JSON object.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'metadata_json'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'created_by', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Login name of the writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'created_by'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Login name of the writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'created_by'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'hostname', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Machine that the result was made on.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'hostname'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Machine that the result was made on.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'hostname'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'client_version', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Version of AMX that wrote the row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'client_version'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Version of AMX that wrote the row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'client_version'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'local_id', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Id of the row on the machine it came from.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'local_id'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Id of the row on the machine it came from.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'local_id'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'origin', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Installation that first wrote the result.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'origin'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Installation that first wrote the result.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'origin'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'writer', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Installation that changed the row last.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'writer'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Installation that changed the row last.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'writer'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'landing', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Number of the write that changed the row last, counted per writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'landing'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Number of the write that changed the row last, counted per writer.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'landing'
GO

-- step: create table amx_history_origins (origin, landed, epoch, hostname, created_by)
IF OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') IS NULL
CREATE TABLE [{{ schema }}].[amx_history_origins] (
  [origin] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [landed] BIGINT NOT NULL,
  [epoch] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [hostname] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL,
  [created_by] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL,
  CONSTRAINT [pk_amx_history_origins] PRIMARY KEY NONCLUSTERED ([origin])
)
GO

-- step: comment on amx_history_origins
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') AND minor_id = 0)
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'One installation that writes to the store per row, with the number of its last write.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'One installation that writes to the store per row, with the number of its last write.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins'
GO

-- step: comment on amx_history_origins
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U'), N'origin', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The installation.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'origin'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The installation.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'origin'
GO

-- step: comment on amx_history_origins
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U'), N'landed', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Number of its last write that landed.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'landed'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Number of its last write that landed.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'landed'
GO

-- step: comment on amx_history_origins
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U'), N'epoch', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Changes where the count was set back, as by a restored backup.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'epoch'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Changes where the count was set back, as by a restored backup.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'epoch'
GO

-- step: comment on amx_history_origins
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U'), N'hostname', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Machine of the installation.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'hostname'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Machine of the installation.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'hostname'
GO

-- step: comment on amx_history_origins
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_origins]', N'U'), N'created_by', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Login name of the installation''s user.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'created_by'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Login name of the installation''s user.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_origins', N'COLUMN', N'created_by'
GO

-- step: create table amx_history_store (item, value)
IF OBJECT_ID(N'[{{ schema }}].[amx_history_store]', N'U') IS NULL
CREATE TABLE [{{ schema }}].[amx_history_store] (
  [item] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [value] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT [pk_amx_history_store] PRIMARY KEY NONCLUSTERED ([item])
)
GO

-- step: comment on amx_history_store
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_store]', N'U') AND minor_id = 0)
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Facts about the store itself, one per row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_store'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Facts about the store itself, one per row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_store'
GO

-- step: comment on amx_history_store
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_store]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_store]', N'U'), N'item', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'What the fact is, such as store_id.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_store', N'COLUMN', N'item'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'What the fact is, such as store_id.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_store', N'COLUMN', N'item'
GO

-- step: comment on amx_history_store
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_store]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_store]', N'U'), N'value', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The fact.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_store', N'COLUMN', N'value'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The fact.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_store', N'COLUMN', N'value'
GO

-- step: backfill amx_history_runs
UPDATE [{{ schema }}].[amx_history_runs] SET [created_by] = [who], [landing] = 1, [origin] = 'v1', [writer] = 'v1' WHERE [writer] IS NULL
GO

-- step: backfill amx_history_results
UPDATE [{{ schema }}].[amx_history_results] SET [landing] = 1, [origin] = 'v1', [writer] = 'v1' WHERE [writer] IS NULL
GO

-- step: backfill amx_history_origins
INSERT INTO [{{ schema }}].[amx_history_origins] ([epoch], [landed], [origin])
SELECT 'v1' AS [epoch], 1 AS [landed], 'v1' AS [origin]
WHERE EXISTS (SELECT 1 FROM [{{ schema }}].[amx_history_runs] WHERE [writer] = 'v1')
  AND NOT EXISTS (SELECT 1 FROM [{{ schema }}].[amx_history_origins] WHERE [origin] = 'v1')
GO
