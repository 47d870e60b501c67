/*
 * memtable.h
 *		The points of one COPY or INSERT, in memory, until they become blocks: what an LSM tree
 *		calls its memtable.
 *
 * Rows are appended as they come: a hash table finds the row's series (usually the one that
 * followed the last row's series before, so that no hash is computed), and the point goes to
 * the end of one array.  tl_memtable_sort then groups the points by series with a counting sort,
 * orders each series by time, and drops repeats of a key: the last row wins.
 *
 * Everything lives in a memory context of the memtable, which tl_memtable_reset empties.
 */
#ifndef TL_MEMTABLE_H
#define TL_MEMTABLE_H

#include "block/run.h"

/* What a row carries beside time, series and value, as it arrived; NULL data: absent. */
typedef struct TlRowAttrs
{
	TlSlice unit;
	TlSlice tags; /* jsonb in binary form */
	TlSlice metadata;
} TlRowAttrs;

typedef struct TlMemtable TlMemtable;

/*
 * Called for each point that a later row of the memtable replaces; by is the next row of its key,
 * and whether its value is the same is told of the last one.
 */
typedef void (*TlReplacedFn)(void *arg, uint32 position, uint32 by, bool same_value);

extern TlMemtable *tl_memtable_create(int buckets);
extern void tl_memtable_reset(TlMemtable *memtable);

/*
 * Whether the memtable should be flushed: it takes up the given memory, or has so many series that
 * finding them would leave the processor's caches.
 */
extern bool tl_memtable_is_full(const TlMemtable *memtable, Size memory);

/* Whether a series' key is known to be good: the caller checks it once, when it is new. */
typedef enum TlSeriesState
{
	TL_SERIES_NEW,
	TL_SERIES_VALID,
	TL_SERIES_DEFINED, /* valid, and its metric has a definition */
	TL_SERIES_INVALID
} TlSeriesState;

/* What the caller knows of a series. */
typedef struct TlSeriesCheck
{
	TlSeriesState state;
	uint32 definition; /* its number, if it has one */
} TlSeriesCheck;

/*
 * The number of a series in the memtable, whose key is copied when it is new.  *check stays valid
 * until the next call.
 */
extern uint32 tl_memtable_series(TlMemtable *memtable, TlSlice device, TlSlice metric,
								 TlSeriesCheck **check);

/*
 * Appends a point, whose payload is copied.  position is the row's place in the memtable, for
 * reports.
 */
extern void tl_memtable_add(TlMemtable *memtable, uint32 series, int64 ts, uint8 kind,
							TlSlice payload, uint32 position);
/* Gives the last point its attributes. */
extern void tl_memtable_set_attrs(TlMemtable *memtable, const TlRowAttrs *attrs);

/*
 * Sorts the memtable and tells how many series it has.  No more points may be added before a reset.
 */
extern uint32 tl_memtable_sort(TlMemtable *memtable, TlReplacedFn replaced, void *arg);

/*
 * A series of a sorted memtable, in the order (bucket, device, metric): gives all its points, which
 * stay valid until the reset, and returns its bucket.
 */
extern int tl_memtable_run(const TlMemtable *memtable, uint32 number, TlRun *run);

/* The timestamps of the same series alone, for which its key need not be fetched. */
extern const int64 *tl_memtable_times(const TlMemtable *memtable, uint32 number, uint32 *n);

#endif
