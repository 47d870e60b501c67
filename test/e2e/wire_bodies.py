"""Cases of test_http_wire: where a body ends."""

from wire_cases import (CHUNKED, EVIL, LAST_CHUNK, MAX_BODY, POINT, PREFIX, Case, chunk, framed, post,
                        refused, request, served, table)

# Content-Length, of %d bytes: each is malformed, but must not be read as none, or as another.
LENGTHS = {
    "plus": "+%d", "minus": "-%d", "minus zero": "-0", "hexadecimal": "0x%x", "letters": "%x", "octal": "0o%o",
    "space within": "%d 0", "space first and within": " 0 %d", "comma": "%d,%d", "comma and space": "%d, %d",
    "comma and another": "%d, 0", "another and comma": "0, %d", "comma last": "%d,", "comma first": ",%d",
    "three": "%d,%d,%d", "semicolon": "%d;", "fraction": "%d.0", "exponent": "%de0", "underscore": "1_%d",
    "letter after": "%dabc", "letter before": "a%d", "quoted": "\"%d\"", "single quotes": "'%d'", "empty": "",
    "white space": " \t ", "vertical tab before": "\x0b%d", "vertical tab after": "%d\x0b", "form feed": "\x0c%d",
    "NUL after": "%d\0", "NUL before": "\0%d", "NUL and digits": "%d\0000", "no-break space": "\xa0%d", "folded": "\r\n %d",
    "folded digits": "0\r\n %d", "bare CR": "%d\r", "bare CR before": "\r%d", "bare LF": "0\n%d", "wide digits": "\xef\xbc\x91%d",
    "identity": "identity", "chunked": "chunked", "NaN": "NaN", "infinity": "Infinity", "percent": "%%3%d", "slash": "%d/1",
}


def _fill(form, number):
    return form % ((number,) * (form.count("%") - 2 * form.count("%%")))


def _content_lengths():
    size = len(EVIL)
    for name, form in LENGTHS.items():
        value = _fill(form, size)
        # Which ends a line for it, and what comes then is a field by itself.
        more = {"splits": ("nginx",) if "\n" in value else ()}
        yield refused(f"{name} with a request as its body", [framed(f"Content-Length: {value}\r\n", EVIL)], **more)
        yield refused(f"{name} of a GET", [request("GET /health HTTP/1.1", f"Content-Length: {value}\r\n", EVIL)], **more)
    for name, value in (("20 digits", "1" * 20), ("2 to the 64th and the length", str(2**64 + size)), ("2 to the 63rd", str(2**63)),
                        ("2 to the 32nd and the length", str(2**32 + size)), ("100 digits", "9" * 100), ("a gigabyte", "1000000000")):
        yield refused(name, [framed(f"Content-Length: {value}\r\n", EVIL)], 413, end="finish")
    for name, headers in (
            ("twice the same", f"Content-Length: {size}\r\nContent-Length: {size}\r\n"),
            ("twice, 0 first", f"Content-Length: 0\r\nContent-Length: {size}\r\n"),
            ("twice, 0 last", f"Content-Length: {size}\r\nContent-Length: 0\r\n"),
            ("twice, in other letters", f"content-length: {size}\r\nCONTENT-LENGTH: 0\r\n"),
            ("twice, one malformed", f"Content-Length: {size}\r\nContent-Length: x\r\n"),
            ("twice, one empty", f"Content-Length: {size}\r\nContent-Length:\r\n"),
            ("twice, far from each other", f"Content-Length: 0\r\n{'X: y' + chr(13) + chr(10)}Content-Length: {size}\r\n"),
            ("a space before the colon", f"Content-Length : {size}\r\n"),
            ("a tab before the colon", f"Content-Length\t: {size}\r\n"),
            ("a NUL before the colon", f"Content-Length\0: {size}\r\n"),
            ("a space before the name", f" Content-Length: {size}\r\n"),
            ("folded into the name before", f"X: y\r\n Content-Length: {size}\r\n"),
            ("after a bare CR", f"X: y\rContent-Length: {size}\r\n"),
            ("after a bare LF", f"X: y\nContent-Length: {size}\r\n")):
        # Folded lines are one for it, and it sends on what it has made of them.
        more = {"splits": ("haproxy",) if "\r\n " in f"\r\n{headers}" else ()}
        yield refused(name, [framed(headers, EVIL)], **more)
        yield refused(f"{name}, and half a request", [framed(headers, PREFIX)], end="finish", **more)
    length = len(POINT)
    for name, value in (("a leading zero", f"0{length}"), ("many leading zeros", f"{length:018d}"), ("a tab before", f"\t{length}"),
                        ("spaces around", f"   {length}   "), ("no space", f"{length}")):
        yield served(name, framed(f"Content-Length:{value}\r\n", POINT),
                     fronts={"nginx": [400]} if "\t" in value else {})
    yield served("other letters", framed(f"cONTENT-lENGTH: {length}\r\n", POINT))
    yield served("zero", framed("Content-Length: 0\r\n", b""), {400, 422})
    yield served("zeros", framed("Content-Length: 000\r\n", b""), {400, 422})
    yield served("none", framed("", b""), {400, 411, 422}, closed=None)
    yield served("a request after none", request("GET /nothing HTTP/1.1") + post("good"), 404, 200)
    yield served("a body after zero is the next request", framed("Content-Length: 0\r\n", post("more"), "gone"), {400, 422}, 200,
                 stored={"more"})
    yield Case("a body after zero that is none", [framed("Content-Length: 0\r\n", POINT)], [{400, 422}, 400], closed=True, stored=set())
    yield Case("one byte too many", [post(length=len(POINT) - 1)], [{400, 422}, 400], closed=True, stored=set())


