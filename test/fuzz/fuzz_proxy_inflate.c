/*
 * fuzz_proxy_inflate.c
 *		Any bytes as a compressed body; no more than the limit comes of it.
 *
 *	input	u8 encoding and limit, then the body
 */
#include "base/inflate.h"

#include <lz4frame.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
									  unsigned int seed);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A body of the encoding, to start from. */
static size_t
put_sample(uint8_t *data, size_t max_size, unsigned int seed)
{
	static const char text[] =
		"{\"data_points\": [{\"value\": 1}, {\"value\": 1}, {\"value\": 1}]}";
	size_t size = 0;

	data[0] = (uint8_t) seed;
	if (seed % 4 == TL_ENCODING_ZSTD % 4)
		size = ZSTD_compress(data + 1, max_size - 1, text, sizeof(text), 1);
	else if (seed % 4 != TL_ENCODING_LZ4 % 4)
	{
		z_stream z = {.next_in = (z_const Bytef *) text,
					  .avail_in = (uInt) sizeof(text),
					  .next_out = data + 1,
					  .avail_out = (uInt) (max_size - 1)};

		deflateInit2(&z, 1 + (int) (seed / 4 % 9), Z_DEFLATED,
					 seed % 4 == TL_ENCODING_GZIP % 4 ? 15 + 16 : 15, 8, Z_DEFAULT_STRATEGY);
		if (deflate(&z, Z_FINISH) == Z_STREAM_END)
			size = z.total_out;
		deflateEnd(&z);
	}
	else if (LZ4F_compressFrameBound(sizeof(text), NULL) < max_size)
		size = LZ4F_compressFrame(data + 1, max_size - 1, text, sizeof(text), NULL);
	return LZ4F_isError(size) || ZSTD_isError(size) ? 1 : size + 1;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	if (max_size > 1 && (size < 2 || seed % 64 == 0))
		size = put_sample(data, max_size, seed / 64);
	return LLVMFuzzerMutate(data, size, max_size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const TlEncoding encodings[4] = {
		[TL_ENCODING_GZIP % 4] = TL_ENCODING_GZIP,
		[TL_ENCODING_DEFLATE % 4] = TL_ENCODING_DEFLATE,
		[TL_ENCODING_LZ4 % 4] = TL_ENCODING_LZ4,
		[TL_ENCODING_ZSTD % 4] = TL_ENCODING_ZSTD,
	};
	TlBuf out = {0};
	size_t max;
	char *body;

	if (size == 0)
		return 0;
	max = (size_t) data[0] * data[0] * 16;
	body = malloc(size - 1);
	if (size > 1)
		memcpy(body, data + 1, size - 1);
	tl_buf_add_text(&out, "kept");
	switch (tl_inflate(encodings[data[0] % 4], body, size - 1, max, &out))
	{
		case TL_INFLATE_OK:
			if (out.len > 4 + max)
				abort();
			break;
		case TL_INFLATE_TOO_LARGE:
		case TL_INFLATE_CORRUPT:
			if (out.len > 4 + max + 1)
				abort();
			break;
	}
	if (memcmp(out.data, "kept", 4) != 0)
		abort();
	tl_buf_free(&out);
	free(body);
	return 0;
}
