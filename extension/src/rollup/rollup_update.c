/*
 * rollup_update.c
 *		From new points to changed rollups.  See rollup_update.h.
 *
 * Fresh rollups, one for each hour of a series that new points fall into, are collected and
 * brought into the tables some thousand at a time.  Hours that cannot be added to are only noted,
 * since computing them needs the new blocks, which tl_rollup_update_apply may take for granted.
 */
#include "rollup/rollup_update.h"

#include "base/slice_text.h"
#include "rollup/rollup_compute.h"
#include "store/store.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* So many hours of series are brought into the tables at once. */
#define ROWS_AT_ONCE 8192

/* Rows of series are written before they have so many bytes of last values. */
#define SERIES_BYTES_MAX (32 * 1024 * 1024)

/* Reading and writing an hour that has to be computed counts as so many rows. */
#define ROWS_OF_LATE_HOUR 4

/* Up to so many devices are looked up one by one, more are read with all others. */
#define DEVICES_MAX 32

typedef struct RowList
{
	TlRollupRow *rows;
	uint32 n;
	uint32 cap;
} RowList;

typedef struct SeriesEntry
{
	TlSeriesRow row;
	uint32 hash;
	char status;
} SeriesEntry;

static inline uint32
hash_key(TlKey key)
{
	return (uint32) tl_hash_bytes(key.metric.data, key.metric.len,
								  tl_hash_bytes(key.device.data, key.device.len, 0));
}

#define SH_PREFIX series
#define SH_ELEMENT_TYPE SeriesEntry
#define SH_KEY_TYPE TlKey
#define SH_KEY row.key
#define SH_HASH_KEY(table, key) hash_key(key)
#define SH_EQUAL(table, a, b) tl_key_equal(&(a), &(b))
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct TlRollupUpdate
{
	pg_tz *zone;
	int buckets;
	const TlRetention *retention;

	MemoryContext series_context; /* of series, and of the keys of fresh rows */
	series_hash *series;
	size_t series_bytes;
	uint64 rows; /* written so far */

	MemoryContext fresh_context; /* of what is to be added next */
	RowList fresh;
	TlRollupBuilder builder; /* of the last fresh row, while open */
	bool open;
	TlHour hour;

	MemoryContext late_context; /* of what has to be computed */
	RowList late_hours;
	RowList late_days;
};

TlRollupUpdate *
tl_rollup_update_begin(pg_tz *zone, int buckets, const TlRetention *retention)
{
	TlRollupUpdate *u = palloc0(sizeof(TlRollupUpdate));

	u->zone = zone;
	u->buckets = buckets;
	u->retention = retention;
	u->series_context = AllocSetContextCreate(CurrentMemoryContext, "telemetry rolled up series",
											  ALLOCSET_DEFAULT_SIZES);
	u->series = series_create(u->series_context, 256, NULL);
	u->fresh_context = AllocSetContextCreate(CurrentMemoryContext, "telemetry fresh rollups",
											 ALLOCSET_DEFAULT_SIZES);
	u->late_context = AllocSetContextCreate(CurrentMemoryContext, "telemetry late rollups",
											ALLOCSET_DEFAULT_SIZES);
	tl_rollup_init(&u->builder);
	u->hour = (TlHour){.from = 1, .to = 0};
	return u;
}

static TlKey
copy_key(MemoryContext context, const TlKey *key)
{
	return (TlKey){tl_slice_copy(context, key->device), tl_slice_copy(context, key->metric)};
}

static TlRollupRow *
push(RowList *list, MemoryContext context)
{
	if (list->n == list->cap)
	{
		list->cap = list->cap == 0 ? 64 : list->cap * 2;
		list->rows = list->rows == NULL
						 ? MemoryContextAllocHuge(context, sizeof(TlRollupRow) * (Size) list->cap)
						 : repalloc_huge(list->rows, sizeof(TlRollupRow) * (Size) list->cap);
	}
	memset(&list->rows[list->n], 0, sizeof(TlRollupRow));
	return &list->rows[list->n++];
}

/* Notes the place of a row that has to be computed; keys follow each other, so they are shared. */
static void
note_late(TlRollupUpdate *u, RowList *list, const TlRollupRow *row)
{
	TlRollupRow *late = push(list, u->late_context);

	late->hour = row->hour;
	late->day = row->day;
	late->key = list->n > 1 && tl_key_equal(&late[-1].key, &row->key)
					? late[-1].key
					: copy_key(u->late_context, &row->key);
}

