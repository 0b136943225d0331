//! Redeeming: an approval covers what was on the card and nothing wider.

use std::collections::BTreeSet;

use remit_core::approval::Requirement;
use remit_core::decision::Tier;
use remit_core::people::Role;
use remit_policy::{Given, Wider, covered};

fn roles(names: &[&str]) -> BTreeSet<Role> {
    names.iter().map(|n| n.parse().unwrap()).collect()
}

fn requirement(tier: Tier, approvers: &[&[&str]], strong: bool) -> Requirement {
    Requirement {
        tier,
        approvers: approvers.iter().map(|set| roles(set)).collect(),
        strong,
    }
}

#[test]
fn anything_wider_than_the_card_is_not_covered() {
    let card = requirement(Tier::Approve, &[&["approver"], &["dba", "release"]], false);
    let given = Given {
        requirement: &card,
        rules: &[],
    };
    let fresh = |tier, approvers, strong| covered(given, &requirement(tier, approvers, strong), &[]);
    assert_eq!(fresh(Tier::Approve, &[&["release", "dba"]], false), Ok(()));
    assert_eq!(fresh(Tier::Notify, &[], false), Ok(()));
    assert!(matches!(
        fresh(Tier::TwoPerson, &[&["approver"]], false),
        Err(Wider::Tier { .. })
    ));
    assert_eq!(fresh(Tier::Approve, &[&["approver"]], true), Err(Wider::Strength));
    // One of two groups is not the same set: the card asked for either.
    assert_eq!(
        fresh(Tier::Approve, &[&["dba"]], false),
        Err(Wider::Approvers("dba".into()))
    );
}
