//! A description from an OpenAPI 3 document: paths become operations, declared parameters become fields, methods and names
//! propose classes and roles. It is a proposal; the person who adds the system answers for it.

mod fields;
mod place;
mod propose;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::file::{CredentialFile, File, OperationFile};
use fields::Schema;
use place::Place;

/// Deepest chain of references that is followed.
const REFERENCES_MAX: usize = 8;
/// Headers that are part of every call, or never of one.
const OF_HTTP: [&str; 4] = ["accept", "authorization", "content-type", "user-agent"];

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
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .ok_or("the document has no `paths`")?;
    let mut reader = Reader {
        document,
        place: Place::of(document)?,
        hosts: Vec::new(),
        headers: BTreeSet::new(),
        left_out: Vec::new(),
    };
    reader.hosts.extend(reader.place.host.clone());
    let mut operations = Vec::new();
    let mut names = BTreeSet::new();
    for (path, item) in paths {
        let item = resolve(document, item).and_then(Value::as_object);
        for (method, operation) in item.into_iter().flatten() {
            let upper = method.to_ascii_uppercase();
            if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&upper.as_str()) {
                continue;
            }
            let made = reader.operation(item, path, &upper, operation);
            let compiled = made.and_then(|made| {
                let name = "x".parse().map_err(|_| String::new())?;
                super::compile_operation(&name, &made).map(|_| made)
            });
            match compiled {
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
                Err(why) => reader.left_out.push(format!("{upper} {path}: {why}")),
            }
        }
    }
    let credentials = reader.credentials();
    reader.headers.retain(|header| {
        let carries = |credential: &CredentialFile| credential.header.as_ref() == Some(header);
        !OF_HTTP.contains(&header.as_str()) && !credentials.iter().any(carries)
    });
    let title = document
        .pointer("/info/title")
        .and_then(Value::as_str)
        .unwrap_or("an HTTP API");
    let file = File {
        title: title.chars().filter(|c| !c.is_control()).take(120).collect(),
        hosts: reader.hosts,
        scheme: reader.place.scheme,
        port: reader.place.port,
        fold: None,
        headers: reader.headers.into_iter().collect(),
        sigv4: None,
        credentials,
        git: None,
        graphql: None,
        operations,
    };
    Ok((file, reader.left_out))
}

/// What is found on the way through a document.
struct Reader<'d> {
    document: &'d Value,
    /// Where the API is, unless a path says otherwise.
    place: Place,
    hosts: Vec<String>,
    headers: BTreeSet<String>,
    left_out: Vec<String>,
}

impl<'d> Reader<'d> {
    fn operation(
        &mut self,
        item: Option<&'d Map<String, Value>>,
        path: &str,
        method: &str,
        operation: &'d Value,
    ) -> Result<OperationFile, String> {
        let place = self.place_of(item, operation)?;
        let path = template(&format!("{}{path}", place.base));
        let id = operation.get("operationId").and_then(Value::as_str);
        let name = tool_name(id.unwrap_or(&format!("{}_{path}", method.to_ascii_lowercase())));
        let mut made = OperationFile {
            class: propose::class(method, &name, &path).to_owned(),
            call: format!("{method} {path}"),
            description: text(operation, "summary"),
            host: place.host.filter(|host| self.place.host.as_ref() != Some(host)),
            resources: vec![path.trim_matches('/').replace("%}", "}").replace("...}", "}")],
            name,
            ..OperationFile::default()
        };
        if let Some(host) = made.host.iter().find(|host| !self.hosts.contains(host)) {
            self.hosts.push(host.clone());
        }
        let shared = item
            .and_then(|item| item.get("parameters"))
            .and_then(Value::as_array);
        let own = operation.get("parameters").and_then(Value::as_array);
        for parameter in shared.into_iter().chain(own).flatten() {
            let parameter = resolve(self.document, parameter).ok_or("a reference that leads nowhere")?;
            self.parameter(parameter, &mut made);
        }
        if let Some(body) = operation
            .get("requestBody")
            .and_then(|body| resolve(self.document, body))
        {
            self.body(body, &mut made);
        }
        made.mints = propose::mints(self.document, method, &made, operation);
        Ok(made)
    }

    /// Where an operation is: its own `servers`, those of its path, those of the document.
    fn place_of(&self, item: Option<&Map<String, Value>>, operation: &Value) -> Result<Place, String> {
        let of_path = item.and_then(|item| item.get("servers"));
        let Some(servers) = operation.get("servers").or(of_path) else {
            return Ok(self.place.clone());
        };
        let place = Place::first(servers)?;
        if place.host.is_some() && (place.scheme != self.place.scheme || place.port != self.place.port) {
            return Err("it is at another scheme or port than the rest: a system of its own".to_owned());
        }
        Ok(place)
    }

    fn parameter(&mut self, parameter: &Value, made: &mut OperationFile) {
        let name = text(parameter, "name");
        match text(parameter, "in").as_str() {
            "query" => {
                let schema = Schema::of(self.document, parameter.get("schema"));
                let required = parameter.get("required").and_then(Value::as_bool);
                fields::add(made, "query", &name, &schema, required.unwrap_or(false));
            }
            "header" => {
                let header = name.to_ascii_lowercase();
                if header == "idempotency-key" {
                    made.idempotency = Some(header.clone());
                }
                self.headers.insert(header);
            }
            "cookie" => self.left_out.push(format!(
                "{}: the cookie `{name}` is not sent: Remit sends none",
                made.call
            )),
            _ => {}
        }
    }

