/*
 * test_proxy_http.c
 *		The heads of requests: what is taken, what is refused and with which status, and that the
 *		same is seen however the bytes come.
 */
#include "pieces.h"
#include "net/http_parse.h"

#define HEAD_MAX ((size_t) 16384)

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

typedef struct HeadCase
{
	const char *bytes;
	size_t len;
	int status; /* TAKEN if it is taken */
	const char *seen;
} HeadCase;

/* Method, path, query, what of it deviates from a 1.1 without a body, and the fields beside Host: a. */
static void
tell_head(const TlHttpHead *head, TlBuf *seen)
{
	tl_buf_printf(seen, "%s %s", head->method, head->path);
	if (head->query != NULL)
		tl_buf_printf(seen, " ?%s", head->query);
	if (head->old)
		tl_buf_add_text(seen, " old");
	if (!head->keep_alive)
		tl_buf_add_text(seen, " close");
	if (head->expects_continue)
		tl_buf_add_text(seen, " continue");
	if (head->chunked)
		tl_buf_add_text(seen, " chunked");
	if (head->length > 0)
		tl_buf_printf(seen, " length=%llu", (unsigned long long) head->length);
	for (unsigned int i = 0; i < head->field_count; i++)
		if (strcmp(head->fields[i].name, "Host") != 0 || strcmp(head->fields[i].value, "a") != 0)
			tl_buf_printf(seen, " %s=[%s]", head->fields[i].name, head->fields[i].value);
}

static Outcome
read_head(const char *bytes, size_t len, size_t max, Cut cut, Random *random)
{
	Outcome outcome = {0};
	size_t arrived = 0;
	size_t scanned = 0;

	do
	{
		static TlHttpHead head;
		char *data;

		arrived += next_piece(cut, random, len - arrived);
		data = copy_of(bytes, arrived);
		outcome.status =
			tl_http_find_end(data, arrived, max, &scanned, &outcome.used, &outcome.why);
		if (outcome.status == 0 && outcome.used > 0)
		{
			outcome.status = tl_http_parse_head(data, outcome.used, &head, &outcome.why);
			if (outcome.status == 0)
			{
				tell_head(&head, &outcome.seen);
				outcome.status = TAKEN;
			}
			else
				TAP_CHECK(!head.keep_alive);
		}
		free(data);
	} while (outcome.status == 0 && arrived < len);
	TAP_CHECK((outcome.status >= 400) == (outcome.why != NULL));
	return outcome;
}

static void
check_heads(const HeadCase *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		Random random = {i};

		for (Cut cut = CUT_WHOLE; cut <= CUT_PIECES; cut++)
		{
			Outcome outcome = read_head(cases[i].bytes, cases[i].len, HEAD_MAX, cut, &random);
			bool holds = outcome.status == cases[i].status &&
						 (outcome.status != TAKEN ||
						  (text_is(&outcome.seen, cases[i].seen) && outcome.used == cases[i].len));

			if (!TAP_CHECK(holds))
				printf("# head %zu: %d %.*s %s\n", i, outcome.status, (int) outcome.seen.len,
					   outcome.seen.data, outcome.why == NULL ? "" : outcome.why);
			outcome_free(&outcome);
		}
	}
}

/* A request line, with a Host that any 1.1 needs. */
#define LINE(line) BYTES(line "\r\nHost: a\r\n\r\n")

