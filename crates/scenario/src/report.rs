//! Running files and saying what came of them: lines for people, or one JSON object per line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::file;
use crate::run::{self, Failed};

/// How to report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One JSON object per line instead of lines for people.
    pub json: bool,
}

/// What came of all files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files whose every step went as expected.
    pub passed: usize,
    /// All others, bad files included.
    pub failed: usize,
    /// Files that are no scenarios.
    pub bad: usize,
}

impl Summary {
    /// The exit code of a command: 0 all passed, 1 something failed, 2 a file is bad.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match (self.bad, self.failed) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        }
    }
}

/// Runs each file on an engine of its own, one after the other, and writes one line per file, the steps that failed, and
/// last `N passed, N failed`. Needs a Tokio runtime with I/O and time.
///
/// # Errors
/// Only when `out` cannot be written; files that fail are counted.
pub async fn run_files(files: &[PathBuf], options: Options, out: &mut impl Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    for path in files {
        // A box of its own: what a whole scenario awaits is nested deeper than the compiler looks.
        let report = Box::pin(run_file(path)).await;
        match &report.end {
            End::Ran(ran) if ran.failed.is_empty() => summary.passed += 1,
            End::Ran(_) => summary.failed += 1,
            End::Bad(_) => {
                summary.failed += 1;
                summary.bad += 1;
            }
        }
        if options.json {
            writeln!(out, "{}", report.json())?;
        } else {
            report.lines(out)?;
        }
        out.flush()?;
    }
    if options.json {
        writeln!(
            out,
            "{}",
            json!({ "passed": summary.passed, "failed": summary.failed })
        )?;
    } else {
        writeln!(out, "{} passed, {} failed", summary.passed, summary.failed)?;
    }
    Ok(summary)
}

/// What came of one file.
struct Report {
    path: PathBuf,
    title: String,
    incident: Option<String>,
    requirements: Vec<String>,
    end: End,
}

enum End {
    /// The file is no scenario: line (0 when unknown), and the sentence with its place.
    Bad(crate::Problem),
    /// It ran.
    Ran(run::Ran),
}

async fn run_file(path: &Path) -> Report {
    let mut report = Report {
        path: path.to_owned(),
        title: String::new(),
        incident: None,
        requirements: Vec::new(),
        end: End::Ran(run::Ran::default()),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            report.end = End::Bad(crate::Problem::at(0, format!("cannot read the file: {error}")));
            return report;
        }
    };
    match file::read(&text) {
        Ok(scenario) => {
            report.title.clone_from(&scenario.scenario);
            report.incident.clone_from(&scenario.incident);
            report.requirements.clone_from(&scenario.requirements);
            report.end = End::Ran(Box::pin(run::run(&scenario)).await);
        }
        Err(problem) => report.end = End::Bad(problem),
    }
    report
}

impl Report {
    fn lines(&self, out: &mut impl Write) -> io::Result<()> {
        let path = self.path.display();
        match &self.end {
            End::Bad(problem) if problem.line == 0 => writeln!(out, "BAD   {path}: {problem}"),
            End::Bad(problem) => writeln!(out, "BAD   {path}:{problem}"),
            End::Ran(ran) if ran.failed.is_empty() => {
                writeln!(out, "ok    {path}  {} ({} steps)", self.title, ran.steps)
            }
            End::Ran(ran) => {
                writeln!(out, "FAIL  {path}  {}", self.title)?;
                ran.failed.iter().try_for_each(|failed| self.failed(failed, out))
            }
        }
    }

    fn failed(&self, failed: &Failed, out: &mut impl Write) -> io::Result<()> {
        let path = self.path.display();
        match failed.line {
            0 => writeln!(out, "      {path}: {}", failed.step)?,
            line => writeln!(out, "      {path}:{line}: {}", failed.step)?,
        }
        for miss in &failed.misses {
            writeln!(out, "        expected  {}", miss.expected)?;
            writeln!(
                out,
                "        happened  {}",
                miss.happened.replace('\n', "\n                  ")
            )?;
            if let Some(decision) = miss
                .decision
                .as_ref()
                .filter(|decision| **decision != miss.happened)
            {
                writeln!(out, "        decision  {decision}")?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let path = self.path.display().to_string();
        match &self.end {
            End::Bad(problem) => json!({
                "file": path, "result": "bad", "line": problem.line, "message": problem.sentence,
            }),
            End::Ran(ran) => {
                let failures: Vec<Value> = ran.failed.iter().flat_map(failures).collect();
                json!({
                    "file": path,
                    "scenario": self.title,
                    "incident": self.incident,
                    "requirements": self.requirements,
                    "result": if ran.failed.is_empty() { "passed" } else { "failed" },
                    "steps": ran.steps,
                    "failures": failures,
                })
            }
        }
    }
}

fn failures(failed: &Failed) -> Vec<Value> {
    let one = |miss: &run::Miss| {
        json!({
            "line": failed.line,
            "step": failed.step,
            "expected": miss.expected,
            "happened": miss.happened,
            "decision": miss.decision,
        })
    };
    failed.misses.iter().map(one).collect()
}
