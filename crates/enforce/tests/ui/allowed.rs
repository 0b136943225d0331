//! The way that is open: the other cases fail for what they do, not for how they are set up.

use remit_core::call::Call;
use remit_enforce::{Bounds, Mint, Mismatch, Permitted, System};
use remit_policy::Allow;
use remit_store::Receipt;
use remit_upstream::{Connection, Environment, OpenOptions, ServerSpec};

pub fn minted(
    mint: &Mint,
    allow: Allow,
    receipt: &Receipt,
    call: Call,
    bounds: Bounds,
) -> Result<Permitted<Call>, Mismatch> {
    let permitted = mint.call(allow, receipt, call, bounds)?;
    let _deadline = permitted.permit().deadline();
    Ok(permitted)
}

pub fn sent(connection: &Connection, permitted: Permitted<Call>) {
    drop(connection.send(permitted, todo!(), todo!()));
}

pub fn subscribed(connection: &Connection, permitted: Permitted<Call>) {
    drop(connection.subscribe(permitted));
}

pub fn introspected(connection: &Connection, permitted: Permitted<System>) {
    drop(connection.introspect(permitted));
}

pub fn opened(permitted: Permitted<System>, spec: &ServerSpec, options: OpenOptions, environment: &Environment) {
    drop(Connection::open(permitted, spec, options, environment));
}
