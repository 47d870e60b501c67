/*
 * test_proxy_time.c
 *		RFC 3339 text to timestamps: a table, and random times against a slow reference.
 */
#include "random.h"
#include "tap.h"
#include "base/time_parse.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

/* In memory of its own, so that reading past its end is seen. */
static bool
parse(const char *text, size_t len, int64_t *timestamp)
{
	char *copy = malloc(len);
	bool good;

	memcpy(copy, text, len);
	good = tl_time_parse(copy, len, timestamp);
	free(copy);
	return good;
}

static void
known_times_are_read(void)
{
	static const struct
	{
		const char *text;
		int64_t timestamp;
	} table[] = {
		{"2000-01-01T00:00:00Z", 0},
		{"2000-01-01t00:00:00z", 0},
		{"2000-01-01 00:00:00Z", 0},
		{"2000-01-01T00:00:00.000001Z", 1},
		{"2000-01-01T00:00:00.0000005Z", 0},
		{"2000-01-01T00:00:00.0000015Z", 2},
		{"2000-01-01T00:00:00.9999999Z", SECOND},
		{"2000-01-01T00:00:00.5Z", SECOND / 2},
		{"2000-01-01T00:00:00.123456789012345Z", 123457},
		{"1999-12-31T23:59:59.999999Z", -1},
		{"1999-12-31T23:59:59Z", -SECOND},
		{"2000-01-01T02:00:00+02:00", 0},
		{"1999-12-31T18:30:00-05:30", 0},
		{"2000-01-01T15:59:00+15:59", 0},
		{"2000-01-01T00:00:00-00:00", 0},
		{"1970-01-01T00:00:00Z", -10957 * DAY},
		{"2000-02-29T00:00:00Z", 59 * DAY},
		{"2000-03-01T00:00:00Z", 60 * DAY},
		{"2024-02-29T00:00:00Z", 8825 * DAY},
		{"2025-12-18T10:00:00.25+02:00", 819360000 * SECOND + SECOND / 4},
		{"0001-01-01T00:00:00Z", -730119 * DAY},
		{"9999-12-31T23:59:59Z", 2921940 * DAY - SECOND},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		int64_t got;

		if (!TAP_CHECK(parse(table[i].text, strlen(table[i].text), &got)))
			printf("# %s\n", table[i].text);
		else if (!TAP_CHECK(got == table[i].timestamp))
			printf("# %s: %lld\n", table[i].text, (long long) got);
	}
}

static void
what_is_not_plainly_a_time_is_left_alone(void)
{
	static const char *const table[] = {
		"",
		"2000",
		"2000-01-01",
		"2000-01-01T00:00:00",
		"2000-01-01T00:00Z",
		"2000-01-01T00:00:00.Z",
		"2000-01-01T00:00:00,5Z",
		"2000-01-01T00:00:00.1234567890123456Z",
		"2000-01-01T00:00:00.5",
		"2000-01-01T00:00:00ZZ",
		"2000-01-01T00:00:00Z ",
		" 2000-01-01T00:00:00Z",
		"2000-01-01T00:00:00 Z",
		"2000-01-01T00:00:00+02",
		"2000-01-01T00:00:00+0200",
		"2000-01-01T00:00:00+02:0",
		"2000-01-01T00:00:00+02:000",
		"2000-01-01T00:00:00+02:60",
		"2000-01-01T00:00:00+16:00",
		"2000-01-01T00:00:00+-1:00",
		"2000-01-01T24:00:00Z",
		"2000-01-01T23:60:00Z",
		"2000-01-01T23:59:60Z",
		"2000-00-01T00:00:00Z",
		"2000-13-01T00:00:00Z",
		"2000-01-00T00:00:00Z",
		"2000-01-32T00:00:00Z",
		"2000-04-31T00:00:00Z",
		"2001-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"0000-01-01T00:00:00Z",
		"-001-01-01T00:00:00Z",
		"+2000-01-01T00:00:00Z",
		"12000-01-01T00:00:00Z",
		"2000/01/01T00:00:00Z",
		"2000-01-01X00:00:00Z",
		"2000-1-01T00:00:00Z0",
		"2000-01-01T0a:00:00Z",
		"infinity-and-beyond!",
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		int64_t got;

		if (!TAP_CHECK(!parse(table[i], strlen(table[i]), &got)))
			printf("# %s: %lld\n", table[i], (long long) got);
	}
}

static void
every_truncation_is_left_alone(void)
{
	static const char text[] = "2025-12-18T10:00:00.25+02:00";
	int64_t got;

	for (size_t len = 0; len < sizeof(text) - 1; len++)
		TAP_CHECK(!parse(text, len, &got));
}

/* A calendar that walks from day to day. */
typedef struct Calendar
{
	int year;
	int month;
	int day;
	int64_t days; /* from 2000-01-01 */
} Calendar;

static void
next_day(Calendar *c)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int length = lengths[c->month - 1];

	if (c->month == 2 && c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0))
		length = 29;
	c->days++;
	if (++c->day <= length)
		return;
	c->day = 1;
	if (++c->month <= 12)
		return;
	c->month = 1;
	c->year++;
}

static void
days_of_every_month_from_year_1_to_9999_are_read(void)
{
	Calendar c = {1, 1, 1, -730119};
	Random random = {1};

	for (; c.year < 10000; next_day(&c))
	{
		int hour = (int) random_below(&random, 24);
		int minute = (int) random_below(&random, 60);
		int second = (int) random_below(&random, 60);
		int micros = (int) random_below(&random, 1000000);
		int offset = (int) random_below(&random, 1919) - 959;
		int64_t expected =
			c.days * DAY + (hour * 3600 + minute * 60 + second - offset * 60) * SECOND + micros;
		char text[64];
		int64_t got;
		int n;

		/* Of the middle of a month one will do. */
		if (c.day > 1 && c.day < 28 && c.day != 2 + c.year % 26)
			continue;
		n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06d%c%02d:%02d", c.year,
					 c.month, c.day, hour, minute, second, micros, offset < 0 ? '-' : '+',
					 abs(offset) / 60, abs(offset) % 60);
		if (!TAP_CHECK(parse(text, (size_t) n, &got) && got == expected))
			printf("# %s\n", text);
	}
	TAP_CHECK(c.days == 2921940);
}

static void
fractions_of_any_length_are_rounded_to_microseconds(void)
{
	Random random = {2};

	for (int round = 0; round < 100000; round++)
	{
		int digits = 1 + (int) random_below(&random, 15);
		char fraction[20];
		char text[64];
		int64_t got;
		long double exact;
		int n;

		for (int i = 0; i < digits; i++)
			fraction[i] = (char) ('0' + random_below(&random, 10));
		fraction[digits] = '\0';
		exact = strtold(fraction, NULL);
		for (int i = 0; i < digits; i++)
			exact /= 10;
		n = snprintf(text, sizeof(text), "2000-01-01T00:00:00.%sZ", fraction);
		/* Whatever the rounding of halves. */
		TAP_CHECK(parse(text, (size_t) n, &got) &&
				  (long double) got - exact * SECOND <= 0.5000001L &&
				  (long double) got - exact * SECOND >= -0.5000001L);
	}
}

int
main(void)
{
	TAP_RUN(known_times_are_read);
	TAP_RUN(what_is_not_plainly_a_time_is_left_alone);
	TAP_RUN(every_truncation_is_left_alone);
	TAP_RUN(days_of_every_month_from_year_1_to_9999_are_read);
	TAP_RUN(fractions_of_any_length_are_rounded_to_microseconds);
	return tap_end();
}
