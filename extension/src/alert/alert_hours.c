/*
 * alert_hours.c
 *		The hours of a week in which a rule's condition holds.  See alert_hours.h.
 *
 *	hours	days " " time "-" time		mon-fri 08:00-18:00
 *	days	day or day "-" day, any number of them, separated by commas
 *	time	hh:mm, up to 24:00
 *
 * A stretch that ends at or before its start ends on the next day.
 */
#include "alert/alert_hours.h"

#include "fmgr.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define MINUTES_PER_DAY (24 * 60)

static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* A text that is being read. */
typedef struct Text
{
	const char *at;
	bool failed; /* at is where */
} Text;

static bool
take(Text *text, char c)
{
	if (text->failed || *text->at != c)
		return false;
	text->at++;
	return true;
}

static void
expect(Text *text, char c)
{
	if (!take(text, c))
		text->failed = true;
}

static int
read_day(Text *text)
{
	for (int day = 0; !text->failed && day < (int) lengthof(day_names); day++)
		if (pg_strncasecmp(text->at, day_names[day], 3) == 0)
		{
			text->at += 3;
			return day;
		}
	text->failed = true;
	return 0;
}

/* Two digits, of a number up to a limit. */
static int
read_number(Text *text, int limit)
{
	int number = 0;

	for (int i = 0; i < 2 && !text->failed; i++)
	{
		if (text->at[i] < '0' || text->at[i] > '9')
			text->failed = true;
		else
			number = number * 10 + (text->at[i] - '0');
	}
	if (number > limit)
		text->failed = true;
	if (!text->failed)
		text->at += 2;
	return number;
}

static int
read_time(Text *text)
{
	int minutes = read_number(text, 24) * 60;

	expect(text, ':');
	minutes += read_number(text, minutes == MINUTES_PER_DAY ? 0 : 59);
	return minutes;
}

static void
add_stretch(TlAlertHours *hours, int start, int length)
{
	for (int i = 0; i < length; i++)
	{
		int minute = (start + i) % TL_MINUTES_PER_WEEK;

		hours->minutes[minute / 8] |= (uint8) (1 << minute % 8);
	}
}

bool
tl_alert_hours_begin(TlAlertHours *hours, const char *zone)
{
	memset(hours->minutes, 0, sizeof(hours->minutes));
	hours->zone = pg_tzset(zone);
	return hours->zone != NULL && pg_tz_acceptable(hours->zone);
}

const char *
tl_alert_hours_add(TlAlertHours *hours, const char *string)
{
	Text text = {string, false};
	bool days[lengthof(day_names)] = {false};
	int start;
	int end;

	do
	{
		int first = read_day(&text);
		int last = take(&text, '-') ? read_day(&text) : first;

		for (int day = first;; day = (day + 1) % (int) lengthof(day_names))
		{
			days[day] = true;
			if (day == last)
				break;
		}
	} while (take(&text, ','));
	expect(&text, ' ');
	start = read_time(&text);
	expect(&text, '-');
	end = read_time(&text);
	if (text.failed || *text.at != '\0')
		return text.at;
	for (int day = 0; day < (int) lengthof(day_names); day++)
		if (days[day])
			add_stretch(hours, day * MINUTES_PER_DAY + start,
						end > start ? end - start : end + MINUTES_PER_DAY - start);
	return NULL;
}

bool
tl_alert_hours_have(const TlAlertHours *hours, int64 ts)
{
	struct pg_tm tm;
	fsec_t fsec;
	int offset;
	int day;
	int minute;

	if (timestamp2tm(ts, &offset, &tm, &fsec, NULL, hours->zone) != 0)
		return false;
	/* j2day counts from Sunday. */
	day = (j2day(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday)) + 6) % 7;
	minute = day * MINUTES_PER_DAY + tm.tm_hour * 60 + tm.tm_min;
	return (hours->minutes[minute / 8] & 1 << minute % 8) != 0;
}

/* Of the columns of a rule; raises invalid_parameter_value. */
static void
read_hours(TlAlertHours *hours, Datum array, const char *zone, int *n)
{
	Datum *texts;

	if (!tl_alert_hours_begin(hours, zone))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no time zone \"%s\"", zone),
						errhint("View pg_timezone_names lists them.")));
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, n);
	for (int i = 0; i < *n; i++)
	{
		char *hours_text = TextDatumGetCString(texts[i]);
		const char *wrong = tl_alert_hours_add(hours, hours_text);

		if (wrong != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("active_hours \"%s\" cannot be read from \"%s\" on", hours_text, wrong),
					 errhint("Write days and times such as mon-fri 08:00-18:00 or sat,sun "
							 "00:00-24:00.")));
	}
}

PG_FUNCTION_INFO_V1(telemetry_check_active_hours);

Datum
telemetry_check_active_hours(PG_FUNCTION_ARGS)
{
	TlAlertHours hours;
	int n;

	read_hours(&hours, PG_GETARG_DATUM(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), &n);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(telemetry_in_active_hours);

Datum
telemetry_in_active_hours(PG_FUNCTION_ARGS)
{
	TlAlertHours hours;
	int n;

	read_hours(&hours, PG_GETARG_DATUM(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), &n);
	PG_RETURN_BOOL(n == 0 || tl_alert_hours_have(&hours, PG_GETARG_TIMESTAMPTZ(2)));
}
