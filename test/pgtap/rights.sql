-- Who may do what: each function and each table and view of the extension is in one of the two tables below, is called and
-- read by each role that may, and refused to the others. What is new must be entered here.
\set ON_ERROR_STOP 1
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT no_plan();

-- The apps' are among them.
SELECT format('CREATE EXTENSION %I', e.name)
FROM pg_available_extensions AS e
WHERE e.name LIKE 'telemetry!_%' ESCAPE '!' AND e.installed_version IS NULL
ORDER BY e.name
\gexec

CREATE ROLE rights_reader IN ROLE telemetry_reader;
CREATE ROLE rights_writer IN ROLE telemetry_writer;
CREATE ROLE rights_admin IN ROLE telemetry_admin;
CREATE ROLE rights_nobody;
GRANT USAGE ON SCHEMA telemetry TO rights_nobody;

-- Something to find.
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'rights', 'm', '1');
INSERT INTO telemetry.stream (name, description) VALUES ('rights', 'For this test.');
INSERT INTO telemetry.event (stream, event_id, event_type, subject_id, user_id) VALUES ('rights', '1', 'a', 's', 'u');
INSERT INTO telemetry.event (stream, event_id, event_type, subject_id, user_id, session_id) VALUES
	('playback', '1', 'play_start', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'u', 's');
-- Something to tell of, for who may not ingest.
CREATE FUNCTION public.rights_ingest() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'rights', 'm', '1');
	RETURN 1;
END
$$;
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('rights', 'Rights', 'alert', '>', '0');
INSERT INTO telemetry.metric_definition (name, data_type, max_value, unit, coerce) VALUES ('rights', 'numeric', 100, 'u', true);
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'rights', 'alert', '1');
UPDATE telemetry.alert SET alert_id = 'rights', status = 'acknowledged', acknowledged_at = now();
INSERT INTO telemetry.alert (alert_id, rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at) VALUES
	('active', 'rights', 'Rights', 'other', 'alert', 'info', '>', '0', '1', 'For this test.', '2024-01-01');
INSERT INTO telemetry.maintenance (starts_at, ends_at) VALUES ('2024-02-01', '2024-02-02');
CALL telemetry.run_jobs('roll_up');
INSERT INTO telemetry.event (stream, event_id, event_type, subject_id, user_id) VALUES ('rights', '2', 'a', 's', 'gone');
CALL telemetry.run_jobs('roll_up_events');
-- Something to do: to be added to the rollups, and to be subtracted from them.
SELECT telemetry.delete_user('gone') \g /dev/null
INSERT INTO telemetry.event (stream, event_id, event_type, subject_id, user_id) VALUES ('rights', '3', 'a', 's', 'u');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-02', 'rights', 'm', '1');

-- Something to tell of.
INSERT INTO telemetry.notification_channel (name, kind, url, secret, group_wait) VALUES
	('rights', 'webhook', 'http://localhost/', '0123456789abcdef', 0), ('rights_too', 'alertmanager', 'http://localhost/', NULL, 0);
INSERT INTO telemetry.notification_channel (name, kind, sender, recipients) VALUES ('rights_mail', 'email', 'a@b.example', '{c@d.example}');
INSERT INTO telemetry.notification (id, channel, event_ids, triggered, level, events, created_at, pending_since, next_attempt_at)
SELECT CASE c.name WHEN 'rights' THEN 'rights' ELSE telemetry.new_id('notification') END, c.name, '{1}', 1, 'error',
	'[{"event_id": 1, "event_type": "alert.triggered", "alert": {"alert_id": "a", "message": "m"}}]', now(), now(), now()
FROM telemetry.notification_channel AS c;
SELECT telemetry.create_outbox_consumer('rights', NULL, true) \g /dev/null

