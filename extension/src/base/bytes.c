/*
 * bytes.c
 *		The uncommon paths of the output buffer and the input reader.
 */
#include "base/bytes.h"

/* Stays clear of palloc's 1 GB limit, with room for a varlena header. */
#define BUF_LIMIT ((size_t) 0x3fffff00)

void
tl_buf_init(TlBuf *buf, size_t cap)
{
	buf->data = palloc(cap);
	buf->len = 0;
	buf->cap = cap;
}

void
tl_buf_grow(TlBuf *buf, size_t more)
{
	size_t need = buf->len + more;
	size_t cap = Max(buf->cap, 64);

	if (more > BUF_LIMIT || need > BUF_LIMIT)
	{
#ifdef FRONTEND
		tl_corrupt("buffer too large");
#else
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("telemetry block would be larger than %zu bytes", BUF_LIMIT)));
#endif
	}
	while (cap < need)
		cap = Min(cap * 2, BUF_LIMIT);
	buf->data = repalloc(buf->data, cap);
	buf->cap = cap;
}

void
tl_buf_free(TlBuf *buf)
{
	pfree(buf->data);
	buf->data = NULL;
	buf->len = buf->cap = 0;
}

uint64
tl_read_varint_slow(TlReader *r)
{
	uint64 v = 0;
	int shift = 0;

	for (;;)
	{
		uint8 b = tl_read_u8(r);

		if (unlikely(shift == 63 && b > 1))
			tl_corrupt("a varint is too long");
		v |= (uint64) (b & 0x7f) << shift;
		if (b < 0x80)
			return v;
		shift += 7;
	}
}

#ifndef FRONTEND
void
tl_corrupt(const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("telemetry block is corrupted"),
					errdetail_internal("%s", what)));
}
#endif
