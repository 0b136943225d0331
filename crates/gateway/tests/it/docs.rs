//! What is documented is what is.

use remit_core::decision::Reason;

#[test]
fn reasons_md_lists_every_reason_in_its_words() {
    let documented: Vec<&str> = include_str!("../../../../docs/reasons.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let wanted: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| format!("| `{}` | {} |", reason.as_str(), reason.sentence()))
        .collect();
    assert_eq!(documented, wanted);
}
