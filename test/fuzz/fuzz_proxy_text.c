/*
 * fuzz_proxy_text.c
 *		Any bytes as a time, a path, a query, a JSON string.
 *
 *	input	u8 which, then the text
 */
#include "base/buf.h"
#include "base/json_scan.h"
#include "base/time_parse.h"
#include "base/url.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds)
{
	if (!holds)
		abort();
}

static void
try_time(const char *text, size_t len)
{
	static const int64_t second = 1000000;
	int64_t timestamp;

	/* From the year 1 to 9999, give or take an offset. */
	if (tl_time_parse(text, len, &timestamp))
		expect(timestamp > -63082281600 * second - 86400 * second &&
			   timestamp < 252455616000 * second + 86400 * second);
}

static void
try_decode(const char *text, size_t len, bool plus_is_space)
{
	char *out = malloc(len);
	long n = tl_url_decode(text, len, plus_is_space, out);

	expect(n <= (long) len);
	if (n >= 0)
		expect(tl_utf8_valid(out, (size_t) n) && memchr(out, '\0', (size_t) n) == NULL);
	free(out);
}

static void
try_query(const char *text, size_t len)
{
	char *query = malloc(len + 1);
	char out[16];

	memcpy(query, text, len);
	query[len] = '\0';
	if (tl_url_query(query, "limit", out, sizeof(out)) == 1)
		expect(memchr(out, '\0', sizeof(out)) != NULL);
	free(query);
}

/* What is written as a JSON string is read as the same text. */
static void
try_json_string(const char *text, size_t len)
{
	TlBuf buf = {0};
	TlJsonValue value;
	TlJson json;
	char *out;

	if (!tl_utf8_valid(text, len))
		return;
	tl_buf_add_json_string(&buf, text, len);
	tl_json_begin(&json, buf.data, buf.len, 1);
	expect(tl_json_read(&json, &value) && tl_json_end(&json) && value.type == TL_JSON_STRING);
	out = malloc(value.len);
	expect(tl_json_unescape(&value, out) == len && (len == 0 || memcmp(out, text, len) == 0));
	free(out);
	tl_buf_free(&buf);
}

/* A string that the scanner takes decodes into the room it was promised. */
static void
try_json(const char *text, size_t len)
{
	TlJsonValue value;
	TlJson json;
	double number;
	char *out;

	tl_json_begin(&json, text, len, 8);
	if (!tl_json_read(&json, &value))
	{
		expect(json.error != NULL && json.p >= json.start && json.p <= json.end);
		return;
	}
	expect(value.text >= text && value.text + value.len <= text + len);
	if (value.type == TL_JSON_NUMBER)
		(void) tl_json_number(&value, &number);
	if (value.type != TL_JSON_STRING)
		return;
	out = malloc(value.len);
	(void) tl_json_unescape(&value, out);
	(void) tl_json_string_is(&value, "timestamp", 9);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	size_t len;

	if (size == 0)
		return 0;
	len = size - 1;
	text = malloc(len);
	if (len > 0)
		memcpy(text, data + 1, len);
	switch (data[0] % 6)
	{
		case 0:
			try_time(text, len);
			break;
		case 1:
			try_decode(text, len, true);
			break;
		case 2:
			try_decode(text, len, false);
			break;
		case 3:
			try_query(text, len);
			break;
		case 4:
			try_json_string(text, len);
			break;
		default:
			try_json(text, len);
			break;
	}
	free(text);
	return 0;
}
