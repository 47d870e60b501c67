"""What the proxy is told on its command line, in the environment and in files."""

import json
import signal
import socket
import subprocess
import unittest

import certificates
import support

VERSION = json.loads((support.ROOT / "META.json").read_text())["version"]
# No server there; --check-config and --help need none.
NOWHERE = "host=/nonexistent"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


class ConfigTestCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = support.make_folder("config-")
        self.addCleanup(subprocess.run, ["rm", "-rf", self.folder], check=False)

    def run_proxy(self, *arguments, environment=None):
        """Runs the proxy to its end; one that stays is an error."""
        return subprocess.run(
            [*support.PROXY_WRAPPER, support.PROXY, *arguments], capture_output=True, text=True,
            env=support._environment(environment), timeout=20 * support.PATIENCE, check=False,
            stdin=subprocess.DEVNULL, cwd="/", **support._identity())

    def check(self, *arguments, environment=None):
        return self.run_proxy("--check-config", *arguments, environment=environment)

    def assert_good(self, *arguments, environment=None):
        run = self.check(*arguments, environment=environment)
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def assert_bad(self, expected, *arguments, environment=None):
        """Refused, with `expected` in the reason; the whole of stderr."""
        run = self.check(*arguments, environment=environment)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn(expected, run.stderr)
        return run.stderr

    def file(self, text, name="proxy.conf"):
        path = self.folder / name
        path.write_text(text)
        return path


class InformationTest(ConfigTestCase):
    def test_help_names_every_option_and_exits_0(self):
        run = self.run_proxy("--help")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for option in ("listen", "database", "connections", "auth", "max-body",
                       "max-decompressed", "max-pending", "request-timeout", "read-timeout",
                       "idle-timeout", "drain-timeout", "json-depth", "check-config", "version"):
            self.assertIn(f"--{option}", run.stdout)

    def test_version_is_that_of_the_metadata(self):
        run = self.run_proxy("--version")
        self.assertEqual((run.returncode, run.stdout), (0, f"telemetry-proxy {VERSION}\n"))

    def test_the_file_that_is_shipped_is_good(self):
        shipped = support.ROOT / "proxy" / "telemetry-proxy.conf"
        copy = self.file(shipped.read_text())
        self.assert_good("-c", str(copy), "--auth=none")


