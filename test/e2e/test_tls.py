"""HTTPS: versions, certificates of either side and their change, and requests however they are cut into records.

test_http_wire.py sends all its cases by TLS, too.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import unittest

import certificates
import support
import tls_socket

DEVICE = "/api/v1/telemetry/devices/d1/telemetry"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
NOWHERE = "host=/nonexistent"
ANSWER_SIZE = 20_000_000    # more than the sockets' buffers


def point(value=1, metric="m"):
    return {"timestamp": "2025-12-18T10:00:00Z", "metric_name": metric, "value": value}


def post(body, path=DEVICE, headers=b""):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
        path.encode(), len(body), headers, body)


class TlsMixin:
    """Makes certificates, and proxies that serve HTTPS on a port of their own."""

    @classmethod
    def make_authority(cls):
        cls.folder = support.make_folder("tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = certificates.Authority(cls.folder, "own")
        cls.server = cls.authority.issue("server", subjectAltName="DNS:localhost")

    @classmethod
    def tls_options(cls, *more):
        cls.tls_port = support.free_port()
        return (f"--tls-listen=127.0.0.1:{cls.tls_port}", f"--tls-certificate={cls.server.certificate}",
                f"--tls-key={cls.server.key}", *more)

    def start_tls_proxy(self, *options, cluster=NOWHERE):
        proxy = self.start_proxy(cluster, *self.tls_options(*options), wait=False)
        support.wait_until(lambda: self.listens(proxy), 20, "the proxy to listen")
        return proxy

    @staticmethod
    def listens(proxy):
        if not proxy.process.is_running():
            raise RuntimeError("the proxy did not start:\n" + proxy.log_text())
        try:
            return proxy.get("/health/live").status == 200
        except OSError:
            return False

    def connect(self, made=None, **arguments):
        timeout = 30 * support.PATIENCE
        return tls_socket.TlsSocket(self.tls_port, made or tls_socket.context(self.authority), timeout, **arguments)

    def wire(self, *arguments, **more):
        return support.Wire(None, None, self.connect(*arguments, **more))

    def bare(self):
        """A connection to the port for TLS, without it."""
        return support.Wire(self.tls_port, 30 * support.PATIENCE)

    def assert_serves(self, made=None):
        with self.wire(made) as wire:
            wire.send(LIVE)
            self.assertEqual(wire.response("GET").status, 200)

    def served_session(self, made):
        """That of a connection on which something was answered."""
        with self.wire(made) as wire:
            wire.send(LIVE)
            self.assertEqual(wire.response("GET").status, 200)
            return wire.socket.tls.session

    def assert_refuses(self, made):
        """The server says so, in the handshake or, to a client of 1.3 that thinks it over, right after it."""
        with self.assertRaises((ssl.SSLError, ConnectionError)) as caught:
            with self.wire(made) as wire:
                wire.send(LIVE)
                wire.response("GET")
        return str(caught.exception)

    def counters(self, proxy):
        return proxy.get("/health/detailed").json["performance"]["proxy"]


class TlsTestCase(TlsMixin, support.TestCase):
    """Without a database."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_authority()


