"""Bytes that clients may send, and what RFC 9110 and 9112 let a server that never guesses answer.

Each case has numbers of its own in place of 0000: a point of device good-0000, more-0000 or
last-0000 is one that its client asks for, and a point of evil-0000 is one that it does not: it is
written within a body, or where no request can be told to begin.  One of next-0000 is asked for behind
a request that we refuse, and so is not stored, but a reverse proxy may send it to us nevertheless.
All these names have the same length, so that bodies have it, too.
"""

import dataclasses
import json

API = "/api/v1/telemetry"
MAX_BODY = 65536
MAX_HEADERS = 16384
POINT = json.dumps({"timestamp": "2025-12-18T10:00:00Z", "metric_name": "m", "value": 1}).encode()

# In what is sent: until an answer has begun to come.
WAIT = None


@dataclasses.dataclass
class Case:
    """What is sent, and what must come of it."""
    name: str
    sent: list
    # Statuses, in order; a set is any of these, and None in it is none at all.
    answers: list
    # Whether the connection ends after these; None is either.
    closed: bool = False
    # Devices that have a point then: by default the one asked for, if anything was answered 200.
    stored: set = None
    # Which answers are to HEAD.
    heads: tuple = ()
    # How the client ends: by a request after all others (sentinel), by saying that no more will be
    # sent (finish), or by leaving (close).
    end: str = "sentinel"
    # What reverse proxies answer in place of what we would: "nginx": [statuses].
    fronts: dict = dataclasses.field(default_factory=dict)
    # Reverse proxies that may read more requests in it, and so send us more.
    splits: tuple = ()
    ways: tuple = ("direct", "nginx", "haproxy")

    def __post_init__(self):
        if isinstance(self.sent, bytes):
            self.sent = [self.sent]
        if self.stored is None:
            asked = b"good-0000" in b"".join(filter(None, self.sent))
            self.stored = {"good"} if asked and 200 in self.answers else set()

    def parts(self, number):
        """What is sent, with names of its own, wherever it is cut."""
        whole = b"".join(filter(None, self.sent)).replace(b"-0000/", b"-%04d/" % number)
        parts, start = [], 0
        for part in self.sent:
            end = start + len(part or b"")
            parts.append(part and whole[start:end])
            start = end
        return parts


def bytes_of(text):
    """Text of bytes, one character each."""
    return text if isinstance(text, bytes) else text.encode("latin-1")


def path(device="good"):
    return f"{API}/devices/{device}-0000/telemetry"


def request(line, headers="", body=b"", host="Host: x\r\n"):
    """A request; headers are lines that end in CR LF."""
    return bytes_of(line) + b"\r\n" + bytes_of(host) + bytes_of(headers) + b"\r\n" + body


def post(device="good", headers="", body=POINT, length=None, version="1.1"):
    """A POST with a body of a length that is said."""
    length = len(body) if length is None else length
    return request(f"POST {path(device)} HTTP/{version}",
                   b"Content-Length: %d\r\n" % length + bytes_of(headers), body)


def framed(headers, body, device="good", version="1.1"):
    """A POST that says nothing of its body but what these headers do."""
    return request(f"POST {path(device)} HTTP/{version}", headers, body)


def chunk(data, extension=b""):
    """One chunk of a body."""
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


GET = request("GET /nothing HTTP/1.1")
EVIL = post("evil")
NEXT = post("next")
# A request that would swallow the line of the next one.
PREFIX = f"POST {path('evil')} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(POINT)}\r\nX-Swallow: ".encode()
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def refused(name, sent, status=400, **more):
    """Answered once, and then closed, whatever follows."""
    if isinstance(sent, bytes):
        sent = [sent + NEXT]
    return Case(name, sent, [status], closed=True, **{"stored": set(), **more})


def served(name, sent, *statuses, **more):
    """Answered, and the connection goes on."""
    return Case(name, sent, list(statuses) or [200], **more)


def table(make):
    """The cases of a generator; each has a name of its own."""
    cases = list(make())
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return cases
