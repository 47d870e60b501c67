"""Background workers: one for each database that has the extension, whatever happens to it."""

import time
import unittest

import support
from support import wait_until

PRELOADED = {"shared_preload_libraries": "telemetry", "fsync": "off",
             "max_prepared_transactions": 5}


class Workers(support.TestCase):
    """What a test knows of workers; `cluster` is whose they are."""

    cluster = None

    def sql(self, sql, database="telemetry"):
        return self.cluster.execute(sql, database=database)

    def value(self, sql, database="telemetry"):
        return self.cluster.value(sql, database=database)

    def pid(self, database="telemetry"):
        """The worker's, None if none is running."""
        pids = self.cluster.rows("SELECT pid FROM telemetry.worker WHERE state = 'running'",
                                 database=database)
        return int(pids[0][0]) if pids else None

    def wait_for_worker(self, database="telemetry", other_than=None):
        def pid():
            found = self.pid(database)
            return found if found != other_than else None
        return wait_until(pid, 30, f"a worker in {database}")

    def processes(self, database=None):
        """Process ids of workers as the server lists them."""
        where = f"AND datname = '{database}'" if database else ""
        return [int(pid) for (pid,) in self.cluster.rows(
            f"SELECT pid FROM pg_stat_activity WHERE backend_type = 'telemetry worker' {where}",
            database="postgres")]

    def wait_for_no_worker(self, database=None):
        wait_until(lambda: not self.processes(database), 30, "the worker to leave")

    def add_job(self, name, body, run_every="1 s", database="telemetry"):
        """A job of its own transaction-wise whole function body in PL/pgSQL."""
        self.sql(f"""
            CREATE OR REPLACE FUNCTION telemetry.job_{name}() RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN {body} END $$;
            INSERT INTO telemetry.job (name, description, run_every)
            VALUES ('{name}', 'A test''s.', '{run_every}')""", database)

    def remove_job(self, name):
        self.sql(f"DELETE FROM telemetry.job WHERE name = '{name}';"
                 f"DROP FUNCTION IF EXISTS telemetry.job_{name}()")

    def job(self, name, column, database="telemetry"):
        """A column of its row, as text; empty if it is null."""
        row, = self.cluster.rows(f"SELECT ({column})::text FROM telemetry.job_status "
                                 f"WHERE name = '{name}'", database=database)
        return row[0] if row else ""

    def wait_for_runs(self, name="prune", more=1, database="telemetry"):
        """Until the job has been run so many times more."""
        goal = int(self.job(name, "runs", database)) + more
        if name == "prune":  # which would not be due for an hour
            self.sql("SELECT FROM telemetry.alter_job('prune', next_run_at => now())", database)
        wait_until(lambda: int(self.job(name, "runs", database)) >= goal, 30,
                   f"runs of {name} in {database}")

    def set(self, name, value):
        self.sql(f"ALTER SYSTEM SET {name} = {value}", "postgres")
        self.sql("SELECT pg_reload_conf()", "postgres")


