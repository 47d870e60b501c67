-- Jobs: what is to be done in the background, by a worker or by CALL telemetry.run_jobs().

CREATE TABLE telemetry.job (
	-- Function names have at most 63 bytes, of which "job_" takes four.
	name text COLLATE "C" PRIMARY KEY
		CONSTRAINT name_is_part_of_a_function_name CHECK (name ~ '^[a-z][a-z0-9_]{0,58}$'),
	description text NOT NULL,
	run_every interval NOT NULL
		CONSTRAINT run_every_is_from_100_ms_to_1_year CHECK (run_every BETWEEN '100 ms' AND '1 year'),
	enabled boolean NOT NULL DEFAULT true,
	run_at timestamptz
);
COMMENT ON TABLE telemetry.job IS
	'Background jobs. Job x is the function telemetry.job_x() RETURNS boolean: each call is one transaction, and true '
	'means that there is more to do. Change them with telemetry.alter_job().';
COMMENT ON COLUMN telemetry.job.name IS 'Its function is telemetry.job_ and this name.';
COMMENT ON COLUMN telemetry.job.description IS 'What it does.';
COMMENT ON COLUMN telemetry.job.run_every IS 'From the start of one run to that of the next.';
COMMENT ON COLUMN telemetry.job.enabled IS 'Whether the worker, and a round of telemetry.run_jobs(), run it.';
COMMENT ON COLUMN telemetry.job.run_at IS
	'Set by telemetry.alter_job(): when to run it next. Counts until a run has started since.';

-- A dump is restored table by table, in transactions of their own: jobs that worked on some of the tables meanwhile
-- would be in the way of the others. Until the rows of this table are there, there is no job; then the one who brings
-- them holds them up as long as it is connected, which psql and each process of pg_restore are to the end.
CREATE FUNCTION telemetry.hold_jobs() RETURNS void
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_hold_jobs';
COMMENT ON FUNCTION telemetry.hold_jobs() IS
	'No round of jobs begins before this session ends. Waits for one that is just beginning.';
CREATE FUNCTION telemetry.restore_jobs() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF telemetry.is_restoring() THEN
		PERFORM telemetry.hold_jobs();
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.restore_jobs() IS
	'Trigger of telemetry.job: the session that restores it holds up the jobs.';
CREATE TRIGGER restore_jobs BEFORE INSERT ON telemetry.job
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.restore_jobs();

SELECT pg_catalog.pg_extension_config_dump('telemetry.job', '');

CREATE TABLE telemetry.job_state (
	name text COLLATE "C" PRIMARY KEY REFERENCES telemetry.job ON UPDATE CASCADE ON DELETE CASCADE,
	next_run_at timestamptz NOT NULL,
	last_started_at timestamptz NOT NULL,
	last_finished_at timestamptz,
	last_duration interval,
	last_steps integer,
	last_status text NOT NULL
		CONSTRAINT last_status_is_running_success_unfinished_or_failure CHECK (last_status IN ('running', 'success', 'unfinished', 'failure')),
	last_error text,
	last_error_code text,
	last_error_context text,
	last_error_at timestamptz,
	failures integer NOT NULL,
	runs bigint NOT NULL,
	total_failures bigint NOT NULL,
	total_steps bigint NOT NULL
)
-- Each run updates its row, which stays on its page as long as there is room.
WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE telemetry.job_state IS
	'How the runs of each job went; written only by the one who has the job''s lock. Read telemetry.job_status. '
	'Not dumped.';
COMMENT ON COLUMN telemetry.job_state.next_run_at IS 'When it is due, unless telemetry.job.run_at is to be followed.';
COMMENT ON COLUMN telemetry.job_state.last_status IS
	'success; unfinished: its time was over, it goes on soon; failure; running: begun and not ended since, written '
	'ahead by a worker that has just come up, in case that the job takes it down.';
COMMENT ON COLUMN telemetry.job_state.name IS 'The job, of telemetry.job.';
COMMENT ON COLUMN telemetry.job_state.last_started_at IS 'When the last run began.';
COMMENT ON COLUMN telemetry.job_state.last_finished_at IS 'When the last run that has ended did; null: none has.';
COMMENT ON COLUMN telemetry.job_state.last_duration IS 'How long that run took.';
COMMENT ON COLUMN telemetry.job_state.last_error_code IS 'SQLSTATE of that error.';
COMMENT ON COLUMN telemetry.job_state.last_error_context IS
	'Where in the job''s functions it was raised; null: not known.';
