//! Templates: strict files, typed parameters, and the shipped ones.

use std::collections::BTreeMap;

use remit_core::authority::{Bound, Budget, Scope};
use remit_core::decision::Tier;
use remit_core::json::Value;
use remit_core::task::Mode;
use remit_policy::{Template, TemplateError, shipped_templates};

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

const REFUND: &str = r#"
name = "refund"
description = "Pay one customer back."
mode = "execute"
ttl = "30m"
policy = '@id("refund.no-weekend") forbid (principal in Template::"refund", action, resource) when { context.time.weekday > 5 };'
[parameters.customer]
type = "destination"
description = "the account"
[parameters.limit]
type = "integer"
description = "the most"
default = "100"
[parameters.dirs]
type = "resource"
list = true
description = "what may be read"
[authority]
tools = ["bank/pay", "crm/*:read"]
classes = ["read", "transfer"]
resources = ["{dirs}", "crm:customers"]
destinations = ["{customer}"]
depth = 1
[[authority.bounds]]
tool = "bank/pay"
pointer = "/amount"
max = "{limit}"
min = 1
[[authority.bounds]]
tool = "bank/pay"
pointer = "/currency"
one_of = ["EUR", "{limit}", 7, true]
[[authority.budgets]]
sums = "bank/pay"
pointer = "/amount"
max = "{limit}"
[[authority.budgets]]
counts = "transfer"
max = 1
[tiers]
auto = ["bank/pay"]
two_person = ["*:delete"]
never = ["iam/*"]
"#;

#[test]
fn a_template_fills_in_its_parameters() {
    let template = Template::parse(REFUND).unwrap();
    let given = set(&[("customer", "account:DE89"), ("dirs", "fs:/a, fs:/b")]);
    let instance = template.instantiate(&given).unwrap();
    let authority = &instance.authority;
    assert_eq!((instance.mode, instance.ttl_ms), (Mode::Execute, Some(1_800_000)));
    let Scope::Only(roots) = &authority.resources else {
        panic!("bounded")
    };
    assert_eq!(
        roots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["crm:customers", "fs:/a", "fs:/b"]
    );
    let (_, amount) = authority
        .bounds
        .iter()
        .find(|(a, _)| a.pointer == "/amount")
        .unwrap();
    assert_eq!(amount, &[Bound::Max(100), Bound::Min(1)]);
    let (_, currency) = authority
        .bounds
        .iter()
        .find(|(a, _)| a.pointer == "/currency")
        .unwrap();
    let words = vec![
        Value::from("EUR"),
        Value::from("100"),
        Value::from(7_i64),
        Value::from(true),
    ];
    assert_eq!(currency, &[Bound::OneOf(words)]);
    assert!(
        authority
            .budgets
            .iter()
            .any(|(b, max)| matches!(b, Budget::Sum(_)) && *max == 100)
    );
    assert_eq!(
        authority.stricter.values().copied().collect::<Vec<_>>(),
        [Tier::TwoPerson, Tier::Never]
    );
    assert_eq!(authority.agreed.len(), 1);
    assert!(template.source().is_some());
}

#[test]
fn what_is_given_is_checked() {
    let template = Template::parse(REFUND).unwrap();
    let missing = template
        .instantiate(&set(&[("dirs", "fs:/a")]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        missing,
        "template `refund` needs `customer` (the account): add `--set customer=…`"
    );
    let unknown = template.instantiate(&set(&[("custommer", "x")])).unwrap_err();
    assert!(matches!(unknown, TemplateError::Unknown { .. }), "{unknown}");
    let bad = set(&[("customer", "bob"), ("dirs", "fs:/a")]);
    assert!(
        template
            .instantiate(&bad)
            .unwrap_err()
            .to_string()
            .contains("`bob` is not a destination")
    );
    let dots = set(&[("customer", "account:DE89"), ("dirs", "fs:/a/..")]);
    assert!(template.instantiate(&dots).is_err());
}

#[test]
fn what_is_filled_in_is_never_read_again() {
    let text = REFUND
        .replace("type = \"destination\"", "type = \"text\"")
        .replace("\"{customer}\"", "\"other:{customer}\"");
    let template = Template::parse(&text).unwrap();
    let given = set(&[("customer", "{limit}"), ("dirs", "fs:/a")]);
    let Scope::Only(places) = template.instantiate(&given).unwrap().authority.destinations else {
        panic!("bounded")
    };
    assert_eq!(
        places.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["other:{limit}"]
    );
}

#[test]
fn mistakes_in_a_template_show_when_it_is_written() {
    let refused = [
        ("mode = \"execute\"", "mode = \"fast\"", "`fast` is not a mode"),
        (
            "ttl = \"30m\"",
            "ttl = \"soon\"",
            "`soon` is not a length of time",
        ),
        ("ttl = \"30m\"", "tll = \"30m\"", "unknown field `tll`"),
        ("\"{dirs}\"", "\"{dris}\"", "`{dris}` is not a parameter"),
        ("\"{dirs}\"", "\"x{dirs}\"", "`{dirs}` is a list"),
        ("\"crm/*:read\"", "\"crm/*:look\"", "does not select tools"),
        ("[\"read\", \"transfer\"]", "[\"raed\"]", "is not a tool class"),
        (
            "default = \"100\"",
            "default = \"many\"",
            "it takes a whole number",
        ),
        (
            "pointer = \"/currency\"",
            "pointer = \"currency\"",
            "is no JSON Pointer",
        ),
        ("counts = \"transfer\"", "counts = \"trnasfer\"", "is not a tool"),
    ];
    for (from, to, expected) in refused {
        let text = REFUND.replacen(from, to, 1);
        assert_ne!(text, REFUND, "{from}");
        let said = Template::parse(&text).unwrap_err().to_string();
        assert!(said.contains(expected), "{to}: {said}");
    }
}

#[test]
fn the_shipped_templates_are_read_and_can_be_used() {
    let names: Vec<String> = shipped_templates()
        .unwrap()
        .iter()
        .map(|t| t.name.to_string())
        .collect();
    assert_eq!(names, ["coding", "conformance", "public", "support", "triage"]);
}
