//! Decisions beyond the shipped policies: errors, tiers of several rules, redemption, templates' own rules, explanations.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_core::approval::Requirement;
use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::call::{Call, Operation};
use remit_core::confinement::{Confinement, Proof};
use remit_core::decision::{Effect, Reason, Tier};
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{RunId, TaskId};
use remit_core::json::{Object, object};
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Role, Standing};
use remit_core::task::{Intent, Mode, Run, Task, TaskState};
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, Marks, ToolClass, ToolState};
use remit_policy::{
    Bundle, Catalogue, Facts, Given, Layer, NoEnvironments, Origin, Principal, PrincipalFacts, Risk, Said,
    Source, ToolFacts, ToolSchema, Verdict, Wider,
};

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn bundle(rules: &str) -> Bundle {
    layered(&[(Layer::Organisation, "team.cedar", rules)])
}

fn layered(files: &[(Layer, &str, &str)]) -> Bundle {
    let schema = object! { "type": "object", "properties": object! { "path": object! { "type": "string" } } };
    let tool = |name: &str, class| ToolSchema {
        tool: name.parse().unwrap(),
        class,
        input_schema: &schema,
    };
    let catalogue = Catalogue::new([
        tool("fs/write", ToolClass::Write),
        tool("fs/read", ToolClass::Read),
    ]);
    let sources: Vec<Source> = files
        .iter()
        .map(|(layer, name, text)| Source {
            layer: *layer,
            name: (*name).to_owned(),
            text: (*text).to_owned().into(),
        })
        .collect();
    let groups: BTreeSet<Role> = ["dba", "release"].map(|g| g.parse().unwrap()).into();
    Bundle::load(&sources, Arc::new(catalogue), &groups).unwrap()
}

fn principal(templates: &[&str]) -> Principal {
    let entropy = SeededEntropy::new(1);
    let id = TaskId::fresh(NOW, &entropy).unwrap();
    let human: Name = "dora".parse().unwrap();
    let coder: Name = "coder".parse().unwrap();
    let run = Run {
        id: RunId::fresh(NOW, &entropy).unwrap(),
        agent: coder.clone(),
        task: id,
        confinement: Confinement::Landlock,
    };
    let task = Task {
        id,
        parent: None,
        initiator: human.clone(),
        agent: coder.clone(),
        run: run.id,
        intent: Intent {
            goal: "test".into(),
            purpose: String::new(),
        },
        mode: Mode::Execute,
        template: None,
        authority: Authority {
            tools: BTreeSet::from([ToolSelector::ALL]),
            classes: ToolClass::ALL.into(),
            resources: Scope::Any,
            ..Authority::none()
        },
        cut: Vec::new(),
        state: TaskState::Open,
        version: 1,
        opened_at: NOW,
        expires_at: NOW.plus_ms(1_000),
        life: remit_core::task::Life::default(),
        untrusted: false,
    };
    let templates: Vec<Name> = templates.iter().map(|t| t.parse().unwrap()).collect();
    Principal::new(&PrincipalFacts {
        task: Arc::new(task),
        run: &run,
        agent: &Agent {
            name: coder.clone(),
            owner: human.clone(),
            backup_owner: None,
            purpose: "tests".into(),
            ceiling: Authority::unbounded(),
            standing: Standing::Active,
        },
        initiator: &Human {
            name: human,
            kind: remit_core::people::Kind::Human,
            authority: None,
            roles: BTreeSet::new(),
            standing: Standing::Active,
        },
        chain: &[coder],
        templates: &templates,
    })
}

fn call(tool: &str, resources: &[&str]) -> Call {
    Call {
        server: "fs".parse().unwrap(),
        server_identity: Digest::of(b"server"),
        operation: Operation::CallTool(tool.parse().unwrap()),
        fingerprint: Digest::of(b"tool"),
        arguments: Object::new(),
        resources: resources.iter().map(|r| r.parse().unwrap()).collect(),
        destinations: Vec::new(),
        opaque: Vec::new(),
    }
}

