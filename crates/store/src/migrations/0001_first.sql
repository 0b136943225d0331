-- Tables of the first release. Written for PostgreSQL; three words change for SQLite (src/sql/ddl.rs).
-- Tables with `changed` and `mac` grant something: see src/rows.rs.

CREATE TABLE head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL,
    time BIGINT NOT NULL,
    policy_epoch BIGINT NOT NULL,
    registry_epoch BIGINT NOT NULL,
    kill_epoch BIGINT NOT NULL,
    sums BYTEA NOT NULL,
    mac BYTEA NOT NULL
) /*strict*/;

CREATE TABLE records (
    seq BIGINT PRIMARY KEY,
    time BIGINT NOT NULL,
    kind TEXT NOT NULL,
    leaf BYTEA NOT NULL
) /*strict*/;

-- What each record is about: `task/…`, `decision/…`, `approval/…`, `touch/<resource>/`, and `row/<table>/<key>` for
-- rows it changed.
CREATE TABLE record_keys (
    key TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (key, seq)
) /*clustered*/;

-- Stored hashes of the tree, 120 to a page, each 32 bytes.
CREATE TABLE tree (
    page BIGINT PRIMARY KEY,
    hashes BYTEA NOT NULL
) /*strict*/;

CREATE TABLE checkpoints (
    size BIGINT PRIMARY KEY,
    time BIGINT NOT NULL,
    root BYTEA NOT NULL,
    note TEXT NOT NULL
) /*strict*/;

CREATE TABLE agents (
    name TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    owner TEXT NOT NULL,
    backup_owner TEXT,
    purpose TEXT NOT NULL,
    ceiling TEXT NOT NULL,
    standing TEXT NOT NULL
) /*strict*/;

CREATE TABLE humans (
    name TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    kind TEXT NOT NULL,
    roles TEXT NOT NULL,
    authority TEXT,
    standing TEXT NOT NULL
) /*strict*/;

CREATE TABLE servers (
    name TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    id TEXT NOT NULL,
    spec TEXT NOT NULL,
    identity BYTEA,
    retired BIGINT NOT NULL
) /*strict*/;

CREATE TABLE tools (
    server TEXT COLLATE "C" NOT NULL,
    tool TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    state TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    admitted BYTEA,
    classification TEXT NOT NULL,
    PRIMARY KEY (server, tool)
) /*strict*/;

-- Every definition a server has shown, for diffs; addressed by its fingerprint.
CREATE TABLE definitions (
    server TEXT COLLATE "C" NOT NULL,
    tool TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    seen_at BIGINT NOT NULL,
    definition BYTEA NOT NULL,
    PRIMARY KEY (server, tool, fingerprint)
) /*strict*/;

CREATE TABLE tasks (
    id TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    parent TEXT COLLATE "C",
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    suspended_by TEXT,
    initiator TEXT NOT NULL,
    agent TEXT NOT NULL,
    run TEXT NOT NULL,
    goal TEXT NOT NULL,
    purpose TEXT NOT NULL,
    mode TEXT NOT NULL,
    template TEXT,
    authority TEXT NOT NULL,
    cut TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    life TEXT NOT NULL,
    untrusted BIGINT NOT NULL
) /*strict*/;
CREATE INDEX tasks_parent ON tasks (parent);
CREATE INDEX tasks_state ON tasks (state, expires_at);
CREATE INDEX tasks_agent ON tasks (agent, state);

CREATE TABLE runs (
    id TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    token BYTEA NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    confinement TEXT NOT NULL,
    proof TEXT NOT NULL,
    process TEXT,
    key TEXT,
    identity TEXT,
    opened_at BIGINT NOT NULL,
    ended_at BIGINT
) /*strict*/;
CREATE INDEX runs_task ON runs (task);
CREATE INDEX runs_key ON runs (key);
CREATE INDEX runs_identity ON runs (identity);

CREATE TABLE labels (
    run TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    labels TEXT NOT NULL
) /*strict*/;

CREATE TABLE budgets (
    task TEXT COLLATE "C" NOT NULL,
    budget TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (task, budget)
) /*clustered*/;

CREATE TABLE calls (
    id TEXT COLLATE "C" PRIMARY KEY,
    task TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    decision TEXT NOT NULL,
    digest BYTEA NOT NULL,
    reference TEXT,
    state TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    decided BIGINT NOT NULL,
    finished BIGINT,
    call BYTEA,
    body BYTEA
) /*clustered*/;
-- A call is looked up by its digest while it is under way, and for ever when it was held or has a reference. The
-- index of calls under way stays as small as they are few.
CREATE INDEX calls_open ON calls (run) WHERE state = 'open';
CREATE INDEX calls_unknown ON calls (run) WHERE state = 'indeterminate';
CREATE INDEX calls_digest ON calls (run, digest) WHERE call IS NOT NULL OR reference IS NOT NULL;

CREATE TABLE approvals (
    id TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    call TEXT NOT NULL,
    digest BYTEA NOT NULL,
    run TEXT NOT NULL,
    initiator TEXT NOT NULL,
    tool TEXT,
    requirement TEXT NOT NULL,
    rules TEXT NOT NULL,
    card BYTEA NOT NULL,
    card_text TEXT NOT NULL,
    votes TEXT NOT NULL,
    opened_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX approvals_state ON approvals (state, expires_at);
CREATE INDEX approvals_task ON approvals (task, state);

CREATE TABLE grants (
    id TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    approval TEXT NOT NULL,
    tool TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    salient TEXT NOT NULL,
    bound TEXT NOT NULL,
    used BIGINT NOT NULL,
    level BIGINT NOT NULL,
    revoked BIGINT NOT NULL
) /*strict*/;
CREATE INDEX grants_task ON grants (task);

-- Sealed results, kept for the run that redeems them until its task ends.
CREATE TABLE results (
    call TEXT COLLATE "C" PRIMARY KEY,
    task TEXT COLLATE "C" NOT NULL,
    run TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    delivered BIGINT
) /*strict*/;
CREATE INDEX results_task ON results (task);

CREATE TABLE freezes (
    resource TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    until BIGINT NOT NULL,
    placed_by TEXT NOT NULL,
    why TEXT NOT NULL,
    lifted BIGINT NOT NULL
) /*strict*/;

CREATE TABLE policies (
    number BIGINT PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    version TEXT NOT NULL,
    bundle BYTEA NOT NULL,
    applied_by TEXT NOT NULL,
    applied_at BIGINT NOT NULL
) /*strict*/;
