-- Alert rules, alerts, and what ingest and job alerts keep between two points of a series.
--
-- The meaning of a rule is that of a naive evaluator: of each series that it is about, take the points in the order of their
-- times. A point violates if the condition holds for its value, within the active hours. An alert is triggered at a violating
-- point p if at least trigger_count points violate in (p.ts - evaluation_window, p.ts], the series has violated at every point
-- for for_seconds, no alert of the rule and series is open, the last one was triggered cooldown_minutes ago or earlier, and
-- nobody has maintenance under way. It is resolved at the first later point that clears it, or auto_resolve_timeout after the
-- last violation. Times are the points' own. Points older than what has been decided change nothing of it (see late).

CREATE TYPE telemetry.alert_level AS ENUM ('info', 'warning', 'error', 'critical', 'emergency');
COMMENT ON TYPE telemetry.alert_level IS 'How bad it is; a later one is worse (seed 004, E4-US1 AC4).';

CREATE TYPE telemetry.alert_status AS ENUM ('active', 'acknowledged', 'resolved');
COMMENT ON TYPE telemetry.alert_status IS
	'Where an alert is. Legal moves, which trigger check_alert_move lets pass: active to acknowledged, active to resolved, acknowledged to resolved.';

CREATE TABLE telemetry.device_group (
	name text COLLATE "C" PRIMARY KEY
		CONSTRAINT name_is_of_1_to_128_bytes CHECK (octet_length(name) BETWEEN 1 AND 128),
	description text,
	device_ids text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT device_ids_are_10000_at_most CHECK (cardinality(device_ids) <= 10000)
		CONSTRAINT device_ids_are_a_list CHECK (array_ndims(device_ids) = 1)
		CONSTRAINT device_ids_has_no_null CHECK (array_position(device_ids, NULL) IS NULL),
	tags jsonb CONSTRAINT tags_is_a_json_object_that_is_not_empty CHECK (jsonb_typeof(tags) = 'object' AND tags <> '{}')
);
COMMENT ON TABLE telemetry.device_group IS
	'Groups of devices, for telemetry.alert_rule.device_groups: by list, by tag, or both. A change counts from the next batch on.';
COMMENT ON COLUMN telemetry.device_group.name IS 'What a rule says in device_groups.';
COMMENT ON COLUMN telemetry.device_group.description IS 'What it is, for people.';
COMMENT ON COLUMN telemetry.device_group.device_ids IS 'Devices that are in it.';
COMMENT ON COLUMN telemetry.device_group.tags IS
	'A point is of the group, too, if its tags have all these members with these values; null: none is by its tags.';

CREATE SEQUENCE telemetry.alert_rule_revision;
COMMENT ON SEQUENCE telemetry.alert_rule_revision IS 'Numbers for telemetry.alert_rule.revision, which never come again.';