class CheckTest(ConfigTestCase):
    def test_auth_must_be_named(self):
        reason = self.assert_bad('"auth"', f"--database={NOWHERE}")
        self.assertIn("--auth=none", reason)

    def test_named_auth_on_loopback_is_good(self):
        self.assert_good("--auth=none", "--listen=127.0.0.1:8218", f"--database={NOWHERE}")
        self.assert_good("--auth=none", "--listen=127.0.0.2:8218,127.0.0.3:8219")
        self.assert_good("--auth", "none", "--listen", "127.0.0.1:8218")

    def test_unknown_auth_is_refused_with_the_choices(self):
        self.assertIn('"none"', self.assert_bad('"auth"', "--auth=nobody"))
        self.assert_bad('"auth"', "--auth=")

    def test_auth_none_is_refused_off_loopback(self):
        for address in ("0.0.0.0:8218", "10.1.2.3:8218", "127.0.0.1:8218,0.0.0.0:8219"):
            with self.subTest(address):
                self.assert_bad("auth=none", "--auth=none", f"--listen={address}")

    def test_auth_none_is_refused_on_a_name_that_is_not_loopback(self):
        name = "telemetry-proxy-test.invalid"
        run = self.check("--auth=none", f"--listen={name}:8218")
        self.assertEqual(run.returncode, 1, "a name that does not resolve was accepted")
        self.assertIn(name, run.stderr)
        own = socket.gethostname()
        try:
            addresses = {info[4][0] for info in socket.getaddrinfo(own, 8218)}
        except OSError:
            return
        if any(not address.startswith("127.") and address != "::1" for address in addresses):
            self.assert_bad("auth=none", "--auth=none", f"--listen={own}:8218")

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_auth_none_is_refused_on_ipv6_off_loopback(self):
        self.assert_good("--auth=none", "--listen=[::1]:8218")
        for address in ("[::]:8218", "[2001:db8::1]:8218", "[::ffff:10.0.0.1]:8218"):
            with self.subTest(address):
                self.assert_bad("auth=none", "--auth=none", f"--listen={address}")

    def test_unknown_option_is_refused_with_the_nearest_name(self):
        reason = self.assert_bad('unknown option "max-bdy"', "--auth=none", "--max-bdy=1MB")
        self.assertIn('"max-body"', reason)

    def test_unlike_option_is_refused_with_all_names(self):
        reason = self.assert_bad('unknown option "xyzzy-plugh"', "--auth=none", "--xyzzy-plugh=1")
        self.assertIn("listen", reason)
        self.assertIn("max-pending", reason)

    def test_argument_that_is_no_option_is_refused(self):
        self.assert_bad('"nonsense"', "--auth=none", "nonsense")

    def test_bad_values_are_refused_with_the_option_and_the_value(self):
        for option, value in (("max-body", "4MX"), ("max-body", "-1"), ("max-body", ""),
                              ("max-body", "9999999999999GB"), ("connections", "0"),
                              ("connections", "65"), ("connections", "2.5"), ("processes", "0"), ("processes", "65"),
                              ("request-timeout", "30"), ("request-timeout", "5ms"),
                              ("log-level", "loud"), ("reuse-port", "perhaps"),
                              ("report-port", "65536"), ("json-depth", "3")):
            with self.subTest(option=option, value=value):
                reason = self.assert_bad(f'"{option}"', "--auth=none", f"--{option}={value}")
                self.assertIn(f'"{value}"', reason)

    def test_options_of_notifications_are_checked(self):
        password = self.file("secret\n", "password")
        password.chmod(0o600)
        certificates.give(password)
        login = ("--smtp-user=ann", f"--smtp-password-file={password}")
        self.assert_good("--auth=none", "--deliver-allow-private=on")
        self.assert_good("--auth=none", "--deliver-allow-private=10.0.0.0/8, fd00::/8,127.0.0.1")
        self.assert_good("--auth=none", "--smtp-url=smtps://mail.example.org", *login)
        self.assert_good("--auth=none", "--smtp-url=smtp://[::1]:25", "--smtp-tls=off")
        for expected, *options in (
                ('"10.0.0.1/8" is not a network', "--deliver-allow-private=10.0.0.1/8"), ('"smtp-url" is not', *login),
                ("only one of", "--smtp-url=smtp://x", "--smtp-user=ann"), ('"smtp-tls" is off', "--smtp-url=smtp://x", "--smtp-tls=off", *login),
                ("CA file", "--deliver-ca=/nonexistent"), *(('"smtp-url"', f"--smtp-url={url}") for url in (
                    "mail", "mail.example.org:25", "http://x", "smtp://", "smtp://ann:b@x", "smtp://x?y", "file:///etc/passwd"))):
            with self.subTest(options):
                self.assert_bad(expected, "--auth=none", *options)
        for text in ("", "\n", "a\nb\n", "x" * 1025):
            with self.subTest(text=text[:10]):
                password.write_text(text)
                self.assert_bad("has no password", "--auth=none", "--smtp-url=smtp://x", *login)
        password.chmod(0o644)
        self.assert_bad("has group or world access", "--auth=none", "--smtp-url=smtp://x", *login)

    def test_addresses_that_are_none_are_refused(self):
        for address in ("", "8218", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000",
                        "127.0.0.1:http", "::1:8218", "127.0.0.1:1,", "127.0.0.1:1 127.0.0.1:2"):
            with self.subTest(address):
                self.assert_bad('"listen"', "--auth=none", f"--listen={address}")

    def test_address_that_is_named_twice_is_refused(self):
        for options in (("--listen=127.0.0.1:8218,127.0.0.1:8218",), ("--health-listen=127.0.0.1:8218",),
                        ("--listen=localhost:8218,127.0.0.1:8218",)):
            with self.subTest(options):
                self.assert_bad("127.0.0.1:8218", "--auth=none", *options)

    def test_options_of_tls_without_an_address_for_it_are_refused(self):
        for option in ("--tls-client-certificates=required", "--tls-certificate=/x", "--tls-key=/x", "--tls-client-ca=/x"):
            with self.subTest(option):
                self.assert_bad('"tls-listen"', "--auth=none", option)

    def test_connection_string_that_is_none_is_refused(self):
        self.assert_bad('"database"', "--auth=none", "--database=nonsense=1")

    def test_limit_below_another_that_it_must_hold_is_refused(self):
        self.assert_bad('"max-decompressed"', "--auth=none", "--max-body=2MB",
                        "--max-decompressed=1MB")

    def test_bad_options_keep_the_proxy_from_starting(self):
        run = self.run_proxy("--auth=none", "--listen=0.0.0.0:8218")
        self.assertEqual(run.returncode, 1)
        self.assertIn("auth=none", run.stderr)