    fn body(&mut self, body: &'d Value, made: &mut OperationFile) {
        let content = body.get("content").and_then(Value::as_object);
        let of = |wanted: &str| {
            let mut kinds = content.into_iter().flatten();
            kinds.find(|(kind, _)| kind.split(';').next().map(str::trim) == Some(wanted))
        };
        let (kind, media) = match (of("application/json"), of("application/x-www-form-urlencoded")) {
            (Some((_, media)), _) => ("json", media),
            (None, Some((_, media))) => ("form", media),
            (None, None) => {
                made.body = Some("digest".to_owned());
                let kinds: Vec<&str> = content
                    .into_iter()
                    .flat_map(Map::keys)
                    .map(String::as_str)
                    .collect();
                self.left_out.push(format!(
                    "{}: rules see the digest of its body alone ({})",
                    made.call,
                    kinds.join(", ")
                ));
                return;
            }
        };
        let schema = Schema::of(self.document, media.get("schema"));
        let must = body.get("required").and_then(Value::as_bool).unwrap_or(false);
        for name in fields::add_all(made, "body", &schema, must) {
            self.left_out.push(format!(
                "{}: rules cannot see into `{name}`, which holds a list of objects",
                made.call
            ));
        }
        // Another representation would pass the declared fields by.
        let declares = made.fields.keys().any(|at| at.starts_with("body."));
        let several = content.is_some_and(|content| content.len() > 1);
        made.body = Some(if several && !declares { "any" } else { kind }.to_owned());
        made.strict = schema.closed && declares;
    }

    fn credentials(&mut self) -> Vec<CredentialFile> {
        let schemes = self
            .document
            .pointer("/components/securitySchemes")
            .and_then(Value::as_object);
        let mut out: Vec<CredentialFile> = Vec::new();
        for (name, scheme) in schemes.into_iter().flatten() {
            let scheme = resolve(self.document, scheme).unwrap_or(scheme);
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
                _ => {
                    self.left_out.push(format!(
                        "the security scheme `{name}`: Remit puts credentials in headers, basic authentication and queries"
                    ));
                    continue;
                }
            };
            let there = |one: &CredentialFile| {
                (&one.header, &one.schemes, one.basic, &one.query)
                    == (&made.header, &made.schemes, made.basic, &made.query)
            };
            if !out.iter().any(there) {
                out.push(made);
            }
        }
        out
    }
}

/// An OpenAPI path as a template of ours. Names in the middle of a segment (`{id}.{format}`) make the whole segment one.
fn template(path: &str) -> String {
    let mut out = String::new();
    for segment in path.split('/').skip(1) {
        out.push('/');
        if segment.contains(['{', '}']) {
            let plain: String = segment
                .chars()
                .filter(|c| !matches!(c, '{' | '}'))
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect();
            out.push_str(&format!("{{{plain}}}"));
        } else {
            out.push_str(segment);
        }
    }
    let trimmed = out.strip_suffix('/').filter(|rest| !rest.is_empty());
    trimmed.map_or(out.clone(), str::to_owned)
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
        "/pets/{id}.{format}": {"get": {}},
        "/mails": {
          "servers": [{"url": "https://mail.{region}.pets.example/", "variables": {"region": {"default": "eu"}}}],
          "parameters": [{"name": "X-Tenant", "in": "header"}, {"name": "Idempotency-Key", "in": "header"}, {"name": "sid", "in": "cookie"}],
          "post": {"operationId": "mailOwner", "requestBody": {"required": true, "content": {"application/json": {"schema": {
            "allOf": [{"type": "object", "required": ["to"], "properties": {"to": {"type": "array", "items": {"type": "string"}}}},
                      {"oneOf": [{"type": "object", "required": ["bcc"], "properties": {"bcc": {"type": "string"}}},
                                 {"type": "object", "properties": {"meta": {"type": "object", "properties": {"replyTo": {"type": ["string", "null"]}}}}}]}],
            "properties": {"attachments": {"type": "array", "items": {"type": "object", "properties": {"url": {"type": "string"}}}}}
          }}}}}
        },
        "/sessions": {"post": {"operationId": "login", "responses": {"201": {"content": {"application/json": {"schema": {"properties": {"access_token": {"type": "string"}}}}}}}}}
      }
    }"##;

    #[test]
    fn a_document_becomes_a_description() {
        let (file, left_out) = from_openapi(&serde_json::from_str(PETS).unwrap()).unwrap();
        assert_eq!(
            left_out,
            [
                "POST /mails: the cookie `sid` is not sent: Remit sends none",
                "POST /mails: rules cannot see into `body.attachments`, which holds a list of objects"
            ]
        );
        assert_eq!(file.headers, ["idempotency-key", "x-tenant"]);
        assert_eq!(file.hosts, ["pets.example", "mail.eu.pets.example"]);
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
                "get_v2_pets_id_format read /v2/pets/{id_format}",
                "listPets read /v2/pets",
                "login write /v2/sessions",
                "mailOwner transfer /mails",
            ]
        );
        assert!(system.is_at("pets.example", 443) && system.is_at("mail.eu.pets.example", 443));
        let of = |name: &str| system.all_operations().find(|o| o.name.as_str() == name).unwrap();
        assert!(of("login").mints && !of("listPets").mints);
        let mail = of("mailOwner");
        assert_eq!(mail.host.as_ref().unwrap().to_string(), "mail.eu.pets.example");
        assert_eq!(mail.idempotency.as_deref(), Some("idempotency-key"));
        let roles: Vec<String> = mail
            .fields
            .iter()
            .map(|(at, field)| {
                format!(
                    "{at} {:?} {} {}",
                    field.kind,
                    field.required,
                    field.role.is_some()
                )
            })
            .collect();
        assert_eq!(
            roles,
            [
                "body.attachments Any false false",
                "body.bcc Text false true",
                "body.meta.replyTo Any false true",
                "body.to Texts true true",
            ]
        );
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
