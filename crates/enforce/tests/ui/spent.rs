//! A permit and an allow are used once: using them takes them.

use remit_core::call::Call;
use remit_enforce::{Bounds, Mint, Permitted};
use remit_policy::Allow;
use remit_store::Receipt;
use remit_upstream::Connection;

pub fn sent_twice(connection: &Connection, permitted: Permitted<Call>) {
    drop(connection.subscribe(permitted));
    drop(connection.subscribe(permitted)); //~ E0382
}

pub fn an_allow_twice(mint: &Mint, allow: Allow, receipt: &Receipt, call: Call, bounds: Bounds) {
    drop(mint.call(allow, receipt, call.clone(), bounds.clone()));
    drop(mint.call(allow, receipt, call, bounds)); //~ E0382
}
