//! Generated bundles and calls: a slice decides like the whole set, and the whole set like Cedar's own authorizer.

use std::fmt::Write;
use std::sync::Arc;

use cedar_policy_core::ast::{Context, EntityUIDEntry, PolicyID, PolicySet, Request};
use cedar_policy_core::authorizer::{Authorizer, Decision};
use cedar_policy_core::entities::{Entities, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;
use remit_core::decision::Tier;

use super::{Findings, Stage};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::rule::Kind;
use crate::simulate::{Case, Known, TestFile, World};
use crate::source::{Layer, Source};
use crate::template::Template;
use crate::values;

/// SplitMix64: the same cases on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const TOOLS: &str = r#"
[[tools]]
name = "fs/read"
class = "read"
schema = '{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}'
[[tools]]
name = "fs/write"
class = "write"
schema = '{"type":"object","properties":{"path":{"type":"string"},"mode":{"enum":["a","w"]}},"required":["path"]}'
[[tools]]
name = "db/drop"
class = "delete"
irreversible = true
[[tools]]
name = "mail/send"
class = "transfer"
[tasks.here]
template = "one"
agent = "coder"
[tasks.there]
template = "two"
agent = "helper"
"#;

const RESOURCES: [&str; 7] = [
    "fs:/srv",
    "fs:/srv/a",
    "fs:/srv/a/x",
    "fs:/srv/ab",
    "db:/app",
    "db:/app/orders",
    "db:/",
];

fn templates() -> Vec<Template> {
    ["one", "two"]
        .into_iter()
        .map(|name| {
            let text = format!(
                "name = \"{name}\"\ndescription = \"\"\n[authority]\ntools = [\"*\"]\nclasses = [\"read\", \"write\", \"delete\", \"transfer\"]\nresources = [\"fs:/srv/a\", \"db:app\"]"
            );
            Template::parse(&text).unwrap()
        })
        .collect()
}

fn rule(dice: &mut Dice, number: usize) -> String {
    let principal = dice.pick(&[
        "principal",
        "principal",
        "principal in Agent::\"coder\"",
        "principal in Agent::\"helper\"",
        "principal in Template::\"one\"",
        "principal is Run in Template::\"two\"",
        "principal is Run in Agent::\"coder\"",
    ]);
    let action = dice.pick(&[
        "action",
        "action",
        "action == Action::\"fs/write\"",
        "action in Action::\"read\"",
        "action in [Action::\"write\", Action::\"delete\"]",
        "action in Action::\"db/*\"",
        "action in Action::\"any\"",
        "action == Action::\"mcp:resources/read\"",
    ]);
    let at = RESOURCES[dice.roll(RESOURCES.len())];
    let resource = match dice.roll(5) {
        0 | 1 => "resource".to_owned(),
        2 => format!("resource in Resource::\"{at}\""),
        3 => format!("resource == Resource::\"{}\"", at.replacen(":/", ":", 1)),
        _ => format!("resource is Resource in Resource::\"{at}\""),
    };
    let mut conditions = [
        "",
        "when { context.labels.contains(\"secret\") }",
        "when { resource in principal.task.roots }",
        "unless { resource in principal.task.roots }",
        "when { context.touches > 1 }",
        "when { resource.environment == \"production\" } when { context.risk.score > 10 }",
        // Overflows, and so errs, once there have been enough calls.
        "when { context.risk.score * 9223372036854775807 > 0 }",
        "when { context.class == \"write\" || context.destinations.isEmpty() }",
    ]
    .map(str::to_owned)
    .to_vec();
    if action.contains("fs/write") {
        conditions.push("when { context.arguments.path like \"*x*\" }".to_owned());
        conditions.push("when { context.arguments has mode && context.arguments.mode == \"w\" }".to_owned());
    }
    let condition = conditions.swap_remove(dice.roll(conditions.len()));
    let approval = dice.pick(&["", "", "", "1", "2", "3"]);
    let effect = if approval.is_empty() {
        dice.pick(&["permit", "permit", "forbid"])
    } else {
        "forbid"
    };
    let approval = match approval {
        "" => String::new(),
        n => format!("unless {{ context.approval.level >= {n} }}"),
    };
    format!("@id(\"r{number}\")\n{effect} ({principal}, {action}, {resource})\n{condition}\n{approval};\n")
}

fn bundle(dice: &mut Dice, known: &[Known]) -> Bundle {
    let mut text = String::new();
    for number in 0..3 + dice.roll(20) {
        text.push_str(&rule(dice, number));
    }
    // Some permit for most calls, so that tiers are reached.
    if dice.roll(4) > 0 {
        text.push_str("@id(\"all\") permit (principal, action, resource);\n");
    }
    let source = Source {
        layer: Layer::Organisation,
        name: "generated".to_owned(),
        text: text.into(),
    };
    let catalogue = Arc::new(Catalogue::new(known.iter().map(Known::schema)));
    Bundle::load(&[source], catalogue, &std::collections::BTreeSet::new()).unwrap_or_else(|problems| {
        panic!(
            "{}",
            problems.iter().map(|p| format!("{p}\n")).collect::<String>()
        )
    })
}

fn case(dice: &mut Dice) -> Case {
    let mut text = String::from("name = \"c\"\n");
    writeln!(text, "task = \"{}\"", dice.pick(&["here", "there"])).unwrap();
    let call = dice.pick(&[
        "fs/read",
        "fs/write",
        "db/drop",
        "mail/send",
        "fs resources/read x",
    ]);
    writeln!(text, "call = \"{call}\"").unwrap();
    let touched: Vec<String> = (0..dice.roll(4))
        .map(|_| format!("{:?}", RESOURCES[dice.roll(RESOURCES.len())]))
        .collect();
    writeln!(text, "resources = [{}]", touched.join(", ")).unwrap();
    writeln!(text, "labels = {}", dice.pick(&["[]", "[\"secret\"]"])).unwrap();
    writeln!(
        text,
        "environments = {}",
        dice.pick(&["{}", "{ fs = \"production\" }"])
    )
    .unwrap();
    writeln!(
        text,
        "risk = {}",
        dice.pick(&["[0, 0, 0, 0]", "[1, 0, 0, 0]", "[9, 9, 0, 0]"])
    )
    .unwrap();
    writeln!(
        text,
        "destinations = {}",
        dice.pick(&["[]", "[\"host:a.example\"]"])
    )
    .unwrap();
    writeln!(
        text,
        "arguments = {}",
        dice.pick(&["{ path = \"x\" }", "{ path = \"y\", mode = \"w\" }"])
    )
    .unwrap();
    toml::from_str(&text).unwrap()
}

/// Runs `check` on this many generated calls.
fn generated(seed: u64, calls: usize, mut check: impl FnMut(&Bundle, &Stage<'_>)) {
    let file = TestFile::parse(TOOLS).unwrap();
    let known = file.tools().unwrap();
    let templates = templates();
    let mut dice = Dice(seed);
    let mut made = 0;
    while made < calls {
        let bundle = bundle(&mut dice, &known);
        for _ in 0..250 {
            let case = case(&mut dice);
            let world = World::new(&case, file.task(&case).unwrap(), &known, &templates).unwrap();
            let facts = world.facts(None);
            if let Ok(stage) = bundle.stage(&facts) {
                check(&bundle, &stage);
            }
            made += 1;
        }
    }
}

/// `REMIT_GENERATED_CALLS=100000` runs the long form.
fn calls(short: usize) -> usize {
    std::env::var("REMIT_GENERATED_CALLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(short)
}

#[test]
fn a_slice_finds_what_the_whole_set_finds() {
    let mut seen = [0_usize; 4];
    generated(1, calls(2_500), |bundle, stage| {
        let all: Vec<u32> = (0..).take(bundle.rules.len()).collect();
        let whole = bundle.evaluate_places(stage, &all);
        let sliced = bundle.evaluate(stage);
        assert_eq!(
            whole,
            sliced,
            "{:#?}",
            bundle.rules.iter().map(|r| &r.text).collect::<Vec<_>>()
        );
        let kinds = [
            !whole.forbids.is_empty(),
            !whole.errors.is_empty(),
            !whole.required.is_empty(),
            whole.permits.is_some(),
        ];
        seen.iter_mut()
            .zip(kinds)
            .for_each(|(n, yes)| *n += usize::from(yes));
    });
    assert!(
        seen.iter().all(|n| *n > 20),
        "the generator reaches every outcome: {seen:?}"
    );
}

#[test]
fn tiers_are_what_cedar_says_when_levels_are_tried_upwards() {
    let mut tiers = [0_usize; 4];
    generated(2, calls(1_000), |bundle, stage| {
        let ours = tier(bundle, &bundle.evaluate(stage));
        let theirs = tried_upwards(bundle, stage);
        assert_eq!(
            ours,
            theirs,
            "{:?} {:#?}",
            bundle.evaluate(stage),
            bundle.rules.iter().map(|r| &r.text).collect::<Vec<_>>()
        );
        tiers[usize::from(ours.map_or(0, Tier::level))] += 1;
    });
    assert!(
        tiers.iter().all(|n| *n > 5),
        "the generator reaches every tier: {tiers:?}"
    );
}

/// The level our findings mean; `None` = denied.
fn tier(bundle: &Bundle, findings: &Findings) -> Option<Tier> {
    let clear = findings.forbids.is_empty() && findings.errors.is_empty() && findings.permits.is_some();
    clear.then(|| {
        let tiers = findings
            .required
            .iter()
            .map(|place| match bundle.rules[*place as usize].kind {
                Kind::Require(tier) => tier,
                other => panic!("{other:?} is no requirement"),
            });
        tiers.max().unwrap_or(Tier::Auto)
    })
}

/// What DESIGN says, taken literally: Cedar's own authorizer over the whole set, once for each resource at each level from 0
/// on, any error in a forbid denying.
fn tried_upwards(bundle: &Bundle, stage: &Stage<'_>) -> Option<Tier> {
    let mut set = PolicySet::new();
    for rule in &bundle.rules {
        set.add(rule.policy.new_id(PolicyID::from_string(&rule.id)))
            .unwrap();
    }
    let at = |level: i64| {
        stage.scene.resources.iter().all(|resource| {
            let Context::Value(members) = &stage.context else {
                panic!("a value")
            };
            let mut members = members.as_ref().clone();
            members.insert(
                "approval".into(),
                values::record([("level", values::long(level))]),
            );
            let context = Context::Value(Arc::new(members));
            let request = crate::request::request(stage.facts, stage.action, resource, context);
            let answer = Authorizer::new().is_authorized(request, &set, &stage.scene.entities);
            let forbid_erred = answer.diagnostics.errors.iter().any(|error| {
                let cedar_policy_core::authorizer::AuthorizationError::PolicyEvaluationError { id, .. } =
                    error;
                let id: &str = id.as_ref();
                bundle.rules.iter().any(|r| r.id == id && r.kind != Kind::Permit)
            });
            answer.decision == Decision::Allow && !forbid_erred
        })
    };
    [Tier::Auto, Tier::Notify, Tier::Approve, Tier::TwoPerson]
        .into_iter()
        .find(|tier| at(tier.level().into()))
}

#[test]
fn every_request_and_entity_is_what_the_schema_says() {
    let file = TestFile::parse(TOOLS).unwrap();
    let catalogue = Catalogue::new(file.tools().unwrap().iter().map(Known::schema));
    let tools = catalogue.tools().cloned().collect();
    let schema = crate::schema::schema(&catalogue, &crate::schema::Extent::Typed(&tools)).unwrap();
    let core = CoreSchema::new(&schema);
    let extensions = Extensions::all_available();
    let mut seen = 0;
    generated(3, 500, |_, stage| {
        for resource in &stage.scene.resources {
            let asked = crate::request::request(stage.facts, stage.action, resource, stage.context.clone());
            let known = |entry: &EntityUIDEntry| (entry.uid().unwrap().clone(), None);
            let parts = (
                known(asked.principal()),
                known(asked.action()),
                known(asked.resource()),
            );
            let checked = Request::new(
                parts.0,
                parts.1,
                parts.2,
                stage.context.clone(),
                Some(&schema),
                extensions,
            );
            assert!(checked.is_ok(), "{:?}", checked.err());
        }
        let others = stage
            .scene
            .entities
            .iter()
            .filter(|e| !e.uid().is_action())
            .cloned();
        let checked = Entities::from_entities(
            others,
            Some(&core),
            TCComputation::EnforceAlreadyComputed,
            extensions,
        );
        assert!(checked.is_ok(), "{:?}", checked.err());
        seen += 1;
    });
    assert!(seen > 400);
}
