-- schema_1.sql - a database of schema 1, as attnbench 058b563 made it and
-- sqlite3 .dump wrote it, for tests/test_upgrade.c.

PRAGMA application_id = 1635021922;
PRAGMA user_version = 1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO machine VALUES(1,'another cpu',2,8000000000.0,'','','an os');
INSERT INTO machine VALUES(2,'a cpu',2,0.0,'','','');
CREATE TABLE build (                -- found by content, never edited
    id              INTEGER PRIMARY KEY,
    git_commit      TEXT NOT NULL,  -- 40 hex digits, or 'unknown'
    dirty           INTEGER NOT NULL CHECK (dirty IN (0, 1)),
    compiler        TEXT NOT NULL,
    flags           TEXT NOT NULL,
    libraries       TEXT NOT NULL,
    UNIQUE (git_commit, dirty, compiler, flags, libraries)
) STRICT;
INSERT INTO build VALUES(1,'058b563220410748b04b71e9129cc77ed9d49064',0,'gcc 12.2.0','-O2','oneDNN 2.6.3, SQLite 3.40.1, cJSON 1.7.15');
INSERT INTO build VALUES(2,'unknown',0,'','','');
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
INSERT INTO sweep VALUES(1,1,1,'attnbench','flags','','dc60ac61c983e2f3',NULL);
INSERT INTO sweep VALUES(2,1,1,'attnbench','flags','','57f9b7449246ef9c','2026-12-01T12:54:00.881Z');
INSERT INTO sweep VALUES(3,1,1,'attnbench','erf','','d7daf78927d19a67','2026-12-01T12:54:01.353Z');
INSERT INTO sweep VALUES(4,2,2,'pytorch','x','','','2026-01-02T03:05:00.000Z');
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
INSERT INTO start VALUES(1,0,'2026-12-01T12:53:59.057Z',891073133,'attnbench run --module=se,eca --channels=16 --height=8 --width=8 --backend=ref --db=a.db --max_samples=6 --min_samples=6 --limit=1','',7.00146484375,1,7.00146484375);
INSERT INTO start VALUES(2,0,'2026-12-01T12:54:00.114Z',810604040,'attnbench run --module=ca --channels=16 --height=8 --width=8 --backend=cuda --db=a.db --max_samples=6 --min_samples=6','',7.00146484375,1,7.00146484375);
INSERT INTO start VALUES(3,0,'2026-12-01T12:54:00.934Z',0,'attnbench erf --module=se --channels=16 --height=2 --width=2 --db=a.db --out=erf --draws=4 --sets=2','',7.00146484375,1,7.40185546875);
INSERT INTO start VALUES(4,0,'2026-01-02T03:04:05.000Z',5,'','',NULL,NULL,NULL);
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
INSERT INTO run VALUES(1,1,0,'2026-12-01T12:54:00.061Z','none','se','composed','auto','train','seeded','',0.0,'as_written','ref','f32',1,16,8,8,'forward','hot',0,0,'{"reduction":16}','attnbench run --module=se --backend=ref --channels=16 --height=8 --width=8','time','ok','','1x16x8x8',0.0,0,3,1,32.0,32.0,2161.0,1056.0,16.0,12816.0,8256.0);
INSERT INTO run VALUES(2,1,0,'2026-12-01T12:54:00.061Z','none','eca','composed','auto','train','seeded','',0.0,'as_written','ref','f32',1,16,8,8,'forward','hot',0,0,'{"kernel_size":0}','attnbench run --module=eca --backend=ref --channels=16 --height=8 --width=8','time','ok','','1x16x8x8',0.0,0,3,1,1.0,16.0,2128.0,16.0,16.0,12676.0,8256.0);
INSERT INTO run VALUES(3,2,0,'2026-12-01T12:54:00.881Z','none','ca','composed','auto','train','seeded','',0.0,'as_written','cuda','f32',1,16,8,8,'forward','hot',0,0,'{"reduction":32}','attnbench run --module=ca --backend=cuda --channels=16 --height=8 --width=8','time','unsupported','cuda: no plugin was built: skip','',NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO run VALUES(4,3,0,'2026-12-01T12:54:01.289Z','none','se','composed','auto','train','seeded','',0.0,'folded','cpu','f32',1,16,2,2,'forward','hot',0,0,'{"reduction":16}','attnbench erf --module=se --graph=folded --channels=16 --height=2 --width=2 --draws=4 --sets=2','erf','ok','','',0.0,0,1,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO run VALUES(5,4,0,'2026-12-01T12:54:01.415Z','none','se','composed','auto','train','seeded','',0.0,'as_written','cpu','f32',1,64,56,56,'forward','hot',0,0,'{"reduction":16}','attnbench run --module=se','profile','ok','','',NULL,0,1,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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

    PRIMARY KEY (run_id, i)
) STRICT, WITHOUT ROWID;
INSERT INTO sample VALUES(1,0,0,10041.66666666666606,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(1,1,1,10549.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(1,2,2,10489.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(1,3,3,10459.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(1,4,4,10622.333333333333939,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(1,5,5,6614371.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,0,0,7992.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,1,1,8930.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,2,2,8843.3333333333339395,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,3,3,8005.0,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,4,4,7938.3333333333330303,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,5,5,7831.6666666666669696,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(5,0,0,3.0,1410.0,NULL,NULL,'none');
INSERT INTO sample VALUES(5,1,1,4.5,1400.0,NULL,NULL,'power');
CREATE TABLE step (
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    step            INTEGER NOT NULL CHECK (step >= 0),
    op              TEXT NOT NULL CHECK (op <> ''),
    kernel          TEXT NOT NULL,  -- of the backend: 'winograd'
    scope           TEXT NOT NULL,  -- where in the network: 'layer1.0.conv2'
    shape           TEXT NOT NULL,  -- of the result: '(8,64,56,56)'
    PRIMARY KEY (run_id, step)
) STRICT, WITHOUT ROWID;
INSERT INTO step VALUES(5,0,'mul','k','a','(1,2)');
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
INSERT INTO quantity VALUES(5,0,'','time_ns','timed',2.5,'');
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
INSERT INTO roof VALUES(2,'cpu',1,'dram_copy','bytes/s',20000000000.0,10000000000.0,30000000000.0,4,NULL,'2026-01-02T03:04:05.000Z');
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
INSERT INTO erf VALUES(1,4,'output','output','attnbench','attnbench: middle of the 2x2 units of output (output, 16 channels), channels summed; |gradient| of input 16x2x2, channels summed; 4 draws of uniform noise, 2 sets of seeded weights, seed 1; mean of the draws, each divided by its sum; linear; squares about (0.5,0.5); folded, f32; intervals over 2 sets',4,2,1,'',0.5,0.5,NULL,NULL,2.0,2.0,0.25);
CREATE TABLE erf_map (
    erf_id          INTEGER NOT NULL REFERENCES erf ON DELETE CASCADE,
    part            TEXT NOT NULL
                    CHECK (part IN ('whole', 'past_gates', 'gates')),
    map             BLOB NOT NULL,  -- float32, little-endian, row by row
    PRIMARY KEY (erf_id, part)
) STRICT;
INSERT INTO erf_map VALUES(1,'whole',X'0000803e0000803e0000803e0000803e');
INSERT INTO erf_map VALUES(1,'past_gates',X'72bc7f3e72bc7f3e72bc7f3e72bc7f3e');
INSERT INTO erf_map VALUES(1,'gates',X'd0ac303dd0ac303dd0ac303dd0ac303d');
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
INSERT INTO erf_number VALUES(1,'gates','area_50',1.0,1.0,1.0);
INSERT INTO erf_number VALUES(1,'gates','mass_share',0.13487559957964376233,0.036515418155102639941,0.23323578100418487779);
INSERT INTO erf_number VALUES(1,'past_gates','area_50',1.0,1.0,1.0);
INSERT INTO erf_number VALUES(1,'past_gates','mass_share',0.8651244004203562099,0.76676421899581503893,0.96348458184489738087);
INSERT INTO erf_number VALUES(1,'whole','area_50',1.0,1.0,1.0);
INSERT INTO erf_number VALUES(1,'whole','mass_share',1.0,1.0,1.0);
CREATE TABLE note (
    machine_id      INTEGER NOT NULL REFERENCES machine,
    key             TEXT NOT NULL CHECK (key <> ''),
    value           TEXT NOT NULL,
    noted_at        TEXT NOT NULL
                    CHECK (noted_at GLOB '????-??-??T??:??:??*Z'),
    PRIMARY KEY (machine_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO note VALUES(1,'a key','a value','2026-01-02T03:04:05.000Z');
CREATE TABLE at_work (
    sweep_id        INTEGER PRIMARY KEY REFERENCES sweep ON DELETE CASCADE,
    host            TEXT NOT NULL,  -- its name and the id of its boot
    pid             INTEGER NOT NULL,
    born            INTEGER NOT NULL,   -- ticks from that boot to its start
    seen            TEXT NOT NULL   -- when it last began a case
                    CHECK (seen GLOB '????-??-??T??:??:??*Z')
) STRICT;
INSERT INTO at_work VALUES(1,'a host',1,2,'2026-01-02T03:04:05.000Z');
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
INSERT INTO begun VALUES(1,'a case',1,1,0);
CREATE INDEX sweep_by_experiment ON sweep (experiment, source);
CREATE TRIGGER erf_final BEFORE UPDATE ON erf
BEGIN
    SELECT raise(ABORT, 'a receptive field is never changed');
END;
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
CREATE VIEW run_time AS
SELECT run_id, n, avg(ns) AS median_ns
FROM (SELECT run_id, ns,
             row_number() OVER (PARTITION BY run_id ORDER BY ns) AS k,
             count(*) OVER (PARTITION BY run_id) AS n
      FROM sample
      WHERE run_id IN (SELECT id FROM run WHERE status = 'ok'))
WHERE k IN ((n + 1) / 2, (n + 2) / 2)
GROUP BY run_id;
CREATE VIEW latest AS
SELECT experiment, source, cpu, cores, run.*
FROM run
JOIN sweep ON sweep.id = sweep_id
JOIN machine ON machine.id = machine_id
WHERE run.id IN (SELECT max(run.id)
                 FROM run JOIN sweep ON sweep.id = sweep_id
                 WHERE kind <> 'erf'
                 GROUP BY repeat, weights_hash, source, machine_id);
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
FROM network AS a
;
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
CREATE TRIGGER sweep_final BEFORE UPDATE ON sweep WHEN old.ended_at IS NOT NULL
BEGIN
    SELECT raise(ABORT, 'a sweep that has ended is never changed');
END;
COMMIT;