class VersionTest(TlsTestCase):
    def test_1_2_and_1_3_are_spoken_and_nothing_older(self):
        proxy = self.start_tls_proxy()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.connect(tls_socket.context(self.authority, version=version)) as tls:
                self.assertEqual(tls.tls.version().replace(".", "_"), version.name)
            self.assert_serves(tls_socket.context(self.authority, version=version))
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            why = self.assert_refuses(tls_socket.context(version=version))
            self.assertRegex(why, "ALERT_PROTOCOL_VERSION|alert protocol version")
        self.assertEqual(self.counters(proxy)["tls_handshakes_failed"], 2)

    def test_1_2_can_be_refused(self):
        self.start_tls_proxy("--tls-min-version=1.3")
        self.assert_serves()
        self.assert_refuses(tls_socket.context(version=ssl.TLSVersion.TLSv1_2))

    def test_ciphers_of_1_2_have_keys_of_their_own_for_each_session(self):
        self.start_tls_proxy()
        made = tls_socket.context(self.authority, version=ssl.TLSVersion.TLSv1_2)
        taken = 0
        made.set_ciphers("ALL:@SECLEVEL=0")
        for cipher in made.get_ciphers():
            if cipher["protocol"] == "TLSv1.3":
                continue
            made.set_ciphers(cipher["name"] + ":@SECLEVEL=0")
            if cipher["name"].startswith("ECDHE-ECDSA-") and cipher["aead"] and "CCM" not in cipher["name"] and "ARIA" not in cipher["name"]:
                self.assert_serves(made)
                taken += 1
            else:
                self.assert_refuses(made)
        self.assertEqual(taken, 3)

    def test_protocol_by_name_is_http_1_1(self):
        self.start_tls_proxy()
        made = tls_socket.context(self.authority)
        made.set_alpn_protocols(["h2", "http/1.1"])
        with self.connect(made) as tls:
            self.assertEqual(tls.tls.selected_alpn_protocol(), "http/1.1")
        made.set_alpn_protocols(["h2"])
        self.assert_refuses(made)

    def test_sessions_are_taken_up_again(self):
        self.start_tls_proxy()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = tls_socket.context(self.authority, version=version)
            session = self.served_session(made)
            with self.wire(made, session=session) as wire:
                self.assertTrue(wire.socket.tls.session_reused)
                wire.send(LIVE)
                self.assertEqual(wire.response("GET").status, 200)


class FileTest(TlsTestCase):
    def assert_not_started(self, reason, *options):
        proxy = self.start_proxy(NOWHERE, *self.tls_options(*options), wait=False)
        self.assertEqual(proxy.process.wait(20), 1)
        self.assertIn(reason, proxy.log_text())

    def test_files_that_are_missing_or_no_good_are_refused(self):
        junk = self.folder / "junk"
        junk.write_text("junk")
        certificates.give(junk)
        junk.chmod(0o600)
        other = self.authority.issue("other")
        for reason, option in (('"tls-certificate" is not set', "--tls-certificate="), ('"tls-key" is not set', "--tls-key="),
                               ("No such file", "--tls-certificate=/nonexistent"), ("No such file", "--tls-key=/nonexistent"),
                               ("could not load certificate", f"--tls-certificate={junk}"),
                               ("could not read key", f"--tls-key={junk}"), ("does not belong", f"--tls-key={other.key}"),
                               ("not a regular file", f"--tls-key={self.folder}"),
                               ('"tls-client-ca" is not set', "--tls-client-certificates=required")):
            with self.subTest(option):
                self.assert_not_started(reason, option)
        self.assert_not_started("could not load CA", "--tls-client-certificates=optional", f"--tls-client-ca={junk}")

    def test_key_that_others_may_read_is_refused(self):
        other = self.authority.issue("readable")
        for mode in (0o640, 0o604, 0o660, 0o644):
            with self.subTest(f"{mode:o}"):
                other.key.chmod(mode)
                self.assert_not_started("has group or world access", f"--tls-certificate={other.certificate}",
                                        f"--tls-key={other.key}")

    @unittest.skipUnless(os.getuid() == 0, "only root may give a file away")
    def test_key_of_root_may_be_readable_by_its_group(self):
        identity = support._identity()
        other = self.authority.issue("of-root")
        os.chown(other.key, 0, identity["group"])
        options = f"--tls-certificate={other.certificate}", f"--tls-key={other.key}"
        other.key.chmod(0o640)
        self.start_tls_proxy(*options)
        self.assert_serves()
        other.key.chmod(0o644)
        self.assert_not_started("has group or world access", *options)
        stranger = self.authority.issue("of-a-stranger")
        os.chown(stranger.key, identity["user"] + 1, identity["group"])
        stranger.key.chmod(0o640)
        self.assert_not_started("must be owned by", f"--tls-certificate={stranger.certificate}",
                                f"--tls-key={stranger.key}")

    def test_passphrase_is_not_asked_for(self):
        other = self.authority.issue("locked")
        locked = self.folder / "with-passphrase.key"
        certificates.openssl("pkey", "-in", other.key, "-aes256", "-passout", "pass:secret", "-out", locked)
        locked.chmod(0o600)
        certificates.give(locked)
        self.assert_not_started("could not read key", f"--tls-certificate={other.certificate}", f"--tls-key={locked}")

    def test_certificate_that_expires_soon_is_warned_of(self):
        for days, at, warning in ((9, None, "expires in [89] days, on"), (1, certificates.LONG_AGO, "has expired on 2020-01-02"),
                                  (30, None, "is good until")):
            with self.subTest(warning):
                other = self.authority.issue("soon", days=days, at=at)
                proxy = self.start_tls_proxy(f"--tls-certificate={other.certificate}", f"--tls-key={other.key}")
                self.assertRegex(proxy.log_text(), warning)

    def test_chain_is_sent(self):
        middle = certificates.Certificate(self.folder, "middle", [("CN", "middle")],
                                          {"basicConstraints": "critical,CA:TRUE"}).make(30, self.authority)
        leaf = certificates.Certificate(self.folder, "leaf", [("CN", "leaf")], {"basicConstraints": "CA:FALSE"}).make(30, middle)
        leaf.certificate.write_bytes(leaf.certificate.read_bytes() + middle.certificate.read_bytes())
        self.start_tls_proxy(f"--tls-certificate={leaf.certificate}", f"--tls-key={leaf.key}")
        self.assert_serves()


