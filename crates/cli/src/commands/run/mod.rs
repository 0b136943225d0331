//! `remit run`: opens a task, runs a command in it, confined and attested, and ends the task with the command.

mod egress;
mod environment;
mod process;
mod relay;
mod settings;

use std::ffi::OsString;

use serde_json::{Value, json};

use super::task::{done, open};
use crate::context::{Acting, Body, Context};
use crate::control_client::{Control, part};
use crate::failure::Failure;
use crate::fields;
use crate::names::name_from;
use crate::out::text::Text;
use process::Child;
use settings::Settings;

/// Runs a command as an agent.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub wish: open::Wish,
    /// The agent it runs as; named after the command, and registered as yours, when absent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// How its HTTP goes through Remit; through the proxy when absent and systems are registered
    #[arg(long, value_name = "HOW")]
    pub egress: Option<egress::Mode>,
    /// Give it a network of its own whose only way out is Remit; refused where the machine cannot
    #[arg(long)]
    pub contained: bool,
    #[command(flatten)]
    pub acting: Acting,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Runs the command; gives its status.
///
/// # Errors
/// Anything that kept the command from being started as asked: the command did not run.
pub fn run(context: &Context, args: &Args) -> Result<u8, Failure> {
    super::runtime()?.block_on(supervise(context, args))
}

async fn supervise(context: &Context, args: &Args) -> Result<u8, Failure> {
    let control = context.control()?;
    let status = control.get("/v1/status").await?;
    let agent = agent(context, &control, args).await?;
    let body = args.wish.body(&agent).acting(&args.acting).done();
    let opened = control.post("/v1/tasks", &body).await?;
    let task = fields::text(&opened, "task");
    if context.out.json {
        let mut said = opened.clone();
        if let Some(members) = said.as_object_mut() {
            // The command gets it; a log that keeps our standard error must not.
            members.remove("token");
            members.insert("event".to_owned(), json!("opened"));
        }
        context.out.json_note(&said);
    } else {
        context.out.note(open::headline(context, &opened));
        for line in open::authority_lines(&opened) {
            context.out.note(line);
        }
    }
    let result = work(context, &control, args, &status, &opened).await;
    let completed = matches!(result, Ok(0));
    end(context, &control, &task, completed, &result).await;
    result
}

/// Everything between the opening of the task and its end.
async fn work(
    context: &Context,
    control: &Control,
    args: &Args,
    status: &Value,
    opened: &Value,
) -> Result<u8, Failure> {
    let servers = control.get("/v1/servers").await?;
    let settings = Settings::write(opened, &servers)?;
    let (mut variables, mut secrets) =
        environment::for_run(std::env::vars_os(), opened, &settings, &context.paths);
    let egress = way_out(context, control, args, opened, &settings, &mut variables).await?;
    secrets.retain(|name| {
        let held = variables.iter().find(|(there, _)| there == name.as_str());
        !held.is_some_and(|(_, value)| value.to_string_lossy().starts_with("remit-placeholder-"))
    });
    if !secrets.is_empty() && !context.out.json {
        context.out.note(Text::new().careful("  note   ").plain(format!(
            "the command inherits {}; what it does with them does not pass through Remit",
            secrets.join(", ")
        )));
    }
    let way_out = args.contained.then(|| relay::address(opened)).transpose()?;
    let spec = process::spec(context, status, way_out)?;
    let mut child = Child::launch(&spec, &args.command, &variables)?;
    let relay = child
        .take_listener()
        .map(|listener| relay::start(context, listener));
    let _relay = relay.transpose()?;
    let confinement = child.confinement();
    if confinement.word() == "none" && !context.out.json {
        context.out.note(Text::new().careful("  note   ").plain(format!(
            "the run is not confined: {}",
            confinement.gaps.join("; ")
        )));
    }
    attest(control, &fields::text(opened, "run"), &child).await?;
    child.go()?;
    let run = fields::text(opened, "run");
    let status = tokio::select! {
        status = child.finish() => status?,
        never = egress.follow(control, &run, settings.folder()) => match never {},
    };
    let left = child.end_leftovers()?;
    if left > 0 && !context.out.json {
        context
            .out
            .note(format!("ended {left} processes the command left behind"));
    }
    Ok(status)
}

