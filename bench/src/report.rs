//! What is printed: one row per figure, with its goal beside it.

use std::io::Write as _;

use serde_json::json;

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured, and how.
    pub what: String,
    /// The median, or the rate.
    pub measured: f64,
    /// 99 of 100 took at most this long, where that says something; in the same unit.
    pub p99: Option<f64>,
    /// Unit of both.
    pub unit: &'static str,
    /// What it is held to; none for figures that only explain others.
    pub goal: Option<Goal>,
}

/// What a figure is held to, in its unit.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// The median at most, and the p99 at most where one is given.
    AtMost(f64, Option<f64>),
    /// At least.
    AtLeast(f64),
    /// The p99 at most.
    P99AtMost(f64),
}

impl Row {
    /// A figure without a p99.
    pub fn new(what: impl Into<String>, measured: f64, unit: &'static str, goal: Option<Goal>) -> Self {
        Self {
            what: what.into(),
            measured,
            p99: None,
            unit,
            goal,
        }
    }

    /// Whether the goal is reached; `None` without one.
    pub fn passes(&self) -> Option<bool> {
        let within = |limit: Option<f64>| match (limit, self.p99) {
            (Some(limit), Some(p99)) => p99 <= limit,
            _ => true,
        };
        Some(match self.goal? {
            Goal::AtMost(limit, p99) => self.measured <= limit && within(p99),
            Goal::AtLeast(limit) => self.measured >= limit,
            Goal::P99AtMost(limit) => self.p99.is_some_and(|p99| p99 <= limit),
        })
    }

    fn goal_text(&self) -> String {
        let unit = self.unit;
        match self.goal {
            None => String::new(),
            Some(Goal::AtMost(limit, None)) => format!("≤ {limit} {unit}"),
            Some(Goal::AtMost(limit, Some(p99))) => format!("≤ {limit} {unit}, p99 ≤ {p99}"),
            Some(Goal::AtLeast(limit)) => format!("≥ {limit} {unit}"),
            Some(Goal::P99AtMost(limit)) => format!("p99 ≤ {limit} {unit}"),
        }
    }
}

/// Prints one row, as soon as it is known.
///
/// # Errors
/// When standard output is gone.
pub fn print(row: &Row, as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let line = json!({
            "what": row.what, "measured": row.measured, "p99": row.p99, "unit": row.unit,
            "goal": row.goal_text(), "pass": row.passes(),
        });
        writeln!(out, "{line}")?;
    } else {
        let verdict = match row.passes() {
            None => "",
            Some(true) => "pass",
            Some(false) => "MISS",
        };
        let measured = format!("{} {}", number(row.measured), row.unit);
        let p99 = row
            .p99
            .map(|p99| format!("p99 {}", number(p99)))
            .unwrap_or_default();
        writeln!(
            out,
            "{:<62} {measured:>14} {p99:>12}  {:<28} {verdict}",
            row.what,
            row.goal_text()
        )?;
    }
    out.flush()?;
    Ok(())
}

fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
