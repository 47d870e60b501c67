-- What people do with alert rules and alerts; over HTTP: 68_alert_http.sql.

CREATE FUNCTION telemetry.current_actor("by" text DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	claimed CONSTANT text := coalesce("by", nullif(current_setting('telemetry.actor', true), ''));
BEGIN
	IF claimed IS NULL OR claimed = session_user THEN
		RETURN session_user;
	END IF;
	-- The session's user and not the current one, which within functions is whoever they belong to.
	IF NOT pg_has_role(session_user, 'telemetry_writer', 'MEMBER') THEN
		IF "by" IS NULL THEN
			RETURN session_user;
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('role "%s" cannot act as "%s"', session_user, left(claimed, 256)),
			HINT = 'Only members of telemetry_writer speak for others.';
	END IF;
	IF octet_length(claimed) NOT BETWEEN 1 AND 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('who acts must have a name of 1 to 256 bytes, not of %s', octet_length(claimed));
	END IF;
	RETURN claimed;
END
$$;
COMMENT ON FUNCTION telemetry.current_actor(text) IS
	'Who is told to act: by, else the setting telemetry.actor, else the session''s user. The first two are believed only if the session''s user '
	'is a member of telemetry_writer, as the proxy''s is, which speaks for others; else the setting does not count, and by is an error unless it '
	'is the session''s user. Errors: insufficient_privilege; invalid_parameter_value unless it has 1 to 256 bytes.';

-- Alerts ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.lock_alert(alert_id text) RETURNS telemetry.alert
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	alert telemetry.alert;
BEGIN
	SELECT a.* INTO alert FROM telemetry.alert AS a WHERE a.alert_id = lock_alert.alert_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no alert "%s"', left(lock_alert.alert_id, 128));
	END IF;
	-- What is resolved stays so, and its series may not be known any more.
	IF alert.status = 'resolved' THEN
		RETURN alert;
	END IF;
	LOOP
		PERFORM FROM telemetry.alert_state AS s
		WHERE s.rule_id = alert.rule_id AND s.device_id = alert.device_id AND s.metric_name = alert.metric_name
		FOR UPDATE;
		EXIT WHEN FOUND OR NOT EXISTS (SELECT FROM telemetry.alert AS a WHERE a.alert_id = lock_alert.alert_id AND a.status <> 'resolved');
		-- A restore of some tables has lost it. It is of no revision, so that the next one who judges computes it anew.
		INSERT INTO telemetry.alert_state (rule_id, device_id, metric_name, revision, live, recount, decided_to, open_alert,
			last_triggered, last_violation, changed_at)
		VALUES (alert.rule_id, alert.device_id, alert.metric_name, 0, true, true, alert.triggered_at, alert.alert_id,
			alert.triggered_at, alert.triggered_at, clock_timestamp())
		ON CONFLICT DO NOTHING;
	END LOOP;
	-- Those who judge the series, and others who change the alert, have had the lock before.
	SELECT a.* INTO alert FROM telemetry.alert AS a WHERE a.alert_id = lock_alert.alert_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no alert "%s"', left(lock_alert.alert_id, 128));
	END IF;
	RETURN alert;
END
$$;
COMMENT ON FUNCTION telemetry.lock_alert(text) IS
	'Of telemetry.acknowledge_alert() and resolve_alert(): the alert as it is once its series'' row of telemetry.alert_state is locked, which is made if '
	'it is missing. Of an alert that is resolved nothing is locked. Error: no_data_found.';

CREATE FUNCTION telemetry.acknowledge_alert(alert_id text, note text DEFAULT NULL, "by" text DEFAULT NULL) RETURNS telemetry.alert
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	actor CONSTANT text := telemetry.current_actor("by");
	alert telemetry.alert;
BEGIN
	alert := telemetry.lock_alert(acknowledge_alert.alert_id);
	UPDATE telemetry.alert AS a
	SET status = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = actor, acknowledgement_note = note
	WHERE a.alert_id = alert.alert_id
	RETURNING a.* INTO alert;
	RETURN alert;
END
$$;
COMMENT ON FUNCTION telemetry.acknowledge_alert(text, text, text) IS
	'Somebody has seen an alert that is active: it is acknowledged, with a note of up to 10000 characters or none; by as telemetry.current_actor() has it. Returns the alert. '
	'Errors: no_data_found if there is none of that name, object_not_in_prerequisite_state if it is not active, check_violation, '
	'and those of telemetry.current_actor().';

CREATE FUNCTION telemetry.resolve_alert(alert_id text, note text DEFAULT NULL, "by" text DEFAULT NULL) RETURNS telemetry.alert
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	actor CONSTANT text := telemetry.current_actor("by");
	alert telemetry.alert;
BEGIN
	alert := telemetry.lock_alert(resolve_alert.alert_id);
	UPDATE telemetry.alert AS a
	SET status = 'resolved', resolved_at = greatest(clock_timestamp(), a.triggered_at), resolution_known_at = clock_timestamp(),
		resolution = 'user', resolved_by = actor, resolution_note = note
	WHERE a.alert_id = alert.alert_id
	RETURNING a.* INTO alert;
	-- live stays as it is: ingest knows best whether the series still matters.
	UPDATE telemetry.alert_state AS s
	SET open_alert = NULL, last_resolved = alert.resolved_at, due_at = NULL, changed_at = clock_timestamp()
	WHERE s.rule_id = alert.rule_id AND s.device_id = alert.device_id AND s.metric_name = alert.metric_name;
	RETURN alert;
END
$$;
COMMENT ON FUNCTION telemetry.resolve_alert(text, text, text) IS
	'Somebody closes an alert that is active or acknowledged, with a note of up to 10000 characters or none; by as telemetry.current_actor() has it. resolved_at is now, by the server''s '
	'clock, but not before triggered_at; points before it trigger no alert of the series any more. Returns the alert. Errors: no_data_found if there is none '
	'of that name, object_not_in_prerequisite_state if it is resolved already, check_violation, and those of telemetry.current_actor().';

-- Rules ----------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.forget_alert_rule() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- Who judges one of its series has locked its row.
	PERFORM FROM telemetry.alert_state AS s
	WHERE s.rule_id = old.rule_id
	ORDER BY s.device_id, s.metric_name
	FOR UPDATE;
	UPDATE telemetry.alert AS a
	SET status = 'resolved', resolved_at = greatest(clock_timestamp(), a.triggered_at), resolution_known_at = clock_timestamp(),
		resolution = 'rule_deleted'
	WHERE a.rule_id = old.rule_id AND a.status <> 'resolved';
	DELETE FROM telemetry.alert_state AS s WHERE s.rule_id = old.rule_id;
	-- What job alerts has in hand it removes itself, as it finds no rule.
	DELETE FROM telemetry.alert_pending AS p
	WHERE p.id IN (SELECT o.id FROM telemetry.alert_pending AS o WHERE o.rule_id = old.rule_id FOR UPDATE SKIP LOCKED);
	DELETE FROM telemetry.alert_rule_error AS e WHERE e.rule_id = old.rule_id;
	DELETE FROM telemetry.alert_rule_total AS t WHERE t.rule_id = old.rule_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.forget_alert_rule() IS
	'Trigger of telemetry.alert_rule: when a rule is deleted its open alerts are resolved (rule_deleted), and what is kept beside its alerts goes with it. '
	'What a transaction leaves that was judging the rule meanwhile is job prune''s to clear.';
CREATE TRIGGER forget_alert_rule AFTER DELETE ON telemetry.alert_rule
	FOR EACH ROW EXECUTE FUNCTION telemetry.forget_alert_rule();

CREATE FUNCTION telemetry.delete_alert_rule(rule_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM telemetry.alert_rule AS r WHERE r.rule_id = delete_alert_rule.rule_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = format('there is no alert rule "%s"', left(delete_alert_rule.rule_id, 128));
	END IF;
END
$$;
COMMENT ON FUNCTION telemetry.delete_alert_rule(text) IS
	'Deletes a rule, as DELETE of telemetry.alert_rule does: its open alerts are resolved (rule_deleted), and its alerts stay. Waits for those who are judging '
	'its series. Error: no_data_found if there is no such rule.';

CREATE VIEW telemetry.alert_rule_status AS
	SELECT r.rule_id, r.name, r.enabled,
		(SELECT count(*) FROM telemetry.alert AS a WHERE a.rule_id = r.rule_id AND NOT a.late)
			+ coalesce((SELECT t.triggers FROM telemetry.alert_rule_total AS t WHERE t.rule_id = r.rule_id), 0) AS total_triggers,
		(SELECT max(a.triggered_at) FROM telemetry.alert AS a WHERE a.rule_id = r.rule_id AND NOT a.late) AS last_triggered,
		(SELECT coalesce(sum(s.late_points), 0)::bigint FROM telemetry.alert_state AS s
			WHERE s.rule_id = r.rule_id AND s.late_points > 0)
			+ coalesce((SELECT t.late_points FROM telemetry.alert_rule_total AS t WHERE t.rule_id = r.rule_id), 0) AS late_points,
		(SELECT count(*) FROM telemetry.alert AS a WHERE a.rule_id = r.rule_id AND a.status <> 'resolved') AS open_alerts,
		e.error AS last_error,
		e.occurred_at AS last_error_at
	FROM telemetry.alert_rule AS r
	LEFT JOIN LATERAL (
		SELECT o.error, o.occurred_at
		FROM telemetry.alert_rule_error AS o
		WHERE o.rule_id = r.rule_id
		ORDER BY o.occurred_at DESC
		LIMIT 1
	) AS e ON true;
COMMENT ON VIEW telemetry.alert_rule_status IS 'What has come of each rule.';
COMMENT ON COLUMN telemetry.alert_rule_status.total_triggers IS
	'How many alerts have been triggered, with those that have been removed since; those that are late do not count.';
COMMENT ON COLUMN telemetry.alert_rule_status.last_triggered IS
	'Time of the point that triggered the newest alert that is not late; null: there is none.';
COMMENT ON COLUMN telemetry.alert_rule_status.late_points IS 'How many violating points came after newer ones of their series had been judged.';
COMMENT ON COLUMN telemetry.alert_rule_status.open_alerts IS 'How many alerts are active or acknowledged.';
COMMENT ON COLUMN telemetry.alert_rule_status.last_error IS 'Why it could not be evaluated the last time in 7 days; null: it could.';
COMMENT ON COLUMN telemetry.alert_rule_status.last_error_at IS 'When that was, by the server''s clock.';
SELECT telemetry.copy_comments('telemetry.alert_rule', 'telemetry.alert_rule_status');

-- Removing -------------------------------------------------------------------------------------------------------------

-- Of rules that were deleted while somebody judged them. Nobody waits for the rows that are locked here: no rule is left to judge by.
CREATE FUNCTION telemetry.prune_orphans_of_rules("limit" integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	orphan record;
	removed bigint := 0;
BEGIN
	FOR orphan IN
		SELECT a.alert_id, a.rule_id, a.device_id, a.metric_name
		FROM telemetry.alert AS a
		WHERE a.status <> 'resolved' AND NOT EXISTS (SELECT FROM telemetry.alert_rule AS r WHERE r.rule_id = a.rule_id)
		LIMIT prune_orphans_of_rules."limit"
	LOOP
		PERFORM FROM telemetry.alert_state AS s
		WHERE s.rule_id = orphan.rule_id AND s.device_id = orphan.device_id AND s.metric_name = orphan.metric_name
		FOR UPDATE SKIP LOCKED;
		CONTINUE WHEN NOT FOUND AND EXISTS (
			SELECT FROM telemetry.alert_state AS s
			WHERE s.rule_id = orphan.rule_id AND s.device_id = orphan.device_id AND s.metric_name = orphan.metric_name);
		UPDATE telemetry.alert AS a
		SET status = 'resolved', resolved_at = greatest(clock_timestamp(), a.triggered_at), resolution_known_at = clock_timestamp(),
			resolution = 'rule_deleted'
		WHERE a.alert_id = orphan.alert_id AND a.status <> 'resolved';
		DELETE FROM telemetry.alert_state AS s
		WHERE s.rule_id = orphan.rule_id AND s.device_id = orphan.device_id AND s.metric_name = orphan.metric_name;
		removed := removed + 1;
	END LOOP;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION telemetry.prune_orphans_of_rules(integer) IS
	'Of job prune: resolves alerts that are open of rules that are gone (rule_deleted), up to limit. Returns how many.';

CREATE FUNCTION telemetry.prune_alerts("limit" integer) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- Of telemetry.alert_state so many pages are looked at in a run: an index by age would make each change of a row one of the index.
	pages_looked_at CONSTANT integer := 1000;
	pages CONSTANT bigint := pg_relation_size('telemetry.alert_state') / current_setting('block_size')::bigint;
	-- As long as a cooldown may last, and a day.
	forgotten_after CONSTANT interval := '31 days';
	pruned bigint;
	more boolean;
BEGIN
	DELETE FROM telemetry.alert_rule_error AS e
	WHERE e.id = ANY (ARRAY(
		SELECT o.id FROM telemetry.alert_rule_error AS o
		WHERE o.occurred_at < now() - interval '7 days'
		ORDER BY o.occurred_at LIMIT prune_alerts."limit" FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS pruned = ROW_COUNT;
	more := pruned = prune_alerts."limit";

	WITH gone AS MATERIALIZED (
		DELETE FROM telemetry.alert AS a
		WHERE a.alert_id = ANY (ARRAY(
			SELECT o.alert_id FROM telemetry.alert AS o
			WHERE o.resolution_known_at < now() - telemetry.setting('alert_retention')::interval AND o.status = 'resolved'
			ORDER BY o.resolution_known_at LIMIT prune_alerts."limit" FOR UPDATE SKIP LOCKED))
		RETURNING a.rule_id, a.late
	), counted AS (
		INSERT INTO telemetry.alert_rule_total AS t (rule_id, triggers, late_points)
		SELECT g.rule_id, count(*) FILTER (WHERE NOT g.late), 0
		FROM gone AS g
		JOIN telemetry.alert_rule AS r ON r.rule_id = g.rule_id
		GROUP BY g.rule_id
		ON CONFLICT (rule_id) DO UPDATE SET triggers = t.triggers + EXCLUDED.triggers
	)
	SELECT count(*) INTO pruned FROM gone;
	more := more OR pruned = prune_alerts."limit";

	WITH old AS MATERIALIZED (
		SELECT s.rule_id, s.device_id, s.metric_name
		FROM telemetry.alert_state AS s TABLESAMPLE SYSTEM (least(100.0, 100.0 * pages_looked_at / greatest(pages, 1)))
		WHERE NOT s.live AND s.open_alert IS NULL AND s.changed_at < now() - forgotten_after
			OR NOT EXISTS (SELECT FROM telemetry.alert_rule AS r WHERE r.rule_id = s.rule_id)
		LIMIT prune_alerts."limit"
		FOR UPDATE OF s SKIP LOCKED
	), gone AS MATERIALIZED (
		DELETE FROM telemetry.alert_state AS s
		USING old AS o
		WHERE s.rule_id = o.rule_id AND s.device_id = o.device_id AND s.metric_name = o.metric_name
		RETURNING s.rule_id, s.late_points
	), counted AS (
		INSERT INTO telemetry.alert_rule_total AS t (rule_id, triggers, late_points)
		SELECT g.rule_id, 0, sum(g.late_points)
		FROM gone AS g
		JOIN telemetry.alert_rule AS r ON r.rule_id = g.rule_id
		GROUP BY g.rule_id
		HAVING sum(g.late_points) > 0
		ON CONFLICT (rule_id) DO UPDATE SET late_points = t.late_points + EXCLUDED.late_points
	)
	SELECT count(*) INTO pruned FROM gone;
	more := more OR pruned = prune_alerts."limit";

	RETURN more OR telemetry.prune_orphans_of_rules(prune_alerts."limit") = prune_alerts."limit";
END
$$;
COMMENT ON FUNCTION telemetry.prune_alerts(integer) IS
	'Of job prune: removes errors of rules older than 7 days, alerts that were resolved longer ago than telemetry.alert_retention, and what is kept of series that have '
	'not violated for 31 days, up to limit of each; what these count for goes to telemetry.alert_rule_total. Resolves what is open of rules that are gone. '
	'True if there may be more.';

-- Rights ---------------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION telemetry.current_actor(text), telemetry.lock_alert(text), telemetry.acknowledge_alert(text, text, text),
	telemetry.resolve_alert(text, text, text), telemetry.delete_alert_rule(text), telemetry.prune_orphans_of_rules(integer),
	telemetry.prune_alerts(integer), telemetry.settle_alerts(timestamptz), telemetry.job_alerts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.current_actor(text), telemetry.acknowledge_alert(text, text, text),
	telemetry.resolve_alert(text, text, text) TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.delete_alert_rule(text) TO telemetry_admin;
GRANT SELECT ON telemetry.alert_rule, telemetry.device_group, telemetry.maintenance, telemetry.alert, telemetry.alert_state,
	telemetry.alert_pending, telemetry.alert_recount, telemetry.alert_rule_error, telemetry.alert_rule_total, telemetry.alert_rule_status TO telemetry_reader;
GRANT INSERT, UPDATE, DELETE ON telemetry.alert_rule, telemetry.device_group, telemetry.maintenance TO telemetry_admin;