class ListenTest(TlsTestCase):
    def test_plain_addresses_may_be_left_out(self):
        proxy = self.start_proxy(NOWHERE, *self.tls_options("--listen="), wait=False)
        support.wait_until(lambda: "is ready" in proxy.log_text(), 20, "the proxy to listen")
        self.assert_serves()
        with self.assertRaises(OSError):
            proxy.get("/health/live")
        with self.wire() as wire:
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(wire.response("GET").json["port"], self.tls_port)

    def test_auth_none_is_refused_off_loopback_but_for_health(self):
        for option in ("listen", "tls-listen"):
            proxy = self.start_proxy(NOWHERE, *self.tls_options(f"--{option}=0.0.0.0:{support.free_port()}"), wait=False)
            self.assertEqual(proxy.process.wait(20), 1)
            self.assertIn("auth=none", proxy.log_text())
        for option in ("tls-listen", "health-listen"):
            proxy = self.start_proxy(NOWHERE, f"--{option}=nonsense", wait=False)
            self.assertEqual(proxy.process.wait(20), 1)
            self.assertIn(f'"{option}"', proxy.log_text())

    def test_address_of_health_serves_health_and_nothing_else(self):
        port = support.free_port()
        proxy = self.start_tls_proxy(f"--health-listen=0.0.0.0:{port}")
        proxy.port = port
        self.assertEqual(proxy.get("/health/live").status, 200)
        for path in ("/health", "/health/detailed"):
            self.assertEqual(proxy.get(path).status, 503)
        for path in ("/", "/healthy", "/health2/live", "/api/v1/telemetry/batches/none", "/x/../health"):
            with self.subTest(path):
                self.assertEqual(proxy.get(path).status, 404)
        for path in (DEVICE, "/api/v1/telemetry/bulk"):
            self.assertEqual(proxy.post(path, point()).status, 404)


