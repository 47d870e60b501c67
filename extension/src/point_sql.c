/*
 * point_sql.c
 *		Functions of SQL beside telemetry.point: the result of an ingest, and looking into blocks.
 */
#include "compat.h"

#include "fmgr.h"
#include "funcapi.h"
#include "ingest.h"
#include "rows.h"
#include "scan.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

static const char *const status_name[] = {[TL_ROW_DUPLICATE] = "duplicate",
										  [TL_ROW_REPLACED] = "replaced",
										  [TL_ROW_CONFLICT] = "conflict",
										  [TL_ROW_SAMPLED] = "sampled",
										  [TL_ROW_REJECTED] = "rejected"};

static Datum
reports_as_jsonb(const TlIngestResult *result)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (uint32 i = 0; i < result->n_reports; i++)
	{
		const TlRowReport *r = &result->reports[i];

		appendStringInfo(&json,
						 "%s{\"row\":" INT64_FORMAT ",\"status\":\"%s\",\"code\":\"%s\","
						 "\"message\":",
						 i > 0 ? "," : "", r->row, status_name[r->status], r->code);
		escape_json(&json, r->message);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

PG_FUNCTION_INFO_V1(telemetry_ingest_result);
Datum
telemetry_ingest_result(PG_FUNCTION_ARGS)
{
	const TlIngestResult *result = tl_ingest_last_result();
	Datum values[6] = {0};
	bool nulls[6] = {true, true, true, true, true, true};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (result != NULL)
	{
		memset(nulls, false, sizeof(nulls));
		values[0] = Int64GetDatum(result->received);
		values[1] = Int64GetDatum(result->accepted);
		values[2] = Int64GetDatum(result->duplicates);
		values[3] = Int64GetDatum(result->conflicts);
		values[4] = Int64GetDatum(result->rejected);
		values[5] = reports_as_jsonb(result);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Opens each frame of a block in turn and shows it to visit. */
static void
visit_frames(bytea *block, void (*visit)(const TlFrame *frame, void *arg), void *arg)
{
	const char *data = VARDATA_ANY(block);
	size_t len = VARSIZE_ANY_EXHDR(block);
	TlBlockIndex *index = tl_block_index_open(data, len);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry frame", ALLOCSET_DEFAULT_SIZES);

	if (index->length != len)
		tl_corrupt("the block's length is not that of its data");
	for (uint32 i = 0; i < index->n_frames; i++)
	{
		const TlFrameInfo *info = &index->frames[i];
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		visit(tl_frame_open(index, info, data + info->offset, len - info->offset), arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

static void
put_entries(const TlFrame *frame, void *arg)
{
	ReturnSetInfo *out = arg;

	for (uint32 i = 0; i < frame->n_entries; i++)
	{
		const TlEntry *e = &frame->entries[i];
		bool nulls[7] = {false};
		Datum values[7];

		values[0] =
			PointerGetDatum(cstring_to_text_with_len(e->key.device.data, (int) e->key.device.len));
		values[1] =
			PointerGetDatum(cstring_to_text_with_len(e->key.metric.data, (int) e->key.metric.len));
		values[2] = Int32GetDatum((int32) e->n);
		values[3] = TimestampTzGetDatum(e->first);
		values[4] = TimestampTzGetDatum(e->last);
		values[5] = CStringGetTextDatum(e->kind == TL_KIND_MIXED ? "mixed"
																 : tl_kind_name((TlKind) e->kind));
		values[6] = Int32GetDatum((int32) (tl_reader_left(&e->times) + tl_reader_left(&e->values) +
										   tl_reader_left(&e->attrs)));
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
}

PG_FUNCTION_INFO_V1(telemetry_block_series);
Datum
telemetry_block_series(PG_FUNCTION_ARGS)
{
	visit_frames(PG_GETARG_BYTEA_PP(0), put_entries, tl_rows_begin(fcinfo, work_mem));
	return (Datum) 0;
}

typedef struct CheckState
{
	TlRunArrays arrays;
	MemoryContext context;
	int64 points;
} CheckState;

static void
decode_entries(const TlFrame *frame, void *arg)
{
	CheckState *check = arg;

	for (uint32 i = 0; i < frame->n_entries; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(check->context);
		TlRun run;

		tl_run_arrays_reserve(&check->arrays, frame->entries[i].n);
		MemoryContextSwitchTo(old);
		tl_entry_decode(frame, &frame->entries[i], TL_COLUMN_VALUE | TL_COLUMN_ATTRS,
						&check->arrays, &run);
		check->points += run.n;
	}
}

PG_FUNCTION_INFO_V1(telemetry_check_block);
Datum
telemetry_check_block(PG_FUNCTION_ARGS)
{
	CheckState check = {.context = CurrentMemoryContext};

	visit_frames(PG_GETARG_BYTEA_PP(0), decode_entries, &check);
	PG_RETURN_INT64(check.points);
}
