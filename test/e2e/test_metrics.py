"""Definitions of metrics over HTTP, through the proxy: what they say counts for the next request, and each point that does
not fit is named."""

import unittest

import support

BASE = "/api/v1/telemetry"
USER = {"X-User-Id": "admin_001"}
# As the seed prints it.
BATTERY = {"name": "battery_level", "description": "Device battery percentage", "data_type": "numeric", "metric_type": "gauge",
           "unit": "percent", "min_value": 0, "max_value": 100, "retention_days": 90, "aggregation_interval": 60}


def point(value, second=0, metric="battery_level"):
    return {"timestamp": f"2024-01-01T00:00:{second:02}Z", "metric_name": metric, "value": value}


class MetricTest(support.SharedProxyTestCase):

    def setUp(self):
        super().setUp()
        self.cluster.execute("DELETE FROM telemetry.metric_definition; DELETE FROM telemetry.retention;"
                             " TRUNCATE telemetry.block, telemetry.dead_letter")

    def ask(self, method, path, status, body=None):
        answer = self.proxy.request(method, BASE + path, body, headers=USER)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def stored(self):
        return self.cluster.execute("SELECT format('%s', value), unit FROM telemetry.point ORDER BY metric, ts")

    def test_the_printed_definition_is_made_read_listed_changed_and_deleted(self):
        made = self.ask("POST", "/metrics", 201, BATTERY)
        self.assertEqual({**made, **BATTERY, "tags": [], "metadata": {}, "created_by": "admin_001"}, made)
        self.assertRegex(made["metric_id"], "^met_")
        self.assertRegex(made["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(self.ask("GET", "/metrics/battery_level", 200), made)
        listed = self.ask("GET", "/metrics?data_type=numeric&limit=100", 200)
        self.assertEqual(listed, {"metrics": [made], "count": 1, "limit": 100, "offset": 0, "filters": {"data_type": "numeric"}})
        self.assertEqual(self.ask("POST", "/metrics", 409, BATTERY)["detail"], 'metric "battery_level" has a definition already')
        self.assertEqual(self.ask("PUT", "/metrics/battery_level", 200, {"max_value": 50})["max_value"], 50)
        self.assertTrue(self.ask("DELETE", "/metrics/battery_level", 200)["success"])
        for method in ("GET", "DELETE"):
            self.assertEqual(self.ask(method, "/metrics/battery_level", 404), {"detail": "Metric not found"})
        self.assertEqual(self.cluster.execute("SELECT retention_days FROM telemetry.retention"), "90\n")

    def test_names_with_any_characters_are_found(self):
        for name, path in (("a/b c", "a%2Fb%20c"), ("100 %", "100%20%25"), ("été?", "%C3%A9t%C3%A9%3F"), ("'; --", "%27%3B%20--")):
            with self.subTest(name):
                self.ask("POST", "/metrics", 201, {"name": name, "data_type": "string"})
                self.assertEqual(self.ask("GET", "/metrics/" + path, 200)["name"], name)
                self.ask("DELETE", "/metrics/" + path, 200)

    def test_a_batch_is_judged_point_by_point_and_a_change_counts_at_once(self):
        values = [50, 120, "50", None, True, -1, 100]
        body = {"data_points": [point(value, second) for second, value in enumerate(values)]}
        self.assertEqual(self.ask("POST", "/devices/d/telemetry/batch", 200, body)["failed_count"], 1)
        self.ask("POST", "/metrics", 201, BATTERY)
        answer = self.ask("POST", "/devices/d/telemetry/batch", 200, body)
        self.assertEqual((answer["success"], answer["ingested_count"], answer["failed_count"]), (False, 2, 5))
        self.assertEqual([(e["index"], e["code"], e["error"]) for e in answer["errors"]], [
            (1, "out_of_range", 'value 120 of metric "battery_level" is above the maximum of 100'),
            (2, "type_mismatch", 'value of metric "battery_level" must be numeric, not text'),
            (3, "missing_field", "value is required"),
            (4, "type_mismatch", 'value of metric "battery_level" must be numeric, not boolean'),
            (5, "out_of_range", 'value -1 of metric "battery_level" is below the minimum of 0')])
        self.cluster.execute("TRUNCATE telemetry.block")
        self.ask("PUT", "/metrics/battery_level", 200, {"coerce": True, "max_value": 60})
        self.assertEqual(self.ask("POST", "/devices/d/telemetry/batch", 200, body)["ingested_count"], 2)
        self.assertEqual(self.stored(), "50,percent\n50,percent\n")

    def test_single_points_and_bulks_are_judged_too(self):
        self.ask("POST", "/metrics", 201, BATTERY)
        self.assertEqual(self.ask("POST", "/devices/d/telemetry", 422, point(120))["detail"],
                         'value 120 of metric "battery_level" is above the maximum of 100')
        self.ask("POST", "/devices/d/telemetry", 200, {**point(20), "unit": "%"})
        answer = self.ask("POST", "/bulk", 200, {"a": [point(30, 1), point(300, 2)], "b": [point(300, 3, "other")]})
        self.assertEqual([e["code"] for e in answer["results"]["a"]["errors"]], ["out_of_range"])
        self.assertTrue(answer["results"]["b"]["success"])
        self.assertEqual(self.stored(), "20,%\n30,percent\n300,\n")
        # Where the bodies are not plain, the judgement is the same.
        answer = self.ask("POST", "/devices/d/telemetry/batch", 200, {"batch_id": "b", "data_points": [point(40, 4), point(400, 5)]})
        self.assertEqual([e["code"] for e in answer["errors"]], ["out_of_range"])
        self.assertEqual(self.ask("GET", "/batches/b", 200)["errors"], answer["errors"])

    def test_what_is_wrong_is_named_and_the_server_is_well(self):
        for body, status, said in (
                ({"name": "n"}, 422, "data_type is required"),
                ({**BATTERY, "min_value": 101}, 422, "min_value must not be above max_value"),
                ({**BATTERY, "max_value": 10 ** 400}, 422, "max_value must be a number within double precision"),
                ({**BATTERY, "colour": 1}, 422, 'no field "colour"'),
                ({**BATTERY, "name": "n" * 129}, 422, "name must be a text of 1 to 128 bytes"),
                ("[" * 1000 + "]" * 1000, 400, "nested too deep"),
                ('{"name": "n\\u0000"}', 400, ""), ("{", 400, ""), ("", 422, "must be a JSON object")):
            with self.subTest(body=str(body)[:60]):
                self.assertIn(said, self.ask("POST", "/metrics", status, body)["detail"])
        for query in ("limit=0", "limit=1e3", "offset=-1", "data_type=%27", "metric_type=x"):
            self.assertIn(query.split("=")[0] + " must be", self.ask("GET", "/metrics?" + query, 400)["detail"])
        self.assertEqual(self.ask("GET", "/metrics", 200)["count"], 0)


if __name__ == "__main__":
    unittest.main()
