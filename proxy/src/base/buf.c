/*
 * buf.c
 *		A growing byte buffer: capacity doubles, sizes are checked.
 */
#include "base/buf.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_SMALLEST 256

void
tl_buf_grow(TlBuf *buf, size_t extra)
{
	size_t need;
	size_t cap = buf->cap > 0 ? buf->cap : BUF_SMALLEST;
	char *data;

	if (__builtin_add_overflow(buf->len, extra, &need) || need > PTRDIFF_MAX / 2)
		tl_log_die("out of memory: buffer of %zu + %zu bytes", buf->len, extra);
	while (cap < need)
		cap *= 2;
	if (cap == buf->cap)
		return;
	data = realloc(buf->data, cap);
	if (data == NULL)
		tl_log_die("out of memory: buffer of %zu bytes", cap);
	buf->data = data;
	buf->cap = cap;
}

void
tl_buf_free(TlBuf *buf)
{
	free(buf->data);
	*buf = (TlBuf){0};
}

void
tl_buf_reset(TlBuf *buf, size_t keep)
{
	if (buf->cap > keep)
		tl_buf_free(buf);
	buf->len = 0;
}

void
tl_buf_printf(TlBuf *buf, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n <= 0)
		return;

	va_start(args, format);
	vsnprintf(tl_buf_reserve(buf, (size_t) n + 1), (size_t) n + 1, format, args);
	va_end(args);
	buf->len += (size_t) n;
}

void
tl_buf_add_json_string(TlBuf *buf, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t room;
	char *out;

	/* The worst case is six bytes for one. */
	if (__builtin_mul_overflow(len, (size_t) 6, &room) ||
		__builtin_add_overflow(room, (size_t) 2, &room))
		tl_log_die("out of memory: string of %zu bytes", len);
	out = tl_buf_reserve(buf, room);

	*out++ = '"';
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c == '"' || c == '\\')
		{
			*out++ = '\\';
			*out++ = (char) c;
		}
		else if (c < 0x20 || c == 0x7f)
		{
			memcpy(out, "\\u00", 4);
			out[4] = hex[c >> 4];
			out[5] = hex[c & 15];
			out += 6;
		}
		else
			*out++ = (char) c;
	}
	*out++ = '"';
	buf->len = (size_t) (out - buf->data);
}
