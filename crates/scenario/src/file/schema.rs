//! The JSON Schema and the tables of `docs/scenarios.md`, written from the types.
//!
//! `UPDATE_DOCS=1 cargo test -p remit-scenario` writes both anew; without it the test fails when they are out of date.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::server::RpcFailure;
use super::setup::{Hold, Host, Secret};
use super::step::{self, Shape, fields};
use super::{Acted, Agent, Answer, Answered, Freeze, From, Human, Reading, Scenario, Server, TaskSpec};
use serde::de::DeserializeOwned;

const BEGIN: &str = "<!-- keys: written from the code, do not edit -->";
const END: &str = "<!-- end of keys -->";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator()
}

fn shape_of<T: JsonSchema + DeserializeOwned>() -> Shape {
    Shape {
        name: "",
        schema: T::json_schema(&mut generator()),
        keys: fields::of::<T>(),
    }
}

/// Defaults say nothing that the descriptions do not, and a list of options with null is only serde's way.
fn tidy(value: Value) -> Map<String, Value> {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("default");
                map.remove("$schema");
                if let Some(Value::Array(kinds)) = map.get("type") {
                    let one = kinds.iter().find(|kind| *kind != "null").cloned().unwrap();
                    map.insert("type".to_owned(), one);
                }
                if let Some(Value::Array(options)) = map.get("anyOf")
                    && options.iter().any(|option| option["type"] == "null")
                    && let Some(Value::Object(one)) =
                        options.iter().find(|option| option["type"] != "null").cloned()
                {
                    map.remove("anyOf");
                    for (key, value) in one {
                        map.entry(key).or_insert(value);
                    }
                }
                map.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    let mut value = value;
    walk(&mut value);
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// One schema with the members of all: the shape of a step is the sum of its parts.
fn merged(parts: &[Shape]) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in parts {
        let part = tidy(part.schema.clone().to_value());
        properties.extend(part["properties"].as_object().unwrap().clone());
        required.extend(
            part.get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .cloned(),
        );
    }
    let Value::Object(map) = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false
    }) else {
        panic!("an object");
    };
    map
}

pub(super) fn scenario() -> Value {
    let mut root = tidy(shape_of::<Scenario>().schema.to_value());
    let steps: Vec<Value> = step::schemas(&mut generator())
        .into_iter()
        .map(|(verb, parts)| {
            let mut step = merged(&parts);
            step.insert("title".to_owned(), json!(verb));
            step.insert(
                "description".to_owned(),
                parts[0].schema.clone().to_value()["description"].clone(),
            );
            Value::Object(step)
        })
        .collect();
    let list = json!({
        "type": "array", "minItems": 1, "items": { "oneOf": steps }, "description": "What happens, in this order."
    });
    root.get_mut("properties").unwrap()["steps"] = list;
    root.get_mut("required")
        .unwrap()
        .as_array_mut()
        .unwrap()
        .push(json!("steps"));
    root.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    root.insert("$id".to_owned(), json!("https://remit.dev/scenario.schema.json"));
    root.insert("title".to_owned(), json!("Remit scenario"));
    Value::Object(root)
}