/// Leads the command's HTTP through Remit, and says what was set for that.
async fn way_out(
    context: &Context,
    control: &Control,
    args: &Args,
    opened: &Value,
    settings: &Settings,
    variables: &mut Vec<(OsString, OsString)>,
) -> Result<egress::Egress, Failure> {
    let said = control.get(&egress::path(&fields::text(opened, "run"))).await?;
    let token = fields::text(opened, "token");
    carry(&said, variables);
    // With no other network, what nobody registered is to be refused in words.
    let asked = args
        .egress
        .or_else(|| args.contained.then_some(egress::Mode::Proxy));
    let egress = egress::Egress::make(asked, &said, &token, settings.folder())?;
    egress.put(variables);
    if context.out.json {
        context.out.json_note(&egress.said());
    } else if egress.mode != egress::Mode::Off {
        let said = egress.said();
        let names: Vec<String> = fields::list(&said, "variables")
            .iter()
            .map(|name| fields::as_text(Some(name)))
            .collect();
        context.out.note(format!(
            "  http      {} ({})",
            fields::text(&said, "mode"),
            names.join(" ")
        ));
    }
    Ok(egress)
}

/// Puts placeholders into an environment, in place of the secrets they stand for.
fn carry(said: &Value, variables: &mut Vec<(OsString, OsString)>) {
    let placeholders = said.get("placeholders").and_then(Value::as_object);
    for (name, value) in placeholders.into_iter().flatten() {
        variables.retain(|(there, _)| there != name.as_str());
        variables.push((name.into(), fields::as_text(Some(value)).into()));
    }
}

/// Tells the server which process the run is, before that process may do anything.
async fn attest(control: &Control, run: &str, child: &Child) -> Result<(), Failure> {
    let confinement = child.confinement();
    let mut attested = serde_json::to_value(confinement)
        .map_err(|error| Failure::local(format!("cannot describe the confinement: {error}")))?;
    if let Some(members) = attested.as_object_mut() {
        members.insert("word".to_owned(), json!(confinement.word()));
    }
    let body = Body::new()
        .with("pid", child.id().pid)
        .with("start_time", child.id().start_time)
        .with("confinement", attested)
        .done();
    control
        .post(&format!("/v1/runs/{}/process", part(run)), &body)
        .await
        .map(drop)
}

/// Ends the task; the status of the command stands whatever comes of it.
async fn end(
    context: &Context,
    control: &Control,
    task: &str,
    completed: bool,
    result: &Result<u8, Failure>,
) {
    let body = json!({"outcome": if completed { "completed" } else { "cancelled" }});
    let ended = control
        .post(&format!("/v1/tasks/{}/done", part(task)), &body)
        .await;
    match (ended, context.out.json) {
        (Ok(mut ended), true) => {
            if let Some(members) = ended.as_object_mut() {
                members.insert("event".to_owned(), json!("ended"));
                members.insert("status".to_owned(), json!(result.as_ref().ok()));
            }
            context.out.json_note(&ended);
        }
        (Ok(ended), false) => context.out.note(done::closing(&ended)),
        (Err(failure), true) => context
            .out
            .json_note(&json!({"event": "not_ended", "task": task, "message": failure.to_string()})),
        (Err(failure), false) => context.out.note(
            Text::new()
                .careful("note: ")
                .plain(format!("task {task}: {failure}")),
        ),
    }
}

/// The agent to run as. An agent nobody named is the caller's own, so it is registered on the way.
async fn agent(context: &Context, control: &Control, args: &Args) -> Result<String, Failure> {
    if let Some(agent) = &args.agent {
        return Ok(agent.clone());
    }
    let program = args.command.first().map(OsString::as_os_str).unwrap_or_default();
    let file = std::path::Path::new(program).file_name().unwrap_or(program);
    let agent = name_from(&file.to_string_lossy(), "agent");
    match control.get(&format!("/v1/agents/{agent}")).await {
        Ok(_) => Ok(agent),
        Err(missing) if missing.is_not_found() => {
            let body = Body::new()
                .with("name", agent.as_str())
                .with("purpose", format!("runs of {}", program.to_string_lossy()))
                .acting(&args.acting)
                .done();
            let added = control.post("/v1/agents", &body).await?;
            if !context.out.json {
                context.out.note(format!(
                    "agent {agent} registered, owner {}",
                    fields::text(&added, "owner")
                ));
            }
            Ok(agent)
        }
        Err(other) => Err(other),
    }
}
