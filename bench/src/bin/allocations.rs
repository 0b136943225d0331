//! Allocations of one decision: a program of its own, because counting them would slow down what the others measure.

use std::alloc::System;

use remit_bench::decision;
use remit_bench::report::{Goal, Row, print};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> anyhow::Result<()> {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let (_, figures) = decision::run(
        1,
        Some(|| u64::try_from(ALLOCATOR.stats().allocations).unwrap_or(u64::MAX)),
    )?;
    for figure in figures {
        let (Some(allocations), "allow" | "hold") = (figure.allocations, figure.what) else {
            continue;
        };
        let goal = (figure.what == "allow").then_some(Goal::AtMost(350.0, None));
        print(
            &Row::new(
                format!("decision: {}, allocations", figure.what),
                allocations as f64,
                "",
                goal,
            ),
            as_json,
        )?;
    }
    Ok(())
}
