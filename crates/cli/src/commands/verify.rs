//! `remit verify`: an export or a data folder, offline and without a server; or the ledger of the running server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use remit_ledger::export::{self, ExportReport, Trust};
use remit_ledger::note::VerifierKey;
use remit_ledger::verify::Finding;
use remit_server::evidence::offline;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Longest checkpoint file, in bytes.
const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024;

/// Verifies.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("offline"))]
pub struct Args {
    /// What `remit export` wrote (`-` for standard input); the ledger of the running server when absent
    #[arg(group = "offline")]
    pub export: Option<PathBuf>,
    /// A data folder nobody runs, or a copy of one: read as it lies there, nothing in it is changed
    #[arg(long, value_name = "DIR", group = "offline")]
    pub data: Option<PathBuf>,
    /// A checkpoint kept elsewhere: any change before it is found, even by whoever holds the signing key
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// The key the ledger must be signed with, as `remit up` prints it: `name+hash+base64`
    #[arg(long, value_name = "KEY", value_parser = key, requires = "offline")]
    pub key: Option<VerifierKey>,
}

/// Verifies and says what was found; findings are a failure.
///
/// # Errors
/// Not running, unreadable, or findings.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let held: Vec<Vec<u8>> = args
        .checkpoints
        .iter()
        .map(|path| read_checkpoint(path))
        .collect::<Result<_, _>>()?;
    let answer = match (&args.export, &args.data) {
        (Some(path), _) => exported(path, args.key.clone(), held)?,
        (None, Some(data)) => folder(data, args.key.clone(), &held)?,
        (None, None) => online(context, &held).await?,
    };
    if !context.print_json(&answer)? {
        print(context, &answer)?;
    }
    if fields::is(&answer, "ok") {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

async fn online(context: &Context, held: &[Vec<u8>]) -> Result<Value, Failure> {
    let mut body = json!({});
    if let [first, rest @ ..] = held {
        if !rest.is_empty() {
            return Err(Failure::Usage(
                "the running server takes one `--checkpoint`; verify an export to use several".to_owned(),
            ));
        }
        body = json!({"checkpoint": String::from_utf8_lossy(first)});
    }
    context.control()?.post("/v1/verify", &body).await
}

fn folder(data: &Path, key: Option<VerifierKey>, held: &[Vec<u8>]) -> Result<Value, Failure> {
    let known = key.is_some();
    let looked = offline::verify(data, key, held).map_err(|failure| Failure::local(failure.to_string()))?;
    let report = &looked.verified.report;
    let mut findings: Vec<Value> = report.findings.iter().map(finding).collect();
    let others = [
        ("columns", Some(&looked.verified.columns)),
        ("rows", looked.rows.as_ref()),
    ];
    for (kind, sentences) in others {
        let sentences = sentences.into_iter().flatten();
        findings.extend(sentences.map(|sentence| json!({"kind": kind, "sentence": sentence})));
    }
    Ok(json!({
        "ok": looked.is_ok(),
        "records": report.records,
        "checkpoints": report.checkpoints,
        "held": report.held,
        "tail": report.tail,
        "head": report.head.as_ref().map(|head| json!({"size": head.size(), "root": head.root().to_string()})),
        "origin": looked.origin,
        "key": looked.key.to_string(),
        "key_known": known,
        "rows_checked": looked.rows.is_some(),
        "findings": findings,
        "more": report.more,
    }))
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind.as_str(),
        "seq": finding.from,
        "to": finding.to,
        "sentence": finding.to_string(),
    })
}

fn exported(path: &Path, key: Option<VerifierKey>, held: Vec<Vec<u8>>) -> Result<Value, Failure> {
    let trust = Trust {
        key,
        origin: None,
        held,
    };
    let name = path.display();
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| Failure::local(format!("cannot open `{name}`: {error}")))?)
    };
    export::verify(input, &trust)
        .map(|report| to_json(&report))
        .map_err(|error| {
            let mut message = format!("`{name}`: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                message.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            Failure::local(message)
        })
}

fn to_json(done: &ExportReport) -> Value {
    let report = &done.report;
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    json!({
        "ok": report.is_ok(),
        "first": report.first,
        "records": report.records,
        "checkpoints": report.checkpoints,
        "held": report.held,
        "tail": report.tail,
        "head": report.head.as_ref().map(|head| json!({"size": head.size(), "root": head.root().to_string()})),
        "origin": done.origin,
        "key": done.key.to_string(),
        "key_known": done.key_known,
        "findings": findings,
        "more": report.more,
    })
}

fn print(context: &Context, answer: &Value) -> Result<(), Failure> {
    let ok = fields::is(answer, "ok");
    let mut line = if ok {
        Text::new().good("verified")
    } else {
        Text::new().bad("NOT INTACT")
    }
    .plain(format!(
        " · {} · {}",
        fields::counted(fields::count(answer, "records"), "record"),
        fields::counted(fields::count(answer, "checkpoints"), "checkpoint")
    ));
    let held = fields::count(answer, "held");
    if held > 0 {
        line = line.plain(format!(" · {} of yours", fields::counted(held, "checkpoint")));
    }
    if let Some(head) = answer.get("head").filter(|head| !head.is_null()) {
        line = line.plain(format!(
            " · head {} at {}",
            fields::text(head, "root"),
            fields::count(head, "size")
        ));
    }
    context.out.line(line)?;
    for finding in fields::list(answer, "findings") {
        context.out.line(
            Text::new()
                .bad(format!("  {:<13}", fields::text(finding, "kind")))
                .plain(fields::text(finding, "sentence")),
        )?;
    }
    let more = fields::count(answer, "more");
    if more > 0 {
        context
            .out
            .line(format!("  and {} more", fields::counted(more, "finding")))?;
    }
    let tail = fields::count(answer, "tail");
    if tail > 0 {
        context.out.line(format!(
            "  {} after the newest checkpoint: recorded, not signed yet",
            fields::counted(tail, "record")
        ))?;
    }
    if ok && held == 0 && answer.get("key_known") == Some(&Value::Bool(false)) {
        context.out.line(Text::new().dim(
            "  it fits its own key; with `--checkpoint` or `--key` from elsewhere it also proves whose it is",
        ))?;
    }
    Ok(())
}

fn read_checkpoint(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CHECKPOINT_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::local(format!("cannot read `{name}`: {error}")))?;
    if bytes.len() as u64 > CHECKPOINT_BYTES_MAX {
        return Err(Failure::local(format!("`{name}` is too long for a checkpoint")));
    }
    Ok(bytes)
}

fn key(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text).map_err(|error| error.to_string())
}
