-- Identity: one-time enrolments, which grant, and findings, which tell.
CREATE TABLE enrolments (
    token TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    agent TEXT NOT NULL,
    issued_by TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    used_by TEXT,
    run TEXT
) /*strict*/;
CREATE INDEX enrolments_agent ON enrolments (agent);

-- The Workload API finds a run by the process that asks.
CREATE INDEX runs_process ON runs (process);

CREATE TABLE findings (
    key TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL,
    agent TEXT,
    task TEXT,
    run TEXT,
    message TEXT NOT NULL,
    detail TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    times BIGINT NOT NULL
) /*strict*/;
CREATE INDEX findings_last ON findings (last_at);
