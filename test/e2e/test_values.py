"""Values of every kind by every way in are read back bit for bit, whatever is done to their blocks.

What comes back is compared with a dict and with wire forms that are computed here, so that the
extension is not its own witness.
"""

import base64
import collections
import dataclasses
import datetime
import decimal
import json
import math
import random
import reprlib
import struct
import unittest

import support

# {seed: (telemetry.mixed_block_points, format of COPY out)}: blocks of whole days, of single series, of both sorts.
SEEDS = {1: (131072, "text"), 2: (0, "csv"), 3: (50, "binary")}
RANDOM_POINTS = 60    # of each round, beside every awkward value
NUMBER, TEXT, BOOLEAN, JSON, POSITION, BYTES = range(1, 7)    # as the wire form begins

DEVICES = ("d1", "\\N", "NULL", 'ü ,"\'')
METRICS = ("m", "\\.", "%")
UNITS = (None, None, "V", "°C", "", "\\N", "\\.", "NULL", "\\t")
OBJECTS = (None, None, "{}", '{"a": "b"}', '{"": "ü", "x": [1, 2.50, {"y": null}]}')
EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)    # of times in COPY BINARY
STEPS = tuple(datetime.timedelta(**{unit: 1}) for unit in ("microseconds", "minutes", "hours"))
START = datetime.datetime(2024, 2, 28, tzinfo=datetime.timezone.utc)
COLUMNS = "telemetry.point (device_id, metric, ts, value, unit, tags, metadata)"

AWKWARD = (
    *((NUMBER, number) for number in (
        0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, -5e-324, 2.2250738585072014e-308,
        1.7976931348623157e308, 2.0**53, 2.0**53 + 2, 1e22, 1e23, 0.1, 1 / 3)),
    *((TEXT, text) for text in (
        "", "NaN", "null", "true", "-0", "\\", "\\N", "\\.", '"', "'", " ", "\t\r\n\b\f\x01\x1f\x7f", "é€😀",
        "\u2028\ufeff\u0301", '{"$geo":[1,2]}', "x" * 127, "x" * 4096, "long " * 14000)),
    (BOOLEAN, True), (BOOLEAN, False),
    *((JSON, text) for text in (
        "[]", "{}", "[null, true, 1, 1.00, 0.00000000000000000001]", '{"": {"é\\n": "\\\\N"}}',
        '{"n": -12345.678901234567890123}', f"[{10**30}]")),
    *((POSITION, degrees) for degrees in (
        (0.0, 0.0), (-0.0, -0.0), (90.0, 180.0), (-90.0, -180.0, -0.0), (52.5, 5e-324, 1e300))),
    *((BYTES, content) for content in (b"", b"\0", b"\\N\n", bytes(range(256)) * 20)),
)


@dataclasses.dataclass(frozen=True)
class Value:
    """One value; of JSON the content is its text, of a position two or three numbers."""

    kind: int
    content: object

    def as_text(self):
        """What COPY takes as text: JSON, and three words more."""
        if self.kind == NUMBER:
            return json.dumps(self.content)
        if self.kind == JSON:
            return self.content
        if self.kind == POSITION:
            return json.dumps({"$geo": self.content})
        if self.kind == BYTES:
            return json.dumps({"$binary": base64.b64encode(self.content).decode()})
        return json.dumps(self.content, ensure_ascii=False)

    def as_sql(self):
        """An expression that casts from the type of the kind."""
        if self.kind == POSITION:
            return "telemetry.geo({})".format(", ".join(f"'{number}'" for number in self.content))
        content = f"\\x{self.content.hex()}" if self.kind == BYTES else str(self.content)
        name = {NUMBER: "float8", TEXT: "text", BOOLEAN: "boolean", JSON: "jsonb", BYTES: "bytea"}[self.kind]
        return f"{quote(content)}::{name}::telemetry.value"

    def as_wire(self):
        """What COPY BINARY takes and gives."""
        if self.kind == NUMBER:
            content = struct.pack(">d", self.content)
        elif self.kind == BOOLEAN:
            content = bytes([self.content])
        elif self.kind == POSITION:
            content = struct.pack(f">{len(self.content)}d", *self.content)
        else:
            content = self.content if self.kind == BYTES else self.content.encode()
        return bytes([self.kind]) + content


Point = collections.namedtuple("Point", "device metric time value unit tags metadata")


