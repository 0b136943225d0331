//! Credentials made for tasks: tokens of a real OpenBao, used through the egress, bounded, renewed by decisions, ended with
//! the task and looked for.

use std::time::Duration;

use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::people::{Role, Standing};
use remit_core::task::Ending;
use remit_server::broker::placeholder;
use remit_server::config::Config;
use remit_server::egress::systems::{self, NewSystem};
use remit_server::people;
use remit_server::tasks::open::Opened;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial, name};
use crate::managers::Bao;

/// A task that may use `system`, and the way it asks.
pub struct Agent<'h> {
    pub house: &'h House,
    pub system: &'static str,
    pub task: Opened,
}

impl<'h> Agent<'h> {
    pub async fn of(house: &'h House, system: &'static str, resources: &[&str]) -> Self {
        let tools = format!("{system}/*");
        let task = house.task(&[&tools], resources).await;
        Self { house, system, task }
    }

    pub fn placeholder(&self, credential: &str) -> String {
        placeholder(self.house.app(), self.task.task.run, &name(credential))
    }

    /// One request in base-URL mode: status and body.
    pub async fn ask(&self, line: &str, more: &str, body: &str) -> (u16, String) {
        let (method, path) = line.split_once(' ').unwrap();
        let address = self.house.running.address;
        let message = format!(
            "{method} /egress/{}{path} HTTP/1.1\r\nHost: {address}\r\nProxy-Authorization: Bearer {}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.system,
            self.task.token,
            body.len()
        );
        let mut stream = dial(address).await;
        stream.write_all(message.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if !head.to_lowercase().contains("transfer-encoding: chunked") {
            return (status, body.to_owned());
        }
        let (mut whole, mut rest) = (String::new(), body);
        while let Some((length, more)) = rest.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).unwrap();
            whole.push_str(&more[..length]);
            rest = more[length..].trim_start_matches("\r\n");
        }
        (status, whole)
    }

    /// The same, with a person who agrees where one is asked.
    pub async fn agreed(&self, line: &str, more: &str, body: &str) -> (u16, String) {
        let (status, held) = self.ask(line, more, body).await;
        if status != 202 {
            return (status, held);
        }
        let held: Value = serde_json::from_str(&held).unwrap();
        let id = held["approval_id"].as_str().unwrap().parse().unwrap();
        let once = remit_server::approvals::vote::Reach::Once;
        remit_server::approvals::vote::approve(self.house.app(), id, once, String::new(), &name("alice"))
            .await
            .unwrap();
        for _ in 0..100 {
            let (status, answer) = self.ask(line, more, body).await;
            if status != 202 {
                return (status, answer);
            }
        }
        panic!("it waits on: {held}");
    }

    pub async fn done(&self) {
        remit_server::tasks::end::done(
            self.house.app(),
            self.task.task.id,
            Ending::Completed,
            &name("alice"),
        )
        .await
        .unwrap();
    }

    /// The leases of this task, oldest first.
    pub fn leases(&self) -> Vec<Lease> {
        let task = self.task.task.id;
        let leases = self
            .house
            .app()
            .store
            .read_blocking(move |conn| remit_store::leases::of_task(conn, task))
            .unwrap();
        leases.into_iter().map(|lease| lease.value).collect()
    }

    /// Waits until the newest lease of this task is in `state`.
    pub async fn until(&self, state: LeaseState) -> Lease {
        for _ in 0..1000 {
            if let Some(lease) = self.leases().last().filter(|lease| lease.state == state) {
                return lease.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never was {state:?}: {:?}", self.leases());
    }
}

/// Adds a system at `address` on this machine.
pub async fn add_system(house: &House, system: &str, description: &str, address: &str) {
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let new = NewSystem {
        description: Some(description.to_owned()),
        hosts: vec!["127.0.0.1".to_owned()],
        scheme: Some("http".to_owned()),
        port: Some(port),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(house.app(), &name(system), &new, &name("alice"))
        .await
        .unwrap();
}

const BAO: &str = r#"
title = "OpenBao"
credentials = [{ header = "authorization", schemes = ["bearer"] }, { header = "x-vault-token" }]
[[operations]]
name = "kv.read"
call = "GET /v1/secret/data/{path...}"
class = "read"
resources = ["{path}"]
[[operations]]
name = "self"
call = "GET /v1/auth/token/lookup-self"
class = "read"
"#;

fn with_bao(bao: &Bao, credential: &str) -> Config {
    let mut config = bao.config();
    let more: Config = toml::from_str(&format!(
        "[credentials.child]\nbackend = 'vault-token'\nsystem = 'bao'\nmanager = 'bao'\n{credential}"
    ))
    .unwrap();
    config.credentials = more.credentials;
    config.check().unwrap();
    config
}

async fn bao() -> Option<Bao> {
    let bao = tokio::task::spawn_blocking(Bao::start).await.unwrap()?;
    assert!(bao.run(&["kv", "put", "secret/erp", "password=for-the-agent"]));
    let policy = bao.folder.0.join("reader.hcl");
    std::fs::write(
        &policy,
        "path \"secret/data/erp\" { capabilities = [\"read\"] }\npath \"auth/token/lookup-self\" { capabilities = [\"read\"] }",
    )
    .unwrap();
    assert!(bao.run(&["policy", "write", "reader", policy.to_str().unwrap()]));
    Some(bao)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_token_of_openbao_is_the_tasks_and_dies_with_it() {
    let Some(bao) = bao().await else { return };
    assert!(bao.run(&[
        "write",
        "auth/token/roles/agents",
        "allowed_policies=reader",
        "orphan=false"
    ]));
    let house = House::open_with(with_bao(
        &bao,
        "role = 'agents'\npolicies = ['reader']\nttl = '20m'",
    ))
    .await;
    add_system(&house, "bao", BAO, &bao.address).await;
    let agent = Agent::of(&house, "bao", &["bao:erp", "bao:other"]).await;
    let with = format!("X-Vault-Token: {}\r\n", agent.placeholder("child"));
    let (status, body) = agent.ask("GET /v1/secret/data/erp", &with, "").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("for-the-agent"), "{body}");
    // Its policies bound it there, too.
    let (status, _) = agent.ask("GET /v1/secret/data/other", &with, "").await;
    assert_eq!(status, 403);
    let (status, told) = agent.ask("GET /v1/auth/token/lookup-self", &with, "").await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        told["data"]["id"],
        json!("[removed by remit]"),
        "the token itself is scrubbed: {told}"
    );
    assert_eq!(
        told["data"]["meta"]["task"],
        json!(agent.task.task.id.to_string())
    );
    assert_eq!(
        (&told["data"]["orphan"], &told["data"]["policies"]),
        (&json!(false), &json!(["reader"]))
    );

    let leases = agent.leases();
    assert_eq!(leases.len(), 1, "one for the task: {leases:?}");
    let lease = &leases[0];
    assert_eq!((lease.class, lease.state), (LeaseClass::R1, LeaseState::Live));
    let accessor = lease.handle.split_once('/').unwrap().1.to_owned();
    assert!(bao.run(&["token", "lookup", "-accessor", &accessor]));
    let token = house.app().broker.opened();
    let is_child = |value: &&zeroize::Zeroizing<String>| {
        bao.says(&["token", "lookup"], value)
            .is_some_and(|told| told.contains("remit_lease"))
    };
    let token = token.iter().find(is_child).unwrap().clone();
    agent.done().await;
    agent.until(LeaseState::Dead).await;
    assert!(!bao.run(&["token", "lookup", "-accessor", &accessor]));
    assert_eq!(
        bao.says(&["token", "lookup"], &token),
        None,
        "the token opens nothing any more"
    );
    assert!(
        !house.app().broker.opened().contains(&token),
        "and nobody here knows it"
    );
    let ledger = format!("{:?}", house.records().await);
    assert!(ledger.contains("probed dead") && !ledger.contains(token.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_at_openbao_is_found_by_its_name_or_fades() {
    let Some(bao) = bao().await else { return };
    let config = with_bao(&bao, "policies = ['reader']\nttl = '20m'");
    let house = House::open_with(config.clone()).await;
    add_system(&house, "bao", BAO, &bao.address).await;
    let agent = Agent::of(&house, "bao", &["bao:erp"]).await;
    let with = format!("X-Vault-Token: {}\r\n", agent.placeholder("child"));
    assert_eq!(agent.ask("GET /v1/secret/data/erp", &with, "").await.0, 200);
    let task = agent.task.task.id;
    let live = agent.leases()[0].clone();
    // A token that was made and never confirmed, and one that no lease here knows: both carry a name of ours.
    let prefix = house.app().broker.role_prefix();
    for orphan in ["one", "two"] {
        let meta = format!("-metadata=remit_lease={prefix}{orphan}");
        assert!(bao.run(&["token", "create", "-policy=reader", &meta]));
    }
    let count = |bao: &Bao| {
        let listed = bao.says(
            &["list", "-format=json", "auth/token/accessors"],
            "root-token-of-this-test",
        );
        serde_json::from_str::<Vec<String>>(&listed.unwrap())
            .unwrap()
            .len()
    };
    assert_eq!(count(&bao), 4, "root, the lease, two orphans");
    drop(agent);
    let house = house.crash_and_restart_with(config).await;
    for _ in 0..500 {
        if count(&bao) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&bao), 1, "only our own is left");
    let now = house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::get(conn, live.id))
        .unwrap();
    assert!(matches!(
        now.unwrap().state,
        LeaseState::Dead | LeaseState::Revoking
    ));
    // The task is still open: it gets another one.
    let live = remit_server::engine::session::of_task(house.app(), task)
        .await
        .unwrap();
    let again = remit_server::broker::credential(house.app(), &live, &name("bao"))
        .await
        .unwrap();
    assert_eq!(again.class, LeaseClass::R1);

    // Our own token may neither make nor list tokens any more: the call fails, and what may exist is shown as such.
    let other = house.task(&["bao/*"], &["bao:erp"]).await;
    let poor = bao
        .says(
            &["token", "create", "-policy=reader", "-field=token"],
            "root-token-of-this-test",
        )
        .unwrap();
    bao.with_token(&poor);
    let live = remit_server::engine::session::of_task(house.app(), other.task.id)
        .await
        .unwrap();
    let refused = remit_server::broker::credential(house.app(), &live, &name("bao"))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("permission denied"), "{refused}");
    let agent = Agent {
        house: &house,
        system: "bao",
        task: other,
    };
    let fading = agent.until(LeaseState::Fading).await;
    let promise = fading.promise(house.app().clock.now()).to_string();
    assert!(promise.starts_with("possibly live until"), "{promise}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_decided_and_a_refused_one_ends_the_credential() {
    let Some(bao) = bao().await else { return };
    let house = House::open_with(with_bao(&bao, "policies = ['reader']\nttl = '4s'")).await;
    add_system(&house, "bao", BAO, &bao.address).await;
    let bob = people::NewHuman::new(name("bob"), [Role::Initiator].into());
    people::add_human(house.app(), bob, &name("alice")).await.unwrap();
    let wish = house.wish(&["bao/*"], &["bao:erp"]);
    let task = remit_server::tasks::open::open(house.app(), wish, &name("bob"))
        .await
        .unwrap();
    let agent = Agent {
        house: &house,
        system: "bao",
        task,
    };
    let with = format!("X-Vault-Token: {}\r\n", agent.placeholder("child"));
    let ask = || agent.ask("GET /v1/secret/data/erp", &with, "");
    assert_eq!(ask().await.0, 200);
    let first = agent.leases()[0].clone();
    tokio::time::sleep(Duration::from_millis(3200)).await;
    assert_eq!(ask().await.0, 200);
    let leases = agent.leases();
    assert_eq!(leases.len(), 1, "prolonged, not made anew: {leases:?}");
    assert!(leases[0].expires_at > first.expires_at);
    let renewals: Vec<_> = house
        .records()
        .await
        .into_iter()
        .filter(|record| record.kind == "lease.renew")
        .collect();
    assert_eq!(renewals.len(), 1);
    assert_eq!(renewals[0].decision.as_deref(), Some("allow"));
    assert!(renewals[0].policy_version.is_some() && renewals[0].decision_id.is_some());

    // Who opened the task is not active any more: what it holds does not go on, and nothing takes its place.
    people::set_human(house.app(), &name("bob"), Standing::Suspended, &name("alice"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(3200)).await;
    for _ in 0..2 {
        let (status, said) = ask().await;
        assert_eq!(status, 502, "{said}");
        assert!(said.contains("not renewed") && said.contains("bob"), "{said}");
    }
    let dead = agent.until(LeaseState::Dead).await;
    assert_eq!(agent.leases().len(), 1);
    let accessor = dead.handle.split_once('/').unwrap().1;
    assert!(!bao.run(&["token", "lookup", "-accessor", accessor]));
    let refused = house.records().await;
    let mut refused = refused.iter().filter(|record| record.kind == "lease.renew").rev();
    assert_eq!(refused.next().unwrap().decision.as_deref(), Some("deny"));
}

/// A way to OpenBao on which tokens are made only when they may be, whether or not anybody still waits for them.
struct Slow {
    address: String,
    made: std::sync::Arc<tokio::sync::Semaphore>,
    asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Slow {
    async fn before(bao: &Bao) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            made: std::sync::Arc::new(tokio::sync::Semaphore::new(0)),
            asked: std::sync::Arc::default(),
        };
        let to: std::net::SocketAddr = bao.address.strip_prefix("http://").unwrap().parse().unwrap();
        let (made, asked) = (
            std::sync::Arc::clone(&slow.made),
            std::sync::Arc::clone(&slow.asked),
        );
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (made, asked) = (std::sync::Arc::clone(&made), std::sync::Arc::clone(&asked));
                tokio::spawn(async move {
                    // One request a connection, read whole before it goes on.
                    let mut request = Vec::new();
                    loop {
                        let mut piece = [0; 4096];
                        let read = client.read(&mut piece).await.unwrap_or(0);
                        request.extend_from_slice(&piece[..read]);
                        let text = String::from_utf8_lossy(&request).to_lowercase();
                        let length = text
                            .split("content-length: ")
                            .nth(1)
                            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
                        let head = text.find("\r\n\r\n").map(|at| at + 4);
                        if read == 0 || head.is_some_and(|head| request.len() >= head + length) {
                            break;
                        }
                    }
                    if String::from_utf8_lossy(&request).contains("/auth/token/create") {
                        asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        made.acquire().await.unwrap().forget();
                    }
                    let mut server = dial(to).await;
                    server.write_all(&request).await.unwrap();
                    let mut piece = [0; 4096];
                    while let Ok(read @ 1..) = server.read(&mut piece).await {
                        // Nobody may be there to take it any more.
                        let _ = client.write_all(&piece[..read]).await;
                    }
                });
            }
        });
        slow
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_made_after_its_making_was_cut_is_ended_too() {
    let Some(bao) = bao().await else { return };
    let slow = Slow::before(&bao).await;
    let mut config = with_bao(&bao, "policies = ['reader']\nttl = '20m'");
    config
        .managers
        .get_mut("bao")
        .unwrap()
        .url
        .clone_from(&slow.address);
    let house = House::open_with(config).await;
    add_system(&house, "bao", BAO, &bao.address).await;
    let agent = Agent::of(&house, "bao", &["bao:erp"]).await;
    let with = format!("X-Vault-Token: {}\r\n", agent.placeholder("child"));
    let ending = async {
        while slow.asked.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        agent.done().await;
    };
    let ((status, said), ()) = tokio::join!(agent.ask("GET /v1/secret/data/erp", &with, ""), ending);
    assert_ne!(status, 200, "{said}");
    // Looked for more than once, and nowhere to be found: it may be on its way.
    let lease = agent.until(LeaseState::Revoking).await.id;
    for _ in 0..1000 {
        if remit_server::broker::revoke::tries(house.app(), lease) > 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(agent.leases()[0].state, LeaseState::Revoking);
    let count = || {
        let list = ["list", "-format=json", "auth/token/accessors"];
        let listed = bao.says(&list, "root-token-of-this-test").unwrap();
        serde_json::from_str::<Vec<String>>(&listed).unwrap().len()
    };
    assert_eq!(count(), 1, "our own");
    slow.made.add_permits(1);
    agent.until(LeaseState::Dead).await;
    assert_eq!(count(), 1, "what came late is gone");
    let dead = house.records().await;
    let dead = dead.iter().find(|record| record.kind == "lease.dead").unwrap();
    assert_eq!(
        dead.detail.get("why").and_then(|why| why.as_str()),
        Some("probed dead"),
        "it was there"
    );
}