/* What is to be written of a series; its row's key stays where it is until that is done. */
static TlSeriesRow *
series_of(TlRollupUpdate *u, const TlKey *key)
{
	bool found;
	SeriesEntry *entry = series_insert(u->series, *key, &found);

	if (!found)
	{
		memset(&entry->row, 0, sizeof(TlSeriesRow));
		entry->row.key = copy_key(u->series_context, key);
		entry->row.first_ts = PG_INT64_MAX;
		entry->row.last_ts = PG_INT64_MIN;
		u->series_bytes += sizeof(SeriesEntry) + key->device.len + key->metric.len;
	}
	return &entry->row;
}

/* Remembers a run's last value, which that of a later one may replace. */
static void
note_run(TlRollupUpdate *u, TlSeriesRow *series, const TlRun *run)
{
	TlSlice payload;

	series->first_ts = Min(series->first_ts, run->ts[0]);
	if (run->ts[run->n - 1] < series->last_ts)
		return;
	series->last_ts = run->ts[run->n - 1];
	series->last_kind = tl_run_kind(run, run->n - 1);
	payload = tl_cell_payload((uint8) series->last_kind, &run->cell[run->n - 1]);
	if (series->last.data != NULL && series->last.len >= payload.len)
	{
		memcpy(unconstify(char *, series->last.data), payload.data, payload.len);
		series->last.len = payload.len;
	}
	else
	{
		series->last = tl_slice_copy(u->series_context, payload);
		u->series_bytes += payload.len;
	}
}

static int
compare_series(const void *a, const void *b)
{
	return tl_key_compare(&((const TlSeriesRow *) a)->key, &((const TlSeriesRow *) b)->key);
}

/* Writes what has been learnt of all series, while no fresh row has its key from them. */
static void
write_series(TlRollupUpdate *u)
{
	TlSeriesRow *rows =
		MemoryContextAllocHuge(u->series_context, sizeof(TlSeriesRow) * Max(u->series->members, 1));
	series_iterator i;
	SeriesEntry *entry;
	uint32 n = 0;

	series_start_iterate(u->series, &i);
	while ((entry = series_iterate(u->series, &i)) != NULL)
		rows[n++] = entry->row;
	qsort(rows, n, sizeof(TlSeriesRow), compare_series);
	for (uint32 k = 0; k < n; k += ROWS_AT_ONCE)
	{
		CHECK_FOR_INTERRUPTS();
		tl_series_table_add(rows + k, Min(ROWS_AT_ONCE, n - k));
	}
	u->rows += n;
	MemoryContextReset(u->series_context);
	u->series = series_create(u->series_context, 256, NULL);
	u->series_bytes = 0;
}

static void
close_row(TlRollupUpdate *u)
{
	MemoryContext old;

	if (!u->open)
		return;
	old = MemoryContextSwitchTo(u->fresh_context);
	tl_rollup_finish(&u->builder, &u->fresh.rows[u->fresh.n - 1].rollup);
	MemoryContextSwitchTo(old);
	u->open = false;
}

/*
 * Whether an hour's rollup cannot be computed any more: it stays as it is, and points that are later
 * than all of it are added.
 */
static bool
is_out_of_reach(const TlRollupUpdate *u, const TlRollupRow *row)
{
	return tl_retention_is_out_of_reach(u->retention, row->key.metric, row->hour);
}

/*
 * Appends the fresh rows to the stored ones, of which there is one for each, and notes those that
 * are late.  The others are moved to the front of stored[]; returns their number.
 */
static uint32
append_hours(TlRollupUpdate *u, TlRollupRow *stored, bool *late)
{
	uint32 n = 0;

	for (uint32 i = 0; i < u->fresh.n; i++)
	{
		const TlRollupRow *fresh = &u->fresh.rows[i];
		TlRollupRow row = stored[i];

		late[i] = !tl_rollup_empty(&row.rollup) && fresh->rollup.first_ts <= row.rollup.last_ts;
		if (!late[i])
		{
			tl_rollup_append(&row.rollup, &fresh->rollup, &u->builder.sketch);
			stored[n++] = row;
		}
		else
			note_late(u, &u->late_hours, fresh);
	}
	return n;
}

static bool
is_same_day(const TlRollupRow *a, const TlRollupRow *b)
{
	return a->day == b->day && tl_key_equal(&a->key, &b->key);
}

