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

#include "store.h"

/* What a reader wants.  Empty lists mean no restriction; lists are sorted bytewise. */
typedef struct TlFilter
{
	TlSlice *devices;
	uint32 n_devices;
	TlSlice *metrics;
	uint32 n_metrics;
	int64 from;	 /* inclusive */
	int64 to;	 /* inclusive */
	int columns; /* TL_COLUMN_* */
} TlFilter;

/* What reading cost, for EXPLAIN. */
typedef struct TlReadStats
{
	uint64 blocks;	/* opened */
	uint64 frames;	/* fetched and decompressed */
	uint64 entries; /* decoded */
	uint64 bytes;	/* fetched */
} TlReadStats;

typedef struct TlSource TlSource;

extern TlSource *tl_source_create(const TlBlockMeta *meta, const TlFilter *filter, int buckets,
								  TlReadStats *stats);
/* A source over a block in memory, which must stay there. */
extern TlSource *tl_source_create_memory(const struct varlena *data, int bucket, int64 seq,
										 const TlFilter *filter, int buckets, TlReadStats *stats);
extern void tl_source_free(TlSource *source);

/*
 * Steps to the next run that the filter lets through, cut to its time range; false at the end.
 * The run is valid until the next step.  Backward starts at the last run; its points are in
 * ascending order all the same.
 */
extern bool tl_source_next(TlSource *source, bool backward, TlRun *run);

/* The order of its block, the bucket of the current run's device. */
extern int64 tl_source_seq(const TlSource *source);
extern int tl_source_bucket(const TlSource *source);

#endif
