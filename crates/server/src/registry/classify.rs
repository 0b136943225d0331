//! Classes by rule: what a tool's name and arguments say about what it does. A proposal, never a promise.

use remit_core::destination::DestinationKind;
use remit_core::json::{Object, Value};
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::tool::{ArgumentRole, ArgumentRule, Classification, Marks, ToolClass};

use super::definition::Definition;

/// Verbs and nouns by class. The worst class any word of the name belongs to is proposed.
const WORDS: &[(ToolClass, &[&str])] = &[
    (
        ToolClass::Read,
        &[
            "get",
            "list",
            "read",
            "search",
            "find",
            "fetch",
            "view",
            "show",
            "describe",
            "lookup",
            "look",
            "count",
            "check",
            "status",
            "diff",
            "log",
            "logs",
            "stat",
            "info",
            "tree",
            "head",
            "tail",
            "preview",
            "browse",
            "echo",
            "print",
            "query",
            "select",
            "scan",
            "inspect",
            "explain",
            "compare",
            "validate",
            "calculate",
            "compute",
            "sum",
            "convert",
            "current",
            "time",
            "now",
            "whoami",
            "ping",
            "download",
            "load",
            "open",
            "test",
            "help",
            "summarize",
            "structured",
            "annotated",
            "sample",
            "math",
        ],
    ),
    (
        ToolClass::Write,
        &[
            "write",
            "create",
            "update",
            "edit",
            "set",
            "put",
            "add",
            "append",
            "insert",
            "modify",
            "patch",
            "save",
            "move",
            "rename",
            "copy",
            "mkdir",
            "make",
            "commit",
            "stage",
            "checkout",
            "branch",
            "merge",
            "init",
            "import",
            "comment",
            "reserve",
            "book",
            "change",
            "replace",
            "store",
            "upsert",
            "label",
            "tag",
            "assign",
            "close",
            "mark",
            "draft",
            "start",
            "stop",
            "restart",
            "toggle",
            "configure",
            "gzip",
            "zip",
            "cancel",
            "reschedule",
            "schedule",
        ],
    ),
    (
        ToolClass::Delete,
        &[
            "delete",
            "remove",
            "rm",
            "drop",
            "purge",
            "destroy",
            "clear",
            "truncate",
            "unlink",
            "erase",
            "reset",
            "wipe",
            "uninstall",
            "terminate",
            "trash",
            "archive",
        ],
    ),
    (
        ToolClass::Transfer,
        &[
            "send",
            "email",
            "mail",
            "post",
            "publish",
            "share",
            "forward",
            "pay",
            "payment",
            "transfer",
            "invite",
            "push",
            "tweet",
            "reply",
            "notify",
            "submit",
            "deploy",
            "release",
            "upload",
            "export",
            "order",
            "buy",
            "purchase",
            "refund",
            "transaction",
            "message",
            "dm",
            "broadcast",
            "webhook",
        ],
    ),
    (
        ToolClass::Exec,
        &[
            "exec", "run", "execute", "eval", "evaluate", "shell", "command", "cmd", "spawn", "bash",
            "script", "invoke", "terminal", "process", "code", "sql", "python",
        ],
    ),
    (
        ToolClass::Privilege,
        &[
            "grant",
            "revoke",
            "permission",
            "permissions",
            "role",
            "roles",
            "password",
            "admin",
            "chmod",
            "chown",
            "policy",
            "sudo",
            "token",
            "secret",
            "secrets",
            "credential",
            "credentials",
            "key",
            "keys",
            "enable",
            "disable",
            "acl",
            "env",
            "environment",
        ],
    ),
];

/// Words of reading that make a harmless noun out of an alarming one (`get_transaction`, `list_messages`).
const READING: &[&str] = &[
    "get", "list", "read", "search", "find", "view", "show", "describe", "lookup", "count", "check",
    "inspect", "validate", "fetch",
];
/// Words whose effect cannot be taken back.
const IRREVERSIBLE: &[&str] = &[
    "delete",
    "purge",
    "drop",
    "destroy",
    "truncate",
    "wipe",
    "erase",
    "pay",
    "payment",
    "send",
    "email",
    "mail",
    "publish",
    "tweet",
    "transfer",
    "broadcast",
    "refund",
    "purchase",
    "buy",
    "transaction",
];
/// Words of tools that give a credential back.
const MINTS: &[&str] = &[
    "token",
    "credential",
    "credentials",
    "password",
    "secret",
    "secrets",
];

