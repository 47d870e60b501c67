"""Notifications of alerts are delivered by the proxy: whatever becomes of receivers, the proxy and the database."""

import base64
import email
import hashlib
import hmac
import signal
import shutil
import socket
import threading
import time
import unittest

import certificates
import receivers
import support

SECRET = "0123456789abcdef"
ALLOW = "--deliver-allow-private=127.0.0.0/8"
ALL_AT_ONCE = "group_wait = 0, group_interval = 0, rate_limit = 6000"


class DeliverTestCase(support.SharedClusterTestCase):

    settings = {"fsync": "off", "timezone": "UTC"}

    def setUp(self):
        super().setUp()
        self.cluster.execute("""
            DELETE FROM telemetry.alert_rule; DELETE FROM telemetry.alert; DELETE FROM telemetry.notification_channel;
            DELETE FROM telemetry.outbox""")

    def start_receiver(self, *arguments, **options):
        receiver = receivers.Receiver(*arguments, **options)
        self.addCleanup(receiver.close)
        return receiver

    def start_sink(self, *arguments, **options):
        sink = receivers.MailSink(*arguments, **options)
        self.addCleanup(sink.close)
        return sink

    def make_folder(self):
        folder = support.make_folder("deliver-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def channel(self, name, url, kind="webhook", **columns):
        """A channel with a rule of its own: a point of device NAME triggers it."""
        names = "".join(f", {column}" for column in columns)
        values = "".join(f", {value}" for value in columns.values())
        self.cluster.execute(f"""
            INSERT INTO telemetry.notification_channel (name, kind, url{names}) VALUES ('{name}', '{kind}', '{url}'{values});
            UPDATE telemetry.notification_channel SET {ALL_AT_ONCE} WHERE name = '{name}'""")
        self.rule(name)

    def rule(self, name):
        self.cluster.execute(f"""
            INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value, level, device_ids, notification_channels, cooldown_minutes)
            VALUES ('Hot', 'temperature', '>', 30, 'critical', '{{{name}}}', '{{{name}}}', 0)""")

    def trigger(self, name, value=31):
        """An alert for the channel, each time."""
        self.cluster.execute(f"INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now(), '{name}', 'temperature', 20)")
        self.cluster.execute(f"INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now(), '{name}', 'temperature', {value})")

    def of_notification(self, name, column):
        """Of the channel's first notification; null, and none, are empty."""
        rows = self.cluster.rows(f"SELECT {column} FROM telemetry.notification WHERE channel = '{name}' ORDER BY number LIMIT 1")
        return rows[0][0] if rows else ""

    def wait_state(self, name, state, seconds=30):
        support.wait_until(lambda: self.of_notification(name, "state") == state, seconds, f"notification of {name} to be {state}")

    def wait_error(self, name, seconds=30):
        return support.wait_until(lambda: self.of_notification(name, "last_error"), seconds, f"notification of {name} to fail")

    def hurry(self, name):
        """What has failed is to be sent again now."""
        self.cluster.execute(f"UPDATE telemetry.notification SET next_attempt_at = now() WHERE channel = '{name}' AND leased_until IS NULL")

    def counters(self, proxy):
        return proxy.get("/health/detailed").json["performance"]["proxy"]


class WebhookTest(DeliverTestCase):

    def test_a_point_becomes_a_signed_webhook(self):
        receiver = self.start_receiver()
        proxy = self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/hook?a=b", secret=f"'{SECRET}'",
                     headers="""'{"Authorization": "Bearer t0ken", "X-Empty": ""}'""")
        answer = proxy.post("/api/v1/telemetry/devices/ops/telemetry", {
            "timestamp": time.time(), "metric_name": "temperature", "value": 31})
        self.assertEqual(answer.status, 200, answer)
        told = receiver.wait(1)[0]
        self.assertEqual(told.path, "/hook?a=b")
        self.assertEqual((told.headers["Authorization"], told.headers["X-Empty"], told.headers["Content-Type"]),
                         ("Bearer t0ken", "", "application/json"))
        self.assertNotIn("Expect", told.headers)
        signed = told.headers["X-Telemetry-Timestamp"].encode() + b"." + told.body
        self.assertEqual(told.headers["X-Telemetry-Signature"], hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())
        self.assertEqual((told.json["notification_id"], told.json["triggered"]), (told.id, 1))
        self.assertEqual(told.json["events"][0]["alert"]["device_id"], "ops")
        self.wait_state("ops", "sent")
        self.assertEqual(self.of_notification("ops", "id"), told.id)
        counters = self.counters(proxy)
        self.assertEqual([counters[f"notifications_{name}"] for name in ("under_way", "sent_total", "failed_total")], [0, 1, 0])

    def test_what_fails_comes_again_under_the_same_id(self):
        answers = [500, 429]
        receiver = self.start_receiver(lambda told: answers.pop(0) if answers else 204)
        proxy = self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/s3cret-path")
        self.trigger("ops")
        for n, status in ((1, 500), (2, 429)):
            receiver.wait(n)
            support.wait_until(lambda: self.of_notification("ops", "last_error") == f"status {status}", 30, f"failure {n} to be known")
            self.hurry("ops")
        self.wait_state("ops", "sent")
        told = receiver.wait(3)
        self.assertEqual({one.id for one in told}, {self.of_notification("ops", "id")})
        self.assertEqual({one.body for one in told}, {told[0].body})
        self.assertEqual(self.of_notification("ops", "attempts"), "3")
        lines = [line for line in proxy.log_text().splitlines() if told[0].id in line]
        self.assertEqual(len(lines), 2, lines)
        self.assertRegex(lines[0], 'WARNING .* to channel ops .*"127.0.0.1".* attempt 1: status 500; it is pending')
        self.assertNotIn("s3cret-path", proxy.log_text())

    def test_what_is_refused_is_dead_at_once_and_says_why(self):
        receiver = self.start_receiver(lambda told: (404, {}, b"no\r\nsuch \xff " + "hoök".encode() + b"x" * 500))
        proxy = self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        self.wait_state("ops", "dead")
        self.assertRegex(self.of_notification("ops", "last_error"), "^status 404: no such \\? hoökx{180,190}$")
        self.assertIn("it is dead", proxy.log_text())
        self.assertNotIn("such", proxy.log_text())

    def test_an_answer_that_repeats_a_secret_is_not_told(self):
        for name, answer in (("token", "Bearer t0ken-of-ops"), ("bare", "t0ken-of-ops"), ("path", "/hooks/T000")):
            with self.subTest(name):
                receiver = self.start_receiver(lambda told, answer=answer: (403, {}, f"not with {answer}".encode()))
                self.start_proxy(self.cluster, ALLOW)
                self.channel(name, f"http://127.0.0.1:{receiver.port}/hooks/T000?x=y", headers="""'{"Authorization": "Bearer t0ken-of-ops"}'""")
                self.trigger(name)
                self.wait_state(name, "dead")
                self.assertEqual(self.of_notification(name, "last_error"), "status 403")

    def test_a_redirect_is_not_followed(self):
        other = self.start_receiver()
        receiver = self.start_receiver(lambda told: (307, {"Location": f"http://127.0.0.1:{other.port}/"}, b""))
        self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        self.assertEqual(self.wait_error("ops"), "status 307")
        self.assertEqual((self.of_notification("ops", "state"), other.told), ("pending", []))

    def test_a_long_answer_is_as_good_as_a_short_one(self):
        receiver = self.start_receiver(lambda told: (200, {}, b"x" * 20_000_000))
        self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        self.wait_state("ops", "sent")

    def test_an_endless_head_and_no_http_are_failures(self):
        def serve(answer):
            with listener.accept()[0] as wire:
                wire.recv(65536)
                try:
                    wire.sendall(answer)
                    wire.recv(65536)
                except OSError:
                    pass

        self.start_proxy(self.cluster, ALLOW)
        for name, answer, said in (("head", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "head of more than"), ("noise", b"\0" * 100, "")):
            with self.subTest(name), socket.create_server(("127.0.0.1", 0)) as listener:
                thread = threading.Thread(target=serve, args=(answer,), daemon=True)
                thread.start()
                self.channel(name, f"http://127.0.0.1:{listener.getsockname()[1]}/")
                self.trigger(name)
                self.assertIn(said, self.wait_error(name))
                thread.join()
                self.cluster.execute(f"DELETE FROM telemetry.notification_channel WHERE name = '{name}'")

    def test_who_hangs_delays_nobody_else(self):
        release = threading.Event()
        self.addCleanup(release.set)
        slow = self.start_receiver(lambda told: 200 if release.wait(60) else 500)
        quick = self.start_receiver()
        proxy = self.start_proxy(self.cluster, ALLOW)
        hangs = [f"hang{i}" for i in range(8)]
        for name in hangs:
            self.channel(name, f"http://127.0.0.1:{slow.port}/", timeout_seconds=60)
            self.trigger(name)
        slow.wait(len(hangs))
        self.channel("quick", f"http://127.0.0.1:{quick.port}/")
        for i in range(3):
            self.trigger("quick", 31 + i)
            quick.wait(i + 1)
        self.assertEqual(self.counters(proxy)["notifications_under_way"], len(hangs))
        self.assertEqual({self.of_notification(name, "state") for name in hangs}, {"pending"})
        release.set()
        for name in hangs:
            self.wait_state(name, "sent")

    def test_who_does_not_answer_in_time_has_failed(self):
        release = threading.Event()
        self.addCleanup(release.set)
        receiver = self.start_receiver(lambda told: 200 if release.wait(60) else 500)
        self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/", timeout_seconds=1)
        self.trigger("ops")
        self.assertEqual(self.wait_error("ops"), "no answer within 1 s")

    def test_a_storm_is_few_messages(self):
        receiver = self.start_receiver()
        self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.cluster.execute("UPDATE telemetry.notification_channel SET group_wait = 1, group_interval = 1;"
                             " UPDATE telemetry.alert_rule SET device_ids = '{}'")
        # So many that a statement judges all of them itself.
        for i in range(10):
            self.cluster.execute(f"""
                INSERT INTO telemetry.point (ts, device_id, metric, value)
                SELECT now(), 'storm' || i, 'temperature', 40 FROM generate_series({i * 200}, {i * 200 + 199}) AS i""")
        support.wait_until(lambda: sum(told.json["triggered"] for told in receiver.told) == 2000, 60, "all to be told")
        self.assertLess(len(receiver.told), 8)
        for told in receiver.told:
            self.assertLessEqual(len(told.json["events"]), 50)
            self.assertLess(len(told.body), 100_000)

    def test_slack_and_alertmanager_are_told_in_their_words(self):
        receiver = self.start_receiver()
        self.start_proxy(self.cluster, ALLOW)
        self.channel("chat", f"http://127.0.0.1:{receiver.port}/chat", kind="slack")
        self.channel("manager", f"http://127.0.0.1:{receiver.port}", kind="alertmanager")
        self.trigger("chat")
        self.trigger("manager")
        told = {one.path: one.json for one in receiver.wait(2)}
        self.assertEqual(list(told["/chat"]), ["text"])
        self.assertIn("triggered", told["/chat"]["text"])
        alert, = told["/api/v2/alerts"]
        self.assertEqual(sorted(alert), ["annotations", "endsAt", "labels", "startsAt"])
        self.assertEqual((alert["labels"]["alertname"], alert["labels"]["device_id"]), ("Hot", "manager"))

    def test_switched_off_nothing_is_sent_until_it_is_switched_on(self):
        receiver = self.start_receiver()
        path = self.make_folder() / "proxy.conf"
        path.write_text("deliver = off\ndeliver-allow-private = 127.0.0.1\n")
        proxy = self.start_proxy(self.cluster, f"--config={path}")
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telemetry-proxy deliver'"
        self.assertEqual(self.cluster.value(connections), "0")
        path.write_text("deliver = on\ndeliver-allow-private = 127.0.0.1\n")
        proxy.process.send(signal.SIGHUP)
        receiver.wait(1)
        self.wait_state("ops", "sent")
        path.write_text("deliver = off\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: self.cluster.value(connections) == "0", 30, "the connection to be closed")


class AddressTest(DeliverTestCase):

    def test_private_addresses_are_refused_however_they_are_written(self):
        receiver = self.start_receiver()
        path = self.make_folder() / "proxy.conf"
        path.write_text("deliver-allow-private = 192.0.2.0/24\n")
        proxy = self.start_proxy(self.cluster, f"--config={path}")
        hosts = {"plain": "127.0.0.1", "name": "localhost", "short": "127.1", "hex": "0x7f000001", "decimal": "2130706433", "any": "0.0.0.0",
                 "mapped": "[::ffff:127.0.0.1]", "six": "[::1]", "unspecified": "[::]", "private": "10.255.255.1", "link": "169.254.169.254"}
        for name, host in hosts.items():
            self.channel(name, f"http://{host}:{receiver.port}/")
            self.trigger(name)
        for name in hosts:
            with self.subTest(name):
                # Where the machine has no IPv6 such an address is not even tried.
                self.assertRegex(self.wait_error(name), "is a private address|Couldn't connect|Could not resolve")
        self.assertIn("is a private address", self.of_notification("name", "last_error"))
        self.assertEqual(receiver.told, [])
        path.write_text("deliver-allow-private = 127.0.0.0/8\n")
        proxy.process.send(signal.SIGHUP)
        support.wait_until(lambda: 'option "deliver-allow-private" has changed' in proxy.log_text(), 10, "the configuration to be read")
        self.hurry("plain")
        receiver.wait(1)
        self.wait_state("plain", "sent")

    def test_a_proxy_in_the_environment_is_not_used(self):
        other = self.start_receiver()
        receiver = self.start_receiver()
        self.start_proxy(self.cluster, ALLOW, environment={"http_proxy": f"http://127.0.0.1:{other.port}", "all_proxy": f"http://127.0.0.1:{other.port}"})
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        receiver.wait(1)
        self.assertEqual(other.told, [])


class TlsTest(DeliverTestCase):

    def test_a_receiver_must_be_who_it_says(self):
        folder = self.make_folder()
        authority = certificates.Authority(folder, "ours")
        good = self.start_receiver(certificate=authority.issue("good", subjectAltName="IP:127.0.0.1"))
        other = self.start_receiver(certificate=authority.issue("other", subjectAltName="DNS:elsewhere.example"))
        stranger = self.start_receiver(certificate=certificates.Authority(folder, "theirs").issue("stranger", subjectAltName="IP:127.0.0.1"))
        expired = self.start_receiver(certificate=authority.issue("expired", days=1, at=certificates.LONG_AGO, subjectAltName="IP:127.0.0.1"))
        self.start_proxy(self.cluster, ALLOW, f"--deliver-ca={authority.certificate}")
        for name, receiver in (("good", good), ("other", other), ("stranger", stranger), ("expired", expired)):
            self.channel(name, f"https://127.0.0.1:{receiver.port}/")
            self.trigger(name)
        self.wait_state("good", "sent")
        for name, receiver in (("other", other), ("stranger", stranger), ("expired", expired)):
            with self.subTest(name):
                self.assertRegex(self.wait_error(name), "(?i)ssl")
                self.assertEqual((receiver.told, self.of_notification(name, "state")), ([], "pending"))

    def test_the_systems_authorities_do_not_know_ours(self):
        receiver = self.start_receiver(certificate=certificates.Authority(self.make_folder(), "ours").issue("good", subjectAltName="IP:127.0.0.1"))
        self.start_proxy(self.cluster, ALLOW)
        self.channel("ops", f"https://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        self.assertRegex(self.wait_error("ops"), "(?i)ssl")
        self.assertEqual(receiver.told, [])


class MailTest(DeliverTestCase):

    def mail_channel(self, name="mail"):
        self.cluster.execute(f"""
            INSERT INTO telemetry.notification_channel (name, kind, sender, recipients)
            VALUES ('{name}', 'email', 'telemetry@example.org', '{{ann@example.org,bob@example.org}}');
            UPDATE telemetry.notification_channel SET {ALL_AT_ONCE}""")
        self.rule(name)

    def password_file(self, folder, text="pass word\n"):
        path = folder / "password"
        path.write_text(text)
        path.chmod(0o600)
        certificates.give(path)
        return path

    def test_mail_arrives_by_tls_with_a_login(self):
        folder = self.make_folder()
        authority = certificates.Authority(folder, "ours")
        sink = self.start_sink(authority.issue("mail", subjectAltName="IP:127.0.0.1"))
        self.start_proxy(self.cluster, f"--deliver-ca={authority.certificate}", f"--smtp-url=smtp://127.0.0.1:{sink.port}",
                         "--smtp-user=ann", f"--smtp-password-file={self.password_file(folder)}")
        self.mail_channel()
        self.trigger("mail")
        sender, recipients, message, is_tls, login = sink.wait(1)[0]
        self.assertEqual((sender, recipients, is_tls, login), (
            "telemetry@example.org", ["ann@example.org", "bob@example.org"], True, [b"ann", b"pass word"]))
        mail = email.message_from_bytes(message)
        self.wait_state("mail", "sent")
        self.assertEqual(mail["X-Telemetry-Notification-Id"], self.of_notification("mail", "id"))
        self.assertIn("Hot", mail["Subject"] + base64.b64decode(mail.get_payload()).decode())

    def test_without_tls_nothing_is_said(self):
        sink = self.start_sink()
        self.start_proxy(self.cluster, f"--smtp-url=smtp://127.0.0.1:{sink.port}")
        self.mail_channel()
        self.trigger("mail")
        self.wait_error("mail")
        self.assertEqual(sink.mails, [])
        self.assertNotIn("MAIL", {command.split(" ")[0] for command in sink.commands})

    def test_tls_may_be_switched_off_for_a_private_server(self):
        sink = self.start_sink()
        self.start_proxy(self.cluster, f"--smtp-url=smtp://127.0.0.1:{sink.port}", "--smtp-tls=off")
        self.mail_channel()
        self.trigger("mail")
        self.assertFalse(sink.wait(1)[0][3])
        self.wait_state("mail", "sent")

    def test_what_the_server_refuses_for_good_is_dead_and_one_recipient_is_not_all(self):
        for name, replies, state in (
                ("one", {"RCPT TO:<bob@example.org>": "550 nobody"}, "sent"), ("all", {"RCPT": "550 nobody\x07"}, "dead"),
                ("later", {"RCPT": "451 not now"}, "pending"), ("login", {"MAIL": "530 who are you"}, "pending")):
            with self.subTest(name):
                sink = self.start_sink(replies=replies)
                proxy = self.start_proxy(self.cluster, f"--smtp-url=smtp://127.0.0.1:{sink.port}", "--smtp-tls=off")
                self.mail_channel(name)
                self.trigger(name)
                if state == "sent":
                    self.assertEqual(sink.wait(1)[0][1], ["ann@example.org"])
                else:
                    self.assertIn(next(iter(replies.values()))[:10], self.wait_error(name))
                self.wait_state(name, state)
                proxy.stop()

    def test_without_a_server_it_waits(self):
        self.start_proxy(self.cluster)
        self.mail_channel()
        self.trigger("mail")
        self.assertEqual(self.wait_error("mail"), 'option "smtp-url" is not set')
        self.assertEqual(self.of_notification("mail", "state"), "pending")


class EndTest(DeliverTestCase):
    """Nothing is lost, whoever ends when."""

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)
        self.receiver = self.start_receiver(lambda told: 200 if self.release.wait(60) else 500)

    def begin(self, *options):
        """A proxy that has begun to send."""
        proxy = self.start_proxy(self.cluster, ALLOW, *options)
        self.channel("ops", f"http://127.0.0.1:{self.receiver.port}/", timeout_seconds=60)
        self.trigger("ops")
        self.receiver.wait(1)
        return proxy

    def end_lease(self):
        self.cluster.execute("UPDATE telemetry.notification SET leased_until = now() - interval '1 s' WHERE leased_until IS NOT NULL")

    def test_a_proxy_that_is_killed_leaves_it_to_the_next_one(self):
        proxy = self.begin()
        proxy.kill()
        self.assertEqual(self.of_notification("ops", "state"), "pending")
        self.release.set()
        proxy.start()
        # Until its lease is over nobody else has it.
        self.assertEqual(len(self.receiver.told), 1)
        self.end_lease()
        told = self.receiver.wait(2)
        self.wait_state("ops", "sent")
        self.assertEqual({one.id for one in told}, {self.of_notification("ops", "id")})
        self.assertEqual(self.of_notification("ops", "attempts"), "2")

    def test_a_proxy_that_drains_ends_what_is_under_way(self):
        proxy = self.begin("--drain-timeout=60s")
        proxy.terminate()
        support.wait_until(lambda: "signal 15" in proxy.log_text(), 10, "the proxy to drain")
        self.trigger("ops", 32)
        self.release.set()
        self.assertEqual(proxy.process.wait(30), 0)
        self.assertEqual(self.of_notification("ops", "state"), "sent")
        self.assertEqual(len(self.receiver.told), 1)

    def test_a_proxy_that_cannot_wait_leaves_it_to_its_lease(self):
        proxy = self.begin("--drain-timeout=100ms")
        self.assertEqual(proxy.stop(), 0)
        self.assertIn("1 notifications are left", proxy.log_text())
        self.assertEqual((self.of_notification("ops", "state"), self.of_notification("ops", "leased_until > now()")), ("pending", "t"))

    def test_what_was_sent_while_the_database_was_away_is_not_sent_again(self):
        proxy = self.begin()
        self.cluster.restart()
        self.release.set()
        self.wait_state("ops", "sent")
        self.assertEqual((len(self.receiver.told), self.of_notification("ops", "attempts")), (1, "1"))
        proxy.wait_healthy()
        self.trigger("ops", 33)
        self.receiver.wait(2)

    def test_several_proxies_send_each_once(self):
        self.release.set()
        for _ in range(2):
            self.start_proxy(self.cluster, ALLOW, "--processes=2")
        names = [f"several{i}" for i in range(10)]
        for name in names:
            self.channel(name, f"http://127.0.0.1:{self.receiver.port}/{name}")
        for round_ in range(3):
            for name in names:
                self.trigger(name, 31 + round_)
        pending = "SELECT count(*) FROM telemetry.notification WHERE state <> 'sent'"
        support.wait_until(lambda: self.cluster.value("SELECT count(*) FROM telemetry.outbox WHERE event_type = 'alert.triggered'") == "30"
                           and self.cluster.value("SELECT sum(triggered) FROM telemetry.notification") == "30"
                           and self.cluster.value(pending) == "0", 60, "all to be sent")
        ids = [told.id for told in self.receiver.told]
        self.assertEqual((len(ids), sum(told.json["triggered"] for told in self.receiver.told)), (len(set(ids)), 30))


class StandbyTest(DeliverTestCase):

    def test_a_standby_sends_nothing_until_it_is_promoted(self):
        receiver = self.start_receiver()
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        self.trigger("ops")
        standby = self.start_cluster(database=False, make_data=lambda folder: support.run_server_program(
            "pg_basebackup", "-h", self.cluster.folder, "-p", self.cluster.PORT, "-U", "postgres", "-D", folder,
            "--checkpoint=fast", "--write-recovery-conf", "--no-sync"))
        self.start_proxy(standby, ALLOW, wait=False)
        support.wait_until(lambda: standby.value("""
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'telemetry-proxy deliver' AND state = 'idle' AND query ~ 'pg_is_in_recovery'""") == "1", 30, "the proxy to look")
        self.assertNotIn("ERROR", standby.log_text())
        standby.execute("SELECT pg_promote()", database="postgres")
        receiver.wait(1)


class RightsTest(DeliverTestCase):

    def test_a_writer_may_deliver_and_a_reader_is_told_once_that_it_may_not(self):
        receiver = self.start_receiver()
        self.cluster.execute("CREATE ROLE deliver_writer LOGIN IN ROLE telemetry_writer; CREATE ROLE deliver_reader LOGIN IN ROLE telemetry_reader")
        self.channel("ops", f"http://127.0.0.1:{receiver.port}/")
        reader = self.start_proxy(self.cluster, ALLOW, "--log-level=debug", user="deliver_reader", wait=False)
        support.wait_until(lambda: reader.log_text().count("could not prepare notifications: 42501") >= 2, 30, "the reader to be refused")
        self.start_proxy(self.cluster, ALLOW, user="deliver_writer", wait=False)
        self.trigger("ops")
        receiver.wait(1)
        self.wait_state("ops", "sent")
        self.assertEqual(reader.log_text().count("WARNING could not prepare notifications"), 1)


if __name__ == "__main__":
    unittest.main()
