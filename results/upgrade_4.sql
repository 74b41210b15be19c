-- upgrade_4.sql - makes a database of schema 4 one of schema 5 (schema.sql).
--
-- Nothing that was measured is touched: columns are added for what a file of
-- weights, or a set of images, held.  Of what is stored already that is not
-- known.

ALTER TABLE run ADD COLUMN weights_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE erf ADD COLUMN weights_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE erf ADD COLUMN images_hash TEXT NOT NULL DEFAULT '';

-- Of each case, source and machine: the latest run, whatever became of it.
-- Another file of weights under the same name is another case.
DROP VIEW latest;
CREATE VIEW latest AS
SELECT experiment, source, cpu, cores, run.*
FROM run
JOIN sweep ON sweep.id = sweep_id
JOIN machine ON machine.id = machine_id
WHERE run.id IN (SELECT max(run.id)
                 FROM run JOIN sweep ON sweep.id = sweep_id
                 GROUP BY repeat, weights_hash, source, machine_id);

PRAGMA user_version = 5;
