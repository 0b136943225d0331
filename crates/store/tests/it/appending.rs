//! The appender: order, time, expectations, groups.

use remit_core::authority::Budget;
use remit_core::task::{Ending, TaskState};
use remit_store::{AppendError, Epoch, Epochs, Refused, StoreError, budgets, records, runs, tasks};

use crate::bed::Bed;
use crate::make;
use crate::on_both;

on_both! {
    places_have_no_gaps_and_time_never_goes_back
    what_is_recorded_is_read_back_after_a_restart
    a_stale_task_is_refused_and_nothing_is_recorded
    epochs_make_earlier_decisions_stale
    an_end_takes_the_whole_tree
    a_refusal_after_writes_leaves_nothing_behind
    the_tree_follows_and_survives_a_restart
    what_was_rolled_back_is_forgotten
    checkpoints_never_contradict_each_other
    narrowing_and_suspending_reach_the_whole_tree
}

fn places_have_no_gaps_and_time_never_goes_back(bed: &Bed) {
    let store = bed.open();
    let first = store.append_blocking(make::record("note"), |_| Ok(())).unwrap().0;
    bed.clock.advance_ms(5);
    let second = store.append_blocking(make::record("note"), |_| Ok(())).unwrap().0;
    assert_eq!((first.seq(), second.seq()), (0, 1));
    assert_eq!(second.time().ms_since(first.time()), 5);
    let refused = store.append_blocking(make::record("NOT A KIND"), |_| Ok(()));
    assert!(matches!(refused, Err(AppendError::Record(_))), "{refused:?}");
    let third = store.append_blocking(make::record("note"), |_| Ok(())).unwrap().0;
    assert_eq!(third.seq(), 2);
    let leaf = store
        .read_blocking(|conn| records::get(conn, 1))
        .unwrap()
        .unwrap();
    assert_eq!(remit_ledger::leaf_hash(&leaf.leaf), second.leaf());
    assert_eq!(leaf.decode().unwrap().time, second.time());
}

fn what_is_recorded_is_read_back_after_a_restart(bed: &Bed) {
    let task = make::task(1, None);
    let run = make::run_of(&task, b"token");
    {
        let store = bed.open();
        let mut record = make::record("task_open");
        record.task = Some(task.id.to_string());
        let (task, run) = (task.clone(), run.clone());
        store
            .append_blocking(record, move |tx| {
                tasks::open(tx, &task)?;
                runs::add(tx, &run)
            })
            .unwrap();
    }
    let store = bed.open();
    let (id, token) = (task.id, run.token);
    let read = store
        .read_blocking(move |conn| {
            let about = records::about(conn, &records::Key::Task(&id.to_string()), 0, 10)?;
            Ok::<_, StoreError>((tasks::get(conn, id)?, runs::by_token(conn, token)?, about))
        })
        .unwrap();
    assert_eq!(read.0.unwrap().value.task, task);
    assert_eq!(read.1.unwrap().value, run);
    assert_eq!(read.2.len(), 1);
}

fn a_stale_task_is_refused_and_nothing_is_recorded(bed: &Bed) {
    let store = bed.open();
    let task = make::task(1, None);
    let opened = task.clone();
    store
        .append_blocking(make::record("task_open"), move |tx| tasks::open(tx, &opened))
        .unwrap();
    let (id, limit) = (task.id, make::authority());
    store
        .append_blocking(make::record("task_amend"), move |tx| {
            tasks::narrow(tx, id, 1, &limit, remit_core::time::Timestamp(2_000)).map(drop)
        })
        .unwrap();
    let stale = store.append_blocking(make::record("decision"), move |tx| tx.expect_task(id, 1));
    assert!(matches!(
        stale,
        Err(AppendError::Refused(Refused::StaleTask {
            expected: 1,
            found: 2,
            ..
        }))
    ));
    store
        .append_blocking(make::record("decision"), move |tx| tx.expect_task(id, 2))
        .unwrap();
    assert_eq!(store.read_blocking(records::count).unwrap(), 3);
}

fn epochs_make_earlier_decisions_stale(bed: &Bed) {
    let store = bed.open();
    let seen = Epochs::default();
    store
        .append_blocking(make::record("decision"), move |tx| Ok(tx.expect_epochs(seen)?))
        .unwrap();
    store
        .append_blocking(make::record("kill"), |tx| {
            tx.bump(Epoch::Kill);
            Ok(())
        })
        .unwrap();
    let stale = store.append_blocking(make::record("decision"), move |tx| Ok(tx.expect_epochs(seen)?));
    assert!(matches!(
        stale,
        Err(AppendError::Refused(Refused::StaleEpoch {
            epoch: Epoch::Kill,
            ..
        }))
    ));
    drop(store);
    let store = bed.open();
    let now = store
        .append_blocking(make::record("note"), |tx| Ok(tx.epochs()))
        .unwrap()
        .1;
    assert_eq!(now.kill, 1);
}

