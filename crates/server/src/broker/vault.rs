//! Secrets as people manage them: added, rotated with an overlap, gone back to, retired; and the one way to a value.

use std::sync::Arc;

use remit_broker::port::Http;
use remit_broker::source::{self, Reader, Source, kv};
use remit_broker::vault::{Sealed, Transit, Wrap, open, open_at, seal, seal_at};
use remit_core::id::LeaseId;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::time::Timestamp;
use remit_store::secrets::{Secret, SecretVersion};
use secrecy::{ExposeSecret as _, SecretString};

use super::Reach;
use crate::app::{App, Failure};
use crate::config::KeyPlace;
use crate::engine::live::Live;
use crate::engine::record;

/// A secret as a person describes it.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: Name,
    /// The system it opens.
    pub system: Option<Name>,
    /// The account it belongs to.
    pub account: Option<String>,
    /// Its value, or where it lies.
    pub value: Given,
}

/// A value, or where it lies.
#[derive(Clone, Debug)]
pub enum Given {
    /// The value itself; sealed here.
    Value(SecretString),
    /// A reference; nothing is copied.
    Reference(Source),
}

/// Adds a secret.
///
/// # Errors
/// [`Failure`] with what is wrong; nothing is stored then.
pub async fn add(app: &Arc<App>, new: NewSecret, by: &Name) -> Result<(), Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    if new
        .account
        .as_deref()
        .is_some_and(|account| account.chars().any(char::is_control))
    {
        return Err(Failure::invalid("an account has no control characters"));
    }
    if app.config.credentials.contains_key(new.name.as_str()) {
        return Err(Failure::invalid(format!(
            "`{}` is the name of a credential in remit.toml: choose another",
            new.name
        )));
    }
    let (source, first, read) = match &new.value {
        Given::Value(value) => {
            check_value(value)?;
            (Source::Vault, Some(sealed(app, &new.name, 1, value).await?), None)
        }
        Given::Reference(Source::Vault) => {
            return Err(Failure::invalid(
                "`vault` is no reference: give the value on standard input",
            ));
        }
        Given::Reference(source) => {
            let readable = read_reference(app, &new.name, source, None).await?;
            (source.clone(), None, Some(readable))
        }
    };
    let secret = Secret {
        name: new.name.clone(),
        system: new.system,
        account: new.account,
        source: source.to_string(),
        version: i64::from(first.is_some()),
        retired: false,
    };
    let mut detail = Object::new();
    detail.insert("secret", secret.name.as_str());
    detail.insert("source", secret.source.as_str());
    if let Some(system) = &secret.system {
        detail.insert("system", system.as_str());
    }
    let name = secret.name.clone();
    let kept = new.name.clone();
    app.store
        .append(record::by_human("secret.add", by, detail), move |tx| {
            match remit_store::secrets::get(tx, &name)? {
                None => remit_store::secrets::add(tx, &secret)?,
                Some(before) if before.retired => {
                    return Err(remit_store::Refused::NotAllowed(format!(
                        "`{name}` was retired: names of secrets are not used twice, choose another"
                    ))
                    .into());
                }
                Some(_) => {
                    return Err(remit_store::Refused::NotAllowed(format!(
                        "there is a secret `{name}` already: `remit secret rotate {name}` gives it a new value"
                    ))
                    .into());
                }
            }
            first.iter().try_for_each(|version| remit_store::secrets::add_version(tx, version))
        })
        .await?;
    // From here on it is recognised, whether or not anything uses it.
    match &new.value {
        Given::Value(value) => app.broker.remember(known_as(&kept, 1), value),
        Given::Reference(_) => {
            if let Some(value) = &read {
                app.broker.remember(known_as_reference(&kept), value);
            }
        }
    }
    app.known_secrets.search(app)?;
    app.broker.reload(&app.store).await
}