/// Decides a call of `fs/write` or `fs/read`.
fn with<T>(
    tool: &str,
    resources: &[&str],
    templates: &[&str],
    given: Option<Given<'_>>,
    use_: impl FnOnce(&Facts<'_>) -> T,
) -> T {
    let call = call(tool, resources);
    let principal = principal(templates);
    let classification = Classification {
        class: if tool == "write" {
            ToolClass::Write
        } else {
            ToolClass::Read
        },
        marks: Marks::default(),
        arguments: Vec::new(),
        labels: Labels::new(),
        because: String::new(),
    };
    use_(&Facts {
        digest: call.digest(),
        call: &call,
        principal: &principal,
        tool: Some(ToolFacts {
            classification: &classification,
            state: ToolState::Admitted,
        }),
        environments: &NoEnvironments,
        labels: &Labels::new(),
        unknown_destinations: &[],
        frozen: &[],
        exhausted: &[],
        calls_made: 3,
        proof: Proof::Bearer,
        contained: true,
        origin: Origin::Initial,
        risk: Risk::default(),
        salient_opaque: false,
        now: NOW,
        utc_offset_minutes: 0,
        approval: given,
    })
}

fn decide(bundle: &Bundle, resources: &[&str]) -> Verdict {
    with("write", resources, &[], None, |facts| bundle.decide(facts))
}

const ALL: &str = "@id(\"all\") permit (principal, action, resource);\n";

#[test]
fn no_policy_is_deny() {
    let verdict = decide(&bundle(""), &["fs:/a"]);
    assert_eq!(
        (verdict.effect(), verdict.reason()),
        (Effect::Deny, Reason::OutOfAuthority)
    );
}

#[test]
fn an_error_in_any_forbid_denies_and_one_in_a_permit_only_does_not_permit() {
    let overflow = "when { context.calls_made * 9223372036854775807 > 0 }";
    let forbid = bundle(&format!(
        "{ALL}@id(\"err\") forbid (principal, action, resource) {overflow};"
    ));
    let verdict = decide(&forbid, &["fs:/a"]);
    assert_eq!(
        (verdict.effect(), verdict.reason()),
        (Effect::Deny, Reason::ConstraintUnsupported)
    );
    assert_eq!(verdict.rules()[0].id(), "err");
    let required = bundle(&format!(
        "{ALL}@id(\"err\") forbid (principal, action, resource) {overflow} unless {{ context.approval.level >= 1 }};"
    ));
    assert_eq!(
        decide(&required, &["fs:/a"]).reason(),
        Reason::ConstraintUnsupported
    );
    let permit = format!("@id(\"err\") permit (principal, action, resource) {overflow};\n");
    assert_eq!(
        decide(&bundle(&permit), &["fs:/a"]).reason(),
        Reason::OutOfAuthority
    );
    assert_eq!(
        decide(&bundle(&format!("{permit}{ALL}")), &["fs:/a"]).effect(),
        Effect::Allow
    );
}

#[test]
fn a_permit_must_cover_every_resource_and_a_forbid_on_any_counts() {
    let rules = "@id(\"a\") permit (principal, action, resource in Resource::\"fs:/a\");
        @id(\"b\") permit (principal, action, resource in Resource::\"fs:b\");
        @id(\"no\") @reason(\"resource_policy\") forbid (principal, action, resource in Resource::\"fs:/a/secret\");";
    let bundle = bundle(rules);
    let reason = |resources: &[&str]| decide(&bundle, resources).reason();
    assert_eq!(reason(&["fs:/a/x", "fs:/b/y"]), Reason::Permitted);
    assert_eq!(reason(&["fs:/a/x", "fs:/c"]), Reason::OutOfAuthority);
    assert_eq!(reason(&["fs:/a/x", "fs:/a/secret/k"]), Reason::ResourcePolicy);
    assert_eq!(reason(&["fs:/a/secrets"]), Reason::Permitted, "whole segments");
    assert_eq!(reason(&["fs:a/x"]), Reason::Permitted, "one spelling");
    assert_eq!(
        reason(&[]),
        Reason::OutOfAuthority,
        "nothing identifiable is under no root"
    );
}

const TIERS: &str = "@id(\"tell\") forbid (principal, action, resource) unless { context.approval.level >= 1 };
    @id(\"dba\") @approvers(\"dba\") @message(\"{tool} on {resource}\") forbid (principal, action, resource in Resource::\"db:/\") unless { context.approval.level >= 2 };
    @id(\"prod\") @approvers(\"release,dba\") forbid (principal, action, resource in Resource::\"db:/prod\") unless { context.approval.level >= 3 };";

#[test]
fn the_strictest_tier_counts_and_every_approver_set() {
    let bundle = bundle(&format!("{ALL}{TIERS}"));
    let Verdict::Allow(told) = decide(&bundle, &["fs:/a"]) else {
        panic!("told, not asked")
    };
    assert_eq!((told.tier(), told.level_used()), (Tier::Notify, 0));
    let Verdict::Hold(one) = decide(&bundle, &["db:/test/t"]) else {
        panic!("held")
    };
    assert_eq!(
        (one.requirement.tier, one.requirement.strong),
        (Tier::Approve, false)
    );
    assert_eq!(one.message, "fs/write on `db:/test/t`");
    let Verdict::Hold(two) = decide(&bundle, &["db:/prod/t"]) else {
        panic!("held")
    };
    assert_eq!(
        (two.requirement.tier, two.requirement.strong),
        (Tier::TwoPerson, true)
    );
    let sets: Vec<Vec<String>> = two
        .requirement
        .approvers
        .iter()
        .map(|set| set.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(sets, [vec!["dba"], vec!["dba", "release"]]);
    assert_eq!(
        two.rules.iter().map(|r| r.id()).collect::<Vec<_>>(),
        ["dba", "prod"],
        "who is only told, is not asked"
    );
}

fn redeem(bundle: &Bundle, requirement: &Requirement, rules: &[String], resources: &[&str]) -> Verdict {
    let given = Given { requirement, rules };
    with("write", resources, &[], Some(given), |facts| bundle.decide(facts))
}

#[test]
fn an_approval_is_redeemed_for_what_was_on_its_card() {
    let bundle = bundle(&format!("{ALL}{TIERS}"));
    let Verdict::Hold(card) = decide(&bundle, &["db:/test/t"]) else {
        panic!("held")
    };
    let rules: Vec<String> = card.rules.iter().map(ToString::to_string).collect();
    let Verdict::Allow(allow) = redeem(&bundle, &card.requirement, &rules, &["db:/test/t"]) else {
        panic!("allowed")
    };
    assert_eq!((allow.tier(), allow.level_used()), (Tier::Approve, 2));
    assert_eq!(allow.call(), call("write", &["db:/test/t"]).digest());

    let Verdict::Hold(stricter) = redeem(&bundle, &card.requirement, &rules, &["db:/prod/t"]) else {
        panic!("held")
    };
    assert!(matches!(stricter.wider, Some(Wider::Tier { .. })));
    // The same rule with another text is another rule.
    let edited = self::bundle(&format!(
        "{ALL}{}",
        TIERS.replace("resource in Resource::\"db:/\"", "resource in Resource::\"db:\"")
    ));
    let Verdict::Hold(changed) = redeem(&edited, &card.requirement, &rules, &["db:/test/t"]) else {
        panic!("held")
    };
    assert_eq!(changed.wider, Some(Wider::Rule("dba".into())));
    // What was tightened to never stays never, whatever was approved.
    let never = self::bundle(&format!(
        "{ALL}{TIERS}@id(\"stop\") forbid (principal, action, resource in Resource::\"db:/\");"
    ));
    assert_eq!(
        redeem(&never, &card.requirement, &rules, &["db:/test/t"]).effect(),
        Effect::Deny
    );
    // An approval that is not needed any more does no harm.
    let loosened = self::bundle(ALL);
    let Verdict::Allow(auto) = redeem(&loosened, &card.requirement, &rules, &["db:/test/t"]) else {
        panic!("allowed")
    };
    assert_eq!((auto.tier(), auto.level_used()), (Tier::Auto, 0));
}

#[test]
fn a_templates_rules_bind_its_tasks_and_their_children_only() {
    let rule = "@id(\"t.no\") forbid (principal in Template::\"refund\", action, resource);";
    let bundle = layered(&[
        (Layer::Organisation, "team.cedar", ALL),
        (Layer::Template, "refund", rule),
    ]);
    let effect = |templates: &[&str]| {
        with("write", &["fs:/a"], templates, None, |facts| {
            bundle.decide(facts).effect()
        })
    };
    assert_eq!(effect(&[]), Effect::Allow);
    assert_eq!(effect(&["refund"]), Effect::Deny);
    assert_eq!(effect(&["coding", "refund"]), Effect::Deny);
}

#[test]
fn the_strictest_layer_gives_the_reason() {
    let forbid = |id: &str, reason: &str| {
        format!("@id(\"{id}\") @reason(\"{reason}\") forbid (principal, action, resource);")
    };
    let bundle = layered(&[
        (
            Layer::Organisation,
            "team.cedar",
            &format!("{ALL}{}", forbid("org", "resource_policy")),
        ),
        (Layer::Guardrail, "guard.cedar", &forbid("guard", "freeze")),
    ]);
    let verdict = decide(&bundle, &["fs:/a"]);
    assert_eq!(verdict.reason(), Reason::Freeze);
    assert_eq!(
        verdict.rules().iter().map(|r| r.id()).collect::<Vec<_>>(),
        ["guard", "org"]
    );
}

#[test]
fn a_call_that_touches_too_much_is_denied_and_repeats_count_once() {
    let bundle =
        bundle("@id(\"all\") permit (principal, action, resource) when { resource.system == \"fs\" };");
    let many: Vec<String> = (0..257).map(|n| format!("fs:/a/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(decide(&bundle, &many).reason(), Reason::ParameterViolation);
    assert_eq!(decide(&bundle, &many[..256]).effect(), Effect::Allow);
    assert_eq!(
        decide(&bundle, &["fs:/a", "fs:a", "fs:/a"]).effect(),
        Effect::Allow
    );
}

#[test]
fn an_explanation_names_the_clause_and_the_nearest_permit() {
    let rules = "@id(\"near\")
permit (principal in Agent::\"coder\", action, resource)
when { context.class == \"write\" }
when { resource in Resource::\"fs:/srv\" };
@id(\"far\") permit (principal in Agent::\"other\", action, resource);
@id(\"no\") forbid (principal, action, resource) when { context.mints };";
    let bundle = bundle(rules);
    let explanation = with("write", &["fs:/a"], &[], None, |facts| bundle.explain(facts));
    assert_eq!(explanation.verdict.reason(), Reason::OutOfAuthority);
    let nearest = explanation.nearest_permit.unwrap();
    assert_eq!(
        nearest.to_string(),
        "near (team.cedar:1) does not apply: line 4, `resource in Resource::\"fs:/srv\"` does not hold"
    );
    let no = explanation.rules.iter().find(|r| r.rule.id() == "no").unwrap();
    assert!(
        matches!(
            &no.said,
            Said::Fails {
                after: 0,
                line: 6,
                ..
            }
        ),
        "{no}"
    );
    assert!(!explanation.rules.iter().any(|r| r.rule.id() == "far"));
    let allowed = with("write", &["fs:/srv/a"], &[], None, |facts| bundle.explain(facts));
    assert!(allowed.nearest_permit.is_none());
}
