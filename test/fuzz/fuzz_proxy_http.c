/*
 * fuzz_proxy_http.c
 *		Any bytes as what a connection brings: they are the same requests whether they come at once
 *		or in pieces, and the same to a lax reader, who ends every line at LF, finds fields by their
 *		lines and skips extensions.
 *
 *	input	u8[4] lengths of pieces, in turn; u8 limit of a head; u8 limit of a body; then the stream
 */
#include "base/buf.h"
#include "net/http_parse.h"

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 4
#define PREFIX (PIECES + 2)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Limits
{
	size_t head;
	size_t body;
} Limits;

typedef enum State
{
	READS_HEAD,
	READS_LENGTH,
	READS_CHUNKS,
	REFUSED
} State;

/* One reading of the stream.  What has not come yet may not be looked at. */
typedef struct Reading
{
	const char *stream;
	size_t len;
	char *data; /* a copy of the stream, which heads are cut in */
	size_t arrived;
	size_t pos; /* where the head, or what is left of the body, begins */
	State state;
	size_t scanned;
	size_t body_start;
	TlHttpHead head;
	TlHttpChunks chunks;
	TlBuf body;
	TlBuf seen; /* what was made of it, in words */
} Reading;

static void
expect(bool holds)
{
	if (!holds)
		abort();
}

static size_t
line_length(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);

	return end == NULL ? len : (size_t) (end - text) + 1;
}

static bool
is_empty_line(const char *line, size_t len)
{
	return len == 1 || (len == 2 && line[0] == '\r');
}

/* How many lines a lax reader sees until the empty one, of a head that is `len` bytes to us. */
static unsigned int
lax_lines(const char *text, size_t len)
{
	unsigned int lines = 0;

	while (len > 0)
	{
		size_t n = line_length(text, len);

		if (!is_empty_line(text, n))
			lines++;
		else if (lines > 0)
		{
			expect(n == len);
			return lines;
		}
		text += n;
		len -= n;
	}
	abort();
}

/* What a lax reader takes for the body, of one that is `len` bytes to us. */
static void
lax_chunks(const char *text, size_t len, const TlBuf *body)
{
	size_t pos = 0;
	size_t done = 0;
	size_t n;

	for (;;)
	{
		unsigned long size = strtoul(text + pos, NULL, 16);

		pos += line_length(text + pos, len - pos);
		if (size == 0)
			break;
		expect(size <= len - pos && size <= body->len - done);
		expect(memcmp(text + pos, body->data + done, size) == 0);
		done += size;
		pos += size;
		pos += line_length(text + pos, len - pos);
	}
	do
	{
		n = line_length(text + pos, len - pos);
		pos += n;
	} while (!is_empty_line(text + pos - n, n));
	expect(done == body->len && pos == len);
}

static void
check_text(const Reading *reading, size_t end, const char *text)
{
	const char *start = reading->data + reading->pos;

	expect(text >= start && text < start + end && text + strlen(text) < start + end);
	expect(strpbrk(text, "\r\n") == NULL);
}

static void
check_head(const Reading *reading, size_t end)
{
	const TlHttpHead *head = &reading->head;
	const char *length = tl_http_field(head, "CONTENT-LENGTH");
	const char *transfer = tl_http_field(head, "transfer-encoding");

	expect(memcmp(reading->data + reading->pos + end, reading->stream + reading->pos + end,
				  reading->arrived - reading->pos - end) == 0);
	check_text(reading, end, head->method);
	expect(*head->method != '\0');
	expect(*head->path == '/' || strcmp(head->path, "*") == 0);
	if (strcmp(head->path, "/") != 0)
		check_text(reading, end, head->path);
	if (head->query != NULL)
		check_text(reading, end, head->query);
	for (unsigned int i = 0; i < head->field_count; i++)
	{
		check_text(reading, end, head->fields[i].name);
		check_text(reading, end, head->fields[i].value);
		expect(*head->fields[i].name != '\0' && strpbrk(head->fields[i].name, " \t:") == NULL);
	}
	expect(lax_lines(reading->stream + reading->pos, end) == head->field_count + 1);
	expect(head->old || tl_http_field(head, "host") != NULL);
	expect(head->chunked == (transfer != NULL) && (transfer == NULL || length == NULL));
	expect(head->length == (length == NULL ? 0 : strtoull(length, NULL, 10)));
	expect(!head->old || (!head->chunked && !head->expects_continue));
}

static void
tell_head(Reading *reading)
{
	const TlHttpHead *head = &reading->head;

	tl_buf_printf(&reading->seen, "%s %s ? %s old %d keep %d continue %d chunked %d length %llu\n",
				  head->method, head->path, head->query == NULL ? "none" : head->query, head->old,
				  head->keep_alive, head->expects_continue, head->chunked,
				  (unsigned long long) head->length);
	for (unsigned int i = 0; i < head->field_count; i++)
		tl_buf_printf(&reading->seen, "%s: %s\n", head->fields[i].name, head->fields[i].value);
}

static bool
stop(Reading *reading, int status, const char *why)
{
	expect(status >= 400 && status < 600 && why != NULL && !reading->head.keep_alive);
	tl_buf_printf(&reading->seen, "%d %s\n", status, why);
	reading->state = REFUSED;
	return false;
}

static void
end_request(Reading *reading)
{
	tl_buf_add(&reading->seen, reading->body.data, reading->body.len);
	tl_buf_printf(&reading->seen, "\nend at %zu\n", reading->pos);
	tl_buf_reset(&reading->body, 4096);
	memset(&reading->head, 0, offsetof(TlHttpHead, fields));
	reading->scanned = 0;
	reading->state = READS_HEAD;
}

