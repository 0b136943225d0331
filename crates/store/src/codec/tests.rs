//! What is written is read back the same, and anything else is refused with its place.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use remit_core::authority::{ArgumentRef, Authority, Bound, Budget, ClientFeature, Scope, ToolSelector};
use remit_core::decision::Tier;
use remit_core::json::Value;
use remit_core::tool::{ToolClass, ToolRef};
use remit_core::verb::{Narrowed, Verb};

use super::*;

fn pick<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn selectors() -> impl Strategy<Value = BTreeSet<ToolSelector>> {
    let all = [
        "*",
        "*:read",
        "fs/*",
        "fs/*:write",
        "pay/send",
        "pay/send:transfer",
    ];
    let all = all.iter().map(|text| text.parse().unwrap()).collect();
    proptest::collection::btree_set(pick(all), 0..4)
}

fn arguments() -> impl Strategy<Value = ArgumentRef> {
    let tools: Vec<ToolRef> = ["pay/send", "fs/read_file"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    (pick(tools), "(/[a-z~]{0,3}){0,2}").prop_map(|(tool, pointer)| ArgumentRef { tool, pointer })
}

const SAFE: std::ops::Range<i64> = -9_007_199_254_740_991..9_007_199_254_740_992;

fn bounds() -> impl Strategy<Value = Bound> {
    let values = prop_oneof![
        ".{0,6}"
            .prop_filter("U+0000 is no text", |t| !t.contains('\0'))
            .prop_map(Value::from),
        SAFE.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    prop_oneof![
        proptest::collection::vec(values, 0..3).prop_map(Bound::OneOf),
        SAFE.prop_map(Bound::Max),
        SAFE.prop_map(Bound::Min),
    ]
}

fn scope<T: Ord + Clone + std::fmt::Debug + std::str::FromStr<Err: std::fmt::Debug> + 'static>(
    texts: &[&str],
) -> impl Strategy<Value = Scope<T>> {
    let all: Vec<T> = texts.iter().map(|text| text.parse().unwrap()).collect();
    prop_oneof![
        Just(Scope::Any),
        proptest::collection::btree_set(pick(all), 0..3).prop_map(Scope::Only)
    ]
}

prop_compose! {
    fn authorities()(
        tools in selectors(),
        agreed in selectors(),
        stricter in selectors(),
        tier in pick(Tier::ALL.to_vec()),
        classes in proptest::collection::btree_set(pick(ToolClass::ALL.to_vec()), 0..4),
        resources in scope(&["fs:/srv", "db:app/orders", "fs:"]),
        narrowed in proptest::collection::btree_map(
            pick(vec!["fs:/srv".parse().unwrap(), "db:app/orders".parse().unwrap()]),
            proptest::collection::btree_set(pick(vec![Verb::Insert, Verb::Update, Verb::Class(ToolClass::Read)]), 0..3),
            0..2,
        ),
        destinations in scope(&["host:a.example", "mail:b@example.org"]),
        bounds in proptest::collection::btree_map(arguments(), proptest::collection::vec(bounds(), 1..3), 0..3),
        sums in proptest::collection::btree_map(arguments(), 0_u64..9_007_199_254_740_991, 0..3),
        calls in proptest::option::of(0_u64..1000),
        features in proptest::collection::btree_set(pick(ClientFeature::ALL.to_vec()), 0..3),
        depth in any::<u8>(),
        fan_out in any::<u16>(),
    ) -> Authority {
        let mut budgets: BTreeMap<Budget, u64> =
            sums.into_iter().map(|(argument, max)| (Budget::Sum(argument), max)).collect();
        budgets.extend(calls.map(|max| (Budget::Calls, max)));
        budgets.extend(calls.map(|max| (Budget::Rows("erp".parse().unwrap()), max)));
        let stricter = stricter.into_iter().map(|selector| (selector, tier)).collect();
        Authority {
            tools, classes, resources, destinations, bounds, budgets, client_features: features, agreed, stricter, depth,
            fan_out, narrowed: Narrowed(narrowed),
        }
    }
}

proptest! {
    #[test]
    fn an_authority_is_read_back(authority in authorities()) {
        let text = authority_to_json(&authority).to_string();
        let back = authority_from_json(&read(text.as_bytes()).unwrap()).unwrap();
        prop_assert_eq!(back, authority);
    }

    #[test]
    fn no_member_is_optional_and_none_is_added(authority in authorities(), at in 0_usize..12) {
        let Value::Object(whole) = authority_to_json(&authority) else { unreachable!() };
        let name = whole.keys().nth(at).unwrap().to_owned();
        let mut less = whole.clone();
        less.remove(&name);
        prop_assert!(authority_from_json(&less.into()).is_err());
        let mut more = whole;
        more.insert("extra", true);
        let error = authority_from_json(&more.into()).unwrap_err();
        prop_assert_eq!(error.to_string(), "extra: does not belong here");
    }
}

#[test]
fn an_error_says_where_it_is() {
    let Value::Object(mut object) = authority_to_json(&Authority::none()) else {
        unreachable!()
    };
    object.insert(
        "bounds",
        remit_core::array![remit_core::object! { "tool": "pay/send", "pointer": "/a", "max": "x" }],
    );
    let error = authority_from_json(&object.clone().into()).unwrap_err();
    assert_eq!(error.to_string(), "bounds.0.max: an integer belongs here");
    object.insert("bounds", remit_core::array![]);
    object.insert("tools", remit_core::array!["fs/*", "/"]);
    let error = authority_from_json(&object.into()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("tools.1: `/` does not select tools"),
        "{error}"
    );
}

#[test]
fn budgets_have_one_text_each() {
    for text in ["calls", "class:write", "tool:pay/send", "sum:pay/send#/a/0"] {
        assert_eq!(
            budget_from_text(text)
                .map(|budget| budget_to_text(&budget))
                .as_deref(),
            Some(text)
        );
    }
    for bad in ["", "call", "class:", "tool:x", "sum:pay/send", "class:read:write"] {
        assert_eq!(budget_from_text(bad), None, "{bad}");
    }
}
