/*
 * width.c
 *		The width of time buckets.  See width.h.
 */
#include "time/width.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define MONTHS_OF_2000 (2000 * MONTHS_PER_YEAR)

/* The first of December 4714 BC is the first beginning of a month that a time can have. */
#define FIRST_MONTH (-4713 * MONTHS_PER_YEAR + 11)
/* And the end of all times is that of a year. */
#define END_MONTH (294277 * MONTHS_PER_YEAR)

pg_noreturn static void
refuse(const Interval *interval, const char *rule)
{
	char *text = DatumGetCString(
		DirectFunctionCall1(interval_out, IntervalPGetDatum((Interval *) interval)));

	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("width of time buckets must %s, but is \"%s\"", rule, text)));
}

void
tl_width_check(TlWidth *width, const Interval *interval)
{
	int64 micros;

	if (interval->month != 0)
	{
		/* So infinite intervals, of which all fields are at their ends, are refused, too. */
		if (interval->day != 0 || interval->time != 0)
			refuse(interval, "not have months or years together with days or time");
		if (interval->month < 0)
			refuse(interval, "be greater than 0");
		*width = (TlWidth){.months = interval->month};
		return;
	}
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &micros) ||
		pg_add_s64_overflow(micros, interval->time, &micros))
		refuse(interval, "be within the range of times");
	if (micros <= 0)
		refuse(interval, "be greater than 0");
	*width = (TlWidth){.micros = micros};
}

static int64
day_of_month(int64 month)
{
	/* The month is counted from year 0, and may be before it. */
	int64 year = month / MONTHS_PER_YEAR - (month % MONTHS_PER_YEAR < 0 ? 1 : 0);

	return date2j((int) year, (int) (month - year * MONTHS_PER_YEAR) + 1, 1) - POSTGRES_EPOCH_JDATE;
}

static int64
month_of_day(int64 day)
{
	int year;
	int month;
	int day_in_month;

	j2date((int) (day + POSTGRES_EPOCH_JDATE), &year, &month, &day_in_month);
	return (int64) year * MONTHS_PER_YEAR + month - 1;
}

int64
tl_width_floor_months_of_day(const TlWidth *width, int64 day)
{
	int64 month;
	int64 rest;

	if (day < -POSTGRES_EPOCH_JDATE)
		return TL_BEFORE_ALL_TIMES;
	month = month_of_day(day);
	rest = (month - MONTHS_OF_2000) % width->months;
	month -= rest < 0 ? rest + width->months : rest;
	return month < FIRST_MONTH ? TL_BEFORE_ALL_TIMES : day_of_month(month);
}

static int64
day_of(int64 local)
{
	return local / USECS_PER_DAY - (local % USECS_PER_DAY < 0 ? 1 : 0);
}

int64
tl_width_floor_months(const TlWidth *width, int64 local)
{
	int64 day = tl_width_floor_months_of_day(width, day_of(local));

	return day == TL_BEFORE_ALL_TIMES ? day : day * USECS_PER_DAY;
}

int64
tl_width_next(const TlWidth *width, int64 beginning)
{
	int64 next;

	if (width->micros != 0)
		return pg_add_s64_overflow(beginning, width->micros, &next) ? TL_AFTER_ALL_TIMES : next;
	next = month_of_day(day_of(beginning)) + width->months;
	return next > END_MONTH ? TL_AFTER_ALL_TIMES : day_of_month(next) * USECS_PER_DAY;
}
