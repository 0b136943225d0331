//! Stdio servers behind the broker: a server in a network of its own, whose only way out is decided by the calls it is
//! working on.

mod together;

use std::os::linux::net::SocketAddrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_core::tool::ToolClass;
use remit_ledger::record::Record;
use remit_server::broker::{self, vault};
use remit_server::config::Config;
use remit_server::egress::systems::{self, NewSystem};
use remit_server::registry::admit::{Said, admit};
use remit_server::registry::servers::{self, Added, NewServer};
use remit_server::tasks::open::Opened;
use remit_store::servers::Transport;
use serde_json::{Value, json};

use crate::house::{House, name};
use crate::upstream_stub::{Names, Upstream, certificate, environment};

const MAIL: &str = r#"
title = "Mail"
credentials = [{ header = "authorization", schemes = ["bearer"] }]
[[operations]]
name = "messages.send"
call = "POST /messages"
class = "transfer"
resources = ["messages"]
[operations.fields]
"body.to" = { type = "string", required = true, role = "mail" }
"body.text" = { type = "string", role = "content" }
[[operations]]
name = "notes.add"
call = "POST /notes"
class = "write"
resources = ["notes"]
[[operations]]
name = "files.put"
call = "PUT /files/{id}"
class = "write"
body = "digest"
resources = ["files/{id}"]
[[operations]]
name = "payments.make"
call = "POST /payments"
class = "transfer"
resources = ["payments"]
[operations.fields]
"body.amount" = { type = "number", required = true, role = "amount" }
[[operations]]
name = "messages.recall"
call = "DELETE /messages/{id}"
class = "delete"
resources = ["messages/{id}"]
[[operations]]
name = "boxes.get"
call = "GET /boxes/{id}"
class = "read"
[[operations]]
name = "boxes.list"
call = "GET /boxes/{id}/messages"
class = "read"
resources = ["boxes/{object.owner}"]
lookup = { operation = "boxes.get", fields = { owner = "owner" }, bind = "etag" }
[[operations]]
name = "tokens.create"
call = "POST /tokens"
class = "privilege"
mints = true
resources = ["tokens"]
"#;

/// The example that stands in for `remit launch`; cargo builds it together with the tests.
fn launcher() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    deps.parent().unwrap().with_file_name("examples").join("launch")
}

struct Scene {
    house: House,
    upstream: Upstream,
    names: Names,
}

impl Scene {
    /// `None` where this machine cannot take a network away.
    async fn open(wait: &str) -> Option<Self> {
        let mut config = Config::default();
        config.hold.wait = wait.to_owned();
        Self::open_with(config).await
    }

    async fn open_with(config: Config) -> Option<Self> {
        assert!(
            launcher().exists(),
            "build it: cargo build -p remit-server --example launch"
        );
        if let Err(why) = remit_confine::probe::contains(&launcher()) {
            eprintln!("SKIPPED: {why}");
            return None;
        }
        let house = House::launching(config, launcher()).await;
        let names = Names::default();
        let (config, roots) = certificate(&["mail.example"]);
        let upstream = Upstream::start(Some(config)).await;
        let mut dialler = environment(&names, roots);
        dialler.launcher.exe = launcher();
        dialler.launcher.confine.denied = house.app().paths.denied_to_runs();
        // What is missing is guarded at the price of a parent nothing can be written to.
        for folder in &dialler.launcher.confine.denied {
            std::fs::create_dir_all(folder).unwrap();
        }
        house.app().dialler.set(dialler).ok().unwrap();
        let mail = NewSystem {
            description: Some(MAIL.to_owned()),
            hosts: vec!["mail.example".to_owned()],
            port: Some(upstream.port),
            allow_private: true,
            ..NewSystem::default()
        };
        systems::add(house.app(), &name("mail-api"), &mail, &name("alice"))
            .await
            .unwrap();
        Some(Self {
            house,
            upstream,
            names,
        })
    }