class SharedWorkers(Workers):
    """One cluster; each test begins and ends with a worker in database telemetry only."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = support.Cluster(**PRELOADED)
        cls.addClassCleanup(cls.cluster.close)

    def setUp(self):
        super().setUp()
        self.addCleanup(self._show_log, "server", self.cluster)
        self.wait_for_worker()


class ComingAndGoing(SharedWorkers):
    def create(self, name, extension=True):
        self.sql(f"CREATE DATABASE {name}", "postgres")
        self.addCleanup(self.sql, f"DROP DATABASE IF EXISTS {name}", "postgres")
        if extension:
            self.sql("CREATE EXTENSION telemetry CASCADE", name)

    def test_worker_comes_with_the_extension_and_runs_jobs(self):
        self.create("other")
        self.wait_for_worker("other")
        self.wait_for_runs(database="other")
        name = self.value("SELECT application_name FROM pg_stat_activity WHERE pid = "
                          "(SELECT pid FROM telemetry.worker)", "other")
        self.assertEqual(name, "telemetry worker: other")

    def test_databases_have_one_worker_each(self):
        self.create("first")
        self.create("second")
        pids = {self.wait_for_worker(name) for name in ("telemetry", "first", "second")}
        self.assertEqual(len(pids), 3)
        self.assertEqual(set(self.processes()), pids)
        for name in ("first", "second"):
            self.wait_for_runs(database=name)

    def test_rolled_back_extension_has_no_worker(self):
        self.create("other", extension=False)
        self.sql("BEGIN; CREATE EXTENSION telemetry CASCADE; ROLLBACK", "other")
        self.create("later")
        self.wait_for_worker("later")
        self.assertEqual(self.processes("other"), [])

    def test_worker_leaves_when_the_extension_is_dropped_and_comes_again_with_it(self):
        self.create("other")
        for _ in range(3):
            self.wait_for_worker("other")
            self.sql("DROP EXTENSION telemetry", "other")
            self.wait_for_no_worker("other")
            self.sql("CREATE EXTENSION telemetry CASCADE", "other")
        self.wait_for_runs(database="other")

    def test_extension_made_anew_at_once_has_a_worker(self):
        self.create("other")
        self.wait_for_worker("other")
        for _ in range(5):
            self.sql("DROP EXTENSION telemetry; CREATE EXTENSION telemetry CASCADE", "other")
        self.wait_for_worker("other")
        self.wait_for_runs(database="other")

    def test_drop_extension_waits_for_the_job_and_no_job_fails(self):
        self.create("other")
        self.add_job("nap", "PERFORM pg_sleep(0.2); RETURN false;", "100 ms", "other")
        self.wait_for_runs("nap", database="other")
        # While the drop is not committed, no job begins.
        session = support.Session(self.cluster, "other")
        self.addCleanup(session.close)
        session.run("BEGIN; DROP EXTENSION telemetry CASCADE;")
        time.sleep(0.5)
        session.run("ROLLBACK;")
        self.wait_for_runs("nap", more=2, database="other")
        self.assertEqual(self.job("nap", "total_failures", "other"), "0")
        self.assertEqual(self.value("SELECT restarts FROM telemetry.worker", "other"), "0")

    def test_terminated_worker_is_back_soon(self):
        for _ in range(3):
            pid = self.wait_for_worker()
            self.sql(f"SELECT pg_terminate_backend({pid})")
            self.wait_for_worker(other_than=pid)
        self.wait_for_runs()
        state, exit_ = self.cluster.rows("SELECT state, last_exit FROM telemetry.worker")[0]
        self.assertEqual((state, exit_), ("running", "terminated"))

    def test_terminated_launcher_is_back_and_leaves_workers_alone(self):
        pid = self.wait_for_worker()
        launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'telemetry launcher'"
        old = self.value(launcher)
        self.sql(f"SELECT pg_terminate_backend({old})")
        wait_until(lambda: self.cluster.rows(launcher) not in ([], [[old]]), 30, "the launcher")
        self.assertEqual(self.pid(), pid)
        # The new one knows of it.
        self.sql(f"SELECT pg_terminate_backend({pid})")
        self.wait_for_worker(other_than=pid)

    def test_workers_can_be_turned_off_and_on(self):
        self.create("other")
        self.wait_for_worker("other")
        self.addCleanup(self.set, "telemetry.workers", "on")
        self.set("telemetry.workers", "off")
        self.wait_for_no_worker()
        # Sessions hear of a reload one by one.
        wait_until(lambda: self.value("SELECT state FROM telemetry.worker") == "disabled", 10, "the state")
        self.set("telemetry.workers", "on")
        self.wait_for_worker()
        self.wait_for_worker("other")

    def test_other_version_is_left_alone_until_it_is_updated(self):
        self.create("other")
        self.wait_for_worker("other")
        version = self.value("SELECT extversion FROM pg_extension WHERE extname = 'telemetry'")
        update = "UPDATE pg_extension SET extversion = '{}' WHERE extname = 'telemetry'"
        self.sql(update.format("0.0.0"), "other")
        self.wait_for_no_worker("other")
        wait_until(lambda: self.value("SELECT state FROM telemetry.worker", "other")
                   == "other version", 30, "the state")
        with self.assertRaisesRegex(support.SqlError, "not of version"):
            self.sql("CALL telemetry.run_jobs()", "other")
        self.sql(update.format(version), "other")
        # An update script would do so.
        self.sql("SELECT telemetry.wake_launcher()", "other")
        self.wait_for_worker("other")

    def test_databases_that_take_no_connections_have_no_worker(self):
        self.create("other")
        self.wait_for_worker("other")
        self.set("telemetry.launcher_interval", 1)
        self.addCleanup(self.set, "telemetry.launcher_interval", "DEFAULT")
        self.sql("ALTER DATABASE other ALLOW_CONNECTIONS false", "postgres")
        self.wait_for_no_worker("other")
        self.sql("ALTER DATABASE other ALLOW_CONNECTIONS true", "postgres")
        self.wait_for_worker("other")


class Restore(SharedWorkers):
    """A dump is restored table by table; jobs must not work on some of them meanwhile."""

    def setUp(self):
        super().setUp()
        for name in ("source", "target"):
            self.sql(f"CREATE DATABASE {name}", "postgres")
            self.addCleanup(self.sql, f"DROP DATABASE {name} WITH (FORCE)", "postgres")
        self.sql("CREATE EXTENSION telemetry CASCADE", "source")
        self.sql("""INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT timestamptz '2024-01-01' + i * interval '1 minute', 'd' || i % 20, 'm', i::float8::telemetry.value
            FROM generate_series(1, 10000) AS i""", "source")
        self.sql("SELECT telemetry.alter_job('audit', run_every => '100 ms')", "source")
        self.wait_for_runs(database="source")

    def check(self):
        count = "SELECT count(*), sum(num) FROM telemetry.point"
        self.assertEqual(self.sql(count, "target"), self.sql(count, "source"))
        self.assertEqual(self.job("audit", "run_every", "target"), "00:00:00.1")
        wait_until(lambda: int(self.job("prune", "runs", "target")) >= 1, 60, "jobs to run")

    def test_jobs_wait_for_the_session_that_restores(self):
        dump = self.cluster.program("pg_dump", "source").decode()
        lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
        jobs = next(i for i, line in enumerate(lines) if line.startswith("COPY telemetry.job "))
        end = lines.index("\\.", jobs) + 1
        session = support.Session(self.cluster, "target")
        self.addCleanup(session.close)
        session.run("\n".join(lines[:jobs]))
        self.wait_for_worker("target")
        self.assertEqual(self.sql("SELECT count(*) FROM telemetry.job_status", "target"), "0\n")
        session.run("\n".join(lines[jobs:end]))
        pid = session.run("SELECT pg_catalog.pg_backend_pid();")[0]
        time.sleep(2)
        self.sql("CALL telemetry.run_jobs()", "target")
        for job in ("prune", "roll_up"):
            self.assertEqual(self.job(job, "runs", "target"), "0")
            self.assertEqual(self.job(job, "waiting_for", "target"), f"the end of process {pid}, which restores a dump")
        session.run("\n".join(lines[end:]))
        self.assertEqual(self.job("prune", "runs", "target"), "0")
        session.close()
        self.check()
        self.assertEqual(self.job("prune", "waiting_for", "target"), "")

    def test_a_restore_that_is_killed_holds_nothing_up(self):
        dump = self.cluster.program("pg_dump", "source").decode()
        begin, found, rest = dump.partition("COPY telemetry.receipt ")
        self.assertTrue(found and "COPY telemetry.job " in begin)
        session = support.Session(self.cluster, "target")
        self.addCleanup(session.close)
        session.run("\n".join(line for line in begin.splitlines() if not line.startswith("\\restrict")))
        pid = session.run("SELECT pg_catalog.pg_backend_pid();")[0]
        self.sql(f"SELECT pg_terminate_backend({pid})", "target")
        wait_until(lambda: int(self.job("prune", "runs", "target")) >= 1, 60, "jobs to run")

    def add_table_that_wants_no_jobs(self):
        """Its one row takes a while to be restored, and fails if a job has run by then."""
        self.sql("""CREATE SCHEMA z;
            CREATE FUNCTION z.no_job_runs() RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_catalog.pg_sleep(2);
                RETURN NOT EXISTS (SELECT FROM telemetry.job_state);
            END
            $$;
            CREATE TABLE z.slow (i integer CHECK (pg_catalog.current_database() = 'source' OR z.no_job_runs()));
            INSERT INTO z.slow VALUES (1)""", "source")

    def test_plain_dump(self):
        self.add_table_that_wants_no_jobs()
        dump = self.cluster.program("pg_dump", "source")
        run = self.cluster.run_psql([], dump, database="target")
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        self.check()

    def test_parallel_restore(self):
        self.add_table_that_wants_no_jobs()
        folder = support.make_folder("dump-")
        self.addCleanup(support.shutil.rmtree, folder)
        self.cluster.program("pg_dump", "--format=directory", f"--file={folder}/d", "source")
        self.cluster.program("pg_restore", "--exit-on-error", "--jobs=4", "--dbname=target", f"{folder}/d")
        self.check()

    def test_other_sessions_are_not_taken_for_one(self):
        session = support.Session(self.cluster, "target")  # which sets some timeouts
        self.addCleanup(session.close)
        session.run("CREATE EXTENSION telemetry CASCADE;")
        self.wait_for_runs(database="target")


class CommandsOnDatabases(SharedWorkers):
    """They refuse a database that has connections; the worker's is not in their way."""

    def setUp(self):
        super().setUp()
        self.sql("CREATE DATABASE busy", "postgres")
        self.addCleanup(self.sql, "DROP DATABASE IF EXISTS busy", "postgres")
        self.sql("CREATE EXTENSION telemetry CASCADE", "busy")
        self.wait_for_worker("busy")
        # Its worker is in the middle of something at any time.
        self.add_job("nap", "PERFORM pg_sleep(1); RETURN true;", "100 ms", "busy")
        wait_until(lambda: self.job("nap", "running_pid", "busy") != "", 30, "the job to run")

    def timed(self, sql, **arguments):
        begun = time.monotonic()
        self.cluster.execute(sql, database="postgres", **arguments)
        self.assertLess(time.monotonic() - begun, 10 * support.PATIENCE)

    def test_drop_database(self):
        self.timed("DROP DATABASE busy")
        self.assertEqual(self.processes("busy"), [])

    def test_drop_database_with_force(self):
        self.timed("DROP DATABASE busy WITH (FORCE)")

    def test_drop_database_by_its_owner(self):
        self.sql("CREATE ROLE owner LOGIN; ALTER DATABASE busy OWNER TO owner", "postgres")
        self.addCleanup(self.sql, "DROP ROLE owner", "postgres")
        self.timed("DROP DATABASE busy", user="owner")

    def test_rename(self):
        self.addCleanup(self.sql, "DROP DATABASE IF EXISTS renamed", "postgres")
        self.timed("ALTER DATABASE busy RENAME TO renamed")
        self.wait_for_worker("renamed")
        self.timed("ALTER DATABASE renamed RENAME TO busy")
        self.wait_for_worker("busy")

    def test_copy_as_template(self):
        self.addCleanup(self.sql, "DROP DATABASE IF EXISTS copy", "postgres")
        self.timed("CREATE DATABASE copy TEMPLATE busy")
        # Both go on at once, the copy without being asked for.
        self.wait_for_worker("copy")
        self.wait_for_worker("busy")
        self.assertEqual(self.value("SELECT failures FROM telemetry.worker", "busy"), "0")

    def test_set_tablespace(self):
        folder = support.make_folder("tablespace-")
        self.addCleanup(support.shutil.rmtree, folder, ignore_errors=True)
        self.sql(f"CREATE TABLESPACE elsewhere LOCATION '{folder}'", "postgres")
        self.addCleanup(self.sql, "DROP TABLESPACE elsewhere", "postgres")
        self.timed("ALTER DATABASE busy SET TABLESPACE elsewhere")
        self.wait_for_worker("busy")
        self.timed("ALTER DATABASE busy SET TABLESPACE pg_default")

    def test_one_who_may_not_drop_it_does_not_stop_the_worker(self):
        self.sql("CREATE ROLE stranger LOGIN", "postgres")
        self.addCleanup(self.sql, "DROP ROLE stranger", "postgres")
        pid = self.pid("busy")
        for sql in ("DROP DATABASE busy", "ALTER DATABASE busy RENAME TO mine",
                    "CREATE DATABASE mine TEMPLATE busy", "BEGIN; DROP DATABASE busy"):
            with self.assertRaises(support.SqlError):
                self.cluster.execute(sql, user="stranger", database="postgres")
        self.assertEqual(self.pid("busy"), pid)

    def test_command_that_fails_gives_the_worker_back(self):
        session = support.Session(self.cluster, "busy")
        self.addCleanup(session.close)
        pid = self.pid("busy")
        with self.assertRaisesRegex(support.SqlError, "being accessed by other users"):
            self.sql("DROP DATABASE busy", "postgres")
        self.wait_for_worker("busy", other_than=pid)


