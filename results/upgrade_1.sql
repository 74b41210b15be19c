-- upgrade_1.sql - makes a database of schema 1 one of schema 2 (schema.sql).
--
-- Nothing that was measured is touched: columns are added, with NULL in them,
-- and a table.

ALTER TABLE sample ADD COLUMN clock_mhz REAL CHECK (clock_mhz > 0);
ALTER TABLE sample ADD COLUMN temperature_c REAL;
ALTER TABLE sample ADD COLUMN power_w REAL CHECK (power_w >= 0);
ALTER TABLE sample ADD COLUMN throttle TEXT CHECK (throttle <> '');

CREATE TABLE note (
    machine_id      INTEGER NOT NULL REFERENCES machine,
    key             TEXT NOT NULL CHECK (key <> ''),
    value           TEXT NOT NULL,
    noted_at        TEXT NOT NULL
                    CHECK (noted_at GLOB '????-??-??T??:??:??*Z'),
    PRIMARY KEY (machine_id, key)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
