//! An operation as the registry keeps a tool: its definition with an input schema, and what its arguments mean.

use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::{ArgumentRole, ArgumentRule, ToolClass};
use remit_core::{array, object};

use super::lookup::Bind;
use super::operation::{BodyKind, FieldKind, FieldRole, Operation};

/// Rules that say what the arguments of a request mean.
pub(super) fn rules(system: &Name, operation: &Operation) -> Result<Vec<ArgumentRule>, String> {
    let rule = |pointer: String, role| ArgumentRule { pointer, role };
    let mut rules = vec![rule(
        "/resources/*".to_owned(),
        ArgumentRole::Resource {
            system: system.clone(),
        },
    )];
    // What may change between look and act is not seen, whatever it was: only a person can say that it does not matter.
    if operation.class != ToolClass::Read
        && operation
            .lookup
            .as_ref()
            .is_some_and(|lookup| lookup.bind == Bind::None)
    {
        rules.push(rule(
            "/object".to_owned(),
            ArgumentRole::Resource {
                system: system.clone(),
            },
        ));
    }
    for (at, field) in &operation.fields {
        let pointer = format!("/{}", at.replace('~', "~0").replace('/', "~1").replace('.', "/"));
        let pointer = if field.kind == FieldKind::Texts && field.role != Some(FieldRole::Amount) {
            format!("{pointer}/*")
        } else {
            pointer
        };
        match field.role {
            None => {}
            Some(FieldRole::Content) => rules.push(rule(pointer, ArgumentRole::Content)),
            Some(FieldRole::Amount) => rules.push(rule(pointer, ArgumentRole::Amount)),
            Some(FieldRole::Destination(kind)) => {
                rules.push(rule(pointer, ArgumentRole::Destination { kind }));
            }
        }
    }
    Ok(rules)
}

/// The tool's definition. Everything that decides how a request is recognised and read is in it, so that its fingerprint
/// changes when the description does.
pub(super) fn definition(operation: &Operation) -> Object {
    let mut properties = Object::new();
    let text = || object! { "type": "string" };
    properties.insert("request", text());
    properties.insert("host", text());
    properties.insert("resources", object! { "type": "array", "items": text() });
    properties.insert("headers", object! { "type": "object" });
    let mut path = Object::new();
    let mut names = Vec::new();
    for name in operation.path.names() {
        path.insert(name, text());
        names.push(Value::from(name));
    }
    properties.insert(
        "path",
        object! { "type": "object", "properties": path, "required": names, "additionalProperties": false },
    );
    properties.insert("query", declared(operation, "query."));
    if operation.body != BodyKind::None {
        properties.insert("body", declared(operation, "body."));
        properties.insert("document", object! {});
        properties.insert("body_sha256", text());
        properties.insert("body_bytes", object! { "type": "integer" });
        properties.insert("body_type", text());
    }
    let strings = || object! { "type": "array", "items": text() };
    properties.insert(
        "graphql",
        object! { "type": "object", "additionalProperties": false, "properties": object! {
            "type": text(), "name": text(), "fields": strings(), "document": text()
        } },
    );
    properties.insert(
        "git",
        object! { "type": "object", "additionalProperties": false, "properties": object! {
            "service": text(), "created": strings(), "updated": strings(), "rewritten": strings(), "deleted": strings()
        } },
    );
    let mut required = vec!["request", "host", "path"];
    if operation.looks_up {
        properties.insert("lookup_for", text());
    }
    if let Some(lookup) = &operation.lookup {
        // Not required: what a task cannot use at all is refused before anything is looked up.
        properties.insert("object", lookup.schema());
    }
    if operation
        .fields
        .iter()
        .any(|(at, field)| field.required && at.starts_with("body."))
    {
        required.push("body");
    }
    if operation
        .fields
        .iter()
        .any(|(at, field)| field.required && at.starts_with("query."))
    {
        required.push("query");
    }
    let mut definition = Object::new();
    definition.insert("name", operation.name.as_str());
    definition.insert("description", operation.description.as_str());
    definition.insert(
        "inputSchema",
        object! {
            "type": "object", "properties": properties, "additionalProperties": false,
            "required": required.into_iter().map(Value::from).collect::<Vec<_>>()
        },
    );
    let conditions: Object = operation
        .when
        .iter()
        .map(|(at, value)| (at.as_str(), value.as_str()))
        .collect();
    let mut described = object! {
            "call": format!("{} {}", operation.methods.join(","), operation.path.text),
            "host": operation.host.as_ref().map(ToString::to_string).as_deref(),
            "when": conditions,
            "class": operation.class.as_str(),
            "irreversible": operation.irreversible,
            "mints": operation.mints,
            "resources": operation.resources.iter().map(|r| Value::from(r.text.as_str())).collect::<Vec<_>>(),
            "strict": operation.strict,
            "lookup": operation.lookup.as_ref().map(|lookup| Value::Object(lookup.definition()))
    };
    if let (Some(revoke), Some(described)) = (&operation.revoke, described.as_object_mut()) {
        let [call, probe] = revoke.texts();
        let with = if revoke.with_minted { "minted" } else { "caller" };
        let dead: Vec<Value> = revoke.dead.iter().map(|dead| dead.text().into()).collect();
        described.insert(
            "revoke",
            object! { "call": call, "with": with, "probe": probe, "dead": dead },
        );
    }
    definition.insert("_meta", object! { "dev.remit/operation": described });
    definition
}

