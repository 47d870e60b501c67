/*
 * inflate.c
 *		Decompression of request bodies: gzip and LZ4 frames.
 *
 * Either format may come as several members or frames in a row, as its standard says.  One
 * decompression state of each kind is kept and reset for each body, since setting one up
 * costs more than most bodies do.
 */
#include "base/inflate.h"

#include <lz4frame.h>
#include <stdbool.h>
#include <stdint.h>
#include <strings.h>
#include <zlib.h>

#define OUTPUT_STEP ((size_t) 64 * 1024)

/* Largest window, and a gzip header. */
#define GZIP_WINDOW_BITS (15 + 16)

static z_stream gzip_state;
static bool gzip_ready;
static LZ4F_dctx *lz4_state;

TlEncoding
tl_encoding_by_name(const char *name)
{
	if (strcasecmp(name, "identity") == 0 || name[0] == '\0')
		return TL_ENCODING_IDENTITY;
	if (strcasecmp(name, "gzip") == 0 || strcasecmp(name, "x-gzip") == 0)
		return TL_ENCODING_GZIP;
	if (strcasecmp(name, "lz4") == 0)
		return TL_ENCODING_LZ4;
	return TL_ENCODING_UNKNOWN;
}

static bool
starts_gzip(const char *body, size_t len)
{
	return len >= 2 && memcmp(body, "\x1f\x8b", 2) == 0;
}

static bool
starts_lz4(const char *body, size_t len)
{
	return len >= 4 && memcmp(body, "\x04\x22\x4d\x18", 4) == 0;
}

TlEncoding
tl_encoding_detect(const char *body, size_t len)
{
	if (starts_gzip(body, len))
		return TL_ENCODING_GZIP;
	if (starts_lz4(body, len))
		return TL_ENCODING_LZ4;
	return TL_ENCODING_IDENTITY;
}

/* Room for the next step; one byte past the maximum, to notice that it was passed. */
static size_t
output_room(const TlBuf *out, size_t begin, size_t max)
{
	size_t left = max - (out->len - begin);

	return left < OUTPUT_STEP ? left + 1 : OUTPUT_STEP;
}

static TlInflateResult
inflate_gzip(const char *body, size_t len, size_t max, TlBuf *out)
{
	size_t begin = out->len;
	int rc;

	if (!gzip_ready && inflateInit2(&gzip_state, GZIP_WINDOW_BITS) != Z_OK)
		return TL_INFLATE_CORRUPT;
	gzip_ready = true;
	if (inflateReset(&gzip_state) != Z_OK || len > UINT32_MAX)
		return TL_INFLATE_CORRUPT;

	gzip_state.next_in = (z_const Bytef *) body;
	gzip_state.avail_in = (uInt) len;
	for (;;)
	{
		size_t room = output_room(out, begin, max);

		gzip_state.next_out = (Bytef *) tl_buf_reserve(out, room);
		gzip_state.avail_out = (uInt) room;
		rc = inflate(&gzip_state, Z_NO_FLUSH);
		out->len += room - gzip_state.avail_out;
		if (out->len - begin > max)
			return TL_INFLATE_TOO_LARGE;
		if (rc == Z_STREAM_END)
		{
			if (gzip_state.avail_in == 0)
				return TL_INFLATE_OK;
			if (!starts_gzip((const char *) gzip_state.next_in, gzip_state.avail_in) ||
				inflateReset(&gzip_state) != Z_OK)
				return TL_INFLATE_CORRUPT;
		}
		else if (rc != Z_OK)
			return TL_INFLATE_CORRUPT;
	}
}

static TlInflateResult
inflate_lz4(const char *body, size_t len, size_t max, TlBuf *out)
{
	size_t begin = out->len;
	size_t done = 0;

	if (lz4_state == NULL &&
		LZ4F_isError(LZ4F_createDecompressionContext(&lz4_state, LZ4F_VERSION)))
		return TL_INFLATE_CORRUPT;
	LZ4F_resetDecompressionContext(lz4_state);

	for (;;)
	{
		size_t room = output_room(out, begin, max);
		size_t produced = room;
		size_t consumed = len - done;
		size_t rc;

		rc = LZ4F_decompress(lz4_state, tl_buf_reserve(out, room), &produced, body + done,
							 &consumed, NULL);
		if (LZ4F_isError(rc))
			return TL_INFLATE_CORRUPT;
		out->len += produced;
		done += consumed;
		if (out->len - begin > max)
			return TL_INFLATE_TOO_LARGE;
		if (rc == 0 && done == len)
			return TL_INFLATE_OK;
		if (rc == 0 && !starts_lz4(body + done, len - done))
			return TL_INFLATE_CORRUPT;
		/* Wants more, and there is none. */
		if (produced == 0 && consumed == 0)
			return TL_INFLATE_CORRUPT;
	}
}

TlInflateResult
tl_inflate(TlEncoding encoding, const char *body, size_t len, size_t max, TlBuf *out)
{
	switch (encoding)
	{
		case TL_ENCODING_GZIP:
			return inflate_gzip(body, len, max, out);
		case TL_ENCODING_LZ4:
			return inflate_lz4(body, len, max, out);
		default:
			if (len > max)
				return TL_INFLATE_TOO_LARGE;
			tl_buf_add(out, body, len);
			return TL_INFLATE_OK;
	}
}

void
tl_inflate_shutdown(void)
{
	if (gzip_ready)
		inflateEnd(&gzip_state);
	gzip_ready = false;
	LZ4F_freeDecompressionContext(lz4_state);
	lz4_state = NULL;
}