fn table(out: &mut String, shape: &Shape) {
    let schema = tidy(shape.schema.clone().to_value());
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    out.push_str("| key | value | meaning |\n|---|---|---|\n");
    for key in &shape.keys {
        let value = &schema["properties"][key];
        let need = if required.contains(key) { ", required" } else { "" };
        let text = value["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        writeln!(out, "| `{key}` | {}{need} | {text} |", kind(value)).unwrap();
    }
    out.push('\n');
}

fn kind(value: &Value) -> String {
    let words = |list: &Vec<Value>| {
        list.iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(list) = value.get("enum").and_then(Value::as_array) {
        return words(list);
    }
    if let Some(options) = value.get("oneOf").and_then(Value::as_array) {
        let consts: Vec<Value> = options.iter().map(|option| option["const"].clone()).collect();
        return words(&consts);
    }
    if value.get("anyOf").is_some() {
        return "text or list of texts".to_owned();
    }
    if value["format"] == "date-time" {
        return "moment".to_owned();
    }
    if value["pattern"] == "^[0-9]" {
        return "length of time".to_owned();
    }
    match value["type"].as_str() {
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("array") => format!("list of {}", plural(&kind(&value["items"]))),
        Some("object") => match value.get("additionalProperties") {
            Some(Value::Object(inner)) => format!("map of name to {}", kind(&Value::Object(inner.clone()))),
            _ => "map".to_owned(),
        },
        other => panic!("a kind without a word: {other:?} in {value}"),
    }
}

fn plural(kind: &str) -> String {
    match kind {
        "text" => "texts".to_owned(),
        "map" => "maps".to_owned(),
        other => other.to_owned(),
    }
}

fn tables() -> String {
    let mut out = String::from("\n");
    let parts: Vec<(&str, Shape)> = vec![
        ("### The file", shape_of::<Scenario>()),
        ("### `hold`", shape_of::<Hold>()),
        ("### A server (`servers.NAME`)", shape_of::<Server>()),
        (
            "### An answer (`servers.NAME.answers.TOOL[]`)",
            shape_of::<Answer>(),
        ),
        ("### A JSON-RPC error (`error`)", shape_of::<RpcFailure>()),
        ("### A human (`humans.NAME`)", shape_of::<Human>()),
        ("### An agent (`agents.NAME`)", shape_of::<Agent>()),
        ("### A freeze (`freezes[]`)", shape_of::<Freeze>()),
        (
            "### A task (`tasks.NAME`, and in a `task open` step)",
            shape_of::<TaskSpec>(),
        ),
        ("### A host (`hosts.NAME`)", shape_of::<Host>()),
        ("### A secret (`secrets.NAME`)", shape_of::<Secret>()),
        (
            "### Who asks: keys of `call`, `read`, `prompt`, `list` and `resume`",
            shape_of::<From>(),
        ),
        (
            "### What is expected of `call`, `read`, `prompt`, `resume` and `join`",
            shape_of::<Answered>(),
        ),
        ("### What is expected of `list`", shape_of::<Reading>()),
        ("### What is expected of an act", shape_of::<Acted>()),
    ];
    for (heading, schema) in parts {
        writeln!(out, "{heading}\n").unwrap();
        table(&mut out, &schema);
    }
    out.push_str("### The steps\n\n");
    for (verb, parts) in step::schemas(&mut generator()) {
        let own = parts[0].schema.clone().to_value();
        let more = parts.iter().skip(1).map(|part| match part.name {
            "From" => "who asks",
            "Answered" => "what is expected of an answer",
            "Reading" => "what is expected of a list",
            "Acted" => "what is expected of an act",
            "TaskSpec" => "the keys of a task",
            other => panic!("a part without words: {other}"),
        });
        let more = more.collect::<Vec<_>>().join(", ");
        let besides = if more.is_empty() {
            String::new()
        } else {
            format!(" Besides: {more}.")
        };
        writeln!(
            out,
            "#### `{verb}`\n\n{}{besides}\n",
            own["description"].as_str().unwrap_or_default()
        )
        .unwrap();
        table(&mut out, &parts[0]);
    }
    out
}

/// The file's text with `fresh` in place; writes it when asked to.
fn keep(path: &Path, fresh: &str) {
    let held = std::fs::read_to_string(path).unwrap_or_default();
    if held == fresh {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "{} is out of date: run UPDATE_DOCS=1 cargo test -p remit-scenario",
        path.display()
    );
    std::fs::write(path, fresh).unwrap();
}

#[test]
fn the_schema_is_up_to_date() {
    let text = serde_json::to_string_pretty(&scenario()).unwrap();
    keep(&docs("scenario.schema.json"), &format!("{text}\n"));
}

#[test]
fn the_tables_are_up_to_date() {
    let page = std::fs::read_to_string(docs("scenarios.md")).unwrap();
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("the page has a place for the tables");
    let (_, tail) = rest.split_once(END).expect("the page's tables end");
    keep(
        &docs("scenarios.md"),
        &format!("{head}{BEGIN}\n{}{END}{tail}", tables()),
    );
}

#[test]
fn the_schema_takes_every_shipped_file_and_the_example() {
    let schema = jsonschema::validator_for(&scenario()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut texts: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let page = std::fs::read_to_string(docs("scenarios.md")).unwrap();
    texts.extend(
        page.split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split_once("```").map(|(text, _)| text.to_owned())),
    );
    for text in texts {
        let value = crate::text::value(&text).unwrap();
        let found: Vec<String> = schema
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(found.is_empty(), "{found:?} in {text}");
        super::read(&text).unwrap();
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = jsonschema::validator_for(&scenario()).unwrap();
    let head = "scenario: x\nservers: {fs: {}}\nhumans: {ada: {roles: [initiator]}}\nagents: {coder: {owner: ada}}\n\
                tasks: {work: {agent: coder, by: ada, intent: x}}\n";
    let good = "steps: [{call: fs/x, expect: allow}]\n";
    assert!(schema.is_valid(&crate::text::value(&format!("{head}{good}")).unwrap()));
    for bad in [
        "steps: []\n",
        "steps: [{call: fs/x}]\n",
        "steps: [{call: fs/x, expect: maybe}]\n",
        "steps: [{call: fs/x, expect: allow, expct: deny}]\n",
        "steps: [{call: fs/x, clock: 1h, expect: allow}]\n",
        "steps: [{clock: 5}]\n",
        "steps: [{sleep: 1h}]\n",
        "stps: [{clock: 1h}]\n",
        "steps: [{call: fs/x, expect: allow}]\nhold: {wait: 1s, whine: 1s}\n",
    ] {
        let text = format!("{head}{bad}");
        assert!(
            !schema.is_valid(&crate::text::value(&text).unwrap()),
            "the schema takes {bad}"
        );
        assert!(super::read(&text).is_err(), "the reader takes {bad}");
    }
}
