/*
 * weighted_sql.c
 *		time_weighted_average(): a mean in which each value counts for the time that it lasted.
 *
 * Each weight is a part of the whole time, so that no product is beyond float8.  The parameters
 * are those of the first row, and must be the same in all.
 */
#include "base/compat.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "time/reading.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

typedef struct Weighted
{
	TlReadings readings;
	bool linear;
	int64 from; /* DT_NOBEGIN: none */
	int64 to;	/* DT_NOEND: none */
} Weighted;

/* A sum that does not lose the small beside the large (Neumaier), and the ends of what is in it. */
typedef struct Mean
{
	double sum;
	double lost;
	double least;
	double greatest;
} Mean;

static bool
is_linear(FunctionCallInfo fcinfo)
{
	text *method;
	int length;

	if (PG_NARGS() <= 3)
		return true;
	if (PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("method of a time-weighted average must not be null")));
	method = PG_GETARG_TEXT_PP(3);
	length = VARSIZE_ANY_EXHDR(method);
	if (length == 6 && memcmp(VARDATA_ANY(method), "linear", 6) == 0)
		return true;
	if (length == 4 && memcmp(VARDATA_ANY(method), "locf", 4) == 0)
		return false;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("method of a time-weighted average must be \"linear\" or \"locf\", but is \"%.*s\"",
				pg_mbcliplen(VARDATA_ANY(method), length, NAMEDATALEN), VARDATA_ANY(method))));
}

PG_FUNCTION_INFO_V1(telemetry_weighted_add);
Datum
telemetry_weighted_add(PG_FUNCTION_ARGS)
{
	Weighted *state = PG_ARGISNULL(0) ? NULL : (Weighted *) PG_GETARG_POINTER(0);
	MemoryContext context;
	bool linear = is_linear(fcinfo);
	int64 from = PG_NARGS() <= 4 || PG_ARGISNULL(4) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(4);
	int64 to = PG_NARGS() <= 4 || PG_ARGISNULL(5) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(5);

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (state == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		state = palloc(sizeof(Weighted));
		*state = (Weighted){.linear = linear, .from = from, .to = to};
		tl_readings_begin(&state->readings);
		MemoryContextSwitchTo(old);
	}
	else if (state->linear != linear || state->from != from || state->to != to)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("method and ends of a time-weighted average must be the same in all rows")));
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2) && !TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1)))
		tl_readings_add(&state->readings, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_FLOAT8(2));
	PG_RETURN_POINTER(state);
}

static void
add(Mean *mean, double value, double weight)
{
	double part = value * weight;
	double sum = mean->sum + part;

	if (isfinite(sum))
		mean->lost +=
			fabs(mean->sum) >= fabs(part) ? (mean->sum - sum) + part : (part - sum) + mean->sum;
	mean->sum = sum;
	if (value < mean->least)
		mean->least = value;
	if (value > mean->greatest)
		mean->greatest = value;
}

/* No mean lies outside of its values, whatever was rounded. */
static double
mean_of(const Mean *mean)
{
	double sum = isfinite(mean->sum) ? mean->sum + mean->lost : mean->sum;

	if (isnan(sum))
		return sum;
	return Min(Max(sum, mean->least), mean->greatest);
}

/* The value of the last reading that is not after ts. */
static double
value_at(const TlReadings *readings, int64 ts)
{
	int64 i = readings->n - 1;

	while (i > 0 && readings->items[i].ts > ts)
		i--;
	return readings->items[i].value;
}

static double
mean_between(const Weighted *state, int64 start, int64 end)
{
	const TlReadings *readings = &state->readings;
	double total = tl_time_between(start, end);
	Mean mean = {.least = INFINITY, .greatest = -INFINITY};

	for (int64 i = 0; i < readings->n; i++)
	{
		const TlReading *reading = &readings->items[i];
		const TlReading *next = i + 1 < readings->n ? reading + 1 : NULL;
		int64 a = Max(reading->ts, start);
		int64 b = next == NULL ? end : Min(next->ts, end);

		if (a >= b)
			continue;
		if (state->linear)
		{
			double at_a = tl_reading_between(reading, next, a);
			double at_b = tl_reading_between(reading, next, b);
			double weight = tl_time_between(a, b) / total / 2;

			add(&mean, at_a, weight);
			add(&mean, at_b, weight);
		}
		else
			add(&mean, reading->value, tl_time_between(a, b) / total);
	}
	return mean_of(&mean);
}

PG_FUNCTION_INFO_V1(telemetry_weighted_final);
Datum
telemetry_weighted_final(PG_FUNCTION_ARGS)
{
	Weighted *state = PG_ARGISNULL(0) ? NULL : (Weighted *) PG_GETARG_POINTER(0);
	TlReadings *readings;
	int64 start;
	int64 end;

	if (state == NULL || state->readings.n == 0)
		PG_RETURN_NULL();
	readings = &state->readings;
	tl_readings_sort(readings);
	start = Max(readings->items[0].ts, state->from);
	end = readings->items[readings->n - 1].ts;
	if (state->linear)
		end = Min(end, state->to);
	else
		end = state->to == DT_NOEND ? Max(end, start) : state->to;
	if (start > end || start >= state->to)
		PG_RETURN_NULL();
	if (start == end)
		PG_RETURN_FLOAT8(value_at(readings, start));
	PG_RETURN_FLOAT8(mean_between(state, start, end));
}
