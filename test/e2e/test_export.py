"""Points as files, over HTTP: E7-US1 of seed 004."""

import csv
import gzip
import http.client
import io
import json
import pathlib
import urllib.parse

import support

EXPORT = "/api/v1/telemetry/export"
MEGA = 1024 * 1024
HEAD = ["timestamp", "device_id", "metric_name", "value", "unit", "tags"]
MEMORY_IS_ITS_OWN = not support.PROXY_WRAPPER and b"__asan_init" not in pathlib.Path(support.PROXY).read_bytes()


def private_memory(pid):
    """Bytes of its own that a process has."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


class ExportTestCase(support.TestCase):
    def setUp(self):
        self.cluster = self.start_cluster(fsync="off")
        self.proxy = self.start_proxy(self.cluster, "--export-connections=1")

    def path(self, kind="csv", **parameters):
        parameters = {"start_time": "2024-01-01T00:00:00Z", "end_time": "2025-01-01T00:00:00Z", **parameters}
        return f"{EXPORT}/{kind}?" + urllib.parse.urlencode(parameters, doseq=True)

    def fill(self, points, devices=10):
        self.cluster.execute(f"""INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT '2024-01-01'::timestamptz + i * interval '1 s', 'd' || d, 'm', (i % 977 / 10.0)::float8::telemetry.value
            FROM generate_series(1, {points // devices}) AS i, generate_series(1, {devices}) AS d""")
        self.cluster.execute("CALL telemetry.run_jobs('roll_up')")


class FileTest(ExportTestCase):
    def test_e7_us1_a_file_that_other_programs_read(self):
        values = ["\"open\"", "-1.5", "{\"a\": \"b,\\\"c\\\"\"}", "true", "\"line\\nline\""]
        rows = [(f"2024-03-01T00:00:0{i}Z", device, "state", value, unit, tags)
                for device in ("a,b", "plain", "\"quoted\"", "=1+1", "-x", "grün", "line")
                for i, (value, unit, tags) in enumerate(zip(values, ("", "C", "°C", "a\"b", ","), ("", "{\"room\": \"a, b\"}", "", "{}", "")))]
        for ts, device, metric, value, unit, tags in rows:
            answer = self.proxy.post(f"/api/v1/telemetry/devices/{urllib.parse.quote(device, safe='')}/telemetry",
                                     {"timestamp": ts, "metric_name": metric, "value": json.loads(value), "unit": unit or None,
                                      "tags": json.loads(tags) if tags else None})
            self.assertEqual(answer.status, 200, answer.body)
        devices = sorted({row[1] for row in rows}, key=str.encode)
        expected = sorted((list(row) for row in rows), key=lambda row: (row[1].encode(), row[0]))
        # AC1, AC3, AC4; a name with a comma can be said in two ways.
        for lists in ({"device_ids": json.dumps(devices)}, {"device_ids": [json.dumps([device]) for device in devices]}):
            answer = self.proxy.get(self.path(**lists, metric_names="state,none", spreadsheet="false"))
            self.assertEqual((answer.status, answer.headers["Content-Type"], answer.headers["Content-Disposition"]),
                             (200, "text/csv; charset=utf-8", 'attachment; filename="export.csv"'))
            self.assertEqual(list(csv.reader(io.StringIO(answer.body.decode(), newline=""))), [HEAD, *expected])
        answer = self.proxy.get(self.path("ndjson", device_ids=json.dumps(devices), metric_names="state"))
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/x-ndjson"))
        self.assertEqual([json.loads(line) for line in answer.body.decode().splitlines()],
                         [{"timestamp": ts, "device_id": device, "metric_name": metric, "value": json.loads(value), "unit": unit or None,
                           "tags": json.loads(tags) if tags else None, "metadata": None}
                          for ts, device, metric, value, unit, tags in expected])

    def test_e7_us1_ac2_ac5_what_is_wrong_is_said(self):
        for query, status, detail in (("", 400, "device_ids is required"),
                                      ("?device_ids=a", 400, "metric_names is required"),
                                      ("?device_ids=a&metric_names=m", 400, "start_time is required"),
                                      ("?device_ids=a&metric_names=m&start_time=2024-01-01", 400, "end_time is required"),
                                      ("?device_ids=a&metric_names=m&start_time=2024-01-01&end_time=x", 400,
                                       "end_time must be a date or a time in ISO 8601"),
                                      ("?device_ids=a'%3B--&metric_names=m&start_time=2024-01-01&end_time=2024-01-02", 404, "No data found"),
                                      ("?device_ids=%ff&metric_names=m&start_time=2024-01-01&end_time=2024-01-02", 400, "malformed query")):
            for kind in ("csv", "ndjson"):
                answer = self.proxy.get(f"{EXPORT}/{kind}{query}")
                self.assertEqual((answer.status, answer.json), (status, {"detail": detail}), query)
                self.assertIsNone(answer.headers["Content-Disposition"])
        # Too long for a request line.
        self.assertEqual(self.proxy.get(self.path(device_ids="d" * 20000, metric_names="m")).status, 414)
        # Of what is given several times, without commas, all counts.
        self.fill(40, devices=4)
        answer = self.proxy.get(self.path(device_ids=["d1", "d3"], metric_names=["m", "n"]))
        self.assertEqual({row[1] for row in csv.reader(io.StringIO(answer.body.decode()))}, {"device_id", "d1", "d3"})


class StreamTest(ExportTestCase):
    def test_e7_us1_ac3_all_of_it_in_memory_that_does_not_grow(self):
        self.fill(1_000_000)
        pid = self.cluster.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'telemetry-proxy exports'")
        path = self.path(device_ids=",".join(f"d{d}" for d in range(1, 11)), metric_names="m")
        # A few first, for what any export takes.
        self.proxy.get(self.path(device_ids="d1", metric_names="m", end_time="2024-01-01T03:00:00Z"))
        before = private_memory(pid), private_memory(self.proxy.process.pid)
        most = [0, 0]
        wire = self.proxy.wire()
        self.addCleanup(wire.close)
        wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        response = http.client.HTTPResponse(wire, method="GET")
        response.begin()
        self.assertEqual(response.headers["Transfer-Encoding"], "chunked")
        lines = 0
        while piece := response.read(MEGA):
            lines += piece.count(b"\n")
            most = [max(a, b) for a, b in zip(most, (private_memory(pid), private_memory(self.proxy.process.pid)))]
        self.assertEqual(lines, 1_000_001)
        self.assertLess(most[0] - before[0], 16 * MEGA)
        if MEMORY_IS_ITS_OWN:
            self.assertLess(most[1] - before[1], 8 * MEGA)

    def test_gzip_for_who_takes_it(self):
        self.fill(10_000)
        path = self.path(device_ids="d1,d2", metric_names="m")
        for kind in ("csv", "ndjson"):
            packed = self.proxy.get(path.replace("/csv?", f"/{kind}?"), headers={"Accept-Encoding": "gzip"})
            self.assertEqual(packed.headers["Content-Encoding"], "gzip")
            self.assertEqual(gzip.decompress(packed.body), self.proxy.get(path.replace("/csv?", f"/{kind}?")).body)

    def test_who_leaves_has_it_cancelled(self):
        self.fill(1_000_000)
        path = self.path(device_ids=",".join(f"d{d}" for d in range(1, 11)), metric_names="m")
        wire = self.proxy.wire()
        wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        support.wait_until(wire.has_answer, 20, "the beginning")
        running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telemetry-proxy exports' AND state = 'active'"
        support.wait_until(lambda: self.cluster.value(running) == "1", 20, "the statement")
        wire.close()
        support.wait_until(lambda: self.cluster.value(running) == "0", 20, "the statement to end")
        # The only connection for exports serves the next one.
        self.assertEqual(self.proxy.get(self.path(device_ids="d1", metric_names="m", end_time="2024-01-01T00:00:02Z")).body.count(b"\r\n"), 2)
