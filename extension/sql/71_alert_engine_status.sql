-- How it goes with alerts as a whole, for who watches the server.

-- Each part reads a bounded piece of an index, in its order so that it is read, whatever the size of its table.
CREATE VIEW telemetry.alert_engine_status AS
WITH left_over AS MATERIALIZED (
	SELECT p.left_at, p.settle_after
	FROM telemetry.alert_pending AS p
	ORDER BY p.id
	LIMIT 10000
), overdue AS MATERIALIZED (
	SELECT s.due_at
	FROM (
		SELECT a.rule_id, a.due_at
		FROM telemetry.alert_state AS a
		WHERE a.due_at <= pg_catalog.statement_timestamp()
		ORDER BY a.due_at
		LIMIT 10000
	) AS s
	JOIN telemetry.alert_rule AS r ON r.rule_id = s.rule_id AND r.enabled
), failing AS MATERIALIZED (
	SELECT f.rule_id
	FROM (
		(SELECT e.rule_id, e.occurred_at
			FROM telemetry.alert_rule_error AS e
			WHERE e.occurred_at > pg_catalog.statement_timestamp() - interval '10 min'
			ORDER BY e.occurred_at DESC
			LIMIT 10000)
		UNION ALL
		(SELECT p.rule_id, 'infinity'
			FROM telemetry.alert_pending AS p
			WHERE p.retry_at > '-infinity'
			ORDER BY p.rule_id, p.device_id, p.metric_name
			LIMIT 10000)
	) AS f
	JOIN telemetry.alert_rule AS r ON r.rule_id = f.rule_id AND r.enabled AND f.occurred_at > r.updated_at
	GROUP BY f.rule_id
), waiting AS MATERIALIZED (
	SELECT n.next_attempt_at, n.leased_until
	FROM telemetry.notification_channel AS c
	CROSS JOIN LATERAL (
		SELECT p.next_attempt_at, p.leased_until
		FROM telemetry.notification AS p
		WHERE p.channel = c.name AND p.state = 'pending'
		ORDER BY p.number
		LIMIT 100
	) AS n
	WHERE c.enabled
)
SELECT
	p.pending,
	p.pending_since,
	p.settling,
	o.overdue,
	greatest(pg_catalog.statement_timestamp() - least(p.pending_since, o.overdue_since), interval '0') AS lag,
	j.failures AS job_failures,
	j.absence_checked_at,
	l.open_alerts,
	l.open_by_level,
	r.rules_enabled,
	f.rules_failing,
	u.events_untold_since,
	w.notifications_due,
	w.notifications_due_since,
	w.notifications_leased,
	d.notifications_dead
FROM (
	SELECT pg_catalog.count(*) FILTER (WHERE q.settle_after IS NULL) AS pending,
		pg_catalog.min(q.left_at) FILTER (WHERE q.settle_after IS NULL) AS pending_since,
		pg_catalog.count(*) FILTER (WHERE q.settle_after IS NOT NULL) AS settling
	FROM left_over AS q
) AS p
CROSS JOIN (SELECT pg_catalog.count(*) AS overdue, pg_catalog.min(q.due_at) AS overdue_since FROM overdue AS q) AS o
CROSS JOIN (
	SELECT coalesce(pg_catalog.sum(s.failures), 0) AS failures,
		pg_catalog.max(s.last_finished_at) FILTER (WHERE s.name = 'absence' AND s.failures = 0) AS absence_checked_at
	FROM telemetry.job_state AS s
	WHERE s.name IN ('alerts', 'absence')
) AS j
CROSS JOIN (
	SELECT pg_catalog.sum(c.n)::bigint AS open_alerts, pg_catalog.jsonb_object_agg(v.level, c.n) AS open_by_level
	FROM pg_catalog.unnest(pg_catalog.enum_range(NULL::telemetry.alert_level)) AS v (level)
	CROSS JOIN LATERAL (
		SELECT pg_catalog.count(*) AS n
		FROM (
			SELECT FROM telemetry.alert AS a
			WHERE a.status <> 'resolved' AND a.level = v.level
			ORDER BY a.triggered_at
			LIMIT 10000
		) AS q
	) AS c
) AS l
CROSS JOIN (SELECT pg_catalog.count(*) AS rules_enabled FROM telemetry.alert_rule AS q WHERE q.enabled) AS r
CROSS JOIN (SELECT pg_catalog.count(*) AS rules_failing FROM failing AS q) AS f
CROSS JOIN (
	SELECT pg_catalog.min(q.created_at) AS events_untold_since
	FROM telemetry.outbox_consumer AS c
	CROSS JOIN LATERAL (
		SELECT x.event_type, x.created_at
		FROM telemetry.outbox AS x
		WHERE x.transaction_id >= pg_catalog.pg_snapshot_xmax(c.taken)
		ORDER BY x.transaction_id
		LIMIT 10000
	) AS q
	WHERE c.name = 'notifications' AND q.event_type = ANY (c.event_types)
) AS u
CROSS JOIN (
	SELECT pg_catalog.count(*) FILTER (WHERE q.is_due) AS notifications_due,
		pg_catalog.min(q.next_attempt_at) FILTER (WHERE q.is_due) AS notifications_due_since,
		pg_catalog.count(*) FILTER (WHERE q.leased_until > pg_catalog.statement_timestamp()) AS notifications_leased
	FROM (
		SELECT n.*, n.next_attempt_at <= pg_catalog.statement_timestamp()
			AND (n.leased_until > pg_catalog.statement_timestamp()) IS NOT TRUE AS is_due
		FROM waiting AS n
	) AS q
) AS w
CROSS JOIN (
	SELECT pg_catalog.count(*) AS notifications_dead
	FROM (
		SELECT FROM telemetry.notification AS n
		WHERE n.state = 'dead' AND n.settled_at > pg_catalog.statement_timestamp() - interval '1 hour'
		ORDER BY n.settled_at
		LIMIT 10000
	) AS q
) AS d;
COMMENT ON VIEW telemetry.alert_engine_status IS
	'How it goes with alerts: one row. Cheap at any size: what is counted is counted to 10000, of a channel''s notifications to 100. Times are the server''s.';
