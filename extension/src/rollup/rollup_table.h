/*
 * rollup_table.h
 *		The rows of telemetry.rollup_hour, telemetry.rollup_day and telemetry.series.
 *
 * Rows are read and written many at a time.  Results are palloc'd in the
 * current memory context.  Whoever changes rows holds the lock of the mixed bucket
 * (tl_store_lock_bucket), so there is one at a time.
 */
#ifndef TL_ROLLUP_TABLE_H
#define TL_ROLLUP_TABLE_H

#include "rollup/rollup.h"
#include "storage/itemptr.h"

typedef enum TlPeriod
{
	TL_PERIOD_HOUR,
	TL_PERIOD_DAY
} TlPeriod;

/* Where a row is stored: looked for and not there if its number is invalid. */
typedef struct TlRowPlace
{
	bool known;
	ItemPointerData tid;
} TlRowPlace;

typedef struct TlRollupRow
{
	TlKey key;
	TlRowPlace place;
	int64 hour; /* start of the hour; of a day row, its date */
	int32 day;	/* the local day that the hour lies in */
	TlRollup rollup;
} TlRollupRow;

static inline void
tl_rollup_not_stored(TlRollupRow *row)
{
	memset(&row->rollup, 0, sizeof(TlRollup));
	row->place.known = true;
	ItemPointerSetInvalid(&row->place.tid);
}

/* Fills in the rollups of the rows' keys as they are stored; those not there become empty. */
extern void tl_rollup_table_read(TlPeriod period, TlRollupRow *rows, uint32 n);

/*
 * Inserts the rows, or puts them in the place of those with their keys.  Rows that have been read
 * since they were written last are not looked for again.
 */
extern void tl_rollup_table_write(TlPeriod period, TlRollupRow *rows, uint32 n);

/* Removes the rows of these keys. */
extern void tl_rollup_table_delete(TlPeriod period, const TlRollupRow *rows, uint32 n);

/* The stored hours of devices and metrics (none: all) that begin with from <= hour <= to. */
extern TlRollupRow *tl_rollup_table_range(const TlSlice *devices, uint32 n_devices,
										  const TlSlice *metrics, uint32 n_metrics, int64 from,
										  int64 to, uint32 *n);

/* What has been learnt of a series since its row was last written. */
typedef struct TlSeriesRow
{
	TlKey key;
	int64 points; /* to be added to its count */
	int64 first_ts;
	int64 last_ts;
	uint8 last_kind; /* 0: its last value is not known */
	TlSlice last;	 /* payload of the value at last_ts */
} TlSeriesRow;

/* Adds to the series' rows; of a series there is one. */
extern void tl_series_table_add(const TlSeriesRow *rows, uint32 n);

/* Writes a series' row anew from its daily rollups, or removes it when there are none. */
extern void tl_series_table_rebuild(const TlSeriesRow *rows, uint32 n);

#endif
