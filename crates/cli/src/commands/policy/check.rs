//! `remit policy check`.

use std::path::{Path, PathBuf};

use remit_server::config::Config;
use serde_json::{Value, json};

use super::problem;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Checks policy files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders of `*.cedar` files; the policy folder of this installation when absent
    pub paths: Vec<PathBuf>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let files = files(context, &args.paths)?;
    let number = files.len();
    let answer = context
        .control()?
        .post("/v1/policy/check", &json!({ "files": files }))
        .await?;
    let ok = fields::is(&answer, "ok");
    if !context.print_json(&answer)? {
        let problems = fields::list(&answer, "problems");
        for one in problems {
            context.out.line(problem(one))?;
        }
        let files = fields::counted(u64::try_from(number).unwrap_or(u64::MAX), "file");
        context.out.line(if ok {
            Text::new().good("ok").plain(format!(" · {files}"))
        } else {
            Text::new().bad("not ok").plain(format!(" · {files}"))
        })?;
    }
    if ok { Ok(()) } else { Err(Failure::Said) }
}

fn files(context: &Context, given: &[PathBuf]) -> Result<Vec<Value>, Failure> {
    let mut paths = Vec::new();
    if given.is_empty() {
        let config = Config::read(&context.paths.config.join("remit.toml"), false)
            .map_err(|error| Failure::local(error.to_string()))?;
        let folder = config
            .policy
            .dir
            .unwrap_or_else(|| context.paths.config.join("policies"));
        collect(&folder, &mut paths)?;
    }
    for path in given {
        collect(path, &mut paths)?;
    }
    if paths.is_empty() {
        return Err(Failure::local(
            "there is no `*.cedar` file to check: name a file or a folder",
        ));
    }
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::local(format!("cannot read `{}`: {error}", path.display())))?;
            Ok(json!({"path": path.to_string_lossy(), "text": text}))
        })
        .collect()
}

/// A file as it is; of a folder, its `*.cedar` files in the order of their names.
fn collect(path: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        paths.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |error| Failure::local(format!("cannot read `{}`: {error}", path.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "cedar") {
            found.push(file);
        }
    }
    found.sort();
    paths.extend(found);
    Ok(())
}
