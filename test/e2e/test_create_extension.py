"""CREATE EXTENSION in several databases of a cluster at once, and DROP EXTENSION."""

import unittest

import support

DATABASES = 5


class Parallel(support.TestCase):

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(extension=False, fsync="off")
        self.names = [f"d{number}" for number in range(DATABASES)]
        for name in self.names:
            self.cluster.psql(f"CREATE DATABASE {name}", database="postgres")
            self.cluster.psql("CREATE EXTENSION hll", database=name)

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
            self.cluster.psql("DROP EXTENSION telemetry", database=name)
        self.cluster.psql("REVOKE telemetry_reader FROM telemetry_admin; DROP OWNED BY telemetry_admin", database="postgres")
        self.assertEqual(self.create(self.names), [""] * DATABASES)
        self.check()

    def test_roles_are_as_their_administrator_left_them_when_nothing_is_missing(self):
        self.create(self.names[:1])
        self.cluster.psql("COMMENT ON ROLE telemetry_admin IS 'ours'", database="postgres")
        session = self.start_session(self.cluster)
        session.run("BEGIN; GRANT telemetry_reader TO postgres;")
        # Nothing is to be done, so that nobody is waited for.
        self.cluster.psql("SET lock_timeout = '1ms'; CREATE EXTENSION telemetry", database=self.names[1])
        session.run("ROLLBACK;")
        self.assertEqual(self.cluster.value(
            "SELECT shobj_description('telemetry_admin'::regrole, 'pg_authid')", database="postgres"), "ours")


if __name__ == "__main__":
    unittest.main()
