/*
 * rollup_sql.c
 *		Rollups and their hours and days, as SQL sees them.
 */
#include "base/compat.h"

#include <math.h>

#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "rollup/rollup.h"
#include "rollup/zone.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* The fields of type telemetry.rollup. */
#define ROLLUP_WIDTH 11

/* A zone as of the query, and the last hour found. */
typedef struct HourCache
{
	pg_tz *zone;
	TlHour hour;
} HourCache;

static const TlHour *
hour_of(FunctionCallInfo fcinfo, int64 ts)
{
	HourCache *cache = fcinfo->flinfo->fn_extra;

	if (cache == NULL)
	{
		cache = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(HourCache));
		cache->zone = tl_zone_load();
		cache->hour = (TlHour){.from = 1};
		fcinfo->flinfo->fn_extra = cache;
	}
	tl_zone_hour_near(cache->zone, ts, &cache->hour);
	return &cache->hour;
}

PG_FUNCTION_INFO_V1(telemetry_hour_of);
Datum
telemetry_hour_of(PG_FUNCTION_ARGS)
{
	int64 ts = PG_GETARG_TIMESTAMPTZ(0);

	if (TIMESTAMP_NOT_FINITE(ts))
		PG_RETURN_TIMESTAMPTZ(ts);
	PG_RETURN_TIMESTAMPTZ(hour_of(fcinfo, ts)->start);
}

PG_FUNCTION_INFO_V1(telemetry_day_of);
Datum
telemetry_day_of(PG_FUNCTION_ARGS)
{
	int64 ts = PG_GETARG_TIMESTAMPTZ(0);

	if (TIMESTAMP_NOT_FINITE(ts))
		PG_RETURN_DATEADT(TIMESTAMP_IS_NOBEGIN(ts) ? DATEVAL_NOBEGIN : DATEVAL_NOEND);
	PG_RETURN_DATEADT(hour_of(fcinfo, ts)->day);
}

PG_FUNCTION_INFO_V1(telemetry_mean_of);
Datum
telemetry_mean_of(PG_FUNCTION_ARGS)
{
	int64 n = PG_GETARG_INT64(1);

	if (n <= 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(PG_GETARG_FLOAT8(0) / (double) n);
}

PG_FUNCTION_INFO_V1(telemetry_stddev_of);
Datum
telemetry_stddev_of(PG_FUNCTION_ARGS)
{
	int64 n = PG_GETARG_INT64(1);

	if (n <= 1)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sqrt(PG_GETARG_FLOAT8(0) / (double) (n - 1)));
}

