/*
 * inflate.h
 *		Decompression of request bodies: gzip, deflate, LZ4 and Zstandard frames.
 */
#ifndef TL_INFLATE_H
#define TL_INFLATE_H

#include "base/buf.h"

typedef enum TlEncoding
{
	TL_ENCODING_UNKNOWN,
	TL_ENCODING_IDENTITY,
	TL_ENCODING_GZIP,
	TL_ENCODING_DEFLATE,
	TL_ENCODING_LZ4,
	TL_ENCODING_ZSTD
} TlEncoding;

typedef enum TlInflateResult
{
	TL_INFLATE_OK,
	TL_INFLATE_CORRUPT, /* damaged, cut short, or followed by something else */
	TL_INFLATE_TOO_LARGE
} TlInflateResult;

/* By the value of a Content-Encoding header. */
extern TlEncoding tl_encoding_by_name(const char *name);

/* By the first bytes of a body; no JSON text starts like a compressed one. */
extern TlEncoding tl_encoding_detect(const char *body, size_t len);

/*
 * Appends the decompressed body to `out`, at most `max` bytes; more is never produced, so a
 * small body that would grow huge costs no more than `max`.
 */
extern TlInflateResult tl_inflate(TlEncoding encoding, const char *body, size_t len, size_t max,
								  TlBuf *out);

/* Gives back the state that this thread keeps from body to body. */
extern void tl_inflate_shutdown(void);

#endif
