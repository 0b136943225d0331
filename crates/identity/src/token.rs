//! The access token other audiences get: RFC 9068 with `act` (RFC 8693), `authorization_details` (RFC 9396), `cnf`
//! (RFC 7800, 8705, 9449), `txn` and the mission it serves.

use remit_core::authority::{Authority, Scope};
use remit_core::json::{Object, Value};
use remit_core::limits::FOREIGN_TOKEN_MS_MAX;
use remit_core::object;
use remit_core::time::Timestamp;

use crate::mission;

/// Who acts, outermost first: `act` of RFC 8693, 4.1, with `iss` and `sub` (OAuth Actor Profile).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The trust domain as issuer: `spiffe://…`.
    pub issuer: String,
    /// The SPIFFE ID of the run.
    pub subject: String,
    /// The run that handed the work on, for delegated tasks.
    pub behalf: Option<Box<Actor>>,
}

impl Actor {
    fn to_value(&self) -> Value {
        let mut act = Object::from_iter([
            ("iss", self.issuer.as_str()),
            ("sub", self.subject.as_str()),
            ("sub_profile", "ai_agent"),
        ]);
        if let Some(behalf) = &self.behalf {
            act.insert("act", behalf.to_value());
        }
        Value::Object(act)
    }
}

/// What the bearer must prove (RFC 7800, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// `jkt`: thumbprint of a DPoP key (RFC 9449, 6.1).
    Jkt(String),
    /// `x5t#S256`: SHA-256 of a client certificate (RFC 8705, 3.1).
    X5t(String),
}

impl Confirmation {
    /// The `cnf` object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Jkt(jkt) => object! { "jkt": jkt.as_str() },
            Self::X5t(hash) => object! { "x5t#S256": hash.as_str() },
        }
    }
}

/// The task as a mission: `id` is the task's, `issuer` is ours, `authority_hash` anchors `authorization_details`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mission {
    /// The task's id.
    pub id: String,
    /// Who keeps it.
    pub issuer: String,
}

/// Everything a token for another audience says.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// `iss`: our issuer URL.
    pub issuer: String,
    /// `aud`: one receiver alone.
    pub audience: String,
    /// `sub`: the initiator.
    pub subject: String,
    /// `client_id`: `agent:NAME`.
    pub client_id: String,
    /// `act`: the run, and the chain behind it.
    pub actor: Actor,
    /// `cnf`.
    pub confirmation: Option<Confirmation>,
    /// `txn`: the decision that issued it.
    pub transaction: String,
    /// `jti`.
    pub id: String,
    /// `scope`, where the receiver asked for one.
    pub scope: Option<String>,
    /// The mission.
    pub mission: Mission,
    /// `authorization_details`.
    pub details: Value,
    /// `agent`, `run`, `task`, `env`: which software, which instance, for what, where.
    pub agent: String,
    /// The run's id.
    pub run: String,
    /// The environment this installation stands in.
    pub environment: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`; more than five minutes after `iat` counts as that.
    pub expires_at: Timestamp,
}

/// `typ` of access tokens (RFC 9068, 2.1).
pub const ACCESS_TOKEN: &str = "at+jwt";

impl AccessToken {
    /// `typ` of access tokens (RFC 9068, 2.1).
    pub const TYP: &'static str = ACCESS_TOKEN;

    /// The claims.
    #[must_use]
    pub fn claims(&self) -> Object {
        let expires_at = self.expires_at.min(self.issued_at.plus_ms(FOREIGN_TOKEN_MS_MAX));
        let mut claims = Object::from_iter([
            ("iss", self.issuer.as_str()),
            ("aud", &self.audience),
            ("sub", &self.subject),
            ("client_id", &self.client_id),
            ("jti", &self.id),
            ("txn", &self.transaction),
            ("agent", &self.agent),
            ("run", &self.run),
            ("task", &self.mission.id),
            ("env", &self.environment),
        ]);
        claims.insert("act", self.actor.to_value());
        claims.insert("iat", self.issued_at.0.div_euclid(1000));
        claims.insert("exp", expires_at.0.div_euclid(1000));
        if let Some(confirmation) = &self.confirmation {
            claims.insert("cnf", confirmation.to_value());
        }
        if let Some(scope) = &self.scope {
            claims.insert("scope", scope.as_str());
        }
        let anchor = mission::anchor(&self.mission.issuer, mission::AUTHORITY, &self.details);
        claims.insert(
            "mission",
            object! {
                "id": self.mission.id.as_str(),
                "issuer": self.mission.issuer.as_str(),
                "authority_hash": anchor.to_string(),
            },
        );
        claims.insert("authorization_details", self.details.clone());
        claims
    }
}

/// A task's authority as `authorization_details` of type `mission_resource_access`: one entry per root, with the tools
/// as actions, classes, destinations, budgets and depth as constraints. What it leaves out it does not grant: whoever
/// needs the whole authority asks us (RFC 7662).
#[must_use]
pub fn authorization_details(authority: &Authority) -> Value {
    let strings = |items: &mut dyn Iterator<Item = String>| Value::Array(items.map(Value::from).collect());
    let actions = strings(&mut authority.tools.iter().map(ToString::to_string));
    let mut constraints = Object::new();
    constraints.insert(
        "classes",
        strings(&mut authority.classes.iter().map(ToString::to_string)),
    );
    if let Scope::Only(destinations) = &authority.destinations {
        constraints.insert(
            "destinations",
            strings(&mut destinations.iter().map(ToString::to_string)),
        );
    }
    let roots: Vec<String> = match &authority.resources {
        Scope::Any => vec!["*".to_owned()],
        Scope::Only(roots) => roots.iter().map(ToString::to_string).collect(),
    };
    let entry = |root: String| {
        object! {
            "type": "mission_resource_access",
            "resource": root,
            "actions": actions.clone(),
            "constraints": Value::Object(constraints.clone()),
            "delegation": object! { "max_depth": i64::from(authority.depth) },
        }
    };
    Value::Array(roots.into_iter().map(entry).collect())
}
