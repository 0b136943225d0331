-- How the request that a held call came with proved its run.
ALTER TABLE approvals ADD COLUMN proof TEXT NOT NULL DEFAULT 'bearer';
