//! Budgets: counters of what a task has used. Reserving is an expectation of the append.

use remit_core::authority::Budget;
use remit_core::id::TaskId;

use crate::append::{ApplyError, Counter, Refused, Tx};
use crate::codec::budget_to_text;
use crate::error::StoreError;
use crate::row_key::Sum;
use crate::sql::{Conn, Value};
use crate::tables::BUDGETS;

/// Takes `amount` from a budget of at most `max`. A budget nobody used has no row. Answers what is used then.
///
/// # Errors
/// [`Refused::BudgetExceeded`] when it does not last.
pub fn reserve(
    tx: &mut Tx<'_>,
    task: TaskId,
    budget: &Budget,
    amount: u64,
    max: u64,
) -> Result<u64, ApplyError> {
    let name = budget_to_text(budget);
    let known = match tx.cache().budget(task, &name) {
        Some(counter) => Some(counter),
        None => load(tx, task, &name)?,
    };
    let used = known.map_or(0, |counter| counter.used.unsigned_abs());
    let after = used.checked_add(amount).filter(|after| *after <= max);
    let Some(after) = after.and_then(|after| i64::try_from(after).ok()) else {
        return Err(Refused::BudgetExceeded {
            task,
            budget: name,
            max,
            used,
            asked: amount,
        }
        .into());
    };
    let values: [Value<'_>; 3] = [task.to_string().into(), (&name).into(), after.into()];
    let term = match known {
        None => BUDGETS.insert(tx, &values)?,
        Some(counter) => BUDGETS.replace(tx, &values, counter.term)?,
    };
    tx.cache().set_budget(task, &name, Counter { used: after, term });
    Ok(after.unsigned_abs())
}

/// Takes as much of `most` as is left of a budget of at most `max`; answers how much that was.
///
/// # Errors
/// [`Refused::BudgetExceeded`] when nothing is left.
pub fn reserve_up_to(
    tx: &mut Tx<'_>,
    task: TaskId,
    budget: &Budget,
    most: u64,
    max: u64,
) -> Result<u64, ApplyError> {
    let left = max.saturating_sub(used(tx, task, budget)?);
    // With nothing left the one asked for is refused.
    let amount = most.min(left).max(1);
    reserve(tx, task, budget, amount, max)?;
    Ok(amount)
}

/// Counts `amount` beyond whatever there is: people agreed to it.
///
/// # Errors
/// [`ApplyError`] of the store.
pub fn overrun(tx: &mut Tx<'_>, task: TaskId, budget: &Budget, amount: u64) -> Result<(), ApplyError> {
    let used = used(tx, task, budget)?;
    let most = i64::MAX.unsigned_abs();
    reserve(tx, task, budget, amount.min(most.saturating_sub(used)), most).map(drop)
}

/// Gives back what was taken and not used. The budgets of a task that ended are gone, and nothing is given back to them.
///
/// # Errors
/// [`ApplyError`] of the store.
pub fn give_back(tx: &mut Tx<'_>, task: TaskId, budget: &Budget, amount: u64) -> Result<(), ApplyError> {
    let name = budget_to_text(budget);
    let known = match tx.cache().budget(task, &name) {
        Some(counter) => Some(counter),
        None => load(tx, task, &name)?,
    };
    let Some(counter) = known.filter(|_| amount > 0) else {
        return Ok(());
    };
    let after = counter.used.saturating_sub_unsigned(amount).max(0);
    let values: [Value<'_>; 3] = [task.to_string().into(), (&name).into(), after.into()];
    let term = BUDGETS.replace(tx, &values, counter.term)?;
    tx.cache().set_budget(task, &name, Counter { used: after, term });
    Ok(())
}

/// What is used of a budget.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn used(conn: &mut Conn, task: TaskId, budget: &Budget) -> Result<u64, StoreError> {
    Ok(load(conn, task, &budget_to_text(budget))?.map_or(0, |counter| counter.used.unsigned_abs()))
}

fn load(conn: &mut Conn, task: TaskId, budget: &str) -> Result<Option<Counter>, StoreError> {
    let Some(row) = BUDGETS.get(conn, &[task.to_string().into(), budget.into()])? else {
        return Ok(None);
    };
    Ok(Some(Counter {
        used: row.row.int(2)?,
        term: Sum::of_row(conn.key(), &row.mac),
    }))
}

/// Counters of an ended task are not needed any more.
pub(crate) fn forget(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    let id = task.to_string();
    let rows = tx.query("SELECT budget FROM budgets WHERE task = $1", &[(&id).into()])?;
    for row in rows {
        BUDGETS.delete(tx, &[(&id).into(), row.text(0)?.into()])?;
    }
    tx.cache().forget_budgets(task);
    Ok(())
}
