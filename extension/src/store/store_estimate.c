/*
 * store_estimate.c
 *		About how much a range of time holds.  See tl_store_estimate in store.h.
 *
 * The index on max_ts tells for any day what its blocks hold.  Of a range of many days only some are
 * looked at: its ends, and then the middle of that gap between two known days which is supposed
 * to hold most, until no gap holds much of the whole.  In between, days are supposed to be like
 * those on either side.  Where the index has nothing, it tells at once which days end the gap.
 *
 * What was found is kept by the backend.  The newest day is asked for each time, days that have
 * grown since are looked at again, and all are forgotten with time, or when the store's size is
 * another, or when the session itself has written.
 */
#include "store/store.h"

#include <math.h>

#include "access/stratnum.h"
#include "access/xact.h"
#include "base/peek.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#define LEAVES 4

/* telemetry.block's columns. */
#define COLUMN_MIN_TS 5
#define COLUMN_MAX_TS 6
#define COLUMN_N 7

/* So many gaps are halved for one answer, unless none has more than a part of the whole. */
#define MOST_PROBES 14
#define GAP_PART 8

/*
 * Of a day, so many rows are looked at, and then each 16th for as many entries of the index as there
 * may be steps for a day, dead ones included.  All days of an answer share a number of steps.
 */
#define ROWS_OF_A_DAY 256
#define ROWS_STRIDE 16
#define STEPS_OF_A_DAY 4096
#define STEPS_OF_ALL_DAYS 8192
/* To find an end of the index, past entries whose rows are gone. */
#define STEPS_TO_AN_END 1024

/* What is kept is at most so old, and half a second if the store's size has changed. */
#define KNOWN_FOR_MS 10000
#define KNOWN_FOR_MS_GROWING 500
#define PAGES_FOR_MS 1000
#define MOST_DAYS 512
/* A day, the ends of its gap, and the empty days beside those. */
#define DAYS_A_PROBE 5

typedef struct Day
{
	int64 day; /* its start */
	double blocks;
	double points;
	int64 first; /* timestamps */
	int64 last;
} Day;

typedef struct Known
{
	Oid relid;
	double pages;
	uint64 changes;
	TimestampTz since;
	bool empty;
	int64 first; /* oldest day */
	int64 last;	 /* newest max_ts */
	int n_days;
	Day days[MOST_DAYS]; /* in order */
} Known;

static Known known_levels[TL_LEVELS_ROLLED + 1];
static uint64 changes = 0;

/* The partitions of some levels, opened for one answer. */
typedef struct Leaves
{
	TlPeek peek[LEAVES];
	int n;
	int steps; /* left for days */
} Leaves;

void
tl_store_estimate_forget(void)
{
	changes++;
}

uint64
tl_store_estimate_changes(void)
{
	static TransactionId transaction = InvalidTransactionId;

	/* What a transaction had written is there or not when it is over. */
	if (transaction != GetCurrentTransactionIdIfAny())
		changes++;
	transaction = GetCurrentTransactionIdIfAny();
	return changes;
}

double
tl_store_recent_pages(TlLevels levels)
{
	static struct
	{
		TimestampTz at;
		uint64 changes;
		double pages;
	} recent[TL_LEVELS_ROLLED + 1];
	TimestampTz now = GetCurrentTimestamp();

	if (recent[levels].changes != tl_store_estimate_changes() ||
		TimestampDifferenceExceeds(recent[levels].at, now, PAGES_FOR_MS))
	{
		recent[levels].at = now;
		recent[levels].changes = tl_store_estimate_changes();
		recent[levels].pages = tl_store_pages(levels);
	}
	return recent[levels].pages;
}

static bool
open_leaves(Leaves *leaves, TlLevels levels)
{
	static const char *const names[LEAVES] = {"block_0", "block_1", "block_2", "block_3"};

	leaves->n = 0;
	leaves->steps = STEPS_OF_ALL_DAYS;
	for (int i = levels == TL_LEVELS_ROLLED; i < (levels == TL_LEVELS_NEW ? 1 : LEAVES); i++)
		if (tl_peek_open(&leaves->peek[leaves->n], names[i], COLUMN_MAX_TS))
			leaves->n++;
	return leaves->n > 0;
}

static void
close_leaves(Leaves *leaves)
{
	for (int i = 0; i < leaves->n; i++)
		tl_peek_close(&leaves->peek[i]);
}

static inline int64
time_of(const TlPeek *peek, AttrNumber column)
{
	return DatumGetTimestampTz(tl_peek_column(peek, column));
}

static void
seek(TlPeek *peek, int64 from, int64 before, bool backward)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_TIMESTAMPTZ_LT, TimestampTzGetDatum(before));
	tl_peek_seek(peek, keys, 2, backward);
}

