//! Values for tests.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::approval::{Approval, ApprovalState, Grant, GrantBound, Requirement};
use remit_core::authority::{ArgumentRef, Authority, Bound, Budget, ClientFeature, Scope};
use remit_core::call::{Call, Operation};
use remit_core::confinement::{Confinement, Proof};
use remit_core::decision::Tier;
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{ApprovalId, CallId, GrantId, RunId, TaskId};
use remit_core::json::Value;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::task::{Intent, Mode, Run, Task, TaskState};
use remit_core::time::Timestamp;
use remit_core::tool::{ToolClass, ToolRef};
use remit_ledger::record::Record;
use remit_store::runs::StoredRun;

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn entropy(seed: u64) -> SeededEntropy {
    SeededEntropy::new(seed)
}

pub fn record(kind: &str) -> Record {
    Record {
        kind: kind.to_owned(),
        ..Record::default()
    }
}

pub fn authority() -> Authority {
    let tool: ToolRef = "pay/send".parse().unwrap();
    let amount = ArgumentRef {
        tool: tool.clone(),
        pointer: "/amount".to_owned(),
    };
    Authority {
        tools: ["fs/*:read", "pay/send"]
            .iter()
            .map(|s| s.parse().unwrap())
            .collect(),
        classes: BTreeSet::from([ToolClass::Read, ToolClass::Transfer]),
        resources: Scope::Only(BTreeSet::from(["fs:/srv/repo".parse().unwrap()])),
        destinations: Scope::Only(BTreeSet::from(["mail:bob@example.org".parse().unwrap()])),
        bounds: BTreeMap::from([(
            amount.clone(),
            vec![
                Bound::Max(100),
                Bound::Min(1),
                Bound::OneOf(vec![Value::from(5), Value::from("5")]),
            ],
        )]),
        budgets: BTreeMap::from([
            (Budget::Calls, 50),
            (Budget::Class(ToolClass::Transfer), 3),
            (Budget::Tool(tool), 2),
            (Budget::Sum(amount), 500),
        ]),
        client_features: BTreeSet::from([ClientFeature::Sampling]),
        narrowed: remit_core::verb::Narrowed::default(),
        agreed: ["fs/*:read"].iter().map(|s| s.parse().unwrap()).collect(),
        stricter: BTreeMap::from([("pay/send".parse().unwrap(), Tier::TwoPerson)]),
        depth: 2,
        fan_out: 100,
    }
}

pub fn task(seed: u64, parent: Option<TaskId>) -> Task {
    let entropy = entropy(seed);
    Task {
        id: TaskId::fresh(Timestamp(1_000), &entropy).unwrap(),
        parent,
        initiator: name("alice"),
        agent: name("coder"),
        run: RunId::fresh(Timestamp(1_000), &entropy).unwrap(),
        intent: Intent {
            goal: "fix the build".to_owned(),
            purpose: String::new(),
        },
        mode: Mode::Execute,
        template: Some(name("support")),
        authority: authority(),
        cut: vec!["tools `*`: the ceiling".to_owned()],
        state: TaskState::Open,
        version: 1,
        opened_at: Timestamp(1_000),
        expires_at: Timestamp(3_601_000),
        life: remit_core::task::Life::default(),
        untrusted: false,
    }
}

pub fn run_of(task: &Task, token: &[u8]) -> StoredRun {
    StoredRun {
        run: Run {
            id: task.run,
            agent: task.agent.clone(),
            task: task.id,
            confinement: Confinement::Landlock,
        },
        token: Digest::of(token),
        proof: Proof::Peer,
        process: Some(remit_store::runs::Process {
            pid: 42,
            started: 99,
            uid: 1000,
        }),
        key: None,
        identity: None,
        opened_at: Timestamp(1_000),
        ended_at: None,
    }
}

pub fn enrolment(token: &[u8]) -> remit_store::enrolments::Enrolment {
    remit_store::enrolments::Enrolment {
        token: Digest::of(token),
        agent: name("coder"),
        issued_by: name("alice"),
        issued_at: Timestamp(1_000),
        expires_at: Timestamp(9_000_000),
        used: None,
    }
}

pub fn call() -> Call {
    let arguments = remit_core::object! { "amount": 5, "to": "bob@example.org" };
    Call {
        server: name("pay"),
        server_identity: Digest::of(b"server"),
        operation: Operation::CallTool("send".parse().unwrap()),
        fingerprint: Digest::of(b"tool"),
        arguments: arguments.as_object().unwrap().clone(),
        resources: vec!["pay:accounts/1".parse().unwrap()],
        destinations: vec!["mail:bob@example.org".parse().unwrap()],
        opaque: vec!["/x".to_owned()],
    }
}

pub const CARD: &str = "send 5 to bob";

pub fn approval(task: &Task, seed: u64) -> Approval {
    let entropy = entropy(seed);
    Approval {
        id: ApprovalId::fresh(Timestamp(1_000), &entropy).unwrap(),
        call: CallId::fresh(Timestamp(1_000), &entropy).unwrap(),
        digest: call().digest(),
        task: task.id,
        run: task.run,
        initiator: task.initiator.clone(),
        tool: Some("pay/send".parse().unwrap()),
        requirement: Requirement {
            tier: Tier::Approve,
            approvers: vec![BTreeSet::from([Role::Approver, Role::Group(name("finance"))])],
            strong: true,
        },
        rules: vec!["baseline.7".to_owned()],
        card: Digest::of(CARD.as_bytes()),
        votes: Vec::new(),
        state: ApprovalState::Approved,
        proof: Proof::Key,
        opened_at: Timestamp(1_000),
        expires_at: Timestamp(3_601_000),
    }
}

pub fn grant(task: &Task, times: u64) -> Grant {
    Grant {
        id: GrantId::fresh(Timestamp(1_000), &entropy(77)).unwrap(),
        approval: approval(task, 9).id,
        task: task.id,
        tool: "pay/send".parse().unwrap(),
        fingerprint: Digest::of(b"tool"),
        salient: vec![("/to".to_owned(), Value::from("bob@example.org"))],
        bound: GrantBound::Times(times),
        used: 0,
        level: 2,
        revoked: false,
    }
}
