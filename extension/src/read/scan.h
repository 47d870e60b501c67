/*
 * scan.h
 *		From a filter to runs: which blocks to read, and in what order.
 */
#ifndef TL_SCAN_H
#define TL_SCAN_H

#include "read/merge.h"

typedef enum TlScanOrder
{
	TL_SCAN_ANY,		   /* day by day, within a day by series */
	TL_SCAN_TIME,		   /* one series, oldest point first */
	TL_SCAN_TIME_BACKWARD, /* one series, newest point first */
	TL_SCAN_NEWEST		   /* the newest point of each series alone, in any order */
} TlScanOrder;

typedef struct TlScan TlScan;

/*
 * The filter must outlive the scan.  An order by time needs a filter of one device and one
 * metric, the newest points one without a range of time.  Everything is allocated under the current memory context.
 */
extern TlScan *tl_scan_begin(const TlFilter *filter, TlScanOrder order);

/*
 * The next run: each key appears once over the whole scan.  It is valid until the next call;
 * in a backward scan its points are to be taken from the end.
 */
extern bool tl_scan_next(TlScan *scan, TlRun *run);
extern void tl_scan_end(TlScan *scan);
extern const TlReadStats *tl_scan_stats(const TlScan *scan);

/* The sorted buckets that a filter's devices fall into, mixed blocks included. */
extern int *tl_scan_buckets(const TlFilter *filter, int buckets, int *n);

#endif
