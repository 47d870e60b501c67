"""Cases of test_http_wire: what comes before a body, connections, and what is no HTTP."""

from wire_cases import (CHUNKED, EVIL, GET, LAST_CHUNK, MAX_BODY, POINT, PREFIX, WAIT, Case, bytes_of,
                        chunk, framed, path, post, refused, request, served, table)


def _request_lines():
    def line(text, status=400, **more):
        return refused(repr(text)[:60], request(text), status, **more)

    target = path()
    yield served("plain", post())
    yield refused("bare LF", post().replace(b" HTTP/1.1\r\n", b" HTTP/1.1\n"))
    yield refused("bare CR", post().replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r"))
    yield refused("CR CR LF", post().replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\r\n"))
    yield served("an empty line before it", b"\r\n" + post())
    yield served("two empty lines before it", b"\r\n\r\n" + post())
    yield refused("an LF before it", b"\n" + post())
    yield refused("a CR before it", b"\r" + post())
    yield refused("100 empty lines before it", b"\r\n" * 100 + post())
    yield refused("a space before it", b" " + post())
    yield refused("a tab before it", b"\t" + post())
    yield refused("a NUL before it", b"\0" + post())
    yield refused("a byte order mark before it", b"\xef\xbb\xbf" + post())
    for text in (f"POST  {target} HTTP/1.1", f"POST {target}  HTTP/1.1", f"POST\t{target} HTTP/1.1",
                 f"POST {target}\tHTTP/1.1", f"POST {target} HTTP/1.1 ", f"POST {target} HTTP/1.1\t",
                 f"POST {target} HTTP/1.1 x", f"POST {target} x HTTP/1.1", f"POST\v{target} HTTP/1.1",
                 f"POST {target}\f HTTP/1.1"):
        yield refused(repr(text.replace(target, "/…")), request(text, f"Content-Length: {len(POINT)}\r\n", POINT))
    yield line("GET /nothing")
    yield line("GET /nothing ")
    yield line("GET")
    yield line("GET HTTP/1.1")
    yield line("GET  HTTP/1.1")
    yield line("/nothing HTTP/1.1")
    yield line("G@T /nothing HTTP/1.1")
    yield line("GET\0 /nothing HTTP/1.1")
    yield line("G\xcbT /nothing HTTP/1.1")
    yield line("GET: /nothing HTTP/1.1")
    yield served("lower-case method", request("get /health HTTP/1.1"), {405, 501},
                 fronts={"nginx": [400]})
    yield served("unknown method", request("BREW /health HTTP/1.1"), {405, 501})
    yield served("method of one letter", request("X /health HTTP/1.1"), {405, 501})
    yield line("A" * 9000 + " / HTTP/1.1", {400, 414})
    yield line("A" * 33 + " / HTTP/1.1", {400, 501})
    for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.9", "HTTP/0.0"):
        yield line(f"GET /nothing {version}", 505)
    for version in ("HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.10", "HTTP/11.1", "HTTP/01.1", "HTTP/1,1",
                    "HTTP/1.1.", "HTTP/1.+1", "HTTP/ 1.1", "HTTP /1.1", "http/1.1", "Http/1.1", "HTTPS/1.1",
                    "HTTP/2", "HTTP-1.1", "HTTP/1.x", "HTTP/\xb9.1", "ICE/1.0", "HTTP/1.1\0"):
        yield line(f"GET /nothing {version}")
    yield served("HTTP/1.2", request("GET /nothing HTTP/1.2"), {404, 505}, closed=None)
    yield line("GET nothing HTTP/1.1")
    yield line("GET //x/../y\\ HTTP/1.1 HTTP/1.1")
    yield served("absolute form", post().replace(b"POST /", b"POST http://x/"))
    yield served("absolute form in capitals", post().replace(b"POST /", b"POST HTTP://X/"))
    yield served("absolute form of https", post().replace(b"POST /", b"POST https://x/"),
                 fronts={"haproxy": [200]})
    yield served("absolute form without a path", request("GET http://x HTTP/1.1"), 404)
    yield served("absolute form with a query alone", request("GET http://x?y=z HTTP/1.1"), 404,
                 fronts={"haproxy": [{400, 404}]})
    for text in ("GET http:///nothing HTTP/1.1", "GET http://user@x/nothing HTTP/1.1", "GET http:/x/nothing HTTP/1.1",
                 "GET ftp://x/nothing HTTP/1.1", "GET file:///etc/passwd HTTP/1.1", "GET http://x,y/ HTTP/1.1",
                 "GET http://x:80y/ HTTP/1.1", "GET javascript:x HTTP/1.1"):
        yield line(text)
    yield line("GET * HTTP/1.1")
    yield line("POST * HTTP/1.1")
    yield line("GET *x HTTP/1.1")
    yield served("OPTIONS *", request("OPTIONS * HTTP/1.1"), {200, 204, 404, 405}, fronts={"nginx": [400]})
    yield line("OPTIONS x HTTP/1.1")
    yield line("GET x:80 HTTP/1.1")
    yield line("CONNECT x:80 HTTP/1.1", 501)
    yield line("CONNECT / HTTP/1.1", {400, 501})
    yield line("GET /nothing#fragment HTTP/1.1")
    yield line("GET /#HTTP/1.1 HTTP/1.1")
    for byte in (0, 1, 7, 8, 0x0b, 0x0c, 0x1b, 0x7f, 0x80, 0xa0, 0xff):
        yield line(f"GET /no{chr(byte)}thing HTTP/1.1")
    yield line("GET /nothing?q=\xe9 HTTP/1.1")
    yield line("GET /\xc0\xaf HTTP/1.1")
    for text in ("/%00", "/%0d%0aX:%20y", "/a%20HTTP/1.1", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//",
                 "/a\\b", "/health//", "/./health", "/health;x=y", "/Health", "//health", "/%c0%ae", "/?", "/nothing?a?b"):
        yield served(f"GET {text}", request(f"GET {text} HTTP/1.1"), {400, 404},
                     fronts={"nginx": [{400, 404}], "haproxy": [{400, 404}]})
    for text in ("/%", "/%g0", "/%0"):
        yield served(f"GET {text}", request(f"GET {text} HTTP/1.1"), {400, 404}, closed=None)
    yield served("a slash at the end", request("GET /health/ HTTP/1.1"), 200)
    yield served("target of 8000", request(f"GET /{'a' * 8000} HTTP/1.1"), {404, 414}, closed=None)
    yield refused("target of 9000", request(f"GET /{'a' * 9000} HTTP/1.1"), 414)
    yield refused("target of 100000", request(f"GET /{'a' * 100000} HTTP/1.1"), 414)
    yield refused("target without an end", [b"GET /" + b"a" * 20000], 414)


def _fields():
    def field(text, status=400, **more):
        return refused(repr(text)[:60], post(headers=text), status, **more)

    def fine(text, **more):
        return served(repr(text)[:60], post(headers=text), **more)

    for text in ("X-A : b\r\n", "X-A\t: b\r\n", ": b\r\n", " : b\r\n", "X A: b\r\n", "X-A\r\n", "X-A b\r\n", "X[A]: b\r\n",
                 "X(A): b\r\n", "X,A: b\r\n", "X;A: b\r\n", "X=A: b\r\n", "X@A: b\r\n", "X/A: b\r\n", "X\"A: b\r\n",
                 "X\\A: b\r\n", "{X}: b\r\n", "\xe9: b\r\n", "X-\xa0: b\r\n", "X-A\0: b\r\n", "X-\x01A: b\r\n", "X-\x7f: b\r\n",
                 "X-A: b\r\n c\r\n", "X-A: b\r\n\tc\r\n", "X-A:\r\n b\r\n", "X-A: b\r\n \r\n", " X-A: b\r\n", "\tX-A: b\r\n",
                 " \r\n", "X-A: b\0c\r\n", "X-A: \0\r\n", "X-A: b\x01c\r\n", "X-A: b\x0bc\r\n", "X-A: b\x0cc\r\n",
                 "X-A: b\x08c\r\n", "X-A: b\x7fc\r\n", "X-A: b\rc\r\n", "X-A: b\r\r\n", "X-A: \r\r\n", "X-A: b\rX-B: c\r\n",
                 "X-A: b\nX-B: c\r\n", "X-A: b\n", "X-A: b\n\r\n", "\n", "X-A: b\r\n\n"):
        yield field(text)
    yield refused("field before the first with a space", post().replace(b"Host", b" Host"))
    yield refused("head that ends in LF LF", post().replace(b"\r\n\r\n", b"\n\n"))
    yield refused("head in LF alone", post().replace(b"\r\n", b"\n"))
    yield refused("head that ends in CR LF LF", post().replace(b"\r\n\r\n", b"\r\n\n"))
    yield refused("head that ends in LF CR LF", post().replace(b"\r\n\r\n", b"\n\r\n"))
    yield refused("head that ends in CR CR", post().replace(b"\r\n\r\n", b"\r\r"))
    yield refused("head that ends in CR LF CR", post().replace(b"\r\n\r\n", b"\r\n\r"))
    for text in ("X-A:\r\n", "X-A:b\r\n", "X-A: \t b \t\r\n", "X-A: b\tc\r\n", "X-A: \xe9\xff\r\n", "X-A: b: c\r\n",
                 "X-A: \"a\\\"\r\n", "x!#$%&'*+-.^_`|~9: b\r\n", "X-A: a\r\nX-A: b\r\n", "X_A: b\r\n"):
        yield fine(text, fronts={"haproxy": [{200, 400}]})
    yield served("70 fields", post(headers="X-A: b\r\n" * 70))
    yield refused("200 fields", post(headers="X-A: b\r\n" * 200), 431)
    yield refused("2000 fields", post(headers="A: b\r\n" * 2000), 431)
    yield served("a value of 6000", post(headers=f"X-A: {'b' * 6000}\r\n"))
    yield refused("a value of 20000", post(headers=f"X-A: {'b' * 20000}\r\n"), 431)
    yield refused("a value of 200000", post(headers=f"X-A: {'b' * 200000}\r\n"), 431)
    yield refused("a name of 20000", post(headers=f"{'b' * 20000}: a\r\n"), 431)
    yield refused("a field without an end", [b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"b" * 40000], 431)
    yield refused("fields without an end", [b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 5000], 431)


def _hosts():
    def host(text, status=400, **more):
        return refused(repr(text)[:60], post().replace(b"Host: x\r\n", bytes_of(text)), status, **more)

    for text in ("", "Host: x\r\nHost: x\r\n", "Host: x\r\nHost: y\r\n", "Host: x\r\nhost: y\r\n", "Host:\r\n", "Host: \r\n",
                 "Host: user@x\r\n", "Host: user:secret@x\r\n", "Host: x/y\r\n", "Host: x,y\r\n", "Host: x, x\r\n",
                 "Host: x y\r\n", "Host: x:80y\r\n", "Host: x:80:80\r\n", "Host: x:-1\r\n", "Host: x?y\r\n", "Host: x#y\r\n",
                 "Host: http://x\r\n", "Host: [::1\r\n", "Host: [x]\r\n", "Host: ::1]\r\n", "Host: x\\y\r\n",
                 "Host: <x>\r\n", "Host: \xe9\r\n", "Host: \"x\"\r\n", "Host: :80\r\n", "Host : x\r\n",
                 "Host: x\r\n y\r\n", "Host: x\0\r\n", "Hos\0t: x\r\n", "Host: {x}\r\n", "X: y\r\n"):
        yield host(text)
    for text in ("Host: x:80\r\n", "Host:x\r\n", "HOST: x\r\n", "Host: \tx \t\r\n", "Host: 127.0.0.1:8218\r\n",
                 "Host: [::1]:8218\r\n", "Host: x.example.\r\n", "Host: x_y\r\n"):
        yield served(repr(text), post().replace(b"Host: x\r\n", bytes_of(text)), fronts={"nginx": [400]} if "\t" in text else {})
    for text in ("http://y/", "http://x:81/", "http://xx/"):
        # The path's host is the one that counts, and we are whatever host is asked for.
        yield served(f"{text} of Host: x", post().replace(b"POST /", b"POST " + bytes_of(text)), fronts={"haproxy": [{200, 400, None}]})
    yield refused("absolute form without Host", post().replace(b"POST /", b"POST http://x/").replace(b"Host: x\r\n", b""))


def _expectations():
    def waiting(headers=""):
        head, _, body = post(headers="Expect: 100-continue\r\n" + headers).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", body

    head, body = waiting()
    yield served("body after 100", [head, WAIT, body], 100, 200)
    yield served("body at once", head + body, {100, None}, 200)
    yield served("in capitals", [head.replace(b"100-continue", b"100-CONTINUE"), WAIT, body], 100, 200)
    yield served("request as its body", [head.replace(b"%d" % len(POINT), b"%d" % len(EVIL)), WAIT, EVIL], 100, {400, 422}, stored=set())
    yield served("without a body", request("GET /nothing HTTP/1.1", "Expect: 100-continue\r\n"), {100, None}, 404)
    chunked = framed(CHUNKED + "Expect: 100-continue\r\n", b"")
    yield served("chunks after 100", [chunked, WAIT, chunk(POINT) + LAST_CHUNK], 100, 200)
    yield Case("malformed chunks after 100", [chunked, WAIT, b"x\r\n" + EVIL], [100, 400], closed=True, stored=set())
    for value in ("100-continued", "200-ok", "x", "100", "100-continue, x", "\"100-continue\""):
        yield refused(f"Expect: {value}", post(headers=f"Expect: {value}\r\n"), 417)
    yield served("of HTTP/1.0 is ignored", [post(headers="Expect: 100-continue\r\n", version="1.0")], 200, closed=True)
    yield refused("too large a body is not asked for", [request(f"POST {path()} HTTP/1.1",
                  f"Expect: 100-continue\r\nContent-Length: {MAX_BODY + 1}\r\n")], {413, 417}, end="finish",
                  ways=("direct",))
    yield Case("of what does not exist", [request("POST /nothing HTTP/1.1", f"Expect: 100-continue\r\nContent-Length: {len(EVIL)}\r\n"),
               WAIT, EVIL], [{100, None}, 404], closed=None, end="finish", ways=("direct",))


def _connections():
    yield served("close", post(headers="Connection: close\r\n"), closed=True)
    yield served("close in capitals", post(headers="CONNECTION: CLOSE\r\n"), closed=True)
    yield served("close in a list", post(headers="Connection: x, close ,y\r\n"), closed=True, ways=("direct", "haproxy"))
    yield served("close in a second field", post(headers="Connection: x\r\nConnection: close\r\n"), closed=True)
    yield served("close and keep-alive", post(headers="Connection: keep-alive, close\r\n"), closed=True, ways=("direct", "haproxy"))
    yield served("words that are like close", post(headers="Connection: closed, xclose, \"close\"\r\n"), fronts={"nginx": [200]})
    yield served("keep-alive", post(headers="Connection: keep-alive\r\n"))
    yield served("empty", post(headers="Connection:\r\n"))
    yield served("of all kinds of fields", post(headers="Connection: host, content-length, x-a\r\n"), closed=None,
                 fronts={"haproxy": [{200, 400}]})
    yield served("HTTP/1.0", post(version="1.0"), closed=True)
    yield served("HTTP/1.0 without Host", post(version="1.0").replace(b"Host: x\r\n", b""), closed=True,
                 fronts={"nginx": [200], "haproxy": [200]})
    yield served("HTTP/1.0 with keep-alive", post(version="1.0", headers="Connection: keep-alive\r\n"))
    yield served("HTTP/1.0 with keep-alive and close", post(version="1.0", headers="Connection: keep-alive, close\r\n"), closed=True,
                 ways=("direct", "haproxy"))
    yield served("HTTP/1.0 and a request after it", post(version="1.0") + EVIL, closed=True, stored={"good"})
    yield served("HTTP/1.0 twice with keep-alive",
                 post(version="1.0", headers="Connection: keep-alive\r\n") + post("more", version="1.0"), 200, 200, closed=True,
                 stored={"good", "more"})
    yield served("HTTP/1.0 without a body and without a length", framed("", EVIL, version="1.0"), {400, 411, 422}, closed=True,
                 stored=set())
    yield refused("HTTP/1.0 with Transfer-Encoding", [framed(CHUNKED, chunk(POINT) + LAST_CHUNK, version="1.0")], splits=("haproxy",))
    yield served("close, and a request after it", post(headers="Connection: close\r\n") + EVIL, closed=True, stored={"good"})
    yield served("close, and half a request after it", post(headers="Connection: close\r\n") + PREFIX, closed=True, stored={"good"})
    yield served("close, and no request after it", post(headers="Connection: close\r\n") + b"\0" * 1000, closed=True, stored={"good"})
    yield served("Proxy-Connection is nothing", post(headers="Proxy-Connection: close\r\n"), closed=None)
    yield served("HEAD has no body", request("HEAD /health HTTP/1.1") + post(), 200, 200, heads=(0,))
    yield served("HEAD of nothing has no body", request("HEAD /nothing HTTP/1.1") + post(), 404, 200, heads=(0,))
    yield served("HEAD of what cannot be read has no body", request(f"HEAD {path()} HTTP/1.1") + post("more"), 405, 200, heads=(0,),
                 stored={"more"})
    yield served("HEAD of HTTP/1.0", request("HEAD /health HTTP/1.0"), 200, heads=(0,), closed=True)


def _pipelines():
    mixed = [(post(), 200), (GET, 404), (request("HEAD /health HTTP/1.1"), 200), (framed(CHUNKED, chunk(POINT) + LAST_CHUNK, "more"), 200),
             (request("PUT /health HTTP/1.1", "Content-Length: 3\r\n", b"abc"), 405), (post("gone", body=b"{"), 400),
             (request("GET /health HTTP/1.1"), 200), (post("gone", body=b"[]"), 422),
             (request("HEAD /nothing HTTP/1.1"), 404), (post("last"), 200)]
    whole = b"".join(data for data, _ in mixed)
    statuses = [status for _, status in mixed]
    more = {"heads": (2, 8), "stored": {"good", "more", "last"}}
    yield Case("ten of all kinds at once", whole, statuses, **more)
    yield Case("ten of all kinds in pieces of seven", [whole[i:i + 7] for i in range(0, len(whole), 7)], statuses, **more)
    yield Case("ten of all kinds in two pieces", [whole[:700], whole[700:]], statuses, **more)
    yield Case("ten of all kinds, one by one", [part for data, _ in mixed for part in (data, WAIT)][:-1], statuses, **more)
    yield Case("ten of all kinds with empty lines between", b"\r\n".join(data for data, _ in mixed), statuses, **more)
    yield Case("fifty", GET * 49 + post(), [404] * 49 + [200])
    yield Case("a refused one after others", post() + post("more") + framed("Content-Length: +1\r\n", EVIL), [200, 200, 400], closed=True,
               stored={"good", "more"})
    yield Case("a refused one between others", post() + b"x\r\n\r\n" + EVIL, [200, 400], closed=True)
    yield Case("one of another protocol after others", post() + b"\x16\x03\x01\x02\x00" + EVIL, [200, 400], closed=True)
    yield Case("a body that is longer than its length", post() + b"\0" + EVIL, [200, 400], closed=True, stored={"good"})
    yield Case("close between others", post() + post("more", "Connection: close\r\n") + EVIL, [200, 200], closed=True,
               stored={"good", "more"})
    yield Case("HTTP/1.0 between others", post() + post("more", version="1.0") + EVIL, [200, 200], closed=True, stored={"good", "more"})
    yield Case("bytes of no request at the end", post() + b"\r\n\r\n", [200])


def _endings():
    """Clients that say no more, or leave."""
    half = {"end": "finish", "ways": ("direct",)}
    yield Case("finished after a request", post(), [200], closed=True, **half)
    yield Case("finished after three", post() + GET + post("more"), [200, 404, 200], closed=True, stored={"good", "more"}, **half)
    yield Case("finished without a word", b"", [], closed=True, end="finish", ways=("direct", "nginx"))
    yield Case("finished after an empty line", b"\r\n", [{400, 408, None}], closed=True, end="finish")
    maybe = [{400, 408, None}]
    chunked = framed(CHUNKED, chunk(POINT))
    for name, data in (("within the method", b"PO"), ("within the line", post()[:30]), ("within the head", post()[:80]),
                       ("before the end of the head", post()[:-len(POINT) - 1]), ("before the body", post()[:-len(POINT)]),
                       ("within the body", post()[:-10]), ("before the last byte", post()[:-1]), ("before the last chunk", chunked),
                       ("within the last chunk", chunked + b"0\r\n"), ("before the last LF", chunked + b"0\r\n\r"),
                       ("within a chunk", chunked[:-20]), ("within a size", framed(CHUNKED, b"5")),
                       ("within a trailer", chunked + b"0\r\nX-A: b"), ("after a trailer", chunked + b"0\r\nX-A: b\r\n")):
        yield Case(f"finished {name}", data, maybe, closed=True, stored=set(), end="finish")
        yield Case(f"left {name}", data, [], closed=True, stored=set(), end="close")
        yield Case(f"finished {name} of a second", post("more") + data, [200] + maybe, closed=True, stored={"more"}, end="finish",
                   ways=("direct",))


CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(32)) + bytes.fromhex("20") + bytes(range(32)) + (
    bytes.fromhex("0024130113031302c02bc02fcca9cca8c02cc030c00ac009c013c014009c009d002f0035000a01000057") + b"\0" * 87)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _protocols():
    settings = b"\0\0\0\4\0\0\0\0\0"
    yield refused("HTTP/2 preface", [PREFACE + settings + EVIL], {400, 505}, ways=("direct", "nginx"))
    yield Case("HTTP/2 preface after a request", post() + PREFACE + settings, [200, {400, 505}], closed=True)
    yield refused("HTTP/2 frames", [settings + EVIL])
    yield refused("TLS", [CLIENT_HELLO])
    yield refused("TLS of version 2", [b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + EVIL])
    yield refused("PROXY protocol", [b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + EVIL])
    yield refused("PROXY protocol 2", [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\0" * 12 + EVIL])
    yield refused("SSH", [b"SSH-2.0-x\r\n" + EVIL])
    yield refused("SMTP", [b"EHLO x\r\n" + EVIL])
    yield refused("RTSP", [b"OPTIONS * RTSP/1.0\r\n\r\n" + EVIL])
    yield refused("SIP", [b"OPTIONS sip:x SIP/2.0\r\n\r\n" + EVIL])
    yield refused("FastCGI", [b"\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0" + EVIL])
    yield refused("PostgreSQL", [b"\0\0\0\x08\x04\xd2\x16\x2f" + EVIL])
    yield refused("Redis", [b"*1\r\n$4\r\nPING\r\n" + EVIL])
    yield refused("an answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + EVIL])
    yield refused("NULs", [b"\0" * 1000])
    yield refused("all bytes", [bytes(range(128, 256)) * 10])
    for name, headers in (("h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
                          ("WebSocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
                          ("WebSocket of another version", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 9\r\n"),
                          ("TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), ("unnamed", "Upgrade: websocket\r\n"),
                          ("without a name", "Connection: Upgrade\r\n")):
        yield served(f"upgrade to {name} is ignored", request("GET /nothing HTTP/1.1", headers), 404, closed=None)
        yield served(f"upgrade to {name} of a POST is ignored", post(headers=headers), closed=None)
        yield served(f"upgrade to {name} and a request after it", request("GET /nothing HTTP/1.1", headers) + post(), 404, 200, closed=None)
    yield served("upgrade to h2c and its preface", request("GET /nothing HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n") + PREFACE,
                 404, {400, 505}, closed=True)


REQUEST_LINES = table(_request_lines)
FIELDS = table(_fields)
HOSTS = table(_hosts)
EXPECTATIONS = table(_expectations)
CONNECTIONS = table(_connections)
PIPELINES = table(_pipelines)
ENDINGS = table(_endings)
PROTOCOLS = table(_protocols)