COMMENT ON COLUMN telemetry.alert_engine_status.pending IS
	'Rows of telemetry.alert_pending, among the first 10000, of series that job alerts has not judged yet.';
COMMENT ON COLUMN telemetry.alert_engine_status.pending_since IS 'When ingest left the oldest of these; null: there are none.';
COMMENT ON COLUMN telemetry.alert_engine_status.settling IS
	'Rows among the same whose series have been judged, and are once more when the ingests that were under way have ended. Many that stay: a transaction is left open.';
COMMENT ON COLUMN telemetry.alert_engine_status.overdue IS 'Open alerts of rules that are enabled whose auto_resolve_timeout is over, and which are still to be resolved, to 10000.';
COMMENT ON COLUMN telemetry.alert_engine_status.lag IS 'How far job alerts is behind: how long the oldest of pending and overdue has waited; 0 if there is neither.';
COMMENT ON COLUMN telemetry.alert_engine_status.job_failures IS 'How many runs of jobs alerts and absence have failed since they last succeeded.';
COMMENT ON COLUMN telemetry.alert_engine_status.absence_checked_at IS
	'When job absence last finished; null: it has not, or its last run failed. Rules of condition absent trigger nothing later than that.';
COMMENT ON COLUMN telemetry.alert_engine_status.open_alerts IS 'Alerts that are active or acknowledged, of each level to 10000.';
COMMENT ON COLUMN telemetry.alert_engine_status.open_by_level IS 'The same by level: {"info": number, …}.';
COMMENT ON COLUMN telemetry.alert_engine_status.rules_enabled IS 'Rules that are enabled.';
COMMENT ON COLUMN telemetry.alert_engine_status.rules_failing IS
	'Of these, how many could not be applied in the last ten minutes and have not been changed since, or have series that wait to be tried again.';
COMMENT ON COLUMN telemetry.alert_engine_status.events_untold_since IS
	'When the first event of telemetry.outbox, among the next 10000, was written of which no notification has been made yet; null: there is none. Old: nobody calls '
	'telemetry.prepare_notifications(), as the proxy does.';
COMMENT ON COLUMN telemetry.alert_engine_status.notifications_due IS 'Notifications of channels that are enabled whose time has come, also if others or rate_limit hold them up, and which nobody is sending.';
COMMENT ON COLUMN telemetry.alert_engine_status.notifications_due_since IS 'When the time of the first of these came; null: there are none.';
COMMENT ON COLUMN telemetry.alert_engine_status.notifications_leased IS 'Notifications that somebody is sending.';
COMMENT ON COLUMN telemetry.alert_engine_status.notifications_dead IS 'Notifications that died in the last hour, and have not been sent again since.';
GRANT SELECT ON telemetry.alert_engine_status TO telemetry_reader;
