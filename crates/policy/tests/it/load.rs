//! What is refused at load, where, and in which words.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_core::json::{Bounds, Value, parse};
use remit_core::tool::ToolClass;
use remit_policy::{
    Bundle, Catalogue, Layer, Severity, Source, ToolSchema, shipped_baseline, shipped_guardrails,
};

fn schema(text: &str) -> Value {
    parse(text.as_bytes(), &Bounds::REQUEST).unwrap()
}

fn catalogue() -> Arc<Catalogue> {
    let pay = schema(
        r#"{"type":"object","required":["to"],"properties":{"to":{"type":"string"},"amount":{"type":"number"},
            "urgency":{"enum":["low","high"]},"note":{"type":"string"},"extra":{"type":"object"}}}"#,
    );
    let read = schema(r#"{"type":"object","properties":{"path":{"type":"string"}}}"#);
    let tool = |name: &str, class, input_schema| ToolSchema {
        tool: name.parse().unwrap(),
        class,
        input_schema,
    };
    Arc::new(Catalogue::new([
        tool("bank/pay", ToolClass::Transfer, &pay),
        tool("fs/read", ToolClass::Read, &read),
        tool("fs/write", ToolClass::Write, &read),
    ]))
}

fn load_as(layer: Layer, text: &str) -> Result<Bundle, Vec<String>> {
    let source = Source {
        layer,
        name: "team.cedar".to_owned(),
        text: text.to_owned().into(),
    };
    let groups = BTreeSet::from(["dba".parse().unwrap()]);
    Bundle::load(&[source], catalogue(), &groups)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The one problem of a file.
#[track_caller]
fn problem(text: &str) -> String {
    let mut problems = load_as(Layer::Organisation, text).expect_err("a problem");
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

#[track_caller]
fn accepted(text: &str) {
    if let Err(problems) = load_as(Layer::Organisation, text) {
        panic!("{problems:#?}");
    }
}

#[test]
fn an_argument_the_tool_does_not_have_is_refused_with_its_place() {
    let text = "\n@id(\"x\")\nforbid (principal, action == Action::\"bank/pay\", resource)\n  when { context.arguments.amuont == 1 };";
    assert_eq!(
        problem(text),
        "team.cedar:4:10: rule `x`: bank/pay has no argument `/amuont`: it has: note, to, urgency"
    );
}

#[test]
fn an_opaque_argument_is_refused_with_its_place_and_why() {
    let text = "@id(\"x\") forbid (principal, action == Action::\"bank/pay\", resource) when { context.arguments.amount == 1 };";
    let said = problem(text);
    assert!(
        said.starts_with("team.cedar:1:76: rule `x`: Cedar cannot hold `/amount` of bank/pay: it is a number with a fraction"),
        "{said}"
    );
    let below = text.replace("arguments.amount == 1", "arguments.extra.deep == 1");
    assert!(problem(&below).contains("Cedar cannot hold `/extra` of bank/pay: it is an open map"));
    let has = text.replace("context.arguments.amount == 1", "context.arguments has amount");
    assert!(
        problem(&has).contains("Cedar cannot hold `/amount`"),
        "has is a mention too"
    );
}

#[test]
fn a_word_an_argument_can_never_be_is_refused() {
    let text = "@id(\"x\") forbid (principal, action == Action::\"bank/pay\", resource) when { context.arguments has urgency && context.arguments.urgency == \"hihg\" };";
    assert!(problem(text).contains("`/urgency` is never `hihg`: it is one of: low, high"));
    accepted(&text.replace("hihg", "high"));
}

#[test]
fn an_argument_of_one_of_several_tools_needs_has() {
    let unguarded = "@id(\"x\") forbid (principal, action in Action::\"any\", resource) when { context.arguments.to == \"eve\" };";
    assert_eq!(
        problem(unguarded),
        "team.cedar:1:71: rule `x`: attribute `arguments.to` in context for Action::\"fs/read\" not found: write `context.arguments has NAME && …` first, or name the tool in the scope"
    );
    accepted(
        "@id(\"x\") forbid (principal, action, resource) when { context.arguments has to && context.arguments.to == \"eve\" };",
    );
    let typo = "@id(\"x\") forbid (principal, action, resource) when { context.arguments has pth };";
    assert!(problem(typo).contains("none of the 3 tools in the rule's scope has an argument `/pth`"));
}

#[test]
fn tools_of_two_servers_can_be_named_together() {
    accepted(
        "@id(\"x\") forbid (principal, action in [Action::\"bank/pay\", Action::\"fs/read\"], resource) when { context.arguments has path && context.arguments.path == \"/x\" };",
    );
}

#[test]
fn an_unknown_tool_is_refused() {
    let said = problem("@id(\"x\") forbid (principal, action == Action::\"bank/pya\", resource);");
    assert_eq!(
        said,
        "team.cedar:1:39: rule `x`: there is no action `bank/pya`: bank has `bank/pay`"
    );
    let group = problem("@id(\"x\") forbid (principal, action in Action::\"delet\", resource);");
    assert!(
        group.contains("there is no action `delet`: actions are tools"),
        "{group}"
    );
}

#[test]
fn approval_stands_in_one_place_only() {
    let good = "@id(\"x\") forbid (principal, action, resource) when { context.mints } unless { context.approval.level >= 2 };";
    accepted(good);
    let refused = [
        "@id(\"x\") permit (principal, action, resource) when { context.approval.level >= 2 };",
        "@id(\"x\") permit (principal, action, resource) unless { context.approval.level >= 2 };",
        "@id(\"x\") forbid (principal, action, resource) when { context.approval.level >= 2 };",
        "@id(\"x\") forbid (principal, action, resource) when { context.approval.level < 2 };",
        "@id(\"x\") forbid (principal, action, resource) unless { context.approval.level == 2 };",
        "@id(\"x\") forbid (principal, action, resource) unless { context.approval.level >= 2 || context.mints };",
        "@id(\"x\") forbid (principal, action, resource) unless { context.approval.level >= 1 } unless { context.approval.level >= 2 };",
        "@id(\"x\") forbid (principal, action, resource) when { context.approval has level } unless { context.approval.level >= 2 };",
        "@id(\"x\") forbid (principal, action, resource) when { context has approval };",
        "@id(\"x\") forbid (principal, action, resource) when { context[\"approval\"][\"level\"] > 1 };",
        "@id(\"x\") forbid (principal, action, resource) when { context.approval == {level: 1} };",
    ];
    for text in refused {
        assert!(
            problem(text).contains("approval is a requirement, never a permission"),
            "{text}: {}",
            problem(text)
        );
    }
    for level in ["0", "4", "-1"] {
        assert!(
            problem(&good.replace(">= 2", &format!(">= {level}"))).contains("there is no approval level")
        );
    }
    for text in [
        "@id(\"x\") forbid (principal, action, resource) when { context == context };",
        "@id(\"x\") forbid (principal, action, resource) when { [context].contains(context) };",
    ] {
        assert!(
            problem(text).contains("`context` cannot be used as a whole"),
            "{text}"
        );
    }
}

#[test]
fn approver_groups_must_exist() {
    let text = |group: &str| {
        format!(
            "@id(\"x\")\n@approvers(\"{group}\")\nforbid (principal, action, resource) unless {{ context.approval.level >= 2 }};"
        )
    };
    accepted(&text("dba, approver"));
    assert_eq!(
        problem(&text("dba,release")),
        "team.cedar:2:1: rule `x`: no human is in the approver group `release`: add one with `remit human add NAME --role release`, or name another group"
    );
}

#[test]
fn annotations_are_known_and_ids_are_unique() {
    assert!(problem("forbid (principal, action, resource);").contains("the rule has no `@id`"));
    assert!(problem("@id(\"X y\") forbid (principal, action, resource);").contains("cannot be a rule id"));
    assert!(
        problem("@id(\"x\") @raeson(\"freeze\") forbid (principal, action, resource);")
            .contains("no annotation `@raeson`")
    );
    assert!(
        problem("@id(\"x\") @reason(\"frozen\") forbid (principal, action, resource);")
            .contains("`frozen` is not a reason")
    );
    assert!(
        problem("@id(\"x\") @message(\"no {tol}\") forbid (principal, action, resource);")
            .contains("`{tol}`")
    );
    let twice =
        "@id(\"x\") forbid (principal, action, resource);\n@id(\"x\") permit (principal, action, resource);";
    assert_eq!(
        problem(twice),
        "team.cedar:2:1: the id `x` is taken by team.cedar:1: ids are unique across all files: choose another"
    );
}

#[test]
fn syntax_and_types_are_refused_with_their_place() {
    assert!(problem("@id(\"x\")\nforbid (principal, action resource);").starts_with("team.cedar:2:27: "));
    let typed =
        problem("@id(\"x\") forbid (principal, action, resource)\nwhen { context.touches == \"many\" };");
    assert!(typed.starts_with("team.cedar:2:8: rule `x`: "), "{typed}");
    let missing =
        problem("@id(\"x\") forbid (principal, action, resource) when { context.lables.contains(\"a\") };");
    assert!(
        missing.ends_with("attribute `lables` not found: did you mean `labels`?"),
        "{missing}"
    );
    assert!(
        problem("@id(\"x\") forbid (principal == ?principal, action, resource);").contains("Cedar template")
    );
    assert!(problem("@id(\"x\") forbid (principal in User::\"bob\", action, resource);").contains("User"));
}

#[test]
fn a_rule_that_can_never_apply_is_refused() {
    let said = problem("@id(\"x\") forbid (principal, action, resource in Agent::\"coder\");");
    assert!(said.contains("it can never apply"), "{said}");
}

#[test]
fn resources_and_destinations_have_to_be_some() {
    accepted("@id(\"x\") forbid (principal, action, resource in Resource::\"db:app\");");
    assert!(
        problem("@id(\"x\") forbid (principal, action, resource in Resource::\"/srv\");")
            .contains("is not a resource")
    );
    assert!(
        problem("@id(\"x\") forbid (principal, action, resource in Resource::\"fs:/a/../b\");")
            .contains("write the path fully resolved")
    );
    accepted(
        "@id(\"x\") forbid (principal, action, resource) when { context.destinations.contains(Destination::\"mail:Eve@Evil.example\") };",
    );
    assert!(
        problem("@id(\"x\") forbid (principal, action, resource) when { context.destinations.contains(Destination::\"eve\") };")
            .contains("is not a destination")
    );
}

#[test]
fn look_alike_text_is_refused() {
    let said = problem(
        "@id(\"x\") forbid (principal, action, resource) when { context.server == \"s\u{0441}rv\" };",
    );
    assert!(said.contains("mixed") || said.contains("script"), "{said}");
}

#[test]
fn guardrails_and_templates_only_narrow() {
    let permit = "@id(\"x\") permit (principal in Template::\"team.cedar\", action, resource);";
    for layer in [Layer::Guardrail, Layer::Template] {
        let said = load_as(layer, permit).expect_err("a problem").remove(0);
        assert!(said.contains("file holds no permit"), "{said}");
    }
    let own = "@id(\"x\") forbid (principal in Template::\"team.cedar\", action, resource);";
    assert!(load_as(Layer::Template, own).is_ok());
    let other = load_as(
        Layer::Template,
        "@id(\"x\") forbid (principal, action, resource);",
    )
    .expect_err("a problem");
    assert!(other[0].contains("binds its own tasks only"), "{other:?}");
    let wide = own.replace("action, resource)", "action, resource in Resource::\"fs:/\")");
    assert!(
        load_as(Layer::Template, &wide).is_err(),
        "the index would find it by the resource"
    );
}

#[test]
fn the_version_covers_layers_names_and_text() {
    let version = |layer, name: &str, text: &str| {
        let source = Source {
            layer,
            name: name.to_owned(),
            text: text.to_owned().into(),
        };
        Bundle::load(&[source], catalogue(), &BTreeSet::new())
            .unwrap()
            .version()
    };
    let text = "@id(\"x\") forbid (principal, action, resource);";
    let base = version(Layer::Organisation, "a", text);
    assert_eq!(base, version(Layer::Organisation, "a", text));
    assert_ne!(base, version(Layer::Baseline, "a", text));
    assert_ne!(base, version(Layer::Organisation, "b", text));
    assert_ne!(base, version(Layer::Organisation, "a", &format!("{text} ")));
}

#[test]
fn many_rules_without_a_scope_are_warned_about() {
    let rules: String = (0..41)
        .map(|n| {
            format!("@id(\"x{n}\") forbid (principal, action, resource) when {{ context.touches > {n} }};\n")
        })
        .collect();
    let bundle = load_as(Layer::Organisation, &rules).unwrap();
    assert_eq!(bundle.warnings().len(), 1);
    assert_eq!(bundle.warnings()[0].severity, Severity::Warning);
    let shipped = Bundle::load(
        &[shipped_guardrails(), shipped_baseline()],
        catalogue(),
        &BTreeSet::new(),
    )
    .unwrap();
    assert!(shipped.warnings().is_empty(), "{:?}", shipped.warnings());
}