class Jobs(SharedWorkers):
    def test_failing_job_is_shown_and_stops_no_other(self):
        self.add_job("broken", "RAISE EXCEPTION 'out of luck'; RETURN false;")
        self.addCleanup(self.remove_job, "broken")
        self.add_job("fine", "RETURN false;")
        self.addCleanup(self.remove_job, "fine")
        wait_until(lambda: int(self.job("broken", "failures")) >= 2, 30, "the second failure")
        self.assertEqual(self.job("broken", "last_error"), "out of luck")
        self.wait_for_runs("fine", more=2)
        # No doubt is left that it backs off: after the nth failure it waits 2^n s.
        self.assertEqual(self.job("broken", """
            extract(epoch FROM next_run_at - last_finished_at) = 2 ^ failures"""), "true")
        self.assertEqual(self.value("SELECT count(*) FROM telemetry.worker WHERE last_exit = 'error'"), "0")

    def test_error_at_commit_is_the_jobs(self):
        self.sql("CREATE TABLE parent (id integer PRIMARY KEY);"
                 "CREATE TABLE child (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        self.addCleanup(self.sql, "DROP TABLE child, parent")
        self.add_job("deferred", "INSERT INTO public.child VALUES (1); RETURN false;")
        self.addCleanup(self.remove_job, "deferred")
        pid = self.pid()
        wait_until(lambda: int(self.job("deferred", "failures")) >= 2, 30, "the second failure")
        self.assertEqual(self.job("deferred", "last_error_code"), "23503")
        self.wait_for_runs()
        self.assertEqual(self.pid(), pid)

    def test_cancelled_job_is_a_failed_job(self):
        self.add_job("sleep", "PERFORM pg_sleep(600); RETURN false;")
        self.addCleanup(self.remove_job, "sleep")
        pid = int(wait_until(lambda: self.job("sleep", "running_pid"), 30, "the job to run"))
        self.sql(f"SELECT pg_cancel_backend({pid})")
        wait_until(lambda: self.job("sleep", "status") == "failure", 30, "the failure")
        self.assertEqual(self.job("sleep", "last_error_code"), "57014")
        self.assertEqual(self.pid(), pid)

    def test_job_behind_a_lock_gives_up_and_comes_again(self):
        self.sql("CREATE TABLE wanted (id integer)")
        self.addCleanup(self.sql, "DROP TABLE wanted")
        session = self.start_session(self.cluster)
        session.run("BEGIN; LOCK TABLE wanted;")
        self.add_job("blocked", "INSERT INTO public.wanted VALUES (1); RETURN false;")
        self.addCleanup(self.remove_job, "blocked")
        wait_until(lambda: self.job("blocked", "status") == "failure", 60, "the lock timeout")
        self.assertEqual(self.job("blocked", "last_error_code"), "55P03")
        session.run("COMMIT;")
        wait_until(lambda: self.job("blocked", "status") == "success", 60, "a run that is good")

    def test_endless_job_lets_others_have_their_turn(self):
        self.add_job("endless", """
            PERFORM telemetry.report_progress('endless', 'to and fro', 1, 2);
            PERFORM pg_sleep(0.05); RETURN true;""")
        self.addCleanup(self.remove_job, "endless")
        self.add_job("fine", "RETURN false;")
        self.addCleanup(self.remove_job, "fine")
        wait_until(lambda: int(self.job("endless", "runs")) >= 1, 60, "the end of its time")
        self.wait_for_runs("fine")
        self.assertEqual(self.job("endless", "last_steps > 1"), "true")
        self.assertIn(self.job("endless", "status"), ("running", "unfinished"))
        wait_until(lambda: self.cluster.rows("SELECT command, phase, done, total FROM telemetry.progress")
                   == [["endless", "to and fro", "1", "2"]], 30, "its progress")

    def test_open_ingest_is_named(self):
        session = self.start_session(self.cluster)
        insert = """INSERT INTO telemetry.point (ts, device_id, metric, value)
            VALUES ('2024-01-01', 'd', 'm', '1');"""
        session.run(f"BEGIN; {insert} PREPARE TRANSACTION 'left open';")
        session.run(f"BEGIN; {insert}")
        pid = session.run("SELECT pg_backend_pid();")[0]
        text = wait_until(lambda: self.job("roll_up", "CASE WHEN waiting_for LIKE '%prep%pid %' OR "
                                           "waiting_for LIKE '%pid %prep%' THEN waiting_for END"),
                          30, "both to be named")
        self.assertRegex(text, rf"pid {pid} \(user postgres, open for 00:00:\d\d\)")
        self.assertRegex(text, r"prepared transaction 'left open' \(user postgres, open for 00:00:\d\d\)")
        session.run("ROLLBACK; ROLLBACK PREPARED 'left open';")
        self.assertEqual(self.job("roll_up", "waiting_for"), "")

    def test_open_deletion_is_named(self):
        session = self.start_session(self.cluster)
        session.run("BEGIN; SELECT telemetry.delete_points('d', 'm', NULL, NULL);")
        pid = session.run("SELECT pg_backend_pid();")[0]
        text = wait_until(lambda: self.job("roll_up", "waiting_for"), 30, "it to be named")
        self.assertRegex(text, rf"^pid {pid} \(user postgres, open for 00:00:\d\d\)$")
        session.run("ROLLBACK;")
        self.assertEqual(self.job("roll_up", "waiting_for"), "")

    def test_altered_job_follows_soon(self):
        self.add_job("fine", "RETURN false;", "1 h")
        self.addCleanup(self.remove_job, "fine")
        wait_until(lambda: self.job("fine", "runs") == "1", 30, "the first run")
        self.sql("SELECT FROM telemetry.alter_job('fine', '100 ms')")
        self.wait_for_runs("fine", more=5)
        self.sql("SELECT FROM telemetry.alter_job('fine', enabled => false)")
        wait_until(lambda: self.job("fine", "running_pid") == "", 30, "its end")


class Server(Workers):
    """What the server survives, and a worker must."""

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(**PRELOADED)
        self.wait_for_worker()

    def test_worker_comes_with_the_server(self):
        self.cluster.restart()
        self.wait_for_worker()
        self.wait_for_runs()
        self.cluster.kill()
        self.cluster.start()
        self.wait_for_worker()
        self.wait_for_runs()

    def test_killed_worker_is_back_after_the_server_has_recovered(self):
        pid = self.pid()
        self.cluster.crash(pid)
        self.wait_for_worker(other_than=pid)
        self.wait_for_runs()

    def test_job_that_kills_the_server_is_not_repeated_at_once(self):
        self.add_job("deadly", "COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'; RETURN false;")

        def failures():
            try:
                found = self.cluster.rows(
                    "SELECT failures FROM telemetry.job_status WHERE name = 'deadly' AND status = 'interrupted'")
            except support.SqlError:
                return False
            return found and int(found[0][0]) >= 3
        wait_until(failures, 60, "its third victim")
        # 8 s from the third on: time enough to turn it off.
        self.sql("SELECT FROM telemetry.alter_job('deadly', enabled => false)")
        self.assertEqual(self.job("deadly", "last_started_at + interval '8 s' <= (SELECT s.next_run_at "
                                            "FROM telemetry.job_state AS s WHERE s.name = 'deadly')"), "true")
        self.wait_for_worker()
        self.wait_for_runs()

    def test_server_stops_quickly_with_a_worker_at_work(self):
        self.add_job("sleep", "PERFORM pg_sleep(600); RETURN false;")
        wait_until(lambda: self.job("sleep", "running_pid"), 30, "the job to run")
        begun = time.monotonic()
        self.cluster.stop("fast")
        self.assertLess(time.monotonic() - begun, 10 * support.PATIENCE)

    def test_no_room_for_a_worker_is_said_and_does_no_harm(self):
        self.cluster.stop()
        # One is the launcher's own, one the server's for logical replication.
        self.cluster.configure(**PRELOADED, max_worker_processes=2)
        self.cluster.start()
        wait_until(lambda: "no process is left for a telemetry worker" in self.cluster.log_text()
                   or self.pid(), 30, "the launcher to try")
        self.assertIsNone(self.pid())
        self.sql("CALL telemetry.run_jobs('prune')")


if __name__ == "__main__":
    unittest.main()
