//! Comparing what happened with what was expected.

use serde_json::Value;

use crate::client::{Answer, Outcome};
use crate::file::{Answered, Expect};

/// Reasons that mean: the tool waits for a person to look at it.
const QUARANTINE: [&str; 3] = ["tool_quarantined", "tool_changed", "capability_drift"];
/// Reasons that mean: the authority is gone.
const REVOKED: [&str; 5] = [
    "task_ended",
    "task_suspended",
    "actor_invalid",
    "credential_invalid",
    "no_task",
];

/// What one request led to.
#[derive(Debug)]
pub(super) struct Seen {
    pub answer: Answer,
    /// Records made since it was sent, as JSON.
    pub records: Vec<Value>,
    /// The tool as records call it.
    pub tool: String,
    /// How many requests for it reached the server since.
    pub reached: usize,
}

/// What was decided about a request, as far as anybody can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decided {
    /// `allow`, `hold` or `deny`.
    pub effect: String,
    pub reason: String,
    pub tier: String,
    pub rules: Vec<String>,
    pub message: String,
    pub instead: Vec<String>,
}

impl Seen {
    /// The decision: from the answer, and with its rules and tier from the ledger.
    pub fn decided(&self) -> Decided {
        let shown = self.answer.shown();
        let record = match &shown {
            Some(shown) => shown
                .decision_id
                .as_deref()
                .and_then(|id| self.record("decision_id", id)),
            None => self.records.iter().rev().find(|record| {
                record["type"] == "decision"
                    && record["decision"] == "allow"
                    && record["tool"] == self.tool.as_str()
            }),
        };
        let recorded = |key: &str| {
            record
                .and_then(|r| r[key].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let tier = record
            .and_then(|r| r.pointer("/detail/tier")?.as_str())
            .unwrap_or_default()
            .to_owned();
        let rules = record.and_then(|r| r["rules"].as_array()).into_iter().flatten();
        let rules = rules.filter_map(Value::as_str).map(rule_id).collect();
        match shown {
            Some(shown) => Decided {
                effect: shown.decision,
                reason: shown.reason,
                message: shown.message,
                instead: shown.instead,
                tier,
                rules,
            },
            None if matches!(self.answer.outcome, Outcome::Result(_)) || record.is_some() => Decided {
                effect: "allow".to_owned(),
                reason: recorded("reason"),
                message: self.answer.text(),
                instead: Vec::new(),
                tier,
                rules,
            },
            // Neither a decision nor a result: refused before anything was decided, or nobody there.
            None => Decided {
                effect: "deny".to_owned(),
                reason: if self.answer.status == 0 {
                    "unavailable".to_owned()
                } else {
                    String::new()
                },
                message: self.answer.text(),
                ..Decided::default()
            },
        }
    }

    fn record(&self, key: &str, value: &str) -> Option<&Value> {
        self.records
            .iter()
            .find(|record| record["type"] == "decision" && record[key] == value)
    }
}

/// `id sha-256:…` without the digest of the rule's content.
fn rule_id(rule: &str) -> String {
    rule.split(' ').next().unwrap_or(rule).to_owned()
}

/// What does not fit, in words: what was expected, what happened. Empty when all is as expected.
pub(super) fn judge(expect: &Answered, seen: &Seen, reached: Option<usize>) -> Vec<(String, String)> {
    let decided = seen.decided();
    let mut wrong = Vec::new();
    let mut differ = |expected: String, happened: String| wrong.push((expected, happened));
    if !effect_fits(expect.expect, &decided) {
        differ(format!("expect: {}", expect.expect.as_str()), describe(&decided));
    }
    let wanted = match (&expect.reason, expect.expect) {
        (Some(reason), _) => Some(reason.as_str()),
        (None, Expect::Hold) => Some("approval_required"),
        (None, _) => None,
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != decided.reason) {
        differ(format!("reason: {wanted}"), describe(&decided));
    }
    if let Some(rule) = expect.rule.as_ref().filter(|rule| !decided.rules.contains(rule)) {
        differ(format!("rule: {rule}"), describe(&decided));
    }
    if let Some(tier) = expect.tier.filter(|tier| tier.as_str() != decided.tier) {
        differ(
            format!("tier: {}", tier.as_str()),
            format!("tier {}", or_none(&decided.tier)),
        );
    }
    for part in expect
        .message_contains
        .0
        .iter()
        .filter(|part| !decided.message.contains(part.as_str()))
    {
        differ(
            format!("message_contains: {part}"),
            format!("the message `{}`", decided.message),
        );
    }
    for part in &expect.instead_contains.0 {
        if !decided.instead.iter().any(|offer| offer.contains(part.as_str())) {
            differ(
                format!("instead_contains: {part}"),
                format!("offered instead: {:?}", decided.instead),
            );
        }
    }
    texts(expect, &seen.answer, &mut differ);
    let fails = decided.effect == "allow" && seen.answer.failed();
    let allowed = matches!(expect.expect, Expect::Allow | Expect::Flag);
    if allowed && decided.effect == "allow" && fails != expect.fails {
        let wanted = if expect.fails {
            "fails: true"
        } else {
            "an answer that is no failure"
        };
        differ(
            wanted.to_owned(),
            format!("the answer `{}`", cut(&seen.answer.text())),
        );
    }
    if let Some(status) = expect.status.filter(|status| *status != seen.answer.status) {
        differ(
            format!("status: {status}"),
            format!("HTTP {}", seen.answer.status),
        );
    }
    if let Some(code) = expect.error_code {
        let given = match &seen.answer.outcome {
            Outcome::Error { code, .. } => Some(*code),
            _ => None,
        };
        if given != Some(code) {
            differ(
                format!("error_code: {code}"),
                cut(&format!("{:?}", seen.answer.outcome)),
            );
        }
    }
    let reached = expect.reached.or(if allowed { reached } else { Some(0) });
    if let Some(reached) = reached.filter(|reached| *reached != seen.reached) {
        differ(
            format!("{reached} requests for it at the server"),
            format!("{} reached it", seen.reached),
        );
    }
    wrong
}

fn texts(expect: &Answered, answer: &Answer, differ: &mut impl FnMut(String, String)) {
    let text = answer.text();
    if let Some(wanted) = expect.text.as_ref().filter(|wanted| **wanted != text) {
        differ(format!("text: {wanted}"), format!("the answer `{}`", cut(&text)));
    }
    for part in expect
        .text_contains
        .0
        .iter()
        .filter(|part| !text.contains(part.as_str()))
    {
        differ(
            format!("text_contains: {part}"),
            format!("the answer `{}`", cut(&text)),
        );
    }
    for part in expect
        .text_lacks
        .0
        .iter()
        .filter(|part| text.contains(part.as_str()))
    {
        differ(
            format!("text_lacks: {part}"),
            format!("the answer `{}`", cut(&text)),
        );
    }
}

fn effect_fits(expect: Expect, decided: &Decided) -> bool {
    let reason = decided.reason.as_str();
    match expect {
        Expect::Allow => decided.effect == "allow",
        Expect::Hold => decided.effect == "hold",
        Expect::Deny => decided.effect == "deny",
        Expect::Quarantine => decided.effect == "deny" && QUARANTINE.contains(&reason),
        Expect::Flag => decided.effect == "allow" && decided.tier == "notify",
        Expect::Revoke => decided.effect == "deny" && REVOKED.contains(&reason),
    }
}

/// A decision in one line.
pub(super) fn describe(decided: &Decided) -> String {
    let mut text = format!("{}, reason {}", decided.effect, or_none(&decided.reason));
    if !decided.rules.is_empty() {
        text.push_str(&format!(", rules {}", decided.rules.join(" ")));
    }
    if !decided.message.is_empty() {
        text.push_str(&format!(": {}", cut(&decided.message)));
    }
    text
}

const fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// Enough of a long text.
pub(super) fn cut(text: &str) -> String {
    const SHOWN: usize = 300;
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        format!("{shown} […]")
    } else {
        shown
    }
}
