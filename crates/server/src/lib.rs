//! Issuer, approvals, tasks, registry, control API, jobs: everything with I/O and a life.
