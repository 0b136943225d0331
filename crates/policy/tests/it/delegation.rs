//! Delegation through the real engine: over random trees of grants and random calls, nothing below is ever allowed what
//! something above is not, nor asked of fewer people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use remit_core::authority::{ArgumentRef, Authority, Bound, Scope, ToolSelector};
use remit_core::call::{Call, Operation};
use remit_core::confinement::{Confinement, Proof};
use remit_core::decision::Tier;
use remit_core::destination::Destination;
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{RunId, TaskId};
use remit_core::json::{Value, object};
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Kind, Standing};
use remit_core::resource::Resource;
use remit_core::task::{Intent, Life, Mode, Run, Task, TaskState};
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, Marks, ToolClass, ToolRef, ToolState};
use remit_policy::{
    Bundle, Catalogue, Facts, NoEnvironments, Origin, Principal, PrincipalFacts, Risk, ToolFacts, ToolSchema,
    Verdict,
};

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const TOOLS: [(&str, ToolClass); 6] = [
    ("fs/read", ToolClass::Read),
    ("fs/write", ToolClass::Write),
    ("fs/delete", ToolClass::Delete),
    ("mail/send", ToolClass::Transfer),
    ("shell/run", ToolClass::Exec),
    ("iam/grant", ToolClass::Privilege),
];

fn bundle() -> Bundle {
    let schema =
        object! { "type": "object", "properties": object! { "amount": object! { "type": "integer" } } };
    let tools = TOOLS.map(|(name, class)| ToolSchema {
        tool: name.parse().unwrap(),
        class,
        input_schema: &schema,
    });
    Bundle::load(&[], Arc::new(Catalogue::new(tools)), &BTreeSet::new()).unwrap()
}