PG_FUNCTION_INFO_V1(telemetry_zone_has_whole_hours);
Datum
telemetry_zone_has_whole_hours(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tl_zone_has_whole_hours(tl_zone_named(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
}

PG_FUNCTION_INFO_V1(telemetry_zone_changes_by_hours);
Datum
telemetry_zone_changes_by_hours(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tl_zone_changes_by_hours(tl_zone_named(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
}

/*
 * The state of the aggregates: rows come in any order, so the first and last number are known by
 * their times.
 */
typedef struct RollupState
{
	MemoryContext context;
	TlRollupBuilder builder;
	TlSketch scratch;
	int64 first_number_ts;
	int64 last_number_ts;
	StringInfoData first_series; /* if series are told, of which these two are; else empty */
	StringInfoData last_series;
	bool without_sketch;
} RollupState;

static RollupState *
state_of(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	MemoryContext old;
	RollupState *state;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (!PG_ARGISNULL(0))
		return (RollupState *) PG_GETARG_POINTER(0);
	old = MemoryContextSwitchTo(context);
	state = palloc0(sizeof(RollupState));
	state->context = context;
	tl_rollup_init(&state->builder);
	MemoryContextSwitchTo(old);
	return state;
}

/* Whether a series comes before the one that is kept; none does if series are not told. */
static bool
comes_before(TlSlice series, const StringInfoData *kept)
{
	return series.len > 0 && kept->len > 0 &&
		   tl_slice_compare(series, (TlSlice){kept->data, (uint32) kept->len}) < 0;
}

static void
keep_series(RollupState *state, StringInfo kept, TlSlice series)
{
	MemoryContext old;

	if (series.len == 0)
		return;
	old = MemoryContextSwitchTo(state->context);
	if (kept->data == NULL)
		initStringInfo(kept);
	resetStringInfo(kept);
	appendBinaryStringInfo(kept, series.data, (int) series.len);
	MemoryContextSwitchTo(old);
}

/*
 * Puts what a rollup says of first and last in the place that its times give it, and where these are
 * the same, its series.
 */
static void
add_ends(RollupState *state, const TlRollup *more, const TlRollup *before, TlSlice series)
{
	TlRollup *r = &state->builder.rollup;

	if (!tl_rollup_empty(before))
	{
		r->first_ts = Min(before->first_ts, more->first_ts);
		r->last_ts = Max(before->last_ts, more->last_ts);
	}
	if (more->n == 0)
		return;
	if (before->n == 0 || more->first_ts < state->first_number_ts ||
		(more->first_ts == state->first_number_ts && comes_before(series, &state->first_series)))
	{
		r->first = more->first;
		state->first_number_ts = more->first_ts;
		keep_series(state, &state->first_series, series);
	}
	else
		r->first = before->first;
	if (before->n == 0 || more->last_ts > state->last_number_ts ||
		(more->last_ts == state->last_number_ts && !comes_before(series, &state->last_series)))
	{
		r->last = more->last;
		state->last_number_ts = more->last_ts;
		keep_series(state, &state->last_series, series);
	}
	else
		r->last = before->last;
}

PG_FUNCTION_INFO_V1(telemetry_rollup_add);
Datum
telemetry_rollup_add(PG_FUNCTION_ARGS)
{
	RollupState *state = state_of(fcinfo);
	TlRollup before = state->builder.rollup;
	MemoryContext old;
	TlRollup point = {0};
	TlCell cell = {0};
	TlValue value;
	TlRun run;
	int64 ts;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);
	ts = PG_GETARG_TIMESTAMPTZ(1);
	value = tl_value_view((struct varlena *) PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(2)));
	if (value.kind == TL_KIND_NUMERIC)
		cell.number = tl_payload_double(value.payload);
	run = (TlRun){.n = 1, .kind = value.kind, .ts = &ts, .cell = &cell};
	old = MemoryContextSwitchTo(state->context);
	tl_rollup_add(&state->builder, &run);
	MemoryContextSwitchTo(old);
	point.n = value.kind == TL_KIND_NUMERIC;
	point.first = point.last = cell.number;
	point.first_ts = point.last_ts = ts;
	add_ends(state, &point, &before, (TlSlice){"", 0});
	PG_RETURN_POINTER(state);
}

static double
number_field(HeapTupleHeader tuple, AttrNumber number)
{
	bool isnull;
	Datum value = GetAttributeByNum(tuple, number, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

static int64
count_field(HeapTupleHeader tuple, AttrNumber number)
{
	bool isnull;
	Datum value = GetAttributeByNum(tuple, number, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
check_counts(const TlRollup *r)
{
	if (r->n < 0 || r->others < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a rollup has counts that cannot be")));
}

static void
read_rollup(HeapTupleHeader tuple, TlRollup *r)
{
	bool isnull;
	Datum sketch = GetAttributeByNum(tuple, ROLLUP_WIDTH, &isnull);

	r->n = count_field(tuple, 1);
	r->sum = number_field(tuple, 2);
	r->m2 = number_field(tuple, 3);
	r->min = number_field(tuple, 4);
	r->max = number_field(tuple, 5);
	r->first = number_field(tuple, 6);
	r->last = number_field(tuple, 7);
	r->others = count_field(tuple, 8);
	r->first_ts = count_field(tuple, 9);
	r->last_ts = count_field(tuple, 10);
	r->sketch = (TlSlice){"", 0};
	if (!isnull)
	{
		struct varlena *v = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(sketch));

		r->sketch = (TlSlice){VARDATA_ANY(v), (uint32) VARSIZE_ANY_EXHDR(v)};
	}
	check_counts(r);
	if (r->n > 0 && r->sketch.len == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a rollup has counts that cannot be")));
}

PG_FUNCTION_INFO_V1(telemetry_rollup_merge);
Datum
telemetry_rollup_merge(PG_FUNCTION_ARGS)
{
	RollupState *state = state_of(fcinfo);
	TlRollup before = state->builder.rollup;
	TlRollup more;
	MemoryContext old;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	read_rollup(PG_GETARG_HEAPTUPLEHEADER(1), &more);
	if (tl_rollup_empty(&more))
		PG_RETURN_POINTER(state);
	old = MemoryContextSwitchTo(state->context);
	if (more.n > 0)
		tl_sketch_merge_bytes(&state->builder.sketch, more.sketch.data, more.sketch.len);
	MemoryContextSwitchTo(old);
	tl_rollup_append_sums(&state->builder.rollup, &more);
	add_ends(state, &more, &before, (TlSlice){"", 0});
	PG_RETURN_POINTER(state);
}

static double
number_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? 0 : PG_GETARG_FLOAT8(number);
}

/* The arguments are the fields of a rollup, and its series; without a sketch of one there is none of all. */
PG_FUNCTION_INFO_V1(telemetry_rollup_merge_fields);
Datum
telemetry_rollup_merge_fields(PG_FUNCTION_ARGS)
{
	RollupState *state = state_of(fcinfo);
	TlRollup before = state->builder.rollup;
	TlRollup more = {0};

	if (PG_ARGISNULL(1) || PG_ARGISNULL(8) || PG_ARGISNULL(9) || PG_ARGISNULL(10))
		PG_RETURN_POINTER(state);
	more.n = PG_GETARG_INT64(1);
	more.sum = number_argument(fcinfo, 2);
	more.m2 = number_argument(fcinfo, 3);
	more.min = number_argument(fcinfo, 4);
	more.max = number_argument(fcinfo, 5);
	more.first = number_argument(fcinfo, 6);
	more.last = number_argument(fcinfo, 7);
	more.others = PG_GETARG_INT64(8);
	more.first_ts = PG_GETARG_TIMESTAMPTZ(9);
	more.last_ts = PG_GETARG_TIMESTAMPTZ(10);
	more.sketch = (TlSlice){"", 0};
	check_counts(&more);
	if (tl_rollup_empty(&more))
		PG_RETURN_POINTER(state);
	if (more.n > 0 && PG_ARGISNULL(11))
		state->without_sketch = true;
	else if (more.n > 0)
	{
		struct varlena *sketch = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(11));
		MemoryContext old = MemoryContextSwitchTo(state->context);

		tl_sketch_merge_bytes(&state->builder.sketch, VARDATA_ANY(sketch),
							  (uint32) VARSIZE_ANY_EXHDR(sketch));
		MemoryContextSwitchTo(old);
	}
	tl_rollup_append_sums(&state->builder.rollup, &more);
	add_ends(state, &more, &before,
			 PG_ARGISNULL(12) ? (TlSlice){"", 0} : tl_slice_of_text(PG_GETARG_DATUM(12)));
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_rollup_final);
Datum
telemetry_rollup_final(PG_FUNCTION_ARGS)
{
	RollupState *state = PG_ARGISNULL(0) ? NULL : (RollupState *) PG_GETARG_POINTER(0);
	Datum values[ROLLUP_WIDTH];
	bool nulls[ROLLUP_WIDTH] = {false};
	struct varlena *sketch;
	TupleDesc desc;
	TlRollup r;

	if (state == NULL || tl_rollup_empty(&state->builder.rollup))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != ROLLUP_WIDTH)
		elog(ERROR, "unexpected result type");
	tl_rollup_finish(&state->builder, &r);
	sketch = palloc(VARHDRSZ + r.sketch.len);
	SET_VARSIZE(sketch, VARHDRSZ + r.sketch.len);
	memcpy(VARDATA(sketch), r.sketch.data, r.sketch.len);
	values[0] = Int64GetDatum(r.n);
	values[1] = Float8GetDatum(r.sum);
	values[2] = Float8GetDatum(r.m2);
	values[3] = Float8GetDatum(r.min);
	values[4] = Float8GetDatum(r.max);
	values[5] = Float8GetDatum(r.first);
	values[6] = Float8GetDatum(r.last);
	values[7] = Int64GetDatum(r.others);
	values[8] = TimestampTzGetDatum(r.first_ts);
	values[9] = TimestampTzGetDatum(r.last_ts);
	values[10] = PointerGetDatum(sketch);
	for (int i = 1; i <= 6; i++)
		nulls[i] = r.n == 0;
	nulls[10] = r.n == 0 || state->without_sketch;
	desc = BlessTupleDesc(desc);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
