"""The documentation of the HTTP interface is true: each route is sent its example, and what is wrong with it."""

import base64
import hashlib
import html.parser
import json
import re
import urllib.parse

import openapi
import support

# What the examples' names stand for.
WORLD = """
    DELETE FROM telemetry.alert; DELETE FROM telemetry.alert_rule; DELETE FROM telemetry.device_group; DELETE FROM telemetry.maintenance;
    INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('rule_01', 'Rule', 'cpu_percent', '>', '90');
    INSERT INTO telemetry.alert (alert_id, rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at)
    VALUES ('alert_01', 'rule_01', 'Rule', 'device_001', 'cpu_percent', 'critical', '>', '90', '95', 'For this test.', now() - interval '1 hour');
    INSERT INTO telemetry.device_group (name, device_ids) VALUES ('kitchen', '{oven}');
    SELECT setval('telemetry.maintenance_id_seq', 1000);
    INSERT INTO telemetry.maintenance (id, starts_at, ends_at) OVERRIDING SYSTEM VALUE VALUES (1, now(), now() + interval '1 hour');
    DELETE FROM telemetry.metric_definition;
    INSERT INTO telemetry.metric_definition (name, data_type, unit) VALUES ('battery_level', 'numeric', 'percent');
    INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags, metadata) VALUES
        (now() - interval '3 hours', 'device_001', 'temperature', '25.5', 'celsius', '{"location": "room_1"}', '{"a": 1}'),
        (now() - interval '3 hours', 'device_002', 'temperature', '26', NULL, NULL, NULL),
        (now(), 'device_001', 'temperature', '25.6', 'celsius', NULL, NULL);
"""
# What must not be there for the example of a route.
WITHOUT = {("POST", "/api/v1/telemetry/metrics"): "DELETE FROM telemetry.metric_definition WHERE name = 'battery_level'"}
# An interval is at its limit in a range that has no more of them than an answer may have.
WITH_LIMIT = {"interval": {"start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-17T02:00:00Z"}}
# Of lines, which no schema describes, what the example's has not.
LINES = {
    "text/csv; charset=utf-8": lambda line, n, example: [line] if n == 0 and line != example.splitlines()[0] else [],
    "application/x-ndjson": lambda line, n, example: set(json.loads(line)) ^ set(json.loads(example)),
}
LONG = "x" * 2000
DEEP = "[" * 1000 + "]" * 1000
# Texts that are no number, no date and no choice.
ODD_TEXTS = ("", "x'; DROP TABLE telemetry.route; --", "-1", "1e999", "99999999999999999999", "2026-13-45", LONG, "\U0001F600")
ODD_VALUES = (None, True, -1, 1e300, 10**30, "", "x'; DROP TABLE telemetry.route; --", LONG * 60, [], [None], {}, {"a": {"b": []}})


