/*
 * newest.h
 *		The newest point of each series, without reading the others.
 */
#ifndef TL_NEWEST_H
#define TL_NEWEST_H

#include "read/source.h"

typedef struct TlNewest TlNewest;

/*
 * Reads the blocks, which are sorted anew, and keeps the newest point of each series that the
 * filter lets through; of the same time, that of the higher order number.  The filter must have no
 * range of time and outlive the result, which is allocated in the current memory context: as much
 * as there are series.
 */
extern TlNewest *tl_newest_read(const TlFilter *filter, int buckets, TlReadStats *stats,
								TlBlockMeta *blocks, uint32 n_blocks);

/* The next series as a run of one point, which stays valid; false after the last. */
extern bool tl_newest_next(TlNewest *newest, TlRun *run);

#endif