CREATE TABLE telemetry.alert_rule (
	rule_id text COLLATE "C" PRIMARY KEY DEFAULT telemetry.new_id('rule')
		CONSTRAINT rule_id_is_of_1_to_128_bytes CHECK (octet_length(rule_id) BETWEEN 1 AND 128),
	name text NOT NULL CONSTRAINT name_is_of_1_to_200_characters CHECK (length(name) BETWEEN 1 AND 200),
	description text CONSTRAINT description_is_of_2000_characters_at_most CHECK (length(description) <= 2000),
	metric_name text COLLATE "C" CONSTRAINT metric_name_is_of_1_to_128_bytes CHECK (octet_length(metric_name) BETWEEN 1 AND 128),
	metric_pattern text COLLATE "C" CONSTRAINT metric_pattern_is_of_1_to_256_bytes CHECK (octet_length(metric_pattern) BETWEEN 1 AND 256),
	measure text NOT NULL DEFAULT 'value'
		CONSTRAINT measure_is_value_delta_or_rate CHECK (measure IN ('value', 'delta', 'rate')),
	condition text NOT NULL
		CONSTRAINT condition_is_a_comparison_or_absent CHECK (condition IN ('>', '<', '>=', '<=', '==', '!=', 'absent')),
	threshold_value telemetry.value NOT NULL,
	resolve_threshold telemetry.value,
	evaluation_window integer NOT NULL DEFAULT 300
		CONSTRAINT evaluation_window_is_from_1_to_604800_seconds CHECK (evaluation_window BETWEEN 1 AND 604800),
	trigger_count integer NOT NULL DEFAULT 1
		CONSTRAINT trigger_count_is_from_1_to_1000 CHECK (trigger_count BETWEEN 1 AND 1000),
	for_seconds integer NOT NULL DEFAULT 0
		CONSTRAINT for_seconds_is_from_0_to_604800 CHECK (for_seconds BETWEEN 0 AND 604800),
	absence_of text NOT NULL DEFAULT 'metric' CONSTRAINT absence_of_is_metric_or_device CHECK (absence_of IN ('metric', 'device')),
	level telemetry.alert_level NOT NULL DEFAULT 'warning',
	level_after integer CONSTRAINT level_after_is_from_1_to_2592000_seconds CHECK (level_after BETWEEN 1 AND 2592000),
	level_then telemetry.alert_level,
	device_ids text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT device_ids_are_10000_at_most CHECK (cardinality(device_ids) <= 10000)
		CONSTRAINT device_ids_are_a_list CHECK (array_ndims(device_ids) = 1)
		CONSTRAINT device_ids_has_no_null CHECK (array_position(device_ids, NULL) IS NULL),
	device_patterns text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT device_patterns_are_100_at_most CHECK (cardinality(device_patterns) <= 100)
		CONSTRAINT device_patterns_are_a_list CHECK (array_ndims(device_patterns) = 1)
		CONSTRAINT device_patterns_has_no_null CHECK (array_position(device_patterns, NULL) IS NULL),
	device_groups text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT device_groups_are_100_at_most CHECK (cardinality(device_groups) <= 100)
		CONSTRAINT device_groups_are_a_list CHECK (array_ndims(device_groups) = 1)
		CONSTRAINT device_groups_has_no_null CHECK (array_position(device_groups, NULL) IS NULL),
	active_hours text[] NOT NULL DEFAULT '{}'
		CONSTRAINT active_hours_are_50_at_most CHECK (cardinality(active_hours) <= 50)
		CONSTRAINT active_hours_are_a_list CHECK (array_ndims(active_hours) = 1)
		CONSTRAINT active_hours_has_no_null CHECK (array_position(active_hours, NULL) IS NULL),
	active_timezone text NOT NULL DEFAULT 'UTC',
	notification_channels text[] NOT NULL DEFAULT '{}'
		CONSTRAINT notification_channels_are_100_at_most CHECK (cardinality(notification_channels) <= 100)
		CONSTRAINT notification_channels_are_a_list CHECK (array_ndims(notification_channels) = 1)
		CONSTRAINT notification_channels_has_no_null CHECK (array_position(notification_channels, NULL) IS NULL),
	cooldown_minutes integer NOT NULL DEFAULT 15
		CONSTRAINT cooldown_minutes_is_from_0_to_43200 CHECK (cooldown_minutes BETWEEN 0 AND 43200),
	auto_resolve boolean NOT NULL DEFAULT true,
	auto_resolve_timeout integer DEFAULT 3600
		CONSTRAINT auto_resolve_timeout_is_from_1_to_2592000_seconds CHECK (auto_resolve_timeout BETWEEN 1 AND 2592000),
	late text NOT NULL DEFAULT 'ignore' CONSTRAINT late_is_ignore_or_record CHECK (late IN ('ignore', 'record')),
	enabled boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT session_user,
	revision bigint NOT NULL,
	request_hash text COLLATE "C" CONSTRAINT request_hash_is_64_hexadecimal_digits CHECK (request_hash ~ '^[0-9a-f]{64}$'),
	CONSTRAINT either_metric_name_or_metric_pattern_is_there CHECK (num_nonnulls(metric_name, metric_pattern) = 1),
	CONSTRAINT for_seconds_counts_without_trigger_count CHECK (for_seconds = 0 OR trigger_count = 1),
	CONSTRAINT level_after_and_level_then_go_together CHECK (num_nulls(level_after, level_then) IN (0, 2))
);
COMMENT ON TABLE telemetry.alert_rule IS
	'Rules that ingest judges points by as they come (seed 004, Epic 4). A change counts from the next batch on, in every session; '
	'points that are there already are not judged anew. Statistics are in telemetry.alert_rule_status, what failed in telemetry.alert_rule_error. '
	'Errors on writing: check_violation, invalid_parameter_value.';
COMMENT ON COLUMN telemetry.alert_rule.rule_id IS 'Its name for programs; made if none is given.';
COMMENT ON COLUMN telemetry.alert_rule.name IS 'Its name for people; need not be the only one of that name.';
COMMENT ON COLUMN telemetry.alert_rule.description IS 'What it is for, for people.';
COMMENT ON COLUMN telemetry.alert_rule.metric_name IS 'The metric whose points are judged.';
COMMENT ON COLUMN telemetry.alert_rule.metric_pattern IS
	'In place of metric_name: a pattern of LIKE, by bytes; % is any text, _ any one character, \ takes the meaning from the next.';
COMMENT ON COLUMN telemetry.alert_rule.measure IS
	'What of a number is compared. value: itself; delta: how much more it is than the number before, of the same series and not older than '
	'evaluation_window, where a number below the one before is that of a counter which began anew at 0; rate: delta by the seconds between the two. '
	'A point without such a number before it does not violate.';
COMMENT ON COLUMN telemetry.alert_rule.condition IS
	'How it is compared with threshold_value: > < >= <= == !=. A point violates if it holds. absent: an alert is triggered when nothing has come for threshold_value '
	'seconds, which job absence looks for (telemetry.settle_absence); such a rule has no measure, windows, counts and hysteresis.';
COMMENT ON COLUMN telemetry.alert_rule.threshold_value IS
	'A number, compared as double precision (NaN is above all others), or a text or boolean, for == and != alone. A value of another kind does not violate.';
COMMENT ON COLUMN telemetry.alert_rule.resolve_threshold IS
	'With > >= < <=: an alert is resolved by the first point whose value does not fulfil the condition with this in place of threshold_value, which must '
	'therefore be on its good side (hysteresis); null: threshold_value.';
COMMENT ON COLUMN telemetry.alert_rule.evaluation_window IS 'How many seconds back, without the first instant, violations count for trigger_count.';
COMMENT ON COLUMN telemetry.alert_rule.trigger_count IS 'How many points must violate within evaluation_window.';
COMMENT ON COLUMN telemetry.alert_rule.for_seconds IS
	'For how many seconds every point must have violated before an alert is triggered: the first of them is that much older; 0: at once.';