class OpenApiTest(support.SharedProxyTestCase):

    apps = tuple(support.APPS)

    def setUp(self):
        super().setUp()
        self.cluster.execute(WORLD)
        self.document = self.proxy.get("/openapi.json").json

    def make_world(self, method, path):
        self.cluster.execute(WORLD + WITHOUT.get((method, path), ""))

    def url(self, path, operation, **changed):
        """The address with the examples of its parameters, or with other values for some."""
        query = []
        for parameter in operation["parameters"]:
            name = parameter["name"]
            value = changed.get(name, parameter.get("example"))
            if parameter["in"] == "path":
                path = path.replace("{%s}" % name, urllib.parse.quote(str(value), safe=""))
            elif parameter["in"] == "query" and (name in changed or parameter["required"]):
                query.append((name, value))
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    @staticmethod
    def headers(operation):
        return {parameter["name"]: parameter["example"] for parameter in operation["parameters"]
                if parameter["in"] == "header" and parameter["required"]}

    @staticmethod
    def example(operation):
        return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")

    def check(self, operation, answer, said, wanted=None):
        """What is wrong with an answer by what the document says of its status."""
        response = operation["responses"].get(str(answer.status))
        if response is None:
            return [f"{said}: {answer.status} is not declared: {answer.body[:200]}"]
        if wanted is not None and not wanted(answer.status):
            return [f"{said}: {answer!r}"]
        content = openapi.resolve(self.document, response).get("content", {})
        kind = answer.headers["Content-Type"]
        if kind not in content:
            return [f"{said}: {answer.status} has Content-Type {kind}, not {list(content)}"]
        if kind in LINES and "example" in content[kind]:
            example = content[kind]["example"]
            return [f"{said}: {name} of line {n}" for n, line in enumerate(answer.body.decode().splitlines()) for name in LINES[kind](line, n, example)]
        value = answer.json if "json" in kind else answer.body.decode()
        return [f"{said}: {answer.status} {fault}" for fault in openapi.faults(self.document, content[kind]["schema"], value)]

    def test_the_document_is_openapi_3_1(self):
        self.assertEqual([error.message for error in openapi.VALIDATOR(openapi.META_SCHEMA).iter_errors(self.document)], [])
        for schema in [*openapi.schemas_within(self.document), *self.document["components"]["schemas"].values()]:
            openapi.VALIDATOR.check_schema(schema)
        for reference in set(openapi.references(self.document)):
            openapi.resolve(self.document, {"$ref": reference})
        names = [operation["operationId"] for _, _, operation in openapi.operations(self.document)]
        self.assertEqual(len(names), len(set(names)))
        tags = [tag["name"] for tag in self.document["tags"]]
        shapes = {}
        for method, path, operation in openapi.operations(self.document):
            with self.subTest(method=method, path=path):
                self.assertLessEqual(set(operation["tags"]), set(tags))
                self.assertEqual(re.findall("{(.*?)}", path), [p["name"] for p in operation["parameters"] if p["in"] == "path"])
                where = [(p["in"], p["name"].lower()) for p in operation["parameters"]]
                self.assertEqual(len(where), len(set(where)))
                self.assertEqual(shapes.setdefault(re.sub("{.*?}", "{}", path), path), path)

    def test_every_route_is_in_the_document_and_nothing_else(self):
        routes = {(method, path) for method, path in self.cluster.rows("SELECT method, path FROM telemetry.route")}
        self.assertEqual({(method, path) for method, path, _ in openapi.operations(self.document)}, routes)
        self.assertEqual(self.cluster.execute("SELECT method, path FROM telemetry.route WHERE documentation IS NULL"), "")

    def test_the_table_has_the_routes_that_are_compiled_in(self):
        source = (support.ROOT / "proxy" / "src" / "routes" / "route.c").read_text(encoding="utf-8")
        listed = source[source.index("static const Route routes[] = {"):source.index("#define ROUTE_COUNT")]
        found = set()
        for path, method in re.findall(r"^\t\{\{(.*?)\}, TL_METHOD_([A-Z]+), \w+\},$", listed, re.M):
            path = path.replace("API", '"api", "v1", "telemetry"')
            found.add((method, "/" + "/".join("{}" if name == "*" else name for name in re.findall('"(.*?)"', path))))
        self.assertEqual(len(found), listed.count("TL_METHOD_"))
        self.assertEqual(found, {(method, path) for method, path in self.cluster.rows(
            "SELECT method, telemetry.route_shape(path) FROM telemetry.route WHERE compiled")})

    def test_each_example_is_as_its_schema_says(self):
        for method, path, operation in openapi.operations(self.document):
            with self.subTest(method=method, path=path):
                content = [*operation.get("requestBody", {}).get("content", {}).values()]
                for response in operation["responses"].values():
                    content += openapi.resolve(self.document, response).get("content", {}).values()
                for part in [*content, *operation["parameters"]]:
                    if "example" in part:
                        self.assertEqual(openapi.faults(self.document, part["schema"], part["example"]), [])
                if "application/json" in operation.get("requestBody", {}).get("content", {}):
                    self.assertIsNotNone(self.example(operation))
                for parameter in operation["parameters"]:
                    if parameter["in"] != "header" or parameter["required"]:
                        self.assertIn("example", parameter)

    def send_example(self, method, path, operation, **changed):
        return self.proxy.request(method, self.url(path, operation, **changed), self.example(operation), headers=self.headers(operation))

    def test_each_route_answers_its_example_as_it_says(self):
        # A receipt, and events to be found.
        for method, path, operation in openapi.operations(self.document):
            if method == "POST":
                self.make_world(method, path)
                self.send_example(method, path, operation)
        for method, path, operation in openapi.operations(self.document):
            with self.subTest(method=method, path=path):
                self.make_world(method, path)
                answer = self.send_example(method, path, operation)
                self.assertEqual(self.check(operation, answer, "its example", lambda status: status < 300), [])

    def test_each_parameter_of_a_query_is_taken(self):
        for method, path, operation in openapi.operations(self.document):
            for parameter in operation["parameters"]:
                if parameter["in"] != "query":
                    continue
                within = WITH_LIMIT.get(parameter["name"], {})
                with self.subTest(method=method, path=path, parameter=parameter["name"]):
                    answer = self.send_example(method, path, operation, **{parameter["name"]: parameter["example"]})
                    faults = self.check(operation, answer, "its example", lambda status: status < 300 or path.endswith("{batch_id}"))
                    schema = parameter["schema"]
                    # It is read, too: what it cannot be is refused.
                    if schema["type"] != "string" or "enum" in schema or "format" in schema:
                        answer = self.send_example(method, path, operation, **{parameter["name"]: "nonsense"})
                        faults += self.check(operation, answer, "nonsense", lambda status: status == 400)
                    for bound, beyond in (("minimum", -1), ("maximum", 1)):
                        if bound in schema:
                            answer = self.send_example(method, path, operation, **{**within, parameter["name"]: schema[bound] + beyond})
                            faults += self.check(operation, answer, f"beyond its {bound}", lambda status: status == 400)
                            answer = self.send_example(method, path, operation, **{**within, parameter["name"]: schema[bound]})
                            faults += self.check(operation, answer, f"its {bound}", lambda status: status == 200)
                    self.assertEqual(faults, [])

    def limits(self, schema):
        """Values of a schema that is of texts or of numbers: the last that it takes, and the first that it does not."""
        kinds = schema.get("type", [])
        kinds = {kinds} if isinstance(kinds, str) else set(kinds) - {"null"}
        if kinds == {"string"} and "maxLength" in schema and not {"enum", "format", "pattern", "contentMediaType"} & set(schema):
            yield "x" * schema["maxLength"], "x" * (schema["maxLength"] + 1)
            if schema.get("minLength"):
                yield "x" * schema["minLength"], ""
        elif kinds in ({"integer"}, {"number"}):
            for bound, beyond in (("minimum", -1), ("maximum", 1)):
                if bound in schema:
                    yield schema[bound], schema[bound] + beyond

    @staticmethod
    def took_all(answer):
        """Whether nothing was refused, not even one of many."""
        return answer.status < 300 and not any(answer.json.get(name) for name in ("failed_count", "rejected"))

    def test_each_limit_is_where_it_is_declared(self):
        asked = 0
        for method, path, operation in openapi.operations(self.document):
            if method == "GET":
                continue
            requests = []
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and method != "DELETE":
                    requests += [(parameter["name"], [(self.url(path, operation, **{parameter["name"]: value}), self.example(operation)) for value in pair])
                                 for pair in self.limits(parameter["schema"]) if pair[1] != ""]
            example = self.example(operation)
            if isinstance(example, dict):
                schema = resolve_object(self.document, operation["requestBody"]["content"]["application/json"]["schema"])
                for name in set(example) & set(schema.get("properties", {})):
                    requests += [(name, [(self.url(path, operation), {**example, **WITH_LIMIT.get(name, {}), name: value}) for value in pair])
                                 for pair in self.limits(openapi.resolve(self.document, schema["properties"][name]))]
            with self.subTest(method=method, path=path):
                faults = []
                for name, pair in requests:
                    for (url, body), is_taken in zip(pair, (True, False)):
                        self.make_world(method, path)
                        answer = self.proxy.request(method, url, body, headers=self.headers(operation))
                        faults += self.check(operation, answer, f"limit of {name}", lambda status: status < 500)
                        if self.took_all(answer) != is_taken:
                            faults.append(f"limit of {name}: {answer!r}")
                        asked += 1
                self.assertEqual(faults, [])
        self.assertGreater(asked, 50)

    def bad_requests(self, path, operation):
        """(what is wrong, address, body, headers)"""
        headers = self.headers(operation)
        example = self.example(operation)
        url = self.url(path, operation)
        for parameter in operation["parameters"]:
            for value in ODD_TEXTS:
                name = parameter["name"]
                if parameter["in"] == "header":
                    if value.isascii():
                        yield f"{name}: {value[:20]}", url, example, {**headers, name: value}
                elif parameter["in"] == "query" or value != "":
                    yield f"{name}={value[:20]}", self.url(path, operation, **{name: value}), example, headers
        for name in headers:
            yield f"no {name}", url, example, {}
        yield "a query that cannot be read", url + ("&" if "?" in url else "?") + "a=%zz", example, headers
        if example is None:
            return
        for text in ("", "{", "null", "1", '"text"', "[]", "{}", DEEP, '{"a": %s}' % DEEP, '{"a": 1e400}', '{"a": "\\u0000"}', "\x00", '{"a": %s}' % ("9" * 5000)):
            yield f"body {text[:20]}", url, text, headers
        yield "a form", url, example, {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        yield "unknown compression", url, example, {**headers, "Content-Encoding": "br"}
        yield "not compressed", url, example, {**headers, "Content-Encoding": "gzip"}
        if isinstance(example, dict):
            yield "another member", url, {**example, "no_such_member": 1}, headers
            for name in example:
                yield f"without {name}", url, {key: value for key, value in example.items() if key != name}, headers
                for value in ODD_VALUES:
                    yield f"{name} {json.dumps(value)[:20]}", url, {**example, name: value}, headers
                inner = example[name][0] if isinstance(example[name], list) and example[name] else example[name]
                for key in inner if isinstance(inner, dict) else ():
                    for value in ODD_VALUES:
                        changed = {**inner, key: value}
                        yield (f"{name}.{key} {json.dumps(value)[:20]}", url,
                               {**example, name: [changed] if isinstance(example[name], list) else changed}, headers)

    def test_nothing_that_is_wrong_is_answered_in_a_way_that_is_not_declared(self):
        asked = 0
        with_connection = self.proxy.connect()
        self.addCleanup(with_connection.close)
        for method, path, operation in openapi.operations(self.document):
            with self.subTest(method=method, path=path):
                faults = []
                for said, url, body, headers in self.bad_requests(path, operation):
                    answer = self.proxy.request(method, url, body, headers=headers, connection=with_connection)
                    faults += self.check(operation, answer, said, lambda status: status not in (500, 503))
                    asked += 1
                self.assertEqual(faults, [])
        self.assertGreater(asked, 1000)
        self.assertEqual(self.cluster.value("SELECT count(*) > 0 FROM telemetry.route"), "t")


def resolve_object(document, schema):
    """The schema of an object; of several that may be, the first."""
    schema = openapi.resolve(document, schema)
    return resolve_object(document, schema["anyOf"][0]) if "anyOf" in schema else schema


class Page(html.parser.HTMLParser):
    """What is in a page; a tag that is not closed is an error."""

    VOID = {"meta", "br", "link", "img"}

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.open = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()

    def handle_data(self, data):
        self.text += data


class DocsTest(support.SharedProxyTestCase):

    def test_the_page_has_every_route_and_needs_nothing_else(self):
        answer = self.proxy.get("/docs")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        self.assertNotIn("script-src", answer.headers["Content-Security-Policy"])
        text = answer.body.decode()
        page = Page(text)
        self.assertEqual(page.open, [])
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        self.assertEqual(len(ids), len(set(ids)))
        document = self.proxy.get("/openapi.json").json
        self.assertLessEqual({operation["operationId"] for _, _, operation in openapi.operations(document)}, set(ids))
        for tag, attributes in page.tags:
            self.assertNotIn(tag, ("script", "img", "iframe", "object", "form", "base", "link"))
            self.assertFalse([name for name in attributes if name.startswith("on") or name in ("src", "style")], attributes)
            if "href" in attributes:
                target = attributes["href"]
                self.assertTrue(target == "openapi.json" or target.startswith("#") and urllib.parse.unquote(target[1:]) in map(urllib.parse.unquote, ids), target)
        style = re.search("<style>(.*)</style>", text, re.S).group(1)
        self.assertNotRegex(style, r"url\(|@import")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self.assertIn(f"'sha256-{digest}'", [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a][0])
        # The proxy's role may keep them.
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.openapi_state WHERE version <> ''"), "2")

    def test_what_a_route_says_of_itself_is_text(self):
        evil = "\"'><script>alert(1)</script>&amp;"
        self.cluster.execute(
            "INSERT INTO telemetry.route (method, path, description, dialect, function, documentation)"
            f" VALUES ('POST', '/mine/{{id}}', {quote(evil)}, 'telemetry', 'telemetry.http_health(jsonb, jsonb)', {quote(json.dumps(documentation(evil)))})")
        self.addCleanup(self.cluster.execute, "DELETE FROM telemetry.route WHERE path = '/mine/{id}'")
        text = self.proxy.get("/docs").body.decode()
        page = Page(text)
        self.assertNotIn("<script", text)
        self.assertNotIn("script", [tag for tag, _ in page.tags])
        self.assertGreater(page.text.count(evil), 8)


def documentation(evil):
    schema = {"type": "object", "description": evil, "properties": {evil: {"type": "string", "enum": [evil], "description": evil}, "b": {"type": evil, "format": evil, "default": evil}}}
    return {"summary": evil, "description": evil, "tag": evil,
            "parameters": [{"name": "id", "in": "path", "description": evil, "example": evil, "schema": schema}],
            "request": {"schema": schema, "example": {evil: evil}},
            "responses": {"200": {"description": evil, "schema": schema, "example": evil, "content_type": evil}, "404": evil}}


def quote(text):
    return "'" + text.replace("'", "''") + "'"
