//! A description from an OpenAPI 3 document: paths become operations, declared parameters become fields, methods propose
//! classes. It is a proposal; the person who adds the system answers for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::file::{CredentialFile, FieldFile, FieldTable, File, OperationFile};

/// Deepest chain of references that is followed.
const REFERENCES_MAX: usize = 8;
/// Words in names and paths that say data or value goes to somebody else.
const TRANSFER: [&str; 14] = [
    "send", "pay", "payment", "transfer", "refund", "payout", "publish", "share", "invite", "notify",
    "forward", "withdraw", "export", "message",
];
/// Words that say who may do what is changed.
const PRIVILEGE: [&str; 12] = [
    "permission",
    "permissions",
    "role",
    "roles",
    "policy",
    "policies",
    "token",
    "tokens",
    "key",
    "keys",
    "grant",
    "member",
];
/// Words that say code runs.
const EXEC: [&str; 6] = ["exec", "execute", "run", "eval", "script", "command"];

/// Reads a document.
///
/// # Errors
/// A sentence, when it is no OpenAPI 3 document. What of it cannot be described is listed beside the description.
pub fn from_openapi(document: &Value) -> Result<(File, Vec<String>), String> {
    let version = document
        .get("openapi")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !version.starts_with("3.") {
        return Err(format!("this is no OpenAPI 3 document: `openapi` is `{version}`"));
    }
    let mut left_out = Vec::new();
    let (scheme, host, port, base) = server(document)?;
    let mut operations = Vec::new();
    let mut names = BTreeSet::new();
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .ok_or("the document has no `paths`")?;
    for (path, item) in paths {
        let item = resolve(document, item).and_then(Value::as_object);
        for (method, operation) in item.into_iter().flatten() {
            let upper = method.to_ascii_uppercase();
            if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&upper.as_str()) {
                continue;
            }
            let made = one(document, item, &format!("{base}{path}"), &upper, operation);
            match made.and_then(|made| {
                super::compile_operation(&"x".parse().map_err(|_| String::new())?, &made).map(|_| made)
            }) {
                Ok(mut made) => {
                    let plain = made.name.clone();
                    for number in 2.. {
                        if names.insert(made.name.clone()) {
                            break;
                        }
                        made.name = format!("{plain}_{number}");
                    }
                    operations.push(made);
                }
                Err(why) => left_out.push(format!("{upper} {path}: {why}")),
            }
        }
    }
    let title = document
        .pointer("/info/title")
        .and_then(Value::as_str)
        .unwrap_or("an HTTP API");
    let file = File {
        title: title.chars().filter(|c| !c.is_control()).take(120).collect(),
        hosts: host.into_iter().collect(),
        scheme,
        port,
        headers: Vec::new(),
        sigv4: None,
        credentials: credentials(document),
        git: None,
        graphql: None,
        operations,
    };
    Ok((file, left_out))
}

type Server = (Option<String>, Option<String>, Option<u16>, String);

/// Scheme, host, port and base path of the first server.
fn server(document: &Value) -> Result<Server, String> {
    let url = document
        .pointer("/servers/0/url")
        .and_then(Value::as_str)
        .unwrap_or("/");
    if url.contains('{') {
        return Ok((None, None, None, String::new()));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Ok((None, None, None, url.trim_end_matches('/').to_owned()));
    };
    let (authority, path) = rest
        .split_at_checked(rest.find('/').unwrap_or(rest.len()))
        .unwrap_or_default();
    let own = if scheme == "http" { 80 } else { 443 };
    let read = crate::authority::Authority::parse(authority, own).map_err(|bad| bad.to_string())?;
    Ok((
        Some(scheme.to_owned()),
        Some(read.host().to_owned()),
        (read.port() != own).then_some(read.port()),
        path.trim_end_matches('/').to_owned(),
    ))
}

