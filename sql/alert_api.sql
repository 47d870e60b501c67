-- Alert rules and alerts as people and HTTP clients use them: each acceptance criterion of Epic 4 of seed 004.
\set VERBOSITY terse
\pset null (null)
\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;

-- A request of a user. Names that differ from run to run are not shown.
CREATE FUNCTION pg_temp.request(route text, params jsonb, body jsonb DEFAULT NULL, OUT status integer, OUT body jsonb) LANGUAGE sql AS $$
	SELECT h.status, h.body
	FROM telemetry.http_call(regexp_replace(route, ' ', ' /api/v1/telemetry'), params || '{"caller": {"user_id": "ann"}}', body) AS h
$$;
CREATE FUNCTION pg_temp.plain(body jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(jsonb_pretty(body), '(rule|alert)_[0-9a-f]{24}', '\1_…', 'g'),
		'"[0-9]{4}-[0-9-]+T[0-9:]+[.][0-9]{3}Z"', '"(time)"', 'g')
$$;
CREATE FUNCTION pg_temp.point(device text, value float8, age interval, metric text DEFAULT 'cpu_percent') RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (date_trunc('milliseconds', now()) - age, device, metric, value::telemetry.value)
$$;

-- E4-US1 AC1, AC8: the printed request makes a rule, which is answered.
SELECT status, pg_temp.plain(body) AS body, body ->> 'rule_id' AS rule_id
FROM pg_temp.request('POST /alerts/rules', '{}', '{
  "name": "High CPU Usage",
  "description": "Alert when CPU exceeds 90%",
  "metric_name": "cpu_percent",
  "condition": ">",
  "threshold_value": 90,
  "evaluation_window": 300,
  "trigger_count": 3,
  "level": "warning",
  "device_ids": [],
  "notification_channels": ["slack", "email"],
  "cooldown_minutes": 15,
  "auto_resolve": true,
  "auto_resolve_timeout": 600
}') \gset printed_
\echo :printed_status
\echo :printed_body

-- E4-US1 AC2: what is required, by name.
SELECT f.left_out, r.status, r.body
FROM unnest('{name,metric_name,condition,threshold_value}'::text[]) AS f (left_out),
	pg_temp.request('POST /alerts/rules', '{}', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}'::jsonb - f.left_out) AS r;
-- With these alone, all else is as in a row that is inserted with these alone.
SELECT r.status, r.body ->> 'rule_id' AS rule_id FROM pg_temp.request('POST /alerts/rules', '{}', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}') AS r \gset least_
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('inserted', 'n', 'm', '>', '1');
SELECT (SELECT to_jsonb(r) FROM alert_rule AS r WHERE rule_id = :'least_rule_id') - '{rule_id,created_at,updated_at,created_by,revision}'::text[]
	= (SELECT to_jsonb(r) FROM alert_rule AS r WHERE rule_id = 'inserted') - '{rule_id,created_at,updated_at,created_by,revision}'::text[] AS same;
DELETE FROM alert_rule WHERE rule_id IN ('inserted', :'least_rule_id');

-- E4-US1 AC3: conditions, E4-US1 AC4: levels.
SELECT c.condition, r.status, r.body -> 'condition' AS answered, r.body -> 'detail' AS detail
FROM unnest('{>,<,>=,<=,==,!=,=,<>,above}'::text[]) AS c (condition),
	pg_temp.request('POST /alerts/rules', '{}', jsonb_build_object('name', 'of a condition', 'metric_name', 'm', 'threshold_value', 1, 'condition', c.condition)) AS r;
SELECT l.level, r.status, r.body -> 'level' AS answered, r.body -> 'detail' AS detail
FROM unnest('{info,warning,error,critical,emergency,fatal}'::text[]) AS l (level),
	pg_temp.request('POST /alerts/rules', '{}', jsonb_build_object('name', 'of a level', 'metric_name', 'm', 'threshold_value', 1, 'condition', '>', 'level', l.level)) AS r;
DELETE FROM alert_rule WHERE name LIKE 'of a %';

