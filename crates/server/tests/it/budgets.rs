//! Budgets as calls meet them: money in forms, rows of a database, and the one call a person lets go beyond.

use remit_core::authority::{ArgumentRef, Authority, Bound, Budget};
use remit_server::approvals::vote::{self, Reach};
use remit_server::egress::systems::{self, NewSystem};
use remit_server::tasks::open::Opened;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::databases::Erp;
use crate::house::{House, decision, dial, name};
use crate::upstream_stub::{Names, Upstream, environment};

const BANK: &str = r#"
title = "A bank with forms"
[[operations]]
name = "pay"
call = "POST /payouts"
class = "write"
body = "form"
resources = ["payouts"]
[operations.fields]
"body.amount" = { type = "integer", role = "amount" }
"body.currency" = "string"
"#;

struct Bank {
    house: House,
    upstream: Upstream,
}

impl Bank {
    async fn open() -> Self {
        let house = House::open("100ms").await;
        let upstream = Upstream::start(None).await;
        let roots = rustls::RootCertStore::empty();
        let names = Names::default();
        house.app().dialler.set(environment(&names, roots)).ok().unwrap();
        let new = NewSystem {
            description: Some(BANK.to_owned()),
            hosts: vec!["bank.example".to_owned()],
            scheme: Some("http".to_owned()),
            port: Some(upstream.port),
            allow_private: true,
            ..NewSystem::default()
        };
        systems::add(house.app(), &name("bank"), &new, &name("alice"))
            .await
            .unwrap();
        Self { house, upstream }
    }

    async fn task(&self, budget: Option<u64>, bounds: Vec<Bound>) -> Opened {
        self.task_with(budget, bounds, None).await
    }

    async fn task_with(&self, budget: Option<u64>, bounds: Vec<Bound>, calls: Option<u64>) -> Opened {
        let amount = ArgumentRef {
            tool: "bank/pay".parse().unwrap(),
            pointer: "/body/amount".to_owned(),
        };
        let mut limit = Authority::unbounded();
        if let Some(max) = budget {
            limit.budgets.insert(Budget::Sum(amount.clone()), max);
        }
        limit.budgets.extend(calls.map(|max| (Budget::Calls, max)));
        if !bounds.is_empty() {
            limit.bounds.insert(amount, bounds);
        }
        let mut wish = self.house.wish(&["bank/pay"], &["bank:payouts"]);
        wish.limit = Some(limit);
        remit_server::tasks::open::open(self.house.app(), wish, &name("alice"))
            .await
            .unwrap()
    }

