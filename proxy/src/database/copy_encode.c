/*
 * copy_encode.c
 *		Rows of telemetry.point and telemetry.http_event in PostgreSQL's binary COPY format.
 *
 * Room for a row is reserved once, from the lengths of its parts; after that bytes are put
 * without further checks.
 */
#include "database/copy_encode.h"

#include <endian.h>

static inline char *
put_int16(char *out, uint16_t value)
{
	uint16_t wire = htobe16(value);

	memcpy(out, &wire, sizeof(wire));
	return out + sizeof(wire);
}

static inline char *
put_int32(char *out, uint32_t value)
{
	uint32_t wire = htobe32(value);

	memcpy(out, &wire, sizeof(wire));
	return out + sizeof(wire);
}

static inline char *
put_int64(char *out, uint64_t value)
{
	uint64_t wire = htobe64(value);

	memcpy(out, &wire, sizeof(wire));
	return out + sizeof(wire);
}

static inline char *
put_bytes(char *out, const char *bytes, size_t len)
{
	memcpy(out, bytes, len);
	return out + len;
}

static inline char *
put_null(char *out)
{
	return put_int32(out, UINT32_MAX);
}

/* A string field: decoded first, its length filled in after. */
static inline char *
put_string(char *out, const TlJsonValue *string)
{
	size_t len = tl_json_unescape(string, out + 4);

	put_int32(out, (uint32_t) len);
	return out + 4 + len;
}

static inline char *
put_json(char *out, const char *text, size_t len)
{
	out = put_int32(out, (uint32_t) len + 1);
	*out++ = 1;
	return put_bytes(out, text, len);
}

static inline char *
put_document(char *out, const TlJsonValue *document)
{
	if (document->type != TL_JSON_OBJECT)
		return put_null(out);
	return put_json(out, document->text, document->len);
}

static inline char *
put_value(char *out, const TlJsonValue *value, double number)
{
	uint64_t bits;
	size_t len;

	switch (value->type)
	{
		case TL_JSON_NUMBER:
			memcpy(&bits, &number, sizeof(bits));
			out = put_int32(out, 1 + sizeof(bits));
			*out++ = TL_VALUE_NUMERIC;
			return put_int64(out, bits);
		case TL_JSON_STRING:
			len = tl_json_unescape(value, out + 5);
			out = put_int32(out, (uint32_t) len + 1);
			*out++ = TL_VALUE_TEXT;
			return out + len;
		case TL_JSON_TRUE:
		case TL_JSON_FALSE:
			out = put_int32(out, 2);
			*out++ = TL_VALUE_BOOLEAN;
			*out++ = value->type == TL_JSON_TRUE;
			return out;
		default:
			out = put_int32(out, (uint32_t) value->len + 1);
			*out++ = TL_VALUE_JSON;
			return put_bytes(out, value->text, value->len);
	}
}

void
tl_copy_begin(TlBuf *buf)
{
	static const char header[TL_COPY_HEADER_SIZE] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

	tl_buf_add(buf, header, sizeof(header));
}

void
tl_copy_end(TlBuf *buf)
{
	put_int16(tl_buf_reserve(buf, TL_COPY_TRAILER_SIZE), UINT16_MAX);
	buf->len += TL_COPY_TRAILER_SIZE;
}

bool
tl_copy_add_point(TlBuf *buf, const TlPoint *point)
{
	/* The count, seven lengths, the time, a kind byte, a number and two version bytes. */
	size_t room = 2 + TL_COPY_FIELDS * 4 + 8 + 1 + 8 + 2;
	double number = 0;
	char *out;

	if (point->value.type == TL_JSON_NUMBER && !tl_json_number(&point->value, &number))
		return false;

	/* All parts lie in one body, far smaller than a size_t, so the sum cannot overflow. */
	room += point->device_len + point->metric.len + point->value.len + point->unit.len +
			point->tags.len + point->metadata.len;
	out = tl_buf_reserve(buf, room);

	out = put_int16(out, TL_COPY_FIELDS);
	out = put_int32(out, 8);
	out = put_int64(out, (uint64_t) point->ts);
	out = put_int32(out, (uint32_t) point->device_len);
	out = put_bytes(out, point->device, point->device_len);
	out = put_string(out, &point->metric);
	out = put_value(out, &point->value, number);
	out = point->unit.type == TL_JSON_STRING ? put_string(out, &point->unit) : put_null(out);
	out = put_document(out, &point->tags);
	out = put_document(out, &point->metadata);
	buf->len = (size_t) (out - buf->data);
	return true;
}

void
tl_copy_add_request(TlBuf *buf, const char *route, const TlBuf *params, const char *body,
					size_t body_len)
{
	size_t route_len = strlen(route);
	/* The count, three lengths and two version bytes. */
	char *out = tl_buf_reserve(buf, 2 + 3 * 4 + 2 + route_len + params->len + body_len);

	out = put_int16(out, 3);
	out = put_int32(out, (uint32_t) route_len);
	out = put_bytes(out, route, route_len);
	out = put_json(out, params->data, params->len);
	out = put_json(out, body, body_len);
	buf->len = (size_t) (out - buf->data);
}

static inline uint32_t
get_int32(const char *in)
{
	uint32_t wire;

	memcpy(&wire, in, sizeof(wire));
	return be32toh(wire);
}

size_t
tl_copy_next_row(const TlBuf *buf, size_t row)
{
	size_t at = row + 2;

	for (int field = 0; field < TL_COPY_FIELDS; field++)
	{
		uint32_t len = get_int32(buf->data + at);

		at += 4 + (len == UINT32_MAX ? 0 : len);
	}
	return at;
}

const char *
tl_copy_field(const TlBuf *buf, size_t row, TlCopyField field, size_t *len)
{
	size_t at = row + 2;
	uint32_t size;

	for (int before = 0; before < (int) field; before++)
	{
		size = get_int32(buf->data + at);
		at += 4 + (size == UINT32_MAX ? 0 : size);
	}
	size = get_int32(buf->data + at);
	*len = size == UINT32_MAX ? 0 : size;
	return size == UINT32_MAX ? NULL : buf->data + at + 4;
}
