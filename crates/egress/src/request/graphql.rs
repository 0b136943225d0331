//! GraphQL over HTTP: one operation per request, with its type and root field in sight.

use std::collections::BTreeMap;

use apollo_parser::{Parser, cst};
use remit_core::json::{Object, Value};

use super::body::{self, Decoded};
use super::{Head, Reading, Touches, common, touch};
use crate::describe::{GraphQl, System};
use crate::refusal::{Refusal, shown};
use crate::spool::Spooled;

/// Most tokens of a document.
const TOKENS_MAX: usize = 10_000;
/// Deepest nesting of a document.
const DEPTH_MAX: usize = 64;

/// Reads a request to a GraphQL endpoint.
pub(super) fn read(
    system: &System,
    graphql: &GraphQl,
    head: &Head,
    spooled: &Spooled,
) -> Result<Reading, Refusal> {
    if head.method != "POST" || !head.target.query().is_empty() {
        return Err(Refusal::opaque(
            "GraphQL is read from the JSON body of a POST alone",
        ));
    }
    let body = match body::decode(head, spooled)? {
        Decoded::Json(object) => object,
        Decoded::Document(_) => {
            return Err(Refusal::opaque(
                "a batch of GraphQL operations is not decided: send them one by one",
            ));
        }
        _ => {
            return Err(Refusal::opaque(
                "GraphQL is read from the JSON body of a POST alone",
            ));
        }
    };
    if let Some(other) = body
        .keys()
        .find(|key| !["query", "variables", "operationName"].contains(key))
    {
        return Err(Refusal::opaque(format!(
            "the GraphQL request holds `{}`, which hides what is asked: send the whole document as `query`",
            shown(other)
        )));
    }
    let text = body
        .get("query")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal::opaque("the GraphQL request has no `query`"))?;
    let asked = operation(text, body.get("operationName").and_then(Value::as_str))?;
    let found = match asked.kind {
        "query" => Some(&*graphql.query),
        _ => asked
            .fields
            .first()
            .and_then(|field| graphql.mutations.get(field)),
    };
    let Some(found) = found else {
        return Err(Refusal::unknown(format!(
            "the GraphQL mutation `{}` is no operation of `{}` that is known here; nothing unknown is allowed",
            shown(&asked.fields.join(", ")),
            system.name
        )));
    };
    let mut arguments = common(system, head, &BTreeMap::new());
    let mut said = Object::new();
    said.insert("type", asked.kind);
    if let Some(name) = asked.name {
        said.insert("name", name);
    }
    said.insert(
        "fields",
        asked.fields.into_iter().map(Value::from).collect::<Vec<_>>(),
    );
    said.insert("document", text);
    arguments.insert("graphql", said);
    body::add(found, head, spooled, Decoded::Json(body), &mut arguments)?;
    touch(found, &BTreeMap::new(), &mut arguments, Touches::Everything)?;
    Ok(Reading {
        operation: found.name.clone(),
        arguments,
        lookup: None,
    })
}

/// What one document asks.
struct Asked {
    kind: &'static str,
    name: Option<String>,
    fields: Vec<String>,
}

fn operation(text: &str, wanted: Option<&str>) -> Result<Asked, Refusal> {
    let tree = Parser::new(text)
        .token_limit(TOKENS_MAX)
        .recursion_limit(DEPTH_MAX)
        .parse();
    if let Some(error) = tree.errors().next() {
        return Err(Refusal::opaque(format!(
            "the GraphQL document cannot be read: {}",
            shown(error.message())
        )));
    }
    let mut operations = Vec::new();
    for definition in tree.document().definitions() {
        match definition {
            cst::Definition::OperationDefinition(operation) => operations.push(operation),
            cst::Definition::FragmentDefinition(_) => {}
            _ => return Err(Refusal::opaque("the GraphQL document defines types")),
        }
    }
    let [operation] = operations.as_slice() else {
        return Err(Refusal::opaque(
            "the GraphQL document holds not exactly one operation: send them one by one",
        ));
    };
    let name = operation.name().map(|name| name.text().to_string());
    if wanted.is_some() && wanted != name.as_deref() {
        return Err(Refusal::opaque(
            "`operationName` is not the operation of the GraphQL document",
        ));
    }
    let kind = match operation.operation_type() {
        None => "query",
        Some(kind) if kind.query_token().is_some() => "query",
        Some(kind) if kind.mutation_token().is_some() => "mutation",
        Some(_) => {
            return Err(Refusal::opaque(
                "GraphQL subscriptions are streams that cannot be looked into",
            ));
        }
    };
    let mut fields = Vec::new();
    let selections = operation
        .selection_set()
        .into_iter()
        .flat_map(|set| set.selections());
    for selection in selections {
        match selection {
            cst::Selection::Field(field) => {
                fields.extend(field.name().map(|name| name.text().to_string()));
                if kind == "mutation" && field.directives().is_some() {
                    return Err(Refusal::opaque(
                        "a GraphQL mutation with directives may or may not happen: leave them out",
                    ));
                }
            }
            _ => {
                return Err(Refusal::opaque(
                    "the GraphQL operation selects fragments at its root: name the fields there",
                ));
            }
        }
    }
    if fields.is_empty() || (kind == "mutation" && fields.len() != 1) {
        return Err(Refusal::opaque(
            "a GraphQL mutation is decided one root field at a time: send them one by one",
        ));
    }
    Ok(Asked { kind, name, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String, String> {
        let asked = operation(text, None).map_err(|refusal| refusal.sentence)?;
        Ok(format!("{} {}", asked.kind, asked.fields.join(" ")))
    }

    #[test]
    fn type_and_root_fields_are_seen() {
        assert_eq!(
            of("{ viewer { login } repository(owner:\"a\") { id } }").unwrap(),
            "query viewer repository"
        );
        assert_eq!(
            of("mutation M($i: X!) { harmless: deleteRef(input: $i) { clientMutationId } }").unwrap(),
            "mutation deleteRef"
        );
        assert!(of("query Q { ...on Query { a } }").is_err());
        assert!(of("# mutation { deleteRef }\nquery { \"\"\"x\"\"\" a }").is_err());
    }

    #[test]
    fn what_hides_a_second_operation_is_refused() {
        for text in [
            "",
            "{",
            "query A { a } mutation B { deleteRef }",
            "mutation { a: deleteRef(i:1) b: deleteRef(i:2) }",
            "mutation { ...F } fragment F on Mutation { deleteRef }",
            "mutation { deleteRef @include(if: true) }",
            "subscription { a }",
            "type T { a: Int } { a }",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        assert!(of(&format!("{}{}", "{a".repeat(200), "}".repeat(200))).is_err());
    }
}
