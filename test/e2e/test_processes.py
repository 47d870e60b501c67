"""Several processes that serve, and what they and a service manager have to tell each other."""

import http.client
import os
import re
import signal
import socket
import subprocess
import unittest

import manager
import support

NOWHERE = "host=/nonexistent"
TARGET = "/api/v1/telemetry/devices/d1/telemetry"
POINT = {"timestamp": "2025-01-01T00:00:00Z", "metric_name": "m", "value": 1}


def server_of(proxy):
    """Which process has answered."""
    return proxy.get("/health/detailed").json["performance"]["proxy"]["process"]


def servers(proxy):
    """The processes that answer, of many connections."""
    return {server_of(proxy) for _ in range(20)}


def is_served(proxy):
    try:
        return proxy.get("/health/live").status == 200
    except (OSError, http.client.HTTPException):
        return False


class ProcessTestCase(support.TestCase):
    def start(self, *options, database=NOWHERE, **arguments):
        """Without a database, if none is named; returns when it serves."""
        proxy = self.start_proxy(database, *options, wait=False, **arguments)
        support.wait_until(lambda: is_served(proxy), 20, "the proxy to serve")
        return proxy

    def start_many(self, count, *options, **arguments):
        proxy = self.start(f"--processes={count}", *options, **arguments)
        self.wait_for_servers(proxy, count)
        return proxy

    def wait_for_servers(self, proxy, count):
        """All of them, at last."""
        found = set()

        def all_found():
            found.update(servers(proxy) & set(proxy.process.children()))
            return len(found) == count

        support.wait_until(all_found, 30, f"{count} processes to answer")
        return found

    def run_to_end(self, *options):
        return subprocess.run(
            [*support.PROXY_WRAPPER, support.PROXY, "--auth=none", f"--database={NOWHERE}", *options],
            capture_output=True, text=True, env=support._environment(), timeout=30 * support.PATIENCE,
            check=False, stdin=subprocess.DEVNULL, cwd="/", **support._identity())


