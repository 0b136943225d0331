//! What came back for one request, and what it says about its decision.

use serde_json::Value;

/// The key under which a result carries its decision.
const DECISION: &str = "dev.remit/decision";

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status; 0 when nothing came back.
    pub status: u16,
    /// What it was.
    pub outcome: Outcome,
}

/// What an answer was.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// A result.
    Result(Value),
    /// A JSON-RPC error.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
        /// Its data.
        data: Value,
    },
    /// Nothing that is an answer, in words.
    Nothing(String),
}

/// A decision as the agent is shown it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub decision: String,
    pub reason: String,
    pub message: String,
    pub decision_id: Option<String>,
    pub approval_id: Option<String>,
    pub instead: Vec<String>,
}

impl Answer {
    pub(super) const fn nothing(why: String) -> Self {
        Self {
            status: 0,
            outcome: Outcome::Nothing(why),
        }
    }

    /// The decision, where the answer carries one.
    pub fn shown(&self) -> Option<Shown> {
        let object = match &self.outcome {
            Outcome::Result(result) => result.get("_meta")?.get(DECISION)?,
            Outcome::Error { data, .. } => data,
            Outcome::Nothing(_) => return None,
        };
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let instead = object
            .get("allowed_instead")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Some(Shown {
            decision: text("decision")?,
            reason: text("reason").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            decision_id: text("decision_id"),
            approval_id: text("approval_id"),
            instead: instead.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// The text of the answer: of tool results, resources and prompts, else of the error.
    pub fn text(&self) -> String {
        match &self.outcome {
            Outcome::Result(result) => {
                let mut texts = Vec::new();
                for key in ["content", "contents", "messages"] {
                    for block in result.get(key).and_then(Value::as_array).into_iter().flatten() {
                        let block = block.get("content").unwrap_or(block);
                        texts.extend(block.get("text").and_then(Value::as_str));
                    }
                }
                texts.join("\n")
            }
            Outcome::Error { message, .. } => message.clone(),
            Outcome::Nothing(why) => why.clone(),
        }
    }

    /// True for a result that says itself that the tool failed, and for an error.
    pub fn failed(&self) -> bool {
        match &self.outcome {
            Outcome::Result(result) => result.get("isError").and_then(Value::as_bool).unwrap_or(false),
            Outcome::Error { .. } | Outcome::Nothing(_) => true,
        }
    }
}
