-- upgrade_2.sql - makes a database of schema 2 one of schema 3 (schema.sql).
--
-- Nothing that was measured is touched: columns are added, for what was
-- always so before it could be chosen.

ALTER TABLE run ADD COLUMN position TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE run ADD COLUMN form TEXT NOT NULL DEFAULT 'train';
ALTER TABLE run ADD COLUMN weights TEXT NOT NULL DEFAULT 'seeded';

DROP TRIGGER run_final;
UPDATE run SET position = CASE
    WHEN module IN ('se', 'se_conv', 'eca', 'fca', 'cbam', 'sa') THEN 'out'
    ELSE 'mid' END
WHERE backbone <> 'none' AND module <> 'none';
CREATE TRIGGER run_final BEFORE UPDATE ON run
BEGIN
    SELECT raise(ABORT, 'a run is never changed');
END;

-- Where the time and the traffic of a profiled run go.  A step is an op, in the
-- order run; a quantity belongs to a step, to one of the kernels that it
-- launched, or to the whole run.  What was asked for and could not be had is a
-- row without a value, and says why.
CREATE TABLE step (
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    step            INTEGER NOT NULL CHECK (step >= 0),
    op              TEXT NOT NULL CHECK (op <> ''),
    kernel          TEXT NOT NULL,  -- of the backend: 'winograd'
    scope           TEXT NOT NULL,  -- where in the network: 'layer1.0.conv2'
    shape           TEXT NOT NULL,  -- of the result: '(8,64,56,56)'
    PRIMARY KEY (run_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE quantity (
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    step            INTEGER NOT NULL CHECK (step >= -1),    -- -1: the whole run
    launch          TEXT NOT NULL,  -- a GPU kernel's name; '': all of the step
    name            TEXT NOT NULL CHECK (name <> ''), -- time_ns, dram_read_bytes
    source          TEXT NOT NULL
                    CHECK (source IN ('counted', 'modelled', 'timed')),
    value           REAL,
    reason          TEXT NOT NULL,  -- why there is no value; '' if there is one
    PRIMARY KEY (run_id, step, launch, name, source),
    CHECK ((value IS NULL) = (reason <> ''))
) STRICT, WITHOUT ROWID;

-- How fast this machine is at best, measured: the roofs of a roofline.  Kept
-- with their dates; the latest of a name counts.
CREATE TABLE roof (
    machine_id      INTEGER NOT NULL REFERENCES machine,
    backend         TEXT NOT NULL,  -- cpu, cuda
    threads         INTEGER NOT NULL CHECK (threads >= 0),
    name            TEXT NOT NULL CHECK (name <> ''), -- dram_copy, fma_f32
    unit            TEXT NOT NULL CHECK (unit IN ('bytes/s', 'flop/s')),
    value           REAL NOT NULL CHECK (value > 0),    -- the median
    lo              REAL NOT NULL CHECK (lo > 0),       -- 95 % interval of it
    hi              REAL NOT NULL CHECK (hi >= lo),
    n               INTEGER NOT NULL CHECK (n > 0),
    clock_mhz       REAL CHECK (clock_mhz > 0),         -- NULL: not known
    measured_at     TEXT NOT NULL
                    CHECK (measured_at GLOB '????-??-??T??:??:??*Z'),
    PRIMARY KEY (machine_id, backend, threads, name, measured_at)
) STRICT, WITHOUT ROWID;

DROP VIEW table2;
CREATE VIEW table2 AS
WITH network AS (
    SELECT run.*, experiment, source, 1e9 * batch / median_ns AS images_per_s
    FROM run
    JOIN sweep ON sweep.id = sweep_id
    JOIN run_time ON run_id = run.id
    WHERE backbone <> 'none' AND arm = 0)
SELECT sweep_id, experiment, source, id AS run_id, backbone, module, settings,
       impl, position, form, weights, graph, backend, dtype, batch, channels,
       height, width, pass, state, threads, params, paper_flops, flops, images_per_s,
       images_per_s / (
           SELECT plain.images_per_s
           FROM network AS plain
           WHERE plain.module = 'none'
             AND (plain.sweep_id, plain.start, plain.backbone, plain.form,
                  plain.graph, plain.backend, plain.dtype, plain.batch,
                  plain.channels, plain.height, plain.width, plain.pass, plain.state,
                  plain.threads)
               = (a.sweep_id, a.start, a.backbone, a.form,
                  a.graph, a.backend, a.dtype, a.batch, a.channels,
                  a.height, a.width, a.pass, a.state,
                  a.threads)
           ORDER BY plain.id -- impl says nothing of a plain network
           LIMIT 1) AS ratio_to_plain,
       converged
FROM network AS a;

PRAGMA user_version = 3;
