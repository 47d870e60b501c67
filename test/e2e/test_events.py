"""Events over HTTP: the requests and answers that their systems' documents print, and each event once."""

import datetime
import http.client
import json
import random
import threading
import time
import unittest

import support

USER = {"X-User-Id": "user-1"}
TRACK = "01HXK3V9ZQ8M5N2P4R6S8T0W1Y"


def utc(seconds_ago=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class EventTestCase(support.SharedProxyTestCase):
    apps = support.APPS

    def setUp(self):
        super().setUp()
        self.cluster.execute("TRUNCATE telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.event_change,"
                             " telemetry.event_rollup_hour, telemetry.event_rollup_day, telemetry.stream_rollup_day,"
                             " telemetry.user_rollup_day, telemetry.conflict, telemetry.dead_letter, telemetry.batch_log")

    def count(self, where="true"):
        return int(self.cluster.value(f"SELECT count(*) FROM telemetry.event WHERE {where}"))

    def post(self, path, body, status, headers=None):
        answer = self.proxy.post(path, body, headers=headers)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def get(self, path, status=200, headers=None):
        answer = self.proxy.get(path, headers=headers)
        self.assertEqual(answer.status, status, answer)
        return answer.json


class CoreTest(EventTestCase):
    """Seed 000. Its printed event is as old as its document, and the stream keeps ages."""

    def envelope(self, at):
        return {
            "deviceId": "guid-or-hardware-hash",
            "appVersion": "1.0.x",
            "events": [{
                "eventId": "uuid",
                "moduleId": "module-12345-foo",
                "type": "okClick",
                "occurredUtc": at,
                "details": {"linkUrl": "https://..."},
            }],
        }

    def test_the_printed_envelope_is_stored_once(self):
        body = self.envelope(utc(60))
        self.assertEqual(self.post("/api/telemetry/events", body, 202),
                         {"accepted": 1, "duplicates": 0, "rejected": 0, "errors": []})
        self.assertEqual(self.post("/api/telemetry/events", body, 202),
                         {"accepted": 0, "duplicates": 1, "rejected": 0, "errors": []})
        self.assertEqual(
            self.cluster.rows("SELECT event_id, event_type, device_id, subject_id, app_version, data FROM telemetry.event"),
            [["uuid", "okClick", "guid-or-hardware-hash", "module-12345-foo", "1.0.x", '{"linkUrl": "https://..."}']])

    def test_the_printed_time_is_refused_with_its_code(self):
        answer = self.post("/api/telemetry/events", self.envelope("2025-12-01T12:34:56Z"), 202)
        self.assertEqual((answer["accepted"], answer["rejected"]), (0, 1))
        self.assertEqual(answer["errors"][0]["code"], "INVALID_TIMESTAMP")

    def test_an_event_id_belongs_to_its_device(self):
        body = self.envelope(utc(60))
        self.post("/api/telemetry/events", body, 202)
        answer = self.post("/api/telemetry/events", dict(body, deviceId="another"), 202)
        self.assertEqual((answer["accepted"], answer["duplicates"]), (1, 0))
        self.assertEqual(self.count("event_id = 'uuid'"), 2)

    def test_oversized_batches_are_dropped(self):
        body = self.envelope(utc())
        body["events"] *= 1001
        self.assertEqual(self.post("/api/telemetry/events", body, 413)["code"], "BATCH_TOO_LARGE")
        self.assertEqual(self.count(), 0)

    def test_gzip_is_understood(self):
        import gzip
        answer = self.proxy.post("/api/telemetry/events", gzip.compress(json.dumps(self.envelope(utc())).encode()),
                                 headers={"Content-Encoding": "gzip"})
        self.assertEqual(answer.status, 202, answer)

    def test_summary_is_of_what_is_stored(self):
        self.post("/api/telemetry/events", self.envelope(utc()), 202)
        self.assertIn("okClick", json.dumps(self.get("/api/reporting/summary")))


    def test_exports_are_files_with_names(self):
        for path, name in (("/api/reporting/summary.csv", "summary.csv"), ("/api/reporting/events.csv?limit=1", "events.csv")):
            answer = self.proxy.get(path)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
            self.assertEqual(answer.headers["Content-Disposition"], f'attachment; filename="{name}"')
        for path in ("/api/reporting/summary", "/api/reporting/events.csv?limit=0"):
            self.assertIsNone(self.proxy.get(path).headers["Content-Disposition"])

class FlashTest(EventTestCase):
    """Seed 001."""

    EVENT = {
        "event_type": "flash_success",
        "occurred_at": "2026-02-12T18:00:00.000Z",
        "session_id": "uuid-v4",
        "message": "Flash complete",
        "model": "UV-5RM",
        "write_mode": 1,
        "connected": 1,
        "app_version": "<git-sha>",
        "log_lines_json": "[]",
        "metadata_json": "{}",
    }

    def test_the_printed_event_counts_once(self):
        first = self.post("/event", self.EVENT, 200)
        self.assertEqual((first["ok"], first["duplicate"]), (True, False))
        again = self.post("/event", dict(self.EVENT, message="Flash complete, again"), 200)
        self.assertEqual((again["ok"], again["duplicate"]), (True, True))
        self.assertEqual(self.get("/metrics/flash-count"), {"ok": True, "total": 1})

    def test_each_rule_is_kept(self):
        for change in (
                {"event_type": "flash_failure"}, {"event_type": None}, {"occurred_at": "yesterday"}, {"occurred_at": None},
                {"write_mode": 2}, {"write_mode": True}, {"connected": -1}, {"connected": "1"}, {"message": ""},
                {"message": "x" * 2001}, {"session_id": None}, {"log_lines_json": "{"}, {"log_lines_json": "1"},
                {"metadata_json": "[" + "1," * 40000 + "1]"}, {"metadata_json": None}, {"surprise": 1}):
            answer = self.post("/event", {**self.EVENT, **change}, 400)
            self.assertEqual(answer["ok"], False, change)
            self.assertIn("error", answer)
        self.assertEqual(self.count(), 0)

    def test_errors_need_no_session_and_are_each_stored(self):
        for number in range(3):
            body = dict(self.EVENT, event_type="flash_error", session_id=None, message=f"failure {number}", error_name="E")
            self.post("/event", body, 200)
        failures = self.get("/admin/recent-failures", headers=USER)["failures"]
        self.assertEqual(sorted(f["message"] for f in failures), ["failure 0", "failure 1", "failure 2"])

    def test_a_flash_written_by_both_routes_counts_once(self):
        for session in ("s1", "s2", "s3"):
            self.post("/increment", {"session_id": session}, 200)
            self.post("/event", dict(self.EVENT, session_id=session), 200)
            self.post("/increment", {"session_id": session}, 200)
        self.assertEqual(self.get("/metrics/flash-count")["total"], 3)
        self.assertEqual(self.get("/count")["count"], 3)

    def test_a_counter_without_sessions_counts_as_before(self):
        for _ in range(2):
            self.assertEqual(self.proxy.post("/increment", None).status, 200)
        self.assertEqual(self.get("/count")["count"], 2)
        self.assertEqual(self.get("/metrics/flash-count")["total"], 0)

    def test_increments_that_name_no_session_are_told_beside_those_that_do(self):
        for session in ("s1", "s2", "s3", "s4"):
            self.post("/event", dict(self.EVENT, session_id=session), 200)
        for count in (5, 6, 7):
            self.assertEqual(self.post("/increment", {}, 200)["count"], count)
        self.assertEqual((self.get("/count")["count"], self.get("/metrics/flash-count")["total"]), (7, 4))

    def test_known_session_is_answered_the_id_that_is_stored(self):
        first = self.post("/event", self.EVENT, 200)
        for change in ({}, {"message": "other"}, {"occurred_at": "2026-02-12"}):
            self.assertEqual(self.post("/event", {**self.EVENT, **change}, 200), {"ok": True, "id": first["id"], "duplicate": True})
        self.assertEqual(self.cluster.value("SELECT event_id FROM telemetry.event"), first["id"])

    def test_date_alone_is_a_time_and_a_number_is_none(self):
        self.post("/event", dict(self.EVENT, occurred_at="2026-02-12"), 200)
        for wrong in (1770919200, 1770919200000, "1770919200", "2026-02-30", "2026-2-12"):
            self.post("/event", dict(self.EVENT, session_id="other", occurred_at=wrong), 400)
        self.assertEqual(self.cluster.value("SELECT occurred_at AT TIME ZONE 'UTC' FROM telemetry.event"), "2026-02-12 00:00:00")

    def test_logs_of_the_old_route_are_kept(self):
        self.assertEqual(self.post("/client-log", {"message": "it broke", "model": "UV-5RM", "extra": [1]}, 200), {"ok": True})
        self.assertEqual(self.post("/client-log", {"model": "UV-5RM"}, 400)["ok"], False)
        self.assertEqual(self.count("stream = 'flash_legacy' AND data ->> 'message' = 'it broke'"), 1)

    def test_parity_compares_both_routes(self):
        self.post("/increment", {"session_id": "a"}, 200)
        self.post("/event", dict(self.EVENT, session_id="a"), 200)
        rows = self.cluster.rows("SELECT p FROM telemetry.parity(now() - interval '1 day', now() + interval '1 day') AS p")
        self.assertGreaterEqual(len(rows), 1)


class PlaybackTest(EventTestCase):
    """Seed 002. The track of its examples is cut short, and their times are past."""

    def event(self, **changes):
        event = {
            "eventType": "play_start",
            "trackId": TRACK,
            "clientTimestamp": utc(),
            "positionSeconds": 0.0,
            "durationPlayedSeconds": None,
            "sessionId": "sess_abc123",
            "deviceId": "dev_xyz789",
            "clientVersion": "1.2.0",
        }
        event.update(changes)
        return event

    def test_the_printed_request_verbatim_has_no_valid_track(self):
        body = ('{"eventType": "play_start", "trackId": "01HXK...", "clientTimestamp": "2025-01-08T10:00:00Z",'
                ' "positionSeconds": 0.0, "durationPlayedSeconds": null, "sessionId": "sess_abc123",'
                ' "deviceId": "dev_xyz789", "clientVersion": "1.2.0"}')
        answer = self.post("/telemetry/playback", body, 400, USER)
        self.assertEqual(answer["type"], "https://novatune.dev/errors/invalid-track-id")
        self.assertEqual(answer["title"], "Invalid track ID")

    def test_it_is_accepted_with_a_correlation_id(self):
        answer = self.post("/telemetry/playback", self.event(), 202, USER)
        self.assertEqual(answer["accepted"], True)
        self.assertEqual(len(answer["correlationId"]), 26)
        answer = self.post("/telemetry/playback", self.event(clientTimestamp=utc(60)), 202,
                           {**USER, "X-Correlation-Id": "given"})
        self.assertEqual(answer["correlationId"], "given")
        trace = "0af7651916cd43dd8448eb211c80319c"
        answer = self.post("/telemetry/playback", self.event(clientTimestamp=utc(120)), 202,
                           {**USER, "traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        self.assertEqual(answer["correlationId"], trace)
        self.assertEqual(self.count("user_id = 'user-1'"), 3)

    def test_track_in_lower_case_is_the_same_track(self):
        for track in (TRACK, TRACK.lower()):
            self.post("/telemetry/playback", self.event(trackId=track, sessionId=track), 202, USER)
        for track in (TRACK, TRACK.lower()):
            self.assertEqual(self.get(f"/admin/analytics/tracks/{track}", headers=USER)["totalPlays"], 2)
        self.assertEqual(self.get("/admin/analytics/top-tracks", headers=USER)[0]["trackId"], TRACK)
        # What differs in nothing else is the same event.
        at = utc(60)
        for track in (TRACK, TRACK.lower()):
            self.post("/telemetry/playback", self.event(trackId=track, clientTimestamp=at), 202, USER)
        self.assertEqual(self.count(), 3)

    def test_unknown_paths_are_problems_in_the_app_s_words(self):
        for method, path in (("GET", "/admin/nothing"), ("GET", "/admin"), ("GET", "/admin/analytics"), ("POST", "/admin/analytics/tracks/x/y"),
                             ("GET", "/telemetry/nothing"), ("DELETE", "/admin/nothing")):
            answer = self.proxy.request(method, path)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (404, "application/problem+json"), (method, path, answer))
            self.assertEqual((answer.json["status"], answer.json["type"]), (404, "https://novatune.dev/errors/not-found"))
        answer = self.proxy.get("/admin/recent-failures/more")
        self.assertEqual((answer.status, answer.json["ok"]), (404, False))
        for path in ("/", "/nothing", "/api", "/api/v1/telemetry/nothing", "/api/v2/telemetry", "/health/nothing"):
            answer = self.proxy.get(path)
            self.assertEqual((answer.status, list(answer.json)), (404, ["detail"]), (path, answer))

    def test_a_retry_is_the_same_event(self):
        body = self.event()
        for _ in range(3):
            self.assertEqual(self.post("/telemetry/playback", body, 202, USER)["accepted"], True)
        self.assertEqual(self.count(), 1)

    def test_the_printed_batch_is_accepted(self):
        body = {"events": [
            {"eventType": "play_start", "trackId": TRACK, "clientTimestamp": utc(300), "positionSeconds": 0.0},
            {"eventType": "play_stop", "trackId": TRACK, "clientTimestamp": utc(77), "durationPlayedSeconds": 222.5},
        ]}
        answer = self.post("/telemetry/playback/batch", body, 202, USER)
        self.assertEqual((answer["accepted"], answer["rejected"]), (2, 0))
        self.assertIn("correlationId", answer)
        self.assertEqual(self.cluster.value("SELECT sum(total_seconds) FROM telemetry.event_hourly_live WHERE stream = 'playback'"),
                         "222.5")

    def test_each_rule_has_its_code(self):
        for change, code in (
                ({"eventType": "play_pause"}, "INVALID_EVENT_TYPE"), ({"eventType": None}, "INVALID_EVENT_TYPE"),
                ({"trackId": "x"}, "INVALID_TRACK_ID"), ({"trackId": None}, "INVALID_TRACK_ID"),
                ({"clientTimestamp": utc(24 * 3600 + 60)}, "INVALID_TIMESTAMP"), ({"clientTimestamp": utc(-360)}, "INVALID_TIMESTAMP"),
                ({"clientTimestamp": "now"}, "INVALID_TIMESTAMP"), ({"clientTimestamp": None}, "INVALID_TIMESTAMP"),
                ({"positionSeconds": -1}, "INVALID_POSITION"), ({"durationPlayedSeconds": -0.5}, "INVALID_DURATION"),
                ({"sessionId": "s" * 65}, "INVALID_SESSION_ID"), ({"deviceId": "d" * 65}, "INVALID_DEVICE_ID")):
            answer = self.proxy.post("/telemetry/playback", self.event(**change), headers=USER)
            self.assertEqual(answer.status, 400, change)
            self.assertEqual(answer.json["code"], code, change)
            self.assertEqual(answer.json["status"], 400)
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(self.count(), 0)

    def test_readers_are_not_blamed_for_what_is_stored(self):
        for seconds in (1e9 + 1, 1e19, 1e300):
            answer = self.post("/telemetry/playback", self.event(durationPlayedSeconds=seconds), 400, USER)
            self.assertEqual(answer["code"], "INVALID_DURATION")
            self.assertIn("durationPlayedSeconds must be a number from 0 to 1000000000", answer["detail"])
        self.post("/telemetry/playback", self.event(durationPlayedSeconds=1), 202, USER)
        self.cluster.execute("UPDATE telemetry.event_log SET duration_seconds = 1e19")
        for page in ("overview", f"tracks/{TRACK}", "users/user-1", "top-tracks", "recent"):
            self.get(f"/admin/analytics/{page}", headers=USER)
        self.assertEqual(self.get("/admin/analytics/overview", headers=USER)["totalSecondsPlayed"], 1e19)

    def test_batches_may_be_a_week_old_and_have_50_events(self):
        old = self.event(clientTimestamp=utc(6 * 86400))
        answer = self.post("/telemetry/playback/batch", {"events": [old, self.event(clientTimestamp=utc(8 * 86400))]}, 202, USER)
        self.assertEqual((answer["accepted"], answer["rejected"]), (1, 1))
        events = [self.event(positionSeconds=i) for i in range(51)]
        answer = self.post("/telemetry/playback/batch", {"events": events}, 400, USER)
        self.assertEqual(answer["type"], "https://novatune.dev/errors/batch-too-large")
        self.assertEqual(self.post("/telemetry/playback/batch", {"events": events[:50]}, 202, USER)["accepted"], 50)

    def test_nobody_is_unauthorized(self):
        answer = self.post("/telemetry/playback", self.event(), 401)
        self.assertEqual(answer["type"], "https://novatune.dev/errors/unauthorized")
        self.assertEqual(self.get("/admin/analytics/overview", 401)["status"], 401)

    def test_access_to_tracks_is_checked(self):
        self.cluster.execute("CREATE FUNCTION owns(subject_id text, user_id text) RETURNS boolean LANGUAGE sql AS"
                             " $$ SELECT user_id = 'user-1' $$;"
                             "UPDATE telemetry.stream SET access_check = 'owns(text, text)' WHERE name = 'playback'")
        try:
            answer = self.post("/telemetry/playback", self.event(), 403, {"X-User-Id": "user-2"})
            self.assertEqual((answer["type"], answer["title"]),
                             ("https://novatune.dev/errors/track-access-denied", "Track not accessible"))
            self.post("/telemetry/playback", self.event(), 202, USER)
            self.assertEqual(self.count(), 1)
        finally:
            self.cluster.execute("UPDATE telemetry.stream SET access_check = NULL; DROP FUNCTION owns")

    def test_analytics_are_of_what_was_played(self):
        for user, types in (("a", ("play_start", "play_complete")), ("b", ("play_start", "play_stop"))):
            events = [self.event(eventType=t, durationPlayedSeconds=10.5, clientTimestamp=utc(i)) for i, t in enumerate(types)]
            self.post("/telemetry/playback/batch", {"events": events}, 202, {"X-User-Id": user})
        track = self.get(f"/admin/analytics/tracks/{TRACK}", headers=USER)
        self.assertEqual((track["trackId"], track["totalPlays"], track["completedPlays"], track["uniqueListeners"]),
                         (TRACK, 2, 1, 2))
        top = json.dumps(self.get("/admin/analytics/top-tracks?count=5", headers=USER))
        self.assertIn(TRACK, top)
        self.assertEqual(self.get("/admin/analytics/users/a", headers=USER)["totalPlays"], 1)
        self.assertIn("play_complete", json.dumps(self.get("/admin/analytics/recent?count=10", headers=USER)))
        self.get("/admin/analytics/overview", headers=USER)
        self.get("/admin/analytics/top-tracks?count=many", 400, headers=USER)


class LearningTest(EventTestCase):
    """Seed 003."""

    TRACK_BODY = {
        "eventType": "interview_completed",
        "eventData": {"interviewId": "12345", "score": 85, "duration": 1800, "questionsAttempted": 5, "correctAnswers": 4},
        "metadata": {"clientTimestamp": "2024-01-20T10:30:00Z", "userAgent": "Mozilla/5.0..."},
    }

    def test_the_printed_event_is_tracked(self):
        answer = self.post("/api/telemetry/track", self.TRACK_BODY, 200, USER)
        self.assertEqual(answer["success"], True)
        self.assertEqual(set(answer["data"]), {"eventId", "serverTimestamp"})
        self.assertEqual(self.post("/api/telemetry/track", self.TRACK_BODY, 200, USER)["data"]["eventId"],
                         answer["data"]["eventId"])
        self.assertEqual(self.cluster.rows("SELECT event_type, user_id, subject_id, duration_seconds, data ->> 'score' FROM telemetry.event"),
                         [["interview_completed", "user-1", "12345", "1800", "85"]])

    def test_ids_may_be_numbers(self):
        body = {"eventType": "interview_completed", "eventData": {"interviewId": 12345, "sessionId": 7}, "metadata": {"eventId": 99}}
        self.assertEqual(self.post("/api/telemetry/track", body, 200, USER)["data"]["eventId"], "99")
        self.assertEqual(self.cluster.rows("SELECT event_id, subject_id, session_id FROM telemetry.event"), [["99", "12345", "7"]])

    def item(self, kind, name, score, at=10, **more):
        return {"itemType": kind, "itemData": {
            "eventType": "quiz", "eventId": name, "eventData": {"score": score}, "clientTimestamp": utc(at)}, **more}

    def test_a_batch_tells_of_each_item(self):
        items = [self.item("event", "a", 1), self.item("progress", "b", 1, priority=3), self.item("assessment", "c", 1),
                 {"itemType": "surprise", "itemData": {}}]
        answer = self.post("/api/telemetry/batch", {"batchId": "batch_xyz789", "items": items}, 200, USER)
        self.assertEqual(answer["success"], True)
        data = answer["data"]
        self.assertEqual((data["processed"], data["failed"], data["conflicts"]), (3, 1, 0))
        self.assertEqual([r["status"] for r in data["results"]], ["synced", "synced", "synced", "error"])
        self.assertEqual(self.cluster.value("SELECT data ->> 'priority' FROM telemetry.event WHERE event_type = 'progress'"), "3")
        self.assertEqual(self.cluster.rows("SELECT batch_id, item_count, success_count, failure_count, conflict_count FROM telemetry.batch_log"),
                         [["batch_xyz789", "4", "3", "1", "0"]])

    def test_the_last_write_wins_and_conflicts_are_told(self):
        self.post("/api/telemetry/batch", {"batchId": "1", "items": [self.item("progress", "p", 1, at=20)]}, 200, USER)
        items = [self.item("progress", "p", 2, at=10), self.item("progress", "p", 0, at=30)]
        data = self.post("/api/telemetry/batch", {"batchId": "2", "items": items}, 200, USER)["data"]
        self.assertEqual((data["processed"], data["failed"], data["conflicts"]), (2, 0, 2))
        self.assertEqual([r["resolution"] for r in data["results"]], ["replaced", "kept"])
        self.assertEqual(self.cluster.rows("SELECT data ->> 'score' FROM telemetry.event"), [["2"]])

    def test_status_and_health_have_the_printed_members(self):
        self.post("/api/telemetry/batch", {"batchId": "1", "items": [self.item("event", "a", 1)]}, 200, USER)
        status = self.get("/api/telemetry/status", headers=USER)["syncStatus"]
        self.assertEqual(set(status), {"lastSyncTime", "pendingItems", "totalItems", "syncHealth"})
        self.assertEqual((status["pendingItems"], status["totalItems"], status["syncHealth"]), (0, 1, "good"))
        health = self.get("/api/health")
        self.assertEqual(health["status"], "healthy")
        self.assertEqual(health["services"]["database"], "connected")
        self.assertEqual(set(health["services"]), {"database", "cache", "scheduler"})


class OwnRouteTest(EventTestCase):
    def test_a_route_and_stream_of_ones_own_need_sql_only(self):
        self.cluster.execute("""
            INSERT INTO telemetry.stream (name, description, event_types) VALUES ('shop', 'A shop.', '{order}');
            INSERT INTO telemetry.dialect (name, description, fields) VALUES
                ('shop', 'The shop''s words.', '{"event_type": "what", "event_id": "order", "data.sum": "sum"}');
            INSERT INTO telemetry.route (method, path, description, dialect, stream) VALUES
                ('POST', '/shop/orders', 'Takes an order.', 'shop', 'shop');
            CREATE FUNCTION shop_report(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS
                $$ SELECT 200, to_jsonb('a;b' || (params ->> 'day') || coalesce(params ->> 'q', '')), 'text/csv' $$;
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/shop/report/{day}', 'Reports.', 'shop', 'shop_report(jsonb, jsonb)')""")
        support.wait_until(lambda: self.proxy.get("/shop/report/1").status == 200, 10, "the routes")
        self.post("/shop/orders", {"what": "order", "order": "1", "sum": 9.5}, 200)
        self.assertEqual(self.cluster.value("SELECT data ->> 'sum' FROM telemetry.event"), "9.5")
        answer = self.proxy.get("/shop/report/a%2Fb?q=%22x+y%22&caller=me")
        self.assertEqual((answer.status, answer.headers["Content-Type"], answer.body),
                         (200, "text/csv", b'a;ba/b"x y"'))
        self.assertEqual(self.proxy.request("HEAD", "/shop/report/1").status, 200)
        self.assertEqual(self.proxy.request("DELETE", "/shop/report/1").headers["Allow"], "GET, HEAD, OPTIONS")
        self.assertEqual(self.proxy.get("/shop/report/%ff").status, 400)
        self.cluster.execute("DELETE FROM telemetry.route WHERE path LIKE '/shop/%'; DELETE FROM telemetry.stream WHERE name = 'shop'")
        support.wait_until(lambda: self.proxy.get("/shop/report/1").status == 404, 10, "the routes to go")

    def test_errors_of_a_function_are_told_by_whose_they_are(self):
        self.cluster.execute("""
            INSERT INTO telemetry.dialect (name, description) VALUES ('fault', 'Says what is wrong.');
            CREATE FUNCTION fault(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE plpgsql AS $$
            BEGIN
                CASE params ->> 'what'
                    WHEN 'division' THEN RETURN (1 / (params ->> 'n')::integer, to_jsonb(1), NULL)::telemetry.http_response;
                    WHEN 'column' THEN PERFORM no_column FROM telemetry.stream;
                    WHEN 'table' THEN PERFORM FROM no_table;
                    WHEN 'lock' THEN RAISE lock_not_available;
                    WHEN 'right' THEN RAISE insufficient_privilege;
                    WHEN 'parameter' THEN RAISE invalid_parameter_value USING MESSAGE = 'n must be odd';
                    WHEN 'fine' THEN RETURN (200, to_jsonb('fine'::text), NULL)::telemetry.http_response;
                END CASE;
            END $$;
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/fault', 'Fails.', 'fault', 'fault(jsonb, jsonb)')""")
        self.addCleanup(self.cluster.execute, "DELETE FROM telemetry.dialect WHERE name = 'fault'; DROP FUNCTION fault(jsonb, jsonb)")
        support.wait_until(lambda: self.proxy.get("/fault?what=fine").status == 200, 10, "the route")
        for query, status, detail in (("what=division&n=0", 500, None), ("what=column", 500, None), ("what=table", 500, None), ("what=none", 500, None),
                                      ("what=lock", 503, None), ("what=right", 503, None), ("what=parameter", 400, "n must be odd"),
                                      ("what=division&n=x", 400, 'invalid input syntax for type integer: "x"'),
                                      ("what=division&n=99999999999", 400, 'value "99999999999" is out of range for type integer')):
            answer = self.proxy.get(f"/fault?{query}")
            self.assertEqual((answer.status, "Retry-After" in answer.headers), (status, status == 503), (query, answer))
            if detail is None:
                self.assertNotIn("division", answer.json["detail"])
                self.assertNotIn("column", answer.json["detail"])
            else:
                self.assertEqual(answer.json["detail"], detail)

    def test_one_bad_request_does_not_hurt_those_beside_it(self):
        good = {"eventType": "play_start", "trackId": TRACK, "clientTimestamp": utc()}
        wires = []
        for number in range(40):
            body = '{"events": "\\u0000"}' if number % 4 == 0 else json.dumps({"events": [dict(good, positionSeconds=number)]})
            wire = self.proxy.wire()
            self.addCleanup(wire.close)
            wire.post("/telemetry/playback/batch", body.encode(), "X-User-Id: u\r\n")
            wires.append(wire)
        statuses = [wire.response().status for wire in wires]
        self.assertEqual(statuses, [400 if n % 4 == 0 else 202 for n in range(40)])
        self.assertEqual(self.count(), 30)


class EachOnceTest(support.TestCase):
    CLIENTS = 100
    EVENTS = 1000

    def test_many_clients_and_a_restart_leave_each_event_once(self):
        """100 clients each post the same 1,000 events in random order and batches, with retries."""
        cluster = self.start_cluster(apps=support.APPS)
        proxy = self.start_proxy(cluster)
        at = utc(60)
        events = [{"eventId": f"e{n}", "moduleId": f"m{n % 7}", "type": "okClick", "occurredUtc": at, "details": {"n": n}}
                  for n in range(self.EVENTS)]
        sent = threading.Semaphore(0)
        failures = []

        def post(connection, path, body):
            """Until it is acknowledged; what the client cannot know it sends again."""
            end = time.monotonic() + 120 * support.PATIENCE
            while time.monotonic() < end:
                try:
                    answer = proxy.request("POST", path, body, connection=connection)
                    if answer.status < 300:
                        return
                    if answer.status != 503:
                        raise AssertionError(answer)
                except (OSError, http.client.HTTPException):
                    connection.close()
                time.sleep(0.05)
            raise AssertionError("no answer in time")

        def client(number):
            chance = random.Random(number)
            mine = events[:]
            chance.shuffle(mine)
            connection = proxy.connect()
            try:
                while mine:
                    size = chance.choice((1, 7, 50, 200))
                    batch, mine = mine[:size], mine[size:]
                    for _ in range(chance.choice((1, 1, 2))):
                        post(connection, "/api/telemetry/events", {"deviceId": "d", "appVersion": "1", "events": batch})
                    sent.release()
                for flash in chance.sample(range(20), 3):
                    post(connection, "/event", dict(FlashTest.EVENT, session_id=f"session {flash}"))
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in range(300):
            self.assertTrue(sent.acquire(timeout=120 * support.PATIENCE))
        cluster.kill()
        cluster.start()
        for thread in threads:
            thread.join(180 * support.PATIENCE)
            self.assertFalse(thread.is_alive())
        self.assertEqual(failures, [])

        self.assertEqual(cluster.rows("SELECT count(*), count(DISTINCT event_id) FROM telemetry.event WHERE stream = 'core'"),
                         [["1000", "1000"]])
        sessions = {flash for number in range(self.CLIENTS) for flash in self.flashes(number, events)}
        proxy.wait_healthy()
        self.assertEqual(proxy.get("/metrics/flash-count").json["total"], len(sessions))
        cluster.execute("CALL telemetry.run_jobs('roll_up_events')")
        self.assertEqual(cluster.rows("SELECT sum(n) FROM telemetry.event_daily WHERE stream = 'core'"), [["1000"]])
        self.assertEqual(cluster.rows("SELECT sum(n) FROM telemetry.stream_daily WHERE event_type = 'flash_success'"),
                         [[str(len(sessions))]])

    def flashes(self, number, events):
        """The sessions that a client reports: the same draws again."""
        chance = random.Random(number)
        mine = events[:]
        chance.shuffle(mine)
        while mine:
            mine = mine[chance.choice((1, 7, 50, 200)):]
            chance.choice((1, 1, 2))
        return chance.sample(range(20), 3)


if __name__ == "__main__":
    unittest.main()
