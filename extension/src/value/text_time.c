/*
 * text_time.c
 *		Reads times as files have them.  See text_time.h.
 */
#include "value/text_time.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "value/time_reader.h"

#define FIRST_SECOND INT64CONST(-62135596800) /* 0001-01-01, in seconds since 1970 */
#define LAST_SECOND INT64CONST(253402300799)  /* 9999-12-31 23:59:59 */
#define EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* So many digits always fit a uint64. */
#define EPOCH_DIGITS 19

#define DATE_DIGITS 8		/* YYYYMMDD */
#define DATE_TIME_DIGITS 14 /* YYYYMMDDhhmmss */

/* A time taken apart; seconds since midnight, as a day may have 24:00. */
typedef struct Parts
{
	struct pg_tm tm; /* the date, and the time of day for the zone to be found */
	int64 fraction;	 /* in microseconds */
	bool has_zone;
	int64 zone; /* seconds east of UTC */
	const char *problem;
} Parts;

static bool
fail(Parts *parts, const char *problem)
{
	parts->problem = problem;
	return false;
}

static bool
is_no_time(Parts *parts)
{
	return fail(parts, "is not a date and time");
}

/* From min to max digits. */
static bool
take_digits(TlTimeReader *r, int min, int max, int *number)
{
	int n = 0;

	*number = 0;
	for (; n < max && tl_at_digit(r); n++)
		*number = *number * 10 + (*r->p++ - '0');
	return n >= min;
}

static int
count_digits(const TlTimeReader *r)
{
	const char *p = r->p;

	while (p < r->end && *p >= '0' && *p <= '9')
		p++;
	return (int) Min(p - r->p, PG_INT16_MAX);
}

static bool
check_date(Parts *parts)
{
	const struct pg_tm *tm = &parts->tm;
	int days;

	if (tm->tm_year < 1)
		return fail(parts, "has year 0");
	if (tm->tm_mon < 1 || tm->tm_mon > MONTHS_PER_YEAR)
		return fail(parts, psprintf("has month %d", tm->tm_mon));
	days = day_tab[isleap(tm->tm_year)][tm->tm_mon - 1];
	if (tm->tm_mday < 1 || tm->tm_mday > days)
		return fail(parts, psprintf("has day %d in a month of %d", tm->tm_mday, days));
	return true;
}

/* What comes after the first number of a date with separators; which number is which, by the order. */
static bool
take_rest_of_date(TlTimeReader *r, TlDateOrder order, int first, Parts *parts)
{
	struct pg_tm *tm = &parts->tm;
	bool year_first = order == TL_DATE_YMD;
	char separator = r->p < r->end ? *r->p : '\0';
	int second;
	int third;

	if (!tl_take_any(r, "-/.") || !take_digits(r, 1, 2, &second) || !tl_take(r, separator) ||
		!take_digits(r, year_first ? 1 : 4, year_first ? 2 : 4, &third))
		return is_no_time(parts);
	tm->tm_year = year_first ? first : third;
	tm->tm_mon = order == TL_DATE_MDY ? first : second;
	tm->tm_mday = year_first ? third : order == TL_DATE_MDY ? second : first;
	return true;
}

static bool
take_date(TlTimeReader *r, TlDateOrder order, Parts *parts, bool *compact)
{
	struct pg_tm *tm = &parts->tm;
	int digits = count_digits(r);
	int first;

	*compact = digits == DATE_DIGITS || digits == DATE_TIME_DIGITS;
	if (*compact)
	{
		(void) take_digits(r, 4, 4, &tm->tm_year);
		(void) take_digits(r, 2, 2, &tm->tm_mon);
		(void) take_digits(r, 2, 2, &tm->tm_mday);
	}
	else if (digits == 4)
	{
		(void) take_digits(r, 4, 4, &first);
		if (!take_rest_of_date(r, TL_DATE_YMD, first, parts))
			return false;
	}
	else
	{
		TlTimeReader ahead = *r;

		if (!take_digits(r, 1, 2, &first) ||
			!take_rest_of_date(r, order == TL_DATE_YMD ? TL_DATE_DMY : order, first, parts))
			return is_no_time(parts);
		if (order == TL_DATE_YMD)
		{
			*r = ahead;
			return fail(parts, "has a date that does not begin with the year, "
							   "and telemetry.text_date_order is ymd");
		}
	}
	return check_date(parts);
}