    fn server(&self, more: &[(&str, &str)]) -> NewServer {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/contained/server.py");
        let api = format!("https://mail.example:{}", self.upstream.port);
        let mut environment = vec![("MAIL_API".to_owned(), api)];
        environment.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        NewServer {
            name: name("mail"),
            transport: Transport::Command(vec!["python3".to_owned(), script.to_str().unwrap().to_owned()]),
            allow_private: false,
            shareable: false,
            uncontained: false,
            environment,
            cwd: None,
            accept_floating: true,
        }
    }

    async fn add(&self, server: NewServer) -> Added {
        let added = servers::add(self.house.app(), server, &name("alice"))
            .await
            .unwrap();
        let tools = ["mail/send", "mail/later"].map(|tool| tool.parse().unwrap());
        let said = Said {
            class: Some(ToolClass::Read),
            irreversible: Some(false),
        };
        admit(self.house.app(), &tools, Some(said), &name("alice"))
            .await
            .unwrap();
        added
    }

    async fn task(&self, allow: &[&str]) -> Opened {
        self.task_on(allow, &[]).await
    }

    async fn task_on(&self, allow: &[&str], resources: &[&str]) -> Opened {
        let places = [
            "mail:anna@example.org",
            "mail:spy@evil.example",
            "host:mail.example",
        ];
        let mut new = self.house.wish(allow, resources);
        new.destinations = places.iter().map(|place| place.parse().unwrap()).collect();
        remit_server::tasks::open::open(self.house.app(), new, &name("alice"))
            .await
            .unwrap()
    }

    async fn call(&self, task: &Opened, tool: &str, arguments: Value) -> String {
        let params = json!({"name": tool, "arguments": arguments});
        let (_, answer) = self.house.rpc_on("mail", &task.token, "tools/call", params).await;
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn send(&self, task: &Opened, how: &str) -> String {
        let arguments = json!({"to": "Anna@example.org", "text": "12.5", "how": how});
        self.call(task, "send", arguments).await
    }

    async fn of_kind(&self, kind: &str) -> Vec<Record> {
        let all = self.house.records().await;
        all.into_iter().filter(|record| record.kind == kind).collect()
    }
}

fn detail<'r>(record: &'r Record, key: &str) -> &'r str {
    record
        .detail
        .get(key)
        .and_then(|value| value.as_str())
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_sends_what_its_call_says_and_nothing_else() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.add(scene.server(&[])).await;
    let task = scene.task(&["mail/*", "mail-api/*"]).await;

    let sent = scene.send(&task, "honestly").await;
    assert_eq!(sent, r#"200 {"ok":true}"#);
    let seen = scene.upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /messages HTTP/1.1");
    let decisions = scene.of_kind("decision").await;
    let (asked, caused) = (&decisions[0], &decisions[1]);
    assert_eq!(asked.tool.as_deref(), Some("mail/send"));
    assert_eq!(caused.tool.as_deref(), Some("mail-api/messages.send"));
    assert_eq!(caused.task, asked.task);
    let cause = caused.detail.get("caused_by").unwrap();
    assert_eq!(cause.get("server").unwrap().as_str(), Some("mail"));
    let calls = cause.get("calls").unwrap().as_array().unwrap();
    assert_eq!(calls[0].as_str(), Some(detail(asked, "call")));
    let outcome = scene.of_kind("outcome").await.remove(0);
    assert!(
        outcome.detail.get("caused_by").is_some(),
        "its outcome says so too"
    );

    // Whoever it adds, wherever it is written, and although the task itself may write to them.
    for (how, field) in [
        ("bcc", "/body/bcc/0"),
        ("instead", "/body/to"),
        ("named", "/body/cc"),
        ("hook", "/body/callback"),
    ] {
        let refused = scene.send(&task, how).await;
        assert!(
            refused.starts_with("403")
                && refused.contains("destination_not_allowed")
                && refused.contains(field),
            "{how}: {refused}"
        );
    }
    let elsewhere = scene.send(&task, "elsewhere").await;
    assert!(elsewhere.contains("403"), "{elsewhere}");
    assert_eq!(scene.upstream.seen().len(), 1, "nothing hidden has left");
    assert_eq!(
        scene.names.asked(),
        ["mail.example"],
        "no name of it was looked up"
    );
    let hidden: Vec<Record> = scene.of_kind("finding").await;
    let hidden: Vec<&Record> = hidden
        .iter()
        .filter(|record| detail(record, "kind") == "hidden_destination")
        .collect();
    let mut places: Vec<&str> = hidden
        .iter()
        .map(|record| detail(record, "destination"))
        .collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places, ["mail:spy@evil.example", "url:https://evil.example/in"]);
    let unreadable = scene.send(&task, "unreadable").await;
    assert!(
        unreadable.starts_with("403") && unreadable.contains("not_inspectable"),
        "{unreadable}"
    );

    // The server's doing is not held against its agent.
    for _ in 0..30 {
        scene.send(&task, "bcc").await;
    }
    assert_eq!(scene.send(&task, "honestly").await, r#"200 {"ok":true}"#);
    // But each refusal is a record, and there is an end to them.
    let last = scene.send(&task, "flood").await;
    assert!(last.contains("403"), "{last}");
    let decisions = scene.of_kind("decision").await.len();
    assert!(scene.send(&task, "honestly").await.contains("403"));
    assert_eq!(
        scene.of_kind("decision").await.len(),
        decisions + 1,
        "the call to it alone"
    );
    assert_eq!(scene.upstream.seen().len(), 2);
}