/// Gives a secret a new value. The old one may be gone back to for the configured overlap, then it is destroyed.
///
/// # Errors
/// [`Failure`] when there is no such secret, or its value lies elsewhere.
pub async fn rotate(app: &Arc<App>, name: &Name, value: &SecretString, by: &Name) -> Result<i64, Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    check_value(value)?;
    let known = known(app, name)?;
    if known.source != Source::Vault.to_string() {
        return Err(Failure::invalid(format!(
            "the value of `{name}` lies at `{}`: rotate it there, it takes effect at the next call",
            known.source
        )));
    }
    let of = name.clone();
    let newest = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::secrets::versions(conn, &of)?))
        .await?
        .last()
        .map_or(0, |version| version.version);
    let number = newest + 1;
    let next = sealed(app, name, number, value).await?;
    let overlap = app.config.vault.overlap_ms().map_err(Failure::invalid)?;
    let mut detail = Object::new();
    detail.insert("secret", name.as_str());
    detail.insert("version", number);
    let of = name.clone();
    app.store
        .append(record::by_human("secret.rotate", by, detail), move |tx| {
            let mut secret = remit_store::secrets::need(tx, &of)?;
            let until = tx.time().plus_ms(overlap);
            retire_version(tx, &of, secret.version, until)?;
            remit_store::secrets::add_version(tx, &next)?;
            secret.value.version = number;
            remit_store::secrets::put(tx, &secret)
        })
        .await?;
    app.broker.remember(known_as(name, number), value);
    app.known_secrets.search(app)?;
    app.broker.reload(&app.store).await?;
    Ok(number)
}

/// Goes back to an earlier version, the one before when none is named.
///
/// # Errors
/// [`Failure`] when there is none that still has a value.
pub async fn rollback(app: &Arc<App>, name: &Name, to: Option<i64>, by: &Name) -> Result<i64, Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let current = known(app, name)?.version;
    let of = name.clone();
    let versions = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::secrets::versions(conn, &of)?))
        .await?;
    let target = versions
        .iter()
        .rev()
        .filter(|version| !version.is_destroyed() && version.version != current)
        .find(|version| to.map_or(version.version < current, |to| version.version == to))
        .map(|version| version.value.clone())
        .ok_or_else(|| {
            Failure::Conflict(format!(
                "`{name}` has no such earlier version with a value: see `remit secret list`"
            ))
        })?;
    let number = target.version;
    // One that does not open would be of no use, and would not be recognised either.
    opened(app, target).await?;
    let target = number;
    let overlap = app.config.vault.overlap_ms().map_err(Failure::invalid)?;
    let mut detail = Object::new();
    detail.insert("secret", name.as_str());
    detail.insert("version", target);
    let of = name.clone();
    app.store
        .append(record::by_human("secret.rollback", by, detail), move |tx| {
            let mut secret = remit_store::secrets::need(tx, &of)?;
            let until = tx.time().plus_ms(overlap);
            retire_version(tx, &of, secret.version, until)?;
            let back = remit_store::secrets::version(tx, &of, target)?.filter(|v| !v.is_destroyed());
            let Some(mut back) = back else {
                return Err(remit_store::Refused::NotAllowed(format!(
                    "version {target} of `{of}` was destroyed meanwhile"
                ))
                .into());
            };
            back.value.until = None;
            remit_store::secrets::put_version(tx, &back)?;
            secret.value.version = target;
            remit_store::secrets::put(tx, &secret)
        })
        .await?;
    app.broker.reload(&app.store).await?;
    Ok(target)
}

/// Retires a secret: nothing uses it any more, its values are destroyed with the next sweep.
///
/// # Errors
/// [`Failure`] when there is no such secret.
pub async fn retire(app: &Arc<App>, name: &Name, by: &Name) -> Result<(), Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let mut detail = Object::new();
    detail.insert("secret", name.as_str());
    let of = name.clone();
    app.store
        .append_urgent(record::by_human("secret.retire", by, detail), move |tx| {
            let mut secret = remit_store::secrets::need(tx, &of)?;
            let now = tx.time();
            for version in remit_store::secrets::versions(tx, &of)? {
                if version.until.is_none() {
                    retire_version(tx, &of, version.version, now)?;
                }
            }
            secret.value.retired = true;
            remit_store::secrets::put(tx, &secret)
        })
        .await?;
    app.broker.reload(&app.store).await
}

fn retire_version(
    tx: &mut remit_store::Tx<'_>,
    secret: &Name,
    version: i64,
    until: Timestamp,
) -> Result<(), remit_store::ApplyError> {
    if let Some(mut before) = remit_store::secrets::version(tx, secret, version)? {
        before.value.until = Some(until);
        remit_store::secrets::put_version(tx, &before)?;
    }
    Ok(())
}

