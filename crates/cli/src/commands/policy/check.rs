//! `remit policy check`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{files_of, folder, problem};
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
        let folder = folder(context)?;
        if folder.is_dir() {
            files_of(&folder, &["cedar"], &mut paths)?;
        }
        if paths.is_empty() {
            return Err(Failure::local(format!(
                "there are no rules of yours in `{}` yet: the shipped ones are in force (`remit policy show`); put `*.cedar` files there, or name a file to check",
                folder.display()
            )));
        }
    }
    for path in given {
        files_of(path, &["cedar"], &mut paths)?;
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
