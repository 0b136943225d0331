//! Contract tests of the store: every body runs on SQLite and on a real PostgreSQL.

#[cfg(test)]
mod appending;
#[cfg(test)]
mod bed;
#[cfg(test)]
mod dying;
#[cfg(test)]
mod finding;
#[cfg(test)]
mod make;
#[cfg(test)]
mod owning;
#[cfg(test)]
mod postgres_bed;
#[cfg(test)]
mod races;
#[cfg(test)]
mod tampering;
