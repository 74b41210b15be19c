-- schema.sql - what a results database holds.
--
-- A sweep is one experiment on one machine by one build; a run is one of its
-- cases, measured; a sample is one timing.  Raw samples are kept, every
-- statistic is computed from them when asked for.  Nothing is ever updated
-- except the end of a sweep: a repeated measurement is a new row.
--
-- A sweep that was interrupted resumes where it stopped, perhaps hours later:
-- each go is a row of the table start.  Rounds are numbered within a start,
-- so two runs may be paired round by round only if they share sweep and start.
--
-- results/README.md explains the tables, QUERIES.md has thirteen queries.

PRAGMA application_id = 1635021922; -- 'attb'
PRAGMA user_version = 2;            -- SCHEMA_VERSION in store.c

CREATE TABLE machine (              -- found by content, never edited
    id              INTEGER PRIMARY KEY,
    cpu             TEXT NOT NULL,
    cores           INTEGER NOT NULL CHECK (cores > 0),
    memory_bytes    REAL NOT NULL CHECK (memory_bytes >= 0),
    gpu             TEXT NOT NULL,
    driver          TEXT NOT NULL,
    os              TEXT NOT NULL,  -- distribution and kernel
    UNIQUE (cpu, cores, memory_bytes, gpu, driver, os)
) STRICT;

CREATE TABLE build (                -- found by content, never edited
    id              INTEGER PRIMARY KEY,
    git_commit      TEXT NOT NULL,  -- 40 hex digits, or 'unknown'
    dirty           INTEGER NOT NULL CHECK (dirty IN (0, 1)),
    compiler        TEXT NOT NULL,
    flags           TEXT NOT NULL,
    libraries       TEXT NOT NULL,
    program         TEXT NOT NULL DEFAULT '',   -- hash of the program and its
                                    -- CUDA plugin, 16 hex digits; '': unknown
    UNIQUE (git_commit, dirty, compiler, flags, libraries, program)
) STRICT;

CREATE TABLE sweep (
    id              INTEGER PRIMARY KEY,
    machine_id      INTEGER NOT NULL REFERENCES machine,
    build_id        INTEGER NOT NULL REFERENCES build,
    source          TEXT NOT NULL CHECK (source <> ''), -- 'attnbench', or who
    experiment      TEXT NOT NULL CHECK (experiment <> ''),
    question        TEXT NOT NULL,
    cases_hash      TEXT NOT NULL,  -- of the list of cases, to know it again
    ended_at        TEXT            -- NULL: going on, or interrupted
                    CHECK (ended_at GLOB '????-??-??T??:??:??*Z')
) STRICT;
CREATE INDEX sweep_by_experiment ON sweep (experiment, source);

