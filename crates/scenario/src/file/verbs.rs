//! The shapes of steps, one per verb; the first member of each is its verb.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::server::{Answer, Class};
use super::{Entries, Moment, Span, Texts};

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }
    )*};
}

shapes! {
    /// A run calls a tool.
    Call {
        /// `server/tool`.
        call: String,
        /// The arguments.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// The arguments as JSON text, sent byte for byte: for what no YAML value gives.
        #[serde(default)]
        raw: Option<String>,
        /// Calls through `/mcp`, where tools are called `server__tool`.
        #[serde(default)]
        aggregated: bool,
        /// Makes the call this many times, one after the other; each must end as expected.
        #[serde(default)]
        repeat: Option<u32>,
        /// A name for this call, for `approve`, `deny`, `resume`, `card` and `grant revoke`.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// A run calls a tool and does not wait for the answer: goes on once the call waits for people, has reached its server or
    /// is answered. A later `join` looks at the answer.
    Begin {
        /// `server/tool`.
        begin: String,
        /// The arguments.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// A name for this call, for `join`, and as with `call`.
        #[serde(rename = "as")]
        name: String,
    }

    /// A run reads a resource.
    Read {
        /// The resource's URI.
        read: String,
        /// The server it is read from.
        server: String,
        /// A name for this call, as with `call`.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// A run gets a prompt.
    Prompt {
        /// The prompt's name.
        prompt: String,
        /// The server it comes from.
        server: String,
        /// The arguments.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// A name for this call, as with `call`.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// A run lists what it may use.
    List {
        /// `tools`, `resources` or `prompts`.
        list: ListKind,
        /// The server asked. Without it: all of them through `/mcp`, where names are `server__name`.
        #[serde(default)]
        server: Option<String>,
    }

    /// A run comes back for a held call with `remit__resume`.
    Resume {
        /// The `as` name of the held call.
        resume: String,
    }

    /// Waits for the answer to a call that was begun, and looks at it.
    Join {
        /// The `as` name of the call.
        join: String,
    }

    /// A run sends something to an HTTP host. Not supported yet.
    Http {
        /// Method and URL: `POST https://api.example/v1`.
        http: String,
        /// The body.
        #[serde(default)]
        body: Option<String>,
    }

    /// Who makes a call, and where it comes from.
    From {
        /// The task whose run makes it. Default: the only task there is; for `resume`, the task of the held call.
        #[serde(default)]
        run: Option<String>,
        /// The token shown instead of the run's own: `none`, `unknown`, or the name of another task.
        #[serde(default)]
        token: Option<String>,
        /// The `Host` header shown instead of the right one.
        #[serde(default)]
        host: Option<String>,
        /// An `Origin` header, as a browser sends it.
        #[serde(default)]
        origin: Option<String>,
    }

    /// A human approves a held call.
    Approve {
        /// The `as` name of the held call.
        approve: String,
        /// Who approves.
        by: String,
        /// Approves this many calls like it.
        #[serde(default)]
        times: Option<u64>,
        /// Approves calls like it for this long.
        #[serde(default, rename = "for")]
        lasts: Option<Span>,
        /// Approves calls like it until the task ends.
        #[serde(default)]
        for_task: bool,
        /// Words for the record.
        #[serde(default)]
        note: Option<String>,
    }

    /// A human denies a held call.
    Deny {
        /// The `as` name of the held call.
        deny: String,
        /// Who denies.
        by: String,
        /// Words for the agent.
        note: String,
    }

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

    /// Revokes the grant that an approval gave.
    GrantRevoke {
        /// The `as` name of the held call that was approved.
        #[serde(rename = "grant revoke")]
        grant_revoke: String,
        /// Who revokes it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Freezes a resource: nothing below it may change.
    FreezeAct {
        /// The root: `<system>:<path>`.
        freeze: String,
        /// When it ends; give this or `for`.
        #[serde(default)]
        until: Option<Moment>,
        /// How long it lasts.
        #[serde(default, rename = "for")]
        lasts: Option<Span>,
        /// Why, for people.
        #[serde(default)]
        because: Option<String>,
        /// Who places it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Lifts a freeze.
    Lift {
        /// The root that was frozen.
        lift: String,
        /// Who lifts it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Takes authority away at once.
    Kill {
        /// A task's name, `run:<task name>`, `agent:<name>` or `all`.
        kill: String,
        /// Why, for the record.
        #[serde(default)]
        because: Option<String>,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Opens a task; takes the keys of a task besides.
    TaskOpen {
        /// A name for it.
        #[serde(rename = "task open")]
        task_open: String,
    }

    /// Narrows a task: what it names becomes the most the task may do. Nothing is ever widened.
    TaskAmend {
        /// The task's name.
        #[serde(rename = "task amend")]
        task_amend: String,
        /// The tools it may use from now on, at most.
        #[serde(default)]
        allow: Option<Vec<String>>,
        /// The roots it may touch from now on, at most.
        #[serde(default)]
        resources: Option<Vec<String>>,
        /// The places data may go to from now on, at most.
        #[serde(default)]
        destinations: Option<Vec<String>>,
        /// How long it may last from now on.
        #[serde(default)]
        ttl: Option<Span>,
        /// Who amends it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Gives a task more time: a decision of its own.
    TaskRenew {
        /// The task's name.
        #[serde(rename = "task renew")]
        task_renew: String,
        /// How long it may last from now on.
        ttl: Span,
        /// Who renews it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Ends a task.
    TaskDone {
        /// The task's name.
        #[serde(rename = "task done")]
        task_done: String,
        /// `completed` (the default) or `cancelled`.
        #[serde(default)]
        outcome: Option<Outcome>,
        /// Who ends it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Looks at a task.
    TaskShow {
        /// The task's name.
        #[serde(rename = "task show")]
        task_show: String,
        /// `open`, `suspended`, `completed`, `cancelled`, `expired` or `revoked`.
        state: String,
    }

    /// Suspends a task and everything below it.
    TaskSuspend {
        /// The task's name.
        #[serde(rename = "task suspend")]
        task_suspend: String,
        /// Why, for the record.
        #[serde(default)]
        because: Option<String>,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Opens a suspended task again.
    TaskResume {
        /// The task's name.
        #[serde(rename = "task resume")]
        task_resume: String,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Suspends an agent: the authority of its tasks is gone.
    AgentSuspend {
        /// The agent.
        #[serde(rename = "agent suspend")]
        agent_suspend: String,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Lets a suspended agent act again.
    AgentResume {
        /// The agent.
        #[serde(rename = "agent resume")]
        agent_resume: String,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Retires an agent for good.
    AgentRetire {
        /// The agent.
        #[serde(rename = "agent retire")]
        agent_retire: String,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Suspends a human: their verdicts do not count.
    HumanSuspend {
        /// The human.
        #[serde(rename = "human suspend")]
        human_suspend: String,
        /// Who does it. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Admits tools.
    ToolsAdmit {
        /// `server/tool`, each.
        #[serde(rename = "tools admit")]
        tools_admit: Vec<String>,
        /// The class given to them. Default: the proposed one.
        #[serde(default)]
        class: Option<Class>,
        /// Marks them irreversible.
        #[serde(default)]
        irreversible: bool,
        /// Who admits them. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Retires tools.
    ToolsRetire {
        /// `server/tool`, each.
        #[serde(rename = "tools retire")]
        tools_retire: Vec<String>,
        /// Who retires them. Default: the owner of the installation.
        #[serde(default)]
        by: Option<String>,
    }

    /// Looks at a server again: what it lists now is compared with what was admitted.
    ServerRefresh {
        /// The server.
        #[serde(rename = "server refresh")]
        server_refresh: String,
    }

    /// Puts policy files in place and loads them.
    PolicyApply {
        /// Files by name (`rules.cedar`); an empty text removes the file.
        #[serde(rename = "policy apply")]
        policy_apply: Entries<String>,
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
        verify: Ledger,
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum $name {
            $($(#[$word_doc])* $word,)*
        }
    )*};
}

words! {
    /// What can be listed.
    ListKind {
        /// `tools/list`.
        Tools,
        /// `resources/list`.
        Resources,
        /// `prompts/list`.
        Prompts,
    }

    /// How a task ends.
    Outcome {
        /// It reached what it was for.
        Completed,
        /// It was given up.
        Cancelled,
    }

    /// What happens to the engine.
    EngineAct {
        /// Ends it without any warning.
        Kill,
        /// Lets it end.
        Stop,
        /// Starts it on the same data.
        Start,
    }

    /// What is verified.
    Ledger {
        /// The ledger.
        Ledger,
    }
}