/// The declared fields below `front` as a schema.
fn declared(operation: &Operation, front: &str) -> Value {
    let mut root = Object::new();
    root.insert("type", "object");
    let mut closed = root.clone();
    for (at, field) in operation.fields.iter().filter(|(at, _)| at.starts_with(front)) {
        let names: Vec<&str> = at.split('.').skip(1).collect();
        let of_query = front == "query." || operation.body == BodyKind::Form;
        let schema = match field.kind {
            FieldKind::Text => object! { "type": "string" },
            FieldKind::Integer | FieldKind::Number | FieldKind::Boolean if of_query => {
                object! { "type": "string" }
            }
            FieldKind::Integer => object! { "type": "integer" },
            FieldKind::Number => object! { "type": "number" },
            FieldKind::Boolean => object! { "type": "boolean" },
            FieldKind::Texts if of_query => object! {},
            FieldKind::Texts => object! { "type": "array", "items": object! { "type": "string" } },
            FieldKind::Any => object! {},
        };
        if names.contains(&"*") {
            // What is below a list may have other forms beside it, so its type stays open; its meaning is known by pointer.
            if let (Some(first), true) = (names.first(), operation.strict) {
                put(&mut closed, &[first], object! {}, field.required, true);
            }
            continue;
        }
        put(&mut closed, &names, schema, field.required, operation.strict);
    }
    if operation.strict {
        closed.insert("additionalProperties", false);
        if !closed.contains_key("properties") {
            closed.insert("properties", object! {});
        }
    }
    Value::Object(closed)
}

fn put(object: &mut Object, names: &[&str], schema: Value, required: bool, strict: bool) {
    let Some((first, rest)) = names.split_first() else {
        return;
    };
    if required {
        let list = object.get_or_insert_with("required", || array![]);
        if let Some(list) = list.as_array_mut()
            && !list.iter().any(|name| name.as_str() == Some(first))
        {
            list.push(Value::from(*first));
        }
    }
    let properties = object.get_or_insert_with("properties", || object! {});
    let Some(properties) = properties.as_object_mut() else {
        return;
    };
    if rest.is_empty() {
        properties.insert(*first, schema);
        return;
    }
    let inner = properties.get_or_insert_with(first, || object! { "type": "object" });
    if let Some(inner) = inner.as_object_mut() {
        if strict {
            inner.insert("additionalProperties", false);
        }
        put(inner, rest, schema, required, strict);
    }
}
