"""What clients of many kinds need of the HTTP interface: methods, slashes, browsers, beacons, webhooks, retries."""

import json
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
        self.assertEqual(self.count("thing"), 0)

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


if __name__ == "__main__":
    unittest.main()
