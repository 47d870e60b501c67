/*
 * test_proxy_inflate.c
 *		Compressed bodies: what is sound is read, what is damaged or too large is not.
 */
#include "base/inflate.h"
#include "random.h"
#include "tap.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

static const TlEncoding encodings[] = {TL_ENCODING_GZIP, TL_ENCODING_LZ4, TL_ENCODING_ZSTD,
									   TL_ENCODING_DEFLATE};

#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))
#define DEFLATE (ENCODINGS - 1) /* which has no members, and no beginning to know it by */

static void
deflate_to(TlBuf *to, int window_bits, const void *text, size_t len)
{
	z_stream z = {.next_in = (z_const Bytef *) text, .avail_in = (uInt) len};
	uLong bound;

	deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
	bound = deflateBound(&z, len);
	z.next_out = (Bytef *) tl_buf_reserve(to, bound);
	z.avail_out = (uInt) bound;
	TAP_CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	to->len += z.total_out;
	deflateEnd(&z);
}

static void
zstd_to(TlBuf *to, int window_log, const void *text, size_t len)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t bound = ZSTD_compressBound(len);

	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	if (window_log > 0)
	{
		/* As of a stream, which does not say how long it is. */
		ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
		ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
	}
	to->len += ZSTD_compress2(context, tl_buf_reserve(to, bound), bound, text, len);
	ZSTD_freeCCtx(context);
}

static void
lz4_to(TlBuf *to, const void *text, size_t len)
{
	LZ4F_preferences_t wanted = {.frameInfo = {.contentChecksumFlag = LZ4F_contentChecksumEnabled}};
	size_t bound = LZ4F_compressFrameBound(len, &wanted);

	to->len += LZ4F_compressFrame(tl_buf_reserve(to, bound), bound, text, len, &wanted);
}

/* Appends one member or frame. */
static void
compress_to(TlBuf *to, TlEncoding encoding, const void *text, size_t len)
{
	switch (encoding)
	{
		case TL_ENCODING_GZIP:
			deflate_to(to, 15 + 16, text, len);
			break;
		case TL_ENCODING_DEFLATE:
			deflate_to(to, 15, text, len);
			break;
		case TL_ENCODING_ZSTD:
			zstd_to(to, 0, text, len);
			break;
		default:
			lz4_to(to, text, len);
			break;
	}
}

/* Inflates from memory of its own; `out` holds the result. */
static TlInflateResult
inflate_copy(TlEncoding encoding, const char *body, size_t len, size_t max, TlBuf *out)
{
	char *copy = malloc(len);
	TlInflateResult result;

	if (len > 0)
		memcpy(copy, body, len);
	out->len = 0;
	result = tl_inflate(encoding, copy, len, max, out);
	free(copy);
	return result;
}

static void
bodies_survive(void)
{
	Random random = {1};
	static char text[300000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char) ('a' + random_below(&random, 1 + i % 20));
	for (size_t e = 0; e < ENCODINGS; e++)
		for (size_t len = 0; len < sizeof(text); len = len * 3 + 1)
		{
			TlBuf body = {0};
			TlBuf out = {0};

			compress_to(&body, encodings[e], text, len);
			TAP_CHECK(tl_encoding_detect(body.data, body.len) ==
					  (e == DEFLATE ? TL_ENCODING_IDENTITY : encodings[e]));
			TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, sizeof(text), &out) ==
					  TL_INFLATE_OK);
			TAP_CHECK(out.len == len && (len == 0 || memcmp(out.data, text, len) == 0));
			tl_buf_free(&body);
			tl_buf_free(&out);
		}
}

static void
limit_is_exact(void)
{
	static const size_t sizes[] = {1, 100, 65535, 65536, 65537, 131072, 200000};
	static char text[200000];

	for (size_t e = 0; e < ENCODINGS; e++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		{
			TlBuf body = {0};
			TlBuf out = {0};

			compress_to(&body, encodings[e], text, sizes[i]);
			TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, sizes[i], &out) ==
					  TL_INFLATE_OK);
			TAP_CHECK(out.len == sizes[i]);
			TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, sizes[i] - 1, &out) ==
					  TL_INFLATE_TOO_LARGE);
			tl_buf_free(&body);
			tl_buf_free(&out);
		}
}

