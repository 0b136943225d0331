//! What `remit agent` and `remit human` have in common: a register of names with a state each.

use clap::Subcommand;
use serde_json::Value;

use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

/// What can be done with each.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List all
    List,
    /// Show one
    Show {
        /// Which
        name: String,
    },
    /// Stop for now; nothing of theirs is decided until they resume
    Suspend(Change),
    /// Continue after a suspension
    Resume(Change),
    /// Stop for good
    Retire(Change),
}

/// A change of state.
#[derive(Debug, clap::Args)]
pub struct Change {
    /// Which
    pub name: String,
    #[command(flatten)]
    pub acting: Acting,
}

/// Runs a verb on the register at `path`; `columns` are the members to list after name and state.
pub(super) async fn run(context: &Context, path: &str, columns: &[&str], verb: Verb) -> Result<(), Failure> {
    let control = context.control()?;
    let (word, change) = match verb {
        Verb::List => {
            let all = control.get(path).await?;
            if context.print_json(&all)? {
                return Ok(());
            }
            return list(context, columns, &all);
        }
        Verb::Show { name } => {
            let one = control.get(&format!("{path}/{}", part(&name))).await?;
            if context.print_json(&one)? {
                return Ok(());
            }
            return show(context, &one);
        }
        Verb::Suspend(change) => ("suspend", change),
        Verb::Resume(change) => ("resume", change),
        Verb::Retire(change) => ("retire", change),
    };
    let body = Body::new().acting(&change.acting).done();
    let one = control
        .post(&format!("{path}/{}/{word}", part(&change.name)), &body)
        .await?;
    if context.print_json(&one)? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .plain(format!("{}: ", change.name))
            .join(state(&fields::text(&one, "state"))),
    )
}

/// Prints one entry, member by member.
pub(super) fn show(context: &Context, one: &Value) -> Result<(), Failure> {
    let mut table = Table::bare();
    for (key, value) in one.as_object().into_iter().flatten() {
        let text = fields::as_text(Some(value));
        if !text.is_empty() {
            table.row([Text::new().dim(key.replace('_', " ")), text.into()]);
        }
    }
    context.out.table(table)
}

fn list(context: &Context, columns: &[&str], all: &Value) -> Result<(), Failure> {
    if fields::items(all).is_empty() {
        return context.out.line("none");
    }
    let heading: Vec<&str> = ["name", "state"].iter().chain(columns).copied().collect();
    let mut table = Table::new(&heading);
    for one in fields::items(all) {
        let rest = columns.iter().map(|key| Text::from(fields::text(one, key)));
        table.row(
            [
                fields::text(one, "name").into(),
                state(&fields::text(one, "state")),
            ]
            .into_iter()
            .chain(rest),
        );
    }
    context.out.table(table)
}

fn state(state: &str) -> Text {
    match state {
        "active" => Text::new().good(state),
        "suspended" => Text::new().careful(state),
        _ => Text::new().dim(state),
    }
}
