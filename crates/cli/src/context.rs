//! What every command is given: where things are, what time it is, where to write.

use std::path::PathBuf;

use remit_core::time::{Clock, Timestamp};
use remit_server::clock::SystemClock;
use remit_server::paths::Paths;
use serde_json::{Map, Value};

use crate::control_client::Control;
use crate::failure::Failure;
use crate::fields;
use crate::out::Out;

/// What every command is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The folders of this installation.
    pub paths: Paths,
    /// Where to write.
    pub out: Out,
    /// The machine's clocks.
    pub clock: SystemClock,
}

impl Context {
    /// From the environment of this process.
    ///
    /// # Errors
    /// Nothing says where things are.
    pub fn new(out: Out) -> Result<Self, Failure> {
        let paths = Paths::from_env(|name| std::env::var_os(name).map(PathBuf::from))
            .map_err(|error| Failure::local(error.to_string()))?;
        Ok(Self {
            paths,
            out,
            clock: SystemClock,
        })
    }

    /// Wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The way to the server.
    ///
    /// # Errors
    /// Remit is not running, or this process may not control it.
    pub fn control(&self) -> Result<Control, Failure> {
        Control::open(&self.paths)
    }

    /// The way to the lane that only kills.
    ///
    /// # Errors
    /// As [`Self::control`].
    pub fn kill_lane(&self) -> Result<Control, Failure> {
        Control::open_lane(&self.paths)
    }

    /// Prints the answer as JSON when asked for: a list line by line. True when it did.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print_json(&self, answer: &Value) -> Result<bool, Failure> {
        if self.out.json {
            if answer.is_array() {
                for item in fields::items(answer) {
                    self.out.json(item)?;
                }
            } else {
                self.out.json(answer)?;
            }
        }
        Ok(self.out.json)
    }
}

/// The human a command acts for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Acting {
    /// Act as this human instead of the one who started `remit up`
    #[arg(long = "as", value_name = "HUMAN")]
    pub human: Option<String>,
}

/// A request body under construction: what was not given is left out.
#[derive(Debug, Default)]
pub struct Body(Map<String, Value>);

impl Body {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a member if there is one.
    #[must_use]
    pub fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a list unless it is empty.
    #[must_use]
    pub fn list(self, key: &str, items: &[String]) -> Self {
        if items.is_empty() {
            return self;
        }
        self.with(key, items.to_vec())
    }

    /// Adds a truth value if it is true.
    #[must_use]
    pub fn flag(self, key: &str, set: bool) -> Self {
        if set { self.with(key, true) } else { self }
    }

    /// Adds who acts.
    #[must_use]
    pub fn acting(self, acting: &Acting) -> Self {
        self.maybe("as", acting.human.clone())
    }

    /// The body.
    #[must_use]
    pub fn done(self) -> Value {
        Value::Object(self.0)
    }
}