def random_value(rng):
    text = "".join(rng.choices("ab\"\\\n\t\r\x01é€😀,'{}$/", k=rng.randrange(12)))
    return Value(*rng.choice((
        (NUMBER, round(rng.gauss(20, 1), 1)), (NUMBER, float(rng.randrange(-10**17, 10**17))),
        (NUMBER, rng.uniform(-1, 1) * 10.0**rng.randrange(-300, 300)), (NUMBER, math.ldexp(rng.random(), -1040)),
        (TEXT, text), (BOOLEAN, rng.random() < 0.5), (JSON, json.dumps({text: [text, rng.randrange(100)]})),
        (POSITION, (rng.uniform(-90, 90), rng.uniform(-180, 180), rng.uniform(-100, 9000))[:rng.choice((2, 3))]),
        (BYTES, rng.randbytes(rng.choice((1, 2, 3, 16, 300, 5000)))))))


def random_points(rng):
    """In the order in which they are sent; the awkward ones come last, so that each is stored."""
    values = [random_value(rng) for _ in range(RANDOM_POINTS)] + [Value(*value) for value in AWKWARD]
    keys = [(device, metric, START + number * step) for device in DEVICES for metric in METRICS
            for step in STEPS for number in range(1, 15)]
    keys = rng.choices(keys, k=RANDOM_POINTS) + rng.sample(keys, len(AWKWARD))
    return [Point(*key, value, rng.choice(UNITS), rng.choice(OBJECTS), rng.choice(OBJECTS))
            for key, value in zip(keys, values)]


