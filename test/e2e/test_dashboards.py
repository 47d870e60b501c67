"""The dashboards in doc/grafana: each of their queries runs as a reader, has what its panel needs, and costs what it should.

Macros and variables are expanded as Grafana's PostgreSQL data source does it (its macros.go).
"""

import datetime
import json
import re
import unittest

import psycopg2

import rollups
import support

FOLDER = support.ROOT / "doc" / "grafana"
DASHBOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
TO = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)    # after what the tests write
RANGES = {"30s": datetime.timedelta(hours=6), "1h": datetime.timedelta(days=30)}    # {$__interval: what it goes with}
CHOICES = {"device": ["d'1"], "metric": ["temperature", "humidity"]}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

TIMES = {1114, 1184}    # type OIDs: timestamp, timestamptz
NUMBERS = {20, 21, 23, 700, 701, 1700}

# Panels of these dashboards that may read points; all others must do with aggregates and catalogues.
OF_POINTS = {("device", "Points"), ("device", "Hours")}


def rfc3339(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def expand_macro(name, arguments, since, timescaledb):
    """As evaluateMacro() of the data source."""
    column = arguments[0] if arguments else ""
    if name == "__timeFilter":
        return f"{column} BETWEEN '{rfc3339(since)}' AND '{rfc3339(TO)}'"
    if name == "__timeFrom":
        return quoted(rfc3339(since))
    if name == "__timeTo":
        return quoted(rfc3339(TO))
    if name in ("__timeGroup", "__timeGroupAlias"):
        text = arguments[1].strip("'")
        seconds = int(text[:-1]) * SECONDS[text[-1]]
        group = f"floor(extract(epoch from {column})/{seconds})*{seconds}"
        if timescaledb:
            group = f"time_bucket('{seconds:.3f}s',{column})"
        return group + (' AS "time"' if name.endswith("Alias") else "")
    raise ValueError(f"unknown macro {name}")


def expand(sql, interval, since, dashboard, timescaledb=False):
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            values = CHOICES[variable["name"]][:None if variable["multi"] else 1]
            sql = sql.replace("${%s:sqlstring}" % variable["name"], ",".join(map(quoted, values)))
    sql = sql.replace("$__interval", interval)
    sql = re.sub(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)",
                 lambda m: expand_macro(m[1], [part.strip() for part in m[2].split(",")], since, timescaledb), sql)
    if "$" in sql:
        raise ValueError(f"not expanded: {sql}")
    return sql


def targets():
    """(dashboard, panel, target) of all."""
    for key, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield key, panel, target
        for annotation in dashboard["annotations"]["list"]:
            yield key, {"title": "annotation", "type": "annotation"}, annotation["target"]