COMMENT ON COLUMN telemetry.alert_rule.absence_of IS
	'Of condition absent: metric, each series by itself; device, a device of which nothing comes that the rule''s metric or pattern has.';
COMMENT ON COLUMN telemetry.alert_rule.level IS 'That of its alerts.';
COMMENT ON COLUMN telemetry.alert_rule.level_after IS 'After how many seconds from triggered_at an alert that is still open gets another level; null: never.';
COMMENT ON COLUMN telemetry.alert_rule.level_then IS 'The level that it gets then, a higher or a lower one.';
COMMENT ON COLUMN telemetry.alert_rule.device_ids IS 'Devices that it is about; with device_patterns and device_groups empty, too: all.';
COMMENT ON COLUMN telemetry.alert_rule.device_patterns IS 'Devices by patterns of LIKE, as metric_pattern.';
COMMENT ON COLUMN telemetry.alert_rule.device_groups IS 'Names of telemetry.device_group; one that is not there has no device.';
COMMENT ON COLUMN telemetry.alert_rule.active_hours IS
	'When its condition holds at all, as texts such as mon-fri 08:00-18:00, sat,sun 00:00-24:00, or fri 22:00-06:00, which ends on the next day; '
	'empty: always. By the clock of active_timezone.';
COMMENT ON COLUMN telemetry.alert_rule.active_timezone IS 'A name of pg_timezone_names.';
COMMENT ON COLUMN telemetry.alert_rule.notification_channels IS 'Names of channels that its alerts are told to.';
COMMENT ON COLUMN telemetry.alert_rule.cooldown_minutes IS
	'No alert of a series is triggered earlier than so many minutes after the one before it was.';
COMMENT ON COLUMN telemetry.alert_rule.auto_resolve IS
	'Whether alerts are resolved by points and by auto_resolve_timeout; else somebody has to.';
COMMENT ON COLUMN telemetry.alert_rule.auto_resolve_timeout IS
	'An alert is resolved that many seconds after the last violation if nothing has come by then; null: not so.';
COMMENT ON COLUMN telemetry.alert_rule.late IS
	'What becomes of a violating point that comes after newer ones of its series have been judged: it is counted; record: if an alert would have been '
	'triggered at it, one is left that is marked late and resolved.';
COMMENT ON COLUMN telemetry.alert_rule.enabled IS 'Whether points are judged. Open alerts of a rule that is switched off stay as they are.';
COMMENT ON COLUMN telemetry.alert_rule.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.alert_rule.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN telemetry.alert_rule.created_by IS 'Who made it.';
COMMENT ON COLUMN telemetry.alert_rule.revision IS 'Given by a trigger, another number with each change of what is judged: what is kept of a series under another revision is computed anew.';
COMMENT ON COLUMN telemetry.alert_rule.request_hash IS
	'Of a rule that a request with an Idempotency-Key made: the SHA-256 of its body, by which a request that comes again is known; null: of others. Not part of answers and events.';

CREATE TABLE telemetry.maintenance (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	reason text,
	rule_ids text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT rule_ids_are_1000_at_most CHECK (cardinality(rule_ids) <= 1000)
		CONSTRAINT rule_ids_are_a_list CHECK (array_ndims(rule_ids) = 1)
		CONSTRAINT rule_ids_has_no_null CHECK (array_position(rule_ids, NULL) IS NULL),
	levels telemetry.alert_level[] NOT NULL DEFAULT '{}'
		CONSTRAINT levels_are_a_list CHECK (array_ndims(levels) = 1)
		CONSTRAINT levels_has_no_null CHECK (array_position(levels, NULL) IS NULL),
	device_ids text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT device_ids_are_10000_at_most CHECK (cardinality(device_ids) <= 10000)
		CONSTRAINT device_ids_are_a_list CHECK (array_ndims(device_ids) = 1)
		CONSTRAINT device_ids_has_no_null CHECK (array_position(device_ids, NULL) IS NULL),
	device_groups text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT device_groups_are_100_at_most CHECK (cardinality(device_groups) <= 100)
		CONSTRAINT device_groups_are_a_list CHECK (array_ndims(device_groups) = 1)
		CONSTRAINT device_groups_has_no_null CHECK (array_position(device_groups, NULL) IS NULL),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT session_user,
	CONSTRAINT ends_at_is_after_starts_at CHECK (ends_at > starts_at)
);
CREATE INDEX maintenance_ends_at ON telemetry.maintenance (ends_at);
COMMENT ON TABLE telemetry.maintenance IS
	'When no alert is triggered, of some rules, levels and devices, by the points'' times. Alerts that are open are resolved as ever, and points count as ever: '
	'what still violates afterwards triggers then. A change counts from the next batch on.';
COMMENT ON COLUMN telemetry.maintenance.id IS 'Its number.';
COMMENT ON COLUMN telemetry.maintenance.starts_at IS 'The first instant.';
COMMENT ON COLUMN telemetry.maintenance.ends_at IS 'The first instant after it.';
COMMENT ON COLUMN telemetry.maintenance.reason IS 'Why, for people.';
COMMENT ON COLUMN telemetry.maintenance.rule_ids IS 'Rules that it is about; empty: all.';
COMMENT ON COLUMN telemetry.maintenance.levels IS 'Levels of rules that it is about; empty: all.';
COMMENT ON COLUMN telemetry.maintenance.device_ids IS 'Devices that it is about; with device_groups empty, too: all.';
COMMENT ON COLUMN telemetry.maintenance.device_groups IS 'Names of telemetry.device_group.';
COMMENT ON COLUMN telemetry.maintenance.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.maintenance.created_by IS 'Who made it.';
COMMENT ON SEQUENCE telemetry.maintenance_id_seq IS 'Numbers for telemetry.maintenance.id.';

