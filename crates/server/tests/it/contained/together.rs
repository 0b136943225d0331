//! A server that tasks share asks the network while calls of several of them are under way.

use remit_core::authority::{Authority, Budget};
use remit_core::task::Ending;

use super::*;

/// A call that stays under way until it is let go.
struct Idle {
    note: PathBuf,
    working: tokio::task::JoinHandle<String>,
}

impl Idle {
    async fn done(self) -> String {
        std::fs::write(&self.note, "go on").unwrap();
        self.working.await.unwrap()
    }
}

impl Scene {
    async fn shared(&self) {
        let mut server = self.server(&[]);
        server.shareable = true;
        self.add(server).await;
    }

    async fn limited(&self, allow: &[&str], calls: u64) -> Opened {
        let places = ["mail:anna@example.org", "host:mail.example"];
        let mut new = self.house.wish(allow, &[]);
        new.destinations = places.iter().map(|place| place.parse().unwrap()).collect();
        let mut limit = Authority::unbounded();
        limit.budgets.insert(Budget::Calls, calls);
        new.limit = Some(limit);
        remit_server::tasks::open::open(self.house.app(), new, &name("alice"))
            .await
            .unwrap()
    }

    fn calls_used(&self, task: &Opened) -> u64 {
        let id = task.task.id;
        let used = self
            .house
            .app()
            .store
            .read_blocking(move |conn| remit_store::budgets::used(conn, id, &Budget::Calls));
        used.unwrap()
    }

    /// Starts a call of `task` that names `to`, and waits until the server works on it.
    async fn idle(&self, task: &Opened, to: &str) -> Idle {
        self.working(task, to, "idle").await
    }

    fn note(&self, task: &Opened, to: &str) -> PathBuf {
        self.house.folder.join(format!("note-{}-{to}", task.task.id))
    }

