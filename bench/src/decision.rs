//! Decisions in process: the shipped layers and an organisation's rules, typed arguments, labels, entities and context built
//! for each call. Nothing is cached but slices and principals, as in the product.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use remit_core::authority::{Authority, Scope};
use remit_core::call::{Call, Operation};
use remit_core::confinement::{Confinement, Proof};
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{RunId, TaskId};
use remit_core::json::{Value, object};
use remit_core::label::{Label, Labels};
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Role, Standing};
use remit_core::task::{Intent, Mode, Run, Task, TaskState};
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, Marks, ToolClass, ToolState};
use remit_policy::{
    Bundle, Catalogue, Facts, NoEnvironments, Origin, Principal, PrincipalFacts, Risk, Source, ToolFacts,
    ToolSchema, Verdict, shipped_baseline, shipped_guardrails,
};

/// One row.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: &'static str,
    /// Rules loaded.
    pub rules: usize,
    /// Median of batches, in microseconds for one decision.
    pub median_us: f64,
    /// Allocations for one decision, when a counter was given.
    pub allocations: Option<u64>,
}

/// How many allocations the process has made so far.
pub type Counter = fn() -> u64;

/// Activation of the 51 rules against 1,000 tools, and all decision rows; each batch is 100 decisions.
///
/// # Errors
/// When a rule does not load or a call is not decided as the row says.
pub fn run(batches: usize, counter: Option<Counter>) -> anyhow::Result<(Duration, Vec<Figure>)> {
    let mut rows = base(batches, counter)?;
    rows.extend(growth(batches, counter)?);
    Ok((activation()?, rows))
}

/// How long it takes to load 51 rules against 1,000 tools.
///
/// # Errors
/// When a rule does not load.
pub fn activation() -> anyhow::Result<Duration> {
    let tools = Tools::new(100, 10)?;
    let start = crate::time::now();
    let bundle = tools.bundle(&organisation(18))?;
    let taken = start.elapsed();
    anyhow::ensure!(
        bundle.rules().len() == 51,
        "51 rules are meant, {} are loaded",
        bundle.rules().len()
    );
    Ok(taken)
}

/// The rows with 51 rules and one task.
///
/// # Errors
/// When a rule does not load or a call is not decided as the row says.
pub fn base(batches: usize, counter: Option<Counter>) -> anyhow::Result<Vec<Figure>> {
    let measure = Measure { batches, counter };
    let tools = Tools::new(10, 6)?;
    let bundle = tools.bundle(&organisation(18))?;
    let (flat, deep) = ([principal(1, 1)?], [principal(2, 8)?]);
    let write = tools.write("/srv/repo/src/main.rs")?;
    let delete = tools.delete("/srv/repo/src/main.rs")?;
    Ok(vec![
        measure.row("allow", &bundle, &flat, &write, "allow")?,
        measure.row("hold", &bundle, &flat, &delete, "hold")?,
        measure.row("deny", &bundle, &flat, &tools.write("/etc/passwd")?, "deny")?,
        measure.row("allow, delegation depth 8", &bundle, &deep, &write, "allow")?,
        measure.row("hold, delegation depth 8", &bundle, &deep, &delete, "hold")?,
    ])
}

fn growth(batches: usize, counter: Option<Counter>) -> anyhow::Result<Vec<Figure>> {
    let measure = Measure { batches, counter };
    let tools = Tools::new(10, 6)?;
    let small = tools.bundle(&organisation(18))?;
    let large = tools.bundle(&organisation(9_967))?;
    let one = [principal(1, 1)?];
    let many = (0..100_000)
        .map(|n| principal(n + 10, 1))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let write = tools.write("/srv/repo/src/main.rs")?;
    Ok(vec![
        measure.row("allow, 100,000 open tasks", &small, &many, &write, "allow")?,
        measure.row("allow, 10,000 rules", &large, &one, &write, "allow")?,
        measure.row("allow, both", &large, &many, &write, "allow")?,
    ])
}

struct Measure {
    batches: usize,
    counter: Option<Counter>,
}

