"""Answers that are sent while they are made: whole or told to be cut, in bounded memory, at the reader's pace."""

import gzip
import hashlib
import http.client
import pathlib
import random
import socket
import time
import zlib

import support

ROUTES = """
    INSERT INTO telemetry.dialect (name, description) VALUES ('stream', 'For these tests.');
    -- n lines, each of so many bytes and its number.
    CREATE FUNCTION lines(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE AS $$
        SELECT (params ->> 'status')::integer, params ->> 'type', lpad(i || E'\\n', (params ->> 'bytes')::integer, '.')
        FROM (SELECT generate_series(1, (params ->> 'n')::integer) AS i) AS n $$;
    -- The same at once.
    CREATE FUNCTION whole(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE AS $$
        SELECT (params ->> 'status')::integer, to_jsonb(string_agg(lpad(i || E'\\n', (params ->> 'bytes')::integer, '.'), '' ORDER BY i)), params ->> 'type'
        FROM generate_series(1, (params ->> 'n')::integer) AS i $$;
    CREATE FUNCTION breaks(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE AS $$
        SELECT 200, NULL, repeat('x', 1000) || 1 / ((params ->> 'at')::integer - i) FROM (SELECT generate_series(1, 100000) AS i) AS n $$;
    INSERT INTO telemetry.route (method, path, description, dialect, function, params)
    SELECT 'GET', '/' || f || '/{n}/{bytes}', 'For these tests.', 'stream', 'public.' || f || '(jsonb, jsonb)',
        '{"status": 200, "type": "text/csv; charset=utf-8"}'
    FROM unnest('{lines,whole}'::text[]) AS f;
    INSERT INTO telemetry.route (method, path, description, dialect, function, params) VALUES
        ('GET', '/breaks/{at}', 'For these tests.', 'stream', 'public.breaks(jsonb, jsonb)', '{}'),
        ('GET', '/nothing/{n}/{bytes}', 'For these tests.', 'stream', 'public.lines(jsonb, jsonb)', '{"status": 204}'),
        ('GET', '/strange/{n}/{bytes}', 'For these tests.', 'stream', 'public.lines(jsonb, jsonb)', '{"status": 17}');
"""

MEGA = 1024 * 1024


def lines(n, size):
    return b"".join(f"{i}\n".encode().rjust(size, b".")[:size] for i in range(1, n + 1))


def memory(proxy):
    """Bytes that the proxy has ever had in memory at once, since the mark was last reset."""
    status = pathlib.Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


# What a sanitizer or valgrind keeps is not the proxy's.
MEMORY_IS_ITS_OWN = not support.PROXY_WRAPPER and b"__asan_init" not in pathlib.Path(support.PROXY).read_bytes()


def reset_memory(proxy):
    pathlib.Path(f"/proc/{proxy.process.pid}/clear_refs").write_text("5")


class StreamingTestCase(support.TestCase):
    options = ()

    def setUp(self):
        self.cluster = self.start_cluster(fsync="off")
        self.cluster.execute(ROUTES)
        self.proxy = self.start_proxy(self.cluster, *self.options)

    def backends(self, text="http_parts"):
        """How many backends run a statement of these words."""
        return int(self.cluster.value(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
            f"AND state = 'active' AND query LIKE '%{text}%'"))

    def ask(self, path, headers=""):
        wire = self.proxy.wire()
        self.addCleanup(wire.close)
        wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        return wire


