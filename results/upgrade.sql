-- upgrade.sql - makes a database of schema 1 one of schema 2 (schema.sql).
--
-- Nothing that was measured is touched: columns are added, with NULL in them.

ALTER TABLE sample ADD COLUMN clock_mhz REAL CHECK (clock_mhz > 0);
ALTER TABLE sample ADD COLUMN temperature_c REAL;
ALTER TABLE sample ADD COLUMN power_w REAL CHECK (power_w >= 0);
ALTER TABLE sample ADD COLUMN throttle TEXT CHECK (throttle <> '');

PRAGMA user_version = 2;
