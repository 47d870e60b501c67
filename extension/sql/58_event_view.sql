-- What is read of event rollups: as of the last round of job roll_up_events, and, live, with what is pending.

CREATE VIEW telemetry.event_hourly AS
	SELECT r.stream, nullif(r.subject_id, '') AS subject_id, r.event_type, r.hour, r.n, r.total_seconds,
		telemetry.unique_count(r.sessions) AS unique_sessions,
		telemetry.unique_count(r.users) AS unique_users,
		telemetry.unique_count(r.devices) AS unique_devices,
		r.sessions, r.users, r.devices
	FROM telemetry.event_rollup_hour AS r;
COMMENT ON VIEW telemetry.event_hourly IS
	'Events of a subject (null: none) and type in an hour (telemetry.hour_of) of its stream''s clock: n, total_seconds '
	'(sum of duration_seconds), unique_sessions, unique_users and unique_devices, exact up to 256 and then as telemetry.uniques_of() says. '
	'sessions, users and devices are their sketches (hll), which can be united: unique_count(uniques_of_all(users)). As '
	'of the last round of job roll_up_events.';
COMMENT ON COLUMN telemetry.event_hourly.subject_id IS 'What the events are about; null: none of them says.';
COMMENT ON COLUMN telemetry.event_hourly.unique_sessions IS
	'Different sessions, exact up to 256, then as telemetry.uniques_of() says.';
COMMENT ON COLUMN telemetry.event_hourly.unique_users IS 'Different users, exact up to 256, then as telemetry.uniques_of() says.';
COMMENT ON COLUMN telemetry.event_hourly.unique_devices IS
	'Different devices, exact up to 256, then as telemetry.uniques_of() says.';
COMMENT ON COLUMN telemetry.event_hourly.sessions IS
	'The sessions as a sketch (hll), to be united with those of other rows: unique_count(uniques_of_all(sessions)).';
COMMENT ON COLUMN telemetry.event_hourly.users IS
	'The users as a sketch (hll), to be united with those of other rows: unique_count(uniques_of_all(users)).';
COMMENT ON COLUMN telemetry.event_hourly.devices IS
	'The devices as a sketch (hll), to be united with those of other rows: unique_count(uniques_of_all(devices)).';
SELECT telemetry.copy_comments('telemetry.event_rollup_hour', 'telemetry.event_hourly');

