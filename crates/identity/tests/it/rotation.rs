//! Rotation: there is always one key that signs, whoever reads the published ones in time can check it, and nothing is
//! deleted while something it signed can be alive.

use proptest::prelude::*;
use remit_core::time::Timestamp;
use remit_identity::{Generation, Lives, Phase, Ring};

const LIVES: Lives = Lives {
    signs_ms: 1000,
    ahead_ms: 100,
    after_ms: 300,
};

fn ring(made: &[i64]) -> Ring<i64> {
    Ring::new(
        LIVES,
        made.iter()
            .map(|at| Generation {
                made_at: Timestamp(*at),
                key: *at,
            })
            .collect(),
    )
}

#[test]
fn a_key_goes_from_next_to_current_to_previous() {
    let ring = ring(&[0, 900]);
    let phases = |at: i64| [ring.phase(0, Timestamp(at)), ring.phase(1, Timestamp(at))];
    assert_eq!(phases(950), [Phase::Current, Phase::Next]);
    assert_eq!(phases(1000), [Phase::Previous, Phase::Current]);
    assert_eq!(phases(1299), [Phase::Previous, Phase::Current]);
    assert_eq!(phases(1300), [Phase::Gone, Phase::Current]);
    assert!(!ring.wants_next(Timestamp(1899)));
    assert!(ring.wants_next(Timestamp(1900)));
    assert_eq!(ring.next_change(Timestamp(950)), Timestamp(1000));
    assert_eq!(ring.next_change(Timestamp(1000)), Timestamp(1300));
    assert_eq!(ring.next_change(Timestamp(1300)), Timestamp(1900));
    assert!(Ring::<i64>::new(LIVES, vec![]).wants_next(Timestamp(0)));
}

#[test]
fn a_clock_that_was_set_back_leaves_a_key_to_sign_with() {
    let ring = ring(&[10_000, 10_900]);
    assert_eq!(
        ring.current(Timestamp(5)).map(|generation| generation.key),
        Some(10_000)
    );
}

proptest! {
    #[test]
    fn one_signs_and_all_that_may_have_signed_are_published(steps in proptest::collection::vec(1_i64..400, 1..60)) {
        let mut ring = ring(&[0]);
        let mut now = 0;
        // When each key last signed.
        let mut signed: Vec<(i64, i64)> = Vec::new();
        let mut seen_published: Vec<i64> = vec![0];
        for step in steps {
            now += step;
            if ring.wants_next(Timestamp(now)) {
                ring.push(Generation { made_at: Timestamp(now), key: now });
            }
            let current = ring.current(Timestamp(now)).unwrap().key;
            signed.retain(|(key, _)| *key != current);
            signed.push((current, now));
            let published: Vec<i64> = ring.published(Timestamp(now)).map(|generation| generation.key).collect();
            // Whatever a key signed up to `after_ms` ago can still be checked.
            for (key, last) in &signed {
                if now - last < LIVES.after_ms {
                    prop_assert!(published.contains(key), "{key} signed at {last}, now {now}");
                }
            }
            prop_assert!(published.contains(&current));
            // It was published `ahead_ms` before it signed, but for the very first.
            prop_assert!(current == 0 || now - current >= LIVES.ahead_ms);
            seen_published.extend(published);
            for gone in ring.prune(Timestamp(now)) {
                prop_assert!(gone.key != current);
            }
        }
    }
}
