"""The HTTP interface to the letter: seed 004's Epic 1 and health, limits, errors, odd clients."""

import datetime
import gzip
import http.client
import json
import random
import socket
import subprocess
import unittest
import zlib

import support

API = "/api/v1/telemetry"
DEVICE = f"{API}/devices/device_001/telemetry"
BATCH = f"{DEVICE}/batch"
BULK = f"{API}/bulk"
TIME = "2025-12-18T10:00:00Z"
VERSION = json.loads((support.ROOT / "META.json").read_text())["version"]


def point(value=1, metric="m", timestamp=TIME, **more):
    return {"timestamp": timestamp, "metric_name": metric, "value": value, **more}


def second(number):
    """The timestamp so many seconds after TIME."""
    moment = datetime.datetime(2025, 12, 18, 10) + datetime.timedelta(seconds=number)
    return moment.isoformat() + "Z"


def points(count):
    return [point(n, timestamp=second(n)) for n in range(count)]


def lz4(data):
    return subprocess.run(["lz4", "-q", "-z", "-c"], input=data, capture_output=True, check=True,
                          timeout=60).stdout


class ContractTestCase(support.SharedProxyTestCase):
    settings = {"fsync": "off"}

    def post(self, path, body, status=200, **arguments):
        """Posts; the body of an answer that has the wanted status and is JSON."""
        response = self.proxy.post(path, body, **arguments)
        self.assertEqual(response.status, status, response)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        if status >= 400:
            self.assert_detail(response)
        return response.json

    def assert_detail(self, response):
        """The common error format: one member, a text that says something."""
        self.assertEqual(list(response.json), ["detail"], response)
        self.assertIsInstance(response.json["detail"], str)
        self.assertGreater(len(response.json["detail"]), 3)

    def assert_refused(self, status, path, body, **arguments):
        """Refused as a whole, with a reason, and nothing is stored."""
        detail = self.post(path, body, status, **arguments)["detail"]
        self.assertEqual(self.stored(), 0)
        return detail

    def stored(self):
        return int(self.cluster.value("SELECT count(*) FROM telemetry.point"))

    def stored_points(self, order="device_id, metric, ts"):
        """What is stored, as bodies of the interface."""
        rows = self.cluster.rows(
            "SELECT jsonb_build_object('device_id', device_id, 'timestamp', "
            "to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), "
            "'metric_name', metric, 'unit', unit, 'tags', tags, 'metadata', metadata), value "
            f"FROM telemetry.point ORDER BY {order}")
        return [{**json.loads(row), "value": json.loads(value)} for row, value in rows]

    def values(self):
        """Stored values by metric."""
        return {row["metric_name"]: row["value"] for row in self.stored_points()}


class SeedTest(ContractTestCase):
    """Every request that the seed prints, word for word, and the answers that it prints."""

    options = ("--report-port=8218",)

    def test_single_point_example(self):
        request = """{
  "timestamp": "2025-12-18T10:00:00Z",
  "metric_name": "temperature",
  "value": 25.5,
  "unit": "celsius",
  "tags": {"location": "room_1"}
}"""
        self.assertEqual(self.post(DEVICE, request), json.loads("""{
  "success": true,
  "message": "Data point ingested successfully",
  "device_id": "device_001",
  "metric_name": "temperature"
}"""))
        self.assertEqual(self.stored_points(), [{
            "device_id": "device_001", "timestamp": "2025-12-18T10:00:00.000000Z",
            "metric_name": "temperature", "value": 25.5, "unit": "celsius",
            "tags": {"location": "room_1"}, "metadata": None}])

    def test_batch_example(self):
        request = """{
  "data_points": [
    {"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5},
    {"timestamp": "2025-12-18T10:00:00Z", "metric_name": "humidity", "value": 60}
  ],
  "compression": null,
  "batch_id": "batch_001"
}"""
        self.assertEqual(self.post(BATCH, request), json.loads("""{
  "success": true,
  "ingested_count": 2,
  "failed_count": 0,
  "total_count": 2,
  "errors": []
}"""))
        self.assertEqual(self.values(), {"temperature": 25.5, "humidity": 60})

    def test_bulk_example(self):
        request = """{
  "device_001": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temp", "value": 25}],
  "device_002": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temp", "value": 26}]
}"""
        one = {"success": True, "ingested_count": 1, "failed_count": 0, "total_count": 1,
               "errors": []}
        self.assertEqual(self.post(BULK, request), {
            "success": True, "results": {"device_001": one, "device_002": one},
            "total_devices": 2})
        self.assertEqual([(row["device_id"], row["value"]) for row in self.stored_points()],
                         [("device_001", 25), ("device_002", 26)])

    def test_point_sent_again_is_an_upsert_without_an_error(self):
        for value in (1, 1, 2):
            self.assertTrue(self.post(DEVICE, point(value))["success"])
        self.assertEqual(self.values(), {"m": 2})

    def test_health_example(self):
        response = self.proxy.get("/health")
        self.assertEqual((response.status, response.headers["Content-Type"]),
                         (200, "application/json"))
        self.assertEqual(response.json, {"status": "healthy", "service": "telemetry_service",
                                         "port": 8218, "version": VERSION})

    def test_detailed_health_has_all_components_and_performance(self):
        response = self.proxy.get("/health/detailed")
        self.assertEqual(response.status, 200)
        answer = response.json
        self.assertEqual((answer["status"], answer["service"], answer["version"]),
                         ("healthy", "telemetry_service", VERSION))
        self.assertEqual(set(answer["components"]), {"data_ingestion", "time_series_db",
                                                     "alert_engine", "real_time_stream"})
        for component in answer["components"].values():
            self.assertIsInstance(component["status"], str)
        self.assertEqual({name: answer["components"]["alert_engine"][name] for name in ("status", "pending", "rules_failing")},
                         {"status": "healthy", "pending": 0, "rules_failing": 0})
        self.assertIsInstance(answer["performance"], dict)
        self.assertGreater(len(answer["performance"]), 0)

    def test_detailed_health_counts_what_was_sent(self):
        before = self.proxy.get("/health/detailed").json["performance"]["proxy"]
        self.post(BATCH, {"data_points": points(10) + [point(metric="")]})
        after = self.proxy.get("/health/detailed").json["performance"]["proxy"]
        self.assertEqual(after["points_total"] - before["points_total"], 11)
        self.assertEqual(after["points_rejected"] - before["points_rejected"], 1)
        self.assertEqual((after["pending_rows"], after["pending_bytes"]), (0, 0))


class StatisticsTest(ContractTestCase):
    def test_e6_us1_statistics_of_a_device(self):
        self.post(BATCH, {"data_points": points(10)})
        answer = self.proxy.get(DEVICE.removesuffix("/telemetry") + "/stats")
        self.assertEqual((answer.status, answer.json["data_points_count"]), (200, 10))
        answer = self.proxy.get("/api/v1/telemetry/devices/none/stats")
        self.assertEqual((answer.status, answer.json["data_points_count"], answer.json["last_update"]), (200, 0, None))

    def test_e6_us2_statistics_of_the_service_have_the_proxys_latency(self):
        self.post(BATCH, {"data_points": points(10)})
        # What a client says of it does not count.
        answer = self.proxy.get("/api/v1/telemetry/stats?proxy=1&latency_avg_ms=1")
        self.assertEqual((answer.status, answer.json["total_data_points"], answer.json["total_devices"]), (200, 10, 1))
        self.assertGreater(answer.json["avg_latency"], 0)
        self.assertNotIn("one_row", answer.json)
        self.assertEqual(len(answer.json["data_by_hour"]), 24)

    def test_e6_us4_latency_has_percentiles(self):
        for _ in range(20):
            self.proxy.get("/health")
        numbers = self.proxy.get("/health/detailed").json["performance"]["proxy"]
        self.assertGreater(numbers["latency_p50_ms"], 0)
        self.assertGreaterEqual(numbers["latency_p95_ms"], numbers["latency_p50_ms"])


