//! What may happen once happens once, however many ask at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use remit_core::approval::ApprovalState;
use remit_core::authority::Budget;
use remit_core::digest::Digest;
use remit_core::label::{Label, Labels};
use remit_core::time::Timestamp;
use remit_store::{
    AppendError, Refused, Store, approvals, budgets, enrolments, grants, handles, labels, records, tasks,
};

use crate::bed::Bed;
use crate::make;
use crate::on_both;

on_both! {
    one_approval_is_spent_once_by_64
    a_budget_of_one_lasts_for_one_of_256
    an_end_and_256_calls_agree_on_an_order
    a_grant_for_three_is_used_three_times
    of_two_verdicts_the_first_counts
    one_enrolment_makes_one_run_of_64
    an_identity_is_given_once
    labels_seen_before_a_charge_are_stale
    one_code_is_redeemed_once_by_64
    one_proof_is_used_once_by_64
}

/// Runs `act` on `count` threads at once; how many were not refused.
fn together<A>(store: &Store, count: u32, act: A) -> u32
where
    A: Fn(&Store) -> Result<(), AppendError> + Send + Sync,
{
    let done = AtomicU32::new(0);
    let start = std::sync::Barrier::new(count as usize);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                start.wait();
                match act(store) {
                    Ok(()) => {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(AppendError::Refused(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            });
        }
    });
    done.load(Ordering::SeqCst)
}

fn open_task(store: &Store) -> remit_core::task::Task {
    let task = make::task(1, None);
    let opened = task.clone();
    store
        .append_blocking(make::record("task_open"), move |tx| tasks::open(tx, &opened))
        .unwrap();
    task
}

fn one_enrolment_makes_one_run_of_64(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    store
        .append_blocking(make::record("agent.enrol"), |tx| {
            enrolments::add(tx, &make::enrolment(b"once"))
        })
        .unwrap();
    let token = remit_core::digest::Digest::of(b"once");
    let used = together(&store, 64, |store| {
        let by = enrolments::Use {
            at: remit_core::time::Timestamp(2_000),
            key: "jkt:x".to_owned(),
            run: task.run,
        };
        store
            .append_blocking(make::record("run.attest"), move |tx| {
                enrolments::spend(tx, token, by.clone())
            })
            .map(drop)
    });
    assert_eq!(used, 1);
    let stored = store
        .read_blocking(move |conn| enrolments::get(conn, token))
        .unwrap()
        .unwrap();
    assert_eq!(stored.used.as_ref().map(|used| used.run), Some(task.run));
}

/// Identifier reuse, the fourth class of the WIMSE counterexamples: no run id is ever anybody else's, ended or not.
fn an_identity_is_given_once(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let (first, again) = (make::run_of(&task, b"a"), make::run_of(&task, b"b"));
    store
        .append_blocking(make::record("task.open"), move |tx| {
            remit_store::runs::add(tx, &first)
        })
        .unwrap();
    let refused = store.append_blocking(make::record("task.open"), move |tx| {
        remit_store::runs::add(tx, &again)
    });
    assert!(
        matches!(refused, Err(AppendError::Refused(Refused::Duplicate { .. }))),
        "{refused:?}"
    );
}

fn one_approval_is_spent_once_by_64(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let approval = make::approval(&task, 9);
    let (id, digest) = (approval.id, approval.digest);
    store
        .append_blocking(make::record("approval_open"), move |tx| {
            approvals::open(tx, &approval, make::CARD)
        })
        .unwrap();
    let spent = together(&store, 64, |store| {
        store
            .append_blocking(make::record("decision"), move |tx| {
                approvals::spend(tx, id, digest)
            })
            .map(drop)
    });
    assert_eq!(spent, 1);
    assert_eq!(store.read_blocking(records::count).unwrap(), 3);
    let stored = store
        .read_blocking(move |conn| approvals::get(conn, id))
        .unwrap()
        .unwrap();
    assert_eq!(stored.approval.state, ApprovalState::Spent);
}

fn a_budget_of_one_lasts_for_one_of_256(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store).id;
    let done = together(&store, 256, |store| {
        store
            .append_blocking(make::record("decision"), move |tx| {
                tx.expect_task(task, 1)?;
                budgets::reserve(tx, task, &Budget::Calls, 1, 1).map(drop)
            })
            .map(drop)
    });
    assert_eq!(done, 1);
    assert_eq!(store.read_blocking(records::count).unwrap(), 2);
    assert_eq!(
        store
            .read_blocking(move |conn| budgets::used(conn, task, &Budget::Calls))
            .unwrap(),
        1
    );
}

