//! What the broker keeps in memory: the key-encryption key, the list of secrets, and what is opened at the moment.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use remit_broker::vault::LocalKek;
use remit_core::entropy::Entropy;
use remit_core::id::{LeaseId, TaskId};
use remit_core::lease::Lease;
use remit_core::name::Name;
use remit_store::Store;
use remit_store::secrets::Secret;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::databases::sessions::Sessions;
use super::known::Unopened;
use super::revoke::Lanes;
use crate::app::Failure;
use crate::config::{Config, KeyPlace};
use crate::keys::{Key, Keys};
use crate::paths::Paths;
use crate::start::StartError;

/// The variable that names systemd's credential folder.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The broker's memory.
pub struct Broker {
    /// The key-encryption key, when it is on this machine.
    pub(super) kek: Option<Arc<LocalKek>>,
    /// Makes placeholders.
    pub(super) placeholders: Key,
    secrets: ArcSwap<BTreeMap<Name, Secret>>,
    opened: Mutex<HashMap<String, SecretString>>,
    unopened: Mutex<Vec<Unopened>>,
    issued: Mutex<HashMap<(TaskId, String), Slot>>,
    /// Credentials made for tasks.
    pub(super) holdings: Mutex<HashMap<(TaskId, Name), super::backends::Slot>>,
    /// What upstreams minted.
    pub(super) minted: super::minted::Minted,
    /// Open sessions with databases.
    pub(super) sessions: Sessions,
    /// Credentials that are being made.
    pub(super) making: super::making::Making,
    /// Rung when something has to be revoked.
    pub(super) work: tokio::sync::Notify,
    /// Who ends leases, and which of them did not end yet.
    pub(super) lanes: Lanes,
}

/// One lease of one task, or its making: whoever holds the lock makes it.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Lease>>>;

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Broker(…)")
    }
}

impl Broker {
    /// Opens the key-encryption key and reads the list of secrets.
    ///
    /// # Errors
    /// [`StartError`] when the key or the store cannot be used: nothing is half open then.
    pub async fn open(
        config: &Config,
        paths: &Paths,
        keys: &Keys,
        entropy: &Arc<dyn Entropy>,
        store: &Store,
    ) -> Result<Self, StartError> {
        let place = config.vault.place().map_err(Failure::invalid)?;
        let key = match place {
            KeyPlace::File => Some(Key::in_file(&paths.keys().join("vault.key"), &**entropy)?),
            KeyPlace::Credential(name) => {
                let folder = std::env::var_os(CREDENTIALS).ok_or_else(|| {
                    Failure::invalid(format!(
                        "`[vault] key` names a systemd credential, but `{CREDENTIALS}` is not set: is `LoadCredential=` missing?"
                    ))
                })?;
                Some(Key::given(&PathBuf::from(folder).join(name))?)
            }
            KeyPlace::Transit { .. } => None,
        };
        let kek = key
            .map(|key| LocalKek::new(key.bytes(), Arc::clone(entropy)).map(Arc::new))
            .transpose()
            .map_err(Failure::unavailable)?;
        Ok(Self {
            kek,
            placeholders: keys.seal.derive("placeholders"),
            secrets: ArcSwap::from_pointee(load(store).await?),
            opened: Mutex::default(),
            unopened: Mutex::default(),
            issued: Mutex::default(),
            holdings: Mutex::default(),
            minted: super::minted::Minted::default(),
            sessions: Sessions::default(),
            making: super::making::Making::default(),
            work: tokio::sync::Notify::new(),
            lanes: Lanes::default(),
        })
    }

    /// True when nobody has to be asked to open what is kept.
    #[must_use]
    pub const fn has_own_key(&self) -> bool {
        self.kek.is_some()
    }

    /// The secrets that are not retired, by name, without values.
    #[must_use]
    pub fn secrets(&self) -> Arc<BTreeMap<Name, Secret>> {
        self.secrets.load_full()
    }

