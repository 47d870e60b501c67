/*
 * gzip.c
 *		Answers in gzip.  See gzip.h.
 *
 * Speed counts more than size here: the loop waits meanwhile.
 */
#include "net/gzip.h"

#include "base/log.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

#define LEVEL 1
#define WINDOW_BITS (15 + 16) /* of 32 kB, with gzip's header */
#define MEMORY_LEVEL 8

/* Room that is made at a time. */
#define PIECE ((size_t) 16 * 1024)

struct TlGzip
{
	z_stream stream;
};

/* A weight such as ";q=0.5" is 0 if no digit of it is another. */
static bool
weight_is_zero(const char *parameters, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
	{
		if ((parameters[i] | ' ') != 'q' || parameters[i + 1] != '=')
			continue;
		for (i += 2; i < len; i++)
			if (parameters[i] >= '1' && parameters[i] <= '9')
				return false;
		return true;
	}
	return false;
}

/* 1 if the list takes gzip, 0 if it does not, -1 if it says nothing of it. */
static int
list_takes_gzip(const char *list)
{
	int any = -1;

	while (*list != '\0')
	{
		size_t len = strcspn(list, ",");
		size_t name_len;

		while (len > 0 && (*list == ' ' || *list == '\t'))
		{
			list++;
			len--;
		}
		name_len = strcspn(list, "; \t,");
		if ((name_len == 4 && strncasecmp(list, "gzip", 4) == 0) ||
			(name_len == 6 && strncasecmp(list, "x-gzip", 6) == 0))
			return weight_is_zero(list + name_len, len - name_len) ? 0 : 1;
		if (name_len == 1 && *list == '*')
			any = weight_is_zero(list + name_len, len - name_len) ? 0 : 1;
		list += len;
		if (*list == ',')
			list++;
	}
	return any;
}

bool
tl_gzip_is_accepted(const TlHttpHead *head)
{
	int taken = -1;

	for (unsigned int i = 0; i < head->field_count && taken < 0; i++)
		if (strcasecmp(head->fields[i].name, "Accept-Encoding") == 0)
			taken = list_takes_gzip(head->fields[i].value);
	return taken == 1;
}

bool
tl_gzip_is_worth(const char *content_type)
{
	size_t len = strcspn(content_type, ";");

	if (strncasecmp(content_type, "text/", 5) == 0)
		return true;
	return len >= 4 && (strncasecmp(content_type + len - 4, "json", 4) == 0 ||
						strncasecmp(content_type + len - 3, "xml", 3) == 0 ||
						(len >= 10 && strncasecmp(content_type + len - 10, "javascript", 10) == 0));
}

TlGzip *
tl_gzip_open(void)
{
	TlGzip *gzip = calloc(1, sizeof(*gzip));

	if (gzip == NULL || deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
									 Z_DEFAULT_STRATEGY) != Z_OK)
		tl_log_die("out of memory");
	return gzip;
}

static void
gzip_run(TlGzip *gzip, const char *data, size_t len, int flush, TlBuf *out)
{
	z_stream *stream = &gzip->stream;

	stream->next_in = (Bytef *) data;
	stream->avail_in = (uInt) len;
	do
	{
		stream->next_out = (Bytef *) tl_buf_reserve(out, PIECE);
		stream->avail_out = (uInt) PIECE;
		deflate(stream, flush);
		out->len += PIECE - stream->avail_out;
	} while (stream->avail_out == 0);
}

void
tl_gzip_add(TlGzip *gzip, const char *data, size_t len, TlBuf *out)
{
	gzip_run(gzip, data, len, Z_NO_FLUSH, out);
}

void
tl_gzip_end(TlGzip *gzip, TlBuf *out)
{
	gzip_run(gzip, NULL, 0, Z_FINISH, out);
}

void
tl_gzip_close(TlGzip *gzip)
{
	if (gzip == NULL)
		return;
	deflateEnd(&gzip->stream);
	free(gzip);
}
