//! Objects named by an id: looked up by a call of its own, decided by what they are, held to the version that was seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remit_ledger::record::Record;
use remit_server::approvals::vote::{self, Reach};
use remit_server::egress::systems::{self, NewSystem};
use remit_server::evidence::verify::verify;
use remit_server::tasks::open::Opened;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial, name};
use crate::upstream_stub::{Answers, Names, Seen, Upstream, environment};

const SHELTER: &str = r#"
title = "Shelter"
credentials = [{ header = "authorization", schemes = ["bearer"] }]
[[operations]]
name = "pets.get"
call = "GET /pets/{id}"
class = "read"
resources = ["{object.owner}/{object.name}"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name" }, bind = "etag" }
[[operations]]
name = "pets.rename"
call = "PUT /pets/{id}"
class = "write"
idempotency = "idempotency-key"
resources = ["{object.owner}/{object.name}"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name" }, bind = "etag" }
[operations.fields]
"body.name" = "string"
[[operations]]
name = "pets.delete"
call = "DELETE /pets/{id}"
class = "delete"
resources = ["{object.owner}/{object.name}"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name" }, bind = "etag" }
[[operations]]
name = "pets.note"
call = "POST /pets/{id}/notes"
class = "write"
resources = ["{object.owner}/{object.name}/notes"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name" }, bind = "none" }
[[operations]]
name = "pets.notes"
call = "GET /pets/{id}/notes"
class = "read"
resources = ["{object.owner}/{object.name}/notes"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name" }, bind = "none" }
"#;

/// One pet of the shelter.
#[derive(Clone)]
struct Pet {
    body: Value,
    etag: String,
    status: u16,
    kind: &'static str,
    /// It does what it is asked to and answers 503.
    breaks: bool,
}

impl Pet {
    fn of(owner: &str, name: &str) -> Self {
        Self {
            body: json!({"id": 1, "owner": {"login": owner}, "name": name, "chip": "985-112-003"}),
            etag: "\"v1\"".to_owned(),
            status: 200,
            kind: "application/json",
            breaks: false,
        }
    }
}

type Pets = Arc<Mutex<BTreeMap<String, Pet>>>;

/// A system that keeps RFC 9110: `ETag`, `If-Match`, 412, 404.
fn shelter(pets: &Pets) -> Answers {
    let pets = Arc::clone(pets);
    Arc::new(move |seen: &Seen| {
        let mut words = seen.line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let id = path
            .trim_start_matches("/pets/")
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let mut pets = pets.lock().unwrap();
        let plain = |status: &str| (format!("HTTP/1.1 {status}\r\n"), String::new());
        let Some(pet) = pets.get(&id).cloned() else {
            return plain("404 Not Found");
        };
        if seen.header("if-match").is_some_and(|wanted| wanted != pet.etag) {
            return plain("412 Precondition Failed");
        }
        if method == "DELETE" {
            pets.remove(&id);
            return plain("204 No Content");
        }
        if method == "PUT" {
            let changed: Value = serde_json::from_slice(&seen.body).unwrap();
            let entry = pets.get_mut(&id).unwrap();
            entry.body["name"] = changed["name"].clone();
            entry.etag = "\"v2\"".to_owned();
            if pet.breaks {
                return plain("503 Service Unavailable");
            }
        }
        let etag = if pet.etag.is_empty() {
            String::new()
        } else {
            format!("etag: {}\r\n", pet.etag)
        };
        (
            format!(
                "HTTP/1.1 {} X\r\ncontent-type: {}\r\n{etag}",
                pet.status, pet.kind
            ),
            pet.body.to_string(),
        )
    })
}

struct Bed {
    house: House,
    upstream: Upstream,
    names: Names,
    pets: Pets,
}

impl Bed {
    async fn open() -> Self {
        let house = House::open("100ms").await;
        let pets: Pets = Arc::default();
        pets.lock().unwrap().extend([
            ("1".to_owned(), Pet::of("acme", "rex")),
            ("2".to_owned(), Pet::of("evil", "fang")),
        ]);
        let upstream = Upstream::answering(None, shelter(&pets)).await;
        let names = Names::default();
        let dialler = environment(&names, rustls::RootCertStore::empty());
        house.app().dialler.set(dialler).ok().unwrap();
        let new = NewSystem {
            description: Some(SHELTER.to_owned()),
            hosts: vec!["shelter.example".to_owned()],
            scheme: Some("http".to_owned()),
            port: Some(upstream.port),
            allow_private: true,
            ..NewSystem::default()
        };
        systems::add(house.app(), &name("shelter"), &new, &name("alice"))
            .await
            .unwrap();
        Self {
            house,
            upstream,
            names,
            pets,
        }
    }

    async fn task(&self, allow: &[&str]) -> Opened {
        self.house.task(allow, &["shelter:acme"]).await
    }

    fn pet(&self, id: &str, change: impl FnOnce(&mut Pet)) {
        change(self.pets.lock().unwrap().get_mut(id).unwrap());
    }

    /// One request in base-URL mode: status, and the body as it came.
    async fn said(&self, task: &Opened, line: &str, more: &str, body: &str) -> (u16, String) {
        let (method, path) = line.split_once(' ').unwrap();
        let address = self.house.running.address;
        let mut stream = dial(address).await;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            task.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (status, body.to_owned())
    }

    async fn ask(&self, task: &Opened, line: &str, more: &str, body: &str) -> (u16, Value) {
        let line = line.replacen(' ', " /egress/shelter", 1);
        let (status, said) = self.said(task, &line, more, body).await;
        let (start, end) = (said.find('{'), said.rfind('}'));
        let json = start.zip(end).and_then(|(start, end)| said.get(start..=end));
        (
            status,
            json.and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or(Value::Null),
        )
    }

    async fn get(&self, task: &Opened, line: &str) -> (u16, Value) {
        self.ask(task, line, "", "").await
    }

    fn lines(&self) -> Vec<String> {
        let seen = self.upstream.seen();
        seen.iter()
            .map(|seen| seen.line.trim_end_matches(" HTTP/1.1").to_owned())
            .collect()
    }

    async fn calls(&self) -> Vec<Record> {
        let all = self.house.records().await;
        all.into_iter()
            .filter(|record| matches!(record.kind.as_str(), "decision" | "outcome"))
            .collect()
    }

    async fn approve(&self, held: &Value) {
        let id = held["approval_id"].as_str().unwrap().parse().unwrap();
        vote::approve(self.house.app(), id, Reach::Once, String::new(), &name("alice"))
            .await
            .unwrap();
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

fn detail<'r>(record: &'r Record, key: &str) -> &'r str {
    let found = record.detail.get(key).and_then(|value| value.as_str());
    found.unwrap_or_default()
}

fn refused(answer: &(u16, Value), reason: &str) -> String {
    assert_eq!(
        (answer.0, answer.1["reason"].as_str()),
        (403, Some(reason)),
        "{}",
        answer.1
    );
    answer.1["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_by_id_is_decided_by_its_object_and_held_to_its_version() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    let more = format!("{JSON}Accept: text/plain\r\nUser-Agent: agent/1\r\n");
    let (status, body) = bed.ask(&task, "PUT /pets/1", &more, r#"{"name":"max"}"#).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(bed.lines(), ["GET /pets/1", "PUT /pets/1"]);
    let seen = bed.upstream.seen();
    assert_eq!(seen[0].header("accept"), Some("application/json"));
    assert_eq!(seen[0].header("user-agent"), Some("agent/1"));
    assert_eq!(seen[0].header("if-match"), None);
    assert_eq!(seen[1].header("if-match"), Some("\"v1\""));
    assert_eq!(seen[1].header("accept"), Some("text/plain"));

    // Decided and recorded in this order, each under its own name.
    let calls = bed.calls().await;
    let told: Vec<(&str, &str, &str)> = calls
        .iter()
        .map(|record| {
            (
                record.kind.as_str(),
                record.tool.as_deref().unwrap_or_default(),
                detail(record, "lookup_for"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("decision", "shelter/pets.get", "shelter/pets.rename"),
            ("outcome", "shelter/pets.get", "shelter/pets.rename"),
            ("decision", "shelter/pets.rename", ""),
            ("outcome", "shelter/pets.rename", ""),
        ]
    );
    assert_eq!(calls[0].resource, None, "it is not known yet");
    assert_eq!(calls[2].resource.as_deref(), Some("shelter:acme/rex"));
    assert_eq!(detail(&calls[1], "call"), detail(&calls[0], "call"));
    assert_ne!(calls[0].digest, calls[2].digest);

    // Its own read is looked up as well, and then held to that version.
    let (status, body) = bed.get(&task, "GET /pets/1").await;
    assert_eq!((status, body["name"].as_str()), (200, Some("max")));
    assert_eq!(bed.upstream.seen()[3].header("if-match"), Some("\"v2\""));
    assert!(verify(bed.house.app(), None).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_outside_the_task_is_refused_and_not_named() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    for (number, line) in [
        "PUT /pets/2",
        "DELETE /pets/2",
        "GET /pets/2",
        "POST /pets/2/notes",
    ]
    .into_iter()
    .enumerate()
    {
        let more = if line.starts_with("PUT") || line.starts_with("POST") {
            JSON
        } else {
            ""
        };
        let body = if more.is_empty() { "" } else { r#"{"name":"x"}"# };
        let answer = bed.ask(&task, line, more, body).await;
        let message = refused(&answer, "out_of_authority");
        let whole = answer.1.to_string();
        assert!(!whole.contains("evil") && !whole.contains("fang"), "{whole}");
        assert!(
            message.contains("what this id stands for is outside"),
            "{message}"
        );
        assert_eq!(
            bed.lines().len(),
            number + 1,
            "the lookup alone reached the system"
        );
    }
    assert!(bed.lines().iter().all(|line| line == "GET /pets/2"));
    let calls = bed.calls().await;
    let denied = calls
        .iter()
        .find(|record| record.decision.as_deref() == Some("deny"));
    assert_eq!(
        denied.unwrap().resource.as_deref(),
        Some("shelter:evil/fang"),
        "people see what it was"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_task_cannot_use_is_not_looked_up() {
    let bed = Bed::open().await;
    // The operation, but not what it is looked up with.
    let task = bed.task(&["shelter/pets.rename"]).await;
    let answer = bed.ask(&task, "PUT /pets/1", JSON, r#"{"name":"max"}"#).await;
    let message = refused(&answer, "out_of_authority");
    for part in [
        "`shelter/pets.rename`",
        "`shelter/pets.get`",
        "the task has to allow that too",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // What it is looked up with, but not the operation.
    let task = bed.task(&["shelter/pets.get"]).await;
    let answer = bed.ask(&task, "PUT /pets/1", JSON, r#"{"name":"max"}"#).await;
    let message = refused(&answer, "out_of_authority");
    assert!(!message.contains("pets.get"), "{message}");
    let calls = bed.calls().await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].tool.as_deref(), Some("shelter/pets.get"));
    assert_eq!(calls[1].tool.as_deref(), Some("shelter/pets.rename"));
    assert!(
        bed.upstream.seen().is_empty() && bed.names.asked().is_empty(),
        "nothing was sent, and no name resolved"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_changes_while_a_person_thinks_stays_as_it_is() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    let (status, held) = bed.get(&task, "DELETE /pets/1").await;
    assert_eq!(
        (status, held["reason"].as_str()),
        (202, Some("approval_required")),
        "{held}"
    );
    let id = held["approval_id"].as_str().unwrap().to_owned();
    let card = vote::get(bed.house.app(), id.parse().unwrap())
        .await
        .unwrap()
        .card;
    assert!(card.contains("shelter:acme/rex") && card.contains("v1"), "{card}");
    // Asked again it waits as it is: nothing is looked up a second time.
    let (status, again) = bed.get(&task, "DELETE /pets/1").await;
    assert_eq!((status, &again["approval_id"]), (202, &held["approval_id"]));
    assert_eq!(bed.lines(), ["GET /pets/1"]);

    // It changes hands, and the person says yes to what they saw.
    bed.pet("1", |pet| {
        pet.body["owner"]["login"] = json!("evil");
        pet.etag = "\"v9\"".to_owned();
    });
    bed.approve(&held).await;
    let (status, _) = bed.get(&task, "DELETE /pets/1").await;
    assert_eq!(status, 412, "what the system said is the answer");
    assert_eq!(bed.lines(), ["GET /pets/1", "DELETE /pets/1"], "sent once");
    assert_eq!(bed.upstream.seen()[1].header("if-match"), Some("\"v1\""));
    assert!(bed.pets.lock().unwrap().contains_key("1"));
    // The same again is a new request, and it is another's now.
    let answer = bed.get(&task, "DELETE /pets/1").await;
    refused(&answer, "out_of_authority");

    // One that did not change goes, once; the result is found although the object is no more.
    bed.pet("1", |pet| *pet = Pet::of("acme", "rex"));
    let (_, held) = bed.get(&task, "DELETE /pets/1").await;
    bed.approve(&held).await;
    let (status, _) = bed.get(&task, "DELETE /pets/1").await;
    assert_eq!(status, 204);
    let answer = bed.get(&task, "DELETE /pets/1").await;
    let message = refused(&answer, "not_inspectable");
    assert!(
        message.contains("no object") && message.contains("404"),
        "{message}"
    );
    let deleted = bed
        .lines()
        .iter()
        .filter(|line| line.starts_with("DELETE"))
        .count();
    assert_eq!(deleted, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_say_which_object_refuses() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    type Change = fn(&mut Pet);
    let changes: [(Change, &str); 9] = [
        (|pet| pet.etag.clear(), "no strong entity tag"),
        (|pet| pet.etag = "W/\"v1\"".to_owned(), "no strong entity tag"),
        (|pet| pet.status = 500, "500"),
        (|pet| pet.status = 301, "301"),
        (|pet| pet.kind = "text/html", "no JSON object"),
        (|pet| pet.body = json!(["acme", "rex"]), "no JSON object"),
        (|pet| pet.body = json!({"name": "rex"}), "owner.login"),
        (|pet| pet.body["name"] = json!(".."), "no plain path"),
        (|pet| pet.body["name"] = json!("a/b"), "a part of something else"),
    ];
    for (change, says) in changes {
        bed.pet("1", |pet| {
            *pet = Pet::of("acme", "rex");
            change(pet);
        });
        let answer = bed.ask(&task, "PUT /pets/1", JSON, r#"{"name":"max"}"#).await;
        let message = refused(&answer, "not_inspectable");
        assert!(message.contains(says), "{says}: {message}");
        assert!(!message.contains("985-112-003"), "{message}");
    }
    // The agent saw another version.
    bed.pet("1", |pet| *pet = Pet::of("acme", "rex"));
    let stale = format!("{JSON}If-Match: \"v0\"\r\n");
    let answer = bed.ask(&task, "PUT /pets/1", &stale, r#"{"name":"max"}"#).await;
    refused(&answer, "not_inspectable");
    assert!(
        bed.lines().iter().all(|line| line == "GET /pets/1"),
        "nothing was done: {:?}",
        bed.lines()
    );
    let right = format!("{JSON}If-Match: \"v1\"\r\n");
    let (status, _) = bed.ask(&task, "PUT /pets/1", &right, r#"{"name":"max"}"#).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_binds_a_person_looks() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    let (status, held) = bed
        .ask(&task, "POST /pets/1/notes", JSON, r#"{"text":"fed"}"#)
        .await;
    assert_eq!(status, 202, "{held}");
    assert!(
        held["rule"].as_str().unwrap().contains("baseline.opaque"),
        "{held}"
    );
    bed.approve(&held).await;
    let (status, _) = bed
        .ask(&task, "POST /pets/1/notes", JSON, r#"{"text":"fed"}"#)
        .await;
    assert_eq!(status, 200);
    assert_eq!(bed.lines(), ["GET /pets/1", "POST /pets/1/notes"]);
    assert_eq!(bed.upstream.seen()[1].header("if-match"), None);
    // Looking changes nothing: it is decided by what it is for.
    let (status, _) = bed.get(&task, "GET /pets/1/notes").await;
    assert_eq!(status, 200);
    refused(&bed.get(&task, "GET /pets/2/notes").await, "out_of_authority");
}

/// Nobody knows whether the first was done, and its object is another version now: the same again carries the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_again_has_the_same_key_whatever_its_object_is_by_now() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    let rename = || bed.ask(&task, "PUT /pets/1", JSON, r#"{"name":"max"}"#);
    bed.pet("1", |pet| pet.breaks = true);
    assert_eq!(rename().await.0, 503);
    bed.pet("1", |pet| pet.breaks = false);
    assert_eq!(rename().await.0, 200);
    let seen = bed.upstream.seen();
    let puts: Vec<&Seen> = seen.iter().filter(|seen| seen.line.starts_with("PUT")).collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0].header("if-match"), Some("\"v1\""));
    assert_eq!(puts[1].header("if-match"), Some("\"v2\""));
    let key = |seen: &Seen| seen.header("idempotency-key").unwrap().to_owned();
    assert_eq!(key(puts[0]), key(puts[1]));
    // Then it is known, and the next one is another.
    assert_eq!(rename().await.0, 200);
    assert_ne!(key(bed.upstream.seen().last().unwrap()), key(puts[1]));
}

/// Lookups that are allowed in between do not hide that everything an agent asks for is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_tries_ids_is_stopped() {
    let bed = Bed::open().await;
    let task = bed.task(&["shelter/*"]).await;
    for _ in 0..remit_core::limits::DENIALS_IN_A_ROW_MAX {
        refused(&bed.get(&task, "GET /pets/2").await, "out_of_authority");
    }
    let before = bed.lines().len();
    refused(&bed.get(&task, "GET /pets/1").await, "task_suspended");
    assert_eq!(bed.lines().len(), before);
}

/// What people let be looked up is for the request it was looked up for; nobody gets it by reference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lookup_is_used_by_its_request_alone() {
    const ASK: &str = r#"@id("ours.ask") @message("ask first") forbid (principal, action == Action::"shelter/pets.get", resource) unless { context.approval.level >= 2 };"#;
    let bed = Bed::open().await;
    let app = bed.house.app();
    let folder = app.paths.config.join("policies");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ours.cedar"), ASK).unwrap();
    remit_server::policies::apply::apply(app, &name("alice"))
        .await
        .unwrap()
        .in_force()
        .unwrap();
    let task = bed.task(&["shelter/*"]).await;
    let rename = || bed.ask(&task, "PUT /pets/1", JSON, r#"{"name":"max"}"#);
    let (status, held) = rename().await;
    assert_eq!(status, 202, "{held}");
    let message = held["message"].as_str().unwrap();
    assert!(
        message.contains("`shelter/pets.rename`") && message.contains("waits for a person"),
        "{message}"
    );
    assert!(bed.upstream.seen().is_empty() && bed.names.asked().is_empty());
    let id = held["approval_id"].as_str().unwrap().to_owned();
    let card = vote::get(app, id.parse().unwrap()).await.unwrap().card;
    assert!(card.contains("pets.rename"), "it says what it is for: {card}");
    bed.approve(&held).await;

    let by_reference = format!("GET /egress/-/approvals/{id}");
    for _ in 0..2 {
        let (status, said) = bed.said(&task, &by_reference, "", "").await;
        assert!(
            status == 403 && said.contains("make that request again") && !said.contains("985-112-003"),
            "{said}"
        );
    }
    let resumed = bed
        .house
        .rpc_on(
            "remit",
            &task.token,
            "tools/call",
            json!({"name": "remit__resume", "arguments": {"approval_id": id}}),
        )
        .await
        .1
        .to_string();
    assert!(
        !resumed.contains("985-112-003") && !resumed.contains("OTg1"),
        "{resumed}"
    );
    let (status, body) = rename().await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(bed.lines(), ["GET /pets/1", "PUT /pets/1"]);
    // The next one is asked about again.
    assert_eq!(rename().await.0, 202);
}

/// The lookup goes with the same placeholder as the request it is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_has_the_credential_of_its_request() {
    use remit_server::broker::{placeholder, vault};
    const KEY: &str = "sk-live-4f9a7c1e2b8d6503";
    let bed = Bed::open().await;
    let secret = vault::NewSecret {
        name: name("shelter-key"),
        system: Some(name("shelter")),
        account: None,
        value: vault::Given::Value(KEY.to_owned().into()),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    let task = bed.task(&["shelter/*"]).await;
    let mine = placeholder(bed.house.app(), task.task.run, &name("shelter-key"));
    let port = bed.upstream.port;
    let mut stream = dial(bed.house.running.address).await;
    let request = format!(
        "GET http://shelter.example:{port}/pets/1 HTTP/1.1\r\nHost: shelter.example:{port}\r\nProxy-Authorization: Bearer {}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n\r\n",
        task.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let seen = bed.upstream.seen();
    assert_eq!(seen.len(), 2);
    for one in seen {
        assert_eq!(
            one.header("authorization"),
            Some(format!("Bearer {KEY}").as_str())
        );
    }
}