/* These return whether there may be more to see in what has arrived. */
static bool
read_head(Reading *reading, const Limits *limits)
{
	size_t len = reading->arrived - reading->pos;
	const char *why = NULL;
	size_t end = 1;
	int status = tl_http_find_end(reading->data + reading->pos, len, limits->head,
								  &reading->scanned, &end, &why);

	if (status != 0)
	{
		expect(end == 0);
		return stop(reading, status, why);
	}
	if (end == 0)
	{
		expect(reading->scanned == len);
		return false;
	}
	expect(end <= len && end <= limits->head + 16 &&
		   memcmp(reading->data + reading->pos + end - 4, "\r\n\r\n", 4) == 0);
	status = tl_http_parse_head(reading->data + reading->pos, end, &reading->head, &why);
	if (status != 0)
		return stop(reading, status, why);
	check_head(reading, end);
	tell_head(reading);
	reading->head.keep_alive = false;
	if (reading->head.length > limits->body)
		return stop(reading, 413, "longer than we take");
	reading->pos += end;
	reading->body_start = reading->pos;
	reading->chunks = (TlHttpChunks){0};
	reading->state = reading->head.chunked ? READS_CHUNKS : READS_LENGTH;
	return true;
}

static bool
read_length(Reading *reading)
{
	size_t len = reading->arrived - reading->pos;
	size_t n = (size_t) reading->head.length - reading->body.len;

	n = n < len ? n : len;
	tl_buf_add(&reading->body, reading->data + reading->pos, n);
	reading->pos += n;
	if (reading->body.len < reading->head.length)
		return false;
	end_request(reading);
	return true;
}

static bool
read_chunks(Reading *reading, const Limits *limits)
{
	size_t len = reading->arrived - reading->pos;
	const char *why = NULL;
	size_t used = SIZE_MAX;
	int status = tl_http_chunks_read(&reading->chunks, reading->data + reading->pos, len,
									 limits->body, &reading->body, &used, &why);

	expect(reading->body.len <= limits->body);
	if (status != 0)
		return stop(reading, status, why);
	expect(used <= len);
	reading->pos += used;
	if (reading->chunks.state != TL_HTTP_CHUNK_DONE)
	{
		expect(used == len);
		return false;
	}
	lax_chunks(reading->stream + reading->body_start, reading->pos - reading->body_start,
			   &reading->body);
	end_request(reading);
	return true;
}

static bool
step(Reading *reading, const Limits *limits)
{
	switch (reading->state)
	{
		case READS_HEAD:
			return read_head(reading, limits);
		case READS_LENGTH:
			return read_length(reading);
		case READS_CHUNKS:
			return read_chunks(reading, limits);
		case REFUSED:
			break;
	}
	return false;
}

static void
arrive(Reading *reading, size_t n, const Limits *limits)
{
	reading->arrived += n < reading->len - reading->arrived ? n : reading->len - reading->arrived;
	ASAN_UNPOISON_MEMORY_REGION(reading->data, reading->arrived);
	while (step(reading, limits))
		;
}

static void
begin(Reading *reading, const char *stream, size_t len)
{
	memset(reading, 0, offsetof(Reading, head));
	memset(&reading->head, 0, offsetof(TlHttpHead, fields));
	reading->chunks = (TlHttpChunks){0};
	reading->body = reading->seen = (TlBuf){0};
	reading->stream = stream;
	reading->len = len;
	reading->data = malloc(len + 1);
	memcpy(reading->data, stream, len);
	ASAN_POISON_MEMORY_REGION(reading->data, len + 1);
}

static void
end(Reading *reading)
{
	ASAN_UNPOISON_MEMORY_REGION(reading->data, reading->len + 1);
	free(reading->data);
	tl_buf_free(&reading->body);
	tl_buf_free(&reading->seen);
}

/* What of a request that is not whole has been seen. */
static void
tell_rest(Reading *reading)
{
	tl_buf_printf(&reading->seen, "state %d\n", (int) reading->state);
	if (reading->state != REFUSED)
		tl_buf_printf(&reading->seen, "at %zu\n", reading->pos);
	if (reading->state == READS_CHUNKS)
		tl_buf_printf(&reading->seen, "chunks %d left %llu\n", (int) reading->chunks.state,
					  (unsigned long long) reading->chunks.left);
	tl_buf_add(&reading->seen, reading->body.data, reading->body.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Reading whole;
	static Reading pieces;
	Limits limits;

	if (size < PREFIX)
		return 0;
	limits.head = ((size_t) data[PIECES] + 1) * 32;
	limits.body = (size_t) data[PIECES + 1] * 16;
	begin(&whole, (const char *) data + PREFIX, size - PREFIX);
	begin(&pieces, (const char *) data + PREFIX, size - PREFIX);
	arrive(&whole, whole.len, &limits);
	for (unsigned int i = 0; pieces.arrived < pieces.len && pieces.state != REFUSED; i++)
		arrive(&pieces, (size_t) data[i % PIECES] + 1, &limits);
	tell_rest(&whole);
	tell_rest(&pieces);
	expect(whole.seen.len == pieces.seen.len &&
		   memcmp(whole.seen.data, pieces.seen.data, whole.seen.len) == 0);
	end(&whole);
	end(&pieces);
	return 0;
}
