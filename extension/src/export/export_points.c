/*
 * export_points.c
 *		telemetry.export_points(): points as lines, however many, in memory that does not grow.
 *
 *	telemetry.export_series() ──series by series──> scan in the order of time ──> lines, ROW_SIZE bytes a row
 *
 * A row is asked for when the one before has been taken, as telemetry.http_parts() does; so who takes no more
 * has nothing more read.  The scans are by one snapshot, that of the query which asks.
 *
 * All lives in the context of the calls, what reading a series takes in one that the next series empties.
 */
#include "postgres.h"

#include "export/export_line.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "read/scan.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_export_points);

/* Bytes of lines in a row; the line with which it is full may be longer. */
#define ROW_SIZE (64 * 1024)

/* Arguments of the function, and of telemetry.export_series(). */
enum
{
	ARG_DEVICES,
	ARG_METRICS,
	ARG_FROM,
	ARG_TO,
	ARG_FORMAT
};

typedef struct Export
{
	TlKey *series;
	uint64 n_series;
	uint64 next; /* series to read */
	int64 from;
	int64 to;			   /* inclusive */
	MemoryContext context; /* of the series that is being read */
	TlFilter filter;
	TlScan *scan; /* NULL between series */
	TlRun run;
	uint32 done; /* points of it */
	TlExportLines *lines;
	StringInfoData text;
	TlExportFormat format;
	bool begun; /* there has been a row */
} Export;

static TlExportFormat
format_of(TlSlice name)
{
	static const char *const names[] = {"csv", "csv_exact", "ndjson"};

	for (int i = 0; i < lengthof(names); i++)
		if (name.len == strlen(names[i]) && memcmp(name.data, names[i], name.len) == 0)
			return (TlExportFormat) i;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("format must be csv, csv_exact or ndjson, not \"%.*s\"",
						   (int) Min(name.len, 64), name.data)));
}

static TlSlice
copy_column(MemoryContext context, HeapTuple tuple, int column)
{
	bool is_null;

	return tl_slice_copy(
		context, tl_slice_of_text(SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, &is_null)));
}

static void
find_series(Export *export, FunctionCallInfo fcinfo)
{
	static TlStatement statement = {
		"SELECT s.device_id, s.metric FROM telemetry.export_series($1, $2, $3, $4) AS s",
		4,
		{TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
		NULL};
	MemoryContext context = CurrentMemoryContext;
	TlStatementScope scope;
	Datum args[] = {PG_GETARG_DATUM(ARG_DEVICES), PG_GETARG_DATUM(ARG_METRICS),
					PG_GETARG_DATUM(ARG_FROM), PG_GETARG_DATUM(ARG_TO)};

	tl_statement_begin(&scope);
	tl_statement_execute_planned(&statement, args, NULL, true, 0);
	export->n_series = SPI_processed;
	export->series = MemoryContextAllocHuge(context, sizeof(TlKey) * Max(export->n_series, 1));
	for (uint64 i = 0; i < export->n_series; i++)
	{
		export->series[i].device = copy_column(context, SPI_tuptable->vals[i], 1);
		export->series[i].metric = copy_column(context, SPI_tuptable->vals[i], 2);
	}
	tl_statement_end(&scope);
}

static Export *
export_create(FunctionCallInfo fcinfo)
{
	Export *export = palloc0(sizeof(Export));
	int64 to = PG_GETARG_TIMESTAMPTZ(ARG_TO);

	export->format = format_of(tl_slice_of_text(PG_GETARG_DATUM(ARG_FORMAT)));
	export->from = PG_GETARG_TIMESTAMPTZ(ARG_FROM);
	export->to = to - (to > PG_INT64_MIN);
	export->context =
		AllocSetContextCreate(CurrentMemoryContext, "series of an export", ALLOCSET_DEFAULT_SIZES);
	export->lines = tl_export_lines_create(export->format);
	initStringInfo(&export->text);
	if (export->from < to)
		find_series(export, fcinfo);
	return export;
}

static void
begin_series(Export *export)
{
	TlKey *key = &export->series[export->next++];
	MemoryContext old;

	tl_export_lines_key(export->lines, key);
	export->filter = (TlFilter){.devices = &key->device,
								.n_devices = 1,
								.metrics = &key->metric,
								.n_metrics = 1,
								.from = export->from,
								.to = export->to,
								.columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS,
								.levels = TL_LEVELS_ALL};
	old = MemoryContextSwitchTo(export->context);
	export->scan = tl_scan_begin(&export->filter, TL_SCAN_TIME);
	MemoryContextSwitchTo(old);
	export->run.n = export->done = 0;
}

/* Steps to a run with points that are not done; false if there is none. */
static bool
next_run(Export *export)
{
	while (export->done == export->run.n)
	{
		MemoryContext old;
		bool more;

		if (export->scan == NULL)
		{
			if (export->next == export->n_series)
				return false;
			begin_series(export);
		}
		old = MemoryContextSwitchTo(export->context);
		more = tl_scan_next(export->scan, &export->run);
		MemoryContextSwitchTo(old);
		export->done = 0;
		if (!more)
		{
			export->run.n = 0;
			export->scan = NULL;
			MemoryContextReset(export->context);
		}
	}
	return true;
}

/* Lines for the next row; false if there are none. */
static bool
fill(Export *export)
{
	resetStringInfo(&export->text);
	while (export->text.len < ROW_SIZE && next_run(export))
	{
		CHECK_FOR_INTERRUPTS();
		if (!export->begun)
			appendStringInfoString(&export->text, tl_export_head(export->format));
		export->begun = true;
		while (export->text.len < ROW_SIZE && export->done < export->run.n)
			tl_export_lines_add(export->lines, &export->run, export->done++, &export->text);
	}
	return export->text.len > 0;
}

Datum
telemetry_export_points(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Export *export;
	MemoryContext old;
	bool more;

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = export_create(fcinfo);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	export = call->user_fctx;
	old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	more = fill(export);
	MemoryContextSwitchTo(old);
	if (!more)
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call,
					PointerGetDatum(cstring_to_text_with_len(export->text.data, export->text.len)));
}
