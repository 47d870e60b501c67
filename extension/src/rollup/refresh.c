/*
 * refresh.c
 *		Computing rollups again: when points are deleted, when someone asks.  See refresh.h.
 */
#include "rollup/refresh.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "read/scan.h"
#include "rollup/retention.h"
#include "rollup/rollup_compute.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So much time is computed at once, which bounds the rows in memory. */
#define WINDOW (31 * TL_USECS_PER_DAY)

typedef struct Refresh
{
	TlSlice device;
	TlSlice metric;
	int64 from;
	int64 to;
	bool forget;
	int buckets;
	pg_tz *zone;
	TlRetention *retention;
	int64 written;
} Refresh;

/* From the first to the last point that the device's rollups can be of. */
static TlStatement series_bounds = {"SELECT min(first_ts), max(last_ts) FROM telemetry.series"
									" WHERE device_id = $1",
									1,
									{TEXTOID},
									NULL};

static TlStatement series_metrics = {"SELECT metric FROM telemetry.series WHERE device_id = $1"
									 " AND ($2 = '' OR metric = $2)",
									 2,
									 {TEXTOID, TEXTOID},
									 NULL};

/* Narrows the range to what there can be; false if that is nothing. */
static bool
clamp(Refresh *r)
{
	TlStatementScope scope;
	bool known = false;

	tl_statement_begin(&scope);
	{
		Datum values[1] = {tl_slice_to_text(r->device)};
		bool isnull = true;
		bool ignored;
		Datum first;

		tl_statement_execute(&series_bounds, values, NULL, false, 1);
		first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		if (!isnull)
		{
			r->from = Max(r->from, DatumGetTimestampTz(first));
			r->to = Min(r->to, DatumGetTimestampTz(SPI_getbinval(
								   SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &ignored)));
			known = true;
		}
	}
	tl_statement_end(&scope);
	return known && r->from <= r->to;
}

/* Whether a row's points may have been dropped, so that it cannot be computed. */
static bool
is_out_of_reach(const Refresh *r, const TlRollupRow *row)
{
	return tl_retention_is_out_of_reach(r->retention, row->key.metric, row->hour);
}

static bool
is_forgotten(const Refresh *r, const TlRollupRow *row)
{
	return r->forget && row->hour >= r->from && row->rollup.first_ts >= r->from &&
		   row->rollup.last_ts <= r->to;
}

/*
 * Keeps of the computed rows those that can be trusted: not the hours at either end that were only
 * read in part, as where the clock is changed by half an hour and hours overlap.
 */
static uint32
keep_reachable(const Refresh *r, TlRollupRow *rows, uint32 n, int64 first, int64 last)
{
	uint32 kept = 0;

	for (uint32 i = 0; i < n; i++)
		if (rows[i].hour >= first && rows[i].hour <= last && !is_out_of_reach(r, &rows[i]))
			rows[kept++] = rows[i];
	return kept;
}

/* Keeps of the stored rows those that must go, because they have not been computed again. */
static uint32
keep_obsolete(const Refresh *r, TlRollupRow *stored, uint32 n, const TlRollupRow *computed,
			  uint32 n_computed)
{
	uint32 kept = 0;

	for (uint32 i = 0; i < n; i++)
	{
		if (is_out_of_reach(r, &stored[i]) && !is_forgotten(r, &stored[i]))
			continue;
		if (n_computed > 0 && bsearch(&stored[i], computed, n_computed, sizeof(TlRollupRow),
									  tl_rollup_row_compare) != NULL)
			continue;
		stored[kept++] = stored[i];
	}
	return kept;
}

static void
refresh_window(Refresh *r, int64 from, int64 to)
{
	TlHour first = {.from = 1};
	TlHour last = {.from = 1};
	TlFilter filter = {.devices = &r->device,
					   .n_devices = 1,
					   .metrics = &r->metric,
					   .n_metrics = r->metric.len > 0,
					   .columns = TL_COLUMN_VALUE,
					   .levels = TL_LEVELS_ROLLED};
	int bucket = tl_bucket_of(r->device, r->buckets);
	TlRollupRow *computed;
	TlRollupRow *stored;
	TlRollupRow *days;
	uint32 n_computed;
	uint32 n_stored;

	tl_zone_hour(r->zone, from, &first);
	tl_zone_hour(r->zone, to, &last);
	filter.from = first.start;
	filter.to = last.start + TL_USECS_PER_HOUR - 1;
	computed = tl_rollup_compute_hours(&filter, &bucket, 1, r->zone, NULL, 0, &n_computed);
	n_computed = keep_reachable(r, computed, n_computed, first.start, last.start);
	stored = tl_rollup_table_range(filter.devices, 1, filter.metrics, filter.n_metrics, first.start,
								   last.start, &n_stored);
	n_stored = keep_obsolete(r, stored, n_stored, computed, n_computed);

	tl_rollup_table_write(TL_PERIOD_HOUR, computed, n_computed);
	tl_rollup_table_delete(TL_PERIOD_HOUR, stored, n_stored);
	days = MemoryContextAllocHuge(CurrentMemoryContext,
								  sizeof(TlRollupRow) * (n_computed + n_stored + 1));
	if (n_computed > 0)
		memcpy(days, computed, sizeof(TlRollupRow) * n_computed);
	memcpy(days + n_computed, stored, sizeof(TlRollupRow) * n_stored);
	tl_rollup_write_days(r->zone, days, n_computed + n_stored);
	r->written += n_computed;
}

