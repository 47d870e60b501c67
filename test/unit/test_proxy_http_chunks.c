/*
 * test_proxy_http_chunks.c
 *		Chunked bodies: what is taken, what is refused, and that the same is seen however the bytes
 *		come.
 */
#include "pieces.h"
#include "net/http_parse.h"

#define BODY_MAX ((size_t) 64)
#define END "0\r\n\r\n"

typedef struct ChunksCase
{
	const char *bytes;
	size_t len;
	int status;		  /* TAKEN if it is whole */
	const char *body; /* what has come of it */
	size_t rest;	  /* bytes after it */
} ChunksCase;

static Outcome
read_chunks(const char *bytes, size_t len, size_t max, Cut cut, Random *random)
{
	Outcome outcome = {0};
	TlHttpChunks chunks = {0};
	size_t arrived = 0;

	do
	{
		size_t n = next_piece(cut, random, len - arrived);
		char *data = copy_of(bytes + arrived, n);
		size_t used = 0;

		outcome.status =
			tl_http_chunks_read(&chunks, data, n, max, &outcome.seen, &used, &outcome.why);
		TAP_CHECK(used <= n && outcome.seen.len <= max);
		if (outcome.status == 0)
		{
			outcome.used += used;
			if (chunks.state == TL_HTTP_CHUNK_DONE)
				outcome.status = TAKEN;
			else
				TAP_CHECK(used == n);
		}
		else
			outcome.used = 0; /* where in the bytes it was refused, nobody says */
		arrived += n;
		free(data);
	} while (outcome.status == 0 && arrived < len);
	TAP_CHECK((outcome.status >= 400) == (outcome.why != NULL));
	return outcome;
}

static void
check_chunks(const ChunksCase *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		Random random = {i};

		for (Cut cut = CUT_WHOLE; cut <= CUT_PIECES; cut++)
		{
			Outcome outcome = read_chunks(cases[i].bytes, cases[i].len, BODY_MAX, cut, &random);
			bool holds = outcome.status == cases[i].status;

			if (cases[i].body != NULL)
				holds &= text_is(&outcome.seen, cases[i].body);
			if (outcome.status < 400)
				holds &= outcome.used == cases[i].len - cases[i].rest;
			if (!TAP_CHECK(holds))
				printf("# body %zu: %d %zu %.*s\n", i, outcome.status, outcome.used,
					   (int) outcome.seen.len, outcome.seen.data);
			outcome_free(&outcome);
		}
	}
}

#define SIZE(size) BYTES(size "\r\nhello\r\n" END)

