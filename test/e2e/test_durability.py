"""What was acknowledged is stored, whatever dies: the server, a backend, the proxy."""

import http.client
import random
import time
import unittest

import load
import support
from load import CopyClient, HttpClient, Load

ROUNDS = 4
PATH = "/api/v1/telemetry/devices/d1/telemetry"
POINT = {"timestamp": "2025-12-18T10:00:00Z", "metric_name": "m", "value": 1}


def post_later(test, proxy, path, body):
    """A request under way; response() waits for its answer."""
    wire = proxy.start_post(path, body)
    test.addCleanup(wire.close)
    return wire


def lock_blocks(test, cluster):
    """Another session's lock in which every ingest waits; unlock with COMMIT."""
    session = test.start_session(cluster)
    session.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
    return session


def waiting_backends(cluster):
    """Process ids of the proxy's backends that wait for a lock."""
    return [int(pid) for (pid,) in cluster.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'telemetry-proxy ingest' "
        "AND wait_event_type = 'Lock'")]


class ServerKilledTest(support.TestCase):
    def assert_rounds_lose_nothing(self, cluster, running, seed, wait_back):
        moments = random.Random(seed)
        for _ in range(ROUNDS):
            running.wait_for_more(5)
            time.sleep(moments.uniform(0.02, 0.6))
            trouble = running.trouble()
            cluster.kill()
            support.wait_until(lambda before=trouble: running.trouble() > before, 30,
                               "the clients to notice")
            cluster.start()
            wait_back()
            running.wait_for_more(5)
            running.check(self, cluster)
        running.stop()
        stored = running.check(self, cluster)
        self.assertGreaterEqual(stored, running.count())

    def test_killed_under_load_through_the_proxy_keeps_all_that_was_acknowledged(self):
        cluster = self.start_cluster()
        proxy = self.start_proxy(cluster)
        with Load([HttpClient(proxy, f"http-{i}", seed=1) for i in range(4)]) as running:
            self.assert_rounds_lose_nothing(cluster, running, 11, proxy.wait_healthy)
        self.assertTrue(proxy.process.is_running())

    def test_killed_under_direct_copies_keeps_all_that_was_acknowledged(self):
        cluster = self.start_cluster()
        with Load([CopyClient(cluster, f"copy-{i}", seed=2) for i in range(3)]) as running:
            self.assert_rounds_lose_nothing(cluster, running, 12, lambda: None)

    def test_while_the_server_is_away_answers_are_503_and_then_recover(self):
        cluster = self.start_cluster()
        proxy = self.start_proxy(cluster)
        cluster.kill()
        # A connection may not have noticed yet, but from the first refusal on it stays so.
        support.wait_until(lambda: proxy.post(PATH, POINT).status == 503, 30, "a 503")
        for path, body in ((PATH, POINT), (f"{PATH}/batch", {"data_points": [POINT]}),
                           (f"{PATH}/batch", {"data_points": [POINT], "batch_id": "b"}),
                           ("/api/v1/telemetry/bulk", {"d1": [POINT]})):
            response = proxy.post(path, body)
            self.assertEqual(response.status, 503, path)
            self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)
            self.assertIsInstance(response.json["detail"], str)
        self.assertEqual(proxy.get("/api/v1/telemetry/batches/b").status, 503)
        for path in ("/health", "/health/detailed"):
            response = proxy.get(path)
            self.assertEqual((response.status, response.json["status"]), (503, "unhealthy"))
            self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)

        cluster.start()
        proxy.wait_healthy()
        self.assertEqual(proxy.post(PATH, POINT).status, 200)
        self.assertEqual(cluster.value("SELECT count(*) FROM telemetry.point"), "1")

    def test_clean_restart_of_the_server_is_survived_too(self):
        cluster = self.start_cluster()
        proxy = self.start_proxy(cluster)
        with Load([HttpClient(proxy, f"http-{i}", seed=3) for i in range(3)]) as running:
            for mode in ("fast", "immediate"):
                running.wait_for_more(5)
                cluster.stop(mode)
                cluster.start()
                proxy.wait_healthy()
                running.wait_for_more(5)
            running.stop()
            running.check(self, cluster)