-- E4-US1 AC5, AC6: what is optional is kept, and what is wrong with it named.
SELECT r.status, r.body -> 'detail' AS detail, (SELECT jsonb_object_agg(o.key, r.body -> o.key) FROM jsonb_each(b.body) AS o WHERE r.status = 201) AS answered
FROM (VALUES
	(1, '{"device_ids": ["a", "b"], "device_groups": ["g"], "evaluation_window": 60, "trigger_count": 2}'::jsonb),
	(2, '{"notification_channels": ["slack"], "cooldown_minutes": 0, "auto_resolve": false, "auto_resolve_timeout": null}'),
	(3, '{"metric_name": null, "metric_pattern": "cpu%", "measure": "rate", "device_patterns": ["rack-1-%"], "late": "record", "enabled": false, "description": null}'),
	(4, '{"threshold_value": 100, "resolve_threshold": 80.5, "for_seconds": 30, "active_hours": ["mon-fri 08:00-18:00"], "active_timezone": "Europe/Paris"}'),
	(5, '{"threshold_value": "on", "condition": "=="}'),
	(6, '{"level": null, "device_ids": null, "cooldown_minutes": null}'),
	(10, '{"evaluation_window": 0}'), (11, '{"evaluation_window": 604801}'), (12, '{"evaluation_window": "300"}'), (13, '{"evaluation_window": 1.5}'),
	(14, '{"evaluation_window": 1e99}'), (20, '{"trigger_count": 1001}'), (21, '{"cooldown_minutes": -1}'), (22, '{"auto_resolve_timeout": 2592001}'),
	(23, '{"auto_resolve": "yes"}'), (24, '{"enabled": 1}'), (30, '{"device_ids": "a"}'), (31, '{"device_ids": [1]}'), (32, '{"device_ids": [null]}'),
	(33, '{"device_groups": [""]}'), (34, '{"active_hours": ["always"]}'), (35, '{"active_hours": ["mon 8-9"], "active_timezone": "Nowhere"}'),
	(36, '{"active_timezone": "Nowhere"}'),
	(40, '{"name": ""}'), (41, '{"name": 7}'), (42, jsonb_build_object('name', repeat('x', 201))), (43, jsonb_build_object('metric_name', repeat('é', 65))),
	(50, '{"threshold_value": [1]}'), (51, '{"threshold_value": {"$geo": [1, 2]}}'), (52, '{"threshold_value": 1e400}'), (53, '{"threshold_value": "on"}'),
	(54, '{"threshold_value": true, "condition": "!=", "measure": "delta"}'), (55, '{"resolve_threshold": 2}'), (56, '{"resolve_threshold": "x"}'),
	(60, '{"metric_pattern": "m%"}'), (61, '{"for_seconds": 5, "trigger_count": 2}'), (62, '{"treshold": 1}'), (63, '{"rule_id": "mine"}'), (64, '{"late": "drop"}')
) AS b (n, body), pg_temp.request('POST /alerts/rules', '{}', '{"name": "optional", "metric_name": "m", "condition": ">", "threshold_value": 1}'::jsonb || b.body) AS r
ORDER BY b.n;
SELECT r.* FROM (VALUES (NULL::jsonb), ('null'), ('[]'), ('7'), ('{}')) AS b (body), pg_temp.request('POST /alerts/rules', '{}', b.body) AS r;
SELECT count(*) FROM alert_rule WHERE name = 'optional';
DELETE FROM alert_rule WHERE name = 'optional';
-- Devices: 10000 and no more.
SELECT r.status, r.body -> 'detail' AS detail
FROM unnest('{10000,10001}'::integer[]) AS n (devices),
	pg_temp.request('POST /alerts/rules', '{}', jsonb_build_object('name', 'optional', 'metric_name', 'm', 'condition', '>', 'threshold_value', 1,
		'device_ids', (SELECT jsonb_agg(i::text) FROM generate_series(1, n.devices) AS i))) AS r;
DELETE FROM alert_rule WHERE name = 'optional';

-- E4-US1 AC7: a rule that is made is told of. The event itself is in sql/outbox.sql.
SELECT rule_id = :'printed_rule_id' AS is_there, created_by FROM alert_rule;

-- E4-US2 AC1, AC4: rules are listed and counted, the newest first.
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, level, enabled, created_at)
SELECT 'r' || i, 'Rule ' || i, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, '>', '1', CASE WHEN i < 3 THEN 'critical' ELSE 'info' END::alert_level, i <> 2,
	timestamptz '2023-01-01' + i * interval '1 min'
FROM generate_series(1, 5) AS i;
CREATE FUNCTION pg_temp.listed(params jsonb) RETURNS TABLE (status integer, rules jsonb, "rest" jsonb) LANGUAGE sql AS $$
	SELECT r.status, jsonb_path_query_array(r.body, '$.rules[*].name'), r.body - 'rules' FROM pg_temp.request('GET /alerts/rules', params) AS r $$;
