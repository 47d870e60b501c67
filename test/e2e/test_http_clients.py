"""What clients of many kinds need of the HTTP interface: methods, slashes, browsers, beacons, webhooks, retries."""

import json
import random
import signal
import subprocess
import unittest

import support

API = "/api/v1/telemetry"
DEVICE = f"{API}/devices/d1/telemetry"
BATCH = f"{DEVICE}/batch"
BULK = f"{API}/bulk"
TIME = "2025-12-18T10:00:00Z"

# A list of things, each with a name, that is kept by functions of one's own.
THINGS = """
    CREATE TABLE thing (id text PRIMARY KEY, data jsonb);
    GRANT ALL ON thing TO telemetry_writer;
    INSERT INTO telemetry.dialect (name, description) VALUES ('thing', 'The words of things.');
    CREATE FUNCTION get_thing(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE AS
        $$ SELECT 200, (SELECT t.data FROM public.thing AS t WHERE t.id = params ->> 'id'), NULL $$;
    CREATE FUNCTION put_thing(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS
        $$ INSERT INTO public.thing VALUES (params ->> 'id', body) ON CONFLICT (id) DO UPDATE SET data = EXCLUDED.data
           RETURNING 201, data, NULL::text $$;
    CREATE FUNCTION patch_thing(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS
        $$ UPDATE public.thing SET data = data || body WHERE id = params ->> 'id' RETURNING 200, data, NULL::text $$;
    CREATE FUNCTION delete_thing(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS
        $$ WITH gone AS (DELETE FROM public.thing WHERE id = params ->> 'id' RETURNING id)
           SELECT 200, jsonb_build_object('gone', (SELECT count(*) FROM gone), 'why', body), NULL $$;
    INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
        ('GET', '/things/{id}', 'Shows a thing.', 'thing', 'get_thing(jsonb, jsonb)'),
        ('PUT', '/things/{id}', 'Keeps a thing.', 'thing', 'put_thing(jsonb, jsonb)'),
        ('PATCH', '/things/{id}', 'Changes a thing.', 'thing', 'patch_thing(jsonb, jsonb)'),
        ('DELETE', '/things/{id}', 'Forgets a thing.', 'thing', 'delete_thing(jsonb, jsonb)');
"""


# As doc/reference.md has them.
HOOKS = """
    INSERT INTO telemetry.stream (name, description) VALUES ('github', 'What happens to repositories.');
    INSERT INTO telemetry.dialect (name, description, fields, unknown) VALUES
        ('github', 'The words of GitHub''s webhooks.',
         '{"event_type": "header:X-GitHub-Event", "event_id": "header:X-GitHub-Delivery", "subject_id": "repository.full_name",
           "user_id": "sender.login", "data.action": "action"}', 'ignore');
    INSERT INTO telemetry.route (method, path, description, dialect, stream) VALUES
        ('POST', '/webhooks/github', 'Takes a webhook.', 'github', 'github');
    INSERT INTO telemetry.stream (name, description, key_scope) VALUES ('cloud', 'What comes as CloudEvents.', 'device');
    INSERT INTO telemetry.dialect (name, description, fields, success_status) VALUES
        ('cloud', 'The words of CloudEvents.',
         '{"event_id": ["header:ce-id", "id"], "event_type": ["header:ce-type", "type"], "device_id": ["header:ce-source", "source"],
           "occurred_at": ["header:ce-time", "time"], "subject_id": ["header:ce-subject", "subject"],
           "data.specversion": ["header:ce-specversion", "specversion"], "data": "data"}', 202);
    INSERT INTO telemetry.route (method, path, description, dialect, stream, takes_array, max_events) VALUES
        ('POST', '/cloudevents', 'Takes CloudEvents.', 'cloud', 'cloud', true, 1000);
    CREATE FUNCTION show_params(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE AS
        $$ SELECT 200, params, NULL $$;
    INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
        ('GET', '/cloudevents', 'Shows what is known of a request.', 'cloud', 'show_params(jsonb, jsonb)');
"""


def point(value=1, metric="m", timestamp=TIME):
    return {"timestamp": timestamp, "metric_name": metric, "value": value}