/* The first or last max_ts in a range; false if there is none. */
static bool
find_end(Leaves *leaves, int64 from, int64 before, bool last, int64 *ts)
{
	bool found = false;

	for (int i = 0; i < leaves->n; i++)
	{
		int steps = STEPS_TO_AN_END;
		int64 end;

		seek(&leaves->peek[i], from, before, last);
		if (!tl_peek_next(&leaves->peek[i], &steps))
			continue;
		end = time_of(&leaves->peek[i], COLUMN_MAX_TS);
		if (!found || (end > *ts) == last)
			*ts = end;
		found = true;
	}
	return found;
}

static void
add_row(Day *day, const TlPeek *peek, double weight)
{
	int64 min_ts = time_of(peek, COLUMN_MIN_TS);
	int64 max_ts = time_of(peek, COLUMN_MAX_TS);

	day->first = day->blocks == 0 ? min_ts : Min(day->first, min_ts);
	day->last = day->blocks == 0 ? max_ts : Max(day->last, max_ts);
	day->blocks += weight;
	day->points += weight * DatumGetInt32(tl_peek_column(peek, COLUMN_N));
}

/* Adds rows of the day while there are steps; says whether there may be more of them. */
static bool
add_rows(TlPeek *peek, Day *day, int *steps)
{
	int rows = 0;

	while (rows++ < ROWS_OF_A_DAY)
		if (tl_peek_next(peek, steps))
			add_row(day, peek, 1);
		else
			return *steps == 0;
	while (tl_peek_next(peek, steps))
	{
		add_row(day, peek, ROWS_STRIDE);
		for (int i = 1; i<ROWS_STRIDE && * steps> 0; i++)
			if (!tl_peek_pass(peek, steps))
				return *steps == 0;
	}
	return *steps == 0;
}

/* Of more than there were steps for, time tells about how much was left. */
static void
add_rest(TlPeek *peek, Day *day)
{
	int steps = STEPS_TO_AN_END;
	int64 reached = day->last;

	seek(peek, day->day, day->day + TL_USECS_PER_DAY, true);
	if (day->blocks == 0 || reached == day->first || !tl_peek_next(peek, &steps))
		return;
	day->last = Max(day->last, time_of(peek, COLUMN_MAX_TS));
	day->blocks *= (double) (day->last - day->first) / (double) (reached - day->first);
	day->points *= (double) (day->last - day->first) / (double) (reached - day->first);
}

static void
read_day(Leaves *leaves, TlPeek *peek, Day *day)
{
	Day part = {.day = day->day};
	int most = Max(Min(STEPS_OF_A_DAY, leaves->steps), ROWS_STRIDE);
	int steps = most;

	seek(peek, day->day, day->day + TL_USECS_PER_DAY, false);
	if (add_rows(peek, &part, &steps))
		add_rest(peek, &part);
	leaves->steps -= most - steps;
	if (part.blocks == 0)
		return;
	day->first = day->blocks == 0 ? part.first : Min(day->first, part.first);
	day->last = day->blocks == 0 ? part.last : Max(day->last, part.last);
	day->blocks += part.blocks;
	day->points += part.points;
}

