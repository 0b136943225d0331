//! Files that are no scenarios: refused before anything runs, with line, cause and remedy.

use crate::house::{WORLD, run, scratch};

/// Text after the world, the line within it, and a part of the sentence.
const BAD: &[(&str, usize, &str)] = &[
    (
        "  - call: fs/read_file\n    expct: allow\n",
        2,
        "unknown key `expct`, did you mean `expect`?",
    ),
    ("  - call: fs/read_file\n", 1, "`expect` is missing; add it"),
    (
        "  - call: fs/read_file\n    expect: alow\n",
        2,
        "did you mean `allow`?",
    ),
    (
        "  - call: fs/read_file\n    expect: deny\n",
        1,
        "needs the `reason` that must cause it",
    ),
    (
        "  - call: fs/read_file\n    expect: deny\n    reason: frozen\n",
        1,
        "unknown reason `frozen`",
    ),
    (
        "  - call: read_file\n    expect: allow\n",
        1,
        "write `server/tool`",
    ),
    (
        "  - call: gs/read_file\n    expect: allow\n",
        1,
        "unknown server `gs`, did you mean `fs`?",
    ),
    (
        "  - call: fs/read_file\n    with: [a]\n    expect: allow\n",
        2,
        "a map is expected here, not a list",
    ),
    (
        "  - call: fs/read_file\n    with: {path: a, path: b}\n    expect: allow\n",
        2,
        "`path` is given twice",
    ),
    (
        "  - call: fs/read_file\n    with: {}\n    raw: '{}'\n    expect: allow\n",
        1,
        "either in `with` or in `raw`",
    ),
    (
        "  - call: fs/read_file\n    run: wrok\n    expect: allow\n",
        1,
        "unknown task `wrok`, did you mean `work`?",
    ),
    (
        "  - call: fs/read_file\n    repeat: many\n    expect: allow\n",
        2,
        "expected u32",
    ),
    (
        "  - approve: held\n    by: grace\n",
        1,
        "unknown call (the `as` of an earlier step) `held`",
    ),
    (
        "  - call: fs/delete_file\n    expect: hold\n    as: a\n  - approve: a\n    by: bob\n",
        4,
        "unknown human `bob`",
    ),
    (
        "  - call: fs/delete_file\n    expect: hold\n    as: a\n  - approve: a\n    by: ada\n    times: 2\n    for: 1h\n",
        4,
        "at most one of",
    ),
    (
        "  - begin: fs/delete_file\n    as: a\n",
        0,
        "begun and never joined",
    ),
    ("  - join: a\n    expect: allow\n", 1, "`begin` it above"),
    ("  - freeze: fs:/srv\n", 1, "either `until` or `for`"),
    ("  - freeze: fs:/srv\n    for: soon\n", 2, "not a length of time"),
    ("  - freeze: fs:/srv\n    until: tomorrow\n", 2, "not a moment"),
    ("  - clock: 5\n", 1, "text (put it in quotes) is expected here"),
    ("  - file: ../etc/passwd\n", 1, "outside the scenario's folder"),
    (
        "  - file: a\n    clock: 1h\n",
        2,
        "`file` and `clock` are two steps",
    ),
    ("  - sleep: 1h\n", 1, "this step has no verb"),
    (
        "  - task show: work\n    state: closed\n",
        1,
        "unknown state `closed`",
    ),
    (
        "  - policy apply: {../rules.cedar: permit}\n",
        1,
        "not the name of a policy file",
    ),
    (
        "  - change: fs\n    tools: [{name: x}]\n",
        1,
        "`name` and `inputSchema`",
    ),
    ("steps: []\n", 1, "given twice"),
];

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let above = WORLD.lines().count();
    for (number, (tail, line, part)) in BAD.iter().enumerate() {
        let file = scratch(&format!("bad-{number}"), &format!("{WORLD}{tail}"));
        let (summary, text) = run(std::slice::from_ref(&file.0), false).await;
        assert_eq!(summary.exit_code(), 2, "{tail}: {text}");
        let said = text.lines().next().unwrap();
        assert!(said.starts_with("BAD ") && said.contains(part), "{tail}: {said}");
        let place = format!("{}:{}", file.0.display(), above + line);
        assert!(
            *line == 0 || said.contains(&format!("{place}:")),
            "{tail}: {said}"
        );
        assert_eq!(text.lines().last(), Some("0 passed, 1 failed"));
    }
}

#[tokio::test]
async fn one_bad_file_does_not_stop_the_others_and_json_says_where() {
    let bad = scratch(
        "bad-json",
        "scenario: x\nsteps:\n  - call: fs/x\n    expect: allow\n",
    );
    let missing = std::env::temp_dir().join("remit-scenario-test-that-is-not-there.yaml");
    let (summary, text) = run(&[missing, bad.0.clone()], true).await;
    assert_eq!((summary.bad, summary.failed, summary.passed), (2, 2, 0));
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["result"], "bad");
    assert_eq!(lines[1]["line"], 3);
    assert!(
        lines[1]["message"]
            .as_str()
            .unwrap()
            .contains("unknown server `fs`"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], serde_json::json!({ "passed": 0, "failed": 2 }));
}