fn an_end_takes_the_whole_tree(bed: &Bed) {
    let store = bed.open();
    let root = make::task(1, None);
    let child = make::task(2, Some(root.id));
    let grandchild = make::task(3, Some(child.id));
    let other = make::task(4, None);
    for task in [&root, &child, &grandchild, &other] {
        let (task, run) = (task.clone(), make::run_of(task, task.id.to_string().as_bytes()));
        store
            .append_blocking(make::record("task_open"), move |tx| {
                tasks::open(tx, &task)?;
                runs::add(tx, &run)?;
                budgets::reserve(tx, task.id, &Budget::Calls, 1, 10).map(drop)
            })
            .unwrap();
    }
    let id = root.id;
    let (_, ended) = store
        .append_urgent_blocking(make::record("task_end"), move |tx| {
            tasks::end(tx, id, Ending::Completed)
        })
        .unwrap();
    assert_eq!(ended.tasks, [root.id, child.id, grandchild.id]);
    assert_eq!(ended.runs.len(), 3);
    let (_, again) = store
        .append_blocking(make::record("task_end"), move |tx| {
            tasks::end(tx, id, Ending::Revoked)
        })
        .unwrap();
    assert_eq!(again.tasks, []);
    for (task, state) in [
        (&root, TaskState::Ended(Ending::Completed)),
        (&child, TaskState::Ended(Ending::Cancelled)),
        (&grandchild, TaskState::Ended(Ending::Cancelled)),
        (&other, TaskState::Open),
    ] {
        let id = task.id;
        let stored = store
            .read_blocking(move |conn| tasks::get(conn, id))
            .unwrap()
            .unwrap();
        assert_eq!(stored.task.state, state);
        let refused = store.append_blocking(make::record("decision"), move |tx| tx.expect_task(id, 1));
        assert_eq!(refused.is_ok(), state == TaskState::Open);
    }
    let child = make::task(5, Some(root.id));
    let late = store.append_blocking(make::record("task_open"), move |tx| tasks::open(tx, &child));
    assert!(matches!(late, Err(AppendError::Refused(Refused::NotOpen { .. }))));
}

fn a_refusal_after_writes_leaves_nothing_behind(bed: &Bed) {
    let store = bed.open();
    let task = make::task(1, None);
    let opened = task.clone();
    let refused = store.append_blocking(make::record("task_open"), move |tx| {
        tasks::open(tx, &opened)?;
        budgets::reserve(tx, opened.id, &Budget::Calls, 11, 10).map(drop)
    });
    assert!(matches!(
        refused,
        Err(AppendError::Refused(Refused::BudgetExceeded { .. }))
    ));
    let id = task.id;
    assert!(
        store
            .read_blocking(move |conn| tasks::get(conn, id))
            .unwrap()
            .is_none()
    );
    assert_eq!(store.read_blocking(records::count).unwrap(), 0);
    let opened = task.clone();
    store
        .append_blocking(make::record("task_open"), move |tx| tasks::open(tx, &opened))
        .unwrap();
    let twice = store.append_blocking(make::record("task_open"), move |tx| tasks::open(tx, &task));
    assert!(matches!(
        twice,
        Err(AppendError::Refused(Refused::Duplicate { .. }))
    ));
}

fn the_tree_follows_and_survives_a_restart(bed: &Bed) {
    let mut leaves = Vec::new();
    for round in 0..3 {
        let store = bed.open();
        for _ in 0..150 {
            leaves.push(
                store
                    .append_blocking(make::record("note"), |_| Ok(()))
                    .unwrap()
                    .0
                    .leaf(),
            );
        }
        let mut frontier = remit_ledger::tree::Frontier::new();
        let batch = frontier.extend(leaves.iter().copied()).unwrap();
        // Every other round stops without asking for the tree.
        if round != 1 {
            let head = store.sequence_blocking().unwrap();
            assert_eq!((head.size, head.root), (batch.size, batch.root));
            let indexes: Vec<u64> = (0..batch.hashes.len() as u64).collect();
            let stored = store
                .read_blocking(move |conn| remit_store::tree::hashes(conn, &indexes))
                .unwrap();
            assert_eq!(stored, batch.hashes);
        }
    }
}

