/*
 * test_proxy_decode.c
 *		Ingest bodies to COPY rows: the bytes of a row, and which bodies become rows.
 */
#include "database/copy_encode.h"
#include "routes/decode.h"
#include "random.h"
#include "tap.h"

#define DEPTH 16

#define POINT "{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": 1.5}"

static TlDecodeVerdict
decode(TlBodyKind kind, const char *body, TlBuf *rows, TlDecoded *decoded)
{
	size_t len = strlen(body);
	char *copy = malloc(len);

	memcpy(copy, body, len);
	tl_decode_body(kind, copy, len, "dev", 3, DEPTH, rows, decoded);
	free(copy);
	return decoded->verdict;
}

/* The verdict alone; what was appended must fit it. */
static TlDecodeVerdict
verdict(TlBodyKind kind, const char *body)
{
	TlBuf rows = {0};
	TlDecoded decoded;

	tl_buf_add_text(&rows, "before");
	decode(kind, body, &rows, &decoded);
	TAP_CHECK((decoded.verdict == TL_DECODE_ROWS) == (rows.len > 6) &&
			  memcmp(rows.data, "before", 6) == 0);
	TAP_CHECK((decoded.verdict == TL_DECODE_REFUSED) == (decoded.status >= 400));
	free(decoded.devices);
	tl_buf_free(&rows);
	return decoded.verdict;
}

static void
row_is_what_copy_expects(void)
{
	static const char expected[] = "\0\7"
								   "\0\0\0\10\0\0\0\0\0\17\102\100"
								   "\0\0\0\3dev"
								   "\0\0\0\3t\xc3\xa9"
								   "\0\0\0\11\1\77\370\0\0\0\0\0\0"
								   "\0\0\0\1C"
								   "\0\0\0\11\1{\"a\": 1}"
								   "\377\377\377\377";
	TlBuf rows = {0};
	TlDecoded decoded;

	TAP_CHECK(decode(TL_BODY_SINGLE,
					 "{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"t\\u00e9\", "
					 "\"value\": 1.5, \"unit\": \"C\", \"tags\": {\"a\": 1}, \"metadata\": null}",
					 &rows, &decoded) == TL_DECODE_ROWS);
	TAP_CHECK(decoded.rows == 1 && decoded.points == 1);
	TAP_CHECK(rows.len == sizeof(expected) - 1 && memcmp(rows.data, expected, rows.len) == 0);
	tl_buf_free(&rows);
}