class DashboardTest(support.TestCase):
    cluster = None
    reader = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = support.Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.execute("CREATE ROLE grafana LOGIN IN ROLE telemetry_reader")
        cls.cluster.execute("""
            INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value, level) VALUES ('Hot', 'temperature', '>', 30, 'critical');
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT now() - n * interval '10 minutes', d.device_id, m.metric, (20 + n % 12)::float8
            FROM generate_series(1, 600) AS n, (VALUES ('d''1'), ('d2')) AS d (device_id), (VALUES ('temperature'), ('humidity')) AS m (metric)""")
        cls.cluster.execute("""SELECT telemetry.ingest(jsonb_build_object('data_points', jsonb_build_array(
            jsonb_build_object('timestamp', now(), 'metric_name', '', 'value', 1)), 'batch_id', 'bad'), 'd''1', 'batch')""")
        rollups.roll_up_everything(cls.cluster)
        # Pending for the live views.
        cls.cluster.execute("""INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT now(), 'd''1', m, 40::float8 FROM unnest('{temperature,humidity}'::text[]) AS m""")

        cls.reader = psycopg2.connect(cls.cluster.conninfo("grafana"))
        cls.reader.autocommit = True
        cls.addClassCleanup(cls.reader.close)

    def run_query(self, sql):
        """{column: type} and the rows, as a reader who may not write."""
        with self.reader.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on; SET statement_timeout = '60s'")
            cursor.execute(sql)
            return {column.name: column.type_code for column in cursor.description}, cursor.fetchall()

    def each_query(self, check):
        """Calls check(dashboard, panel, target, SQL) for each range of times, as a subtest."""
        for interval, reach in RANGES.items():
            for key, panel, target in targets():
                with self.subTest(dashboard=key, panel=panel["title"], interval=interval):
                    check(key, panel, target, expand(target["rawSql"], interval, TO - reach, DASHBOARDS[key]))

    def test_panels_have_rows_and_columns_as_their_format_needs_them(self):
        def check(_key, panel, target, sql):
            columns, rows = self.run_query(sql)
            self.assertTrue(rows)
            if target["format"] == "time_series":
                self.assertIn(columns["time"], TIMES | NUMBERS)
                self.assertTrue(any(code in NUMBERS for name, code in columns.items() if name != "time"))
                self.assertEqual([row[0] for row in rows], sorted(row[0] for row in rows))
            if panel["type"] in ("stat", "timeseries"):
                # What is neither the time nor the series' name is a number.
                self.assertTrue(all(code in NUMBERS for name, code in columns.items() if name not in ("time", "metric")))

        self.each_query(check)

    def test_points_are_read_only_where_a_panel_shows_points(self):
        def check(key, panel, _target, sql):
            _, rows = self.run_query(f"EXPLAIN (VERBOSE) {sql}")
            reads = any("Foreign Scan on telemetry.point" in row[0] for row in rows)
            self.assertEqual(reads, (key, panel["title"]) in OF_POINTS, rows)

        self.each_query(check)

    def test_points_of_a_device_are_found_by_its_keys_and_times(self):
        """What the panel asks for reaches the store: nobody's points are read in vain."""
        [target] = [target for key, panel, target in targets() if (key, panel["title"]) == ("device", "Points")]
        _, rows = self.run_query("EXPLAIN " + expand(target["rawSql"], "30s", TO - RANGES["30s"], DASHBOARDS["device"]))
        [pushed] = [row[0] for row in rows if "Pushed Down:" in row[0]]
        for condition in ("ts >=", "ts <=", "metric = ANY", "device_id ="):
            self.assertIn(condition, pushed)
        self.assertFalse([row[0] for row in rows if "Filter:" in row[0]])

    def test_both_ways_to_group_times_give_the_same(self):
        """With the switch "TimescaleDB" on, where time_bucket is found by the search path."""
        self.cluster.execute("ALTER ROLE grafana SET search_path = public, telemetry")
        with psycopg2.connect(self.cluster.conninfo("grafana")) as session, session.cursor() as cursor:
            for key, panel, target in targets():
                if "$__timeGroup" not in target["rawSql"]:
                    continue
                with self.subTest(panel=panel["title"]):
                    answers = []
                    for timescaledb in (False, True):
                        cursor.execute(expand(target["rawSql"], "1h", TO - RANGES["1h"], DASHBOARDS[key], timescaledb))
                        answers.append(sorted((float(row[0]) if not timescaledb else row[0].timestamp(), *row[1:]) for row in cursor))
                    self.assertEqual(*answers)
        self.cluster.execute("ALTER ROLE grafana RESET search_path")

    def test_variables_offer_what_there_is(self):
        for key, dashboard in DASHBOARDS.items():
            for variable in dashboard["templating"]["list"]:
                if variable["type"] != "query":
                    continue
                with self.subTest(dashboard=key, variable=variable["name"]):
                    columns, rows = self.run_query(expand(variable["query"], "1m", TO, dashboard))
                    self.assertEqual(len(columns), 1)
                    self.assertLessEqual(set(CHOICES[variable["name"]]), {row[0] for row in rows})

    def test_dashboards_are_told_apart_and_stand_on_one_data_source(self):
        self.assertEqual(len({dashboard["uid"] for dashboard in DASHBOARDS.values()}), len(DASHBOARDS))
        self.assertEqual(set(DASHBOARDS), {"alerts", "device", "fleet", "ingest"})
        for _key, _panel, target in targets():
            self.assertEqual(target["datasource"]["uid"], "${datasource}")


if __name__ == "__main__":
    unittest.main()
