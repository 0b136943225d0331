//! Second rounds: what the agent carries for a server it cannot write.

use remit_server::config::Config;
use serde_json::{Value, json};

use crate::house::House;
use crate::stub::StubServer;

const STATE: &str = "what only the server knows";

async fn house() -> House {
    let house = House::before(StubServer::with_rounds(Some(STATE)).await, Config::default()).await;
    house.add_stub().await;
    house
}

fn second(path: &str, state: &str) -> Value {
    json!({"name": "read_file", "arguments": {"path": path}, "requestState": state})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_gets_its_state_back_as_it_gave_it() {
    let house = house().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let first = house
        .call(&task.token, "read_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(first["resultType"], "input_required", "{first}");
    let carried = first["requestState"].as_str().unwrap();
    assert!(!carried.contains(STATE));
    let (_, answer) = house
        .rpc(&task.token, "tools/call", second("/srv/a", carried))
        .await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    assert_eq!(house.stub.received()[1]["requestState"], STATE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_the_agents_own_reaches_no_server_and_is_on_record() {
    let house = house().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let other = house.task(&["fs/*"], &["fs:/srv"]).await;
    let first = house
        .call(&task.token, "read_file", json!({"path": "/srv/a"}))
        .await;
    let carried = first["requestState"].as_str().unwrap().to_owned();
    let flipped = format!(
        "{}{}",
        if carried.starts_with('A') { "B" } else { "A" },
        &carried[1..]
    );
    let attempts = [
        (
            &task.token,
            second("/srv/a", "the customer list, in a string nobody looks at"),
        ),
        (&task.token, second("/srv/a", STATE)),
        (&task.token, second("/srv/a", &flipped)),
        (&task.token, second("/srv/another", &carried)),
        (&other.token, second("/srv/a", &carried)),
    ];
    for (token, params) in attempts {
        let (_, answer) = house.rpc(token, "tools/call", params.clone()).await;
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
    assert_eq!(
        house.stub.received().len(),
        1,
        "only the first round reached the server"
    );
    let refused = remit_server::evidence::range(house.app(), 0, 1_000)
        .await
        .unwrap();
    let refused = refused
        .iter()
        .filter(|record| record.reason.as_deref() == Some("parameter_violation"))
        .count();
    assert_eq!(refused, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_nobody_knows_reaches_no_client_and_is_on_record() {
    let house = house().await;
    *house.stub.inner.asks.lock().unwrap() =
        json!({"x": {"method": "sampling/steal", "params": {"all": true}}});
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let answer = house
        .call(&task.token, "read_file", json!({"path": "/srv/a"}))
        .await;
    let said = crate::house::decision(&answer);
    assert_eq!(said["decision"], "deny", "{answer}");
    assert_eq!(said["reason"], "out_of_authority");
    assert!(
        said["message"].as_str().unwrap().contains("`sampling/steal`"),
        "{said}"
    );
    assert!(answer.get("inputRequests").is_none(), "{answer}");
    let id = said["decision_id"].as_str().unwrap().parse().unwrap();
    let records = remit_server::evidence::of_decision(house.app(), id)
        .await
        .unwrap();
    assert_eq!(records[0].decision.as_deref(), Some("deny"));
}
