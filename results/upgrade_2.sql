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
