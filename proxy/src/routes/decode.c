/*
 * decode.c
 *		JSON bodies of the ingest endpoints to COPY rows, in one pass.
 *
 * A point is read whole before its row is encoded, so that a repeated member counts with its
 * last value.  Once a body is known to be odd the rest of it is still read, for the syntax
 * and the counts, but not encoded.
 */
#include "routes/decode.h"

#include "base/json_scan.h"
#include "base/time_parse.h"
#include "database/copy_encode.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A longer array or object, numbers written out, is left to the extension: its input function
 * cannot reject one row, only fail the whole COPY.
 */
#define DOCUMENT_MAX ((size_t) 1024 * 1024)

typedef struct Decoder
{
	TlJson json;
	TlBuf *rows;
	size_t begin;
	const char *device;
	size_t device_len;
	TlDecoded *out;
	size_t device_cap;
	TlBuf name; /* a device_id with escapes, decoded */
} Decoder;

/* The members of a point that mean something. */
typedef enum PointMember
{
	MEMBER_OTHER,
	MEMBER_TIMESTAMP,
	MEMBER_METRIC,
	MEMBER_VALUE,
	MEMBER_UNIT,
	MEMBER_TAGS,
	MEMBER_METADATA
} PointMember;

static PointMember
point_member(const TlJsonValue *name)
{
	if (name->escaped)
	{
		/* Nobody writes names so; but they mean the same. */
		if (tl_json_string_is(name, "timestamp", 9))
			return MEMBER_TIMESTAMP;
		if (tl_json_string_is(name, "metric_name", 11))
			return MEMBER_METRIC;
		if (tl_json_string_is(name, "value", 5))
			return MEMBER_VALUE;
		if (tl_json_string_is(name, "unit", 4))
			return MEMBER_UNIT;
		if (tl_json_string_is(name, "tags", 4))
			return MEMBER_TAGS;
		if (tl_json_string_is(name, "metadata", 8))
			return MEMBER_METADATA;
		return MEMBER_OTHER;
	}
	switch (name->len)
	{
		case 4:
			if (memcmp(name->text, "unit", 4) == 0)
				return MEMBER_UNIT;
			return memcmp(name->text, "tags", 4) == 0 ? MEMBER_TAGS : MEMBER_OTHER;
		case 5:
			return memcmp(name->text, "value", 5) == 0 ? MEMBER_VALUE : MEMBER_OTHER;
		case 8:
			return memcmp(name->text, "metadata", 8) == 0 ? MEMBER_METADATA : MEMBER_OTHER;
		case 9:
			return memcmp(name->text, "timestamp", 9) == 0 ? MEMBER_TIMESTAMP : MEMBER_OTHER;
		case 11:
			return memcmp(name->text, "metric_name", 11) == 0 ? MEMBER_METRIC : MEMBER_OTHER;
		default:
			return MEMBER_OTHER;
	}
}

static void
decode_refuse(Decoder *decoder, int status, const char *detail)
{
	if (decoder->out->status != 0)
		return;
	decoder->out->status = status;
	snprintf(decoder->out->detail, sizeof(decoder->out->detail), "%s", detail);
}

static inline bool
is_document(const TlJsonValue *value)
{
	return value->type == TL_JSON_OBJECT || value->type == TL_JSON_ARRAY;
}

static inline bool
optional_is(const TlJsonValue *value, TlJsonType type)
{
	return value->type == type || value->type == TL_JSON_NULL || value->type == TL_JSON_INVALID;
}

/* Encodes the members of a point; false if it is not of the plain form. */
static bool
point_encode(Decoder *decoder, const TlJsonValue *time, TlPoint *point)
{
	if (time->type != TL_JSON_STRING || point->metric.type != TL_JSON_STRING ||
		point->value.type == TL_JSON_INVALID || point->value.type == TL_JSON_NULL ||
		!optional_is(&point->unit, TL_JSON_STRING) || !optional_is(&point->tags, TL_JSON_OBJECT) ||
		!optional_is(&point->metadata, TL_JSON_OBJECT))
		return false;

	/* {"$geo": ...} and {"$binary": ...} are values of other kinds. */
	if (point->value.type == TL_JSON_OBJECT && point->value.dollar)
		return false;
	if (is_document(&point->value) && point->value.len + point->value.swell > DOCUMENT_MAX)
		return false;
	if (time->escaped || !tl_time_parse(time->text, time->len, &point->ts))
		return false;
	return tl_copy_add_point(decoder->rows, point);
}

