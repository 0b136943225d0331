-- What a credential is that can only be ended, or used again, by showing it: sealed, and gone with its lease.

CREATE TABLE lease_values (
    lease TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    sealed BYTEA NOT NULL
) /*strict*/;
