//! The card on a terminal. The server rendered its lines from the stored call; here they are only set.

use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;
use crate::out::when;

/// Prints an approval with its card.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(context: &Context, approval: &Value) -> Result<(), Failure> {
    let now = context.now();
    let mut head = Text::new()
        .careful(fields::text(approval, "id"))
        .plain(format!(" · {}", fields::text(approval, "tier")));
    let state = fields::text(approval, "state");
    if !state.is_empty() && state != "pending" {
        head = head.plain(format!(" · {state}"));
    } else if let Some(end) = when::moment(approval.get("expires_at")) {
        head = head.plain(format!(" · expires {}", when::distance(end, now)));
    }
    context.out.line(head)?;
    for (at, line) in fields::list(approval, "lines").iter().enumerate() {
        let line = fields::as_text(Some(line));
        context.out.line(if at == 0 {
            Text::new().strong(line)
        } else if line.trim_start().starts_with("warning") {
            Text::new().careful(line)
        } else {
            Text::from(line)
        })?;
    }
    for vote in fields::list(approval, "votes") {
        context.out.line(format!("  {}", vote_line(vote)))?;
    }
    Ok(())
}

/// `alice: approve (weak), "use the staging table"`
pub(super) fn vote_line(vote: &Value) -> String {
    let mut line = format!(
        "{}: {}",
        fields::text(vote, "human"),
        fields::text(vote, "verdict")
    );
    if fields::is(vote, "weak") {
        line.push_str(" (weak: the run could have given it itself)");
    }
    let note = fields::text(vote, "note");
    if !note.is_empty() {
        line.push_str(&format!(", \"{note}\""));
    }
    line
}

/// The sentence that says what would happen.
#[must_use]
pub fn effect(approval: &Value) -> String {
    fields::list(approval, "lines")
        .first()
        .map(|line| fields::as_text(Some(line)))
        .filter(|line| !line.is_empty())
        .unwrap_or_else(|| fields::text(approval, "tool"))
}