/// Proposes a classification for `definition` of `server`; `None` when no rule knows any word of its name.
#[must_use]
pub fn propose(server: &Name, definition: &Definition) -> Option<Classification> {
    let words = words_of(&definition.raw_name);
    let reads = words.first().is_some_and(|word| READING.contains(&word.as_str()));
    let mut proposed: Option<(ToolClass, &str)> = None;
    for word in &words {
        for (class, known) in WORDS {
            // Behind a reading verb a noun says what is read; only words that hand out power still count.
            let counts = !reads
                || matches!(class, ToolClass::Read)
                || (*class == ToolClass::Privilege && MINTS.contains(&word.as_str()));
            if counts && known.contains(&word.as_str()) && proposed.is_none_or(|(worst, _)| *class > worst) {
                proposed = Some((*class, word));
            }
        }
    }
    let (mut class, word) = proposed?;
    let mut because = format!("the name says `{word}`");
    if class == ToolClass::Read
        && definition.hint("readOnlyHint") == Some(false)
        && definition.hint("destructiveHint") == Some(true)
    {
        class = ToolClass::Write;
        because.push_str("; its annotations say it changes things");
    }
    let has = |list: &[&str]| words.iter().any(|w| list.contains(&w.as_str()));
    let marks = Marks {
        irreversible: class > ToolClass::Write && has(IRREVERSIBLE),
        mints: class == ToolClass::Privilege && has(MINTS),
    };
    Some(Classification {
        class,
        marks,
        arguments: roles(server, definition, class, &words),
        labels: Labels::new(),
        because,
    })
}

/// Words of a name: split at everything that is not a letter or digit, and where lower meets upper case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        let breaks = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if breaks && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Meanings of arguments by their names.
#[must_use]
pub fn roles(
    server: &Name,
    definition: &Definition,
    class: ToolClass,
    words: &[String],
) -> Vec<ArgumentRule> {
    let schema = definition.input_schema();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let moves = words
        .iter()
        .any(|w| ["move", "copy", "rename", "directory", "file", "files"].contains(&w.as_str()));
    let mut rules = Vec::new();
    for (name, property) in properties.iter() {
        let words = words_of(name);
        if let Some(role) = role_of(server, &words, class, moves) {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let element = item_pointer(&pointer, property);
            rules.push(ArgumentRule {
                pointer: element,
                role,
            });
        }
    }
    rules
}

/// A list argument means each of its elements.
fn item_pointer(pointer: &str, property: &Value) -> String {
    let is_list = property.get("type").and_then(Value::as_str) == Some("array");
    if is_list {
        format!("{pointer}/*")
    } else {
        pointer.to_owned()
    }
}

fn role_of(server: &Name, words: &[String], class: ToolClass, moves: bool) -> Option<ArgumentRole> {
    let has = |list: &[&str]| words.iter().any(|w| list.contains(&w.as_str()));
    let resource = || {
        Some(ArgumentRole::Resource {
            system: server.clone(),
        })
    };
    let goes = |kind| (class != ToolClass::Read).then_some(ArgumentRole::Destination { kind });
    if has(&[
        "path",
        "paths",
        "file",
        "files",
        "filename",
        "filepath",
        "directory",
        "dir",
        "folder",
        "repo",
        "repository",
        "bucket",
        "table",
        "database",
    ]) {
        return resource();
    }
    if moves && has(&["source", "destination", "src", "dst", "from", "to"]) {
        return resource();
    }
    if has(&["url", "uri", "endpoint", "webhook", "link"]) {
        return Some(ArgumentRole::Destination {
            kind: DestinationKind::Url,
        });
    }
    if has(&["email", "emails", "mail", "cc", "bcc"]) {
        return goes(DestinationKind::Mail);
    }
    if has(&["iban", "account", "bic"]) {
        return goes(DestinationKind::Account);
    }
    if has(&["channel", "room", "thread"]) {
        return goes(DestinationKind::Channel);
    }
    if has(&[
        "recipient",
        "recipients",
        "to",
        "participant",
        "participants",
        "user",
        "users",
        "username",
        "invitee",
        "assignee",
        "phone",
    ]) {
        return goes(DestinationKind::Person);
    }
    if has(&["amount", "price", "total", "quantity", "sum"]) {
        return Some(ArgumentRole::Amount);
    }
    has(&[
        "body",
        "content",
        "text",
        "message",
        "subject",
        "description",
        "title",
        "comment",
        "data",
    ])
    .then_some(ArgumentRole::Content)
}