CREATE TABLE start (                -- each go at a sweep
    sweep_id        INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    start           INTEGER NOT NULL CHECK (start >= 0),
    started_at      TEXT NOT NULL   -- UTC, ISO 8601
                    CHECK (started_at GLOB '????-??-??T??:??:??*Z'),
    seed            INTEGER NOT NULL,   -- of the order within the rounds
    argv            TEXT NOT NULL,
    governor        TEXT NOT NULL,
    load            REAL CHECK (load >= 0),     -- 1-minute average; or NULL
    denormals       INTEGER CHECK (denormals IN (0, 1)),    -- 1: flushed
    load_end        REAL CHECK (load_end >= 0), -- when it ended; NULL: killed
    PRIMARY KEY (sweep_id, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id              INTEGER PRIMARY KEY,
    sweep_id        INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    start           INTEGER NOT NULL,
    stored_at       TEXT NOT NULL
                    CHECK (stored_at GLOB '????-??-??T??:??:??*Z'),

    -- the case: keys of an experiment, flags of attnbench run, same names
    backbone        TEXT NOT NULL,  -- 'none': the module alone
    module          TEXT NOT NULL,  -- 'none': the plain backbone
    impl            TEXT NOT NULL,
    position        TEXT NOT NULL DEFAULT 'auto',   -- where in a block: mid,
                                    -- out; auto: no module, or no backbone
    form            TEXT NOT NULL DEFAULT 'train',
    weights         TEXT NOT NULL DEFAULT 'seeded', -- or a path
    weights_hash    TEXT NOT NULL DEFAULT '',   -- FNV-1a of that file's bytes,
                                    -- 16 hex digits; '': seeded, or not known
    norm_gain       REAL NOT NULL DEFAULT 1 -- of the seeded weights of the
                    CHECK (norm_gain >= 0), -- network's norms; 0: none seeded
    graph           TEXT NOT NULL,
    backend         TEXT NOT NULL,
    dtype           TEXT NOT NULL,
    batch           INTEGER NOT NULL CHECK (batch > 0),
    channels        INTEGER NOT NULL CHECK (channels > 0),
    height          INTEGER NOT NULL CHECK (height > 0),
    width           INTEGER NOT NULL CHECK (width > 0),
    pass            TEXT NOT NULL,
    state           TEXT NOT NULL,
    threads         INTEGER NOT NULL CHECK (threads >= 0),  -- 0: all
    copy             INTEGER NOT NULL CHECK (copy >= 0),
    settings        TEXT NOT NULL   -- the module's own
                    CHECK (json_valid(settings) AND
                           json_type(settings) = 'object'),
    repeat          TEXT NOT NULL CHECK (repeat <> ''), -- command that repeats

    kind            TEXT NOT NULL DEFAULT 'time' -- what was found: a time;
                    CHECK (kind IN ('time', 'profile', 'erf')), -- and where it
                                    -- goes; an effective receptive field

    -- the outcome: a time without a verdict is not a result
    status          TEXT NOT NULL
                    CHECK (status IN ('ok', 'wrong', 'unsupported',
                                      'out_of_memory', 'failed')),
    message         TEXT NOT NULL,
    verified_at     TEXT NOT NULL,  -- dims of the input checked, or ''
    rel_l2          REAL CHECK (rel_l2 >= 0),   -- NULL: not compared
    converged       INTEGER NOT NULL CHECK (converged IN (0, 1)),
    reps            INTEGER NOT NULL CHECK (reps >= 0), -- runs in one sample
    threads_used    INTEGER NOT NULL DEFAULT 0 CHECK (threads_used >= 0),
                                    -- that it really ran on; 0: not known, or
                                    -- a device without threads
    steps_ns        REAL CHECK (steps_ns >= 0), -- sum of the median times of
                                    -- its steps; NULL: they were not timed
    steps_lo_ns     REAL CHECK (steps_lo_ns >= 0), -- 95 % interval of it
    steps_hi_ns     REAL CHECK (steps_hi_ns >= steps_lo_ns),
    module_steps_ns REAL CHECK (module_steps_ns >= 0), -- of the modules' alone
    module_steps_lo_ns REAL CHECK (module_steps_lo_ns >= 0), -- 95 % interval,
                                    -- of their share of steps_ns
    module_steps_hi_ns REAL CHECK (module_steps_hi_ns >= module_steps_lo_ns),

    -- costs, NULL where they are not known
    params          REAL CHECK (params >= 0),
    macs            REAL CHECK (macs >= 0),             -- conv and linear
    flops           REAL CHECK (flops >= 0),            -- every op, fma is 2
    paper_flops     REAL CHECK (paper_flops >= 0),      -- as papers count
    transcendentals REAL CHECK (transcendentals >= 0),
    bytes           REAL CHECK (bytes >= 0),            -- each operand once
    arena_bytes     REAL CHECK (arena_bytes >= 0),      -- activations

    UNIQUE (sweep_id, repeat),
    FOREIGN KEY (sweep_id, start) REFERENCES start ON DELETE CASCADE,
    CHECK (status <> 'ok' OR reps > 0),
    CHECK (status = 'ok' OR message <> '')
) STRICT;

CREATE TABLE sample (
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    i               INTEGER NOT NULL CHECK (i >= 0),    -- order of measurement
    round           INTEGER NOT NULL CHECK (round >= 0),
    ns              REAL NOT NULL CHECK (ns > 0 AND ns < 1e18), -- of one run

    -- the device at that moment, NULL where it did not know
    clock_mhz       REAL CHECK (clock_mhz > 0), -- measured, not nominal
    temperature_c   REAL,
    power_w         REAL CHECK (power_w >= 0),
    throttle        TEXT CHECK (throttle <> ''), -- 'none', or why

    -- how it was taken; all but module_ns covers reps runs
    module_ns       REAL CHECK (module_ns >= 0), -- of ns, in the steps of the
                                    -- module; NULL: steps were not timed
    started_ns      REAL CHECK (started_ns >= 0), -- when it began, since the
                                    -- start of the sweep did
    cpu_ns          REAL CHECK (cpu_ns >= 0),   -- CPU time of all threads
    run_delay_ns    REAL CHECK (run_delay_ns >= 0), -- they were ready to run
                                    -- and waited for a CPU
    steal_ns        REAL CHECK (steal_ns >= 0), -- the hypervisor ran something
                                    -- else; in steps of 10 ms
    switches        INTEGER CHECK (switches >= 0), -- involuntary, of all threads
    process         INTEGER NOT NULL DEFAULT 0  -- of a run that is spread over
                    CHECK (process >= 0),       -- several; 0: the first

    PRIMARY KEY (run_id, i)
) STRICT, WITHOUT ROWID;

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

-- Effective receptive fields: which pixels of the input a unit in the middle of
-- a layer responds to, as attnbench erf finds it.  One row per run of kind erf
-- and tap; its maps, of parts: whole, the part that comes past the modules'
-- gates, and the part that comes through them; the numbers of each part with
-- their intervals.
CREATE TABLE erf (
    id              INTEGER PRIMARY KEY,
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,

    -- what was asked
    tap             TEXT NOT NULL CHECK (tap <> ''),    -- stage4, layer4.2.attn
    layer           TEXT NOT NULL CHECK (layer <> ''),  -- that computes it
    protocol        TEXT NOT NULL CHECK (protocol <> ''), -- by name
    described       TEXT NOT NULL CHECK (described <> ''), -- in full
    draws           INTEGER NOT NULL CHECK (draws > 0),
    observations    INTEGER NOT NULL CHECK (observations > 0), -- of intervals
    seed            INTEGER NOT NULL,
    images_hash     TEXT NOT NULL DEFAULT '',   -- of the bytes of its images,
                                    -- as weights_hash; '': noise, or not known

    -- what is known of the unit
    y               REAL NOT NULL,  -- its place in the input, pixels from the
    x               REAL NOT NULL,  -- first
    field_height    REAL CHECK (field_height > 0),  -- theoretical, pixels;
    field_width     REAL CHECK (field_width > 0),   -- NULL: without bounds
    past_height     REAL CHECK (past_height > 0),   -- the same past the gates
    past_width      REAL CHECK (past_width > 0),
    peak            REAL NOT NULL CHECK (peak >= 0), -- before any curve

    UNIQUE (run_id, tap)
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

-- Choices that a device made by timing, so that the next process need not:
-- cuDNN's engine for a convolution.  The key says all that a choice depends on
-- except the machine.  Not a result: losing one costs a moment, and a new choice
-- replaces the old.
CREATE TABLE note (
    machine_id      INTEGER NOT NULL REFERENCES machine,
    key             TEXT NOT NULL CHECK (key <> ''),
    value           TEXT NOT NULL,
    noted_at        TEXT NOT NULL
                    CHECK (noted_at GLOB '????-??-??T??:??:??*Z'),
    PRIMARY KEY (machine_id, key)
) STRICT, WITHOUT ROWID;

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

-- Results of another program are not ours to verify; our own are.
CREATE TRIGGER run_verified BEFORE INSERT ON run
WHEN new.status = 'ok' AND new.rel_l2 IS NULL
     AND (SELECT source FROM sweep WHERE id = new.sweep_id) = 'attnbench'
BEGIN
    SELECT raise(ABORT, 'a run that was not verified is not ok');
END;

CREATE TRIGGER run_final BEFORE UPDATE ON run
BEGIN
    SELECT raise(ABORT, 'a run is never changed');
END;

CREATE TRIGGER sample_final BEFORE UPDATE ON sample
BEGIN
    SELECT raise(ABORT, 'a sample is never changed');
END;

CREATE TRIGGER sweep_final BEFORE UPDATE ON sweep WHEN old.ended_at IS NOT NULL
BEGIN
    SELECT raise(ABORT, 'a sweep that has ended is never changed');
END;

-- The median of the samples, runs that are ok only.
CREATE VIEW run_time AS
SELECT run_id, n, avg(ns) AS median_ns
FROM (SELECT run_id, ns,
             row_number() OVER (PARTITION BY run_id ORDER BY ns) AS k,
             count(*) OVER (PARTITION BY run_id) AS n
      FROM sample
      WHERE run_id IN (SELECT id FROM run WHERE status = 'ok'))
WHERE k IN ((n + 1) / 2, (n + 2) / 2)
GROUP BY run_id;

-- Latest run of each case, source and machine, whatever became of it.
-- Another file of weights under the same name is another case.
CREATE VIEW latest AS
SELECT experiment, source, cpu, cores, run.*
FROM run
JOIN sweep ON sweep.id = sweep_id
JOIN machine ON machine.id = machine_id
WHERE run.id IN (SELECT max(run.id)
                 FROM run JOIN sweep ON sweep.id = sweep_id
                 WHERE kind <> 'erf'
                 GROUP BY repeat, weights_hash, source, machine_id);

-- A backbone with each module, next to the plain backbone of the same sweep.
CREATE VIEW table2 AS
WITH network AS (
    SELECT run.*, experiment, source, 1e9 * batch / median_ns AS images_per_s
    FROM run
    JOIN sweep ON sweep.id = sweep_id
    JOIN run_time ON run_id = run.id
    WHERE backbone <> 'none' AND copy = 0)
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

-- A module alone, over channels and resolution.
CREATE VIEW sweep_time AS
SELECT sweep_id, experiment, source, run.id AS run_id,
       module, settings, impl, backend, dtype, batch, channels, height, width,
       pass, state, threads, copy, median_ns / 1e3 AS median_us, n,
       flops, bytes, flops / median_ns AS gflops_per_s,
       bytes / median_ns AS gbytes_per_s, converged
FROM run
JOIN sweep ON sweep.id = sweep_id
JOIN run_time ON run_id = run.id
WHERE backbone = 'none';
