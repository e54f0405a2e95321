//! What is found out about a model before any of it is rendered.

use amx_schema::dialect::Backend;
use amx_schema::feasibility::{self, FindingCode};
use amx_schema::model::Model;

/// The store as AMX's documentation shows it, taken literally.
const SPEC: &str = include_str!("fixtures/spec-literal.yaml");

/// A small model that every backend can hold. `{…}` marks what the tests change.
const SOUND: &str = r#"
name: notes
title: Notes
schema: NOTES
versions: {1: tables}
tables:
  - name: notes_authors
    comment: One author per row.
    primary_key: [author]
    columns:
      - {name: author, kind: key, length: 64, bytes: 64, null: false, comment: "Who."}
      - {name: mail, kind: text, comment: "Where to."}
    indexes:
      - {name: ix_notes_author, columns: [author]}
"#;

/// The stable words of what is found, with the object.
fn found(yaml: &str, backend: Backend) -> Vec<(&'static str, String)> {
    let findings = feasibility::check(&Model::from_yaml(yaml).unwrap(), backend.dialect().unwrap());
    findings.into_iter().map(|finding| (finding.code.word(), finding.object)).collect()
}

#[track_caller]
fn finds(yaml: &str, backend: Backend, code: &'static str, object: &str) {
    let found = found(yaml, backend);
    assert!(found.contains(&(code, object.to_string())), "{backend}: {found:?}");
}

#[test]
fn the_stores_own_model_can_be_held_by_every_backend() {
    let model = Model::embedded().unwrap();
    for backend in Backend::ALL {
        assert_eq!(feasibility::check(&model, backend.dialect().unwrap()), [], "{backend}");
    }
}

#[test]
fn a_sound_model_has_no_finding() {
    for backend in Backend::ALL {
        assert_eq!(found(SOUND, backend), [], "{backend}");
    }
}

#[test]
fn the_documented_ddl_taken_literally_has_these_findings() {
    let model = Model::from_yaml(SPEC).unwrap();
    let mut text = String::new();
    for backend in Backend::ALL {
        let findings = feasibility::check(&model, backend.dialect().unwrap());
        text += &format!("{backend}: {}\n", findings.len());
        findings.iter().for_each(|finding| text += &format!("  {finding}\n"));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("feasibility.spec-literal", text));
}

#[test]
fn text_in_a_key_is_found_where_the_engine_does_not_index_it() {
    for backend in [Backend::MySql, Backend::SqlServer, Backend::Oracle] {
        for column in ["amx_history_runs.run_id", "amx_history_results.run_id", "amx_history_results.target_qname"] {
            finds(SPEC, backend, "key_type_unindexable", column);
        }
    }
}

#[test]
fn zero_is_found_as_the_default_of_a_boolean_where_it_is_none() {
    for backend in [Backend::PostgreSql, Backend::BigQuery, Backend::Databricks, Backend::Redshift] {
        finds(SPEC, backend, "default_type_mismatch", "amx_history_results.applied");
    }
    for backend in [Backend::MySql, Backend::Sqlite, Backend::SqlServer, Backend::Oracle] {
        assert!(found(SPEC, backend).iter().all(|(code, _)| *code != "default_type_mismatch"), "{backend}");
    }
}

#[test]
fn types_that_mean_something_else_are_found() {
    finds(SPEC, Backend::SqlServer, "type_misleading", "amx_history_runs.started_at");
    finds(SPEC, Backend::MySql, "type_misleading", "amx_history_runs.started_at");
    finds(SPEC, Backend::Snowflake, "type_misleading", "amx_history_runs.started_at");
    finds(SPEC, Backend::Redshift, "type_misleading", "amx_history_results.description");
    let said = feasibility::check(&Model::from_yaml(SPEC).unwrap(), Backend::SqlServer.dialect().unwrap());
    assert!(said.iter().any(|finding| finding.code == FindingCode::TypeMisleading && finding.reason.contains("row version")));
    let said = feasibility::check(&Model::from_yaml(SPEC).unwrap(), Backend::Redshift.dialect().unwrap());
    assert!(said.iter().any(|finding| finding.code == FindingCode::TypeMisleading && finding.reason.contains("VARCHAR(256)")));
}

#[test]
fn types_that_do_not_exist_are_found() {
    finds(SPEC, Backend::SqlServer, "type_missing", "amx_history_results.applied");
    finds(SPEC, Backend::Oracle, "type_missing", "amx_history_results.applied");
    finds(SPEC, Backend::BigQuery, "type_missing", "amx_history_runs.who");
    finds(SPEC, Backend::Databricks, "type_missing", "amx_history_runs.who");
}

#[test]
fn a_default_is_found_where_it_needs_a_feature_of_the_table() {
    finds(SPEC, Backend::Databricks, "default_needs_feature", "amx_history_results.applied");
}

