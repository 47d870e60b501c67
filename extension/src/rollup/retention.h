/*
 * retention.h
 *		How long the points of a metric are kept, and what has been dropped of them.
 *
 * Rules are the rows of telemetry.retention; a metric without one is kept for ever, unless there
 * is a rule for all others.  Whole UTC days expire.
 */
#ifndef TL_RETENTION_H
#define TL_RETENTION_H

#include "block/run.h"

typedef struct TlRetention TlRetention;

/*
 * The rules as of today, or of another day (DT_NOBEGIN: nothing has expired), and the ledger;
 * palloc'd in the current context.
 */
extern TlRetention *tl_retention_load(void);
extern TlRetention *tl_retention_load_as_of(int64 day);

/* Points before this time are to be dropped; DT_NOBEGIN if none are. */
extern int64 tl_retention_expiry(const TlRetention *retention, TlSlice metric);

/* The latest of all metrics' expiries: no point from it on is to be dropped. */
extern int64 tl_retention_latest_expiry(const TlRetention *retention);

/* The earliest: all points before it are to be dropped, whatever their metric. */
extern int64 tl_retention_earliest_expiry(const TlRetention *retention);

/* Whether any metric's points of a day are to be dropped that were not so much time before. */
extern bool tl_retention_is_due(const TlRetention *retention, int64 day, int64 before);

/*
 * Whether retention may have dropped points of an hour and kept its rollup: what is stored of
 * the points is no proof against that rollup, which has to stay as it is.
 */
extern bool tl_retention_is_out_of_reach(const TlRetention *retention, TlSlice metric, int64 hour);

/* Where what retention has dropped of a metric, or may drop in this pass, begins; DT_NOEND: nowhere. */
extern int64 tl_retention_dropped_from(const TlRetention *retention, TlSlice metric);

/* Counts points that are dropped, and adds what was counted to the ledger. */
extern void tl_retention_count_dropped(TlRetention *retention, TlSlice metric, uint64 points);
extern void tl_retention_write_counts(const TlRetention *retention);

/* What was counted so far, palloc'd, to count anew from there. */
extern uint64 *tl_retention_copy_counts(const TlRetention *retention);
extern void tl_retention_restore_counts(TlRetention *retention, const uint64 *counts);

#endif