static void
bomb_costs_no_more_than_the_limit(void)
{
	size_t large = 64 * 1024 * 1024;
	char *zeros = calloc(1, large);

	for (size_t e = 0; e < ENCODINGS; e++)
	{
		TlBuf body = {0};
		TlBuf out = {0};

		compress_to(&body, encodings[e], zeros, large);
		TAP_CHECK(body.len < large / 200);
		TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, 100000, &out) ==
				  TL_INFLATE_TOO_LARGE);
		TAP_CHECK(out.len <= 100001 && out.cap <= 400000);
		tl_buf_free(&body);
		tl_buf_free(&out);
	}
	free(zeros);
}

static void
members_in_a_row_are_one_body(void)
{
	for (size_t e = 0; e < DEFLATE; e++)
	{
		TlBuf body = {0};
		TlBuf out = {0};

		compress_to(&body, encodings[e], "one ", 4);
		compress_to(&body, encodings[e], "", 0);
		compress_to(&body, encodings[e], "two", 3);
		TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, 7, &out) == TL_INFLATE_OK);
		TAP_CHECK(out.len == 7 && memcmp(out.data, "one two", 7) == 0);
		TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, 6, &out) == TL_INFLATE_TOO_LARGE);
		tl_buf_add(&body, "x", 1);
		TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, 7, &out) == TL_INFLATE_CORRUPT);
		tl_buf_free(&body);
		tl_buf_free(&out);
	}
}

static void
deflate_is_taken_with_and_without_its_header_and_once(void)
{
	TlBuf body = {0};
	TlBuf out = {0};

	deflate_to(&body, -15, "some text", 9);
	TAP_CHECK(inflate_copy(TL_ENCODING_DEFLATE, body.data, body.len, 9, &out) == TL_INFLATE_OK);
	TAP_CHECK(out.len == 9 && memcmp(out.data, "some text", 9) == 0);
	TAP_CHECK(inflate_copy(TL_ENCODING_DEFLATE, body.data, body.len - 1, 9, &out) ==
			  TL_INFLATE_CORRUPT);
	deflate_to(&body, -15, "more", 4);
	TAP_CHECK(inflate_copy(TL_ENCODING_DEFLATE, body.data, body.len, 99, &out) ==
			  TL_INFLATE_CORRUPT);
	/* What is of the one kind is not of the other. */
	body.len = 0;
	deflate_to(&body, 15 + 16, "some text", 9);
	TAP_CHECK(inflate_copy(TL_ENCODING_DEFLATE, body.data, body.len, 99, &out) ==
			  TL_INFLATE_CORRUPT);
	tl_buf_free(&body);
	tl_buf_free(&out);
}

static void
zeros_after_gzip_are_padding(void)
{
	static const char zeros[512];
	TlBuf body = {0};
	TlBuf out = {0};

	deflate_to(&body, 15 + 16, "one ", 4);
	deflate_to(&body, 15 + 16, "two", 3);
	tl_buf_add(&body, zeros, sizeof(zeros));
	TAP_CHECK(inflate_copy(TL_ENCODING_GZIP, body.data, body.len, 7, &out) == TL_INFLATE_OK);
	TAP_CHECK(out.len == 7 && memcmp(out.data, "one two", 7) == 0);
	body.data[body.len - 1] = 1;
	TAP_CHECK(inflate_copy(TL_ENCODING_GZIP, body.data, body.len, 7, &out) == TL_INFLATE_CORRUPT);
	tl_buf_free(&body);
	tl_buf_free(&out);
}

/* A frame may ask for a window of gigabytes, whatever it holds. */
static void
large_windows_of_zstd_are_refused(void)
{
	size_t len = 32 * 1024 * 1024;
	char *text = calloc(1, len);
	TlBuf body = {0};
	TlBuf out = {0};

	zstd_to(&body, 23, text, len);
	TAP_CHECK(inflate_copy(TL_ENCODING_ZSTD, body.data, body.len, len, &out) == TL_INFLATE_OK);
	body.len = 0;
	zstd_to(&body, 24, text, len);
	TAP_CHECK(inflate_copy(TL_ENCODING_ZSTD, body.data, body.len, len, &out) == TL_INFLATE_CORRUPT);
	tl_buf_free(&body);
	tl_buf_free(&out);
	free(text);
}

