/*
 * width.h
 *		The width of time buckets, and where they begin on a clock that is never changed.
 *
 * Widths of days and less are a number of microseconds and count from 2000-01-03 00:00, a Monday,
 * so that seven days are the weeks of ISO 8601.  Widths of months count from 2000-01-01.
 */
#ifndef TL_TIME_WIDTH_H
#define TL_TIME_WIDTH_H

#include "base/compat.h"

#include "datatype/timestamp.h"

typedef struct TlWidth
{
	int64 micros; /* 0: of months */
	int32 months;
} TlWidth;

/* What is returned where a result would be before, or after, all times. */
#define TL_BEFORE_ALL_TIMES PG_INT64_MIN
#define TL_AFTER_ALL_TIMES PG_INT64_MAX

/* Where days, and so buckets of fixed width, count from: a Monday, two days after 2000-01-01. */
#define TL_BUCKET_ORIGIN_DAY 2

extern void tl_width_check(TlWidth *width, const Interval *interval);

/* Raises unless it is positive, and either of months or of days and times. */
static inline void
tl_width_from_interval(TlWidth *width, const Interval *interval)
{
	/* The common ones, as fast as they can be had. */
	if (likely(interval->month == 0 && interval->day >= 0 && interval->day < 10000 &&
			   interval->time >= 0 && interval->time < USECS_PER_DAY &&
			   interval->day + interval->time > 0))
		*width = (TlWidth){.micros = interval->day * USECS_PER_DAY + interval->time};
	else
		tl_width_check(width, interval);
}

extern int64 tl_width_floor_months(const TlWidth *width, int64 local);

/* The first day of the months that a day lies in, as days since 2000-01-01. */
extern int64 tl_width_floor_months_of_day(const TlWidth *width, int64 day);

/* The next one after a beginning. */
extern int64 tl_width_next(const TlWidth *width, int64 beginning);

/* The last multiple that is not after a time of the clock; TL_BEFORE_ALL_TIMES if there is none. */
static inline int64
tl_width_floor(const TlWidth *width, int64 local)
{
	const int64 origin = TL_BUCKET_ORIGIN_DAY * USECS_PER_DAY;
	int64 rest;

	if (unlikely(width->micros == 0))
		return tl_width_floor_months(width, local);
	rest = (local - origin) % width->micros;
	if (rest < 0)
		rest += width->micros;
	/* Nothing overflows before: times are at least half of int64's range from its lower end. */
	if (unlikely(local < PG_INT64_MIN + rest))
		return TL_BEFORE_ALL_TIMES;
	return local - rest;
}

#endif
