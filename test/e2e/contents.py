"""A database with some of everything, and what is in it, for tests that copy whole databases."""

DAYS = 5

FILL = f"""
    INSERT INTO telemetry.stream (name, description, on_conflict, access_check, retention_days)
    VALUES ('door', 'Doors that open and close.', 'last_write_wins', 'may_enter(text, text)', 100);
    INSERT INTO telemetry.stream_field (stream, field, required) VALUES ('door', 'subject_id', true);
    INSERT INTO telemetry.dialect (name, description, fields)
    VALUES ('door', 'Doors.', '{{"event_type": "what", "subject_id": "door", "event_id": "id", "user_id": "params:caller.user_id"}}');
    INSERT INTO telemetry.route (method, path, description, dialect, stream, function) VALUES
        ('POST', '/door', 'Takes an event.', 'door', 'door', NULL),
        ('GET', '/door', 'Lists doors.', 'door', NULL, 'doors(jsonb, jsonb)');
    INSERT INTO telemetry.retention (metric, retention_days) VALUES (NULL, 1000), ('m', 3000);
    SELECT FROM telemetry.alter_job('prune', run_every => '2 h');
    SELECT FROM telemetry.create_outbox_consumer('other');
    INSERT INTO telemetry.notification_channel (name, kind, url, secret) VALUES ('hook', 'webhook', 'http://hook.example/', '0123456789abcdef');
    INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels)
    VALUES ('hot', 'Hot', 'heat', '>', '90', '{{hook,nowhere}}');
    INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now() - interval '1 hour', 'device-0', 'heat', '95');
    SELECT FROM telemetry.prepare_notifications();
    INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags)
    SELECT date_trunc('day', now()) - d * interval '1 day' + i * interval '5 minutes', 'device-' || i % 20, 'm',
        CASE i % 3 WHEN 0 THEN i::float8::telemetry.value WHEN 1 THEN ('text ' || i)::telemetry.value
            ELSE (i % 2 = 0)::telemetry.value END,
        CASE WHEN i % 5 = 0 THEN 'V' END, CASE WHEN i % 7 = 0 THEN jsonb_build_object('i', i) END
    FROM generate_series(1, {DAYS}) AS d, generate_series(1, 200) AS i;
    INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('infinity', 'device-1', 'm', '1');
    INSERT INTO telemetry.event (stream, event_id, event_type, received_at, occurred_at, subject_id, user_id, data)
    SELECT 'door', format('%s-%s', d, i), 'opened', now() - d * interval '1 day', now() - d * interval '1 day',
        'door-' || i % 5, 'user-' || i % 10, jsonb_build_object('i', i)
    FROM generate_series(0, {DAYS}) AS d, generate_series(1, 50) AS i;
"""

FUNCTIONS = """
    CREATE FUNCTION public.may_enter(subject_id text, user_id text) RETURNS boolean LANGUAGE sql AS
        $$ SELECT user_id IS DISTINCT FROM 'stranger' $$;
    CREATE FUNCTION public.doors(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS
        $$ SELECT 200, '["front"]'::jsonb, NULL $$;
"""


def fill(cluster):
    """Points, events, rules, functions; rolled up and merged, but for some that came after."""
    cluster.execute(FUNCTIONS)
    cluster.execute(FILL)
    cluster.run_psql(["-c", "CALL telemetry.run_jobs()"])
    cluster.execute("""
        INSERT INTO telemetry.point (ts, device_id, metric, value)
        SELECT date_trunc('day', now()) + i * interval '1 second', 'device-' || i % 20, 'm', '7' FROM generate_series(1, 200) AS i;
        INSERT INTO telemetry.event (stream, event_id, event_type, subject_id) VALUES ('door', 'last', 'closed', 'door-1')""")


def checksums(cluster, leave_out=()):
    """{table: number and checksum of its rows} of all tables of ours, and of points and events as they are read."""
    tables = [name for (name,) in cluster.rows("""
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'
        ORDER BY 1""") if name not in leave_out]
    rows = cluster.rows(" UNION ALL ".join(f"""
        SELECT '{name}', count(*), md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM telemetry.{name} AS t"""
                                           for name in [*tables, "point", "event"]))
    return {name: (count, checksum) for name, count, checksum in rows}


def audit(cluster):
    """What differs between aggregates and what they are of: nothing, if all is well."""
    return cluster.rows("SELECT * FROM telemetry.audit_rollups()") + cluster.rows("""
        SELECT e.n, r.n
        FROM (SELECT count(*) AS n FROM telemetry.event
                WHERE stream = 'door' AND telemetry.day_of(received_at) >= current_date - 2) AS e,
            (SELECT sum(n) AS n FROM telemetry.stream_daily_live WHERE stream = 'door' AND day >= current_date - 2) AS r
        WHERE e.n <> r.n""")