static const HeadCase request_lines[] = {
	{LINE("GET / HTTP/1.1"), TAKEN, "GET /"},
	{LINE("get / HTTP/1.1"), TAKEN, "get /"},
	{LINE("POST /a/b?c=d HTTP/1.1"), TAKEN, "POST /a/b ?c=d"},
	{LINE("M-SEARCH / HTTP/1.1"), TAKEN, "M-SEARCH /"},
	{LINE("!#$%&'*+-.^_`|~09 / HTTP/1.1"), TAKEN, "!#$%&'*+-.^_`|~09 /"},
	{LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 / HTTP/1.1"), TAKEN,
	 "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 /"},
	{LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456 / HTTP/1.1"), 400, NULL},
	{LINE("G(T / HTTP/1.1"), 400, NULL},
	{LINE("G\xc3\x89T / HTTP/1.1"), 400, NULL},
	{LINE("\"GET\" / HTTP/1.1"), 400, NULL},
	{LINE("(GET / HTTP/1.1"), 400, NULL},
	{LINE("CONNECT a:80 HTTP/1.1"), 501, NULL},
	{LINE("CONNECT / HTTP/1.1"), 501, NULL},
	/* Spaces and what may look like one. */
	{LINE(" GET / HTTP/1.1"), 400, NULL},
	{LINE("\tGET / HTTP/1.1"), 400, NULL},
	{LINE("GET  / HTTP/1.1"), 400, NULL},
	{LINE("GET /  HTTP/1.1"), 400, NULL},
	{LINE("GET / HTTP/1.1 "), 400, NULL},
	{LINE("GET / HTTP/1.1\t"), 400, NULL},
	{LINE("GET\t/ HTTP/1.1"), 400, NULL},
	{LINE("GET /\tHTTP/1.1"), 400, NULL},
	{LINE("GET /\t HTTP/1.1"), 400, NULL},
	{LINE("GET \t/ HTTP/1.1"), 400, NULL},
	{LINE("GET\v/ HTTP/1.1"), 400, NULL},
	{LINE("GET\f/ HTTP/1.1"), 400, NULL},
	{LINE("GET\xa0/ HTTP/1.1"), 400, NULL},
	{LINE("GET /a b HTTP/1.1"), 400, NULL},
	{LINE("GET / HTTP/1.1 HTTP/1.1"), 400, NULL},
	{LINE("GET"), 400, NULL},
	{LINE("GET "), 400, NULL},
	{LINE("GET /"), 400, NULL},
	{LINE("GET / "), 400, NULL},
	{LINE("GET  HTTP/1.1"), 400, NULL},
	{LINE("GET HTTP/1.1"), 400, NULL},
	{LINE("/ HTTP/1.1"), 400, NULL},
	{LINE("GET: / HTTP/1.1"), 400, NULL},
	/* Bytes. */
	{LINE("GET /\0 HTTP/1.1"), 400, NULL},
	{LINE("GET /a\x01 HTTP/1.1"), 400, NULL},
	{LINE("GET /a\x1f HTTP/1.1"), 400, NULL},
	{LINE("GET /a\x7f HTTP/1.1"), 400, NULL},
	{LINE("GET /a\x80 HTTP/1.1"), 400, NULL},
	{LINE("GET /\xc3\xa9 HTTP/1.1"), 400, NULL},
	{LINE("GET /\xc0\xaf HTTP/1.1"), 400, NULL},
	{LINE("GET /\xff HTTP/1.1"), 400, NULL},
	{LINE("GET / HTTP/1.1\x80"), 400, NULL},
	{LINE("GET /%00%0d%0a HTTP/1.1"), TAKEN, "GET /%00%0d%0a"},
	{LINE("GET /a\rb HTTP/1.1"), 400, NULL},
	{LINE("GET /a\nb HTTP/1.1"), 400, NULL},
	{LINE("GET / HTTP/1.1\r"), 400, NULL},
	{BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400, NULL},
	{BYTES("GET / HTTP/1.1\rHost: a\r\n\r\n"), 400, NULL},
	{BYTES("\x16\x03\x01\x02"), 400, NULL},
	{BYTES("\0"), 400, NULL},
	{BYTES("("), 400, NULL},
	{BYTES(" "), 400, NULL},
	/* Versions. */
	{LINE("GET / HTTP/1.2"), TAKEN, "GET /"},
	{LINE("GET / HTTP/1.9"), TAKEN, "GET /"},
	{LINE("GET / HTTP/0.9"), 505, NULL},
	{LINE("GET / HTTP/2.0"), 505, NULL},
	{LINE("GET / HTTP/9.9"), 505, NULL},
	{BYTES("PRI * HTTP/2.0\r\n\r\n"), 505, NULL},
	{LINE("GET / http/1.1"), 400, NULL},
	{LINE("GET / Http/1.1"), 400, NULL},
	{LINE("GET / HTTP/1"), 400, NULL},
	{LINE("GET / HTTP/1."), 400, NULL},
	{LINE("GET / HTTP/.1"), 400, NULL},
	{LINE("GET / HTTP/11"), 400, NULL},
	{LINE("GET / HTTP/1.10"), 400, NULL},
	{LINE("GET / HTTP/01.1"), 400, NULL},
	{LINE("GET / HTTP/1.01"), 400, NULL},
	{LINE("GET / HTTP/1,1"), 400, NULL},
	{LINE("GET / HTTP/1.x"), 400, NULL},
	{LINE("GET / HTTP/x.1"), 400, NULL},
	{LINE("GET / HTTP/+1.1"), 400, NULL},
	{LINE("GET / HTTP 1.1"), 400, NULL},
	{LINE("GET / HTTP/ 1.1"), 400, NULL},
	{LINE("GET / HTTP\\1.1"), 400, NULL},
	{LINE("GET / HTTPS/1.1"), 400, NULL},
	{LINE("GET / ICY/1.1"), 400, NULL},
	/* Empty lines before it, RFC 9112, 2.2: eight, but not white space. */
	{BYTES("\r\n" GET "\r\n"), TAKEN, "GET /"},
	{BYTES("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET "\r\n"), TAKEN, "GET /"},
	{BYTES("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET "\r\n"), 400, NULL},
	{BYTES("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"), 400, NULL},
	{BYTES("\n" GET "\r\n"), 400, NULL},
	{BYTES("\r" GET "\r\n"), 400, NULL},
	{BYTES("\r\r\n" GET "\r\n"), 400, NULL},
	{BYTES("\r\n\n" GET "\r\n"), 400, NULL},
	{BYTES("\r\n \r\n" GET "\r\n"), 400, NULL},
	{BYTES("\r\n " GET "\r\n"), 400, NULL},
	/* Not the end yet. */
	{BYTES(""), MORE, NULL},
	{BYTES("\r"), MORE, NULL},
	{BYTES("\r\n"), MORE, NULL},
	{BYTES("\r\n\r"), MORE, NULL},
	{BYTES("\r\n\r\n"), MORE, NULL},
	{BYTES("G"), MORE, NULL},
	{BYTES("GET / HTTP/1.1"), MORE, NULL},
	{BYTES("GET / HTTP/1.1\r"), MORE, NULL},
	{BYTES("GET / HTTP/1.1\r\n"), MORE, NULL},
	{BYTES("GET / HTTP/1.1\r\n\r"), MORE, NULL},
	{BYTES(GET), MORE, NULL},
	{BYTES(GET "\r"), MORE, NULL},
};

static void
request_lines_have_one_form(void)
{
	check_heads(request_lines, LENGTH(request_lines));
}

static const HeadCase targets[] = {
	{LINE("GET /? HTTP/1.1"), TAKEN, "GET / ?"},
	{LINE("GET /?a?b HTTP/1.1"), TAKEN, "GET / ?a?b"},
	{LINE("GET //a//b HTTP/1.1"), TAKEN, "GET //a//b"},
	{LINE("GET /../a/./b HTTP/1.1"), TAKEN, "GET /../a/./b"},
	{LINE("GET /*?* HTTP/1.1"), TAKEN, "GET /* ?*"},
	{LINE("GET /a#b HTTP/1.1"), 400, NULL},
	{LINE("GET /?a#b HTTP/1.1"), 400, NULL},
	{LINE("GET a HTTP/1.1"), 400, NULL},
	{LINE("GET a/b HTTP/1.1"), 400, NULL},
	{LINE("GET ?a HTTP/1.1"), 400, NULL},
	{LINE("GET \\a HTTP/1.1"), 400, NULL},
	{LINE("GET a:80 HTTP/1.1"), 400, NULL},
	/* For all of the server. */
	{LINE("OPTIONS * HTTP/1.1"), TAKEN, "OPTIONS *"},
	{LINE("GET * HTTP/1.1"), 400, NULL},
	{LINE("options * HTTP/1.1"), 400, NULL},
	{LINE("OPTIONS ** HTTP/1.1"), 400, NULL},
	{LINE("OPTIONS *?a HTTP/1.1"), 400, NULL},
	{LINE("OPTIONS */ HTTP/1.1"), 400, NULL},
	{LINE("OPTIONS / HTTP/1.1"), TAKEN, "OPTIONS /"},
	/* In absolute form. */
	{LINE("GET http://a HTTP/1.1"), TAKEN, "GET /"},
	{LINE("GET http://a/ HTTP/1.1"), TAKEN, "GET /"},
	{LINE("GET http://a/b?c HTTP/1.1"), TAKEN, "GET /b ?c"},
	{LINE("GET http://a?c/d HTTP/1.1"), TAKEN, "GET / ?c/d"},
	{LINE("GET http://a//b HTTP/1.1"), TAKEN, "GET //b"},
	{LINE("GET HTTP://A/b HTTP/1.1"), TAKEN, "GET /b"},
	{LINE("GET https://a/b HTTP/1.1"), TAKEN, "GET /b"},
	{LINE("OPTIONS http://a HTTP/1.1"), TAKEN, "OPTIONS /"},
	{LINE("GET http:///b HTTP/1.1"), 400, NULL},
	{LINE("GET http:// HTTP/1.1"), 400, NULL},
	{LINE("GET http://?b HTTP/1.1"), 400, NULL},
	{LINE("GET http:/a HTTP/1.1"), 400, NULL},
	{LINE("GET http:a HTTP/1.1"), 400, NULL},
	{LINE("GET http HTTP/1.1"), 400, NULL},
	{LINE("GET ftp://a/ HTTP/1.1"), 400, NULL},
	{LINE("GET ws://a/ HTTP/1.1"), 400, NULL},
	{LINE("GET httpx://a/ HTTP/1.1"), 400, NULL},
	{LINE("GET http://u@a/ HTTP/1.1"), 400, NULL},
	{LINE("GET http://u:p@a/ HTTP/1.1"), 400, NULL},
	{LINE("GET http://a#b HTTP/1.1"), 400, NULL},
	{LINE("GET http://a\\b/ HTTP/1.1"), 400, NULL},
	{LINE("GET http://a,a/ HTTP/1.1"), 400, NULL},
	{LINE("GET http://:80/ HTTP/1.1"), 400, NULL},
	/* Its host goes before that of the field, which has to be there and one all the same. */
	{LINE("GET http://b/ HTTP/1.1"), TAKEN, "GET /"},
	{LINE("GET http://a:80/ HTTP/1.1"), TAKEN, "GET /"},
	{LINE("GET http://ab/ HTTP/1.1"), TAKEN, "GET /"},
	{LINE("GET http://a./ HTTP/1.1"), TAKEN, "GET /"},
	{BYTES("GET http://b:80/c HTTP/1.1\r\nHost: B:80\r\n\r\n"), TAKEN, "GET /c Host=[B:80]"},
	{BYTES("GET http://[::1]/c HTTP/1.1\r\nHost: [::1]\r\n\r\n"), TAKEN, "GET /c Host=[[::1]]"},
	{BYTES("GET http://[::1/c HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400, NULL},
	{BYTES("GET http://a/ HTTP/1.1\r\nHost: ab\r\n\r\n"), TAKEN, "GET / Host=[ab]"},
	{BYTES("GET http://a/ HTTP/1.1\r\nHost: a,b\r\n\r\n"), 400, NULL},
	{BYTES("GET http://a/ HTTP/1.1\r\n\r\n"), 400, NULL},
	{BYTES("GET http://a/ HTTP/1.0\r\n\r\n"), TAKEN, "GET / old close"},
	{BYTES("GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n"), TAKEN, "GET / old close Host=[b]"},
};

static void
targets_have_three_forms(void)
{
	check_heads(targets, LENGTH(targets));
}

#define FIELD(line) BYTES(GET line "\r\n\r\n")

static const HeadCase fields[] = {
	{FIELD("A: b"), TAKEN, "GET / A=[b]"},
	{FIELD("A:b"), TAKEN, "GET / A=[b]"},
	{FIELD("A:"), TAKEN, "GET / A=[]"},
	{FIELD("A: "), TAKEN, "GET / A=[]"},
	{FIELD("A: \t \t"), TAKEN, "GET / A=[]"},
	{FIELD("A:\t b c\t \t"), TAKEN, "GET / A=[b c]"},
	{FIELD("A: b\tc"), TAKEN, "GET / A=[b\tc]"},
	{FIELD("A::b:"), TAKEN, "GET / A=[:b:]"},
	{FIELD("A: b\r\nA: c"), TAKEN, "GET / A=[b] A=[c]"},
	{FIELD("A: \x80\xc3\xa9\xff"), TAKEN, "GET / A=[\x80\xc3\xa9\xff]"},
	{FIELD("A: \xa0"), TAKEN, "GET / A=[\xa0]"},
	{FIELD("A: \"b\\\"c\""), TAKEN, "GET / A=[\"b\\\"c\"]"},
	{FIELD("!#$%&'*+-.^_`|~09: b"), TAKEN, "GET / !#$%&'*+-.^_`|~09=[b]"},
	{FIELD("Content_Length: 5"), TAKEN, "GET / Content_Length=[5]"},
	{FIELD("Transfer_Encoding: chunked"), TAKEN, "GET / Transfer_Encoding=[chunked]"},
	{FIELD("Content-Length2: 5"), TAKEN, "GET / Content-Length2=[5]"},
	/* Names. */
	{FIELD(": b"), 400, NULL},
	{FIELD(":"), 400, NULL},
	{FIELD("A"), 400, NULL},
	{FIELD("A b"), 400, NULL},
	{FIELD("A : b"), 400, NULL},
	{FIELD("A\t: b"), 400, NULL},
	{FIELD("A b: c"), 400, NULL},
	{FIELD("A(: b"), 400, NULL},
	{FIELD("A@: b"), 400, NULL},
	{FIELD("A\\: b"), 400, NULL},
	{FIELD("\"A\": b"), 400, NULL},
	{FIELD("A\x80: b"), 400, NULL},
	{FIELD("\xef\xbb\xbf"
		   "A: b"),
	 400, NULL},
	{FIELD("A\x7f: b"), 400, NULL},
	{FIELD("A\0: b"), 400, NULL},
	{FIELD("A\x01: b"), 400, NULL},
	{FIELD("Content-Length : 5"), 400, NULL},
	{FIELD("Transfer-Encoding : chunked"), 400, NULL},
	{FIELD("Transfer-Encoding\x0b: chunked"), 400, NULL},
	/* Folded lines, and white space where a field would begin. */
	{FIELD(" A: b"), 400, NULL},
	{FIELD("\tA: b"), 400, NULL},
	{FIELD("A: b\r\n c"), 400, NULL},
	{FIELD("A: b\r\n\tc"), 400, NULL},
	{FIELD("A: b\r\n "), 400, NULL},
	{FIELD("A:\r\n b"), 400, NULL},
	{FIELD("Transfer-Encoding:\r\n chunked"), 400, NULL},
	{BYTES("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400, NULL},
	{BYTES("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"), 400, NULL},
	/* What no value holds. */
	{FIELD("A: b\0c"), 400, NULL},
	{FIELD("A: \0"), 400, NULL},
	{FIELD("A: b\x01"), 400, NULL},
	{FIELD("A: b\x0b"), 400, NULL},
	{FIELD("A: b\x0c"), 400, NULL},
	{FIELD("A: b\x1b"), 400, NULL},
	{FIELD("A: b\x7f"), 400, NULL},
	{FIELD("A: b\rc"), 400, NULL},
	{FIELD("A: b\r"), 400, NULL},
	{FIELD("A: b\nc: d"), 400, NULL},
	{FIELD("A: b\n"), 400, NULL},
	{FIELD("A: b\rTransfer-Encoding: chunked"), 400, NULL},
	{FIELD("A: b\nTransfer-Encoding: chunked"), 400, NULL},
	{FIELD("A: b\n\r"), 400, NULL},
	{BYTES(GET "A: b\n\r\n"), 400, NULL},
	{BYTES(GET "A: b\r\n\n"), 400, NULL},
	{BYTES(GET "A: b\n\n"), 400, NULL},
	{BYTES(GET "A: b\r\r\n\r\n"), 400, NULL},
	{BYTES(GET "A: b\r\n\rX: y\r\n\r\n"), 400, NULL},
	{BYTES(GET "A: b\r\n\r\r\n"), 400, NULL},
};

static void
fields_have_one_form(void)
{
	check_heads(fields, LENGTH(fields));
}

#define SENT(line) BYTES(POST line "\r\n\r\n")

static const HeadCase lengths[] = {
	{SENT("Content-Length: 0"), TAKEN, "POST / Content-Length=[0]"},
	{SENT("Content-Length: 5"), TAKEN, "POST / length=5 Content-Length=[5]"},
	{SENT("content-LENGTH:5"), TAKEN, "POST / length=5 content-LENGTH=[5]"},
	{SENT("Content-Length:\t 5 \t"), TAKEN, "POST / length=5 Content-Length=[5]"},
	{SENT("Content-Length: 00"), TAKEN, "POST / Content-Length=[00]"},
	{SENT("Content-Length: 0200"), TAKEN, "POST / length=200 Content-Length=[0200]"},
	{SENT("Content-Length: 000000000000000005"), TAKEN,
	 "POST / length=5 Content-Length=[000000000000000005]"},
	{SENT("Content-Length: 999999999999999999"), TAKEN,
	 "POST / length=999999999999999999 Content-Length=[999999999999999999]"},
	{SENT("Content-Length: 1000000000000000000"), 413, NULL},
	{SENT("Content-Length: 0000000000000000005"), 413, NULL},
	{SENT("Content-Length: 18446744073709551621"), 413, NULL},
	{SENT("Content-Length: 9999999999999999999999999999999999999999"), 413, NULL},
	{SENT("Content-Length: 9999999999999999999999999999999999999999x"), 400, NULL},
	{SENT("Content-Length: +5"), 400, NULL},
	{SENT("Content-Length: -5"), 400, NULL},
	{SENT("Content-Length: -0"), 400, NULL},
	{SENT("Content-Length: 0x5"), 400, NULL},
	{SENT("Content-Length: 0o5"), 400, NULL},
	{SENT("Content-Length: 5a"), 400, NULL},
	{SENT("Content-Length: a"), 400, NULL},
	{SENT("Content-Length: 5 5"), 400, NULL},
	{SENT("Content-Length: 5\t5"), 400, NULL},
	{SENT("Content-Length: 5,5"), 400, NULL},
	{SENT("Content-Length: 5, 5"), 400, NULL},
	{SENT("Content-Length: 5,"), 400, NULL},
	{SENT("Content-Length: ,5"), 400, NULL},
	{SENT("Content-Length: 5;"), 400, NULL},
	{SENT("Content-Length: 5;a=b"), 400, NULL},
	{SENT("Content-Length: 5."), 400, NULL},
	{SENT("Content-Length: 5.0"), 400, NULL},
	{SENT("Content-Length: 5e1"), 400, NULL},
	{SENT("Content-Length: 1_0"), 400, NULL},
	{SENT("Content-Length: \"5\""), 400, NULL},
	{SENT("Content-Length: '5'"), 400, NULL},
	{SENT("Content-Length: "), 400, NULL},
	{SENT("Content-Length:"), 400, NULL},
	{SENT("Content-Length: \xa0"
		  "5"),
	 400, NULL},
	{SENT("Content-Length: 5\xa0"), 400, NULL},
	{SENT("Content-Length: \xef\xbc\x95"), 400, NULL},
	{SENT("Content-Length: \v5"), 400, NULL},
	{SENT("Content-Length: 5\0"), 400, NULL},
	{SENT("Content-Length: 5\r\n 5"), 400, NULL},
	{SENT("Content-Length: 5\r\nContent-Length: 5"), 400, NULL},
	{SENT("Content-Length: 5\r\nContent-Length: 6"), 400, NULL},
	{SENT("Content-Length: 5\r\nA: b\r\ncontent-length: 5"), 400, NULL},
	{SENT("Content-Length:\r\nContent-Length: 5"), 400, NULL},
	/* Whatever the method is. */
	{FIELD("Content-Length: 5"), TAKEN, "GET / length=5 Content-Length=[5]"},
	{BYTES("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), TAKEN,
	 "HEAD / length=5 Content-Length=[5]"},
	{BYTES("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"), TAKEN,
	 "POST / old close length=5 Content-Length=[5]"},
	{BYTES("POST / HTTP/1.0\r\nContent-Length: 5, 5\r\n\r\n"), 400, NULL},
};

static void
content_length_is_digits(void)
{
	check_heads(lengths, LENGTH(lengths));
}

static const HeadCase encodings[] = {
	{SENT("Transfer-Encoding: chunked"), TAKEN, "POST / chunked Transfer-Encoding=[chunked]"},
	{SENT("transfer-encoding:cHuNkEd"), TAKEN, "POST / chunked transfer-encoding=[cHuNkEd]"},
	{SENT("Transfer-Encoding: \tchunked \t"), TAKEN, "POST / chunked Transfer-Encoding=[chunked]"},
	{FIELD("Transfer-Encoding: CHUNKED"), TAKEN, "GET / chunked Transfer-Encoding=[CHUNKED]"},
	{SENT("Transfer-Encoding: identity"), 501, NULL},
	{SENT("Transfer-Encoding: gzip"), 501, NULL},
	{SENT("Transfer-Encoding: gzip, chunked"), 501, NULL},
	{SENT("Transfer-Encoding: chunked, gzip"), 501, NULL},
	{SENT("Transfer-Encoding: chunked, identity"), 501, NULL},
	{SENT("Transfer-Encoding: chunked, chunked"), 501, NULL},
	{SENT("Transfer-Encoding: , chunked"), 501, NULL},
	{SENT("Transfer-Encoding: chunked,"), 501, NULL},
	{SENT("Transfer-Encoding: chunked;"), 501, NULL},
	{SENT("Transfer-Encoding: chunked;q=1"), 501, NULL},
	{SENT("Transfer-Encoding: xchunked"), 501, NULL},
	{SENT("Transfer-Encoding: chunkedx"), 501, NULL},
	{SENT("Transfer-Encoding: chunke"), 501, NULL},
	{SENT("Transfer-Encoding: chunked chunked"), 501, NULL},
	{SENT("Transfer-Encoding: x chunked"), 501, NULL},
	{SENT("Transfer-Encoding: \"chunked\""), 501, NULL},
	{SENT("Transfer-Encoding: 'chunked'"), 501, NULL},
	{SENT("Transfer-Encoding: :chunked"), 501, NULL},
	{SENT("Transfer-Encoding: chun\xc5\xbf"
		  "ed"),
	 501, NULL},
	{SENT("Transfer-Encoding: \xa0"
		  "chunked"),
	 501, NULL},
	{SENT("Transfer-Encoding: chunked\xff"), 501, NULL},
	{SENT("Transfer-Encoding: "), 501, NULL},
	{SENT("Transfer-Encoding:"), 501, NULL},
	{SENT("Transfer-Encoding: \vchunked"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\f"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\0"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\r"), 400, NULL},
	{SENT("Transfer-Encoding:\n chunked"), 400, NULL},
	{SENT("Transfer-Encoding\r\n: chunked"), 400, NULL},
	{SENT("Transfer-Encoding chunked"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400, NULL},
	{SENT("Transfer-Encoding: identity\r\ntransfer-encoding: chunked"), 400, NULL},
	{SENT("Transfer-Encoding:\r\nTransfer-Encoding: chunked"), 400, NULL},
	/* Two parties may each choose one of them. */
	{SENT("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400, NULL},
	{SENT("Transfer-Encoding: chunked\r\nContent-Length:"), 400, NULL},
	{SENT("Transfer-Encoding: identity\r\nContent-Length: 5"), 400, NULL},
	{SENT("Transfer-Encoding:\r\nContent-Length: 5"), 400, NULL},
	{BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, NULL},
	{BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n"), 400, NULL},
	{BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400,
	 NULL},
	/* Other fields that speak of it do not matter. */
	{SENT("TE: chunked"), TAKEN, "POST / TE=[chunked]"},
	{SENT("Trailer: Content-Length"), TAKEN, "POST / Trailer=[Content-Length]"},
	{SENT("Content-Encoding: chunked"), TAKEN, "POST / Content-Encoding=[chunked]"},
	{SENT("Connection: Content-Length\r\nContent-Length: 5"), TAKEN,
	 "POST / length=5 Connection=[Content-Length] Content-Length=[5]"},
	{SENT("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"), TAKEN,
	 "POST / chunked Connection=[Transfer-Encoding] Transfer-Encoding=[chunked]"},
};

static void
transfer_encoding_is_chunked(void)
{
	check_heads(encodings, LENGTH(encodings));
}

#define HOST(line) BYTES("GET / HTTP/1.1\r\n" line "\r\n\r\n")

static const HeadCase hosts[] = {
	{HOST("Host: b"), TAKEN, "GET / Host=[b]"},
	{HOST("hOST:b"), TAKEN, "GET / hOST=[b]"},
	{HOST("Host: \tb "), TAKEN, "GET / Host=[b]"},
	{HOST("Host: b.example.com:8080"), TAKEN, "GET / Host=[b.example.com:8080]"},
	{HOST("Host: b:"), TAKEN, "GET / Host=[b:]"},
	{HOST("Host: 192.0.2.1:80"), TAKEN, "GET / Host=[192.0.2.1:80]"},
	{HOST("Host: [::1]"), TAKEN, "GET / Host=[[::1]]"},
	{HOST("Host: [2001:DB8::a]:80"), TAKEN, "GET / Host=[[2001:DB8::a]:80]"},
	{HOST("Host: [::ffff:192.0.2.1]"), TAKEN, "GET / Host=[[::ffff:192.0.2.1]]"},
	{HOST("Host: a_b-c.~%41!$&'()*+;="), TAKEN, "GET / Host=[a_b-c.~%41!$&'()*+;=]"},
	{HOST("A: b"), 400, NULL},
	{BYTES("GET / HTTP/1.1\r\n\r\n"), 400, NULL},
	{BYTES("GET / HTTP/1.0\r\n\r\n"), TAKEN, "GET / old close"},
	{BYTES("GET / HTTP/1.0\r\nHost: b c\r\n\r\n"), 400, NULL},
	{HOST("Host:"), 400, NULL},
	{HOST("Host: "), 400, NULL},
	{HOST("Host: u@b"), 400, NULL},
	{HOST("Host: u:p@b"), 400, NULL},
	{HOST("Host: @b"), 400, NULL},
	{HOST("Host: b/"), 400, NULL},
	{HOST("Host: b/c"), 400, NULL},
	{HOST("Host: /"), 400, NULL},
	{HOST("Host: http://b"), 400, NULL},
	{HOST("Host: b?c"), 400, NULL},
	{HOST("Host: b#c"), 400, NULL},
	{HOST("Host: b\\c"), 400, NULL},
	{HOST("Host: b,c"), 400, NULL},
	{HOST("Host: b, c"), 400, NULL},
	{HOST("Host: b c"), 400, NULL},
	{HOST("Host: b\tc"), 400, NULL},
	{HOST("Host: b|c"), 400, NULL},
	{HOST("Host: b^c"), 400, NULL},
	{HOST("Host: b`c"), 400, NULL},
	{HOST("Host: \"b\""), 400, NULL},
	{HOST("Host: <b>"), 400, NULL},
	{HOST("Host: {b}"), 400, NULL},
	{HOST("Host: b\xc3\xa9"), 400, NULL},
	{HOST("Host: b\0"), 400, NULL},
	{HOST("Host: b:80x"), 400, NULL},
	{HOST("Host: b:x"), 400, NULL},
	{HOST("Host: b:-80"), 400, NULL},
	{HOST("Host: b:80:80"), 400, NULL},
	{HOST("Host: b:80@c"), 400, NULL},
	{HOST("Host: b: 80"), 400, NULL},
	{HOST("Host: b :80"), 400, NULL},
	{HOST("Host: :"), 400, NULL},
	{HOST("Host: :80"), 400, NULL},
	{HOST("Host: ::1"), 400, NULL},
	{HOST("Host: []"), 400, NULL},
	{HOST("Host: []:80"), 400, NULL},
	{HOST("Host: [::1"), 400, NULL},
	{HOST("Host: [::1]b"), 400, NULL},
	{HOST("Host: [::1]]"), 400, NULL},
	{HOST("Host: [[::1]]"), 400, NULL},
	{HOST("Host: [::1%eth0]"), 400, NULL},
	{HOST("Host: [b]x"), 400, NULL},
	{HOST("Host: b[::1]"), 400, NULL},
	{HOST("Host: ["), 400, NULL},
	{HOST("Host: ]"), 400, NULL},
	{HOST("Host: b\r\nHost: b"), 400, NULL},
	{HOST("Host: b\r\nHost: c"), 400, NULL},
	{HOST("Host: b\r\nA: b\r\nhost: c"), 400, NULL},
	{HOST("Host:\r\nHost: b"), 400, NULL},
	{HOST("Host : b"), 400, NULL},
	{HOST("Host: b\r\n c"), 400, NULL},
};

static void
host_is_one_host(void)
{
	check_heads(hosts, LENGTH(hosts));
}

#define OLD(line) BYTES("GET / HTTP/1.0\r\n" line "\r\n\r\n")

static const HeadCase connections[] = {
	{FIELD("Connection: close"), TAKEN, "GET / close Connection=[close]"},
	{FIELD("connection:CLOSE"), TAKEN, "GET / close connection=[CLOSE]"},
	{FIELD("Connection: keep-alive"), TAKEN, "GET / Connection=[keep-alive]"},
	{FIELD("Connection: keep-alive, close"), TAKEN, "GET / close Connection=[keep-alive, close]"},
	{FIELD("Connection: close,keep-alive"), TAKEN, "GET / close Connection=[close,keep-alive]"},
	{FIELD("Connection: ,, \tclose\t ,"), TAKEN, "GET / close Connection=[,, \tclose\t ,]"},
	{FIELD("Connection: a\r\nConnection: close"), TAKEN,
	 "GET / close Connection=[a] Connection=[close]"},
	{FIELD("Connection: close\r\nConnection: keep-alive"), TAKEN,
	 "GET / close Connection=[close] Connection=[keep-alive]"},
	{FIELD("Connection: closed"), TAKEN, "GET / Connection=[closed]"},
	{FIELD("Connection: xclose"), TAKEN, "GET / Connection=[xclose]"},
	{FIELD("Connection: clos"), TAKEN, "GET / Connection=[clos]"},
	{FIELD("Connection: a close"), TAKEN, "GET / Connection=[a close]"},
	{FIELD("Connection:"), TAKEN, "GET / Connection=[]"},
	{FIELD("Connection: ,"), TAKEN, "GET / Connection=[,]"},
	{FIELD("Proxy-Connection: close"), TAKEN, "GET / Proxy-Connection=[close]"},
	{OLD("A: b"), TAKEN, "GET / old close A=[b]"},
	{OLD("Connection: Keep-Alive"), TAKEN, "GET / old Connection=[Keep-Alive]"},
	{OLD("Connection: a, keep-alive"), TAKEN, "GET / old Connection=[a, keep-alive]"},
	{OLD("Connection: keep-alive, close"), TAKEN, "GET / old close Connection=[keep-alive, close]"},
	{OLD("Connection: keep-alives"), TAKEN, "GET / old close Connection=[keep-alives]"},
	{OLD("Keep-Alive: 5"), TAKEN, "GET / old close Keep-Alive=[5]"},
};

static void
connection_says_whether_it_is_kept(void)
{
	check_heads(connections, LENGTH(connections));
}

static const HeadCase expectations[] = {
	{FIELD("Expect: 100-continue"), TAKEN, "GET / continue Expect=[100-continue]"},
	{FIELD("expect:100-CONTINUE "), TAKEN, "GET / continue expect=[100-CONTINUE]"},
	{FIELD("Expect: 100-continue\r\nExpect: 100-continue"), TAKEN,
	 "GET / continue Expect=[100-continue] Expect=[100-continue]"},
	{SENT("Content-Length: 5\r\nExpect: 100-continue"), TAKEN,
	 "POST / continue length=5 Content-Length=[5] Expect=[100-continue]"},
	/* A client of before 100 would take that for the answer. */
	{OLD("Expect: 100-continue"), TAKEN, "GET / old close Expect=[100-continue]"},
	{FIELD("Expect:"), 417, NULL},
	{FIELD("Expect: 100"), 417, NULL},
	{FIELD("Expect: x100-continue"), 417, NULL},
	{FIELD("Expect: 100-continuex"), 417, NULL},
	{FIELD("Expect: 100-continue, 100-continue"), 417, NULL},
	{FIELD("Expect: 100-continue;a=b"), 417, NULL},
	{FIELD("Expect: 200-ok"), 417, NULL},
	{FIELD("Expect: 100-continue\r\nExpect: 200-ok"), 417, NULL},
	{FIELD("Expect: 100\x0b"), 400, NULL},
};

static void
expect_is_100_continue(void)
{
	check_heads(expectations, LENGTH(expectations));
}

/* A head of `count` fields beside Host. */
static int
status_of_fields(unsigned int count)
{
	TlBuf head = {0};
	Outcome outcome;
	int status;

	tl_buf_add_text(&head, GET);
	for (unsigned int i = 0; i < count; i++)
		tl_buf_printf(&head, "A%u: b\r\n", i);
	tl_buf_add_text(&head, "\r\n");
	outcome = read_head(head.data, head.len, HEAD_MAX, CUT_WHOLE, NULL);
	status = outcome.status;
	outcome_free(&outcome);
	tl_buf_free(&head);
	return status;
}

static void
fields_are_limited_in_number(void)
{
	TAP_CHECK(status_of_fields(0) == TAKEN);
	TAP_CHECK(status_of_fields(TL_HTTP_FIELDS_MAX - 1) == TAKEN);
	TAP_CHECK(status_of_fields(TL_HTTP_FIELDS_MAX) == 431);
	TAP_CHECK(status_of_fields(TL_HTTP_FIELDS_MAX + 1) == 431);
	TAP_CHECK(status_of_fields(1000) == 431);
}

/* A request line of `line` bytes with its CRLF, and a field that makes it a head of `len`. */
static int
status_of_size(size_t line, size_t len, size_t max, Cut cut, const char *before)
{
	static const char around[] = "GET / HTTP/1.1\r\n";
	static const char host[] = "Host: a\r\nA: ";
	TlBuf head = {0};
	Random random = {line + len};
	Outcome outcome;
	int status;

	tl_buf_add_text(&head, before);
	tl_buf_add_text(&head, "GET /");
	for (size_t i = strlen(around); i < line; i++)
		tl_buf_add(&head, "x", 1);
	tl_buf_add_text(&head, " HTTP/1.1\r\n");
	TAP_CHECK(head.len == strlen(before) + line);
	tl_buf_add_text(&head, host);
	while (head.len + 4 < strlen(before) + len)
		tl_buf_add(&head, "y", 1);
	tl_buf_add_text(&head, "\r\n\r\n");
	TAP_CHECK(head.len == strlen(before) + len);
	outcome = read_head(head.data, head.len, max, cut, &random);
	status = outcome.status;
	outcome_free(&outcome);
	tl_buf_free(&head);
	return status;
}

static void
sizes_are_limited(void)
{
	for (Cut cut = CUT_WHOLE; cut <= CUT_PIECES; cut++)
	{
		TAP_CHECK(status_of_size(8192, 9000, HEAD_MAX, cut, "") == TAKEN);
		TAP_CHECK(status_of_size(8193, 9000, HEAD_MAX, cut, "") == 414);
		TAP_CHECK(status_of_size(9000, 9100, HEAD_MAX, cut, "") == 414);
		TAP_CHECK(status_of_size(100, 1000, 1000, cut, "") == TAKEN);
		TAP_CHECK(status_of_size(100, 1001, 1000, cut, "") == 431);
		TAP_CHECK(status_of_size(100, 1002, 1000, cut, "") == 431);
		TAP_CHECK(status_of_size(100, 2000, 1000, cut, "") == 431);
		TAP_CHECK(status_of_size(500, 600, 500, cut, "") == 431);
		TAP_CHECK(status_of_size(501, 600, 500, cut, "") == 414);
		/* Empty lines do not count. */
		TAP_CHECK(status_of_size(100, 1000, 1000, cut, "\r\n\r\n") == TAKEN);
		TAP_CHECK(status_of_size(100, 1001, 1000, cut, "\r\n\r\n") == 431);
		TAP_CHECK(status_of_size(8192, 9000, HEAD_MAX, cut, "\r\n") == TAKEN);
		TAP_CHECK(status_of_size(8193, 9000, HEAD_MAX, cut, "\r\n") == 414);
	}
}

/* Without an end, too: nobody waits for one for ever. */
static void
endless_heads_are_refused(void)
{
	static const char *const beginnings[] = {"", "G", "GET /", GET, GET "A: b"};
	static const int statuses[] = {414, 414, 414, 431, 431};

	for (size_t i = 0; i < LENGTH(beginnings); i++)
	{
		TlBuf head = {0};
		Outcome outcome;

		tl_buf_add_text(&head, beginnings[i]);
		while (head.len < 20000)
			tl_buf_add(&head, "x", 1);
		outcome = read_head(head.data, head.len, HEAD_MAX, CUT_WHOLE, NULL);
		TAP_CHECK(outcome.status == statuses[i]);
		outcome_free(&outcome);
		outcome = read_head(head.data, head.len, 100, CUT_WHOLE, NULL);
		TAP_CHECK(outcome.status == statuses[i]);
		outcome_free(&outcome);
		tl_buf_free(&head);
	}
}

static void
fields_are_found_in_any_case(void)
{
	static const char text[] = GET "Accept: b\r\nACCEPT: c\r\nX:\r\n\r\nZ: z\r\n\r\n";
	size_t scanned = 0;
	size_t end;
	const char *why;
	TlHttpHead head;
	char *data = copy_of(BYTES(text));

	TAP_CHECK(tl_http_find_end(data, strlen(text), HEAD_MAX, &scanned, &end, &why) == 0);
	TAP_CHECK(end == strlen(text) - strlen("Z: z\r\n\r\n"));
	TAP_CHECK(tl_http_parse_head(data, end, &head, &why) == 0);
	TAP_CHECK(head.field_count == 4);
	TAP_CHECK(strcmp(tl_http_field(&head, "Host"), "a") == 0);
	TAP_CHECK(strcmp(tl_http_field(&head, "accept"), "b") == 0);
	TAP_CHECK(strcmp(tl_http_field(&head, "aCCEPT"), "b") == 0);
	TAP_CHECK(strcmp(tl_http_field(&head, "x"), "") == 0);
	TAP_CHECK(tl_http_field(&head, "Accep") == NULL);
	TAP_CHECK(tl_http_field(&head, "Accept-") == NULL);
	TAP_CHECK(tl_http_field(&head, "") == NULL);
	TAP_CHECK(tl_http_field(&head, "Z") == NULL);
	TAP_CHECK(memcmp(data + end, "Z: z\r\n\r\n", 8) == 0);
	free(data);
}

static void
heads_are_the_same_however_they_come(void)
{
	static const struct
	{
		const HeadCase *cases;
		size_t count;
	} tables[] = {{request_lines, LENGTH(request_lines)},
				  {targets, LENGTH(targets)},
				  {fields, LENGTH(fields)},
				  {lengths, LENGTH(lengths)},
				  {encodings, LENGTH(encodings)},
				  {hosts, LENGTH(hosts)},
				  {connections, LENGTH(connections)},
				  {expectations, LENGTH(expectations)}};
	Random random = {1};
	unsigned int taken = 0;

	for (int round = 0; round < 20000; round++)
	{
		size_t table = random_below(&random, LENGTH(tables));
		const HeadCase *row = &tables[table].cases[random_below(&random, tables[table].count)];
		size_t max = random_below(&random, 8) > 0 ? HEAD_MAX : random_below(&random, 80);
		TlBuf bytes = {0};

		tl_buf_add(&bytes, row->bytes, row->len);
		damage(&bytes, &random);
		taken += check_cuts(read_head, &bytes, max, &random);
		tl_buf_free(&bytes);
	}
	TAP_CHECK(taken > 2000 && taken < 18000);
}

int
main(void)
{
	TAP_RUN(request_lines_have_one_form);
	TAP_RUN(targets_have_three_forms);
	TAP_RUN(fields_have_one_form);
	TAP_RUN(content_length_is_digits);
	TAP_RUN(transfer_encoding_is_chunked);
	TAP_RUN(host_is_one_host);
	TAP_RUN(connection_says_whether_it_is_kept);
	TAP_RUN(expect_is_100_continue);
	TAP_RUN(fields_are_limited_in_number);
	TAP_RUN(sizes_are_limited);
	TAP_RUN(endless_heads_are_refused);
	TAP_RUN(fields_are_found_in_any_case);
	TAP_RUN(heads_are_the_same_however_they_come);
	return tap_end();
}
