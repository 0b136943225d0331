//! A stub server's life: listening, changing, restarting, being down, ending.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::modern;
use super::serve::{Shared, serve};
use super::state::{Received, State};
use crate::file::{Change, Server};

/// A running stub server. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Connections live as long as the number they began with stands here.
    generation: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.accepting.abort();
        self.break_connections();
    }
}

impl Stub {
    /// Starts a stub server on a free loopback port.
    pub async fn start(
        name: &str,
        server: &Server,
        folder: &Path,
        secrets: Vec<(String, String)>,
    ) -> Result<Self, std::io::Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = State::new(name, server, folder.to_owned(), secrets);
        let shared = Arc::new(Shared {
            revision: server.revision,
            state: Mutex::new(state),
            changes: watch::channel(0).0,
        });
        let generation = watch::channel(0).0;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), generation.clone()));
        Ok(Self {
            address,
            shared,
            generation,
            accepting,
        })
    }

    /// Where it is served.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Everything that asked for an effect or for content, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// Planted secrets that reached it, by name.
    pub fn leaked(&self) -> BTreeSet<String> {
        self.shared.state().leaked.clone()
    }

    /// The tools it lists now.
    pub fn tools(&self) -> Vec<serde_json::Map<String, serde_json::Value>> {
        self.shared.state().tools.clone()
    }

    /// True when somebody listens for changes.
    pub fn has_listeners(&self) -> bool {
        self.shared
            .state()
            .streams
            .iter()
            .any(|stream| !stream.events.is_closed())
    }

    /// Changes what it offers and how it lives.
    pub fn change(&self, change: &Change) {
        let mut state = self.shared.state();
        if let Some(tools) = &change.tools {
            state.tools.clone_from(tools);
        }
        for rename in &change.rename.0 {
            let old = serde_json::Value::from(rename.name.as_str());
            for tool in state
                .tools
                .iter_mut()
                .filter(|tool| tool.get("name") == Some(&old))
            {
                tool.insert("name".to_owned(), rename.value.clone().into());
            }
        }
        if let Some(answers) = &change.answers {
            state.answers = answers.clone();
        }
        if let Some(text) = &change.instructions {
            state.instructions = Some(text.clone());
        }
        state.reformatted |= change.reformat;
        state.down = change.down.unwrap_or(state.down);
        let breaks = change.restart || state.down;
        if breaks {
            state.sessions.clear();
            state.streams.clear();
        }
        if change.notify {
            modern::tools_changed(&mut state);
        }
        drop(state);
        if breaks {
            self.break_connections();
        }
    }

    fn break_connections(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, generation: watch::Sender<u64>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        if shared.state().down {
            continue;
        }
        let shared = Arc::clone(&shared);
        let mut generation = generation.subscribe();
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&shared), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // A connection that breaks off is what some answers ask for.
                _ = connection => {}
                _ = generation.changed() => {}
            }
        });
    }
}
