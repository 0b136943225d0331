//! `remit task open`, and the part of it that `remit run` shares: what a task is asked for.

use remit_server::config::duration_ms;
use serde_json::{Map, Value};

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;
use crate::out::when;

/// Opens a task.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent that will work on it
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    #[command(flatten)]
    pub wish: Wish,
    /// Let it belong to this task: it never gets more, and ends with it
    #[arg(long, value_name = "TASK")]
    pub parent: Option<String>,
    /// Give no token: the run gets one when it has shown what it is (`POST /api/v1/attest`)
    #[arg(long)]
    pub await_run: bool,
    #[command(flatten)]
    pub acting: Acting,
}

/// What a task is asked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wish {
    /// The objective, in a sentence
    #[arg(long, value_name = "TEXT")]
    pub intent: String,
    /// Why it is done: a ticket, a reason
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Take the shape and the authority of this template
    #[arg(long, value_name = "NAME")]
    pub template: Option<String>,
    /// A parameter of the template
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Allow a tool: `server/tool`, all of a server `server/*`, or one class of it `server:read`
    #[arg(long, value_name = "TOOL")]
    pub allow: Vec<String>,
    /// Limit it to a resource and what is below: `system:path`; with verbs of its own `system:path#read,insert`
    #[arg(long = "resource", value_name = "RESOURCE")]
    pub resources: Vec<String>,
    /// Let it send to a destination: `host:NAME`, `email:ADDRESS`
    #[arg(long = "destination", value_name = "DESTINATION")]
    pub destinations: Vec<String>,
    /// Let it do so much in all: `calls=50`, `class:write=5`, `tool:bank/pay=3`, `sum:bank/pay#/amount=500`, `rows:erp=1000`
    #[arg(long = "budget", value_name = "COUNTS=MAX")]
    pub budgets: Vec<String>,
    /// How long it may last: `30m`, `2h`, `1d`
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub ttl: Option<u64>,
    /// How it works: a person drives, it works alone, or it only directs sub-agents
    #[arg(long, value_name = "MODE", value_parser = ["assist", "execute", "coordinate"])]
    pub mode: Option<String>,
    /// Let it hand work on, this many levels deep
    #[arg(long, value_name = "LEVELS")]
    pub depth: Option<u8>,
    /// Let it have this many delegated tasks under way at once
    #[arg(long = "fan-out", value_name = "TASKS", requires = "depth")]
    pub fan_out: Option<u16>,
    /// Expect a sign of life this often; two missed end it: `30s`, `5m`
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub heartbeat: Option<u64>,
    /// End it when nothing is asked for this long: `10m`, `1h`
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub idle: Option<u64>,
    /// Renew it no further than this from now: `3d`
    #[arg(long = "max-life", value_name = "TIME", value_parser = duration_ms)]
    pub max_life: Option<u64>,
}

impl Wish {
    /// The request body for `POST /v1/tasks`.
    #[must_use]
    pub fn body(&self, agent: &str) -> Body {
        let set: Map<String, Value> = self
            .set
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect();
        Body::new()
            .with("agent", agent)
            .with("intent", self.intent.as_str())
            .maybe("purpose", self.purpose.clone())
            .maybe("template", self.template.clone())
            .maybe("set", (!set.is_empty()).then_some(set))
            .list("allow", &self.allow)
            .list("resources", &self.resources)
            .list("destinations", &self.destinations)
            .list("budgets", &self.budgets)
            .maybe("ttl_ms", self.ttl)
            .maybe("mode", self.mode.clone())
            .maybe("depth", self.depth)
            .maybe("fan_out", self.fan_out)
            .maybe("heartbeat_ms", self.heartbeat)
            .maybe("idle_ms", self.idle)
            .maybe("max_life_ms", self.max_life)
    }
}

/// Opens a task and prints it.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = args
        .wish
        .body(&args.agent)
        .maybe("parent", args.parent.clone())
        .flag("await_run", args.await_run)
        .acting(&args.acting)
        .done();
    let opened = context.control()?.post("/v1/tasks", &body).await?;
    if context.print_json(&opened)? {
        return Ok(());
    }
    context.out.line(headline(context, &opened))?;
    for line in authority_lines(&opened) {
        context.out.line(line)?;
    }
    context.out.line(
        Text::new()
            .dim("  mcp    ")
            .plain(fields::text(&opened, "mcp_url")),
    )?;
    if args.await_run {
        context.out.note(
            "It waits for its run: enrol one with `remit agent enrol`, or let it attest by `[attest.NAME]`.",
        );
        return Ok(());
    }
    context
        .out
        .line(Text::new().dim("  token  ").plain(fields::text(&opened, "token")))?;
    context
        .out
        .note("The token is shown this once. Give it to the agent as REMIT_TOKEN.");
    Ok(())
}

/// `task task_… · claude-code run_… · until 15:42:10 (in 60 min)`
#[must_use]
pub fn headline(context: &Context, opened: &Value) -> Text {
    let now = context.now();
    let line = Text::new()
        .strong("task ")
        .strong(fields::text(opened, "task"))
        .plain(" · ")
        .plain(fields::text(opened, "run"));
    match when::moment(opened.get("expires_at")) {
        Some(end) => line.plain(format!(
            " · until {} ({})",
            when::clock_time(end, now),
            when::distance(end, now)
        )),
        None => line,
    }
}

/// What the task may, on one line, and what was cut from the wish.
#[must_use]
pub fn authority_lines(task: &Value) -> Vec<Text> {
    let parts: Vec<String> = task
        .get("authority")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| part(key, value))
        .collect();
    let mut lines = Vec::new();
    if !parts.is_empty() {
        lines.push(Text::new().dim("  may    ").plain(parts.join(" · ")));
    }
    lines.extend(
        fields::list(task, "cut")
            .iter()
            .map(|cut| Text::new().careful("  cut    ").plain(fields::as_text(Some(cut)))),
    );
    lines
}

/// `classes read, write`; nothing for a limit that does not limit, or a permission that permits nothing.
fn part(key: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| format!("{key}: {}", fields::as_text(Some(value))))
            .collect::<Vec<_>>()
            .join(", "),
        other => fields::as_text(Some(other)),
    };
    let says_nothing = text.is_empty() || text == "0" || (key == "resources" && text == "any");
    (!says_nothing).then(|| format!("{} {text}", key.replace('_', " ")))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE".to_owned())
}