/* At a value that should be a point. */
static void
decode_point(Decoder *decoder)
{
	TlJson *json = &decoder->json;
	TlPoint point = {.device = decoder->device, .device_len = decoder->device_len};
	TlJsonValue time = {0};
	TlJsonValue name;
	TlJsonValue ignored;

	decoder->out->points++;
	if (tl_json_peek(json) != TL_JSON_OBJECT)
	{
		json->odd = true;
		tl_json_read(json, &ignored);
		return;
	}

	tl_json_enter(json);
	while (tl_json_member(json, &name))
	{
		TlJsonValue *to = &ignored;

		switch (point_member(&name))
		{
			case MEMBER_TIMESTAMP:
				to = &time;
				break;
			case MEMBER_METRIC:
				to = &point.metric;
				break;
			case MEMBER_VALUE:
				to = &point.value;
				break;
			case MEMBER_UNIT:
				to = &point.unit;
				break;
			case MEMBER_TAGS:
				to = &point.tags;
				break;
			case MEMBER_METADATA:
				to = &point.metadata;
				break;
			case MEMBER_OTHER:
				break;
		}
		if (!tl_json_read(json, to))
			return;
	}
	if (json->error != NULL || json->odd || decoder->out->status != 0)
		return;
	if (point_encode(decoder, &time, &point))
		decoder->out->rows++;
	else
		json->odd = true;
}

/* At an array of points; returns how many there are.  Of too many none is encoded any more. */
static uint32_t
decode_points(Decoder *decoder)
{
	TlJson *json = &decoder->json;
	uint32_t before = decoder->out->points;

	tl_json_enter(json);
	while (tl_json_element(json))
	{
		if (decoder->out->points - before == TL_BATCH_POINTS_MAX)
			json->odd = true;
		decode_point(decoder);
		if (json->error != NULL)
			break;
	}
	return decoder->out->points - before;
}

static void
decode_single(Decoder *decoder)
{
	if (tl_json_peek(&decoder->json) == TL_JSON_OBJECT)
		decode_point(decoder);
	else
	{
		TlJsonValue ignored;

		if (tl_json_read(&decoder->json, &ignored))
			decode_refuse(decoder, 422, "the body must be a JSON object: a data point");
	}
}

static void
decode_batch(Decoder *decoder)
{
	TlJson *json = &decoder->json;
	TlDecoded *out = decoder->out;
	TlJsonValue name;
	TlJsonValue value;
	bool has_points = false;
	unsigned int lists = 0;
	bool bad_compression = false;
	bool has_id = false;

	if (tl_json_peek(json) == TL_JSON_ARRAY)
	{
		uint32_t points = decode_points(decoder);

		if (points > TL_BATCH_POINTS_MAX)
			decode_refuse(decoder, 422, "the body holds more than 1000 points");
		else if (points == 0 && json->error == NULL)
			decode_refuse(decoder, 422, "the body must hold at least one point");
		return;
	}
	if (tl_json_peek(json) != TL_JSON_OBJECT)
	{
		if (tl_json_read(json, &value))
			decode_refuse(decoder, 422,
						  "the body must be a JSON object with data_points, or an array of points");
		return;
	}

	tl_json_enter(json);
	while (tl_json_member(json, &name))
	{
		if (tl_json_string_is(&name, "data_points", 11))
		{
			if (++lists == 2)
				decode_refuse(decoder, 422, "data_points is there more than once");
			has_points = tl_json_peek(json) == TL_JSON_ARRAY;
			if (has_points)
			{
				if (decode_points(decoder) > TL_BATCH_POINTS_MAX)
					decode_refuse(decoder, 422, "data_points holds more than 1000 points");
				continue;
			}
		}
		if (!tl_json_read(json, &value))
			return;
		if (tl_json_string_is(&name, "compression", 11))
			bad_compression =
				value.type != TL_JSON_NULL &&
				!(value.type == TL_JSON_STRING &&
				  (tl_json_string_is(&value, "gzip", 4) || tl_json_string_is(&value, "lz4", 3)));
		else if (tl_json_string_is(&name, "batch_id", 8))
			has_id = value.type != TL_JSON_NULL;
	}
	if (json->error != NULL)
		return;
	if (!has_points)
		decode_refuse(decoder, 422, "data_points is required and must be an array");
	else if (out->points == 0)
		decode_refuse(decoder, 422, "data_points must hold at least one point");
	if (bad_compression)
		decode_refuse(decoder, 422, "compression must be null, \"gzip\" or \"lz4\"");
	if (has_id)
		json->odd = true;
}

/* The device_id that a member name of a bulk body is. */
static void
bulk_device(Decoder *decoder, const TlJsonValue *name)
{
	if (!name->escaped)
	{
		decoder->device = name->text;
		decoder->device_len = name->len;
		return;
	}
	decoder->name.len = 0;
	decoder->device_len = tl_json_unescape(name, tl_buf_reserve(&decoder->name, name->len));
	decoder->device = decoder->name.data;
}

