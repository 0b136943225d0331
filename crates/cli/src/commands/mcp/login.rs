//! `remit mcp login`, `remit mcp logout`.

use serde_json::{Value, json};

use crate::context::{Acting, Body, Context};
use crate::control_client::{Control, part};
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Signs in to a server that wants OAuth: prints the address to open, and waits until you come back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which server
    pub name: String,
    /// The address your browser was sent to, when it runs on another machine; ends the login that waits
    #[arg(long, value_name = "URL")]
    pub returned: Option<String>,
    /// Only print the address
    #[arg(long, conflicts_with = "returned")]
    pub no_wait: bool,
    #[command(flatten)]
    pub acting: Acting,
}

/// Signs out: the tokens are revoked where they were given, and deleted here.
#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    /// Which server
    pub name: String,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let control = context.control()?;
    if let Some(returned) = &args.returned {
        let answer = control
            .post("/v1/logins/returned", &json!({ "url": returned }))
            .await?;
        return done(context, &answer);
    }
    let path = format!("/v1/servers/{}/login", part(&args.name));
    let body = Body::new().acting(&args.acting).done();
    let begun = control.post(&path, &body).await?;
    if args.no_wait && context.print_json(&begun)? {
        return Ok(());
    }
    if !context.out.json {
        context
            .out
            .line(Text::new().strong("open  ").plain(fields::text(&begun, "url")))?;
        context.out.line(Text::new().dim(format!(
            "to let {} use `{}` for you, until {}; on another machine end it with `remit mcp login {1} --returned URL`",
            fields::text(&begun, "issuer"),
            args.name,
            fields::text(&begun, "expires_at"),
        )))?;
    }
    if args.no_wait {
        return Ok(());
    }
    done(context, &wait(&control, &path, &body).await?)
}

/// Asks again until there is an answer; the engine ends the wait when the address no longer counts.
async fn wait(control: &Control, path: &str, body: &Value) -> Result<Value, Failure> {
    loop {
        let answer = control.post(&format!("{path}/wait"), body).await?;
        if fields::text(&answer, "state") != "waiting" {
            return Ok(answer);
        }
    }
}

fn done(context: &Context, answer: &Value) -> Result<(), Failure> {
    if context.print_json(answer)? {
        return Ok(());
    }
    let (human, server) = (fields::text(answer, "human"), fields::text(answer, "server"));
    if fields::text(answer, "state") == "ready" {
        context.out.line(
            Text::new()
                .good("signed in  ")
                .plain(format!("{human} at {server}")),
        )
    } else {
        context.out.line(format!("{human} is not signed in at {server}"))
    }
}

pub(super) async fn logout(context: &Context, args: &LogoutArgs) -> Result<(), Failure> {
    let path = format!("/v1/servers/{}/logout", part(&args.name));
    let body = Body::new().acting(&args.acting).done();
    let answer = context.control()?.post(&path, &body).await?;
    done(context, &answer)?;
    if !context.out.json && answer.get("revoked").and_then(Value::as_bool) == Some(false) {
        context
            .out
            .line(Text::new().careful("possibly live  ").plain(format!(
                "until {}: {}",
                fields::text(&answer, "possibly_live_until"),
                fields::text(&answer, "why")
            )))?;
    }
    Ok(())
}
