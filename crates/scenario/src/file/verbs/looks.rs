//! Steps that look at the stage, or move it.

use serde_json::{Map, Value};

use super::{EngineAct, Ledger, shapes};
use crate::file::{Answer, Entries, Span, Texts};

shapes! {
    /// Looks at the card of a held call, as people see it.
    Card {
        /// The `as` name of the held call.
        card: String,
        /// Text that the card shows.
        #[serde(default)]
        contains: Texts,
        /// Text that the card does not show.
        #[serde(default)]
        lacks: Texts,
        /// Where the approval stands: `pending`, `approved`, `spent`, `denied`, `expired` or `cancelled`.
        #[serde(default)]
        state: Option<String>,
        /// How many people have voted.
        #[serde(default)]
        votes: Option<usize>,
    }

    /// Looks at a task.
    TaskShow {
        /// The task's name.
        #[serde(rename = "task show")]
        task_show: String,
        /// `open`, `suspended`, `completed`, `cancelled`, `expired` or `revoked`.
        state: String,
    }

    /// Moves the clock forward.
    Clock {
        /// By how much: `90s`, `30m`, `2h`, `3d`.
        clock: Span,
    }

    /// Ends or starts the engine.
    Engine {
        /// `kill`: ends it without any warning, as kill -9 does. `stop`: lets it end. `start`: starts it on the same data.
        engine: EngineAct,
    }

    /// Changes a stub server.
    Change {
        /// The server.
        change: String,
        /// The tools it lists from now on.
        #[serde(default)]
        tools: Option<Vec<Map<String, Value>>>,
        /// New names of tools, by the old one.
        #[serde(default)]
        rename: Entries<String>,
        /// Lists the same definitions written differently: other order of keys, other spacing, other escapes.
        #[serde(default)]
        reformat: bool,
        /// What it tells clients about itself from now on.
        #[serde(default)]
        instructions: Option<String>,
        /// What it answers from now on; replaces all answers.
        #[serde(default)]
        answers: Option<Entries<Vec<Answer>>>,
        /// Sends `notifications/tools/list_changed`, and goes on once the tools have been fetched again.
        #[serde(default)]
        notify: bool,
        /// Ends all connections and sessions and serves on.
        #[serde(default)]
        restart: bool,
        /// Refuses connections (`true`) or serves again (`false`).
        #[serde(default)]
        down: Option<bool>,
    }

    /// Looks at what reached a stub server.
    Upstream {
        /// The server.
        upstream: String,
        /// Counts calls of this tool only.
        #[serde(default)]
        tool: Option<String>,
        /// Counts reads of this resource only.
        #[serde(default)]
        resource: Option<String>,
        /// Counts requests of this prompt only.
        #[serde(default)]
        prompt_name: Option<String>,
        /// Counts requests whose arguments contain these only.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// How many there were since the scenario began.
        received: usize,
    }

    /// Looks at a file in the scenario's folder.
    File {
        /// Its name.
        file: String,
        /// Whether it is there. Default: true.
        #[serde(default)]
        exists: Option<bool>,
        /// Its text, exactly.
        #[serde(default)]
        text: Option<String>,
        /// Text that it contains.
        #[serde(default)]
        contains: Texts,
    }

    /// Looks for records in the ledger.
    Records {
        /// Members the records have, with their values.
        records: Map<String, Value>,
        /// Only records of this task, by its name.
        #[serde(default)]
        task: Option<String>,
        /// How many there are. Default: at least one.
        #[serde(default)]
        count: Option<usize>,
    }

    /// Verifies the ledger now; it is verified after every scenario anyway.
    Verify {
        /// `ledger`.
        #[expect(dead_code, reason = "the only thing there is to verify; the key is what the file says")]
        verify: Ledger,
    }
}
