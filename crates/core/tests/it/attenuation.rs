//! Attenuation: over random authorities and random calls, nothing below is ever allowed what something above is not.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use remit_core::authority::{ArgumentRef, Authority, Bound, Budget, ClientFeature, Scope, ToolSelector};
use remit_core::destination::Destination;
use remit_core::json::Value;
use remit_core::resource::Resource;
use remit_core::tool::{ToolClass, ToolRef};
use remit_core::verb::{Narrowed, Verb};

fn tool() -> impl Strategy<Value = ToolRef> {
    prop::sample::select(vec!["fs/read", "fs/write", "git/push", "mail/send"])
        .prop_map(|text| text.parse().unwrap())
}

fn selector() -> impl Strategy<Value = ToolSelector> {
    prop::sample::select(vec![
        "*",
        "fs/*",
        "fs/read",
        "git/push",
        "*:read",
        "fs/*:write",
        "mail/send:transfer",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn resource() -> impl Strategy<Value = Resource> {
    prop::sample::select(vec![
        "fs:",
        "fs:/a",
        "fs:/a/b",
        "fs:/a/b/c",
        "fs:/ab",
        "git:acme",
        "git:acme/web",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn destination() -> impl Strategy<Value = Destination> {
    prop::sample::select(vec!["mail:a@x.org", "mail:b@x.org", "host:x.org"])
        .prop_map(|text| text.parse().unwrap())
}

fn scope<T: Ord + std::fmt::Debug + Clone>(
    item: impl Strategy<Value = T>,
) -> impl Strategy<Value = Scope<T>> {
    prop_oneof![
        Just(Scope::Any),
        prop::collection::btree_set(item, 0..4).prop_map(Scope::Only)
    ]
}

fn amount() -> ArgumentRef {
    ArgumentRef {
        tool: "mail/send".parse().unwrap(),
        pointer: "/amount".to_owned(),
    }
}

prop_compose! {
    fn authority()(
        tools in prop::collection::btree_set(selector(), 0..4),
        classes in prop::collection::btree_set(prop::sample::select(ToolClass::ALL.to_vec()), 0..6),
        resources in scope(resource()),
        narrowed in prop::collection::btree_map(
            resource(),
            prop::collection::btree_set(
                prop::sample::select(ToolClass::ALL.map(Verb::Class).into_iter().chain([Verb::Insert, Verb::Update]).collect::<Vec<_>>()),
                0..4,
            ),
            0..3,
        ),
        destinations in scope(destination()),
        max in prop::option::of(0_i64..10),
        calls in prop::option::of(0_u64..10),
        features in prop::collection::btree_set(prop::sample::select(ClientFeature::ALL.to_vec()), 0..3),
        depth in 0_u8..4,
        fan_out in 0_u16..4,
    ) -> Authority {
        Authority {
            tools,
            classes,
            resources,
            narrowed: Narrowed(narrowed),
            destinations,
            bounds: max.map(|max| (amount(), vec![Bound::Max(max)])).into_iter().collect(),
            budgets: calls.map(|calls| (Budget::Calls, calls)).into_iter().collect::<BTreeMap<_, _>>(),
            client_features: features,
            depth,
            fan_out,
            ..Authority::none()
        }
    }
}

/// Everything one call asks of an authority.
#[derive(Clone, Debug)]
struct Wish {
    tool: ToolRef,
    class: ToolClass,
    resource: Resource,
    destination: Destination,
    amount: i64,
}

prop_compose! {
    fn wish()(
        tool in tool(),
        class in prop::sample::select(ToolClass::ALL.to_vec()),
        resource in resource(),
        destination in destination(),
        amount in 0_i64..12,
    ) -> Wish {
        Wish { tool, class, resource, destination, amount }
    }
}

fn allows(authority: &Authority, wish: &Wish) -> bool {
    let value = Value::from(wish.amount);
    authority.selects(&wish.tool, wish.class)
        && authority.resources.covers(&wish.resource)
        && authority.narrowed.allows(&wish.resource, Verb::Class(wish.class))
        && authority.destinations.covers(&wish.destination)
        && authority
            .bounds
            .get(&amount())
            .is_none_or(|bounds| bounds.iter().all(|bound| bound.holds(Some(&value))))
}

fn budget(authority: &Authority) -> u64 {
    authority.budgets.get(&Budget::Calls).copied().unwrap_or(u64::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn nothing_below_is_allowed_what_something_above_is_not(
        chain in prop::collection::vec(authority(), 1..8),
        wishes in prop::collection::vec(wish(), 1..16),
    ) {
        let mut held = Authority::unbounded();
        let mut above = Vec::new();
        for asked in chain {
            held = asked.attenuate(&held);
            above.push(asked);
            for wish in &wishes {
                let each_level_allows = above.iter().all(|level| allows(level, wish));
                prop_assert_eq!(allows(&held, wish), each_level_allows, "{:?} by {:?}", wish, held);
            }
            prop_assert!(above.iter().all(|level| budget(&held) <= budget(level)));
            prop_assert!(above.iter().all(|level| held.depth <= level.depth && held.fan_out <= level.fan_out));
            prop_assert!(above.iter().all(|level| held.client_features.is_subset(&level.client_features)));
        }
    }

    #[test]
    fn attenuating_twice_changes_nothing_more(a in authority(), b in authority()) {
        let once = a.attenuate(&b).attenuate(&b);
        prop_assert_eq!(&once.attenuate(&b), &once);
        let neutral = once.attenuate(&Authority::unbounded());
        prop_assert_eq!(neutral, once);
    }
}

#[test]
fn what_was_cut_is_said() {
    let asked = Authority {
        tools: BTreeSet::from(["fs/*".parse().unwrap(), "mail/send".parse().unwrap()]),
        ..Authority::unbounded()
    };
    let ceiling = Authority {
        tools: BTreeSet::from(["fs/*".parse().unwrap()]),
        ..Authority::unbounded()
    };
    let cut = asked.cut(&asked.attenuate(&ceiling), "above the ceiling");
    assert_eq!(cut, ["tools `mail/send`: above the ceiling"]);
}
