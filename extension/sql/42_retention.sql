-- Rules of retention, and the ledger of what was removed. The job is in 55_retention.sql.

CREATE TABLE telemetry.retention (
	metric text COLLATE "C" CONSTRAINT metric_is_not_empty CHECK (metric <> ''),
	retention_days integer DEFAULT 90
		CONSTRAINT retention_days_is_from_1_to_3650 CHECK (retention_days BETWEEN 1 AND 3650),
	rollup_days integer CONSTRAINT rollup_days_is_from_1_to_36500 CHECK (rollup_days BETWEEN 1 AND 36500),
	CONSTRAINT rollups_are_kept_as_long_as_points_or_longer
		CHECK (rollup_days IS NULL OR (retention_days IS NOT NULL AND rollup_days >= retention_days))
);
CREATE UNIQUE INDEX retention_is_one_row_a_metric ON telemetry.retention ((coalesce(metric, '')));
-- The key may be null; logical replication finds the few rows without an index.
ALTER TABLE telemetry.retention REPLICA IDENTITY FULL;
COMMENT ON TABLE telemetry.retention IS
	'How long points and rollups of a metric are kept; without a row, for ever. Job retention drops what is older, '
	'by whole days.';
COMMENT ON COLUMN telemetry.retention.metric IS 'The metric; null: every metric without a row.';
COMMENT ON COLUMN telemetry.retention.retention_days IS
	'UTC days before today that points are kept, 1 to 3650; null: for ever.';
COMMENT ON COLUMN telemetry.retention.rollup_days IS
	'UTC days before today that hourly and daily rollups are kept, not less than retention_days; local days (see '
	'telemetry.day_of) are dropped whole. Null: for ever.';

CREATE TABLE telemetry.drop_log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dropped_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	cause text NOT NULL
		CONSTRAINT cause_is_retention_rollup_retention_or_delete CHECK (cause IN ('retention', 'rollup retention', 'delete')),
	device_id text COLLATE "C",
	metric text COLLATE "C",
	except_metrics text[] COLLATE "C",
	from_ts timestamptz,
	to_ts timestamptz,
	points bigint
);
-- Retention has one row for all that it ever did to a metric's points, and one for its rollups.
CREATE UNIQUE INDEX drop_log_retention ON telemetry.drop_log (cause, (coalesce(metric, ''))) WHERE cause <> 'delete';
COMMENT ON TABLE telemetry.drop_log IS
	'The ledger of what was removed from the store on purpose: a row for each deletion, kept for a year, and rows '
	'that retention brings up to date.';
COMMENT ON COLUMN telemetry.drop_log.dropped_at IS 'When the row was last changed.';
COMMENT ON COLUMN telemetry.drop_log.cause IS
	'delete: telemetry.delete_points; retention: points; rollup retention: hourly and daily rollups.';
COMMENT ON COLUMN telemetry.drop_log.device_id IS 'The device; null: all.';
COMMENT ON COLUMN telemetry.drop_log.metric IS
	'The metric, of retention if it has or had a row in telemetry.retention; null: all, but for except_metrics.';
COMMENT ON COLUMN telemetry.drop_log.except_metrics IS
	'Of retention, the metrics that have or had a row in telemetry.retention: what is dropped of them is in rows of '
	'their own.';
COMMENT ON COLUMN telemetry.drop_log.from_ts IS
	'Start of the time dropped; null: no bound. Retention has dropped nothing from before it.';
COMMENT ON COLUMN telemetry.drop_log.to_ts IS
	'End of the time dropped, exclusive; null: no bound. A pass of retention sets it as it begins; points from before '
	'it that come later, under a rule of more days, are kept. -infinity: of rollups, when a first pass has begun.';
COMMENT ON COLUMN telemetry.drop_log.points IS
	'Points that were dropped, or that the dropped rollups were of. Late points that are older than rules '
	'already applied allow are dropped as they are rolled up, and count in telemetry.compaction.expired only.';
COMMENT ON COLUMN telemetry.drop_log.id IS 'Number of the row; later ones have higher numbers.';
COMMENT ON SEQUENCE telemetry.drop_log_id_seq IS 'Numbers for telemetry.drop_log.id.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.retention', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.drop_log', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.drop_log_id_seq', '');

-- As tl_retention_is_out_of_reach.
CREATE VIEW telemetry.out_of_reach AS
	SELECT p.metric, p.except_metrics, greatest(p.from_ts - interval '59 minutes 59.999999 seconds', r.to_ts) AS from_hour, p.to_ts AS to_hour
	FROM telemetry.drop_log AS p
	LEFT JOIN telemetry.drop_log AS r ON r.cause = 'rollup retention' AND coalesce(r.metric, '') = coalesce(p.metric, '')
	WHERE p.cause = 'retention';
COMMENT ON VIEW telemetry.out_of_reach IS
	'Hours (from_hour <= hour < to_hour) of which retention has dropped points and may have kept the rollups, which can '
	'therefore not be computed again: of a metric, or (null) of all but except_metrics.';
COMMENT ON COLUMN telemetry.out_of_reach.metric IS 'The metric; null: all but except_metrics.';
COMMENT ON COLUMN telemetry.out_of_reach.except_metrics IS
	'Where metric is null, the metrics that have or had a row in telemetry.retention; else null.';
COMMENT ON COLUMN telemetry.out_of_reach.from_hour IS
	'Hours that begin then or later, and before to_hour, are out of reach: points of them were dropped, and the rollups '
	'may have been kept.';
COMMENT ON COLUMN telemetry.out_of_reach.to_hour IS
	'Hours that begin then or later are within reach: points were dropped up to this time.';

GRANT SELECT ON telemetry.retention, telemetry.drop_log, telemetry.out_of_reach TO telemetry_reader;
GRANT INSERT, UPDATE, DELETE ON telemetry.retention TO telemetry_admin;