/// A recipient in a body nobody reads, or inside a mail inside a field; and another amount than the call's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_hides_in_a_body_or_an_amount_does_not_leave() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.add(scene.server(&[])).await;
    let roots = ["mail-api:notes", "mail-api:files", "mail-api:payments"];
    let task = scene.task_on(&["mail/*", "mail-api/*"], &roots).await;
    for (how, reason, at) in [
        ("plain", "not_inspectable", "body"),
        ("multipart", "not_inspectable", "body"),
        ("raw", "destination_not_allowed", "/body/raw"),
        ("overpay", "parameter_violation", "/body/amount"),
    ] {
        let refused = scene.send(&task, how).await;
        assert!(
            refused.starts_with("403") && refused.contains(reason) && refused.contains(at),
            "{how}: {refused}"
        );
    }
    assert_eq!(scene.upstream.seen().len(), 0, "nothing of it has left");
    let found = scene.of_kind("finding").await;
    let mut kinds: Vec<&str> = found.iter().map(|record| detail(record, "kind")).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["hidden_amount", "hidden_destination"]);
    // What its call says it may do: a mail to whom it names, the amount it names, a file whose body is content by its
    // description.
    for how in ["raw-honestly", "upload"] {
        let sent = scene.send(&task, how).await;
        assert!(sent.starts_with("200"), "{how}: {sent}");
    }
    assert_eq!(scene.upstream.seen().len(), 2);
    // Whether it is paid is then up to policy and people.
    let paid = scene.send(&task, "pay").await;
    assert!(
        paid.starts_with("200") || paid.contains("approval_required"),
        "{paid}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_no_way_around() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.add(scene.server(&[])).await;
    let task = scene.task(&["mail/*", "mail-api/*"]).await;
    let abstract_name = format!("remit-contained-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&abstract_name).unwrap();
    let _outside = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    for port in [scene.upstream.port, scene.house.running.address.port()] {
        let arguments = json!({"to": "anna@example.org", "text": "", "how": "around",
            "port": port.to_string(), "abstract": abstract_name});
        let tries = scene.call(&task, "send", arguments).await;
        let tries: Vec<String> = serde_json::from_str(&tries).unwrap();
        assert!(
            tries.len() == 6 && tries.iter().all(|what| what.starts_with("failed")),
            "{tries:?}"
        );
    }
    let attested = scene.of_kind("server.started").await;
    assert!(!attested.is_empty());
    for record in attested {
        assert_eq!(
            record.detail.get("contained").and_then(|v| v.as_bool()),
            Some(true),
            "{record:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_call_nothing_is_sent() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    // When it is looked at, and when it is started for a task: no call can have asked for it.
    scene.add(scene.server(&[("PHONE_HOME", "1")])).await;
    let task = scene.task(&["mail/*", "mail-api/*"]).await;
    let note = scene.house.folder.join("note");
    let arguments = json!({"to": "anna@example.org", "note": note.to_str().unwrap()});
    assert_eq!(scene.call(&task, "later", arguments).await, "will do");
    let mut said = String::new();
    for _ in 0..100 {
        said = std::fs::read_to_string(&note).unwrap_or_default();
        if !said.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(said.contains("403") && !said.contains("200"), "{said}");
    assert!(scene.upstream.seen().is_empty() && scene.names.asked().is_empty());
    let found = scene.of_kind("finding").await;
    let of_task = |record: &&Record| record.task == Some(task.task.id.to_string());
    assert!(
        found
            .iter()
            .all(|record| detail(record, "kind") == "request_without_call")
    );
    assert!(found.iter().any(|record| of_task(&record)) && found.iter().any(|record| !of_task(&record)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_task_does_not_allow_its_servers_do_not_either() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.add(scene.server(&[])).await;
    let task = scene.task(&["mail/*"]).await;
    let refused = scene.send(&task, "honestly").await;
    assert!(
        refused.starts_with("403") && refused.contains("out_of_authority"),
        "{refused}"
    );
    // What waits for a person is no success for a server, which would take it for done.
    let task = scene.task(&["mail/*", "mail-api/*"]).await;
    let held = scene.send(&task, "recall").await;
    assert!(
        held.starts_with("403") && held.contains("approval_required"),
        "{held}"
    );
    assert!(scene.upstream.seen().is_empty());
    let approvals = scene.of_kind("decision").await;
    let held = approvals
        .iter()
        .find(|record| record.decision.as_deref() == Some("hold"))
        .unwrap();
    let approval = remit_server::approvals::vote::get(
        scene.house.app(),
        held.approval.as_ref().unwrap().parse().unwrap(),
    )
    .await
    .unwrap();
    assert!(
        approval.card.contains("server `mail` asks for it"),
        "{}",
        approval.card
    );

    // Redeemed when the call is long over, what is sent still says for which call it was asked.
    remit_server::approvals::vote::approve(
        scene.house.app(),
        approval.approval.id,
        remit_server::approvals::vote::Reach::Once,
        String::new(),
        &name("alice"),
    )
    .await
    .unwrap();
    for _ in 0..500 {
        if !scene.upstream.seen().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(scene.upstream.seen()[0].line, "DELETE /messages/1 HTTP/1.1");
    let recall = |record: &&Record| record.tool.as_deref() == Some("mail-api/messages.recall");
    let asked: Vec<Record> = scene.of_kind("decision").await;
    let asked: Vec<&Record> = asked.iter().filter(recall).collect();
    let cause = asked[0].detail.get("caused_by").unwrap();
    assert_eq!(asked[1].decision.as_deref(), Some("allow"));
    assert_eq!(asked[1].detail.get("caused_by"), Some(cause));
    for _ in 0..500 {
        if scene
            .of_kind("outcome")
            .await
            .iter()
            .any(|record| recall(&record))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let outcomes = scene.of_kind("outcome").await;
    let outcome = outcomes.iter().find(recall).unwrap();
    assert_eq!(outcome.outcome.as_deref(), Some("done"));
    assert_eq!(outcome.detail.get("caused_by"), Some(cause));
}

/// What a server names by an id is looked up for the same calls, and recorded as that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_names_by_an_id_is_looked_up_for_its_call() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.add(scene.server(&[])).await;
    *scene.upstream.answer.lock().unwrap() = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"7\"\r\n".to_owned(),
        r#"{"owner":"anna"}"#.to_owned(),
    );
    let task = scene.task(&["mail/*", "mail-api/*"]).await;
    let listed = scene.send(&task, "list").await;
    assert!(listed.starts_with("200"), "{listed}");
    let seen = scene.upstream.seen();
    let lines: Vec<&str> = seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(lines, ["GET /boxes/7 HTTP/1.1", "GET /boxes/7/messages HTTP/1.1"]);
    assert_eq!(seen[1].header("if-match"), Some("\"7\""));
    let decisions = scene.of_kind("decision").await;
    let (asked, lookup, listed) = (&decisions[0], &decisions[1], &decisions[2]);
    assert_eq!(lookup.tool.as_deref(), Some("mail-api/boxes.get"));
    assert_eq!(detail(lookup, "lookup_for"), "mail-api/boxes.list");
    assert_eq!(listed.resource.as_deref(), Some("mail-api:boxes/anna"));
    for one in [lookup, listed] {
        let cause = one.detail.get("caused_by").unwrap();
        let calls = cause.get("calls").unwrap().as_array().unwrap();
        assert_eq!(calls[0].as_str(), Some(detail(asked, "call")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_holds_placeholders_where_secrets_were() {
    const KEY: &str = "sk-live-4f9a7c1e2b8d6503";
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    let app = scene.house.app();
    let secret = vault::NewSecret {
        name: name("mail-key"),
        system: Some(name("mail-api")),
        account: None,
        value: vault::Given::Value(KEY.to_owned().into()),
    };
    vault::add(app, secret, &name("alice")).await.unwrap();
    let refusal = async |server: NewServer| {
        let refused = servers::add(app, server, &name("alice")).await;
        refused.unwrap_err().to_string()
    };
    let literal = concat!("sk_", "live_", "Zk3vQ9xLm2RtB7wYc5HnD8sJ");
    let clear = refusal(scene.server(&[("MAIL_TOKEN", literal)])).await;
    assert!(
        clear.contains("secret:NAME") && !clear.contains(literal),
        "{clear}"
    );
    let unknown = refusal(scene.server(&[("MAIL_TOKEN", "secret:nothing")])).await;
    assert!(unknown.contains("names no secret"), "{unknown}");
    let mut open = scene.server(&[("MAIL_TOKEN", "secret:mail-key")]);
    open.uncontained = true;
    assert!(refusal(open).await.contains("--uncontained"));

    scene
        .add(scene.server(&[("MAIL_TOKEN", "secret:mail-key")]))
        .await;
    let task = scene.task(&["mail/*", "mail-api/*"]).await;
    let environment = scene.send(&task, "environment").await;
    let mine = broker::placeholder(app, task.task.run, &name("mail-key"));
    assert!(
        environment.contains(&format!("MAIL_TOKEN={mine}")),
        "{environment}"
    );
    assert!(!environment.contains(KEY) && !environment.contains(&task.token));
    assert!(!environment.contains(&broker::decoy(app, task.task.run)));
    assert_eq!(scene.send(&task, "honestly").await, r#"200 {"ok":true}"#);
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        scene.upstream.seen()[0].header("authorization"),
        Some(bearer.as_str())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_and_people_see_who_is_not_contained() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    let mut open = scene.server(&[]);
    open.uncontained = true;
    scene.add(open).await;
    let rule = "@id(\"team.contained\") @message(\"{tool} is served where nobody looks\")\nforbid (principal, action, resource) unless { context.contained };";
    let task = scene.task(&["mail/*", "mail-api/*"]).await;
    let around = json!({"to": "anna@example.org", "text": "", "how": "around", "port": scene.upstream.port.to_string(), "abstract": "x"});
    let tries = scene.call(&task, "send", around.clone()).await;
    assert!(
        tries.starts_with(r#"["connected""#),
        "it has the machine's network: {tries}"
    );
    let mut config = scene.house.app().config.clone();
    let folder = scene.house.folder.join("rules");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("team.cedar"), rule).unwrap();
    config.policy.dir = Some(folder);
    let Scene {
        house,
        upstream,
        names,
    } = scene;
    let house = house.crash_and_restart_with(config).await;
    let scene = Scene {
        house,
        upstream,
        names,
    };
    let params = json!({"name": "send", "arguments": around});
    let (_, answer) = scene
        .house
        .rpc_on("mail", &task.token, "tools/call", params)
        .await;
    assert!(
        answer.to_string().contains("served where nobody looks"),
        "{answer}"
    );
    let world = scene.house.app().world();
    let contained = |server: &str| world.registry.server(&name(server)).unwrap().contained;
    assert!(!contained("mail") && contained("mail-api"));
    drop(Arc::clone(&world));
}
