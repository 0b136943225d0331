//! Steps in which people act.

use super::{Outcome, shapes};
use crate::file::server::Class;
use crate::file::{Entries, Moment, Span};

shapes! {
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
        /// A task's name, `run:<task name>`, `agent:<name>`, `human:<name>` (all they opened or own), `tool:<server/tool>`,
        /// `host:<name>` (nothing goes there any more) or `all`.
        kill: String,
        /// Lifts the stop of a `host:` again.
        #[serde(default)]
        lift: bool,
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

    /// Amends a task: what `allow`, `resources` and `destinations` name becomes the most it may do; what is added, another
    /// intent and more time take a person who may give them, and go no further than ceiling, rights and parent.
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
        /// Tools it may use besides.
        #[serde(default, rename = "add tools")]
        add_tools: Vec<String>,
        /// Roots it may touch besides.
        #[serde(default, rename = "add resources")]
        add_resources: Vec<String>,
        /// Places data may go to besides.
        #[serde(default, rename = "add destinations")]
        add_destinations: Vec<String>,
        /// What it shall reach from now on.
        #[serde(default)]
        intent: Option<String>,
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
}