class ValueTest(ContractTestCase):
    """What is sent is what is read back with SQL."""

    def assert_same(self, values):
        """Through both the fast and the complete path."""
        for batch_id in (None, "values"):
            self.cluster.execute("TRUNCATE telemetry.block")
            answer = self.post(BATCH, {"data_points": [
                point(value, f"m{i}") for i, value in enumerate(values)], "batch_id": batch_id})
            self.assertEqual(answer["failed_count"], 0, answer)
            stored = self.values()
            for i, value in enumerate(values):
                got = stored[f"m{i}"]
                self.assertEqual(repr(got) if isinstance(value, float) else got,
                                 repr(value) if isinstance(value, float) else value, batch_id)
                self.assertEqual(isinstance(got, bool), isinstance(value, bool))

    def test_numbers_are_kept_to_the_last_bit(self):
        self.assert_same([0.1, 0.30000000000000004, 51.846000000000004, 1e-300, 5e-324,
                          1.7976931348623157e308, 2.2250738585072014e-308, -273.15,
                          3.141592653589793, 1e22 / 3, 123456789.12345679])

    def test_whole_numbers_are_kept(self):
        self.assert_same([0, 1, -1, 60, 2**31, 2**53, -(2**53)])

    def test_numbers_may_be_written_in_any_way(self):
        texts = ("1.0", "1e0", "10e-1", "0.1E+1", "100e-2", "1.000000000000000000000")
        body = ('{"data_points": ['
                + ",".join('{"timestamp": "%s", "metric_name": "m%d", "value": %s}'
                           % (TIME, i, text) for i, text in enumerate(texts)) + "]}")
        self.post(BATCH, body)
        self.assertEqual(set(self.values().values()), {1})
        self.assertEqual(self.stored(), len(texts))

    def test_texts_booleans_and_documents_are_kept(self):
        self.assert_same([True, False, "", "open", "naïve ☂ 𝄞", 'quote " backslash \\ \n\t',
                          "25.5", "true", "null", {"a": 1, "b": [1, 2, {"c": None}]}, [], {},
                          [1, "two", False, None], {"": ""}])

    def test_places_and_bytes_are_kept(self):
        self.assert_same([{"$geo": [52.1, 5.2]}, {"$geo": [52.1, 5.2, -3.5]},
                          {"$binary": "3q2+7w=="}])

    def test_number_is_readable_as_float(self):
        self.post(DEVICE, point(51.846000000000004))
        self.assertEqual(self.cluster.value("SELECT num FROM telemetry.point"),
                         "51.846000000000004")

    def test_unit_tags_and_metadata_are_kept(self):
        more = {"unit": "°C", "tags": {"location": "room_1", "floor": 2, "ok": True},
                "metadata": {"firmware": {"version": "1.2", "flags": [1, 2]}}}
        self.post(BATCH, {"data_points": [point(metric="a", **more), point(metric="b")]})
        first, other = self.stored_points()
        self.assertEqual({name: first[name] for name in more}, more)
        self.assertEqual([other[name] for name in more], [None, None, None])

    def test_null_is_as_good_as_absent(self):
        answer = self.post(DEVICE, point(unit=None, tags=None, metadata=None))
        self.assertTrue(answer["success"])
        row = self.stored_points()[0]
        self.assertEqual((row["unit"], row["tags"], row["metadata"]), (None, None, None))

    def test_unknown_members_are_ignored(self):
        self.post(DEVICE, point(7, quality="good", nested={"value": [8, {}]}, device_id="other"))
        self.post(BATCH, {"data_points": [point(8, "n", extra=None)], "sender": {"id": 1}})
        self.assertEqual(self.values(), {"m": 7, "n": 8})
        self.assertEqual(self.cluster.value("SELECT DISTINCT device_id FROM telemetry.point"),
                         "device_001")

    def test_member_names_may_be_escaped(self):
        self.post(DEVICE, '{"t\\u0069mestamp": "%s", "metric_name": "\\u006d", "value": "\\u00e9"}'
                  % TIME)
        self.assertEqual(self.values(), {"m": "é"})

    def test_last_of_a_repeated_member_counts(self):
        self.post(DEVICE, '{"value": 1, "timestamp": "%s", "metric_name": "x", "value": 2, '
                  '"metric_name": "m"}' % TIME)
        self.assertEqual(self.values(), {"m": 2})

    def test_repeats_within_a_batch_count_as_ingested_and_the_last_wins(self):
        for batch_id in (None, "repeats"):
            self.cluster.execute("TRUNCATE telemetry.block")
            answer = self.post(BATCH, {"data_points": [point(1), point(1), point(3), point(2)],
                                       "batch_id": batch_id})
            self.assertEqual(answer, {"success": True, "ingested_count": 4, "failed_count": 0,
                                      "total_count": 4, "replaced_count": 3, "errors": []})
            self.assertEqual([row["value"] for row in self.stored_points()], [2])
        self.assertEqual(self.proxy.get(f"{API}/batches/repeats").json["replaced_count"], 3)
        # The first answer again.
        self.assertEqual(self.post(BATCH, {"data_points": [point(1), point(1), point(3), point(2)],
                                           "batch_id": "repeats"}), answer)

    def test_points_within_a_microsecond_are_one_and_said_to_be(self):
        times = [f"2025-12-18T10:00:00.{fraction}Z" for fraction in
                 ("0000001", "0000002", "0000014", "000002", "0000021")]
        body = [point(n, timestamp=time) for n, time in enumerate(times)]
        # As rows of the proxy, and by a function: a number as time is not plain.
        for more in ([], [point(timestamp=1, metric="odd")]):
            self.cluster.execute("TRUNCATE telemetry.block")
            answer = self.post(BATCH, {"data_points": body + more})
            self.assertEqual((answer["ingested_count"], answer["replaced_count"]), (5 + len(more), 2))
            self.assertEqual(self.stored(), answer["ingested_count"] - answer["replaced_count"])
            self.assertEqual(len(self.stored_points()), 3 + len(more))
            results = self.post(BULK, {"a": body + more, "b": [point()], "c": body[:2], "": body[:2]})["results"]
            self.assertEqual({name: answer.get("replaced_count") for name, answer in results.items()},
                             {"a": 2, "b": None, "c": 1, "": None})


