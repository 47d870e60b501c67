/*
 * time_parse.c
 *		"2025-12-18T10:00:00.25+02:00" to microseconds since 2000-01-01 UTC.
 *
 * Must agree with PostgreSQL's own timestamptz input to the microsecond, since the same
 * point may come through either and the time is part of its key.  What the two might read
 * differently (leap seconds, very long fractions, odd offsets) is not accepted here.
 */
#include "base/time_parse.h"

#include <math.h>

/* More digits than this do not fit a double exactly. */
#define FRACTION_DIGITS_MAX 15

/* PostgreSQL refuses offsets of 16 hours and more. */
#define OFFSET_HOURS_MAX 15

#define DAYS_1970_TO_2000 10957

static bool
read_digits(const char *p, int count, int *value)
{
	int v = 0;

	for (int i = 0; i < count; i++)
	{
		unsigned int digit = (unsigned int) ((unsigned char) p[i] - '0');

		if (digit > 9)
			return false;
		v = v * 10 + (int) digit;
	}
	*value = v;
	return true;
}

static int
days_in_month(int year, int month)
{
	static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years 1 to 9999. */
static int64_t
days_from_civil(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = y / 400;
	int year_of_era = y - era * 400;
	int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return (int64_t) era * 146097 + day_of_era - 719468;
}

bool
tl_time_parse(const char *text, size_t len, int64_t *timestamp)
{
	const char *p = text;
	const char *end = text + len;
	int year, month, day, hour, minute, second;
	int64_t micros = 0;
	int64_t offset_seconds = 0;
	int64_t seconds;

	if (len < sizeof("2000-01-01T00:00:00Z") - 1)
		return false;
	if (!read_digits(p, 4, &year) || p[4] != '-' || !read_digits(p + 5, 2, &month) || p[7] != '-' ||
		!read_digits(p + 8, 2, &day) || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') ||
		!read_digits(p + 11, 2, &hour) || p[13] != ':' || !read_digits(p + 14, 2, &minute) ||
		p[16] != ':' || !read_digits(p + 17, 2, &second))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	p += 19;

	if (*p == '.')
	{
		int64_t digits = 0;
		double scale = 1;
		int count = 0;

		for (p++; p < end && *p >= '0' && *p <= '9'; p++)
		{
			if (++count > FRACTION_DIGITS_MAX)
				return false;
			digits = digits * 10 + (*p - '0');
			scale *= 10;
		}
		if (count == 0)
			return false;
		/* The very roundings of PostgreSQL: first to a double, then to a microsecond. */
		micros = (int64_t) rint((double) digits / scale * 1000000.0);
	}

	if (p >= end)
		return false;
	if (*p == 'Z' || *p == 'z')
		p++;
	else if (*p == '+' || *p == '-')
	{
		int sign = *p == '-' ? -1 : 1;
		int hours, minutes;

		if (end - p < 6 || !read_digits(p + 1, 2, &hours) || p[3] != ':' ||
			!read_digits(p + 4, 2, &minutes))
			return false;
		if (hours > OFFSET_HOURS_MAX || minutes > 59)
			return false;
		offset_seconds = sign * (hours * 3600 + minutes * 60);
		p += 6;
	}
	else
		return false;
	if (p != end)
		return false;

	seconds = (days_from_civil(year, month, day) - DAYS_1970_TO_2000) * 86400 + hour * 3600 +
			  minute * 60 + second - offset_seconds;
	*timestamp = seconds * 1000000 + micros;
	return true;
}
