/*
 * inflate.c
 *		Decompression of request bodies: gzip, deflate, LZ4 and Zstandard frames.
 *
 * All but deflate may come as several members or frames in a row, as their standards say.  One
 * decompression state of each kind is kept by each thread and reset for each body, since setting one up
 * costs more than most bodies do.
 */
#include "base/inflate.h"

#include <lz4frame.h>
#include <stdbool.h>
#include <stdint.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#define OUTPUT_STEP ((size_t) 64 * 1024)

/* Largest window; with a gzip header, with that of zlib, and with none. */
#define GZIP_WINDOW_BITS (15 + 16)
#define ZLIB_WINDOW_BITS 15
#define RAW_WINDOW_BITS (-15)

/* 8 MB, what RFC 9659 has a decoder of the web take; more is refused. */
#define ZSTD_WINDOW_LOG 23

static _Thread_local z_stream zlib_state;
static _Thread_local bool zlib_ready;
static _Thread_local LZ4F_dctx *lz4_state;
static _Thread_local ZSTD_DCtx *zstd_state;

TlEncoding
tl_encoding_by_name(const char *name)
{
	if (strcasecmp(name, "identity") == 0 || name[0] == '\0')
		return TL_ENCODING_IDENTITY;
	if (strcasecmp(name, "gzip") == 0 || strcasecmp(name, "x-gzip") == 0)
		return TL_ENCODING_GZIP;
	if (strcasecmp(name, "deflate") == 0)
		return TL_ENCODING_DEFLATE;
	if (strcasecmp(name, "lz4") == 0)
		return TL_ENCODING_LZ4;
	if (strcasecmp(name, "zstd") == 0)
		return TL_ENCODING_ZSTD;
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

static bool
starts_zstd(const char *body, size_t len)
{
	return len >= 4 && memcmp(body, "\x28\xb5\x2f\xfd", 4) == 0;
}

/* RFC 1950, 2.2.  Some that say deflate leave the header out, as old browsers did. */
static bool
starts_zlib(const char *body, size_t len)
{
	const unsigned char *head = (const unsigned char *) body;

	return len >= 2 && (head[0] & 0x0f) == 8 && (head[0] * 256 + head[1]) % 31 == 0;
}

/* What follows the last member: nothing, or the zeros of a tape or disk block, as gzip(1) takes them. */
static bool
is_padding(const Bytef *bytes, uInt len)
{
	for (uInt i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

TlEncoding
tl_encoding_detect(const char *body, size_t len)
{
	if (starts_gzip(body, len))
		return TL_ENCODING_GZIP;
	if (starts_lz4(body, len))
		return TL_ENCODING_LZ4;
	if (starts_zstd(body, len))
		return TL_ENCODING_ZSTD;
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
inflate_zlib(int window_bits, const char *body, size_t len, size_t max, TlBuf *out)
{
	size_t begin = out->len;
	int rc;

	if (!zlib_ready && inflateInit2(&zlib_state, window_bits) != Z_OK)
		return TL_INFLATE_CORRUPT;
	zlib_ready = true;
	if (inflateReset2(&zlib_state, window_bits) != Z_OK || len > UINT32_MAX)
		return TL_INFLATE_CORRUPT;

	zlib_state.next_in = (z_const Bytef *) body;
	zlib_state.avail_in = (uInt) len;
	for (;;)
	{
		size_t room = output_room(out, begin, max);

		zlib_state.next_out = (Bytef *) tl_buf_reserve(out, room);
		zlib_state.avail_out = (uInt) room;
		rc = inflate(&zlib_state, Z_NO_FLUSH);
		out->len += room - zlib_state.avail_out;
		if (out->len - begin > max)
			return TL_INFLATE_TOO_LARGE;
		if (rc == Z_STREAM_END)
		{
			if (zlib_state.avail_in == 0 || (window_bits == GZIP_WINDOW_BITS &&
											 is_padding(zlib_state.next_in, zlib_state.avail_in)))
				return TL_INFLATE_OK;
			if (window_bits != GZIP_WINDOW_BITS ||
				!starts_gzip((const char *) zlib_state.next_in, zlib_state.avail_in) ||
				inflateReset(&zlib_state) != Z_OK)
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

static TlInflateResult
inflate_zstd(const char *body, size_t len, size_t max, TlBuf *out)
{
	size_t begin = out->len;
	ZSTD_inBuffer in = {body, len, 0};

	if (zstd_state == NULL)
		zstd_state = ZSTD_createDCtx();
	if (zstd_state == NULL || ZSTD_isError(ZSTD_DCtx_reset(zstd_state, ZSTD_reset_session_only)) ||
		ZSTD_isError(ZSTD_DCtx_setParameter(zstd_state, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
		return TL_INFLATE_CORRUPT;
	for (;;)
	{
		size_t room = output_room(out, begin, max);
		ZSTD_outBuffer step = {tl_buf_reserve(out, room), room, 0};
		size_t consumed = in.pos;
		size_t rc = ZSTD_decompressStream(zstd_state, &step, &in);

		if (ZSTD_isError(rc))
			return TL_INFLATE_CORRUPT;
		out->len += step.pos;
		if (out->len - begin > max)
			return TL_INFLATE_TOO_LARGE;
		if (rc == 0 && in.pos == len)
			return TL_INFLATE_OK;
		/* Wants more, and there is none. */
		if (step.pos == 0 && in.pos == consumed)
			return TL_INFLATE_CORRUPT;
	}
}

TlInflateResult
tl_inflate(TlEncoding encoding, const char *body, size_t len, size_t max, TlBuf *out)
{
	switch (encoding)
	{
		case TL_ENCODING_GZIP:
			return inflate_zlib(GZIP_WINDOW_BITS, body, len, max, out);
		case TL_ENCODING_DEFLATE:
			return inflate_zlib(starts_zlib(body, len) ? ZLIB_WINDOW_BITS : RAW_WINDOW_BITS, body,
								len, max, out);
		case TL_ENCODING_ZSTD:
			return inflate_zstd(body, len, max, out);
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
	if (zlib_ready)
		inflateEnd(&zlib_state);
	zlib_ready = false;
	LZ4F_freeDecompressionContext(lz4_state);
	lz4_state = NULL;
	ZSTD_freeDCtx(zstd_state);
	zstd_state = NULL;
}
