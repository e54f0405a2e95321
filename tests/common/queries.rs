//! Every statement of ours that is no migration: what the store asks and writes, the lock, the ledgers, and what reads the catalog.

use amx_schema::dialect::Backend;
use amx_schema::model::{Kind, Model};
use minijinja::{Value, context};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Files of `queries/` that are parts of others.
const PARTS: [&str; 4] = ["columns.sql", "keyed.sql", "limit.sql", "rows.sql"];
/// The templates outside of `queries/` that are statements without being steps of a migration.
const OTHERS: [&str; 25] = [
    "catalog_columns.sql",
    "catalog_indexes.sql",
    "count_rows.sql",
    "inspect_columns.sql",
    "inspect_schemas.sql",
    "inspect_tables.sql",
    "ledger.sql",
    "ledger_delete.sql",
    "live_columns.sql",
    "live_indexes.sql",
    "live_keys.sql",
    "live_tables.sql",
    "lock_release.sql",
    "lock_renew.sql",
    "lock_row.sql",
    "lock_seed.sql",
    "lock_take.sql",
    "rows_with.sql",
    "schema_exists.sql",
    "step_add.sql",
    "step_note.sql",
    "steps.sql",
    "steps_delete.sql",
    "steps_reopen.sql",
    "timeouts.sql",
];

/// The names of the templates in `queries/`, of the backend and of `base/`.
fn names(backend: Backend) -> BTreeSet<String> {
    let folder = |of: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects").join(of).join("queries");
    let files = ["base", backend.word()].map(folder).into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).filter(|name| !PARTS.contains(&name.as_str())).collect()
}

/// Whether the backend has that template, its own or that of `base/`.
fn has(backend: Backend, template: &str) -> bool {
    ["base", backend.word()].iter().any(|of| Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects").join(of).join(template).exists())
}

/// Each of those statements with the name of its template.
pub fn all(backend: Backend) -> Vec<(String, String)> {
    let model = Model::embedded().unwrap();
    let dialect = backend.dialect().unwrap();
    let schema = dialect.schema_name("AMX").unwrap();
    let of_table = |name: &str, more: Value| {
        let columns = &model.table(name).unwrap().columns;
        let texts: Vec<usize> = (1..).zip(columns).filter(|(_, c)| matches!(c.kind, Kind::Text | Kind::Json)).map(|(at, _)| at).collect();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        context! { columns => names, texts, ..more }
    };
    let common = context! {
        ledger => model.ledger().name, steps => model.steps_table().name, lock => model.lock_table().name, item => "migrate",
        version => 2, step => 3, name => "sharing", checksum => "abc", state => "done", fence => 7, beat => 4,
        none => [context! { table_name => "amx_history_results", column => "metadata_json" }],
        column => "metadata_json", schemas => dialect.schemas, prefix => "amx_history_", lock_seconds => 5, statement_seconds => 60,
        limit => 10, count => 2, counts => [2, 1],
    };
    let mut statements = vec![];
    let mut add = |template: &str, context: Value| {
        let sql = dialect.render(template, &schema, context).unwrap();
        // A file of comments alone is no statement; `timeouts.sql` may be several.
        statements.extend(sql.lines().filter(|_| template == "timeouts.sql").map(|line| (template.to_string(), line.to_string())));
        if template != "timeouts.sql" && !sql.is_empty() {
            statements.push((template.to_string(), sql));
        }
    };
    let (runs, results) = (of_table("amx_history_runs", common.clone()), of_table("amx_history_results", common.clone()));
    for name in names(backend) {
        let template = format!("queries/{name}");
        match name.as_str() {
            "list_runs.sql" => {
                for conditions in [vec![], vec!["after"], vec!["who", "state", "scope", "after"], vec!["scope"]] {
                    add(&template, context! { conditions, ..runs.clone() });
                }
            }
            "runs_by_id.sql" => add(&template, runs.clone()),
            "update.sql" | "update_many.sql" => {
                for (table_name, set, wheres) in [
                    ("amx_history_runs", ["state", "landing"], vec!["run_id", "state"]),
                    ("amx_history_results", ["description", "landing"], vec!["run_id", "target_qname", "writer", "landing"]),
                ] {
                    if name == "update.sql" || dialect.update_from_values {
                        add(&template, context! { table_name, set, where => wheres, ..common.clone() });
                    }
                }
            }
            // For engines whose keys are not enforced, with rows from one bound text.
            "add_rows.sql" | "change_rows.sql" | "remove_rows.sql" => {}
            "copies.sql" | "delete_copies.sql" | "duplicates.sql" => {
                let key = ["run_id", "target_qname"];
                add(&template, context! { table_name => "amx_history_results", key, ..results.clone() });
            }
            "hashed_results.sql" | "result_counts.sql" | "run_ids.sql" => {
                for after in [false, true] {
                    add(&template, context! { after, ..results.clone() });
                }
            }
            _ => add(&template, results.clone()),
        }
    }
    for template in OTHERS.into_iter().filter(|template| has(backend, template)) {
        add(template, context! { table_name => "amx_history_results", ..common.clone() });
    }
    statements
}