/* The days of the fresh rows as they are stored, one row for each. */
static TlRollupRow *
read_days(const TlRollupUpdate *u, uint32 *n)
{
	const TlRollupRow *fresh = u->fresh.rows;
	TlRollupRow *days = MemoryContextAllocHuge(u->fresh_context, sizeof(TlRollupRow) * u->fresh.n);

	*n = 0;
	for (uint32 i = 0; i < u->fresh.n; i++)
		if (i == 0 || !is_same_day(&fresh[i], &fresh[i - 1]))
			days[(*n)++] = fresh[i];
	tl_rollup_table_read(TL_PERIOD_DAY, days, *n);
	return days;
}

/*
 * The fresh rows as they are stored.  A day's row is made of those of its hours: where there is no
 * day, there are no hours to look for.
 */
static TlRollupRow *
read_hours(const TlRollupUpdate *u, const TlRollupRow *days)
{
	Size size = sizeof(TlRollupRow) * u->fresh.n;
	TlRollupRow *hours = MemoryContextAllocHuge(u->fresh_context, size);
	TlRollupRow *sought = MemoryContextAllocHuge(u->fresh_context, size);
	uint32 n_sought = 0;
	uint32 found = 0;

	for (uint32 i = 0; i < u->fresh.n; i++)
	{
		hours[i] = u->fresh.rows[i];
		tl_rollup_not_stored(&hours[i]);
		if (!is_same_day(&hours[i], days))
			days++;
		if (!tl_rollup_empty(&days->rollup))
			sought[n_sought++] = hours[i];
	}
	tl_rollup_table_read(TL_PERIOD_HOUR, sought, n_sought);
	for (uint32 i = 0; i < u->fresh.n && found < n_sought; i++)
		if (tl_rollup_row_compare(&hours[i], &sought[found]) == 0)
			hours[i] = sought[found++];
	return hours;
}

/*
 * Appends what is fresh of each day to the stored ones.  Days that have a late hour, or are stored
 * with later hours, are noted; the others are moved to the front of stored[]; returns their number.
 */
static uint32
append_days(TlRollupUpdate *u, const bool *late, TlRollupRow *stored)
{
	const TlRollupRow *fresh = u->fresh.rows;
	uint32 n_days = 0;
	uint32 n = 0;

	for (uint32 i = 0; i < u->fresh.n;)
	{
		const TlRollupRow *first = &fresh[i];
		TlRollupRow day = stored[n_days++];
		bool any_late =
			!tl_rollup_empty(&day.rollup) && first->rollup.first_ts <= day.rollup.last_ts;

		for (; i < u->fresh.n && is_same_day(&fresh[i], first); i++)
		{
			any_late |= late[i];
			if (!any_late)
				tl_rollup_append(&day.rollup, &fresh[i].rollup, &u->builder.sketch);
		}
		if (any_late)
			note_late(u, &u->late_days, first);
		else
			stored[n++] = day;
	}
	return n;
}

/* Late points do not count yet: some of them may replace others. */
static void
count_series(TlRollupUpdate *u, const bool *late)
{
	for (uint32 i = 0; i < u->fresh.n; i++)
		if (!late[i])
			series_of(u, &u->fresh.rows[i].key)->points +=
				tl_rollup_points(&u->fresh.rows[i].rollup);
}

/* By key and hour, and of one hour that lies in two days of UTC the earlier part first. */
static int
compare_fresh(const void *a, const void *b)
{
	const TlRollupRow *x = a;
	const TlRollupRow *y = b;
	int c = tl_rollup_row_compare(x, y);

	return c != 0 ? c
				  : (x->rollup.first_ts > y->rollup.first_ts) -
						(x->rollup.first_ts < y->rollup.first_ts);
}

/* Merges come one after the other: sorts what they have added, and joins rows of the same hour. */
static void
sort_fresh(TlRollupUpdate *u)
{
	TlRollupRow *rows = u->fresh.rows;
	uint32 n = 0;

	qsort(rows, u->fresh.n, sizeof(TlRollupRow), compare_fresh);
	for (uint32 i = 0; i < u->fresh.n; i++)
	{
		if (n > 0 && tl_rollup_row_compare(&rows[n - 1], &rows[i]) == 0)
			tl_rollup_append(&rows[n - 1].rollup, &rows[i].rollup, &u->builder.sketch);
		else
			rows[n++] = rows[i];
	}
	u->fresh.n = n;
}

