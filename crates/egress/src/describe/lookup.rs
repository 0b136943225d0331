//! How the object that a request names by an id is looked up: by which operation, what that one is given, which members of
//! its answer say what the object is, and whether the system holds the request to the version that was seen.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::json::{Object, Value};
use remit_core::name::{Name, ToolName};
use remit_core::object;
use remit_core::tool::ToolClass;

use super::compile::write;
use super::file::LookupFile;
use super::operation::Operation;

/// What an operation says about the object it names by an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The operation that looks it up.
    pub operation: ToolName,
    /// What that one is, as the description says: `GET /pets/{id}`.
    pub call: String,
    /// What fills its path (`NAME`) and query (`query.NAME`): names of the request, as resources use them.
    pub with: BTreeMap<String, String>,
    /// Members of its answer by their name as `object.NAME`.
    pub fields: BTreeMap<String, Member>,
    /// What holds the request to the object that was seen.
    pub bind: Bind,
    /// This name of the request holds an id only where its value is digits; any other value is the one field itself.
    pub only_digits: Option<String>,
}

/// A member of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it is: `owner.login`.
    pub at: String,
    /// It may hold `/`.
    pub is_path: bool,
}

/// What holds a request to the object that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// `If-Match` with the strong entity tag that was seen (RFC 9110, section 13.1.1).
    Etag,
    /// Nothing: the system has no conditional requests.
    None,
}

impl Bind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Etag => "etag",
            Self::None => "none",
        }
    }
}

impl Lookup {
    /// The argument `object` as a schema.
    pub(super) fn schema(&self) -> Value {
        let etag = (self.bind == Bind::Etag).then_some("etag");
        let names = || etag.into_iter().chain(self.fields.keys().map(String::as_str));
        let properties: Object = names().map(|name| (name, object! { "type": "string" })).collect();
        let required: Vec<Value> = names().map(Value::from).collect();
        object! { "type": "object", "properties": properties, "required": required, "additionalProperties": false }
    }

    /// Everything about it that belongs to the tool's definition.
    pub(super) fn definition(&self) -> Object {
        let texts = |pairs: &BTreeMap<String, String>| -> Object {
            pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect()
        };
        let fields: Object = self
            .fields
            .iter()
            .map(|(name, member)| (written(name, member.is_path), member.at.as_str()))
            .collect();
        let mut definition = Object::new();
        definition.insert("operation", self.operation.as_str());
        definition.insert("call", self.call.as_str());
        definition.insert("with", texts(&self.with));
        definition.insert("fields", fields);
        definition.insert("bind", self.bind.as_str());
        definition.insert("only_digits", self.only_digits.as_deref());
        definition
    }
}

fn written(name: &str, is_path: bool) -> String {
    format!("{name}{}", if is_path { "..." } else { "" })
}

/// Reads the written form; `said` knows the names of the request. What it says of another operation is checked by [`link`].
pub(super) fn parse(file: &LookupFile, said: impl Fn(&str) -> bool) -> Result<Lookup, String> {
    let operation: ToolName = file
        .operation
        .parse()
        .map_err(|error: remit_core::name::BadToolName| error.to_string())?;
    let bind = match file.bind.as_str() {
        "etag" => Bind::Etag,
        "none" => Bind::None,
        other => return Err(format!("binds by `{other}`: use etag or none")),
    };
    for (to, from) in &file.with {
        if !said(from) {
            return Err(format!(
                "fills `{to}` with `{from}`, which the request does not have"
            ));
        }
    }
    let mut fields = BTreeMap::new();
    for (key, at) in &file.fields {
        let (name, is_path) = match key.strip_suffix("...") {
            Some(name) => (name, true),
            None => (key.as_str(), false),
        };
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || !letters || name == "etag" {
            return Err(format!(
                "has a field `{key}`: use letters, digits and `_`, with `...` behind them where it may hold `/`; `etag` is its version"
            ));
        }
        if at.is_empty() || at.split('.').any(str::is_empty) {
            return Err(format!("has a field `{key}` at `{at}`: write `member.member`"));
        }
        let member = Member {
            at: at.clone(),
            is_path,
        };
        if fields.insert(name.to_owned(), member).is_some() {
            return Err(format!("has two fields `{name}`"));
        }
    }
    if fields.is_empty() {
        return Err("has no `fields`: say which members of the answer say what the object is".to_owned());
    }
    let mut only = file.only.iter();
    let only_digits = match (only.next(), only.next()) {
        (None, _) => None,
        (Some((name, kind)), None) if kind == "digits" && said(name) && fields.len() == 1 => {
            Some(name.clone())
        }
        _ => {
            return Err(
                "has an `only` that is not `{ NAME = \"digits\" }` with one name of the request and one field, which any other value is"
                    .to_owned(),
            );
        }
    };
    Ok(Lookup {
        operation,
        call: String::new(),
        with: file.with.clone(),
        fields,
        bind,
        only_digits,
    })
}

