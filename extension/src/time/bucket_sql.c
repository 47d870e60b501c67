/*
 * bucket_sql.c
 *		time_bucket() and gapfill(), as SQL sees them.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "funcapi.h"
#include "rollup/zone.h"
#include "time/bucket.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* As many rows as gapfill() may give. */
#define GAPFILL_MAX 10000000

static int64
check_time(int64 ts)
{
	if (!IS_VALID_TIMESTAMP(ts))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("time bucket is out of the range of times")));
	return ts;
}

PG_FUNCTION_INFO_V1(telemetry_time_bucket);
Datum
telemetry_time_bucket(PG_FUNCTION_ARGS)
{
	int64 ts = PG_GETARG_TIMESTAMP(1);
	TlWidth width;

	tl_width_from_interval(&width, PG_GETARG_INTERVAL_P(0));
	if (TIMESTAMP_NOT_FINITE(ts))
		PG_RETURN_TIMESTAMP(ts);
	PG_RETURN_TIMESTAMP(check_time(tl_width_floor(&width, ts)));
}

PG_FUNCTION_INFO_V1(telemetry_time_bucket_date);
Datum
telemetry_time_bucket_date(PG_FUNCTION_ARGS)
{
	Interval *interval = PG_GETARG_INTERVAL_P(0);
	DateADT date = PG_GETARG_DATEADT(1);
	int64 day;
	TlWidth width;

	tl_width_from_interval(&width, interval);
	if (width.micros % USECS_PER_DAY != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("width of buckets of dates must be whole days or months, but is \"%s\"",
						DatumGetCString(
							DirectFunctionCall1(interval_out, IntervalPGetDatum(interval))))));
	if (DATE_NOT_FINITE(date))
		PG_RETURN_DATEADT(date);
	if (width.micros == 0)
		day = tl_width_floor_months_of_day(&width, date);
	else
	{
		int64 days = width.micros / USECS_PER_DAY;
		int64 rest = ((int64) date - TL_BUCKET_ORIGIN_DAY) % days;

		day = date - (rest < 0 ? rest + days : rest);
	}
	if (day < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("time bucket is out of the range of dates")));
	PG_RETURN_DATEADT((DateADT) day);
}

/* The width and zone of the call before, which are mostly those of this one, too. */
typedef struct BucketCache
{
	TlBuckets buckets;
	Interval interval;
	int zone_length;
	char zone[TZ_STRLEN_MAX];
} BucketCache;

static void
begin(TlBuckets *buckets, const Interval *interval, text *zone)
{
	TlWidth width;

	tl_width_from_interval(&width, interval);
	tl_buckets_begin(buckets, &width, tl_zone_named(text_to_cstring(zone)));
}

static TlBuckets *
buckets_of(FunctionCallInfo fcinfo, const Interval *interval, text *zone)
{
	BucketCache *cache = fcinfo->flinfo->fn_extra;
	int length = VARSIZE_ANY_EXHDR(zone);

	if (likely(cache != NULL && cache->zone_length == length &&
			   memcmp(cache->zone, VARDATA_ANY(zone), length) == 0 &&
			   cache->interval.time == interval->time && cache->interval.day == interval->day &&
			   cache->interval.month == interval->month))
		return &cache->buckets;
	if (cache == NULL)
	{
		cache = fcinfo->flinfo->fn_extra =
			MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(BucketCache));
		cache->zone_length = -1;
	}
	begin(&cache->buckets, interval, zone);
	memcpy(cache->zone, VARDATA_ANY(zone), length);
	cache->zone_length = length;
	cache->interval = *interval;
	return &cache->buckets;
}

PG_FUNCTION_INFO_V1(telemetry_time_bucket_zone);
Datum
telemetry_time_bucket_zone(PG_FUNCTION_ARGS)
{
	int64 ts = PG_GETARG_TIMESTAMPTZ(1);
	TlBuckets *buckets = buckets_of(fcinfo, PG_GETARG_INTERVAL_P(0), PG_GETARG_TEXT_PP(2));

	if (TIMESTAMP_NOT_FINITE(ts))
		PG_RETURN_TIMESTAMPTZ(ts);
	PG_RETURN_TIMESTAMPTZ(check_time(tl_bucket_of(buckets, ts)));
}

/* The beginnings that gapfill() has still to give. */
typedef struct Gapfill
{
	TlBuckets buckets;
	int64 next;
	int64 to;
	int64 given;
} Gapfill;

pg_noreturn static void
refuse_range(void)
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("range has more than %d time buckets", GAPFILL_MAX)));
}

static void
gapfill_begin(Gapfill *state, int64 from, int64 to)
{
	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("both ends of a range of time buckets must be finite")));
	state->to = to;
	state->next = TL_AFTER_ALL_TIMES;
	if (from >= to)
		return;
	state->next = check_time(tl_bucket_of(&state->buckets, from));
	/* Better now than after as many rows. */
	if (state->buckets.width.micros != 0 &&
		((uint64) to - (uint64) state->next) / (uint64) state->buckets.width.micros > GAPFILL_MAX)
		refuse_range();
}

PG_FUNCTION_INFO_V1(telemetry_gapfill);
Datum
telemetry_gapfill(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Gapfill *state;
	int64 bucket;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = state = palloc0(sizeof(Gapfill));
		begin(&state->buckets, PG_GETARG_INTERVAL_P(0),
			  PG_NARGS() > 3 ? PG_GETARG_TEXT_PP(3) : cstring_to_text("GMT"));
		gapfill_begin(state, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2));
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	state = call->user_fctx;
	CHECK_FOR_INTERRUPTS();
	bucket = state->next;
	if (bucket >= state->to)
		SRF_RETURN_DONE(call);
	/* Changes of the clock can make more of them than the width tells. */
	if (state->given++ == GAPFILL_MAX)
		refuse_range();
	state->next = tl_bucket_next(&state->buckets, bucket);
	SRF_RETURN_NEXT(call, TimestampTzGetDatum(bucket));
}
