"""CREATE EXTENSION in several databases of a cluster at once, and DROP EXTENSION."""

import unittest

import contents
import support

DATABASES = 5


class Parallel(support.TestCase):

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(extension=False, fsync="off")
        self.names = [f"d{number}" for number in range(DATABASES)]
        for name in self.names:
            self.cluster.execute(f"CREATE DATABASE {name}", database="postgres")
            self.cluster.execute("CREATE EXTENSION hll", database=name)

    def create(self, names):
        """All at once: each session is connected before the first begins."""
        sessions = [self.cluster.popen_psql(["-v", "VERBOSITY=terse"], database=name) for name in names]
        for session in sessions:
            session.stdin.write(b"SELECT;\n")
            session.stdin.flush()
        for session in sessions:
            session.stdin.write(b"CREATE EXTENSION telemetry;\n")
            session.stdin.close()
        errors = []
        for session in sessions:
            errors.append(session.stderr.read().decode())
            session.wait(120)
            session.stdout.close()
            session.stderr.close()
        return errors

    def check(self):
        for name in self.names:
            self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point", database=name), "0")
        self.assertEqual(self.cluster.rows("""
            SELECT rolname, shobj_description(oid, 'pg_authid') IS NOT NULL, pg_has_role('telemetry_admin', oid, 'MEMBER')
            FROM pg_roles WHERE rolname LIKE 'telemetry%' ORDER BY 1""", database="postgres"),
                         [["telemetry_admin", "t", "t"], ["telemetry_reader", "t", "t"], ["telemetry_writer", "t", "t"]])
        self.assertEqual(self.cluster.value("""
            SELECT bool_and(has_parameter_privilege('telemetry_admin', s, 'SET'))
            FROM unnest('{telemetry.max_future,telemetry.max_value_size,telemetry.batch_window}'::text[]) AS s""",
                                            database="postgres"), "t")

    def test_extensions_are_created_at_once(self):
        self.assertEqual(self.create(self.names), [""] * DATABASES)
        self.check()
        # The roles are there now, but nothing is granted to them.
        for name in self.names:
            self.cluster.execute("DROP EXTENSION telemetry", database=name)
        self.cluster.execute("REVOKE telemetry_reader FROM telemetry_admin; DROP OWNED BY telemetry_admin", database="postgres")
        self.assertEqual(self.create(self.names), [""] * DATABASES)
        self.check()

    def test_roles_are_as_their_administrator_left_them_when_nothing_is_missing(self):
        self.create(self.names[:1])
        self.cluster.execute("COMMENT ON ROLE telemetry_admin IS 'ours'", database="postgres")
        session = self.start_session(self.cluster)
        session.run("BEGIN; GRANT telemetry_reader TO postgres;")
        # Nothing is to be done, so that nobody is waited for.
        self.cluster.execute("SET lock_timeout = '1ms'; CREATE EXTENSION telemetry", database=self.names[1])
        session.run("ROLLBACK;")
        self.assertEqual(self.cluster.value(
            "SELECT shobj_description('telemetry_admin'::regrole, 'pg_authid')", database="postgres"), "ours")


# Rows of catalogs by which something is left over; what is of another database does not count.
LEFT_OVER = {
    "relations": "SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relnamespace NOT IN ("
                 "'pg_toast'::regnamespace) AND oid >= 16384",
    "functions": "SELECT proname FROM pg_proc WHERE oid >= 16384",
    "types": "SELECT typname FROM pg_type WHERE oid >= 16384",
    "operators": "SELECT oprname FROM pg_operator WHERE oid >= 16384",
    "schemas": "SELECT nspname FROM pg_namespace WHERE oid >= 16384",
    "casts": "SELECT castsource::regtype FROM pg_cast WHERE oid >= 16384",
    "servers": "SELECT srvname FROM pg_foreign_server UNION ALL SELECT fdwname FROM pg_foreign_data_wrapper",
    "default grants": "SELECT * FROM pg_default_acl",
    "settings": "SELECT setconfig FROM pg_db_role_setting",
    "comments": "SELECT objoid FROM pg_description WHERE objoid >= 16384",
    "dependencies": "SELECT classid::regclass, objid FROM pg_shdepend WHERE dbid = "
                    "(SELECT oid FROM pg_database WHERE datname = current_database())",
    "initial privileges": "SELECT classoid::regclass, objoid FROM pg_init_privs WHERE objoid >= 16384",
    "advisory locks": "SELECT objid FROM pg_locks WHERE locktype = 'advisory'",
    "workers": "SELECT datname FROM pg_stat_activity WHERE backend_type = 'telemetry worker'",
}


