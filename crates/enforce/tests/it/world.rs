//! A real store in a folder of its own and real rules: what a mint is given in the product.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::call::{Call, Operation};
use remit_core::confinement::{Confinement, Proof};
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{DecisionId, RunId, TaskId};
use remit_core::json::object;
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Standing};
use remit_core::task::{Intent, Mode, Run, Task, TaskState};
use remit_core::time::{BootTime, ManualClock, Timestamp};
use remit_core::tool::{Classification, Marks, ToolClass, ToolState};
use remit_enforce::{Bounds, LifelineHolder};
use remit_ledger::record::Record;
use remit_policy::{
    Allow, Bundle, Catalogue, Facts, NoEnvironments, Origin, Principal, PrincipalFacts, Risk, ToolFacts,
    ToolSchema, Verdict, shipped_baseline, shipped_guardrails,
};
use remit_store::{Location, Options, Receipt, RowKey, Store};

const NOW: Timestamp = Timestamp(1_795_000_000_000);

pub struct World {
    store: Store,
    bundle: Bundle,
    principal: Principal,
    holder: LifelineHolder,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("remit-mint-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(Options {
            location: Location::Sqlite(folder.join("remit.db")),
            row_key: RowKey::new(&[7; 32]),
            clock: Arc::new(ManualClock::new(NOW)),
        })
        .unwrap();
        let schema =
            object! { "type": "object", "properties": object! { "path": object! { "type": "string" } } };
        let catalogue = Catalogue::new([ToolSchema {
            tool: "fs/read".parse().unwrap(),
            class: ToolClass::Read,
            input_schema: &schema,
        }]);
        let sources = [shipped_guardrails(), shipped_baseline()];
        Self {
            store,
            bundle: Bundle::load(&sources, Arc::new(catalogue), &BTreeSet::new()).unwrap(),
            principal: principal(),
            holder: LifelineHolder::new().0,
            folder,
        }
    }

    /// What policy says to the call; every call of [`call`] is one it allows.
    pub fn allow(&self, call: &Call) -> Allow {
        let classification = Classification {
            class: ToolClass::Read,
            marks: Marks::default(),
            arguments: Vec::new(),
            labels: Labels::default(),
            because: String::new(),
        };
        let verdict = self.bundle.decide(&Facts {
            call,
            digest: call.digest(),
            principal: &self.principal,
            tool: Some(ToolFacts {
                classification: &classification,
                state: ToolState::Admitted,
            }),
            environments: &NoEnvironments,
            labels: &Labels::default(),
            unknown_destinations: &[],
            frozen: &[],
            exhausted: &[],
            calls_made: 0,
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
            Verdict::Allow(allow) => allow,
            other => panic!("not allowed: {}", other.message()),
        }
    }

    /// Makes a record durable.
    pub fn recorded(&self, record: Record) -> Receipt {
        self.store.append_blocking(record, |_| Ok(())).unwrap().0
    }

    pub fn bounds(&self) -> Bounds {
        Bounds {
            deadline: BootTime(1_000),
            lifeline: self.holder.line(),
        }
    }
}

pub fn call(path: &str) -> Call {
    let arguments = object! { "path": path };
    let remit_core::json::Value::Object(arguments) = arguments else {
        panic!("not an object")
    };
    Call {
        server: "fs".parse().unwrap(),
        server_identity: Digest::of(b"server"),
        operation: Operation::CallTool("read".parse().unwrap()),
        fingerprint: Digest::of(b"tool"),
        arguments,
        resources: vec![format!("fs:{path}").parse().unwrap()],
        destinations: Vec::new(),
        opaque: Vec::new(),
    }
}

pub fn decision_id() -> DecisionId {
    DecisionId::fresh(NOW, &SeededEntropy::new(2)).unwrap()
}

/// The record of a decision on the call.
pub fn record(call: &Call, decision: &str) -> Record {
    Record {
        kind: "decision".to_owned(),
        decision_id: Some(decision_id().to_string()),
        decision: Some(decision.to_owned()),
        digest: Some(call.digest()),
        ..Record::default()
    }
}

fn principal() -> Principal {
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
    Principal::new(&PrincipalFacts {
        task: Arc::new(Task {
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
        }),
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
        templates: &[],
    })
}
