-- upgrade_3.sql - makes a database of schema 3 one of schema 4 (schema.sql).
--
-- Nothing that was measured is touched: tables are added.

-- What a unit in the middle of a layer heeds of the input, as attnbench erf
-- finds it: an effective receptive field.  One row a case and tap; its maps, of
-- parts: whole, the part that comes past the modules' gates, and the part that
-- comes through them; the numbers of each part with their intervals.
CREATE TABLE erf (
    id              INTEGER PRIMARY KEY,
    machine_id      INTEGER NOT NULL REFERENCES machine,
    build_id        INTEGER NOT NULL REFERENCES build,
    stored_at       TEXT NOT NULL
                    CHECK (stored_at GLOB '????-??-??T??:??:??*Z'),

    -- the case, as in run
    backbone        TEXT NOT NULL,
    module          TEXT NOT NULL,
    impl            TEXT NOT NULL,
    position        TEXT NOT NULL,
    form            TEXT NOT NULL,
    weights         TEXT NOT NULL,
    graph           TEXT NOT NULL,
    backend         TEXT NOT NULL,
    channels        INTEGER NOT NULL CHECK (channels > 0),
    height          INTEGER NOT NULL CHECK (height > 0),    -- of the maps, too
    width           INTEGER NOT NULL CHECK (width > 0),
    settings        TEXT NOT NULL   -- the module's own
                    CHECK (json_valid(settings) AND
                           json_type(settings) = 'object'),

    -- what was asked
    tap             TEXT NOT NULL CHECK (tap <> ''),    -- stage4, layer4.2.attn
    layer           TEXT NOT NULL CHECK (layer <> ''),  -- that computes it
    protocol        TEXT NOT NULL CHECK (protocol <> ''), -- by name
    described       TEXT NOT NULL CHECK (described <> ''), -- in full
    draws           INTEGER NOT NULL CHECK (draws > 0),
    observations    INTEGER NOT NULL CHECK (observations > 0), -- of intervals
    seed            INTEGER NOT NULL,
    repeat          TEXT NOT NULL CHECK (repeat <> ''), -- command that repeats

    -- what is known of the unit
    y               REAL NOT NULL,  -- its place in the input, pixels from the
    x               REAL NOT NULL,  -- first
    field_height    REAL CHECK (field_height > 0),  -- theoretical, pixels;
    field_width     REAL CHECK (field_width > 0),   -- NULL: without bounds
    past_height     REAL CHECK (past_height > 0),   -- the same past the gates
    past_width      REAL CHECK (past_width > 0),
    peak            REAL NOT NULL CHECK (peak >= 0) -- before any curve
) STRICT;

CREATE TABLE erf_map (
    erf_id          INTEGER NOT NULL REFERENCES erf ON DELETE CASCADE,
    part            TEXT NOT NULL
                    CHECK (part IN ('whole', 'past_gates', 'gates')),
    map             BLOB NOT NULL,  -- float32, little-endian, row by row
    PRIMARY KEY (erf_id, part)
) STRICT;

CREATE TABLE erf_number (
    erf_id          INTEGER NOT NULL REFERENCES erf ON DELETE CASCADE,
    part            TEXT NOT NULL
                    CHECK (part IN ('whole', 'past_gates', 'gates')),
    name            TEXT NOT NULL CHECK (name <> ''),   -- area_50, sigma_x
    value           REAL,           -- NULL: there is none
    lo              REAL,           -- 95 % interval over the observations
    hi              REAL CHECK (hi >= lo),
    PRIMARY KEY (erf_id, part, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER erf_final BEFORE UPDATE ON erf
BEGIN
    SELECT raise(ABORT, 'a receptive field is never changed');
END;

PRAGMA user_version = 4;