class ClientsTestCase(support.SharedProxyTestCase):
    """A database with what `setup` says, and a proxy that knows its routes."""

    settings = {"fsync": "off"}
    setup = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.setup:
            cls.cluster.execute(cls.setup)
            cls.restart()

    @classmethod
    def restart(cls):
        """A proxy that is ready has read its routes."""
        cls.proxy.stop()
        cls.proxy.start()

    def ask(self, method, path, status, body=None, **headers):
        """One request, with headers named as x_user_id; the answer, which must have the status."""
        headers = {name.replace("_", "-").title(): value for name, value in headers.items()}
        answer = self.proxy.request(method, path, body, headers)
        self.assertEqual(answer.status, status, answer)
        return answer

    def count(self, what="telemetry.point"):
        return int(self.cluster.value(f"SELECT count(*) FROM {what}"))


class MethodTest(ClientsTestCase):
    setup = THINGS

    def test_each_method_calls_its_function(self):
        self.assertEqual(self.ask("PUT", "/things/a", 201, {"x": 1}).json, {"x": 1})
        self.assertEqual(self.ask("PUT", "/things/a", 201, {"x": 2}).json, {"x": 2})
        self.assertEqual(self.ask("PATCH", "/things/a", 200, {"y": 3}, content_type="application/merge-patch+json").json,
                         {"x": 2, "y": 3})
        self.assertEqual(self.ask("GET", "/things/a", 200).json, {"x": 2, "y": 3})
        self.assertEqual(self.ask("DELETE", "/things/a", 200).json, {"gone": 1, "why": None})
        self.assertEqual(self.ask("DELETE", "/things/a", 200, {"because": "again"}).json,
                         {"gone": 0, "why": {"because": "again"}})

    def test_what_is_no_json_reaches_no_function(self):
        for method in ("PUT", "PATCH", "DELETE"):
            self.ask(method, "/things/b", 400, "{")
            self.ask(method, "/things/b", 415, "{}", content_type="text/plain")
        self.assertEqual(self.count("thing WHERE id = 'b'"), 0)

    def test_allow_tells_what_there_is(self):
        allow = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
        self.assertEqual(self.ask("POST", "/things/a", 405, {}).headers["Allow"], allow)
        answer = self.ask("OPTIONS", "/things/a", 204)
        self.assertEqual((answer.headers["Allow"], answer.body), (allow, b""))
        self.assertIsNone(answer.headers["Content-Length"])
        self.assertIsNone(answer.headers["Access-Control-Allow-Methods"])
        self.assertEqual(self.ask("OPTIONS", BULK, 204).headers["Allow"], "POST, OPTIONS")
        self.assertEqual(self.ask("OPTIONS", "/health", 204).headers["Allow"], "GET, HEAD, OPTIONS")
        self.ask("OPTIONS", "/nothing", 404)

    def test_head_is_get_without_the_body(self):
        self.ask("PUT", "/things/h", 201, {"long": "x" * 5000})
        for path in ("/things/h", "/health", "/health/live"):
            got = self.ask("GET", path, 200)
            with self.proxy.wire() as wire:
                wire.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS {path} HTTP/1.1\r\nHost: x\r\n\r\n"
                          f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                head = wire.response("HEAD")
                self.assertEqual((head.status, head.body), (200, b""))
                for name in ("Content-Length", "Content-Type"):
                    self.assertEqual(head.headers[name], got.headers[name])
                self.assertEqual(int(head.headers["Content-Length"]), len(got.body))
                # What follows is not taken for a body of it.
                self.assertEqual(wire.response("OPTIONS").status, 204)
                self.assertEqual(wire.response("GET").body, got.body)

    def test_a_slash_at_the_end_means_nothing(self):
        self.ask("PUT", "/things/s/", 201, {"x": 1})
        self.assertEqual(self.ask("GET", "/things/s/", 200).json, {"x": 1})
        self.ask("POST", f"{DEVICE}/", 200, point())
        self.ask("POST", f"{BATCH}/?a=b", 200, {"data_points": [point(2, "n")]})
        self.ask("GET", "/health/live/", 200)
        self.assertEqual(self.count(), 2)
        for path in ("/things/s//", "//things/s", "/things//", "/things/", "/things/s/%2F", f"{DEVICE}//"):
            self.ask("GET", path, 404)
        # An encoded one is part of a name.
        self.ask("PUT", "/things/t%2F", 201, {"x": 2})
        self.assertEqual(self.cluster.value("SELECT id FROM thing WHERE data = '{\"x\": 2}'"), "t/")

    def test_curl_puts_and_deletes(self):
        def curl(*arguments):
            return subprocess.run(["curl", "-sS", "--fail-with-body", "-m", "60", "-H", "Content-Type: application/json", *arguments,
                                   f"http://127.0.0.1:{self.proxy.port}/things/c/"],
                                  capture_output=True, check=True, timeout=90).stdout
        self.assertEqual(json.loads(curl("-X", "PUT", "-d", '{"by": "curl"}')), {"by": "curl"})
        self.assertIn(b"Content-Length: 14", curl("-I"))
        self.assertEqual(json.loads(curl("-X", "DELETE"))["gone"], 1)
        self.assertIn(b"204 No Content", curl("-i", "-X", "OPTIONS"))


