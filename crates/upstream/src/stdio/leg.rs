//! The conversation with a server we started: one message per line, many requests at once over one pair of pipes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use remit_confine::{Confinement, ProcessId};
use remit_core::limits::RESPONSE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::{Mutex, Semaphore, oneshot, watch};

use super::launch::{self, Started};
use super::lines::{End, Lines};
use super::supervise::{Fate, supervise};
use super::tail::Tail;
use crate::answer::{Answering, Settled};
use crate::environment::Environment;
use crate::error::{ErrorKind, Sent};
use crate::event::Reply;
use crate::options::{Era, OpenOptions};
use crate::spec::StdioSpec;
use crate::wire::gate::Gate;
use crate::wire::life::Life;
use crate::wire::message::{self, Flaw};
use crate::wire::request::{Outgoing, cancelled};
use crate::wire::router::{Handled, Open, Router};
use crate::wire::{EXCERPT_MAX, Failure};

/// Most answers to the server's own requests under way at once.
const REPLIES_MAX: usize = 32;
/// How long a message that nobody waits for may take to be written.
const COURTESY: Duration = Duration::from_secs(1);
/// How long the last words and the exit status of a server that closed its output are waited for.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// One server process.
pub(crate) struct StdioLeg {
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    router: Arc<Router>,
    pub(crate) life: Life,
    modern: AtomicBool,
    stderr: Arc<Tail>,
    replies: Arc<Semaphore>,
    fate: watch::Receiver<Fate>,
    pub(crate) confinement: Confinement,
    pub(crate) process: ProcessId,
    answering: Answering,
}

impl StdioLeg {
    pub(crate) async fn start(
        spec: &StdioSpec,
        environment: &Environment,
        options: &OpenOptions,
        router: Arc<Router>,
        answering: Answering,
    ) -> Result<Arc<Self>, Failure> {
        let Started {
            mut child,
            confinement,
            process,
        } = launch::start(spec, environment, options.way_out.as_ref()).await?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdin = Arc::new(Mutex::new(child.stdin.take()));
        let (fate_told, fate) = watch::channel(Fate::Running);
        let leg = Arc::new(Self {
            stdin: stdin.clone(),
            router,
            life: Life::new(),
            modern: AtomicBool::new(false),
            stderr: Arc::new(Tail::default()),
            replies: Arc::new(Semaphore::new(REPLIES_MAX)),
            fate,
            confinement,
            process,
            answering,
        });
        tokio::spawn(supervise(child, process, leg.life.clone(), stdin, fate_told));
        if let Some(stderr) = stderr {
            let tail = leg.stderr.clone();
            tokio::spawn(async move { tail.drain(stderr).await });
        }
        if let Some(stdout) = stdout {
            tokio::spawn(leg.clone().listen(stdout));
        }
        Ok(leg)
    }

    pub(crate) fn set_era(&self, era: Era) {
        self.modern.store(era == Era::Modern, Ordering::Relaxed);
    }

    fn era(&self) -> Era {
        if self.modern.load(Ordering::Relaxed) {
            Era::Modern
        } else {
            Era::Legacy
        }
    }

