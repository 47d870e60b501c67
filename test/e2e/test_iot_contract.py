"""The contract of seed 004, Epics 1, 2, 3, 6 and 7: what it prints is sent to the letter, and each acceptance criterion has a test of its name.

Criteria about how long an answer takes (E1-US1 AC6, E1-US2 AC7, E1-US3 AC4, E2-US2 AC5, E2-US3 AC3, E3-US1 AC6, E3-US2 AC5, E3-US3 AC4,
E3-US4 AC5, E3-US5 AC5, E6-US1 AC7, E6-US2 AC7, E6-US3 AC2, E6-US4 AC4, E7-US1 AC6) are measured by `make bench`; a test asserts no time.
"""

import csv
import datetime
import gzip
import io
import json
import unittest

import support

BASE = "/api/v1/telemetry"
DEVICE = BASE + "/devices/device_001"

# What the seed prints.
SINGLE = {"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "tags": {"location": "room_1"}}
SINGLE_ANSWER = {"success": True, "message": "Data point ingested successfully", "device_id": "device_001", "metric_name": "temperature"}
BATCH = {"data_points": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5},
                         {"timestamp": "2025-12-18T10:00:00Z", "metric_name": "humidity", "value": 60}],
         "compression": None, "batch_id": "batch_001"}
BATCH_ANSWER = {"success": True, "ingested_count": 2, "failed_count": 0, "total_count": 2, "errors": []}
BULK = {"device_001": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temp", "value": 25}],
        "device_002": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temp", "value": 26}]}
METRIC = {"name": "battery_level", "description": "Device battery percentage", "data_type": "numeric", "metric_type": "gauge", "unit": "percent",
          "min_value": 0, "max_value": 100, "retention_days": 90, "aggregation_interval": 60}
METRIC_ANSWER = {**METRIC, "tags": [], "metadata": {}, "created_by": "admin_001"}    # and metric_id, created_at, updated_at
DAY = {"start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"}
QUERY = {"devices": ["device_001"], "metrics": ["temperature", "humidity"], **DAY, "aggregation": "avg", "interval": 3600, "limit": 1000}
QUERY_ANSWER = {"device_id": "device_001", "metric_name": "temperature", "count": 24, "aggregation": "avg", "interval": 3600, **DAY}    # and data_points
QUERY_POINT = {"timestamp": "2025-12-17T00:00:00Z", "metric_name": "temperature", "value": 24.5, "unit": "celsius"}
LATEST_ANSWER = {"device_id": "device_001", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "timestamp": None, "tags": {}, "metadata": {}}
STATISTICS = {"device_id", "total_metrics", "active_metrics", "data_points_count", "last_update", "storage_size", "avg_frequency", "last_24h_points",
              "last_24h_alerts", "metrics_by_type", "top_metrics"}
HEALTH_ANSWER = {"status": "healthy", "service": "telemetry_service", "port": None, "version": None}
CSV_COLUMNS = ["timestamp", "device_id", "metric_name", "value", "unit", "tags"]


def utc(hours_ago=0.0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def point(**fields):
    return {**SINGLE, **fields}


class IotTestCase(support.SharedProxyTestCase):
    def setUp(self):
        super().setUp()
        self.cluster.execute("DELETE FROM telemetry.metric_definition; DELETE FROM telemetry.retention; TRUNCATE telemetry.outbox")

    def ask(self, method, path, status=200, body=None):
        """The answer in JSON; a failure is {"detail": text}."""
        answer = self.proxy.request(method, path, body, headers={"X-User-Id": "admin_001"})
        self.assertEqual(answer.status, status, answer)
        if status >= 400:
            self.assertEqual(list(answer.json), ["detail"])
        return answer.json

    def stored(self, columns="device_id, metric, ts AT TIME ZONE 'UTC', value"):
        return self.cluster.rows(f"SELECT {columns} FROM telemetry.point ORDER BY device_id, metric, ts")

    def store(self, *points, device="device_001"):
        answer = self.ask("POST", f"{BASE}/devices/{device}/telemetry/batch", 200, {"data_points": list(points)})
        self.assertEqual(answer["failed_count"], 0, answer)

    def published(self, kind):
        return self.cluster.rows(f"SELECT key, data FROM telemetry.outbox WHERE event_type = '{kind}' ORDER BY id")


class IngestTest(IotTestCase):
    def test_e1_us1_ac1_a_single_point_is_taken(self):
        self.assertEqual(self.ask("POST", DEVICE + "/telemetry", 200, SINGLE), SINGLE_ANSWER)
        self.assertEqual(self.stored(), [["device_001", "temperature", "2025-12-18 10:00:00", "25.5"]])

    def test_e1_us1_ac2_timestamp_metric_name_and_value_are_required(self):
        for name in ("timestamp", "metric_name", "value"):
            for body in ({key: value for key, value in SINGLE.items() if key != name}, point(**{name: None})):
                self.assertIn(name, self.ask("POST", DEVICE + "/telemetry", 422, body)["detail"])
        self.assertEqual(self.stored(), [])

    def test_e1_us1_ac3_a_value_is_a_number_a_text_a_boolean_or_json(self):
        for i, value in enumerate((25.5, "open", True, {"a": [1, None]}, [1, 2])):
            self.ask("POST", DEVICE + "/telemetry", 200, point(metric_name=f"m{i}", value=value))
        self.assertEqual(self.stored("metric, telemetry.kind(value)"),
                         [["m0", "numeric"], ["m1", "text"], ["m2", "boolean"], ["m3", "json"], ["m4", "json"]])

    def test_e1_us1_ac4_unit_tags_and_metadata_are_optional(self):
        self.ask("POST", DEVICE + "/telemetry", 200, {name: SINGLE[name] for name in ("timestamp", "metric_name", "value")})
        self.assertEqual(self.stored("unit, tags, metadata"), [["", "", ""]])
        self.ask("POST", DEVICE + "/telemetry", 200, point(metadata={"firmware": "1.2"}))
        self.assertEqual(self.stored("unit, tags, metadata"), [["celsius", '{"location": "room_1"}', '{"firmware": "1.2"}']])

    def test_e1_us1_ac5_the_answer_is_200_and_a_confirmation(self):
        answer = self.proxy.post(DEVICE + "/telemetry", SINGLE)
        self.assertEqual((answer.status, answer.json), (200, SINGLE_ANSWER))

    def test_e1_us1_ac7_data_received_is_published(self):
        """For who asks for it: telemetry.publish_received."""
        self.ask("POST", DEVICE + "/telemetry", 200, SINGLE)
        self.assertEqual(self.published("telemetry.data.received"), [])
        self.cluster.execute("ALTER SYSTEM SET telemetry.publish_received = on")
        self.addCleanup(self.cluster.execute, "SELECT pg_reload_conf()")
        self.addCleanup(self.cluster.execute, "ALTER SYSTEM RESET telemetry.publish_received")
        self.cluster.execute("SELECT pg_reload_conf()")

        def told():
            self.ask("POST", DEVICE + "/telemetry", 200, SINGLE)
            return self.published("telemetry.data.received")
        [key, data] = support.wait_until(told, 20, "an event")[0]
        self.assertEqual(key, "device_001")
        self.assertIn('"device_id": "device_001"', data)

    def test_e1_us2_ac1_a_batch_is_taken(self):
        self.assertEqual(self.ask("POST", DEVICE + "/telemetry/batch", 200, BATCH), BATCH_ANSWER)
        self.assertEqual(self.stored("metric, value"), [["humidity", "60"], ["temperature", "25.5"]])

    def test_e1_us2_ac2_a_batch_has_1000_points_at_most(self):
        points = [point(metric_name=f"m{i}") for i in range(1001)]
        self.assertIn("1000", self.ask("POST", DEVICE + "/telemetry/batch", 422, {"data_points": points})["detail"])
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.ask("POST", DEVICE + "/telemetry/batch", 200, {"data_points": points[:1000]})["ingested_count"], 1000)

    def test_e1_us2_ac3_counts_say_what_was_stored_and_what_was_not(self):
        answer = self.ask("POST", DEVICE + "/telemetry/batch", 200, {"data_points": [SINGLE, point(value=None), point(metric_name="m")]})
        self.assertEqual([answer[name] for name in ("success", "ingested_count", "failed_count", "total_count")], [False, 2, 1, 3])
        self.assertEqual(len(self.stored()), 2)

    def test_e1_us2_ac4_a_batch_id_is_taken_once(self):
        first = self.ask("POST", DEVICE + "/telemetry/batch", 200, BATCH)
        self.assertEqual(self.ask("POST", DEVICE + "/telemetry/batch", 200, BATCH), first)
        self.ask("POST", DEVICE + "/telemetry/batch", 422, {**BATCH, "data_points": [SINGLE]})
        self.assertEqual(len(self.stored()), 2)

    def test_e1_us2_ac5_bodies_may_be_compressed(self):
        answer = self.proxy.request("POST", DEVICE + "/telemetry/batch", gzip.compress(json.dumps(BATCH).encode()),
                                    headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
        self.assertEqual((answer.status, answer.json), (200, BATCH_ANSWER))
        self.ask("POST", DEVICE + "/telemetry/batch", 200, {**BATCH, "batch_id": "batch_002", "compression": "lz4"})
        self.assertIn("compression", self.ask("POST", DEVICE + "/telemetry/batch", 422, {**BATCH, "compression": "rar"})["detail"])

    def test_e1_us2_ac6_each_error_says_which_point_and_why(self):
        answer = self.ask("POST", DEVICE + "/telemetry/batch", 200, {"data_points": [SINGLE, point(timestamp="yesterday")]})
        [error] = answer["errors"]
        self.assertEqual((error["index"], error["metric_name"]), (1, "temperature"))
        self.assertIn("timestamp", error["error"])

    def test_e1_us3_ac1_a_bulk_is_points_by_device(self):
        self.assertTrue(self.ask("POST", BASE + "/bulk", 200, BULK)["success"])
        self.assertEqual(self.stored("device_id, metric, value"), [["device_001", "temp", "25"], ["device_002", "temp", "26"]])

    def test_e1_us3_ac2_each_device_has_its_result(self):
        answer = self.ask("POST", BASE + "/bulk", 200, BULK)
        one = {"success": True, "ingested_count": 1, "failed_count": 0, "total_count": 1, "errors": []}
        self.assertEqual(answer["results"], {"device_001": one, "device_002": one})

    def test_e1_us3_ac3_one_device_may_fail_alone(self):
        answer = self.ask("POST", BASE + "/bulk", 200, {**BULK, "device_002": [{"metric_name": "temp", "value": 26}]})
        self.assertEqual([answer["results"][device]["failed_count"] for device in BULK], [0, 1])
        self.assertEqual(self.stored("device_id"), [["device_001"]])

    def test_e1_us4_ac1_a_point_that_comes_again_is_the_same_point(self):
        for _ in range(2):
            self.ask("POST", DEVICE + "/telemetry", 200, SINGLE)
        self.assertEqual(len(self.stored()), 1)

    def test_e1_us4_ac2_the_later_value_counts(self):
        for value in (1, 2):
            self.ask("POST", DEVICE + "/telemetry", 200, point(value=value))
        self.assertEqual(self.stored("value"), [["2"]])

    def test_e1_us4_ac3_repeats_are_no_errors(self):
        answer = self.ask("POST", DEVICE + "/telemetry/batch", 200, {"data_points": [SINGLE, SINGLE, point(value=7)]})
        self.assertEqual((answer["success"], answer["failed_count"], answer["errors"]), (True, 0, []))

    def test_e1_us4_ac4_to_send_again_changes_nothing(self):
        self.ask("POST", BASE + "/bulk", 200, BULK)
        before = self.stored("*")
        for _ in range(3):
            self.ask("POST", BASE + "/bulk", 200, BULK)
        self.assertEqual(self.stored("*"), before)


class MetricTest(IotTestCase):
    def make(self, status=201, **fields):
        return self.ask("POST", BASE + "/metrics", status, {**METRIC, **fields})

    def test_e2_us1_ac1_a_definition_is_taken(self):
        made = self.make()
        self.assertEqual({name: made[name] for name in METRIC_ANSWER}, METRIC_ANSWER)

    def test_e2_us1_ac2_name_and_data_type_are_required(self):
        for name in ("name", "data_type"):
            self.assertIn(name, self.make(422, **{name: None})["detail"])
        self.ask("POST", BASE + "/metrics", 201, {"name": "bare", "data_type": "numeric"})

    def test_e2_us1_ac3_description_type_unit_and_bounds_are_optional(self):
        made = self.ask("POST", BASE + "/metrics", 201, {"name": "bare", "data_type": "numeric"})
        self.assertEqual([made[name] for name in ("description", "metric_type", "unit", "min_value", "max_value")], [None, "gauge", None, None, None])

    def test_e2_us1_ac4_retention_interval_tags_and_metadata_are_optional(self):
        made = self.ask("POST", BASE + "/metrics", 201, {"name": "bare", "data_type": "numeric"})
        self.assertEqual([made[name] for name in ("retention_days", "aggregation_interval", "tags", "metadata")], [None, 60, [], {}])
        made = self.make(tags=["power"], metadata={"team": "edge"})
        self.assertEqual([made[name] for name in ("retention_days", "aggregation_interval", "tags", "metadata")], [90, 60, ["power"], {"team": "edge"}])

    def test_e2_us1_ac5_names_are_unique(self):
        self.make()
        self.assertIn("battery_level", self.make(409)["detail"])
        self.assertEqual(self.ask("GET", BASE + "/metrics")["count"], 1)

    def test_e2_us1_ac6_metric_defined_is_published(self):
        self.make()
        [[key, data]] = self.published("metric.defined")
        self.assertEqual(key, "battery_level")
        self.assertIn('"data_type": "numeric"', data)

    def test_e2_us1_ac7_the_answer_has_a_metric_id(self):
        made = self.make()
        self.assertRegex(made["metric_id"], r"^met_\w+$")
        for name in ("created_at", "updated_at"):
            self.assertRegex(made[name], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def test_e2_us2_ac1_definitions_are_listed(self):
        made = self.make()
        self.assertEqual(self.ask("GET", BASE + "/metrics")["metrics"], [made])

    def test_e2_us2_ac2_by_data_type_and_metric_type(self):
        self.make()
        self.make(name="door", data_type="string", metric_type="counter", min_value=None, max_value=None)
        for query, names in (("data_type=numeric&limit=100", ["battery_level"]), ("metric_type=counter", ["door"]),
                             ("data_type=string&metric_type=gauge", [])):
            self.assertEqual([metric["name"] for metric in self.ask("GET", f"{BASE}/metrics?{query}")["metrics"]], names)
        self.assertIn("data_type", self.ask("GET", BASE + "/metrics?data_type=colour", 400)["detail"])

    def test_e2_us2_ac3_in_pages(self):
        for i in range(5):
            self.make(name=f"m{i}")
        pages = [self.ask("GET", f"{BASE}/metrics?limit=2&offset={offset}") for offset in (0, 2, 4, 6)]
        self.assertEqual([len(page["metrics"]) for page in pages], [2, 2, 1, 0])
        self.assertEqual(len({metric["name"] for page in pages for metric in page["metrics"]}), 5)

    def test_e2_us2_ac4_with_the_count_and_the_filters(self):
        self.make()
        answer = self.ask("GET", BASE + "/metrics?data_type=numeric&limit=100")
        self.assertEqual({name: answer[name] for name in ("count", "filters")}, {"count": 1, "filters": {"data_type": "numeric"}})

    def test_e2_us3_ac1_a_definition_is_found_by_its_name(self):
        self.assertEqual(self.make(), self.ask("GET", BASE + "/metrics/battery_level"))

    def test_e2_us3_ac2_404_if_there_is_none(self):
        self.assertEqual(self.ask("GET", BASE + "/metrics/battery_level", 404), {"detail": "Metric not found"})

    def test_e2_us4_ac1_a_definition_is_removed(self):
        self.make()
        self.ask("DELETE", BASE + "/metrics/battery_level")
        self.ask("GET", BASE + "/metrics/battery_level", 404)

    def test_e2_us4_ac2_its_data_stay_and_so_does_its_retention(self):
        self.make()
        self.store(point(metric_name="battery_level", value=50))
        self.ask("DELETE", BASE + "/metrics/battery_level")
        self.assertEqual(self.stored("metric, value, unit"), [["battery_level", "50", "celsius"]])
        self.assertEqual(self.cluster.rows("SELECT metric, retention_days FROM telemetry.retention"), [["battery_level", "90"]])

    def test_e2_us4_ac3_404_if_there_is_none(self):
        self.assertEqual(self.ask("DELETE", BASE + "/metrics/battery_level", 404), {"detail": "Metric not found"})

    def test_e2_us4_ac4_the_answer_confirms_it(self):
        self.make()
        self.assertTrue(self.ask("DELETE", BASE + "/metrics/battery_level")["success"])

    def test_fr_007_values_are_held_against_the_bounds(self):
        self.make()
        self.assertIn("maximum", self.ask("POST", DEVICE + "/telemetry", 422, point(metric_name="battery_level", value=101))["detail"])
        self.assertIn("numeric", self.ask("POST", DEVICE + "/telemetry", 422, point(metric_name="battery_level", value="full"))["detail"])


class QueryTest(IotTestCase):
    def store_day(self, metric="temperature", device="device_001"):
        self.store(*({**SINGLE, "metric_name": metric, "timestamp": f"2025-12-17T{hour:02}:{minute:02}:00Z", "value": value}
                     for hour in range(24) for minute, value in ((10, 24), (50, 25))), device=device)

    def test_e3_us1_ac1_the_printed_request_has_the_printed_answer(self):
        self.store_day()
        answer = self.ask("POST", BASE + "/query", 200, {**QUERY, "metrics": ["temperature"]})
        self.assertEqual(answer.pop("data_points")[0], QUERY_POINT)
        self.assertEqual(answer, QUERY_ANSWER)

    def test_e3_us1_ac1_of_several_metrics_each_point_says_its_own(self):
        """The printed request itself."""
        for metric in QUERY["metrics"]:
            self.store_day(metric)
        answer = self.ask("POST", BASE + "/query", 200, QUERY)
        self.assertEqual((answer["device_id"], answer["metric_name"], answer["count"]), ("device_001", None, 48))
        self.assertEqual([sum(p["metric_name"] == metric for p in answer["data_points"]) for metric in QUERY["metrics"]], [24, 24])
        self.assertEqual({name: answer[name] for name in ("aggregation", "interval", *DAY)}, {"aggregation": "avg", "interval": 3600, **DAY})

    def test_e3_us1_ac2_metrics_start_time_and_end_time_are_required(self):
        for name in ("metrics", "start_time", "end_time"):
            self.assertIn(name, self.ask("POST", BASE + "/query", 422, {**QUERY, name: None})["detail"])

    def test_e3_us1_ac3_all_else_is_optional(self):
        self.store_day()
        self.store_day(device="device_002")
        answer = self.ask("POST", BASE + "/query", 200, {"metrics": ["temperature"], **DAY})
        self.assertEqual(answer["count"], 96)
        answer = self.ask("POST", BASE + "/query", 200, {"metrics": ["temperature"], **DAY, "filters": {"location": "room_2"}})
        self.assertEqual(answer["count"], 0)
        answer = self.ask("POST", BASE + "/query", 200, {"metrics": ["temperature"], **DAY, "filters": {"location": "room_1"}, "limit": 5})
        self.assertEqual(answer["count"], 5)

    def test_e3_us1_ac4_aggregations(self):
        self.store_day()
        for aggregation, value in (("avg", 24.5), ("min", 24), ("max", 25), ("sum", 49), ("count", 2)):
            answer = self.ask("POST", BASE + "/query", 200, {**QUERY, "metrics": ["temperature"], "aggregation": aggregation})
            self.assertEqual({p["value"] for p in answer["data_points"]}, {value}, aggregation)

    def test_e3_us1_ac5_points_are_in_data_points(self):
        self.store_day()
        answer = self.ask("POST", BASE + "/query", 200, {"metrics": ["temperature"], "devices": ["device_001"], **DAY})
        self.assertEqual(len(answer["data_points"]), answer["count"])
        self.assertEqual(answer["data_points"][0]["timestamp"], "2025-12-17T00:10:00Z")

    def test_e3_us1_ac7_10000_points_at_most(self):
        self.assertIn("10000", self.ask("POST", BASE + "/query", 422, {**QUERY, "limit": 10001})["detail"])
        self.ask("POST", BASE + "/query", 200, {**QUERY, "limit": 10000})

    def test_e3_us2_ac1_the_latest_value_as_printed(self):
        at = utc()
        self.store(point(timestamp=at, tags={}))
        self.assertEqual(self.ask("GET", DEVICE + "/metrics/temperature/latest"), {**LATEST_ANSWER, "timestamp": at})

    def test_e3_us2_ac2_the_newest_of_all(self):
        self.store(*(point(timestamp=utc(hours), value=hours) for hours in (3, 0.5, 1)))
        self.assertEqual(self.ask("GET", DEVICE + "/metrics/temperature/latest")["value"], 0.5)

    def test_e3_us2_ac3_of_the_last_24_hours_by_default(self):
        self.store(point(timestamp=utc(25)))
        self.ask("GET", DEVICE + "/metrics/temperature/latest", 404)
        self.assertEqual(self.ask("GET", DEVICE + "/metrics/temperature/latest?hours=26")["value"], 25.5)

    def test_e3_us2_ac4_404_if_there_is_none(self):
        self.assertEqual(self.ask("GET", DEVICE + "/metrics/temperature/latest", 404), {"detail": "No data found"})

    def test_e3_us3_ac1_the_metrics_of_a_device(self):
        self.store(SINGLE)
        self.assertEqual(self.ask("GET", DEVICE + "/metrics"), ["temperature"])

    def test_e3_us3_ac2_each_once(self):
        self.store(SINGLE, point(timestamp="2025-12-18T11:00:00Z"), point(metric_name="humidity"))
        self.assertEqual(sorted(self.ask("GET", DEVICE + "/metrics")), ["humidity", "temperature"])

    def test_e3_us3_ac3_none_is_an_empty_array(self):
        self.assertEqual(self.ask("GET", DEVICE + "/metrics"), [])

    def test_e3_us4_ac1_a_metric_by_a_range_of_time(self):
        self.store(point(timestamp=utc(1)))
        answer = self.ask("GET", DEVICE + "/metrics/temperature/range?time_range=24h")
        self.assertEqual((answer["device_id"], answer["metric_name"], answer["count"]), ("device_001", "temperature", 1))

    def test_e3_us4_ac2_the_ranges_there_are(self):
        hours = {"1h": 1, "6h": 6, "24h": 24, "7d": 168, "30d": 720, "90d": 2160}
        self.store(*(point(timestamp=utc(0.9 * n)) for n in hours.values()))
        for i, name in enumerate(hours, 1):
            self.assertEqual(self.ask("GET", f"{DEVICE}/metrics/temperature/range?time_range={name}")["count"], i, name)
        self.assertIn("time_range", self.ask("GET", DEVICE + "/metrics/temperature/range?time_range=2h", 400)["detail"])

    def test_e3_us4_ac2_a_range_has_all_its_points(self):
        """Up to 10000: the newest are not left out."""
        self.store(*(point(timestamp=utc(20 + i / 3600), value=i) for i in range(1000)))
        self.store(point(timestamp=utc(1), value=-1), point(timestamp=utc(2), value=-2))
        answer = self.ask("GET", DEVICE + "/metrics/temperature/range?time_range=24h")
        self.assertEqual((answer["count"], answer["data_points"][-1]["value"]), (1002, -1))

    def test_e3_us4_ac3_aggregation_and_interval_are_optional(self):
        self.store(*(point(timestamp=utc(hours)) for hours in (1, 2, 3)))
        answer = self.ask("GET", DEVICE + "/metrics/temperature/range?time_range=6h&aggregation=sum&interval=86400")
        self.assertEqual(sum(p["value"] for p in answer["data_points"]), 76.5)

    def test_e3_us4_ac4_the_answer_is_that_of_a_query(self):
        answer = self.ask("GET", DEVICE + "/metrics/temperature/range?time_range=24h&aggregation=avg&interval=3600")
        self.assertLessEqual({*QUERY_ANSWER, "data_points"}, set(answer))

    def aggregated(self, status=200, **parameters):
        query = {"metric_name": "temperature", "aggregation_type": "avg", "interval": 3600, **DAY, **parameters}
        return self.ask("GET", BASE + "/aggregated?" + "&".join(f"{name}={value}" for name, value in query.items() if value is not None), status)

    def test_e3_us5_ac1_aggregated_data(self):
        self.store_day()
        answer = self.aggregated()
        self.assertEqual([p["value"] for p in answer["data_points"]], [24.5] * 24)

    def test_e3_us5_ac2_what_is_required(self):
        for name in ("metric_name", "aggregation_type", "interval", "start_time", "end_time"):
            self.assertIn(name, self.aggregated(400, **{name: None})["detail"])

    def test_e3_us5_ac3_of_one_device_or_of_all(self):
        self.store_day()
        self.store_day(device="device_002")
        self.assertEqual({p["value"] for p in self.aggregated(aggregation_type="count")["data_points"]}, {4})
        self.assertEqual({p["value"] for p in self.aggregated(aggregation_type="count", device_id="device_002")["data_points"]}, {2})

    def test_e3_us5_ac4_the_answer_says_what_it_is_of(self):
        answer = self.aggregated(device_id="device_001")
        self.assertEqual({name: answer[name] for name in ("device_id", "metric_name", "aggregation_type", "interval", "data_points", *DAY)},
                         {"device_id": "device_001", "metric_name": "temperature", "aggregation_type": "avg", "interval": 3600, "data_points": [], **DAY})


class StatisticsTest(IotTestCase):
    def device(self, device="device_001"):
        return self.ask("GET", f"{BASE}/devices/{device}/stats")

    def service(self):
        # What job statistics has written is as old as it is.
        self.cluster.execute("DELETE FROM telemetry.statistics_state")
        return self.ask("GET", BASE + "/stats")

    def test_e6_us1_ac1_statistics_of_a_device(self):
        self.store(SINGLE)
        self.assertEqual(self.device()["device_id"], "device_001")
        self.assertEqual(set(self.device()), STATISTICS)

    def test_e6_us1_ac2_metrics_and_points(self):
        self.store(SINGLE, point(metric_name="humidity", timestamp=utc(1)))
        self.assertEqual([self.device()[name] for name in ("total_metrics", "active_metrics", "data_points_count")], [2, 1, 2])

    def test_e6_us1_ac3_last_update_size_and_frequency(self):
        self.store(SINGLE, point(timestamp="2025-12-18T10:10:00Z"))
        answer = self.device()
        self.assertEqual(answer["last_update"], "2025-12-18T10:10:00Z")
        self.assertGreater(answer["storage_size"], 0)
        self.assertGreater(answer["avg_frequency"], 0)

    def test_e6_us1_ac4_points_and_alerts_of_24_hours(self):
        self.ask("POST", BASE + "/alerts/rules", 201, {"name": "Hot", "metric_name": "temperature", "condition": ">", "threshold_value": 20})
        self.addCleanup(self.cluster.execute, "DELETE FROM telemetry.alert_rule")
        self.store(point(timestamp=utc(1)), point(timestamp=utc(30), value=1))
        self.assertEqual([self.device()[name] for name in ("last_24h_points", "last_24h_alerts")], [1, 1])

    def test_e6_us1_ac5_metrics_by_type_and_the_top_ones(self):
        self.store(SINGLE, point(timestamp="2025-12-18T10:10:00Z"), point(metric_name="humidity"))
        answer = self.device()
        self.assertEqual(answer["metrics_by_type"], {"gauge": 2, "counter": 0, "histogram": 0})
        self.assertEqual(answer["top_metrics"], [{"name": "temperature", "points": 2}, {"name": "humidity", "points": 1}])

    def test_e6_us1_ac6_zeros_and_no_404_if_there_is_nothing(self):
        answer = self.device("nobody")
        self.assertEqual((answer["total_metrics"], answer["data_points_count"], answer["last_update"], answer["top_metrics"]), (0, 0, None, []))

    def test_e6_us2_ac1_statistics_of_the_service(self):
        self.assertIsInstance(self.service(), dict)

    def test_e6_us2_ac2_devices_metrics_and_points(self):
        self.store(SINGLE, point(metric_name="humidity"))
        self.store(point(timestamp=utc(1)), device="device_002")
        answer = self.service()
        self.assertEqual([answer[name] for name in ("total_devices", "active_devices", "total_metrics", "total_data_points")], [2, 1, 2, 3])

    def test_e6_us2_ac3_rate_latency_and_errors(self):
        self.store(SINGLE)
        answer = self.service()
        for name in ("points_per_second", "avg_latency", "error_rate"):
            self.assertGreaterEqual(answer[name], 0, name)

    def test_e6_us2_ac4_points_and_alerts_of_24_hours(self):
        self.store(point(timestamp=utc(1)), point(timestamp=utc(30)))
        answer = self.service()
        self.assertEqual(answer["last_24h_points"], 1)
        self.assertIn("last_24h_alerts", answer)

    def test_e6_us2_ac5_by_type_and_by_hour(self):
        self.store(point(timestamp=utc(1)))
        answer = self.service()
        self.assertEqual(answer["metrics_by_type"]["gauge"], 1)
        self.assertEqual(sum(answer["devices_by_type"].values()), 1)
        self.assertEqual(sum(answer["data_by_hour"].values()), 1)

    def test_e6_us2_ac6_zeros_and_no_404_if_there_is_nothing(self):
        answer = self.service()
        self.assertEqual([answer[name] for name in ("total_devices", "total_metrics", "total_data_points", "last_24h_points")], [0, 0, 0, 0])

    def test_e6_us3_ac1_health_as_printed(self):
        answer = self.ask("GET", "/health")
        self.assertEqual(answer, {**HEALTH_ANSWER, "port": self.proxy.port, "version": answer["version"]})
        self.assertRegex(answer["version"], r"^\d+\.\d+\.\d+$")

    def test_e6_us3_ac3_200_when_healthy(self):
        self.assertEqual(self.proxy.get("/health").status, 200)

    def test_e6_us3_ac4_nobody_need_say_who_he_is(self):
        self.assertEqual(self.proxy.request("GET", "/health", headers={}).status, 200)

    def test_e6_us4_ac1_health_in_detail(self):
        self.assertEqual(self.ask("GET", "/health/detailed")["status"], "healthy")

    def test_e6_us4_ac2_components(self):
        components = self.ask("GET", "/health/detailed")["components"]
        self.assertEqual(set(components), {"data_ingestion", "time_series_db", "alert_engine", "real_time_stream"})
        self.assertEqual([components[name]["status"] for name in ("data_ingestion", "time_series_db", "alert_engine")], ["healthy"] * 3)

    def test_e6_us4_ac3_performance(self):
        performance = self.ask("GET", "/health/detailed")["performance"]
        self.assertGreater(performance["database_ms"], 0)
        self.assertIn("proxy", performance)


class ExportTest(IotTestCase):
    PATH = BASE + "/export/csv?device_ids=device_001&metric_names=temperature&start_time=2025-12-18T00:00:00Z&end_time=2025-12-19T00:00:00Z"

    def test_e7_us1_ac1_a_file_of_csv(self):
        self.store(SINGLE)
        answer = self.proxy.get(self.PATH)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
        self.assertEqual(rows, [{"timestamp": "2025-12-18T10:00:00Z", "device_id": "device_001", "metric_name": "temperature", "value": "25.5",
                                 "unit": "celsius", "tags": '{"location": "room_1"}'}])

    def test_e7_us1_ac2_what_is_required(self):
        self.store(SINGLE)
        for name in ("device_ids", "metric_names", "start_time", "end_time"):
            path, _, query = self.PATH.partition("?")
            rest = "&".join(part for part in query.split("&") if not part.startswith(name))
            self.assertIn(name, self.ask("GET", f"{path}?{rest}", 400)["detail"])

    def test_e7_us1_ac3_a_file_with_a_name(self):
        """That it is a stream, however long, is in test_export."""
        self.store(SINGLE)
        answer = self.proxy.get(self.PATH)
        self.assertRegex(answer.headers["Content-Disposition"], r'^attachment; filename="?\w+\.csv"?$')

    def test_e7_us1_ac4_the_columns(self):
        self.store(SINGLE)
        self.assertEqual(next(csv.reader(io.StringIO(self.proxy.get(self.PATH).body.decode()))), CSV_COLUMNS)

    def test_e7_us1_ac5_404_if_there_is_nothing(self):
        self.assertEqual(self.ask("GET", self.PATH, 404), {"detail": "No data found"})


if __name__ == "__main__":
    unittest.main()
