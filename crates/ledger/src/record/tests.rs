//! Leaves: round trip, refusals, and the scanner held to the domain's own JSON reader.

use proptest::prelude::*;
use remit_core::json::Value;

use super::encode::LEAF;
use super::scan::scan;
use super::*;

fn full() -> Record {
    let text = |text: &str| Some(text.to_owned());
    let detail = br#"{"a":{"\n":null,"b":1.5},"z\u20ac":"\u0000\ud83e\udd80"}"#;
    let detail = json::parse(detail, &LEAF).unwrap().as_object().unwrap().clone();
    Record {
        seq: 7,
        time: Timestamp(1_790_000_000_123),
        kind: "decision".to_owned(),
        decision_id: text("dec_1"),
        task: text("task_1"),
        run: text("run_1"),
        agent: text("triage"),
        initiator: text("ada \u{1b}[31m\"\\"),
        chain: vec!["ada".to_owned(), "triage\n".to_owned()],
        tool: text("tracker/create"),
        class: text("write"),
        resource: text("tracker:shop"),
        decision: text("allow"),
        reason: text("permitted"),
        rules: vec!["r1".to_owned()],
        policy_version: text("3"),
        approval: text("apr_1"),
        lane: text("enforced"),
        labels: vec!["secret".to_owned()],
        outcome: text("done"),
        confinement: text("landlock"),
        proof: text("peer"),
        origin: text("retry 2"),
        digest: Some(Digest::of(b"call")),
        commitment: Some(Digest::of(b"salt")),
        body: Some(Digest::of(b"body")),
        detail,
    }
}

fn small() -> Record {
    Record {
        kind: "task_open".to_owned(),
        ..Record::default()
    }
}

#[test]
fn records_round_trip_and_are_canonical() {
    for record in [full(), small()] {
        let leaf = record.encode().unwrap();
        assert_eq!(Record::decode(&leaf).unwrap(), record);
        assert_eq!(json::parse(&leaf, &LEAF).unwrap().to_canonical(), leaf);
        let facts = scan(&leaf).unwrap();
        assert_eq!(
            (facts.seq, facts.time_ms),
            (record.seq, record.time.0.unsigned_abs())
        );
    }
    assert_eq!(
        small().encode().unwrap(),
        br#"{"seq":0,"time":0,"type":"task_open","v":1}"#
    );
}

#[test]
fn a_leaf_holds_no_line_break_and_no_escape_sequence() {
    let leaf = full().encode().unwrap();
    assert!(leaf.iter().all(|&byte| byte >= 0x20), "controls are escaped");
}

#[test]
fn what_cannot_be_a_leaf_is_not_written() {
    let refused = |change: fn(&mut Record)| {
        let mut record = small();
        change(&mut record);
        record.encode().unwrap_err()
    };
    assert!(matches!(
        refused(|r| r.task = Some(String::new())),
        RecordError::Member { member: "task", .. }
    ));
    assert!(matches!(
        refused(|r| r.rules = vec![String::new()]),
        RecordError::Member { member: "rules", .. }
    ));
    assert!(matches!(
        refused(|r| r.kind = "Decision".to_owned()),
        RecordError::Member { member: "type", .. }
    ));
    assert!(matches!(
        refused(|r| r.time = Timestamp(-1)),
        RecordError::Member { member: "time", .. }
    ));
    assert!(matches!(
        refused(|r| r.seq = u64::MAX),
        RecordError::Member { member: "seq", .. }
    ));
    assert!(matches!(
        refused(|r| r.task = Some("x".repeat(70_000))),
        RecordError::TooLong(_)
    ));
    let relayed = json::parse(b"1.50", &json::Bounds::RESPONSE).unwrap();
    let mut record = small();
    record.detail.insert("amount", relayed);
    assert_eq!(record.encode(), Err(RecordError::NotCanonical));
}