class Dropped(support.TestCase):

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(extension=False, **{
            "fsync": "off", "shared_preload_libraries": "telemetry", "telemetry.launcher_interval": 1})

    def left_over(self):
        return {what: sorted(self.cluster.rows(query)) for what, query in LEFT_OVER.items()}

    def wait_for_worker(self, database):
        support.wait_until(lambda: self.cluster.rows("SELECT pid FROM telemetry.worker WHERE state = 'running'",
                                                     database=database), 30, f"a worker in {database}")

    def test_drop_leaves_nothing_and_roles_can_be_dropped(self):
        self.cluster.execute("CREATE EXTENSION hll; CREATE TABLE public.ours (t text)")
        before = self.left_over()
        self.cluster.execute("CREATE EXTENSION telemetry")
        self.wait_for_worker("telemetry")
        contents.fill(self.cluster)
        self.cluster.execute("SELECT telemetry.create_event_partition('2020-02-02')")
        self.assertNotEqual(self.left_over(), before)
        self.cluster.execute("DROP EXTENSION telemetry CASCADE; DROP FUNCTION public.may_enter")
        support.wait_until(lambda: not self.cluster.rows(LEFT_OVER["workers"]), 30, "the worker to leave")
        self.assertEqual(self.left_over(), before)

        # As doc/operations.md says.
        self.cluster.execute("GRANT SELECT ON public.ours TO telemetry_reader")
        self.cluster.execute("DROP OWNED BY telemetry_reader, telemetry_writer, telemetry_admin")
        self.cluster.execute("DROP ROLE telemetry_reader, telemetry_writer, telemetry_admin")
        self.assertEqual(self.cluster.rows("SELECT * FROM pg_parameter_acl"), [])

    def test_databases_made_of_a_template_have_everything(self):
        self.cluster.execute("CREATE EXTENSION telemetry CASCADE", database="template1")
        contents.fill(_In(self.cluster, "template1"))
        before = contents.checksums(_In(self.cluster, "template1"), OWN)
        self.cluster.execute("CREATE DATABASE copy", database="postgres")
        self.wait_for_worker("copy")
        copy = _In(self.cluster, "copy")
        self.assertEqual(contents.checksums(copy, OWN)["event"], before["event"])
        self.assertEqual(contents.checksums(copy, OWN)["point"], before["point"])
        support.wait_until(lambda: copy.value("SELECT count(*) FROM telemetry.block_0") == "0", 30, "the worker to roll up")
        self.assertEqual(contents.audit(copy), [])
        self.assertEqual(self.cluster.rows("SELECT * FROM pg_stat_activity WHERE backend_type = 'telemetry worker' "
                                           "AND datname = 'template1'"), [])


OWN = ("job_state", "restore_session")


class _In:
    """A cluster whose statements go to another database."""

    def __init__(self, cluster, database):
        self.database = database
        self.cluster = cluster

    def __getattr__(self, name):
        def act(*arguments, **named):
            return getattr(self.cluster, name)(*arguments, database=self.database, **named)
        return act


class FirstInSession(support.SharedClusterTestCase):
    """The library is not preloaded, and a session has it from the first use of something in C on."""

    apps = support.APPS
    settings = {"fsync": "off"}

    def test_every_relation_can_be_read_first(self):
        # Those that take texts are written only.
        relations = [name for (name,) in self.cluster.rows("""
            SELECT c.oid::regclass FROM pg_class AS c LEFT JOIN pg_foreign_table AS f ON f.ftrelid = c.oid
            WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind IN ('v', 'f')
                AND 'text=true' <> ALL (coalesce(f.ftoptions, '{}')) ORDER BY 1""")]
        self.assertIn("telemetry.freshness", relations)
        for name in relations:
            with self.subTest(name):
                self.cluster.execute(f"SELECT * FROM {name}")

    def test_every_job_can_run_first(self):
        for (name,) in self.cluster.rows("SELECT name FROM telemetry.job"):
            with self.subTest(name):
                self.cluster.execute(f"SELECT telemetry.job_{name}()")

    def test_setting_is_that_of_the_session(self):
        self.assertEqual(self.cluster.value("SELECT telemetry.setting('lag_target')"), "10s")
        self.assertEqual(self.cluster.execute("SET telemetry.settle_time = 90; SELECT telemetry.setting('settle_time')"), "90s\n")
        with self.assertRaises(support.SqlError) as caught:
            self.cluster.execute("SELECT telemetry.setting('absent')")
        self.assertEqual(caught.exception.sqlstate, "42704")


if __name__ == "__main__":
    unittest.main()
