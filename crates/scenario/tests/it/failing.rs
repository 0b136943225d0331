//! A runner that cannot fail proves nothing: each of these expectations is wrong, and must be found in its line.

use crate::house::{WORLD, run, scratch};

const READ: &str = "  - call: fs/read_file\n    with: {path: /srv/a}\n";
const DELETE: &str = "  - call: fs/delete_file\n    with: {path: /srv/a}\n    expect: hold\n    as: held\n";

/// Steps before, the wrong step, and a part of what must be said about it.
const WRONG: &[(&str, &str, &str)] = &[
    (
        READ,
        "    expect: deny\n    reason: out_of_authority\n",
        "happened  allow, reason permitted",
    ),
    (READ, "    expect: hold\n", "happened  allow, reason permitted"),
    (READ, "    expect: flag\n", "expected  expect: flag"),
    (
        READ,
        "    expect: allow\n    text: bye\n",
        "happened  the answer `hello`",
    ),
    (
        READ,
        "    expect: allow\n    text_contains: bye\n",
        "expected  text_contains: bye",
    ),
    (
        READ,
        "    expect: allow\n    text_lacks: ell\n",
        "expected  text_lacks: ell",
    ),
    (
        READ,
        "    expect: allow\n    rule: baseline.delete\n",
        "expected  rule: baseline.delete",
    ),
    (
        READ,
        "    expect: allow\n    tier: approve\n",
        "happened  tier auto",
    ),
    (
        READ,
        "    expect: allow\n    reached: 0\n",
        "happened  1 reached it",
    ),
    (
        READ,
        "    expect: allow\n    fails: true\n",
        "expected  fails: true",
    ),
    (READ, "    expect: allow\n    status: 404\n", "happened  HTTP 200"),
    (
        "  - call: fs/read_file\n    with: {path: /etc/a}\n",
        "    expect: allow\n",
        "deny, reason out_of_authority",
    ),
    (
        "  - call: fs/read_file\n    with: {path: /etc/a}\n",
        "    expect: deny\n    reason: freeze\n",
        "expected  reason: freeze",
    ),
    (
        "  - call: fs/read_file\n    with: {path: /etc/a}\n",
        "    expect: deny\n    reason: out_of_authority\n    message_contains: purple\n",
        "expected  message_contains: purple",
    ),
    (
        "  - list: tools\n    server: fs\n",
        "    names: [read_file]\n",
        "listed: [\"delete_file\", \"read_file\"]",
    ),
    (
        "  - list: tools\n    server: fs\n",
        "    excludes: [read_file]\n",
        "expected  excludes: read_file",
    ),
    ("  - upstream: fs\n", "    received: 1\n", "happened  0 of these"),
    ("  - file: nothing.txt\n", "", "it is not there"),
    (
        "  - records: {type: decision, decision: deny}\n",
        "",
        "none among",
    ),
    ("  - task show: work\n", "    state: expired\n", "it is open"),
    ("  - task done: work\n", "    by: grace\n", "refused, forbidden"),
    (
        "  - task done: work\n",
        "    expect: deny\n",
        "happened  accepted",
    ),
    ("  - engine: start\n", "", "running already"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_expectation_is_found_in_its_line() {
    let above = WORLD.lines().count();
    for (number, (step, wrong, part)) in WRONG.iter().enumerate() {
        let file = scratch(
            &format!("wrong-{number}"),
            &format!("{WORLD}  - verify: ledger\n{step}{wrong}"),
        );
        let (summary, text) = run(std::slice::from_ref(&file.0), false).await;
        assert_eq!(summary.exit_code(), 1, "{step}{wrong}: {text}");
        assert!(text.contains(part), "{step}{wrong}: {text}");
        let place = format!("{}:{}: ", file.0.display(), above + 2);
        assert!(text.contains(&place), "{step}{wrong}: {text}");
        assert_eq!(text.lines().last(), Some("0 passed, 1 failed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_what_was_decided_and_ends_the_file() {
    let text = format!("{WORLD}{DELETE}  - card: held\n    contains: purple\n  - verify: ledger\n");
    let file = scratch("card", &text);
    let (summary, said) = run(std::slice::from_ref(&file.0), true).await;
    assert_eq!(summary.exit_code(), 1, "{said}");
    let line: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(line["result"], "failed");
    assert_eq!(line["steps"], 2);
    assert_eq!(line["failures"][0]["line"], WORLD.lines().count() + 5);
    assert_eq!(line["failures"][0]["step"], "card held");
    assert!(
        line["failures"][0]["happened"]
            .as_str()
            .unwrap()
            .contains("fs:/srv/a"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_is_refused_fails_with_its_line() {
    let text = WORLD.replace("roles: [initiator]", "roles: [auditor]");
    let file = scratch("setup", &format!("{text}  - verify: ledger\n"));
    let (summary, said) = run(std::slice::from_ref(&file.0), false).await;
    assert_eq!(summary.exit_code(), 1);
    let line = WORLD
        .lines()
        .position(|line| line.starts_with("  work:"))
        .unwrap()
        + 1;
    assert!(said.contains(&format!(":{line}: task work")), "{said}");
    assert!(said.contains("needs the role `initiator`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_that_reaches_a_server_fails_the_file() {
    let text = format!(
        "{WORLD}{}    expect: allow\n",
        READ.replace("/srv/a", "/srv/canary-0123")
    );
    let text = text.replace("\ntasks:", "\nsecrets:\n  key: {value: canary-0123}\ntasks:");
    let file = scratch("secret", &text);
    let (summary, said) = run(std::slice::from_ref(&file.0), false).await;
    assert_eq!(summary.exit_code(), 1, "{said}");
    assert!(said.contains("it reached the server fs"), "{said}");
}