static const ChunksCase sizes[] = {
	{BYTES(END), TAKEN, "", 0},
	{SIZE("5"), TAKEN, "hello", 0},
	{SIZE("05"), TAKEN, "hello", 0},
	{SIZE("000000000000005"), TAKEN, "hello", 0},
	{SIZE("0000000000000005"), 400, "", 0},
	{BYTES("A\r\n0123456789\r\n" END), TAKEN, "0123456789", 0},
	{BYTES("a\r\n0123456789\r\n" END), TAKEN, "0123456789", 0},
	{BYTES("1f\r\n0123456789012345678901234567890\r\n" END), TAKEN,
	 "0123456789012345678901234567890", 0},
	{BYTES("1F\r\n0123456789012345678901234567890\r\n" END), TAKEN,
	 "0123456789012345678901234567890", 0},
	{BYTES("2\r\nab\r\n3\r\ncde\r\n" END), TAKEN, "abcde", 0},
	{BYTES("2\r\n\r\n\r\n" END), TAKEN, "\r\n", 0},
	{BYTES("5\r\n0\r\n\r\n\r\n" END), TAKEN, "0\r\n\r\n", 0},
	{BYTES("000\r\n\r\n"), TAKEN, "", 0},
	{BYTES("000000000000000\r\n\r\n"), TAKEN, "", 0},
	{BYTES("0000000000000000\r\n\r\n"), 400, "", 0},
	/* What follows is not its. */
	{BYTES(END "GET"), TAKEN, "", 3},
	{BYTES(END "\r\n"), TAKEN, "", 2},
	{BYTES("2\r\nab\r\n" END END), TAKEN, "ab", 5},
	/* Forms. */
	{SIZE("+5"), 400, "", 0},
	{SIZE("-5"), 400, "", 0},
	{SIZE("0x5"), 400, "", 0},
	{SIZE("0X5"), 400, "", 0},
	{SIZE("x5"), 400, "", 0},
	{SIZE("5h"), 400, "", 0},
	{SIZE("g"), 400, "", 0},
	{SIZE("0_5"), 400, "", 0},
	{SIZE("5."), 400, "", 0},
	{SIZE("5,5"), 400, "", 0},
	{SIZE("\"5\""), 400, "", 0},
	{SIZE(" 5"), 400, "", 0},
	{SIZE("\t5"), 400, "", 0},
	{SIZE("5 "), 400, "", 0},
	{SIZE("5\t"), 400, "", 0},
	{SIZE("5 5"), 400, "", 0},
	{SIZE("5\0"), 400, "", 0},
	{SIZE("\0"
		  "5"),
	 400, "", 0},
	{SIZE("5\v"), 400, "", 0},
	{SIZE("5\xa0"), 400, "", 0},
	{SIZE("\xb5"), 400, "", 0},
	{SIZE("5="), 400, "", 0},
	{SIZE("5\""), 400, "", 0},
	{SIZE(""), 400, "", 0},
	{SIZE(";a"), 400, "", 0},
	{BYTES("\n" END), 400, "", 0},
	{BYTES("\r\n\r\n"), 400, "", 0},
	{BYTES("-0\r\n\r\n"), 400, "", 0},
	{BYTES("0x\r\n\r\n"), 400, "", 0},
	/* Line ends. */
	{BYTES("5\nhello\r\n" END), 400, "", 0},
	{BYTES("5\rhello\r\n" END), 400, "", 0},
	{BYTES("5\r\rhello\r\n" END), 400, "", 0},
	{BYTES("5\r\r\nhello\r\n" END), 400, "", 0},
	{BYTES("5\n\rhello\r\n" END), 400, "", 0},
	{BYTES("5\r hello\r\n" END), 400, "", 0},
	{BYTES("5\r\nhello\n" END), 400, "hello", 0},
	{BYTES("5\r\nhello\r" END), 400, "hello", 0},
	{BYTES("5\r\nhello" END), 400, "hello", 0},
	{BYTES("5\r\nhelloXX" END), 400, "hello", 0},
	{BYTES("5\r\nhelloX\n" END), 400, "hello", 0},
	{BYTES("5\r\nhello\rX" END), 400, "hello", 0},
	{BYTES("5\r\nhello\nX" END), 400, "hello", 0},
	{BYTES("5\r\nhello world\r\n" END), 400, "hello", 0},
	{BYTES("5\r\nhello\r\n\r\n" END), 400, "hello", 0},
	{BYTES("5\r\nhello \r\n" END), 400, "hello", 0},
	{BYTES("5\r\nhell\r\n" END), 400, NULL, 0},
	{BYTES("0\n\r\n"), 400, "", 0},
	{BYTES("0\r\n\n"), 400, "", 0},
	{BYTES("0\n\n"), 400, "", 0},
	{BYTES("0\r\r"), 400, "", 0},
	{BYTES("0\r\n\rX"), 400, "", 0},
	{BYTES("0\r\n\r\r\n"), 400, "", 0},
	{BYTES("0\r\n \r\n"), 400, "", 0},
	/* Not the end yet. */
	{BYTES(""), MORE, "", 0},
	{BYTES("5"), MORE, "", 0},
	{BYTES("5\r"), MORE, "", 0},
	{BYTES("5\r\n"), MORE, "", 0},
	{BYTES("5\r\nhel"), MORE, "hel", 0},
	{BYTES("5\r\nhello"), MORE, "hello", 0},
	{BYTES("5\r\nhello\r"), MORE, "hello", 0},
	{BYTES("5\r\nhello\r\n"), MORE, "hello", 0},
	{BYTES("5\r\nhello\r\n0"), MORE, "hello", 0},
	{BYTES("5\r\nhello\r\n0\r\n"), MORE, "hello", 0},
	{BYTES("5\r\nhello\r\n0\r\n\r"), MORE, "hello", 0},
	{BYTES("5\r\nhello\r\n0\r\nA: b\r\n"), MORE, "hello", 0},
};

static void
chunks_have_one_form(void)
{
	check_chunks(sizes, LENGTH(sizes));
}