class HandshakeTest(TlsTestCase):
    """What is not TLS, or comes too slowly."""

    def test_http_on_the_port_for_tls_is_400_in_http(self):
        proxy = self.start_tls_proxy()
        for request in (LIVE, post(point()), post(b"x" * 300_000), b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n"):
            with self.bare() as wire:
                wire.send(request)
                response = wire.response(request.split()[0].decode())
                self.assertEqual(response.status, 400)
                self.assertEqual(response.headers["Connection"], "close")
                wire.finish()
                self.assertTrue(wire.at_end())
        self.assert_serves()
        self.assertEqual(self.counters(proxy)["tls_handshakes_failed"], 4)
        self.assertEqual(self.counters(proxy)["tls_handshakes_total"], 1)

    def test_garbage_is_the_end_of_its_connection_alone(self):
        proxy = self.start_tls_proxy()
        with self.connect() as kept:
            hello = self.hello()
            for garbage in (os.urandom(3000), b"\x00" * 100, b"\x16\x03\x01\xff\xff" + os.urandom(20000), b"SSH-2.0-x\r\n",
                            hello[:60] + os.urandom(400), b"\x15\x03\x01\x00\x02\x02\x28", hello + os.urandom(500),
                            hello * 3):
                with self.subTest(garbage[:20]), self.bare() as wire:
                    wire.send(garbage)
                    try:
                        while wire.socket.recv(65536):
                            pass
                    except ConnectionResetError:
                        pass
            kept.sendall(LIVE)
            self.assertIn(b"200 OK", kept.recv(1000))
        self.assertEqual(self.counters(proxy)["tls_handshakes_failed"], 8)
        self.assertNotRegex(proxy.log_text(), "ERROR.*TLS|WARNING.*TLS")

    @staticmethod
    def hello():
        """What a client says first."""
        out = ssl.MemoryBIO()
        try:
            tls_socket.context().wrap_bio(ssl.MemoryBIO(), out).do_handshake()
        except ssl.SSLWantReadError:
            return out.read()
        raise AssertionError("the handshake needs nobody else")

    def test_damaged_record_is_the_end_of_its_connection(self):
        self.start_tls_proxy()
        with self.connect() as tls:
            tls.sendall(LIVE)
            self.assertIn(b"200 OK", tls.recv(1000))
            tls._socket.sendall(b"\x17\x03\x03\x00\x40" + os.urandom(64))
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                while tls.recv(1000):
                    pass
        self.assert_serves()

    def test_slow_handshake_is_cut_off(self):
        proxy = self.start_tls_proxy("--header-timeout=300ms")
        hello = self.hello()
        for begin in (b"", hello[:1], hello[:40], hello):
            with self.subTest(len(begin)), self.bare() as wire:
                wire.send(begin)
                while wire.socket.recv(65536):
                    pass
        self.assertEqual(self.counters(proxy)["tls_handshakes_failed"], 4)
        self.assert_serves()

    def test_head_that_does_not_end_is_408_by_tls(self):
        self.start_tls_proxy("--header-timeout=300ms")
        with self.wire() as wire:
            wire.send(b"GET /health HT")
            self.assertEqual(wire.response().status, 408)
            self.assertTrue(wire.at_end())

    def test_silent_connections_make_room(self):
        self.start_tls_proxy("--max-connections=4")
        silent = [self.bare() for _ in range(30)]
        self.assert_serves()
        with self.wire() as wire:
            wire.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"routes are not known", wire.response("GET").body)
        for wire in silent:
            wire.close()

    def test_stopping_ends_sessions_and_handshakes(self):
        proxy = self.start_tls_proxy()
        with self.bare() as silent, self.wire() as wire:
            wire.send(LIVE)
            self.assertEqual(wire.response("GET").status, 200)
            proxy.terminate()
            self.assertTrue(wire.at_end())    # announced: else it is an error
            self.assertTrue(silent.at_end())
            self.assertEqual(proxy.process.wait(10), 0)


