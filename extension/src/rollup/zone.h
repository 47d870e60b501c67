/*
 * zone.h
 *		The hours and days that rollups are of.
 *
 * An hour is one of the wall clock in the database's day_timezone (telemetry.layout), and so lies
 * within one local day; where the zone's offset is of whole hours, as mostly, it is also an hour
 * of UTC.  On days on which the clock is changed, a local day has 23 or 25 of them.
 */
#ifndef TL_ZONE_H
#define TL_ZONE_H

#include "base/compat.h"

#include "pgtime.h"

/* No hour is longer than this, and none begins later than the points in it. */
#define TL_USECS_PER_HOUR INT64CONST(3600000000)

typedef struct TlHour
{
	int64 start; /* names the hour */
	int64 from;	 /* from <= ts < to lie in it for certain */
	int64 to;
	int32 day; /* the local day, as a date */
} TlHour;

/* The database's zone as of now; it is good for the rest of the statement. */
extern pg_tz *tl_zone_load(void);

/* Raises if there is no such zone. */
extern pg_tz *tl_zone_named(const char *name);

/* Whether its offsets from UTC have always been of whole hours since 1970. */
extern bool tl_zone_has_whole_hours(pg_tz *zone);

/* Whether its clocks have only been changed by whole hours since 1970. */
extern bool tl_zone_changes_by_hours(pg_tz *zone);

/* Of a zone that contradicts itself, as none is known to: an error instead of an endless search. */
pg_noreturn extern void tl_zone_refuse(pg_tz *zone);

/* The offset from UTC at ts, and until when it is certain to last; both in microseconds. */
extern int64 tl_zone_offset(pg_tz *zone, int64 ts, int64 *until);

extern void tl_zone_hour(pg_tz *zone, int64 ts, TlHour *hour);

/* The same, knowing the hour of a point nearby. */
static inline void
tl_zone_hour_near(pg_tz *zone, int64 ts, TlHour *hour)
{
	if (ts < hour->from || ts >= hour->to)
		tl_zone_hour(zone, ts, hour);
}

#endif
