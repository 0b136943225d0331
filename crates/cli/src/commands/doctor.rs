//! `remit doctor`: what is wrong, and what stays open on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use remit_confine::probe;
use remit_core::time::Timestamp;
use serde_json::{Value, json};

use super::variables::{ROUTES, is_credential};
use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;
use crate::out::when;

/// Looks at this machine. Exit status 1 when something is broken; what is merely open is said and is no failure.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// A file dated this much after now means the clock went back, in milliseconds.
const CLOCK_SLACK_MS: i64 = 60_000;
/// Before this the clock was never set: 2025-01-01.
const CLOCK_NEVER_SET: Timestamp = Timestamp(1_735_689_600_000);
/// Less free space than this is worth a word, in bytes.
const FREE_BYTES_MIN: u64 = 200 * 1024 * 1024;

struct Finding {
    id: String,
    /// `ok`, `warn`, `open` (a door this machine leaves open) or `broken` (does not work until somebody mends it).
    state: &'static str,
    sentence: String,
    advice: String,
}

/// Looks and tells.
///
/// # Errors
/// Something is broken.
pub async fn run(context: &Context, _: &Args) -> Result<(), Failure> {
    let mut findings = vec![server(context).await, clock(context)];
    findings.extend(of_status(context).await);
    findings.extend(space(context));
    findings.extend(
        probe::probe(&context.paths.denied_to_runs())
            .into_iter()
            .map(|found| {
                // Folders that others can enter are ours to close.
                let broken = found.id == "tree" && found.state == probe::State::Open;
                Finding {
                    id: found.id.to_owned(),
                    state: if broken { "broken" } else { found.state.as_str() },
                    sentence: found.sentence,
                    advice: found.advice,
                }
            }),
    );
    findings.extend(variables());
    let broken = findings.iter().any(|found| found.state == "broken");
    print(context, &findings)?;
    if broken { Err(Failure::Said) } else { Ok(()) }
}

fn print(context: &Context, findings: &[Finding]) -> Result<(), Failure> {
    let mut table = Table::bare();
    for found in findings {
        if context.out.json {
            context.out.json(&json!({
                "id": found.id, "state": found.state, "sentence": found.sentence, "advice": found.advice,
            }))?;
            continue;
        }
        let state = match found.state {
            "ok" => Text::new().good("ok"),
            "warn" => Text::new().careful("warn"),
            other => Text::new().bad(other),
        };
        table.row([
            state,
            Text::new().dim(found.id.as_str()),
            found.sentence.as_str().into(),
        ]);
        if !found.advice.is_empty() {
            table.row([
                "".into(),
                "".into(),
                Text::new().dim(format!("→ {}", found.advice)),
            ]);
        }
    }
    if context.out.json {
        return Ok(());
    }
    context.out.table(table)?;
    let count = |state| findings.iter().filter(|found| found.state == state).count();
    context.out.line("")?;
    context.out.line(format!(
        "{} broken, {} open, {} to look at",
        count("broken"),
        count("open"),
        count("warn")
    ))
}

fn finding(id: &str, state: &'static str, sentence: impl Into<String>, advice: &str) -> Finding {
    Finding {
        id: id.to_owned(),
        state,
        sentence: sentence.into(),
        advice: advice.to_owned(),
    }
}

/// What the server says stays open by somebody's word, or by what this machine cannot do.
async fn of_status(context: &Context) -> Vec<Finding> {
    let Ok(control) = context.control() else {
        return Vec::new();
    };
    let Ok(status) = control.get("/v1/status").await else {
        return Vec::new();
    };
    let mut findings = observed(&status);
    findings.extend(servers(&status));
    findings.extend(leases(&status));
    findings.extend(unopened(&status));
    findings
}

/// Servers we start whose network nobody watches.
fn servers(status: &Value) -> Option<Finding> {
    let said = status.get("servers")?;
    let names: Vec<String> = fields::list(said, "uncontained")
        .iter()
        .map(|name| format!("`{}`", fields::as_text(Some(name))))
        .collect();
    let why = fields::text(said, "why_uncontained");
    Some(match (names.is_empty(), why.is_empty()) {
        (true, true) => finding(
            "servers",
            "ok",
            "servers that are started here have no network but their way through Remit",
            "",
        ),
        (_, false) => finding(
            "servers",
            "open",
            format!("servers that are started here keep this machine's network: {why}"),
            "allow user namespaces, or run Remit where it may make network namespaces",
        ),
        (false, true) => finding(
            "servers",
            "open",
            format!(
                "{} keep this machine's network: what they do there is decided by nobody",
                names.join(", ")
            ),
            "add them again without `--uncontained`",
        ),
    })
}

/// Classes nobody enforces for now.
fn observed(status: &Value) -> Vec<Finding> {
    let until = |class: &Value| when::moment(class.get("until")).map(|at| at.to_string());
    fields::list(status, "observed")
        .iter()
        .map(|class| {
            let sentence = format!(
                "class {} is observed only, until {}: what rules would hold or deny of it runs",
                fields::text(class, "class"),
                until(class).unwrap_or_default()
            );
            finding(
                "observe",
                "open",
                sentence,
                "start `remit up` without `--observe` to enforce it",
            )
        })
        .collect()
}

