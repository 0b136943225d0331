//! Every way to a server takes a permit by value, and the right one.

use remit_core::call::Call;
use remit_enforce::{Permitted, System};
use remit_upstream::{Connection, Environment, OpenOptions, ServerSpec};

pub fn a_bare_call(connection: &Connection, call: Call) {
    drop(connection.send(call, todo!(), todo!())); //~ E0308
}

pub fn a_borrowed_call(connection: &Connection, call: &Call) {
    drop(connection.send(call, todo!(), todo!())); //~ E0308
}

pub fn a_borrowed_permit(connection: &Connection, permitted: &Permitted<Call>) {
    drop(connection.send(permitted, todo!(), todo!())); //~ E0308
}

pub fn an_act_as_a_call(connection: &Connection, permitted: Permitted<System>) {
    drop(connection.send(permitted, todo!(), todo!())); //~ E0308
}

pub fn a_bare_subscription(connection: &Connection, call: Call) {
    drop(connection.subscribe(call)); //~ E0308
}

pub fn a_bare_act(connection: &Connection, system: System) {
    drop(connection.introspect(system)); //~ E0308
}

pub fn a_call_as_an_act(connection: &Connection, permitted: Permitted<Call>) {
    drop(connection.introspect(permitted)); //~ E0308
}

pub fn opened(system: System, spec: &ServerSpec, options: OpenOptions, environment: &Environment) {
    drop(Connection::open(system, spec, options, environment)); //~ E0308
}