class OriginTest(ClientsTestCase):
    """Browsers, byte by byte: what they ask before a page's request, and what pages get to see."""

    apps = ("telemetry_flash",)
    options = ("--cors-origins=https://app.example.com, https://*.example.org,http://localhost:5173", "--cors-max-age=5min")
    setup = THINGS

    LISTED = "https://app.example.com"
    UNLISTED = ("https://evil.example", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example",
                "https://example.org", "https://a.b.example.org", "null", "*", "https://app.example.com/", "x" * 5000)

    def cors(self, answer):
        """The headers of an answer that are for browsers."""
        return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}

    def preflight(self, wire, path, method, origin, headers="content-type,x-device-id"):
        """What Chromium sends."""
        wire.send((f"OPTIONS {path} HTTP/1.1\r\nHost: t.example.com\r\nConnection: keep-alive\r\nAccept: */*\r\n"
                   f"Access-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: {headers}\r\n"
                   f"Origin: {origin}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36\r\n"
                   "Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: empty\r\n"
                   f"Referer: {origin}/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n").encode())
        return wire.response("OPTIONS")

    def test_a_page_asks_and_then_sends(self):
        with self.proxy.wire() as wire:
            for origin in (self.LISTED, "https://a.example.org", "http://localhost:5173"):
                told = self.preflight(wire, DEVICE, "POST", origin)
                self.assertEqual((told.status, told.body), (204, b""))
                self.assertEqual(told.headers["Vary"], "Origin")
                cors = self.cors(told)
                self.assertEqual(cors["access-control-allow-origin"], origin)
                self.assertEqual(cors["access-control-allow-methods"], "POST, OPTIONS")
                self.assertEqual(cors["access-control-max-age"], "300")
                self.assertNotIn("access-control-allow-credentials", cors)
                allowed = {name.strip().lower() for name in cors["access-control-allow-headers"].split(",")}
                self.assertLessEqual({"content-type", "content-encoding", "authorization", "x-api-key", "x-user-id", "x-device-id",
                                      "x-correlation-id", "traceparent", "idempotency-key"}, allowed)
                wire.post(DEVICE, point(), f"Origin: {origin}\r\n")
                answer = wire.response()
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(self.cors(answer)["access-control-allow-origin"], origin)
                self.assertIn("Retry-After", self.cors(answer)["access-control-expose-headers"])
        self.assertEqual(self.count(), 1)

    def test_a_path_tells_its_own_methods(self):
        with self.proxy.wire() as wire:
            for path, methods in (("/health", "GET, HEAD, OPTIONS"), ("/things/a", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
                                  ("/event", "POST, OPTIONS"), ("/event/", "POST, OPTIONS")):
                told = self.preflight(wire, path, "PUT", self.LISTED)
                self.assertEqual((told.status, told.headers["Access-Control-Allow-Methods"], told.headers["Allow"]),
                                 (204, methods, methods))
            self.assertEqual(self.preflight(wire, "/nothing", "POST", self.LISTED).status, 404)

    def test_errors_can_be_read_by_the_page(self):
        for path, body, status in ((DEVICE, "{", 400), (DEVICE, {}, 422), ("/nothing", {}, 404), ("/health", {}, 405), ("/event", {}, 400)):
            answer = self.ask("POST", path, status, body, origin=self.LISTED)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], self.LISTED)

    def test_a_page_of_another_origin_is_refused_whatever_it_asks(self):
        for origin in self.UNLISTED:
            with self.subTest(origin=origin[:50]), self.proxy.wire() as wire:
                self.assertEqual(self.preflight(wire, DEVICE, "POST", origin).status, 403)
                for method, path, body in (("POST", DEVICE, point()), ("GET", "/health", None), ("PUT", "/things/x", {}),
                                           ("PATCH", BULK, {}), ("POST", "/event", {})):
                    answer = self.ask(method, path, 403, body, origin=origin)
                    self.assertEqual((self.cors(answer), answer.headers["Vary"]), ({}, "Origin"))
                    self.assertNotIn(origin.encode(), answer.body)
        self.assertEqual((self.count(), self.count("thing")), (0, 0))
        # In the words of the app.
        self.assertEqual(self.ask("POST", "/event", 403, {}, origin="https://evil.example").json["ok"], False)

    def test_who_names_no_origin_is_no_page(self):
        answer = self.ask("POST", DEVICE, 200, point())
        self.assertEqual((self.cors(answer), answer.headers["Vary"]), ({}, "Origin"))
        self.assertEqual(self.cors(self.ask("OPTIONS", DEVICE, 204)), {})
        # OPTIONS of a page that does not ask for a method is no preflight.
        self.assertNotIn("access-control-allow-methods", self.cors(self.ask("OPTIONS", DEVICE, 204, origin=self.LISTED)))

    def test_nothing_of_an_origin_gets_into_an_answer_as_a_header(self):
        for origin in (b"https://a\r\n .example.org", b"https://a\rX-Evil: 1.example.org", b"https://a\x00.example.org",
                       b"https://a%0d%0aX-Evil:%201.example.org", b"https://app.example.com\r\nOrigin: https://app.example.com",
                       b"https://app.example.com, https://app.example.com", b"\xe2\x98\x82", b""):
            with self.subTest(origin=origin), self.proxy.wire() as wire:
                wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\nOrigin: " + origin + b"\r\n\r\n")
                answer = wire.response("GET")
                self.assertIn(answer.status, (400, 403))
                self.assertEqual(self.cors(answer), {})
                self.assertNotIn("X-Evil", answer.headers)
        with self.proxy.wire() as wire:
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\nOrigin: " + b"https://" + b"a" * 8000 + b".example.org\r\n\r\n")
            self.assertEqual(wire.response("GET").status, 403)
        with self.proxy.wire() as wire:
            wire.send(b"OPTIONS /health HTTP/1.1\r\nHost: x\r\n" + b"Access-Control-Request-Headers: a\r\n" * 150 + b"\r\n")
            self.assertEqual(wire.response("OPTIONS").status, 431)
        self.ask("GET", "/health", 200)


