//! Filling in: parameters to authority.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::authority::{ArgumentRef, Authority, Bound, Budget, ClientFeature, Scope, ToolSelector};
use remit_core::decision::Tier;
use remit_core::json::Value;
use remit_core::limits::FAN_OUT_DEFAULT;
use remit_core::resource::Resource;
use remit_core::tool::ToolClass;
use remit_core::verb::{self, Narrowed};

use super::file::{BoundFile, BudgetFile, Plain, ScopeFile};
use super::{Instance, ParameterType, Template, TemplateError};

pub(super) fn instantiate(
    template: &Template,
    given: &BTreeMap<String, String>,
) -> Result<Instance, TemplateError> {
    if let Some(unknown) = given.keys().find(|name| !template.parameters.contains_key(*name)) {
        let known: Vec<&str> = template.parameters.keys().map(String::as_str).collect();
        return Err(TemplateError::Unknown {
            template: template.name.clone(),
            parameter: unknown.clone(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        });
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in &template.parameters {
        let text = given
            .get(name)
            .or(parameter.default.as_ref())
            .ok_or_else(|| TemplateError::Missing {
                template: template.name.clone(),
                parameter: name.clone(),
                description: parameter.description.clone(),
            })?;
        let list = parameter.values(text).map_err(|problem| TemplateError::Value {
            parameter: name.clone(),
            problem,
        })?;
        values.insert(name.as_str(), list);
    }
    let filled = Filler { template, values };
    Ok(Instance {
        authority: filled.authority()?,
        mode: template.mode,
        ttl_ms: template.ttl_ms,
    })
}

/// Fills the template with plausible values, so that a mistake in it shows when it is written, not when it is used.
pub(super) fn try_out(template: &Template) -> Result<(), TemplateError> {
    let plausible = |kind| match kind {
        ParameterType::Text | ParameterType::Name => "x",
        ParameterType::Integer => "1",
        ParameterType::Resource => "x:y",
        ParameterType::Destination => "other:x",
        ParameterType::Tool => "x/y",
    };
    let values = template
        .parameters
        .iter()
        .map(|(name, parameter)| {
            let text = parameter
                .default
                .as_deref()
                .filter(|d| !d.is_empty())
                .unwrap_or(plausible(parameter.kind));
            (name.as_str(), parameter.values(text).unwrap_or_default())
        })
        .collect();
    Filler { template, values }.authority().map(|_| ())
}

/// The names between braces.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

struct Filler<'a> {
    template: &'a Template,
    values: BTreeMap<&'a str, Vec<String>>,
}

impl Filler<'_> {
    fn authority(&self) -> Result<Authority, TemplateError> {
        let file = &self.template.authority;
        let mut stricter = BTreeMap::new();
        let tiers = &self.template.tiers;
        // Mildest first: of several tiers for one selector the strictest stays.
        for (place, tier, items) in [
            ("tiers.notify", Tier::Notify, &tiers.notify),
            ("tiers.approve", Tier::Approve, &tiers.approve),
            ("tiers.two_person", Tier::TwoPerson, &tiers.two_person),
            ("tiers.never", Tier::Never, &tiers.never),
        ] {
            for selector in self.read::<ToolSelector>(place, items)? {
                stricter.insert(selector, tier);
            }
        }
        let mut bounds: BTreeMap<ArgumentRef, Vec<Bound>> = BTreeMap::new();
        for bound in &file.bounds {
            let (argument, more) = self.bound(bound)?;
            bounds.entry(argument).or_default().extend(more);
        }
        let mut budgets = BTreeMap::new();
        for budget in &file.budgets {
            let (budget, max) = self.budget(budget)?;
            budgets.insert(budget, max);
        }
        let mut client_features = BTreeSet::new();
        for word in &file.client_features {
            let feature = ClientFeature::ALL.into_iter().find(|f| f.as_str() == word);
            client_features.insert(feature.ok_or_else(|| {
                self.entry(
                    "authority.client_features",
                    format!("`{word}`: use sampling, elicitation or roots"),
                )
            })?);
        }
        let (resources, narrowed) = self.roots("authority.resources", &file.resources)?;
        Ok(Authority {
            tools: self.read("authority.tools", &file.tools)?.into_iter().collect(),
            classes: self
                .read::<ToolClass>("authority.classes", &file.classes)?
                .into_iter()
                .collect(),
            resources,
            narrowed,
            destinations: self.scope("authority.destinations", &file.destinations)?,
            bounds,
            budgets,
            client_features,
            agreed: self.read("tiers.auto", &tiers.auto)?.into_iter().collect(),
            stricter,
            depth: file.depth,
            fan_out: file
                .fan_out
                .unwrap_or(if file.depth > 0 { FAN_OUT_DEFAULT } else { 0 }),
        })
    }

    fn entry(&self, entry: &str, problem: String) -> TemplateError {
        TemplateError::Entry {
            template: self.template.name.clone(),
            entry: entry.to_owned(),
            problem,
        }
    }

    /// A text with its placeholders filled in: several texts when it is one list parameter and nothing else.
    fn fill(&self, place: &str, text: &str) -> Result<Vec<String>, TemplateError> {
        let whole = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(list) = whole.and_then(|name| self.values.get(name)) {
            return Ok(list.clone());
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                return Err(self.entry(place, format!("`{text}` has a brace that is not closed")));
            };
            let list = self.template.parameters.get(name).is_some_and(|p| p.list);
            match self.values.get(name).map(Vec::as_slice) {
                Some([one]) if !list => out.push_str(one),
                _ => {
                    return Err(self.entry(
                        place,
                        format!("`{{{name}}}` is a list, so it has to be the whole entry"),
                    ));
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(vec![out])
    }

    fn read<T: std::str::FromStr>(&self, place: &str, items: &[String]) -> Result<Vec<T>, TemplateError>
    where
        T::Err: std::fmt::Display,
    {
        let mut all = Vec::new();
        for item in items {
            for text in self.fill(place, item)? {
                all.push(
                    text.parse()
                        .map_err(|e: T::Err| self.entry(place, e.to_string()))?,
                );
            }
        }
        Ok(all)
    }

    fn one<T: std::str::FromStr>(&self, place: &str, text: &str) -> Result<T, TemplateError>
    where
        T::Err: std::fmt::Display,
    {
        let mut all = self.read(place, &[text.to_owned()])?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(self.entry(place, format!("`{text}` has to be exactly one"))),
        }
    }

    fn scope<T: std::str::FromStr + Ord>(
        &self,
        place: &str,
        scope: &ScopeFile,
    ) -> Result<Scope<T>, TemplateError>
    where
        T::Err: std::fmt::Display,
    {
        match scope {
            ScopeFile::Word(word) if word == "any" => Ok(Scope::Any),
            ScopeFile::Word(word) => Err(self.entry(place, format!("`{word}`: write a list, or \"any\""))),
            ScopeFile::Listed(items) => Ok(Scope::Only(self.read(place, items)?.into_iter().collect())),
        }
    }

    /// Resources, each with verbs of its own where it has any.
    fn roots(&self, place: &str, file: &ScopeFile) -> Result<(Scope<Resource>, Narrowed), TemplateError> {
        let ScopeFile::Listed(items) = file else {
            return Ok((self.scope(place, file)?, Narrowed::default()));
        };
        let (resources, narrowed) =
            verb::apart(self.read(place, items)?).map_err(|problem| self.entry(place, problem))?;
        Ok((Scope::Only(resources.into_iter().collect()), narrowed))
    }

    fn number(&self, place: &str, plain: &Plain) -> Result<i64, TemplateError> {
        match plain {
            Plain::Number(number) => Ok(*number),
            Plain::Text(text) => self.one(place, text),
            Plain::Truth(_) => Err(self.entry(place, "a number is wanted".to_owned())),
        }
    }

    fn bound(&self, file: &BoundFile) -> Result<(ArgumentRef, Vec<Bound>), TemplateError> {
        let place = "authority.bounds";
        if !file.pointer.starts_with('/') {
            return Err(self.entry(
                place,
                format!("`{}` is no JSON Pointer: write `/amount`", file.pointer),
            ));
        }
        let argument = ArgumentRef {
            tool: self.one(place, &file.tool)?,
            pointer: file.pointer.clone(),
        };
        let mut bounds = Vec::new();
        if let Some(one_of) = &file.one_of {
            let mut values = Vec::new();
            for plain in one_of {
                match plain {
                    Plain::Number(number) => values.push(Value::from(*number)),
                    Plain::Truth(truth) => values.push(Value::from(*truth)),
                    Plain::Text(text) => values.extend(self.fill(place, text)?.into_iter().map(Value::from)),
                }
            }
            bounds.push(Bound::OneOf(values));
        }
        if let Some(max) = &file.max {
            bounds.push(Bound::Max(self.number(place, max)?));
        }
        if let Some(min) = &file.min {
            bounds.push(Bound::Min(self.number(place, min)?));
        }
        if bounds.is_empty() {
            return Err(self.entry(place, "a bound needs `one_of`, `max` or `min`".to_owned()));
        }
        Ok((argument, bounds))
    }

    fn budget(&self, file: &BudgetFile) -> Result<(Budget, u64), TemplateError> {
        let place = "authority.budgets";
        let budget = match (
            file.counts.as_deref(),
            file.sums.as_deref(),
            file.pointer.as_deref(),
            file.rows.as_deref(),
        ) {
            (Some("calls"), None, None, None) => Budget::Calls,
            (None, None, None, Some(database)) => Budget::Rows(self.one(place, database)?),
            (Some(text), None, None, None) => match text.parse::<ToolClass>() {
                Ok(class) => Budget::Class(class),
                Err(_) => Budget::Tool(self.one(place, text)?),
            },
            (None, Some(tool), Some(pointer), None) => Budget::Sum(ArgumentRef {
                tool: self.one(place, tool)?,
                pointer: pointer.to_owned(),
            }),
            _ => {
                return Err(self.entry(
                    place,
                    "write `counts = \"calls\"`, a class or a tool; `sums` with a tool and its `pointer`; or `rows` with a database"
                        .to_owned(),
                ));
            }
        };
        let max = u64::try_from(self.number(place, &file.max)?)
            .map_err(|_| self.entry(place, "`max` cannot be negative".to_owned()))?;
        Ok((budget, max))
    }
}
