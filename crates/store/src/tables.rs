//! The tables that grant, and the place of each one's sum in the head. A place is never used for another table.

use crate::rows::Table;

pub(crate) static AGENTS: Table = Table::new(
    "agents",
    &["name"],
    &["owner", "backup_owner", "purpose", "ceiling", "standing"],
    0,
);
pub(crate) static HUMANS: Table = Table::new(
    "humans",
    &["name"],
    &["kind", "roles", "authority", "standing"],
    1,
);
pub(crate) static SERVERS: Table =
    Table::new("servers", &["name"], &["id", "spec", "identity", "retired"], 2);
pub(crate) static TOOLS: Table = Table::new(
    "tools",
    &["server", "tool"],
    &["state", "fingerprint", "admitted", "classification"],
    3,
);
pub(crate) static TASKS: Table = Table::new(
    "tasks",
    &["id"],
    &[
        "parent",
        "state",
        "version",
        "expires_at",
        "suspended_by",
        "initiator",
        "agent",
        "run",
        "goal",
        "purpose",
        "mode",
        "template",
        "authority",
        "cut",
        "opened_at",
        "life",
        "untrusted",
    ],
    4,
);
pub(crate) static RUNS: Table = Table::new(
    "runs",
    &["id"],
    &[
        "token",
        "agent",
        "task",
        "confinement",
        "proof",
        "process",
        "key",
        "identity",
        "opened_at",
        "ended_at",
    ],
    5,
);
pub(crate) static LABELS: Table = Table::new("labels", &["run"], &["labels"], 6);
pub(crate) static BUDGETS: Table = Table::new("budgets", &["task", "budget"], &["used"], 7).unmarked();
pub(crate) static APPROVALS: Table = Table::new(
    "approvals",
    &["id"],
    &[
        "task",
        "state",
        "expires_at",
        "call",
        "digest",
        "run",
        "initiator",
        "tool",
        "requirement",
        "rules",
        "card",
        "card_text",
        "votes",
        "opened_at",
        "proof",
    ],
    8,
);
pub(crate) static GRANTS: Table = Table::new(
    "grants",
    &["id"],
    &[
        "task",
        "approval",
        "tool",
        "fingerprint",
        "salient",
        "bound",
        "used",
        "level",
        "revoked",
    ],
    9,
);
pub(crate) static FREEZES: Table = Table::new(
    "freezes",
    &["resource"],
    &["until", "placed_by", "why", "lifted"],
    10,
);
pub(crate) static POLICIES: Table = Table::new(
    "policies",
    &["number"],
    &["version", "bundle", "applied_by", "applied_at"],
    11,
);
pub(crate) static HANDLES: Table = Table::new(
    "handles",
    &["digest"],
    &["kind", "owner", "state", "expires_at", "detail"],
    16,
);
pub(crate) static SENIORITY: Table = Table::new(
    "seniority",
    &["human"],
    &["since", "added_by", "confirmed_by"],
    17,
);
pub(crate) static SUBJECTS: Table = Table::new("subjects", &["digest"], &["human"], 18);

pub(crate) static ENROLMENTS: Table = Table::new(
    "enrolments",
    &["token"],
    &[
        "agent",
        "issued_by",
        "issued_at",
        "expires_at",
        "used_at",
        "used_by",
        "run",
    ],
    27,
);
pub(crate) static OBSERVATIONS: Table = Table::new(
    "observations",
    &["class"],
    &["since", "until", "asked_by", "ended"],
    31,
);
pub(crate) static FAMILIAR: Table = Table::new("familiar", &["agent", "what"], &["since"], 32);

pub(crate) static SECRETS: Table = Table::new(
    "secrets",
    &["name"],
    &["system", "account", "source", "version", "retired"],
    20,
);
pub(crate) static SECRET_VERSIONS: Table = Table::new(
    "secret_versions",
    &["secret", "version"],
    &["wrapped", "sealed", "made_at", "until"],
    21,
);
pub(crate) static LEASES: Table = Table::new(
    "leases",
    &["id"],
    &[
        "task",
        "run",
        "system",
        "backend",
        "handle",
        "class",
        "state",
        "planned_at",
        "ended_at",
        "expires_at",
    ],
    22,
);
pub(crate) static LEASE_VALUES: Table = Table::new("lease_values", &["lease"], &["sealed"], 36);
pub(crate) static REPEATS: Table = Table::new("repeats", &["task", "request"], &["settled"], 43);
pub(crate) static LOGINS: Table =
    Table::new("logins", &["server", "owner"], &["issuer", "sealed", "state"], 25);
pub(crate) static OAUTH_CLIENTS: Table =
    Table::new("oauth_clients", &["issuer", "redirect_uri"], &["sealed"], 26);

/// Checked whole whenever the store opens: they do not grow with every task.
pub(crate) static SMALL: [&Table; 14] = [
    &AGENTS,
    &HUMANS,
    &SERVERS,
    &TOOLS,
    &BUDGETS,
    &FREEZES,
    &POLICIES,
    &OBSERVATIONS,
    &SECRETS,
    &SECRET_VERSIONS,
    &LOGINS,
    &OAUTH_CLIENTS,
    &SENIORITY,
    &SUBJECTS,
];
/// All of them.
pub(crate) static ALL: [&Table; 25] = [
    &AGENTS,
    &HUMANS,
    &SERVERS,
    &TOOLS,
    &TASKS,
    &RUNS,
    &LABELS,
    &BUDGETS,
    &APPROVALS,
    &GRANTS,
    &FREEZES,
    &POLICIES,
    &OBSERVATIONS,
    &FAMILIAR,
    &SECRETS,
    &SECRET_VERSIONS,
    &LEASES,
    &LEASE_VALUES,
    &REPEATS,
    &LOGINS,
    &OAUTH_CLIENTS,
    &HANDLES,
    &SENIORITY,
    &SUBJECTS,
    &ENROLMENTS,
];

#[cfg(test)]
mod tests {
    use super::{ALL, SMALL};
    use crate::head::SUMS;

    #[test]
    fn every_table_has_a_place_of_its_own_in_the_head() {
        let mut slots: Vec<usize> = ALL.iter().map(|table| table.slot()).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), ALL.len(), "a place is never used for another table");
        assert!(slots.iter().all(|slot| *slot < SUMS), "{slots:?}");
        assert!(
            SMALL
                .iter()
                .all(|small| ALL.iter().any(|table| table.name() == small.name()))
        );
    }
}