static void
add_fresh(TlRollupUpdate *u)
{
	MemoryContext old = MemoryContextSwitchTo(u->fresh_context);

	close_row(u);
	if (u->fresh.n > 0)
	{
		bool *late;
		uint32 n_days;
		TlRollupRow *days;
		TlRollupRow *hours;

		sort_fresh(u);
		late = palloc(u->fresh.n);
		days = read_days(u, &n_days);
		hours = read_hours(u, days);
		tl_rollup_table_write(TL_PERIOD_HOUR, hours, append_hours(u, hours, late));
		tl_rollup_table_write(TL_PERIOD_DAY, days, append_days(u, late, days));
		count_series(u, late);
		u->rows += u->fresh.n + n_days;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(u->fresh_context);
	memset(&u->fresh, 0, sizeof(RowList));
	if (u->series_bytes >= SERIES_BYTES_MAX)
		write_series(u);
}

void
tl_rollup_update_add(TlRollupUpdate *u, const TlRun *run)
{
	TlSeriesRow *series;
	TlKey key;

	if (u->fresh.n >= 2 * ROWS_AT_ONCE &&
		!tl_key_equal(&u->fresh.rows[u->fresh.n - 1].key, &run->key))
		add_fresh(u);
	series = series_of(u, &run->key);
	key = series->key;
	note_run(u, series, run);
	for (uint32 i = 0; i < run->n;)
	{
		uint32 start = i;
		TlRollupRow *row = u->open ? &u->fresh.rows[u->fresh.n - 1] : NULL;
		TlRun piece;

		tl_zone_hour_near(u->zone, run->ts[i], &u->hour);
		while (i < run->n && run->ts[i] < u->hour.to)
			i++;
		if (row == NULL || row->hour != u->hour.start || !tl_key_equal(&row->key, &run->key))
		{
			close_row(u);
			row = push(&u->fresh, u->fresh_context);
			row->key = key;
			row->hour = u->hour.start;
			row->day = u->hour.day;
			tl_rollup_reset(&u->builder);
			u->open = true;
		}
		piece = tl_run_part(run, start, i - start);
		tl_rollup_add(&u->builder, &piece);
	}
}

bool
tl_rollup_update_is_full(const TlRollupUpdate *u)
{
	return u->fresh.n + u->late_hours.n >= ROWS_AT_ONCE;
}

/* A filter that lets through the late hours, and little else; and the buckets of their devices. */
static void
late_filter(const TlRollupUpdate *u, const TlRollupRow *hours, uint32 n, TlFilter *filter,
			bool *in_bucket)
{
	memset(filter, 0, sizeof(TlFilter));
	filter->columns = TL_COLUMN_VALUE;
	filter->levels = TL_LEVELS_ROLLED;
	filter->from = filter->to = hours[0].hour;
	filter->devices = palloc(sizeof(TlSlice) * DEVICES_MAX);
	for (uint32 i = 0; i < n; i++)
	{
		filter->from = Min(filter->from, hours[i].hour);
		filter->to = Max(filter->to, hours[i].hour);
		if (i > 0 && tl_slice_equal(hours[i].key.device, hours[i - 1].key.device))
			continue;
		in_bucket[tl_bucket_of(hours[i].key.device, u->buckets)] = true;
		if (filter->n_devices < DEVICES_MAX)
			filter->devices[filter->n_devices] = hours[i].key.device;
		filter->n_devices++;
	}
	filter->to += TL_USECS_PER_HOUR - 1;
	if (filter->n_devices > DEVICES_MAX)
		filter->n_devices = 0;
}

/* What the late hours' series have gained or lost. */
static void
count_late_series(TlRollupUpdate *u, const TlRollupRow *before, const TlRollupRow *after, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		TlSeriesRow *series = series_of(u, &after[i].key);

		series->points += tl_rollup_points(&after[i].rollup) - tl_rollup_points(&before[i].rollup);
		/* Else the runs have said so; the last value may be one that was there. */
		if (series->first_ts > series->last_ts)
		{
			series->first_ts = after[i].rollup.first_ts;
			series->last_ts = after[i].rollup.last_ts;
		}
	}
}

/* Appends to a copy of what came before. */
static void
prepend(TlRollup *rollup, const TlRollup *before, TlSketch *scratch)
{
	TlRollup whole = *before;

	tl_rollup_append(&whole, rollup, scratch);
	*rollup = whole;
}

