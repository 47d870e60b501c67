"""The views for tenants in doc/operations.md: each tenant sees its own devices, whatever it tries."""

import re
import unittest

import rollups
import support

VIEWS = ("point", "latest()", "metric_hourly", "metric_daily", "event")


def documented_sql():
    """The statements of the section, as they are there."""
    text = (support.ROOT / "doc" / "operations.md").read_text(encoding="utf-8")
    section = re.search(r"(?ms)^## Tenants\n(.*?)^## ", text)[1]
    return re.search(r"(?ms)^```sql\n(.*?)^```", section)[1]


class TenantsTest(support.TestCase):
    cluster = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = support.Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.execute(documented_sql())
        cls.cluster.execute("""
            CREATE ROLE globex LOGIN IN ROLE tenants;
            INSERT INTO tenant.device VALUES ('garage', 'globex'), ('cellar', 'globex');
            INSERT INTO telemetry.stream (name, description, event_types) VALUES ('door', 'Doors.', '{opened}');
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT now() - n * interval '1 hour', d, 'temperature', n::float8
            FROM generate_series(1, 30) AS n, unnest('{kitchen,garage,cellar,nobodys}'::text[]) AS d;
            SELECT telemetry.ingest_event(jsonb_build_object('stream', 'door', 'event_id', d, 'event_type', 'opened', 'device_id', d))
            FROM unnest('{kitchen,garage,cellar,nobodys}'::text[]) AS d""")
        rollups.roll_up_everything(cls.cluster)
        # Pending, too.
        cls.cluster.execute("""INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT now(), d, 'humidity', 1::float8 FROM unnest('{kitchen,garage,cellar,nobodys}'::text[]) AS d""")

    def devices(self, view, user, where="true"):
        return self.cluster.value(
            f"SELECT coalesce(string_agg(DISTINCT device_id, ' ' ORDER BY device_id), '') FROM tenant.{view} WHERE {where}", user=user)

    def test_each_tenant_sees_its_devices_and_no_others(self):
        self.cluster.execute("CREATE ROLE newcomer LOGIN IN ROLE tenants")
        for view in VIEWS:
            with self.subTest(view=view):
                self.assertEqual(self.devices(view, "acme"), "kitchen")
                self.assertEqual(self.devices(view, "globex"), "cellar garage")
                self.assertEqual(self.devices(view, "newcomer"), "")
                self.assertEqual(self.devices(view, "acme", "device_id = 'garage'"), "")
                self.assertEqual(self.devices(view, "acme", "device_id IN ('garage', 'kitchen', 'nobodys')"), "kitchen")

    def test_a_device_that_changes_hands_is_seen_by_its_new_tenant(self):
        self.addCleanup(self.cluster.execute, "DELETE FROM tenant.device WHERE device_id = 'nobodys'")
        self.cluster.execute("INSERT INTO tenant.device VALUES ('nobodys', 'acme')")
        self.assertEqual([self.devices(view, "acme") for view in VIEWS], ["kitchen nobodys"] * len(VIEWS))
        self.cluster.execute("DELETE FROM tenant.device WHERE device_id = 'nobodys'")
        self.assertEqual([self.devices(view, "acme") for view in VIEWS], ["kitchen"] * len(VIEWS))

    def test_a_pool_may_take_the_role_of_a_tenant(self):
        self.cluster.execute("CREATE ROLE pool LOGIN NOINHERIT IN ROLE acme, globex")
        for view in VIEWS:
            for tenant, devices in (("acme", "kitchen"), ("globex", "cellar garage")):
                with self.subTest(view=view, tenant=tenant):
                    self.assertEqual(self.cluster.value(
                        f"SET LOCAL ROLE {tenant}; SELECT string_agg(DISTINCT device_id, ' ' ORDER BY device_id) FROM tenant.{view}",
                        user="pool"), devices)

    def test_a_function_of_the_tenants_own_is_not_shown_the_rows_of_others(self):
        """Cheap enough to be run first, were it not for security_barrier."""
        self.cluster.execute("CREATE SCHEMA spying AUTHORIZATION acme")
        self.cluster.execute("""
            CREATE FUNCTION spying.tell(device text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
            BEGIN
                IF device <> 'kitchen' THEN RAISE EXCEPTION 'seen: %', device; END IF;
                RETURN true;
            END $$""", user="acme")
        for view in VIEWS:
            with self.subTest(view=view):
                self.assertEqual(self.devices(view, "acme", "spying.tell(device_id)"), "kitchen")

    def test_nothing_but_the_views_can_be_read(self):
        tables = self.cluster.rows("""
            SELECT format('%s', c.oid::regclass) FROM pg_class AS c
            WHERE c.relnamespace IN ('telemetry'::regnamespace, 'tenant'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
                AND NOT (c.relnamespace = 'tenant'::regnamespace AND c.relkind = 'v')""")
        self.assertGreater(len(tables), 40)
        readable = self.cluster.rows("""
            SELECT c.oid::regclass FROM pg_class AS c
            WHERE c.relnamespace IN ('telemetry'::regnamespace, 'tenant'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
                AND has_table_privilege('acme', c.oid, 'SELECT')""")
        self.assertEqual(sorted(name for [name] in readable), sorted(f"tenant.{view}" for view in VIEWS if view != "latest()"))

    def test_only_blocks_and_rows_of_the_tenants_devices_are_read(self):
        for view, condition in (("point", "Pushed Down: .*device_id = ANY"), ("metric_hourly", "Index Cond: .*device_id = ANY")):
            with self.subTest(view=view):
                plan = self.cluster.execute(f"SET enable_seqscan = off; EXPLAIN SELECT * FROM tenant.{view}", user="acme")
                self.assertRegex(plan, condition)


if __name__ == "__main__":
    unittest.main()