static const ChunksCase extensions[] = {
	{SIZE("5;a"), TAKEN, "hello", 0},
	{SIZE("5;a=b"), TAKEN, "hello", 0},
	{SIZE("5;a;b=c;d"), TAKEN, "hello", 0},
	{SIZE("5;!#$%&'*+-.^_`|~09=!#$%&'*+-.^_`|~09"), TAKEN, "hello", 0},
	{SIZE("5;a=\"\""), TAKEN, "hello", 0},
	{SIZE("5;a=\"b c\t;,={}\x80\xff\";d"), TAKEN, "hello", 0},
	{SIZE("5;a=\"\\\"\""), TAKEN, "hello", 0},
	{SIZE("5;a=\"\\\\\""), TAKEN, "hello", 0},
	{SIZE("5;a=\"\\b\\ \\\t\\\xff\""), TAKEN, "hello", 0},
	{BYTES("0;a=b\r\n\r\n"), TAKEN, "", 0},
	/* Names and values. */
	{SIZE("5;"), 400, "", 0},
	{SIZE("5;;a"), 400, "", 0},
	{SIZE("5;a;"), 400, "", 0},
	{SIZE("5;a;;b"), 400, "", 0},
	{SIZE("5;=b"), 400, "", 0},
	{SIZE("5;a="), 400, "", 0},
	{SIZE("5;a=;b"), 400, "", 0},
	{SIZE("5;a==b"), 400, "", 0},
	{SIZE("5;a=b=c"), 400, "", 0},
	{SIZE("5;\"a\""), 400, "", 0},
	{SIZE("5;a\"b\""), 400, "", 0},
	{SIZE("5;a=b\"c\""), 400, "", 0},
	{SIZE("5;a=\"b\"c"), 400, "", 0},
	{SIZE("5;a=\"b\"\"c\""), 400, "", 0},
	{SIZE("5;a=\"b\"=c"), 400, "", 0},
	{SIZE("5;a[=b"), 400, "", 0},
	{SIZE("5;a=b@"), 400, "", 0},
	{SIZE("5;a=b,c"), 400, "", 0},
	{SIZE("5;a=b\\"), 400, "", 0},
	{SIZE("5;\x80"), 400, "", 0},
	{SIZE("5;a=\x80"), 400, "", 0},
	{BYTES("0;\r\n\r\n"), 400, "", 0},
	/* White space. */
	{SIZE("5 ;a"), 400, "", 0},
	{SIZE("5; a"), 400, "", 0},
	{SIZE("5;\ta"), 400, "", 0},
	{SIZE("5;a "), 400, "", 0},
	{SIZE("5;a =b"), 400, "", 0},
	{SIZE("5;a= b"), 400, "", 0},
	{SIZE("5;a=b "), 400, "", 0},
	{SIZE("5;a=\"b\" "), 400, "", 0},
	/* Bytes that some take for the end of a line. */
	{SIZE("5;a\n"), 400, "", 0},
	{SIZE("5;a\nb"), 400, "", 0},
	{SIZE("5;a\rb"), 400, "", 0},
	{SIZE("5;a\r"), 400, "", 0},
	{SIZE("5;\n"), 400, "", 0},
	{SIZE("5;a=\n"), 400, "", 0},
	{SIZE("5;a=\"b\"\n"), 400, "", 0},
	{SIZE("5;a\0"), 400, "", 0},
	{SIZE("5;a=\"\0\""), 400, "", 0},
	{SIZE("5;a=\"b\rc\""), 400, "", 0},
	{SIZE("5;a=\"b\nc\""), 400, "", 0},
	{SIZE("5;a=\"b\r\nc\""), 400, "", 0},
	{SIZE("5;a=\"\\\r\n\""), 400, "", 0},
	{SIZE("5;a=\"\\\n\""), 400, "", 0},
	{SIZE("5;a=\"\x01\""), 400, "", 0},
	{SIZE("5;a=\"\\\x01\""), 400, "", 0},
	{SIZE("5;a=\"\x7f\""), 400, "", 0},
	{SIZE("5;a=\"b"), 400, "", 0},
	{SIZE("5;a=\"b\\"), 400, "", 0},
	{SIZE("5;a=\"b\\\""), 400, "", 0},
	{BYTES("5;a="), MORE, "", 0},
	{BYTES("5;a=\"b"), MORE, "", 0},
	{BYTES("5;a=\"b\\"), MORE, "", 0},
	{BYTES("5;a=\"b\""), MORE, "", 0},
	{BYTES("5;a=b\r"), MORE, "", 0},
};

static void
extensions_are_skipped(void)
{
	check_chunks(extensions, LENGTH(extensions));
}

#define TRAILER(line) BYTES("1\r\nx\r\n0\r\n" line "\r\n\r\n")

