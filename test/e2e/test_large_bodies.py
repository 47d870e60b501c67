"""Bodies that are read in a thread: what becomes of them is what becomes of small ones."""

import datetime
import gzip
import json
import os
import signal
import threading
import zlib

import support

BATCH = "/api/v1/telemetry/devices/big/telemetry/batch"
BULK = "/api/v1/telemetry/bulk"
EVENTS = "/api/telemetry/events"
GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


def utc(seconds_ago):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)).isoformat(timespec="milliseconds")


def point(number, size, value=None):
    return {"timestamp": f"2026-03-01T00:{number // 60 % 60:02d}:{number % 60:02d}Z", "metric_name": "m",
            "value": "x" * size if value is None else value}


def batch(n=1000, size=3000):
    return {"data_points": [point(i, size) for i in range(n)]}


class LargeBodyTest(support.SharedClusterTestCase):
    apps = ("telemetry_core",)

    def setUp(self):
        super().setUp()
        self.proxy = self.start_proxy(self.cluster)

    def test_points_are_stored_and_counted_as_those_of_a_small_body(self):
        answers = []
        for size in (10, 3000):
            body = batch(size=size)
            body["data_points"][7]["value"] = None
            body["data_points"][9] = 5
            answers.append(self.proxy.post(BATCH, body))
            self.assertEqual(answers[-1].status, 200)
        self.assertEqual(answers[0].json, answers[1].json)
        self.assertEqual(answers[1].json["ingested_count"], 998)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point WHERE device_id = 'big' AND length(value::text) >= 3000"), "998")

    def test_plain_points_go_by_copy_like_others(self):
        self.assertEqual(self.proxy.post(BATCH, batch()).json["ingested_count"], 1000)
        bulk = {f"d{d}": [point(i, 200) for i in range(1000)] for d in range(10)}
        answer = self.proxy.post(BULK, gzip.compress(json.dumps(bulk).encode()), headers=GZIP)
        self.assertEqual((answer.status, answer.json["total_devices"], answer.json["success"]), (200, 10, True))
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point"), "11000")

    def test_each_encoding_may_be_large_when_decompressed(self):
        text = json.dumps(batch()).encode()
        for encoding, packed in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text)), ("identity", text)):
            with self.subTest(encoding=encoding):
                answer = self.proxy.post(BATCH, packed, headers={"Content-Type": "application/json", "Content-Encoding": encoding})
                self.assertEqual((answer.status, answer.json["ingested_count"]), (200, 1000))

    def test_what_is_wrong_is_told_as_of_a_small_one(self):
        text = json.dumps(batch()).encode()
        for body, headers, status, word in (
                (text[:-1], {}, 400, "malformed JSON"),
                (text + b"x", {}, 400, "malformed JSON"),
                (gzip.compress(text)[:-9], GZIP, 400, "not valid gzip"),
                (gzip.compress(b" " * 17_000_000), GZIP, 413, "too large"),
                (json.dumps({"data_points": [point(i, 1500) for i in range(1001)]}).encode(), {}, 422, "1000 points"),
                (json.dumps({"data": "x" * 2_000_000}).encode(), {}, 422, "data_points"),
        ):
            answer = self.proxy.post(BATCH, body, headers=headers)
            self.assertEqual(answer.status, status, answer)
            self.assertIn(word, answer.json["detail"])
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point"), "0")
        answer = self.proxy.post(EVENTS, b'{"events": [' + b" " * 2_000_000 + b"}")
        self.assertEqual(answer.status, 400)
        self.assertIn("malformed JSON at byte", answer.json["error"])

    def test_what_jsonb_cannot_hold_rejects_its_point_only(self):
        body = batch()
        body["data_points"][500]["value"] = "a\ud83d"
        answer = self.proxy.post(BATCH, json.dumps(body))
        self.assertEqual([e["index"] for e in answer.json["errors"]], [500])
        self.assertEqual(answer.json["ingested_count"], 999)

    def test_a_batch_under_a_key_comes_once(self):
        text = json.dumps(batch())
        first = self.proxy.post(BATCH, text, headers={"Idempotency-Key": "k"})
        self.proxy.post(BATCH.replace("/batch", ""), point(3, 0, value=7))
        again = self.proxy.post(BATCH, text, headers={"Idempotency-Key": "k"})
        self.assertEqual(first.json, again.json)
        self.assertEqual(self.cluster.value("SELECT value FROM telemetry.point WHERE device_id = 'big' AND ts = '2026-03-01 00:00:03'"), "7")

    def test_events_are_stored_once(self):
        body = {"deviceId": "d", "events": [
            {"eventId": f"e{i}", "moduleId": "m", "type": "shown", "occurredUtc": utc(60), "details": {"text": "y" * 2500}} for i in range(500)]}
        for accepted in (500, 0):
            answer = self.proxy.post(EVENTS, body)
            self.assertEqual((answer.status, answer.json["accepted"]), (202, accepted))
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.event"), "500")

    def test_many_at_once_are_each_answered_and_others_between_them(self):
        text = gzip.compress(json.dumps({"data_points": [point(i, 9000) for i in range(1000)]}).encode())
        statuses = []

        def send(number):
            statuses.append(self.proxy.post(BATCH.replace("big", f"big{number}"), text, headers=GZIP).status)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            self.assertEqual(self.proxy.get("/health/live").status, 200)
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 12)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point WHERE device_id LIKE 'big%'"), "12000")

    def test_requests_behind_one_are_answered_after_it(self):
        text = json.dumps(batch()).encode()
        with self.proxy.wire() as wire:
            wire.send(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
                      + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(wire.response().json["ingested_count"], 1000)
            self.assertEqual(wire.response("GET").status, 404)

    def test_clients_that_leave_and_a_stop_in_the_middle_do_no_harm(self):
        text = gzip.compress(json.dumps({"data_points": [point(i, 9000) for i in range(1000)]}).encode())
        wires = []
        for _ in range(20):
            wire = self.proxy.wire()
            wire.send(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                      f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
            wires.append(wire)
        for wire in wires[::2]:
            wire.reset()
        self.assertEqual(self.proxy.post(BATCH.replace("/batch", ""), point(3, 0, value=7)).status, 200)
        # A whole answer, or none: nothing else may come.
        os.kill(self.proxy.process.pid, signal.SIGTERM)
        for wire in wires[1::2]:
            self.assertEqual(wire.response().status, 200)
            wire.close()
        self.assertEqual(self.proxy.process.wait(30), 0)


class LargeBodyInTimeTest(support.TestCase):
    def test_one_that_is_too_late_is_503_and_is_not_stored(self):
        cluster = self.start_cluster()
        proxy = self.start_proxy(cluster, "--request-timeout=500ms")
        session = self.start_session(cluster)
        session.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
        answer = proxy.post(BATCH, batch())
        self.assertEqual(answer.status, 503)
        self.assertIn("Retry-After", answer.headers)
        session.run("ROLLBACK;")
        self.assertEqual(cluster.value("SELECT count(*) FROM telemetry.point"), "0")

    def test_what_is_decompressed_counts_as_waiting(self):
        cluster = self.start_cluster()
        proxy = self.start_proxy(cluster, "--max-pending=8MB", "--connections=1")
        session = self.start_session(cluster)
        session.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
        text = gzip.compress(json.dumps(batch()).encode())
        wires = []
        for number in range(12):
            wire = proxy.wire()
            self.addCleanup(wire.close)
            path = BATCH.replace("big", f"big{number}")
            wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                      f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
            wires.append(wire)
        # Some are refused while the others wait, for all together are 36 MB.
        support.wait_until(lambda: sum(wire.has_answer() for wire in wires) >= 6, 20, "refusals")
        session.run("ROLLBACK;")
        statuses = [wire.response().status for wire in wires]
        self.assertEqual(set(statuses), {200, 503})
        self.assertEqual(cluster.value("SELECT count(DISTINCT device_id) FROM telemetry.point"), str(statuses.count(200)))
