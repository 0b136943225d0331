//! Approvals: who counts, how many, and that a verdict that does not count changes nothing.

use std::collections::BTreeSet;

use remit_core::approval::{Approval, ApprovalState, CannotVote, Requirement, Verdict};
use remit_core::confinement::Proof;
use remit_core::decision::Tier;
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{ApprovalId, CallId, RunId, TaskId};
use remit_core::people::{Human, Role, Standing};
use remit_core::time::Timestamp;

const NOW: Timestamp = Timestamp(1_000);

fn human(name: &str, roles: &[Role]) -> Human {
    Human {
        name: name.parse().unwrap(),
        kind: remit_core::people::Kind::Human,
        authority: None,
        roles: roles.iter().cloned().collect(),
        standing: Standing::Active,
    }
}

fn approver(name: &str) -> Human {
    human(name, &[Role::Approver])
}

fn approval(tier: Tier, approvers: &[&[Role]], strong: bool) -> Approval {
    let entropy = SeededEntropy::new(1);
    Approval {
        id: ApprovalId::fresh(NOW, &entropy).unwrap(),
        call: CallId::fresh(NOW, &entropy).unwrap(),
        digest: Digest::of(b"call"),
        task: TaskId::fresh(NOW, &entropy).unwrap(),
        run: RunId::fresh(NOW, &entropy).unwrap(),
        initiator: "alice".parse().unwrap(),
        tool: None,
        requirement: Requirement {
            tier,
            approvers: approvers
                .iter()
                .map(|set| set.iter().cloned().collect::<BTreeSet<_>>())
                .collect(),
            strong,
        },
        rules: Vec::new(),
        card: Digest::of(b"card"),
        votes: Vec::new(),
        state: ApprovalState::Pending,
        proof: Proof::Bearer,
        opened_at: NOW,
        expires_at: NOW.plus_ms(1_000),
    }
}

fn yes(approval: &mut Approval, human: &Human) -> Result<(), CannotVote> {
    approval.vote(human, Verdict::Approve, String::new(), NOW, false)
}

#[test]
fn two_persons_are_two_and_not_the_initiator() {
    let mut approval = approval(Tier::TwoPerson, &[&[Role::Approver]], true);
    assert!(matches!(
        yes(&mut approval, &approver("alice")),
        Err(CannotVote::IsInitiator { .. })
    ));
    yes(&mut approval, &approver("bob")).unwrap();
    assert_eq!(approval.state, ApprovalState::Pending);
    assert_eq!(approval.level(), 0);
    assert!(matches!(
        yes(&mut approval, &approver("bob")),
        Err(CannotVote::Again { .. })
    ));
    yes(&mut approval, &approver("carol")).unwrap();
    assert_eq!(approval.state, ApprovalState::Approved);
    assert_eq!(approval.level(), 3);
    assert_eq!(approval.votes.len(), 2, "refused verdicts leave no trace");
}

#[test]
fn every_approver_set_needs_a_vote() {
    let dba = Role::Group("dba".parse().unwrap());
    let mut approval = approval(
        Tier::Approve,
        &[&[Role::Approver], std::slice::from_ref(&dba)],
        false,
    );
    yes(&mut approval, &approver("bob")).unwrap();
    assert_eq!(approval.state, ApprovalState::Pending);
    yes(&mut approval, &human("dora", &[dba])).unwrap();
    assert_eq!(approval.state, ApprovalState::Approved);
}

#[test]
fn weak_late_and_foreign_verdicts_do_not_count() {
    let mut strong = approval(Tier::Approve, &[&[Role::Approver]], true);
    let weak = strong.vote(&approver("bob"), Verdict::Approve, String::new(), NOW, true);
    assert_eq!(weak, Err(CannotVote::Weak));
    let outsider = human("eve", &[Role::Auditor]);
    assert!(matches!(
        yes(&mut strong, &outsider),
        Err(CannotVote::NotAnApprover { .. })
    ));
    let late = strong.vote(
        &approver("bob"),
        Verdict::Approve,
        String::new(),
        NOW.plus_ms(1_000),
        false,
    );
    assert_eq!(late, Err(CannotVote::Expired));
    let suspended = Human {
        standing: Standing::Suspended,
        ..approver("bob")
    };
    assert!(yes(&mut strong, &suspended).is_err());
    assert_eq!((strong.state, strong.votes.len()), (ApprovalState::Pending, 0));
}

#[test]
fn one_no_ends_it_and_says_who() {
    let mut approval = approval(Tier::TwoPerson, &[&[Role::Approver]], true);
    yes(&mut approval, &approver("bob")).unwrap();
    approval
        .vote(
            &approver("carol"),
            Verdict::Deny,
            "use staging".to_owned(),
            NOW,
            true,
        )
        .unwrap();
    assert_eq!(approval.state, ApprovalState::Denied);
    let after = yes(&mut approval, &approver("dan")).unwrap_err();
    assert_eq!(after.to_string(), "this approval is already denied by carol");
}