static bool
take_half(TlTimeReader *r, bool *afternoon)
{
	if (r->end - r->p < 2 || pg_tolower((unsigned char) r->p[1]) != 'm')
		return false;
	*afternoon = pg_tolower((unsigned char) r->p[0]) == 'p';
	if (!*afternoon && pg_tolower((unsigned char) r->p[0]) != 'a')
		return false;
	r->p += 2;
	return true;
}

static void
skip_spaces(TlTimeReader *r)
{
	while (tl_take(r, ' '))
		continue;
}

static bool
check_time(Parts *parts, bool halves)
{
	const struct pg_tm *tm = &parts->tm;
	bool end_of_day =
		tm->tm_hour == HOURS_PER_DAY && tm->tm_min == 0 && tm->tm_sec == 0 && parts->fraction == 0;

	if (halves ? tm->tm_hour < 1 || tm->tm_hour > 12 : tm->tm_hour >= HOURS_PER_DAY && !end_of_day)
		return fail(parts, psprintf("has hour %d", tm->tm_hour));
	if (tm->tm_min >= MINS_PER_HOUR)
		return fail(parts, psprintf("has minute %d", tm->tm_min));
	/* A second 60 is the next minute's first. */
	if (tm->tm_sec > SECS_PER_MINUTE)
		return fail(parts, psprintf("has second %d", tm->tm_sec));
	return true;
}

static bool
take_time(TlTimeReader *r, bool compact, Parts *parts)
{
	struct pg_tm *tm = &parts->tm;
	bool afternoon = false;
	bool halves;
	bool seconds;

	if (compact && tl_at_digit(r) && count_digits(r) % 2 == 0)
	{
		if (!take_digits(r, 2, 2, &tm->tm_hour) || !take_digits(r, 2, 2, &tm->tm_min))
			return is_no_time(parts);
		seconds = tl_at_digit(r);
	}
	else
	{
		if (!take_digits(r, 1, 2, &tm->tm_hour) || !tl_take(r, ':') ||
			!take_digits(r, 2, 2, &tm->tm_min))
			return is_no_time(parts);
		seconds = tl_take(r, ':');
	}
	if (seconds && (!take_digits(r, 2, 2, &tm->tm_sec) ||
					(tl_take_any(r, ".,") && !tl_take_fraction(r, &parts->fraction))))
		return is_no_time(parts);
	skip_spaces(r);
	halves = take_half(r, &afternoon);
	if (!check_time(parts, halves))
		return false;
	if (halves)
		tm->tm_hour = tm->tm_hour % 12 + (afternoon ? 12 : 0);
	return true;
}

static bool
take_offset(TlTimeReader *r, Parts *parts)
{
	bool west = r->p < r->end && *r->p == '-';
	int hours;
	int minutes = 0;

	if (!tl_take_any(r, "+-") || !take_digits(r, 2, 2, &hours))
		return false;
	if ((tl_take(r, ':') || tl_at_digit(r)) && !take_digits(r, 2, 2, &minutes))
		return false;
	if (hours > TL_ZONE_HOURS_MAX || minutes >= MINS_PER_HOUR)
		return false;
	parts->zone = (int64) hours * SECS_PER_HOUR + (int64) minutes * SECS_PER_MINUTE;
	if (west)
		parts->zone = -parts->zone;
	return true;
}

static bool
take_zone(TlTimeReader *r, Parts *parts)
{
	skip_spaces(r);
	parts->has_zone = r->p < r->end;
	if (!parts->has_zone || tl_take_any(r, "Zz") || take_offset(r, parts))
		return true;
	if (r->end - r->p == 3 &&
		(pg_strncasecmp(r->p, "UTC", 3) == 0 || pg_strncasecmp(r->p, "GMT", 3) == 0))
	{
		r->p = r->end;
		return true;
	}
	return is_no_time(parts);
}

/* The zone's offset at that local time; where clocks are changed, as timestamptz has it. */
static int64
offset_of_zone(Parts *parts, pg_tz *zone)
{
	return -(int64) DetermineTimeZoneOffset(&parts->tm, zone);
}

