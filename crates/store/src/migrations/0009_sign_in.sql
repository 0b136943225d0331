-- What was handed out by a secret of ours: authorization codes, refresh tokens, browser sessions, sign-in links.
CREATE TABLE handles (
    digest TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    detail TEXT NOT NULL
) /*strict*/;
CREATE INDEX handles_owner ON handles (owner, kind);
CREATE INDEX handles_expires ON handles (expires_at);

-- Since when a human holds what they hold, and who confirmed it.
CREATE TABLE seniority (
    human TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    since BIGINT NOT NULL,
    added_by TEXT,
    confirmed_by TEXT
) /*strict*/;

-- Who a person is at their own provider: digest of issuer and subject.
CREATE TABLE subjects (
    digest TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    human TEXT NOT NULL
) /*strict*/;

-- Proofs and assertions that were used and could be sent again.
CREATE TABLE replays (
    digest TEXT COLLATE "C" PRIMARY KEY,
    expires_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX replays_expires ON replays (expires_at);
