"""HTTP to the byte, directly and through nginx and HAProxy: the files wire_*.py have what is sent.

The number of answers and the requests that have an effect are what RFC 9112 says; whatever is
refused ends its connection; and two parties never see different requests.
"""

import json
import re
import select
import shutil
import socket
import unittest

import certificates
import fronts
import support
import tls_socket
import wire_bodies
import wire_cases
import wire_heads

# The request behind all others, which ends its connection.
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SENTINEL_STATUS = 404


class Answer:
    """One answer of a stream."""

    def __init__(self, status, headers=None, body=b""):
        self.status = status
        self.headers = headers or {}
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"

    def detail(self):
        """The reason of a refusal; None if there is none of our kind."""
        try:
            return json.loads(self.body)["detail"]
        except (ValueError, KeyError, TypeError):
            return None

    def device(self):
        """Whose point was stored, by this answer."""
        if self.status != 200:
            return None
        try:
            return json.loads(self.body).get("device_id")
        except (ValueError, AttributeError):
            return None


def _body_of_chunks(data):
    body, rest = b"", data
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            return body, rest.partition(b"\r\n")[2]
        body, rest = body + rest[:size], rest[size + 2:]


def answers_of(stream, heads):
    """All answers of a stream; what is none, or has no end, is one with status 0."""
    answers = []
    final = 0
    while stream:
        head, end, rest = stream.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.[01] (\d{3})[ \r]", head + b"\r")
        if not end or not match:
            return answers + [Answer(0, body=stream)]
        status = int(match[1])
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status < 200:
            answers.append(Answer(status, headers))
            stream = rest
            continue
        if final in heads or status in (204, 304):
            body, stream = b"", rest
        elif headers.get("transfer-encoding") == "chunked":
            body, stream = _body_of_chunks(rest)
        else:
            length = int(headers.get("content-length", len(rest)))
            body, stream = rest[:length], rest[length:]
            if len(body) < length:
                return answers + [Answer(0, headers, rest)]
        answers.append(Answer(status, headers, body))
        final += 1
    return answers


def fits(wanted, got):
    """Whether statuses are those wanted; sets are any of these, and None is none."""
    if not wanted:
        return not got
    first = wanted[0] if isinstance(wanted[0], set) else {wanted[0]}
    return (None in first and fits(wanted[1:], got)) or (bool(got) and got[0] in first and fits(wanted[1:], got[1:]))


class Stream:
    """What came in answer to a case."""

    PATIENCE = 5 * support.PATIENCE

    def __init__(self, connect, case, number):
        self.data = b""
        self.hung = False
        with connect(self.PATIENCE) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._send(wire, case, number)
            except OSError:
                pass    # it may have been refused before the last byte
            if case.end == "close":
                return
            self._read(wire)

    def _send(self, wire, case, number):
        parts = case.parts(number)
        if case.end == "sentinel":
            if parts[-1] is wire_cases.WAIT or len(parts) > 1:
                parts.append(SENTINEL)
            else:
                parts[-1] += SENTINEL
        for part in parts:
            if part is wire_cases.WAIT:
                if select.select([wire], [], [], self.PATIENCE)[0]:
                    self.data += wire.recv(65536)
            else:
                wire.sendall(part)
        if case.end == "finish":
            wire.shutdown(socket.SHUT_WR)

    def _read(self, wire):
        """Until the other side ends it; should it wait for more, it hears that there is none."""
        wire.settimeout(1 * support.PATIENCE)
        while True:
            try:
                data = wire.recv(65536)
            except TimeoutError:
                if self.hung:
                    return
                self.hung = True
                try:
                    wire.shutdown(socket.SHUT_WR)
                except OSError:
                    return
                continue
            except OSError:
                return
            if not data:
                return
            self.data += data


