/*
 * buf.h
 *		A growing byte buffer.
 *
 * Whoever declares a TlBuf owns its memory and ends it with tl_buf_free; a zeroed TlBuf is
 * empty.  Growing never fails: the process ends when memory does, and what may be buffered
 * is bounded by the limits on bodies and on waiting rows.
 */
#ifndef TL_BUF_H
#define TL_BUF_H

#include <stddef.h>
#include <string.h>

typedef struct TlBuf
{
	char *data;
	size_t len;
	size_t cap;
} TlBuf;

extern void tl_buf_grow(TlBuf *buf, size_t extra);
extern void tl_buf_free(TlBuf *buf);

/* Empties the buffer; memory above `keep` bytes is given back. */
extern void tl_buf_reset(TlBuf *buf, size_t keep);

extern void tl_buf_printf(TlBuf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The text as a JSON string with its quotes; the bytes must be UTF-8. */
extern void tl_buf_add_json_string(TlBuf *buf, const char *text, size_t len);

/* Makes room for `extra` more bytes and returns where they go. */
static inline char *
tl_buf_reserve(TlBuf *buf, size_t extra)
{
	if (buf->cap - buf->len < extra)
		tl_buf_grow(buf, extra);
	return buf->data + buf->len;
}

static inline void
tl_buf_add(TlBuf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(tl_buf_reserve(buf, len), bytes, len);
	buf->len += len;
}

static inline void
tl_buf_add_text(TlBuf *buf, const char *text)
{
	tl_buf_add(buf, text, strlen(text));
}

#endif
