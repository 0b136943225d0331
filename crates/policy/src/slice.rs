//! Slices: which rules can apply to an agent's use of an action. Shared by all tasks, gone with their bundle.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use cedar_policy_core::ast::{ActionConstraint, EntityUID};

use crate::catalogue::Action;
use crate::rule::{Rule, Scope};

/// Places of rules in the bundle, ascending: guardrails first.
type Places = Vec<u32>;

/// Rules found by an entity their scope names.
type Keyed = HashMap<EntityUID, Places>;

/// The rules that can apply to one agent's use of one action.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// These are always evaluated; every unscoped rule is among them.
    always: Places,
    /// These only when their entity is, or is above, the principal or a touched resource.
    keyed: Keyed,
}

const SHARDS: usize = 16;

/// Slices by agent and the action's place in the catalogue.
type Shard = RwLock<HashMap<(EntityUID, u32), Arc<Slice>>>;

/// All rules of a bundle by where they can apply, and the slices made so far.
#[derive(Debug)]
pub(crate) struct Index {
    /// Rules bound to an entity only, for any agent and action: one map for all slices.
    keyed: Keyed,
    rest: Places,
    slices: [Shard; SHARDS],
}

impl Index {
    pub fn new(rules: &[Arc<Rule>]) -> Self {
        let mut keyed = Keyed::new();
        let mut rest = Places::new();
        for (rule, place) in rules.iter().zip(0_u32..) {
            match &rule.scope {
                Scope {
                    agent: None,
                    action: ActionConstraint::Any,
                    key: Some(key),
                    ..
                } => keyed.entry(key.clone()).or_default().push(place),
                _ => rest.push(place),
            }
        }
        Self {
            keyed,
            rest,
            slices: std::array::from_fn(|_| RwLock::default()),
        }
    }

    /// The slice of an agent and an action, made on first use.
    pub fn slice(&self, rules: &[Arc<Rule>], agent: &EntityUID, action: &Action) -> Arc<Slice> {
        let key = (agent.clone(), action.index);
        let shard = self.slices.get(action.index as usize % SHARDS);
        let cached = shard
            .and_then(|s| s.read().ok())
            .and_then(|slices| slices.get(&key).cloned());
        cached.unwrap_or_else(|| {
            let slice = Arc::new(self.cut(rules, agent, action));
            if let Some(mut slices) = shard.and_then(|s| s.write().ok()) {
                slices.insert(key, Arc::clone(&slice));
            }
            slice
        })
    }

    fn cut(&self, rules: &[Arc<Rule>], agent: &EntityUID, action: &Action) -> Slice {
        let mut slice = Slice::default();
        for &place in &self.rest {
            let Some(Scope {
                agent: only,
                action: actions,
                key,
                ..
            }) = rules.get(place as usize).map(|r| &r.scope)
            else {
                continue;
            };
            let applies = match actions {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => **uid == *action.uid,
                ActionConstraint::In(groups) => groups.iter().any(|group| action.is_in(group)),
            };
            if applies && only.as_ref().is_none_or(|only| only == agent) {
                match key {
                    Some(key) => slice.keyed.entry(key.clone()).or_default().push(place),
                    None => slice.always.push(place),
                }
            }
        }
        slice
    }

    /// Places of every rule that can apply, ascending and each once. `entities` are the principal's and the resources' own and
    /// ancestor ids.
    pub fn candidates<'a>(&self, slice: &Slice, entities: impl Iterator<Item = &'a EntityUID>) -> Places {
        let mut places = slice.always.clone();
        if !self.keyed.is_empty() || !slice.keyed.is_empty() {
            for entity in entities {
                for keyed in [&self.keyed, &slice.keyed] {
                    places.extend(keyed.get(entity).into_iter().flatten());
                }
            }
            places.sort_unstable();
            places.dedup();
        }
        places
    }
}
