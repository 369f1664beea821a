//! The quick answer, held against that of the `jsonschema` crate.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};

use super::*;
use crate::mapping::PayloadScan;

fn leaves() -> Vec<Value> {
    vec![
        json!(true),
        json!(false),
        json!({}),
        json!({ "type": "string", "description": "a text" }),
        json!({ "type": "integer" }),
        json!({ "type": "number" }),
        json!({ "type": "boolean" }),
        json!({ "type": ["string", "null"] }),
        json!({ "type": "object" }),
        json!({ "type": "array", "minItems": 1, "maxItems": 2 }),
        json!({ "minLength": 2, "maxLength": 3 }),
        json!({ "pattern": "^-?(0|[1-9][0-9]*)\\.[0-9]{2}$" }),
        json!({ "type": "string", "pattern": "^[A-Z0-9][A-Z0-9/-]{0,4}$" }),
        json!({ "pattern": "\\d" }),
        json!({ "format": "date" }),
        json!({ "enum": ["a", "bc", "awarded"] }),
        json!({ "const": "awarded" }),
        json!({ "minimum": -1, "maximum": 10 }),
        json!({ "$ref": "#/$defs/two" }),
        json!({ "allOf": [{ "type": "string" }, { "minLength": 1 }, { "$ref": "#/$defs/two" }] }),
        json!({ "items": { "type": "integer", "minimum": 1 } }),
        json!({ "required": ["a"], "additionalProperties": true }),
        json!({ "required": ["a"], "properties": { "a": { "type": "string" } }, "additionalProperties": false }),
        json!({
            "if": { "properties": { "a": { "const": "x" } } },
            "then": { "required": ["b"] },
            "else": { "properties": { "b": false } }
        }),
        json!({ "if": { "minLength": 2 }, "then": { "pattern": "^[a-z]+$" } }),
        json!({ "if": { "type": "string" }, "else": { "type": "integer" } }),
    ]
}

fn values() -> Vec<&'static str> {
    vec![
        r#""""#,
        r#""a""#,
        r#""bc""#,
        r#""bcd""#,
        r#""abcd""#,
        r#""äöü""#,
        r#""ä""#,
        r#""awarded""#,
        r#""12.50""#,
        r#""-0.05""#,
        r#""012.50""#,
        r#""12.5""#,
        r#""A-1/2""#,
        r#""a\"b""#,
        r#""\\""#,
        r#""\n""#,
        r#""\u0041""#,
        r#""2026-01-31""#,
        r#""2026-02-30""#,
        r#""0000-01-01""#,
        r#""2026-1-31""#,
        r#""٣""#,
        "0",
        "1",
        "-1",
        "-2",
        "10",
        "11",
        "-0",
        "1.0",
        "1.5",
        "10.5",
        "1e1",
        "true",
        "false",
        "null",
        "123456789012345678",
        "1234567890123456789",
        "99999999999999999999999999",
        "[]",
        "[1]",
        "[1,2]",
        "[1,2,3]",
        "[0]",
        r#"["a"]"#,
        "[[1]]",
        "{}",
        r#"{"a":"x"}"#,
        r#"{"a":"y"}"#,
        r#"{"a":1}"#,
        r#"{"b":"z"}"#,
        r#"{"a":"x","b":1}"#,
        r#"{"a":"y","b":1}"#,
        r#"{"a":"x","a":1}"#,
        r#"{"a":1,"a":"x"}"#,
        r#"{"b":1,"a":"x"}"#,
        r#"{"a":"x","c":{}}"#,
        r#"{ "a": "x" }"#,
    ]
}

/// A schema around another one, and a payload around another one, so that the inner are met where they usually are.
fn within(schema: &Value, value: &str) -> Vec<(Value, String)> {
    let id = "https://example.org/1";
    let defs = json!({ "two": { "maxLength": 2 } });
    let draft = "https://json-schema.org/draft/2020-12/schema";
    vec![
        (
            json!({
                "$id": id, "$schema": draft, "$defs": defs, "type": "object", "required": ["key", "it"],
                "additionalProperties": false, "properties": { "key": { "type": "string" }, "it": schema }
            }),
            format!(r#"{{"key":"K","it":{value}}}"#),
        ),
        (
            json!({ "$id": id, "$defs": defs, "properties": { "list": { "type": "array", "items": schema } } }),
            format!(r#"{{"other":0,"list":[{value},{value}]}}"#),
        ),
        (json!({ "$id": id, "$defs": defs, "if": schema, "then": { "type": "string" } }), value.to_owned()),
        (json!({ "$id": id, "$defs": defs, "allOf": [schema] }), value.to_owned()),
    ]
}

#[test]
fn what_is_certain_is_what_the_crate_says() {
    let (mut accepted, mut valid, mut refused) = (0, 0, 0);
    for schema in leaves() {
        for value in values() {
            for (schema, payload) in within(&schema, value) {
                let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
                let is_valid = validator.is_valid(&serde_json::from_str(&payload).unwrap());
                let quick = QuickSchema::compile(&schema).expect("every keyword is known");
                let mut scan = PayloadScan::default();
                let scanned = scan.payload(payload.as_bytes());
                let answer = scanned.scanned.and_then(|scanned| quick.root.answer(scanned, 0));
                assert!(answer.is_none_or(|answer| answer == is_valid), "{payload} is {answer:?} for {schema:#}");
                assert_eq!(quick.accepts(scanned), answer == Some(true));
                valid += usize::from(is_valid);
                accepted += usize::from(answer == Some(true));
                refused += usize::from(answer == Some(false));
            }
        }
    }
    println!("{accepted} of {valid} accepted, {refused} refused");
    assert!(accepted * 10 > valid * 8 && refused > 1000, "too little is certain: {accepted} of {valid}, {refused}");
}

#[test]
fn schemas_with_other_keywords_are_left_alone() {
    for schema in [
        json!({ "anyOf": [true] }),
        json!({ "not": {} }),
        json!({ "format": "email" }),
        json!({ "patternProperties": { "a": true } }),
        json!({ "properties": { "a": { "$id": "https://example.org/2" } } }),
        json!({ "properties": { "a": { "enum": [1, "a"] } } }),
        json!({ "additionalProperties": { "type": "string" } }),
        json!({ "$ref": "#" }),
        json!({ "$ref": "https://example.org/other" }),
        json!({ "$defs": { "a": { "items": { "$ref": "#/$defs/a" } } }, "$ref": "#/$defs/a" }),
        json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
        json!({ "pattern": "a.b" }),
        json!({ "minLength": 1.0 }),
        json!({ "required": ["a"], "additionalProperties": false }),
        json!(1),
    ] {
        assert!(QuickSchema::compile(&schema).is_none(), "{schema}");
    }
}

#[test]
fn the_schemas_of_the_example_are_quick() {
    for schema in [
        include_str!("../../../../config/schemas/BidProcessed.schema.json"),
        include_str!("../../../../config/schemas/WorkOrderCreated.schema.json"),
        include_str!("../../../../config/schemas/WorkOrderCompleted.schema.json"),
    ] {
        assert!(QuickSchema::compile(&serde_json::from_str(schema).unwrap()).is_some());
    }
}
