//! A small model, and every kind of change that an engineer may make to it.

use amx_schema::model::Model;

/// A small model that every backend can hold. The tests change it as an engineer does, by editing its text.
pub const SHOP: &str = r#"# The shop.
name: shop
title: Shop
schema: SHOP
versions:
  # What came when.
  1: tables   # the first

tables:
  - name: shop_customers
    comment: One customer per row.
    primary_key: [customer]
    columns:
      - {name: customer, kind: key, length: 64, bytes: 64, null: false, comment: "Who."}
      - {name: mail, kind: key, length: 80, bytes: 80, comment: "Where to."}
      - {name: note, kind: text, null: false, comment: "What else."}
      - {name: visits, kind: integer, null: false, comment: "How often."}
      - {name: active, kind: boolean, null: false, comment: "Whether."}
    indexes:
      - {name: ix_shop_mail, columns: [mail, visits]}
      - {name: ix_shop_active, columns: [active]}
  - name: shop_orders
    comment: One order per row.
    primary_key: [customer, serial]
    references:
      - {columns: [customer], table: shop_customers}
    columns:
      - {name: customer, kind: key, length: 64, bytes: 64, null: false, comment: "Whose."}
      - {name: serial, kind: integer, null: false, comment: "Which."}
      - {name: placed_at, kind: timestamp, null: false, comment: "When (UTC)."}
  - name: shop_facts
    comment: One fact per row.
    primary_key: [item]
    columns:
      - {name: item, kind: key, length: 64, bytes: 64, null: false, comment: "What."}
"#;

/// One kind of change: its name, what is replaced in the model, and by what.
pub type Edit = (&'static str, &'static [(&'static str, &'static str)]);

pub const NOTE: &str = r#"      - {name: note, kind: text, null: false, comment: "What else."}"#;
const MAIL: &str = r#"      - {name: mail, kind: key, length: 80, bytes: 80, comment: "Where to."}"#;
pub const IX_ACTIVE: &str = "      - {name: ix_shop_active, columns: [active]}\n";
pub const FACTS: &str = "  - name: shop_facts
    comment: One fact per row.
    primary_key: [item]
    columns:
      - {name: item, kind: key, length: 64, bytes: 64, null: false, comment: \"What.\"}
";

/// Every kind of change that an engineer may make.
pub const EDITS: &[Edit] = &[
    (
        "add-columns",
        &[(
            NOTE,
            "      - {name: note, kind: text, null: false, comment: \"What else.\"}
      - {name: region, kind: key, length: 20, bytes: 80, comment: \"Where; it's new.\"}
      - {name: seen_at, kind: timestamp, comment: \"When (UTC).\"}",
        )],
    ),
    ("rename-column", &[(NOTE, r#"      - {name: remark, was: note, kind: text, null: false, comment: "What else."}"#)]),
    (
        "rename-indexed-column",
        &[
            (MAIL, r#"      - {name: email, was: mail, kind: key, length: 80, bytes: 80, comment: "Where to."}"#),
            ("[mail, visits]", "[email, visits]"),
        ],
    ),
    ("drop-column", &[("      - {name: note, kind: text, null: false, comment: \"What else.\"}\n", "")]),
    ("drop-indexed-column", &[("      - {name: active, kind: boolean, null: false, comment: \"Whether.\"}\n", ""), (IX_ACTIVE, "")]),
    ("widen-key", &[("name: mail, kind: key, length: 80, bytes: 80", "name: mail, kind: key, length: 120, bytes: 320")]),
    ("allow-null", &[("name: note, kind: text, null: false", "name: note, kind: text")]),
    ("allow-null-indexed", &[("name: visits, kind: integer, null: false", "name: visits, kind: integer")]),
    ("comment-table", &[("comment: One customer per row.", "comment: \"A customer's row.\"")]),
    ("comment-column", &[("\"Where to.\"", "\"Where to write.\"")]),
    ("add-index", &[(IX_ACTIVE, "      - {name: ix_shop_active, columns: [active]}\n      - {name: ix_shop_visits, columns: [visits]}\n")]),
    ("drop-index", &[(IX_ACTIVE, "")]),
    ("change-index", &[("columns: [active]", "columns: [active, visits]")]),
    (
        "add-table",
        &[(
            "  - name: shop_facts\n",
            "  - name: shop_places\n    comment: One place per row.\n    primary_key: [place]\n    columns:\n      - {name: place, kind: integer, null: false, comment: \"Which.\"}\n    indexes:\n      - {name: ix_shop_place, columns: [place]}\n  - name: shop_facts\n",
        )],
    ),
    ("drop-table", &[(FACTS, "")]),
    (
        "all-of-a-column",
        &[
            (MAIL, r#"      - {name: email, was: mail, kind: key, length: 120, bytes: 320, comment: "Where to write."}"#),
            ("[mail, visits]", "[email, visits]"),
        ],
    ),
];

/// The shop with some text replaced.
#[track_caller]
pub fn edited(replaced: &[(&str, &str)]) -> String {
    replaced.iter().fold(SHOP.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "the model has no {from}");
        text.replacen(from, to, 1)
    })
}

pub fn model(text: &str) -> Model {
    Model::from_yaml(text).unwrap()
}

pub fn shop() -> Model {
    model(SHOP)
}
