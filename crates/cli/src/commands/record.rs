//! One line per record of the ledger, for people.

use remit_core::time::Timestamp;
use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;
use crate::out::when;

/// `14:46:31  DENY   github/delete_repo  github:acme/web  not in the task  dec_…`
#[must_use]
pub fn line(record: &Value, now: Timestamp) -> Text {
    let time = when::moment(record.get("time"))
        .map(|at| when::clock_time(at, now))
        .unwrap_or_default();
    let kind = fields::text(record, "type");
    let mut line = Text::new().dim(time).plain("  ").join(word(record, &kind));
    // What was called, else who or what is meant.
    let detail = record.get("detail").cloned().unwrap_or_default();
    let about = [
        fields::text(record, "tool"),
        fields::text(record, "agent"),
        fields::text(&detail, "human"),
        fields::text(&detail, "server"),
        fields::text(&detail, "tools"),
    ];
    let about = about.into_iter().find(|text| !text.is_empty());
    for text in about.into_iter().chain([fields::text(record, "resource")]) {
        if !text.is_empty() {
            line = line.plain(format!("  {text}"));
        }
    }
    let decision = fields::text(record, "decision");
    let reason = fields::text(record, "reason");
    if !reason.is_empty() && decision != "allow" {
        line = line.plain(format!("  {reason}"));
    }
    let by = fields::text(&detail, "by");
    if !by.is_empty() {
        line = line.plain(format!("  by {by}"));
    }
    let lane = fields::text(record, "lane");
    if !lane.is_empty() && lane != "enforced" {
        line = line.careful(format!("  {lane}"));
    }
    if fields::text(record, "origin") == "anomaly" {
        line = line.bad("  identity anomaly");
    }
    let id = match kind.as_str() {
        _ if !decision.is_empty() => fields::text(record, "decision_id"),
        _ => fields::text(record, "task"),
    };
    if id.is_empty() {
        line
    } else {
        line.dim(format!("  {id}"))
    }
}

/// Prints records, as lines or as JSON.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(context: &Context, record: &Value) -> Result<(), Failure> {
    if context.out.json {
        return context.out.json(record);
    }
    context.out.line(line(record, context.now()))
}

fn word(record: &Value, kind: &str) -> Text {
    let decision = fields::text(record, "decision");
    let outcome = fields::text(record, "outcome");
    match (decision.as_str(), outcome.as_str()) {
        ("allow", "") => Text::new().good("allow "),
        ("hold", "") => Text::new().careful("hold  "),
        ("deny", "") => Text::new().bad("DENY  "),
        (_, "done") => Text::new().dim("done  "),
        (_, "") => Text::new().strong(kind.replace('_', " ")),
        (_, other) => Text::new().careful(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_server_wrote_cannot_style_itself() {
        let record = json!({
            "time": 0, "type": "decision", "decision": "deny", "reason": "out_of_scope",
            "tool": "fs/delete\u{1b}[2K", "resource": "file:/a\u{202e}b", "decision_id": "dec_1"
        });
        let line = line(&record, Timestamp(0)).render(false);
        assert!(
            line.ends_with("DENY    fs/delete\\u{1b}[2K  file:/a\\u{202e}b  out_of_scope  dec_1"),
            "{line}"
        );
    }
}