static void
stream_begins_and_ends_as_copy_expects(void)
{
	TlBuf buf = {0};

	tl_copy_begin(&buf);
	TAP_CHECK(buf.len == TL_COPY_HEADER_SIZE &&
			  memcmp(buf.data, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", buf.len) == 0);
	tl_copy_end(&buf);
	TAP_CHECK(buf.len == TL_COPY_HEADER_SIZE + TL_COPY_TRAILER_SIZE &&
			  memcmp(buf.data + TL_COPY_HEADER_SIZE, "\377\377", 2) == 0);
	tl_buf_free(&buf);
}

static bool
value_becomes(const char *value, const char *expected, size_t expected_len)
{
	char body[300];
	TlBuf rows = {0};
	TlDecoded decoded;
	const char *field;
	size_t len;
	bool same = false;

	snprintf(body, sizeof(body),
			 "{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": %s}",
			 value);
	if (decode(TL_BODY_SINGLE, body, &rows, &decoded) == TL_DECODE_ROWS)
	{
		field = tl_copy_field(&rows, 0, TL_COPY_VALUE, &len);
		same = len == expected_len && memcmp(field, expected, len) == 0;
		TAP_CHECK(tl_copy_next_row(&rows, 0) == rows.len);
		TAP_CHECK(tl_copy_field(&rows, 0, TL_COPY_UNIT, &len) == NULL && len == 0);
	}
	tl_buf_free(&rows);
	return same;
}

static void
values_keep_their_kinds(void)
{
	TAP_CHECK(value_becomes("1", "\1\77\360\0\0\0\0\0\0", 9));
	TAP_CHECK(value_becomes("-0", "\1\0\0\0\0\0\0\0\0", 9));
	TAP_CHECK(value_becomes("\"\"", "\2", 1));
	TAP_CHECK(value_becomes("\"o\\u0070en\"", "\2open", 5));
	TAP_CHECK(value_becomes("true", "\3\1", 2));
	TAP_CHECK(value_becomes("false", "\3\0", 2));
	TAP_CHECK(value_becomes("[1, 2]", "\4[1, 2]", 7));
	TAP_CHECK(value_becomes("{\"a\": {\"$b\": 1}}", "\4{\"a\": {\"$b\": 1}}", 17));
}

static void
repeated_member_counts_with_its_last_value(void)
{
	TlBuf rows = {0};
	TlDecoded decoded;
	const char *field;
	size_t len;

	TAP_CHECK(decode(TL_BODY_SINGLE,
					 "{\"value\": null, \"metric_name\": \"a\", \"metric_name\": \"b\", "
					 "\"timestamp\": \"2000-01-01T00:00:01Z\", \"v\\u0061lue\": 1}",
					 &rows, &decoded) == TL_DECODE_ROWS);
	field = tl_copy_field(&rows, 0, TL_COPY_METRIC, &len);
	TAP_CHECK(len == 1 && *field == 'b');
	tl_buf_free(&rows);
}

static void
points_not_of_the_plain_form_are_for_the_extension(void)
{
	static const char *const points[] = {
		"{}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\"}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"value\": 1}",
		"{\"metric_name\": \"m\", \"value\": 1}",
		"{\"timestamp\": \"yesterday\", \"metric_name\": \"m\", \"value\": 1}",
		"{\"timestamp\": 12, \"metric_name\": \"m\", \"value\": 1}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": 1, \"value\": 1}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": null}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": 1e309}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": \"\\u0000\"}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": {\"$geo\": "
		"[1, 2]}}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": 1, \"unit\": "
		"1}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": 1, \"tags\": "
		"[]}",
		"{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", \"value\": 1, "
		"\"metadata\": \"x\"}",
	};

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
	{
		char body[400];

		TAP_CHECK(verdict(TL_BODY_SINGLE, points[i]) == TL_DECODE_ODD);
		snprintf(body, sizeof(body), "{\"data_points\": [%s, %s]}", POINT, points[i]);
		TAP_CHECK(verdict(TL_BODY_BATCH, body) == TL_DECODE_ODD);
		snprintf(body, sizeof(body), "{\"a\": [%s, %s]}", points[i], POINT);
		TAP_CHECK(verdict(TL_BODY_BULK, body) == TL_DECODE_ODD);
	}
}

static void
envelopes_are_judged(void)
{
	TAP_CHECK(verdict(TL_BODY_SINGLE, POINT) == TL_DECODE_ROWS);
	TAP_CHECK(verdict(TL_BODY_SINGLE, "[]") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_SINGLE, "") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_SINGLE, POINT "x") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "]}") == TL_DECODE_ROWS);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "], \"compression\": \"lz4\"}") ==
			  TL_DECODE_ROWS);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "], \"compression\": \"zip\"}") ==
			  TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "], \"batch_id\": \"b\"}") ==
			  TL_DECODE_ODD);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "], \"batch_id\": null}") ==
			  TL_DECODE_ROWS);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": []}") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "], \"data_points\": [" POINT
									 "]}") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": 1, \"d\\u0061ta_points\": [" POINT "]}") ==
			  TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": {}}") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{}") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "[" POINT ", " POINT "]") == TL_DECODE_ROWS);
	TAP_CHECK(verdict(TL_BODY_BATCH, "[" POINT ", 7]") == TL_DECODE_ODD);
	TAP_CHECK(verdict(TL_BODY_BATCH, "[]") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "[" POINT) == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "[" POINT "] 1") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "7") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BATCH, "{\"data_points\": [" POINT "]") == TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BULK, "{\"a\": [" POINT "], \"b\": [" POINT "]}") == TL_DECODE_ROWS);
	TAP_CHECK(verdict(TL_BODY_BULK, "{\"a\": [" POINT "], \"\\u0061\": [" POINT "]}") ==
			  TL_DECODE_ODD);
	TAP_CHECK(verdict(TL_BODY_BULK, "{\"a\": []}") == TL_DECODE_ODD);
	TAP_CHECK(verdict(TL_BODY_BULK, "{\"a\": 1}") == TL_DECODE_ODD);
	TAP_CHECK(verdict(TL_BODY_BULK, "{\"a\": [" POINT "], \"b\": {\"c\": []}}") == TL_DECODE_ODD);
	TAP_CHECK(verdict(TL_BODY_BULK, "{\"a\": [" POINT "], \"b\": null, \"c\": [" POINT "}") ==
			  TL_DECODE_REFUSED);
	TAP_CHECK(verdict(TL_BODY_BULK, "{}") == TL_DECODE_REFUSED);
}

