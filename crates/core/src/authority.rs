//! Authority: what a task allows. Its only operation is [`Authority::attenuate`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::amount;
use crate::decision::Tier;
use crate::destination::Destination;
use crate::json::Value;
use crate::name::{Name, ToolName};
use crate::resource::Resource;
use crate::tool::{Classes, ToolClass, ToolRef};
use crate::verb::Narrowed;

/// A selection of tools: `server/tool`, `server/*`, `*`, each with an optional class filter `:read`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolSelector {
    server: Option<Name>,
    tool: Option<ToolName>,
    class: Option<ToolClass>,
}

/// Text that is not a tool selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not select tools: write `server/tool`, `server/*`, `server:read` or `*:read`")]
pub struct BadSelector(pub String);

impl ToolSelector {
    /// Every tool there is.
    pub const ALL: Self = Self {
        server: None,
        tool: None,
        class: None,
    };

    /// Exactly one tool.
    #[must_use]
    pub fn exactly(tool: &ToolRef) -> Self {
        Self {
            server: Some(tool.server.clone()),
            tool: Some(tool.tool.clone()),
            class: None,
        }
    }

    /// True when `tool` of `class` is selected.
    #[must_use]
    pub fn selects(&self, tool: &ToolRef, class: ToolClass) -> bool {
        self.server.as_ref().is_none_or(|s| *s == tool.server)
            && self.tool.as_ref().is_none_or(|t| *t == tool.tool)
            && self.class.is_none_or(|c| c == class)
    }

    /// True when the selector names one tool.
    #[must_use]
    pub const fn names_one_tool(&self) -> bool {
        self.server.is_some() && self.tool.is_some()
    }

    /// What both select; `None` when nothing can be selected by both.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        Some(Self {
            server: meet_option(self.server.as_ref(), other.server.as_ref())?,
            tool: meet_option(self.tool.as_ref(), other.tool.as_ref())?,
            class: meet_option(self.class.as_ref(), other.class.as_ref())?,
        })
    }
}

/// `None` = any. Outer `None` = they exclude each other.
#[expect(
    clippy::option_option,
    reason = "three outcomes: excluded, any, exactly this one"
)]
fn meet_option<T: Clone + PartialEq>(a: Option<&T>, b: Option<&T>) -> Option<Option<T>> {
    match (a, b) {
        (None, None) => Some(None),
        (Some(x), None) | (None, Some(x)) => Some(Some(x.clone())),
        (Some(x), Some(y)) => (x == y).then(|| Some(x.clone())),
    }
}

impl FromStr for ToolSelector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let bad = || BadSelector(text.chars().take(200).flat_map(char::escape_debug).collect());
        let (names, class) = match text.rsplit_once(':') {
            Some((names, class)) => (names, Some(class.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (server, tool) = names.split_once('/').unwrap_or((names, "*"));
        let server = if server == "*" {
            None
        } else {
            Some(server.parse().map_err(|_| bad())?)
        };
        let tool = if tool == "*" {
            None
        } else {
            Some(tool.parse().map_err(|_| bad())?)
        };
        if server.is_none() && tool.is_some() {
            return Err(bad());
        }
        Ok(Self { server, tool, class })
    }
}

impl fmt::Display for ToolSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.server, &self.tool) {
            (Some(server), Some(tool)) => write!(f, "{server}/{tool}")?,
            (Some(server), None) => write!(f, "{server}/*")?,
            (None, _) => f.write_str("*")?,
        }
        self.class.map_or(Ok(()), |class| write!(f, ":{class}"))
    }
}

impl fmt::Debug for ToolSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Either everything, or only what is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<T: Ord> {
    /// No bound of this kind.
    Any,
    /// Only these.
    Only(BTreeSet<T>),
}

impl<T: Ord> Scope<T> {
    /// Nothing at all.
    #[must_use]
    pub const fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// True when a bound is set.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        matches!(self, Self::Only(_))
    }
}