    /// Reads the list of secrets again after a change.
    pub(super) async fn reload(&self, store: &Store) -> Result<(), Failure> {
        self.secrets.store(Arc::new(load(store).await?));
        Ok(())
    }

    /// Every value that is opened at the moment: what nobody may ever send back.
    #[must_use]
    pub fn opened(&self) -> Vec<Zeroizing<String>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened
            .values()
            .map(|value| Zeroizing::new(value.expose_secret().to_owned()))
            .collect()
    }

    /// True when a value is remembered under this name.
    pub(super) fn remembers(&self, what: &str) -> bool {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.contains_key(what)
    }

    /// What is kept and could not be opened, as of the last try.
    #[must_use]
    pub fn unopened(&self) -> Vec<Unopened> {
        let unopened = self.unopened.lock().unwrap_or_else(PoisonError::into_inner);
        unopened.clone()
    }

    /// Replaces what could not be opened.
    pub(super) fn set_unopened(&self, now: Vec<Unopened>) {
        let mut unopened = self.unopened.lock().unwrap_or_else(PoisonError::into_inner);
        *unopened = now;
    }

    /// Remembers a value as opened, under a name that is never shown.
    pub(super) fn remember(&self, what: String, value: &SecretString) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.insert(what, value.clone());
    }

    /// Remembers one of several values under a name; they are forgotten together.
    pub(super) fn remember_more(&self, what: &str, value: &SecretString) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (0..).find(|number| !opened.contains_key(&format!("{what}/{number}")));
        opened.insert(format!("{what}/{}", number.unwrap_or(0)), value.clone());
    }

    /// Forgets opened values whose name starts with `what`.
    pub(super) fn forget(&self, what: &str) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|name, _| !name.starts_with(what));
    }

    /// The slot of one lease.
    pub(super) fn slot(&self, task: TaskId, what: String) -> Slot {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(issued.entry((task, what)).or_default())
    }

    /// Forgets the leases of a task that ended.
    pub(super) fn forget_task(&self, task: TaskId) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|(of, _), _| *of != task);
        drop(issued);
        let mut holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
        holdings.retain(|(of, _), _| *of != task);
        drop(holdings);
        self.minted.forget_task(task);
        self.sessions.forget_task(task);
    }

    /// Forgets one lease of a task that goes on: what is allowed next makes another.
    pub(super) async fn forget_lease(&self, task: TaskId, lease: LeaseId) {
        let slots: Vec<Slot> = {
            let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
            let of_task = issued.iter().filter(|((of, _), _)| *of == task);
            of_task.map(|(_, slot)| Arc::clone(slot)).collect()
        };
        for slot in slots {
            let mut held = slot.lock().await;
            if held.as_ref().is_some_and(|held| held.id == lease) {
                *held = None;
            }
        }
        self.forget_holding(task, lease).await;
        self.minted.forget_lease(task, lease);
        self.sessions.forget_lease(task, lease).await;
    }

    /// What the names of our roles start with: another installation on the same server has another.
    #[must_use]
    pub fn role_prefix(&self) -> String {
        let tag = self.placeholders.derive("installation");
        let tag: String = tag
            .bytes()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("remit_{tag}_")
    }

    /// The role of a lease.
    pub(super) fn role_of(&self, lease: LeaseId) -> String {
        let id = lease.to_string();
        format!(
            "{}{}",
            self.role_prefix(),
            id.strip_prefix("lease_").unwrap_or(&id)
        )
    }

    /// 256 bits as hexadecimal digits.
    pub(super) fn fresh_password(&self, entropy: &dyn Entropy) -> Result<SecretString, Failure> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(bytes.as_mut())?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(SecretString::from(text))
    }
}

async fn load(store: &Store) -> Result<BTreeMap<Name, Secret>, Failure> {
    let listed = store.read(remit_store::secrets::list).await?;
    Ok(listed
        .into_iter()
        .map(|stored| stored.value)
        .filter(|secret| !secret.retired)
        .map(|secret| (secret.name.clone(), secret))
        .collect())
}