impl Measure {
    fn row(
        &self,
        what: &'static str,
        bundle: &Bundle,
        principals: &[Principal],
        call: &Called,
        expected: &str,
    ) -> anyhow::Result<Figure> {
        let labels: Labels = [Label::Confidential, Label::Untrusted].into_iter().collect();
        // A stride that is coprime to the number of tasks: each decision meets a task that is not in the cache.
        let nth = |n: usize| principals.get(n.wrapping_mul(7_919) % principals.len());
        let decide = |n: usize| nth(n).map(|principal| bundle.decide(&call.facts(principal, &labels)));
        let verdict = decide(0).ok_or_else(|| anyhow::anyhow!("there is no task"))?;
        anyhow::ensure!(
            verdict.effect().as_str() == expected,
            "{what}: {} ({})",
            verdict.effect().as_str(),
            verdict.message()
        );
        let allocations = self.counter.map(|count| {
            let before = count();
            let verdict = decide(1);
            let after = count();
            drop(verdict);
            after - before
        });
        let mut times = Vec::with_capacity(self.batches);
        for batch in 0..self.batches {
            let start = crate::time::now();
            for n in 0..100 {
                std::hint::black_box::<Option<Verdict>>(decide(batch * 100 + n));
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / 100.0);
        }
        times.sort_by(f64::total_cmp);
        Ok(Figure {
            what,
            rules: bundle.rules().len(),
            median_us: times.get(times.len() / 2).copied().unwrap_or_default(),
            allocations,
        })
    }
}

struct Tools {
    servers: usize,
    each: usize,
    schema: Value,
}

/// A call with what the registry says about its tool.
struct Called {
    call: Call,
    digest: Digest,
    classification: Classification,
}

impl Tools {
    fn new(each: usize, servers: usize) -> anyhow::Result<Self> {
        let text = object! { "type": "string" };
        let list = object! { "type": "array", "items": text.clone() };
        let schema = object! {
            "type": "object",
            "required": Value::Array(vec![Value::from("path")]),
            "properties": object! {
                "path": text.clone(), "content": text.clone(), "encoding": text, "tags": list,
                "mode": object! { "type": "integer" }, "dry_run": object! { "type": "boolean" },
                "options": object! { "type": "object", "properties": object! { "force": object! { "type": "boolean" } } },
            },
        };
        Ok(Self {
            servers,
            each,
            schema,
        })
    }

    fn bundle(&self, organisation: &str) -> anyhow::Result<Bundle> {
        let mut tools = Vec::new();
        for server in 0..self.servers {
            for tool in 0..self.each {
                let class = *ToolClass::ALL.get(tool % 4).unwrap_or(&ToolClass::Read);
                tools.push(ToolSchema {
                    tool: format!("s{server}/t{tool}").parse()?,
                    class,
                    input_schema: &self.schema,
                });
            }
        }
        let sources = [
            shipped_guardrails(),
            shipped_baseline(),
            Source::organisation("organisation.cedar", organisation),
        ];
        let groups: BTreeSet<Role> = [Role::Group("dba".parse()?)].into();
        Bundle::load(&sources, Arc::new(Catalogue::new(tools)), &groups).map_err(|problems| {
            anyhow::anyhow!(
                "{}",
                problems.iter().map(|p| format!("{p}\n")).collect::<String>()
            )
        })
    }

    fn write(&self, path: &str) -> anyhow::Result<Called> {
        self.call("t1", ToolClass::Write, path)
    }

    fn delete(&self, path: &str) -> anyhow::Result<Called> {
        self.call("t2", ToolClass::Delete, path)
    }

    fn call(&self, tool: &str, class: ToolClass, path: &str) -> anyhow::Result<Called> {
        let arguments = object! {
            "path": path, "content": "fn main() {}", "mode": 420, "dry_run": false,
            "tags": Value::Array(vec![Value::from("a"), Value::from("b")]), "options": object! { "force": true },
        };
        let Value::Object(arguments) = arguments else {
            anyhow::bail!("arguments are an object");
        };
        let call = Call {
            server: "s0".parse()?,
            server_identity: Digest::of(b"server"),
            operation: Operation::CallTool(tool.parse()?),
            fingerprint: Digest::of(b"tool"),
            arguments,
            resources: vec![format!("fs:{path}").parse()?],
            destinations: Vec::new(),
            opaque: Vec::new(),
        };
        Ok(Called {
            digest: call.digest(),
            call,
            classification: Classification {
                class,
                marks: Marks::default(),
                arguments: Vec::new(),
                labels: [Label::Confidential].into_iter().collect(),
                because: String::new(),
            },
        })
    }
}

