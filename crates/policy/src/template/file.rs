//! The file format. Every key is known; anything else is refused with its place.

use std::collections::BTreeMap;

use remit_core::task::Mode;
use serde::Deserialize;

use super::instantiate::{placeholders, try_out};
use super::{Parameter, ParameterType, Template, TemplateError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateFile {
    name: String,
    description: String,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    ttl: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, ParameterFile>,
    authority: AuthorityFile,
    #[serde(default)]
    tiers: TiersFile,
    #[serde(default)]
    policy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterFile {
    #[serde(rename = "type")]
    kind: ParameterType,
    #[serde(default)]
    list: bool,
    description: String,
    #[serde(default)]
    default: Option<String>,
}

/// `[authority]` of a template or of a test's task.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityFile {
    pub(super) tools: Vec<String>,
    pub(super) classes: Vec<String>,
    #[serde(default)]
    pub(super) resources: ScopeFile,
    #[serde(default)]
    pub(super) destinations: ScopeFile,
    #[serde(default)]
    pub(super) bounds: Vec<BoundFile>,
    #[serde(default)]
    pub(super) budgets: Vec<BudgetFile>,
    #[serde(default)]
    pub(super) client_features: Vec<String>,
    #[serde(default)]
    pub(super) depth: u8,
    #[serde(default)]
    pub(super) fan_out: Option<u16>,
}

/// A list, or the word `any`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum ScopeFile {
    Listed(Vec<String>),
    Word(String),
}

impl Default for ScopeFile {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// `[[authority.bounds]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoundFile {
    pub tool: String,
    pub pointer: String,
    #[serde(default)]
    pub one_of: Option<Vec<Plain>>,
    #[serde(default)]
    pub max: Option<Plain>,
    #[serde(default)]
    pub min: Option<Plain>,
}

/// `[[authority.budgets]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetFile {
    /// `calls`, a class, or `server/tool`.
    #[serde(default)]
    pub counts: Option<String>,
    /// `server/tool` whose argument `pointer` is summed up.
    #[serde(default)]
    pub sums: Option<String>,
    #[serde(default)]
    pub pointer: Option<String>,
    /// A database whose rows are counted.
    #[serde(default)]
    pub rows: Option<String>,
    pub max: Plain,
}

/// A number, a truth value, or a text that may hold a placeholder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Plain {
    Number(i64),
    Truth(bool),
    Text(String),
}

/// `[tiers]` of a template or of a test's task.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiersFile {
    /// Agreed beforehand: the baseline does not ask.
    #[serde(default)]
    pub(super) auto: Vec<String>,
    #[serde(default)]
    pub(super) notify: Vec<String>,
    #[serde(default)]
    pub(super) approve: Vec<String>,
    #[serde(default)]
    pub(super) two_person: Vec<String>,
    #[serde(default)]
    pub(super) never: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Template, TemplateError> {
    let file: TemplateFile =
        toml::from_str(text).map_err(|e| TemplateError::File(e.to_string().trim_end().to_owned()))?;
    let name = file
        .name
        .parse()
        .map_err(|e| TemplateError::File(format!("{e}")))?;
    let entry = |entry: &str, problem: String| TemplateError::Entry {
        template: Clone::clone(&name),
        entry: entry.to_owned(),
        problem,
    };
    let mode = match file.mode.as_deref() {
        None => Mode::Execute,
        Some(word) => Mode::parse(word).ok_or_else(|| {
            entry(
                "mode",
                format!("`{word}` is not a mode: use assist, execute or coordinate"),
            )
        })?,
    };
    let ttl_ms = file
        .ttl
        .as_deref()
        .map(duration_ms)
        .transpose()
        .map_err(|problem| entry("ttl", problem))?;
    let parameters: BTreeMap<String, Parameter> = file
        .parameters
        .into_iter()
        .map(|(name, p)| {
            let parameter = Parameter {
                description: p.description,
                kind: p.kind,
                list: p.list,
                default: p.default,
            };
            (name, parameter)
        })
        .collect();
    for (parameter, declared) in &parameters {
        if let Some(default) = &declared.default {
            declared
                .values(default)
                .map_err(|problem| entry(&format!("parameters.{parameter}"), problem))?;
        }
    }
    let template = Template {
        name: name.clone(),
        description: file.description,
        mode,
        ttl_ms,
        parameters,
        policy: file.policy,
        authority: file.authority,
        tiers: file.tiers,
    };
    for (place, text) in template.texts() {
        for placeholder in placeholders(text) {
            if !template.parameters.contains_key(placeholder) {
                return Err(entry(
                    &place,
                    format!("`{{{placeholder}}}` is not a parameter of this template"),
                ));
            }
        }
    }
    try_out(&template)?;
    Ok(template)
}

impl Template {
    /// A template that is only this.
    pub(crate) fn of_case(authority: &AuthorityFile, tiers: &TiersFile) -> Result<Self, TemplateError> {
        let template = Self {
            name: "case".parse().map_err(|e| TemplateError::File(format!("{e}")))?,
            description: String::new(),
            mode: Mode::Execute,
            ttl_ms: None,
            parameters: BTreeMap::new(),
            policy: String::new(),
            authority: authority.clone(),
            tiers: tiers.clone(),
        };
        try_out(&template)?;
        Ok(template)
    }

    /// Every text that may hold a placeholder, with its place.
    fn texts(&self) -> Vec<(String, &str)> {
        let mut all = Vec::new();
        let lists = [
            ("authority.tools", self.authority.tools.as_slice()),
            ("authority.classes", self.authority.classes.as_slice()),
            ("authority.resources", scope(&self.authority.resources)),
            ("authority.destinations", scope(&self.authority.destinations)),
            ("tiers.auto", self.tiers.auto.as_slice()),
            ("tiers.notify", self.tiers.notify.as_slice()),
            ("tiers.approve", self.tiers.approve.as_slice()),
            ("tiers.two_person", self.tiers.two_person.as_slice()),
            ("tiers.never", self.tiers.never.as_slice()),
        ];
        for (place, items) in lists {
            all.extend(items.iter().map(|item| (place.to_owned(), item.as_str())));
        }
        for bound in &self.authority.bounds {
            all.push(("authority.bounds".to_owned(), bound.tool.as_str()));
            let values = bound.one_of.iter().flatten().chain(&bound.max).chain(&bound.min);
            all.extend(
                values
                    .filter_map(plain_text)
                    .map(|text| ("authority.bounds".to_owned(), text)),
            );
        }
        for budget in &self.authority.budgets {
            let named = budget.counts.iter().chain(&budget.sums).chain(&budget.rows);
            let texts = named.map(String::as_str);
            all.extend(
                texts
                    .chain(plain_text(&budget.max))
                    .map(|text| ("authority.budgets".to_owned(), text)),
            );
        }
        all
    }
}

fn scope(scope: &ScopeFile) -> &[String] {
    match scope {
        ScopeFile::Listed(items) => items,
        ScopeFile::Word(_) => &[],
    }
}

fn plain_text(plain: &Plain) -> Option<&str> {
    match plain {
        Plain::Text(text) => Some(text),
        Plain::Number(_) | Plain::Truth(_) => None,
    }
}

/// `90s`, `30m`, `2h`, `3d` in milliseconds.
fn duration_ms(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a length of time: write 90s, 30m, 2h or 3d");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    let number: i64 = number.parse().map_err(|_| bad())?;
    (number > 0)
        .then(|| number.checked_mul(unit))
        .flatten()
        .ok_or_else(bad)
}