    async fn working(&self, task: &Opened, to: &str, how: &str) -> Idle {
        let note = self.note(task, to);
        let arguments = json!({"to": to, "text": "", "how": how, "note": note.to_str().unwrap()});
        let params = json!({"name": "send", "arguments": arguments});
        let (house, token) = (self.house.caller(), task.token.clone());
        let working = tokio::spawn(async move {
            let (_, answer) = house.rpc_on("mail", &token, "tools/call", params).await;
            answer.to_string()
        });
        let started = note.with_file_name(format!("{}.started", note.file_name().unwrap().to_str().unwrap()));
        for _ in 0..1000 {
            if started.exists() {
                return Idle { note, working };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not work on it");
    }

    /// Decisions and outcomes about a request of the server, with their task, in order.
    async fn of_request(&self) -> Vec<(String, String, Record)> {
        let all = self.house.records().await;
        all.into_iter()
            .filter(|record| record.tool.as_deref() == Some("mail-api/messages.send"))
            .map(|record| {
                let what = record.outcome.clone().or_else(|| record.decision.clone());
                (record.task.clone().unwrap(), what.unwrap_or_default(), record)
            })
            .collect()
    }
}

fn told(records: &[(String, String, Record)], task: &Opened) -> Vec<String> {
    let id = task.task.id.to_string();
    let of_task = records.iter().filter(|(of, ..)| *of == id);
    of_task.map(|(_, what, _)| what.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_tasks_have_in_common_is_sent_once_and_recorded_in_each() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.shared().await;
    let one = scene.limited(&["mail/*", "mail-api/*"], 10).await;
    let other = scene.limited(&["mail/*", "mail-api/*"], 10).await;
    let third = scene.task(&["mail/*", "mail-api/*"]).await;
    let idle = scene.idle(&other, "anna@example.org").await;

    assert_eq!(scene.send(&one, "honestly").await, r#"200 {"ok":true}"#);
    assert_eq!(scene.upstream.seen().len(), 1, "sent exactly once");
    let records = scene.of_request().await;
    for task in [&one, &other] {
        assert_eq!(told(&records, task), ["allow", "done"]);
        // Its own call and the request.
        assert_eq!(scene.calls_used(task), 2);
    }
    assert!(
        told(&records, &third).is_empty(),
        "none of its calls was under way"
    );
    for (_, _, record) in &records {
        let cause = record.detail.get("caused_by").unwrap();
        assert_eq!(cause.get("calls").unwrap().as_array().unwrap().len(), 2);
    }
    // The second sending is none: it says under whose decision it left.
    let under: Vec<&str> = records
        .iter()
        .map(|(_, _, record)| detail(record, "sent_under"))
        .collect();
    let first = records[0].2.decision_id.clone().unwrap();
    assert_eq!(under.iter().filter(|id| **id == first).count(), 1, "{under:?}");

    // Whom one of the calls does not name nobody is written to, whoever asks first.
    let stranger = scene.idle(&third, "spy@evil.example").await;
    let refused = scene.send(&one, "honestly").await;
    assert!(
        refused.starts_with("403")
            && refused.contains("destination_not_allowed")
            && refused.contains("/body/to"),
        "{refused}"
    );
    assert!(stranger.done().await.contains("was idle"));
    assert_eq!(scene.send(&one, "honestly").await, r#"200 {"ok":true}"#);
    assert!(idle.done().await.contains("was idle"));
    assert_eq!(scene.send(&one, "honestly").await, r#"200 {"ok":true}"#);
    let records = scene.of_request().await;
    assert_eq!(
        told(&records, &other),
        ["allow", "done", "allow", "done"],
        "alone again"
    );
    assert_eq!(scene.upstream.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_of_them_does_not_allow_is_not_sent_and_nothing_is_left_of_it() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.shared().await;
    // Decided first, and allowed.
    let one = scene.limited(&["mail/*", "mail-api/*"], 3).await;
    let narrow = scene.task(&["mail/*"]).await;
    let idle = scene.idle(&narrow, "anna@example.org").await;
    let refused = scene.send(&one, "honestly").await;
    assert!(
        refused.starts_with("403") && refused.contains("out_of_authority"),
        "{refused}"
    );
    let records = scene.of_request().await;
    assert_eq!(told(&records, &one), ["allow", "failed"]);
    assert_eq!(told(&records, &narrow), ["deny"]);
    let failed = &records.iter().find(|(_, what, _)| what == "failed").unwrap().2;
    let why = detail(failed, "why");
    assert!(
        why.starts_with("not sent") && why.contains(&narrow.task.id.to_string()),
        "{why}"
    );
    assert_eq!(scene.calls_used(&one), 1, "what was not sent is given back");
    let id = one.task.id;
    let open = scene
        .house
        .app()
        .store
        .read_blocking(move |conn| remit_store::calls::open_of(conn, id));
    assert_eq!(open.unwrap().len(), 0);
    idle.done().await;

    // What one of them would ask people about nobody is asked: they would agree for their own task alone.
    let other = scene.task(&["mail/*", "mail-api/*"]).await;
    let idle = scene.idle(&other, "anna@example.org").await;
    let refused = scene.send(&one, "recall").await;
    assert!(
        refused.starts_with("403") && refused.contains("approval_required"),
        "{refused}"
    );
    let waiting = [one.task.id, other.task.id].map(|task| {
        let pending = remit_core::approval::ApprovalState::Pending;
        let store = &scene.house.app().store;
        let found = store.read_blocking(move |conn| remit_store::approvals::of_task(conn, task, pending));
        found.unwrap().len()
    });
    assert_eq!(waiting, [0, 0]);
    idle.done().await;
    assert!(scene.upstream.seen().is_empty() && scene.names.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_one_of_them_cuts_what_is_under_way_for_all() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.shared().await;
    let one = scene.task(&["mail/*", "mail-api/*"]).await;
    let other = scene.task(&["mail/*", "mail-api/*"]).await;
    let idle = scene.idle(&other, "anna@example.org").await;
    scene
        .upstream
        .is_silent
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let ending = async {
        for _ in 0..1000 {
            if !scene.upstream.seen().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(scene.upstream.seen().len(), 1, "it is under way");
        let ended = scene.house.app().clock.boot();
        remit_server::tasks::end::done(
            scene.house.app(),
            other.task.id,
            Ending::Completed,
            &name("alice"),
        )
        .await
        .unwrap();
        ended
    };
    let (sent, ended) = tokio::join!(scene.send(&one, "honestly"), ending);
    assert!(!sent.starts_with("200"), "{sent}");
    let took = scene.house.app().clock.boot().0 - ended.0;
    assert!(took < 5000, "cut after {took} ms");
    for _ in 0..500 {
        if scene.of_request().await.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let records = scene.of_request().await;
    for task in [&one, &other] {
        assert_eq!(told(&records, task), ["allow", "indeterminate"]);
    }
    // The other one goes on.
    idle.working.abort();
    std::fs::write(&idle.note, "go on").unwrap();
    scene
        .upstream
        .is_silent
        .store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(scene.send(&one, "honestly").await, r#"200 {"ok":true}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_made_for_one_of_them_is_used_for_the_others() {
    const KEY: &str = "sk-live-4f9a7c1e2b8d6503";
    let mut config: Config = toml::from_str(
        "[credentials.cloud]\nbackend = 'aws-sts'\nsystem = 'mail-api'\nrole = 'arn:aws:iam::123456789012:role/agents'",
    )
    .unwrap();
    config.hold.wait = "100ms".to_owned();
    let Some(scene) = Scene::open_with(config).await else {
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
    scene.shared().await;
    let one = scene.task(&["mail/*", "mail-api/*"]).await;
    let other = scene.task(&["mail/*", "mail-api/*"]).await;
    let idle = scene.idle(&other, "anna@example.org").await;
    let note = scene.house.folder.join("token");
    let carrying = async |placeholder: &str| {
        std::fs::write(&note, placeholder).unwrap();
        let arguments = json!({"to": "anna@example.org", "text": "hello", "how": "carrying", "note": note.to_str().unwrap()});
        scene.call(&one, "send", arguments).await
    };
    for task in [&one, &other] {
        let lent = carrying(&broker::placeholder(app, task.task.run, &name("cloud"))).await;
        assert!(
            lent.starts_with("403")
                && lent.contains("foreign_credential")
                && lent.contains("made for one task"),
            "{lent}"
        );
    }
    let minted = scene.send(&one, "mint").await;
    assert!(
        minted.starts_with("403") && minted.contains("credential of one task"),
        "{minted}"
    );
    let listed = scene.send(&one, "list").await;
    assert!(
        listed.starts_with("403") && listed.contains("looked up for one task"),
        "{listed}"
    );
    let foreign = carrying("remit-placeholder-00000000000000000000000000000000").await;
    assert!(foreign.contains("foreign_credential"), "{foreign}");
    assert!(scene.upstream.seen().is_empty());

    // A secret of the system belongs to none of them.
    for (sent, task) in [&one, &other].into_iter().enumerate() {
        let placeholder = broker::placeholder(app, task.task.run, &name("mail-key"));
        assert_eq!(carrying(&placeholder).await, r#"200 {"ok":true}"#);
        let bearer = format!("Bearer {KEY}");
        assert_eq!(
            scene.upstream.seen()[sent].header("authorization"),
            Some(bearer.as_str())
        );
        let id = task.task.id;
        let leases = app
            .store
            .read_blocking(move |conn| remit_store::leases::of_task(conn, id));
        assert_eq!(leases.unwrap().len(), 1, "each has its lease");
    }
    // Whose decoy it is, is suspended; it is not the one who asks.
    carrying(&broker::decoy(app, other.task.run)).await;
    let suspended = scene.of_kind("task.suspend").await;
    assert_eq!(suspended.len(), 1, "{suspended:?}");
    assert_eq!(suspended[0].task, Some(other.task.id.to_string()));
    idle.working.abort();
    std::fs::write(&idle.note, "go on").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_begun_before_is_held_to_what_came_under_way_meanwhile() {
    let Some(scene) = Scene::open("100ms").await else {
        return;
    };
    scene.shared().await;
    let one = scene.task(&["mail/*", "mail-api/*"]).await;
    let other = scene.task(&["mail/*", "mail-api/*"]).await;
    // Its head is there, its body is not: what the other's call brings could still be put into it.
    let slow = scene.working(&one, "anna@example.org", "slowly").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let idle = scene.idle(&other, "spy@evil.example").await;
    let said = slow.done().await;
    assert!(
        said.contains("403 ") && said.contains("destination_not_allowed"),
        "{said}"
    );
    idle.done().await;
    assert!(scene.upstream.seen().is_empty());
    // Alone it is sent.
    std::fs::remove_file(scene.note(&one, "anna@example.org")).unwrap();
    let slow = scene.working(&one, "anna@example.org", "slowly").await;
    assert!(slow.done().await.contains("200 "));
    assert_eq!(scene.upstream.seen().len(), 1);
}
