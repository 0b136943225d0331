//! The mint compares what policy allowed, what was recorded and what is about to be sent.

use remit_core::time::BootTime;
use remit_enforce::{Act, Cut, LifelineHolder, Mint, Mismatch, System};
use remit_ledger::record::Record;

use crate::world::{World, call, decision_id, record};

fn refused(record: impl FnOnce() -> Record, allowed: &str, sent: &str) -> Mismatch {
    let world = World::new();
    let receipt = world.recorded(record());
    let allow = world.allow(&call(allowed));
    Mint::at_start()
        .call(allow, &receipt, call(sent), world.bounds())
        .unwrap_err()
}

#[test]
fn an_allow_and_its_record_make_a_permit_for_that_call() {
    let world = World::new();
    let asked = call("/srv/a");
    let receipt = world.recorded(record(&asked, "allow"));
    let permitted = Mint::at_start()
        .call(world.allow(&asked), &receipt, asked.clone(), world.bounds())
        .unwrap();
    assert_eq!(permitted.get(), &asked);
    assert_eq!(permitted.permit().decision(), Some(decision_id()));
    assert_eq!(permitted.permit().seq(), receipt.seq());
}

#[test]
fn the_record_of_another_call_is_refused() {
    let other = refused(|| record(&call("/srv/b"), "allow"), "/srv/a", "/srv/a");
    assert_eq!(other.why, "it records another call");
}

#[test]
fn the_allow_of_another_call_is_refused() {
    let other = refused(|| record(&call("/srv/a"), "allow"), "/srv/b", "/srv/a");
    assert_eq!(other.why, "policy allowed another call");
}

#[test]
fn another_call_than_the_allowed_and_recorded_one_is_refused() {
    let other = refused(|| record(&call("/srv/a"), "allow"), "/srv/a", "/srv/b");
    assert_eq!(other.why, "policy allowed another call");
}

#[test]
fn the_record_of_a_denial_or_a_hold_is_refused() {
    for effect in ["deny", "hold"] {
        let no_allow = refused(|| record(&call("/srv/a"), effect), "/srv/a", "/srv/a");
        assert_eq!(no_allow.why, "it does not record an allow", "{effect}");
    }
}

#[test]
fn a_record_without_a_decision_or_a_digest_is_refused() {
    let asked = call("/srv/a");
    let nameless = refused(
        || Record {
            decision_id: None,
            ..record(&asked, "allow")
        },
        "/srv/a",
        "/srv/a",
    );
    assert_eq!(nameless.why, "it names no decision");
    let unbound = refused(
        || Record {
            digest: None,
            ..record(&asked, "allow")
        },
        "/srv/a",
        "/srv/a",
    );
    assert_eq!(unbound.why, "it records another call");
}

#[test]
fn an_act_of_the_system_needs_a_record_of_that_act() {
    let world = World::new();
    let system = |act| System {
        act,
        server: "fs".parse().unwrap(),
        task: None,
    };
    let connect = world.recorded(Record {
        kind: "connect".to_owned(),
        ..Record::default()
    });
    let mint = Mint::at_start();
    assert!(
        mint.system(system(Act::Connect), &connect, world.bounds())
            .is_ok()
    );
    let fetch = || Act::Fetch {
        origin: "https://a.example".to_owned(),
    };
    assert!(mint.system(system(fetch()), &connect, world.bounds()).is_err());
    let fetched = world.recorded(Record {
        kind: "fetch".to_owned(),
        ..Record::default()
    });
    let permitted = mint.system(system(fetch()), &fetched, world.bounds()).unwrap();
    assert_eq!(permitted.get().origin(), Some("https://a.example"));
    let other = mint
        .system(system(Act::Introspect), &connect, world.bounds())
        .unwrap_err();
    assert_eq!(
        other,
        Mismatch {
            seq: connect.seq(),
            why: "it records something else"
        }
    );
}

#[test]
fn a_permit_is_fresh_until_its_deadline_and_while_its_authority_lives() {
    let world = World::new();
    let asked = call("/srv/a");
    let receipt = world.recorded(record(&asked, "allow"));
    let (holder, line) = LifelineHolder::new();
    let bounds = remit_enforce::Bounds {
        deadline: BootTime(1_000),
        lifeline: line,
    };
    let permitted = Mint::at_start()
        .call(world.allow(&asked), &receipt, asked, bounds)
        .unwrap();
    assert!(permitted.permit().is_fresh(BootTime(999)));
    assert!(!permitted.permit().is_fresh(BootTime(1_000)));
    holder.cut(Cut::Ended);
    assert!(!permitted.permit().is_fresh(BootTime(0)));
}

#[test]
fn what_several_allow_is_one_permit_that_is_over_with_the_first_of_them() {
    let world = World::new();
    let mint = Mint::at_start();
    let permitted = |path: &str, deadline: u64| {
        let asked = call(path);
        let receipt = world.recorded(record(&asked, "allow"));
        let (holder, lifeline) = LifelineHolder::new();
        let bounds = remit_enforce::Bounds {
            deadline: BootTime(deadline),
            lifeline,
        };
        let permitted = mint.call(world.allow(&asked), &receipt, asked, bounds);
        (holder, permitted.unwrap())
    };
    let (own, first) = permitted("/srv/a", 1_000);
    let seq = first.permit().seq();
    let (other, second) = permitted("/srv/a", 500);
    let (_third, third) = permitted("/srv/a", 2_000);
    let one = mint.together(first, vec![second, third]).unwrap();
    assert_eq!(one.permit().seq(), seq);
    assert!(one.permit().is_fresh(BootTime(499)) && !one.permit().is_fresh(BootTime(500)));
    other.cut(Cut::Suspended);
    assert!(!one.permit().is_fresh(BootTime(0)));
    assert_eq!(own.line().state(), None, "its own authority lives on");

    let (_a, first) = permitted("/srv/a", 1_000);
    let (_b, stranger) = permitted("/srv/b", 1_000);
    let refused = mint.together(first, vec![stranger]).unwrap_err();
    assert!(refused.to_string().contains("another call"), "{refused}");
}