METHODS = {"GET": 200, "HEAD": 200, "OPTIONS": 204, "TRACE": {405, 501}, "DELETE": 405, "PUT": 405, "PATCH": 405,
           "PROPFIND": {405, 501}, "BREW": {405, 501}, "M-SEARCH": {405, 501}, "QUERY": {405, 501}, "PRI": {405, 501}}


def _bodies_of_methods():
    """The body of whatever method is the body, and never a request."""
    for method, status in METHODS.items():
        line = f"{method} /health HTTP/1.1"
        heads = (0,) if method == "HEAD" else ()
        odd = {"nginx": [{405, 501, 400, 404, 200, 204}], "haproxy": [{405, 501, 400, 404, 200, 204}]}
        length = f"Content-Length: {len(EVIL)}\r\n"
        more = {"heads": heads, "closed": None, "stored": set(), "fronts": odd}
        yield Case(f"{method} with a body", request(line, length, EVIL), [status], **more)
        yield Case(f"{method} with half a request as its body", request(line, f"Content-Length: {len(PREFIX)}\r\n", PREFIX),
                   [status], **more)
        yield Case(f"{method} with chunks", request(line, CHUNKED, chunk(EVIL) + LAST_CHUNK), [status], **more)
        yield Case(f"{method} with no body in chunks", request(line, CHUNKED, LAST_CHUNK), [status], **more)
        yield Case(f"{method} with both", request(line, length + CHUNKED, LAST_CHUNK + EVIL), [400], closed=True, heads=heads,
                   splits=("haproxy",))
        yield Case(f"{method} of nothing with a body", request(f"{method} /nothing HTTP/1.1", length, EVIL),
                   [{404, 405, 501}], **more)
        yield Case(f"{method} with a body that comes later", [request(line, length), EVIL[:40], EVIL[40:]], [status], **more)
    yield refused("CONNECT with a body", [request("CONNECT x:80 HTTP/1.1", f"Content-Length: {len(EVIL)}\r\n", EVIL, "Host: x:80\r\n")],
                  501, splits=("haproxy",))
    yield Case("POST of what does not exist with a body", request("POST /nothing HTTP/1.1", f"Content-Length: {len(EVIL)}\r\n", EVIL),
               [404], closed=None, stored=set())
    yield Case("HTTP/1.0 with a body", request("GET /health HTTP/1.0", f"Content-Length: {len(EVIL)}\r\n", EVIL), [200], closed=True)
    yield Case("a type that is not taken", post(headers="Content-Type: image/png\r\n", body=EVIL), [415], closed=None, stored=set())
    yield Case("an encoding that is not taken", post(headers="Content-Encoding: br\r\n", body=EVIL), [415], closed=None, stored=set())
    yield Case("a request in place of JSON", post(body=EVIL), [400], closed=None, stored=set())


