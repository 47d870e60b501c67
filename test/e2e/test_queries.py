"""Queries over HTTP, through the proxy: seed 004's Epic 3 to the letter, and what is wrong with a request."""

import datetime
import json
import unittest

import support

BASE = "/api/v1/telemetry"
DEVICE = BASE + "/devices/device_001"
DAY = {"start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"}


def utc(seconds_ago=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class QueryTest(support.SharedProxyTestCase):

    def setUp(self):
        super().setUp()
        points = [{"timestamp": f"2025-12-17T{hour:02}:{minute:02}:00Z", "metric_name": "temperature", "value": 24.5,
                   "unit": "celsius"} for hour in range(24) for minute in (0, 20, 40)]
        self.ask("POST", DEVICE + "/telemetry/batch", 200, {"data_points": points})

    def ask(self, method, path, status, body=None):
        answer = self.proxy.request(method, path, body)
        self.assertEqual(answer.status, status, answer)
        if status >= 400:
            self.assertEqual(list(answer.json), ["detail"])
        return answer.json

    def test_e3_us1_the_printed_request_has_the_printed_answer(self):
        answer = self.ask("POST", BASE + "/query", 200, {
            "devices": ["device_001"], "metrics": ["temperature"], **DAY,
            "aggregation": "avg", "interval": 3600, "limit": 1000})
        self.assertEqual(answer["data_points"][0], {
            "timestamp": "2025-12-17T00:00:00Z", "metric_name": "temperature", "value": 24.5, "unit": "celsius"})
        del answer["data_points"]
        self.assertEqual(answer, {
            "device_id": "device_001", "metric_name": "temperature", "count": 24, "aggregation": "avg",
            "interval": 3600, "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"})

    def test_e3_us2_the_newest_point_is_found(self):
        self.ask("GET", DEVICE + "/metrics/level/latest", 404)
        at = utc(60)
        self.ask("POST", DEVICE + "/telemetry", 200,
                 {"timestamp": at, "metric_name": "level", "value": 25.5, "unit": "celsius", "tags": {}})
        self.assertEqual(self.ask("GET", DEVICE + "/metrics/level/latest", 200), {
            "device_id": "device_001", "metric_name": "level", "value": 25.5, "unit": "celsius",
            "timestamp": at, "tags": {}, "metadata": {}})

    def test_e3_us3_a_device_has_metrics(self):
        self.assertIn("temperature", self.ask("GET", DEVICE + "/metrics", 200))
        self.assertEqual(self.ask("GET", BASE + "/devices/nobody/metrics", 200), [])

    def test_e3_us4_and_us5_ranges_and_aggregates(self):
        answer = self.ask("GET", DEVICE + "/metrics/temperature/range?time_range=1h", 200)
        self.assertEqual((answer["count"], answer["data_points"]), (0, []))
        answer = self.ask("GET", BASE + "/aggregated?metric_name=temperature&aggregation_type=count&interval=86400"
                          "&start_time=2025-12-17T00:00:00Z&end_time=2025-12-18T00:00:00Z", 200)
        self.assertEqual(answer["data_points"], [{"timestamp": "2025-12-17T00:00:00Z", "value": 72, "count": 72}])

    def test_pages_go_on_to_the_end(self):
        body = {"metrics": ["temperature"], "devices": ["device_001"], **DAY, "limit": 50}
        first = self.ask("POST", BASE + "/query", 200, body)
        second = self.ask("POST", BASE + "/query", 200, {**body, "cursor": first["next_cursor"]})
        self.assertEqual((first["count"], second["count"], "next_cursor" in second), (50, 22, False))

    def test_what_is_wrong_is_named_and_no_error_of_the_server(self):
        body = {"metrics": ["temperature"], **DAY}
        for more, said in (
                ({"metrics": None}, "metrics"), ({"metrics": [1]}, "metrics"), ({"devices": "d"}, "devices"),
                ({"start_time": "x"}, "start_time"), ({"end_time": 1e300}, "end_time"), ({"aggregation": "'; --"}, "aggregation"),
                ({"interval": 10 ** 400}, "interval"), ({"limit": 10001}, "10000"), ({"cursor": "\u00e4"}, "cursor"),
                ({"filters": []}, "filters"), ({"timezone": "x" * 101}, "timezone"), ({"surprise": 1}, "surprise")):
            with self.subTest(more=more):
                self.assertIn(said, self.ask("POST", BASE + "/query", 422, {**body, **more})["detail"])
        self.assertIn(self.proxy.post(BASE + "/query", json.dumps(body)[:-1] + ', "filters": ' + '{"a":' * 1000 + "1" + "}" * 1001).status,
                      (200, 400, 422))
        for query, said in (("time_range=2h", "time_range"), ("interval=1e9", "interval"), ("aggregation=mode", "aggregation"),
                            ("limit=0", "limit"), ("cursor=%27", "cursor")):
            with self.subTest(query=query):
                self.assertIn(said, self.ask("GET", f"{DEVICE}/metrics/temperature/range?{query}", 400)["detail"])
        self.ask("GET", DEVICE + "/metrics/m/latest?hours=x", 400)
        self.ask("GET", BASE + "/aggregated", 400)


if __name__ == "__main__":
    unittest.main()
