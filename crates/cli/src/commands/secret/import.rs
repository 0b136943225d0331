//! `remit secret import`: the variables of a `.env` file.

use std::path::PathBuf;

use serde_json::json;

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;

/// Keeps every variable of a `.env` file as a secret.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file: lines `NAME=value`
    pub file: PathBuf,
    /// The system all of them open
    #[arg(long)]
    pub system: Option<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Runs `remit secret import`.
///
/// # Errors
/// Not running, or refused; secrets kept before stay kept and are listed.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::Usage(format!("cannot read `{}`: {error}", args.file.display())))?;
    let entries = entries(&text).map_err(Failure::Usage)?;
    let control = context.control()?;
    let mut kept = Vec::new();
    for (name, value) in entries {
        let body = Body::new()
            .with("name", name.as_str())
            .maybe("system", args.system.clone())
            .with("value", value)
            .acting(&args.acting)
            .done();
        if let Err(failure) = control.post("/v1/secrets", &body).await {
            if !kept.is_empty() {
                context
                    .out
                    .line(format!("kept before this: {}", kept.join(", ")))?;
            }
            return Err(failure);
        }
        kept.push(name);
    }
    if context.print_json(&json!({"kept": kept}))? {
        return Ok(());
    }
    context.out.line(format!(
        "kept {}; remove them from `{}` once nothing reads them there",
        kept.join(", "),
        args.file.display()
    ))
}

/// Names and values of a file. Names become ours: lower case, `-` for `_`.
fn entries(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut entries = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {number} is not `NAME=value`"))?;
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|quote| {
            let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
            Some(inner)
        });
        let name = name.trim().to_ascii_lowercase().replace('_', "-");
        let value = quoted.unwrap_or(value);
        if name.is_empty() || value.is_empty() {
            return Err(format!("line {number} has no name or no value"));
        }
        entries.push((name, value.to_owned()));
    }
    if entries.is_empty() {
        return Err("there is no `NAME=value` in it".to_owned());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_and_bad_lines_named() {
        let read = entries("# keys\n\nexport GITHUB_TOKEN=\"gh p\"\nSTRIPE=sk=1\n").unwrap();
        let want = [("github-token", "gh p"), ("stripe", "sk=1")];
        assert_eq!(read, want.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(entries("A=1\nnonsense").unwrap_err().contains("line 2"));
        assert!(entries("A=").unwrap_err().contains("line 1"));
        assert!(entries("# nothing").is_err());
        // What is wrong is said without the value.
        assert!(!entries("canary").unwrap_err().contains("canary"));
    }
}
