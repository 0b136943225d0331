//! Authority as JSON, the form templates, rows and the API share.
//!
//! ```json
//! {"tools":["fs/*:read"],"classes":["read"],"resources":["fs:/srv/repo"],"destinations":"any",
//!  "bounds":[{"tool":"pay/send","pointer":"/amount","max":100}],"budgets":{"calls":50},
//!  "client_features":[],"agreed":[],"stricter":{"fs/*:delete":"approve"},"depth":1,
//!  "fan_out":10}
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use remit_core::authority::{ArgumentRef, Authority, Bound, Budget, ClientFeature, Scope, ToolSelector};
use remit_core::decision::Tier;
use remit_core::json::{Object, Value};
use remit_core::object;
use remit_core::verb::{Narrowed, Verb};

use super::{BadJson, Fields, text_list};

const ANY: &str = "any";

/// Writes an authority.
#[must_use]
pub fn authority_to_json(authority: &Authority) -> Value {
    let bounds: Vec<Value> = authority
        .bounds
        .iter()
        .flat_map(|(argument, bounds)| {
            bounds
                .iter()
                .map(move |bound| argument_bound_to_json(argument, bound))
        })
        .collect();
    let budgets: Object = authority
        .budgets
        .iter()
        .map(|(budget, max)| {
            (
                budget_to_text(budget),
                Value::from(i64::try_from(*max).unwrap_or(i64::MAX)),
            )
        })
        .collect();
    let narrowed: Object = authority
        .narrowed
        .0
        .iter()
        .map(|(root, verbs)| (root.to_string(), text_list(verbs)))
        .collect();
    let stricter: Object = authority
        .stricter
        .iter()
        .map(|(selector, tier)| (selector.to_string(), tier.as_str()))
        .collect();
    object! {
        "tools": text_list(&authority.tools),
        "classes": text_list(&authority.classes),
        "resources": scope_to_json(&authority.resources),
        "narrowed": narrowed,
        "destinations": scope_to_json(&authority.destinations),
        "bounds": bounds,
        "budgets": budgets,
        "agreed": text_list(&authority.agreed),
        "stricter": stricter,
        "client_features": text_list(authority.client_features.iter().map(|feature| feature.as_str())),
        "depth": u32::from(authority.depth),
        "fan_out": u32::from(authority.fan_out),
    }
}

/// Reads an authority.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn authority_from_json(value: &Value) -> Result<Authority, BadJson> {
    let mut fields = Fields::of(value)?;
    let mut bounds: BTreeMap<ArgumentRef, Vec<Bound>> = BTreeMap::new();
    for (at, item) in fields.list("bounds")?.iter().enumerate() {
        let (argument, bound) =
            argument_bound_from_json(item).map_err(|error| error.within(&format!("bounds.{at}")))?;
        bounds.entry(argument).or_default().push(bound);
    }
    let features = fields.list("client_features")?;
    let client_features: BTreeSet<ClientFeature> = features
        .iter()
        .map(|item| {
            let known = ClientFeature::ALL
                .into_iter()
                .find(|feature| item.as_str() == Some(feature.as_str()));
            known.ok_or_else(|| BadJson::new("client_features", format!("{item} is not one of them")))
        })
        .collect::<Result<_, _>>()?;
    let authority = Authority {
        tools: fields.parsed_list("tools")?,
        classes: fields.parsed_list("classes")?,
        resources: scope_from_json(&mut fields, "resources")?,
        narrowed: narrowed_from_json(&fields.need("narrowed")?).map_err(|error| error.within("narrowed"))?,
        destinations: scope_from_json(&mut fields, "destinations")?,
        bounds,
        budgets: budgets_from_json(&fields.need("budgets")?).map_err(|error| error.within("budgets"))?,
        client_features,
        agreed: fields.parsed_list("agreed")?,
        stricter: stricter_from_json(&fields.need("stricter")?).map_err(|error| error.within("stricter"))?,
        depth: u8::try_from(fields.int("depth")?)
            .map_err(|_| BadJson::new("depth", "0 to 255 belongs here"))?,
        fan_out: u16::try_from(fields.int("fan_out")?)
            .map_err(|_| BadJson::new("fan_out", "0 to 65535 belongs here"))?,
    };
    fields.end()?;
    Ok(authority)
}

fn scope_to_json<T: Ord + Display>(scope: &Scope<T>) -> Value {
    match scope {
        Scope::Any => ANY.into(),
        Scope::Only(set) => text_list(set),
    }
}

fn scope_from_json<T: Ord + FromStr<Err: Display>>(
    fields: &mut Fields,
    name: &str,
) -> Result<Scope<T>, BadJson> {
    match fields.need(name)? {
        Value::String(word) if word == ANY => Ok(Scope::Any),
        list @ Value::Array(_) => super::texts(&list)
            .map(Scope::Only)
            .map_err(|error| error.within(name)),
        _ => Err(BadJson::new(name, "a list or \"any\" belongs here")),
    }
}