class OriginListTest(ClientsTestCase):
    def test_a_list_is_read_again_at_sighup(self):
        path = self.proxy.folder / "cors.conf"

        def allowed(proxy):
            return proxy.request("GET", "/health", headers={"Origin": "https://b.example"}).headers["Access-Control-Allow-Origin"]

        path.write_text("cors-origins = https://a.example\n")
        path.chmod(0o644)
        proxy = self.start_proxy(self.cluster, f"--config={path}")
        self.assertIsNone(allowed(proxy))
        for value, expected in (("https://a.example, https://b.example", "https://b.example"), ("*", "*"), ("", None),
                                ("https://b.example", "https://b.example"), ("https://b.example/", "https://b.example")):
            path.write_text(f"cors-origins = {value}\n")
            proxy.process.send(signal.SIGHUP)
            support.wait_until(lambda: allowed(proxy) == expected and proxy.log_text().count("reading the configuration again") > 0,
                               10, f"origins {value}")
        support.wait_until(lambda: "the configuration stays as it is" in proxy.log_text(), 10, "the refusal")

    def test_any_page_may_call_if_that_is_said(self):
        proxy = self.start_proxy(self.cluster, "--cors-origins=*")
        for origin in ("https://evil.example", "null"):
            answer = proxy.post(DEVICE, point(), headers={"Origin": origin})
            self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, "*"))
            self.assertIsNone(answer.headers["Access-Control-Allow-Credentials"])

    def test_credentials_are_allowed_to_those_that_are_named(self):
        proxy = self.start_proxy(self.cluster, "--cors-origins=https://app.example.com", "--cors-credentials")
        answer = proxy.post(DEVICE, point(), headers={"Origin": "https://app.example.com"})
        self.assertEqual(answer.headers["Access-Control-Allow-Credentials"], "true")
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "https://app.example.com")

    def test_without_a_list_browsers_are_told_nothing(self):
        answer = self.ask("POST", DEVICE, 200, point(), origin="https://app.example.com")
        self.assertEqual([name for name in answer.headers if name.startswith("Access-Control")], [])
        self.assertIsNone(answer.headers["Vary"])
        answer = self.ask("OPTIONS", DEVICE, 204, origin="https://app.example.com", access_control_request_method="POST")
        self.assertEqual([name for name in answer.headers if name.startswith("Access-Control")], [])


