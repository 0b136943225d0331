//! Arriving from the provider: the person, their name here, and the roles their groups have.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, header};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::people::{Human, Kind, Role, Standing};
use remit_identity::{base64url, base64url_decode};
use remit_store::Epoch;

use super::provider::{self, Flow, Person};
use super::session;
use super::sign_in::{failed, go_on, sealer, see_other};
use crate::app::{App, Failure};
use crate::config::Oidc;
use crate::engine::record;
use crate::oauth::Form;

/// How long a sign-in may take, in seconds.
const FLOW_S: i64 = 10 * 60;

fn oidc(app: &App) -> Result<&Oidc, Failure> {
    app.config
        .oidc
        .as_ref()
        .ok_or_else(|| Failure::NotFound("no provider is configured: people sign in by a link".to_owned()))
}

/// `GET /sign-in/provider`: off to the provider.
pub(super) async fn leave(State(app): State<Arc<App>>) -> Response<Body> {
    let left = async {
        let flow = Flow::fresh(&*app.entropy)?;
        let address = provider::address(&app, oidc(&app)?, &flow).await?;
        let json = serde_json::to_vec(&flow).map_err(Failure::unavailable)?;
        let sealed = sealer(&app)?.seal("sign-in", &json, &*app.entropy)?;
        let cookie = session::set_cookie(&app, "flow", &base64url(&sealed), FLOW_S)?;
        let mut response = see_other(&address)?;
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok::<_, Failure>(response)
    };
    left.await.unwrap_or_else(|failure| failed(&failure))
}

/// `GET /sign-in/callback`: back from the provider.
pub(super) async fn arrive(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let arrived = async {
        let oidc = oidc(&app)?;
        let answer = Form::of_query(parts.uri.query().unwrap_or_default()).map_err(Failure::invalid)?;
        let flow = flow(&app, &parts.headers)?;
        let person = provider::redeem(&app, oidc, &flow, &answer).await?;
        let human = known(&app, oidc, person).await?;
        let via = Object::from_iter([("via", oidc.issuer.as_str())]);
        let cookie = session::begin(&app, &human, via).await?;
        let mut response = go_on(&app, &parts.headers, cookie)?;
        response
            .headers_mut()
            .append(header::SET_COOKIE, session::set_cookie(&app, "flow", "", 0)?);
        Ok::<_, Failure>(response)
    };
    match arrived.await {
        Ok(response) => response,
        Err(failure) => {
            let mut entry = record::of("human.sign_in_refused");
            entry.detail.insert("why", failure.to_string());
            crate::oauth::record_bounded(&app, entry).await;
            failed(&failure)
        }
    }
}

fn flow(app: &App, headers: &HeaderMap) -> Result<Flow, Failure> {
    let none = || Failure::Forbidden("no sign-in is under way in this browser: start again".to_owned());
    let sealed = session::cookie(app, headers, "flow")
        .and_then(base64url_decode)
        .ok_or_else(none)?;
    let json = sealer(app)?.open("sign-in", &sealed).map_err(|_| none())?;
    serde_json::from_slice(&json).map_err(|_| none())
}

/// The roles of groups. Duties are separate: whoever decides calls does not also change rules and people.
fn roles(oidc: &Oidc, groups: &[String]) -> Result<(BTreeSet<Role>, bool), Failure> {
    let mut roles = BTreeSet::new();
    for role in groups.iter().filter_map(|group| oidc.roles.get(group)).flatten() {
        roles.insert(role.parse().map_err(Failure::invalid)?);
    }
    let withheld = roles.contains(&Role::Approver) && roles.remove(&Role::Administrator);
    if roles.is_empty() {
        return Err(Failure::Forbidden(
            "none of your groups has a role here: an administrator names one in `[oidc.roles]`".to_owned(),
        ));
    }
    Ok((roles, withheld))
}

/// The human of a person: registered the first time, with the roles of their groups as they are now.
async fn known(app: &Arc<App>, oidc: &Oidc, person: Person) -> Result<Name, Failure> {
    let subject = provider::subject_digest(oidc, &person.subject);
    let (roles, withheld) = roles(oidc, &person.groups)?;
    let bound = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::subjects::get(conn, subject)?))
        .await?;
    let mut detail = Object::from_iter([("provider", oidc.issuer.as_str())]);
    detail.insert(
        "roles",
        roles
            .iter()
            .map(|role| Value::from(role.to_string()))
            .collect::<Vec<_>>(),
    );
    if withheld {
        detail.insert("withheld", "administrator: it goes with no approver");
    }
    let world = app.world();
    let Some(name) = bound else {
        if world.humans.contains_key(&person.name) {
            return Err(Failure::Conflict(format!(
                "the name `{}` belongs to somebody here already: a provider does not take it over",
                person.name
            )));
        }
        let human = Human {
            name: person.name.clone(),
            kind: Kind::Human,
            roles,
            authority: None,
            standing: Standing::Active,
        };
        detail.insert("human", human.name.as_str());
        let mut entry = record::of("human.add");
        entry.detail = detail;
        app.store
            .append(entry, move |tx| {
                remit_store::humans::add(tx, &human)?;
                remit_store::subjects::bind(tx, subject, &human.name)?;
                tx.bump(Epoch::Registry);
                Ok(())
            })
            .await?;
        app.reload().await?;
        return Ok(person.name);
    };
    let held = world.humans.get(&name);
    if held.is_none_or(|human| human.standing != Standing::Active) {
        return Err(Failure::Forbidden(format!("`{name}` may not act here now")));
    }
    if held.is_some_and(|human| human.roles != roles) {
        detail.insert("human", name.as_str());
        let mut entry = record::of("human.roles");
        entry.detail = detail;
        let human = name.clone();
        app.store
            .append(entry, move |tx| {
                if let Some(mut stored) = remit_store::humans::get(tx, &human)? {
                    stored.roles.clone_from(&roles);
                    remit_store::humans::put(tx, &stored)?;
                }
                tx.bump(Epoch::Registry);
                Ok(())
            })
            .await?;
        app.reload().await?;
    }
    Ok(name)
}