fn selector() -> impl Strategy<Value = ToolSelector> {
    prop::sample::select(vec![
        "*",
        "fs/*",
        "fs/read",
        "fs/write",
        "*:read",
        "*:write",
        "fs/*:delete",
        "mail/send",
        "shell/run",
        "iam/*",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn resource() -> impl Strategy<Value = Resource> {
    prop::sample::select(vec![
        "fs:/",
        "fs:/a",
        "fs:/a/b",
        "fs:/a/b/c",
        "fs:/ab",
        "git:acme",
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
        1 => Just(Scope::Any),
        3 => prop::collection::btree_set(item, 1..4).prop_map(Scope::Only)
    ]
}

fn tier() -> impl Strategy<Value = Tier> {
    prop::sample::select(vec![Tier::Notify, Tier::Approve, Tier::TwoPerson, Tier::Never])
}

prop_compose! {
    fn authority()(
        tools in prop::collection::btree_set(selector(), 1..5),
        classes in prop::collection::btree_set(prop::sample::select(ToolClass::ALL.to_vec()), 2..7),
        resources in scope(resource()),
        destinations in scope(destination()),
        max in prop::option::of(0_i64..10),
        agreed in prop::collection::btree_set(selector(), 0..3),
        stricter in prop::collection::btree_map(selector(), tier(), 0..2),
    ) -> Authority {
        let bounds: BTreeMap<_, _> = max
            .map(|max| {
                let argument = ArgumentRef { tool: "mail/send".parse().unwrap(), pointer: "/amount".to_owned() };
                (argument, vec![Bound::Max(max)])
            })
            .into_iter()
            .collect();
        Authority {
            tools, classes, resources, destinations, bounds, agreed, stricter,
            depth: 8,
            fan_out: 8,
            ..Authority::none()
        }
    }
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Execute, Mode::Execute, Mode::Assist])
}

/// One call.
#[derive(Clone, Debug)]
struct Wish {
    tool: usize,
    resources: Vec<Resource>,
    destinations: Vec<Destination>,
    amount: i64,
}

prop_compose! {
    fn wish()(
        tool in 0..TOOLS.len(),
        resources in prop::collection::vec(resource(), 0..3),
        destinations in prop::collection::vec(destination(), 0..3),
        amount in 0_i64..12,
    ) -> Wish {
        Wish { tool, resources, destinations, amount }
    }
}

fn principal(authority: &Authority, mode: Mode, level: usize) -> Principal {
    let entropy = SeededEntropy::new(1);
    let id = TaskId::fresh(NOW, &entropy).unwrap();
    let (human, coder): (Name, Name) = ("dora".parse().unwrap(), "coder".parse().unwrap());
    let run = Run {
        id: RunId::fresh(NOW, &entropy).unwrap(),
        agent: coder.clone(),
        task: id,
        confinement: Confinement::OwnUid,
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
        mode,
        template: None,
        authority: authority.clone(),
        cut: Vec::new(),
        state: TaskState::Open,
        version: 1,
        opened_at: NOW,
        expires_at: NOW.plus_ms(1_000),
        life: Life::default(),
        untrusted: false,
    };
    let agent = Agent {
        name: coder.clone(),
        owner: human.clone(),
        backup_owner: None,
        purpose: String::new(),
        ceiling: Authority::unbounded(),
        standing: Standing::Active,
    };
    let initiator = Human {
        name: human,
        kind: Kind::Human,
        roles: BTreeSet::new(),
        authority: None,
        standing: Standing::Active,
    };
    Principal::new(&PrincipalFacts {
        task: Arc::new(task),
        run: &run,
        agent: &agent,
        initiator: &initiator,
        chain: &vec![coder; level + 1],
        templates: &[],
    })
}

/// How far from free a call is: 0 runs by itself, 2 one person, 3 two, 4 never.
fn asked(bundle: &Bundle, authority: &Authority, mode: Mode, level: usize, wish: &Wish) -> u8 {
    let (name, class) = TOOLS[wish.tool];
    let tool: ToolRef = name.parse().unwrap();
    let principal = principal(authority, mode, level);
    let mut arguments = remit_core::json::Object::new();
    arguments.insert("amount", Value::from(wish.amount));
    let call = Call {
        server: tool.server.clone(),
        server_identity: Digest::of(b"server"),
        operation: Operation::CallTool(tool.tool),
        fingerprint: Digest::of(b"tool"),
        arguments,
        resources: wish.resources.clone(),
        destinations: wish.destinations.clone(),
        opaque: Vec::new(),
    };
    let classification = Classification {
        class,
        marks: Marks::default(),
        arguments: Vec::new(),
        labels: Labels::new(),
        because: String::new(),
    };
    let unknown: Vec<Destination> = wish
        .destinations
        .iter()
        .filter(|place| !authority.destinations.covers(place))
        .cloned()
        .collect();
    let verdict = bundle.decide(&Facts {
        digest: call.digest(),
        call: &call,
        principal: &principal,
        tool: Some(ToolFacts {
            classification: &classification,
            state: ToolState::Admitted,
        }),
        environments: &NoEnvironments,
        labels: &Labels::new(),
        unknown_destinations: &unknown,
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
        approval: None,
    });
    match verdict {
        Verdict::Allow(allow) => allow.tier().level(),
        Verdict::Hold(hold) => hold.requirement.tier.level(),
        Verdict::Deny(_) => Tier::Never.level(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn nothing_below_is_allowed_what_something_above_is_not(
        root in (authority(), mode()),
        below in prop::collection::vec((authority(), mode(), any::<prop::sample::Index>()), 1..7),
        wishes in prop::collection::vec(wish(), 1..8),
    ) {
        let bundle = bundle();
        // A tree: each hangs below one of those before it.
        let mut tree = vec![(root.0, root.1, None, 0)];
        for (wanted, mode, at) in below {
            let at = at.index(tree.len());
            let (above, above_mode, _, level): &(Authority, Mode, Option<usize>, usize) = &tree[at];
            let Some(held) = above.delegate(&wanted) else { continue };
            let node = (held, above_mode.delegate(mode), Some(at), level + 1);
            tree.push(node);
        }
        for wish in &wishes {
            let asked: Vec<u8> = tree
                .iter()
                .map(|(authority, mode, _, level)| asked(&bundle, authority, *mode, *level, wish))
                .collect();
            for (at, (authority, _, above, _)) in tree.iter().enumerate() {
                if let Some(above) = above {
                    prop_assert!(
                        asked[at] >= asked[*above],
                        "{wish:?}: below {} < above {}\nbelow {authority:?}\nabove {:?}",
                        asked[at], asked[*above], tree[*above].0,
                    );
                }
            }
        }
    }
}