class BeaconTest(ClientsTestCase):
    """What navigator.sendBeacon() sends when a page goes: text/plain, without asking first."""

    apps = ("telemetry_flash", "telemetry_playback")
    options = ("--cors-origins=https://flash.example.com",)
    LOG = {"message": "it broke", "sessionId": "s1"}

    def setUp(self):
        super().setUp()
        self.cluster.execute("TRUNCATE telemetry.event_log, telemetry.event_key")

    def beacon(self, path, body, origin, proxy=None):
        """What Chromium sends, of a page that goes."""
        body = json.dumps(body).encode()
        with (proxy or self.proxy).wire() as wire:
            wire.send((f"POST {path} HTTP/1.1\r\nHost: t.example.com\r\nConnection: keep-alive\r\nContent-Length: {len(body)}\r\n"
                       f"Content-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\nOrigin: {origin}\r\nSec-Fetch-Site: cross-site\r\n"
                       f"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\nReferer: {origin}/\r\n\r\n").encode() + body)
            return wire.response()

    def events(self):
        return self.count("telemetry.event")

    def test_a_page_that_goes_is_heard(self):
        answer = self.beacon("/client-log", self.LOG, "https://flash.example.com")
        self.assertEqual((answer.status, answer.json), (200, {"ok": True}))
        self.assertEqual(self.beacon("/increment/", {"session_id": "s2"}, "https://flash.example.com").status, 200)
        self.assertEqual(self.cluster.value("SELECT string_agg(event_type, ' ' ORDER BY event_type) FROM telemetry.event"),
                         "client_log flash_success session_increment")

    def test_any_page_is_not(self):
        self.assertEqual(self.beacon("/client-log", self.LOG, "https://evil.example").status, 403)
        silent = self.start_proxy(self.cluster)
        answer = self.beacon("/client-log", self.LOG, "https://flash.example.com", silent)
        self.assertEqual((answer.status, answer.json["ok"]), (403, False))
        self.assertEqual(self.events(), 0)
        # What is no page may.
        self.assertEqual(silent.post("/client-log", self.LOG, headers={"Content-Type": "text/plain"}).status, 200)

    def test_only_routes_that_say_so_take_it(self):
        self.assertEqual(self.beacon("/telemetry/playback", {}, "https://flash.example.com").status, 401)
        for path in (DEVICE, BATCH, BULK):
            self.assertEqual(self.beacon(path, point(), "https://flash.example.com").status, 415)
        for kind in ("text/plainly", "text/html", "text/", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            self.ask("POST", "/client-log", 415, self.LOG, content_type=kind)
        self.ask("POST", "/client-log", 400, "message=it broke", content_type="text/plain")
        self.assertEqual(self.events(), 0)


class HeaderTest(ClientsTestCase):
    """Senders that tell what it is by headers: webhooks, CloudEvents."""

    apps = ("telemetry_core",)
    options = ("--cors-origins=https://app.example.com",)
    setup = HOOKS

    def setUp(self):
        super().setUp()
        self.cluster.execute("TRUNCATE telemetry.event_log, telemetry.event_key")

    def events(self, *columns):
        rows = self.cluster.rows(f"SELECT {', '.join(columns)} FROM telemetry.event ORDER BY device_id, event_id")
        return [tuple(row) for row in rows]

    def github(self, status, body=None, **headers):
        """As GitHub sends it."""
        headers = {"user_agent": "GitHub-Hookshot/044aadd", "accept": "*/*", "x_github_event": "issues",
                   "x_github_delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "x_github_hook_id": "292430182",
                   "x_hub_signature_256": "sha256=d57c68ca6f92289e6987922ff26938930f6e66a2d161ef06abdf1859230aa23c", **headers}
        body = body or {"action": "opened", "issue": {"number": 1347}, "repository": {"id": 1296269, "full_name": "octocat/Hello-World"},
                        "sender": {"login": "octocat", "id": 1}}
        return self.ask("POST", "/webhooks/github", status, body, **{name: value for name, value in headers.items() if value is not None})

    def test_a_webhook_is_an_event_once(self):
        for outcome in ("accepted", "duplicate"):
            self.assertEqual(self.github(200).json["outcome"], outcome)
        self.assertEqual(self.events("event_type", "event_id", "subject_id", "user_id", "data"),
                         [("issues", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "octocat/Hello-World", "octocat", '{"action": "opened"}')])

    def test_a_header_that_is_missing_or_wrong_is_named(self):
        self.assertEqual(self.github(400, x_github_event=None).json["detail"], "header x-github-event is required")
        self.assertEqual(self.github(400, x_github_event="").json["detail"], "header x-github-event is required")
        for value in ("x" * 1025, "a\tb", b"\xff\xfe", b"\xc3"):
            answer = self.github(400, x_github_delivery=value)
            self.assertEqual(answer.json["detail"], "header x-github-delivery is not up to 1024 bytes of text")
        self.assertEqual(self.github(200, x_github_delivery="née".encode()).json["event_id"], "née")
        with self.proxy.wire() as wire:
            wire.post("/webhooks/github", {}, "X-GitHub-Event: push\r\nx-github-event: ping\r\n")
            answer = wire.response()
            self.assertEqual((answer.status, answer.json["detail"]), (400, "header x-github-event is repeated"))
            # The connection is as good as before.
            wire.post("/webhooks/github", {"a\u0000": "odd"}, "X-GitHub-Event: push\r\n")
            self.assertEqual(wire.response().status, 400)
            wire.post("/webhooks/github", {}, "x-GITHUB-event: push\r\n" + "X-Other: 1\r\nX-Other: 2\r\n" * 20)
            self.assertEqual(wire.response().status, 200)

    def test_cloud_events_come_in_each_mode(self):
        self.ask("POST", "/cloudevents", 202, {"temperature": 21.5, "id": 7}, ce_id="1", ce_type="org.example.read", ce_source="/s/1",
                 ce_specversion="1.0", ce_time="2025-12-18T10:00:00Z")
        structured = {"specversion": "1.0", "id": "2", "type": "org.example.read", "source": "/s/1", "time": "2025-12-18T11:00:00+01:00",
                      "data": {"temperature": 22}}
        kind = "application/cloudevents+json; charset=utf-8"
        self.assertEqual(self.ask("POST", "/cloudevents", 202, structured, content_type=kind).json["event_id"], "2")
        answer = self.ask("POST", "/cloudevents", 202, [structured, dict(structured, id="3"), dict(structured, source="/s/2")],
                          content_type="application/cloudevents-batch+json").json
        self.assertEqual((answer["accepted"], answer["duplicates"], answer["rejected"]), (2, 1, 0))
        self.assertEqual(self.events("device_id", "event_id", "event_type", "extract(epoch FROM occurred_at)::bigint", "data ->> 'temperature'", "data ->> 'id'"),
                         [("/s/1", "1", "org.example.read", "1766052000", "21.5", "7"), ("/s/1", "2", "org.example.read", "1766052000", "22", ""),
                          ("/s/1", "3", "org.example.read", "1766052000", "22", ""), ("/s/2", "2", "org.example.read", "1766052000", "22", "")])

    def test_only_headers_that_are_named_are_handed_over(self):
        answer = self.ask("GET", "/cloudevents/?headers=x&ce-id=query", 200, ce_id="1", ce_other="2", cookie="secret", authorization="Bearer secret",
                          x_api_key="secret", x_github_event="push")
        self.assertEqual(answer.json["headers"], {"ce-id": "1"})
        self.assertEqual(answer.json["ce-id"], "query")
        self.assertNotIn("secret", json.dumps(answer.json))

    def test_a_page_may_send_what_its_path_reads(self):
        answer = self.ask("OPTIONS", "/cloudevents", 204, origin="https://app.example.com", access_control_request_method="POST")
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
        self.assertLessEqual({"ce-id", "ce-source", "ce-type", "content-type", "idempotency-key"}, set(allowed))
        self.assertNotIn("x-github-event", allowed)

    def test_an_array_is_a_batch(self):
        now = self.cluster.value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        event = {"eventId": "e1", "moduleId": "m", "type": "shown", "occurredUtc": now}
        self.assertEqual(self.ask("POST", "/api/telemetry/events", 202, [event, dict(event, eventId="e2"), event], x_device_id="d").json,
                         {"accepted": 2, "duplicates": 1, "rejected": 0, "errors": []})
        answer = self.ask("POST", BATCH, 200, [point(1), point(2, "n")]).json
        self.assertEqual((answer["ingested_count"], answer["failed_count"]), (2, 0))
        # What is not plain goes another way, and is answered in the same way.
        answer = self.ask("POST", BATCH, 200, [point(3, timestamp=1766052000), 7]).json
        self.assertEqual((answer["ingested_count"], answer["failed_count"], answer["errors"][0]["index"]), (1, 1, 1))
        self.assertEqual(self.cluster.rows("SELECT metric, value FROM telemetry.point ORDER BY metric"), [["m", "3"], ["n", "2"]])
        for path, body in ((BATCH, []), (BATCH, [point()] * 1001), (BULK, [point()]), (DEVICE, [point()])):
            self.ask("POST", path, 422, body)


class IdempotencyTest(ClientsTestCase):
    """Clients that send again what they have had no answer to, under the same Idempotency-Key."""

    apps = ("telemetry_flash",)
    setup = """
        INSERT INTO telemetry.stream (name, description) VALUES ('act', 'What somebody does.');
        INSERT INTO telemetry.dialect (name, description, fields) VALUES ('act', 'The words of acts.', '{"event_type": "what"}');
        INSERT INTO telemetry.route (method, path, description, dialect, stream, takes_array) VALUES ('POST', '/act', 'Takes an act.', 'act', 'act', true)"""

    KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'

    def setUp(self):
        super().setUp()
        self.cluster.execute("TRUNCATE telemetry.event_log, telemetry.event_key")

    def test_a_batch_comes_again_and_changes_nothing(self):
        first = self.ask("POST", BATCH, 200, {"data_points": [point(1), point(1, "")]}, idempotency_key=self.KEY).json
        self.ask("POST", DEVICE, 200, point(2))
        for body in ({"data_points": [point(1), point(1, "")]}, [point(1), point(1, "")]):
            for key in (self.KEY, self.KEY.strip('"')):
                self.assertEqual(self.ask("POST", BATCH, 200, body, idempotency_key=key).json, first)
        self.assertEqual(self.cluster.value("SELECT value FROM telemetry.point"), "2")
        self.assertEqual(self.ask("GET", f"{API}/batches/{self.KEY.strip(chr(34))}", 200).json["total_count"], 2)
        answer = self.ask("POST", BATCH, 422, [point(3)], idempotency_key=self.KEY)
        self.assertIn("was used for other content", answer.json["detail"])
        # Without the key it is another batch.
        self.ask("POST", BATCH, 200, [point(3)])
        self.assertEqual(self.cluster.value("SELECT value FROM telemetry.point"), "3")

    def test_a_key_and_a_batch_id_are_the_same_or_refused(self):
        body = {"data_points": [point()], "batch_id": "b"}
        self.ask("POST", BATCH, 200, body, idempotency_key="b")
        self.ask("POST", BATCH, 422, body, idempotency_key="c")

    def together(self, bodies, path, key):
        """The answers to these, sent at once."""
        wires = []
        for body in bodies:
            wire = self.proxy.wire()
            self.addCleanup(wire.close)
            wire.post(path, body, f"Idempotency-Key: {key}\r\n")
            wires.append(wire)
        return [wire.response() for wire in wires]

    def test_bulk_bodies_under_one_key_at_once_do_not_wait_for_each_other(self):
        """Whatever the order in which they name their devices."""
        rng = random.Random(11)
        for number in range(5):
            devices = [f"d{i}" for i in range(30)]
            bodies = []
            for _ in range(8):
                rng.shuffle(devices)
                bodies.append({d: [{"timestamp": "2026-03-01T00:00:00Z", "metric_name": "m", "value": number}] for d in devices})
            answers = self.together(bodies, "/api/v1/telemetry/bulk", f"many{number}")
            self.assertEqual([answer.status for answer in answers], [200] * 8)
            self.assertTrue(all(answer.json == answers[0].json for answer in answers))

    def test_of_different_batches_under_one_key_at_once_one_is_taken(self):
        for number in range(10):
            bodies = [{"data_points": [{"timestamp": "2026-03-01T00:00:00Z", "metric_name": "m", "value": value}]} for value in range(6)]
            answers = self.together(bodies, f"/api/v1/telemetry/devices/one{number}/telemetry/batch", "one")
            taken = [value for value, answer in enumerate(answers) if answer.status == 200]
            self.assertEqual((len(taken), {answer.status for answer in answers}), (1, {200, 422}))
            self.assertEqual(self.cluster.value(f"SELECT value FROM telemetry.point WHERE device_id = 'one{number}'"), str(taken[0]))

    def test_a_bulk_body_comes_again(self):
        body = {"d1": [point(1)], "d2": [point(1), point(1, "")]}
        first = self.ask("POST", BULK, 200, body, idempotency_key=self.KEY).json
        self.assertEqual((first["results"]["d2"]["failed_count"], first["success"]), (1, False))
        self.ask("POST", BULK, 200, {"d1": [point(2)], "d2": [point(2)]})
        self.assertEqual(self.ask("POST", BULK, 200, body, idempotency_key=self.KEY).json, first)
        self.assertEqual(self.cluster.rows("SELECT DISTINCT value FROM telemetry.point"), [["2"]])

    def test_events_without_ids_are_stored_once(self):
        for outcome in ("accepted", "duplicate"):
            self.assertEqual(self.ask("POST", "/act", 200, {"what": "jump"}, idempotency_key=self.KEY).json["outcome"], outcome)
        for accepted in (2, 0):
            self.assertEqual(self.ask("POST", "/act", 200, [{"what": "jump"}] * 2, idempotency_key='"2"').json["accepted"], accepted)
        for _ in range(2):
            self.ask("POST", "/act", 200, {"what": "jump"})
        self.assertEqual(self.count("telemetry.event"), 5)

    def test_a_count_counts_once(self):
        for key, total in ((self.KEY, 1), (self.KEY, 1), ('"other"', 2), (None, 3), (None, 4)):
            headers = {} if key is None else {"idempotency_key": key}
            self.assertEqual(self.ask("POST", "/increment", 200, **headers).json["total"], total)

    def test_single_points_are_idempotent_without_it(self):
        for _ in range(2):
            self.ask("POST", DEVICE, 200, point(), idempotency_key=self.KEY)
        self.assertEqual(self.count(), 1)

    def test_a_rule_is_made_once(self):
        path = "/api/v1/telemetry/alerts/rules"
        rule = {"name": "Hot", "metric_name": "t", "condition": ">", "threshold_value": 1}
        answers = self.together([rule] * 6, path, "rule")
        self.assertEqual({(answer.status, answer.json["rule_id"]) for answer in answers}, {(201, answers[0].json["rule_id"])})
        self.assertIn("was used for other content", self.ask("POST", path, 422, dict(rule, threshold_value=2), idempotency_key="rule").json["detail"])
        self.assertEqual(self.count("telemetry.alert_rule"), 1)

    def test_what_is_no_key_is_refused(self):
        for key in ("", '""', '"a', "a b", '"a";b=1', "x" * 256, b"\xff"):
            for path, body in ((DEVICE, point()), (BATCH, [point()]), (BULK, {"d": [point()]}), ("/act", {"what": "jump"}), ("/increment", None)):
                with self.subTest(key=key[:20], path=path):
                    self.ask("POST", path, 400, body, idempotency_key=key)
        with self.proxy.wire() as wire:
            wire.post(BATCH, [point()], "Idempotency-Key: a\r\nIdempotency-Key: b\r\n")
            self.assertEqual(wire.response().status, 400)
        self.assertEqual((self.count(), self.count("telemetry.event")), (0, 0))
        self.ask("POST", BATCH, 200, [point()], idempotency_key="x" * 255)


class RetryTest(support.TestCase):
    def test_a_fleet_is_not_told_to_come_back_all_at_once(self):
        proxy = support.Proxy("host=/nonexistent", wait=False)
        self.addCleanup(proxy.close)
        support.wait_until(lambda: "is ready" in proxy.log_text(), 10, "the proxy")
        told = set()
        for _ in range(60):
            answer = proxy.post(DEVICE, point())
            self.assertEqual(answer.status, 503)
            told.add(int(answer.headers["Retry-After"]))
        self.assertLessEqual(told, {1, 2, 3, 4})
        self.assertGreaterEqual(len(told), 3)


if __name__ == "__main__":
    unittest.main()