CREATE TABLE telemetry.alert (
	alert_id text COLLATE "C" PRIMARY KEY DEFAULT telemetry.new_id('alert'),
	rule_id text COLLATE "C" NOT NULL,
	rule_name text NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric_name text COLLATE "C" NOT NULL,
	level telemetry.alert_level NOT NULL,
	status telemetry.alert_status NOT NULL DEFAULT 'active',
	condition text NOT NULL,
	threshold_value telemetry.value NOT NULL,
	value telemetry.value NOT NULL,
	message text NOT NULL,
	triggered_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	acknowledged_at timestamptz,
	acknowledged_by text,
	acknowledgement_note text CONSTRAINT acknowledgement_note_is_of_10000_characters_at_most CHECK (length(acknowledgement_note) <= 10000),
	resolved_at timestamptz,
	resolution_known_at timestamptz,
	resolution text
		CONSTRAINT resolution_is_clear_timeout_user_rule_deleted_or_late
		CHECK (resolution IN ('clear', 'timeout', 'user', 'rule_deleted', 'late')),
	resolved_by text,
	resolution_note text CONSTRAINT resolution_note_is_of_10000_characters_at_most CHECK (length(resolution_note) <= 10000),
	late boolean NOT NULL DEFAULT false,
	CONSTRAINT what_is_resolved_has_a_time_and_a_resolution
		CHECK ((status = 'resolved') = (resolved_at IS NOT NULL) AND (status = 'resolved') = (resolution IS NOT NULL)),
	CONSTRAINT what_is_acknowledged_has_a_time CHECK (status <> 'acknowledged' OR acknowledged_at IS NOT NULL),
	CONSTRAINT it_is_not_resolved_before_it_is_triggered CHECK (resolved_at >= triggered_at)
);
-- Alerts change under the lock of their series' row of alert_state, so that this finds what must never be and holds up nobody.
CREATE UNIQUE INDEX alert_open ON telemetry.alert (rule_id, device_id, metric_name) WHERE status <> 'resolved';
CREATE INDEX alert_triggered_at ON telemetry.alert (triggered_at);
CREATE INDEX alert_rule_triggered_at ON telemetry.alert (rule_id, triggered_at);
CREATE INDEX alert_rule_triggers ON telemetry.alert (rule_id, triggered_at) WHERE NOT late;
CREATE INDEX alert_open_level ON telemetry.alert (level, triggered_at) WHERE status <> 'resolved';
CREATE INDEX alert_resolution_known_at ON telemetry.alert (resolution_known_at);
CREATE INDEX alert_device_triggered_at ON telemetry.alert (device_id, triggered_at);
COMMENT ON TABLE telemetry.alert IS
	'Alerts (seed 004, Epic 4). They are made by ingest and by job alerts, and changed by telemetry.acknowledge_alert() and telemetry.resolve_alert(). '
	'triggered_at and resolved_at are times of points; when they were learned of stands beside.';
COMMENT ON COLUMN telemetry.alert.alert_id IS 'Its name for programs.';
COMMENT ON COLUMN telemetry.alert.rule_id IS 'The rule, which may be gone since.';
COMMENT ON COLUMN telemetry.alert.rule_name IS 'The rule''s name when it was triggered.';
COMMENT ON COLUMN telemetry.alert.device_id IS 'The device of the series.';
COMMENT ON COLUMN telemetry.alert.metric_name IS 'The metric of the series.';
COMMENT ON COLUMN telemetry.alert.level IS 'The rule''s level when it was triggered, or level_then of the rule.';
COMMENT ON COLUMN telemetry.alert.status IS 'Where it is.';
COMMENT ON COLUMN telemetry.alert.condition IS 'The rule''s condition when it was triggered.';
COMMENT ON COLUMN telemetry.alert.threshold_value IS 'The rule''s threshold when it was triggered.';
COMMENT ON COLUMN telemetry.alert.value IS 'What was compared with it: the value of the point that triggered it, or its delta or rate.';
COMMENT ON COLUMN telemetry.alert.message IS 'What it is about, for people.';
COMMENT ON COLUMN telemetry.alert.triggered_at IS 'Time of the point that triggered it.';
COMMENT ON COLUMN telemetry.alert.created_at IS 'When that was learned of, by the server''s clock.';
COMMENT ON COLUMN telemetry.alert.acknowledged_at IS 'When somebody acknowledged it, by the server''s clock.';
COMMENT ON COLUMN telemetry.alert.acknowledged_by IS 'Who did.';
COMMENT ON COLUMN telemetry.alert.acknowledgement_note IS 'What they wrote.';
COMMENT ON COLUMN telemetry.alert.resolved_at IS
	'Time of the point that resolved it, auto_resolve_timeout after the last violation, or when somebody resolved it, by the server''s clock.';
COMMENT ON COLUMN telemetry.alert.resolution_known_at IS 'When that was learned of, by the server''s clock.';
COMMENT ON COLUMN telemetry.alert.resolution IS
	'What resolved it: clear, a point; timeout, auto_resolve_timeout; user; rule_deleted; late: it never was open, see telemetry.alert_rule.late.';
