//! The decision matrix of the shipped policies, compared with the reviewed file.

use std::collections::BTreeSet;
use std::fmt::Write;

use remit_policy::simulate::{Outcome, TestFile, run};
use remit_policy::{shipped_baseline, shipped_guardrails, shipped_templates};

fn outcomes() -> Vec<Outcome> {
    let file = TestFile::parse(include_str!("../../../../policies/matrix.toml")).unwrap();
    let templates = shipped_templates().unwrap();
    run(
        &file,
        &[shipped_guardrails(), shipped_baseline()],
        &templates,
        &BTreeSet::new(),
    )
    .unwrap()
}

fn line(outcome: &Outcome) -> String {
    let mut line = format!(
        "{:<62} {:<5} {:<10} {:<18} {}",
        outcome.name,
        outcome.effect.as_str(),
        outcome.tier.as_str(),
        outcome.reason.as_str(),
        outcome.rules.join(", ")
    );
    if outcome.strong {
        line.push_str(" [strong]");
    }
    line
}

#[test]
fn the_matrix_is_the_reviewed_one() {
    let mut text = String::new();
    for outcome in outcomes() {
        writeln!(text, "{}", line(&outcome)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/matrix.txt");
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        text, reviewed,
        "run the test with UPDATE_MATRIX=1 and review policies/matrix.txt"
    );
}