COMMENT ON COLUMN telemetry.job_state.last_error_at IS 'When the run with that error ended; null: there was none.';
COMMENT ON COLUMN telemetry.job_state.runs IS 'Runs that have ended.';
COMMENT ON COLUMN telemetry.job_state.total_failures IS 'How many of these failed.';
COMMENT ON COLUMN telemetry.job_state.total_steps IS 'Calls of its function in all of these.';

-- The one function whose result depends on other sessions' transactions runs with the owner's rights,
-- for their age and user are hidden from others.
CREATE FUNCTION telemetry.open_ingests() RETURNS text
	LANGUAGE sql VOLATILE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET intervalstyle = postgres
BEGIN ATOMIC
	SELECT string_agg(
		CASE
			WHEN o.pid IS NOT NULL THEN format('pid %s (user %s, open for %s)', o.pid, o.user_name, o.age)
			ELSE format('prepared transaction %L (user %s, open for %s)', o.gid, o.user_name, o.age)
		END, ', ' ORDER BY o.age DESC, o.pid, o.gid)
	FROM (
		SELECT DISTINCT l.pid, p.gid, coalesce(a.usename, p.owner) AS user_name,
			date_trunc('second', clock_timestamp() - coalesce(a.xact_start, p.prepared)) AS age
		FROM pg_locks AS l
		LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
		LEFT JOIN LATERAL (
			SELECT t.*
			FROM pg_locks AS x
			JOIN pg_prepared_xacts AS t ON t.transaction = x.transactionid
			WHERE l.pid IS NULL AND x.pid IS NULL
				AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
			LIMIT 1
		) AS p ON true
		WHERE l.granted
			-- Who has taken order numbers; who has locked the mixed bucket (tl_store_lock_bucket).
			AND ((l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.relation = 'telemetry.block_seq'::regclass)
				OR (l.locktype = 'object' AND l.mode = 'ExclusiveLock' AND l.classid = 'pg_class'::regclass
					AND l.objid = 'telemetry.block'::regclass AND l.objsubid = 0))
			AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
			AND l.pid IS DISTINCT FROM pg_backend_pid()
	) AS o
	WHERE o.age >= interval '5 seconds';
END;
COMMENT ON FUNCTION telemetry.open_ingests() IS
	'The transactions that have ingested or deleted points and have been open for 5 seconds or more, null if there are none: '
	'points are rolled up and merged in the order of their ingest, and by one at a time, so these hold that up. '
	'Of a prepared transaction the age is that since PREPARE TRANSACTION.';

CREATE VIEW telemetry.job_status AS
WITH held AS MATERIALIZED (
	-- The number and the hash are those of extension/src/jobs/job.c.
	SELECT l.objid::bigint AS hash, l.pid
	FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objsubid = 21613 AND l.granted AND l.mode = 'ExclusiveLock'
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
)
SELECT
	j.name,
	j.description,
	j.enabled,
	j.run_every,
	CASE
		WHEN h.hash IS NOT NULL THEN 'running'
		-- Whether its process is still there is not known on a standby.
		WHEN s.last_status = 'running' AND pg_catalog.pg_is_in_recovery() THEN 'begun'
		WHEN s.last_status = 'running' THEN 'interrupted'
		WHEN s.name IS NULL THEN 'not run yet'
		ELSE s.last_status
	END AS status,
	h.pid AS running_pid,
	CASE
		WHEN r.pid IS NOT NULL THEN pg_catalog.format('the end of process %s, which restores a dump', r.pid)
		WHEN j.name = 'roll_up' THEN telemetry.open_ingests()
	END AS waiting_for,
	CASE
		WHEN NOT j.enabled THEN NULL
		WHEN s.name IS NULL OR j.run_at > s.last_started_at THEN j.run_at
		ELSE s.next_run_at
	END AS next_run_at,
	s.last_started_at,
	s.last_finished_at,
	s.last_duration,
	s.last_steps,
	s.last_error,
	s.last_error_code,
	s.last_error_context,
	s.last_error_at,
	coalesce(s.failures, 0) AS failures,
	coalesce(s.runs, 0) AS runs,
	coalesce(s.total_failures, 0) AS total_failures,
	coalesce(s.total_steps, 0) AS total_steps,
	CASE WHEN j.name = 'roll_up' THEN a.blocks END AS set_aside,
	CASE WHEN j.name = 'roll_up' THEN a.error END AS set_aside_error