impl Scope<Resource> {
    /// True when `resource` lies under one of the roots.
    #[must_use]
    pub fn covers(&self, resource: &Resource) -> bool {
        match self {
            Self::Any => true,
            Self::Only(roots) => roots.iter().any(|root| root.covers(resource)),
        }
    }
}

impl Scope<Destination> {
    /// True when `destination` is listed, whole.
    #[must_use]
    pub fn covers(&self, destination: &Destination) -> bool {
        match self {
            Self::Any => true,
            Self::Only(listed) => listed.contains(destination),
        }
    }
}

/// One argument of one tool, for bounds and sums.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArgumentRef {
    /// The tool.
    pub tool: ToolRef,
    /// JSON Pointer into its arguments.
    pub pointer: String,
}

/// What an argument may be. Several bounds on one argument must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// One of these canonical values.
    OneOf(Vec<Value>),
    /// An amount (see [`amount::of`]) of at most this.
    Max(i64),
    /// An amount of at least this.
    Min(i64),
}

impl Bound {
    /// True when `value` keeps the bound; an absent argument keeps none.
    #[must_use]
    pub fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Self::OneOf(allowed), Some(value)) => allowed.iter().any(|one| is_same(one, value)),
            (Self::Max(max), Some(value)) => amount::of(value).is_some_and(|n| n <= as_double(*max)),
            (Self::Min(min), Some(value)) => amount::of(value).is_some_and(|n| n >= as_double(*min)),
        }
    }
}

/// Bounds are small integers; beyond 2^53 the nearest double is the best a JSON number can be compared with.
#[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles on this path")]
const fn as_double(bound: i64) -> f64 {
    bound as f64
}

/// A form carries a number as text: the same, when it is that very text.
fn is_same(allowed: &Value, value: &Value) -> bool {
    match (allowed, value) {
        (Value::Number(number), Value::String(text)) => number.lexeme() == text.as_str(),
        _ => allowed == value,
    }
}

/// What a budget counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Budget {
    /// All calls.
    Calls,
    /// Calls of one class.
    Class(ToolClass),
    /// Calls of one tool.
    Tool(ToolRef),
    /// The sum of the amounts in one argument, in the unit its API states.
    Sum(ArgumentRef),
    /// Rows of one database, read or changed.
    Rows(Name),
}

/// A server→client request an agent's task may let through (MCP client features).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientFeature {
    /// `sampling/createMessage`.
    Sampling,
    /// `elicitation/create`.
    Elicitation,
    /// `roots/list`.
    Roots,
}

impl ClientFeature {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sampling, Self::Elicitation, Self::Roots];

    /// The word used in templates.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::Roots => "roots",
        }
    }

    /// The JSON-RPC method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Sampling => "sampling/createMessage",
            Self::Elicitation => "elicitation/create",
            Self::Roots => "roots/list",
        }
    }
}

/// What may be done, at most. There is no way to make one larger.
#[derive(Clone, Debug, PartialEq)]
pub struct Authority {
    /// Selected tools; a tool must be selected by at least one.
    pub tools: BTreeSet<ToolSelector>,
    /// Tool classes.
    pub classes: Classes,
    /// Roots of what may be touched.
    pub resources: Scope<Resource>,
    /// What may be done below some resources, at most.
    pub narrowed: Narrowed,
    /// Places data may go to without asking.
    pub destinations: Scope<Destination>,
    /// Bounds on arguments; all must hold.
    pub bounds: BTreeMap<ArgumentRef, Vec<Bound>>,
    /// Budgets for the whole task.
    pub budgets: BTreeMap<Budget, u64>,
    /// Server→client requests that may pass.
    pub client_features: BTreeSet<ClientFeature>,
    /// Calls agreed on beforehand: the baseline does not ask for them. Guardrails and stricter tiers still count.
    pub agreed: BTreeSet<ToolSelector>,
    /// Tiers this task demands beyond what policy asks; the strictest that selects a call counts.
    pub stricter: BTreeMap<ToolSelector, Tier>,
    /// How many further delegations may hang below.
    pub depth: u8,
    /// How many tasks may be delegated from this one and be live at the same time.
    pub fan_out: u16,
}