/* Where a day is among those known, or would be. */
static int
place_of(const Known *known, int64 day)
{
	int low = 0;
	int high = known->n_days;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (known->days[middle].day < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
keep(Known *known, const Day *day)
{
	int place = place_of(known, day->day);

	if (place < known->n_days && known->days[place].day == day->day)
		return;
	memmove(&known->days[place + 1], &known->days[place],
			sizeof(Day) * (size_t) (known->n_days - place));
	known->days[place] = *day;
	known->n_days++;
}

static bool
is_known(const Known *known, int64 day)
{
	int place = place_of(known, day);

	return place < known->n_days && known->days[place].day == day;
}

static void learn(Known *known, Leaves *leaves, int64 start);

/* Between an empty day and the next one or the last one before that is not, days are empty. */
static void
learn_nearest(Known *known, Leaves *leaves, int64 empty, bool before)
{
	int64 from = before ? PG_INT64_MIN : empty + TL_USECS_PER_DAY;
	int64 nearest;
	Day last_empty = {0};

	if (!find_end(leaves, from, before ? empty : PG_INT64_MAX, before, &nearest))
		return;
	nearest = tl_day_of(nearest);
	last_empty.day = before ? nearest + TL_USECS_PER_DAY : nearest - TL_USECS_PER_DAY;
	keep(known, &last_empty);
	learn(known, leaves, nearest);
}

/* Looks at a day; if it holds nothing, also at those that end the gap. */
static void
learn(Known *known, Leaves *leaves, int64 start)
{
	Day day = {.day = start};

	if (is_known(known, start))
		return;
	for (int i = 0; i < leaves->n; i++)
		read_day(leaves, &leaves->peek[i], &day);
	keep(known, &day);
	if (day.blocks > 0)
		return;
	learn_nearest(known, leaves, start, false);
	learn_nearest(known, leaves, start, true);
}

static bool
is_stale(const Known *known, Oid relid, double pages)
{
	long age = TimestampDifferenceMilliseconds(known->since, GetCurrentTimestamp());

	return known->relid != relid || known->changes != tl_store_estimate_changes() ||
		   fabs(pages - known->pages) > known->pages / 10 ||
		   known->n_days > MOST_DAYS - DAYS_A_PROBE * (MOST_PROBES + 2) ||
		   age > (pages == known->pages ? KNOWN_FOR_MS : KNOWN_FOR_MS_GROWING);
}

/* Forgets what may have changed, and finds out how far the store reaches. */
static void
refresh(Known *known, Leaves *leaves, TlLevels levels)
{
	Oid relid = tl_store_relid();
	double pages = tl_store_pages(levels);
	int64 last;

	if (is_stale(known, relid, pages))
	{
		known->relid = relid;
		known->pages = pages;
		known->changes = tl_store_estimate_changes();
		known->since = GetCurrentTimestamp();
		known->n_days = 0;
		known->empty = !find_end(leaves, PG_INT64_MIN, PG_INT64_MAX, false, &known->first) ||
					   !find_end(leaves, PG_INT64_MIN, PG_INT64_MAX, true, &known->last);
		known->first = known->empty ? 0 : tl_day_of(known->first);
	}
	else if (find_end(leaves, known->empty ? PG_INT64_MIN : known->last, PG_INT64_MAX, true, &last))
	{
		/* Nothing changed where it mostly does? */
		if (known->empty)
			known->first = tl_day_of(last);
		else if (last != known->last)
			known->n_days = place_of(known, tl_day_of(known->last));
		known->empty = false;
		known->last = last;
	}
}

/* The part of a day's points that lies in a range, if they are spread evenly. */
static double
part_of(const Day *day, int64 from, int64 to)
{
	int64 start = Max(from, day->first);
	int64 end = Min(to, day->last);

	if (start > end || day->blocks == 0)
		return 0;
	if (day->last == day->first)
		return 1;
	return Min(((double) (end - start) + 1) / (double) (day->last - day->first), 1);
}

/* What the days between two known ones hold, neither included. */
static double
between(const Day *a, const Day *b, double x, double y)
{
	return ((double) ((b->day - a->day) / TL_USECS_PER_DAY) - 1) * (x + y) / 2;
}

static void
sum_up(const Known *known, int64 from, int64 to, TlStoreEstimate *e)
{
	int end = place_of(known, tl_day_of(to));

	for (int i = place_of(known, tl_day_of(from)); i <= end && i < known->n_days; i++)
	{
		const Day *day = &known->days[i];
		double part = part_of(day, from, to);

		e->points += part * day->points;
		/* Blocks that reach into the range are opened, however far. */
		e->blocks += part == 0 ? 0 : day->blocks * (day->blocks > ROWS_OF_A_DAY ? part : 1);
		if (i == end)
			break;
		e->points += between(day, day + 1, day->points, day[1].points);
		e->blocks += between(day, day + 1, day->blocks, day[1].blocks);
	}
}

/* Looks at a day in the middle of the gap that matters most; false if none does. */
static bool
halve_a_gap(Known *known, Leaves *leaves, int64 from, int64 to)
{
	TlStoreEstimate all = {0};
	int end = place_of(known, tl_day_of(to));
	double most = 0;
	int gap = -1;
	int64 days;

	sum_up(known, from, to, &all);
	for (int i = place_of(known, tl_day_of(from)); i < end; i++)
	{
		const Day *day = &known->days[i];
		double held = between(day, day + 1, day->points, day[1].points);

		if (held > most)
		{
			most = held;
			gap = i;
		}
	}
	if (gap < 0 || most * GAP_PART <= all.points)
		return false;
	days = (known->days[gap + 1].day - known->days[gap].day) / TL_USECS_PER_DAY;
	learn(known, leaves, known->days[gap].day + days / 2 * TL_USECS_PER_DAY);
	return true;
}

void
tl_store_estimate(TlLevels levels, int64 from, int64 to, TlStoreEstimate *e)
{
	Known *known = &known_levels[levels];
	Leaves leaves;

	memset(e, 0, sizeof(TlStoreEstimate));
	if (!open_leaves(&leaves, levels))
		return;
	refresh(known, &leaves, levels);
	e->first = known->first;
	e->last = known->last;
	from = Max(from, known->first);
	to = Min(to, known->last);
	if (!known->empty && from <= to)
	{
		learn(known, &leaves, tl_day_of(from));
		learn(known, &leaves, tl_day_of(to));
		for (int i = 0; i < MOST_PROBES && halve_a_gap(known, &leaves, from, to); i++)
			continue;
		sum_up(known, from, to, e);
	}
	close_leaves(&leaves);
}