class SeveralProcessesTest(ProcessTestCase):
    def test_all_processes_serve_and_the_first_does_not(self):
        proxy = self.start_many(3)
        found = self.wait_for_servers(proxy, 3)
        self.assertEqual(found, set(proxy.process.children()))
        self.assertNotIn(proxy.process.pid, servers(proxy))

    def test_one_process_has_no_other(self):
        proxy = self.start("--processes=1")
        self.assertEqual(proxy.process.children(), [])
        self.assertEqual(servers(proxy), {proxy.process.pid})

    def test_a_process_that_is_killed_is_missed_by_nobody_and_comes_again(self):
        proxy = self.start_many(3)
        before = set(proxy.process.children())
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        support.wait_until(lambda: victim not in proxy.process.children(), 20, "its end")
        self.assertLessEqual(before - {victim}, set(proxy.process.children()))
        self.assertNotIn(victim, servers(proxy))
        after = self.wait_for_servers(proxy, 3)
        self.assertEqual(len(after - before), 1)
        self.assertIn(f"process {victim} was ended by signal 9", proxy.log_text())

    def test_a_process_that_ends_by_sigterm_is_replaced(self):
        proxy = self.start_many(2)
        before = set(proxy.process.children())
        os.kill(min(before), signal.SIGTERM)
        support.wait_until(lambda: min(before) not in proxy.process.children(), 20, "its end")
        self.assertEqual(len(self.wait_for_servers(proxy, 2) - before), 1)

    def config_file(self, text):
        folder = support.make_folder("config-")
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=False)
        path = folder / "proxy.conf"
        path.write_text(text)
        return path

    def test_sighup_reaches_all_and_those_that_come_later(self):
        path = self.config_file("max-body = 4MB\n")
        proxy = self.start_many(3, f"--config={path}")
        path.write_text("max-body = 1kB\n")
        proxy.process.send(signal.SIGHUP)
        workers = set(proxy.process.children())

        def told():
            return {int(pid) for pid in re.findall(r'\[(\d+)\] option "max-body" has changed', proxy.log_text())}

        support.wait_until(lambda: told() == workers, 20, "all to have read it")
        os.kill(min(workers), signal.SIGKILL)
        support.wait_until(lambda: min(workers) not in proxy.process.children(), 20, "its end")
        self.wait_for_servers(proxy, 3)
        for _ in range(40):
            self.assertEqual(proxy.post(TARGET, b"x" * 2000).status, 413)

    def test_a_configuration_with_a_mistake_is_told_once_and_changes_nothing(self):
        path = self.config_file("max-body = 1kB\n")
        proxy = self.start_many(2, f"--config={path}")
        path.write_text("max-body = much\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: "stays as it is" in proxy.log_text(), 20, "the error")
        path.write_text("max-body = 1kB\nlog-level = debug\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: proxy.log_text().count('"log-level" has changed') == 3, 20, "the change")
        self.assertEqual(proxy.log_text().count("stays as it is"), 1)
        self.assertEqual(proxy.post(TARGET, b"x" * 2000).status, 413)

    def test_when_the_first_process_is_killed_all_end(self):
        proxy = self.start_many(3)
        workers = proxy.process.children()
        proxy.kill()
        support.wait_until(lambda: not any(map(support.is_alive, workers)), 30, "the others to end")
        self.assertFalse(is_served(proxy))

    def test_an_address_in_use_is_an_error_also_of_another_that_shares_addresses(self):
        proxy = self.start_many(2)
        run = self.run_to_end("--processes=2", f"--listen=127.0.0.1:{proxy.port}")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn(f"could not listen on 127.0.0.1:{proxy.port}", run.stderr)
        self.assertEqual(len(self.wait_for_servers(proxy, 2)), 2)

    def test_processes_that_cannot_start_end_the_whole(self):
        with manager.listen() as taken:
            run = self.run_to_end("--processes=3", "--reuse-port", f"--listen=127.0.0.1:{taken.getsockname()[1]}")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("a process could not start", run.stderr)

    def test_two_with_reuse_port_share_an_address(self):
        first = self.start_many(2, "--reuse-port")
        second = self.start_proxy(NOWHERE, "--processes=2", "--reuse-port", port=first.port, wait=False)
        support.wait_until(lambda: servers(first) & set(second.process.children()), 30, "the second to be asked")
        self.assertEqual(first.stop(), 0)
        self.assertLessEqual(servers(second), set(second.process.children()))


class DrainTest(ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(fsync="off")

    def lock(self):
        """A transaction that is in the way of all that stores points, and of nothing that reads."""
        session = self.start_session(self.cluster)
        session.run("BEGIN; LOCK TABLE telemetry.block IN SHARE MODE;")
        return session

    def start_requests(self, proxy, count):
        requests = [proxy.start_post(TARGET, dict(POINT, metric_name=f"m{i}")) for i in range(count)]
        for request in requests:
            self.addCleanup(request.close)
        support.wait_until(lambda: self.in_flight(proxy) == count, 30, "the requests to arrive")
        return requests

    def in_flight(self, proxy):
        """Of all processes, as each tells of itself."""
        found = {}
        for _ in range(30):
            numbers = proxy.get("/health/detailed").json["performance"]["proxy"]
            # It counts itself.
            found[numbers["process"]] = numbers["requests_in_flight"] - 1
        return sum(found.values())

    def wait_refused(self, proxy):
        def is_refused():
            try:
                proxy.wire(5).close()
                return False
            except OSError:
                return True

        support.wait_until(is_refused, 30, "the listeners to close")

    def assert_drains(self, proxy, end):
        """`end` tells it to; what was under way is answered and stored."""
        holder = self.lock()
        requests = self.start_requests(proxy, 24)
        workers = proxy.process.children()
        end()
        self.wait_refused(proxy)
        self.assertTrue(proxy.process.is_running())
        holder.run("COMMIT;")
        for request in requests:
            self.assertEqual(request.response().status, 200)
        self.assertEqual(proxy.process.wait(30), 0, proxy.log_text())
        self.assertFalse(any(map(support.is_alive, workers)))
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point"), "24")

    def start_healthy(self, *options):
        proxy = self.start_many(3, "--drain-timeout=60s", *options, database=self.cluster)
        support.wait_until(lambda: all(proxy.get("/health").status == 200 for _ in range(30)), 30, "all to be healthy")
        return proxy

    def test_sigterm_drains_all(self):
        proxy = self.start_healthy()
        self.assert_drains(proxy, proxy.terminate)

    def test_a_signal_for_all_processes_at_once_drains_them_too(self):
        proxy = self.start_healthy()
        self.assert_drains(proxy, lambda: os.killpg(proxy.process.pid, signal.SIGTERM))

    def test_ctrl_c_of_a_terminal_drains_them_too(self):
        proxy = self.start_healthy()
        self.assert_drains(proxy, lambda: os.killpg(proxy.process.pid, signal.SIGINT))

    def test_second_signal_ends_all_at_once(self):
        proxy = self.start_healthy("--drain-timeout=10min", "--request-timeout=10min")
        holder = self.lock()
        self.start_requests(proxy, 6)
        workers = proxy.process.children()
        proxy.terminate()
        self.wait_refused(proxy)
        proxy.terminate()
        self.assertEqual(proxy.process.wait(30), 1)
        support.wait_until(lambda: not any(map(support.is_alive, workers)), 30, "the others to end")
        holder.run("COMMIT;")

    def test_connections_that_wait_to_be_accepted_are_served_before_the_end(self):
        proxy = self.start_proxy(self.cluster)
        proxy.process.send(signal.SIGSTOP)
        requests = [proxy.start_post(TARGET, dict(POINT, metric_name=f"m{i}")) for i in range(20)]
        proxy.terminate()
        proxy.process.send(signal.SIGCONT)
        for request in requests:
            self.addCleanup(request.close)
            self.assertEqual(request.response().status, 200)
        self.assertEqual(proxy.process.wait(30), 0)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.point"), "20")


class ActivationTest(ProcessTestCase):
    def listen(self, **arguments):
        listener = manager.listen(**arguments)
        self.addCleanup(listener.close)
        return listener

    def start_passing(self, *sockets, options=(), **arguments):
        """A proxy that is asked at the first of the sockets."""
        proxy = self.start_proxy(NOWHERE, *options, wait=False, **manager.passing(self, sockets, **arguments))
        self.unused_port, proxy.port = proxy.port, sockets[0].getsockname()[1]
        return proxy

    def assert_refused(self, reason, *sockets):
        proxy = self.start_passing(*sockets)
        self.assertEqual(proxy.process.wait(20), 1)
        self.assertIn(reason, proxy.log_text())

    def test_passed_sockets_are_served_in_the_place_of_listen(self):
        folder = support.make_folder("socket-")
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=False)
        first, second, third = self.listen(), self.listen(), manager.listen_unix(folder / "http")
        self.addCleanup(third.close)
        proxy = self.start_passing(first, second, third)
        for listener in (first, second, third):
            with socket.socket(listener.family) as client:
                client.settimeout(20 * support.PATIENCE)
                client.connect(listener.getsockname())
                client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                self.assertEqual(client.recv(15), b"HTTP/1.1 200 OK")
        self.assertIn('"listen" is not used', proxy.log_text())
        self.assertIn(f"listening on unix:{folder}/http", proxy.log_text())
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.unused_port))
        self.assertEqual(proxy.stop(), 0)

    def test_what_comes_between_two_processes_waits_for_the_second(self):
        listener = self.listen()
        first = self.start_passing(listener)
        support.wait_until(lambda: is_served(first), 20, "the first to serve")
        self.assertEqual(first.stop(), 0)
        with first.wire() as client:
            client.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertFalse(client.has_answer())
            self.start_passing(listener)
            self.assertEqual(client.response("GET").status, 200)

    def test_what_waits_when_a_process_is_killed_is_served_by_the_next(self):
        listener = self.listen()
        first = self.start_passing(listener)
        support.wait_until(lambda: is_served(first), 20, "the first to serve")
        first.process.send(signal.SIGSTOP)
        with first.wire() as client:
            client.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            first.process.send(signal.SIGKILL)
            first.process.wait(20)
            self.start_passing(listener)
            self.assertEqual(client.response("GET").status, 200)

    def test_several_processes_share_them(self):
        listener = self.listen()
        proxy = self.start_passing(listener, options=["--processes=2"])
        support.wait_until(lambda: is_served(proxy), 20, "the proxy to serve")
        self.assertLessEqual(servers(proxy), set(proxy.process.children()))
        self.assertEqual(proxy.stop(), 0)

    def test_sighup_leaves_them_as_they_are(self):
        proxy = self.start_passing(self.listen())
        support.wait_until(lambda: is_served(proxy), 20, "the proxy to serve")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: "configuration again" in proxy.log_text(), 20, "the signal")
        self.assertTrue(is_served(proxy))
        self.assertNotIn("stays as it is", proxy.log_text())

    def test_sockets_for_another_process_are_not_taken(self):
        listener = self.listen()
        proxy = self.start_passing(listener, process=1)
        proxy.port = self.unused_port
        support.wait_until(lambda: is_served(proxy), 20, "the proxy to serve")
        self.assertNotIn("were passed", proxy.log_text())

    def test_auth_none_looks_at_where_they_really_listen(self):
        listener = self.listen(host="0.0.0.0")
        self.assert_refused(f"auth=none is not accepted on address 0.0.0.0:{listener.getsockname()[1]}", listener)

    def test_what_does_not_listen_for_streams_is_refused(self):
        reason = "is not a listening stream socket"
        with socket.socket() as closed, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            closed.bind(("127.0.0.1", 0))
            datagrams.bind(("127.0.0.1", 0))
            self.assert_refused("descriptor 4 of LISTEN_FDS " + reason, self.listen(), closed)
            self.assert_refused("descriptor 3 of LISTEN_FDS " + reason, datagrams)


