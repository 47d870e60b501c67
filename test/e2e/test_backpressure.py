"""When the database is slow or hangs: bounded answers, no pretence, and recovery."""

import json
import os
import random
import signal
import time
import unittest

import load
import support

API = "/api/v1/telemetry"
PATH = f"{API}/devices/d1/telemetry"
TIME = "2025-12-18T10:00:00Z"
# Of pausing backends; TELEMETRY_ROUNDS=200 for a longer run.
ROUNDS = int(os.environ.get("TELEMETRY_ROUNDS", "40"))
LOCK = "BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;"


def point(value=1, metric="m"):
    return {"timestamp": TIME, "metric_name": metric, "value": value}


class BackpressureTestCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(fsync="off")
        self.session = self.start_session(self.cluster)

    def post_later(self, proxy, path, body):
        wire = proxy.start_post(path, body)
        self.addCleanup(wire.close)
        return wire

    def assert_busy(self, response):
        self.assertEqual(response.status, 503, response)
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)
        self.assertEqual(list(response.json), ["detail"])

    def values(self):
        return {metric: json.loads(value) for metric, value in
                self.cluster.rows("SELECT metric, value FROM telemetry.point")}

    def backends(self):
        return [int(pid) for (pid,) in self.cluster.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'telemetry-proxy ingest'")]


class FairSharesTest(BackpressureTestCase):
    """Who reads does not keep those waiting who write, nor health."""

    def setUp(self):
        super().setUp()
        self.cluster.execute("""
            CREATE FUNCTION public.slow(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep((params ->> 'seconds')::float8); RETURN ROW(200, '{}'::jsonb, NULL::text); END $$;
            CREATE FUNCTION public.slow_query(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE
            BEGIN ATOMIC SELECT (public.slow($1, $2)).*; END;
            INSERT INTO telemetry.dialect (name, description) VALUES ('slow', 'For this test.');
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/slow', 'For this test.', 'slow', 'public.slow(jsonb, jsonb)'),
                ('POST', '/query', 'For this test.', 'slow', 'public.slow_query(jsonb, jsonb)'),
                ('POST', '/change', 'For this test.', 'slow', 'public.slow(jsonb, jsonb)')""")

    def asleep(self, access):
        """How many connections of a class wait for a slow function."""
        return int(self.cluster.value(
            f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telemetry-proxy {access}' AND wait_event = 'PgSleep'"))

    def ask_slowly(self, proxy, path, method="POST"):
        wire = proxy.wire()
        self.addCleanup(wire.close)
        wire.send(f"{method} {path}?seconds=20 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        return wire

    def test_what_only_reads_goes_with_the_readers_whatever_its_method(self):
        proxy = self.start_proxy(self.cluster)
        support.wait_until(lambda: proxy.post("/query?seconds=0", {}).status == 200, 10, "the route")
        large = {"x": "y" * 2_000_000}    # which a thread reads
        for path, body, access in (("/query", {}, "reads"), ("/query", large, "reads"), ("/change", {}, "ingest"), ("/change", large, "ingest")):
            with self.subTest(path=path, large=body is large):
                wire = proxy.start_post(f"{path}?seconds=20", body)
                support.wait_until(lambda: self.asleep(access) == 1, 10, "the statement")
                wire.reset()
                self.cluster.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
                support.wait_until(lambda: self.asleep(access) == 0, 10, "its end")

    def test_a_function_that_becomes_a_query_is_noticed(self):
        proxy = self.start_proxy(self.cluster)
        self.cluster.execute("ALTER FUNCTION public.slow(jsonb, jsonb) STABLE")

        def reads():
            with self.ask_slowly(proxy, "/change") as wire:
                support.wait_until(lambda: self.asleep("reads") + self.asleep("ingest") > 0, 10, "the statement")
                found = self.asleep("reads") > 0
                wire.reset()
            self.cluster.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            support.wait_until(lambda: self.asleep("reads") + self.asleep("ingest") == 0, 10, "its end")
            return found

        support.wait_until(reads, 20, "the proxy to notice")

    def test_ingest_and_health_go_on_while_readers_have_all_of_their_connections(self):
        proxy = self.start_proxy(self.cluster, "--read-connections=2", "--connections=1")
        support.wait_until(lambda: proxy.get("/slow?seconds=0").status == 200, 10, "the route")
        readers = [self.ask_slowly(proxy, path, method) for method, path in (("GET", "/slow"), ("POST", "/query")) for _ in range(4)]
        support.wait_until(lambda: self.asleep("reads") == 2, 10, "the readers")
        for number in range(50):
            self.assertEqual(proxy.post(PATH, point(number, f"m{number}")).status, 200)
            self.assertEqual(proxy.get("/health").status, 200)
        self.assertEqual(proxy.get("/health/detailed").status, 200)
        self.assertFalse(any(wire.has_answer() for wire in readers))
        self.assertEqual(len(self.values()), 50)


class SlowReaderTest(BackpressureTestCase):
    SIZE = 20_000_000    # more than the sockets' buffers

    def setUp(self):
        super().setUp()
        self.cluster.execute(f"""
            CREATE FUNCTION public.large(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS $$
            SELECT 200, to_jsonb(repeat('x', {self.SIZE - 2})), NULL $$;
            INSERT INTO telemetry.dialect (name, description) VALUES ('large', 'For this test.');
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/large', 'For this test.', 'large', 'public.large(jsonb, jsonb)')""")
        self.proxy = self.start_proxy(self.cluster, f"--write-timeout={1000 * support.PATIENCE:.0f}ms")
        support.wait_until(lambda: self.proxy.request("HEAD", "/large").status == 200, 20, "the route")

    def read(self, bytes_a_step, pause):
        """How much of the answer comes to one who reads so."""
        with self.proxy.wire() as wire:
            wire.send(b"GET /large HTTP/1.0\r\n\r\n")
            received = b""
            due = 0
            while True:
                if len(received) >= due:
                    time.sleep(pause)
                    due = len(received) + bytes_a_step
                try:
                    data = wire.socket.recv(bytes_a_step)
                except ConnectionResetError:
                    data = b""
                received += data
                if not data:
                    return len(received.partition(b"\r\n\r\n")[2])

    def test_one_who_reads_slowly_gets_all_of_a_large_answer(self):
        begun = time.monotonic()
        self.assertEqual(self.read(500_000, 0.1), self.SIZE)
        self.assertGreater(time.monotonic() - begun, 2)    # longer than write-timeout

    def test_one_who_does_not_read_is_cut_off(self):
        self.assertLess(self.read(self.SIZE, 4 * support.PATIENCE), self.SIZE)


class QueueTest(BackpressureTestCase):
    def fill(self, proxy, body, path=PATH):
        """Posts until one is refused; those that are still waiting for their answers."""
        waiting = []

        def refused():
            wire = self.post_later(proxy, path, body(len(waiting)))
            proxy.settle()
            if not wire.has_answer(0.1):
                waiting.append(wire)
                return False
            self.assert_busy(wire.response())
            return True

        support.wait_until(refused, 60, "the queue to be full")
        self.assertGreater(len(waiting), 0)
        return waiting

    def assert_recovers(self, proxy, path, body):
        self.session.run(LOCK)
        waiting = self.fill(proxy, body, path)
        self.assert_busy(proxy.post(path, body(1000)))
        self.session.run("COMMIT;")
        for wire in waiting:
            self.assertEqual(wire.response().status, 200)
        self.assertEqual(len(self.values()), len(waiting))
        self.assertEqual(proxy.post(path, body(1000)).status, 200)
        self.assertEqual(len(self.values()), len(waiting) + 1)

    def test_full_queue_of_rows_is_503_and_drains(self):
        proxy = self.start_proxy(self.cluster, "--max-pending=1MB", "--connections=2")
        self.assert_recovers(proxy, PATH, lambda n: point("x" * 200000, f"m{n}"))

    def test_full_queue_of_calls_is_503_and_drains(self):
        proxy = self.start_proxy(self.cluster, "--max-pending=1MB", "--connections=2")
        self.assert_recovers(proxy, f"{PATH}/batch", lambda n: {
            "data_points": [point("x" * 200000, f"m{n}")], "batch_id": f"b{n}"})

    def test_many_requests_behind_a_lock_are_all_answered_and_stored(self):
        proxy = self.start_proxy(self.cluster, "--connections=2")
        self.session.run(LOCK)
        wires = [self.post_later(proxy, PATH, point(n, f"m{n}")) for n in range(300)]
        proxy.settle()
        self.session.run("COMMIT;")
        for wire in wires:
            self.assertEqual(wire.response().status, 200)
        self.assertEqual(self.values(), {f"m{n}": n for n in range(300)})

    def test_rejected_points_of_one_request_are_told_to_that_one_only(self):
        proxy = self.start_proxy(self.cluster, "--connections=1")
        self.session.run(LOCK)
        bodies = []
        for number in range(60):
            points = [load.point(number * 100 + n) for n in range(number % 7 + 1)]
            if number % 3 == 0:
                points[number % len(points)]["metric_name"] = ""
            bodies.append(points)
        wires = [self.post_later(proxy, f"{API}/devices/d{number}/telemetry/batch",
                                 {"data_points": points})
                 for number, points in enumerate(bodies)]
        proxy.settle()
        self.session.run("COMMIT;")
        for number, (wire, points) in enumerate(zip(wires, bodies)):
            answer = wire.response().json
            bad = [number % len(points)] if number % 3 == 0 else []
            self.assertEqual([error["index"] for error in answer["errors"]], bad)
            self.assertEqual((answer["total_count"], answer["failed_count"]),
                             (len(points), len(bad)))
            self.assertEqual(int(self.cluster.value(
                f"SELECT count(*) FROM telemetry.point WHERE device_id = 'd{number}'")),
                len(points) - len(bad))


    def test_request_that_fails_its_copy_does_not_take_others_with_it(self):
        # No point should fail a COPY; a trigger makes those of one device do so.
        self.cluster.execute("""
            CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'poison'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON telemetry.dead_letter FOR EACH ROW
            WHEN (NEW.payload ->> 'device_id' LIKE 'poison%')
            EXECUTE FUNCTION public.fail()""")
        for count in (1, 2, 3, 25):
            with self.subTest(requests=count):
                self.assert_poison_is_alone(count)

    def test_each_request_is_told_of_its_own_repeats_only(self):
        proxy = self.start_proxy(self.cluster, "--connections=1")
        chance = random.Random(1)
        self.session.run(LOCK)
        wires = [(1, self.post_later(proxy, PATH, point()))]
        proxy.settle()
        for _ in range(20):
            points = [load.point(chance.randrange(8)) for _ in range(chance.randrange(1, 12))]
            wires.append((points, self.post_later(proxy, f"{API}/devices/repeats/telemetry/batch",
                                                  {"data_points": points})))
        proxy.settle()
        self.session.run("COMMIT;")
        for points, wire in wires:
            response = wire.response()
            self.assertEqual(response.status, 200, response)
            if points != 1:
                self.assertEqual(response.json.get("replaced_count", 0),
                                 len(points) - len({one["timestamp"] for one in points}))
                self.assertEqual(response.json["ingested_count"], len(points))
        # They were one COPY, or the test says nothing.
        self.assertEqual(self.cluster.value("SELECT count(DISTINCT seq) FROM telemetry.block"), "2")

    def assert_poison_is_alone(self, count):
        proxy = self.start_proxy(self.cluster, "--connections=1")
        self.session.run(LOCK)
        # The first takes the connection, so that the others come together.
        wires = [(f"first{count}", self.post_later(proxy, PATH, point()))]
        proxy.settle()
        for number in range(count):
            poison = number % 10 == count // 2
            device = f"{'poison' if poison else 'd'}{count}-{number}"
            points = [load.point(n) for n in range(number % 4 + 1)]
            points[0]["metric_name"] = "" if poison or number % 3 == 0 else "n"
            wires.append((device, self.post_later(
                proxy, f"{API}/devices/{device}/telemetry/batch", {"data_points": points})))
        proxy.settle()
        self.session.run("COMMIT;")
        for number, (device, wire) in enumerate(wires, -1):
            response = wire.response()
            if device.startswith("poison"):
                self.assertEqual((response.status, response.json["detail"]),
                                 (500, "internal error"))
                stored = 0
            else:
                self.assertEqual(response.status, 200, response)
                if number < 0:
                    continue
                total = number % 4 + 1
                stored = total - (number % 3 == 0)
                self.assertEqual((response.json["total_count"], response.json["ingested_count"]),
                                 (total, stored))
                self.assertEqual([error["index"] for error in response.json["errors"]],
                                 [0] if stored < total else [])
            self.assertEqual(self.cluster.value(
                f"SELECT count(*) FROM telemetry.point WHERE device_id = '{device}'"), str(stored))
        self.assertEqual(proxy.get("/health/detailed").json["performance"]["proxy"]
                         ["pending_bytes"], 0)
        self.assertEqual(proxy.post(PATH, point()).status, 200)


class HangingTest(BackpressureTestCase):
    OPTIONS = ("--request-timeout=500ms", "--health-timeout=300ms")

    def assert_refused_in_time_and_consistent_after(self, path, body, value):
        """Locked out: 503, in bounded time; unlocked: what is stored fits what was said."""
        proxy = self.start_proxy(self.cluster, *self.OPTIONS)
        self.session.run(LOCK)
        for _ in range(3):
            self.assert_busy(proxy.post(path, body, timeout=20))
        self.session.run("COMMIT;")
        proxy.wait_healthy()
        # The refused ones may be stored or not, but not as anything else.
        self.assertIn(self.values(), ({}, {"m": value}))
        support.wait_until(lambda: proxy.post(path, body).status == 200, 30, "an acknowledgement")
        self.assertEqual(self.values(), {"m": value})

    def test_single_behind_a_lock_is_503_in_time(self):
        self.assert_refused_in_time_and_consistent_after(PATH, point(5), 5)

    def test_batch_behind_a_lock_is_503_in_time(self):
        self.assert_refused_in_time_and_consistent_after(
            f"{PATH}/batch", {"data_points": [point(5)]}, 5)

    def test_batch_with_an_id_behind_a_lock_is_503_in_time_and_stored_once(self):
        self.assert_refused_in_time_and_consistent_after(
            f"{PATH}/batch", {"data_points": [point(5)], "batch_id": "b1"}, 5)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.block"), "1")

    def test_health_says_503_while_all_backends_hang(self):
        proxy = self.start_proxy(self.cluster, "--connections=2", "--request-timeout=60s",
                                 "--health-timeout=300ms")
        self.session.run(LOCK)
        wires = []
        for number in range(2):
            # One by one, so that each takes a connection.
            wires.append(self.post_later(proxy, PATH, point(number, f"m{number}")))
            support.wait_until(lambda: int(self.cluster.value(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telemetry-proxy ingest' "
                "AND wait_event_type = 'Lock'")) > number, 30, "the lock's queue")
        support.wait_until(lambda: proxy.get("/health").status == 503, 20, "health to notice")
        for path in ("/health", "/health/detailed"):
            response = proxy.get(path, timeout=20)
            self.assertEqual((response.status, response.json["status"]), (503, "unhealthy"))
        self.session.run("COMMIT;")
        for wire in wires:
            self.assertEqual(wire.response().status, 200)
        proxy.wait_healthy()

    def test_stopped_backends_are_503_in_time_and_replaced(self):
        proxy = self.start_proxy(self.cluster, "--connections=2", *self.OPTIONS)
        stopped = self.backends()
        self.assertEqual(len(stopped), 2)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            wires = []
            for _ in range(2):
                # One by one, so that each takes a connection.
                wires.append(self.post_later(proxy, PATH, point(5)))
                proxy.settle()
            for wire in wires:
                self.assert_busy(wire.response())
            proxy.wait_healthy(60)
            self.assertEqual(proxy.post(PATH, point(5)).status, 200)
            self.assertEqual(self.values(), {"m": 5})
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        support.wait_until(lambda: not set(stopped) & set(self.backends()), 30,
                           "the old backends to end")
        self.assertEqual(self.values(), {"m": 5})

    def test_stopped_server_is_503_in_time_and_recovered_from(self):
        proxy = self.start_proxy(self.cluster, "--connect-timeout=300ms", *self.OPTIONS)
        # All that the proxy will ask for: 4 for ingest, 4 for reads, 2 for exports, 1 for health, 1 for notifications.
        support.wait_until(lambda: self.cluster.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'telemetry-proxy %'") == "12", 10, "the proxy's backends")
        pids = [self.cluster.process.pid, *self.cluster.process.children()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(5):
                self.assert_busy(proxy.post(PATH, point(5), timeout=20))
            self.assertEqual(proxy.get("/health", timeout=20).status, 503)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        proxy.wait_healthy(60)
        support.wait_until(lambda: proxy.post(PATH, point(5)).status == 200, 30, "recovery")
        self.assertEqual(self.values(), {"m": 5})

    def test_one_that_is_refused_leaves_others_of_its_group_alone(self):
        """What waits with it in a COPY is sent again without it."""
        proxy = self.start_proxy(self.cluster, "--connections=1", "--request-timeout=1s")
        self.session.run(LOCK)
        first = self.post_later(proxy, PATH, point(1, "first"))
        proxy.settle()
        time.sleep(0.4)
        early = self.post_later(proxy, PATH, point(2, "early"))
        proxy.settle()
        time.sleep(0.4)
        late = self.post_later(proxy, PATH, point(3, "late"))
        # The first is refused and its COPY cancelled; early and late go together, until early is refused.
        self.assert_busy(first.response())
        self.assert_busy(early.response())
        self.session.run("COMMIT;")
        self.assertEqual(late.response().status, 200)
        proxy.settle()
        self.assertEqual(self.values(), {"late": 3})

    def test_client_that_has_gone_has_its_query_cancelled(self):
        self.cluster.execute("""
            CREATE FUNCTION public.slow(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(600); RETURN ROW(200, '{}'::jsonb, NULL::text); END $$;
            INSERT INTO telemetry.dialect (name, description) VALUES ('slow', 'For this test.');
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/slow', 'For this test.', 'slow', 'public.slow(jsonb, jsonb)')""")
        proxy = self.start_proxy(self.cluster, "--read-connections=1")
        asleep = """SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telemetry-proxy reads'
                    AND wait_event = 'PgSleep'"""
        support.wait_until(lambda: proxy.get("/slow", headers={"X-User-Id": ""}).status == 400, 10, "the route")
        wires = [proxy.wire() for _ in range(3)]
        for wire in wires:
            wire.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        support.wait_until(lambda: self.cluster.value(asleep) == "1", 10, "the query")
        for wire in wires:
            wire.reset()
        support.wait_until(lambda: self.cluster.value(asleep) == "0", 10, "its end")
        proxy.settle()
        self.assertEqual(self.cluster.value(asleep), "0")
        self.assertEqual(proxy.get("/health").json["status"], "healthy")

    def test_query_ends_when_its_client_closes_and_nothing_else_does(self):
        """A client that closes says no more to TCP than one that has sent all and reads on."""
        self.cluster.execute("""
            CREATE TABLE public.done (who text);
            CREATE FUNCTION public.slow(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_sleep((params ->> 'seconds')::float8);
                IF params ? 'who' THEN
                    INSERT INTO public.done VALUES (params ->> 'who');
                END IF;
                RETURN ROW(200, '{"all": "well"}'::jsonb, NULL::text);
            END $$;
            CREATE FUNCTION public.slow_query(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql STABLE
            BEGIN ATOMIC SELECT (public.slow($1, $2)).*; END;
            INSERT INTO telemetry.dialect (name, description) VALUES ('slow', 'For this test.');
            INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
                ('GET', '/query', 'For this test.', 'slow', 'public.slow_query(jsonb, jsonb)'),
                ('POST', '/query', 'For this test.', 'slow', 'public.slow_query(jsonb, jsonb)'),
                ('POST', '/change', 'For this test.', 'slow', 'public.slow(jsonb, jsonb)')""")
        proxy = self.start_proxy(self.cluster, "--read-connections=1")
        support.wait_until(lambda: proxy.post("/change?seconds=0", {}).status == 200, 10, "the routes")

        def asleep():
            return int(self.cluster.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))

        def ask(method, path):
            wire = proxy.wire()
            self.addCleanup(wire.close)
            wire.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            support.wait_until(lambda: asleep() == 1, 10, "the statement")
            return wire

        for method in ("GET", "POST"):
            with self.subTest(method=method):
                ask(method, "/query?seconds=600").close()
                support.wait_until(lambda: asleep() == 0, 15, "the query to end")
                with ask(method, "/query?seconds=3") as wire:
                    wire.finish()
                    self.assertEqual(wire.response(method).json, {"all": "well"})
                    self.assertTrue(wire.at_end())
        for leave in (support.Wire.close, support.Wire.reset, support.Wire.finish):
            leave(ask("POST", f"/change?seconds=3&who={leave.__name__}"))
            support.wait_until(lambda: asleep() == 0, 15, "the change to end")
        support.wait_until(lambda: self.cluster.value("SELECT string_agg(who, ' ' ORDER BY who) FROM public.done") == "close finish reset",
                           10, "all changes")

    def test_copy_that_fails_while_its_rows_are_sent_gives_its_connection_back(self):
        # Rows are flushed while others still come, and wait for the lock then.
        self.cluster.execute("ALTER DATABASE telemetry SET telemetry.batch_memory = '256kB'")
        proxy = self.start_proxy(self.cluster, "--connections=1")
        self.session.run(LOCK)
        wire = self.post_later(proxy, f"{PATH}/batch", {"data_points": [
            {**point("x" * 3500), "timestamp": f"2025-12-18T10:{i // 60:02}:{i % 60:02}Z"} for i in range(1000)]})
        waiting = ("SELECT pid FROM pg_stat_activity WHERE application_name = 'telemetry-proxy ingest' "
                   "AND wait_event_type = 'Lock'")
        support.wait_until(lambda: self.cluster.rows(waiting), 20, "the flush")
        self.cluster.execute(f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS w")
        self.assert_busy(wire.response())
        self.session.run("COMMIT;")
        self.assertEqual(proxy.post(PATH, point(), timeout=10).status, 200)
        self.assertEqual(self.values(), {"m": 1})

    def test_what_was_refused_never_lands_after_something_newer(self):
        """Backends are paused at any moment, while their rows are taken, flushed and committed."""
        proxy = self.start_proxy(self.cluster, "--connections=2", "--request-timeout=60ms",
                                 "--health-timeout=60s")
        random_ = random.Random(7)
        refused = 0
        for value in range(1, 2 * ROUNDS, 2):
            paused = random_.choice(self.backends())
            post = self.post_later(proxy, PATH, point(value))
            time.sleep(random_.choice((0, 0, 0.0005, 0.001, 0.002)))
            os.kill(paused, signal.SIGSTOP)
            try:
                status = post.response().status
                self.assertIn(status, (200, 503))
                refused += status == 503
                # One that was paused with a lock of the server's own in its hands lets nobody else through.
                acknowledged = any(proxy.post(PATH, point(value + 1)).status == 200 for _ in range(20))
            finally:
                os.kill(paused, signal.SIGCONT)
            if not acknowledged:
                support.wait_until(lambda: proxy.post(PATH, point(value + 1)).status == 200, 30, "an acknowledgement")
            support.wait_until(lambda: self.cluster.value(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telemetry-proxy ingest' "
                "AND state <> 'idle'") == "0", 30, "the paused one to end")
            self.assertEqual(self.values(), {"m": value + 1}, f"round {value // 2}, answered {status}")
        self.assertGreater(refused, ROUNDS / 20)

    def test_answer_that_came_too_late_is_not_given_to_the_next_request(self):
        proxy = self.start_proxy(self.cluster, "--connections=1", "--request-timeout=500ms")
        connection = proxy.connect()
        self.addCleanup(connection.close)
        self.session.run(LOCK)
        self.assert_busy(proxy.post(PATH, point(1, "late"), connection=connection))
        self.session.run("COMMIT;")
        for number in range(20):
            response = proxy.post(PATH, point(number, f"m{number}"), connection=connection)
            self.assertIn(response.status, (200, 503))
            if response.status == 200:
                self.assertEqual(response.json["metric_name"], f"m{number}")
                self.assertEqual(self.values()[f"m{number}"], number)


if __name__ == "__main__":
    unittest.main()
