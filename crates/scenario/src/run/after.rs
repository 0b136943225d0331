//! What is checked after every scenario, whatever its steps say: the ledger verifies, nothing reached a server without an
//! allow record, no planted secret reached a server.

use std::collections::BTreeMap;

use remit_server::app::Failure;
use serde_json::Value;

use super::stage::Stage;
use super::{Miss, Misses, all_of};

/// How often, by method and `server/target`.
type Counts = BTreeMap<(String, String), usize>;

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
        misses.extend(self.web_effects(&records));
        let systems = self.system_names();
        let records: Vec<Value> = records
            .into_iter()
            .filter(|record| !systems.contains(&server_of(record)))
            .collect();
        let mut received = Counts::new();
        for (server, stub) in &self.stubs {
            for one in stub.received() {
                *received
                    .entry((one.method.clone(), format!("{server}/{}", one.target)))
                    .or_default() += 1;
            }
        }
        misses.extend(effects(&received, &records));
        for (name, stub) in &self.stubs {
            for secret in stub.leaked() {
                misses.push(Miss::new(
                    format!("the secret {secret} stays where it is"),
                    format!("it reached the server {name}"),
                ));
            }
        }
        all_of(misses)
    }
}

impl Stage<'_> {
    /// Names of the systems the hosts belong to.
    fn system_names(&self) -> Vec<String> {
        let hosts = self.scenario.hosts.0.iter();
        hosts.filter_map(|host| host.value.system.clone()).collect()
    }

    /// The same for HTTP hosts, counted by system.
    fn web_effects(&self, records: &[Value]) -> Vec<Miss> {
        let Some(web) = &self.web else { return Vec::new() };
        let mut misses: Vec<Miss> = web
            .leaked()
            .into_iter()
            .map(|secret| {
                Miss::new(
                    format!("the secret {secret} stays where it is"),
                    "it reached a host",
                )
            })
            .collect();
        let reached = web.reached();
        for system in self.system_names() {
            let hosts: Vec<&str> = self
                .scenario
                .hosts
                .0
                .iter()
                .filter(|host| host.value.system.as_ref() == Some(&system))
                .map(|host| host.name.as_str())
                .collect();
            let arrived = reached
                .iter()
                .filter(|host| hosts.contains(&host.as_str()))
                .count();
            let allowed = records
                .iter()
                .filter(|record| {
                    record["type"] == "decision"
                        && record["decision"] == "allow"
                        && server_of(record) == system
                })
                .count();
            if arrived > allowed {
                misses.push(Miss::new(
                    format!("no effect without a record: {allowed} requests to {system} allowed"),
                    format!("{arrived} reached its hosts"),
                ));
            }
        }
        misses
    }
}

/// The server a record is about.
fn server_of(record: &Value) -> String {
    let tool = record["tool"].as_str().unwrap_or_default();
    tool.split('/').next().unwrap_or_default().to_owned()
}

/// Compares what servers received with what the ledger allowed; both by method and `server/target`.
fn effects(received: &Counts, records: &[Value]) -> Vec<Miss> {
    let mut allowed = Counts::new();
    let mut done = Counts::new();
    for record in records {
        let counted = match record["type"].as_str() {
            Some("decision") if record["decision"] == "allow" => &mut allowed,
            Some("outcome") if record["outcome"] == "done" => &mut done,
            _ => continue,
        };
        let method = record
            .pointer("/detail/method")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("tools/call")
            .to_owned();
        let tool = record["tool"].as_str().unwrap_or_default().to_owned();
        // What is asked of Remit itself reaches no server.
        if tool.starts_with("remit/") {
            continue;
        }
        *counted.entry((method, tool)).or_default() += 1;
    }
    let mut misses = Vec::new();
    for (what, count) in received {
        let permitted = allowed.get(what).copied().unwrap_or_default();
        if *count > permitted {
            misses.push(Miss::new(
                format!(
                    "no effect without a record: {permitted} of {} {} allowed",
                    what.0, what.1
                ),
                format!("{count} reached the server"),
            ));
        }
    }
    for (what, count) in &done {
        let arrived = received.get(what).copied().unwrap_or_default();
        if *count > arrived {
            misses.push(Miss::new(
                format!(
                    "outcomes that happened: {arrived} of {} {} reached the server",
                    what.0, what.1
                ),
                format!("{count} are recorded as done"),
            ));
        }
    }
    misses
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn received(count: usize) -> Counts {
        Counts::from([(("tools/call".to_owned(), "fs/write".to_owned()), count)])
    }

    #[test]
    fn what_reached_a_server_was_allowed_and_what_was_done_reached_it() {
        let allow = json!({ "type": "decision", "decision": "allow", "tool": "fs/write" });
        let hold = json!({ "type": "decision", "decision": "hold", "tool": "fs/write" });
        let done = json!({ "type": "outcome", "outcome": "done", "tool": "fs/write" });
        let lost = json!({ "type": "outcome", "outcome": "indeterminate", "tool": "fs/write" });
        let fits = |count, records: &[Value]| effects(&received(count), records).is_empty();
        assert!(fits(1, &[allow.clone(), done.clone()]));
        assert!(fits(1, &[allow.clone(), lost.clone()]));
        assert!(!fits(1, std::slice::from_ref(&hold)));
        assert!(!fits(2, &[allow.clone(), done.clone()]));
        assert!(!effects(&Counts::new(), &[allow.clone(), done]).is_empty());
        assert!(effects(&Counts::new(), &[allow, lost]).is_empty());
    }

    #[test]
    fn a_read_is_not_a_call() {
        let read = json!({ "type": "decision", "decision": "allow", "tool": "fs/write", "detail": { "method": "resources/read" } });
        assert_eq!(effects(&received(1), &[read]).len(), 1);
    }
}
