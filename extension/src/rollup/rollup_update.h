/*
 * rollup_update.h
 *		Keeps rollups, hourly and daily, and the catalogue of series in step with what is stored.
 *
 * An update takes the points that a transaction moves from new blocks into rolled ones.  Where
 * all of an hour's new points are later than those it has, they are added, so that the cost
 * follows the new points.  An hour with any other is computed again from the blocks.  A day is
 * kept in the same way, and computed again from its hours.  A series' row in the catalogue is
 * written once, at the end.
 *
 * All statements run in the caller's transaction, which holds the mixed bucket's lock.
 */
#ifndef TL_ROLLUP_UPDATE_H
#define TL_ROLLUP_UPDATE_H

#include "rollup/retention.h"
#include "rollup/rollup_table.h"
#include "rollup/zone.h"

typedef struct TlRollupUpdate TlRollupUpdate;

extern TlRollupUpdate *tl_rollup_update_begin(pg_tz *zone, int buckets,
											  const TlRetention *retention);

/*
 * The next run of a merge: in the order of buckets and keys, later than that series' last.  What
 * another merge has added before must be of other days.
 */
extern void tl_rollup_update_add(TlRollupUpdate *update, const TlRun *run);

/* Whether so much has been added that it should be applied at the next end of a bucket. */
extern bool tl_rollup_update_is_full(const TlRollupUpdate *update);

/* Brings all that was added into the tables, but for series.  Its points are stored by now. */
extern void tl_rollup_update_apply(TlRollupUpdate *update);

/* So many rows of tables the update has changed, or will have by what was added. */
extern uint64 tl_rollup_update_rows(const TlRollupUpdate *update);

/* Brings the rest into the tables, and frees the update. */
extern void tl_rollup_update_end(TlRollupUpdate *update);

#endif