# Transfer-Encoding: header lines, and what we answer to them without Content-Length.
TRANSFERS = {
    "of another name": ("Transfer-Encoding: xchunked\r\n", 501),
    "longer": ("Transfer-Encoding: chunkedx\r\n", 501),
    "shorter": ("Transfer-Encoding: chunke\r\n", 501),
    "gzip": ("Transfer-Encoding: gzip\r\n", 501),
    "gzip, chunked": ("Transfer-Encoding: gzip, chunked\r\n", 501),
    "chunked, gzip": ("Transfer-Encoding: chunked, gzip\r\n", {400, 501}),
    "identity": ("Transfer-Encoding: identity\r\n", 501),
    "chunked, identity": ("Transfer-Encoding: chunked, identity\r\n", {400, 501}),
    "identity, chunked": ("Transfer-Encoding: identity, chunked\r\n", 501),
    "chunked, chunked": ("Transfer-Encoding: chunked, chunked\r\n", {400, 501}),
    "comma first": ("Transfer-Encoding: , chunked\r\n", 501),
    "comma last": ("Transfer-Encoding: chunked,\r\n", 501),
    "empty": ("Transfer-Encoding:\r\n", {400, 501}),
    "white space": ("Transfer-Encoding: \t\r\n", {400, 501}),
    "parameter": ("Transfer-Encoding: chunked;q=1\r\n", 501),
    "semicolon": ("Transfer-Encoding: chunked;\r\n", 501),
    "quoted": ("Transfer-Encoding: \"chunked\"\r\n", 501),
    "single quotes": ("Transfer-Encoding: 'chunked'\r\n", 501),
    "backslash": ("Transfer-Encoding: chun\\ked\r\n", 501),
    "space within": ("Transfer-Encoding: chun ked\r\n", 501),
    "no-break space": ("Transfer-Encoding: chunked\xa0\r\n", 501),
    "no-break space before": ("Transfer-Encoding: \xa0chunked\r\n", 501),
    "another K": ("Transfer-Encoding: chun\xe2\x84\xaaed\r\n", 501),
    "vertical tab": ("Transfer-Encoding: \x0bchunked\r\n", 400),
    "vertical tab after": ("Transfer-Encoding: chunked\x0b\r\n", 400),
    "form feed": ("Transfer-Encoding: \x0cchunked\r\n", 400),
    "NUL": ("Transfer-Encoding: chunked\0\r\n", 400),
    "NUL before": ("Transfer-Encoding: \0chunked\r\n", 400),
    "backspace": ("Transfer-Encoding: xx\b\bchunked\r\n", 400),
    "DEL": ("Transfer-Encoding: chunked\x7f\r\n", 400),
    "bare CR": ("Transfer-Encoding: chunked\r\r\n", 400),
    "bare CR before": ("Transfer-Encoding: \rchunked\r\n", 400),
    "bare LF": ("Transfer-Encoding: chunked\n", 400),
    "bare LF before": ("Transfer-Encoding:\nchunked\r\n", 400),
    "after a bare LF": ("X: y\nTransfer-Encoding: chunked\r\n", 400),
    "after a bare CR": ("X: y\rTransfer-Encoding: chunked\r\n", 400),
    "space before the colon": ("Transfer-Encoding : chunked\r\n", 400),
    "tab before the colon": ("Transfer-Encoding\t: chunked\r\n", 400),
    "control before the colon": ("Transfer-Encoding\x0b: chunked\r\n", 400),
    "NUL before the colon": ("Transfer-Encoding\0: chunked\r\n", 400),
    "NUL in the name": ("Transfer-\0Encoding: chunked\r\n", 400),
    "space before the name": (" Transfer-Encoding: chunked\r\n", 400),
    "tab before the name": ("\tTransfer-Encoding: chunked\r\n", 400),
    "folded": ("Transfer-Encoding:\r\n chunked\r\n", 400),
    "folded by a tab": ("Transfer-Encoding:\r\n\tchunked\r\n", 400),
    "folded after": ("Transfer-Encoding: chunked\r\n x\r\n", 400),
    "folded from another": ("X: y\r\n Transfer-Encoding: chunked\r\n", 400),
    "space in the name": ("Transfer Encoding: chunked\r\n", 400),
    "no colon": ("Transfer-Encoding chunked\r\n", 400),
    "two colons before": (":Transfer-Encoding: chunked\r\n", 400),
    "two colons": ("Transfer-Encoding:: chunked\r\n", 501),
    "equals": ("Transfer-Encoding=chunked\r\n", 400),
    "other letters in the name": ("Transf\xe8r-Encoding: chunked\r\n", 400),
    "twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    "twice, identity last": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
    "twice, identity first": ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 400),
    "twice, empty first": ("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", 400),
    "twice, in other letters": ("transfer-encoding: x\r\nTRANSFER-ENCODING: chunked\r\n", 400),
}

