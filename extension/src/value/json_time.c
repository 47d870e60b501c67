/*
 * json_time.c
 *		Reads the time of a JSON point.  See json_time.h.
 *
 * The input function of timestamptz is of no use here: it raises, and it takes words such as
 * "now" and orders of day and month that depend on settings.  What both take means the same to
 * both, to the microsecond, for the time is part of a point's key.
 */
#include "value/json_time.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "value/time_reader.h"

#define YEAR_MAX 9999
#define FIRST_SECOND INT64CONST(-62135596800) /* 0001-01-01, in seconds since 1970 */
#define LAST_SECOND INT64CONST(253402300799)  /* 9999-12-31 23:59:59 */
#define EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* Larger numbers are milliseconds. */
#define SECONDS_MAX 2e10

static bool
take_number(TlTimeReader *r, int digits, int max, int *number)
{
	*number = 0;
	for (int i = 0; i < digits; i++)
	{
		if (!tl_at_digit(r))
			return false;
		*number = *number * 10 + (*r->p++ - '0');
	}
	return *number <= max;
}

static bool
take_date(TlTimeReader *r, int64 *days)
{
	int year;
	int month;
	int day;

	if (!take_number(r, 4, YEAR_MAX, &year) || !tl_take(r, '-') ||
		!take_number(r, 2, MONTHS_PER_YEAR, &month) || !tl_take(r, '-') ||
		!take_number(r, 2, 31, &day))
		return false;
	if (year < 1 || month < 1 || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	*days = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* A second 60 is the next minute's first. */
static bool
take_time(TlTimeReader *r, int64 *micros)
{
	int hour;
	int minute;
	int second = 0;
	int64 fraction = 0;

	if (!take_number(r, 2, HOURS_PER_DAY - 1, &hour) || !tl_take(r, ':') ||
		!take_number(r, 2, MINS_PER_HOUR - 1, &minute))
		return false;
	if (tl_take(r, ':') && (!take_number(r, 2, SECS_PER_MINUTE, &second) ||
							(tl_take(r, '.') && !tl_take_fraction(r, &fraction))))
		return false;
	*micros = hour * USECS_PER_HOUR + minute * USECS_PER_MINUTE + second * USECS_PER_SEC + fraction;
	return true;
}

static bool
take_zone(TlTimeReader *r, int64 *micros)
{
	bool west = r->p < r->end && *r->p == '-';
	int hours;
	int minutes = 0;

	*micros = 0;
	if (r->p == r->end || tl_take_any(r, "Zz"))
		return true;
	if (!tl_take_any(r, "+-") || !take_number(r, 2, TL_ZONE_HOURS_MAX, &hours))
		return false;
	if ((tl_take(r, ':') || r->p < r->end) && !take_number(r, 2, MINS_PER_HOUR - 1, &minutes))
		return false;
	*micros = hours * USECS_PER_HOUR + minutes * USECS_PER_MINUTE;
	if (west)
		*micros = -*micros;
	return true;
}

bool
tl_json_time_text(const char *text, Size len, int64 *ts)
{
	TlTimeReader r = {text, text + len};
	int64 days;
	int64 time;
	int64 zone;

	if (!take_date(&r, &days) || !tl_take_any(&r, "Tt ") || !take_time(&r, &time) ||
		!take_zone(&r, &zone) || r.p != r.end)
		return false;
	*ts = days * USECS_PER_DAY + time - zone;
	return true;
}

bool
tl_json_date_text(const char *text, Size len, int64 *ts)
{
	TlTimeReader r = {text, text + len};
	int64 days;

	if (!take_date(&r, &days) || r.p != r.end)
		return false;
	*ts = days * USECS_PER_DAY;
	return true;
}

bool
tl_json_time_number(Numeric number, int64 *ts)
{
	double rough =
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(number)));
	bool seconds = fabs(rough) <= SECONDS_MAX;
	int64 unit = seconds ? USECS_PER_SEC : 1000;
	double first = (double) FIRST_SECOND * (seconds ? 1 : 1000);
	double last = (double) LAST_SECOND * (seconds ? 1 : 1000);
	Datum micros;

	if (!(rough >= first && rough <= last))
		return false;

	/* Exactly: a double has no microseconds left far from 1970. */
	micros = DirectFunctionCall2(numeric_mul, NumericGetDatum(number),
								 NumericGetDatum(int64_to_numeric(unit)));
	*ts = DatumGetInt64(DirectFunctionCall1(numeric_int8, micros)) - EPOCH_SECONDS * USECS_PER_SEC;
	return true;
}
