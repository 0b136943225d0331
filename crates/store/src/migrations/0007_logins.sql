-- What authorization servers gave us towards upstream servers, per server and person, sealed; and who we are to them.
CREATE TABLE logins (
    server TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    issuer TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (server, owner)
) /*strict*/;

CREATE TABLE oauth_clients (
    issuer TEXT COLLATE "C" NOT NULL,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (issuer, redirect_uri)
) /*strict*/;
