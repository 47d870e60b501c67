/*
 * scan_count.h
 *		How many points a filter lets through, with as little reading as that takes.
 */
#ifndef TL_SCAN_COUNT_H
#define TL_SCAN_COUNT_H

#include "read/source.h"

/* Each key counts once.  What it cost is added to the statistics. */
extern uint64 tl_scan_count(const TlFilter *filter, TlReadStats *stats);

#endif
