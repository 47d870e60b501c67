"""Whatever clients send, the server logs no error: what is wrong with a request is told to its sender."""

import json
import re
import urllib.parse

import openapi
import support

LEVEL = re.compile(r"\b(ERROR|FATAL|PANIC):")

# What jsonb cannot hold, or the types behind it, as JSON.
VALUES = (rb'"\u0000"', rb'"a\u0000b"', rb'"\ud800"', rb'"\udc00\ud800"', b"1e999999999", b"-1e999999999", b"1e-999999999", b"1e131072", b"1e400", b"-1e400",
          b"1" * 4000, b"0." + b"1" * 4000, b"1e5000", b"9223372036854775808", b"2147483648", b"-1", b"0", b"1.5", b"null", b"true", b'""',
          b'"x"', b'"' + b"x" * 8000 + b'"', rb'"\u0001"', b'"NaN"', b'"Infinity"', b'"-infinity"', b'"now"', b'"0000-01-01T00:00:00Z"',
          b'"9999-12-31T23:59:59Z"', b'"294277-01-01T00:00:00Z"', b'"2026-11-21T23:59:60Z"', b'"2026-11-21T00:00:00-99:99"', b'"+1"',
          b"[]", b"{}", b"[null]", rb'["\u0000"]', rb'[[{"a": "\ud800"}]]', rb'{"\u0000": 1}', rb'{"a\ud800": {"b": 1}}', b'{"a": 1e999999}',
          b'{"": [1e-5000]}')

# Of a query or a path, as it is sent.
TEXTS = ("%00", "a%00b", "%ff", "%c3", "%ed%a0%80", "%f4%90%80%80", "%", "%zz", "1e999999999", "-1", "9223372036854775808", "2147483648", "1.5", "",
         "x" * 3000, "1" * 3000, "infinity", "-infinity", "now", "0000-01-01T00:00:00Z", "294277-01-01T00:00:00Z", "2026-11-21T23:59:60Z", "%01", "%5cu0000",
         "NaN", "true", "null", "{}", "%27", "%22", "a,,b", "%ef%bf%bf", "Europe/Nowhere", "%3Ca%3E-200")


class ServerLogTest(support.SharedProxyTestCase):
    apps = support.APPS
    headers = {"X-User-Id": "u1", "X-Device-Id": "d1"}

    def setUp(self):
        super().setUp()
        self.cluster.execute("""
            INSERT INTO telemetry.dialect (name, description, failure) VALUES ('shaped', 'For this test.', '{"why": "$detail"}') ON CONFLICT DO NOTHING;
            CREATE OR REPLACE FUNCTION public.echo(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE
            BEGIN ATOMIC SELECT 200, jsonb_build_object('body', $2), NULL; END;
            INSERT INTO telemetry.route (method, path, description, dialect, function)
            SELECT m, '/echo', 'For this test.', 'shaped', 'public.echo(jsonb, jsonb)' FROM unnest('{POST,PUT}'::text[]) AS m ON CONFLICT DO NOTHING""")
        support.wait_until(lambda: self.proxy.post("/echo", {}).status == 200, 20, "the route")
        self.document = self.proxy.get("/openapi.json").json
        self.logged = len(self.cluster.log_text())

    def assert_no_error(self):
        log = self.cluster.log_text()
        lines = {line.partition("] ")[2] for line in log[self.logged:].splitlines() if LEVEL.search(line)}
        self.logged = len(log)
        self.assertEqual(sorted(lines), [])

    def schema(self, schema):
        """The members that a body may have, of any of its shapes."""
        schema = openapi.resolve(self.document, schema)
        members = dict(schema.get("properties", {}))
        for part in schema.get("anyOf", ()):
            members.update(self.schema(part))
        return members

    def bodies(self, content):
        """A good one with each value in place of each of its members, and in the whole's."""
        example = content.get("example", {})
        yield from VALUES
        if not isinstance(example, dict):
            return
        for name in {**self.schema(content["schema"]), **example, "unknown": None}:
            others = "".join(f"{json.dumps(other)}: {json.dumps(value)}, " for other, value in example.items() if other != name)
            for value in VALUES:
                yield b"{%s%s: %s}" % (others.encode(), json.dumps(name).encode(), value)

    def path(self, path, operation, texts=None):
        """The path with an example, or what is given, in place of each parameter."""
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                name = parameter["name"]
                text = (texts or {}).get(name, urllib.parse.quote(str(parameter.get("example", "1")), safe=""))
                path = path.replace("{%s}" % name, text)
        return path

    def ask(self, connection, method, path, body=None):
        answer = self.proxy.request(method, path, body, headers=self.headers, connection=connection)
        self.assertNotIn(answer.status, (500, 503), (method, path, body, answer))
        return answer

    def test_bodies(self):
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for method, path, operation in openapi.operations(self.document):
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            with self.subTest(method=method, path=path):
                for body in self.bodies(content):
                    self.ask(connection, method, self.path(path, operation), body)
                self.assert_no_error()

    def test_parameters(self):
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for method, path, operation in openapi.operations(self.document):
            with self.subTest(method=method, path=path):
                for parameter in operation["parameters"]:
                    for text in TEXTS:
                        if parameter["in"] == "query":
                            others = "".join(f"{p['name']}={urllib.parse.quote(str(p['example']))}&" for p in operation["parameters"]
                                             if p["in"] == "query" and "example" in p and p["name"] != parameter["name"])
                            self.ask(connection, method, f"{self.path(path, operation)}?{others}{parameter['name']}={text}", body_of(method))
                        elif parameter["in"] == "path":
                            self.ask(connection, method, self.path(path, operation, {parameter["name"]: text}), body_of(method))
                self.assert_no_error()

    def test_what_no_function_can_be_given_is_told_in_the_words_of_the_dialect(self):
        nul, half, long = ("has the escape \\u0000, which no text can store", "has an escape that is half of a surrogate pair, which no text can store",
                           "has a number of more than 1000 characters, written out")
        for body, why in ((rb'{"a": "\u0000"}', f"body.a {nul}"), (rb'{"a": {"b": [1, "\ud800"]}}', f"body.a.b[1] {half}"), (b"1e999999999", f"body {long}"),
                          (b"[" + b"1" * 4000 + b"]", f"body[0] {long}"), (rb'"x\u0000"', f"body {nul}"), (rb'{"a": 1, "b": 1e-5000, "c": "\u0000"}', f"body.b {long}")):
            for method in ("POST", "PUT"):
                answer = self.proxy.request(method, "/echo", body)
                self.assertEqual((answer.status, answer.json), (400, {"why": why}), body)
        for body in (rb'{"a": "\u0001\\u0000 \ud83d\ude00"}', b"1" * 1000, b"1e-900"):
            self.assertEqual(self.proxy.post("/echo", body).status, 200, body)
        self.assert_no_error()


def body_of(method):
    return None if method in ("GET", "DELETE") else b"{}"