CREATE VIEW telemetry.event_hourly_live AS
	SELECT r.stream, nullif(r.subject_id, '') AS subject_id, r.event_type, r.hour, r.n, r.total_seconds,
		telemetry.unique_count(r.sessions) AS unique_sessions,
		telemetry.unique_count(r.users) AS unique_users,
		telemetry.unique_count(r.devices) AS unique_devices,
		r.sessions, r.users, r.devices
	FROM (
		SELECT r.stream, r.subject_id, r.event_type, r.hour, sum(r.n)::bigint AS n, sum(r.total_seconds) AS total_seconds,
			telemetry.uniques_of_all(r.sessions) AS sessions, telemetry.uniques_of_all(r.users) AS users, telemetry.uniques_of_all(r.devices) AS devices
		FROM (
			SELECT r.stream, r.subject_id, r.event_type, r.hour, r.n, r.total_seconds, r.sessions, r.users, r.devices
			FROM telemetry.event_rollup_hour AS r
			UNION ALL
			SELECT p.stream, p.subject_id, p.event_type, p.hour, sum(p.sign), sum(p.seconds),
				telemetry.uniques_of(p.session_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(p.user_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(p.device_id) FILTER (WHERE p.sign = 1)
			FROM telemetry.pending_event AS p
			GROUP BY p.stream, p.subject_id, p.event_type, p.hour
		) AS r
		GROUP BY r.stream, r.subject_id, r.event_type, r.hour
		HAVING sum(r.n) > 0
	) AS r;
COMMENT ON VIEW telemetry.event_hourly_live IS
	'telemetry.event_hourly with the events that are not rolled up yet, and without those removed: exact as of the last '
	'that was committed. Uniques of what was removed count until the next round.';
SELECT telemetry.copy_comments('telemetry.event_hourly', 'telemetry.event_hourly_live');

CREATE VIEW telemetry.event_daily AS
	SELECT r.stream, nullif(r.subject_id, '') AS subject_id, r.event_type, r.day, r.n, r.total_seconds,
		telemetry.unique_count(r.sessions) AS unique_sessions,
		telemetry.unique_count(r.users) AS unique_users,
		telemetry.unique_count(r.devices) AS unique_devices,
		r.sessions, r.users, r.devices
	FROM telemetry.event_rollup_day AS r;
COMMENT ON VIEW telemetry.event_daily IS
	'The same as telemetry.event_hourly by local day (telemetry.day_of).';
SELECT telemetry.copy_comments('telemetry.event_hourly', 'telemetry.event_daily');
SELECT telemetry.copy_comments('telemetry.event_rollup_day', 'telemetry.event_daily');

CREATE VIEW telemetry.event_daily_live AS
	SELECT r.stream, nullif(r.subject_id, '') AS subject_id, r.event_type, r.day, r.n, r.total_seconds,
		telemetry.unique_count(r.sessions) AS unique_sessions,
		telemetry.unique_count(r.users) AS unique_users,
		telemetry.unique_count(r.devices) AS unique_devices,
		r.sessions, r.users, r.devices
	FROM (
		SELECT r.stream, r.subject_id, r.event_type, r.day, sum(r.n)::bigint AS n, sum(r.total_seconds) AS total_seconds,
			telemetry.uniques_of_all(r.sessions) AS sessions, telemetry.uniques_of_all(r.users) AS users, telemetry.uniques_of_all(r.devices) AS devices
		FROM (
			SELECT r.stream, r.subject_id, r.event_type, r.day, r.n, r.total_seconds, r.sessions, r.users, r.devices
			FROM telemetry.event_rollup_day AS r
			UNION ALL
			SELECT p.stream, p.subject_id, p.event_type, p.day, sum(p.sign), sum(p.seconds),
				telemetry.uniques_of(p.session_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(p.user_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(p.device_id) FILTER (WHERE p.sign = 1)
			FROM telemetry.pending_event AS p
			GROUP BY p.stream, p.subject_id, p.event_type, p.day
		) AS r
		GROUP BY r.stream, r.subject_id, r.event_type, r.day
		HAVING sum(r.n) > 0
	) AS r;
COMMENT ON VIEW telemetry.event_daily_live IS
	'telemetry.event_daily with the events that are not rolled up yet, and without those removed: exact as of the last '
	'that was committed. Uniques of what was removed count until the next round.';
SELECT telemetry.copy_comments('telemetry.event_daily', 'telemetry.event_daily_live');

CREATE VIEW telemetry.stream_daily AS
	SELECT r.stream, r.event_type, r.day, r.n, r.total_seconds,
		telemetry.unique_count(r.sessions) AS unique_sessions,
		telemetry.unique_count(r.users) AS unique_users,
		telemetry.unique_count(r.devices) AS unique_devices,
		telemetry.unique_count(r.subjects) AS unique_subjects,
		r.sessions, r.users, r.devices, r.subjects
	FROM telemetry.stream_rollup_day AS r;
COMMENT ON VIEW telemetry.stream_daily IS
	'Events of a type in a day, of all subjects: columns as in telemetry.event_daily, and unique_subjects.';
COMMENT ON COLUMN telemetry.stream_daily.unique_subjects IS
	'Different subjects, exact up to 256, then as telemetry.uniques_of() says.';
COMMENT ON COLUMN telemetry.stream_daily.subjects IS
	'The subjects as a sketch (hll), to be united with those of other rows: unique_count(uniques_of_all(subjects)).';
SELECT telemetry.copy_comments('telemetry.event_daily', 'telemetry.stream_daily');

CREATE VIEW telemetry.stream_daily_live AS
	SELECT r.stream, r.event_type, r.day, r.n, r.total_seconds,
		telemetry.unique_count(r.sessions) AS unique_sessions,
		telemetry.unique_count(r.users) AS unique_users,
		telemetry.unique_count(r.devices) AS unique_devices,
		telemetry.unique_count(r.subjects) AS unique_subjects,
		r.sessions, r.users, r.devices, r.subjects
	FROM (
		SELECT r.stream, r.event_type, r.day, sum(r.n)::bigint AS n, sum(r.total_seconds) AS total_seconds,
			telemetry.uniques_of_all(r.sessions) AS sessions, telemetry.uniques_of_all(r.users) AS users, telemetry.uniques_of_all(r.devices) AS devices,
			telemetry.uniques_of_all(r.subjects) AS subjects
		FROM (
			SELECT r.stream, r.event_type, r.day, r.n, r.total_seconds, r.sessions, r.users, r.devices, r.subjects
			FROM telemetry.stream_rollup_day AS r
			UNION ALL
			SELECT p.stream, p.event_type, p.day, sum(p.sign), sum(p.seconds),
				telemetry.uniques_of(p.session_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(p.user_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(p.device_id) FILTER (WHERE p.sign = 1),
				telemetry.uniques_of(nullif(p.subject_id, '')) FILTER (WHERE p.sign = 1)
			FROM telemetry.pending_event AS p
			GROUP BY p.stream, p.event_type, p.day
		) AS r
		GROUP BY r.stream, r.event_type, r.day
		HAVING sum(r.n) > 0
	) AS r;
COMMENT ON VIEW telemetry.stream_daily_live IS
	'telemetry.stream_daily with the events that are not rolled up yet, and without those removed: exact as of the last '
	'that was committed. Uniques of what was removed count until the next round.';
SELECT telemetry.copy_comments('telemetry.stream_daily', 'telemetry.stream_daily_live');

CREATE VIEW telemetry.user_daily AS
	SELECT r.stream, r.user_id, r.event_type, r.day, r.n, r.total_seconds, r.last_at,
		telemetry.unique_count(r.subjects) AS unique_subjects,
		r.subjects
	FROM telemetry.user_rollup_day AS r;
COMMENT ON VIEW telemetry.user_daily IS
	'Events of a user and type in a day: n, total_seconds, last_at (when the last was received), unique_subjects and '
	'subjects, their sketch (hll).';
SELECT telemetry.copy_comments('telemetry.stream_daily', 'telemetry.user_daily');
SELECT telemetry.copy_comments('telemetry.user_rollup_day', 'telemetry.user_daily');

CREATE VIEW telemetry.user_daily_live AS
	SELECT r.stream, r.user_id, r.event_type, r.day, r.n, r.total_seconds, r.last_at,
		telemetry.unique_count(r.subjects) AS unique_subjects,
		r.subjects
	FROM (
		SELECT r.stream, r.user_id, r.event_type, r.day, sum(r.n)::bigint AS n, sum(r.total_seconds) AS total_seconds,
			max(r.last_at) AS last_at, telemetry.uniques_of_all(r.subjects) AS subjects
		FROM (
			SELECT r.stream, r.user_id, r.event_type, r.day, r.n, r.total_seconds, r.last_at, r.subjects
			FROM telemetry.user_rollup_day AS r
			UNION ALL
			SELECT p.stream, p.user_id, p.event_type, p.day, sum(p.sign), sum(p.seconds),
				max(p.received_at),
				telemetry.uniques_of(nullif(p.subject_id, '')) FILTER (WHERE p.sign = 1)
			FROM telemetry.pending_event AS p
			WHERE p.user_id IS NOT NULL
			GROUP BY p.stream, p.user_id, p.event_type, p.day
		) AS r
		GROUP BY r.stream, r.user_id, r.event_type, r.day
		HAVING sum(r.n) > 0
	) AS r;
COMMENT ON VIEW telemetry.user_daily_live IS
	'telemetry.user_daily with the events that are not rolled up yet, and without those removed: exact as of the last '
	'that was committed. Uniques and last_at of what was removed count until the next round.';
SELECT telemetry.copy_comments('telemetry.user_daily', 'telemetry.user_daily_live');

CREATE VIEW telemetry.event_freshness AS
	SELECT count(*) AS pending_batches, coalesce(sum(b.n), 0)::bigint AS pending_events,
		coalesce(greatest(clock_timestamp() - min(b.received_at), interval '0'), interval '0') AS lag,
		telemetry.setting('lag_target')::interval AS target,
		coalesce(clock_timestamp() - min(b.received_at) <= telemetry.setting('lag_target')::interval, true) AS fresh
	FROM telemetry.event_batch AS b;
COMMENT ON VIEW telemetry.event_freshness IS
	'How far behind the rollups of events are: flushes and events that are not in them yet, how long ago the oldest of these was '
	'received (0 if there is none), and whether that is within the target, telemetry.lag_target.';
COMMENT ON COLUMN telemetry.event_freshness.pending_batches IS 'Flushes that are not in the rollups yet.';
COMMENT ON COLUMN telemetry.event_freshness.pending_events IS 'Events that these stored.';
COMMENT ON COLUMN telemetry.event_freshness.lag IS 'How long ago the oldest of these was received; 0 if there is none.';
SELECT telemetry.copy_comments('telemetry.freshness', 'telemetry.event_freshness');

GRANT SELECT ON telemetry.event_hourly, telemetry.event_daily, telemetry.stream_daily, telemetry.user_daily,
	telemetry.event_hourly_live, telemetry.event_daily_live, telemetry.stream_daily_live, telemetry.user_daily_live,
	telemetry.event_freshness TO telemetry_reader;