def quote(text):
    """A literal of SQL; NULL for None."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def by_value(text):
    """A text that is the same for JSON that means the same: members in order, numbers with their digits."""
    return repr(json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal,
                           object_pairs_hook=lambda members: tuple(sorted(members))))


def text_fields(point):
    return (point.device, point.metric, point.time.isoformat(), point.value.as_text(), *point[4:])


def copy_text(cluster, points):
    escapes = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}
    cluster.copy_in(COLUMNS, "".join("\t".join(
        "\\N" if text is None else text.translate(escapes) for text in text_fields(point)) + "\n" for point in points))


def copy_csv(cluster, points):
    cluster.copy_in(COLUMNS, "".join(",".join(
        "" if text is None else '"' + text.replace('"', '""') + '"' for text in text_fields(point)) + "\n"
                                     for point in points), "(FORMAT csv)")


def copy_binary(cluster, points):
    def field(content, version=b""):
        if content is None:
            return struct.pack(">i", -1)
        content = version + (content.encode() if isinstance(content, str) else content)
        return struct.pack(">i", len(content)) + content

    rows = (b"".join((
        struct.pack(">h", 7), field(point.device), field(point.metric),
        field(struct.pack(">q", (point.time - EPOCH) // datetime.timedelta(microseconds=1))),
        field(point.value.as_wire()), field(point.unit), field(point.tags, b"\1"), field(point.metadata, b"\1")))
            for point in points)
    cluster.copy_in(COLUMNS, b"".join((b"PGCOPY\n\xff\r\n\0", bytes(8), *rows, struct.pack(">h", -1))),
                    "(FORMAT binary)")


def insert(cluster, points):
    cluster.execute(f"INSERT INTO {COLUMNS} VALUES " + ", ".join(
        "({}, {}, {}, {}, {}, {}, {})".format(
            *map(quote, (point.device, point.metric, point.time.isoformat())), point.value.as_sql(),
            *map(quote, point[4:])) for point in points))


def ingest(cluster, points):
    devices = collections.defaultdict(list)
    for point in points:
        devices[point.device].append(
            '{"timestamp": "%s", "metric_name": %s, "value": %s, "unit": %s, "tags": %s, "metadata": %s}' % (
                point.time.isoformat(), json.dumps(point.metric), point.value.as_text(), json.dumps(point.unit),
                point.tags or "null", point.metadata or "null"))
    body = ", ".join(f"{json.dumps(device)}: [{', '.join(texts)}]" for device, texts in devices.items())
    cluster.execute(f"SELECT telemetry.ingest({quote('{' + body + '}')})")


class ValuesTest(support.SharedClusterTestCase):
    settings = {"fsync": "off"}

    def setUp(self):
        super().setUp()
        self.model = {}    # {(device, metric, time): (wire form, unit, tags, metadata)}, JSON by value

    def put(self, way, points):
        if way is ingest:    # JSON lacks such numbers
            points = [point for point in points if point.value.kind != NUMBER or math.isfinite(point.value.content)]
        way(self.cluster, points)
        for point in points:
            kind, content = dataclasses.astuple(point.value)
            # Positions have no negative zero, nor have the numbers of jsonb.
            if kind == POSITION:
                content = tuple(number + 0.0 for number in content)
            elif kind == NUMBER and way is ingest:
                content += 0.0
            self.model[point[:3]] = (
                by_value(content) if kind == JSON else Value(kind, content).as_wire(), point.unit,
                *(text and by_value(text) for text in (point.tags, point.metadata)))

    def stored(self):
        """What is in the table, in the form of the model."""
        found = {}
        for *key, time, wire, number, unit, tags, metadata in self.cluster.rows("""
                SELECT device_id, metric, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
                    encode(telemetry.value_send(value), 'hex'), encode(float8send(num), 'hex'),
                    to_jsonb(unit), tags, metadata
                FROM telemetry.point"""):
            wire = bytes.fromhex(wire)
            self.assertEqual(number, wire[1:].hex() if wire[0] == NUMBER else "", "num")
            key = (*key, datetime.datetime.fromisoformat(time))
            self.assertNotIn(key, found, "a key is stored twice")
            found[key] = (by_value(wire[1:].decode()) if wire[0] == JSON else wire, json.loads(unit or "null"),
                          *(by_value(text) if text else None for text in (tags, metadata)))
        return found

    def assert_as_the_model(self, what):
        found = self.stored()
        # assertEqual of dicts would compare long values letter by letter.
        wrong = [key for key in sorted(found.keys() | self.model) if found.get(key) != self.model.get(key)]
        if wrong:
            self.fail(f"after {what} {len(wrong)} points are wrong: of {wrong[0]} there is "
                      f"{reprlib.repr(found.get(wrong[0]))} and not {reprlib.repr(self.model.get(wrong[0]))}")

    def leave(self, *_):
        """Lets them be read as they were written."""

    def roll_up(self, *_):
        self.cluster.execute("CALL telemetry.run_jobs('roll_up')")

    def compact(self, *_):
        self.cluster.execute("CALL telemetry.compact()")

    def delete(self, rng, _copy_format):
        """Some hours of a device, of one metric or of all: one point at least."""
        device, metric, begin = rng.choice(sorted(self.model))
        metric = rng.choice((None, metric))
        end = begin + datetime.timedelta(hours=rng.randrange(1, 12))
        gone = [key for key in self.model if key[0] == device and metric in (None, key[1]) and begin <= key[2] < end]
        count = self.cluster.value("SELECT telemetry.delete_points({}, {}, {}, {})".format(
            *map(quote, (device, metric, begin.isoformat(), end.isoformat()))))
        self.assertEqual(int(count), len(gone))
        for key in gone:
            del self.model[key]

    def copy_out_and_in(self, _rng, copy_format):
        options = f"(FORMAT {copy_format})"
        data = self.cluster.copy_out(
            "SELECT device_id, metric, ts, value, unit, tags, metadata FROM telemetry.point", options)
        self.assertEqual(self.delete_all(), len(self.model))
        self.cluster.copy_in(COLUMNS, data, options)

    def delete_all(self):
        """Returns how many there were."""
        return int(self.cluster.value(
            "SELECT coalesce(sum(telemetry.delete_points(device_id, NULL, NULL, NULL)), 0) "
            "FROM (SELECT DISTINCT device_id FROM telemetry.point) AS d"))

    def check(self, rng, copy_format):
        """Each way in, and between them whatever moves points; what was there before stays."""
        self.delete_all()
        self.model = {}
        ways = [copy_text, copy_csv, copy_binary, insert, ingest]
        steps = [self.leave, self.roll_up, self.compact, self.delete, self.copy_out_and_in]
        rng.shuffle(ways)
        rng.shuffle(steps)
        for way, step in zip(ways, steps):
            self.put(way, random_points(rng))
            step(rng, copy_format)
            self.assert_as_the_model(f"{way.__name__} and {step.__name__}")
        self.assertEqual(self.cluster.rows("SELECT * FROM telemetry.audit_rollups()"), [])

    def test_values_of_all_kinds_by_every_way_in_are_read_back_bit_for_bit_after_every_step(self):
        for seed, (mixed_block_points, copy_format) in SEEDS.items():
            with self.subTest(f"seed {seed}"):
                self.cluster.execute(f"ALTER DATABASE telemetry SET telemetry.mixed_block_points = {mixed_block_points}")
                self.cluster.disconnect()
                self.check(random.Random(seed), copy_format)


if __name__ == "__main__":
    unittest.main()