class TimestampTest(ContractTestCase):
    def read_back(self, timestamp):
        self.cluster.execute("TRUNCATE telemetry.block")
        self.post(DEVICE, point(timestamp=timestamp))
        return self.stored_points()[0]["timestamp"]

    def test_zones_and_fractions_name_one_moment(self):
        for timestamp, moment in (
                ("2025-12-18T10:00:00Z", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-18T10:00:00+00:00", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-18T12:30:00+02:30", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-17T23:00:00-11:00", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-18t10:00:00z", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-18 10:00:00Z", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-18T10:00:00.1Z", "2025-12-18T10:00:00.100000Z"),
                ("2025-12-18T10:00:00.123456Z", "2025-12-18T10:00:00.123456Z"),
                ("2025-12-18T10:00:00.1234564Z", "2025-12-18T10:00:00.123456Z"),
                ("2025-12-18T10:00:00.9999999Z", "2025-12-18T10:00:01.000000Z"),
                ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000Z"),
                ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
                ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z")):
            with self.subTest(timestamp):
                self.assertEqual(self.read_back(timestamp), moment)

    def test_without_a_zone_is_utc_and_numbers_are_seconds_or_milliseconds(self):
        for timestamp, moment in (
                ("2025-12-18T10:00:00", "2025-12-18T10:00:00.000000Z"),
                ("2025-12-18T10:00:00.5", "2025-12-18T10:00:00.500000Z"),
                (1766052000, "2025-12-18T10:00:00.000000Z"),
                (1766052000.25, "2025-12-18T10:00:00.250000Z"),
                (1766052000250, "2025-12-18T10:00:00.250000Z")):
            with self.subTest(timestamp):
                self.assertEqual(self.read_back(timestamp), moment)

    def test_what_is_no_time_is_rejected(self):
        for timestamp in ("now", "today", "infinity", "-infinity", "epoch", "", "2025-12-18",
                          "10:00:00", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z",
                          "2025-12-18T24:00:01Z", "2025-12-18T10:61:00Z", "18/12/2025 10:00:00Z",
                          "2025-12-18T10:00:00 Europe/Amsterdam", "2025-12-18T10:00:00Zjunk",
                          "0000-01-01T00:00:00Z", "20251218T100000Z", " 2025-12-18T10:00:00Z",
                          1e300, True, [TIME], {"time": TIME}):
            with self.subTest(timestamp):
                self.assert_refused(422, DEVICE, point(timestamp=timestamp))
                answer = self.post(BATCH, {"data_points": [point(timestamp=timestamp)]})
                self.assertEqual(answer["errors"][0]["code"], "invalid_timestamp", timestamp)

    def test_future_is_rejected_but_a_little_skew_is_not(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        soon = (now + datetime.timedelta(minutes=2)).isoformat()
        late = (now + datetime.timedelta(hours=1)).isoformat()
        answer = self.post(BATCH, {"data_points": [point(timestamp=soon), point(timestamp=late)]})
        self.assertEqual((answer["ingested_count"], answer["failed_count"]), (1, 1))
        self.assertEqual([(error["index"], error["code"]) for error in answer["errors"]],
                         [(1, "timestamp_in_future")])


# Points that are rejected, and the code that says why.
BAD_POINTS = (
    ({"metric_name": "m", "value": 1}, "missing_field"),
    ({"timestamp": TIME, "value": 1}, "missing_field"),
    ({"timestamp": TIME, "metric_name": "m"}, "missing_field"),
    ({"timestamp": TIME, "metric_name": "m", "value": None}, "missing_field"),
    ({"timestamp": None, "metric_name": "m", "value": 1}, "missing_field"),
    ({}, "missing_field"),
    (point(metric=""), "invalid_key"),
    (point(metric="x" * 129), "invalid_key"),
    (point(metric="é" * 65), "invalid_key"),
    (point(metric="a\u0001b"), "invalid_key"),
    (point(metric="a\nb"), "invalid_key"),
    (point(metric=7), "invalid_key"),
    (point(timestamp="yesterday"), "invalid_timestamp"),
    (point(timestamp="9999-12-31T00:00:00Z"), "timestamp_in_future"),
    (point({"$geo": "here"}), "invalid_value"),
    (point({"$binary": "?"}), "invalid_value"),
    (point("x" * (1024 * 1024 + 1)), "value_too_large"),
    (point(unit=5), "invalid_unit"),
    (point(unit="u" * 129), "invalid_unit"),
    (point(tags=["a"]), "invalid_tags"),
    (point(tags="a"), "invalid_tags"),
    (point(metadata=1), "invalid_metadata"),
)


class RejectTest(ContractTestCase):
    def test_each_bad_point_is_reported_by_its_index_and_the_others_are_stored(self):
        body = []
        for bad, _ in BAD_POINTS:
            body += [point(len(body), f"good{len(body)}"), bad]
        answer = self.post(BATCH, {"data_points": body})
        count = len(BAD_POINTS)
        self.assertEqual((answer["success"], answer["ingested_count"], answer["failed_count"],
                          answer["total_count"]), (False, count, count, 2 * count))
        self.assertEqual([(error["index"], error["code"]) for error in answer["errors"]],
                         [(2 * i + 1, code) for i, (_, code) in enumerate(BAD_POINTS)])
        for error in answer["errors"]:
            self.assertEqual(set(error), {"index", "metric_name", "code", "error"})
            self.assertIsInstance(error["error"], str)
            self.assertGreater(len(error["error"]), 3)
        self.assertEqual(self.values(), {f"good{2 * i}": 2 * i for i in range(count)})
        letters = self.cluster.rows("SELECT code FROM telemetry.dead_letter ORDER BY id")
        self.assertEqual(sorted(code for (code,) in letters),
                         sorted(code for _, code in BAD_POINTS))

    def test_each_bad_point_alone_is_422_with_the_reason(self):
        for bad, code in BAD_POINTS:
            with self.subTest(code=code, bad=str(bad)[:100]):
                detail = self.assert_refused(422, DEVICE, bad)
                answer = self.post(BATCH, {"data_points": [bad]})
                self.assertEqual((answer["success"], answer["ingested_count"],
                                  answer["failed_count"]), (False, 0, 1))
                self.assertEqual(answer["errors"][0]["code"], code)
                self.assertEqual(answer["errors"][0]["error"], detail)

    def test_metric_name_is_in_the_error_where_there_is_one(self):
        answer = self.post(BATCH, {"data_points": [
            {"timestamp": TIME, "metric_name": "m", "value": None},
            {"timestamp": TIME, "value": 1}]})
        self.assertEqual([error["metric_name"] for error in answer["errors"]], ["m", None])

    def test_points_that_are_no_objects_are_reported_one_by_one(self):
        answer = self.post(BATCH, {"data_points": [1, point(), "x", None, [point()]]})
        self.assertEqual([error["index"] for error in answer["errors"]], [0, 2, 3, 4])
        self.assertEqual(self.values(), {"m": 1})

    def test_number_beyond_float_is_rejected_not_stored_as_something_else(self):
        answer = self.post(BATCH, '{"data_points": [{"timestamp": "%s", "metric_name": "m", '
                           '"value": 1e400}]}' % TIME)
        self.assertEqual(answer["errors"][0]["code"], "invalid_value")

    def test_documents_that_swell_when_numbers_are_written_out_are_rejected_alone(self):
        # 3 MB of JSON that would be 500 MB of text.
        swelling = "[" + ",".join(["1e999"] * 500000) + "]"
        good = json.dumps(point())
        for members in ('"value": %s' % swelling, '"value": {"a": %s}' % swelling,
                        '"value": 1, "tags": {"a": %s}' % swelling):
            for batch_id in ("null", '"swelling"'):
                with self.subTest(members[:20], batch_id=batch_id):
                    body = ('{"batch_id": %s, "data_points": [{"timestamp": "%s", "metric_name": '
                            '"swollen", %s}, %s]}' % (batch_id, TIME, members, good))
                    answer = self.post(BATCH, body)
                    self.assertEqual([(error["index"], error["code"])
                                      for error in answer["errors"]], [(0, "value_too_large")])
                    self.assertEqual(self.values(), {"m": 1})
            self.cluster.execute("TRUNCATE telemetry.receipt")

    def test_text_that_cannot_be_stored_rejects_its_point(self):
        for member, code in (("metric_name", "invalid_key"), ("value", "invalid_value"), ("unit", "invalid_unit")):
            for text in ("a\\u0000b", "\\ud800", "\\udc00\\ud800"):
                bad = json.dumps(point(**{member: "?"}) if member == "unit" else {**point(), member: "?"}).replace("?", text)
                with self.subTest(member=member, text=text):
                    self.cluster.execute("TRUNCATE telemetry.block")
                    answer = self.post(BATCH, '{"data_points": [%s, %s]}' % (bad, json.dumps(point(metric="good"))))
                    self.assertEqual([(error["index"], error["code"]) for error in answer["errors"]], [(0, code)])
                    self.assertEqual(self.values(), {"good": 1})
                    self.assertTrue(self.post(DEVICE, bad, 422)["detail"].startswith(f"{member} has "))

    def test_bulk_reports_each_device_by_itself(self):
        answer = self.post(BULK, {"good": points(3), "bad": [point(metric="")],
                                  "mixed": [point(metric=""), point(5), point(timestamp="x")]})
        self.assertEqual((answer["success"], answer["total_devices"]), (False, 3))
        results = answer["results"]
        self.assertEqual({name: (r["success"], r["ingested_count"], r["failed_count"],
                                 r["total_count"]) for name, r in results.items()},
                         {"good": (True, 3, 0, 3), "bad": (False, 0, 1, 1),
                          "mixed": (False, 1, 2, 3)})
        self.assertEqual([error["index"] for error in results["mixed"]["errors"]], [0, 2])
        self.assertEqual([error["index"] for error in results["bad"]["errors"]], [0])
        self.assertEqual(self.stored(), 4)

    def test_bulk_with_a_bad_device_name_stores_the_others(self):
        answer = self.post(BULK, {"": [point()], "x" * 129: [point()], "ok": [point()]})
        self.assertEqual(answer["results"]["ok"]["success"], True)
        self.assertEqual(answer["results"][""]["errors"][0]["code"], "invalid_key")
        self.assertEqual(answer["results"]["x" * 129]["errors"][0]["code"], "invalid_key")
        self.assertEqual(self.stored(), 1)


class LimitTest(ContractTestCase):
    def test_batch_of_0_is_refused(self):
        self.assert_refused(422, BATCH, {"data_points": []})

    def test_batch_of_1_and_of_1000_are_taken(self):
        for count in (1, 1000):
            answer = self.post(BATCH, {"data_points": points(count)})
            self.assertEqual((answer["success"], answer["ingested_count"]), (True, count))
        self.assertEqual(self.stored(), 1000)

    def test_batch_of_1001_is_refused_whole_with_and_without_an_id(self):
        for batch_id in (None, "b1001"):
            detail = self.assert_refused(422, BATCH, {"data_points": points(1001),
                                                      "batch_id": batch_id})
            self.assertIn("1000", detail)

    def test_bulk_limits_are_1000_a_device_and_10000_in_all(self):
        answer = self.post(BULK, {"ok": [point()], "d": points(1001)})
        self.assertEqual((answer["success"], answer["results"]["ok"]["ingested_count"]), (False, 1))
        self.assertEqual({**answer["results"]["d"], "errors": None},
                         {"success": False, "ingested_count": 0, "failed_count": 1001, "total_count": 1001, "errors": None})
        self.assertEqual([(error["index"], error["code"]) for error in answer["results"]["d"]["errors"]], [(None, "invalid_points")])
        self.cluster.execute("TRUNCATE telemetry.block")
        full = {f"d{i}": points(1000) for i in range(10)}
        self.assert_refused(422, BULK, {**full, "one-more": [point()]})
        answer = self.post(BULK, full)
        self.assertEqual((answer["success"], answer["total_devices"]), (True, 10))
        self.assertEqual(self.stored(), 10000)

    def test_bulk_of_many_devices(self):
        answer = self.post(BULK, {f"device-{i}": [point(i)] for i in range(2000)})
        self.assertEqual((answer["total_devices"], len(answer["results"])), (2000, 2000))
        self.assertEqual(self.stored(), 2000)

    def test_bulk_without_a_device_is_refused(self):
        self.assert_refused(422, BULK, {})

    def test_bulk_with_a_device_twice_takes_both_lists(self):
        body = '{"d": [%s, %s], "e": [7], "d": [%s, 8]}' % tuple(json.dumps(point(i, f"m{i}"))
                                                                 for i in range(3))
        answer = self.post(BULK, body)
        self.assertEqual((answer["total_devices"], answer["results"]["d"]["total_count"]), (2, 4))
        self.assertEqual([error["index"] for error in answer["results"]["d"]["errors"]], [3])
        self.assertEqual(self.values(), {"m0": 0, "m1": 1, "m2": 2})

    def test_batch_with_data_points_twice_is_refused(self):
        for batch_id in ("null", '"twice"'):
            self.assert_refused(422, BATCH, '{"data_points": [%s], "batch_id": %s, "data_points": [%s]}'
                                % (json.dumps(point(1)), batch_id, json.dumps(point(2))))

    def test_bodies_of_the_wrong_shape_are_422(self):
        for body in ("[]", "1", '"x"', "true", "null", json.dumps([point()])):
            for path in (DEVICE, BATCH, BULK):
                # A batch may be its points alone.
                if (path, body) == (BATCH, json.dumps([point()])):
                    continue
                with self.subTest(path=path, body=body):
                    self.assert_refused(422, path, body)
        for body in ({}, {"data_points": None}, {"data_points": {}}, {"data_points": "x"},
                     {"points": points(1)}, {"data_points": 1, "batch_id": "x"}, point()):
            with self.subTest(body):
                self.assert_refused(422, BATCH, body)

    def test_device_without_an_array_of_points_is_its_own_error(self):
        for wrong in (point(), None, 1, "x", {}, []):
            with self.subTest(wrong):
                self.cluster.execute("TRUNCATE telemetry.block")
                answer = self.post(BULK, {"a": [point()], "d": wrong, "e": [point()]})
                self.assertEqual({name: r["ingested_count"] for name, r in answer["results"].items()}, {"a": 1, "d": 0, "e": 1})
                self.assertEqual([(e["index"], e["code"]) for e in answer["results"]["d"]["errors"]], [(None, "invalid_points")])
                self.assertEqual((answer["success"], self.stored()), (False, 2))

    def test_compression_is_null_gzip_or_lz4(self):
        for compression in (None, "gzip", "lz4"):
            self.post(BATCH, {"data_points": points(1), "compression": compression})
        self.cluster.execute("TRUNCATE telemetry.block")
        for compression in ("zstd", "", 1, True, ["gzip"]):
            for batch_id in (None, "b"):
                with self.subTest(compression=compression, batch_id=batch_id):
                    self.assert_refused(422, BATCH, {"data_points": points(1), "batch_id": batch_id,
                                                     "compression": compression})

    def test_batch_id_is_a_text_that_could_be_a_key(self):
        for batch_id in (1, True, [], {}, "", "x" * 129, "a\u0007b"):
            with self.subTest(batch_id):
                self.assert_refused(422, BATCH, {"data_points": points(1), "batch_id": batch_id})


class MalformedTest(ContractTestCase):
    def test_malformed_json_is_400(self):
        good = json.dumps(point())
        for body in ("{", "}", "[", "{]", '{"a"}', '{"a":}', "{'a': 1}", '{"a": 1,}', "[1,]",
                     "tru", "nul", "+1", "01", "1.", ".5", "1e", "0x10", '"\\x"', '"\\u12"',
                     '"open', '"tab\tin text"', good + "x", good + good, good[:-1],
                     good.replace(":", "=", 1), "// comment\n" + good, "\ufeff" + good):
            for path in (DEVICE, BATCH, BULK):
                with self.subTest(path=path, body=body[:40]):
                    self.assert_refused(400, path, body)

    def test_number_words_that_json_has_not_are_400(self):
        for word in ("NaN", "Infinity", "-Infinity", "nan", "inf"):
            for path, body in ((DEVICE, '{"timestamp": "%s", "metric_name": "m", "value": %s}'),
                               (BATCH, '{"data_points": [{"timestamp": "%s", "metric_name": "m", '
                                       '"value": %s}]}'),
                               (BATCH, '{"batch_id": "b", "data_points": [{"timestamp": "%s", '
                                       '"metric_name": "m", "value": %s}]}')):
                with self.subTest(word=word, path=path):
                    self.assert_refused(400, path, body % (TIME, word))

    def test_malformed_utf_8_is_400(self):
        for text in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                     b"\xe2\x82"):
            body = (b'{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "m", "value": "'
                    + text + b'"}')
            with self.subTest(text):
                self.assert_refused(400, DEVICE, body)

    def test_empty_body_is_400(self):
        for path in (DEVICE, BATCH, BULK):
            self.assert_refused(400, path, b"")
            self.assert_refused(400, path, b"  \n ")

    def test_nesting_is_bounded(self):
        def nested(depth):
            return '{"timestamp": "%s", "metric_name": "m", "value": %s}' % (
                TIME, "[" * depth + "]" * depth)
        self.post(DEVICE, nested(20))
        self.cluster.execute("TRUNCATE telemetry.block")
        for depth in (33, 1000, 200000):
            with self.subTest(depth):
                self.assert_refused(400, DEVICE, nested(depth))
        self.assert_refused(400, DEVICE, '{"a":' * 100000)

    def test_what_follows_a_refused_request_is_served(self):
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for body, status in (("{", 400), (point(), 200), ("[]", 422), (point(2), 200)):
            self.post(DEVICE, body, status, connection=connection)
        self.assertEqual(self.values(), {"m": 2})


class EncodingTest(ContractTestCase):
    options = ("--max-body=256kB", "--max-decompressed=512kB")

    BODY = json.dumps({"data_points": points(500)}).encode()

    def test_gzip_bodies_are_taken_by_header(self):
        self.post(BATCH, gzip.compress(self.BODY), headers={"Content-Encoding": "gzip"})
        self.assertEqual(self.stored(), 500)

    def test_lz4_bodies_are_taken_by_header(self):
        self.post(BATCH, lz4(self.BODY), headers={"Content-Encoding": "lz4"})
        self.assertEqual(self.stored(), 500)

    def test_deflate_bodies_are_taken_by_header(self):
        for packed in (zlib.compress(self.BODY), zlib.compress(self.BODY)[2:-4]):
            self.cluster.execute("TRUNCATE telemetry.block")
            self.post(BATCH, packed, headers={"Content-Encoding": "deflate"})
            self.assertEqual(self.stored(), 500)

    def test_zeros_after_gzip_are_padding(self):
        self.post(BATCH, gzip.compress(self.BODY) + bytes(512))
        self.assertEqual(self.stored(), 500)

    def test_types_that_are_json_by_their_suffix_are_taken(self):
        for kind in ("application/vnd.example+json", "application/cloudevents+JSON; charset=utf-8", "text/x+json"):
            self.post(BATCH, self.BODY, headers={"Content-Type": kind})

    def test_compressed_bodies_are_recognised_without_a_header(self):
        self.post(BATCH, gzip.compress(self.BODY))
        self.cluster.execute("TRUNCATE telemetry.block")
        self.post(BATCH, lz4(self.BODY))
        self.assertEqual(self.stored(), 500)

    def test_names_of_encodings_are_read_without_regard_to_case(self):
        for name in ("GZIP", "Gzip", "x-gzip"):
            self.post(BATCH, gzip.compress(self.BODY), headers={"Content-Encoding": name})
        self.post(BATCH, self.BODY, headers={"Content-Encoding": "identity"})

    def test_bodies_in_several_members_are_taken_whole(self):
        half = len(self.BODY) // 2
        parts = self.BODY[:half], self.BODY[half:]
        for pack in (gzip.compress, lz4):
            self.cluster.execute("TRUNCATE telemetry.block")
            self.post(BATCH, b"".join(map(pack, parts)))
            self.assertEqual(self.stored(), 500)

    def test_compressed_batch_with_an_id_is_taken(self):
        body = gzip.compress(json.dumps({"data_points": points(500), "batch_id": "z",
                                         "compression": "gzip"}).encode())
        first = self.post(BATCH, body)
        self.assertEqual(self.post(BATCH, body), first)
        self.assertEqual(self.stored(), 500)

    def test_corrupted_bodies_are_400(self):
        for name, pack in (("gzip", gzip.compress), ("lz4", lz4)):
            packed = pack(self.BODY)
            flipped = bytearray(packed)
            flipped[len(packed) // 2] ^= 0x55
            for body in (packed[:-1], packed[:len(packed) // 2], packed[:5], bytes(flipped),
                         packed + b"junk", b"junk", b"\x00" * 100):
                with self.subTest(name=name, length=len(body)):
                    self.assert_refused(400, BATCH, body, headers={"Content-Encoding": name})

    def test_wrong_checksum_is_400(self):
        packed = bytearray(gzip.compress(self.BODY))
        packed[-8] ^= 1
        self.assert_refused(400, BATCH, bytes(packed), headers={"Content-Encoding": "gzip"})

    def test_encoding_that_is_not_what_it_says_is_400(self):
        self.assert_refused(400, BATCH, lz4(self.BODY), headers={"Content-Encoding": "gzip"})
        self.assert_refused(400, BATCH, self.BODY, headers={"Content-Encoding": "lz4"})

    def test_unknown_encodings_are_415(self):
        for name in ("br", "compress", "gzip, gzip"):
            with self.subTest(name):
                self.assert_refused(415, BATCH, self.BODY, headers={"Content-Encoding": name})

    def test_other_content_types_are_415(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                     "multipart/form-data; boundary=x", "application/xml", "+json", "application/json+xml",
                     "jsonx+jso", "application/x; +json"):
            with self.subTest(kind):
                self.assert_refused(415, BATCH, self.BODY, headers={"Content-Type": kind})

    def test_json_content_types_are_taken(self):
        for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON",
                     "application/json;charset=UTF-8"):
            self.post(BATCH, self.BODY, headers={"Content-Type": kind})

    def test_content_type_may_be_absent(self):
        with self.proxy.wire() as wire:
            wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                      % (BATCH.encode(), len(self.BODY), self.BODY))
            self.assertEqual(wire.response().status, 200)

    def test_body_over_the_limit_is_413(self):
        big = json.dumps(point("x" * (300 * 1024))).encode()
        self.assert_refused(413, DEVICE, big)
        self.assert_refused(413, DEVICE, b" " * (5 * 1024 * 1024))

    def test_body_over_the_limit_is_413_also_in_chunks(self):
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with self.proxy.wire() as wire:
            wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      % DEVICE.encode())
            try:
                for _ in range(8):
                    wire.send(chunk)
                wire.send(b"0\r\n\r\n")
            except OSError:
                pass
            response = wire.response()
        self.assertEqual(response.status, 413)
        self.assert_detail(response)

    def test_declared_length_alone_is_enough_for_413(self):
        for length in (10**9, 10**18, 2**63 - 1):
            with self.subTest(length), self.proxy.wire() as wire:
                wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                          % (DEVICE.encode(), length))
                response = wire.response()
                self.assertEqual(response.status, 413)
                self.assert_detail(response)

    def test_bodies_that_swell_over_the_limit_are_413(self):
        bomb = json.dumps(point("x" * (600 * 1024))).encode()
        huge = b" " * (64 * 1024 * 1024)
        for name, pack in (("gzip", gzip.compress), ("lz4", lz4)):
            for body in (bomb, huge):
                with self.subTest(name=name, length=len(body)):
                    packed = pack(body)[:250 * 1024]
                    self.assert_refused(413, DEVICE, packed, headers={"Content-Encoding": name})
        self.assertEqual(self.post(BATCH, self.BODY)["success"], True)

    def test_body_just_within_the_limits_is_taken(self):
        padding = 256 * 1024 - len(self.BODY)
        self.post(BATCH, self.BODY + b" " * padding)
        self.post(BATCH, gzip.compress(self.BODY + b" " * (512 * 1024 - len(self.BODY))))


