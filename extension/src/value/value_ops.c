/*
 * value_ops.c
 *		Order, hash, casts and accessors of telemetry.value.
 *
 * Values order by kind, then numbers and places as float8 does it (NaN equal to itself and
 * above all else, -0 equal to 0), text, json and binary by bytes.  The hash follows equality.
 */
#include "value/value_text.h"

#include <math.h>

#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "value/kind_geo.h"

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	struct varlena *left = PG_GETARG_VARLENA_PP(0);
	struct varlena *right = PG_GETARG_VARLENA_PP(1);
	TlValue a = tl_value_view(left);
	TlValue b = tl_value_view(right);
	int order = tl_value_compare(&a, &b);

	PG_FREE_IF_COPY(left, 0);
	PG_FREE_IF_COPY(right, 1);
	return order;
}

#define TL_COMPARISON(name, comparison)                                                            \
	PG_FUNCTION_INFO_V1(name);                                                                     \
	Datum name(PG_FUNCTION_ARGS)                                                                   \
	{                                                                                              \
		PG_RETURN_BOOL(compare_arguments(fcinfo) comparison 0);                                    \
	}                                                                                              \
	extern Datum name(PG_FUNCTION_ARGS)

TL_COMPARISON(telemetry_value_eq, ==);
TL_COMPARISON(telemetry_value_ne, !=);
TL_COMPARISON(telemetry_value_lt, <);
TL_COMPARISON(telemetry_value_le, <=);
TL_COMPARISON(telemetry_value_gt, >);
TL_COMPARISON(telemetry_value_ge, >=);

PG_FUNCTION_INFO_V1(telemetry_value_cmp);

Datum
telemetry_value_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/*
 * The hash is that of the payload, its float8s made one per equality class in *numbers, mixed
 * with the kind by exclusive or: so the low half of the 64-bit hash with seed 0 is the 32-bit
 * hash, as the hash operator class wants it.
 */
static const unsigned char *
hashed_bytes(const TlValue *value, double numbers[3])
{
	if (!tl_kinds[value->kind]->has_numbers)
		return (const unsigned char *) value->payload;
	for (Size i = 0; i < value->len / sizeof(double); i++)
	{
		double number = tl_payload_double(value->payload + i * sizeof(double));

		numbers[i] = isnan(number) ? get_float8_nan() : number + 0.0;
	}
	return (const unsigned char *) numbers;
}

PG_FUNCTION_INFO_V1(telemetry_value_hash);

Datum
telemetry_value_hash(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	TlValue value = tl_value_view(datum);
	double numbers[3];
	uint32 hash = hash_bytes(hashed_bytes(&value, numbers), (int) value.len);

	hash ^= murmurhash32((uint32) value.kind);
	PG_FREE_IF_COPY(datum, 0);
	PG_RETURN_UINT32(hash);
}

PG_FUNCTION_INFO_V1(telemetry_value_hash_extended);

Datum
telemetry_value_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	uint64 seed = (uint64) PG_GETARG_INT64(1);
	TlValue value = tl_value_view(datum);
	double numbers[3];
	uint64 hash = hash_bytes_extended(hashed_bytes(&value, numbers), (int) value.len, seed);

	hash ^= murmurhash32((uint32) value.kind);
	PG_FREE_IF_COPY(datum, 0);
	PG_RETURN_UINT64(hash);
}

static Datum
make_number(double number)
{
	return PointerGetDatum(tl_value_make(TL_KIND_NUMERIC, &number, sizeof(number)));
}

/* Casts from types that convert to float8 as C does; an int8 rounds to the nearest. */
#define TL_CAST_FROM_NUMBER(name, getarg)                                                          \
	PG_FUNCTION_INFO_V1(name);                                                                     \
	Datum name(PG_FUNCTION_ARGS)                                                                   \
	{                                                                                              \
		return make_number((double) getarg(0));                                                    \
	}                                                                                              \
	extern Datum name(PG_FUNCTION_ARGS)

