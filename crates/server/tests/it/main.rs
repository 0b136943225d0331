//! The whole engine over real HTTP: a stub upstream, the real gateway, the real store.

#[cfg(test)]
mod applying;
#[cfg(test)]
mod attest;
#[cfg(test)]
mod backends;
#[cfg(test)]
mod bases;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod closings;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod contained;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod databases_tls;
#[cfg(test)]
mod delegation;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod egress_git;
#[cfg(test)]
mod egress_hostile;
#[cfg(test)]
mod fake_github;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod github_apps;
#[cfg(test)]
mod house;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod issuer_stub;
#[cfg(test)]
mod known;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod life;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod managers;
#[cfg(test)]
mod mint_ends;
#[cfg(test)]
mod minting;
#[cfg(test)]
mod names;
#[cfg(test)]
mod newcomers;
#[cfg(test)]
mod oauth_systems;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod observing;
#[cfg(test)]
mod offline;
#[cfg(test)]
#[path = "../../../store/tests/it/postgres_bed.rs"]
mod postgres_bed;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod risk;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_client;
#[cfg(test)]
mod token_bed;
#[cfg(test)]
mod token_clients;
#[cfg(test)]
mod token_codes;
#[cfg(test)]
mod token_subjects;
#[cfg(test)]
mod tunnels;
#[cfg(test)]
mod upstream_stub;
/// Folders for the cluster's bed.
#[cfg(test)]
mod bed {
    pub use crate::databases::Folder;
}
