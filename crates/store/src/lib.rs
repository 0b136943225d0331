//! One SQL text on SQLite and PostgreSQL; recording is the serialisation point.