SELECT * FROM pg_temp.listed('{}');
-- E4-US2 AC2: filters.
SELECT p.params, l.* FROM (VALUES ('{"enabled": "true"}'::jsonb), ('{"enabled": "false"}'), ('{"level": "critical"}'), ('{"metric_name": "even"}'),
	('{"enabled": "true", "level": "critical"}'), ('{"metric_name": "none"}'), ('{"enabled": "yes"}'), ('{"level": "bad"}')) AS p (params), pg_temp.listed(p.params) AS l;
-- E4-US2 AC3: pages.
SELECT p.params, l.* FROM (VALUES ('{"limit": "2"}'::jsonb), ('{"limit": "2", "offset": "4"}'), ('{"limit": "2", "offset": "6"}'), ('{"limit": "0"}'), ('{"limit": "1001"}'),
	('{"offset": "-1"}'), ('{"limit": "x"}')) AS p (params), pg_temp.listed(p.params) AS l;
-- E4-US2 AC5, E4-US3 AC4, E4-US4 AC5, E4-US5 AC6: what reads finds an index for what there may be many of.
CREATE FUNCTION pg_temp.indexes(query text) RETURNS TABLE (index text) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL plan_cache_mode = force_custom_plan;
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RESET enable_seqscan;
	RESET plan_cache_mode;
	RETURN QUERY SELECT DISTINCT i #>> '{}' FROM jsonb_path_query(plan, '$.**."Index Name"') AS i ORDER BY 1;
END $$;
SELECT * FROM pg_temp.indexes($$SELECT * FROM telemetry.alert_rule_status WHERE rule_id = 'r1'$$);
SELECT * FROM pg_temp.indexes($$SELECT count(*), count(*) FILTER (WHERE level >= 'critical') FROM telemetry.alert WHERE status <> 'resolved'$$);
SELECT * FROM pg_temp.indexes($$SELECT * FROM telemetry.alerts_like(NULL, NULL, 'd', NULL, NULL, NULL, NULL) ORDER BY triggered_at DESC, alert_id LIMIT 100$$);
SELECT * FROM pg_temp.indexes($$SELECT * FROM telemetry.alerts_like('active', 'critical', NULL, NULL, NULL, NULL, NULL) ORDER BY triggered_at DESC, alert_id LIMIT 100$$);
SELECT * FROM pg_temp.indexes($$SELECT * FROM telemetry.alerts_like(NULL, NULL, NULL, NULL, NULL, NULL, NULL) ORDER BY triggered_at DESC, alert_id LIMIT 100$$);

-- E4-US3 AC1, AC2, AC3: one rule, with what has come of it.
SELECT status, body -> 'name' AS name, body -> 'total_triggers' AS total_triggers, body -> 'last_triggered' AS last_triggered
FROM pg_temp.request('GET /alerts/rules/{rule_id}', jsonb_build_object('rule_id', :'printed_rule_id'));
SELECT pg_temp.point('web-1', v, age) FROM (VALUES (95, interval '40 s'), (96, '30 s'), (97, '20 s'), (98, '10 s')) AS p (v, age) \g /dev/null
SELECT r.status, r.body -> 'total_triggers' AS total_triggers, r.body ->> 'last_triggered' = telemetry.json_time(a.triggered_at) AS last_triggered, r.body -> 'open_alerts' AS open_alerts
FROM alert AS a, pg_temp.request('GET /alerts/rules/{rule_id}', jsonb_build_object('rule_id', :'printed_rule_id')) AS r;
SELECT * FROM pg_temp.request('GET /alerts/rules/{rule_id}', '{"rule_id": "none"}');
SELECT * FROM pg_temp.request('GET /alerts/rules/{rule_id}', '{}');

-- E4-US4 AC1, AC2, AC3: a rule is switched off and on.
SELECT r.status, r.body - 'rule_id' AS body FROM unnest(ARRAY['{"enabled": false}', '{"enabled": false}', '{"enabled": true}', '{}', '{"enabled": null}', '{"enabled": "true"}',
	'{"enabled": true, "x": 1}', '[]', NULL]::jsonb[]) AS b (body), pg_temp.request('PUT /alerts/rules/{rule_id}/enable', '{"rule_id": "r1"}', b.body) AS r;
SELECT * FROM pg_temp.request('PUT /alerts/rules/{rule_id}/enable', '{"rule_id": "none"}', '{"enabled": true}');
-- E4-US4 AC4: from the next batch on.
SELECT status FROM pg_temp.request('PUT /alerts/rules/{rule_id}/enable', '{"rule_id": "r1"}', '{"enabled": false}');
SELECT pg_temp.point('web-1', 5, '5 s', 'odd') \g /dev/null
SELECT count(*) FROM alert WHERE rule_id = 'r1';
SELECT status FROM pg_temp.request('PUT /alerts/rules/{rule_id}/enable', '{"rule_id": "r1"}', '{"enabled": true}');
SELECT pg_temp.point('web-1', 5, '4 s', 'odd') \g /dev/null
SELECT count(*) FROM alert WHERE rule_id = 'r1';