/// Destroys versions whose overlap is over.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or written.
pub async fn destroy_outlived(app: &Arc<App>) -> Result<usize, Failure> {
    let now = app.clock.now();
    let outlived = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::secrets::outlived(conn, now)?))
        .await?;
    let count = outlived.len();
    for mut version in outlived {
        let mut entry = record::of("secret.destroy");
        entry.detail.insert("secret", version.secret.as_str());
        entry.detail.insert("version", version.version);
        app.broker.forget(&known_as(&version.secret, version.version));
        version.value.wrapped.clear();
        version.value.sealed.clear();
        app.store
            .append(entry, move |tx| remit_store::secrets::put_version(tx, &version))
            .await?;
    }
    Ok(count)
}

/// A secret as people see it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The secret.
    pub secret: Secret,
    /// Its versions: number, when made, until when it may be gone back to, destroyed.
    pub versions: Vec<(i64, Timestamp, Option<Timestamp>, bool)>,
}

/// All secrets, without values.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn list(app: &App) -> Result<Vec<Listed>, Failure> {
    app.store
        .read(|conn| {
            let mut listed = Vec::new();
            for secret in remit_store::secrets::list(conn)? {
                let versions = remit_store::secrets::versions(conn, &secret.name)?;
                listed.push(Listed {
                    versions: versions
                        .iter()
                        .map(|v| (v.version, v.made_at, v.until, v.is_destroyed()))
                        .collect(),
                    secret: secret.value,
                });
            }
            Ok::<_, Failure>(listed)
        })
        .await
}

fn known(app: &App, name: &Name) -> Result<Secret, Failure> {
    app.broker
        .secrets()
        .get(name)
        .cloned()
        .ok_or_else(|| Failure::NotFound(format!("there is no secret `{name}`: see `remit secret list`")))
}

/// The value of a secret, now: opened in the vault, or read where it lies. `live` is the task it is for, if any.
///
/// # Errors
/// [`Failure`] with what is wrong; no part of any value is in it.
pub async fn value(app: &Arc<App>, name: &Name, live: Option<&Arc<Live>>) -> Result<SecretString, Failure> {
    let secret = known(app, name)?;
    let source: Source = secret.source.parse().map_err(Failure::unavailable)?;
    if source != Source::Vault {
        let value = read_reference(app, name, &source, live).await?;
        app.broker.remember(known_as_reference(name), &value);
        return Ok(value);
    }
    let of = name.clone();
    let version = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let Some(secret) = remit_store::secrets::get(conn, &of)?.filter(|secret| !secret.retired) else {
                return Ok(None);
            };
            Ok(remit_store::secrets::version(conn, &of, secret.version)?)
        })
        .await?
        .ok_or_else(|| Failure::NotFound(format!("`{name}` has no value any more")))?
        .value;
    opened(app, version).await
}

/// Opens one version; from then on it is recognised wherever it appears.
///
/// # Errors
/// [`Failure::Unavailable`] when it was changed or moved, or the key-encryption key is another or cannot be used.
pub(super) async fn opened(app: &Arc<App>, version: SecretVersion) -> Result<SecretString, Failure> {
    let SecretVersion {
        secret,
        version,
        wrapped,
        sealed: body,
        ..
    } = version;
    let kek = kek(app).await?;
    let value = open(&*kek, &secret, version, &Sealed { wrapped, body })
        .await
        .map_err(Failure::unavailable)?;
    app.broker.remember(known_as(&secret, version), &value);
    Ok(value)
}

/// Under which name a version is remembered; none is the beginning of another.
pub(super) fn known_as(secret: &Name, version: i64) -> String {
    format!("secret/{secret}/{version}/")
}

fn known_as_reference(secret: &Name) -> String {
    format!("secret/{secret}/now/")
}

fn check_value(value: &SecretString) -> Result<(), Failure> {
    let text = value.expose_secret();
    if text.is_empty() {
        return Err(Failure::invalid("the value is empty: give it on standard input"));
    }
    if text.len() > source::VALUE_BYTES_MAX {
        return Err(Failure::invalid(format!(
            "the value is longer than {} bytes",
            source::VALUE_BYTES_MAX
        )));
    }
    if text.contains('\0') {
        return Err(Failure::invalid("the value holds a zero byte: secrets are text"));
    }
    Ok(())
}

async fn sealed(
    app: &Arc<App>,
    name: &Name,
    number: i64,
    value: &SecretString,
) -> Result<SecretVersion, Failure> {
    let kek = kek(app).await?;
    let sealed = seal(&*kek, &*app.entropy, name, number, value)
        .await
        .map_err(Failure::unavailable)?;
    Ok(SecretVersion {
        secret: name.clone(),
        version: number,
        wrapped: sealed.wrapped,
        sealed: sealed.body,
        made_at: app.clock.now(),
        until: None,
    })
}

