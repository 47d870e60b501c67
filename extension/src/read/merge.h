/*
 * merge.h
 *		Several blocks read as one: each key once, the newest value.
 *
 * Sources deliver runs in the order (bucket, device, metric, ts), or backwards in time for a
 * single series.  The merge hands out pieces of those runs in the same order.  Where two
 * sources have the same key, the one with the higher order number wins and the others' points
 * are passed over.  Nothing is copied.
 */
#ifndef TL_MERGE_H
#define TL_MERGE_H

#include "read/source.h"

typedef struct TlMerge TlMerge;

/*
 * For a merge that opens blocks only when time has come to them: gives the next block, in the
 * order of its nearer end of time, or false.
 */
typedef bool (*TlMergeNextFn)(void *arg, TlBlockMeta *meta);

/* Merges sources added one by one. */
extern TlMerge *tl_merge_create(const TlFilter *filter, int buckets, TlReadStats *stats);
/* The same for who wants only the number of points of each piece, which may lack all else. */
extern TlMerge *tl_merge_create_counting(const TlFilter *filter, int buckets, TlReadStats *stats);
/* Takes over the source, which must not have been stepped yet. */
extern void tl_merge_add(TlMerge *merge, TlSource *source, int bucket);

/* Merges one series in the order of time, or against it, opening blocks on the way. */
extern TlMerge *tl_merge_create_series(const TlFilter *filter, int buckets, TlReadStats *stats,
									   bool backward, TlMergeNextFn next, void *arg);

/* The next piece; valid until the next call.  Its points ascend even in a backward merge. */
extern bool tl_merge_next(TlMerge *merge, TlRun *run);
/* A merge is freed with the memory context that it was created in. */

#endif