#[test]
fn sqlite_can_hold_the_documented_ddl() {
    assert_eq!(found(SPEC, Backend::Sqlite), []);
}

#[test]
fn a_type_is_known_whatever_its_case_and_its_length() {
    let literal = |sql: &str| SOUND.replace("kind: text,", &format!("kind: literal, type: \"{sql}\","));
    for sql in ["varchar2(10)", "VARCHAR2 (10)", "VarChar2(10 CHAR)"] {
        finds(&literal(sql), Backend::SqlServer, "type_missing", "notes_authors.mail");
    }
    finds(&literal("timestamp(6)"), Backend::MySql, "type_misleading", "notes_authors.mail");
    finds(&literal("TEXT COLLATE nocase"), Backend::Oracle, "type_missing", "notes_authors.mail");
}

#[test]
fn a_key_that_is_too_long_is_found() {
    let long = |length: u32| SOUND.replace("length: 64, bytes: 64", &format!("length: {length}, bytes: {}", length * 3));
    for (backend, longest) in [(Backend::PostgreSql, 901), (Backend::MySql, 768), (Backend::SqlServer, 850), (Backend::Oracle, 1599)] {
        assert_eq!(found(&long(longest), backend), [], "{backend}");
        finds(&long(longest + 1), backend, "key_too_long", "notes_authors key");
        finds(&long(longest + 1), backend, "key_too_long", "ix_notes_author");
    }
}

#[test]
fn the_columns_of_a_key_share_its_limit() {
    let two = SOUND.replace("primary_key: [author]", "primary_key: [author, title]").replace(
        "      - {name: mail",
        "      - {name: title, kind: key, length: 790, bytes: 2400, null: false, comment: \"What.\"}\n      - {name: mail",
    );
    finds(&two, Backend::SqlServer, "key_too_long", "notes_authors key");
    assert_eq!(found(&two.replace("length: 790", "length: 700"), Backend::SqlServer), []);
}

#[test]
fn a_name_that_is_too_long_is_found() {
    for (backend, max) in
        [(Backend::PostgreSql, 63), (Backend::MySql, 64), (Backend::SqlServer, 128), (Backend::Oracle, 128), (Backend::Redshift, 127)]
    {
        let column = |length: usize| SOUND.replace("name: mail", &format!("name: {}", "m".repeat(length)));
        assert_eq!(found(&column(max), backend), [], "{backend}");
        finds(&column(max + 1), backend, "identifier_too_long", &format!("notes_authors.{}", "m".repeat(max + 1)));
    }
    let index = "ix_".to_string() + &"i".repeat(61);
    finds(&SOUND.replace("ix_notes_author", &index), Backend::PostgreSql, "identifier_too_long", &index);
}

#[test]
fn the_name_of_a_foreign_key_that_is_too_long_is_found() {
    let column = format!("a{}", "u".repeat(59));
    let yaml = format!(
        "{}  - name: notes
    comment: One note per row.
    primary_key: [note]
    references: [{{columns: [{column}], table: notes_authors}}]
    columns:
      - {{name: note, kind: key, length: 64, bytes: 64, null: false, comment: \"Which.\"}}
      - {{name: {column}, kind: key, length: 64, bytes: 64, null: false, comment: \"Whose.\"}}
",
        SOUND
    );
    finds(&yaml, Backend::PostgreSql, "identifier_too_long", &format!("fk_notes_{column}"));
    finds(&yaml, Backend::MySql, "identifier_too_long", &format!("fk_notes_{column}"));
    assert_eq!(found(&yaml, Backend::SqlServer), []);
}

#[test]
fn a_reserved_word_is_found_in_any_case() {
    for (name, backend) in [
        ("user", Backend::PostgreSql),
        ("Rank", Backend::MySql),
        ("percent", Backend::SqlServer),
        ("level", Backend::Oracle),
        ("qualify", Backend::Snowflake),
        ("hash", Backend::BigQuery),
        ("minus", Backend::Databricks),
        ("tag", Backend::Redshift),
        ("index", Backend::Sqlite),
    ] {
        finds(&SOUND.replace("name: mail", &format!("name: {name}")), backend, "identifier_reserved", &format!("notes_authors.{name}"));
    }
}

#[test]
fn a_finding_becomes_an_error_that_counts_the_others() {
    let model = Model::from_yaml(SPEC).unwrap();
    let error = feasibility::require(&model, Backend::SqlServer.dialect().unwrap()).unwrap_err();
    assert_eq!(error.code.word(), "model_infeasible");
    assert!(error.message.starts_with("type_misleading on sqlserver: amx_history_runs.run_id: "), "{}", error.message);
    let others = found(SPEC, Backend::SqlServer).len() - 1;
    assert!(error.message.ends_with(&format!("(and {others} more)")), "{}", error.message);
}
