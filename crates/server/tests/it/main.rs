//! The whole engine over real HTTP: a stub upstream, the real gateway, the real store.

#[cfg(test)]
mod broker;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod closings;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod delegation;
#[cfg(test)]
mod house;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod life;
#[cfg(test)]
mod managers;
#[cfg(test)]
#[path = "../../../store/tests/it/postgres_bed.rs"]
mod postgres_bed;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod rounds;
/// Folders for the cluster's bed.
#[cfg(test)]
mod bed {
    pub use crate::databases::Folder;
}
#[cfg(test)]
mod stub;