static void
bulk_add_device(Decoder *decoder, size_t first_byte, uint32_t rows)
{
	TlDecoded *out = decoder->out;

	if (out->device_count == decoder->device_cap)
	{
		size_t cap = decoder->device_cap > 0 ? decoder->device_cap * 2 : 16;
		TlDeviceRows *devices = realloc(out->devices, cap * sizeof(*devices));

		if (devices == NULL)
		{
			/* Too many for us is not too many for the extension. */
			decoder->json.odd = true;
			return;
		}
		out->devices = devices;
		decoder->device_cap = cap;
	}
	out->devices[out->device_count++] =
		(TlDeviceRows){.first_byte = first_byte - decoder->begin, .rows = rows};
}

typedef struct DeviceKey
{
	const char *name;
	size_t len;
} DeviceKey;

static int
device_key_compare(const void *a, const void *b)
{
	const DeviceKey *x = a;
	const DeviceKey *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->name, y->name, x->len);
}

/*
 * A device named twice has the points of both lists, whose errors are numbered through; that is left to
 * the extension.  Sorting, not hashing: hostile names cannot make it slow.
 */
static bool
bulk_has_repeats(const Decoder *decoder)
{
	const TlDecoded *out = decoder->out;
	DeviceKey *keys;
	bool repeats = false;

	if (out->device_count < 2)
		return false;
	keys = malloc(out->device_count * sizeof(*keys));
	if (keys == NULL)
		return true;
	for (uint32_t i = 0; i < out->device_count; i++)
		keys[i].name = tl_copy_field(decoder->rows, decoder->begin + out->devices[i].first_byte,
									 TL_COPY_DEVICE, &keys[i].len);
	qsort(keys, out->device_count, sizeof(*keys), device_key_compare);
	for (uint32_t i = 1; i < out->device_count && !repeats; i++)
		repeats = device_key_compare(&keys[i - 1], &keys[i]) == 0;
	free(keys);
	return repeats;
}

static void
decode_bulk(Decoder *decoder)
{
	TlJson *json = &decoder->json;
	TlDecoded *out = decoder->out;
	TlJsonValue name;
	uint32_t members = 0;

	if (tl_json_peek(json) != TL_JSON_OBJECT)
	{
		if (tl_json_read(json, &name))
			decode_refuse(decoder, 422, "the body must be a JSON object: device_id to data points");
		return;
	}

	tl_json_enter(json);
	while (tl_json_member(json, &name))
	{
		size_t first_byte = decoder->rows->len;
		uint32_t rows = out->rows;
		uint32_t points;

		members++;
		bulk_device(decoder, &name);
		/* What is wrong with the list of a device is its own error, which the extension words. */
		if (tl_json_peek(json) != TL_JSON_ARRAY)
		{
			json->odd = true;
			if (!tl_json_read(json, &name))
				return;
			continue;
		}
		points = decode_points(decoder);
		if (json->error != NULL)
			return;
		if (points == 0 || points > TL_BATCH_POINTS_MAX || out->points > TL_BULK_POINTS_MAX)
			json->odd = true;
		if (!json->odd && out->status == 0)
			bulk_add_device(decoder, first_byte, out->rows - rows);
	}
	if (json->error != NULL)
		return;
	if (members == 0)
		decode_refuse(decoder, 422, "the body must name at least one device");
	if (!json->odd && out->status == 0 && bulk_has_repeats(decoder))
		json->odd = true;
}

void
tl_decode_body(TlBodyKind kind, const char *body, size_t len, const char *device, size_t device_len,
			   unsigned int max_depth, TlBuf *rows, TlDecoded *decoded)
{
	Decoder decoder = {
		.rows = rows,
		.begin = rows->len,
		.device = device,
		.device_len = device_len,
		.out = decoded,
	};
	TlJson *json = &decoder.json;

	*decoded = (TlDecoded){0};
	tl_json_begin(json, body, len, max_depth);
	switch (kind)
	{
		case TL_BODY_SINGLE:
			decode_single(&decoder);
			break;
		case TL_BODY_BATCH:
			decode_batch(&decoder);
			break;
		case TL_BODY_BULK:
			decode_bulk(&decoder);
			break;
	}
	if (json->error == NULL)
		tl_json_end(json);
	tl_buf_free(&decoder.name);

	if (json->error != NULL)
	{
		decoded->status = 400;
		snprintf(decoded->detail, sizeof(decoded->detail), "malformed JSON at byte %zu: %s",
				 (size_t) (json->p - json->start), json->error);
	}
	if (decoded->status != 0)
		decoded->verdict = TL_DECODE_REFUSED;
	else if (json->odd)
		decoded->verdict = TL_DECODE_ODD;
	else
	{
		decoded->verdict = TL_DECODE_ROWS;
		return;
	}

	rows->len = decoder.begin;
	decoded->rows = 0;
	free(decoded->devices);
	decoded->devices = NULL;
	decoded->device_count = 0;
}
