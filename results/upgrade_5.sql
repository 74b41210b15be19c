-- upgrade_5.sql - makes a database of schema 5 one of schema 6 (schema.sql).
--
-- Nothing that was measured is touched: columns are added, for what was always
-- so before it could be chosen, or with NULL in them; and tables.

ALTER TABLE start ADD COLUMN load_end REAL CHECK (load_end >= 0);

ALTER TABLE run ADD COLUMN norm_gain REAL NOT NULL DEFAULT 1
    CHECK (norm_gain >= 0);
ALTER TABLE erf ADD COLUMN norm_gain REAL NOT NULL DEFAULT 1
    CHECK (norm_gain >= 0);

DROP TRIGGER run_final;
UPDATE run SET norm_gain = 0 WHERE backbone = 'none' OR weights <> 'seeded';
CREATE TRIGGER run_final BEFORE UPDATE ON run
BEGIN
    SELECT raise(ABORT, 'a run is never changed');
END;

DROP TRIGGER erf_final;
UPDATE erf SET norm_gain = 0 WHERE backbone = 'none' OR weights <> 'seeded';
CREATE TRIGGER erf_final BEFORE UPDATE ON erf
BEGIN
    SELECT raise(ABORT, 'a receptive field is never changed');
END;

-- The process that measures a sweep now, or did when it was killed.  With
-- begun, the one thing here that is not a result.
CREATE TABLE at_work (
    sweep_id        INTEGER PRIMARY KEY REFERENCES sweep ON DELETE CASCADE,
    host            TEXT NOT NULL,  -- its name and the id of its boot
    pid             INTEGER NOT NULL,
    born            INTEGER NOT NULL,   -- ticks from that boot to its start
    seen            TEXT NOT NULL   -- when it last began a case
                    CHECK (seen GLOB '????-??-??T??:??:??*Z')
) STRICT;

-- The cases that it has begun and not stored yet.  A case that was under way
-- each time a process ended may be what ended it (results/begun.c).
CREATE TABLE begun (
    sweep_id        INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    repeat          TEXT NOT NULL CHECK (repeat <> ''),
    together        INTEGER NOT NULL CHECK (together >= 0), -- cases under way
                                    -- now, this one among them; 0: it is not
    kills           INTEGER NOT NULL CHECK (kills >= 0), -- processes that ended
                                    -- while it was under way
    alone           INTEGER NOT NULL CHECK (alone IN (0, 1)), -- when the last
                                    -- of them did, no other case was
    PRIMARY KEY (sweep_id, repeat)
) STRICT, WITHOUT ROWID;

-- The threads that a run really had, where the case says "all".  Of what is
-- stored already that is not known.
ALTER TABLE run ADD COLUMN threads_used INTEGER NOT NULL DEFAULT 0
                           CHECK (threads_used >= 0);

PRAGMA user_version = 6;
