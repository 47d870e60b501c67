-- What the systems of stream core and flash read: totals, timelines, single events, counters, failures.

-- Of texts as they come in a query string: null if they are not what they should be.
CREATE FUNCTION telemetry.time_parameter(value text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
BEGIN
	IF value !~ '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$' THEN
		RETURN NULL;
	END IF;
	RETURN value::timestamptz;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.time_parameter(text) IS
	'The time of a date or an ISO 8601 time, UTC if it has no zone; null if it is neither.';

CREATE FUNCTION telemetry.date_parameter(value text) RETURNS date
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO'
AS $$
BEGIN
	RETURN CASE WHEN value ~ '^\d{4}-\d\d-\d\d$' THEN value::date END;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.date_parameter(text) IS 'The date of a text YYYY-MM-DD; null if it is not one.';

CREATE FUNCTION telemetry.integer_parameter(value text, lowest integer, highest integer) RETURNS integer
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN value ~ '^\d{1,9}$' AND value::integer BETWEEN lowest AND highest THEN value::integer END;
END;
COMMENT ON FUNCTION telemetry.integer_parameter(text, integer, integer) IS 'The number of a text of digits from lowest to highest; else null.';

CREATE FUNCTION telemetry.json_time(value timestamptz) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END;
COMMENT ON FUNCTION telemetry.json_time(timestamptz) IS 'A time as JSON has it: ISO 8601 in UTC with milliseconds.';

-- The first thing that is wrong with params, in the dialect's shape; null if nothing is.
CREATE FUNCTION telemetry.check_parameters(params jsonb, times text[], dates text[], numbers jsonb) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	SELECT v.message INTO wrong
	FROM (
		SELECT 1 AS rank, format('%s must be a date or a time in ISO 8601', t.name) AS message
		FROM unnest(times) AS t (name) WHERE params ? t.name AND telemetry.time_parameter(params ->> t.name) IS NULL
		UNION ALL
		SELECT 2, format('%s must be a date, YYYY-MM-DD', d.name)
		FROM unnest(dates) AS d (name) WHERE params ? d.name AND telemetry.date_parameter(params ->> d.name) IS NULL
		UNION ALL
		SELECT 3, format('%s must be a number from %s to %s', n.key, n.value -> 0, n.value -> 1)
		FROM jsonb_each(numbers) AS n
		WHERE params ? n.key AND telemetry.integer_parameter(params ->> n.key, (n.value ->> 0)::integer, (n.value ->> 1)::integer) IS NULL
	) AS v
	ORDER BY v.rank LIMIT 1;
	IF wrong IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', wrong);
END
$$;
COMMENT ON FUNCTION telemetry.check_parameters(jsonb, text[], text[], jsonb) IS
	'Of the http_ functions: the failure to answer if a parameter that is named here is there and not a time, a date, or a '
	'number within {name: [lowest, highest]}; null if all are as they should be.';

-- A field of CSV (RFC 4180). What a spreadsheet would take for a formula is made a text.
CREATE FUNCTION telemetry.csv_field(value text) RETURNS text
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN value IS NULL THEN ''
		WHEN value ~ '^[=+@\t\r-]' AND value !~ '^-?\d+(\.\d+)?$' THEN '"''' || replace(value, '"', '""') || '"'
		WHEN value ~ '[",\r\n]' THEN '"' || replace(value, '"', '""') || '"'
		ELSE value
	END;
END;
COMMENT ON FUNCTION telemetry.csv_field(text) IS
	'A text as a field of CSV, quoted if need be; one that begins like a formula gets an apostrophe before it.';

-- Stream core: modules.

CREATE VIEW telemetry.core_module_daily AS
	SELECT d.subject_id AS module_id, d.day, d.event_type, d.n, d.devices
	FROM telemetry.event_daily_live AS d
	WHERE d.stream = 'core';
COMMENT ON VIEW telemetry.core_module_daily IS
	'Events of stream core by module, day and type, as of now; devices is a sketch (hll) of those that sent them.';

CREATE FUNCTION telemetry.core_modules("from" date, "to" date, module text DEFAULT NULL)
	RETURNS TABLE (module_id text, total bigint, shown bigint, ok_clicks bigint, more_info_clicks bigint, expired bigint,
		dismissed bigint, unique_devices bigint, click_through numeric)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT m.module_id, sum(m.n)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'shown'), 0)::bigint AS shown,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'okClick'), 0)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'moreInfoClick'), 0)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'expired'), 0)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'dismissed'), 0)::bigint,
		coalesce(round(hll_cardinality(hll_union_agg(m.devices))), 0)::bigint,
		round(sum(m.n) FILTER (WHERE m.event_type IN ('okClick', 'moreInfoClick'))
			/ nullif(sum(m.n) FILTER (WHERE m.event_type = 'shown'), 0), 4)
	FROM telemetry.core_module_daily AS m
	WHERE m.day >= "from" AND m.day <= "to" AND (module IS NULL OR m.module_id = module)
	GROUP BY m.module_id
	ORDER BY sum(m.n) DESC, m.module_id;