FROM telemetry.job AS j
CROSS JOIN (
	SELECT pg_catalog.count(*) AS blocks, (pg_catalog.array_agg(b.error ORDER BY b.set_aside_at))[1] AS error
	FROM telemetry.set_aside AS b
) AS a
LEFT JOIN telemetry.job_state AS s ON s.name = j.name
LEFT JOIN held AS h ON h.hash = pg_catalog.hashtext(j.name)::bigint & 4294967295
LEFT JOIN held AS r ON r.hash = pg_catalog.hashtext('')::bigint & 4294967295
ORDER BY j.run_every, j.name;
COMMENT ON VIEW telemetry.job_status IS 'The jobs and how their runs went.';
COMMENT ON COLUMN telemetry.job_status.status IS
	'running; not run yet; of the last run: success, failure, unfinished (it goes on soon), or interrupted (its process '
	'was ended before it could tell). On a standby, of the last run on the primary that is known here; begun: its end is not known here.';
COMMENT ON COLUMN telemetry.job_status.running_pid IS 'The process that is running it now.';
COMMENT ON COLUMN telemetry.job_status.waiting_for IS
	'Of roll_up: the open transactions that have ingested or deleted and hold it up, see telemetry.open_ingests(). Of all jobs: a restore.';
COMMENT ON COLUMN telemetry.job_status.next_run_at IS
	'When the worker runs it next; null: at once, or never if it is not enabled.';
COMMENT ON COLUMN telemetry.job_status.last_steps IS 'Calls of its function in the last run.';
COMMENT ON COLUMN telemetry.job_status.last_error IS 'The last error there was, at last_error_at, also when it runs well now.';
COMMENT ON COLUMN telemetry.job_status.set_aside IS
	'Of roll_up: how many blocks it could not roll up and has set aside, see telemetry.set_aside. Null for other jobs.';
COMMENT ON COLUMN telemetry.job_status.set_aside_error IS 'Why the first of these could not be rolled up.';
COMMENT ON COLUMN telemetry.job_status.failures IS
	'Failed runs in a row. After each the job waits twice as long, from run_every on, at least 1 s and at most 5 min.';
SELECT telemetry.copy_comments('telemetry.job', 'telemetry.job_status');
SELECT telemetry.copy_comments('telemetry.job_state', 'telemetry.job_status');
SELECT telemetry.copy_comments('telemetry.job_status', 'telemetry.job_state');

CREATE FUNCTION telemetry.alter_job(
	name text, run_every interval DEFAULT NULL, enabled boolean DEFAULT NULL, next_run_at timestamptz DEFAULT NULL)
	RETURNS telemetry.job_status
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	now CONSTANT timestamptz := clock_timestamp();
	altered telemetry.job_status;
BEGIN
	UPDATE telemetry.job AS j
	SET run_every = coalesce(alter_job.run_every, j.run_every),
		enabled = coalesce(alter_job.enabled, j.enabled),
		run_at = CASE
			WHEN alter_job.next_run_at IS NOT NULL THEN greatest(alter_job.next_run_at, now)
			WHEN alter_job.run_every <> j.run_every THEN greatest(now, alter_job.run_every
				+ (SELECT s.last_started_at FROM telemetry.job_state AS s WHERE s.name = j.name))
			WHEN alter_job.enabled AND NOT j.enabled THEN now
			ELSE j.run_at
		END
	WHERE j.name = alter_job.name;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('job "%s" does not exist', alter_job.name),
			HINT = (SELECT format('There are %s.', string_agg(j.name, ', ' ORDER BY j.name)) FROM telemetry.job AS j);
	END IF;
	SELECT * INTO altered FROM telemetry.job_status AS s WHERE s.name = alter_job.name;
	RETURN altered;
END
$$;
COMMENT ON FUNCTION telemetry.alter_job(text, interval, boolean, timestamptz) IS
	'Changes a job and returns its row of telemetry.job_status; what is null stays as it is. '
	'run_every is from 100 ms to 1 year. enabled false: neither the worker nor a round of telemetry.run_jobs() '
	'starts it again. next_run_at: once at that time instead of when it was due; past times mean now, infinity '
	'never. The worker follows within a second. '
	'Errors: undefined_object if there is no such job, check_violation.';

