//! Budgets of a call: what it takes from those of its task and of every task above, and which of them it would overrun.

use std::sync::Arc;

use remit_core::amount;
use remit_core::authority::Budget;
use remit_core::id::TaskId;
use remit_core::json::Value;
use remit_ledger::record::Record;
use remit_policy::Overrun;
use remit_store::codec::budget_to_text;
use remit_store::{ApplyError, Tx};

use super::decide::Prepared;
use super::live::Snapshot;
use super::world::World;
use crate::app::{App, Failure};
use crate::tasks::builtin;

/// What a call takes from one budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// The task whose budget it is: the call's own, or one above it.
    pub task: TaskId,
    /// The budget.
    pub budget: Budget,
    /// How much.
    pub amount: u64,
    /// The most there is.
    pub max: u64,
    /// How much it will be shows only afterwards: as much of `amount` as is left is taken, and what was not used given back.
    pub elastic: bool,
}

/// What a call took of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The task whose budget it is.
    pub task: TaskId,
    /// The budget.
    pub budget: Budget,
    /// How much.
    pub amount: u64,
    /// It was taken on account, before it is known how much will be used.
    pub elastic: bool,
}

/// What a call takes from the budgets of its task and of every task above it. What a run asks of Remit itself takes
/// nothing.
#[must_use]
pub fn reservations(app: &App, snapshot: &Snapshot, prepared: &Prepared) -> Vec<Reservation> {
    if builtin::is(&prepared.call.server) {
        return Vec::new();
    }
    let class = prepared.classification().map(|c| c.class);
    let tool = prepared
        .entry
        .as_ref()
        .filter(|_| class.is_some())
        .map(|entry| &entry.tool.name);
    let amount = |budget: &Budget| match budget {
        Budget::Calls => 1,
        Budget::Class(counted) => u64::from(class == Some(*counted)),
        Budget::Tool(counted) => u64::from(tool == Some(counted)),
        Budget::Sum(argument) if tool == Some(&argument.tool) => {
            let whole = Value::Object(prepared.call.arguments.clone());
            amount::whole_units(whole.pointer(&argument.pointer))
        }
        Budget::Rows(database) if class.is_some() && *database == prepared.call.server => {
            let configured = app.config.databases.get(database.as_str());
            configured.map_or(0, |configured| u64::from(configured.rows_max))
        }
        Budget::Sum(_) | Budget::Rows(_) => 0,
    };
    let mut all = Vec::new();
    for task in snapshot.line() {
        for (budget, max) in &task.authority.budgets {
            let amount = amount(budget);
            if amount > 0 {
                all.push(Reservation {
                    task: task.id,
                    budget: budget.clone(),
                    amount,
                    max: *max,
                    elastic: matches!(budget, Budget::Rows(_)),
                });
            }
        }
    }
    all
}

/// Takes all of it, in the append of the decision. People agreed that `lifted` may be overrun by this call: it is counted there
/// all the same. Answers what was taken.
///
/// # Errors
/// [`remit_store::Refused::BudgetExceeded`] when one does not last.
pub fn take(
    tx: &mut Tx<'_>,
    all: &[Reservation],
    lifted: &[(TaskId, Budget)],
) -> Result<Vec<Taken>, ApplyError> {
    let mut taken = Vec::new();
    for one in all {
        let is_lifted = lifted
            .iter()
            .any(|(task, budget)| *task == one.task && *budget == one.budget);
        let amount = if is_lifted {
            remit_store::budgets::overrun(tx, one.task, &one.budget, one.amount)?;
            one.amount
        } else if one.elastic {
            remit_store::budgets::reserve_up_to(tx, one.task, &one.budget, one.amount, one.max)?
        } else {
            remit_store::budgets::reserve(tx, one.task, &one.budget, one.amount, one.max)?;
            one.amount
        };
        taken.push(Taken {
            task: one.task,
            budget: one.budget.clone(),
            amount,
            elastic: one.elastic,
        });
    }
    Ok(taken)
}