END;
COMMENT ON FUNCTION telemetry.core_modules(date, date, text) IS
	'Events of stream core of each module (null: of none) in days from to to, the busiest first: by type, devices, and '
	'click_through, clicks for each time shown, null if it never was.';

CREATE FUNCTION telemetry.core_summary("from" date, "to" date, module text DEFAULT NULL, top integer DEFAULT 100) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET jit = off
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'from', "from", 'to', "to",
		'totalEvents', (SELECT coalesce(sum(d.n), 0) FROM telemetry.core_module_daily AS d
			WHERE d.day >= "from" AND d.day <= "to" AND (module IS NULL OR d.module_id = module)),
		'byType', (SELECT coalesce(jsonb_object_agg(t.event_type, t.n), '{}') FROM (
			SELECT d.event_type, sum(d.n) AS n FROM telemetry.core_module_daily AS d
			WHERE d.day >= "from" AND d.day <= "to" AND (module IS NULL OR d.module_id = module)
			GROUP BY d.event_type) AS t),
		'uniqueDevices', (SELECT coalesce(round(hll_cardinality(hll_union_agg(d.devices))), 0) FROM telemetry.core_module_daily AS d
			WHERE d.day >= "from" AND d.day <= "to" AND (module IS NULL OR d.module_id = module)),
		'uniqueModules', (SELECT count(m.module_id) FROM telemetry.core_modules("from", "to", module) AS m),
		'modules', (SELECT coalesce(jsonb_agg(jsonb_build_object(
				'moduleId', m.module_id, 'total', m.total, 'shown', m.shown, 'okClick', m.ok_clicks,
				'moreInfoClick', m.more_info_clicks, 'expired', m.expired, 'dismissed', m.dismissed,
				'uniqueDevices', m.unique_devices, 'clickThrough', m.click_through) ORDER BY m.total DESC, m.module_id), '[]')
			FROM (SELECT * FROM telemetry.core_modules("from", "to", module) LIMIT top) AS m));
END;
COMMENT ON FUNCTION telemetry.core_summary(date, date, text, integer) IS
	'Totals of stream core in days from to to, of a module or of all: {"from", "to", "totalEvents", "byType": {type: n}, '
	'"uniqueDevices", "uniqueModules", "modules": the top ones as of telemetry.core_modules()}.';

