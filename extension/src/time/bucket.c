/*
 * bucket.c
 *		Time buckets of a local clock.  See bucket.h.
 *
 * A spell is the time between two changes of the clock, in which local time is ts + offset.  What
 * is asked for is found by walking over the spells that can matter, one or two of them mostly.
 */
#include "time/bucket.h"

#include "rollup/zone.h"
#include "utils/timestamp.h"

/* No clock is further from UTC: POSIX forms of a zone may have 167 hours, and some seconds. */
#define OFFSET_MAX (7 * USECS_PER_DAY)

/*
 * How far before a time the walk begins: nothing that was shown earlier can be shown again, and
 * what is remembered of the spell reaches back a month.
 */
#define LOOK_BACK (2 * OFFSET_MAX + 32 * USECS_PER_DAY)

/* Up to this width the same local time, shown twice, begins two buckets. */
#define SMALL_WIDTH USECS_PER_HOUR

static bool
is_small(const TlBuckets *buckets)
{
	return buckets->width.micros != 0 && buckets->width.micros <= SMALL_WIDTH;
}

void
tl_buckets_begin(TlBuckets *buckets, const TlWidth *width, pg_tz *zone)
{
	*buckets = (TlBuckets){.width = *width, .zone = zone};
}

/* Whether a bucket begins at ts, since a multiple was skipped there or is shown. */
static bool
begins_at_jump(const TlBuckets *buckets, int64 ts, int64 offset_before, int64 offset)
{
	return offset >= offset_before &&
		   tl_width_floor(&buckets->width, ts + offset) >= ts + offset_before;
}

/* Of a small width: the last beginning in each of the spells up to ts. */
static int64
find_small(TlBuckets *buckets, int64 ts)
{
	int64 at = ts - LOOK_BACK;
	int64 bucket = at;
	int64 offset_before = PG_INT64_MAX;

	for (;;)
	{
		int64 end;
		int64 offset = tl_zone_offset(buckets->zone, at, &end);
		int64 last = tl_width_floor(&buckets->width, Min(ts, end - 1) + offset) - offset;

		if (last >= at)
			bucket = last;
		else if (begins_at_jump(buckets, at, offset_before, offset))
			bucket = at;
		if (end > ts)
		{
			buckets->from = at;
			buckets->to = end;
			buckets->offset = offset;
			return bucket;
		}
		at = end;
		offset_before = offset;
	}
}

/* When the clock first shows a local time, or skips it. */
static int64
first_shown(const TlBuckets *buckets, int64 local)
{
	int64 at = local - OFFSET_MAX - USECS_PER_DAY;

	for (;;)
	{
		int64 end;
		int64 offset = tl_zone_offset(buckets->zone, at, &end);

		if (end > local - offset)
			return Max(at, local - offset);
		at = end;
	}
}

/*
 * Of a larger width: the last multiple that the clock has shown or skipped up to ts.  This is not
 * that of ts' own local time if the clock was set back over a multiple.
 */
static int64
last_multiple(const TlBuckets *buckets, int64 ts, int64 *from, int64 *to, int64 *offset)
{
	int64 at = ts - LOOK_BACK;
	int64 latest = at - OFFSET_MAX;

	/* What came before this spell, and how long it has lasted, is not known. */
	*from = at + 2 * OFFSET_MAX;
	for (;;)
	{
		*offset = tl_zone_offset(buckets->zone, at, to);
		if (*to > ts)
			break;
		at = *to;
		latest = Max(latest, at + *offset);
		*from = at;
	}
	/* Not before the clock shows what it has not shown before. */
	*from = Max(*from, latest - *offset);
	return tl_width_floor(&buckets->width, Max(ts + *offset, latest - 1));
}

static int64
find_large(TlBuckets *buckets, int64 ts)
{
	int64 multiple = last_multiple(buckets, ts, &buckets->from, &buckets->to, &buckets->offset);
	int64 next;

	if (multiple < MIN_TIMESTAMP - OFFSET_MAX)
		return TL_BEFORE_ALL_TIMES;
	buckets->bucket = first_shown(buckets, multiple);
	next = tl_width_next(&buckets->width, multiple);
	buckets->bucket_end =
		next > END_TIMESTAMP + OFFSET_MAX ? TL_AFTER_ALL_TIMES : first_shown(buckets, next);
	if (unlikely(buckets->bucket > ts || buckets->bucket_end <= ts))
		tl_zone_refuse(buckets->zone);
	return buckets->bucket;
}

int64
tl_bucket_find(TlBuckets *buckets, int64 ts)
{
	return is_small(buckets) ? find_small(buckets, ts) : find_large(buckets, ts);
}

static int64
next_small(const TlBuckets *buckets, int64 ts)
{
	int64 end;
	int64 offset = tl_zone_offset(buckets->zone, ts, &end);
	int64 next =
		tl_width_next(&buckets->width, tl_width_floor(&buckets->width, ts + offset)) - offset;

	while (next >= end)
	{
		int64 at = end;
		int64 offset_before = offset;

		offset = tl_zone_offset(buckets->zone, at, &end);
		next = tl_width_floor(&buckets->width, at + offset) - offset;
		if (next == at || begins_at_jump(buckets, at, offset_before, offset))
			return at;
		next += buckets->width.micros;
	}
	return next;
}

static int64
next_large(const TlBuckets *buckets, int64 ts)
{
	int64 from;
	int64 to;
	int64 offset;
	int64 next = tl_width_next(&buckets->width, last_multiple(buckets, ts, &from, &to, &offset));

	if (next > END_TIMESTAMP + OFFSET_MAX)
		return TL_AFTER_ALL_TIMES;
	next = first_shown(buckets, next);
	/* Whoever goes from one to the next gets to the end. */
	if (unlikely(next <= ts))
		tl_zone_refuse(buckets->zone);
	return next;
}

int64
tl_bucket_next(const TlBuckets *buckets, int64 ts)
{
	return is_small(buckets) ? next_small(buckets, ts) : next_large(buckets, ts);
}
