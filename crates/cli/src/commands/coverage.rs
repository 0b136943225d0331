//! `remit coverage`: what passes through a decision here, and what does not.

use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

/// Shows what passes through a decision.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One way an agent can act.
struct Way {
    way: &'static str,
    /// `enforced`, `confined` (not decided, but kept away from what is ours), or `none`.
    lane: &'static str,
    note: &'static str,
}

const WAYS: [Way; 13] = [
    Way {
        way: "MCP tool calls through Remit",
        lane: "enforced",
        note: "each is decided and recorded before it is sent",
    },
    Way {
        way: "MCP resources, prompts, completions, subscriptions through Remit",
        lane: "enforced",
        note: "each is decided and recorded before it is sent",
    },
    Way {
        way: "requests of MCP servers to the agent (sampling, elicitation, roots)",
        lane: "enforced",
        note: "denied unless the task names them",
    },
    Way {
        way: "Remit's own data, keys, control socket",
        lane: "confined",
        note: "runs of `remit run` and stdio servers cannot reach them; `remit doctor` says how well",
    },
    Way {
        way: "what an MCP server that Remit starts sends over the network",
        lane: "enforced",
        note: "it has no other way out, and is held to the call that caused the request; not servers marked `uncontained`",
    },
    Way {
        way: "what other MCP servers do with a call they were sent",
        lane: "none",
        note: "Remit sees the call and the answer, not what the server calls in turn",
    },
    Way {
        way: "the agent's own shell and file tools",
        lane: "none",
        note: "confinement keeps them from Remit, not from your files",
    },
    Way {
        way: "HTTP through the egress proxy to registered systems (curl, git, SDKs in `remit run`)",
        lane: "enforced",
        note: "each request is decided and recorded before its host is looked up; what cannot be read in one way is refused",
    },
    Way {
        way: "HTTP through the egress proxy to other hosts, WebSocket, gRPC",
        lane: "enforced",
        note: "denied and recorded",
    },
    Way {
        way: "connections the agent opens past the proxy",
        lane: "none",
        note: "not decided, not recorded; in a run with `remit run --contained` there is no other way out",
    },
    Way {
        way: "MCP servers in the agent's own configuration",
        lane: "none",
        note: "register them with `remit mcp add` and take them out there",
    },
    Way {
        way: "credentials in the agent's environment and files",
        lane: "none",
        note: "`remit doctor` lists the variables",
    },
    Way {
        way: "agents not started with `remit run`",
        lane: "none",
        note: "their calls are decided if they use a task's token; they are not confined",
    },
];

/// Prints the table; with a server running, also what it knows of.
///
/// # Errors
/// Standard output cannot be written.
pub async fn run(context: &Context, _: &Args) -> Result<(), Failure> {
    let servers = servers(context).await;
    if context.out.json {
        for Way { way, lane, note } in WAYS {
            context
                .out
                .json(&json!({"way": way, "lane": lane, "note": note}))?;
        }
        for server in &servers {
            let way = format!("MCP server {}", fields::text(server, "name"));
            context
                .out
                .json(&json!({"way": way, "lane": "enforced", "note": ""}))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["way", "lane", ""]);
    for Way { way, lane, note } in WAYS {
        table.row([way.into(), coloured(lane), Text::new().dim(note)]);
    }
    for server in &servers {
        table.row([
            format!("MCP server {}", fields::text(server, "name")).into(),
            coloured("enforced"),
            Text::new().dim("registered"),
        ]);
    }
    context.out.table(table)
}

async fn servers(context: &Context) -> Vec<Value> {
    // The table stands without a server, too.
    let Ok(control) = context.control() else {
        return Vec::new();
    };
    let servers = control.get("/v1/servers").await.unwrap_or_default();
    fields::items(&servers).to_vec()
}

fn coloured(lane: &'static str) -> Text {
    match lane {
        "enforced" => Text::new().good(lane),
        "confined" => Text::new().careful(lane),
        _ => Text::new().bad(lane),
    }
}
