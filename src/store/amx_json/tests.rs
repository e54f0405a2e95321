//! The behaviour of `amx_json`.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn bare_numbers_that_json_lacks_become_strings() {
    let fixed = repair(r#" {"a": NaN, "b": [Infinity, -Infinity, -1], "NaN": "NaN"} "#).unwrap();
    assert_eq!(fixed, r#"{"a": "NaN", "b": ["Infinity", "-Infinity", -1], "NaN": "NaN"}"#);
    assert_eq!(repair("NaN").unwrap(), "\"NaN\"");
}

#[test]
fn what_cannot_be_read_back_is_not_json() {
    let deep = "[".repeat(101) + &"]".repeat(101);
    let bad = [
        "",
        "x",
        "{",
        "{]",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "1 2",
        "01",
        "1.",
        "-",
        "+1",
        "1e",
        "1e999",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\\x\"",
        "\"\n\"",
        "\"",
        "nul",
        "Nan",
        "{'a': 1}",
        "[1 2]",
        "[}",
        "]",
        "\u{feff}{}",
        "\"\\u12\u{20ac}\"",
        &deep,
    ];
    for text in bad {
        assert_eq!(repair(text), None, "{text}");
    }
}

#[test]
fn all_shapes_of_alternatives_become_text_and_logprob() {
    let out = alternatives(
        r#"["a\u00e9", {"text": "b", "signal": "logprob", "score": 0.5, "band": "high"}, {"text":"c","scores":{"x":1},"ensemble":2}]"#,
        Some(-0.25),
    );
    let out = out.unwrap();
    assert_eq!(
        out.json,
        r#"[{"text":"aé","logprob":-0.25},{"text":"b","logprob":null,"signal":"logprob","score":0.5,"band":"high"},{"text":"c","logprob":null,"scores":{"x":1},"ensemble":2}]"#
    );
    assert_eq!((out.first.as_deref(), out.whole), (Some("aé"), true));
}

#[test]
fn an_element_without_text_is_left_out_and_told() {
    let out = alternatives(r#"[1, null, true, [2], {"x": 1}, {"text": 5}, "a"]"#, None).unwrap();
    assert_eq!((out.json.as_str(), out.whole), (r#"[{"text":"a","logprob":null}]"#, false));
    assert_eq!(alternatives("{}", None), None);
    assert_eq!(alternatives("[]", Some(1.0)).unwrap().json, "[]");
}

#[test]
fn an_own_log_probability_is_kept_unless_a_known_one_takes_its_place() {
    let json = r#"[{"text":"a","logprob":-1},{"text":"b","logprob":-2.5}]"#;
    let out = alternatives(json, None).unwrap();
    assert_eq!((out.json.as_str(), out.whole), (r#"[{"text":"a","logprob":-1.0},{"text":"b","logprob":-2.5}]"#, true));
    assert!(!alternatives(json, Some(-3.0)).unwrap().whole);
    assert!(!alternatives(r#"[{"text":"a","logprob":"NaN"}]"#, None).unwrap().whole);
}

#[test]
fn superseded_texts_are_added_once_and_never_empty() {
    let old = r#"[{"text":"b","logprob":-1.5,"band":"low"},{"text":"","logprob":null}]"#;
    let out = append_superseded(Some("[]".into()), [(Some("a"), Some(old)), (Some("b"), None), (Some(""), None)].into_iter());
    let expected = r#"[{"text":"a","logprob":null,"superseded":true},{"text":"b","logprob":-1.5,"band":"low","superseded":true}]"#;
    assert_eq!(out.as_deref(), Some(expected));
    let out = append_superseded(None, [(None, None)].into_iter());
    assert_eq!(out, None);
}

#[test]
fn scope_names_schemas_and_tables_in_order() {
    assert_eq!(scope(Some(r#"{"sales": [], "hr": ["b", "a.x"], "x": null, "y": "t"}"#)), "sales, hr.b, hr.a.x, x, y.t");
    for none in [None, Some("{}"), Some("null"), Some("oops"), Some("[1]"), Some("")] {
        assert_eq!(scope(none), "*");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_either_not_json_or_can_be_read(text in "\\PC*|[\\[\\]{}\",:\\\\ua0-9.eE+\\- NIinfty]*") {
        if let Some(fixed) = repair(&text) {
            prop_assert!(serde_json::from_str::<Value>(&fixed).is_ok(), "{fixed}");
            let _ = alternatives(&fixed, Some(0.5));
        } else if let Ok(value) = serde_json::from_str::<Value>(&text) {
            prop_assert!(false, "{value} was refused");
        }
        let _ = scope(Some(&text));
    }

    #[test]
    fn valid_json_is_unchanged(value in any_json()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(repair(&text), Some(Cow::Borrowed(text.as_str())));
        }
    }

    #[test]
    fn text_and_numbers_written_read_back_the_same(text in any::<String>(), number in any::<f64>()) {
        let mut out = String::new();
        push_text(&mut out, &text);
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        out.clear();
        push_number(&mut out, number);
        if number.is_finite() {
            prop_assert_eq!(serde_json::from_str::<f64>(&out).unwrap(), number);
        } else {
            prop_assert!(serde_json::from_str::<String>(&out).is_ok());
        }
    }
}
