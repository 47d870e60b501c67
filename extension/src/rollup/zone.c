/*
 * zone.c
 *		Hours and days of a time zone.  See zone.h.
 */
#include "rollup/zone.h"

#include "base/statement.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define SECONDS_PER_HOUR 3600

static TlStatement read_zone = {"SELECT day_timezone FROM telemetry.layout", 0, {InvalidOid}, NULL};

pg_tz *
tl_zone_named(const char *name)
{
	pg_tz *zone;

	/* Nor is a long one given back in a message. */
	if (strlen(name) > TZ_STRLEN_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a time zone must not be longer than %d bytes", TZ_STRLEN_MAX)));
	zone = pg_tzset(name);
	if (zone == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("time zone \"%s\" not recognized", name),
						errhint("View pg_timezone_names lists them.")));
	return zone;
}

pg_tz *
tl_zone_load(void)
{
	char name[TZ_STRLEN_MAX + 1] = "UTC";
	TlStatementScope scope;

	tl_statement_begin(&scope);
	tl_statement_execute(&read_zone, NULL, NULL, true, 1);
	if (SPI_processed == 1)
		strlcpy(name, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), sizeof(name));
	tl_statement_end(&scope);
	return tl_zone_named(name);
}

/* Seconds since 1970, rounded down. */
static pg_time_t
seconds_of(int64 ts)
{
	int64 seconds = ts / USECS_PER_SEC - (ts % USECS_PER_SEC < 0 ? 1 : 0);

	return (pg_time_t) (seconds + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY);
}

void
tl_zone_refuse(pg_tz *zone)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("time zone \"%s\" says different things of the same time",
						   pg_get_timezone_name(zone))));
}

/* The offset from a time on, and the next change of the clock after it; false if there is none. */
static bool
next_change(pg_tz *zone, pg_time_t t, long *offset, pg_time_t *change)
{
	long after;
	int before_dst;
	int after_dst;
	int found = pg_next_dst_boundary(&t, offset, &before_dst, change, &after, &after_dst, zone);

	if (found < 0 || (found > 0 && *change <= t))
		tl_zone_refuse(zone);
	return found > 0;
}

int64
tl_zone_offset(pg_tz *zone, int64 ts, int64 *until)
{
	pg_time_t t = seconds_of(ts);
	pg_time_t change;
	long offset;
	bool found = next_change(zone, t, &offset, &change);

	/*
	 * The rules of a zone are repeated after 400 years, but at the very last change before that
	 * PostgreSQL knows of no further one.  The second after it tells.
	 */
	if (!found)
	{
		long offset_after;

		found = next_change(zone, t + 1, &offset_after, &change);
		if (unlikely(offset_after != offset))
		{
			found = true;
			change = t + 1;
		}
	}
	*until = PG_INT64_MAX;
	if (found)
	{
		change -= (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
		/* Beyond the last of all times there are changes that an int64 has no number for. */
		if (change < PG_INT64_MAX / USECS_PER_SEC)
			*until = change * USECS_PER_SEC;
	}
	return (int64) offset * USECS_PER_SEC;
}

static int64
floor_to(int64 value, int64 unit)
{
	int64 rest = value % unit;

	return value - (rest < 0 ? rest + unit : rest);
}

void
tl_zone_hour(pg_tz *zone, int64 ts, TlHour *hour)
{
	int64 until;
	int64 offset = tl_zone_offset(zone, ts, &until);

	/* Before the first of all times there is none to name an hour or a day by. */
	hour->start = Max(floor_to(ts + offset, TL_USECS_PER_HOUR) - offset, MIN_TIMESTAMP);
	hour->from = ts;
	hour->to = Min(hour->start + TL_USECS_PER_HOUR, until);
	hour->day = (int32) (Max(floor_to(ts + offset, USECS_PER_DAY), MIN_TIMESTAMP) / USECS_PER_DAY);
}

/* Whether the offsets since 1970 have all the same rest by an hour, which is then in *rest. */
static bool
find_rest(pg_tz *zone, long *rest)
{
	pg_time_t t = 0;

	for (int i = 0; i < 1000; i++)
	{
		pg_time_t boundary;
		long before;
		long after;
		int before_dst;
		int after_dst;
		int found =
			pg_next_dst_boundary(&t, &before, &before_dst, &boundary, &after, &after_dst, zone);

		if (found < 0)
			return false;
		if (i == 0)
			*rest = before % SECONDS_PER_HOUR;
		if ((before - *rest) % SECONDS_PER_HOUR != 0)
			return false;
		if (found == 0)
			return true;
		if ((after - *rest) % SECONDS_PER_HOUR != 0)
			return false;
		/* From here on the rules repeat. */
		if (boundary > (pg_time_t) 100 * 365 * SECS_PER_DAY)
			return true;
		t = boundary;
	}
	return true;
}

bool
tl_zone_has_whole_hours(pg_tz *zone)
{
	long rest;

	return find_rest(zone, &rest) && rest == 0;
}

bool
tl_zone_changes_by_hours(pg_tz *zone)
{
	long rest;

	return find_rest(zone, &rest);
}