    /// Sends a request and waits for its answer while the gate is open.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        mut request: Outgoing,
        mut open: Open,
        gate: &Gate,
    ) -> Result<Reply, Failure> {
        let (answer, answered) = oneshot::channel();
        open.answer = Some(answer);
        let registered = self.router.open(request.id, open);
        self.life.check()?;
        let mut cancel = Cancel {
            leg: self,
            id: registered.id,
            gate,
            // Before anything is agreed on, a server need not understand it.
            wanted: !matches!(request.method, "initialize" | "server/discover"),
        };
        request.body.push(b'\n');
        let reply = gate
            .run(async {
                self.write(&request.body, || gate.pass()).await?;
                match answered.await {
                    Ok(reply) => reply,
                    Err(_) => Err(Failure::new(ErrorKind::Gone, Sent::Maybe, "it ended the request")),
                }
            })
            .await;
        if !matches!(&reply, Err(e) if e.kind.is_stop()) {
            cancel.wanted = false;
        }
        reply.map_err(|e| match e.sent {
            Sent::Yes => e,
            _ => e.having(gate.sent()),
        })
    }

    /// Writes a message that nobody waits for.
    pub(crate) async fn tell(&self, mut message: Settled) -> Result<(), Failure> {
        message.body.push(b'\n');
        let pass = || self.answering.check(&message);
        match tokio::time::timeout(COURTESY, self.write(&message.body, pass)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::new(ErrorKind::TimedOut, Sent::Maybe, "it does not read")),
        }
    }

    /// Writes one line. `pass` is asked when it is our turn, directly before the first byte.
    async fn write(&self, line: &[u8], pass: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let mut stdin = self.stdin.lock().await;
        let Some(pipe) = stdin.as_mut() else {
            return Err(Failure::new(ErrorKind::Closed, Sent::No, ""));
        };
        pass()?;
        let mut half = HalfWritten {
            life: &self.life,
            whole: false,
        };
        let written = pipe.write_all(line).await;
        half.whole = true;
        if written.is_err() {
            // The reader learns more about why; if it does not, this is the reason.
            let why = tokio::time::timeout(LAST_WORDS, self.life.over()).await;
            self.life.end(ErrorKind::Gone, "it closed its standard input");
            return Err(why.unwrap_or_else(|_| {
                Failure::new(ErrorKind::Gone, Sent::Maybe, "it closed its standard input")
            }));
        }
        Ok(())
    }

    async fn listen(self: Arc<Self>, stdout: impl AsyncRead + Unpin) {
        let mut lines = Lines::new(stdout, RESPONSE_BYTES_MAX);
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                why = self.life.over() => {
                    self.router.fail_all(&why);
                    return;
                }
            };
            let end = match line {
                Ok(line) => match self.take(line.trim_ascii()) {
                    Ok(()) => continue,
                    Err(Flaw(what)) => (ErrorKind::Protocol, what),
                },
                Err(End::TooLong) => (
                    ErrorKind::TooLarge,
                    format!("one message longer than {RESPONSE_BYTES_MAX} bytes"),
                ),
                Err(End::Eof) => (ErrorKind::Gone, self.how_it_ended().await),
            };
            self.life.end(end.0, end.1);
            if let Some(why) = self.life.why() {
                self.router.fail_all(&why);
            }
            return;
        }
    }

    fn take(self: &Arc<Self>, line: &[u8]) -> Result<(), Flaw> {
        // Some servers print banners on their standard output; what cannot be a message is not taken for one.
        if !matches!(line.first(), Some(b'{' | b'[')) {
            self.stderr.push(line);
            self.stderr.push(b"\n");
            return Ok(());
        }
        let reply = match self.router.handle(self.era(), message::parse(line)?, None)? {
            Handled::Done | Handled::Answer(_) => return Ok(()),
            reply => reply,
        };
        let Ok(permit) = self.replies.clone().try_acquire_owned() else {
            return Err(Flaw(format!("it asks more than {REPLIES_MAX} things at once")));
        };
        let leg = self.clone();
        tokio::spawn(async move {
            let settled = match reply {
                Handled::Ask(ask) => leg.answering.settle(ask).await,
                Handled::Send(body) => Settled::ours(body),
                Handled::Done | Handled::Answer(_) => return,
            };
            // If it cannot be written the connection is over, and everybody learns that elsewhere.
            let _ = leg.tell(settled).await;
            drop(permit);
        });
        Ok(())
    }

    async fn how_it_ended(&self) -> String {
        let mut fate = self.fate.clone();
        let ended = fate.wait_for(|fate| *fate != Fate::Running);
        let how = match tokio::time::timeout(LAST_WORDS, ended).await {
            Ok(Ok(fate)) => match &*fate {
                Fate::Ended(how) => Some(how.clone()),
                Fate::Running | Fate::Buried => None,
            },
            _ => None,
        };
        let how = how.unwrap_or_else(|| "it closed its standard output".to_owned());
        match self.last_words() {
            words if words.is_empty() => how,
            words => format!("{how}; its last words: {words}"),
        }
    }

    /// The end of its standard error, scrubbed, on one line.
    pub(crate) fn last_words(&self) -> String {
        let text = self.stderr.text();
        let lines: Vec<&str> = text.trim().lines().rev().take(5).collect();
        let words = lines.into_iter().rev().collect::<Vec<_>>().join(" | ");
        self.router.scrubber.excerpt(&words, EXCERPT_MAX)
    }

    /// Ends the connection and waits until every process of it is gone.
    pub(crate) async fn close(&self) {
        self.life.end(ErrorKind::Closed, "");
        let mut fate = self.fate.clone();
        let _ = fate.wait_for(|fate| *fate == Fate::Buried).await;
    }
}

/// Tells the server that a request is no longer wanted, also when the future that waited for it is dropped.
struct Cancel<'a> {
    leg: &'a Arc<StdioLeg>,
    id: u64,
    gate: &'a Gate,
    wanted: bool,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if self.wanted
            && self.gate.sent() != Sent::No
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (leg, id) = (self.leg.clone(), self.id);
            runtime.spawn(async move { drop(leg.tell(Settled::ours(cancelled(id))).await) });
        }
    }
}

/// After half a line nothing we write can be understood any more.
struct HalfWritten<'a> {
    life: &'a Life,
    whole: bool,
}

impl Drop for HalfWritten<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.life.end(
                ErrorKind::Closed,
                "a message to it was cut off half written, because it does not read",
            );
        }
    }
}