class PrecedenceTest(ConfigTestCase):
    """The command line goes before the environment, and that before the file."""

    def test_file_sets_options(self):
        path = self.file("# a comment\nauth = none\nlisten = 127.0.0.1:8300\nmax-body = 2MB\n")
        self.assert_good("-c", str(path))
        self.assert_good(f"--config={path}")

    def test_file_may_have_its_section(self):
        self.assert_good("-c", str(self.file("[telemetry-proxy]\nauth = none\n")))
        self.assert_bad('"other"', "-c", str(self.file("[other]\nauth = none\n")))

    def test_file_that_is_missing_is_refused(self):
        self.assert_bad("missing.conf", "--auth=none", "-c", str(self.folder / "missing.conf"))

    def test_option_that_is_given_twice_is_refused(self):
        """So is a value that goes on in an indented line, of which only that would count."""
        for text in ("auth = none\nmax-body = 2MB\nmax-body = 3MB\n", "auth = none\ncors-origins = https://a.example\n    https://b.example\n"):
            path = self.file(text)
            self.assertIn("twice", self.assert_bad(f"{path}:3", "-c", str(path)))

    def test_folder_in_place_of_a_file_is_refused(self):
        self.assert_bad(str(self.folder), "--auth=none", "-c", str(self.folder))

    def test_bad_file_is_refused_with_its_line(self):
        path = self.file("auth = none\n\nmax-bdy = 1MB\n")
        reason = self.assert_bad(f"{path}:3", "-c", str(path))
        self.assertIn('"max-body"', reason)
        path = self.file("auth = none\nnonsense\n")
        self.assert_bad(f"{path}:2", "-c", str(path))

    def test_environment_sets_options(self):
        self.assert_good(environment={"TELEMETRY_PROXY_AUTH": "none",
                                      "TELEMETRY_PROXY_MAX_BODY": "2MB"})
        self.assert_bad("environment", "--auth=none",
                        environment={"TELEMETRY_PROXY_MAX_BODY": "much"})
        reason = self.assert_bad('"max-bdy"', "--auth=none",
                                 environment={"TELEMETRY_PROXY_MAX_BDY": "1MB"})
        self.assertIn('"max-body"', reason)

    # Which value counts shows in whether it is refused: 0.0.0.0 is, 127.0.0.1 is not.

    def test_environment_goes_before_file(self):
        path = self.file("auth = none\nlisten = 0.0.0.0:8218\n")
        self.assert_bad("auth=none", "-c", str(path))
        self.assert_good("-c", str(path),
                         environment={"TELEMETRY_PROXY_LISTEN": "127.0.0.1:8218"})

    def test_command_line_goes_before_environment_and_file(self):
        path = self.file("auth = none\nlisten = 0.0.0.0:8218\n")
        environment = {"TELEMETRY_PROXY_LISTEN": "0.0.0.0:8219"}
        self.assert_bad("0.0.0.0:8219", "-c", str(path), environment=environment)
        self.assert_good("--listen=127.0.0.1:8218", "-c", str(path), environment=environment)

    def test_last_of_two_on_the_command_line_counts(self):
        self.assert_good("--auth=none", "--listen=0.0.0.0:1", "--listen=127.0.0.1:1")


