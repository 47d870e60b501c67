/*
 * fuzz_proxy_decode.c
 *		Any bytes as the body of an ingest request; rows that come of it must be well formed.
 *
 *	input	u8 kind of body and depth of nesting, then the body
 */
#include "database/copy_encode.h"
#include "routes/decode.h"
#include "base/url.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIX "row before"

static void
expect(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t
length_at(const char *p)
{
	const unsigned char *b = (const unsigned char *) p;

	return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 | (uint32_t) b[2] << 8 | b[3];
}

static bool
is_text(const char *text, size_t len)
{
	return tl_utf8_valid(text, len) && memchr(text, '\0', len) == NULL;
}

/* Each field within the row; each of the form that the server will insist on. */
static size_t
check_row(const TlBuf *rows, size_t row)
{
	static const char count[2] = {0, TL_COPY_FIELDS};
	size_t at = row + sizeof(count);

	expect(rows->len - row >= sizeof(count) && memcmp(rows->data + row, count, 2) == 0);
	for (int field = 0; field < TL_COPY_FIELDS; field++)
	{
		uint32_t len;
		const char *bytes;

		expect(rows->len - at >= 4);
		len = length_at(rows->data + at);
		at += 4;
		if (len == UINT32_MAX)
		{
			expect(field >= TL_COPY_UNIT);
			continue;
		}
		expect(len <= rows->len - at);
		bytes = rows->data + at;
		switch (field)
		{
			case TL_COPY_TS:
				expect(len == 8);
				break;
			case TL_COPY_DEVICE:
			case TL_COPY_METRIC:
			case TL_COPY_UNIT:
				expect(is_text(bytes, len));
				break;
			case TL_COPY_VALUE:
				expect(len >= 1 && bytes[0] >= TL_VALUE_NUMERIC && bytes[0] <= TL_VALUE_JSON);
				expect(bytes[0] != TL_VALUE_NUMERIC || len == 9);
				expect(bytes[0] != TL_VALUE_BOOLEAN || (len == 2 && (unsigned char) bytes[1] <= 1));
				expect(bytes[0] != TL_VALUE_TEXT || is_text(bytes + 1, len - 1));
				expect(bytes[0] != TL_VALUE_JSON || is_text(bytes + 1, len - 1));
				break;
			default:
				expect(len >= 3 && bytes[0] == 1 && bytes[1] == '{' && is_text(bytes + 1, len - 1));
				break;
		}
		at += len;
	}
	expect(tl_copy_next_row(rows, row) == at);
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TlBodyKind kind;
	TlDecoded decoded;
	TlBuf rows = {0};
	size_t at = sizeof(PREFIX) - 1;
	char *body;

	if (size == 0)
		return 0;
	kind = (TlBodyKind) (data[0] % 3);
	body = malloc(size - 1);
	memcpy(body, data + 1, size - 1);
	tl_buf_add(&rows, PREFIX, at);
	tl_decode_body(kind, body, size - 1, "device", 6, 1 + data[0] / 3 % 32, &rows, &decoded);
	free(body);

	expect(memcmp(rows.data, PREFIX, at) == 0);
	expect((decoded.verdict == TL_DECODE_REFUSED) == (decoded.status != 0));
	if (decoded.verdict == TL_DECODE_ROWS)
		expect(decoded.rows > 0 && decoded.rows == decoded.points);
	else
		expect(decoded.rows == 0 && decoded.device_count == 0);
	expect(kind == TL_BODY_BULK || decoded.devices == NULL);
	for (uint32_t row = 0, device = 0, left = 0; row < decoded.rows; row++)
	{
		if (kind == TL_BODY_BULK && left == 0)
		{
			expect(device < decoded.device_count);
			expect(decoded.devices[device].first_byte == at - (sizeof(PREFIX) - 1));
			left = decoded.devices[device++].rows;
			expect(left > 0);
		}
		left--;
		at = check_row(&rows, at);
	}
	expect(at == rows.len);
	free(decoded.devices);
	tl_buf_free(&rows);
	return 0;
}
