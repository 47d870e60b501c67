/*
 * json_points.c
 *		telemetry.json_points(): rows of a query as a JSON array, as text.
 *
 *	[{"tags": {…}, "unit": "C", "value": 21.5, "device_id": "kitchen", "timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature"}, …]
 *
 * The text is what jsonb would make of the same objects, keys in its order and numbers in its form, so that it
 * does not matter whether an answer was jsonb on its way.  Making jsonb of a thousand points and text of
 * that costs more than to find them.
 */
#include "postgres.h"

#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "access/htup_details.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "value/value_text.h"

PG_FUNCTION_INFO_V1(telemetry_json_points);

/* Columns of telemetry.query_row, in their order. */
enum
{
	ROW_DEVICE,
	ROW_METRIC,
	ROW_TS,
	ROW_VALUE,
	ROW_NUM,
	ROW_N,
	ROW_UNIT,
	ROW_TAGS,
	ROW_COLUMNS
};

static void
add_string(StringInfo out, Datum value, bool is_null)
{
	if (is_null)
		appendStringInfoString(out, "null");
	else
		escape_json(out, TextDatumGetCString(value));
}

static void
add_jsonb(StringInfo out, Datum value)
{
	Jsonb *json = DatumGetJsonbP(value);

	(void) JsonbToCString(out, &json->root, (int) VARSIZE(json));
}

/* Whether jsonb writes a number as it is: without an exponent, and no zero below zero. */
static bool
is_plain_number(const char *text)
{
	return text[strspn(text, "-0123456789.")] == '\0' && strcmp(text, "-0") != 0;
}

static void
add_value(StringInfo out, Datum datum, FmgrInfo *to_jsonb)
{
	TlValue value = tl_value_view((struct varlena *) PG_DETOAST_DATUM_PACKED(datum));

	if (value.kind == TL_KIND_NUMERIC)
	{
		const char *text = tl_value_to_text(&value);

		if (is_plain_number(text))
		{
			appendStringInfoString(out, text);
			return;
		}
	}
	add_jsonb(out, FunctionCall1(to_jsonb, datum));
}

/* In UTC, as telemetry.json_timestamp() has it. */
static void
add_time(StringInfo out, Datum ts)
{
	char text[MAXDATELEN + 1];

	appendStringInfo(out, "\"%sZ\"", JsonEncodeDateTime(text, ts, TIMESTAMPOID, NULL));
}

static void
add_point(StringInfo out, const Datum *values, const bool *nulls, bool several_devices,
		  FmgrInfo *to_jsonb)
{
	appendStringInfoChar(out, '{');
	if (!nulls[ROW_TAGS])
	{
		appendStringInfoString(out, "\"tags\": ");
		add_jsonb(out, values[ROW_TAGS]);
		appendStringInfoString(out, ", ");
	}
	appendStringInfoString(out, "\"unit\": ");
	add_string(out, values[ROW_UNIT], nulls[ROW_UNIT]);
	appendStringInfoString(out, ", \"value\": ");
	if (nulls[ROW_VALUE])
		appendStringInfoString(out, "null");
	else
		add_value(out, values[ROW_VALUE], to_jsonb);
	if (several_devices)
	{
		appendStringInfoString(out, ", \"device_id\": ");
		add_string(out, values[ROW_DEVICE], nulls[ROW_DEVICE]);
	}
	appendStringInfoString(out, ", \"timestamp\": ");
	if (nulls[ROW_TS])
		appendStringInfoString(out, "null");
	else
		add_time(out, values[ROW_TS]);
	appendStringInfoString(out, ", \"metric_name\": ");
	add_string(out, values[ROW_METRIC], nulls[ROW_METRIC]);
	appendStringInfoChar(out, '}');
}

/* The cast from telemetry.value, whose type the rows say. */
static void
find_cast(TupleDesc desc, FmgrInfo *to_jsonb)
{
	Oid function;
	Oid value_type = TupleDescAttr(desc, ROW_VALUE)->atttypid;

	if (find_coercion_pathway(JSONBOID, value_type, COERCION_EXPLICIT, &function) !=
			COERCION_PATH_FUNC ||
		!OidIsValid(function))
		elog(ERROR, "there is no cast of values to jsonb");
	fmgr_info(function, to_jsonb);
}

static TupleDesc
row_desc(Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, -1);

	if (desc->natts != ROW_COLUMNS)
		elog(ERROR, "the row type of telemetry.query() is another");
	return desc;
}

Datum
telemetry_json_points(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	bool several_devices = PG_GETARG_BOOL(1);
	TupleDesc desc = row_desc(ARR_ELEMTYPE(array));
	ArrayIterator rows = array_create_iterator(array, 0, NULL);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "a point as JSON", ALLOCSET_DEFAULT_SIZES);
	StringInfoData out;
	FmgrInfo to_jsonb;
	Datum row;
	bool is_null;

	find_cast(desc, &to_jsonb);
	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	while (array_iterate(rows, &row, &is_null))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		Datum values[ROW_COLUMNS];
		bool nulls[ROW_COLUMNS];
		HeapTupleData tuple = {0};

		CHECK_FOR_INTERRUPTS();
		if (is_null)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a point must not be null")));
		tuple.t_data = DatumGetHeapTupleHeader(row);
		tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
		heap_deform_tuple(&tuple, desc, values, nulls);
		if (out.len > 1)
			appendStringInfoString(&out, ", ");
		add_point(&out, values, nulls, several_devices, &to_jsonb);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	appendStringInfoChar(&out, ']');
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