TL_CAST_FROM_NUMBER(telemetry_float8_to_value, PG_GETARG_FLOAT8);
TL_CAST_FROM_NUMBER(telemetry_float4_to_value, PG_GETARG_FLOAT4);
TL_CAST_FROM_NUMBER(telemetry_int2_to_value, PG_GETARG_INT16);
TL_CAST_FROM_NUMBER(telemetry_int4_to_value, PG_GETARG_INT32);
TL_CAST_FROM_NUMBER(telemetry_int8_to_value, PG_GETARG_INT64);

static Datum
value_from_json_or_raise(const JsonbValue *json, int sqlstate)
{
	struct varlena *value;
	const char *error;

	if (!tl_value_from_json(json, &value, &error))
		ereport(ERROR, (errcode(sqlstate), errmsg("cannot make a telemetry.value: %s", error)));
	return PointerGetDatum(value);
}

PG_FUNCTION_INFO_V1(telemetry_numeric_to_value);

Datum
telemetry_numeric_to_value(PG_FUNCTION_ARGS)
{
	JsonbValue json = {.type = jbvNumeric};

	json.val.numeric = PG_GETARG_NUMERIC(0);
	return value_from_json_or_raise(&json, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE);
}

PG_FUNCTION_INFO_V1(telemetry_jsonb_to_value);

Datum
telemetry_jsonb_to_value(PG_FUNCTION_ARGS)
{
	Jsonb *document = PG_GETARG_JSONB_P(0);
	JsonbValue json = {.type = jbvBinary};

	json.val.binary.data = &document->root;
	json.val.binary.len = VARSIZE(document);
	return value_from_json_or_raise(&json, ERRCODE_INVALID_PARAMETER_VALUE);
}

PG_FUNCTION_INFO_V1(telemetry_text_to_value);

Datum
telemetry_text_to_value(PG_FUNCTION_ARGS)
{
	text *raw = PG_GETARG_TEXT_PP(0);

	PG_RETURN_POINTER(tl_value_make(TL_KIND_TEXT, VARDATA_ANY(raw), VARSIZE_ANY_EXHDR(raw)));
}

PG_FUNCTION_INFO_V1(telemetry_boolean_to_value);

Datum
telemetry_boolean_to_value(PG_FUNCTION_ARGS)
{
	bool flag = PG_GETARG_BOOL(0);

	PG_RETURN_POINTER(tl_value_make(TL_KIND_BOOLEAN, &flag, 1));
}

PG_FUNCTION_INFO_V1(telemetry_bytea_to_value);

Datum
telemetry_bytea_to_value(PG_FUNCTION_ARGS)
{
	bytea *raw = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_POINTER(tl_value_make(TL_KIND_BINARY, VARDATA_ANY(raw), VARSIZE_ANY_EXHDR(raw)));
}

/* The argument, which a cast can only convert if it is of the given kind. */
static TlValue
argument_of_kind(FunctionCallInfo fcinfo, TlKind kind)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	if (value.kind != kind)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("telemetry.value is of kind %s, not %s", tl_kind_name(value.kind),
							   tl_kind_name(kind))));
	return value;
}

PG_FUNCTION_INFO_V1(telemetry_value_to_float8);

Datum
telemetry_value_to_float8(PG_FUNCTION_ARGS)
{
	TlValue value = argument_of_kind(fcinfo, TL_KIND_NUMERIC);

	PG_RETURN_FLOAT8(tl_payload_double(value.payload));
}

/* Casts that round and fail just as the server's own cast from float8. */
#define TL_CAST_TO_NUMBER(name, convert)                                                           \
	PG_FUNCTION_INFO_V1(name);                                                                     \
	Datum name(PG_FUNCTION_ARGS)                                                                   \
	{                                                                                              \
		TlValue value = argument_of_kind(fcinfo, TL_KIND_NUMERIC);                                 \
                                                                                                   \
		return DirectFunctionCall1(convert, Float8GetDatum(tl_payload_double(value.payload)));     \
	}                                                                                              \
	extern Datum name(PG_FUNCTION_ARGS)

