//! What is checked after every scenario, whatever its steps say: the ledger verifies, nothing reached a server without an
//! allow record, no planted secret reached a server.

use std::collections::BTreeMap;

use remit_server::app::Failure;
use serde_json::Value;

use super::stage::Stage;
use super::{Miss, Misses, all_of};

impl Stage<'_> {
    /// Checks what must always hold. A stopped engine is started once more to look at its ledger.
    pub async fn after(&mut self) -> Misses {
        for call in self.calls.values_mut() {
            if let Some(waiting) = call.waiting.take() {
                waiting.abort();
            }
        }
        if self.engine.is_none() {
            self.engine = Some(self.place.start().await.map_err(Failure::Unavailable)?);
        }
        let mut misses = self.verify().await.err().unwrap_or_default().0;
        let records = self.records(0).await;
        misses.extend(self.effects(&records));
        for (name, stub) in &self.stubs {
            for secret in stub.leaked() {
                misses.push(Miss::new(format!("the secret {secret} stays where it is"), format!("it reached the server {name}")));
            }
        }
        all_of(misses)
    }

    /// Compares what servers received with what the ledger allowed.
    fn effects(&self, records: &[Value]) -> Vec<Miss> {
        let mut received: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (server, stub) in &self.stubs {
            for one in stub.received() {
                *received.entry((one.method.clone(), format!("{server}/{}", one.target))).or_default() += 1;
            }
        }
        let mut allowed: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut done: BTreeMap<(String, String), usize> = BTreeMap::new();
        for record in records {
            let counted = match record["type"].as_str() {
                Some("decision") if record["decision"] == "allow" => &mut allowed,
                Some("outcome") if record["outcome"] == "done" => &mut done,
                _ => continue,
            };
            let method = record["detail"]["method"].as_str().unwrap_or("tools/call").to_owned();
            let tool = record["tool"].as_str().unwrap_or_default().to_owned();
            *counted.entry((method, tool)).or_default() += 1;
        }
        let mut misses = Vec::new();
        for (what, count) in &received {
            let permitted = allowed.get(what).copied().unwrap_or_default();
            if *count > permitted {
                misses.push(Miss::new(
                    format!("no effect without a record: {permitted} of {} {} allowed", what.0, what.1),
                    format!("{count} reached the server"),
                ));
            }
        }
        for (what, count) in &done {
            let arrived = received.get(what).copied().unwrap_or_default();
            if *count > arrived {
                misses.push(Miss::new(
                    format!("outcomes that happened: {arrived} of {} {} reached the server", what.0, what.1),
                    format!("{count} are recorded as done"),
                ));
            }
        }
        misses
    }
}
