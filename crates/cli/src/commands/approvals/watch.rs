//! `remit approvals --watch`: shows each card as it comes and, on a terminal, takes the answer.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::process::Stdio;

use remit_core::time::{BootTime, Clock};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::card;
use crate::context::{Acting, Body, Context};
use crate::control_client::{Control, part};
use crate::failure::Failure;
use crate::fields;
use crate::out::escape::escape;
use crate::out::text::Text;

/// An answer that comes sooner than this after its card was meant for another one, in milliseconds.
const LOOK_MS_MIN: u64 = 700;

pub(super) async fn run(context: &Context, acting: &Acting) -> Result<(), Failure> {
    let control = context.control()?;
    let mut stream = control.stream("/v1/approvals/stream").await?;
    let asks = !context.out.json && std::io::stdin().is_terminal();
    let mut typed = asks.then(|| BufReader::new(tokio::io::stdin()).lines());
    let mut room = Room {
        context,
        control: &control,
        acting,
        asks,
        waiting: VecDeque::new(),
        asked_at: BootTime::default(),
    };
    if !context.out.json {
        context
            .out
            .note("waiting for calls that need a person; end with Ctrl-C");
    }
    loop {
        tokio::select! {
            next = stream.next() => match next? {
                Some(approval) => room.came(approval)?,
                None => return Err(Failure::local("the server closed the waiting room; is it shutting down?")),
            },
            line = next_line(&mut typed) => match line? {
                Some(line) => room.answered(line.trim()).await?,
                // Nobody types any more: go on showing.
                None => typed = None,
            },
        }
    }
}

async fn next_line(typed: &mut Option<Lines<BufReader<Stdin>>>) -> Result<Option<String>, Failure> {
    match typed {
        Some(lines) => lines
            .next_line()
            .await
            .map_err(|error| Failure::local(format!("cannot read standard input: {error}"))),
        None => std::future::pending().await,
    }
}

/// Cards in the order they came; the first is the one a person is asked about.
struct Room<'r> {
    context: &'r Context,
    control: &'r Control,
    acting: &'r Acting,
    asks: bool,
    waiting: VecDeque<Value>,
    asked_at: BootTime,
}

impl Room<'_> {
    fn came(&mut self, approval: Value) -> Result<(), Failure> {
        let state = fields::text(&approval, "state");
        let pending = state.is_empty() || state == "pending";
        let id = fields::text(&approval, "id");
        let known = self.waiting.iter().position(|one| fields::text(one, "id") == id);
        if self.context.out.json {
            self.context.out.json(&approval)?;
        }
        match (known, pending) {
            (None, true) => {
                self.context.out.bell();
                notify(&approval);
                self.waiting.push_back(approval);
                if !self.context.out.json && (!self.asks || self.waiting.len() == 1) {
                    self.show_last()?;
                }
            }
            (Some(at), true) => {
                if let Some(one) = self.waiting.get_mut(at) {
                    *one = approval;
                }
                // One of two has agreed, perhaps here.
                if at == 0 {
                    self.ask_next()?;
                }
            }
            (Some(at), false) => {
                self.waiting.remove(at);
                self.decided(&approval)?;
                if at == 0 {
                    self.ask_next()?;
                }
            }
            (None, false) => {}
        }
        Ok(())
    }

    fn show_last(&mut self) -> Result<(), Failure> {
        if let Some(approval) = self.waiting.back() {
            card::print(self.context, approval)?;
            self.prompt()?;
        }
        Ok(())
    }

    fn ask_next(&mut self) -> Result<(), Failure> {
        if !self.asks {
            return Ok(());
        }
        if let Some(approval) = self.waiting.front() {
            card::print(self.context, approval)?;
            self.prompt()?;
        }
        Ok(())
    }

    fn prompt(&mut self) -> Result<(), Failure> {
        if !self.asks {
            return Ok(());
        }
        self.asked_at = self.context.clock.boot();
        self.context
            .out
            .prompt("[a]llow once · for this [t]ask · [d]eny and why · [s]kip > ")
    }

    /// Somebody decided it, here or elsewhere.
    fn decided(&self, approval: &Value) -> Result<(), Failure> {
        if self.context.out.json {
            return Ok(());
        }
        let votes: Vec<String> = fields::list(approval, "votes")
            .iter()
            .map(card::vote_line)
            .collect();
        self.context.out.line(
            Text::new()
                .dim(format!("{} ", fields::text(approval, "id")))
                .strong(fields::text(approval, "state"))
                .plain(format!(" {}", votes.join("; "))),
        )
    }

    async fn answered(&mut self, line: &str) -> Result<(), Failure> {
        let Some(approval) = self.waiting.front() else {
            return Ok(());
        };
        let id = fields::text(approval, "id");
        let since = self.context.clock.boot().0.saturating_sub(self.asked_at.0);
        if since < LOOK_MS_MIN && !line.is_empty() {
            self.context
                .out
                .line("that came before this card could be read: answer again")?;
            return self.prompt();
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let approve = |body: Body| ("approve", body);
        let (verb, body) = match word {
            "a" => approve(Body::new().with("times", 1)),
            "t" => approve(Body::new().with("for_task", true)),
            "d" if rest.trim().is_empty() => {
                self.context
                    .out
                    .line("say why, the agent gets to read it: `d use the staging table`")?;
                return self.prompt();
            }
            "d" => ("deny", Body::new().with("note", rest.trim())),
            "s" => {
                self.waiting.rotate_left(1);
                return self.ask_next();
            }
            _ => {
                self.context
                    .out
                    .line("answer `a`, `t`, `d WHY` or `s`, then Enter")?;
                return self.prompt();
            }
        };
        let path = format!("/v1/approvals/{}/{verb}", part(&id));
        match self.control.post(&path, &body.acting(self.acting).done()).await {
            // The stream says what became of it, here and to everybody else who watches.
            Ok(_) => Ok(()),
            Err(refused @ Failure::Refused { .. }) => {
                self.context
                    .out
                    .line(Text::new().bad("not taken: ").plain(refused.to_string()))?;
                self.prompt()
            }
            Err(other) => Err(other),
        }
    }
}

/// Tells the desktop, where there is one. That it cannot be told is no reason to stop.
fn notify(approval: &Value) {
    let started = std::process::Command::new("notify-send")
        .args(["--app-name=Remit", "--urgency=critical", "A call waits for you"])
        // Notification servers read markup: what an agent wrote must not become any.
        .arg(
            escape(&card::effect(approval))
                .replace('&', "&amp;")
                .replace('<', "&lt;"),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Ok(mut child) = started {
        // Collected when it ends, without holding anybody up.
        std::thread::spawn(move || child.wait());
    }
}