impl Called {
    fn facts<'a>(&'a self, principal: &'a Principal, labels: &'a Labels) -> Facts<'a> {
        Facts {
            call: &self.call,
            digest: self.digest,
            principal,
            tool: Some(ToolFacts {
                classification: &self.classification,
                state: ToolState::Admitted,
            }),
            environments: &NoEnvironments,
            labels,
            unknown_destinations: &[],
            frozen: &[],
            exhausted: &[],
            calls_made: 17,
            proof: Proof::Bearer,
            contained: true,
            origin: Origin::Initial,
            risk: Risk::default(),
            salient_opaque: false,
            now: Timestamp(1_795_000_000_000),
            utc_offset_minutes: 60,
            approval: None,
        }
    }
}

/// Rules of an organisation: by agent, tool, resource and argument; two of five read typed arguments.
fn organisation(rules: usize) -> String {
    let mut text = String::new();
    for n in 0..rules {
        let _ = write!(text, "@id(\"org.r{n}\") ");
        let _ = match n % 5 {
            0 => writeln!(
                text,
                "permit (principal in Agent::\"agent{n}\", action in Action::\"write\", resource) when {{ context.labels.contains(\"public\") }};"
            ),
            1 => writeln!(
                text,
                "forbid (principal, action == Action::\"s{}/t{}\", resource in Resource::\"fs:/srv/team{n}\") when {{ context.arguments.path like \"*.pem\" }};",
                n % 6,
                n % 10
            ),
            2 => writeln!(
                text,
                "@approvers(\"dba\") forbid (principal, action, resource in Resource::\"db:/team{n}\") when {{ context.labels.contains(\"untrusted\") }} unless {{ context.approval.level >= 2 }};"
            ),
            3 => writeln!(
                text,
                "forbid (principal in Agent::\"agent{n}\", action == Action::\"s{}/t{}\", resource) when {{ context.arguments has mode && context.arguments.mode > 511 }};",
                n % 6,
                n % 10
            ),
            _ => writeln!(
                text,
                "forbid (principal in Template::\"team{n}\", action in [Action::\"delete\", Action::\"transfer\"], resource) when {{ context.time.hour < 8 }};"
            ),
        };
    }
    text
}

/// An open task's run, as kept hot for decisions.
///
/// # Errors
/// When its names or ids cannot be made.
pub fn principal(seed: u64, depth: usize) -> anyhow::Result<Principal> {
    let entropy = SeededEntropy::new(seed);
    let now = Timestamp(1_794_999_000_000);
    let id = TaskId::fresh(now, &entropy)?;
    let run = Run {
        id: RunId::fresh(now, &entropy)?,
        agent: "coder".parse()?,
        task: id,
        confinement: Confinement::Landlock,
    };
    let human: Name = "dora".parse()?;
    let chain = (0..depth)
        .map(|n| format!("agent{n}").parse())
        .collect::<Result<Vec<Name>, _>>()?;
    let templates = (0..depth)
        .map(|n| format!("shape{n}").parse())
        .collect::<Result<Vec<Name>, _>>()?;
    let authority = Authority {
        tools: ["*".parse()?].into(),
        classes: [ToolClass::Read, ToolClass::Write, ToolClass::Delete].into(),
        resources: Scope::Only(["fs:/srv/repo".parse()?, "fs:/srv/docs".parse()?].into()),
        destinations: Scope::Only(["mail:bob@example.org".parse()?].into()),
        ..Authority::none()
    };
    Ok(Principal::new(&PrincipalFacts {
        task: Arc::new(Task {
            id,
            parent: None,
            initiator: human.clone(),
            agent: "coder".parse()?,
            run: run.id,
            intent: Intent {
                goal: "fix the flaky login test and open a pull request".to_owned(),
                purpose: String::new(),
            },
            mode: Mode::Execute,
            template: templates.first().cloned(),
            authority,
            cut: Vec::new(),
            state: TaskState::Open,
            version: 1,
            opened_at: now,
            expires_at: now.plus_ms(3_600_000),
            life: remit_core::task::Life::default(),
            untrusted: false,
        }),
        run: &run,
        agent: &Agent {
            name: "coder".parse()?,
            owner: human.clone(),
            backup_owner: None,
            purpose: "code".to_owned(),
            ceiling: Authority::unbounded(),
            standing: Standing::Active,
        },
        initiator: &Human {
            name: human,
            kind: remit_core::people::Kind::Human,
            authority: None,
            roles: [Role::Initiator].into(),
            standing: Standing::Active,
        },
        chain: &chain,
        templates: &templates,
    }))
}
