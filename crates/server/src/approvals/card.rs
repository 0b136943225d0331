//! The card: what an approver sees, rendered here from the stored call, never from the agent's words.
//!
//! The card is a canonical JSON object; its hash is part of the approval, so what was shown can be proved later.

use remit_core::approval::Requirement;
use remit_core::call::Call;
use remit_core::confinement::{Confinement, Proof};
use remit_core::digest::Digest;
use remit_core::id::ApprovalId;
use remit_core::json::{Object, Value};
use remit_core::task::Task;
use remit_core::tool::{Classification, ToolClass};

use super::inspect::{Finding, inspect};

/// What a card is rendered from.
#[derive(Clone, Debug)]
pub struct CardFacts<'f> {
    /// The approval it belongs to.
    pub approval: ApprovalId,
    /// The stored call.
    pub call: &'f Call,
    /// What the registry says about the tool; `None` for operations that are not tools.
    pub classification: Option<&'f Classification>,
    /// The task.
    pub task: &'f Task,
    /// How well the run is shut in.
    pub confinement: Confinement,
    /// How the call proved its run.
    pub proof: Proof,
    /// Who has to agree.
    pub requirement: &'f Requirement,
    /// One sentence per rule that asked for it.
    pub because: &'f [String],
}

/// A rendered card.
#[derive(Clone, Debug, PartialEq)]
pub struct Card(Object);

impl Card {
    /// Renders a card.
    #[must_use]
    pub fn render(facts: &CardFacts<'_>) -> Self {
        let class = facts.classification.map_or(ToolClass::Read, |c| c.class);
        let irreversible = facts.classification.is_some_and(|c| c.marks.irreversible);
        let (arguments, findings) = shown_arguments(facts.call);
        let mut card = Object::new();
        card.insert("approval", facts.approval.to_string());
        card.insert("effect", effect(facts.call, class));
        card.insert(
            "tool",
            format!("{}/{}", facts.call.server, facts.call.operation.target()),
        );
        card.insert("class", class.as_str());
        card.insert(
            "reversible",
            if irreversible {
                "no undo"
            } else {
                reversible(class)
            },
        );
        card.insert("touches", texts(&facts.call.resources));
        card.insert("sends_to", texts(&facts.call.destinations));
        card.insert("arguments", arguments);
        card.insert(
            "warnings",
            Value::Array(findings.into_iter().map(|f| Value::from(f.sentence)).collect()),
        );
        card.insert("initiator", facts.task.initiator.as_str());
        card.insert("agent", facts.task.agent.as_str());
        card.insert("run", facts.task.run.to_string());
        card.insert("task", facts.task.id.to_string());
        card.insert("goal", escape(&facts.task.intent.goal));
        card.insert("purpose", escape(&facts.task.intent.purpose));
        card.insert("confinement", facts.confinement.as_str());
        card.insert("proof", facts.proof.as_str());
        card.insert("tier", facts.requirement.tier.as_str());
        card.insert("approvers", approvers(facts.requirement));
        card.insert(
            "because",
            Value::Array(
                facts
                    .because
                    .iter()
                    .map(|text| Value::from(escape(text)))
                    .collect(),
            ),
        );
        card.insert("digest", facts.call.digest().to_string());
        Self(card)
    }

    /// The canonical object.
    #[must_use]
    pub const fn object(&self) -> &Object {
        &self.0
    }

    /// The canonical text: what is stored beside the approval.
    #[must_use]
    pub fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Hash of the canonical text.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }

    /// The card for a terminal: plain lines, everything already escaped.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        lines_of(&self.0)
    }
}

/// The lines of a stored card.
#[must_use]
pub fn lines_of(card: &Object) -> Vec<String> {
    let text = |key: &str| {
        card.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let list = |key: &str| -> Vec<String> {
        let items = card.get(key).and_then(Value::as_array).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let mut lines = vec![text("effect")];
    lines.push(format!("  undo       {}", text("reversible")));
    for place in list("sends_to") {
        lines.push(format!("  sends to   {place}"));
    }
    for argument in card
        .get("arguments")
        .and_then(Value::as_array)
        .unwrap_or_default()
    {
        let part = |key: &str| argument.get(key).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!(
            "  {:<10} {}",
            part("pointer").trim_start_matches('/'),
            part("shown")
        ));
    }
    for warning in list("warnings") {
        lines.push(format!("  warning    {warning}"));
    }
    lines.push(format!(
        "  for        {} (task {}, opened by {})",
        text("goal"),
        text("task"),
        text("initiator")
    ));
    lines.push(format!(
        "  by         {} {} (confinement {}, proof {})",
        text("agent"),
        text("run"),
        text("confinement"),
        text("proof")
    ));
    for reason in list("because") {
        lines.push(format!("  because    {reason}"));
    }
    lines.push(format!(
        "  needs      {}: {}",
        text("tier"),
        list("approvers").join(", and ")
    ));
    lines
}

fn effect(call: &Call, class: ToolClass) -> String {
    let verb = match class {
        ToolClass::Read => "Read",
        ToolClass::Write => "Change",
        ToolClass::Delete => "DELETE",
        ToolClass::Transfer => "Send",
        ToolClass::Exec => "RUN",
        ToolClass::Privilege => "CHANGE RIGHTS",
    };
    let what = call.resources.iter().map(ToString::to_string).collect::<Vec<_>>();
    let whom = call
        .destinations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let tool = format!("{}/{}", call.server, call.operation.target());
    match (what.is_empty(), whom.is_empty()) {
        (false, false) => format!("{verb} {} to {} with {tool}", what.join(", "), whom.join(", ")),
        (false, true) => format!("{verb} {} with {tool}", what.join(", ")),
        (true, false) => format!("{verb} to {} with {tool}", whom.join(", ")),
        (true, true) => format!("{verb} with {tool}"),
    }
}

const fn reversible(class: ToolClass) -> &'static str {
    match class {
        ToolClass::Read => "nothing is changed",
        ToolClass::Write => "by hand, if the old state is known",
        ToolClass::Delete | ToolClass::Transfer => "not by Remit",
        ToolClass::Exec | ToolClass::Privilege => "not known",
    }
}

fn texts<T: ToString>(items: &[T]) -> Value {
    Value::Array(
        items
            .iter()
            .map(|item| Value::from(escape(&item.to_string())))
            .collect(),
    )
}

fn approvers(requirement: &Requirement) -> Value {
    let set = |roles: &std::collections::BTreeSet<_>| {
        Value::from(
            roles
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or "),
        )
    };
    Value::Array(requirement.approvers.iter().map(set).collect())
}

fn shown_arguments(call: &Call) -> (Value, Vec<Finding>) {
    let mut shown = Vec::new();
    let mut findings = Vec::new();
    for (name, value) in call.arguments.iter() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let inspected = inspect(name, &text);
        let mut entry = Object::new();
        entry.insert("pointer", format!("/{}", escape(name)));
        entry.insert("shown", inspected.shown);
        shown.push(Value::Object(entry));
        findings.extend(inspected.findings);
    }
    for pointer in &call.opaque {
        findings.push(Finding {
            inspectable: false,
            sentence: format!(
                "not fully inspectable: what `{}` names can only be resolved by the server",
                escape(pointer)
            ),
        });
    }
    (Value::Array(shown), findings)
}

/// Text with everything invisible, direction-changing or terminal-controlling written out.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if crate::registry::definition::is_hidden(c) || c.is_control() => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}