/// Names of the arguments the schema declares; `None` when it takes anything.
#[must_use]
pub fn declared(schema: &Object) -> Option<Vec<String>> {
    let open = match schema.get("additionalProperties") {
        None | Some(Value::Bool(false)) => false,
        Some(_) => true,
    };
    if open || schema.contains_key("patternProperties") {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    collect_declared(schema, &mut names, 0);
    Some(names)
}

/// Properties may also be declared inside `allOf`, `anyOf` and `oneOf`.
fn collect_declared(schema: &Object, names: &mut Vec<String>, depth: usize) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        names.extend(properties.keys().map(str::to_owned));
    }
    for part in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = schema.get(part).filter(|_| depth < 8) {
            for branch in branches.iter().filter_map(Value::as_object) {
                collect_declared(branch, names, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::json::{Bounds, parse};

    fn proposed(text: &str) -> Option<Classification> {
        let value = parse(text.as_bytes(), &Bounds::REQUEST).unwrap();
        let definition = Definition::new(value.as_object().unwrap().clone()).unwrap();
        propose(&"fs".parse().unwrap(), &definition)
    }

    fn class(name: &str) -> Option<ToolClass> {
        proposed(&format!(r#"{{"name":"{name}"}}"#)).map(|c| c.class)
    }

    #[test]
    fn names_say_what_tools_do() {
        for (name, expected) in [
            ("read_text_file", Some(ToolClass::Read)),
            ("directory_tree", Some(ToolClass::Read)),
            ("write_file", Some(ToolClass::Write)),
            ("moveFile", Some(ToolClass::Write)),
            ("delete_entities", Some(ToolClass::Delete)),
            ("send_money", Some(ToolClass::Transfer)),
            ("get_most_recent_transactions", Some(ToolClass::Read)),
            ("list_messages", Some(ToolClass::Read)),
            ("execute_sql", Some(ToolClass::Exec)),
            ("update_password", Some(ToolClass::Privilege)),
            ("get_secret", Some(ToolClass::Privilege)),
            ("frobnicate", None),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
    }

    #[test]
    fn annotations_raise_and_never_lower() {
        let raised =
            proposed(r#"{"name":"get_page","annotations":{"readOnlyHint":false,"destructiveHint":true}}"#)
                .unwrap();
        assert_eq!(raised.class, ToolClass::Write);
        let kept = proposed(r#"{"name":"delete_page","annotations":{"readOnlyHint":true}}"#).unwrap();
        assert_eq!(kept.class, ToolClass::Delete);
        assert!(kept.marks.irreversible);
    }

    #[test]
    fn arguments_get_their_meaning_from_their_names() {
        let moved = proposed(r#"{"name":"move_file","inputSchema":{"properties":{"source":{"type":"string"},"destination":{"type":"string"}}}}"#).unwrap();
        let pointers: Vec<&str> = moved.arguments.iter().map(|r| r.pointer.as_str()).collect();
        assert_eq!(pointers, ["/destination", "/source"]);
        assert!(
            moved
                .arguments
                .iter()
                .all(|r| matches!(r.role, ArgumentRole::Resource { .. }))
        );
        let mail = proposed(r#"{"name":"send_email","inputSchema":{"properties":{"recipients":{"type":"array"},"body":{"type":"string"}}}}"#).unwrap();
        assert_eq!(mail.arguments.last().unwrap().pointer, "/recipients/*");
    }

    #[test]
    fn open_schemas_declare_nothing() {
        let schema = |text: &str| {
            parse(text.as_bytes(), &Bounds::REQUEST)
                .unwrap()
                .as_object()
                .unwrap()
                .clone()
        };
        assert_eq!(
            declared(&schema(r#"{"properties":{"a":{}}}"#)),
            Some(vec!["a".to_owned()])
        );
        assert_eq!(
            declared(&schema(
                r#"{"anyOf":[{"properties":{"b":{}}}],"properties":{"a":{}}}"#
            )),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(declared(&schema(r#"{"additionalProperties":true}"#)), None);
    }
}
