/*
 * bytes.h
 *		A growable output buffer and a bounds-checked input reader.
 *
 * Everything that codecs and blocks write goes through TlBuf, and everything they read from
 * storage goes through TlReader, whose every step is checked against what remains: stored
 * bytes are treated as hostile.  Integers are little-endian; a varint is LEB128 of at most
 * ten bytes; a signed varint is zigzag coded.
 *
 * A TlBuf's memory belongs to the memory context it was initialised in.
 */
#ifndef TL_BYTES_H
#define TL_BYTES_H

#include "base/compat.h"

typedef struct TlBuf
{
	char *data;
	size_t len;
	size_t cap;
} TlBuf;

typedef struct TlReader
{
	const uint8 *at;
	const uint8 *end;
} TlReader;

#define TL_VARINT_MAX 10

extern void tl_buf_init(TlBuf *buf, size_t cap);
extern void tl_buf_grow(TlBuf *buf, size_t more);
extern void tl_buf_free(TlBuf *buf);

static inline void
tl_buf_reserve(TlBuf *buf, size_t more)
{
	if (unlikely(buf->cap - buf->len < more))
		tl_buf_grow(buf, more);
}

static inline void
tl_buf_put(TlBuf *buf, const void *data, size_t len)
{
	tl_buf_reserve(buf, len);
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

static inline void
tl_buf_put_u8(TlBuf *buf, uint8 v)
{
	tl_buf_reserve(buf, 1);
	buf->data[buf->len++] = (char) v;
}

static inline void
tl_store_u32(void *to, uint32 v)
{
	uint8 *p = (uint8 *) to;

	p[0] = (uint8) v;
	p[1] = (uint8) (v >> 8);
	p[2] = (uint8) (v >> 16);
	p[3] = (uint8) (v >> 24);
}

static inline void
tl_store_u64(void *to, uint64 v)
{
	tl_store_u32(to, (uint32) v);
	tl_store_u32((char *) to + 4, (uint32) (v >> 32));
}

static inline uint32
tl_load_u32(const void *from)
{
	const uint8 *p = (const uint8 *) from;

	return (uint32) p[0] | (uint32) p[1] << 8 | (uint32) p[2] << 16 | (uint32) p[3] << 24;
}

static inline uint64
tl_load_u64(const void *from)
{
	return (uint64) tl_load_u32(from) | (uint64) tl_load_u32((const char *) from + 4) << 32;
}

static inline void
tl_buf_put_u64(TlBuf *buf, uint64 v)
{
	tl_buf_reserve(buf, 8);
	tl_store_u64(buf->data + buf->len, v);
	buf->len += 8;
}

static inline uint64
tl_zigzag(int64 v)
{
	return ((uint64) v << 1) ^ (uint64) (v >> 63);
}

static inline int64
tl_unzigzag(uint64 v)
{
	return (int64) (v >> 1) ^ -(int64) (v & 1);
}

/* Writes a varint where the caller has reserved TL_VARINT_MAX bytes; returns the next byte. */
static inline uint8 *
tl_varint_write(uint8 *p, uint64 v)
{
	while (v >= 0x80)
	{
		*p++ = (uint8) v | 0x80;
		v >>= 7;
	}
	*p++ = (uint8) v;
	return p;
}

static inline void
tl_buf_put_varint(TlBuf *buf, uint64 v)
{
	tl_buf_reserve(buf, TL_VARINT_MAX);
	buf->len = (size_t) ((char *) tl_varint_write((uint8 *) buf->data + buf->len, v) - buf->data);
}

static inline void
tl_buf_put_svarint(TlBuf *buf, int64 v)
{
	tl_buf_put_varint(buf, tl_zigzag(v));
}

static inline TlReader
tl_reader(const void *data, size_t len)
{
	TlReader r = {(const uint8 *) data, (const uint8 *) data + len};

	return r;
}

static inline size_t
tl_reader_left(const TlReader *r)
{
	return (size_t) (r->end - r->at);
}

/* Takes len bytes; the pointer stays valid as long as the underlying bytes. */
static inline const uint8 *
tl_read_bytes(TlReader *r, size_t len)
{
	const uint8 *at = r->at;

	if (unlikely(len > tl_reader_left(r)))
		tl_corrupt("data ends early");
	r->at += len;
	return at;
}

static inline uint8
tl_read_u8(TlReader *r)
{
	return *tl_read_bytes(r, 1);
}

static inline uint64
tl_read_u64(TlReader *r)
{
	return tl_load_u64(tl_read_bytes(r, 8));
}

extern uint64 tl_read_varint_slow(TlReader *r);

static inline uint64
tl_read_varint(TlReader *r)
{
	if (likely(r->at < r->end && *r->at < 0x80))
		return *r->at++;
	return tl_read_varint_slow(r);
}

static inline int64
tl_read_svarint(TlReader *r)
{
	return tl_unzigzag(tl_read_varint(r));
}

/* A varint that must not exceed limit, such as a count or a length. */
static inline uint32
tl_read_count(TlReader *r, uint64 limit)
{
	uint64 v = tl_read_varint(r);

	if (unlikely(v > limit || v > PG_UINT32_MAX))
		tl_corrupt("a count is larger than its limit");
	return (uint32) v;
}

/* Splits off the next len bytes as a reader of their own. */
static inline TlReader
tl_read_section(TlReader *r, size_t len)
{
	const uint8 *at = tl_read_bytes(r, len);

	return tl_reader(at, len);
}

#endif