COMMENT ON COLUMN telemetry.alert.resolved_by IS 'Who resolved it; null unless a user did.';
COMMENT ON COLUMN telemetry.alert.resolution_note IS 'What they wrote.';
COMMENT ON COLUMN telemetry.alert.late IS 'Whether it only would have been triggered, by a point that came late.';

-- Rows come and go, and change with each point of a series that violates: they stay on their pages as long as there is room.
CREATE TABLE telemetry.alert_state (
	rule_id text COLLATE "C" NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric_name text COLLATE "C" NOT NULL,
	revision bigint NOT NULL,
	live boolean NOT NULL,
	recount boolean NOT NULL DEFAULT false,
	decided_to timestamptz NOT NULL,
	open_alert text COLLATE "C",
	last_triggered timestamptz,
	last_resolved timestamptz,
	last_violation timestamptz,
	violating_since timestamptz,
	violations timestamptz[] NOT NULL DEFAULT '{}',
	due_at timestamptz,
	late_points bigint NOT NULL DEFAULT 0,
	changed_at timestamptz NOT NULL,
	PRIMARY KEY (rule_id, device_id, metric_name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX alert_state_due_at ON telemetry.alert_state (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX alert_state_device ON telemetry.alert_state (device_id, metric_name);
CREATE INDEX alert_state_live_device ON telemetry.alert_state (rule_id, device_id) WHERE live;
CREATE INDEX alert_state_late ON telemetry.alert_state (rule_id) WHERE late_points > 0;
COMMENT ON TABLE telemetry.alert_state IS
	'What is known of series between two points, by rule: those alone that have violated. Who holds the lock of a row judges its series; '
	'nobody waits for it but users who change an alert.';
COMMENT ON COLUMN telemetry.alert_state.rule_id IS 'The rule.';
COMMENT ON COLUMN telemetry.alert_state.device_id IS 'The device of the series.';
COMMENT ON COLUMN telemetry.alert_state.metric_name IS 'The metric of the series.';
COMMENT ON COLUMN telemetry.alert_state.revision IS 'That of the rule by which it was judged last.';
COMMENT ON COLUMN telemetry.alert_state.live IS 'Whether a point that does not violate makes a difference.';
COMMENT ON COLUMN telemetry.alert_state.recount IS
	'Whether violations and violating_since are to be computed anew from the points, because some came late or were deleted.';
COMMENT ON COLUMN telemetry.alert_state.decided_to IS 'Points up to here have been judged; if not live, at least up to here.';
COMMENT ON COLUMN telemetry.alert_state.open_alert IS 'The alert that is open; null: none is.';
COMMENT ON COLUMN telemetry.alert_state.last_triggered IS 'When the last alert was triggered; null: none was.';
COMMENT ON COLUMN telemetry.alert_state.last_resolved IS 'When the last alert was resolved; null: none was.';
COMMENT ON COLUMN telemetry.alert_state.last_violation IS 'Time of the last point that violated; null: none has.';
COMMENT ON COLUMN telemetry.alert_state.violating_since IS
	'Time of the first of the points that have violated one after the other up to decided_to; null: the last one does not.';
COMMENT ON COLUMN telemetry.alert_state.violations IS 'Times of the last points that violated within evaluation_window, trigger_count at most.';
COMMENT ON COLUMN telemetry.alert_state.due_at IS 'When the clock resolves the open alert: auto_resolve_timeout after the last violation, and after that was learned of, so that what a device has '
	'kept for a while is judged point by point; null: never.';
COMMENT ON COLUMN telemetry.alert_state.late_points IS 'How many violating points came late.';
COMMENT ON COLUMN telemetry.alert_state.changed_at IS 'When the row was last changed, by the server''s clock.';

CREATE TABLE telemetry.alert_pending (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	rule_id text COLLATE "C" NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric_name text COLLATE "C" NOT NULL,
	decided_to timestamptz,
	late_points bigint[] NOT NULL DEFAULT '{}',
	settle_after bigint,
	failures integer NOT NULL DEFAULT 0,
	retry_at timestamptz NOT NULL DEFAULT '-infinity',
	left_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alert_pending_series ON telemetry.alert_pending (rule_id, device_id, metric_name, id);
CREATE INDEX alert_pending_failed ON telemetry.alert_pending (rule_id, device_id, metric_name) WHERE retry_at > '-infinity';
COMMENT ON TABLE telemetry.alert_pending IS
	'Series that ingest left to job alerts: another transaction was judging them, there were too many, something failed, or a transaction that was under '
	'way may not have seen that they had become live. Judged at once, and once more when each flush has ended that had begun by then.';
COMMENT ON COLUMN telemetry.alert_pending.id IS 'Its number.';
COMMENT ON COLUMN telemetry.alert_pending.rule_id IS 'The rule.';
COMMENT ON COLUMN telemetry.alert_pending.device_id IS 'The device of the series.';
COMMENT ON COLUMN telemetry.alert_pending.metric_name IS 'The metric of the series.';
COMMENT ON COLUMN telemetry.alert_pending.decided_to IS
	'Up to where points are not to be judged if nothing is known of the series; null: by this row nothing is.';
COMMENT ON COLUMN telemetry.alert_pending.late_points IS 'Times of violating points, in microseconds since 2000-01-01 UTC, which are late if something newer has been judged.';
COMMENT ON COLUMN telemetry.alert_pending.settle_after IS 'Order number after whose flush it is judged for the last time; null: it has not been judged yet.';
COMMENT ON COLUMN telemetry.alert_pending.failures IS 'How often judging it has failed.';
COMMENT ON COLUMN telemetry.alert_pending.retry_at IS 'Not before that time, by the server''s clock.';
COMMENT ON COLUMN telemetry.alert_pending.left_at IS 'When ingest left it, by the server''s clock.';
COMMENT ON SEQUENCE telemetry.alert_pending_id_seq IS 'Numbers for telemetry.alert_pending.id.';

CREATE TABLE telemetry.alert_recount (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	device_id text COLLATE "C",
	metric_name text COLLATE "C"
);
COMMENT ON TABLE telemetry.alert_recount IS
	'Series of which points were deleted while somebody was judging them: job alerts has what telemetry.alert_state knows of them computed anew.';
COMMENT ON COLUMN telemetry.alert_recount.id IS 'Its number.';
COMMENT ON COLUMN telemetry.alert_recount.device_id IS 'The device; null: any.';
COMMENT ON COLUMN telemetry.alert_recount.metric_name IS 'The metric; null: any.';
COMMENT ON SEQUENCE telemetry.alert_recount_id_seq IS 'Numbers for telemetry.alert_recount.id.';

CREATE TABLE telemetry.alert_rule_error (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	rule_id text COLLATE "C" NOT NULL,
	error_code text NOT NULL,
	error text NOT NULL,
	occurred_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alert_rule_error_rule ON telemetry.alert_rule_error (rule_id, occurred_at);
CREATE INDEX alert_rule_error_occurred_at ON telemetry.alert_rule_error (occurred_at);
COMMENT ON TABLE telemetry.alert_rule_error IS
	'Rules that could not be evaluated. The points of the batch are stored all the same, and job alerts tries again. Job prune removes rows after 7 days.';
COMMENT ON COLUMN telemetry.alert_rule_error.id IS 'Its number.';
COMMENT ON COLUMN telemetry.alert_rule_error.rule_id IS 'The rule.';
COMMENT ON COLUMN telemetry.alert_rule_error.error_code IS 'SQLSTATE of the error.';
COMMENT ON COLUMN telemetry.alert_rule_error.error IS 'What it said.';
COMMENT ON COLUMN telemetry.alert_rule_error.occurred_at IS 'When, by the server''s clock.';
COMMENT ON SEQUENCE telemetry.alert_rule_error_id_seq IS 'Numbers for telemetry.alert_rule_error.id.';

-- What alerts that were removed count for.
CREATE TABLE telemetry.alert_rule_total (
	rule_id text COLLATE "C" PRIMARY KEY,
	triggers bigint NOT NULL,
	late_points bigint NOT NULL
);
COMMENT ON TABLE telemetry.alert_rule_total IS 'What rows that have been removed of telemetry.alert and telemetry.alert_state counted for, by rule.';
COMMENT ON COLUMN telemetry.alert_rule_total.rule_id IS 'The rule.';
COMMENT ON COLUMN telemetry.alert_rule_total.triggers IS 'How many alerts have been removed that were not late.';
COMMENT ON COLUMN telemetry.alert_rule_total.late_points IS 'The late_points of rows of telemetry.alert_state that have been removed.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.device_group', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_rule', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_rule_revision', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.maintenance', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.maintenance_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_state', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_pending', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_pending_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_recount', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_recount_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.alert_rule_total', '');

-- Sessions keep the rules in memory.
CREATE FUNCTION telemetry.alert_rules_changed() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_alert_rules_changed';
COMMENT ON FUNCTION telemetry.alert_rules_changed() IS
	'Trigger of telemetry.alert_rule, telemetry.device_group and telemetry.maintenance: tells all sessions, which keep them in memory.';
CREATE TRIGGER rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.alert_rule
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.alert_rules_changed();
CREATE TRIGGER rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.device_group
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.alert_rules_changed();
CREATE TRIGGER rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.maintenance
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.alert_rules_changed();

CREATE FUNCTION telemetry.check_active_hours(active_hours text[], active_timezone text) RETURNS void
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_check_active_hours';
COMMENT ON FUNCTION telemetry.check_active_hours(text[], text) IS
	'Of trigger check_alert_rule: raises invalid_parameter_value unless telemetry.alert_rule.active_hours and active_timezone can be read.';
REVOKE ALL ON FUNCTION telemetry.check_active_hours(text[], text) FROM PUBLIC;

CREATE FUNCTION telemetry.check_alert_rule() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind CONSTANT text := telemetry.kind(new.threshold_value);
	pattern text;
BEGIN
	IF new.condition = 'absent' THEN
		IF kind <> 'numeric' OR new.threshold_value::float8 NOT BETWEEN 1 AND 2592000 THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('threshold_value %s is no number of seconds from 1 to 2592000', left(new.threshold_value::text, 100)),
				DETAIL = 'Of condition absent it is how long nothing has come.';
		ELSIF new.measure <> 'value' OR new.trigger_count <> 1 OR new.for_seconds <> 0 OR new.resolve_threshold IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = 'condition absent has no measure, trigger_count, for_seconds and resolve_threshold';
		END IF;
	END IF;
	IF kind NOT IN ('numeric', 'text', 'boolean') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('threshold_value of kind %s cannot be compared with', kind),
			HINT = 'A number, a text or a boolean can.';
	ELSIF kind <> 'numeric' AND new.condition NOT IN ('==', '!=') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('condition %s needs a threshold_value that is a number', new.condition),
			HINT = 'Texts and booleans are compared with == and !=.';
	ELSIF kind <> 'numeric' AND new.measure <> 'value' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('measure %s needs a threshold_value that is a number', new.measure);
	END IF;
	IF new.resolve_threshold IS NOT NULL THEN
		IF telemetry.kind(new.resolve_threshold) <> 'numeric' OR kind <> 'numeric' OR new.condition IN ('==', '!=') THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = 'resolve_threshold is for numbers with condition >, >=, < or <= only';
		ELSIF (CASE WHEN new.condition IN ('>', '>=') THEN new.resolve_threshold OPERATOR(telemetry.>) new.threshold_value
				ELSE new.resolve_threshold OPERATOR(telemetry.<) new.threshold_value END) THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('resolve_threshold %s is beyond threshold_value %s', new.resolve_threshold, new.threshold_value),
				DETAIL = format('With condition %s an alert would be resolved by points that violate.', new.condition);
		END IF;
	END IF;
	PERFORM telemetry.check_active_hours(new.active_hours, new.active_timezone);
	FOR pattern IN SELECT unnest(new.device_patterns) UNION ALL SELECT new.metric_pattern LOOP
		-- LIKE refuses it for every text.
		IF length(substring(pattern from '\\*$')) % 2 = 1 THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('pattern "%s" ends with an escape that nothing follows', left(pattern, 100)),
				HINT = 'Write \\ for a backslash.';
		END IF;
	END LOOP;
	IF TG_OP = 'INSERT' AND (new.revision IS NULL OR NOT telemetry.is_restoring()) THEN
		new.revision := nextval('telemetry.alert_rule_revision');
	END IF;
	IF TG_OP = 'UPDATE' THEN
		new.updated_at := clock_timestamp();
		IF new.rule_id <> old.rule_id THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'rule_id cannot be changed',
				HINT = 'What is known of the rule has that name.';
		ELSIF (new.condition = 'absent') <> (old.condition = 'absent') THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'condition cannot be changed to absent, nor from it',
				DETAIL = 'What is kept of the rule''s series is of another kind.', HINT = 'Make another rule.';
		END IF;
		IF new.threshold_value OPERATOR(telemetry.<>) old.threshold_value
			OR (new.metric_name, new.metric_pattern, new.measure, new.condition, new.evaluation_window, new.trigger_count,
				new.for_seconds, new.device_ids, new.device_patterns, new.device_groups, new.active_hours, new.active_timezone,
				new.enabled)
			IS DISTINCT FROM
			(old.metric_name, old.metric_pattern, old.measure, old.condition, old.evaluation_window, old.trigger_count,
				old.for_seconds, old.device_ids, old.device_patterns, old.device_groups, old.active_hours, old.active_timezone,
				old.enabled) THEN
			new.revision := nextval('telemetry.alert_rule_revision');
		END IF;
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_alert_rule() IS
	'Trigger of telemetry.alert_rule: refuses what constraints cannot, and counts revisions. Error: invalid_parameter_value.';
CREATE TRIGGER check_alert_rule BEFORE INSERT OR UPDATE ON telemetry.alert_rule
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_alert_rule();

-- Another timeout counts for alerts that are open already. Waits for those who are judging the rule's series.
CREATE FUNCTION telemetry.follow_resolve_timeout() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE telemetry.alert_state AS s
	SET due_at = CASE WHEN new.auto_resolve THEN s.last_violation + new.auto_resolve_timeout * interval '1 s' END
	WHERE s.rule_id = new.rule_id AND s.open_alert IS NOT NULL;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.follow_resolve_timeout() IS
	'Trigger of telemetry.alert_rule: when auto_resolve or auto_resolve_timeout changes, open alerts are resolved by the new one.';
CREATE TRIGGER follow_resolve_timeout AFTER UPDATE OF auto_resolve, auto_resolve_timeout ON telemetry.alert_rule
	FOR EACH ROW WHEN (old.auto_resolve IS DISTINCT FROM new.auto_resolve OR old.auto_resolve_timeout IS DISTINCT FROM new.auto_resolve_timeout)
	EXECUTE FUNCTION telemetry.follow_resolve_timeout();

-- Moves of alerts ------------------------------------------------------------------------------------------------------

-- Who has changed alerts has locked their series' rows of alert_state before: so nobody who ingests waits for a row of this table.
CREATE FUNCTION telemetry.check_alert_move() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (old.status, new.status) NOT IN (('active', 'acknowledged'), ('active', 'resolved'), ('acknowledged', 'resolved')) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('alert %s is %s and cannot become %s', old.alert_id, old.status, new.status);
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_alert_move() IS
	'Trigger of telemetry.alert: refuses moves that are not legal (telemetry.alert_status). Error: object_not_in_prerequisite_state.';
CREATE TRIGGER check_alert_move BEFORE UPDATE OF status ON telemetry.alert
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_alert_move();

-- Settling -------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.settle_alerts(now timestamptz DEFAULT clock_timestamp()) RETURNS boolean
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_settle_alerts';
COMMENT ON FUNCTION telemetry.settle_alerts(timestamptz) IS
	'A step of job alerts: judges what ingest has left in telemetry.alert_pending, and resolves alerts whose auto_resolve_timeout is over at the time now. '
	'Returns whether there is more to do.';

CREATE FUNCTION telemetry.settle_recounts() RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	again telemetry.alert_recount;
BEGIN
	FOR again IN
		DELETE FROM telemetry.alert_recount AS r
		WHERE r.id = ANY (ARRAY(SELECT o.id FROM telemetry.alert_recount AS o ORDER BY o.id LIMIT 1000 FOR UPDATE SKIP LOCKED))
		RETURNING *
	LOOP
		PERFORM telemetry.alert_points_deleted(again.device_id, again.metric_name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.settle_recounts() IS 'Of job alerts: what is left in telemetry.alert_recount.';
REVOKE ALL ON FUNCTION telemetry.settle_recounts() FROM PUBLIC;

CREATE FUNCTION telemetry.job_alerts() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM telemetry.settle_recounts();
	RETURN telemetry.settle_alerts();
END
$$;
COMMENT ON FUNCTION telemetry.job_alerts() IS 'Job alerts: settles what ingest has left, and what time resolves.';

-- What is decided goes back to the newest point that is left, or to what was last told. Who judges a series is not waited for; a
-- snapshot that is kept does not show what others have judged.
CREATE FUNCTION telemetry.alert_points_deleted(device text, metric text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missed boolean;
BEGIN
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		INSERT INTO telemetry.alert_recount (device_id, metric_name) VALUES (device, metric);
		RETURN false;
	END IF;
	WITH free AS MATERIALIZED (
		SELECT s.rule_id, s.device_id, s.metric_name
		FROM telemetry.alert_state AS s
		WHERE (alert_points_deleted.device IS NULL OR s.device_id = alert_points_deleted.device)
			AND (alert_points_deleted.metric IS NULL OR s.metric_name = alert_points_deleted.metric)
		FOR UPDATE SKIP LOCKED
	), changed AS (
		UPDATE telemetry.alert_state AS s
		SET recount = true, decided_to = least(s.decided_to, coalesce(greatest(
			(SELECT max(p.ts) FROM telemetry.point AS p WHERE p.device_id = s.device_id AND p.metric = s.metric_name),
			s.last_triggered, s.last_resolved), '-infinity'))
		FROM free AS f
		WHERE s.rule_id = f.rule_id AND s.device_id = f.device_id AND s.metric_name = f.metric_name
		RETURNING 1
	)
	SELECT (SELECT count(*) FROM changed) < (
		SELECT count(*) FROM telemetry.alert_state AS s
		WHERE (alert_points_deleted.device IS NULL OR s.device_id = alert_points_deleted.device)
			AND (alert_points_deleted.metric IS NULL OR s.metric_name = alert_points_deleted.metric))
	INTO missed;
	IF missed THEN
		INSERT INTO telemetry.alert_recount (device_id, metric_name) VALUES (device, metric);
	END IF;
	RETURN NOT missed;
END
$$;
COMMENT ON FUNCTION telemetry.alert_points_deleted(text, text) IS
	'Of telemetry.delete_points(): what telemetry.alert_state knows of the device''s series, of all metrics if metric is null, is computed anew when they are '
	'next judged. device null: of all series. False if somebody is judging one of them; then job alerts does it again.';
REVOKE ALL ON FUNCTION telemetry.alert_points_deleted(text, text) FROM PUBLIC;

CREATE FUNCTION telemetry.alert_points_truncated() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM telemetry.alert_points_deleted(NULL, NULL);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.alert_points_truncated() IS
	'Trigger of telemetry.block: after TRUNCATE no point is left that telemetry.alert_state could be right about.';
CREATE TRIGGER alert_points_truncated AFTER TRUNCATE ON telemetry.block
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.alert_points_truncated();

-- Backtests ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.test_alert_rule(rule telemetry.alert_rule, from_ts timestamptz, to_ts timestamptz)
	RETURNS TABLE (device_id text, metric_name text, triggered_at timestamptz, resolved_at timestamptz, resolution text, value telemetry.value)
	LANGUAGE C STABLE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_test_alert_rule';
COMMENT ON FUNCTION telemetry.test_alert_rule(telemetry.alert_rule, timestamptz, timestamptz) IS
	'The alerts that a rule would have had from from_ts to before to_ts, had all points that are stored come in the order of their times: of a row that need '
	'not be in telemetry.alert_rule, for instance SELECT (jsonb_populate_record(r, ''{"trigger_count": 5}'')). Violations before from_ts count; alerts before it '
	'do not. resolved_at and resolution are null if it would still be open. Order: by series if the rule is of numbers and one metric, else any. '
	'Error: invalid_parameter_value.';

CREATE FUNCTION telemetry.test_alert_rule(rule_id text, from_ts timestamptz, to_ts timestamptz)
	RETURNS TABLE (device_id text, metric_name text, triggered_at timestamptz, resolved_at timestamptz, resolution text, value telemetry.value)
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tested telemetry.alert_rule;
BEGIN
	SELECT * INTO tested FROM telemetry.alert_rule AS r WHERE r.rule_id = test_alert_rule.rule_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no rule "%s"', rule_id);
	END IF;
	RETURN QUERY SELECT * FROM telemetry.test_alert_rule(tested, from_ts, to_ts);
END
$$;
COMMENT ON FUNCTION telemetry.test_alert_rule(text, timestamptz, timestamptz) IS
	'The same of a rule of telemetry.alert_rule, switched on or not. Error: no_data_found.';
REVOKE ALL ON FUNCTION telemetry.test_alert_rule(telemetry.alert_rule, timestamptz, timestamptz),
	telemetry.test_alert_rule(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.test_alert_rule(telemetry.alert_rule, timestamptz, timestamptz),
	telemetry.test_alert_rule(text, timestamptz, timestamptz) TO telemetry_reader;