static void
every_truncation_is_corrupt(void)
{
	for (size_t e = 0; e < ENCODINGS; e++)
	{
		TlBuf body = {0};
		TlBuf out = {0};

		compress_to(&body, encodings[e], "some text, some more text, and some text", 40);
		for (size_t len = 0; len < body.len; len++)
			TAP_CHECK(inflate_copy(encodings[e], body.data, len, 1000, &out) == TL_INFLATE_CORRUPT);
		tl_buf_free(&body);
		tl_buf_free(&out);
	}
}

/* Of the headers some bits mean nothing; the text itself is checked. */
static void
flipped_bit_never_changes_the_text(void)
{
	static const char text[] = "some text, some more text, and some text";

	for (size_t e = 0; e < ENCODINGS; e++)
	{
		TlBuf body = {0};
		TlBuf out = {0};

		compress_to(&body, encodings[e], text, sizeof(text));
		for (size_t bit = 0; bit < body.len * 8; bit++)
		{
			body.data[bit / 8] ^= (char) (1 << bit % 8);
			if (inflate_copy(encodings[e], body.data, body.len, 1000, &out) == TL_INFLATE_OK)
				TAP_CHECK(out.len == sizeof(text) && memcmp(out.data, text, sizeof(text)) == 0);
			body.data[bit / 8] ^= (char) (1 << bit % 8);
		}
		/* And the state that is kept is none the worse for it. */
		TAP_CHECK(inflate_copy(encodings[e], body.data, body.len, 1000, &out) == TL_INFLATE_OK);
		tl_buf_free(&body);
		tl_buf_free(&out);
	}
}

static void
plain_body_is_copied_within_the_limit(void)
{
	TlBuf out = {0};

	TAP_CHECK(inflate_copy(TL_ENCODING_IDENTITY, "abc", 3, 3, &out) == TL_INFLATE_OK);
	TAP_CHECK(out.len == 3 && memcmp(out.data, "abc", 3) == 0);
	TAP_CHECK(inflate_copy(TL_ENCODING_IDENTITY, "abc", 3, 2, &out) == TL_INFLATE_TOO_LARGE);
	tl_buf_free(&out);
}

static void
encodings_are_known_by_name_and_beginning(void)
{
	TAP_CHECK(tl_encoding_by_name("gzip") == TL_ENCODING_GZIP);
	TAP_CHECK(tl_encoding_by_name("X-GZip") == TL_ENCODING_GZIP);
	TAP_CHECK(tl_encoding_by_name("lz4") == TL_ENCODING_LZ4);
	TAP_CHECK(tl_encoding_by_name("Deflate") == TL_ENCODING_DEFLATE);
	TAP_CHECK(tl_encoding_by_name("zstd") == TL_ENCODING_ZSTD);
	TAP_CHECK(tl_encoding_by_name("identity") == TL_ENCODING_IDENTITY);
	TAP_CHECK(tl_encoding_by_name("") == TL_ENCODING_IDENTITY);
	TAP_CHECK(tl_encoding_by_name("br") == TL_ENCODING_UNKNOWN);
	TAP_CHECK(tl_encoding_detect("", 0) == TL_ENCODING_IDENTITY);
	TAP_CHECK(tl_encoding_detect("\x1f", 1) == TL_ENCODING_IDENTITY);
	TAP_CHECK(tl_encoding_detect("\x04\x22\x4d", 3) == TL_ENCODING_IDENTITY);
	TAP_CHECK(tl_encoding_detect("{}", 2) == TL_ENCODING_IDENTITY);
}

int
main(void)
{
	TAP_RUN(bodies_survive);
	TAP_RUN(limit_is_exact);
	TAP_RUN(bomb_costs_no_more_than_the_limit);
	TAP_RUN(members_in_a_row_are_one_body);
	TAP_RUN(deflate_is_taken_with_and_without_its_header_and_once);
	TAP_RUN(zeros_after_gzip_are_padding);
	TAP_RUN(large_windows_of_zstd_are_refused);
	TAP_RUN(every_truncation_is_corrupt);
	TAP_RUN(flipped_bit_never_changes_the_text);
	TAP_RUN(plain_body_is_copied_within_the_limit);
	TAP_RUN(encodings_are_known_by_name_and_beginning);
	tl_inflate_shutdown();
	return tap_end();
}
