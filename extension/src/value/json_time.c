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

#define YEAR_MAX 9999
#define FIRST_SECOND INT64CONST(-62135596800) /* 0001-01-01, in seconds since 1970 */
#define LAST_SECOND INT64CONST(253402300799)  /* 9999-12-31 23:59:59 */
#define EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* Larger numbers are milliseconds. */
#define SECONDS_MAX 2e10

/* As timestamptz has it. */
#define ZONE_HOURS_MAX 15

/* More digits of a fraction cannot change a microsecond. */
#define FRACTION_DIGITS 30

typedef struct Reader
{
	const char *p;
	const char *end;
} Reader;

static bool
take(Reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool
take_any(Reader *r, const char *set)
{
	if (r->p == r->end || *r->p == '\0' || strchr(set, *r->p) == NULL)
		return false;
	r->p++;
	return true;
}

static bool
at_digit(const Reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool
take_number(Reader *r, int digits, int max, int *number)
{
	*number = 0;
	for (int i = 0; i < digits; i++)
	{
		if (!at_digit(r))
			return false;
		*number = *number * 10 + (*r->p++ - '0');
	}
	return *number <= max;
}

static bool
take_date(Reader *r, int64 *days)
{
	int year;
	int month;
	int day;

	if (!take_number(r, 4, YEAR_MAX, &year) || !take(r, '-') ||
		!take_number(r, 2, MONTHS_PER_YEAR, &month) || !take(r, '-') ||
		!take_number(r, 2, 31, &day))
		return false;
	if (year < 1 || month < 1 || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	*days = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* The roundings of timestamptz: first to a double, then to a microsecond. */
static bool
take_fraction(Reader *r, int64 *micros)
{
	char text[FRACTION_DIGITS + 2] = ".";
	int n = 1;

	if (!at_digit(r))
		return false;
	for (; at_digit(r); r->p++)
		if (n <= FRACTION_DIGITS)
			text[n++] = *r->p;
	*micros = (int64) rint(strtod(text, NULL) * (double) USECS_PER_SEC);
	return true;
}

/* A second 60 is the next minute's first. */
static bool
take_time(Reader *r, int64 *micros)
{
	int hour;
	int minute;
	int second = 0;
	int64 fraction = 0;

	if (!take_number(r, 2, HOURS_PER_DAY - 1, &hour) || !take(r, ':') ||
		!take_number(r, 2, MINS_PER_HOUR - 1, &minute))
		return false;
	if (take(r, ':') && (!take_number(r, 2, SECS_PER_MINUTE, &second) ||
						 (take(r, '.') && !take_fraction(r, &fraction))))
		return false;
	*micros = hour * USECS_PER_HOUR + minute * USECS_PER_MINUTE + second * USECS_PER_SEC + fraction;
	return true;
}

static bool
take_zone(Reader *r, int64 *micros)
{
	bool west = r->p < r->end && *r->p == '-';
	int hours;
	int minutes = 0;

	*micros = 0;
	if (r->p == r->end || take_any(r, "Zz"))
		return true;
	if (!take_any(r, "+-") || !take_number(r, 2, ZONE_HOURS_MAX, &hours))
		return false;
	if ((take(r, ':') || r->p < r->end) && !take_number(r, 2, MINS_PER_HOUR - 1, &minutes))
		return false;
	*micros = hours * USECS_PER_HOUR + minutes * USECS_PER_MINUTE;
	if (west)
		*micros = -*micros;
	return true;
}

bool
tl_json_time_text(const char *text, Size len, int64 *ts)
{
	Reader r = {text, text + len};
	int64 days;
	int64 time;
	int64 zone;

	if (!take_date(&r, &days) || !take_any(&r, "Tt ") || !take_time(&r, &time) ||
		!take_zone(&r, &zone) || r.p != r.end)
		return false;
	*ts = days * USECS_PER_DAY + time - zone;
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