fn one(
    document: &Value,
    item: Option<&Map<String, Value>>,
    path: &str,
    method: &str,
    operation: &Value,
) -> Result<OperationFile, String> {
    let mut renamed = BTreeMap::new();
    let path = template(path, &mut renamed)?;
    let id = operation.get("operationId").and_then(Value::as_str);
    let name = tool_name(id.unwrap_or(&format!("{}_{path}", method.to_ascii_lowercase())));
    let mut made = OperationFile {
        class: class(method, &name, &path).to_owned(),
        call: format!("{method} {path}"),
        description: text(operation, "summary"),
        resources: vec![path.trim_matches('/').replace("%}", "}").replace("...}", "}")],
        name,
        ..OperationFile::default()
    };
    if made.resources.first().is_some_and(String::is_empty) {
        made.resources.clear();
    }
    let shared = item
        .and_then(|item| item.get("parameters"))
        .and_then(Value::as_array);
    let own = operation.get("parameters").and_then(Value::as_array);
    for parameter in shared.into_iter().chain(own).flatten() {
        let parameter = resolve(document, parameter).ok_or("a reference that leads nowhere")?;
        if text(parameter, "in") == "query" {
            let schema = parameter
                .get("schema")
                .and_then(|schema| resolve(document, schema));
            let required = parameter
                .get("required")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            add(&mut made, "query", &text(parameter, "name"), schema, required);
        }
    }
    if let Some(body) = operation
        .get("requestBody")
        .and_then(|body| resolve(document, body))
    {
        body_fields(document, body, &mut made)?;
    }
    Ok(made)
}

fn body_fields(document: &Value, body: &Value, made: &mut OperationFile) -> Result<(), String> {
    let content = body.get("content").and_then(Value::as_object);
    let of = |kind: &str| content.and_then(|content| content.get(kind));
    let (kind, media) = match (of("application/json"), of("application/x-www-form-urlencoded")) {
        (Some(media), _) => ("json", media),
        (None, Some(media)) => ("form", media),
        (None, None) => {
            made.body = Some("digest".to_owned());
            return Ok(());
        }
    };
    made.body = Some(kind.to_owned());
    let schema = media.get("schema").and_then(|schema| resolve(document, schema));
    let required: Vec<&str> = schema
        .and_then(|schema| schema.get("required"))
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let must = body.get("required").and_then(Value::as_bool).unwrap_or(false);
    for (name, property) in schema
        .and_then(|s| s.get("properties"))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let property = resolve(document, property);
        add(
            made,
            "body",
            name,
            property,
            must && required.contains(&name.as_str()),
        );
    }
    if content.is_some_and(|content| content.len() > 1) {
        // Another representation would pass the declared fields by.
        made.body = Some(
            if made.fields.keys().any(|at| at.starts_with("body.")) {
                kind
            } else {
                "any"
            }
            .to_owned(),
        );
    }
    Ok(())
}

fn add(made: &mut OperationFile, front: &str, name: &str, schema: Option<&Value>, required: bool) {
    if name.is_empty() || name.contains('.') {
        return;
    }
    let of = |schema: Option<&Value>| schema.map(|schema| text(schema, "type")).unwrap_or_default();
    let kind = match of(schema).as_str() {
        "string" => "string",
        "integer" => "integer",
        "number" => "number",
        "boolean" => "boolean",
        "array" if of(schema.and_then(|schema| schema.get("items"))) == "string" => "strings",
        _ => "any",
    };
    let lower = name.to_ascii_lowercase();
    let role = if kind == "string"
        && front == "body"
        && (lower.contains("email") || lower == "recipient" || lower == "to")
    {
        Some("mail")
    } else if kind == "string" && front == "body" && lower.ends_with("url") {
        Some("url")
    } else if matches!(kind, "integer" | "number") && lower == "amount" {
        Some("amount")
    } else {
        None
    };
    let nullable = schema.is_some_and(|schema| schema.get("nullable").and_then(Value::as_bool) == Some(true));
    let table = FieldTable {
        r#type: if nullable { "any" } else { kind }.to_owned(),
        required,
        role: role.map(str::to_owned),
    };
    made.fields
        .insert(format!("{front}.{name}"), FieldFile::Table(table));
}

/// The class a method, and words that say more, propose.
fn class(method: &str, name: &str, path: &str) -> &'static str {
    let words: BTreeSet<String> = split(name).chain(split(path)).collect();
    let says = |list: &[&str]| list.iter().any(|word| words.contains(*word));
    match method {
        "GET" | "HEAD" | "OPTIONS" => "read",
        "DELETE" => "delete",
        _ if says(&PRIVILEGE) => "privilege",
        _ if says(&EXEC) => "exec",
        _ if says(&TRANSFER) => "transfer",
        _ => "write",
    }
}

