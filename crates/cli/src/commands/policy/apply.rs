//! `remit policy apply`.

use super::problem;
use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Puts policy files and templates into force.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new().acting(&args.acting).done();
    let answer = context.control()?.post("/v1/policy/apply", &body).await?;
    let version = fields::text(&answer, "policy_version");
    if !context.print_json(&answer)? {
        for one in fields::list(&answer, "problems") {
            context.out.line(problem(one))?;
        }
        context.out.line(if version.is_empty() {
            Text::new()
                .bad("not applied")
                .plain(": the policy in force stays")
        } else {
            Text::new().good("in force ").plain(format!("version {version}"))
        })?;
        for one in fields::list(&answer, "ended") {
            let [system, task, why] = ["system", "task", "why"].map(|key| fields::text(one, key));
            context.out.line(
                Text::new()
                    .bad("ended ")
                    .plain(format!("the credential for {system} of {task}: {why}")),
            )?;
        }
    }
    if version.is_empty() {
        return Err(Failure::Said);
    }
    Ok(())
}
