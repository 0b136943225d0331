//! What the writer remembers between transactions: rows it has verified once and that nobody else may change.

use std::collections::HashMap;

use remit_core::id::TaskId;
use remit_core::task::TaskState;

use crate::row_key::Sum;

/// Most tasks remembered; beyond that all are forgotten and read again when asked for.
const TASKS_MAX: usize = 200_000;

/// What most appends ask about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskFacts {
    pub version: i64,
    pub state: TaskState,
}

/// A budget's counter as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub used: i64,
    /// Its row's part in the sum over the table.
    pub term: Sum,
}

/// Forgotten whole whenever a transaction is given up.
#[derive(Default)]
pub(crate) struct Cache {
    tasks: HashMap<TaskId, TaskFacts>,
    budgets: HashMap<TaskId, HashMap<String, Counter>>,
}

impl Cache {
    pub(crate) fn task(&self, task: TaskId) -> Option<TaskFacts> {
        self.tasks.get(&task).copied()
    }

    pub(crate) fn set_task(&mut self, task: TaskId, facts: TaskFacts) {
        if self.tasks.len() >= TASKS_MAX {
            self.tasks.clear();
        }
        self.tasks.insert(task, facts);
    }

    pub(crate) fn budget(&self, task: TaskId, budget: &str) -> Option<Counter> {
        self.budgets.get(&task)?.get(budget).copied()
    }

    pub(crate) fn set_budget(&mut self, task: TaskId, budget: &str, counter: Counter) {
        let budgets = self.budgets.entry(task).or_default();
        match budgets.get_mut(budget) {
            Some(known) => *known = counter,
            None => {
                budgets.insert(budget.to_owned(), counter);
            }
        }
    }

    pub(crate) fn forget_budgets(&mut self, task: TaskId) {
        self.budgets.remove(&task);
    }

    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
        self.budgets.clear();
    }
}