CREATE FUNCTION telemetry.core_timeline(module text, "from" timestamptz, "to" timestamptz, "interval" text DEFAULT 'hour', event_type text DEFAULT NULL)
	RETURNS TABLE (at timestamptz, type text, n bigint, unique_devices bigint)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT b.at, b.type, sum(b.n)::bigint, round(hll_cardinality(hll_union_agg(b.devices)))::bigint
	FROM (
		SELECT CASE "interval" WHEN 'day' THEN date_trunc('day', h.hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' ELSE h.hour END AS at,
			h.event_type AS type, h.n, h.devices
		FROM telemetry.event_hourly_live AS h
		WHERE h.stream = 'core' AND h.subject_id = module AND h.hour >= "from" AND h.hour < "to"
			AND (core_timeline.event_type IS NULL OR h.event_type = core_timeline.event_type)
	) AS b
	GROUP BY b.at, b.type
	ORDER BY b.at, b.type
	LIMIT 10000;
END;
COMMENT ON FUNCTION telemetry.core_timeline(text, timestamptz, timestamptz, text, text) IS
	'Events of a module of stream core by hour or (UTC) day and type, from <= hour < to; at most 10000 rows.';

-- Planned with its arguments each time: what is null is no condition then, and the others find indexes and partitions.
CREATE FUNCTION telemetry.core_events(
	module text, device text, type text, "from" timestamptz, "to" timestamptz, "limit" integer, before timestamptz DEFAULT NULL, before_id text DEFAULT NULL)
	RETURNS SETOF telemetry.event
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	SELECT e.*
	FROM telemetry.event AS e
	WHERE e.stream = 'core' AND (module IS NULL OR e.subject_id = module) AND (device IS NULL OR e.device_id = device)
		AND (core_events.type IS NULL OR e.event_type = core_events.type)
		AND ("from" IS NULL OR e.received_at >= "from") AND ("to" IS NULL OR e.received_at < "to")
		AND (before IS NULL OR e.received_at <= before AND (e.received_at, e.event_id) < (before, coalesce(before_id, '')))
	ORDER BY e.received_at DESC, e.event_id DESC
	LIMIT least("limit", 100000);
END
$$;
COMMENT ON FUNCTION telemetry.core_events(text, text, text, timestamptz, timestamptz, integer, timestamptz, text) IS
	'Events of stream core, those received last first, of a module, device and type (null: any), received in from <= t < to, '
	'before the event of that time and id; at most 100000.';

CREATE FUNCTION telemetry.http_core_summary(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{from,to}', '{"top": [1, 1000]}'),
		(200, telemetry.core_summary(
			coalesce(telemetry.date_parameter(params ->> 'from'), telemetry.day_of(now()) - 30),
			coalesce(telemetry.date_parameter(params ->> 'to'), telemetry.day_of(now())),
			params ->> 'moduleId', coalesce(telemetry.integer_parameter(params ->> 'top', 1, 1000), 100)), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_summary(jsonb, jsonb) IS
	'GET of telemetry.core_summary(): params from, to (dates; the last 30 days), moduleId, top.';

CREATE FUNCTION telemetry.http_core_summary_csv(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{from,to}', '{}'),
		(200, (SELECT to_jsonb(E'moduleId,total,shown,okClick,moreInfoClick,expired,dismissed,uniqueDevices,clickThrough\r\n'
				|| coalesce(string_agg(concat_ws(',', telemetry.csv_field(m.module_id), m.total, m.shown, m.ok_clicks, m.more_info_clicks,
					m.expired, m.dismissed, m.unique_devices, coalesce(m.click_through::text, '')) || E'\r\n', '' ORDER BY m.total DESC, m.module_id), ''))
			FROM (SELECT * FROM telemetry.core_modules(
				coalesce(telemetry.date_parameter(params ->> 'from'), telemetry.day_of(now()) - 30),
				coalesce(telemetry.date_parameter(params ->> 'to'), telemetry.day_of(now())), params ->> 'moduleId') LIMIT 100000) AS m),
			'text/csv; charset=utf-8')::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_summary_csv(jsonb, jsonb) IS
	'GET of telemetry.core_modules() as CSV: params from, to (dates; the last 30 days), moduleId.';

CREATE FUNCTION telemetry.http_core_timeline(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{from,to}', '{}', '{}'),
		CASE WHEN coalesce(params ->> 'interval', 'hour') NOT IN ('hour', 'day')
			THEN telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', 'interval must be hour or day') END,
		(200, jsonb_build_object(
			'moduleId', params ->> 'moduleId', 'interval', coalesce(params ->> 'interval', 'hour'),
			'points', (SELECT coalesce(jsonb_agg(jsonb_build_object(
					'at', telemetry.json_time(t.at), 'type', t.type, 'count', t.n, 'uniqueDevices', t.unique_devices) ORDER BY t.at, t.type), '[]')
				FROM telemetry.core_timeline(params ->> 'moduleId',
					coalesce(telemetry.time_parameter(params ->> 'from'), now() - interval '7 days'),
					coalesce(telemetry.time_parameter(params ->> 'to'), now() + interval '1 day'),
					coalesce(params ->> 'interval', 'hour'), params ->> 'type') AS t)), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_timeline(jsonb, jsonb) IS
	'GET of telemetry.core_timeline(): params moduleId, from, to (times; the last week), interval (hour, day), type.';

CREATE FUNCTION telemetry.http_core_events(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH listed AS MATERIALIZED (
		SELECT e.* FROM telemetry.core_events(params ->> 'moduleId', params ->> 'deviceId', params ->> 'type',
			telemetry.time_parameter(params ->> 'from'), telemetry.time_parameter(params ->> 'to'),
			coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 1000), 100),
			telemetry.time_parameter(split_part(params ->> 'cursor', '|', 1)), substring(params ->> 'cursor' FROM '\|(.*)$')) AS e
	)
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{from,to}', '{}', '{"limit": [1, 1000]}'),
		CASE WHEN params ? 'cursor'
			AND (telemetry.time_parameter(split_part(params ->> 'cursor', '|', 1)) IS NULL OR params ->> 'cursor' !~ '\|.')
			THEN telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', 'cursor is not one that was given out') END,
		(200, jsonb_build_object(
			'events', (SELECT coalesce(jsonb_agg(jsonb_build_object(
					'eventId', e.event_id, 'type', e.event_type, 'moduleId', e.subject_id, 'deviceId', e.device_id,
					'occurredUtc', telemetry.json_time(e.occurred_at), 'receivedUtc', telemetry.json_time(e.received_at),
					'appVersion', e.app_version, 'details', e.data) ORDER BY e.received_at DESC, e.event_id DESC), '[]') FROM listed AS e),
			'cursor', (SELECT to_char(e.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|' || e.event_id
				FROM listed AS e ORDER BY e.received_at, e.event_id LIMIT 1)), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_events(jsonb, jsonb) IS
	'GET of telemetry.core_events(): params moduleId, deviceId, type, from, to, limit (1 to 1000, 100), cursor (what the page before '
	'said). 200 {"events": [...], "cursor": text or null}.';

CREATE FUNCTION telemetry.http_core_events_csv(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{from,to}', '{}', '{"limit": [1, 100000]}'),
		(200, (SELECT to_jsonb(E'eventId,type,moduleId,deviceId,occurredUtc,receivedUtc,appVersion,details\r\n'
				|| coalesce(string_agg(concat_ws(',', telemetry.csv_field(e.event_id), telemetry.csv_field(e.event_type),
					telemetry.csv_field(e.subject_id), telemetry.csv_field(e.device_id), telemetry.json_time(e.occurred_at),
					telemetry.json_time(e.received_at), telemetry.csv_field(e.app_version), telemetry.csv_field(e.data::text)) || E'\r\n',
					'' ORDER BY e.received_at DESC, e.event_id DESC), ''))
			FROM telemetry.core_events(params ->> 'moduleId', params ->> 'deviceId', params ->> 'type',
				telemetry.time_parameter(params ->> 'from'), telemetry.time_parameter(params ->> 'to'),
				coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 100000), 100000)) AS e),
			'text/csv; charset=utf-8')::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_events_csv(jsonb, jsonb) IS
	'GET of telemetry.core_events() as CSV: params as of telemetry.http_core_events(), limit up to 100000, no cursor.';

-- Streams flash and flash_legacy: successes and failures.

CREATE VIEW telemetry.flash_count_daily AS
	SELECT d.day,
		coalesce(sum(d.n) FILTER (WHERE d.stream = 'flash'), 0)::bigint AS unified,
		coalesce(sum(d.n) FILTER (WHERE d.stream = 'flash_legacy'), 0)::bigint AS legacy,
		greatest(sum(d.n) FILTER (WHERE d.stream = 'flash'), sum(d.n) FILTER (WHERE d.stream = 'flash_legacy'))::bigint AS total
	FROM telemetry.stream_daily_live AS d
	WHERE d.stream = 'flash' AND d.event_type = 'flash_success' OR d.stream = 'flash_legacy' AND d.event_type = 'increment'
	GROUP BY d.day;
COMMENT ON VIEW telemetry.flash_count_daily IS
	'Successes by day: unified, flash_success of stream flash; legacy, counts by the old route; and total, the greater of '
	'both: while clients write to both routes each success is in both, before and after in one.';

CREATE FUNCTION telemetry.flash_total() RETURNS bigint
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT coalesce(sum(c.total), 0)::bigint FROM telemetry.flash_count_daily AS c;
END;
COMMENT ON FUNCTION telemetry.flash_total() IS 'Successes by any route, each once: the sum of telemetry.flash_count_daily.total.';

CREATE VIEW telemetry.recent_failures AS
	SELECT CASE e.stream WHEN 'flash' THEN 'unified' ELSE 'legacy' END AS source, e.event_id, e.event_type, e.occurred_at, e.received_at,
		e.session_id, e.app_version, e.data ->> 'message' AS message, e.data ->> 'model' AS model, e.data ->> 'error_name' AS error_name,
		e.data ->> 'stack' AS stack, e.data, e.stream
	FROM telemetry.event AS e
	WHERE e.stream = 'flash' AND e.event_type IN ('flash_error', 'connect_error', 'window_error', 'unhandled_rejection')
		OR e.stream = 'flash_legacy' AND e.event_type = 'client_log';
COMMENT ON VIEW telemetry.recent_failures IS
	'Failures of flashing: of stream flash (source unified), and what came as logs by the old route (legacy). Order by received_at.';

CREATE FUNCTION telemetry.http_flash_count(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, jsonb_build_object('ok', true, 'total', (SELECT coalesce(sum(c.unified), 0) FROM telemetry.flash_count_daily AS c)), NULL::text;
END;
COMMENT ON FUNCTION telemetry.http_flash_count(jsonb, jsonb) IS
	'GET of the successes in stream flash: 200 {"ok": true, "total"}, exact as of now.';

CREATE FUNCTION telemetry.http_count(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, jsonb_build_object('ok', true, 'count', t.total, 'total', t.total), NULL::text FROM telemetry.flash_total() AS t (total);
END;
COMMENT ON FUNCTION telemetry.http_count(jsonb, jsonb) IS
	'GET of the successes by any route: 200 {"ok": true, "count", "total"}, both telemetry.flash_total().';

-- Of each type the newest are found by index, and the newest of these are those of all.
CREATE FUNCTION telemetry.http_recent_failures(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	wanted CONSTANT text := coalesce(params ->> 'source', 'unified');
	shown CONSTANT integer := coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 500), 50);
	failure telemetry.http_response := telemetry.check_parameters(params, '{}', '{}', '{"limit": [1, 500]}');
	failures jsonb;
BEGIN
	IF failure.status IS NULL AND wanted NOT IN ('unified', 'legacy') THEN
		failure := telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', 'source must be unified or legacy');
	END IF;
	IF failure.status IS NOT NULL THEN
		RETURN failure;
	END IF;
	SELECT coalesce(jsonb_agg(to_jsonb(f) - '{source,stream}'::text[] || jsonb_build_object(
			'occurred_at', telemetry.json_time(f.occurred_at), 'received_at', telemetry.json_time(f.received_at))
			ORDER BY f.received_at DESC, f.event_id DESC), '[]')
	INTO failures
	FROM (
		SELECT r.*
		FROM (VALUES ('unified', 'flash', 'flash_error'), ('unified', 'flash', 'connect_error'), ('unified', 'flash', 'window_error'),
			('unified', 'flash', 'unhandled_rejection'), ('legacy', 'flash_legacy', 'client_log')) AS k (source, stream, event_type)
		CROSS JOIN LATERAL (
			SELECT *
			FROM telemetry.recent_failures AS r
			WHERE r.stream = k.stream AND r.event_type = k.event_type
			ORDER BY r.received_at DESC, r.event_id DESC
			LIMIT shown
		) AS r
		WHERE k.source = wanted
		ORDER BY r.received_at DESC, r.event_id DESC
		LIMIT shown
	) AS f;
	RETURN (200, jsonb_build_object('ok', true, 'failures', failures), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_recent_failures(jsonb, jsonb) IS
	'GET of telemetry.recent_failures, the newest first: params limit (1 to 500, 50), source (unified, legacy). 200 {"ok": true, "failures"}.';

CREATE FUNCTION telemetry.parity("from" timestamptz, "to" timestamptz)
	RETURNS TABLE (day date, what text, legacy bigint, unified bigint, only_legacy bigint, only_unified bigint, difference bigint, ratio numeric, ok boolean)
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH e AS (
		SELECT telemetry.day_of(l.received_at) AS day, l.stream = 'flash' AS is_unified, l.session_id,
			CASE WHEN l.event_type IN ('increment', 'flash_success') THEN 'success' ELSE 'failure' END AS what
		FROM telemetry.event AS l
		WHERE l.stream IN ('flash', 'flash_legacy') AND l.received_at >= "from" AND l.received_at < "to"
	), counted AS (
		SELECT e.day, e.what, count(*) FILTER (WHERE NOT e.is_unified) AS legacy, count(*) FILTER (WHERE e.is_unified) AS unified
		FROM e GROUP BY GROUPING SETS ((e.day, e.what), (e.what))
	), sessions AS (
		SELECT s.day, s.what, count(*) FILTER (WHERE s.in_legacy AND NOT s.in_unified) AS only_legacy,
			count(*) FILTER (WHERE s.in_unified AND NOT s.in_legacy) AS only_unified
		FROM (
			SELECT e.day, e.what, e.session_id, bool_or(NOT e.is_unified) AS in_legacy, bool_or(e.is_unified) AS in_unified
			FROM e WHERE e.session_id IS NOT NULL GROUP BY GROUPING SETS ((e.day, e.what, e.session_id), (e.what, e.session_id))
		) AS s
		GROUP BY s.day, s.what
	)
	SELECT c.day, c.what, c.legacy, c.unified, coalesce(s.only_legacy, 0), coalesce(s.only_unified, 0),
		c.unified - c.legacy, round(c.unified / nullif(c.legacy, 0)::numeric, 4), c.unified >= c.legacy * 0.99
	FROM counted AS c
	LEFT JOIN sessions AS s ON s.day IS NOT DISTINCT FROM c.day AND s.what = c.what
	ORDER BY c.day NULLS LAST, c.what DESC;
END;
COMMENT ON FUNCTION telemetry.parity(timestamptz, timestamptz) IS
	'Compares what was received in from <= t < to by the old routes (legacy: /increment, /client-log) and in stream flash '
	'(unified), for each day and (day null) in all: successes and failures, sessions that are in one only, the difference '
	'unified - legacy and the ratio unified / legacy. ok: no significant drop, unified is at least 99 % of legacy.';

REVOKE ALL ON FUNCTION telemetry.core_modules(date, date, text), telemetry.core_summary(date, date, text, integer),
	telemetry.core_timeline(text, timestamptz, timestamptz, text, text),
	telemetry.core_events(text, text, text, timestamptz, timestamptz, integer, timestamptz, text),
	telemetry.http_core_summary(jsonb, jsonb), telemetry.http_core_summary_csv(jsonb, jsonb), telemetry.http_core_timeline(jsonb, jsonb),
	telemetry.http_core_events(jsonb, jsonb), telemetry.http_core_events_csv(jsonb, jsonb), telemetry.flash_total(),
	telemetry.http_flash_count(jsonb, jsonb), telemetry.http_count(jsonb, jsonb), telemetry.http_recent_failures(jsonb, jsonb),
	telemetry.parity(timestamptz, timestamptz), telemetry.check_parameters(jsonb, text[], text[], jsonb),
	telemetry.time_parameter(text), telemetry.date_parameter(text), telemetry.integer_parameter(text, integer, integer),
	telemetry.json_time(timestamptz), telemetry.csv_field(text) FROM PUBLIC;
GRANT SELECT ON telemetry.core_module_daily, telemetry.flash_count_daily, telemetry.recent_failures TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.core_modules(date, date, text), telemetry.core_summary(date, date, text, integer),
	telemetry.core_timeline(text, timestamptz, timestamptz, text, text),
	telemetry.core_events(text, text, text, timestamptz, timestamptz, integer, timestamptz, text),
	telemetry.flash_total(), telemetry.parity(timestamptz, timestamptz) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_core_summary(jsonb, jsonb), telemetry.http_core_summary_csv(jsonb, jsonb),
	telemetry.http_core_timeline(jsonb, jsonb), telemetry.http_core_events(jsonb, jsonb), telemetry.http_core_events_csv(jsonb, jsonb),
	telemetry.http_flash_count(jsonb, jsonb), telemetry.http_count(jsonb, jsonb), telemetry.http_recent_failures(jsonb, jsonb)
	TO telemetry_reader, telemetry_writer;