/// Credentials whose task ended and that nothing could end: somebody has to look.
fn leases(status: &Value) -> Option<Finding> {
    let counts = status.get("leases")?;
    let count = |state: &str| counts.get(state).and_then(Value::as_u64).unwrap_or(0);
    let stuck = count("stuck");
    if stuck > 0 {
        let sentence =
            format!("{stuck} credentials could not be ended for more than a minute: possibly live");
        let advice =
            "`remit leases --open` says which, and what their backend answers is in the log of `remit up`";
        return Some(finding("leases", "broken", sentence, advice));
    }
    let sentence = format!(
        "{} credentials in use, {} being ended, {} that only their own expiry ends",
        count("live"),
        count("revoking"),
        count("fading")
    );
    Some(finding("leases", "ok", sentence, ""))
}

/// What is kept and does not open: it cannot be used, and is not recognised in calls and answers.
fn unopened(status: &Value) -> Vec<Finding> {
    let said = |one: &Value| {
        let sentence = format!(
            "{} cannot be opened ({}), so it is not recognised where it leaks",
            fields::text(one, "what"),
            fields::text(one, "why")
        );
        let advice = "if its key-encryption key is elsewhere, see whether that answers; else give the secret anew with `remit secret rotate`";
        finding("secrets", "broken", sentence, advice)
    };
    fields::list(status, "unopened").iter().map(said).collect()
}

async fn server(context: &Context) -> Finding {
    let status = match context.control() {
        Ok(control) => control.get("/v1/status").await,
        Err(failure) => Err(failure),
    };
    match status {
        Ok(status) => running(&status),
        Err(Failure::NotRunning(message)) if message.contains("not running") => finding(
            "server",
            "warn",
            "remit is not running",
            "start it with `remit up`",
        ),
        Err(failure) => finding(
            "server",
            "broken",
            failure.to_string(),
            "act as the user who started `remit up`, from an ordinary terminal",
        ),
    }
}

fn running(status: &Value) -> Finding {
    let version = fields::text(status, "version");
    let ours = env!("CARGO_PKG_VERSION");
    if version != ours {
        return finding(
            "server",
            "warn",
            format!("`remit up` is version {version}, this command is {ours}"),
            "restart `remit up`",
        );
    }
    finding(
        "server",
        "ok",
        format!(
            "running at {}, version {version}",
            fields::text(status, "address")
        ),
        "",
    )
}

fn clock(context: &Context) -> Finding {
    let now = context.now();
    if now < CLOCK_NEVER_SET {
        return finding(
            "clock",
            "broken",
            format!("the clock says {now}: it was never set"),
            "set the clock; expiry and records depend on it",
        );
    }
    let newest = ["remit.db", "remit.db-wal"]
        .iter()
        .filter_map(|name| std::fs::metadata(context.paths.data.join(name)).ok())
        .map(|meta| Timestamp(meta.mtime().saturating_mul(1000)))
        .max();
    match newest {
        Some(newest) if newest.ms_since(now) > CLOCK_SLACK_MS => finding(
            "clock",
            "broken",
            format!("the clock says {now}, but the store was written at {newest}: the clock went back"),
            "set the clock",
        ),
        _ => finding("clock", "ok", format!("the clock says {now}"), ""),
    }
}

fn space(context: &Context) -> Option<Finding> {
    let folder = [context.paths.data.as_path(), Path::new("/")]
        .into_iter()
        .find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(folder).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let mib = free / (1024 * 1024);
    let name = folder.display();
    Some(if free < FREE_BYTES_MIN {
        finding(
            "space",
            "warn",
            format!("{mib} MiB free at `{name}`: without space for records, calls are refused"),
            "make room",
        )
    } else {
        finding("space", "ok", format!("{mib} MiB free at `{name}`"), "")
    })
}

/// Variables a run would inherit and that lead past Remit. Their values are never shown.
fn variables() -> Vec<Finding> {
    let set = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let mut names: Vec<String> = std::env::vars_os()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .filter(|name| wanted(name))
            .collect();
        names.sort();
        names
    };
    let credentials = set(&is_credential);
    let routes = set(&|name| ROUTES.contains(&name));
    let mut findings = Vec::new();
    findings.push(if credentials.is_empty() {
        finding(
            "credentials",
            "ok",
            "no variable here looks like a credential",
            "",
        )
    } else {
        finding(
            "credentials",
            "open",
            format!("runs started from here inherit {}", credentials.join(", ")),
            "unset what the agent does not need",
        )
    });
    if !routes.is_empty() {
        findings.push(finding(
            "routes",
            "warn",
            format!(
                "{} set here: clients may call elsewhere than they say",
                routes.join(", ")
            ),
            "check that each is meant",
        ));
    }
    findings
}
