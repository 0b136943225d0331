//! What ends with a task: everything that hangs on its authority goes in the transaction of its end.

use remit_core::id::{RunId, TaskId};

use crate::append::{ApplyError, Tx};

/// Ends what hangs on a task that ends now; answers the runs that ended. One line for each kind of thing.
pub(super) fn with(tx: &mut Tx<'_>, task: TaskId) -> Result<Vec<RunId>, ApplyError> {
    let runs = crate::runs::end_all(tx, task)?;
    crate::approvals::cancel_all(tx, task)?;
    crate::grants::revoke_all(tx, task)?;
    crate::bodies::forget(tx, task)?;
    crate::results::forget(tx, task)?;
    crate::budgets::forget(tx, task)?;
    crate::repeats::forget(tx, task)?;
    crate::leases::end_all(tx, task)?;
    Ok(runs)
}
