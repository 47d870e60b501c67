/*
 * source.h
 *		One stored block being read, a run at a time, in either direction.
 *
 * A source fetches as little of the block as its filter allows: the index first, then single
 * frames as TOAST slices; a source without a filter, or of a small block, fetches all at once.
 * Each opened frame lives in a memory context that the next frame reuses.
 */
#ifndef TL_SOURCE_H
#define TL_SOURCE_H

#include "store/store.h"

/* What a reader wants.  Empty lists and prefixes mean no restriction; lists are sorted bytewise. */
typedef struct TlFilter
{
	TlSlice *devices;
	uint32 n_devices;
	TlSlice *metrics;
	uint32 n_metrics;
	TlSlice device_prefix;
	TlSlice metric_prefix;
	int64 from;	 /* inclusive */
	int64 to;	 /* inclusive */
	int columns; /* TL_COLUMN_* */
	TlLevels levels;
	const int64 *without; /* order numbers of flushes that a scan in any order leaves out */
	int n_without;
} TlFilter;

/* What reading cost, for EXPLAIN. */
typedef struct TlReadStats
{
	uint64 counted; /* blocks counted by their rows, without a look at their data */
	uint64 blocks;	/* opened */
	uint64 frames;	/* fetched and decompressed */
	uint64 entries; /* decoded */
	uint64 bytes;	/* fetched */
} TlReadStats;

extern void tl_read_stats_add(TlReadStats *sum, const TlReadStats *more);

/* Whether the filter lets a series through. */
extern bool tl_filter_has_key(const TlFilter *filter, const TlKey *key);

typedef struct TlSource TlSource;

extern TlSource *tl_source_create(const TlBlockMeta *meta, const TlFilter *filter, int buckets,
								  TlReadStats *stats);
/* A source over a block in memory, which must stay there. */
extern TlSource *tl_source_create_memory(const struct varlena *data, int bucket, int64 seq,
										 const TlFilter *filter, int buckets, TlReadStats *stats);
extern void tl_source_free(TlSource *source);
/* Has a block, which has not been looked at yet, read piece by piece rather than as a whole. */
extern void tl_source_read_in_pieces(TlSource *source);

/*
 * Steps to the next run that the filter lets through, cut to its time range; false at the end.
 * The run is valid until the next step.  Backward starts at the last run; its points are in
 * ascending order all the same.
 */
extern bool tl_source_next(TlSource *source, bool backward, TlRun *run);

/*
 * For readers that only count, forward.  The step leaves a run that lies within the filter's
 * time range undecoded: it has its key and number of points, but no arrays, and goes from the
 * entry's first to its last timestamp.  Decoding it fills in the timestamps.
 */
extern bool tl_source_next_undecoded(TlSource *source, TlRun *run);
extern void tl_source_decode(TlSource *source, TlRun *run);
extern const TlEntry *tl_source_entry(const TlSource *source);

/*
 * For readers that decide by what the directory says of an entry: steps backward to the next one
 * that may hold what is wanted, NULL at the end.  It may be decoded then.
 */
extern const TlEntry *tl_source_previous_entry(TlSource *source);

/*
 * The block's index; a frame of it, in the current memory context and apart from the steps; and
 * which frames the steps to come shall pass over.
 */
extern const TlBlockIndex *tl_source_index(TlSource *source);
extern TlFrame *tl_source_read_frame(TlSource *source, uint32 number);
extern void tl_source_skip_frame(TlSource *source, uint32 number);

/*
 * The first bucket that the block may have something of, as far as is known without reading more of
 * it than its index, which is read if it is one that is read in pieces.
 */
extern int tl_source_first_bucket(TlSource *source);

/* The order of its block; the bucket of the current run's device, before the first the block's. */
extern int64 tl_source_seq(const TlSource *source);
extern int tl_source_bucket(const TlSource *source);

#endif
