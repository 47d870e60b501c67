/*
 * rollup_compute.h
 *		Rollups computed from what they are of: hours from blocks, days from hours.
 *
 * Only rolled blocks count, and all that the transaction has written is seen.  Results are
 * palloc'd in the current memory context.
 */
#ifndef TL_ROLLUP_COMPUTE_H
#define TL_ROLLUP_COMPUTE_H

#include "rollup/rollup_table.h"
#include "read/source.h"
#include "rollup/zone.h"

/* By key, then by hour. */
extern int tl_rollup_row_compare(const void *a, const void *b);

/*
 * The hours that have points which a filter lets through, in the buckets given (ascending), in the
 * order of tl_rollup_row_compare.  wanted, in the same order, restricts them to its own keys and
 * hours, and of an hour whose rollup it has to the points after that rollup's last; NULL: all.  The
 * filter's times must enclose whole hours.
 */
extern TlRollupRow *tl_rollup_compute_hours(const TlFilter *filter, const int *buckets,
											int n_buckets, pg_tz *zone, const TlRollupRow *wanted,
											uint32 n_wanted, uint32 *n);

/*
 * Writes day rows anew from their stored hours, and removes those without any.  days has a row
 * for each, in any order, and may repeat them; it is sorted.
 */
extern void tl_rollup_write_days(pg_tz *zone, TlRollupRow *days, uint32 n);

#endif