class ReloadTest(TlsTestCase):
    def setUp(self):
        super().setUp()
        self.used = self.authority.issue("used")
        self.options = f"--tls-certificate={self.used.certificate}", f"--tls-key={self.used.key}"

    def reload(self, proxy, said):
        count = proxy.log_text().count(said)
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: proxy.log_text().count(said) > count, 10, said)

    def name(self, tls):
        return dict(pair for part in tls.tls.getpeercert()["subject"] for pair in part)["commonName"]

    def new_name(self):
        with self.connect() as tls:
            tls.sendall(LIVE)
            self.assertIn(b"200 OK", tls.recv(1000))
            return self.name(tls)

    def test_new_certificate_is_for_new_connections_and_old_ones_go_on(self):
        proxy = self.start_tls_proxy(*self.options)
        with self.wire() as wire:
            for number in range(3):
                wire.send(LIVE)
                self.assertEqual(wire.response("GET").status, 200)
                self.used.install(self.authority.issue(f"next{number}"))
                self.reload(proxy, "is good until")
                self.assertEqual(self.new_name(), f"next{number}")
            self.assertEqual(self.name(wire.socket), "used")
            wire.send(LIVE)
            self.assertEqual(wire.response("GET").status, 200)

    def test_handshake_under_way_ends_with_the_certificate_that_it_began_with(self):
        proxy = self.start_tls_proxy(*self.options)
        made = tls_socket.context(self.authority)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = made.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.bare() as wire:
            with self.assertRaises(ssl.SSLWantReadError):
                client.do_handshake()
            wire.send(outgoing.read())
            incoming.write(wire.socket.recv(65536))
            self.used.install(self.authority.issue("later"))
            self.reload(proxy, "is good until")
            client.do_handshake()
            client.write(LIVE)
            wire.send(outgoing.read())
            incoming.write(wire.socket.recv(65536))
            while incoming.pending < 10:
                incoming.write(wire.socket.recv(65536))
            answer = b""
            while b"alive" not in answer:
                try:
                    answer += client.read(1000)
                except ssl.SSLWantReadError:
                    incoming.write(wire.socket.recv(65536))
        self.assertEqual(self.new_name(), "later")

    def test_what_is_no_good_changes_nothing(self):
        proxy = self.start_tls_proxy(*self.options)
        good = self.used.key.read_bytes()
        for damage, said in ((b"junk", "could not read key"), (self.authority.issue("other").key.read_bytes(), "does not belong"),
                             (b"", "could not read key")):
            self.used.key.write_bytes(damage)
            self.reload(proxy, f"the configuration stays as it is: key file \"{self.used.key}\"" if said == "does not belong"
                        else "the configuration stays as it is: could not read key")
            self.assertEqual(self.new_name(), "used")
        self.used.key.write_bytes(good)
        self.used.key.chmod(0o644)
        self.reload(proxy, "has group or world access")
        self.assertEqual(self.new_name(), "used")
        self.used.key.unlink()
        self.reload(proxy, "could not open key file")
        self.assertEqual(self.new_name(), "used")

    def test_options_may_name_other_files_and_versions(self):
        path = self.folder / "proxy.conf"
        other = self.authority.issue("another")
        path.write_text(f"tls-certificate = {self.used.certificate}\ntls-key = {self.used.key}\n")
        port = support.free_port()
        proxy = self.start_proxy(NOWHERE, "-c", path, f"--tls-listen=127.0.0.1:{port}", wait=False)
        type(self).tls_port = port
        support.wait_until(lambda: self.listens(proxy), 20, "the proxy to listen")
        self.assertEqual(self.new_name(), "used")
        path.write_text(f"tls-certificate = {other.certificate}\ntls-key = {other.key}\ntls-min-version = 1.3\n"
                        "max-body = 1MB\n")
        self.reload(proxy, 'option "tls-min-version" has changed')
        self.assertEqual(self.new_name(), "another")
        self.assert_refuses(tls_socket.context(version=ssl.TLSVersion.TLSv1_2))
        # All or nothing.
        path.write_text("tls-certificate = /nonexistent\nmax-body = 2MB\n")
        self.reload(proxy, "the configuration stays as it is")
        self.assertEqual(self.new_name(), "another")
        self.assertEqual(proxy.log_text().count('option "max-body" has changed'), 1)