/// Words of `createUserKey`, `/user/keys`, `create_user-key`.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    for c in text.chars() {
        let last = words.last_mut();
        if c.is_ascii_uppercase() || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        } else if let Some(last) = last {
            last.push(c);
            continue;
        }
        if let (true, Some(last)) = (c.is_ascii_uppercase(), words.last_mut()) {
            last.push(c.to_ascii_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// An OpenAPI path as a template of ours.
fn template(path: &str, renamed: &mut BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    for segment in path.split('/').skip(1) {
        out.push('/');
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !name.contains(['{', '}']) => {
                let plain: String = name
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                    .collect();
                renamed.insert(name.to_owned(), plain.clone());
                out.push_str(&format!("{{{plain}}}"));
            }
            _ if segment.contains(['{', '}']) => return Err("a name in the middle of a segment".to_owned()),
            _ => out.push_str(segment),
        }
    }
    let trimmed = out.strip_suffix('/').filter(|rest| !rest.is_empty());
    Ok(trimmed.map_or(out.clone(), str::to_owned))
}

fn tool_name(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let trimmed = plain.trim_matches('_');
    let mut out = String::new();
    for c in trimmed.chars().take(100) {
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    if out.is_empty() {
        "operation".to_owned()
    } else {
        out
    }
}

fn text(value: &Value, key: &str) -> String {
    let text = value.get(key).and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Follows `$ref` inside the document.
fn resolve<'d>(document: &'d Value, value: &'d Value) -> Option<&'d Value> {
    let mut value = value;
    for _ in 0..REFERENCES_MAX {
        match value.get("$ref").and_then(Value::as_str) {
            None => return Some(value),
            Some(reference) => value = document.pointer(reference.strip_prefix('#')?)?,
        }
    }
    None
}

fn credentials(document: &Value) -> Vec<CredentialFile> {
    let schemes = document
        .pointer("/components/securitySchemes")
        .and_then(Value::as_object);
    let mut out = Vec::new();
    for scheme in schemes.into_iter().flatten().map(|(_, scheme)| scheme) {
        let scheme = resolve(document, scheme).unwrap_or(scheme);
        let made = match (
            text(scheme, "type").as_str(),
            text(scheme, "scheme").to_ascii_lowercase().as_str(),
            text(scheme, "in").as_str(),
        ) {
            ("http", "basic", _) => CredentialFile {
                basic: true,
                ..CredentialFile::default()
            },
            ("http", "bearer", _) | ("oauth2" | "openIdConnect", _, _) => CredentialFile {
                header: Some("authorization".to_owned()),
                schemes: vec!["bearer".to_owned()],
                ..CredentialFile::default()
            },
            ("apiKey", _, "header") => CredentialFile {
                header: Some(text(scheme, "name").to_ascii_lowercase()),
                ..CredentialFile::default()
            },
            ("apiKey", _, "query") => CredentialFile {
                query: Some(text(scheme, "name")),
                ..CredentialFile::default()
            },
            _ => continue,
        };
        out.push(made);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::System;

    const PETS: &str = r##"{
      "openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
      "servers": [{"url": "https://pets.example/v2"}],
      "components": {
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Pet-Key"}},
        "schemas": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}},
        "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer"}}}
      },
      "paths": {
        "/pets": {
          "get": {"operationId": "listPets", "parameters": [{"$ref": "#/components/parameters/Limit"}]},
          "post": {"operationId": "createPet", "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}
        },
        "/pets/{pet-id}": {"parameters": [{"name": "pet-id", "in": "path"}], "delete": {}},
        "/pets/{pet-id}/keys": {"post": {"operationId": "addPetKey"}},
        "/pets/{id}.{format}": {"get": {}}
      }
    }"##;

    #[test]
    fn a_document_becomes_a_description() {
        let (file, left_out) = from_openapi(&serde_json::from_str(PETS).unwrap()).unwrap();
        assert_eq!(
            left_out,
            ["GET /pets/{id}.{format}: a name in the middle of a segment"]
        );
        let written = toml::to_string(&file).unwrap();
        let system = System::parse(&"pets".parse().unwrap(), &written).unwrap();
        let mut said: Vec<String> = system
            .all_operations()
            .map(|o| format!("{} {} {}", o.name, o.class, o.path.text))
            .collect();
        said.sort();
        assert_eq!(
            said,
            [
                "addPetKey privilege /v2/pets/{pet_id}/keys",
                "createPet write /v2/pets",
                "delete_v2_pets_pet_id delete /v2/pets/{pet_id}",
                "listPets read /v2/pets",
            ]
        );
        assert!(system.is_at("pets.example", 443));
        assert_eq!(system.credentials.len(), 1);
    }

    #[test]
    fn other_documents_are_refused() {
        for text in ["{}", "[]", r#"{"swagger":"2.0"}"#, r#"{"openapi":"3.0.0"}"#] {
            assert!(
                from_openapi(&serde_json::from_str(text).unwrap()).is_err(),
                "{text}"
            );
        }
    }
}
