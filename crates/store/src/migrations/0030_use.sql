-- What is observed only, and what agents have used before.

-- Classes in observe mode: it lets calls through, so a row of it grants. None is
-- removed: an old one could be put back.
CREATE TABLE observations (
    class TEXT COLLATE "C" PRIMARY KEY,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    asked_by TEXT NOT NULL,
    ended BIGINT NOT NULL
) /*strict*/;

-- Tools and resource roots an agent has used: `tool <server>/<tool>`, `root <system>:<path>`. What is not here counts
-- as new, which only raises the risk of a call; a row lowers it, so it is authenticated.
CREATE TABLE familiar (
    agent TEXT COLLATE "C" NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (agent, what)
) /*clustered*/;