static const ChunksCase trailers[] = {
	{TRAILER("A: b"), TAKEN, "x", 0},
	{TRAILER("A:"), TAKEN, "x", 0},
	{TRAILER("A: b\tc \x80"), TAKEN, "x", 0},
	{TRAILER("A: b\r\nC: d"), TAKEN, "x", 0},
	{TRAILER("Content-Length: 5"), TAKEN, "x", 0},
	{TRAILER("Transfer-Encoding: chunked"), TAKEN, "x", 0},
	{TRAILER("Host: b"), TAKEN, "x", 0},
	{BYTES(END "A: b\r\n\r\n"), TAKEN, "", 8},
	{TRAILER("A"), 400, "x", 0},
	{TRAILER("A : b"), 400, "x", 0},
	{TRAILER(": b"), 400, "x", 0},
	{TRAILER(" A: b"), 400, "x", 0},
	{TRAILER("\tA: b"), 400, "x", 0},
	{TRAILER("A: b\r\n c"), 400, "x", 0},
	{TRAILER("A b: c"), 400, "x", 0},
	{TRAILER("A\x80: b"), 400, "x", 0},
	{TRAILER("A\0: b"), 400, "x", 0},
	{TRAILER("A: b\0"), 400, "x", 0},
	{TRAILER("A: b\x7f"), 400, "x", 0},
	{TRAILER("A: b\n"), 400, "x", 0},
	{TRAILER("A: b\nC: d"), 400, "x", 0},
	{TRAILER("A: b\rC: d"), 400, "x", 0},
	{TRAILER("A: b\rXC: d"), 400, "x", 0},
	{TRAILER("A: b\r"), 400, "x", 0},
	{TRAILER("A\r\nB: c"), 400, "x", 0},
	{TRAILER("GET / HTTP/1.1"), 400, "x", 0},
	{BYTES("0\r\nA: b\n\r\n"), 400, "", 0},
	{BYTES("0\r\nA: b\r\n\n"), 400, "", 0},
	{BYTES("0\r\nA: b\r\n\rX"), 400, "", 0},
};

static void
trailers_are_dropped(void)
{
	check_chunks(trailers, LENGTH(trailers));
}

/* 64 bytes, and what goes beyond them. */
#define B16 "0123456789abcdef"
#define B48 B16 B16 B16

static const ChunksCase bounds[] = {
	{BYTES("40\r\n" B48 B16 "\r\n" END), TAKEN, B48 B16, 0},
	{BYTES("30\r\n" B48 "\r\n10\r\n" B16 "\r\n" END), TAKEN, B48 B16, 0},
	{BYTES("41\r\n" B48 B16 "x\r\n" END), 413, "", 0},
	{BYTES("41\r\n"), 413, "", 0},
	{BYTES("41;a=b\r\n"), 413, "", 0},
	{BYTES("41\r"), MORE, "", 0},
	{BYTES("30\r\n" B48 "\r\n11\r\n"), 413, B48, 0},
	{BYTES("40\r\n" B48 B16 "\r\n1\r\n"), 413, B48 B16, 0},
	{BYTES("30\r\n" B48 "\r\nffffffffffffff0\r\n"), 413, B48, 0},
	{BYTES("30\r\n" B48 "\r\nfffffffffffffff\r\n"), 413, B48, 0},
	{BYTES("30\r\n" B48 "\r\nffffffffffffffff\r\n"), 400, B48, 0},
	{BYTES("fffffffffffffff\r\n"), 413, "", 0},
	{BYTES("ffffffffffffffff\r\n"), 400, "", 0},
	{BYTES("10000000000000000\r\n"), 400, "", 0},
	{BYTES("10000000000000005\r\nhello\r\n" END), 400, "", 0},
};

static void
bodies_are_limited(void)
{
	check_chunks(bounds, LENGTH(bounds));
}

/* A body with this before and after `count` bytes that are dropped. */
static int
status_of_dropped(const char *before, char byte, size_t count, const char *after, Cut cut)
{
	Random random = {count};
	TlBuf bytes = {0};
	Outcome outcome;
	int status;

	tl_buf_add_text(&bytes, before);
	for (size_t i = 0; i < count; i++)
		tl_buf_add(&bytes, &byte, 1);
	tl_buf_add_text(&bytes, after);
	outcome = read_chunks(bytes.data, bytes.len, BODY_MAX, cut, &random);
	status = outcome.status;
	outcome_free(&outcome);
	tl_buf_free(&bytes);
	return status;
}

