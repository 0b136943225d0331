//! What a system mints and how it is taken back: the end of the task is the end of the token, at the system itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_ledger::record::Record;
use remit_server::broker::{revoke, vault};
use serde_json::{Value, json};

use crate::backends::{Agent, add_system};
use crate::house::{House, name};

/// The key the house keeps for the forge.
const KEY: &str = "forge-key-0001-abcdef";

/// `ForgeStub`: makes tokens and takes them back, as GitLab does with those of projects.
#[derive(Clone, Default)]
struct ForgeStub(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    tokens: BTreeMap<u64, String>,
    made: u64,
    /// Requests that took something back: path and credential.
    ends: Vec<(String, String)>,
    /// It answers nothing but 503.
    is_down: bool,
    /// It says it took something back, and did not.
    is_lying: bool,
}

fn shown(headers: &HeaderMap) -> String {
    let value = headers.get("private-token").and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

async fn make(
    State(it): State<ForgeStub>,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    let mut state = it.0.lock().unwrap();
    if state.is_down || shown(&headers) != KEY {
        return (StatusCode::UNAUTHORIZED, Json(json!({})));
    }
    state.made += 1;
    let (id, token) = (state.made, format!("forge-minted-{}-abcdefgh", state.made));
    state.tokens.insert(id, token.clone());
    let body = match project.as_str() {
        "nameless" => json!({"token": token}),
        _ => json!({"data": {"id": id}, "token": token, "expires_at": "2031-05-06"}),
    };
    (StatusCode::CREATED, Json(body))
}

async fn take_back(
    State(it): State<ForgeStub>,
    Path((project, id)): Path<(String, u64)>,
    headers: HeaderMap,
) -> StatusCode {
    let mut state = it.0.lock().unwrap();
    state.ends.push((format!("{project} {id}"), shown(&headers)));
    match (state.is_down, shown(&headers) == KEY) {
        (true, _) => StatusCode::SERVICE_UNAVAILABLE,
        (_, false) => StatusCode::UNAUTHORIZED,
        _ if state.is_lying => StatusCode::NO_CONTENT,
        _ => match state.tokens.remove(&id) {
            Some(_) => StatusCode::NO_CONTENT,
            None => StatusCode::NOT_FOUND,
        },
    }
}

async fn own(State(it): State<ForgeStub>, headers: HeaderMap) -> StatusCode {
    let mut state = it.0.lock().unwrap();
    let token = shown(&headers);
    state.ends.push(("own".to_owned(), token.clone()));
    let before = state.tokens.len();
    state.tokens.retain(|_, known| *known != token);
    match state.tokens.len() == before {
        true => StatusCode::UNAUTHORIZED,
        false => StatusCode::NO_CONTENT,
    }
}

async fn user(State(it): State<ForgeStub>, headers: HeaderMap) -> StatusCode {
    let state = it.0.lock().unwrap();
    let token = shown(&headers);
    if state.is_down {
        StatusCode::SERVICE_UNAVAILABLE
    } else if state.tokens.values().any(|known| *known == token) {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    }
}

impl ForgeStub {
    async fn start(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/projects/{project}/tokens", post(make))
            .route("/own-tokens/{project}", post(make))
            .route("/projects/{project}/tokens/{id}", delete(take_back))
            .route("/tokens/self", delete(own))
            .route("/user", get(user))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }

    fn tokens(&self) -> usize {
        self.0.lock().unwrap().tokens.len()
    }
}

const FORGE: &str = r#"
title = "A forge that mints"
credentials = [{ header = "private-token" }]
[[operations]]
name = "tokens.make"
call = "POST /projects/{project%}/tokens"
class = "write"
mints = true
body = "json"
resources = ["projects/{project}"]
[operations.revoke]
call = "DELETE /projects/{project}/tokens/{data.id}"
probe = "GET /user"
[[operations]]
name = "tokens.make_own"
call = "POST /own-tokens/{project}"
class = "write"
mints = true
body = "json"
resources = ["projects/{project}"]
[operations.revoke]
call = "DELETE /tokens/self"
with = "minted"
probe = "GET /user"
[[operations]]
name = "user.get"
call = "GET /user"
class = "read"
"#;
const JSON: &str = "Content-Type: application/json\r\n";

async fn opened() -> (ForgeStub, House) {
    let forge = ForgeStub::default();
    let address = forge.start().await;
    let house = House::open("100ms").await;
    add_system(&house, "forge", FORGE, &format!("http://{address}")).await;
    let secret = vault::NewSecret {
        name: name("forge-key"),
        system: Some(name("forge")),
        account: None,
        value: vault::Given::Value(KEY.to_owned().into()),
    };
    vault::add(house.app(), secret, &name("alice")).await.unwrap();
    (forge, house)
}

fn with(agent: &Agent<'_>) -> String {
    format!("{JSON}Private-Token: {}\r\n", agent.placeholder("forge-key"))
}

/// Mints a token: the placeholder its agent got.
async fn minted(agent: &Agent<'_>, line: &str) -> String {
    let (status, given) = agent.agreed(line, &with(agent), "{}").await;
    assert_eq!(status, 201, "{given}");
    let given: Value = serde_json::from_str(&given).unwrap();
    let placeholder = given["token"].as_str().unwrap().to_owned();
    assert!(placeholder.starts_with("remit-placeholder-"), "{given}");
    placeholder
}

/// Waits until what was minted is in this state.
async fn minted_is(agent: &Agent<'_>, state: LeaseState) -> Lease {
    for _ in 0..1500 {
        let leases = agent.leases();
        let is_it = |lease: &&Lease| lease.backend.as_str() == "minted" && lease.state == state;
        if let Some(lease) = leases.iter().rfind(is_it) {
            return lease.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never was {state:?}: {:?}", agent.leases());
}

async fn about(house: &House, kind: &str) -> Vec<Record> {
    let all = house.records().await;
    all.into_iter().filter(|record| record.kind == kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_system_mints_is_taken_back_there_and_probed_dead() {
    let (forge, house) = opened().await;
    let agent = Agent::of(&house, "forge", &["forge:projects"]).await;
    let placeholder = minted(&agent, "POST /projects/acme%2Fweb/tokens").await;
    let lease = agent
        .leases()
        .into_iter()
        .find(|lease| lease.backend.as_str() == "minted");
    let lease = lease.unwrap();
    assert_eq!((lease.class, lease.state), (LeaseClass::R1, LeaseState::Live));
    let used = format!("Private-Token: {placeholder}\r\n");
    assert_eq!(agent.ask("GET /user", &used, "").await.0, 200);
    let own = minted(&agent, "POST /own-tokens/acme").await;
    let own = format!("Private-Token: {own}\r\n");
    assert_eq!(agent.ask("GET /user", &own, "").await.0, 200);
    assert_eq!(forge.tokens(), 2);

    agent.done().await;
    for _ in 0..1000 {
        if agent.leases().iter().all(|lease| lease.state == LeaseState::Dead) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let leases = agent.leases();
    assert!(
        leases.iter().all(|lease| lease.state == LeaseState::Dead),
        "{leases:?}"
    );
    assert_eq!(forge.tokens(), 0, "refused at the system itself");
    let mut ends = forge.0.lock().unwrap().ends.clone();
    ends.sort();
    let expected = [
        ("acme/web 1".to_owned(), KEY.to_owned()),
        ("own".to_owned(), "forge-minted-2-abcdefgh".to_owned()),
    ];
    assert_eq!(ends, expected, "by our secret, and by itself");
    let dead = about(&house, "lease.dead").await;
    let probed =
        |record: &&Record| record.detail.get("why").and_then(|why| why.as_str()) == Some("probed dead");
    assert_eq!(dead.iter().filter(probed).count(), 2, "{dead:?}");
    // The end of the task was recorded before anything was asked, and each request before it left.
    let all = house.records().await;
    let ended = all.iter().position(|record| record.kind == "task.end").unwrap();
    let asked = all.iter().skip(ended).filter(|record| record.kind == "fetch");
    assert_eq!(asked.count(), 4);
    let ledger = format!("{all:?}");
    assert!(!ledger.contains("forge-minted") && !ledger.contains(KEY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_does_not_work_is_tried_until_it_does_and_survives_a_restart() {
    let (forge, house) = opened().await;
    let agent = Agent::of(&house, "forge", &["forge:projects"]).await;
    minted(&agent, "POST /projects/acme/tokens").await;
    forge.0.lock().unwrap().is_down = true;
    agent.done().await;
    let is_tried = async |house: &House, agent: &Agent<'_>| {
        let lease = minted_is(agent, LeaseState::Revoking).await.id;
        for _ in 0..1000 {
            if revoke::tries(house.app(), lease) > 1 {
                return lease;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is not tried again");
    };
    let lease = is_tried(&house, &agent).await;
    let later = house.app().clock.now().plus_ms(1);
    let counts = house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::counts(conn, later))
        .unwrap();
    assert_eq!(
        (counts.revoking, counts.stuck),
        (1, 1),
        "{lease} is stuck from a minute on"
    );
    // How it is taken back is kept, whatever becomes of this process.
    let task = agent.task;
    let house = house.crash_and_restart("100ms").await;
    let agent = Agent {
        house: &house,
        system: "forge",
        task,
    };
    is_tried(&house, &agent).await;
    assert_eq!(forge.tokens(), 1);
    // A system that only says so is not believed.
    {
        let mut state = forge.0.lock().unwrap();
        state.is_down = false;
        state.is_lying = true;
    }
    let tries = revoke::tries(house.app(), lease);
    for _ in 0..1000 {
        if revoke::tries(house.app(), lease) > tries {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let minted = agent.leases().into_iter().find(|of| of.id == lease).unwrap();
    assert_eq!((minted.state, forge.tokens()), (LeaseState::Revoking, 1));
    // Somebody else took it back: that is as good.
    {
        let mut state = forge.0.lock().unwrap();
        state.is_lying = false;
        state.tokens.clear();
    }
    assert_eq!(minted_is(&agent, LeaseState::Dead).await.id, lease);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_taken_back_is_not_handed_out() {
    let (forge, house) = opened().await;
    let agent = Agent::of(&house, "forge", &["forge:projects"]).await;
    let (status, said) = agent
        .agreed("POST /projects/nameless/tokens", &with(&agent), "{}")
        .await;
    assert_eq!(status, 502);
    assert!(
        said.contains("could not be taken back") && said.contains("data.id"),
        "{said}"
    );
    assert!(!said.contains("forge-minted"));
    let lost = minted_is(&agent, LeaseState::Fading).await;
    let promise = lost.promise(house.app().clock.now()).to_string();
    assert!(promise.starts_with("possibly live until"), "{promise}");
    assert_eq!(forge.tokens(), 1);
}