/* Fills in the rollups of hours out of reach, since only points after them are to be computed. */
static void
read_out_of_reach(const TlRollupUpdate *u, TlRollupRow *late, uint32 n_late)
{
	TlRollupRow *rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TlRollupRow) * n_late);
	uint32 n = 0;

	for (uint32 i = 0; i < n_late; i++)
		if (is_out_of_reach(u, &late[i]))
			rows[n++] = late[i];
	tl_rollup_table_read(TL_PERIOD_HOUR, rows, n);
	for (uint32 i = 0, k = 0; k < n; i++)
		if (tl_rollup_row_compare(&late[i], &rows[k]) == 0)
			late[i].rollup = rows[k++].rollup;
	pfree(rows);
}

/* Hours that lie close to each other, in the order of tl_rollup_row_compare. */
static void
compute_late_hours(TlRollupUpdate *u, TlRollupRow *late, uint32 n_late)
{
	bool *in_bucket = palloc0(sizeof(bool) * u->buckets);
	int *buckets = palloc(sizeof(int) * u->buckets);
	int n_buckets = 0;
	TlFilter filter;
	TlRollupRow *hours;
	TlRollupRow *before;
	uint32 n;

	read_out_of_reach(u, late, n_late);
	late_filter(u, late, n_late, &filter, in_bucket);
	for (int b = 0; b < u->buckets; b++)
		if (in_bucket[b])
			buckets[n_buckets++] = b;
	hours = tl_rollup_compute_hours(&filter, buckets, n_buckets, u->zone, late, n_late, &n);
	for (uint32 i = 0; i < n; i += ROWS_AT_ONCE)
	{
		uint32 some = Min(ROWS_AT_ONCE, n - i);

		CHECK_FOR_INTERRUPTS();
		before = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TlRollupRow) * some);
		memcpy(before, hours + i, sizeof(TlRollupRow) * some);
		tl_rollup_table_read(TL_PERIOD_HOUR, before, some);
		for (uint32 k = 0; k < some; k++)
		{
			hours[i + k].place = before[k].place;
			if (is_out_of_reach(u, &hours[i + k]))
				prepend(&hours[i + k].rollup, &before[k].rollup, &u->builder.sketch);
		}
		tl_rollup_table_write(TL_PERIOD_HOUR, hours + i, some);
		count_late_series(u, before, hours + i, some);
		pfree(before);
	}
}

/* By the day of UTC, then in the order of tl_rollup_row_compare. */
static int
compare_late(const void *a, const void *b)
{
	int64 x = tl_day_of(((const TlRollupRow *) a)->hour);
	int64 y = tl_day_of(((const TlRollupRow *) b)->hour);

	return x != y ? (x < y ? -1 : 1) : tl_rollup_row_compare(a, b);
}

/* Each day by itself, since it is read as a whole. */
static void
compute_late_days(TlRollupUpdate *u)
{
	RowList *late = &u->late_hours;

	qsort(late->rows, late->n, sizeof(TlRollupRow), compare_late);
	for (uint32 i = 0; i < late->n;)
	{
		uint32 start = i;

		while (i < late->n && tl_day_of(late->rows[i].hour) == tl_day_of(late->rows[start].hour))
			i++;
		compute_late_hours(u, late->rows + start, i - start);
	}
	u->rows += (uint64) late->n * ROWS_OF_LATE_HOUR + u->late_days.n;
}

void
tl_rollup_update_apply(TlRollupUpdate *u)
{
	MemoryContext old;

	add_fresh(u);
	old = MemoryContextSwitchTo(u->late_context);
	compute_late_days(u);
	if (u->late_days.n > 0)
		tl_rollup_write_days(u->zone, u->late_days.rows, u->late_days.n);
	MemoryContextSwitchTo(old);
	MemoryContextReset(u->late_context);
	memset(&u->late_hours, 0, sizeof(RowList));
	memset(&u->late_days, 0, sizeof(RowList));
}

uint64
tl_rollup_update_rows(const TlRollupUpdate *u)
{
	/* An hour is mostly one of a day. */
	return u->rows + 2 * (uint64) u->fresh.n + (uint64) u->late_hours.n * ROWS_OF_LATE_HOUR +
		   u->series->members;
}

void
tl_rollup_update_end(TlRollupUpdate *u)
{
	tl_rollup_update_apply(u);
	write_series(u);
	MemoryContextDelete(u->fresh_context);
	MemoryContextDelete(u->late_context);
	MemoryContextDelete(u->series_context);
}
