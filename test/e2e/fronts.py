"""Reverse proxies before a telemetry-proxy, as people run them: nginx and HAProxy.

Both keep connections to it open and send the requests of many clients on them, so that whatever it
reads otherwise than they do would be another client's answer.
"""

import contextlib
import os
import shutil
import signal
import socket

import support

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # What may be bad is our affair, too.
    client_max_body_size 0;
    large_client_header_buffers 4 64k;
    ignore_invalid_headers off;
    underscores_in_headers on;
    merge_slashes off;
    client_header_timeout {timeout}s;
    client_body_timeout {timeout}s;
    lingering_timeout 1s;
    upstream telemetry {{
        server 127.0.0.1:{server};
        keepalive 4;
    }}
    server {{
        listen 127.0.0.1:{port};
        server_name telemetry;
        location / {{
            proxy_pass http://telemetry;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_request_buffering off;
            proxy_next_upstream off;
            proxy_read_timeout {timeout}s;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 256
    tune.bufsize 131072
defaults
    mode http
    option http-keep-alive
    http-reuse always
    retries 0
    timeout connect {timeout}s
    timeout client {timeout}s
    timeout server {timeout}s
    timeout http-request {timeout}s
frontend clients
    bind 127.0.0.1:{port}
    default_backend telemetry
backend telemetry
    server one 127.0.0.1:{server}
"""


class Front:
    """One of them, on a port of its own, and with all its files in a folder of its own."""

    def __init__(self, name, server_port):
        self.folder = support.make_folder(f"{name}-")
        self.log = self.folder / "output.log"
        self.port = support.free_port()
        config = self.folder / f"{name}.conf"
        text = {"nginx": NGINX, "haproxy": HAPROXY}[name].format(
            folder=self.folder, port=self.port, server=server_port, timeout=round(5 * support.PATIENCE))
        config.write_text(text)
        # Users other than root may not have their folder in the path.
        program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
        arguments = {"nginx": ["-p", self.folder, "-e", self.folder / "error.log", "-c", config],
                     "haproxy": ["-db", "-f", config]}[name]
        self.process = support.Process([program, *arguments], self.log, death_signal=signal.SIGTERM)
        try:
            support.wait_until(self._is_ready, 20, f"{name} to accept connections")
        except BaseException:
            self.close()
            raise

    def _is_ready(self):
        if not self.process.is_running():
            raise RuntimeError(f"it did not start:\n{self.log_text()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def log_text(self):
        """What it has said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def close(self):
        self.process.send(signal.SIGTERM)
        try:
            self.process.wait(10)
        except TimeoutError:
            self.process.send(signal.SIGKILL)
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