-- The statement's sqlstate as a role, or ok; what it did is undone.
CREATE FUNCTION pg_temp.attempt(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'TLOK0', MESSAGE = 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE sqlstate WHEN 'TLOK0' THEN 'ok' ELSE sqlstate || ' ' || sqlerrm END;
END
$$;

CREATE TEMP TABLE role AS SELECT * FROM (VALUES ('reader'), ('writer'), ('admin'), ('nobody')) AS r (name);

-- Functions, whom they are for, and a call; null: with nulls, which is enough for what only computes.
CREATE TEMP TABLE function (signature text, roles text[], call text);
INSERT INTO function (signature, roles, call) VALUES
	('telemetry.block_series(bytea)', '{admin}', NULL),
	('telemetry.check_block(bytea)', '{admin}', NULL),
	('telemetry.damaged_blocks()', '{admin}', NULL),
	('telemetry.ingest_result()', '{reader,writer,admin,nobody}', 'SELECT telemetry.ingest_result() FROM public.rights_ingest()'),
	('telemetry.delete_points(text,text,timestamptz,timestamptz)', '{admin}', $$SELECT telemetry.delete_points('rights', NULL, NULL, NULL)$$),
	('telemetry.job_roll_up()', '{admin}', 'SELECT telemetry.job_roll_up()'),
	('telemetry.job_compact()', '{admin}', 'SELECT telemetry.job_compact()'),
	('telemetry.compact_step(boolean)', '{admin}', 'SELECT telemetry.compact_step(true)'),
	('telemetry.refresh_device(text,text,timestamptz,timestamptz)', '{admin}', $$SELECT telemetry.refresh_device('rights', NULL, NULL, NULL)$$),
	('telemetry.newest_until(text,text,timestamptz)', '{reader,admin}', $$SELECT telemetry.newest_until('rights', 'm', 'infinity')$$),
	('telemetry.is_out_of_reach(text,timestamptz)', '{reader,admin}', $$SELECT telemetry.is_out_of_reach('m', '2024-01-01')$$),
	('telemetry.retry_set_aside()', '{admin}', $$SELECT telemetry.retry_set_aside()$$),
	('telemetry.set_day_timezone(text)', '{admin}', $$SELECT telemetry.set_day_timezone('Europe/Paris')$$),
	('telemetry.ingest_text(text,text,text,text)', '{writer,admin}', $$SELECT telemetry.ingest_text('{"timestamp": 1, "metric_name": "m", "value": "\u0000"}', 'rights', 'single')$$),
	('telemetry.ingest(jsonb,text,text,text)', '{writer,admin}', $$SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', 'rights')$$),
	('telemetry.prune_receipts()', '{admin}', 'SELECT telemetry.prune_receipts()'),
	('telemetry.compare_rollups(text,text,timestamptz,timestamptz,boolean)', '{admin}', $$SELECT * FROM telemetry.compare_rollups('rights', 'm', '2024-01-01', '2024-01-02', false)$$),
	('telemetry.audit_rollups(text,text,timestamptz,timestamptz)', '{admin}', $$SELECT * FROM telemetry.audit_rollups('rights', 'm', '2024-01-01', '2024-01-02')$$),
	('telemetry.ingest_event(jsonb)', '{writer,admin}', $$SELECT telemetry.ingest_event('{"stream": "rights", "event_type": "a"}')$$),
	('telemetry.take_dead_letters(text,text,integer)', '{admin}', 'SELECT telemetry.take_dead_letters(NULL, NULL, 1)'),
	('telemetry.settle_dead_letter(bigint,boolean)', '{admin}', 'SELECT telemetry.settle_dead_letter(0, true)'),
	('telemetry.retry_dead_letters(text,text,integer)', '{admin}', 'SELECT telemetry.retry_dead_letters()'),
	('telemetry.job_roll_up_events()', '{admin}', 'SELECT telemetry.job_roll_up_events()'),
	('telemetry.delete_user(text,boolean)', '{admin}', $$SELECT telemetry.delete_user('u')$$),
	('telemetry.delete_device(text,boolean)', '{admin}', $$SELECT telemetry.delete_device('rights', true)$$),
	('telemetry.http_ingest(jsonb,text)', '{writer,admin}', $$SELECT telemetry.http_ingest('{"kind": "single", "device_id": "d"}', '{"timestamp": 1, "metric_name": "m", "value": 1}')$$),
	('telemetry.http_batch(jsonb,jsonb)', '{reader,writer,admin}', $$SELECT telemetry.http_batch('{"batch_id": "b"}')$$),
	('telemetry.http_health(jsonb,jsonb)', '{reader,writer,admin}', 'SELECT telemetry.http_health()'),
	('telemetry.store_size()', '{reader,writer,admin}', 'SELECT telemetry.store_size()'),
	('telemetry.http_health_detailed(jsonb,jsonb)', '{reader,writer,admin}', 'SELECT telemetry.http_health_detailed()'),
	('telemetry.http_problem(text,integer,text,text)', '{reader,writer,admin}', $$SELECT telemetry.http_problem('core', 400, NULL, 'x')$$),
	('telemetry.http_routes(text)', '{reader,writer,admin}', 'SELECT telemetry.http_routes()'),
	('telemetry.openapi()', '{reader,writer,admin}', 'SELECT telemetry.openapi()'),
	('telemetry.http_openapi(jsonb,jsonb)', '{reader,writer,admin}', 'SELECT telemetry.http_openapi()'),
	('telemetry.http_docs(jsonb,jsonb)', '{reader,writer,admin}', 'SELECT telemetry.http_docs()'),
	('telemetry.schema_or_null(jsonb)', '{admin}', NULL),
	('telemetry.type_schema(regtype)', '{admin}', NULL),
	('telemetry.columns_schema(regclass,text[])', '{admin}', $$SELECT telemetry.columns_schema('telemetry.alert')$$),
	('telemetry.field_schema(jsonb)', '{admin}', NULL),
	('telemetry.fields_schema(jsonb,regclass,boolean)', '{admin}', $$SELECT telemetry.fields_schema('{"a": {"kind": "time"}}', 'telemetry.alert')$$),
	('telemetry.page_parameters()', '{admin}', 'SELECT telemetry.page_parameters()'),
	('telemetry.done_schema(text)', '{admin}', NULL),
	('telemetry.list_schema(text,jsonb,jsonb)', '{admin}', NULL),
	('telemetry.example_of_now(jsonb)', '{admin}', NULL),
	('telemetry.document_routes(jsonb)', '{admin}', $$SELECT telemetry.document_routes('{"GET /health": {"tag": "mine"}}')$$),
	('telemetry.http_call(text,jsonb,text)', '{reader,writer,admin}', $$SELECT telemetry.http_call('GET /api/health', '{}', NULL::text)$$),
	('telemetry.http_call(text,jsonb,jsonb)', '{reader,writer,admin}', $$SELECT telemetry.http_call('GET /api/health', '{}')$$),
	('telemetry.http_parts(text,jsonb,jsonb)', '{reader,writer,admin}', $$SELECT telemetry.http_parts('GET /api/health', '{}')$$),
	('telemetry.http_event_result()', '{writer,admin}', 'SELECT telemetry.http_event_result()'),
	('telemetry.http_events(text,jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_events('POST /event', '{}', '{"event_type": "success", "session_id": "s"}'::jsonb)$$),
	('telemetry.http_events(text,jsonb,text)', '{writer,admin}', $$SELECT telemetry.http_events('POST /event', '{}', '{"event_type": "success", "session_id": "\u0000"}'::text)$$),
	('telemetry.core_modules(date,date,text)', '{reader,admin}', $$SELECT telemetry.core_modules('2024-01-01', '2024-01-31', NULL)$$),
	('telemetry.core_summary(date,date,text,integer)', '{reader,admin}', $$SELECT telemetry.core_summary('2024-01-01', '2024-01-31', NULL, 10)$$),
	('telemetry.core_timeline(text,timestamptz,timestamptz,text,text)', '{reader,admin}', $$SELECT telemetry.core_timeline('m', '2024-01-01', '2024-01-02', 'hour', NULL)$$),
	('telemetry.core_events(text,text,text,timestamptz,timestamptz,integer,timestamptz,bigint)', '{reader,admin}', $$SELECT telemetry.core_events(NULL, NULL, NULL, NULL, NULL, 10, NULL, NULL)$$),
	('telemetry.http_core_summary(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_core_summary('{"dialect": "core"}')$$),
	('telemetry.http_core_summary_csv(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_core_summary_csv('{"dialect": "core"}')$$),
	('telemetry.http_core_timeline(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_core_timeline('{"dialect": "core", "moduleId": "m"}')$$),
	('telemetry.http_core_events(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_core_events('{"dialect": "core"}')$$),
	('telemetry.http_core_events_csv(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_core_events_csv('{"dialect": "core"}')$$),
	('telemetry.flash_total()', '{reader,admin}', 'SELECT telemetry.flash_total()'),
	('telemetry.http_flash_count(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_flash_count('{}')$$),
	('telemetry.http_count(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_count('{}')$$),
	('telemetry.http_recent_failures(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_recent_failures('{"caller": {"user_id": "u"}}')$$),
	('telemetry.parity(timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.parity('2024-01-01', '2024-01-02')$$),
	('telemetry.time_span(numeric)', '{reader,admin}', 'SELECT telemetry.time_span(61.5)'),
	('telemetry.track_analytics(text,date,date)', '{reader,admin}', $$SELECT telemetry.track_analytics('01ARZ3NDEKTSV4RRFFQ69G5FAV', '2024-01-01', current_date)$$),
	('telemetry.top_tracks(integer,date)', '{reader,admin}', $$SELECT telemetry.top_tracks(10, '2024-01-01')$$),
	('telemetry.user_activity(text,date,date)', '{reader,admin}', $$SELECT telemetry.user_activity('u', '2024-01-01', current_date)$$),
	('telemetry.recent_activity(integer)', '{reader,admin}', 'SELECT telemetry.recent_activity(10)'),
	('telemetry.playback_overview(date,date)', '{reader,admin}', $$SELECT telemetry.playback_overview('2024-01-01', current_date)$$),
	('telemetry.http_track_analytics(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_track_analytics('{"dialect": "playback", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}')$$),
	('telemetry.http_top_tracks(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_top_tracks('{"dialect": "playback"}')$$),
	('telemetry.http_user_analytics(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_user_analytics('{"dialect": "playback", "id": "u"}')$$),
	('telemetry.http_recent_activity(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_recent_activity('{"dialect": "playback"}')$$),
	('telemetry.http_analytics_overview(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_analytics_overview('{"dialect": "playback"}')$$),
	('telemetry.sync_status(text)', '{reader,admin}', $$SELECT telemetry.sync_status('u')$$),
	('telemetry.http_sync_status(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_sync_status('{"caller": {"user_id": "u"}}')$$),
	('telemetry.http_app_health(jsonb,jsonb)', '{reader,writer,admin}', 'SELECT telemetry.http_app_health()'),
	('telemetry.http_increment(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_increment('{}', '{"session_id": "s"}')$$),
	('telemetry.open_ingests()', '{reader,admin}', 'SELECT telemetry.open_ingests()'),
	('telemetry.alter_job(text,interval,boolean,timestamptz)', '{admin}', $$SELECT telemetry.alter_job('roll_up', '1 min')$$),
	('telemetry.report_progress(text,text,bigint,bigint)', '{admin}', $$SELECT telemetry.report_progress('c', 'p', 1, 2)$$),
	('telemetry.end_progress()', '{admin}', 'SELECT telemetry.end_progress()'),
	('telemetry.progress_of_backends()', '{reader,admin}', 'SELECT telemetry.progress_of_backends()'),
	('telemetry.worker_state()', '{reader,admin}', 'SELECT telemetry.worker_state()'),
	('telemetry.publish(text,text,jsonb)', '{admin}', $$SELECT telemetry.publish('thing.done', 'k', '{}')$$),
	('telemetry.in_active_hours(text[],text,timestamptz)', '{reader,writer,admin,nobody}', NULL),
	('telemetry.settle_absence(timestamptz)', '{admin}', $$SELECT telemetry.settle_absence('2024-01-02')$$),
	('telemetry.settle_levels(timestamptz)', '{admin}', $$SELECT telemetry.settle_levels('2024-01-02')$$),
	('telemetry.job_absence()', '{admin}', 'SELECT telemetry.job_absence()'),
	('telemetry.alert_verdicts(telemetry.alert_rule,text,text,timestamptz,timestamptz,timestamptz[],timestamptz[])', '{reader,admin}',
		$$SELECT telemetry.alert_verdicts(r, 'rights', 'alert', '2024-01-01', '2024-01-02', '{}', '{}') FROM telemetry.alert_rule AS r$$),
	('telemetry.explain_alert_rule(text,text,text,timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.explain_alert_rule('rights', 'rights', 'alert', '2024-01-01', '2024-01-02')$$),
	('telemetry.test_alert_rule(telemetry.alert_rule,timestamptz,timestamptz)', '{reader,admin}',
		$$SELECT telemetry.test_alert_rule(r, '2024-01-01', '2024-01-02') FROM telemetry.alert_rule AS r$$),
	('telemetry.test_alert_rule(text,timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.test_alert_rule('rights', '2024-01-01', '2024-01-02')$$),
	('telemetry.create_outbox_consumer(text,text[],boolean)', '{admin}', $$SELECT telemetry.create_outbox_consumer('another')$$),
	('telemetry.drop_outbox_consumer(text)', '{admin}', $$SELECT telemetry.drop_outbox_consumer('rights')$$),
	('telemetry.take_outbox(text,integer)', '{admin}', $$SELECT telemetry.take_outbox('rights')$$),
	('telemetry.handle_event(text,jsonb)', '{admin}', $$SELECT telemetry.handle_event('device.deleted', '{"device_id": "rights"}')$$),
	('telemetry.http_handle_event(jsonb,jsonb)', '{admin}', $$SELECT telemetry.http_handle_event('{"event_type": "user.deleted"}', '{"user_id": "u"}')$$),
	('telemetry.prepare_notifications(integer,timestamptz)', '{writer,admin}', 'SELECT telemetry.prepare_notifications()'),
	('telemetry.take_notifications(text,integer,interval,timestamptz)', '{writer,admin}', $$SELECT telemetry.take_notifications('w')$$),
	('telemetry.settle_notification(text,boolean,text,integer,boolean,timestamptz)', '{writer,admin}', $$SELECT telemetry.settle_notification('rights', false, 'why')$$),
	('telemetry.retry_notifications(text,integer,timestamptz)', '{admin}', $$SELECT telemetry.retry_notifications('rights')$$),
	('telemetry.discard_notifications(text,text,integer,timestamptz)', '{admin}', $$SELECT telemetry.discard_notifications('rights')$$),
	('telemetry.json_time(timestamptz)', '{reader,writer,admin}', 'SELECT telemetry.json_time(now())'),
	('telemetry.time_parameter(text)', '{reader,writer,admin}', $$SELECT telemetry.time_parameter('2024-01-01')$$),
	('telemetry.date_parameter(text)', '{reader,writer,admin}', $$SELECT telemetry.date_parameter('2024-01-01')$$),
	('telemetry.integer_parameter(text,integer,integer)', '{reader,writer,admin}', $$SELECT telemetry.integer_parameter('5', 1, 9)$$),
	('telemetry.check_parameters(jsonb,text[],text[],jsonb)', '{reader,writer,admin}', $$SELECT telemetry.check_parameters('{"from": "x"}', '{from}', '{}', '{}')$$),
	('telemetry.check_page(jsonb,text[])', '{reader,writer,admin}', $$SELECT telemetry.check_page('{"limit": "x"}')$$),
	('telemetry.page_limit(jsonb)', '{reader,writer,admin}', $$SELECT telemetry.page_limit('{}')$$),
	('telemetry.page_offset(jsonb)', '{reader,writer,admin}', $$SELECT telemetry.page_offset('{}')$$),
	('telemetry.page_answer(jsonb,text,jsonb,bigint,jsonb)', '{reader,writer,admin}', $$SELECT telemetry.page_answer('{}', 'x', NULL, 0)$$),
	('telemetry.first_day(jsonb,text)', '{reader,writer,admin}', $$SELECT telemetry.first_day('{"from": "2024-01-01"}', 'from')$$),
	('telemetry.last_day(jsonb,text)', '{reader,writer,admin}', $$SELECT telemetry.last_day('{"to": "2024-01-01"}', 'to')$$),
	('telemetry.csv_field(text)', '{reader,writer,admin}', $$SELECT telemetry.csv_field('=1')$$),
	('telemetry.current_actor(text)', '{writer,admin}', $$SELECT telemetry.current_actor()$$),
	('telemetry.acknowledge_alert(text,text,text)', '{writer,admin}', $$SELECT telemetry.acknowledge_alert('active')$$),
	('telemetry.resolve_alert(text,text,text)', '{writer,admin}', $$SELECT telemetry.resolve_alert('rights', 'note')$$),
	('telemetry.delete_alert_rule(text)', '{admin}', $$SELECT telemetry.delete_alert_rule('rights')$$),
	('telemetry.field_is(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.field_is('"a"', '{"kind": "text", "lowest": 1, "highest": 2}')$$),
	('telemetry.field_rule(text,jsonb)', '{writer,admin}', $$SELECT telemetry.field_rule('f', '{"kind": "choice", "choices": ["a", "b"]}')$$),
	('telemetry.check_fields(jsonb,jsonb,boolean)', '{writer,admin}', $$SELECT telemetry.check_fields('{"x": 1}', telemetry.alert_rule_fields(), false)$$),
	('telemetry.texts_of(jsonb)', '{writer,admin}', $$SELECT telemetry.texts_of('["x"]')$$),
	('telemetry.http_found(jsonb,text)', '{writer,admin}', $$SELECT telemetry.http_found(NULL, 'Rights')$$),
	('telemetry.http_done(boolean,text,text,jsonb)', '{writer,admin}', $$SELECT telemetry.http_done(false, 'Rights', 'tested', '{}')$$),
	('telemetry.check_privileges(text,text[])', '{writer,admin}', $$SELECT telemetry.check_privileges('telemetry.alert_rule', '{INSERT}')$$),
	('telemetry.device_group_fields()', '{writer,admin}', 'SELECT telemetry.device_group_fields()'),
	('telemetry.maintenance_fields()', '{writer,admin}', 'SELECT telemetry.maintenance_fields()'),
	('telemetry.alert_rule_fields()', '{writer,admin}', $$SELECT telemetry.alert_rule_fields()$$),
	('telemetry.write_alert_rule(text,jsonb,text,text)', '{writer,admin}', $$SELECT telemetry.write_alert_rule(NULL, '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}', 'a')$$),
	('telemetry.caller_name(jsonb)', '{writer,admin}', $$SELECT telemetry.caller_name('{}')$$),
	('telemetry.set_retention(text,integer)', '{writer,admin}', NULL),
	('telemetry.metric_definition_of(text)', '{reader,admin}', $$SELECT (telemetry.metric_definition_of('rights')).name$$),
	('telemetry.metric_fields()', '{writer,admin}', $$SELECT telemetry.metric_fields()$$),
	('telemetry.metric_definition_json(telemetry.metric_definition)', '{reader,writer,admin}', $$SELECT telemetry.metric_definition_json(NULL)$$),
	('telemetry.write_metric(text,jsonb,text)', '{writer,admin}', $$SELECT telemetry.write_metric(NULL, '{"name": "n", "data_type": "numeric", "retention_days": 5}', NULL)$$),
	('telemetry.http_create_metric(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_create_metric('{}', '{"name": "n", "data_type": "string", "allowed_values": ["a"]}')$$),
	('telemetry.http_change_metric(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_change_metric('{"metric_name": "rights"}', '{"unit": "u"}')$$),
	('telemetry.http_delete_metric(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_delete_metric('{"metric_name": "rights"}')$$),
	('telemetry.http_metric(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_metric('{"metric_name": "rights"}')$$),
	('telemetry.http_metrics(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_metrics('{}')$$),
	('telemetry.alert_rule_json(telemetry.alert_rule)', '{reader,writer,admin}', $$SELECT telemetry.alert_rule_json(NULL)$$),
	('telemetry.alert_json(telemetry.alert)', '{reader,writer,admin}', $$SELECT telemetry.alert_json(NULL)$$),
	('telemetry.maintenance_json(telemetry.maintenance)', '{reader,writer,admin}', $$SELECT telemetry.maintenance_json(NULL)$$),
	('telemetry.alerts_like(telemetry.alert_status,telemetry.alert_level,text,text,text,timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.alerts_like('active', 'info', NULL, NULL, NULL, NULL, NULL)$$),
	('telemetry.day_timezone()', '{reader,admin}', $$SELECT telemetry.day_timezone()$$),
	('telemetry.query_bucket(text[],timestamptz,timestamptz,interval)', '{reader,admin}', $$SELECT telemetry.query_bucket('{m}', '2024-01-01', '2024-01-02')$$),
	('telemetry.query_cursor(text,text,timestamptz)', '{reader,writer,admin,nobody}', NULL),
	('telemetry.read_query_cursor(text)', '{reader,writer,admin,nobody}', NULL),
	('telemetry.check_query(text[],timestamptz,timestamptz,text[],text,interval,jsonb,text,text,boolean)', '{reader,admin}', $$SELECT telemetry.check_query('{m}', '2024-01-01', '2024-01-02', NULL, NULL, NULL, NULL, 'none', 'UTC', false)$$),
	('telemetry.list_query_series(text[],timestamptz,timestamptz,text[],boolean,text,text)', '{reader,admin}', $$SELECT telemetry.list_query_series('{m}', '2024-01-01', '2024-01-02', NULL, false, NULL, NULL)$$),
	('telemetry.is_of_days(interval)', '{reader,writer,admin,nobody}', NULL),
	('telemetry.is_of_hours(interval,text)', '{reader,admin}', $$SELECT telemetry.is_of_hours('1 hour', 'UTC')$$),
	('telemetry.query_unit(text,text,text,timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.query_unit('avg', 'rights', 'm', '2024-01-01', '2024-01-02')$$),
	('telemetry.aggregate_unit(text,text)', '{reader,writer,admin,nobody}', NULL),
	('telemetry.query_rows(text[],timestamptz,timestamptz,text[],text,interval,jsonb,text,text,integer,text,boolean)', '{reader,admin}', $$SELECT * FROM telemetry.query_rows('{m}', '2024-01-01', '2024-01-02', NULL, NULL, NULL, NULL, 'none', 'UTC', 10, NULL, false)$$),
	('telemetry.query(text[],timestamptz,timestamptz,text[],text,interval,jsonb,text,text,integer,text,boolean)', '{reader,admin}', $$SELECT * FROM telemetry.query('{m}', '2024-01-01', '2024-01-02', '{rights}', 'avg', '1 day', fill => 'linear')$$),
	('telemetry.rollup_number(telemetry.rollup,text)', '{reader,writer,admin,nobody}', NULL),
	('telemetry.hour_from(timestamptz)', '{reader,admin}', $$SELECT telemetry.hour_from('2024-01-01')$$),
	('telemetry.query_by_hour(telemetry.query_scope,text,integer)', '{reader,admin}', $$SELECT telemetry.query_by_hour(ROW('{rights}', '{m}', '2024-01-01', '2024-01-02', '1 hour', 'UTC', false, false)::telemetry.query_scope, 'avg', NULL)$$),
	('telemetry.query_quantiles_by_hour(telemetry.query_scope,text,integer)', '{reader,admin}', $$SELECT telemetry.query_quantiles_by_hour(ROW('{rights}', '{m}', '2024-01-01', '2024-01-02', '1 hour', 'UTC', false, false)::telemetry.query_scope, 'p95', NULL)$$),
	('telemetry.query_by_point(telemetry.query_scope,text,jsonb,integer)', '{reader,admin}', $$SELECT telemetry.query_by_point(ROW('{rights}', '{m}', '2024-01-01', '2024-01-02', '1 hour', 'UTC', false, false)::telemetry.query_scope, 'avg', NULL, NULL)$$),
	('telemetry.query_changes(telemetry.query_scope,text,jsonb)', '{reader,admin}', $$SELECT telemetry.query_changes(ROW('{rights}', '{m}', '2024-01-01', '2024-01-02', '1 hour', 'UTC', false, false)::telemetry.query_scope, 'rate', NULL)$$),
	('telemetry.fill_query(telemetry.query_scope,telemetry.query_series[],telemetry.query_aggregate[],text)', '{reader,admin}', $$SELECT telemetry.fill_query(ROW('{rights}', '{m}', '2024-01-01', '2024-01-02', '1 hour', 'UTC', false, false)::telemetry.query_scope, '{}', '{}', 'null')$$),
	('telemetry.json_timestamp(timestamptz)', '{reader,admin}', $$SELECT telemetry.json_timestamp('2024-01-01')$$),
	('telemetry.json_points(telemetry.query_row[],boolean)', '{reader,admin}', $$SELECT telemetry.json_points('{}', false)$$),
	('telemetry.query_answer(text[],timestamptz,timestamptz,text[],text,integer,jsonb,text,text,integer,text,integer)', '{reader,admin}', $$SELECT telemetry.query_answer('{m}', '2024-01-01', '2024-01-02', NULL, NULL, NULL, NULL, 'none', 'UTC', 10, NULL, 422)$$),
	('telemetry.http_query(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_query('{}', '{"metrics": ["m"], "start_time": "2024-01-01", "end_time": "2024-01-02"}')$$),
	('telemetry.http_latest(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_latest('{"device_id": "rights", "metric_name": "m", "hours": "876000"}')$$),
	('telemetry.http_device_metrics(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_device_metrics('{"device_id": "rights"}')$$),
	('telemetry.http_range(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_range('{"device_id": "rights", "metric_name": "m"}')$$),
	('telemetry.http_aggregated(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_aggregated('{"metric_name": "m", "aggregation_type": "avg", "interval": "3600", "start_time": "2024-01-01", "end_time": "2024-01-02"}')$$),
	('telemetry.http_alert_rules(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_alert_rules('{}')$$),
	('telemetry.http_alert_rule(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_alert_rule('{"rule_id": "rights"}')$$),
	('telemetry.http_create_alert_rule(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_create_alert_rule('{}', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}')$$),
	('telemetry.http_change_alert_rule(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_change_alert_rule('{"rule_id": "rights"}', '{"threshold_value": 2}')$$),
	('telemetry.http_enable_alert_rule(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_enable_alert_rule('{"rule_id": "rights"}', '{"enabled": false}')$$),
	('telemetry.http_delete_alert_rule(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_delete_alert_rule('{"rule_id": "rights"}')$$),
	('telemetry.http_alerts(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_alerts('{"status": "active", "start_time": "2024-01-01"}')$$),
	('telemetry.http_alert(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_alert('{"alert_id": "rights"}')$$),
	('telemetry.http_acknowledge_alert(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_acknowledge_alert('{"alert_id": "active"}')$$),
	('telemetry.http_resolve_alert(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_resolve_alert('{"alert_id": "rights"}', '{"note": "n"}')$$),
	('telemetry.http_device_groups(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_device_groups('{}')$$),
	('telemetry.http_device_group(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_device_group('{"name": "g"}')$$),
	('telemetry.http_put_device_group(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_put_device_group('{"name": "g"}', '{"device_ids": ["d"]}')$$),
	('telemetry.http_delete_device_group(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_delete_device_group('{"name": "g"}')$$),
	('telemetry.http_create_maintenance(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_create_maintenance('{}', '{"ends_at": "2099-01-01"}')$$),
	('telemetry.http_maintenances(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_maintenances('{}')$$),
	('telemetry.http_maintenance(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_maintenance('{"id": "1"}')$$),
	('telemetry.http_delete_maintenance(jsonb,jsonb)', '{writer,admin}', $$SELECT telemetry.http_delete_maintenance('{"id": "1"}')$$),
	('telemetry.locf(anyelement)', '{reader,writer,admin,nobody}', 'SELECT telemetry.locf(1) OVER ()'),
	('telemetry.interpolate(float8,timestamptz)', '{reader,writer,admin,nobody}', 'SELECT telemetry.interpolate(1, now()) OVER ()'),
	('telemetry.time_weighted_average(timestamptz,float8,text)', '{reader,writer,admin,nobody}', $$SELECT telemetry.time_weighted_average(now(), 1, 'locf')$$),
	('telemetry.time_weighted_average(timestamptz,float8,text,timestamptz,timestamptz)', '{reader,writer,admin,nobody}', $$SELECT telemetry.time_weighted_average(now(), 1, 'locf', now(), NULL)$$),
	('telemetry.first(anyelement,timestamptz)', '{reader,writer,admin,nobody}', 'SELECT telemetry.first(1, now())'),
	('telemetry.last(anyelement,timestamptz)', '{reader,writer,admin,nobody}', 'SELECT telemetry.last(1, now())'),
	('telemetry.metric_type(text)', '{reader,admin}', $$SELECT telemetry.metric_type('m')$$),
	('telemetry.device_metric_statistics(text)', '{reader,admin}', $$SELECT telemetry.device_metric_statistics('rights')$$),
	('telemetry.bytes_per_point(text)', '{reader,admin}', $$SELECT telemetry.bytes_per_point('rights')$$),
	('telemetry.device_statistics(text)', '{reader,admin}', $$SELECT telemetry.device_statistics('rights')$$),
	('telemetry.http_device_statistics(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_device_statistics('{"device_id": "rights"}')$$),
	('telemetry.count_points(timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.count_points('2024-01-01', '2024-01-02')$$),
	('telemetry.service_statistics()', '{reader,admin}', 'SELECT telemetry.service_statistics()'),
	('telemetry.http_service_statistics(jsonb,jsonb)', '{reader,admin}', $$SELECT telemetry.http_service_statistics('{}')$$),
	('telemetry.export_series(text[],text[],timestamptz,timestamptz)', '{reader,admin}', $$SELECT telemetry.export_series('{rights}', '{m}', '2024-01-01', '2024-01-02')$$),
	('telemetry.export_points(text[],text[],timestamptz,timestamptz,text)', '{reader,admin}', $$SELECT telemetry.export_points('{rights}', '{m}', '2024-01-01', '2024-01-02')$$),
	('telemetry.list_parameter(jsonb,text)', '{reader,writer,admin}', $$SELECT telemetry.list_parameter('{"l": "a,b"}', 'l')$$),
	('telemetry.http_export_csv(jsonb,jsonb)', '{reader,admin}',
		$$SELECT telemetry.http_export_csv('{"device_ids": "rights,=1", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}')$$),
	('telemetry.http_export_ndjson(jsonb,jsonb)', '{reader,admin}',
		$$SELECT telemetry.http_export_ndjson('{"device_ids": "rights", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}')$$),
	('telemetry.compact()', '{admin}', 'CALL telemetry.compact()'),
	('telemetry.refresh(text,text,timestamptz,timestamptz)', '{admin}', $$CALL telemetry.refresh('rights', NULL, NULL, NULL)$$),
	('telemetry.run_jobs(text,boolean,interval)', '{admin}', $$CALL telemetry.run_jobs('roll_up')$$);
-- What only computes, for everybody.
INSERT INTO function (signature, roles)
SELECT signature, '{reader,writer,admin,nobody}'
FROM unnest(ARRAY[
	'telemetry.sketch(float8)', 'telemetry.sketch_merge(telemetry.sketch)', 'telemetry.uniques_of(text)',
	'telemetry.uniques_of_all(hll)', 'telemetry.rollup(timestamptz,telemetry.value)', 'telemetry.rollup_merge(telemetry.rollup)',
	'telemetry.rollup_merge_fields(bigint,float8,float8,float8,float8,float8,float8,bigint,timestamptz,timestamptz,telemetry.sketch,text)',
	'telemetry.value_out(telemetry.value)', 'telemetry.value_send(telemetry.value)', 'telemetry.float8_to_value(float8)',
	'telemetry.float4_to_value(real)', 'telemetry.int2_to_value(smallint)', 'telemetry.int4_to_value(integer)',
	'telemetry.int8_to_value(bigint)', 'telemetry.numeric_to_value(numeric)', 'telemetry.text_to_value(text)',
	'telemetry.bpchar_to_value(character)', 'telemetry.name_to_value(name)', 'telemetry.boolean_to_value(boolean)',
	'telemetry.jsonb_to_value(jsonb)', 'telemetry.bytea_to_value(bytea)', 'telemetry.value_to_float8(telemetry.value)',
	'telemetry.value_to_float4(telemetry.value)', 'telemetry.value_to_int2(telemetry.value)',
	'telemetry.value_to_int4(telemetry.value)', 'telemetry.value_to_int8(telemetry.value)',
	'telemetry.value_to_numeric(telemetry.value)', 'telemetry.value_to_boolean(telemetry.value)',
	'telemetry.value_to_bytea(telemetry.value)', 'telemetry.value_to_text(telemetry.value)',
	'telemetry.value_to_name(telemetry.value)', 'telemetry.value_to_json(telemetry.value)',
	'telemetry.value_to_jsonb(telemetry.value)', 'telemetry.kind(telemetry.value)', 'telemetry.num(telemetry.value)',
	'telemetry.geo(float8,float8,float8)', 'telemetry.latitude(telemetry.value)', 'telemetry.longitude(telemetry.value)',
	'telemetry.altitude(telemetry.value)', 'telemetry.value_eq(telemetry.value,telemetry.value)',
	'telemetry.value_ne(telemetry.value,telemetry.value)', 'telemetry.value_lt(telemetry.value,telemetry.value)',
	'telemetry.value_le(telemetry.value,telemetry.value)', 'telemetry.value_gt(telemetry.value,telemetry.value)',
	'telemetry.value_ge(telemetry.value,telemetry.value)', 'telemetry.value_cmp(telemetry.value,telemetry.value)',
	'telemetry.value_hash(telemetry.value)', 'telemetry.value_hash_extended(telemetry.value,bigint)',
	'telemetry.sketch_out(telemetry.sketch)', 'telemetry.sketch_send(telemetry.sketch)',
	'telemetry.sketch_merge(telemetry.sketch,telemetry.sketch)', 'telemetry.sketch_count(telemetry.sketch)',
	'telemetry.quantile(telemetry.sketch,float8)', 'telemetry.quantile(telemetry.sketch,float8[])',
	'telemetry.sketch_eq(telemetry.sketch,telemetry.sketch)', 'telemetry.sketch_ne(telemetry.sketch,telemetry.sketch)',
	'telemetry.unique_count(hll)', 'telemetry.uniques_union(hll,hll)', 'telemetry.no_uniques()',
	'telemetry.fdw_validator(text[],oid)', 'telemetry.hour_of(timestamptz)', 'telemetry.day_of(timestamptz)',
	'telemetry.mean_of(float8,bigint)', 'telemetry.stddev_of(float8,bigint)',
	'telemetry.zone_has_whole_hours(text)', 'telemetry.zone_changes_by_hours(text)', 'telemetry.sums_are_close(float8,float8,bigint,float8)',
	'telemetry.m2_are_close(float8,float8,bigint,float8)', 'telemetry.sketch_bytes(telemetry.sketch)',
	'telemetry.rollup_difference(telemetry.rollup,telemetry.rollup)', 'telemetry.rollup_of_hours(text,text,date)',
	'telemetry.compare_day(text,text,date)', 'telemetry.compare_series(text,text)', 'telemetry.sample_percentage(regclass)',
	'telemetry.is_made_for_routes(oid)', 'telemetry.setting(text)', 'telemetry.new_id(text)',
	'telemetry.time_bucket(interval,timestamptz)', 'telemetry.time_bucket(interval,timestamp)', 'telemetry.time_bucket(interval,date)',
	'telemetry.time_bucket(interval,timestamptz,text)', 'telemetry.gapfill(interval,timestamptz,timestamptz)', 'telemetry.gapfill(interval,timestamptz,timestamptz,text)',
	'telemetry.delta(timestamptz,float8)', 'telemetry.rate(timestamptz,float8)', 'telemetry.gauge_delta(timestamptz,float8)', 'telemetry.time_weighted_average(timestamptz,float8)'
]) AS s (signature);

-- Nothing that is planted runs with other rights than the caller's: functions, operators and aggregates of all names that
-- there are, for common types, ahead of PostgreSQL's in the caller's search path, while each of the functions above is
-- called and each relation is read and written. This comes first, while nothing has been planned.
CREATE SCHEMA hostile;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
CREATE SEQUENCE hostile.alarms;
GRANT USAGE ON SEQUENCE hostile.alarms TO PUBLIC;
CREATE FUNCTION hostile.alarm(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF current_user <> current_setting('hostile.caller') THEN
		-- What a sequence knows outlives the statement.
		PERFORM nextval('hostile.alarms');
		RAISE WARNING '% was called as % by %', what, current_user, current_setting('hostile.caller');
	END IF;
	RETURN true;
END
$$;
CREATE TEMP TABLE common AS
SELECT t.oid
FROM pg_type AS t
WHERE t.typname IN ('hll', 'hll_hashval') OR t.oid = ANY (ARRAY['bool', 'int2', 'int4', 'int8', 'float8', 'numeric', 'text', 'name', 'bytea',
	'timestamptz', 'timestamp', 'date', 'interval', 'uuid', 'jsonb', 'json', 'oid', 'regclass', 'xid', 'int2[]', 'int4[]', 'int8[]', 'text[]',
	'uuid[]', 'bool[]', 'bytea[]', 'timestamptz[]', 'telemetry.value', 'telemetry.sketch', 'telemetry.uniques']::regtype[]);
DO $do$
DECLARE
	f record;
	arguments text;
	n integer := 0;
BEGIN
	FOR f IN
		SELECT p.proname, n.nspname, p.prokind, p.proretset, pg_get_function_result(p.oid) AS result, p.pronargs, p.proargtypes::oid[] AS types
		FROM pg_proc AS p
		JOIN pg_namespace AS n ON n.oid = p.pronamespace
		WHERE (n.nspname IN ('pg_catalog', 'telemetry') OR p.proname LIKE 'hll%') AND p.prokind IN ('f', 'a')
			AND p.proallargtypes IS NULL AND p.prorettype IN (SELECT c.oid FROM common AS c)
			AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) AS a (type) WHERE a.type NOT IN (SELECT c.oid FROM common AS c))
	LOOP
		arguments := (SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.i) FROM unnest(f.types) WITH ORDINALITY AS a (type, i));
		BEGIN
			IF f.prokind = 'f' THEN
				EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, arguments, f.result,
					format('BEGIN PERFORM hostile.alarm(%L); %s %I.%I(%s); END', f.proname, CASE WHEN f.proretset THEN 'RETURN QUERY SELECT' ELSE 'RETURN' END,
						f.nspname, f.proname, (SELECT string_agg('$' || i, ', ') FROM generate_series(1, f.pronargs) AS i)));
			ELSE
				EXECUTE format('CREATE FUNCTION hostile.step_%s(state int%s) RETURNS int LANGUAGE plpgsql AS %L', n, coalesce(', ' || arguments, ''),
					format('BEGIN PERFORM hostile.alarm(%L); RETURN 1; END', 'aggregate ' || f.proname));
				EXECUTE format('CREATE AGGREGATE hostile.%I(%s) (SFUNC = hostile.step_%s, STYPE = int)', f.proname, coalesce(arguments, '*'), n);
			END IF;
			n := n + 1;
		-- Aggregates and functions of one name.
		EXCEPTION WHEN duplicate_function OR invalid_function_definition THEN
			NULL;
		END;
	END LOOP;
	-- One that takes any type.
	FOREACH arguments IN ARRAY ARRAY['uuid', 'text', 'int8', 'int4', 'int2', 'bool', 'timestamptz', 'bytea'] LOOP
		EXECUTE format('CREATE FUNCTION hostile.unnest(%s[]) RETURNS SETOF %1$s LANGUAGE plpgsql AS %L', arguments,
			'BEGIN PERFORM hostile.alarm(''unnest''); RETURN QUERY SELECT pg_catalog.unnest($1); END');
	END LOOP;
	FOR f IN
		SELECT o.oprname AS name, o.oprleft, format_type(nullif(o.oprleft, 0), NULL) AS l, format_type(o.oprright, NULL) AS r,
			format_type(o.oprresult, NULL) AS result, n.nspname
		FROM pg_operator AS o
		JOIN pg_namespace AS n ON n.oid = o.oprnamespace
		WHERE (o.oprleft = 0 OR o.oprleft IN (SELECT c.oid FROM common AS c)) AND o.oprright IN (SELECT c.oid FROM common AS c)
			AND o.oprresult IN (SELECT c.oid FROM common AS c)
	LOOP
		EXECUTE format('CREATE FUNCTION hostile.operator_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', n, concat_ws(', ', f.l, f.r), f.result,
			format('BEGIN PERFORM hostile.alarm(%L); RETURN %s; END', concat_ws(' ', 'operator', f.l, f.name, f.r),
				CASE WHEN f.oprleft = 0 THEN format('OPERATOR(%I.%s) $1', f.nspname, f.name) ELSE format('$1 OPERATOR(%I.%s) $2', f.nspname, f.name) END));
		EXECUTE format('CREATE OPERATOR hostile.%s (%s RIGHTARG = %s, FUNCTION = hostile.operator_%s)', f.name,
			CASE WHEN f.oprleft <> 0 THEN format('LEFTARG = %s,', f.l) ELSE '' END, f.r, n);
		n := n + 1;
	END LOOP;
	PERFORM set_config('hostile.planted', n::text, true);
END
$do$;

-- As attempt(), with what is planted ahead in the search path.
CREATE FUNCTION pg_temp.attempt_among_hostiles(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.set_config('hostile.caller', role, true);
	EXECUTE pg_catalog.format('SET LOCAL ROLE %I', role);
	SET LOCAL search_path = hostile, pg_catalog, telemetry;
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'TLOK0', MESSAGE = 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) sqlerrm;
END
$$;
-- The trap does snap shut.
SELECT set_config('hostile.caller', 'somebody', true);
SET LOCAL client_min_messages = error;
SELECT ok(hostile.pg_backend_pid() OPERATOR(hostile.=) 1 IS NOT NULL AND nextval('hostile.alarms') = 3, 'what is planted says as whom it is called');
SET LOCAL client_min_messages = warning;
SELECT cmp_ok(current_setting('hostile.planted')::int, '>', 1500, 'much is planted');
SELECT setval('hostile.alarms', 1, false);
CREATE TEMP TABLE tried AS
SELECT s.statement, r.name, pg_temp.attempt_among_hostiles('rights_' || r.name, s.statement) AS outcome
FROM role AS r
CROSS JOIN (
	SELECT f.call FROM function AS f WHERE f.call IS NOT NULL
	UNION ALL
	SELECT format('SELECT * FROM telemetry.%I', c.relname)
	FROM pg_class AS c
	WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind IN ('v', 'f', 'r', 'p')
	UNION ALL
	SELECT format('CALL telemetry.run_jobs(%L)', j.name) FROM telemetry.job AS j
	UNION ALL
	VALUES
		($$INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'rights', 'm', '2'), ('infinity', 'rights', 'm', '1')$$),
		($$INSERT INTO telemetry.point_text (ts, value) VALUES ('2024-01-01', '{"a": 1}'), ('?', '?')$$),
		($$INSERT INTO telemetry.event (stream, event_id, event_type, subject_id) VALUES ('rights', '1', 'a', 'other'), ('rights', '2', 'a', 's'), ('no', '1', 'a', 's')$$),
		($$INSERT INTO telemetry.http_event (route, params, body) VALUES ('POST /event', '{}', '{"event_type": "success", "session_id": "s"}')$$),
		($$UPDATE telemetry.stream SET name = 'renamed', retention_days = 3 WHERE name OPERATOR(pg_catalog.=) 'rights'$$),
		($$DELETE FROM telemetry.stream WHERE name OPERATOR(pg_catalog.=) 'rights'$$),
		($$INSERT INTO telemetry.stream_field (stream, field) VALUES ('rights', 'data.x')$$),
		($$INSERT INTO telemetry.dialect (name, description) VALUES ('rights', '')$$),
		($$INSERT INTO telemetry.route (method, path, description, dialect, stream) VALUES ('POST', '/rights', '', 'core', 'rights')$$),
		($$INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES ('GET', '/rights', '', 'core', 'telemetry.http_health(jsonb, jsonb)')$$),
		($$UPDATE telemetry.dialect SET name = 'rights' WHERE name OPERATOR(pg_catalog.=) 'core'$$),
		($$INSERT INTO telemetry.retention (metric, retention_days) VALUES ('m', 30)$$),
		($$INSERT INTO telemetry.metric_definition (name, data_type, retention_days, allowed_values, tags) VALUES ('n', 'numeric', 5, '[1, 2]', '{t}')$$),
		($$UPDATE telemetry.metric_definition SET unit = 'v', retention_days = 6 WHERE name OPERATOR(pg_catalog.=) 'rights'$$),
		($$DELETE FROM telemetry.metric_definition$$),
		($$INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'rights', '"1"'), ('2024-01-01', 'd', 'rights', '200')$$),
		($$DELETE FROM telemetry.dead_letter$$),
		($$INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value, resolve_threshold, active_hours) VALUES ('n', 'm', '>', '2', '1', '{mon 08:00-09:00}')$$),
		($$UPDATE telemetry.alert_rule SET threshold_value = '3' WHERE rule_id OPERATOR(pg_catalog.=) 'rights'$$),
		($$DELETE FROM telemetry.alert_rule$$),
		($$INSERT INTO telemetry.device_group (name) VALUES ('g')$$),
		($$INSERT INTO telemetry.maintenance (starts_at, ends_at) VALUES ('2024-01-01', '2024-01-02')$$),
		($$INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-02', 'rights', 'alert', '1'), ('2024-01-03', 'rights', 'alert', '0')$$),
		($$INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels)
			VALUES ('rights_2', 'Rights', 'm', '>', '1', '{rights}')$$),
		($$INSERT INTO telemetry.alert (rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at)
			VALUES ('rights', 'Rights', 'rights', 'm', 'info', '>', '1', '2', 'm', '2024-01-01')$$),
		($$INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://localhost/', '{"X-Y": "z"}')$$),
		($$UPDATE telemetry.notification_channel SET url = 'http://other/', secret = 'fedcba9876543210' WHERE name OPERATOR(pg_catalog.=) 'rights'$$),
		($$DELETE FROM telemetry.notification_channel$$)
) AS s (statement);
SELECT is(pg_temp.attempt('rights_admin', $$WITH made AS (INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value)
	VALUES ('rights_3', 'Rights', 'm', '>', '1') RETURNING 1) SELECT * FROM made$$), 'ok', 'admin makes a rule');
SELECT is(pg_temp.attempt('rights_admin', $$UPDATE telemetry.alert_rule SET threshold_value = '7'$$), 'ok', 'admin changes rules');
SELECT is((SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hostile.alarms), 0::bigint,
	'nothing planted runs with other rights than the caller''s');
-- Privileges apart, what is planted makes none of them fail; a procedure that commits cannot be called here to its end.
SELECT is_empty($$SELECT statement, name, outcome FROM tried WHERE outcome !~ '^(TLOK0|42501|2D000) '$$, 'nor does it do any harm');
SELECT cmp_ok(count(*) FILTER (WHERE outcome LIKE 'TLOK0%'), '>', 200::bigint, 'most of them end well') FROM tried;
DROP SCHEMA hostile CASCADE;

CREATE TEMP TABLE present AS
SELECT p.oid, p.oid::regprocedure::text AS signature, p.prokind, p.proargtypes
FROM pg_proc AS p
WHERE p.pronamespace = 'telemetry'::regnamespace
	AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype, 'fdw_handler'::regtype)
	AND NOT ('internal'::regtype = ANY (p.proargtypes::oid[]) OR 'cstring'::regtype = ANY (p.proargtypes::oid[]));
-- What is in neither is for the owner alone, as are the functions of jobs.
SELECT is_empty($$SELECT signature FROM function WHERE to_regprocedure(signature) IS NULL$$, 'the table names functions that are there');
SELECT is_empty($$
	SELECT p.signature, r.name
	FROM present AS p
	CROSS JOIN role AS r
	WHERE has_function_privilege('rights_' || r.name, p.oid, 'EXECUTE')
		AND NOT EXISTS (SELECT FROM function AS f WHERE to_regprocedure(f.signature) = p.oid AND r.name = ANY (f.roles))
$$, 'nobody may call what the table does not say');
SELECT matches(pg_temp.attempt('rights_' || r.name, coalesce(f.call, format('SELECT %s(%s)', p.oid::regproc,
		(SELECT string_agg('NULL::' || format_type(a.type, NULL), ', ' ORDER BY a.i) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (type, i))))),
	-- A procedure that commits cannot be called here to its end.
	'^(ok$|2D000 )', format('%s calls %s', r.name, f.signature))
FROM function AS f
JOIN present AS p ON p.oid = to_regprocedure(f.signature)
JOIN role AS r ON r.name = ANY (f.roles);
SELECT matches(pg_temp.attempt('rights_' || r.name, f.call), '^42501 ', format('%s does not call %s', r.name, f.signature))
FROM function AS f
JOIN role AS r ON r.name <> ALL (f.roles)
WHERE f.call IS NOT NULL;

-- Tables and views, and who reads them.
CREATE TEMP TABLE readable (name text, roles text[]);
INSERT INTO readable
SELECT name, '{reader,admin}' FROM unnest(ARRAY['alert', 'alert_engine_status', 'alert_pending', 'alert_recount', 'alert_rule', 'alert_rule_error', 'alert_rule_status', 'alert_rule_total', 'alert_state',
	'latest', 'metric', 'metric_definition', 'device_group', 'maintenance', 'pending_latest', 'pending_hour', 'pending_point', 'point', 'rolled_up_point', 'stored_day', 'stored_hour', 'audit', 'audit_run', 'batch_log', 'compaction',
	'compaction_state', 'conflict', 'dead_letter', 'dialect', 'drop_log', 'event_drop', 'receipt', 'retention', 'route', 'series', 'stream',
	'stream_field', 'audit_status', 'core_module_daily', 'event', 'event_daily', 'event_daily_live', 'event_freshness',
	'event_hourly', 'event_hourly_live', 'event_partition', 'flash_count_daily', 'freshness', 'job_status', 'listener_daily', 'live_day',
	'live_hour', 'metric_daily', 'metric_daily_live', 'metric_hourly', 'metric_hourly_live', 'out_of_reach', 'playback_daily', 'progress',
	'notification_status', 'openapi_state', 'recent_failures', 'set_aside', 'statistics_hour', 'statistics_state', 'store_part', 'stream_daily', 'stream_daily_live', 'sync_health', 'track_daily', 'user_daily', 'user_daily_live', 'worker']) AS n (name);
INSERT INTO readable
SELECT name, '{admin}' FROM unnest(ARRAY['block', 'event_log', 'erasure', 'event_batch', 'event_change', 'event_key', 'event_rollup_day',
	'event_rollup_hour', 'layout', 'retention_state', 'retention_todo', 'rollup_day', 'rollup_hour', 'stream_rollup_day',
	'user_rollup_day', 'retention_class', 'outbox', 'outbox_consumer', 'notification', 'notification_channel_state']) AS n (name);
INSERT INTO readable VALUES ('subject', '{reader,writer,admin}');
INSERT INTO readable
SELECT name, '{}' FROM unnest(ARRAY['event_key_pass', 'event_template', 'job', 'job_state', 'progress_state', 'set_aside_state', 'batch_event',
	'changed_cell', 'deleted_alert_rule', 'notification_channel', 'http_event', 'pending_event', 'point_text']) AS n (name);
SELECT set_eq(
	$$SELECT relname::text FROM pg_class WHERE relnamespace = 'telemetry'::regnamespace AND relkind IN ('v', 'f', 'r', 'p') AND NOT relispartition$$,
	'SELECT name FROM readable', 'the table has all tables and views');
SELECT matches(pg_temp.attempt('rights_' || r.name, format('SELECT * FROM telemetry.%I', t.name)),
	CASE WHEN r.name = ANY (t.roles) THEN '^ok$' ELSE '^42501 ' END,
	format('%s %s %s', r.name, CASE WHEN r.name = ANY (t.roles) THEN 'reads' ELSE 'does not read' END, t.name))
FROM readable AS t
CROSS JOIN role AS r;

SELECT * FROM finish();
ROLLBACK;
