/*
 * block_inspect.c
 *		Functions of SQL that look into blocks.
 */
#include "block/block.h"

#include "base/rows.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

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
