-- The broker: secrets with their versions, and leases. Rows that grant, like others: see src/rows.rs.

CREATE TABLE secrets (
    name TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    system TEXT,
    account TEXT,
    source TEXT NOT NULL,
    version BIGINT NOT NULL,
    retired BIGINT NOT NULL
) /*strict*/;

-- One value each, sealed under a data key of its own, which is wrapped under the key-encryption key.
CREATE TABLE secret_versions (
    secret TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    wrapped BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    until BIGINT,
    PRIMARY KEY (secret, version)
) /*strict*/;

CREATE TABLE leases (
    id TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    run TEXT NOT NULL,
    system TEXT NOT NULL,
    backend TEXT NOT NULL,
    handle TEXT NOT NULL,
    class TEXT NOT NULL,
    state TEXT NOT NULL,
    planned_at BIGINT NOT NULL,
    ended_at BIGINT,
    expires_at BIGINT NOT NULL
) /*strict*/;
-- What is not over is looked at again and again; what is over is looked at by people only.
CREATE INDEX leases_open ON leases (state, expires_at) WHERE state IN ('planned', 'live', 'revoking', 'fading');
CREATE INDEX leases_task ON leases (task);