# Those that are what they seem to be.
GOOD_TRANSFERS = {"plain": "Transfer-Encoding: chunked\r\n", "capitals": "TRANSFER-ENCODING: CHUNKED\r\n",
                  "mixed": "transfer-Encoding: ChUnKeD\r\n", "no space": "Transfer-Encoding:chunked\r\n",
                  "tab": "Transfer-Encoding:\tchunked\r\n", "white space after": "Transfer-Encoding: chunked \t \r\n",
                  "much white space": "Transfer-Encoding:   \t  chunked\r\n"}


def _transfer_encodings():
    # Read by length, the body is all there is; read as chunks, it ends at once.
    clte = LAST_CHUNK + EVIL
    # Read as chunks, the body is all there is; read by length, it ends after the size.
    tecl = chunk(EVIL) + LAST_CHUNK
    size_line = tecl.index(b"\r\n") + 2
    for name, (headers, status) in TRANSFERS.items():
        short = f"Content-Length: {size_line}\r\n"
        # Who takes a front at its word that this is chunked may well send it on so.
        more = {"splits": ("nginx", "haproxy")}
        yield refused(f"{name}, alone", [framed(headers, tecl)], status, **more)
        yield refused(f"{name}, a request after it", [framed(headers, clte)], status, **more)
        yield refused(f"{name}, with a length of all", [framed(f"Content-Length: {len(clte)}\r\n{headers}", clte)], **more)
        yield refused(f"{name}, with a short length", [framed(headers + short, tecl)], **more)
    for name, headers in GOOD_TRANSFERS.items():
        more = {"splits": ("haproxy",)}
        yield served(f"{name}, alone", framed(headers, chunk(POINT) + LAST_CHUNK),
                     fronts={"nginx": [501]} if "\t" in headers else {})
        yield refused(f"{name}, with a length of all", [framed(f"Content-Length: {len(clte)}\r\n{headers}", clte)], **more)
        yield refused(f"{name}, before a length of all", [framed(f"{headers}Content-Length: {len(clte)}\r\n", clte)], **more)
        yield refused(f"{name}, with a short length", [framed(f"{headers}Content-Length: {size_line}\r\n", tecl)], **more)
        yield refused(f"{name}, with length 0", [framed(f"Content-Length: 0\r\n{headers}", tecl)], **more)
        yield refused(f"{name}, with a malformed length", [framed(f"Content-Length: +{size_line}\r\n{headers}", tecl)], **more)
        yield refused(f"{name}, in HTTP/1.0", [framed(headers, tecl, version="1.0")], **more)
        yield refused(f"{name}, in HTTP/1.0 kept alive", [framed(headers + "Connection: keep-alive\r\n", clte, version="1.0")], **more)
    for headers in ("Transfer_Encoding: chunked\r\n", "TransferEncoding: chunked\r\n", "X-Transfer-Encoding: chunked\r\n",
                    "TE: chunked\r\n", "Trailer: Transfer-Encoding\r\n"):
        length = f"Content-Length: {len(POINT)}\r\n"
        yield served(f"{headers!r} says nothing of the body", framed(length + headers, POINT))
        yield served(f"{headers!r} with a request as its body", framed(f"Content-Length: {len(clte)}\r\n{headers}", clte), 400,
                     stored=set())
    yield served("length named by Connection still counts", framed(f"Connection: content-length\r\nContent-Length: {len(EVIL)}\r\n", EVIL),
                 400, closed=None, stored=set(), fronts={"nginx": [400], "haproxy": [400]})
    yield served("encoding named by Connection still counts",
                 framed(f"Connection: transfer-encoding\r\n{CHUNKED}", chunk(EVIL) + LAST_CHUNK), 400, closed=None, stored=set(),
                 fronts={"nginx": [400], "haproxy": [400]})