class ListenTest(ConfigTestCase):
    """With a listener, but without a database: health is 503, all else as ever."""

    def start(self, *options, **arguments):
        proxy = self.start_proxy(NOWHERE, *options, wait=False, **arguments)
        support.wait_until(lambda: self.answers(proxy), 20, "the proxy to listen")
        return proxy

    @staticmethod
    def answers(proxy):
        if not proxy.process.is_running():
            raise RuntimeError("the proxy did not start:\n" + proxy.log_text())
        try:
            return proxy.get("/health").status == 503
        except OSError:
            return False

    def test_without_a_database_health_is_503_and_says_why(self):
        proxy = self.start()
        response = proxy.get("/health")
        self.assertEqual(response.status, 503)
        self.assertEqual(response.json["status"], "unhealthy")
        self.assertEqual(response.json["service"], "telemetry_service")
        self.assertEqual(response.json["port"], proxy.port)
        # The database has not said yet which paths there are.
        self.assertEqual(proxy.get("/nothing").status, 503)

    def test_sigterm_ends_it_with_0_also_without_a_database(self):
        self.assertEqual(self.start().stop(), 0)

    def test_sighup_reads_the_configuration_again(self):
        path = self.file("max-body = 1kB\n")
        proxy = self.start("-c", str(path))
        body = json.dumps({"a": "a" * 2000})
        target = "/api/v1/telemetry/devices/d/telemetry"
        self.assertEqual(proxy.post(target, body).status, 413)

        path.write_text("max-body = 1MB\nconnections = 7\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: 'option "max-body" has changed' in proxy.log_text(), 10, "the change")
        self.assertEqual(proxy.post(target, body).status, 503)
        self.assertIn('option "connections" has changed, and is read at start only', proxy.log_text())

        path.write_text("max-body = much\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: "the configuration stays as it is" in proxy.log_text(), 10, "the refusal")
        self.assertEqual(proxy.post(target, body).status, 503)

        # The command line goes before the file.
        path.write_text("listen = 127.0.0.1:1\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: proxy.post(target, "x" * 2000000 ).status == 503, 10, "the default")
        self.assertNotIn('"listen"', proxy.log_text())
        self.assertEqual(proxy.stop(), 0)

    def test_port_in_use_is_an_error_that_names_the_address(self):
        proxy = self.start()
        run = self.run_proxy("--auth=none", f"--listen=127.0.0.1:{proxy.port}",
                             f"--database={NOWHERE}")
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"127.0.0.1:{proxy.port}", run.stderr)
        self.assertEqual(proxy.get("/health").status, 503)

    def test_two_processes_share_a_port_when_both_agree(self):
        first = self.start("--reuse-port")
        second = self.start("--reuse-port", port=first.port)
        self.assertTrue(first.process.is_running() and second.process.is_running())
        self.assertEqual(first.stop(), 0)
        support.wait_until(lambda: self.answers(second), 20, "the other process to answer")

    def test_several_addresses_are_all_served(self):
        first, second = support.free_port(), support.free_port()
        proxy = self.start(f"--listen=127.0.0.1:{first},127.0.0.1:{second}", port=first)
        self.assertEqual(proxy.get("/health").json["port"], first)
        proxy.port = second
        self.assertEqual(proxy.get("/health").json["port"], first)

    def test_reported_port_can_be_set(self):
        proxy = self.start("--report-port=8218")
        self.assertEqual(proxy.get("/health").json["port"], 8218)

    def test_database_password_stays_out_of_the_log(self):
        proxy = self.start_proxy(f"{NOWHERE} password=hush-hush", "--log-level=debug", wait=False)
        support.wait_until(lambda: self.answers(proxy), 20, "the proxy to listen")
        self.assertNotIn("hush-hush", proxy.log_text())


if __name__ == "__main__":
    unittest.main()