TL_CAST_TO_NUMBER(telemetry_value_to_float4, dtof);
TL_CAST_TO_NUMBER(telemetry_value_to_int2, dtoi2);
TL_CAST_TO_NUMBER(telemetry_value_to_int4, dtoi4);
TL_CAST_TO_NUMBER(telemetry_value_to_int8, dtoi8);
TL_CAST_TO_NUMBER(telemetry_value_to_numeric, float8_numeric);

PG_FUNCTION_INFO_V1(telemetry_value_to_boolean);

Datum
telemetry_value_to_boolean(PG_FUNCTION_ARGS)
{
	TlValue value = argument_of_kind(fcinfo, TL_KIND_BOOLEAN);

	PG_RETURN_BOOL(value.payload[0] != 0);
}

PG_FUNCTION_INFO_V1(telemetry_value_to_bytea);

Datum
telemetry_value_to_bytea(PG_FUNCTION_ARGS)
{
	TlValue value = argument_of_kind(fcinfo, TL_KIND_BINARY);

	PG_RETURN_BYTEA_P(cstring_to_text_with_len(value.payload, (int) value.len));
}

PG_FUNCTION_INFO_V1(telemetry_value_to_text);

Datum
telemetry_value_to_text(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	if (value.kind == TL_KIND_TEXT)
		PG_RETURN_TEXT_P(cstring_to_text_with_len(value.payload, (int) value.len));
	PG_RETURN_TEXT_P(cstring_to_text(tl_value_to_text(&value)));
}

/* The text form, but with the numbers that JSON lacks as strings, as to_jsonb(float8) does. */
static char *
value_to_strict_json(const TlValue *value)
{
	char *json = tl_value_to_text(value);

	if (value->kind == TL_KIND_NUMERIC && !isfinite(tl_payload_double(value->payload)))
		return psprintf("\"%s\"", json);
	return json;
}

PG_FUNCTION_INFO_V1(telemetry_value_to_json);

Datum
telemetry_value_to_json(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(value_to_strict_json(&value)));
}

PG_FUNCTION_INFO_V1(telemetry_value_to_jsonb);

Datum
telemetry_value_to_jsonb(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(value_to_strict_json(&value)));
}

PG_FUNCTION_INFO_V1(telemetry_kind);

Datum
telemetry_kind(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(tl_kind_name(value.kind)));
}

PG_FUNCTION_INFO_V1(telemetry_num);

Datum
telemetry_num(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	if (value.kind != TL_KIND_NUMERIC)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(tl_payload_double(value.payload));
}

PG_FUNCTION_INFO_V1(telemetry_geo);

Datum
telemetry_geo(PG_FUNCTION_ARGS)
{
	bool has_altitude = !PG_ARGISNULL(2);
	double place[3] = {0};
	struct varlena *value;
	const char *problem;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	place[0] = PG_GETARG_FLOAT8(0);
	place[1] = PG_GETARG_FLOAT8(1);
	if (has_altitude)
		place[2] = PG_GETARG_FLOAT8(2);
	problem = tl_geo_make(place, has_altitude, &value);
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("cannot make a telemetry.value: %s", problem)));
	PG_RETURN_POINTER(value);
}

static Datum
geo_part(FunctionCallInfo fcinfo, int part)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));
	double number;

	if (value.kind != TL_KIND_GEO)
		PG_RETURN_NULL();
	number = tl_payload_double(value.payload + part * sizeof(double));
	/* Only an absent altitude is NaN. */
	if (isnan(number))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(number);
}

PG_FUNCTION_INFO_V1(telemetry_latitude);

Datum
telemetry_latitude(PG_FUNCTION_ARGS)
{
	return geo_part(fcinfo, 0);
}

PG_FUNCTION_INFO_V1(telemetry_longitude);

Datum
telemetry_longitude(PG_FUNCTION_ARGS)
{
	return geo_part(fcinfo, 1);
}

PG_FUNCTION_INFO_V1(telemetry_altitude);

Datum
telemetry_altitude(PG_FUNCTION_ARGS)
{
	return geo_part(fcinfo, 2);
}
