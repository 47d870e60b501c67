"""Those who are told: receivers of webhooks and of mail, on loopback."""

import base64
import http.server
import json
import socket
import ssl
import threading

import support


class Told:
    """What a receiver was sent: `body` bytes, `headers` of HTTP."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers["X-Telemetry-Notification-Id"]


class Receiver:
    """A server of HTTP, or HTTPS with a certificate, that keeps what it is sent and answers as `answer(told)` says.

    That returns a status, or (status, headers, body); it may wait.
    """

    def __init__(self, answer=lambda told: 200, certificate=None, host="127.0.0.1"):
        self.told = []
        self.answer = answer
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = Told(self.path, self.headers, body)
                receiver.told.append(told)
                answered = receiver.answer(told)
                status, headers, answer = answered if isinstance(answered, tuple) else (answered, {}, b"")
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def handle_error(self, *_):
                pass

        self._server = Server((host, 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def wait(self, count, seconds=30):
        """The first `count` that it was told, when they are there."""
        support.wait_until(lambda: len(self.told) >= count, seconds, f"{count} requests, of which there are {len(self.told)}")
        return self.told[:count]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailSink:
    """A server of SMTP that keeps what it is sent: (sender, recipients, message, whether by TLS, login)."""

    def __init__(self, certificate=None, offers_tls=True, replies=None):
        self.mails = []
        self.commands = []
        self._replies = replies or {}
        self._offers_tls = offers_tls and certificate is not None
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def wait(self, count, seconds=30):
        support.wait_until(lambda: len(self.mails) >= count, seconds, f"{count} mails")
        return self.mails[:count]

    def close(self):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(wire,), daemon=True).start()

    def _talk(self, wire):
        wires = [wire]
        try:
            wire.settimeout(30)
            self._say(wire, "220 sink")
            self._obey(wires)
        except (OSError, ValueError):
            pass
        finally:
            wires[-1].close()

    @staticmethod
    def _say(wire, line):
        wire.sendall(line.encode() + b"\r\n")

    def _obey(self, wires):
        wire = wires[-1]
        lines, is_tls, login, sender, recipients = wire.makefile("rb"), False, None, None, []
        while line := lines.readline().decode().rstrip("\r\n"):
            self.commands.append(line)
            word = line.split(" ")[0].upper()
            reply = self._replies.get(line, self._replies.get(word))
            if reply:
                self._say(wire, reply)
            elif word == "EHLO":
                offers = ["sink"] + ["STARTTLS"] * (self._offers_tls and not is_tls) + ["AUTH PLAIN"] * is_tls
                for offer in offers[:-1]:
                    self._say(wire, "250-" + offer)
                self._say(wire, "250 " + offers[-1])
            elif word == "STARTTLS":
                self._say(wire, "220 go on")
                wire = self._context.wrap_socket(wire, server_side=True)
                wires.append(wire)
                lines, is_tls = wire.makefile("rb"), True
            elif word == "AUTH":
                words = line.split(" ")
                if len(words) < 3:
                    self._say(wire, "334 ")
                    words.append(lines.readline().decode().strip())
                login = base64.b64decode(words[2]).split(b"\0")[1:]
                self._say(wire, "235 ok")
            elif word == "MAIL":
                sender = line[line.index("<") + 1:line.index(">")]
                self._say(wire, "250 ok")
            elif word == "RCPT":
                recipients.append(line[line.index("<") + 1:line.index(">")])
                self._say(wire, "250 ok")
            elif word == "DATA":
                self._say(wire, "354 go on")
                message = b""
                while (text := lines.readline()) != b".\r\n":
                    message += text[1:] if text.startswith(b".") else text
                self.mails.append((sender, recipients, message, is_tls, login))
                self._say(wire, "250 taken")
            elif word == "QUIT":
                self._say(wire, "221 bye")
                return
            else:
                self._say(wire, "500 what")
