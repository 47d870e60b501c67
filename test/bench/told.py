"""
Who is told of alerts, for the case alerts: a session that listens, and a server that takes webhooks.

Both have wait_for(event): the clock of time.monotonic_ns() at which it was told. An event is its type and the time of
the point of DEVICE that it comes of, in milliseconds. It must be the next that is told, and be told once.
"""

import datetime
import http.server
import json
import os
import queue
import select
import subprocess
import threading
import time

import cluster

DEVICE = "pump"
TOLD_WITHIN = 20
# What a point of the device that is watched has made of its alert, and the point's time in milliseconds.
TAKE = ("SELECT o.event_type || ' ' || (extract(epoch FROM (o.data ->> CASE o.event_type"
        " WHEN 'alert.triggered' THEN 'triggered_at' ELSE 'resolved_at' END)::timestamptz) * 1000)::bigint"
        f" FROM telemetry.take_outbox('bench') AS o WHERE o.data ->> 'device_id' = '{DEVICE}'")



def expect(event, told):
    if told != event:
        raise cluster.Failed(f'"{told}" was told, not "{event}"')


class Listener:
    """The program listen: a consumer of telemetry.outbox that waits for telemetry_outbox."""

    NAME = "NOTIFY"

    def __init__(self, bench):
        bench.server.sql("SELECT telemetry.create_outbox_consumer('bench')")
        self.bench = bench
        self.process = subprocess.Popen(
            [os.path.join(bench.programs, "listen"), f"--conninfo={bench.server.conninfo} options=-csynchronous_commit=off",
             "--channel=telemetry_outbox", f"--sql={TAKE}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = b""
        if self.wait() != b"ready":
            raise cluster.Failed(f"listen: {self.process.communicate()[1].decode().strip()[-500:]}")

    def wait(self):
        """The next line."""
        while b"\n" not in self.lines:
            if not select.select([self.process.stdout], [], [], TOLD_WITHIN)[0]:
                raise cluster.Failed(f"nothing was told within {TOLD_WITHIN} s")
            read = os.read(self.process.stdout.fileno(), 4096)
            if not read:
                raise cluster.Failed(f"listen has ended: {self.process.communicate()[1].decode().strip()[-500:]}")
            self.lines += read
        line, _, self.lines = self.lines.partition(b"\n")
        return line

    def wait_for(self, event):
        clock, _, told = self.wait().decode().partition(" ")
        expect(event, told)
        return int(clock)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()
        self.bench.server.sql("SELECT telemetry.drop_outbox_consumer('bench')")


class Receiver:
    """A server on loopback that takes what the rule's channel is sent."""

    NAME = "webhook"

    def __init__(self, bench):
        self.bench = bench
        self.told = queue.SimpleQueue()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                clock = time.monotonic_ns()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                for event in json.loads(body)["events"]:
                    receiver.told.put((clock, receiver.name_of(event)))

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        bench.server.sql(
            "INSERT INTO telemetry.notification_channel (name, kind, url, group_wait, group_interval, rate_limit) VALUES"
            f" ('bench', 'webhook', 'http://127.0.0.1:{self.server.server_port}/', 0, 0, 6000);"
            "UPDATE telemetry.alert_rule SET notification_channels = '{bench}' WHERE rule_id = 'pressure'")

    @staticmethod
    def name_of(event):
        at = event["alert"]["triggered_at" if event["event_type"] == "alert.triggered" else "resolved_at"]
        ms = round(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000)
        return f"{event['event_type']} {ms}"

    def wait_for(self, event):
        try:
            clock, told = self.told.get(timeout=TOLD_WITHIN)
        except queue.Empty as error:
            raise cluster.Failed(f"nothing was told within {TOLD_WITHIN} s") from error
        expect(event, told)
        return clock

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.bench.server.sql("UPDATE telemetry.alert_rule SET notification_channels = '{}' WHERE rule_id = 'pressure';"
                              "DELETE FROM telemetry.notification_channel WHERE name = 'bench'")
        self.server.shutdown()
        self.server.server_close()
