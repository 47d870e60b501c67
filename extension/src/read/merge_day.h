/*
 * merge_day.h
 *		The merge of a day's blocks, however many they are.
 */
#ifndef TL_MERGE_DAY_H
#define TL_MERGE_DAY_H

#include "read/merge.h"

/*
 * Merges blocks of one day, sorted by bucket (mixed ones first); their order may change.  The
 * filter, which must outlive the merge, need not be the one they were listed by.  Everything is
 * allocated in the current memory context.
 */
extern TlMerge *tl_merge_create_day(const TlFilter *filter, int buckets, TlReadStats *stats,
									TlBlockMeta *blocks, uint32 n);

/* Adds them to a merge, of another kind perhaps. */
extern void tl_merge_add_day(TlMerge *merge, const TlFilter *filter, int buckets,
							 TlReadStats *stats, TlBlockMeta *blocks, uint32 n);

/* The sources of such a merge, for who wants to see them first. */
extern TlSource **tl_day_sources(const TlFilter *filter, int buckets, TlReadStats *stats,
								 TlBlockMeta *blocks, uint32 n, uint32 *n_sources);

#endif
