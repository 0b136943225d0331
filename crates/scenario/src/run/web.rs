//! `http` steps: a run's plain HTTP, and hosts that become systems.

use remit_core::name::Name;
use remit_server::app::Failure;
use remit_server::egress::systems::{self, NewSystem};

use super::stage::{NamedCall, Stage, Target};
use super::{Miss, Misses, all_of};
use crate::client::{Answer, WebAsk, send_web};
use crate::engine_handle::OWNER;
use crate::file::{self, Answered, From};

/// Where `http` calls are redeemed.
pub(super) const REDEEM: &str = "/egress/-/approvals";

impl Stage<'_> {
    /// Registers the systems the hosts belong to.
    pub async fn systems(&self) -> Result<(), Failure> {
        let Some(web) = &self.web else { return Ok(()) };
        let mut systems: Vec<(String, NewSystem)> = Vec::new();
        for host in &self.scenario.hosts.0 {
            let Some(system) = &host.value.system else {
                continue;
            };
            if let Some((_, known)) = systems.iter_mut().find(|(name, _)| name == system) {
                known.hosts.push(host.name.clone());
                continue;
            }
            let new = NewSystem {
                kind: host.value.kind.clone(),
                description: host.value.description.clone(),
                hosts: vec![host.name.clone()],
                scheme: Some("http".to_owned()),
                port: Some(web.port),
                allow_private: true,
                ..NewSystem::default()
            };
            systems.push((system.clone(), new));
        }
        for (name, new) in systems {
            let (name, by): (Name, Name) = (
                name.parse().map_err(Failure::invalid)?,
                OWNER.parse().map_err(Failure::invalid)?,
            );
            self.engine()?
                .run(|app| async move { systems::add(&app, &name, &new, &by).await })
                .await?;
        }
        Ok(())
    }

    pub async fn http(&mut self, step: &file::Http, from: &From, expect: &Answered) -> Misses {
        let (method, url) = step.http.split_once(' ').unwrap_or_default();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (host, path) = rest
            .split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))
            .unwrap_or_default();
        let port = self.web.as_ref().map_or(80, |web| web.port);
        let known = self
            .scenario
            .hosts
            .0
            .iter()
            .any(|one| one.name == host && one.value.system.is_some());
        let authority = if known {
            format!("{host}:{port}")
        } else {
            host.to_owned()
        };
        let mut headers = step.headers.clone();
        if step.body.is_some()
            && !headers
                .keys()
                .any(|name| name.eq_ignore_ascii_case("content-type"))
        {
            headers.insert("content-type".to_owned(), "application/json".to_owned());
        }
        let ask = WebAsk {
            method: method.to_owned(),
            target: format!("http://{authority}{}", if path.is_empty() { "/" } else { path }),
            host: authority,
            headers: headers.into_iter().collect(),
            body: step.body.clone().unwrap_or_default(),
        };
        self.web_once(&ask, host, from, expect, step.name.as_deref(), Some(1))
            .await
    }

    /// Redeems a held `http` call.
    pub async fn redeem_http(&mut self, name: &str, from: &From, expect: &Answered) -> Misses {
        let approval = self.approval(name)?;
        let call = self.named(name)?;
        let (host, task) = (call.target.name.clone(), call.task.clone());
        let from = From {
            run: from.run.clone().or(Some(task)),
            ..from.clone()
        };
        let address = self.engine()?.address();
        let ask = WebAsk {
            method: "GET".to_owned(),
            target: format!("{REDEEM}/{approval}"),
            host: address,
            headers: Vec::new(),
            body: String::new(),
        };
        self.web_once(&ask, &host, &from, expect, None, None).await
    }

    async fn web_once(
        &mut self,
        ask: &WebAsk,
        host: &str,
        from: &From,
        expect: &Answered,
        name: Option<&str>,
        reaches: Option<usize>,
    ) -> Misses {
        let task = self.caller_task(from)?;
        let caller = self.caller(&task, from)?;
        let target = Target {
            server: String::new(),
            method: "http",
            name: host.to_owned(),
        };
        let (reached, lookups, records) = (self.reached(&target), self.lookups(), self.record_count().await);
        let answer: Answer = send_web(&caller, ask).await;
        let made = self.records(records).await;
        let decided = made.iter().find(|record| record["type"] == "decision");
        let tool = decided
            .and_then(|record| record["tool"].as_str())
            .unwrap_or_default()
            .to_owned();
        let effect = decided
            .and_then(|record| record["decision"].as_str())
            .unwrap_or_default()
            .to_owned();
        let seen = super::judge::Seen {
            records: made,
            tool,
            reached: self.reached(&target) - reached,
            answer,
        };
        if let Some(name) = name {
            let approval = seen
                .answer
                .shown()
                .and_then(|shown| shown.approval_id?.parse().ok());
            let call = NamedCall {
                task,
                path: REDEEM.to_owned(),
                target,
                approval,
                waiting: None,
                records,
                reached,
            };
            self.calls.insert(name.to_owned(), call);
        }
        let missed = super::asks::missed(expect, &seen, reaches);
        if effect != "allow" && reaches.is_some() && self.lookups() > lookups {
            let looked_up = Miss::new("no name is looked up before it is allowed", "one was");
            return all_of(
                missed
                    .err()
                    .unwrap_or_default()
                    .0
                    .into_iter()
                    .chain([looked_up])
                    .collect(),
            );
        }
        missed
    }

    fn lookups(&self) -> usize {
        self.web.as_ref().map_or(0, |web| web.lookups())
    }
}
