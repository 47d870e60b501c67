/*
 * bucket.h
 *		Time buckets of a local clock.
 *
 * A bucket begins where the clock of the zone shows a multiple of the width (width.h), and lasts
 * until the next one begins; so buckets partition the line of times, whatever is done to the clock.
 * A multiple that the clock skips is the instant of the jump.  One that it shows twice, as it is
 * set back, begins a bucket each time if the width is an hour or less, and the first time if not.
 */
#ifndef TL_TIME_BUCKET_H
#define TL_TIME_BUCKET_H

#include "time/width.h"

#include "pgtime.h"

typedef struct TlBuckets
{
	TlWidth width;
	pg_tz *zone;

	/* While from <= bucket and ts < to the offset is this, and no multiple was shown before. */
	int64 from;
	int64 to;
	int64 offset;

	/* The last bucket found with more effort; none if both are equal. */
	int64 bucket;
	int64 bucket_end;
} TlBuckets;

extern void tl_buckets_begin(TlBuckets *buckets, const TlWidth *width, pg_tz *zone);

/* The beginning of ts' bucket; below MIN_TIMESTAMP if it has none. */
extern int64 tl_bucket_find(TlBuckets *buckets, int64 ts);

/* The first beginning after ts; TL_AFTER_ALL_TIMES if there is none. */
extern int64 tl_bucket_next(const TlBuckets *buckets, int64 ts);

static inline int64
tl_bucket_of(TlBuckets *buckets, int64 ts)
{
	if (ts >= buckets->from && ts < buckets->to)
	{
		int64 bucket = tl_width_floor(&buckets->width, ts + buckets->offset) - buckets->offset;

		if (bucket >= buckets->from)
			return bucket;
	}
	if (ts >= buckets->bucket && ts < buckets->bucket_end)
		return buckets->bucket;
	return tl_bucket_find(buckets, ts);
}

#endif