-- A rule is changed in part; null is what it would be if it were left out.
SELECT r.status, r.body -> 'detail' AS detail, r.body -> 'threshold_value' AS threshold, r.body -> 'level' AS level, r.body -> 'description' AS description,
	r.body -> 'auto_resolve_timeout' AS timeout, (r.body ->> 'revision')::bigint - min((r.body ->> 'revision')::bigint) OVER () AS revisions
FROM (VALUES (1, '{"threshold_value": 4.5, "level": "error", "description": "changed", "auto_resolve_timeout": 60}'::jsonb), (2, '{}'), (3, '{"level": null, "description": null, "auto_resolve_timeout": null}'),
	(4, '{"name": null}'), (5, '{"condition": "="}'), (6, '{"metric_pattern": "x"}'), (7, '{"threshold_value": "x"}'), (8, '{"created_by": "me"}')) AS b (n, body),
	pg_temp.request('PUT /alerts/rules/{rule_id}', '{"rule_id": "r5"}', b.body) AS r ORDER BY b.n;
SELECT * FROM pg_temp.request('PUT /alerts/rules/{rule_id}', '{"rule_id": "none"}', '{}');

-- E4-US5 AC1: alerts are listed. One of each level, at one time each; four more are resolved.
DELETE FROM alert_rule;
TRUNCATE alert, alert_state, alert_pending;
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, level)
SELECT 'r_' || l, 'Rule ' || l, 'm_' || l, '>', '1', l FROM unnest(enum_range(NULL::alert_level)) AS l;
INSERT INTO point (ts, device_id, metric, value)
SELECT timestamptz '2024-01-01' + i * interval '1 min', 'd' || i % 2, 'm_' || l, '5' FROM unnest(enum_range(NULL::alert_level)) WITH ORDINALITY AS l (l, i);
SELECT status, jsonb_pretty(jsonb_set(body, '{alerts,0}', (body #> '{alerts,0}') - '{alert_id,created_at}'::text[])) AS body FROM pg_temp.request('GET /alerts', '{"limit": "1"}');
INSERT INTO alert (alert_id, rule_id, rule_name, device_id, metric_name, level, status, condition, threshold_value, value, message, triggered_at, resolved_at, resolution_known_at, resolution)
SELECT 'old_' || i, 'r_info', 'Rule info', 'd0', 'm_info', 'info', 'resolved', '>', '1', '2', 'old', '2023-06-01', '2023-06-02', now(), 'clear' FROM generate_series(1, 4) AS i;
-- E4-US5 AC2: filters, E4-US5 AC3: pages, E4-US5 AC4: counts of all that are open, E4-US5 AC5: the newest first, and of one time by their names.
CREATE FUNCTION pg_temp.alerts(params jsonb) RETURNS TABLE (status integer, alerts jsonb, "rest" jsonb) LANGUAGE sql AS $$
	SELECT r.status, (SELECT jsonb_agg(CASE WHEN a ->> 'alert_id' LIKE 'old%' THEN a -> 'alert_id' ELSE a -> 'level' END) FROM jsonb_array_elements(r.body -> 'alerts') AS a),
		r.body - 'alerts'
	FROM pg_temp.request('GET /alerts', params) AS r $$;
SELECT p.params, a.* FROM (VALUES (1, '{}'::jsonb), (2, '{"status": "active"}'), (3, '{"status": "resolved"}'), (4, '{"status": "acknowledged"}'), (5, '{"level": "critical"}'),
	(6, '{"status": "active", "level": "critical"}'), (7, '{"device_id": "d1"}'), (8, '{"rule_id": "r_info"}'), (9, '{"metric_name": "m_error"}'),
	(10, '{"start_time": "2024-01-01T00:02:00Z"}'), (11, '{"start_time": "2024-01-01T00:02:00Z", "end_time": "2024-01-01T01:04:00+01:00"}'), (12, '{"end_time": "2023-12-31"}'),
	(13, '{"limit": "2", "offset": "1"}'), (14, '{"limit": "3", "offset": "7"}'), (15, '{"offset": "9"}'),
	(20, '{"status": "open"}'), (21, '{"level": "high"}'), (22, '{"start_time": "yesterday"}'), (23, '{"end_time": "2024-13-01"}'), (24, '{"limit": "0"}'), (25, '{"limit": "1001"}'),
	(26, '{"offset": "x"}'), (27, '{"status": ""}')) AS p (n, params), pg_temp.alerts(p.params) AS a ORDER BY p.n;
SELECT alert_id AS critical FROM alert WHERE level = 'critical' \gset
SELECT status, body ->> 'message' AS message, body -> 'value' AS value, body -> 'threshold_value' AS threshold FROM pg_temp.request('GET /alerts/{alert_id}', jsonb_build_object('alert_id', :'critical'));
SELECT * FROM pg_temp.request('GET /alerts/{alert_id}', '{"alert_id": "none"}');

-- E4-US6 AC1 to AC5: an alert is acknowledged, once.
SELECT status, pg_temp.plain(body) AS body FROM pg_temp.request('PUT /alerts/{alert_id}/acknowledge', jsonb_build_object('alert_id', :'critical'), '{"note": "I am looking"}');
SELECT status, acknowledged_at BETWEEN now() - interval '1 min' AND clock_timestamp() AS acknowledged_now, acknowledged_by, acknowledgement_note, resolved_at FROM alert WHERE alert_id = :'critical';
SELECT status, replace(body ->> 'detail', :'critical', '…') AS detail FROM pg_temp.request('PUT /alerts/{alert_id}/acknowledge', jsonb_build_object('alert_id', :'critical'));
SELECT * FROM pg_temp.request('PUT /alerts/{alert_id}/acknowledge', '{"alert_id": "none"}');
SELECT r.* FROM unnest(ARRAY['{"note": 7}', '{"comment": "x"}', '[]', jsonb_build_object('note', repeat('x', 10001))]::jsonb[]) AS b (body),
	pg_temp.request('PUT /alerts/{alert_id}/acknowledge', jsonb_build_object('alert_id', :'critical'), b.body) AS r;
-- E4-US6 AC2: the note may be left out, with the body, and be called by its other name.
SELECT r.status, a.rule_id, r.body #> '{alert,acknowledgement_note}' AS note
FROM (SELECT a.alert_id, a.rule_id, row_number() OVER (ORDER BY a.triggered_at) AS n FROM alert AS a WHERE a.status = 'active') AS a
JOIN (VALUES (1, NULL::jsonb), (2, '{}'), (3, '{"note": null}'), (4, '{"acknowledgement_note": "by the other name"}')) AS b (n, body) USING (n),
	pg_temp.request('PUT /alerts/{alert_id}/acknowledge', jsonb_build_object('alert_id', a.alert_id), b.body) AS r ORDER BY n;

-- E4-US7 AC1 to AC4, AC6: an alert is resolved, once. AC5, the event alert.resolved, is in sql/outbox.sql.
SELECT status, pg_temp.plain(body) AS body FROM pg_temp.request('PUT /alerts/{alert_id}/resolve', jsonb_build_object('alert_id', :'critical'), '{"resolution_note": "restarted"}');
SELECT status, resolved_at BETWEEN now() - interval '1 min' AND clock_timestamp() AS resolved_now, resolved_by, resolution, resolution_note FROM alert WHERE alert_id = :'critical';
SELECT open_alert, due_at, last_resolved = a.resolved_at AS resolved FROM alert_state AS s JOIN alert AS a USING (rule_id, device_id, metric_name) WHERE a.alert_id = :'critical';
SELECT status, replace(body ->> 'detail', :'critical', '…') AS detail FROM pg_temp.request('PUT /alerts/{alert_id}/resolve', jsonb_build_object('alert_id', :'critical'));
SELECT status, replace(body ->> 'detail', :'critical', '…') AS detail FROM pg_temp.request('PUT /alerts/{alert_id}/acknowledge', jsonb_build_object('alert_id', :'critical'));
SELECT * FROM pg_temp.request('PUT /alerts/{alert_id}/resolve', '{"alert_id": "none"}');
-- What violates after that, and after the cooldown, is another alert.
UPDATE alert_rule SET cooldown_minutes = 0 WHERE rule_id = 'r_critical';
INSERT INTO point (ts, device_id, metric, value) VALUES (clock_timestamp() + interval '10 s', 'd0', 'm_critical', '7');
SELECT value, status FROM alert WHERE rule_id = 'r_critical' ORDER BY triggered_at;
-- resolved_at is never before triggered_at.
SELECT resolved_at = triggered_at AS at_once FROM resolve_alert((SELECT alert_id FROM alert WHERE rule_id = 'r_critical' AND status = 'active'));

-- Whoever has lost the series' row, in a restore of some tables, gets another one; the next point is judged as ever.
DELETE FROM alert_state WHERE rule_id = 'r_info';
UPDATE alert_rule SET cooldown_minutes = 0 WHERE rule_id = 'r_info';
SELECT alert_id AS info FROM alert WHERE rule_id = 'r_info' AND status = 'acknowledged' \gset
SELECT status, resolved_by FROM resolve_alert(:'info', "by" => 'bob');
SELECT live, open_alert, last_resolved IS NOT NULL AS resolved FROM alert_state WHERE rule_id = 'r_info';
INSERT INTO point (ts, device_id, metric, value) VALUES (clock_timestamp(), 'd1', 'm_info', '0'), (clock_timestamp() + interval '1 s', 'd1', 'm_info', '9');
SELECT value, status FROM alert WHERE rule_id = 'r_info' AND alert_id NOT LIKE 'old%' ORDER BY triggered_at;

-- Deleting a rule resolves what is open of it.
SELECT * FROM pg_temp.request('DELETE /alerts/rules/{rule_id}', '{"rule_id": "r_error"}');
SELECT * FROM pg_temp.request('DELETE /alerts/rules/{rule_id}', '{"rule_id": "r_error"}');
SELECT status, resolution, resolved_by FROM alert WHERE rule_id = 'r_error';
SELECT count(*) FROM alert_state WHERE rule_id = 'r_error';
SELECT delete_alert_rule('r_error');
SELECT delete_alert_rule(NULL);
SELECT delete_alert_rule('r_emergency');
SELECT acknowledge_alert('none');
SELECT resolve_alert(NULL);

-- Old alerts, states and errors are removed; what they count for stays.
DELETE FROM alert WHERE alert_id LIKE 'old%';
INSERT INTO alert_rule_error (rule_id, error_code, error, occurred_at) VALUES ('r_info', '22023', 'old', now() - interval '8 days'), ('r_info', '22023', 'new', now() - interval '6 days');
SELECT total_triggers, last_triggered IS NOT NULL AS has_last, late_points, open_alerts, last_error FROM alert_rule_status WHERE rule_id = 'r_info';
ALTER TABLE alert DISABLE TRIGGER check_alert_move;
UPDATE alert SET resolution_known_at = now() - interval '366 days' WHERE status = 'resolved' AND rule_id = 'r_info';
ALTER TABLE alert ENABLE TRIGGER check_alert_move;
INSERT INTO alert_state (rule_id, device_id, metric_name, revision, live, decided_to, late_points, changed_at) VALUES
	('r_info', 'old', 'm_info', 1, false, now(), 3, now() - interval '32 days'), ('r_info', 'young', 'm_info', 1, false, now(), 4, now() - interval '30 days'),
	('r_info', 'live', 'm_info', 1, true, now(), 0, now() - interval '32 days'), ('gone', 'd', 'm_info', 1, true, now(), 1, now());
INSERT INTO alert (rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at) VALUES
	('gone', 'Rule gone', 'd', 'm_info', 'info', '>', '1', '2', 'of a rule that is gone', now());
CALL run_jobs('prune');
SELECT last_error FROM job_status WHERE name = 'prune';
SELECT total_triggers, late_points, open_alerts, last_error FROM alert_rule_status WHERE rule_id = 'r_info';
SELECT rule_id, device_id FROM alert_state WHERE rule_id IN ('r_info', 'gone') ORDER BY 1, 2;
SELECT status, resolution FROM alert WHERE rule_id = 'gone';
SELECT * FROM alert_rule_total;
CALL run_jobs('prune');
SELECT * FROM alert_rule_total;

-- Who acts: of a writer the caller's word counts, of nobody else.
CREATE ROLE alert_api_writer;
CREATE ROLE alert_api_other;
GRANT telemetry_writer TO alert_api_writer;
GRANT USAGE ON SCHEMA telemetry TO alert_api_other;
GRANT EXECUTE ON FUNCTION current_actor(text) TO alert_api_other;
SET telemetry.actor = 'set';
SET SESSION AUTHORIZATION alert_api_writer;
SET search_path = telemetry, public;
SET telemetry.actor = 'somebody';
SELECT current_actor(), current_actor('else');
SELECT current_actor('');
SELECT current_actor(repeat('x', 257));
SET SESSION AUTHORIZATION alert_api_other;
SELECT current_actor(), current_actor('alert_api_other');
SELECT current_actor('else');
RESET SESSION AUTHORIZATION;
RESET telemetry.actor;

-- Whose rights: a writer and reader, as the proxy is, reads and changes alerts, and no rules unless it was granted to it; a writer alone reads none.
CREATE ROLE alert_api_proxy IN ROLE telemetry_writer, telemetry_reader;
SET ROLE telemetry_writer;
SELECT status FROM http_alerts('{}');
SET ROLE alert_api_proxy;
SELECT r.status, r.body -> 'detail' AS detail
FROM (VALUES ('POST /alerts/rules', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}'::jsonb), ('PUT /alerts/rules/{rule_id}', '{}'),
	('PUT /alerts/rules/{rule_id}/enable', '{"enabled": true}'), ('DELETE /alerts/rules/{rule_id}', NULL), ('PUT /device-groups/{name}', '{}'), ('DELETE /device-groups/{name}', NULL),
	('POST /maintenance', '{"ends_at": "2030-01-01"}'), ('DELETE /maintenance/{id}', NULL), ('GET /alerts/rules', NULL), ('GET /alerts', NULL), ('GET /device-groups', NULL),
	('GET /maintenance', NULL), ('PUT /alerts/{alert_id}/resolve', NULL)) AS q (route, body),
	telemetry.http_call(regexp_replace(q.route, ' ', ' /api/v1/telemetry'), '{"rule_id": "r_info", "name": "g", "id": "1", "alert_id": "none"}', q.body) AS r;
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_rule TO alert_api_writer;
SET ROLE alert_api_writer;
SELECT status, body ->> 'created_by' AS created_by FROM http_call('POST /api/v1/telemetry/alerts/rules', '{"caller": {"user_id": "ann"}}',
	'{"name": "granted", "metric_name": "m", "condition": ">", "threshold_value": 1}');
SELECT status FROM http_call('DELETE /api/v1/telemetry/alerts/rules/{rule_id}', jsonb_build_object('rule_id', (SELECT rule_id FROM alert_rule WHERE name = 'granted')));
-- An admin does all of it.
SET ROLE telemetry_admin;
SELECT status, body ->> 'rule_id' AS rule_id FROM http_call('POST /api/v1/telemetry/alerts/rules', '{}', '{"name": "of an admin", "metric_name": "m", "condition": ">", "threshold_value": 1}') \gset admin_
SELECT r.status, r.body -> 'message' AS message
FROM (VALUES (1, 'PUT /alerts/rules/{rule_id}', '{"threshold_value": 2}'::jsonb), (2, 'PUT /alerts/rules/{rule_id}/enable', '{"enabled": false}'), (3, 'DELETE /alerts/rules/{rule_id}', NULL),
	(4, 'PUT /device-groups/{name}', '{"device_ids": ["d"]}'), (5, 'DELETE /device-groups/{name}', NULL), (6, 'POST /maintenance', '{"ends_at": "2099-01-01"}')) AS q (n, route, body),
	telemetry.http_call(regexp_replace(q.route, ' ', ' /api/v1/telemetry'), jsonb_build_object('rule_id', :'admin_rule_id', 'name', 'of an admin'), q.body) AS r ORDER BY q.n;
DELETE FROM maintenance;
RESET ROLE;
DROP OWNED BY alert_api_writer, alert_api_other;
DROP ROLE alert_api_writer, alert_api_other, alert_api_proxy;

-- Groups of devices.
SELECT r.* FROM (VALUES (1, '{"device_ids": ["a", "b"], "description": "Two", "tags": {"site": "x"}}'::jsonb), (2, '{"device_ids": ["c"]}'), (3, '{}'), (4, NULL), (5, '{"device_ids": [""]}'),
	(6, '{"tags": {}}'), (7, '{"tags": ["x"]}'), (8, '{"name": "g"}'), (9, '{"device_ids": null, "tags": null, "description": "None"}')) AS b (n, body),
	pg_temp.request('PUT /device-groups/{name}', '{"name": "g"}', b.body) AS r ORDER BY b.n;
SELECT * FROM pg_temp.request('PUT /device-groups/{name}', jsonb_build_object('name', repeat('x', 129)), '{}');
SELECT status FROM pg_temp.request('PUT /device-groups/{name}', '{"name": "a"}', '{"device_ids": ["x", "y"]}');
SELECT * FROM pg_temp.request('GET /device-groups', '{"limit": "1"}');
SELECT * FROM pg_temp.request('GET /device-groups', '{"limit": "a"}');
SELECT * FROM pg_temp.request('GET /device-groups/{name}', '{"name": "a"}');
SELECT * FROM pg_temp.request('DELETE /device-groups/{name}', '{"name": "a"}');
SELECT * FROM pg_temp.request('DELETE /device-groups/{name}', '{"name": "a"}');
SELECT * FROM pg_temp.request('GET /device-groups/{name}', '{"name": "a"}');

-- Maintenance: no alert is triggered by points within it.
SELECT r.* FROM (VALUES (1, NULL::jsonb), (2, '{}'), (3, '{"ends_at": "soon"}'), (4, '{"ends_at": "infinity"}'),
	(5, '{"starts_at": "2024-02-01", "ends_at": "2024-02-01"}'), (6, '{"ends_at": "2020-01-01"}'), (7, '{"ends_at": "2099-01-01", "levels": ["bad"]}'),
	(8, '{"ends_at": "2099-01-01", "levels": "info"}'), (9, '{"ends_at": 5}'), (10, '{"ends_at": "2099-01-01", "rule_id": "r"}'), (11, '{"ends_at": "2099-01-01", "device_ids": 1}')) AS b (n, body),
	pg_temp.request('POST /maintenance', '{}', b.body) AS r ORDER BY b.n;
SELECT status, body ->> 'id' AS id, body - '{id,created_at}'::text[] AS body FROM pg_temp.request('POST /maintenance', '{}', '{"starts_at": "2024-02-01T00:00:00", "ends_at": "2024-02-01T03:00:00+01:00", "reason": "Update",
	"rule_ids": ["r_warning"], "levels": ["info", "warning"], "device_ids": ["quiet"], "device_groups": []}') \gset made_
\echo :made_status :made_body
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-02-01 01:00', 'quiet', 'm_warning', '5'), ('2024-02-01 01:00', 'loud', 'm_warning', '5');
SELECT device_id FROM alert WHERE rule_id = 'r_warning' AND triggered_at >= '2024-02-01';
SELECT status, (body -> 'maintenance') = jsonb_build_array(:'made_body'::jsonb || jsonb_build_object('id', :made_id, 'created_at', body #> '{maintenance,0,created_at}')) AS same, body - 'maintenance' AS rest
FROM pg_temp.request('GET /maintenance', '{}');
SELECT status, body -> 'reason' AS reason FROM pg_temp.request('GET /maintenance/{id}', jsonb_build_object('id', :'made_id'));
SELECT status, body - 'id' AS body FROM pg_temp.request('DELETE /maintenance/{id}', jsonb_build_object('id', :'made_id'));
SELECT status, body - 'id' AS body FROM pg_temp.request('DELETE /maintenance/{id}', jsonb_build_object('id', :'made_id'));
SELECT r.* FROM unnest('{0,-1,x,99999999999}'::text[]) AS i (id), pg_temp.request('GET /maintenance/{id}', jsonb_build_object('id', i.id)) AS r;

-- What streams answers whole, too.
SELECT status, content_type, body::jsonb -> 'limit' AS "limit" FROM http_parts('GET /api/v1/telemetry/alerts', '{}');

-- Lists are lists: the constraint that refuses each.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	refused_by text;
BEGIN
	EXECUTE statement;
	RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
	RETURN coalesce(nullif(refused_by, ''), SQLERRM);
END
$$;
SELECT column_name, pg_temp.refused(format('INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, %I) VALUES (''x'', ''x'', ''x'', ''>'', 1, %L)', column_name,
	CASE column_name WHEN 'active_hours' THEN '{{mon-fri 08:00-09:00},{sat 10:00-11:00}}' ELSE '{{a,b},{c,d}}' END)) AS refused
FROM unnest('{device_ids,device_patterns,device_groups,active_hours,notification_channels}'::text[]) AS c (column_name);
SELECT column_name, pg_temp.refused(format('INSERT INTO telemetry.maintenance (starts_at, ends_at, %I) VALUES (''2026-01-01'', ''2026-01-02'', %L)', column_name,
	CASE column_name WHEN 'levels' THEN (SELECT format('{{%s}}', min(enumlabel)) FROM pg_enum WHERE enumtypid = 'telemetry.alert_level'::regtype) ELSE '{{a,b},{c,d}}' END)) AS refused
FROM unnest('{rule_ids,levels,device_ids,device_groups}'::text[]) AS c (column_name);
SELECT pg_temp.refused($q$INSERT INTO telemetry.device_group (name, device_ids) VALUES ('x', '{{a},{b}}')$q$);

-- What is here as it was before.
DELETE FROM alert_rule;
DELETE FROM device_group;
TRUNCATE alert, alert_state, alert_pending, alert_rule_error, alert_rule_total, maintenance;
SELECT delete_points(d, NULL, NULL, NULL) IS NOT NULL AS deleted FROM unnest('{web-1,d0,d1,quiet,loud}'::text[]) AS d;