CREATE PROCEDURE telemetry.run_jobs(name text DEFAULT NULL, wait boolean DEFAULT false, timeout interval DEFAULT '10 min')
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'telemetry_run_jobs';
COMMENT ON PROCEDURE telemetry.run_jobs(text, boolean, interval) IS
	'One round of all enabled jobs, those that run often first, whether they are due or not; or of the one named, '
	'also if it is not enabled. Each is called until it has no more to do. '
	'At top level each call is committed by itself; in a transaction block or a function all are part of the '
	'caller''s transaction. A job that another session is running is skipped with a notice. '
	'A job that fails raises a warning, its error is in telemetry.job_status, and the others go on. '
	'While the database is being restored from a dump a round does nothing. '
	'wait, for those who have loaded something: only roll_up and roll_up_events are run, or that one of them which is named, and it '
	'returns when all points and events that were committed at the call are in the rollups, but for what is set aside '
	'(telemetry.set_aside), also if another session puts them there; nothing is waited for but that, up to timeout, at most a day. It is not for a transaction block. A job that is not '
	'enabled is an error if there is something to wait for, unless it is named, and so are a restore, a job that fails, and the end of '
	'the timeout (lock_not_available), which names the open transactions that hold it up. '
	'Error undefined_object if there is no such job.';

-- Progress of long work.

CREATE UNLOGGED TABLE telemetry.progress_state (
	pid integer PRIMARY KEY,
	backend_start timestamptz NOT NULL,
	command text NOT NULL,
	phase text NOT NULL,
	done bigint NOT NULL,
	total bigint,
	started_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
)
WITH (fillfactor = 30);
COMMENT ON TABLE telemetry.progress_state IS
	'What long work has reported, a row for each process, also of processes that are gone. Read telemetry.progress.';
COMMENT ON COLUMN telemetry.progress_state.pid IS 'The process that does it.';
COMMENT ON COLUMN telemetry.progress_state.backend_start IS
	'When that process began, which tells it from a later one with its number.';
COMMENT ON COLUMN telemetry.progress_state.command IS 'What it is, such as refresh or retention.';
COMMENT ON COLUMN telemetry.progress_state.phase IS 'What is counted in done and total.';
COMMENT ON COLUMN telemetry.progress_state.done IS 'How much of it is done.';
COMMENT ON COLUMN telemetry.progress_state.total IS 'How much there is in all; null: not known.';
COMMENT ON COLUMN telemetry.progress_state.started_at IS 'When this command was first reported.';
COMMENT ON COLUMN telemetry.progress_state.updated_at IS 'When it was last reported.';