class BackendLostTest(support.SharedProxyTestCase):
    settings = {"fsync": "off"}

    def assert_refused_when(self, function, path, body):
        """A request whose backend is hit in the middle is answered 503, and may be retried."""
        lock = lock_blocks(self, self.cluster)
        request = post_later(self, self.proxy, path, body)
        pids = support.wait_until(lambda: waiting_backends(self.cluster), 30, "the lock's queue")
        for pid in pids:
            self.cluster.value(f"SELECT {function}({pid})")
        response = request.response()
        self.assertEqual(response.status, 503, response)
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)
        self.assertIsInstance(response.json["detail"], str)
        lock.run("COMMIT;")
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point"), "0")

        self.proxy.wait_healthy()
        self.assertEqual(self.proxy.post(path, body).status, 200)
        self.assertEqual(self.cluster.rows("SELECT device_id, metric, num FROM telemetry.point"),
                         [["d1", "m", "1"]])

    def test_terminated_backend_in_a_copy_is_503_and_retry_works(self):
        self.assert_refused_when("pg_terminate_backend", PATH, POINT)

    def test_cancelled_copy_is_503_and_retry_works(self):
        self.assert_refused_when("pg_cancel_backend", f"{PATH}/batch", {"data_points": [POINT]})

    def test_terminated_backend_in_a_call_is_503_and_retry_works(self):
        self.assert_refused_when("pg_terminate_backend", f"{PATH}/batch",
                                 {"data_points": [POINT], "batch_id": "b1"})

    def test_terminated_idle_backends_are_replaced_without_a_wrong_answer(self):
        for _ in range(5):
            self.cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                 "WHERE application_name = 'telemetry-proxy ingest'")
            response = self.proxy.post(PATH, POINT)
            self.assertIn(response.status, (200, 503))
            stored = self.cluster.value("SELECT count(*) FROM telemetry.point")
            if response.status == 200:
                self.assertEqual(stored, "1")
            self.proxy.wait_healthy()
        support.wait_until(lambda: self.proxy.post(PATH, POINT).status == 200, 10, "other backends")

    def test_failure_at_commit_is_not_acknowledged_although_all_rows_were_taken(self):
        self.cluster.execute("""
            CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'too late' USING ERRCODE = TG_ARGV[0]; END $$""")
        self.addCleanup(self.cluster.execute, "DROP FUNCTION public.fail CASCADE")
        # Rejected points make the result long: its beginning is sent before the commit.
        many = [load.point(n) for n in range(500)] + [{"value": "x" * 100}] * 500
        for code, status in (("57014", 503), ("40001", 503), ("P0001", 500)):
            self.cluster.execute(f"""
                CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON telemetry.block
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                EXECUTE FUNCTION public.fail('{code}')""")
            for path, body in ((PATH, POINT), (f"{PATH}/batch", {"data_points": [POINT]}),
                               (f"{PATH}/batch", {"data_points": [POINT], "batch_id": "b"}),
                               (f"{PATH}/batch", {"data_points": [
                                   {**POINT, "metric_name": name} for name in ["m"] + [""] * 500]}),
                               (f"{PATH}/batch", {"data_points": many}),
                               ("/api/v1/telemetry/bulk", {"d1": [POINT], "d2": [POINT]})):
                with self.subTest(code=code, path=path, size=len(str(body))):
                    self.assertEqual(self.proxy.post(path, body).status, status)
            self.cluster.execute("DROP TRIGGER fail ON telemetry.block")
        for table in ("point", "receipt", "dead_letter"):
            self.assertEqual(self.cluster.value(f"SELECT count(*) FROM telemetry.{table}"), "0")

    def test_backends_terminated_at_random_under_load_lose_nothing(self):
        moments = random.Random(21)
        with Load([HttpClient(self.proxy, f"http-{i}", seed=4) for i in range(4)]) as running:
            for _ in range(8):
                time.sleep(moments.uniform(0.01, 0.1))
                self.cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                     "WHERE application_name = 'telemetry-proxy ingest'")
                running.wait_for_more(1)
            running.stop()
            running.check(self, self.cluster)