#[test]
fn what_is_not_a_leaf_is_not_read() {
    let refused = |leaf: &str| Record::decode(leaf.as_bytes()).unwrap_err();
    assert!(matches!(
        refused(r#"{"seq":0,"time":0,"type":"x"}"#),
        RecordError::Missing("v")
    ));
    assert!(matches!(
        refused(r#"{"seq":0,"time":0,"type":"x","v":2}"#),
        RecordError::Format(_)
    ));
    assert!(matches!(
        refused(r#"{"seq":0,"type":"x","v":1}"#),
        RecordError::Missing("time")
    ));
    assert!(matches!(
        refused(r#"{"agnet":"a","seq":0,"time":0,"type":"x","v":1}"#),
        RecordError::Unknown(_)
    ));
    assert!(matches!(
        refused(r#"{"seq":0, "time":0,"type":"x","v":1}"#),
        RecordError::NotCanonical
    ));
    assert!(matches!(
        refused(r#"{"seq":0,"seq":0,"time":0,"type":"x","v":1}"#),
        RecordError::Json(_)
    ));
    assert!(matches!(
        refused(r#"{"seq":-1,"time":0,"type":"x","v":1}"#),
        RecordError::Member { .. }
    ));
    assert!(matches!(
        refused(r#"{"agent":"","seq":0,"time":0,"type":"x","v":1}"#),
        RecordError::Member { .. }
    ));
    assert!(matches!(
        refused(r#"{"digest":"x","seq":0,"time":0,"type":"x","v":1}"#),
        RecordError::Member { .. }
    ));
    assert!(matches!(
        refused(r#"{"rules":[],"seq":0,"time":0,"type":"x","v":1}"#),
        RecordError::Member { .. }
    ));
    assert!(matches!(refused("[]"), RecordError::Missing("v")));
    assert!(matches!(refused(&"x".repeat(65_536)), RecordError::TooLong(_)));
}

#[test]
fn the_scanner_says_where() {
    let at = |leaf: &str| scan(leaf.as_bytes()).unwrap_err().offset;
    assert_eq!(at(r#"{"seq":0,"time":0,"type":"x","v":1} "#), 35);
    assert_eq!(at(r#"{"seq":0,"seq":0,"v":1}"#), 9);
    assert_eq!(at(r#"{"seq":00,"v":1}"#), 7);
    assert_eq!(at(r#"{"a":"\u0041","v":1}"#), 6);
    assert_eq!(at(r#"{"a":"\u001B","v":1}"#), 6);
    assert_eq!(at("{\"a\":\"\n\"}"), 6);
    assert_eq!(at("{\"a\":\"x"), 7);
    assert_eq!(scan(b"{\"a\":\"\xff\"}").unwrap_err().offset, 6);
    assert_eq!(
        at(r#"{"seq":20064011344411690,"time":5,"v":1}"#),
        40,
        "canonical, but beyond 2^53"
    );
    let deep = format!(r#"{{"a":{}{}"#, "[".repeat(64), "]".repeat(64));
    assert_eq!(at(&deep), 5 + 63);
    assert_eq!(scan(&vec![b' '; 65_536]).unwrap_err().offset, 65_535);
}

/// Whether the domain's own reader takes `leaf` for a canonical object with the members every record has.
fn oracle(leaf: &[u8]) -> Option<(u64, u64)> {
    let value = json::parse(leaf, &LEAF)
        .ok()
        .filter(|value| value.to_canonical() == leaf)?;
    let member = |name| value.as_object()?.get(name)?.as_u64();
    (member("v")? == 1).then_some((member("seq")?, member("time")?))
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>()
            .prop_map(|number| { json::parse(number.to_string().as_bytes(), &LEAF).unwrap_or(Value::Null) }),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    "[a-c\"\\\\/\u{0}\u{8}\n\u{1f}\u{7f}\u{e9}\u{d7ff}\u{e000}\u{ffff}\u{10000}]{0,10}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_scanner_agrees_with_the_parser(
        members in prop::collection::vec((text(), values()), 0..4),
        seq in 0..=json::MAX_SAFE_INTEGER,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..3),
    ) {
        let mut members: json::Object = members.into_iter().collect();
        members.insert("seq", seq);
        members.insert("time", 5);
        members.insert("v", 1);
        let mut leaf = Value::Object(members).to_canonical();
        prop_assert_eq!(scan(&leaf).ok().map(|facts| facts.seq), Some(seq.unsigned_abs()));
        for (at, byte, how) in changes {
            let at = at.index(leaf.len().max(1));
            match how {
                0 => { leaf.insert(at, byte); }
                1 => { leaf.remove(at); }
                2 => { leaf[at] ^= 1 << (byte % 8); }
                _ => { leaf[at] = b"0123456789-+.eE\"\\{}[]:,tfnu "[usize::from(byte) % 28]; }
            }
            if leaf.is_empty() {
                break;
            }
        }
        prop_assert_eq!(scan(&leaf).ok().map(|facts| (facts.seq, facts.time_ms)), oracle(&leaf), "{}", String::from_utf8_lossy(&leaf));
    }
}
