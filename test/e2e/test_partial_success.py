"""What cannot be stored is refused item by item: random bodies beside a naive model of what becomes of them."""

import json
import os
import random
import unittest

import support

API = "/api/v1/telemetry"
USER = {"X-User-Id": "user-1"}
SEED = int(os.environ.get("PARTIAL_SUCCESS_SEED", "0")) or random.randrange(1, 10**9)

# Texts and numbers of JSON that no text of PostgreSQL is, as they stand in a body.
UNSTORABLE = ('"\\u0000"', '"a\\u0000b"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\ud83dx"', '"\\ud83d\\ud83d\\ude00"', "1e200000", "-1e131071",
              "1e1000", "12e999", "1e-1000", "1" * 1001, '["\\udfff"]', '[1, {"a": {"b": "\\u0000"}}]', '{"\\u0000": 1}', '{"a": 1e5000, "b": "\\ud800"}')
STORABLE = ("1", "-2.5", "1e300", '"text"', '"\\ud83d\\ude00"', '"\\\\u0000"', '"\\\\\\\\ud83d"', "true", '[1, "]", "}"]', '{"a": "{\\"", "b": [1e999, 1e-998]}',
            '{"a": {"b": "\\u00e9\\u0001"}}', "[]", "{}")


def is_document(text):
    return text[0] in "[{"


class Point:
    """A data point as it stands in a body, and the code that it is rejected with, or None."""

    def __init__(self, rng, number):
        self.metric = f"m{number}"
        self.code = None
        members = {"timestamp": '"2025-12-18T10:00:00Z"', "metric_name": json.dumps(self.metric), "value": rng.choice(STORABLE)}
        kind = rng.randrange(12)
        if kind == 0:
            self.code = "missing_field"
            members.pop(rng.choice(("timestamp", "value")))
        elif kind == 1:
            self.code = "invalid_timestamp"
            members["timestamp"] = '"soon"'
        elif kind <= 4:
            place = rng.choice(("value", "tags", "metadata", "unit", "timestamp", "ignored"))
            bad = rng.choice(UNSTORABLE)
            if place in ("tags", "metadata"):
                bad = '{"x": [0, %s]}' % bad
            members[place] = bad
            self.code = {"ignored": "invalid_json"}.get(place, f"invalid_{place}")
        elif kind == 5:
            members["tags"] = '{"note": %s}' % rng.choice(STORABLE)
        elif kind == 6:
            members["ignored"] = rng.choice(STORABLE)
        items = list(members.items())
        rng.shuffle(items)
        self.text = "{%s}" % ", ".join(f'"{name}": {value}' for name, value in items)


class Item:
    """An element that is no point at all."""

    def __init__(self, rng):
        self.text, self.code = rng.choice((("7", "missing_field"), ("null", "missing_field"), ("[]", "missing_field"), ('"\\u0000"', "invalid_json"),
                                           ("1e9999", "invalid_json"), ('["\\ud83d"]', "invalid_json")))
        self.metric = None


def make_items(rng, count, offset=0):
    return [Item(rng) if rng.random() < 0.05 else Point(rng, offset + i) for i in range(count)]


def list_of(items):
    return "[%s]" % ", ".join(item.text for item in items)


def expected_result(items):
    errors = [(i, item.metric, item.code) for i, item in enumerate(items) if item.code is not None]
    return {"success": not errors, "ingested_count": len(items) - len(errors), "failed_count": len(errors), "total_count": len(items), "errors": errors}


def told_result(result):
    return {**result, "errors": [(e["index"], e["metric_name"], e["code"]) for e in result["errors"]]}