static bool
read_date_and_time(TlSlice text, const TlTextTime *how, int64 *ts, const char **problem)
{
	TlTimeReader r = {text.data, text.data + text.len};
	Parts parts = {.problem = NULL};
	const struct pg_tm *tm = &parts.tm;
	bool compact;
	int64 seconds;
	bool good = take_date(&r, how->order, &parts, &compact);

	if (good && r.p < r.end)
	{
		good = tl_take_any(&r, "Tt ") || (compact && tl_at_digit(&r)) || is_no_time(&parts);
		skip_spaces(&r);
		good = good && take_time(&r, compact, &parts) && take_zone(&r, &parts) &&
			   (r.p == r.end || is_no_time(&parts));
	}
	*problem = parts.problem;
	if (!good)
		return false;
	seconds = (int64) (date2j(tm->tm_year, tm->tm_mon, tm->tm_mday) - POSTGRES_EPOCH_JDATE) *
				  SECS_PER_DAY +
			  (int64) tm->tm_hour * SECS_PER_HOUR + tm->tm_min * SECS_PER_MINUTE + tm->tm_sec;
	seconds -= parts.has_zone ? parts.zone : offset_of_zone(&parts, how->zone);
	*ts = seconds * USECS_PER_SEC + parts.fraction;
	return true;
}

/* A number since 1970: its whole part, and the first digits behind the point. */
typedef struct Number
{
	bool negative;
	int digits;
	bool has_fraction;
	uint64 whole;
	char fraction[7]; /* as digits, filled up with zeros */
} Number;

/* Whether the text is nothing but a number. */
static bool
take_number(TlSlice text, Number *n)
{
	TlTimeReader r = {text.data, text.data + text.len};

	memset(n, 0, sizeof(Number));
	memset(n->fraction, '0', sizeof(n->fraction));
	n->negative = tl_take(&r, '-');
	if (!n->negative)
		(void) tl_take(&r, '+');
	n->digits = count_digits(&r);
	for (int i = 0; i < n->digits; i++)
		n->whole = n->whole * 10 + (uint64) (*r.p++ - '0');
	if (n->digits > 0 && tl_take_any(&r, ".,"))
	{
		int places = count_digits(&r);

		n->has_fraction = places > 0;
		memcpy(n->fraction, r.p, Min((size_t) places, sizeof(n->fraction)));
		r.p += places;
		if (places == 0)
			return false;
	}
	return n->digits > 0 && r.p == r.end;
}

static TlEpochUnit
unit_by_size(uint64 whole)
{
	if (whole <= UINT64CONST(20000000000))
		return TL_EPOCH_SECONDS;
	if (whole <= UINT64CONST(20000000000000))
		return TL_EPOCH_MILLISECONDS;
	if (whole <= UINT64CONST(20000000000000000))
		return TL_EPOCH_MICROSECONDS;
	return TL_EPOCH_NANOSECONDS;
}

/* In microseconds, half of one away from zero; false if that is beyond the years we take. */
static bool
number_to_micros(const Number *n, TlEpochUnit unit, int64 *micros)
{
	static const int places[] = {
		[TL_EPOCH_SECONDS] = 6, [TL_EPOCH_MILLISECONDS] = 3, [TL_EPOCH_MICROSECONDS] = 0};
	uint64 result = n->whole;

	if (n->digits > EPOCH_DIGITS)
		return false;
	if (unit == TL_EPOCH_NANOSECONDS)
		result = n->whole / 1000 + (n->whole % 1000 >= 500);
	else
	{
		for (int i = 0; i < places[unit]; i++)
		{
			if (result > (uint64) PG_INT64_MAX / 10)
				return false;
			result = result * 10 + (uint64) (n->fraction[i] - '0');
		}
		result += n->fraction[places[unit]] >= '5';
	}
	if (result > (uint64) PG_INT64_MAX)
		return false;
	*micros = n->negative ? -(int64) result : (int64) result;
	return *micros >= FIRST_SECOND * USECS_PER_SEC && *micros < (LAST_SECOND + 1) * USECS_PER_SEC;
}

bool
tl_text_time(TlSlice text, const TlTextTime *how, int64 *ts, const char **problem)
{
	Number n;
	int64 micros;

	if (!take_number(text, &n) ||
		(how->epoch == TL_EPOCH_AUTO && !n.has_fraction &&
		 (text.len == DATE_DIGITS || text.len == DATE_TIME_DIGITS) && text.len == n.digits))
		return read_date_and_time(text, how, ts, problem);
	if (!number_to_micros(&n, how->epoch == TL_EPOCH_AUTO ? unit_by_size(n.whole) : how->epoch,
						  &micros))
	{
		*problem = "is out of range";
		return false;
	}
	*ts = micros - EPOCH_SECONDS * USECS_PER_SEC;
	return true;
}