class WholeTest(StreamingTestCase):
    def test_answers_of_any_length_come_whole_and_alike_however_they_are_made(self):
        """Around the sizes at which parts end; on one connection, so that each ends where the next begins."""
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for n, size in ((1, 2), (1, 65535), (1, 65536), (1, 65537), (2, 32768), (3, 65536), (70, 1000), (20, 100_000), (100_000, 20)):
            for path in (f"/lines/{n}/{size}", f"/whole/{n}/{size}"):
                for headers in ({}, {"Accept-Encoding": "gzip"}):
                    with self.subTest(path=path, headers=headers):
                        answer = self.proxy.get(path, headers=headers, connection=connection)
                        body = answer.body
                        if headers and n * size >= 1024:
                            self.assertEqual(answer.headers["Content-Encoding"], "gzip")
                            body = gzip.decompress(body)
                        self.assertEqual(answer.status, 200)
                        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
                        self.assertEqual(hashlib.md5(body).hexdigest(), hashlib.md5(lines(n, size)).hexdigest())
                        # What fits in one part has a length, and a tag; what does not is in chunks.
                        self.assertEqual("Content-Length" in answer.headers, n * size <= 65536)
                        self.assertEqual("ETag" in answer.headers, n * size <= 65536)

    def test_who_takes_gzip_gets_it_and_nobody_else(self):
        for value, wanted in (("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("GZIP", True), ("deflate, *;q=0.1", True),
                              ("gzip;q=0", False), ("gzip; q=0.000", False), ("identity", False), ("", False), ("xgzip", False), ("*;q=0", False),
                              ("*;q=0, gzip", True), ("gzip;q=0, *", False)):
            for path in ("/lines/100/1000", "/lines/10/1000"):
                with self.subTest(value=value, path=path):
                    answer = self.proxy.get(path, headers={"Accept-Encoding": value})
                    self.assertEqual(answer.headers.get("Content-Encoding") == "gzip", wanted)
                    self.assertEqual(answer.headers["Vary"], "Accept-Encoding")

    def test_old_clients_get_the_end_by_the_end_of_the_connection(self):
        wire = self.proxy.wire()
        self.addCleanup(wire.close)
        wire.send(b"GET /lines/3/100000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = wire.response("GET")
        self.assertNotIn("Transfer-Encoding", answer.headers)
        self.assertEqual(answer.headers["Connection"], "close")
        self.assertEqual(answer.body, lines(3, 100000))

    def test_head_has_no_body_and_the_connection_goes_on(self):
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for path, length in (("/lines/1/500", "500"), ("/lines/1000000/1000", None), ("/whole/10/1000", "10000")):
            answer = self.proxy.request("HEAD", path, connection=connection)
            self.assertEqual((answer.status, answer.body, answer.headers["Content-Length"]), (200, b"", length))
        self.assertEqual(self.proxy.get("/lines/1/500", connection=connection).body, lines(1, 500))
        support.wait_until(lambda: self.backends() == 0, 10, "what nobody reads to be cancelled")

    def test_an_answer_without_body_stays_without(self):
        connection = self.proxy.connect()
        self.addCleanup(connection.close)
        for path in ("/nothing/1/100", "/nothing/1000/1000"):
            answer = self.proxy.get(path, connection=connection)
            self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(self.proxy.get("/strange/1/100", connection=connection).status, 500)
        self.assertEqual(self.proxy.get("/strange/1000/1000", connection=connection).status, 500)

    def test_what_a_client_has_it_is_not_sent_again(self):
        first = self.proxy.get("/lines/10/1000")
        tag = first.headers["ETag"]
        for value, status in ((tag, 304), (tag[2:], 304), (f'"x", {tag}', 304), ("*", 304), ('"x"', 200), (tag[:-2] + '"', 200),
                              ('"a, ' + tag[3:-1] + '"', 200)):
            answer = self.proxy.get("/lines/10/1000", headers={"If-None-Match": value})
            self.assertEqual((answer.status, answer.headers["ETag"]), (status, tag), value)
            self.assertEqual(answer.body, b"" if status == 304 else first.body)
        self.assertEqual(self.proxy.get("/lines/11/1000", headers={"If-None-Match": tag}).status, 200)

    def test_the_tag_that_counts_is_that_of_the_request(self):
        """Also when others have come between the request and its answer."""
        self.cluster.execute("""CREATE FUNCTION later(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE plpgsql STABLE AS $$
                BEGIN PERFORM pg_sleep(0.2); RETURN (200, '{"a": 1}'::jsonb, NULL)::telemetry.http_response; END $$;
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/later', 'For this test.', 'stream', 'public.later(jsonb, jsonb)')""")
        support.wait_until(lambda: self.proxy.get("/later").status == 200, 10, "the route")
        tag = self.proxy.get("/later").headers["ETag"]
        wrong = tag.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
        for value, status in ((tag, 304), (wrong, 200)) * 3:
            other = wrong if value == tag else tag
            wires = [self.ask("/later", f"If-None-Match: {value}\r\n")]
            wires += [self.ask("/nothing", f"If-None-Match: {other}\r\n") for _ in range(8)]
            self.assertEqual(wires[0].response("GET").status, status)
            for wire in wires:
                wire.close()

    def test_an_answer_that_is_known_varies_as_the_whole_one(self):
        first = self.proxy.get("/lines/10/1000")
        again = self.proxy.get("/lines/10/1000", headers={"If-None-Match": first.headers["ETag"]})
        self.assertEqual((again.status, again.headers["Vary"]), (304, first.headers["Vary"]))

    def test_a_content_type_cannot_bring_headers(self):
        self.cluster.execute("""CREATE FUNCTION typed(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE AS $$
                SELECT 200, '"x"'::jsonb, params ->> 'as' $$;
            CREATE FUNCTION typed_parts(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE AS $$
                SELECT 200, params ->> 'as', 'x' $$;
            INSERT INTO telemetry.route (method, path, description, dialect, function)
            SELECT m, '/' || f, 'For this test.', 'stream', 'public.' || f || '(jsonb, jsonb)'
            FROM (VALUES ('GET', 'typed'), ('POST', 'typed'), ('GET', 'typed_parts')) AS v (m, f)""")
        support.wait_until(lambda: self.proxy.get("/typed_parts?as=text/plain").status == 200, 10, "the routes")
        for method, path in (("GET", "/typed"), ("POST", "/typed"), ("GET", "/typed_parts")):
            for kind in ("text/plain%0d%0aX-Evil:%20yes", "text/plain%0a", "text/%01", "text/%c3%a9", "text/" + "x" * 300):
                answer = self.proxy.request(method, f"{path}?as={kind}")
                self.assertEqual((answer.status, answer.headers["X-Evil"]), (500, None), (method, path, kind))
            self.assertEqual(self.proxy.request(method, f"{path}?as=text/plain").headers["Content-Type"], "text/plain")

    def test_pipelined_requests_are_answered_in_their_order(self):
        rng = random.Random(7)
        sizes = [(rng.randrange(1, 4), rng.choice((10, 70_000, 200_000))) for _ in range(20)]
        wire = self.proxy.wire()
        self.addCleanup(wire.close)
        wire.send(b"".join(f"GET /lines/{n}/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n, size in sizes))
        for n, size in sizes:
            self.assertEqual(wire.response("GET").body, lines(n, size))


class BrokenTest(StreamingTestCase):
    options = ("--drain-timeout=3s",)

    def test_an_answer_that_fails_before_it_began_is_an_error(self):
        self.assertGreaterEqual(self.proxy.get("/breaks/5").status, 400)

    def test_an_answer_that_fails_later_is_never_taken_for_whole(self):
        for version, headers in (("1.1", ""), ("1.1", "Accept-Encoding: gzip\r\n"), ("1.0", "")):
            with self.subTest(version=version, headers=headers):
                wire = self.proxy.wire()
                self.addCleanup(wire.close)
                wire.send(f"GET /breaks/20000 HTTP/{version}\r\nHost: x\r\n{headers}\r\n".encode())
                with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                    wire.response("GET")
        self.assertEqual(self.proxy.get("/lines/1/10").status, 200)

    def test_a_server_that_dies_in_the_middle_breaks_the_answer(self):
        wire = self.ask("/lines/5000000/1000")
        support.wait_until(wire.has_answer, 10, "the beginning")
        self.cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%http_parts%' AND pid <> pg_backend_pid()")
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            wire.response("GET")
        support.wait_until(lambda: self.proxy.get("/lines/1/10").status == 200, 10, "another connection")

    def test_a_client_that_leaves_has_its_statement_cancelled(self):
        for leave in (socket.socket.close, support.Wire.reset):
            wire = self.ask("/lines/50000000/1000")
            support.wait_until(wire.has_answer, 10, "the beginning")
            support.wait_until(lambda: self.backends() == 1, 10, "the statement")
            leave(wire) if leave is support.Wire.reset else wire.close()
            support.wait_until(lambda: self.backends() == 0, 10, "the statement to end")

    def test_sigterm_lets_an_answer_end_and_cuts_one_that_does_not(self):
        short = self.ask("/lines/2000/1000")
        support.wait_until(short.has_answer, 10, "the beginning")
        long = self.ask("/lines/50000000/1000")
        support.wait_until(long.has_answer, 10, "the beginning")
        self.proxy.terminate()
        self.assertEqual(len(short.response("GET").body), 2_000_000)
        self.assertEqual(self.proxy.process.wait(30), 0)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            long.response("GET")


class PaceTest(StreamingTestCase):
    options = ("--export-connections=2", "--read-connections=2")

    def read_some(self, wire, size):
        """So many bytes of a body in chunks, as they are on the wire."""
        got = 0
        while got < size:
            got += len(wire.socket.recv(min(65536, size - got)))
        return got

    def test_memory_is_bounded_however_long_the_answer_and_slow_the_reader(self):
        reset_memory(self.proxy)
        before = memory(self.proxy)
        # 2 GB each, of which a little is read: the database waits, and the proxy holds little.
        wires = [self.ask(path, headers) for path in ("/lines/2000000/1000",) for headers in ("", "Accept-Encoding: gzip\r\n")]
        for wire in wires:
            self.read_some(wire, 1000)
        time.sleep(0.5)
        self.read_some(wires[0], 20 * MEGA)
        if MEMORY_IS_ITS_OWN:
            self.assertLess(memory(self.proxy) - before, 8 * MEGA)
        self.assertEqual(self.backends(), 2)

    def test_readers_of_exports_keep_nobody_else_waiting(self):
        wires = [self.ask("/lines/2000000/1000") for _ in range(8)]
        for wire in wires[:2]:
            self.read_some(wire, 1000)
        self.assertEqual(self.proxy.get("/whole/10/1000").status, 200)
        self.assertEqual(self.proxy.post("/api/v1/telemetry/devices/d/telemetry",
                                         {"timestamp": "2026-03-01T00:00:00Z", "metric_name": "m", "value": 1}).status, 200)
        self.assertEqual(self.proxy.get("/health").status, 200)
        # One that has waited goes on when another has left.
        wires[0].close()
        wires[1].close()
        for wire in wires[2:4]:
            self.read_some(wire, 1000)

    def test_slow_readers_make_room_for_those_that_wait_and_nobody_else_does(self):
        slow = [self.ask("/lines/2000000/1000") for _ in range(2)]
        for wire in slow:
            self.read_some(wire, 1000)
        support.wait_until(lambda: self.backends() == 2, 10, "the statements")
        # Nobody waits: they may be as slow as they like.
        time.sleep(12)
        self.assertEqual(self.backends(), 2)
        # The other is read fast all the time.
        fast, cut = slow
        waiting = self.ask("/lines/70/1000")
        end = time.monotonic() + 60 * support.PATIENCE
        while not waiting.has_answer():
            self.assertLess(time.monotonic(), end)
            self.read_some(fast, MEGA)
        self.assertEqual(waiting.response("GET").body, lines(70, 1000))
        self.read_some(fast, MEGA)
        with self.assertRaises(ConnectionResetError):
            while cut.socket.recv(MEGA):
                pass

    def test_a_reader_gets_all_at_its_own_pace(self):
        wire = self.ask("/lines/30000/1000")
        digest = hashlib.md5()
        response = http.client.HTTPResponse(wire, method="GET")
        response.begin()
        rng = random.Random(3)
        total = 0
        while piece := response.read(rng.choice((100, 10_000, 1_000_000))):
            digest.update(piece)
            total += len(piece)
            if rng.random() < 0.1:
                time.sleep(0.01)
        self.assertEqual((total, digest.hexdigest()), (30_000_000, hashlib.md5(lines(30000, 1000)).hexdigest()))

    def test_gzip_in_pieces_is_one_stream(self):
        wire = self.ask("/lines/300000/100", "Accept-Encoding: gzip\r\n")
        response = http.client.HTTPResponse(wire, method="GET")
        response.begin()
        reader = zlib.decompressobj(31)
        digest = hashlib.md5()
        while piece := response.read(5000):
            digest.update(reader.decompress(piece))
        self.assertTrue(reader.eof)
        self.assertEqual(digest.hexdigest(), hashlib.md5(lines(300000, 100)).hexdigest())


class LimitsTest(StreamingTestCase):
    options = ("--write-timeout=1s", "--request-timeout=1s", "--answer-timeout=6s")

    def test_one_who_takes_nothing_is_cut_off(self):
        wire = self.ask("/lines/5000000/1000")
        support.wait_until(wire.has_answer, 10, "the beginning")
        support.wait_until(lambda: self.backends() == 0, 20, "the statement to end")
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            wire.response("GET")

    def test_one_who_takes_some_goes_on_beyond_the_time_of_a_request_but_not_for_ever(self):
        wire = self.ask("/lines/50000000/1000")
        begin = time.monotonic()
        with self.assertRaises(ConnectionError):
            while time.monotonic() < begin + 30 * support.PATIENCE:
                if wire.socket.recv(200_000) == b"":
                    raise ConnectionError
                time.sleep(0.05)
        self.assertGreater(time.monotonic() - begin, 3)
        support.wait_until(lambda: self.backends() == 0, 10, "the statement to end")

    def test_what_is_slow_to_begin_is_503(self):
        self.cluster.execute("""CREATE FUNCTION sleeps(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql AS
                $$ SELECT 200, NULL, 'x' FROM pg_sleep(60) $$;
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/sleeps', 'For this test.', 'stream', 'public.sleeps(jsonb, jsonb)')""")
        support.wait_until(lambda: self.proxy.get("/sleeps").status == 503, 20, "the route")
        support.wait_until(lambda: self.backends() == 0, 10, "the statement to end")


class BufferedTest(StreamingTestCase):
    options = ("--max-body=4MB", "--max-buffered=16MB", "--read-timeout=30s")

    def test_bodies_that_do_not_come_are_given_up_when_there_are_too_many(self):
        reset_memory(self.proxy)
        before = memory(self.proxy)
        head = (b"POST /api/v1/telemetry/bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 4000000\r\n\r\n")
        wires = []
        for _ in range(40):
            wire = self.proxy.wire()
            self.addCleanup(wire.close)
            wires.append(wire)
            wire.socket.settimeout(1)
            try:
                wire.send(head + b" " * 3_000_000)
            except OSError:
                pass
        self.assertEqual(self.proxy.post("/api/v1/telemetry/devices/d/telemetry",
                                         {"timestamp": "2026-03-01T00:00:00Z", "metric_name": "m", "value": 1}).status, 200)
        if MEMORY_IS_ITS_OWN:
            self.assertLess(memory(self.proxy) - before, 64 * MEGA)
        support.wait_until(lambda: sum(wire.has_answer() for wire in wires) > 20, 20, "most of them to be given up")
        self.assertEqual(self.proxy.get("/health").status, 200)