class PartialSuccessTest(support.SharedProxyTestCase):
    apps = support.APPS
    settings = {"fsync": "off"}
    options = ("--max-body=8MB",)

    def setUp(self):
        super().setUp()
        self.cluster.execute("TRUNCATE telemetry.block, telemetry.receipt, telemetry.dead_letter, telemetry.event_log, telemetry.event_key,"
                             " telemetry.event_batch, telemetry.event_change, telemetry.conflict")

    def post(self, path, body, status=200, **arguments):
        answer = self.proxy.post(path, body, **arguments)
        self.assertEqual(answer.status, status, (answer, body[:500]))
        return answer.json

    def stored(self, device):
        return {row[0] for row in self.cluster.rows(f"SELECT metric FROM telemetry.point WHERE device_id = '{device}'")}

    def each_round(self, count, check):
        """Each has a seed of its own, which a failure names; PARTIAL_SUCCESS_SEED=n begins with that one."""
        for number in range(count):
            with self.subTest(seed=SEED + number):
                check(number, random.Random(SEED + number))

    def test_single_points(self):
        self.each_round(60, self.check_single_points)

    def check_single_points(self, number, rng):
        point = Point(rng, 0)
        path = f"{API}/devices/single-{number}/telemetry"
        if point.code is None:
            self.assertTrue(self.post(path, point.text)["success"])
        else:
            self.assertIn("detail", self.post(path, point.text, 422))
        self.assertEqual(self.stored(f"single-{number}"), {"m0"} if point.code is None else set())

    def test_batches(self):
        self.each_round(25, self.check_batches)

    def check_batches(self, number, rng):
        device = f"batch-{number}"
        items = make_items(rng, rng.choice((1, 5, 40, 300)))
        members = [f'"data_points": {list_of(items)}', f'"more": {rng.choice(STORABLE + UNSTORABLE)}']
        if rng.random() < 0.5:
            members.append('"batch_id": "b"')
        rng.shuffle(members)
        body = "{%s}" % ", ".join(members)
        answer = self.post(f"{API}/devices/{device}/telemetry/batch", body)
        self.assertEqual(told_result(answer), expected_result(items))
        self.assertEqual(self.stored(device), {item.metric for item in items if item.code is None})
        if '"batch_id"' in body:
            self.assertEqual(self.post(f"{API}/devices/{device}/telemetry/batch", body), answer)

    def test_bulks(self):
        self.each_round(25, self.check_bulks)

    def check_bulks(self, number, rng):
        lists = {f"bulk-{number}-{i}": [] for i in range(rng.randrange(1, 6))}
        wrong = set()
        members = []
        for device in list(lists) + rng.choices(list(lists), k=rng.randrange(3)):
            name = json.dumps(device)
            if rng.random() < 0.3:
                name = name.replace("b", "\\u0062", 1)
            if rng.random() < 0.15:
                wrong.add(device)
                members.append(f"{name}: {rng.choice(('7', 'null', '{}', json.dumps('x'), UNSTORABLE[0], UNSTORABLE[6]))}")
                continue
            items = make_items(rng, rng.choice((0, 1, 7, 30, 1001) if rng.random() < 0.2 else (1, 7, 30)), len(lists[device]))
            lists[device] += items
            members.append(f"{name}: {list_of(items)}")
        answer = self.post(f"{API}/bulk", "{%s}" % ", ".join(members))
        self.assertEqual((set(answer["results"]), answer["total_devices"]), (set(lists), len(lists)))
        for device, items in lists.items():
            result = told_result(answer["results"][device])
            if device in wrong or not 1 <= len(items) <= 1000:
                self.assertEqual(result, {"success": False, "ingested_count": 0, "failed_count": len(items), "total_count": len(items),
                                          "errors": [(None, None, "invalid_points")]})
                self.assertEqual(self.stored(device), set())
            else:
                self.assertEqual(result, expected_result(items))
                self.assertEqual(self.stored(device), {item.metric for item in items if item.code is None})
        self.assertEqual(answer["success"], all(result["success"] for result in answer["results"].values()))

    def test_batches_of_events(self):
        self.each_round(25, self.check_batches_of_events)

    def check_batches_of_events(self, number, rng):
        items = []
        bad = set()
        for i in range(rng.choice((1, 4, 60))):
            event = {"eventType": '"quiz"', "eventId": f'"{number}-{i}"', "eventData": '{"score": %s}' % rng.choice(STORABLE)}
            more = ""
            kind = rng.randrange(8)
            if kind == 0:
                event[rng.choice(("sessionId", "deviceId"))] = rng.choice([each for each in UNSTORABLE if each[0] == '"'])
            elif kind == 1:
                event["eventData"] = '{"a": [%s]}' % rng.choice(UNSTORABLE)
            elif kind == 2:
                event["other"] = rng.choice(UNSTORABLE)
            elif kind == 3:
                more = ', "priority": %s' % rng.choice(UNSTORABLE)
            elif kind == 4:
                event["eventType"] = "7"
            elif kind == 5:
                event["interviewId"] = str(rng.randrange(10**9))
            if kind < 5:
                bad.add(i)
            items.append('{"itemType": "event", "itemData": {%s}%s}' % (", ".join(f'"{name}": {value}' for name, value in event.items()), more))
        body = '{"batchId": "batch-%d", "items": [%s]}' % (number, ", ".join(items))
        data = self.post("/api/telemetry/batch", body, headers=USER)["data"]
        self.assertEqual((data["processed"], data["failed"]), (len(items) - len(bad), len(bad)))
        self.assertEqual([(r["index"], r["status"]) for r in data["results"]],
                         [(i, "error" if i in bad else "synced") for i in range(len(items))])
        stored = self.cluster.rows(f"SELECT event_id FROM telemetry.event WHERE event_id LIKE '{number}-%'")
        self.assertEqual({row[0] for row in stored}, {f"{number}-{i}" for i in range(len(items)) if i not in bad})

    def test_one_in_a_thousand(self):
        good = [json.dumps({"timestamp": "2025-12-18T10:00:00Z", "metric_name": f"m{i}", "value": i}) for i in range(1000)]
        for number, bad in enumerate(('"\\ud83d"', '"\\u0000"', "1e200000")):
            with self.subTest(bad):
                points = list(good)
                points[617] = '{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "bad", "value": 1, "tags": {"note": %s}}' % bad
                answer = self.post(f"{API}/devices/thousand-{number}/telemetry/batch", '{"data_points": [%s]}' % ", ".join(points))
                self.assertEqual((answer["ingested_count"], [(e["index"], e["metric_name"], e["code"]) for e in answer["errors"]]),
                                 (999, [(617, "bad", "invalid_tags")]))
                self.assertTrue(answer["errors"][0]["error"].startswith("tags.note has "), answer)
                self.assertEqual(len(self.stored(f"thousand-{number}")), 999)

    def test_many_long_numbers_make_no_long_answer(self):
        # 100 kB each, which would be 1.3 GB written out.
        many = "[%s]" % ", ".join(["1e131071"] * 10000)
        event = {"event_type": "flash_error", "occurred_at": "2026-02-12T18:00:00Z", "message": "m", "model": "x", "write_mode": 1, "connected": 1,
                 "app_version": "1", "log_lines_json": "[]", "metadata_json": "{}"}
        point = '{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "m", %s}'
        for path, body, status in (("/increment", '{"message": %s, "session_id": "s"}' % many, 400), ("/client-log", '{"message": "m", "more": %s}' % many, 400),
                                   ("/event", json.dumps(event).replace('"m"', many), 400), (f"{API}/devices/d/telemetry", point % f'"value": {many}', 422),
                                   (f"{API}/devices/d/telemetry", point % f'"value": 1, "tags": {{"a": {many}}}', 422),
                                   (f"{API}/devices/d/telemetry", point % '"value": 1e131071', 422), ("/api/telemetry/track", '{"eventType": "x", "eventData": {"a": %s}}' % many, 400),
                                   ("/api/telemetry/track", '{"eventType": "x", "sessionId": 1e131071}', 400)):
            with self.subTest(path=path, body=body[:60]):
                answer = self.proxy.post(path, body, headers=USER)
                self.assertEqual(answer.status, status, answer)
                self.assertLess(len(answer.body), 1000)
        self.assertEqual(self.cluster.value("SELECT (SELECT count(*) FROM telemetry.point) + (SELECT count(*) FROM telemetry.event)"), "0")

    def test_malformed_json_is_refused_as_a_whole(self):
        for bad in ('"\\u000"', "01", "1e", '"\\x"', "{1: 2}", '"\\ud83d'):
            points = '{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "m", "value": 1}, {"value": "\\u0000", "unit": %s}' % bad
            for path, body in ((f"{API}/devices/d/telemetry/batch", '{"data_points": [%s]}' % points), (f"{API}/bulk", '{"a": [%s], "b": 7}' % points),
                               ("/api/telemetry/batch", '{"items": [%s]}' % points)):
                with self.subTest(path=path, bad=bad):
                    self.post(path, body, 400, headers=USER)
        self.assertEqual(self.stored("d"), set())


if __name__ == "__main__":
    unittest.main()