/// Writes one bound of one argument.
#[must_use]
pub fn argument_bound_to_json(argument: &ArgumentRef, bound: &Bound) -> Value {
    let mut object = Object::new();
    object.insert("tool", argument.tool.to_string());
    object.insert("pointer", argument.pointer.as_str());
    match bound {
        Bound::OneOf(values) => object.insert("one_of", Value::Array(values.clone())),
        Bound::Max(max) => object.insert("max", *max),
        Bound::Min(min) => object.insert("min", *min),
    };
    object.into()
}

/// Reads one bound of one argument.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn argument_bound_from_json(value: &Value) -> Result<(ArgumentRef, Bound), BadJson> {
    let mut fields = Fields::of(value)?;
    let argument = ArgumentRef {
        tool: fields.parsed("tool")?,
        pointer: fields.text("pointer")?,
    };
    let bound = match (fields.opt("one_of"), fields.opt("max"), fields.opt("min")) {
        (Some(Value::Array(values)), None, None) => Bound::OneOf(values),
        (None, Some(max), None) => Bound::Max(integer(&max, "max")?),
        (None, None, Some(min)) => Bound::Min(integer(&min, "min")?),
        _ => {
            return Err(BadJson::new(
                "",
                "exactly one of `one_of` (a list), `max` and `min` belongs here",
            ));
        }
    };
    fields.end()?;
    Ok((argument, bound))
}

fn integer(value: &Value, place: &str) -> Result<i64, BadJson> {
    value
        .as_i64()
        .ok_or_else(|| BadJson::new(place, "an integer belongs here"))
}

fn budgets_from_json(value: &Value) -> Result<BTreeMap<Budget, u64>, BadJson> {
    let object = value
        .as_object()
        .ok_or_else(|| BadJson::new("", "an object belongs here"))?;
    object
        .iter()
        .map(|(name, max)| {
            let budget = budget_from_text(name).ok_or_else(|| BadJson::new(name, "is not a budget"))?;
            let max = max
                .as_u64()
                .ok_or_else(|| BadJson::new(name, "a number from 0 on belongs here"))?;
            Ok((budget, max))
        })
        .collect()
}

fn stricter_from_json(value: &Value) -> Result<BTreeMap<ToolSelector, Tier>, BadJson> {
    let object = value
        .as_object()
        .ok_or_else(|| BadJson::new("", "an object belongs here"))?;
    object
        .iter()
        .map(|(selector, tier)| {
            let parsed = selector.parse().map_err(|error| BadJson::new(selector, error))?;
            let tier = tier.as_str().and_then(Tier::parse);
            Ok((
                parsed,
                tier.ok_or_else(|| BadJson::new(selector, "a tier belongs here"))?,
            ))
        })
        .collect()
}

fn narrowed_from_json(value: &Value) -> Result<Narrowed, BadJson> {
    let object = value
        .as_object()
        .ok_or_else(|| BadJson::new("", "an object belongs here"))?;
    let entry = |(root, verbs): (&str, &Value)| {
        let bad = |why: &str| BadJson::new(root, why.to_owned());
        let resource = root.parse().map_err(|_| bad("is not a resource"))?;
        let verbs = verbs.as_array().ok_or_else(|| bad("a list belongs here"))?;
        let verbs = verbs.iter().map(|verb| {
            let verb = verb.as_str().and_then(|text| text.parse::<Verb>().ok());
            verb.ok_or_else(|| bad("holds something that is no verb"))
        });
        Ok((resource, verbs.collect::<Result<_, _>>()?))
    };
    object.iter().map(entry).collect::<Result<_, _>>().map(Narrowed)
}

/// `calls`, `class:write`, `tool:pay/send`, `sum:pay/send#/amount`, `rows:erp`.
#[must_use]
pub fn budget_to_text(budget: &Budget) -> String {
    match budget {
        Budget::Calls => "calls".to_owned(),
        Budget::Class(class) => format!("class:{class}"),
        Budget::Tool(tool) => format!("tool:{tool}"),
        Budget::Sum(argument) => format!("sum:{}#{}", argument.tool, argument.pointer),
        Budget::Rows(database) => format!("rows:{database}"),
    }
}

/// Reads what [`budget_to_text`] writes.
#[must_use]
pub fn budget_from_text(text: &str) -> Option<Budget> {
    if text == "calls" {
        return Some(Budget::Calls);
    }
    let (kind, rest) = text.split_once(':')?;
    Some(match kind {
        "class" => Budget::Class(rest.parse().ok()?),
        "tool" => Budget::Tool(rest.parse().ok()?),
        "rows" => Budget::Rows(rest.parse().ok()?),
        "sum" => {
            let (tool, pointer) = rest.split_once('#')?;
            Budget::Sum(ArgumentRef {
                tool: tool.parse().ok()?,
                pointer: pointer.to_owned(),
            })
        }
        _ => return None,
    })
}
