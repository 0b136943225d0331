-- Bodies of held requests, sealed by the server beside their call until the task ends.
CREATE TABLE bodies (
    call TEXT COLLATE "C" PRIMARY KEY,
    task TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL
) /*strict*/;
CREATE INDEX bodies_task ON bodies (task);
