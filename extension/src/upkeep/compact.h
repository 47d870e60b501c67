/*
 * compact.h
 *		Compaction: new blocks become rolled ones, and rolled ones are merged.
 *
 * Rolling up (compact_roll_up.c) takes the oldest new blocks of all buckets, writes one block of
 * level 1 for each bucket and day, and counts their points in the rollups.  Merging
 * (compact_merge.c) makes few large blocks of many small ones, within one bucket and day.  Both
 * delete what they read in the transaction that writes what takes its place.
 *
 * Order: of a bucket's day, the new blocks have the highest order numbers, since rolling up always
 * takes the lowest there are, up to a horizon below which no more can appear; and merging takes
 * neighbours only.  So the output of either may have the highest number of its input.  What cannot
 * be rolled up is set aside (store/store_aside.c), and neither step merges across its number.
 *
 * Locks: rolling up holds that of the mixed bucket, as does deletion, so that no one else removes
 * new blocks or changes rollups; merging holds that of its bucket.  Merging leaves it for later
 * rather than wait, rolling up after a second.  Ingest takes none.
 */
#ifndef TL_COMPACT_H
#define TL_COMPACT_H

#include "store/store.h"

/* What a transaction did; see telemetry.compaction. */
typedef struct TlCompactStats
{
	int64 blocks_in;
	int64 blocks_out;
	int64 points_in;
	int64 points_out;
	int64 expired; /* points that retention had dropped */
	int64 bytes_in;
	int64 bytes_out;
} TlCompactStats;

extern void tl_compact_count_in(TlCompactStats *stats, const TlBlockMeta *meta);

/* Stores a finished block, if it has any points, and frees its data. */
extern void tl_compact_store(TlCompactStats *stats, TlBlockWriter *writer, int bucket, int level,
							 int64 seq);

/* Adds to telemetry.compaction. */
extern void tl_compact_record(const char *step, const TlCompactStats *stats);

/* Compaction relies on seeing what has just been committed; raises in other transactions. */
extern void tl_compact_check_isolation(void);

/*
 * Locks the rollups, which is to lock the mixed bucket.  Others hold that lock for a moment, such as a
 * deletion that waited for the last step, but also for as long as somebody leaves a transaction open
 * that has deleted points: so false after a second.
 */
extern bool tl_compact_lock_rollups(void);

/*
 * The highest order number that had been given out telemetry.settle_time ago: blocks up to it are
 * not followed closely by others.
 */
extern int64 tl_compact_settled_seq(void);

#endif