/* The value of a series' last point; of no kind if it has no points. */
static void
read_last(TlSeriesRow *series)
{
	TlFilter filter = {.devices = &series->key.device,
					   .n_devices = 1,
					   .metrics = &series->key.metric,
					   .n_metrics = 1,
					   .from = DT_NOBEGIN,
					   .to = DT_NOEND,
					   .columns = TL_COLUMN_VALUE,
					   .levels = TL_LEVELS_ROLLED};
	TlScan *scan = tl_scan_begin(&filter, TL_SCAN_TIME_BACKWARD);
	TlRun run;

	if (tl_scan_next(scan, &run))
	{
		TlSlice payload;

		series->last_kind = tl_run_kind(&run, run.n - 1);
		payload = tl_cell_payload(series->last_kind, &run.cell[run.n - 1]);
		series->last.len = payload.len;
		series->last.data = memcpy(palloc(Max(payload.len, 1)), payload.data, payload.len);
	}
	tl_scan_end(scan);
}

static void
refresh_series(const Refresh *r)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[2];
	TlSeriesRow *series;
	uint32 n;

	tl_statement_begin(&scope);
	values[0] = tl_slice_to_text(r->device);
	values[1] = tl_slice_to_text(r->metric);
	tl_statement_execute(&series_metrics, values, NULL, false, 0);
	n = (uint32) SPI_processed;
	series = MemoryContextAllocHuge(caller, sizeof(TlSeriesRow) * Max(n, 1));
	memset(series, 0, sizeof(TlSeriesRow) * n);
	for (uint32 i = 0; i < n; i++)
	{
		char *metric = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		series[i].key.device = r->device;
		series[i].key.metric =
			(TlSlice){MemoryContextStrdup(caller, metric), (uint32) strlen(metric)};
	}
	tl_statement_end(&scope);

	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	for (uint32 i = 0; i < n; i++)
		read_last(&series[i]);
	PopActiveSnapshot();
	tl_series_table_rebuild(series, n);
}

int64
tl_refresh(TlSlice device, TlSlice metric, int64 from, int64 to, bool forget)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry refresh", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Refresh r = {.device = device, .metric = metric, .from = from, .to = to, .forget = forget};

	if (clamp(&r))
	{
		MemoryContext window_context =
			AllocSetContextCreate(context, "telemetry refresh window", ALLOCSET_DEFAULT_SIZES);

		r.buckets = tl_store_buckets();
		r.zone = tl_zone_load();
		r.retention = tl_retention_load();
		for (int64 at = r.from; at <= r.to; at = r.to - at < WINDOW ? r.to + 1 : at + WINDOW)
		{
			MemoryContext outer = MemoryContextSwitchTo(window_context);

			CHECK_FOR_INTERRUPTS();
			refresh_window(&r, at, r.to - at < WINDOW ? r.to : at + WINDOW - 1);
			MemoryContextSwitchTo(outer);
			MemoryContextReset(window_context);
		}
		refresh_series(&r);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return r.written;
}

PG_FUNCTION_INFO_V1(telemetry_refresh_device);
Datum
telemetry_refresh_device(PG_FUNCTION_ARGS)
{
	TlSlice device = {NULL, 0};
	TlSlice metric = {"", 0};
	int64 from = PG_ARGISNULL(2) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(2);
	int64 to = PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3);
	int64 written;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("device must not be null")));
	device = tl_slice_of_text(PG_GETARG_DATUM(0));
	if (!PG_ARGISNULL(1))
		metric = tl_slice_of_text(PG_GETARG_DATUM(1));
	if (to != DT_NOEND && to != DT_NOBEGIN)
		to--;
	tl_store_lock_bucket(TL_BUCKET_MIXED);
	PushActiveSnapshot(GetTransactionSnapshot());
	written = tl_refresh(device, metric, from, to, false);
	PopActiveSnapshot();
	PG_RETURN_INT64(written);
}

PG_FUNCTION_INFO_V1(telemetry_lock_rollups);
Datum
telemetry_lock_rollups(PG_FUNCTION_ARGS)
{
	tl_store_lock_bucket(TL_BUCKET_MIXED);
	PG_RETURN_VOID();
}
