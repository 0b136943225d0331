//! The scenario format: what a file may say, and reading it strictly.

mod check;
mod entries;
mod expect;
mod people;
mod scalars;
#[cfg(test)]
mod schema;
mod server;
mod setup;
mod step;
mod verbs;

pub(crate) use entries::Entries;
pub(crate) use expect::{ACCEPTED, Acted, Answered, Expect, Reading};
pub(crate) use people::{Agent, Confinement, Freeze, Human, Limits, Mode, TaskSpec};
pub(crate) use scalars::{Moment, Span, Texts};
pub(crate) use server::{Admit, Answer, Server};
pub(crate) use setup::{Host, Revision, Scenario};
pub(crate) use step::{Do, Step};
pub(crate) use verbs::*;

use crate::text::{self, Kind, Problem};

/// Reads and checks the text of one scenario file.
///
/// # Errors
/// The first thing that is wrong, with its place and what to do.
pub(crate) fn read(text: &str) -> Result<Scenario, Problem> {
    let root = text::read(text)?;
    let Kind::Map(mut entries) = root.kind else {
        return Err(Problem::at(
            root.line,
            "a scenario file is a map; start with `scenario: <title>`",
        ));
    };
    let steps = match entries.iter().position(|(key, _)| key.text == "steps") {
        Some(at) => entries.remove(at),
        None => {
            return Err(Problem::at(
                root.line,
                "`steps` is missing; list at least one step",
            ));
        }
    };
    let mut scenario: Scenario = text::from_map(root.line, entries)?;
    let Kind::List(items) = steps.1.kind else {
        return Err(Problem::at(
            steps.0.line,
            "`steps` is a list: one `- ` for each step",
        ));
    };
    for item in items {
        scenario.steps.push(Step::read(item)?);
    }
    check::check(&scenario)?;
    Ok(scenario)
}