/// `{object.FIELD}` in a resource.
pub(super) fn expect_field(lookup: Option<&Lookup>, field: &str) -> Result<(), String> {
    match lookup {
        None => Err("and nothing is looked up: add a `lookup`".to_owned()),
        Some(lookup) if lookup.fields.contains_key(field) => Ok(()),
        Some(_) => Err("which is no field of its lookup".to_owned()),
    }
}

/// Checks every lookup against the operation it names, and writes both into their definitions.
pub(super) fn link(system: &Name, operations: &mut [Operation]) -> Result<(), String> {
    let mut targets = BTreeSet::new();
    let mut linked = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let Some(lookup) = &operation.lookup else {
            continue;
        };
        let target = operations.iter().find(|other| other.name == lookup.operation);
        let made = target
            .ok_or_else(|| format!("names `{}`, and there is no such operation", lookup.operation))
            .and_then(|target| with_target(operation, lookup, target));
        let made = made.map_err(|why| format!("operation `{}`: its lookup {why}", operation.name))?;
        targets.insert(made.operation.clone());
        linked.push((index, made));
    }
    for (index, made) in linked {
        if let Some(operation) = operations.get_mut(index) {
            operation.lookup = Some(made);
        }
    }
    for operation in operations
        .iter_mut()
        .filter(|operation| operation.lookup.is_some() || targets.contains(&operation.name))
    {
        operation.looks_up = targets.contains(&operation.name);
        write(system, operation)?;
    }
    Ok(())
}

fn with_target(operation: &Operation, lookup: &Lookup, target: &Operation) -> Result<Lookup, String> {
    let name = &target.name;
    let bad = |why: &str| Err(format!("names `{name}`, which {why}"));
    if target.class != ToolClass::Read || target.mints {
        return bad("does not only read");
    }
    if !target.methods.iter().any(|method| method == "GET") {
        return bad("is no GET");
    }
    if target.opaque || !target.when.is_empty() {
        return bad("has conditions of its own, or an answer that cannot be looked into");
    }
    if target
        .lookup
        .as_ref()
        .is_some_and(|of| of.operation != target.name)
    {
        return bad("is for an object that another operation looks up: only one step is made");
    }
    if target.host.is_some() && target.host != operation.host {
        return bad("is at another host");
    }
    let mut with = lookup.with.clone();
    for piece in target.path.names() {
        if with.contains_key(piece) {
            continue;
        }
        if !operation.path.names().any(|own| own == piece) {
            return Err(format!(
                "cannot fill `{piece}` of `{name}`: say from what, `with = {{ {piece} = \"body.…\" }}`"
            ));
        }
        with.insert(piece.to_owned(), piece.to_owned());
    }
    let known = |key: &String| target.path.names().any(|piece| piece == key) || key.starts_with("query.");
    if let Some(odd) = with.keys().find(|key| !known(key)) {
        return Err(format!(
            "fills `{odd}`, which is neither a name in the path of `{name}` nor `query.NAME`"
        ));
    }
    let needed = target.fields.iter().filter(|(_, field)| field.required);
    if let Some((at, _)) = needed.into_iter().find(|(at, _)| !with.contains_key(*at)) {
        return Err(format!("does not fill `{at}`, which `{name}` has to have"));
    }
    Ok(Lookup {
        call: format!("GET {}", target.path.text),
        with,
        ..lookup.clone()
    })
}

#[cfg(test)]
mod tests;