class WireTestCase(support.SharedProxyTestCase):
    """Each case of a table, and then what is stored."""

    settings = {"fsync": "off"}
    # One connection to the database: what was sent last is stored last.
    options = (f"--max-body={wire_cases.MAX_BODY}B", f"--max-headers={wire_cases.MAX_HEADERS}B", "--connections=1")
    way = None

    @property
    def port(self):
        return self.proxy.port

    def connect(self, timeout):
        """A client's connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def run_cases(self, table):
        cases = [(number, case) for number, case in enumerate(table, 1) if self.way in case.ways]
        streams = {}
        for number, case in cases:
            with self.subTest(case.name):
                stream = Stream(self.connect, case, number)
                answers = answers_of(stream.data, case.heads)
                streams[number] = answers
                self.check_answers(case, stream, answers)
                self.check_others(number)
        self.settle()
        stored = {}
        for (device,) in self.cluster.rows("SELECT device_id FROM telemetry.point"):
            name, _, number = device.partition("-")
            stored.setdefault(int(number), []).append(name)
        for number, case in cases:
            with self.subTest(case.name, checked="what is stored"):
                told = [answer.device().partition("-")[0] for answer in streams.get(number, []) if answer.device()]
                self.check_stored(case, sorted(stored.get(number, [])), sorted(told))

    def settle(self):
        self.proxy.settle()
        self.assertEqual(self.proxy.post(wire_cases.path("last"), wire_cases.POINT).status, 200)

    def check_answers(self, case, stream, answers):
        raise NotImplementedError

    def check_others(self, number):
        """What other clients are answered meanwhile."""

    def check_stored(self, case, stored, told):
        raise NotImplementedError


class CasesMixin:
    """The tables."""

    def test_request_lines(self):
        self.run_cases(wire_heads.REQUEST_LINES)

    def test_fields(self):
        self.run_cases(wire_heads.FIELDS)

    def test_hosts(self):
        self.run_cases(wire_heads.HOSTS)

    def test_content_lengths(self):
        self.run_cases(wire_bodies.CONTENT_LENGTHS)

    def test_bodies_of_methods(self):
        self.run_cases(wire_bodies.BODIES_OF_METHODS)

    def test_transfer_encodings(self):
        self.run_cases(wire_bodies.TRANSFER_ENCODINGS)

    def test_chunks(self):
        self.run_cases(wire_bodies.CHUNKS)

    def test_expectations(self):
        self.run_cases(wire_heads.EXPECTATIONS)

    def test_connections(self):
        self.run_cases(wire_heads.CONNECTIONS)

    def test_pipelines(self):
        self.run_cases(wire_heads.PIPELINES)

    def test_endings(self):
        self.run_cases(wire_heads.ENDINGS)

    def test_sizes(self):
        self.run_cases(wire_bodies.SIZES)

    def test_protocols(self):
        self.run_cases(wire_heads.PROTOCOLS)


class DirectTest(CasesMixin, WireTestCase):
    """Nothing between the client and the proxy."""

    way = "direct"

    def check_answers(self, case, stream, answers):
        self.assertFalse(stream.hung, f"it neither answers nor closes; came: {answers}")
        if case.end == "close":
            return
        statuses = [answer.status for answer in answers]
        last = [SENTINEL_STATUS] if case.end == "sentinel" else []
        closed = fits(case.answers, statuses)
        goes_on = fits(case.answers + last, statuses)
        self.assertTrue(closed and case.closed is not False or goes_on and case.closed is not True,
                        f"wanted {case.answers}, then {'closed' if case.closed else 'open'}; came: {answers}")
        for number, answer in enumerate(answers):
            if answer.status >= 400 and number not in case.heads:
                self.assertTrue(answer.detail(), answer)
        if closed and answers and (case.end == "sentinel" or case.closed and statuses[-1] >= 400):
            self.assertEqual(answers[-1].headers.get("connection"), "close", answers)

    def test_http_1_0_is_told_that_its_connection_is_kept(self):
        with self.proxy.wire() as wire:
            for _ in range(3):
                wire.send(wire_cases.post(version="1.0", headers="Connection: keep-alive\r\n"))
                answer = wire.response()
                self.assertEqual((answer.status, answer.headers["Connection"]), (200, "keep-alive"))

    def test_client_that_says_no_more_while_many_of_its_requests_wait_has_all_answers(self):
        lock = self.start_session(self.cluster)
        lock.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
        with self.proxy.wire() as wire:
            wire.send(wire_cases.post() + wire_cases.GET * 200)
            wire.finish()
            self.proxy.settle()
            lock.run("COMMIT;")
            answers = answers_of(b"".join(iter(lambda: wire.socket.recv(65536), b"")), ())
        self.assertEqual([answer.status for answer in answers], [200] + [404] * 200)

    def check_stored(self, case, stored, told):
        self.assertEqual(stored, sorted(case.stored))
        if case.end != "close":
            self.assertEqual(told, stored)


class TlsTest(DirectTest):
    """The same, each request within a session of TLS."""

    def connect(self, timeout):
        return tls_socket.TlsSocket(self.tls_port, timeout=timeout)

    @classmethod
    def setUpClass(cls):
        folder = support.make_folder("tls-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.tls_port = support.free_port()
        server = certificates.Authority(folder, "wire").issue("localhost")
        cls.options = (*cls.options, f"--tls-listen=127.0.0.1:{cls.tls_port}", f"--tls-certificate={server.certificate}",
                       f"--tls-key={server.key}")
        super().setUpClass()


class FrontMixin(CasesMixin):
    """A reverse proxy between them, which may refuse more than we do, or read it otherwise, but then for all."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.front = fronts.Front(cls.way, cls.proxy.port)
        cls.addClassCleanup(cls.front.close)

    def setUp(self):
        super().setUp()
        self.addCleanup(self._show_log, self.way, self.front)
        self._others = support.Wire(self.front.port, 10 * support.PATIENCE)
        self.addCleanup(self._others.close)

    @property
    def port(self):
        return self.front.port

    def check_answers(self, case, stream, answers):
        statuses = [answer.status for answer in answers]
        # It had a good answer of ours, and handed it on.
        self.assertFalse({500, 502, 503, 504} & set(statuses), answers)
        if self.way in case.splits:
            return
        last = [SENTINEL_STATUS] if case.end == "sentinel" else []
        limit = len(case.answers + last) + (wire_cases.NEXT in b"".join(filter(None, case.sent)))
        self.assertLessEqual(len([status for status in statuses if status != 100]), limit, answers)
        plain = all(isinstance(status, int) and status < 400 or status == 404 for status in case.answers)
        if self.way in case.fronts:
            self.assertTrue(fits(case.fronts[self.way], statuses[:len(case.fronts[self.way])]), answers)
        elif plain and case.closed is False:
            final = [status for status in case.answers + last if status != 100]
            self.assertEqual([status for status in statuses if status != 100], final, answers)

    def check_others(self, number):
        """A well-behaved request of another client has its own answer, and none that was meant for the case."""
        metric = f"own{number}"
        body = {"timestamp": "2025-12-18T10:00:00Z", "metric_name": metric, "value": number}
        self._others.post(wire_cases.path("none").replace("0000", "9999"), body)
        answer = self._others.response()
        self.assertEqual((answer.status, answer.json.get("metric_name")), (200, metric), answer)

    def check_stored(self, case, stored, told):
        """What one party takes for a request the other does, too: it has an effect and an answer, or neither."""
        if case.end == "sentinel":
            self.assertEqual(stored, told)
        if self.way not in case.splits:
            self.assertLessEqual(set(stored), case.stored | {"good", "next"})

    def test_connections_are_kept_for_other_clients(self):
        for _ in range(20):
            with support.Wire(self.front.port, 10) as wire:
                wire.post(wire_cases.path(), wire_cases.POINT)
                self.assertEqual(wire.response().status, 200)
        count = self.proxy.get("/health/detailed").json["performance"]["proxy"]["clients"]
        # Its own, and this one.
        self.assertIn(count, (2, 3, 4, 5))


class NginxTest(FrontMixin, WireTestCase):
    way = "nginx"


class HaproxyTest(FrontMixin, WireTestCase):
    way = "haproxy"


if __name__ == "__main__":
    unittest.main()