static void
extensions_and_trailers_are_limited(void)
{
	for (Cut cut = CUT_WHOLE; cut <= CUT_PIECES; cut++)
	{
		TAP_CHECK(status_of_dropped("0;", 'a', 16383, "\r\n\r\n", cut) == TAKEN);
		TAP_CHECK(status_of_dropped("0;", 'a', 16384, "\r\n\r\n", cut) == 400);
		TAP_CHECK(status_of_dropped("0;a=\"", 'b', 16379, "\"\r\n\r\n", cut) == TAKEN);
		TAP_CHECK(status_of_dropped("0;a=\"", 'b', 16380, "\"\r\n\r\n", cut) == 400);
		TAP_CHECK(status_of_dropped("0\r\nA:", 'b', 16381, "\r\n\r\n", cut) == TAKEN);
		TAP_CHECK(status_of_dropped("0\r\nA:", 'b', 16382, "\r\n\r\n", cut) == 400);
		TAP_CHECK(status_of_dropped("0\r\n", 'A', 100000, "", cut) == 400);
		TAP_CHECK(status_of_dropped("0;a=\"", '\\', 100000, "", cut) == 400);
		/* All of a body's together. */
		TAP_CHECK(status_of_dropped("1;aaaaa\r\nx\r\n0;", 'a', 16377, "\r\n\r\n", cut) == TAKEN);
		TAP_CHECK(status_of_dropped("1;aaaaa\r\nx\r\n0;", 'a', 16378, "\r\n\r\n", cut) == 400);
		TAP_CHECK(status_of_dropped("1;aaaaa\r\nx\r\n0\r\nA:", 'b', 16375, "\r\n\r\n", cut) ==
				  TAKEN);
		TAP_CHECK(status_of_dropped("1;aaaaa\r\nx\r\n0\r\nA:", 'b', 16376, "\r\n\r\n", cut) == 400);
	}
}

/* Some bytes as a chunked body. */
static void
encode_chunks(const char *body, size_t len, TlBuf *bytes, Random *random)
{
	static const char *const additions[] = {"", "", "", ";a", ";a=b;c", ";a=\"\\\"0;\\\\\""};
	static const char *const ends[] = {"", "", "A: b\r\n", "A:\r\nContent-Length: 3\r\n"};

	while (len > 0)
	{
		size_t n = 1 + random_below(random, len);

		tl_buf_printf(bytes, random_below(random, 2) ? "%zx%s\r\n" : "00%zX%s\r\n", n,
					  additions[random_below(random, LENGTH(additions))]);
		tl_buf_add(bytes, body, n);
		tl_buf_add_text(bytes, "\r\n");
		body += n;
		len -= n;
	}
	tl_buf_printf(bytes, "0%s\r\n%s\r\n", additions[random_below(random, LENGTH(additions))],
				  ends[random_below(random, LENGTH(ends))]);
}

static void
encoded_bodies_are_decoded(void)
{
	Random random = {2};

	for (int round = 0; round < 10000; round++)
	{
		char body[200];
		size_t len = random_below(&random, sizeof(body));
		TlBuf bytes = {0};
		Outcome outcome;

		random_fill(&random, body, len);
		encode_chunks(body, len, &bytes, &random);
		outcome = read_chunks(bytes.data, bytes.len, len, CUT_PIECES, &random);
		TAP_CHECK(outcome.status == TAKEN && outcome.used == bytes.len && outcome.seen.len == len &&
				  (len == 0 || memcmp(outcome.seen.data, body, len) == 0));
		outcome_free(&outcome);
		if (len > 0)
		{
			outcome = read_chunks(bytes.data, bytes.len, len - 1, CUT_PIECES, &random);
			TAP_CHECK(outcome.status == 413);
			outcome_free(&outcome);
		}
		tl_buf_free(&bytes);
	}
}

static void
bodies_are_the_same_however_they_come(void)
{
	Random random = {3};
	unsigned int taken = 0;

	for (int round = 0; round < 20000; round++)
	{
		char body[60];
		size_t len = random_below(&random, sizeof(body));
		size_t max = random_below(&random, 8) > 0 ? 200 : random_below(&random, 60);
		TlBuf bytes = {0};

		random_fill(&random, body, len);
		encode_chunks(body, len, &bytes, &random);
		damage(&bytes, &random);
		taken += check_cuts(read_chunks, &bytes, max, &random);
		tl_buf_free(&bytes);
	}
	TAP_CHECK(taken > 2000 && taken < 18000);
}

int
main(void)
{
	TAP_RUN(chunks_have_one_form);
	TAP_RUN(extensions_are_skipped);
	TAP_RUN(trailers_are_dropped);
	TAP_RUN(bodies_are_limited);
	TAP_RUN(extensions_and_trailers_are_limited);
	TAP_RUN(encoded_bodies_are_decoded);
	TAP_RUN(bodies_are_the_same_however_they_come);
	return tap_end();
}