/* In a bulk body of so many points for each of so many devices. */
static TlDecodeVerdict
bulk_verdict(int devices, int points, uint32_t *rows_out)
{
	TlBuf body = {0};
	TlBuf rows = {0};
	TlDecoded decoded;

	for (int d = 0; d < devices; d++)
	{
		tl_buf_printf(&body, "%s\"d%d\": [", d == 0 ? "{" : "]\n, ", d);
		for (int i = 0; i < points; i++)
			tl_buf_add_text(&body, i == 0 ? POINT : "," POINT);
	}
	tl_buf_add(&body, "]}", 3);
	decode(TL_BODY_BULK, body.data, &rows, &decoded);
	*rows_out = decoded.rows;
	for (uint32_t d = 0; d < decoded.device_count; d++)
	{
		size_t len;
		const char *name =
			tl_copy_field(&rows, decoded.devices[d].first_byte, TL_COPY_DEVICE, &len);
		char expected[20];

		snprintf(expected, sizeof(expected), "d%u", d);
		TAP_CHECK(len == strlen(expected) && memcmp(name, expected, len) == 0);
		TAP_CHECK(decoded.devices[d].rows == (uint32_t) points);
	}
	free(decoded.devices);
	tl_buf_free(&body);
	tl_buf_free(&rows);
	return decoded.verdict;
}

static void
numbers_of_points_are_limited(void)
{
	uint32_t rows;

	TAP_CHECK(bulk_verdict(1, 1000, &rows) == TL_DECODE_ROWS && rows == 1000);
	TAP_CHECK(bulk_verdict(1, 1001, &rows) == TL_DECODE_ODD && rows == 0);
	TAP_CHECK(bulk_verdict(10, 1000, &rows) == TL_DECODE_ROWS && rows == 10000);
	TAP_CHECK(bulk_verdict(11, 910, &rows) == TL_DECODE_ODD && rows == 0);
	TAP_CHECK(bulk_verdict(100, 3, &rows) == TL_DECODE_ROWS && rows == 300);
}

static void
every_truncation_is_refused(void)
{
	static const char *const bodies[] = {
		POINT, "{\"data_points\": [" POINT ", " POINT "], \"compression\": null}",
		"{\"a\": [" POINT "], \"b\\n\": [" POINT "]}"};

	for (int kind = 0; kind < 3; kind++)
		for (size_t len = 0; len < strlen(bodies[kind]); len++)
		{
			char *cut = strndup(bodies[kind], len);

			TAP_CHECK(verdict((TlBodyKind) kind, cut) == TL_DECODE_REFUSED);
			free(cut);
		}
}

static void
nesting_is_limited(void)
{
	for (int depth = 1; depth < 2 * DEPTH; depth++)
	{
		TlBuf body = {0};

		tl_buf_add_text(&body, "{\"timestamp\": \"2000-01-01T00:00:01Z\", \"metric_name\": \"m\", "
							   "\"value\": ");
		for (int i = 0; i < depth; i++)
			tl_buf_add(&body, "[", 1);
		for (int i = 0; i < depth; i++)
			tl_buf_add(&body, "]", 1);
		tl_buf_add(&body, "}", 2);
		TAP_CHECK((verdict(TL_BODY_SINGLE, body.data) == TL_DECODE_ROWS) == (depth < DEPTH));
		tl_buf_free(&body);
	}
}

int
main(void)
{
	TAP_RUN(row_is_what_copy_expects);
	TAP_RUN(stream_begins_and_ends_as_copy_expects);
	TAP_RUN(values_keep_their_kinds);
	TAP_RUN(repeated_member_counts_with_its_last_value);
	TAP_RUN(points_not_of_the_plain_form_are_for_the_extension);
	TAP_RUN(envelopes_are_judged);
	TAP_RUN(numbers_of_points_are_limited);
	TAP_RUN(every_truncation_is_refused);
	TAP_RUN(nesting_is_limited);
	return tap_end();
}