/// Seals what lies at `place` and is no secret of a person: a credential of a lease, tokens of a login.
///
/// # Errors
/// [`Failure::Unavailable`] when the key-encryption key cannot be used.
pub(crate) async fn seal_elsewhere(
    app: &Arc<App>,
    place: &str,
    value: &SecretString,
) -> Result<Vec<u8>, Failure> {
    let kek = kek(app).await?;
    let sealed = seal_at(&*kek, &*app.entropy, place, value).await;
    Ok(sealed.map_err(Failure::unavailable)?.to_bytes())
}

/// Opens it, at its place only.
///
/// # Errors
/// [`Failure::Unavailable`] when it was changed or moved, or the key-encryption key is another or cannot be used.
pub(crate) async fn open_elsewhere(
    app: &Arc<App>,
    place: &str,
    sealed: &[u8],
) -> Result<SecretString, Failure> {
    let sealed = Sealed::from_bytes(sealed).map_err(Failure::unavailable)?;
    let kek = kek(app).await?;
    open_at(&*kek, place, &sealed).await.map_err(Failure::unavailable)
}

/// What the credential of a lease is, sealed.
pub(super) async fn seal_lease(
    app: &Arc<App>,
    lease: LeaseId,
    value: &SecretString,
) -> Result<Vec<u8>, Failure> {
    seal_elsewhere(app, &format!("lease/{lease}"), value).await
}

/// What the credential of a lease is, where it was kept.
pub(super) async fn open_lease(app: &Arc<App>, lease: LeaseId) -> Result<Option<SecretString>, Failure> {
    let kept = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::leases::value(conn, lease)?))
        .await?;
    match kept {
        Some(sealed) => open_elsewhere(app, &format!("lease/{lease}"), &sealed)
            .await
            .map(Some),
        None => Ok(None),
    }
}

/// The key-encryption key, wherever it lies.
async fn kek(app: &Arc<App>) -> Result<Arc<dyn Wrap>, Failure> {
    if let Some(local) = &app.broker.kek {
        return Ok(Arc::clone(local) as Arc<dyn Wrap>);
    }
    let place = app.config.vault.place().map_err(Failure::unavailable)?;
    let KeyPlace::Transit { manager, mount, key } = place else {
        return Err(Failure::Unavailable("there is no key-encryption key".to_owned()));
    };
    let http: Arc<dyn Http> = Arc::new(Reach::of_house(app, &manager)?);
    let manager = manager_of(app, &manager).await?;
    Ok(Arc::new(Transit::new(manager, &mount, &key, http)))
}

/// A configured manager with its token.
///
/// # Errors
/// [`Failure`] when it is not configured, or its token cannot be read.
pub async fn manager_of(app: &Arc<App>, name: &str) -> Result<kv::Manager, Failure> {
    let configured = app.config.managers.get(name).ok_or_else(|| {
        Failure::invalid(format!(
            "no manager `{name}` is configured: add `[managers.{name}]` to remit.toml"
        ))
    })?;
    let token = configured.token(name).map_err(Failure::invalid)?;
    let reader = Reader {
        http: &Reach::of_house(app, name)?,
        manager: None,
        search_path: app.search_path.clone(),
    };
    let token = source::read(&token, &reader)
        .await
        .map_err(Failure::unavailable)?;
    app.broker.remember(format!("manager/{name}"), &token);
    Ok(kv::Manager {
        address: configured.url.clone(),
        token,
        allow_private: configured.allow_private,
    })
}

async fn read_reference(
    app: &Arc<App>,
    name: &Name,
    source: &Source,
    live: Option<&Arc<Live>>,
) -> Result<SecretString, Failure> {
    let (reach, manager) = match source {
        Source::Kv { manager, .. } => {
            let reach = match live {
                Some(live) => Reach::of_task(app, manager, live)?,
                None => Reach::of_house(app, manager)?,
            };
            (reach, Some(manager_of(app, manager).await?))
        }
        _ => (Reach::of_house(app, name.as_str())?, None),
    };
    let reader = Reader {
        http: &reach,
        manager,
        search_path: app.search_path.clone(),
    };
    source::read(source, &reader).await.map_err(Failure::unavailable)
}
