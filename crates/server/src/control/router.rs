//! Every route of the control listener on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use super::guard::{self, Guard};
use super::socket::Capability;
use super::{
    Control, agents, approvals, findings, freezes, grants, humans, kill, leases, logins, policy, records,
    runs, secrets, servers, status, systems, tasks, tools, verify,
};

/// The routes, behind the guard.
pub(super) fn router(control: Control, capability: Capability) -> Router {
    let guard = Guard {
        control: control.clone(),
        capability: Arc::new(capability),
    };
    Router::new()
        .route("/v1/status", get(status::show))
        .route("/v1/tasks", get(tasks::list).post(tasks::open))
        .route("/v1/tasks/{id}", get(tasks::show))
        .route("/v1/tasks/{id}/amend", post(tasks::amend))
        .route("/v1/tasks/{id}/renew", post(tasks::renew))
        .route("/v1/tasks/{id}/suspend", post(tasks::suspend))
        .route("/v1/tasks/{id}/resume", post(tasks::resume))
        .route("/v1/tasks/{id}/done", post(tasks::done))
        .route("/v1/runs/{id}/process", post(runs::attest))
        .route("/v1/kill", post(kill::kill))
        .route("/v1/agents", get(agents::list).post(agents::add))
        .route("/v1/agents/{name}", get(agents::show))
        .route("/v1/agents/{name}/enrol", post(agents::enrol))
        .route("/v1/agents/{name}/{verb}", post(agents::change))
        .route("/v1/humans", get(humans::list).post(humans::add))
        .route("/v1/humans/{name}", get(humans::show))
        .route("/v1/humans/{name}/login", post(humans::login))
        .route("/v1/humans/{name}/confirm", post(humans::confirm))
        .route("/v1/humans/{name}/{verb}", post(humans::change))
        .route("/v1/servers", get(servers::list).post(servers::add))
        .route("/v1/servers/{name}/refresh", post(servers::refresh))
        .route("/v1/servers/{name}/retire", post(servers::retire))
        .route("/v1/servers/{name}/login", post(logins::begin))
        .route("/v1/servers/{name}/login/wait", post(logins::wait))
        .route("/v1/servers/{name}/logout", post(logins::forget))
        .route("/v1/logins", get(logins::list))
        .route("/v1/logins/returned", post(logins::returned))
        .route("/v1/systems", get(systems::list).post(systems::add))
        .route("/v1/systems/{name}/retire", post(systems::retire))
        .route("/v1/runs/{id}/egress", get(systems::of_run))
        .route("/v1/tools", get(tools::list))
        .route("/v1/tools/admit", post(tools::admit))
        .route("/v1/tools/retire", post(tools::retire))
        .route("/v1/tools/diff", get(tools::diff))
        .route("/v1/approvals", get(approvals::list))
        .route("/v1/approvals/stream", get(approvals::stream))
        .route("/v1/approvals/{id}/approve", post(approvals::approve))
        .route("/v1/approvals/{id}/deny", post(approvals::deny))
        .route("/v1/grants", get(grants::list))
        .route("/v1/grants/{id}/revoke", post(grants::revoke))
        .route("/v1/leases", get(leases::list))
        .route("/v1/secrets", get(secrets::list).post(secrets::add))
        .route("/v1/secrets/{name}/rotate", post(secrets::rotate))
        .route("/v1/secrets/{name}/rollback", post(secrets::rollback))
        .route("/v1/secrets/{name}/retire", post(secrets::retire))
        .route("/v1/freezes", get(freezes::list).post(freezes::place))
        .route("/v1/freezes/lift", post(freezes::lift))
        .route("/v1/findings", get(findings::list))
        .route("/v1/policy", get(policy::show))
        .route("/v1/policy/check", post(policy::check))
        .route("/v1/policy/apply", post(policy::apply))
        .route("/v1/records", get(records::list))
        .route("/v1/records/stream", get(records::stream))
        .route("/v1/timeline/{task}", get(records::timeline))
        .route("/v1/who", get(records::who))
        .route("/v1/explain/{decision}", get(records::explain))
        .route("/v1/verify", post(verify::verify))
        .route("/v1/export", get(verify::export))
        .route("/v1/checkpoint", get(verify::checkpoint))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(control)
}
