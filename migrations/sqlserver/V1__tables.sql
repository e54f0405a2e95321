-- AMX history-store V1 tables (SQL Server dialect)
-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.

-- step: create table amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by, metadata_json)
IF OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') IS NULL
CREATE TABLE [{{ schema }}].[amx_history_runs] (
  [run_id] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [who] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [started_at] DATETIME2(6) NOT NULL,
  [finished_at] DATETIME2(6) NULL,
  [scope] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [llm_provider] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [llm_model] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [db_backend] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [state] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [applied_at] DATETIME2(6) NULL,
  [applied_by] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL,
  [metadata_json] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL,
  CONSTRAINT [pk_amx_history_runs] PRIMARY KEY NONCLUSTERED ([run_id])
)
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = 0)
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'One AMX run per row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'One AMX run per row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'run_id', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The run, such as run_2026-05-03_15-44-002.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'run_id'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The run, such as run_2026-05-03_15-44-002.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'run_id'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'who', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Who ran it: AMX_USER, or the OS user.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'who'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Who ran it: AMX_USER, or the OS user.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'who'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'started_at', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'When the run began (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'started_at'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'When the run began (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'started_at'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'finished_at', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'When the run ended (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'finished_at'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'When the run ended (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'finished_at'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'scope', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'What it covered, such as sales or sales.customer; * for all.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'scope'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'What it covered, such as sales or sales.customer; * for all.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'scope'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'llm_provider', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Provider of the language model.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'llm_provider'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Provider of the language model.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'llm_provider'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'llm_model', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The language model.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'llm_model'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The language model.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'llm_model'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'db_backend', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Kind of database that was described.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'db_backend'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Kind of database that was described.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'db_backend'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'state', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'running, reviewed, applied or failed.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'state'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'running, reviewed, applied or failed.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'state'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'applied_at', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'When its newest description was applied (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'applied_at'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'When its newest description was applied (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'applied_at'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'applied_by', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Who applied it.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'applied_by'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Who applied it.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'applied_by'
GO

-- step: comment on amx_history_runs
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_runs]', N'U'), N'metadata_json', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'All else that is known of the run, a JSON object.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'metadata_json'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'All else that is known of the run, a JSON object.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_runs', N'COLUMN', N'metadata_json'
GO

-- step: create table amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at)
IF OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') IS NULL
CREATE TABLE [{{ schema }}].[amx_history_results] (
  [run_id] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [target_qname] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [target_kind] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [description] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL,
  [alternatives] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL,
  [confidence] NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [applied] BIT NOT NULL,
  [applied_at] DATETIME2(6) NULL,
  CONSTRAINT [pk_amx_history_results] PRIMARY KEY NONCLUSTERED ([run_id], [target_qname]),
  CONSTRAINT [fk_amx_history_results_run_id] FOREIGN KEY ([run_id]) REFERENCES [{{ schema }}].[amx_history_runs] ([run_id])
)
GO

-- step: create index ix_amx_history_results_run_id on amx_history_results
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'ix_amx_history_results_run_id')
  CREATE NONCLUSTERED INDEX [ix_amx_history_results_run_id] ON [{{ schema }}].[amx_history_results] ([run_id])
GO

-- step: create index ix_amx_history_results_target on amx_history_results
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND name = N'ix_amx_history_results_target')
  CREATE NONCLUSTERED INDEX [ix_amx_history_results_target] ON [{{ schema }}].[amx_history_results] ([target_qname])
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = 0)
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'One described object of a run per row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'One described object of a run per row.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'run_id', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The run that described the object.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'run_id'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The run that described the object.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'run_id'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'target_qname', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The object, such as sales.customer.c_first_name.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'target_qname'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The object, such as sales.customer.c_first_name.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'target_qname'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'target_kind', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'target_kind'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'TABLE, COLUMN, VIEW or MATERIALIZED_VIEW.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'target_kind'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'description', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'The chosen description.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'description'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'The chosen description.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'description'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'alternatives', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Other drafts, a JSON array of {text, logprob}.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'alternatives'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Other drafts, a JSON array of {text, logprob}.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'alternatives'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'confidence', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'high, medium or low.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'confidence'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'high, medium or low.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'confidence'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'applied', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'Whether the description was written to the catalog.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'applied'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'Whether the description was written to the catalog.', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'applied'
GO

-- step: comment on amx_history_results
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U') AND minor_id = COLUMNPROPERTY(OBJECT_ID(N'[{{ schema }}].[amx_history_results]', N'U'), N'applied_at', 'ColumnId'))
  EXEC sys.sp_updateextendedproperty N'MS_Description', N'When it was written to the catalog (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'applied_at'
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N'When it was written to the catalog (UTC).', N'SCHEMA', N'{{ schema }}', N'TABLE', N'amx_history_results', N'COLUMN', N'applied_at'
GO