    /// One payment: status and body.
    async fn pay(&self, task: &Opened, form: &str) -> (u16, Value) {
        let address = self.house.running.address;
        let mut stream = dial(address).await;
        let request = format!(
            "POST /egress/bank/payouts HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
            task.token,
            form.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer
            .find('{')
            .map(|at| &answer[at..=answer.rfind('}').unwrap()]);
        let body = body.and_then(|text| serde_json::from_str(text).ok());
        (status, body.unwrap_or(Value::Null))
    }

    fn paid(&self) -> usize {
        self.upstream.seen().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amounts_in_forms_count() {
    let bank = Bank::open().await;
    let task = bank.task(Some(500), Vec::new()).await;
    let (status, body) = bank.pay(&task, "amount=300&currency=eur").await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = bank.pay(&task, "amount=300").await;
    assert_eq!(status, 202, "{body}");
    assert!(
        body.to_string().contains("300 of 500 used, 300 more asked"),
        "{body}"
    );
    // What is read in two ways, or left to the other side, counts as everything.
    for form in [
        "amount=1e2",
        "amount=%20100",
        "currency=eur",
        "amount=100&amount=1",
        "amount=-5",
    ] {
        let (status, body) = bank.pay(&task, form).await;
        assert_ne!(status, 200, "{form}: {body}");
    }
    let (_, odd) = bank.pay(&task, "amount=1e2&currency=usd").await;
    assert!(odd.to_string().contains("cannot be told"), "{odd}");
    let (status, body) = bank.pay(&task, "amount=199.50").await;
    assert_eq!(status, 200, "{body}");
    let (status, _) = bank.pay(&task, "amount=1").await;
    assert_eq!(status, 202, "rounded up, nothing is left");
    assert_eq!(bank.paid(), 2);
}

/// A yes is for what the card showed: another budget that ran out meanwhile is asked about anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_lifts_what_was_on_the_card_and_nothing_else() {
    let bank = Bank::open().await;
    let task = bank.task_with(Some(500), Vec::new(), Some(2)).await;
    assert_eq!(bank.pay(&task, "amount=300").await.0, 200);
    let (status, held) = bank.pay(&task, "amount=300&currency=eur").await;
    assert_eq!(status, 202, "{held}");
    assert_eq!(bank.pay(&task, "amount=100").await.0, 200);
    let approve = async |held: &Value| {
        let approval = held["approval_id"].as_str().unwrap().parse().unwrap();
        vote::approve(
            bank.house.app(),
            approval,
            Reach::Once,
            String::new(),
            &name("alice"),
        )
        .await
    };
    approve(&held).await.unwrap();
    let app = bank.house.app();
    let again = loop {
        let pending = app
            .store
            .read_blocking(|conn| {
                remit_store::approvals::in_state(conn, remit_core::approval::ApprovalState::Pending, 10)
            })
            .unwrap();
        if let Some(again) = pending.into_iter().next() {
            break again;
        }
        assert_eq!(bank.paid(), 2, "it went beyond a budget nobody saw");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(bank.paid(), 2);
    for said in [
        "400 of 500 used, 300 more asked",
        "calls: 2 of 2 used, 1 more asked",
    ] {
        assert!(again.card.contains(said), "{}", again.card);
    }
    let id = again.approval.id.to_string();
    approve(&json!({"approval_id": id})).await.unwrap();
    for _ in 0..500 {
        if bank.paid() == 3 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it was agreed to and not done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amounts_in_forms_keep_their_bounds() {
    let bank = Bank::open().await;
    let bounds = vec![Bound::Max(400), Bound::Min(1)];
    let task = bank.task(None, bounds).await;
    let (status, body) = bank.pay(&task, "amount=400").await;
    assert_eq!(status, 200, "{body}");
    for form in [
        "amount=401",
        "amount=0",
        "amount=4e1",
        "amount=0400",
        "currency=eur",
    ] {
        let (status, body) = bank.pay(&task, form).await;
        assert_eq!(status, 403, "{form}: {body}");
        assert_eq!(body["reason"], "parameter_violation", "{form}: {body}");
    }
    // Without any bound a plain amount in a form is nothing people have to look at.
    let free = bank.task(None, Vec::new()).await;
    assert_eq!(bank.pay(&free, "amount=700").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_counted_and_never_overrun() {
    let Some(erp) = Erp::open(true).await else { return };
    erp.count("WITH x AS (INSERT INTO invoices (amount) SELECT g FROM generate_series(1, 8) g RETURNING 1) SELECT 10::bigint")
        .await;
    let task = async |tools: &[&str], rows: u64| {
        let mut wish = erp.house.wish(tools, &["erp:public"]);
        let mut limit = Authority::unbounded();
        limit.budgets.insert(Budget::Rows(name("erp")), rows);
        wish.limit = Some(limit);
        remit_server::tasks::open::open(erp.house.app(), wish, &name("alice"))
            .await
            .unwrap()
    };
    let rows = |answer: &Value| answer["structuredContent"]["rows"].as_array().map(Vec::len);

    let reading = task(&["erp/db.query"], 7).await;
    let some = erp.sql(&reading.token, "SELECT id FROM invoices LIMIT 4").await;
    assert_eq!(rows(&some), Some(4), "{some}");
    let rest = erp.sql(&reading.token, "SELECT id FROM invoices").await;
    assert_eq!(rows(&rest), Some(3), "what is left is what is given: {rest}");
    assert_eq!(rest["structuredContent"]["truncated"], true);
    let over = erp.sql(&reading.token, "SELECT amount FROM invoices").await;
    assert_eq!(decision(&over)["decision"], "hold", "{over}");
    let message = decision(&over)["message"].as_str().unwrap();
    assert!(message.contains("rows erp: 7 of 7 used"), "{message}");

    // A person lets that one go; what comes after it waits again.
    let approval = decision(&over)["approval_id"].as_str().unwrap().parse().unwrap();
    vote::approve(
        erp.house.app(),
        approval,
        Reach::Once,
        String::new(),
        &name("alice"),
    )
    .await
    .unwrap();
    let beyond = erp.sql(&reading.token, "SELECT amount FROM invoices").await;
    assert_eq!(rows(&beyond), Some(10), "{beyond}");
    let next = erp.sql(&reading.token, "SELECT secret FROM invoices").await;
    assert_eq!(decision(&next)["decision"], "hold", "{next}");
    let records = erp.house.records().await;
    let beyond = records
        .iter()
        .find(|record| record.detail.contains_key("overruns"))
        .unwrap();
    assert_eq!(beyond.decision.as_deref(), Some("allow"));

    let writing = task(&["erp/db.write"], 3).await;
    let many = "INSERT INTO suppliers (name) VALUES ('a'), ('b'), ('c'), ('d')";
    let refused = erp.sql(&writing.token, many).await;
    assert!(refused.to_string().contains("nothing was changed"), "{refused}");
    assert_eq!(erp.count("SELECT count(*) FROM suppliers").await, 0);
    let few = erp
        .sql(&writing.token, "INSERT INTO suppliers (name) VALUES ('a'), ('b')")
        .await;
    assert_eq!(few["structuredContent"]["row_count"], 2, "{few}");
    let (_, shown) = erp
        .house
        .rpc_on(
            "erp",
            &writing.token,
            "tools/call",
            json!({"name": "remit__task", "arguments": {}}),
        )
        .await;
    assert!(shown.to_string().contains("\"rows:erp\":1"), "{shown}");
}