class ClientCertificateTest(TlsTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.authority.issue("client")
        cls.stranger = certificates.Authority(cls.folder, "strange").issue("stranger")
        cls.expired = cls.authority.issue("expired", days=1, at=certificates.LONG_AGO)
        cls.for_servers = cls.authority.issue("for-servers", extendedKeyUsage="serverAuth")

    def start(self, mode):
        return self.start_tls_proxy(f"--tls-client-ca={self.authority.certificate}", f"--tls-client-certificates={mode}")

    def contexts(self, own=None):
        return [tls_socket.context(self.authority, own, version)
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]

    def test_off_asks_for_none(self):
        self.start("off")
        for made in self.contexts() + self.contexts(self.stranger) + self.contexts(self.client):
            self.assert_serves(made)

    def test_optional_takes_none_or_a_good_one(self):
        self.start("optional")
        for made in self.contexts() + self.contexts(self.client):
            self.assert_serves(made)
        self.check_bad()

    def test_required_takes_good_ones_alone(self):
        self.start("required")
        for made in self.contexts(self.client):
            self.assert_serves(made)
        for made in self.contexts():
            self.assert_refuses(made)
        self.check_bad()

    def check_bad(self):
        for bad in (self.stranger, self.expired, self.for_servers):
            for made in self.contexts(bad):
                with self.subTest(bad.certificate.name):
                    self.assert_refuses(made)

    def test_session_of_one_who_showed_a_certificate_is_taken_up_as_that_one(self):
        self.start("required")
        for made in self.contexts(self.client):
            session = self.served_session(made)
            with self.wire(made, session=session) as wire:
                self.assertTrue(wire.socket.tls.session_reused)

    def test_names_that_are_no_text_or_too_long_are_refused(self):
        self.start("optional")
        for number, (good, subject, more) in enumerate((
                (False, [("CN", r"a\tb")], {}), (False, [("CN", r"a\nb")], {}),
                (True, [("CN", "Jörg ☃")], {}),
                (True, [("O", "x")], {"subjectAltName": "URI:urn:" + "x" * 252}),
                (False, [("O", "x")], {"subjectAltName": "URI:urn:" + "x" * 253}))):
            own = self.authority.issue(f"named{number}", subject, **more)
            for made in self.contexts(own):
                with self.subTest(subject=subject):
                    if good:
                        self.assert_serves(made)
                    else:
                        self.assert_refuses(made)


class RequestTest(TlsMixin, support.SharedProxyTestCase):
    """With a database."""

    settings = {"fsync": "off"}

    @classmethod
    def setUpClass(cls):
        cls.make_authority()
        cls.options = cls.tls_options(f"--tls-client-ca={cls.authority.certificate}", "--tls-client-certificates=optional",
                                      f"--write-timeout={1000 * support.PATIENCE:.0f}ms")
        super().setUpClass()
        cls.cluster.execute(f"""
            CREATE FUNCTION public.large(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS $$
            SELECT 200, to_jsonb(repeat('x', {ANSWER_SIZE - 2})), NULL $$;
            CREATE FUNCTION public.echo(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS $$
            SELECT 200, params -> 'caller', NULL $$;
            INSERT INTO telemetry.dialect (name, description) VALUES ('test', 'For this test.');
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/large', 'For this test.', 'test', 'public.large(jsonb, jsonb)'),
                ('GET', '/echo', 'For this test.', 'test', 'public.echo(jsonb, jsonb)')""")
        support.wait_until(lambda: cls.proxy.get("/echo").status == 200, 20, "the routes")

    def values(self):
        rows = self.cluster.rows("SELECT metric, value FROM telemetry.point ORDER BY metric")
        return {metric: json.loads(value) for metric, value in rows}

    def test_points_are_stored_and_requests_share_a_connection(self):
        with self.wire() as wire:
            for number in range(100):
                wire.send(post(point(number, f"m{number}")))
                self.assertEqual(wire.response().status, 200)
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(wire.response("GET").status, 200)
        self.assertEqual(self.values(), {f"m{n}": n for n in range(100)})

    def test_requests_are_answered_in_order_however_they_are_cut(self):
        requests = b"".join(post(point(number, f"m{number}")) for number in range(200))
        for record in (1, 97, 1000, 16384):
            with self.subTest(record), self.wire(record=record) as wire:
                data = requests if record > 1 else requests[:len(post(point())) * 3]
                wire.send(data)
                answered = data.count(b"POST ")
                for number in range(answered - (record == 1)):
                    self.assertEqual(wire.response().json["metric_name"], f"m{number}")

    def test_body_is_whole_in_records_of_any_size(self):
        text = "".join(chr(0x20 + n % 90) for n in range(900_000)).replace("\\", "/").replace('"', "'")
        body = json.dumps({"data_points": [point(text, f"m{n}") for n in range(4)]}).encode()
        self.assertGreater(len(body), 3_500_000)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for record in (1021, 4096, 4097, 16383, 16384):
                with self.subTest(record=record, version=version.name):
                    self.cluster.execute("TRUNCATE telemetry.block")
                    made = tls_socket.context(self.authority, version=version)
                    with self.wire(made, record=record) as wire:
                        wire.send(post(body, f"{DEVICE}/batch") + post(point(1, "behind")))
                        self.assertEqual(wire.response().status, 200)
                        self.assertEqual(wire.response().json["metric_name"], "behind")
                    self.assertEqual(self.values(), {"behind": 1, **{f"m{n}": text for n in range(4)}})

    def test_chunks_and_records_need_not_agree(self):
        body = json.dumps({"data_points": [point("x" * 50_000, f"m{n}") for n in range(8)]}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 7000]), body[at:at + 7000]) for at in range(0, len(body), 7000))
        head = b"POST %s/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        for record in (333, 7000, 16384):
            with self.subTest(record), self.wire(record=record) as wire:
                wire.send(head % DEVICE.encode() + chunks + b"0\r\n\r\n" + LIVE)
                self.assertEqual(wire.response().status, 200)
                self.assertEqual(wire.response("GET").status, 200)
        self.assertEqual(len(self.values()), 8)

    def test_continue_is_invited(self):
        body = json.dumps(point()).encode()
        with self.wire() as wire:
            wire.send(post(body, headers=b"Expect: 100-continue\r\n")[:-len(body)])
            self.assertRegex(wire.line(), "^HTTP/1.1 100 ")
            self.assertEqual(wire.line(), "")
            wire.send(body)
            self.assertEqual(wire.response().status, 200)

    def test_what_a_session_holds_is_read_when_there_is_room(self):
        lock = self.start_session(self.cluster)
        for record in (700, 16384):
            with self.subTest(record), self.wire(record=record) as wire:
                lock.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
                # More than is read ahead of an answer; the client then says no more.
                count = 300_000 // len(LIVE)
                wire.send(post(point()) + LIVE * count)
                self.proxy.settle()
                lock.run("COMMIT;")
                self.assertEqual(wire.response().status, 200)
                for _ in range(count):
                    self.assertEqual(wire.response("GET").status, 200)
                wire.send(LIVE)
                self.assertEqual(wire.response("GET").status, 200)

    def test_one_who_leaves_ends_what_is_done_for_it(self):
        """By a reset or a good-bye, before the answer and in the middle of it."""
        self.cluster.execute("""
            CREATE OR REPLACE FUNCTION public.endless(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE AS $$
            SELECT 200, NULL, repeat('x', 1000) FROM (SELECT generate_series(1, 50000000)) AS n $$;
            CREATE OR REPLACE FUNCTION public.sleeps(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE AS $$
            SELECT 200, NULL, 'x' FROM pg_sleep(60) $$;
            INSERT INTO telemetry.dialect (name, description) VALUES ('leaving', 'For this test.') ON CONFLICT DO NOTHING;
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/endless', 'For this test.', 'leaving', 'public.endless(jsonb, jsonb)'),
                ('GET', '/sleeps', 'For this test.', 'leaving', 'public.sleeps(jsonb, jsonb)') ON CONFLICT DO NOTHING""")
        active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%http_parts%' AND pid <> pg_backend_pid()"
        support.wait_until(lambda: self.proxy.request("HEAD", "/endless").status == 200, 20, "the routes")
        for path in ("/endless", "/sleeps"):
            for how in ("reset", "good-bye"):
                with self.subTest(path=path, how=how):
                    tls = self.connect()
                    tls.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    support.wait_until(lambda: self.cluster.value(active) == "1", 10, "the statement")
                    if how == "reset":
                        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        tls.shutdown(socket.SHUT_WR)
                    tls.close()
                    support.wait_until(lambda: self.cluster.value(active) == "0", 15, "the statement to end")

    def test_large_answer_comes_whole(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.wire(tls_socket.context(self.authority, version=version)) as wire:
                wire.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" + LIVE)
                self.assertEqual(wire.response("GET").body, b'"' + b"x" * (ANSWER_SIZE - 2) + b'"')
                self.assertEqual(wire.response("GET").status, 200)

    def test_large_answer_comes_whole_in_small_records(self):
        for version in ("-tls1_2", "-tls1_3"):
            run = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-quiet", "-crlf", version, "-maxfraglen", "512",
                 "-CAfile", self.authority.certificate], input=b"GET /large HTTP/1.0\n\n",
                capture_output=True, timeout=60 * support.PATIENCE, check=False)
            self.assertEqual(run.stdout.partition(b"\r\n\r\n")[2], b'"' + b"x" * (ANSWER_SIZE - 2) + b'"')

    def test_one_who_reads_slowly_gets_all_and_one_who_does_not_is_cut_off(self):
        with self.connect() as slow, self.connect() as stuck:
            for tls in (slow, stuck):
                tls.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received, due = 0, 0
            while received < ANSWER_SIZE:
                if received >= due:
                    support.time.sleep(0.1)
                    due += 500_000
                data = slow.recv(500_000)
                self.assertTrue(data)
                received += len(data)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                while stuck.recv(1_000_000):
                    pass

    def test_client_that_says_no_more_has_all_answers(self):
        lock = self.start_session(self.cluster)
        for how in ("shutdown", "cut"):
            with self.subTest(how), self.wire() as wire:
                lock.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
                wire.send(post(point()) + LIVE * 100)
                if how == "shutdown":
                    wire.socket.shutdown(socket.SHUT_WR)
                else:
                    wire.socket.cut()
                self.proxy.settle()
                lock.run("COMMIT;")
                self.assertEqual(wire.response().status, 200)
                for _ in range(100):
                    self.assertEqual(wire.response("GET").status, 200)
                self.assertTrue(wire.at_end())

    def test_request_that_is_cut_off_has_no_effect(self):
        whole = post(point(1, "cut"))
        chunked = (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
                   % (DEVICE.encode(), len(whole), json.dumps(point(1, "cut")).encode()))
        for begin in (whole[:-1], whole[:40], chunked):
            for how in ("shutdown", "cut"):
                with self.subTest(begin=begin[-20:], how=how), self.wire() as wire:
                    wire.send(begin)
                    if how == "shutdown":
                        wire.socket.shutdown(socket.SHUT_WR)
                    else:
                        wire.socket.cut()
                    self.assertTrue(wire.at_end())
        self.proxy.settle()
        self.assertEqual(self.values(), {})

    def test_end_is_announced_in_every_case(self):
        """at_end() is an error where it is not."""
        for request, status in ((b"GET /health/live HTTP/1.0\r\n\r\n", 200), (LIVE[:-2] + b"Connection: close\r\n\r\n", 200),
                                (b"nonsense\r\n\r\n", 400), (post(b"x" * 5_000_000), 413)):
            with self.subTest(request[:30]), self.wire() as wire:
                try:
                    wire.send(request)
                except ConnectionError:
                    pass
                self.assertEqual(wire.response("GET").status, status)
                self.assertTrue(wire.at_end())

    def test_200_at_once(self):
        wires = [self.wire() for _ in range(200)]
        for turn in range(3):
            for number, wire in enumerate(wires):
                wire.send(post(point(turn, f"m{number}")))
            for wire in wires:
                self.assertEqual(wire.response().status, 200)
        self.assertEqual(self.values(), {f"m{n}": 2 for n in range(200)})
        for wire in wires:
            wire.close()

    def test_keys_may_be_changed_in_a_session(self):
        # Python cannot ask for it; openssl does at a line of its own that begins with K.
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-CAfile", self.authority.certificate,
                   "-tls1_3", "-crlf"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            def say(text, expected):
                client.stdin.write(text)
                client.stdin.flush()
                for line in client.stdout:
                    if expected in line:
                        return
                self.fail(f"{expected} did not come")

            say(b"", b"Verify return code")
            for _ in range(3):
                say(b"K\n", b"KEYUPDATE")
                say(LIVE.replace(b"\r", b""), b"200 OK")
            client.stdin.close()
            client.kill()

    def test_name_in_a_certificate_is_known_to_sql(self):
        cases = (([("CN", "sensor-7")], {}, "sensor-7"), ([("O", "x"), ("CN", "first"), ("CN", "last")], {}, "last"),
                 ([("O", "x")], {"subjectAltName": "IP:10.0.0.1,DNS:d.example,URI:urn:x"}, "d.example"),
                 ([("O", "x")], {"subjectAltName": "email:a@b.example"}, "a@b.example"),
                 ([("CN", "Jörg ☃")], {}, "Jörg ☃"), ([("O", "x")], {}, None), (None, {}, None))
        for number, (subject, more, name) in enumerate(cases):
            own = self.authority.issue(f"client{number}", subject, **more) if subject else None
            made = tls_socket.context(self.authority, own)
            session = None
            for _ in range(2):
                with self.subTest(subject=subject), self.wire(made, session=session) as wire:
                    for _ in range(2):
                        wire.send(b"GET /echo?caller=x&certificate=x HTTP/1.1\r\nHost: x\r\nX-Certificate: x\r\n\r\n")
                        self.assertEqual(wire.response("GET").json.get("certificate"), name)
                    session = wire.socket.tls.session
        self.assertNotIn("certificate", self.proxy.get("/echo").json)


if __name__ == "__main__":
    unittest.main()