fn what_was_rolled_back_is_forgotten(bed: &Bed) {
    let store = bed.open();
    let task = make::task(1, None);
    let (id, opened) = (task.id, task);
    store
        .append_blocking(make::record("task_open"), move |tx| {
            tasks::open(tx, &opened)?;
            budgets::reserve(tx, id, &Budget::Calls, 1, 10).map(drop)
        })
        .unwrap();
    let refused = store.append_blocking(make::record("task_amend"), move |tx| {
        tasks::narrow(tx, id, 1, &make::authority(), remit_core::time::Timestamp(2_000))?;
        budgets::reserve(tx, id, &Budget::Calls, 8, 10)?;
        Err::<(), _>(Refused::NotAllowed("after all".to_owned()).into())
    });
    assert!(matches!(
        refused,
        Err(AppendError::Refused(Refused::NotAllowed(_)))
    ));
    let (_, used) = store
        .append_blocking(make::record("decision"), move |tx| {
            tx.expect_task(id, 1)?;
            budgets::reserve(tx, id, &Budget::Calls, 9, 10)
        })
        .unwrap();
    assert_eq!(used, 10);
}

fn checkpoints_never_contradict_each_other(bed: &Bed) {
    let store = bed.open();
    let signed = |size: u64, root: u8, note: &str| remit_store::tree::StoredCheckpoint {
        size,
        root: remit_ledger::Hash([root; 32]),
        time: remit_core::time::Timestamp(1),
        note: note.to_owned(),
    };
    let keep = |checkpoint| store.put_checkpoint_blocking(checkpoint);
    keep(signed(5, 1, "five")).unwrap();
    keep(signed(9, 2, "nine")).unwrap();
    keep(signed(9, 2, "nine, signed again")).unwrap();
    for other in [signed(9, 3, "another nine"), signed(7, 1, "late seven")] {
        assert!(matches!(
            keep(other),
            Err(AppendError::Refused(Refused::NotAllowed(_)))
        ));
    }
    let (last, over) = store
        .read_blocking(|conn| {
            Ok::<_, StoreError>((
                remit_store::tree::last_checkpoint(conn)?,
                remit_store::tree::checkpoint_over(conn, 4)?,
            ))
        })
        .unwrap();
    assert_eq!(last.unwrap().note, "nine, signed again");
    assert_eq!(over.unwrap().note, "five");
}

fn narrowing_and_suspending_reach_the_whole_tree(bed: &Bed) {
    let store = bed.open();
    let root = make::task(1, None);
    let (child, sleeper) = (make::task(2, Some(root.id)), make::task(3, Some(root.id)));
    for task in [&root, &child, &sleeper] {
        let task = task.clone();
        store
            .append_blocking(make::record("task_open"), move |tx| tasks::open(tx, &task))
            .unwrap();
    }
    let (id, asleep) = (root.id, sleeper.id);
    let mut limit = make::authority();
    limit.classes.clear();
    let amend = make::record("task_amend");
    store
        .append_blocking(amend, move |tx| {
            tasks::narrow(tx, id, 1, &limit, remit_core::time::Timestamp(2_000))
        })
        .unwrap();
    store
        .append_blocking(make::record("task_suspend"), move |tx| tasks::suspend(tx, asleep))
        .unwrap();
    store
        .append_blocking(make::record("task_suspend"), move |tx| tasks::suspend(tx, id))
        .unwrap();
    let states = || {
        [root.id, child.id, sleeper.id].map(|id| {
            let stored = store
                .read_blocking(move |conn| tasks::get(conn, id))
                .unwrap()
                .unwrap();
            assert!(stored.task.authority.classes.is_empty());
            assert_eq!(stored.task.expires_at.0, 2_000);
            (stored.task.state, stored.task.version)
        })
    };
    use TaskState::{Open, Suspended};
    assert_eq!(states(), [(Suspended, 3), (Suspended, 3), (Suspended, 3)]);
    let early = child.id;
    let resume = store.append_blocking(make::record("task_resume"), move |tx| {
        tasks::resume(tx, early, 3, &remit_core::authority::Authority::unbounded())
    });
    assert!(matches!(
        resume,
        Err(AppendError::Refused(Refused::NotOpen { .. }))
    ));
    store
        .append_blocking(make::record("task_resume"), move |tx| {
            tasks::resume(tx, id, 3, &remit_core::authority::Authority::unbounded())
        })
        .unwrap();
    // What slept before its parent did sleeps on.
    assert_eq!(states(), [(Open, 4), (Open, 4), (Suspended, 3)]);
    let outlive = remit_core::time::Timestamp(9_999);
    let child = child.id;
    let renewed = store.append_blocking(make::record("task_renew"), move |tx| {
        tasks::renew(
            tx,
            child,
            4,
            &remit_core::authority::Authority::unbounded(),
            outlive,
        )
        .map(drop)
    });
    assert!(matches!(
        renewed,
        Err(AppendError::Refused(Refused::NotAllowed(_)))
    ));
}