def _chunks():
    half = len(POINT) // 2
    size = b"%x" % len(POINT)

    def body(name, data, status=400, **more):
        return refused(name, framed(CHUNKED, data), status, **more)

    def fine(name, data, **more):
        return served(name, framed(CHUNKED, data), **more)

    yield fine("two chunks", chunk(POINT[:half]) + chunk(POINT[half:]) + LAST_CHUNK)
    yield fine("chunks of one byte", b"".join(chunk(POINT[i:i + 1]) for i in range(len(POINT))) + LAST_CHUNK)
    yield fine("capitals in the size", b"%X\r\n%s\r\n" % (len(POINT), POINT) + LAST_CHUNK)
    yield fine("leading zeros in the size", b"000" + chunk(POINT) + LAST_CHUNK)
    yield fine("leading zeros in the last size", chunk(POINT) + b"0000\r\n\r\n")
    yield served("no data", framed(CHUNKED, LAST_CHUNK), {400, 422})
    for extension in (b";a", b";a=b", b";a=b;c=d", b";a=\"b\"", b";a=\"b;c\"", b";a=\"\\\"\"", b";a=\"b c\""):
        yield fine(f"extension {extension}", chunk(POINT, extension) + LAST_CHUNK, fronts={"nginx": [{200, 400}]})
    yield fine("extension of the last", chunk(POINT) + b"0;a=b\r\n\r\n")
    for trailers in (b"X-A: b\r\n", b"X-A: b\r\nX-B: c\r\n", b"X-A:\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
                     b"Host: y\r\n", b"Content-Type: image/png\r\n", b"Authorization: Basic eA==\r\n", b"Connection: close\r\n"):
        yield fine(f"trailers {trailers}", chunk(POINT) + b"0\r\n" + trailers + b"\r\n", fronts={"haproxy": [{200, 400}]})
    for text in (b"+" + size, b"-" + size, b"-0", b"0x" + size, b"0X" + size, b"x" + size, b" " + size, b"\t" + size, size + b" ",
                 size + b"\t", size + b" ;a=b", size + b"; a=b", size + b"_", b"1_0", size + b"h", size + b",", size + b"\0", b"\0" + size,
                 size + b"\x0b", b"\x0b" + size, size + b".0", b"", b";a", b"\"" + size + b"\"", b"\xef\xbc\x95", size + b"\xa0", b"g", b"zz",
                 size + b";a=\"b", size + b";a=b\x01", size + b";a=b\0", size + b";a=\"b\0\"", size + b";\x0b", size + b";a\xe9"):
        yield body(f"size {text}", text + b"\r\n" + POINT + b"\r\n" + LAST_CHUNK, splits=("nginx", "haproxy"))
    for text in (b"ffffffffffffffff", b"10000000000000000", b"fffffffffffffffff", b"1" + b"0" * 16 + size, b"8000000000000000",
                 b"7fffffffffffffff", b"100000000" + size.rjust(8, b"0"), b"0" * 40 + size):
        yield body(f"size {text}", text + b"\r\n" + POINT + b"\r\n" + LAST_CHUNK, {400, 413}, splits=("nginx", "haproxy"))
    for text in (b"7fffffff", b"ffffffff", b"100000000", b"20000"):
        yield refused(f"size {text}", [framed(CHUNKED, text + b"\r\n" + EVIL)], 413, end="finish")
    for name, data in (
            ("LF after the size", size + b"\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("CR after the size", size + b"\r" + POINT + b"\r\n" + LAST_CHUNK),
            ("CR CR LF after the size", size + b"\r\r\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("LF in an extension", size + b";a\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("LF within an extension", size + b";a\nb\r\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("CR within an extension", size + b";a\rb\r\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("line end within quotes", size + b";a=\"\r\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("LF within quotes", size + b";a=\"\n\"\r\n" + POINT + b"\r\n" + LAST_CHUNK),
            ("LF after the data", size + b"\r\n" + POINT + b"\n" + LAST_CHUNK),
            ("CR after the data", size + b"\r\n" + POINT + b"\r" + LAST_CHUNK),
            ("nothing after the data", size + b"\r\n" + POINT + LAST_CHUNK),
            ("two line ends after the data", size + b"\r\n" + POINT + b"\r\n\r\n" + LAST_CHUNK),
            ("other bytes after the data", size + b"\r\n" + POINT + b"xx" + LAST_CHUNK),
            ("more data than the size", b"%x\r\n" % (len(POINT) - 2) + POINT + b"\r\n" + LAST_CHUNK),
            ("less data than the size", b"%x\r\n" % (len(POINT) + 2) + POINT + b"\r\n" + LAST_CHUNK),
            ("LF after the last", chunk(POINT) + b"0\n\r\n"),
            ("LF at the end", chunk(POINT) + b"0\r\n\n"),
            ("LF LF at the end", chunk(POINT) + b"0\n\n"),
            ("CR at the end", chunk(POINT) + b"0\r\n\rx"),
            ("other bytes at the end", chunk(POINT) + b"0\r\nxx"),
            ("minus zero", chunk(POINT) + b"-0\r\n\r\n"),
            ("plus zero", chunk(POINT) + b"+0\r\n\r\n"),
            ("zero in hexadecimal", chunk(POINT) + b"0x0\r\n\r\n"),
            ("space before the last", chunk(POINT) + b" 0\r\n\r\n"),
            ("space after the last", chunk(POINT) + b"0 \r\n\r\n"),
            ("trailer without a colon", chunk(POINT) + b"0\r\nabc\r\n\r\n"),
            ("trailer with a space before the colon", chunk(POINT) + b"0\r\nX-A : b\r\n\r\n"),
            ("trailer that is folded", chunk(POINT) + b"0\r\nX-A: b\r\n c\r\n\r\n"),
            ("trailer that begins with a space", chunk(POINT) + b"0\r\n X-A: b\r\n\r\n"),
            ("trailer with LF", chunk(POINT) + b"0\r\nX-A: b\n\r\n"),
            ("trailer with a bare CR", chunk(POINT) + b"0\r\nX-A: b\rc\r\n\r\n"),
            ("trailer with NUL", chunk(POINT) + b"0\r\nX-A: b\0\r\n\r\n"),
            ("trailer without a name", chunk(POINT) + b"0\r\n: b\r\n\r\n"),
            ("a request as trailers", chunk(POINT) + b"0\r\nGET / HTTP/1.1\r\n\r\n")):
        yield body(name, data, splits=("nginx", "haproxy"))
    yield body("extensions without an end", size + b";" + b"a" * 40000, {400, 413, 431})
    yield body("trailers without an end", chunk(POINT) + b"0\r\n" + b"X-A: b\r\n" * 5000, {400, 413, 431})
    yield Case("trailers that are a request", framed(CHUNKED, LAST_CHUNK + EVIL), [{400, 422}, 200], stored={"evil"})


def _sizes():
    big = POINT + b" " * (MAX_BODY - len(POINT))
    yield served("body of the limit", post(body=big))
    yield served("body of the limit in chunks", framed(CHUNKED, chunk(big[:30000]) + chunk(big[30000:]) + LAST_CHUNK))
    yield refused("body over the limit", post(body=big + b" "), 413)
    yield refused("body over the limit in chunks", framed(CHUNKED, chunk(big[:30000]) + chunk(big[30000:] + b" ") + LAST_CHUNK), 413)
    yield refused("body over the limit in small chunks", framed(CHUNKED, chunk(b" " * 1000) * 70 + LAST_CHUNK), 413)
    yield refused("large body", post(body=b" " * 1000000), 413)
    yield refused("large body of requests", post(body=EVIL * 1000), 413)
    length = f"Content-Length: {len(EVIL * 1000)}\r\n"
    yield refused("large body of a path that does not exist", request("POST /nothing HTTP/1.1", length, EVIL * 1000), {404, 413})
    yield refused("large body of a GET", request("GET /health HTTP/1.1", length, EVIL * 1000), {200, 413})
    yield served("single bytes", [bytes([byte]) for byte in post()])
    yield served("single bytes in chunks", [bytes([byte]) for byte in framed(CHUNKED, chunk(POINT, b";a=\"b\"") + b"0\r\nX: y\r\n\r\n")])
    yield served("head and body apart", [post()[:-len(POINT)], POINT])
    for at in (b"\r\n", b"\n", b":", b"\r\n\r", b"Content-Le", b"POST"):
        where = post().index(at) + len(at)
        yield served(f"cut after {at}", [post()[:where], post()[where:]])
    yield refused("malformed length in single bytes", [bytes([byte]) for byte in framed("Content-Length: +5\r\n", EVIL)])


CONTENT_LENGTHS = table(_content_lengths)
BODIES_OF_METHODS = table(_bodies_of_methods)
TRANSFER_ENCODINGS = table(_transfer_encodings)
CHUNKS = table(_chunks)
SIZES = table(_sizes)