/// The most rows a call may use of what it took on account; `None`: no budget counts them.
#[must_use]
pub fn on_account(taken: &[Taken]) -> Option<u64> {
    let elastic = taken.iter().filter(|one| one.elastic);
    elastic.map(|one| one.amount).min()
}

/// Gives back what was taken on account and not used, in the append of the outcome.
///
/// # Errors
/// [`ApplyError`] of the store.
pub fn give_back(tx: &mut Tx<'_>, taken: &[Taken], used: u64) -> Result<(), ApplyError> {
    taken.iter().filter(|one| one.elastic).try_for_each(|one| {
        let unused = one.amount.saturating_sub(used);
        remit_store::budgets::give_back(tx, one.task, &one.budget, unused)
    })
}

/// The budgets this call would overrun now, with whose they are.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn overruns(
    app: &Arc<App>,
    world: &World,
    snapshot: &Snapshot,
    prepared: &Prepared,
) -> Result<Vec<(TaskId, Overrun)>, Failure> {
    let all = reservations(app, snapshot, prepared);
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let used = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let mut used = Vec::new();
            for one in all {
                let so_far = remit_store::budgets::used(conn, one.task, &one.budget)?;
                used.push((one, so_far));
            }
            Ok(used)
        })
        .await?;
    let overrun = used.into_iter().filter_map(|(one, used)| {
        let asked = if one.elastic { 1 } else { one.amount };
        let lasts = used.checked_add(asked).is_some_and(|after| after <= one.max);
        (!lasts).then(|| {
            let overrun = Overrun {
                liftable: is_liftable(world, snapshot, &one.budget),
                budget: one.budget,
                max: one.max,
                used,
                asked: one.amount,
            };
            (one.task, overrun)
        })
    });
    Ok(overrun.collect())
}

/// What people may let a call go beyond, of what it would overrun.
#[must_use]
pub fn lifted(overruns: &[(TaskId, Overrun)]) -> Vec<(TaskId, Budget)> {
    let liftable = overruns.iter().filter(|(_, overrun)| overrun.liftable);
    liftable
        .map(|(task, overrun)| (*task, overrun.budget.clone()))
        .collect()
}

/// How an approval names what may be overrun by the call it is for.
fn named(task: TaskId, budget: &Budget) -> String {
    format!("budget {} of {task}", budget_to_text(budget))
}

/// What an approval says, beside its rules, about what it lets a call go beyond.
pub fn on_card(overruns: &[(TaskId, Overrun)]) -> impl Iterator<Item = String> {
    overruns
        .iter()
        .map(|(task, overrun)| named(*task, &overrun.budget))
}

/// True when people saw that each of these would be overrun.
#[must_use]
pub fn were_seen(rules: &[String], overruns: &[(TaskId, Overrun)]) -> bool {
    on_card(overruns).all(|one| rules.contains(&one))
}

/// Says in the record which budgets people let the call go beyond.
pub fn record(entry: &mut Record, lifted: &[(TaskId, Budget)]) {
    if lifted.is_empty() {
        return;
    }
    let names = lifted.iter().map(|(task, budget)| named(*task, budget).into());
    let names: Vec<Value> = names.collect();
    entry.detail.insert("overruns", names);
}

/// Only what the task itself was given may be lifted for a call: not what every task of this agent, or everything this person
/// opens, is held to, and nothing of what strangers opened.
fn is_liftable(world: &World, snapshot: &Snapshot, budget: &Budget) -> bool {
    let of_agents = snapshot.line().any(|task| {
        world
            .agents
            .get(&task.agent)
            .is_none_or(|agent| agent.ceiling.budgets.contains_key(budget))
    });
    let of_initiator = world.humans.get(&snapshot.task.initiator).is_none_or(|known| {
        let rights = known.authority.as_ref();
        rights.is_some_and(|rights| rights.budgets.contains_key(budget))
    });
    !of_agents && !of_initiator && !snapshot.task.untrusted
}