class NotifyTest(ProcessTestCase):
    def start_telling(self, *options, watchdog_us=None, abstract=False):
        ear = manager.Ear(self, abstract)
        proxy = self.start_proxy(NOWHERE, *options, wait=False, environment=ear.environment(watchdog_us))
        return proxy, ear

    def assert_tells_its_life(self, proxy, ear):
        ear.wait_for("READY")
        self.assertTrue(is_served(proxy))
        proxy.process.send(signal.SIGHUP)
        reloading = ear.wait_for("RELOADING")
        self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
        ear.wait_for("READY")
        proxy.terminate()
        ear.wait_for("STOPPING")
        self.assertEqual(proxy.process.wait(30), 0)
        # Once of the start, and once of the signal.
        self.assertEqual(sum("READY" in message for message in ear.told), 2)

    def test_ready_reloading_and_stopping_are_told(self):
        self.assert_tells_its_life(*self.start_telling())

    def test_an_abstract_socket_is_told_too(self):
        self.assert_tells_its_life(*self.start_telling(abstract=True))

    def test_several_processes_tell_it_as_one(self):
        proxy, ear = self.start_telling("--processes=3")
        self.assert_tells_its_life(proxy, ear)
        self.assertTrue(any(message.get("STATUS") == "3 of 3 processes serve" for message in ear.told))

    def test_a_reload_that_fails_is_over_too(self):
        for processes in (1, 2):
            folder = support.make_folder("config-")
            self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=False)
            path = folder / "proxy.conf"
            path.write_text("max-body = 1MB\n")
            proxy, ear = self.start_telling(f"--processes={processes}", f"--config={path}")
            ear.wait_for("READY")
            path.write_text("max-body = much\n")
            proxy.process.send(signal.SIGHUP)
            ear.wait_for("RELOADING")
            ear.wait_for("READY")
            self.assertTrue(is_served(proxy))

    def test_the_watchdog_is_told_again_and_again(self):
        for processes in (1, 2):
            _, ear = self.start_telling(f"--processes={processes}", watchdog_us=1000000)
            ear.wait_for("READY")
            for _ in range(3):
                ear.wait_for("WATCHDOG")

    def test_a_process_that_hangs_is_replaced(self):
        proxy, ear = self.start_telling("--processes=2", watchdog_us=3000000)
        ear.wait_for("READY")
        before = set(proxy.process.children())
        os.kill(min(before), signal.SIGSTOP)
        support.wait_until(lambda: min(before) not in proxy.process.children(), 30, "it to be ended")
        self.assertEqual(len(self.wait_for_servers(proxy, 2) - before), 1)
        self.assertIn(f"process {min(before)} hangs", proxy.log_text())

    def test_a_name_that_is_none_is_no_reason_to_fail(self):
        proxy = self.start(environment={"NOTIFY_SOCKET": "nonsense"})
        self.assertIn('could not use NOTIFY_SOCKET "nonsense"', proxy.log_text())
        self.assertEqual(proxy.stop(), 0)


if __name__ == "__main__":
    unittest.main()