class ProxyEndedTest(support.TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(fsync="off")

    def test_sigterm_under_load_stores_all_that_was_acknowledged_and_exits_0(self):
        for seed in (31, 32):
            proxy = self.start_proxy(self.cluster, "--drain-timeout=10s")
            devices = [f"http-{seed}-{i}" for i in range(6)]
            with Load([HttpClient(proxy, device, seed) for device in devices]) as running:
                running.wait_for_more(5)
                time.sleep(random.Random(seed).uniform(0.02, 0.3))
                self.assertEqual(proxy.stop(seconds=15), 0)
                running.stop()
                running.check(self, self.cluster)
            self.cluster.execute("TRUNCATE telemetry.block")

    def test_sigterm_answers_requests_in_flight_before_it_exits(self):
        proxy = self.start_proxy(self.cluster, "--drain-timeout=60s", "--connections=2")
        lock = lock_blocks(self, self.cluster)
        requests = [
            post_later(self, proxy, f"/api/v1/telemetry/devices/d{i}/telemetry", POINT)
            for i in range(8)]
        requests.append(post_later(self, proxy, f"{PATH}/batch",
                                   {"data_points": [load.point(i) for i in range(100)]}))
        requests.append(post_later(self, proxy, f"{PATH}/batch",
                                   {"data_points": [load.point(100)], "batch_id": "b1"}))
        proxy.settle()
        proxy.terminate()
        support.wait_until(lambda: not accepts(proxy), 30, "the listener to close")
        self.assertTrue(proxy.process.is_running())
        lock.run("COMMIT;")
        for request in requests:
            response = request.response()
            self.assertEqual(response.status, 200, response)
            self.assertTrue(request.at_end())
        self.assertEqual(proxy.process.wait(30), 0)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point"), "109")

    def test_sigterm_with_a_stuck_database_ends_in_time_and_pretends_nothing(self):
        proxy = self.start_proxy(self.cluster, "--drain-timeout=500ms")
        lock = lock_blocks(self, self.cluster)
        request = post_later(self, proxy, PATH, POINT)
        support.wait_until(lambda: waiting_backends(self.cluster), 30, "the lock's queue")
        proxy.terminate()
        response = request.response()
        self.assertEqual(response.status, 503, response)
        self.assertEqual(proxy.process.wait(30), 0)
        lock.run("COMMIT;")

    def test_idle_connections_do_not_hold_up_the_end(self):
        proxy = self.start_proxy(self.cluster, "--drain-timeout=60s")
        with proxy.wire() as silent, proxy.wire() as idle:
            idle.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(idle.response("GET").status, 200)
            self.assertEqual(proxy.stop(seconds=30), 0)
            self.assertTrue(silent.at_end() and idle.at_end())

    def test_second_signal_ends_it_at_once(self):
        proxy = self.start_proxy(self.cluster, "--drain-timeout=10min")
        lock = lock_blocks(self, self.cluster)
        request = post_later(self, proxy, PATH, POINT)
        support.wait_until(lambda: waiting_backends(self.cluster), 30, "the lock's queue")
        proxy.terminate()
        support.wait_until(lambda: not accepts(proxy), 30, "the listener to close")
        proxy.terminate()
        proxy.process.wait(30)
        with self.assertRaises((OSError, http.client.HTTPException)):
            print(request.response())
        lock.run("COMMIT;")

    def test_kill_9_of_the_proxy_loses_nothing_acknowledged(self):
        proxy = self.start_proxy(self.cluster)
        moments = random.Random(41)
        with Load([HttpClient(proxy, f"http-{i}", seed=5) for i in range(4)]) as running:
            for _ in range(3):
                running.wait_for_more(5)
                time.sleep(moments.uniform(0.02, 0.3))
                proxy.kill()
                running.check(self, self.cluster)
                proxy.start()
            running.wait_for_more(5)
            running.stop()
            running.check(self, self.cluster)


def accepts(proxy):
    try:
        proxy.wire(5).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
