-- How often the outcome of a request that repeats harmlessly by a key was known within a task: the next one has another key.
-- A row that is changed would let a payment be made twice, so it is authenticated.

CREATE TABLE repeats (
    task TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    settled BIGINT NOT NULL,
    PRIMARY KEY (task, request)
) /*clustered*/;