impl Authority {
    /// No authority.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            tools: BTreeSet::new(),
            classes: BTreeSet::new(),
            resources: Scope::none(),
            narrowed: Narrowed(BTreeMap::new()),
            destinations: Scope::none(),
            bounds: BTreeMap::new(),
            budgets: BTreeMap::new(),
            client_features: BTreeSet::new(),
            agreed: BTreeSet::new(),
            stricter: BTreeMap::new(),
            depth: 0,
            fan_out: 0,
        }
    }

    /// Everything: only as the neutral element of [`Self::attenuate`], for an agent without a ceiling. A task that
    /// starts from it must empty `agreed` first.
    #[must_use]
    pub fn unbounded() -> Self {
        Self {
            tools: BTreeSet::from([ToolSelector::ALL]),
            classes: ToolClass::ALL.into_iter().collect(),
            resources: Scope::Any,
            narrowed: Narrowed::default(),
            destinations: Scope::Any,
            bounds: BTreeMap::new(),
            budgets: BTreeMap::new(),
            client_features: ClientFeature::ALL.into_iter().collect(),
            agreed: BTreeSet::from([ToolSelector::ALL]),
            stricter: BTreeMap::new(),
            depth: u8::MAX,
            fan_out: u16::MAX,
        }
    }

    /// The intersection of both: never allows what either does not.
    #[must_use]
    pub fn attenuate(&self, limit: &Self) -> Self {
        let mut bounds = self.bounds.clone();
        for (argument, more) in &limit.bounds {
            let all = bounds.entry(argument.clone()).or_default();
            all.extend(
                more.iter()
                    .filter(|b| !all.contains(b))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
        let mut budgets = self.budgets.clone();
        for (budget, max) in &limit.budgets {
            budgets
                .entry(budget.clone())
                .and_modify(|mine| *mine = (*mine).min(*max))
                .or_insert(*max);
        }
        let mut stricter = self.stricter.clone();
        for (selector, tier) in &limit.stricter {
            stricter
                .entry(selector.clone())
                .and_modify(|mine| *mine = (*mine).max(*tier))
                .or_insert(*tier);
        }
        Self {
            agreed: meets(&self.agreed, &limit.agreed),
            stricter,
            tools: meets(&self.tools, &limit.tools),
            classes: self.classes.intersection(&limit.classes).copied().collect(),
            resources: meet_roots(&self.resources, &limit.resources),
            narrowed: self.narrowed.meet(&limit.narrowed),
            destinations: meet_sets(&self.destinations, &limit.destinations),
            bounds,
            budgets,
            client_features: self
                .client_features
                .intersection(&limit.client_features)
                .copied()
                .collect(),
            depth: self.depth.min(limit.depth),
            fan_out: self.fan_out.min(limit.fan_out),
        }
    }

    /// What a task delegated from one that holds this may hold of `asked`; `None` when no delegation may hang below.
    ///
    /// Where this one declares no roots, a person looks at each write; roots that a run names for another do not change
    /// that, so writes are then held in the delegated task, whatever its roots.
    #[must_use]
    pub fn delegate(&self, asked: &Self) -> Option<Self> {
        let mut limit = self.clone();
        limit.depth = limit.depth.checked_sub(1)?;
        let mut held = asked.attenuate(&limit);
        if !self.resources.is_bounded() && held.resources.is_bounded() {
            let writes = ToolSelector {
                server: None,
                tool: None,
                class: Some(ToolClass::Write),
            };
            held.stricter
                .entry(writes)
                .and_modify(|tier| *tier = (*tier).max(Tier::Approve))
                .or_insert(Tier::Approve);
        }
        Some(held)
    }

    /// True when the tool is selected and its class allowed.
    #[must_use]
    pub fn selects(&self, tool: &ToolRef, class: ToolClass) -> bool {
        self.classes.contains(&class) && self.tools.iter().any(|s| s.selects(tool, class))
    }

    /// What `self` asked for and `limited` no longer has, one sentence each.
    #[must_use]
    pub fn cut(&self, limited: &Self, why: &str) -> Vec<String> {
        let mut cut = Vec::new();
        for selector in self.tools.difference(&limited.tools) {
            cut.push(format!("tools `{selector}`: {why}"));
        }
        for class in self.classes.difference(&limited.classes) {
            cut.push(format!("class `{class}`: {why}"));
        }
        if let (Scope::Only(mine), Scope::Only(theirs)) = (&self.resources, &limited.resources) {
            cut.extend(
                mine.difference(theirs)
                    .map(|root| format!("resource `{root}`: {why}")),
            );
        }
        if let (Scope::Only(mine), Scope::Only(theirs)) = (&self.destinations, &limited.destinations) {
            cut.extend(
                mine.difference(theirs)
                    .map(|place| format!("destination `{place}`: {why}")),
            );
        }
        if let (Scope::Any, Scope::Only(theirs)) = (&self.resources, &limited.resources) {
            let roots: Vec<String> = theirs.iter().map(|root| format!("`{root}`")).collect();
            cut.push(format!("resources held to {}: {why}", listed(&roots)));
        }
        if let (Scope::Any, Scope::Only(theirs)) = (&self.destinations, &limited.destinations) {
            let places: Vec<String> = theirs.iter().map(|place| format!("`{place}`")).collect();
            cut.push(format!("destinations held to {}: {why}", listed(&places)));
        }
        for (root, verbs) in &limited.narrowed.0 {
            if self.narrowed.0.get(root) != Some(verbs) {
                cut.push(format!(
                    "resource `{root}` held to {}: {why}",
                    Narrowed::text(verbs)
                ));
            }
        }
        if limited.depth < self.depth {
            cut.push(format!("depth lowered to {}: {why}", limited.depth));
        }
        if limited.fan_out < self.fan_out {
            cut.push(format!("fan-out lowered to {}: {why}", limited.fan_out));
        }
        for (budget, max) in &limited.budgets {
            if self.budgets.get(budget).is_some_and(|mine| mine > max) {
                cut.push(format!("budget {budget:?} lowered to {max}: {why}"));
            }
        }
        cut
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() {
        "nothing".to_owned()
    } else {
        items.join(", ")
    }
}

fn meets(a: &BTreeSet<ToolSelector>, b: &BTreeSet<ToolSelector>) -> BTreeSet<ToolSelector> {
    let met: BTreeSet<ToolSelector> = a
        .iter()
        .flat_map(|x| b.iter().filter_map(|y| x.meet(y)))
        .collect();
    let is_needed = |one: &&ToolSelector| {
        !met.iter()
            .any(|other| other != *one && one.meet(other).as_ref() == Some(*one))
    };
    met.iter().filter(is_needed).cloned().collect()
}

fn meet_roots(a: &Scope<Resource>, b: &Scope<Resource>) -> Scope<Resource> {
    match (a, b) {
        (Scope::Any, other) | (other, Scope::Any) => other.clone(),
        (Scope::Only(a), Scope::Only(b)) => {
            let deeper = |x: &Resource, y: &Resource| {
                if x.covers(y) {
                    Some(y.clone())
                } else {
                    y.covers(x).then(|| x.clone())
                }
            };
            let met: BTreeSet<Resource> = a
                .iter()
                .flat_map(|x| b.iter().filter_map(move |y| deeper(x, y)))
                .collect();
            let is_needed = |one: &&Resource| !met.iter().any(|other| other != *one && other.covers(one));
            Scope::Only(met.iter().filter(is_needed).cloned().collect())
        }
    }
}

fn meet_sets<T: Ord + Clone>(a: &Scope<T>, b: &Scope<T>) -> Scope<T> {
    match (a, b) {
        (Scope::Any, other) | (other, Scope::Any) => other.clone(),
        (Scope::Only(a), Scope::Only(b)) => Scope::Only(a.intersection(b).cloned().collect()),
    }
}
