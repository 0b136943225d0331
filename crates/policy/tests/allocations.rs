//! Allocations of a decision stay within their bound. A binary of its own: the counter sees every thread.

#[cfg(test)]
#[path = "../../../bench/src/decision.rs"]
mod decision;

#[cfg(test)]
mod time {
    //! What the rows need to be timed with; the times are not looked at here.

    use std::time::Instant;

    #[expect(
        clippy::disallowed_methods,
        reason = "the rows are written for a bench, which measures real time"
    )]
    pub fn now() -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::sync::Mutex;

    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

    #[global_allocator]
    static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    /// The counter sees every thread: one test at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    fn count() -> u64 {
        let stats = COUNTED.stats();
        (stats.allocations + stats.reallocations) as u64
    }

    #[test]
    fn a_decision_makes_at_most_350_allocations() {
        let _alone = ALONE.lock().unwrap();
        let rows = super::decision::base(1, Some(count)).unwrap();
        let of = |what: &str| {
            rows.iter()
                .find(|row| row.what == what)
                .and_then(|row| row.allocations)
                .unwrap()
        };
        for row in &rows {
            println!(
                "{}: {} rules, {:?} allocations",
                row.what, row.rules, row.allocations
            );
        }
        assert!(of("allow") <= 350, "{}", of("allow"));
        assert!(of("allow, delegation depth 8") <= 350);
        assert!(of("hold") <= 2 * of("allow"));
        assert!(of("hold, delegation depth 8") <= 2 * of("allow"));
    }

    /// The growth rows as well: counts do not grow. Slow without optimisation, so only when asked for.
    #[test]
    #[ignore = "loads 10,000 rules; run with `--ignored`"]
    fn allocations_do_not_grow_with_rules_or_tasks() {
        let _alone = ALONE.lock().unwrap();
        let (activation, rows) = super::decision::run(1, Some(count)).unwrap();
        println!("activation {activation:?}");
        for row in &rows {
            println!(
                "{}: {} rules, {:?} allocations, {:.1} µs",
                row.what, row.rules, row.allocations, row.median_us
            );
        }
        let of = |what: &str| {
            rows.iter()
                .find(|row| row.what == what)
                .and_then(|row| row.allocations)
                .unwrap()
        };
        for grown in ["allow, 100,000 open tasks", "allow, 10,000 rules", "allow, both"] {
            assert!(
                of(grown) * 10 <= of("allow") * 13,
                "{grown}: {} against {}",
                of(grown),
                of("allow")
            );
        }
    }

    /// 100 ms with optimisation is the goal; this only says that it does not grow with rules times tools.
    #[test]
    fn activation_does_not_cost_rules_times_tools() {
        let _alone = ALONE.lock().unwrap();
        let before = count();
        let taken = super::decision::activation().unwrap();
        let made = count() - before;
        println!("51 rules against 1,000 tools: {taken:?}, {made} allocations");
        assert!(made < 2_000_000, "{made}");
    }

    #[test]
    fn a_task_kept_hot_takes_at_most_12_kilobytes() {
        let _alone = ALONE.lock().unwrap();
        let held = || COUNTED.stats().bytes_allocated - COUNTED.stats().bytes_deallocated;
        // The first one fills what all share.
        let first = super::decision::principal(1, 1).unwrap();
        let before = held();
        let more: Vec<_> = (2..102)
            .map(|seed| super::decision::principal(seed, 1).unwrap())
            .collect();
        let each = (held() - before) / more.len();
        println!(
            "{each} bytes for each task, {} held",
            more.len() + usize::from(first.task().version == 1)
        );
        assert!(each <= 12 * 1024, "{each}");
    }
}