CREATE FUNCTION telemetry.report_progress(command text, phase text, done bigint, total bigint DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_report_progress';
COMMENT ON FUNCTION telemetry.report_progress(text, text, bigint, bigint) IS
	'For work of many transactions: shows in telemetry.progress, once this transaction has committed, that of so many in '
	'all (null: not known) so many are done. It shows until telemetry.end_progress(), the end of the run if it was a '
	'job''s, or that of the session.';

CREATE FUNCTION telemetry.end_progress() RETURNS void
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_end_progress';
COMMENT ON FUNCTION telemetry.end_progress() IS 'Takes away what this session has reported with telemetry.report_progress().';

CREATE FUNCTION telemetry.progress_of_backends()
	RETURNS TABLE (pid integer, user_name name, command text, phase text, done bigint, total bigint,
		started_at timestamptz, updated_at timestamptz)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- A standby does not have the table.
	IF pg_is_in_recovery() THEN
		RETURN;
	END IF;
	RETURN QUERY
	SELECT p.pid, a.usename, p.command, p.phase, p.done, p.total, p.started_at, p.updated_at
	FROM telemetry.progress_state AS p
	JOIN pg_stat_activity AS a ON a.pid = p.pid AND a.backend_start = p.backend_start
	ORDER BY p.started_at, p.pid;
END
$$;
COMMENT ON FUNCTION telemetry.progress_of_backends() IS 'The rows of telemetry.progress.';

CREATE VIEW telemetry.progress AS
SELECT pid, user_name, command, phase, done, total, started_at, updated_at
FROM telemetry.progress_of_backends();
COMMENT ON VIEW telemetry.progress IS
	'Long work in this database that is under way: the process, its user, what it does, and how much of it is done.';
COMMENT ON COLUMN telemetry.progress.user_name IS 'The database user of that process.';
SELECT telemetry.copy_comments('telemetry.progress_state', 'telemetry.progress');

-- The worker of this database.

CREATE FUNCTION telemetry.worker_state(
	OUT pid integer, OUT state text, OUT started_at timestamptz, OUT next_start_at timestamptz,
	OUT restarts integer, OUT failures integer, OUT last_exit text, OUT last_exit_at timestamptz, OUT last_error text)
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'telemetry_worker_state';
COMMENT ON FUNCTION telemetry.worker_state() IS
	'The row of telemetry.worker; null if there is no worker.';

CREATE VIEW telemetry.worker AS
SELECT pid, state, started_at, next_start_at, restarts, failures, last_exit, last_exit_at, last_error
FROM telemetry.worker_state()
WHERE state IS NOT NULL;
COMMENT ON VIEW telemetry.worker IS
	'The process that runs this database''s jobs. No row: telemetry is not in shared_preload_libraries, or the '
	'launcher has not found the extension yet. Counts are since the server''s start.';
COMMENT ON COLUMN telemetry.worker.state IS
	'running; starting; waiting (until next_start_at, after a failure); disabled (telemetry.workers is off); other '
	'version (of the extension than of the library: ALTER EXTENSION telemetry UPDATE).';
COMMENT ON COLUMN telemetry.worker.failures IS
	'Ends by error or signal in a row. After each the worker stays away twice as long, from 1 s to 60 s; a minute of work '
	'clears them.';
COMMENT ON COLUMN telemetry.worker.last_exit IS
	'Why it ended the last time: error, terminated, other version, disabled, stopped for a command, not started.';
COMMENT ON COLUMN telemetry.worker.last_error IS 'The message, if that was an error; the server''s log has all of it.';
COMMENT ON COLUMN telemetry.worker.pid IS 'The process; null while there is none.';
COMMENT ON COLUMN telemetry.worker.started_at IS 'When that process came up.';
COMMENT ON COLUMN telemetry.worker.next_start_at IS 'When the next process is to be started; null: not at a set time.';
COMMENT ON COLUMN telemetry.worker.restarts IS 'How often a process has been started again.';
COMMENT ON COLUMN telemetry.worker.last_exit_at IS 'When a process ended the last time; null: none has.';

CREATE FUNCTION telemetry.wake_launcher() RETURNS void
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_wake_launcher';
COMMENT ON FUNCTION telemetry.wake_launcher() IS
	'For the scripts of the extension: when this transaction commits, the launcher looks into this database at once.';

-- The jobs themselves; other parts of this script add theirs.

-- The oldest go until a quarter of the room is free, so that what is new is not counted only for long. The size on disk
-- does not shrink by that: what is there is measured by its rows.
CREATE FUNCTION telemetry.prune_dead_letters("limit" integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	row_size CONSTANT integer := 120;    -- of what is not payload and reason
	rows_kept CONSTANT integer := current_setting('telemetry.dead_letter_rows')::integer;
	size_kept CONSTANT bigint := pg_size_bytes(current_setting('telemetry.dead_letter_size'));
	is_full CONSTANT boolean := pg_table_size('telemetry.dead_letter') >= size_kept / 8 * 7;
	last bigint;
	too_large bigint;
	removed bigint;
BEGIN
	SELECT d.id INTO last FROM telemetry.dead_letter AS d ORDER BY d.id DESC OFFSET rows_kept LIMIT 1;
	IF is_full THEN
		SELECT max(s.id) INTO too_large
		FROM (
			SELECT d.id, sum(pg_column_size(d.payload) + octet_length(d.reason) + row_size) OVER (ORDER BY d.id DESC) AS size
			FROM telemetry.dead_letter AS d
		) AS s
		WHERE s.size > size_kept / 4 * 3;
	END IF;
	DELETE FROM telemetry.dead_letter AS d
	WHERE d.id = ANY (ARRAY(
		SELECT o.id FROM telemetry.dead_letter AS o
		WHERE o.id <= greatest(last, too_large)
		ORDER BY o.id LIMIT prune_dead_letters."limit" FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION telemetry.prune_dead_letters(integer) IS
	'Of job prune: removes the oldest dead letters beyond telemetry.dead_letter_rows, and, when the table has nearly reached '
	'telemetry.dead_letter_size, so many that a quarter of that is free; up to limit. Returns how many.';

CREATE FUNCTION telemetry.job_prune() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	at_once CONSTANT integer := 5000;
	pruned integer;
	more boolean;
BEGIN
	DELETE FROM telemetry.progress_state AS p
	WHERE NOT EXISTS (
		SELECT FROM pg_stat_activity AS a WHERE a.pid = p.pid AND a.backend_start = p.backend_start);

	-- Of blocks that were deleted.
	DELETE FROM telemetry.set_aside_state AS s
	WHERE NOT EXISTS (
		SELECT FROM telemetry.block AS b WHERE b.level = -1 AND b.day = s.day AND b.seq = s.seq AND b.bucket = s.bucket);

	-- As telemetry.prune_receipts(), but only so many in a transaction.
	WITH expired AS MATERIALIZED (
		SELECT r.batch_id, r.device_id
		FROM telemetry.receipt AS r
		WHERE r.received_at < clock_timestamp() - telemetry.setting('batch_window')::interval
		ORDER BY r.received_at
		LIMIT at_once
		FOR UPDATE SKIP LOCKED
	)
	DELETE FROM telemetry.receipt AS r
	USING expired AS e
	WHERE r.batch_id = e.batch_id AND r.device_id = e.device_id;
	GET DIAGNOSTICS pruned = ROW_COUNT;
	more := pruned = at_once;

	DELETE FROM telemetry.dead_letter AS d
	WHERE d.id = ANY (ARRAY(
		SELECT o.id FROM telemetry.dead_letter AS o
		WHERE o.received_at < now() - interval '30 days'
		ORDER BY o.received_at LIMIT at_once FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS pruned = ROW_COUNT;
	more := more OR pruned = at_once OR telemetry.prune_dead_letters(at_once) = at_once;

	DELETE FROM telemetry.conflict AS c
	WHERE c.id = ANY (ARRAY(
		SELECT o.id FROM telemetry.conflict AS o
		WHERE o.detected_at < now() - interval '90 days'
		ORDER BY o.detected_at LIMIT at_once FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS pruned = ROW_COUNT;
	more := more OR pruned = at_once;

	DELETE FROM telemetry.batch_log AS b
	WHERE b.id = ANY (ARRAY(
		SELECT o.id FROM telemetry.batch_log AS o
		WHERE o.end_time < now() - interval '90 days'
		ORDER BY o.end_time LIMIT at_once FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS pruned = ROW_COUNT;
	more := more OR pruned = at_once;

	RETURN telemetry.prune_alerts(at_once) OR telemetry.prune_outbox(at_once) = at_once
		OR telemetry.prune_notifications(at_once) = at_once OR more;
END
$$;
COMMENT ON FUNCTION telemetry.job_prune() IS
	'Job prune: removes receipts older than telemetry.batch_window, dead letters older than 30 days or beyond their bounds, conflicts and the '
	'batch log older than 90, rows of the outbox that were taken or are older than 7 days, notifications that were sent 7 days ago or are dead for 30, up to 5000 of each, '
	'progress of processes that are gone, and what telemetry.prune_alerts() does. True if there may be more.';
REVOKE ALL ON FUNCTION telemetry.alter_job(text, interval, boolean, timestamptz), telemetry.open_ingests(),
	telemetry.report_progress(text, text, bigint, bigint), telemetry.end_progress(), telemetry.progress_of_backends(),
	telemetry.worker_state(), telemetry.wake_launcher(), telemetry.hold_jobs(), telemetry.job_prune(),
	telemetry.prune_dead_letters(integer)
	FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.run_jobs(text, boolean, interval) FROM PUBLIC;
GRANT SELECT ON telemetry.job_status, telemetry.progress, telemetry.worker TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.open_ingests(), telemetry.progress_of_backends(), telemetry.worker_state()
	TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.alter_job(text, interval, boolean, timestamptz),
	telemetry.report_progress(text, text, bigint, bigint), telemetry.end_progress() TO telemetry_admin;
GRANT EXECUTE ON PROCEDURE telemetry.run_jobs(text, boolean, interval) TO telemetry_admin;