class PathTest(ContractTestCase):
    def test_unknown_paths_are_404(self):
        for path in ("/", "/nothing", "/api", API, f"{API}/", f"{API}/devices",
                     f"{API}/devices/d1", f"{API}/devices//telemetry", f"{DEVICE}//",
                     f"{DEVICE}/batch/more", "/api/v2/telemetry/bulk", "//health", "/health//", "//",
                     "/HEALTH", "/a/b/c/d/e/f/g/h/i/j/k/l/m", f"{API}/batches",
                     f"{API}/batches/"):
            for method in ("GET", "POST"):
                with self.subTest(path=path, method=method):
                    response = self.proxy.request(method, path)
                    self.assertEqual(response.status, 404, response)
                    self.assert_detail(response)

    def test_wrong_methods_are_405_with_allow(self):
        for path, methods, allow in (
                (DEVICE, ("GET", "PUT", "DELETE", "PATCH"), {"POST", "OPTIONS"}),
                (BATCH, ("GET", "PUT"), {"POST", "OPTIONS"}),
                (BULK, ("GET", "DELETE"), {"POST", "OPTIONS"}),
                ("/health", ("POST", "PUT", "DELETE"), {"GET", "HEAD", "OPTIONS"}),
                ("/health/detailed", ("POST",), {"GET", "HEAD", "OPTIONS"}),
                (f"{API}/batches/b1", ("POST", "DELETE"), {"GET", "HEAD", "OPTIONS"})):
            for method in methods:
                with self.subTest(path=path, method=method):
                    response = self.proxy.request(method, path)
                    self.assertEqual(response.status, 405, response)
                    self.assertEqual(set(response.headers["Allow"].replace(" ", "").split(",")),
                                     allow)
                    self.assert_detail(response)
        response = self.proxy.request("HEAD", DEVICE)
        self.assertEqual((response.status, response.headers["Allow"]), (405, "POST, OPTIONS"))

    def test_unheard_of_method_is_refused_and_the_connection_is_sound(self):
        with self.proxy.wire() as wire:
            wire.send(b"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(wire.response().status, (400, 405, 501))

    def test_head_of_health_is_as_get_without_a_body(self):
        got = self.proxy.get("/health")
        with self.proxy.wire() as wire:
            wire.send(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n"
                      b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            head = wire.response("HEAD")
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(int(head.headers["Content-Length"]), len(got.body))
            self.assertEqual(wire.response("GET").status, 404)

    def test_percent_encoded_devices_are_decoded(self):
        for encoded, device in (("a%2Fb", "a/b"), ("caf%C3%A9", "café"), ("%F0%9D%84%9E", "𝄞"),
                                ("with%20space", "with space"), ("plus+sign", "plus+sign"),
                                ("100%25", "100%"), ("a%3Fb%23c", "a?b#c"), ("%2e%2e", ".."),
                                ("%7B%22x%22%7D", '{"x"}'), ("o%27brien", "o'brien"),
                                ("x" * 128, "x" * 128), ("back%5Cslash", "back\\slash"),
                                ("telemetry", "telemetry"), ("a:b@c;d,e=f!", "a:b@c;d,e=f!")):
            with self.subTest(encoded):
                self.cluster.execute("TRUNCATE telemetry.block")
                answer = self.post(f"{API}/devices/{encoded}/telemetry", point())
                self.assertEqual(answer["device_id"], device)
                self.assertEqual(self.stored_points()[0]["device_id"], device)
                answer = self.post(f"{API}/devices/{encoded}/telemetry/batch",
                                   {"data_points": [point()], "batch_id": "b1"})
                self.assertEqual(answer["success"], True)
                self.assertEqual(self.stored(), 1)

    def test_malformed_encoding_in_the_path_is_400(self):
        for encoded in ("a%00b", "%00", "%FF", "%C3", "%ED%A0%80", "a%2", "a%", "%zz", "%u1234"):
            with self.subTest(encoded):
                self.assert_refused(400, f"{API}/devices/{encoded}/telemetry", point())

    def test_devices_that_cannot_be_keys_are_422_or_fail_each_point(self):
        for encoded in ("x" * 129, "a%0Ab", "%7F", "a%C2%85"):
            with self.subTest(encoded):
                self.assert_refused(422, f"{API}/devices/{encoded}/telemetry", point())
                for batch_id in (None, "b"):
                    answer = self.post(f"{API}/devices/{encoded}/telemetry/batch",
                                       {"data_points": points(2), "batch_id": batch_id})
                    self.assertEqual([error["code"] for error in answer["errors"]],
                                     ["invalid_key"] * 2)
                self.assertEqual(self.stored(), 0)

    def test_query_string_is_no_part_of_the_path(self):
        self.post(f"{DEVICE}?trace=1&x=%", point())
        self.assertEqual(self.proxy.get("/health?deep=1").status, 200)

    def test_absolute_form_of_the_target_is_served(self):
        with self.proxy.wire() as wire:
            wire.send(b"GET http://anywhere.example/health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(wire.response("GET").status, 200)


class SameAnswerTest(ContractTestCase):
    """The proxy's own decoder and telemetry.http_ingest() must not be told apart."""

    def both(self, path, body, odd_body):
        """The same content in a form for each path; (status, JSON) of each and what is stored."""
        outcomes = []
        for each in (body, odd_body):
            self.cluster.execute("TRUNCATE telemetry.block, telemetry.dead_letter")
            copies = self.copies()
            response = self.proxy.post(path, each)
            outcomes.append((response.status, response.json, self.stored_points(),
                             self.copies() - copies))
        self.assertEqual([outcome[3] for outcome in outcomes], [1, 0],
                         "the test does not take both paths")
        self.assertEqual(outcomes[0][:3], outcomes[1][:3])

    def copies(self):
        return self.proxy.get("/health/detailed").json["performance"]["proxy"]["copies_total"]

    # What the fast decoder does not refuse or leave to the other itself.
    POINTS = (
        point(25.5, unit="celsius", tags={"location": "room_1"}, metadata={"a": [1, None]}),
        point(-0.0, "negative zero"), point(0.1, "fraction"), point(1e300, "large"),
        point(2**63, "whole"), point("text ☂", "text"), point("", "empty"), point(True, "true"),
        point({"b": 1, "a": {"x": 1.50}}, "document"), point([3, 2, 1], "list"),
        point(metric=""), point(metric="x" * 129), point(metric="a\u0001b"),
        point(metric="a\u007fb"), point(unit="u" * 129), point(unit="a\nb"), point(unit=""),
        point(timestamp="9998-12-31T00:00:00Z"), point("x" * (1024 * 1024 + 1)),
        point(1, "twice"), point(2, "twice"),
        point(1, "time", "2025-12-18T10:00:00.1234567+01:00"),
        point([{"$geo": [1, 2]}], "inner $geo"), point({"a": {"$binary": "x"}}, "inner $binary"),
        point(10**30, "long"), point(tags={}), point(tags={"": None, "a": {"b": [1e-7, 1e20]}}),
    )

    def test_documents_that_are_too_large(self):
        # Measured in different forms, so what the error says may differ.
        large = "x" * (1024 * 1024 + 1)
        for each in (point([large]), point(tags={"t": large}), point(metadata={"m": [large]})):
            answers = [self.post(BATCH, {"data_points": [each, point()], "batch_id": batch_id})
                       for batch_id in (None, "large")]
            for answer in answers:
                self.assertEqual([(error["index"], error["code"]) for error in answer["errors"]],
                                 [(0, "value_too_large")])
                self.assertEqual(answer["ingested_count"], 1)
            self.cluster.execute("TRUNCATE telemetry.receipt")

    def test_singles(self):
        for each in self.POINTS:
            with self.subTest(str(each)[:100]):
                text = json.dumps(each)
                odd = text.replace('"timestamp": "2025', '"timestamp": "\\u0032025')
                self.both(DEVICE, text,
                          odd.replace('"timestamp": "9998', '"timestamp": "\\u0039998'))

    def test_batches(self):
        for each in ([list(self.POINTS)] + [[each] for each in self.POINTS]):
            with self.subTest(str(each)[:100]):
                self.both(BATCH, {"data_points": each},
                          {"data_points": each, "batch_id": f"same-{hash(str(each))}"})

    def test_random_points(self):
        rng = random.Random(7)
        texts = ("", "a", "é", "x" * 128, "x" * 129, "é" * 64, "é" * 65, "tab\t", "\u007f",
                 "\u0080", "\u00a0", "\ufffe", "\U0010ffff", "quote\"\\", " ", "null")
        numbers = ("0", "-0", "-0.0", "0e5", "1e-400", "-1e-400", "4.9e-324", "2e-324", "1e308",
                   "1.7976931348623157e308", "9007199254740993", "0.1", "123456789012345678901234",
                   "0.000000000000000000000000000001", "1" * 90, "0." + "1" * 90,
                   "2.2250738585072011e-308", "179769313486231570e291", "1E+2")
        times = ("2025-12-18T10:00:00Z", "2025-12-18 10:00:00.5+05:30",
                 "0001-01-01T00:00:00+15:59", "1999-12-31T23:59:59.9999995Z",
                 "2000-02-29T00:00:00.000001-15:59",
                 "2025-12-18T10:00:00.1234565Z", "2025-12-18T10:00:00.123456499999999Z")

        def document(depth=0):
            kind = rng.randrange(7 if depth < 3 else 5)
            if kind < 2:
                return rng.choice(numbers)
            if kind == 2:
                return json.dumps(rng.choice(texts), ensure_ascii=rng.random() < 0.5)
            if kind < 5:
                return rng.choice(("true", "false", "null") if depth else ("true", "false"))
            items = [document(depth + 1) for _ in range(rng.randrange(4))]
            if kind == 5:
                return "[%s]" % ", ".join(items)
            return "{%s}" % ",".join(f"{name()}: {item}" for item in items)

        def name():
            # An escape at its beginning would be left to the other path.
            return json.dumps(rng.choice(texts), ensure_ascii=False)

        def table():
            return "{%s}" % ", ".join(f"{name()}:{document(1)}" for _ in range(rng.randrange(3)))

        def text():
            return json.dumps(rng.choice(texts), ensure_ascii=rng.random() < 0.5)

        for number in range(60):
            members = []
            for _ in range(20):
                one = [f'"timestamp": "{rng.choice(times)}"', f'"metric_name": {text()}',
                       f'"value": {document()}']
                one += [f'"unit": {text()}'] * rng.randrange(2)
                one += [f'"tags": {table()}'] * rng.randrange(2)
                one += [f'"metadata": {table()}'] * rng.randrange(2)
                rng.shuffle(one)
                members.append("{%s}" % ", ".join(one))
            body = '"data_points": [%s]}' % ",".join(members)
            with self.subTest(number):
                self.both(BATCH, "{" + body, '{"batch_id": "random-%d", %s' % (number, body))

    def test_bulks(self):
        devices = {"b": list(self.POINTS), "a": list(self.POINTS[:3]), "x" * 129: [point()],
                   "é/\n": [point(), point(metric="")]}
        text = json.dumps(devices)
        self.both(BULK, text, text.replace('"timestamp": "2025', '"timestamp": "\\u0032025', 1))


class ConnectionTest(ContractTestCase):
    """Clients that use HTTP in less common ways, or badly."""

    options = (f"--header-timeout={2 * support.PATIENCE:.0f}s", f"--read-timeout={2 * support.PATIENCE:.0f}s",
               f"--idle-timeout={3 * support.PATIENCE:.0f}s", "--max-body=1MB")

    HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

    def request_bytes(self, body, headers=b"", path=DEVICE):
        body = json.dumps(body).encode()
        return (b"POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s"
                % (path.encode(), headers, len(body), body))

    def assert_serves(self):
        self.assertEqual(self.proxy.get("/health").status, 200)

    def test_one_connection_serves_many_requests(self):
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for number in range(200):
            self.post(DEVICE, point(number, timestamp=second(number)), connection=connection)
        self.assertEqual(self.stored(), 200)

    def test_pipelined_requests_are_answered_in_order(self):
        with self.proxy.wire() as wire:
            wire.send(b"".join(self.request_bytes(point(i, f"m{i}")) for i in range(20)))
            names = [wire.response().json["metric_name"] for _ in range(20)]
        self.assertEqual(names, [f"m{i}" for i in range(20)])
        self.assertEqual(self.stored(), 20)

    def test_pipelined_requests_of_all_kinds_are_answered_in_order(self):
        kinds = ((self.request_bytes(point()), 200), (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
                 (self.request_bytes({"data_points": [point()], "batch_id": "b"}, path=BATCH), 200),
                 (self.request_bytes([]), 422), (self.HEALTH, 200),
                 (self.request_bytes(point(metric="")), 422),
                 (b"PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405))
        with self.proxy.wire() as wire:
            wire.send(b"".join(request for request, _ in kinds * 3))
            self.assertEqual([wire.response().status for _ in kinds * 3],
                             [status for _, status in kinds * 3])

    def test_chunked_bodies_are_read(self):
        body = json.dumps(point()).encode()
        with self.proxy.wire() as wire:
            for size in (1, 7, 1000):
                wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          % DEVICE.encode())
                for start in range(0, len(body), size):
                    part = body[start:start + size]
                    wire.send(b"%x\r\n%s\r\n" % (len(part), part))
                wire.send(b"0\r\n\r\n")
                self.assertEqual(wire.response().status, 200)
        self.assertEqual(self.values(), {"m": 1})

    def test_malformed_chunks_are_refused(self):
        for chunk in (b"zz\r\n", b"-5\r\nabc\r\n", b"fffffffffffffffff\r\n", b"\r\n\r\n\r\n"):
            with self.subTest(chunk), self.proxy.wire() as wire:
                wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s"
                          % (DEVICE.encode(), chunk))
                self.assert_no_success(wire)
        self.assertEqual(self.stored(), 0)

    def assert_no_success(self, wire):
        """An error or the end of the connection, within bounds; never a 200."""
        try:
            status = wire.response().status
        except (http.client.HTTPException, OSError):
            return
        self.assertGreaterEqual(status, 400)

    def test_expect_100_continue_is_invited(self):
        body = json.dumps(point()).encode()
        with self.proxy.wire() as wire:
            wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                      b"Content-Length: %d\r\n\r\n" % (DEVICE.encode(), len(body)))
            self.assertRegex(wire.line(), "^HTTP/1.1 100 ")
            self.assertEqual(wire.line(), "")
            wire.send(body)
            self.assertEqual(wire.response().status, 200)
            wire.send(self.HEALTH)
            self.assertEqual(wire.response("GET").status, 200)
        self.assertEqual(self.values(), {"m": 1})

    def test_expect_100_continue_with_too_large_a_body_is_not_invited(self):
        with self.proxy.wire() as wire:
            wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                      b"Content-Length: 2000000\r\n\r\n" % DEVICE.encode())
            self.assertRegex(wire.line(), "^HTTP/1.1 4(13|17) ")

    def test_http_1_0_closes_after_the_answer(self):
        with self.proxy.wire() as wire:
            wire.send(b"GET /health HTTP/1.0\r\n\r\n")
            self.assertEqual(wire.response("GET").status, 200)
            self.assertTrue(wire.at_end())

    def test_connection_close_is_heeded(self):
        with self.proxy.wire() as wire:
            wire.send(self.request_bytes(point(), b"Connection: close\r\n"))
            self.assertEqual(wire.response().status, 200)
            self.assertTrue(wire.at_end())

    def test_request_in_single_bytes_is_read(self):
        request = self.request_bytes(point())
        with self.proxy.wire() as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request:
                wire.send(bytes([byte]))
            self.assertEqual(wire.response().status, 200)

    def test_slow_headers_and_bodies_are_408_and_then_closed(self):
        wires = []
        for begin in (b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: ",
                      self.request_bytes(point())[:-5],
                      b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
                      % DEVICE.encode()):
            wires.append((begin, self.proxy.wire()))
            wires[-1][1].send(begin)
        for begin, wire in wires:
            with self.subTest(begin), wire:
                response = wire.response()
                self.assertEqual(response.status, 408)
                self.assert_detail(response)
                self.assertTrue(wire.at_end())
        self.assert_serves()

    def test_dribbling_does_not_stretch_the_time_limit(self):
        with self.proxy.wire() as wire:
            wire.send(b"GET /health HTTP/1.1\r\n")
            wire.socket.settimeout(0.1)
            answer = b""

            def dribble():
                nonlocal answer
                try:
                    wire.send(b"X-A: b\r\n")
                    answer += wire.socket.recv(4096)
                except TimeoutError:
                    return False
                except OSError:
                    return True
                return answer != b""

            support.wait_until(dribble, 30, "the dribbling client to be cut off")
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer)
        self.assert_serves()

    def test_idle_connections_are_closed_without_a_word(self):
        with self.proxy.wire() as fresh, self.proxy.wire() as used:
            used.send(self.HEALTH)
            self.assertEqual(used.response("GET").status, 200)
            self.assertTrue(fresh.at_end() and used.at_end())

    def test_ambiguous_lengths_are_refused(self):
        body = json.dumps(point()).encode()
        for headers in (b"Content-Length: %d\r\nContent-Length: 3\r\n" % len(body),
                        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(body),
                        b"Content-Length: +%d\r\n" % len(body), b"Content-Length: -1\r\n",
                        b"Content-Length: 12abc\r\n", b"Content-Length: \r\n",
                        b"Transfer-Encoding: gzip\r\n",
                        b"Content-Length: 99999999999999999999999\r\n"):
            with self.subTest(headers), self.proxy.wire() as wire:
                wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s"
                          % (DEVICE.encode(), headers, body))
                self.assert_no_success(wire)
        self.assertEqual(self.stored(), 0)
        self.assert_serves()

    def test_what_is_not_http_is_refused(self):
        for junk in (b"\r\n\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET /health\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                     b"\x00" * 1000, b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
                     b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET nothing HTTP/1.1\r\nHost: x\r\n\r\n"):
            with self.subTest(junk[:40]), self.proxy.wire() as wire:
                wire.send(junk)
                self.assert_no_success(wire)
        self.assert_serves()

    def test_headers_over_the_limit_are_refused(self):
        for request in (b"GET /health HTTP/1.1\r\nX-A: " + b"a" * 100000 + b"\r\n\r\n",
                        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /health HTTP/1.1\r\n" + b"X-A: b\r\n" * 10000 + b"\r\n"):
            with self.subTest(request[:30]), self.proxy.wire() as wire:
                try:
                    wire.send(request)
                except OSError:
                    pass
                self.assert_no_success(wire)
        self.assert_serves()

    def test_clients_that_vanish_in_the_middle_of_a_request_leave_no_trace(self):
        request = self.request_bytes(point())
        for length in (1, 10, 40, len(request) - 1):
            for leave in ("close", "reset", "finish"):
                wire = self.proxy.wire()
                wire.send(request[:length])
                getattr(wire, leave)()
                wire.close()
        self.assert_serves()
        self.assertEqual(self.stored(), 0)

    def test_clients_that_vanish_before_their_answer_do_not_hurt_others(self):
        lock = self.start_session(self.cluster)
        lock.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
        wires = [self.proxy.start_post(path, body) for _ in range(10) for path, body in (
            (DEVICE, point()), (BATCH, {"data_points": points(100)}),
            (BATCH, {"data_points": points(100), "batch_id": "v"}),
            (BULK, {"device_001": points(10), "x": [point(metric="")]}))]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        self.proxy.settle()
        for number, wire in enumerate(wires):
            if number % 5 < 4:
                (wire.close, wire.reset)[number % 2]()
        self.proxy.settle()
        lock.run("COMMIT;")
        for number, wire in enumerate(wires):
            if number % 5 == 4:
                self.assertEqual(wire.response().status, 200)
        self.assert_serves()
        self.assertEqual(self.cluster.value(
            "SELECT count(*) FROM telemetry.point WHERE device_id = 'device_001'"), "100")

    def test_client_that_has_said_all_still_gets_its_answer(self):
        lock = self.start_session(self.cluster)
        lock.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
        with self.proxy.start_post(DEVICE, point()) as wire:
            wire.finish()
            self.proxy.settle()
            lock.run("COMMIT;")
            self.assertEqual(wire.response().status, 200)
        self.assertEqual(self.values(), {"m": 1})

    def test_client_that_does_not_read_does_not_hurt_others(self):
        with self.proxy.wire() as wire:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.socket.settimeout(1)
            try:
                for _ in range(200):
                    wire.send(self.HEALTH * 100)
            except OSError:
                pass
            self.assert_serves()
            self.post(DEVICE, point())


class ManyClientsTest(ContractTestCase):
    options = ("--max-connections=8",)

    def test_one_over_the_limit_takes_the_place_of_the_one_that_is_idle_longest(self):
        wires = [self.proxy.wire() for _ in range(8)]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        for wire in [*wires[1:], wires[0]]:
            wire.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(wire.response("GET").status, 404)
        with self.proxy.start_post(DEVICE, point()) as late:
            self.assertEqual(late.response().status, 200)
            with wires.pop(1) as replaced:
                self.assertTrue(replaced.at_end())
            for wire in wires:
                wire.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(wire.response("GET").status, 404)

    def test_while_all_are_busy_those_in_reserve_are_answered_health_and_no_more(self):
        wires = [self.proxy.wire() for _ in range(8)]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        for wire in wires:
            # A whole request, and a part of the next, which has been read when the first is answered.
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\n")
            self.assertEqual(wire.response("GET").status, 200)
        with self.proxy.wire() as reserve:
            reserve.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(reserve.response("GET").status, 200)
            reserve.post(DEVICE, point())
            self.assertEqual(reserve.response().status, 503)
            self.assertTrue(reserve.at_end())
        self.assertEqual(self.stored(), 0)
        for wire in wires:
            wire.send(b"Host: x\r\n\r\n")
            self.assertEqual(wire.response("GET").status, 200)


class OneAddressTest(ContractTestCase):
    options = ("--max-per-address=4",)

    def test_one_more_of_an_address_is_closed_until_one_has_left(self):
        def is_served(wire):
            try:
                wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                return wire.response("GET").status == 200
            except (OSError, http.client.HTTPException):
                return False

        support.wait_until(lambda: self.proxy.get("/health").status == 200, 10, "connections of before to be gone")
        wires = [self.proxy.wire() for _ in range(4)]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        self.assertTrue(all(is_served(wire) for wire in wires))
        with self.proxy.wire() as late:
            self.assertFalse(is_served(late))
        wires.pop().close()

        def another_is_served():
            with self.proxy.wire() as wire:
                return is_served(wire)

        support.wait_until(another_is_served, 10, "room for another")
        self.assertTrue(all(is_served(wire) for wire in wires))


if __name__ == "__main__":
    unittest.main()