fn an_end_and_256_calls_agree_on_an_order(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store).id;
    let ends = AtomicU32::new(0);
    together(&store, 257, |store| {
        if ends.fetch_add(1, Ordering::SeqCst) == 128 {
            let record = make::record("task_end");
            return store
                .append_urgent_blocking(record, move |tx| {
                    tasks::end(tx, task, remit_core::task::Ending::Revoked)
                })
                .map(drop);
        }
        store
            .append_blocking(make::record("decision"), move |tx| tx.expect_task(task, 1))
            .map(drop)
    });
    let all = store.read_blocking(|conn| records::range(conn, 0, 1000)).unwrap();
    let kinds: Vec<String> = all.iter().map(|record| record.decode().unwrap().kind).collect();
    assert_eq!(
        kinds.last().map(String::as_str),
        Some("task_end"),
        "a decision follows the end of its task"
    );
    assert_eq!(kinds.iter().filter(|kind| *kind == "task_end").count(), 1);
}

fn a_grant_for_three_is_used_three_times(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let grant = make::grant(&task, 3);
    let id = grant.id;
    store
        .append_blocking(make::record("grant"), move |tx| grants::add(tx, &grant))
        .unwrap();
    let used = together(&store, 32, |store| {
        store
            .append_blocking(make::record("decision"), move |tx| grants::spend(tx, id))
            .map(drop)
    });
    assert_eq!(used, 3);
}

fn of_two_verdicts_the_first_counts(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let mut approval = make::approval(&task, 9);
    approval.state = ApprovalState::Pending;
    let id = approval.id;
    store
        .append_blocking(make::record("approval_open"), move |tx| {
            approvals::open(tx, &approval, make::CARD)
        })
        .unwrap();
    let read = Arc::new(
        store
            .read_blocking(move |conn| approvals::get(conn, id))
            .unwrap()
            .unwrap(),
    );
    let verdict = |state| {
        let mut mine = (*read).clone();
        mine.approval.state = state;
        store
            .append_blocking(make::record("vote"), move |tx| approvals::put(tx, &mine))
            .map(drop)
    };
    verdict(ApprovalState::Denied).unwrap();
    let late = verdict(ApprovalState::Approved);
    assert!(
        matches!(late, Err(AppendError::Refused(Refused::Stale { .. }))),
        "{late:?}"
    );
}

fn labels_seen_before_a_charge_are_stale(bed: &Bed) {
    let store = bed.open();
    let run = open_task(&store).run;
    let (none, secret) = (Labels::new(), Labels::from([Label::Secret]));
    let charge = |seen: &Labels, add: &Labels| {
        let (seen, add) = (seen.clone(), add.clone());
        store
            .append_blocking(make::record("decision"), move |tx| {
                labels::charge(tx, run, &seen, &add)
            })
            .map(drop)
    };
    charge(&none, &secret).unwrap();
    assert!(matches!(
        charge(&none, &none),
        Err(AppendError::Refused(Refused::StaleLabels))
    ));
    charge(&secret, &Labels::from([Label::Tenant(make::name("acme"))])).unwrap();
    let labels = store.read_blocking(move |conn| labels::get(conn, run)).unwrap();
    assert_eq!(labels.len(), 2);
}

fn one_code_is_redeemed_once_by_64(bed: &Bed) {
    let store = bed.open();
    let code = handles::Handle {
        digest: Digest::of(b"code"),
        kind: handles::Kind::Code,
        owner: "task".to_owned(),
        state: handles::State::Live,
        expires_at: Timestamp(i64::MAX),
        detail: remit_core::json::Object::new(),
    };
    store
        .append_blocking(make::record("code"), move |tx| handles::add(tx, &code))
        .unwrap();
    let redeemed = together(&store, 64, |store| {
        store
            .append_blocking(make::record("redeem"), |tx| {
                handles::spend(tx, handles::Kind::Code, Digest::of(b"code")).map(drop)
            })
            .map(drop)
    });
    assert_eq!(redeemed, 1);
    // Of another kind it is nothing.
    let other = store.append_blocking(make::record("redeem"), |tx| {
        handles::spend(tx, handles::Kind::Session, Digest::of(b"code")).map(drop)
    });
    assert!(matches!(
        other,
        Err(AppendError::Refused(Refused::NotFound { .. }))
    ));
}

fn one_proof_is_used_once_by_64(bed: &Bed) {
    let store = bed.open();
    let used = together(&store, 64, |store| {
        store
            .append_blocking(make::record("proof"), |tx| {
                handles::use_once(tx, Digest::of(b"proof"), Timestamp(i64::MAX))
            })
            .map(drop)
    });
    assert_eq!(used, 1);
}
