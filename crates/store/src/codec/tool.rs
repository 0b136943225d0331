//! Classifications of tools as JSON.

use remit_core::destination::DestinationKind;
use remit_core::json::{Object, Value};
use remit_core::object;
use remit_core::tool::{ArgumentRole, ArgumentRule, Classification, Marks};

use super::{BadJson, Fields, labels_from_json, labels_to_json};

/// Writes a classification.
#[must_use]
pub fn classification_to_json(classification: &Classification) -> Value {
    let arguments: Vec<Value> = classification.arguments.iter().map(rule_to_json).collect();
    object! {
        "class": classification.class.as_str(),
        "irreversible": classification.marks.irreversible,
        "mints": classification.marks.mints,
        "arguments": arguments,
        "labels": labels_to_json(&classification.labels),
        "because": &classification.because,
    }
}

/// Reads a classification.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn classification_from_json(value: &Value) -> Result<Classification, BadJson> {
    let mut fields = Fields::of(value)?;
    let rules = fields.list("arguments")?;
    let arguments = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| rule_from_json(rule).map_err(|error| error.within(&format!("arguments.{at}"))))
        .collect::<Result<_, _>>()?;
    let classification = Classification {
        class: fields.parsed("class")?,
        marks: Marks {
            irreversible: fields.flag("irreversible")?,
            mints: fields.flag("mints")?,
        },
        arguments,
        labels: labels_from_json(&fields.need("labels")?).map_err(|error| error.within("labels"))?,
        because: fields.text("because")?,
    };
    fields.end()?;
    Ok(classification)
}

fn rule_to_json(rule: &ArgumentRule) -> Value {
    let mut object = Object::new();
    object.insert("pointer", rule.pointer.as_str());
    match &rule.role {
        ArgumentRole::Resource { system } => {
            object.insert("role", "resource");
            object.insert("system", system.as_str());
        }
        ArgumentRole::Destination { kind } => {
            object.insert("role", "destination");
            object.insert("kind", kind.as_str());
        }
        ArgumentRole::Amount => {
            object.insert("role", "amount");
        }
        ArgumentRole::Content => {
            object.insert("role", "content");
        }
    }
    object.into()
}

fn rule_from_json(value: &Value) -> Result<ArgumentRule, BadJson> {
    let mut fields = Fields::of(value)?;
    let pointer = fields.text("pointer")?;
    let role = match fields.text("role")?.as_str() {
        "resource" => ArgumentRole::Resource {
            system: fields.parsed("system")?,
        },
        "destination" => ArgumentRole::Destination {
            kind: fields.word("kind", |word| {
                DestinationKind::ALL
                    .into_iter()
                    .find(|kind| kind.as_str() == word)
            })?,
        },
        "amount" => ArgumentRole::Amount,
        "content" => ArgumentRole::Content,
        other => {
            return Err(BadJson::new(
                "role",
                format!("`{other}` is not a role of an argument"),
            ));
        }
    };
    fields.end()?;
    Ok(ArgumentRule { pointer, role })
}
