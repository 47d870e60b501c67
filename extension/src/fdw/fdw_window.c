/*
 * fdw_window.c
 *		Rows of many series in the order of time.  See fdw_window.h.
 *
 * Blocks are in the order of series.  So time is read in windows, from one end of the range to the
 * other: all rows of a window, sorted.  The first one is to hold some hundred rows; each is four
 * times as wide as the one before, up to a day, because a compacted day is decoded anew for each
 * window of it.  Windows that turn out empty go on growing, and the next begins where there are
 * blocks again.  What is sorted is bounded by work_mem; more goes to temporary files.
 */
#include "fdw/fdw_window.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "read/scan.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#define FIRST_ROWS 500
#define GROWTH 4

struct TlWindows
{
	TlFilter filter; /* of the window */
	int64 from;		 /* of what is left */
	int64 to;
	bool backward;
	bool done;	/* nothing is left */
	bool empty; /* nothing is known of where the next rows are */
	int64 width;
	AttrNumber ts;
	TlRowMaker *maker;
	TupleTableSlot *row;
	TupleTableSlot *sorted;
	Tuplesortstate *sort; /* NULL between windows */
	MemoryContext scan_context;
	TlReadStats *stats;
};

TlWindows *
tl_windows_begin(const TlFilter *filter, bool backward, AttrNumber ts, TlRowMaker *maker,
				 TupleTableSlot *row, TlReadStats *stats)
{
	TlWindows *w = palloc0(sizeof(TlWindows));

	w->filter = *filter;
	w->from = filter->from;
	w->to = filter->to;
	w->backward = backward;
	w->empty = true;
	w->ts = ts;
	w->maker = maker;
	w->row = row;
	w->sorted = MakeTupleTableSlot(row->tts_tupleDescriptor, &TTSOpsMinimalTuple);
	w->scan_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry window", ALLOCSET_SMALL_SIZES);
	w->stats = stats;
	return w;
}

/* Moves to where there are blocks; false if there are none left. */
static bool
find_start(TlWindows *w)
{
	TlStoreEdge edge;

	if (!tl_store_find_edge(w->filter.levels, w->from, w->to, w->backward, &edge))
		return false;
	if (w->backward)
		w->to = edge.at;
	else
		w->from = edge.at;
	if (w->width == 0)
		w->width =
			(int64) Max(Min(edge.time * FIRST_ROWS / edge.points, (double) TL_USECS_PER_DAY), 1);
	w->empty = false;
	return true;
}

/* Cuts the next window off what is left, or takes all of it. */
static void
cut_window(TlWindows *w)
{
	w->filter.from = w->from;
	w->filter.to = w->to;
	w->done = w->to - w->width < w->from;
	if (w->done)
		return;
	if (w->backward)
	{
		w->to -= w->width;
		w->filter.from = w->to + 1;
	}
	else
	{
		w->from += w->width;
		w->filter.to = w->from - 1;
	}
}

static uint64
sort_window(TlWindows *w)
{
	TypeCacheEntry *type = lookup_type_cache(TIMESTAMPTZOID, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	Oid before = w->backward ? type->gt_opr : type->lt_opr;
	Oid collation = InvalidOid;
	bool nulls_first = false;
	MemoryContext old;
	uint64 rows = 0;
	TlScan *scan;
	TlRun run;

	w->sort = tuplesort_begin_heap(w->row->tts_tupleDescriptor, 1, &w->ts, &before, &collation,
								   &nulls_first, work_mem, NULL, false);
	old = MemoryContextSwitchTo(w->scan_context);
	scan = tl_scan_begin(&w->filter, TL_SCAN_ANY);
	while (tl_scan_next(scan, &run))
	{
		tl_row_maker_run(w->maker, &run);
		for (uint32 i = 0; i < run.n; i++)
		{
			ExecClearTuple(w->row);
			tl_row_maker_fill(w->maker, i, w->row->tts_values, w->row->tts_isnull);
			ExecStoreVirtualTuple(w->row);
			tuplesort_puttupleslot(w->sort, w->row);
		}
		rows += run.n;
	}
	tl_read_stats_add(w->stats, tl_scan_stats(scan));
	tl_scan_end(scan);
	MemoryContextSwitchTo(old);
	MemoryContextReset(w->scan_context);
	ExecClearTuple(w->row);
	tuplesort_performsort(w->sort);
	return rows;
}

static void
end_sort(TlWindows *w)
{
	ExecClearTuple(w->sorted);
	if (w->sort != NULL)
		tuplesort_end(w->sort);
	w->sort = NULL;
}

/* Sorts the next window that has rows; false if there is none. */
static bool
next_window(TlWindows *w)
{
	while (!w->done)
	{
		CHECK_FOR_INTERRUPTS();
		if (w->empty && !find_start(w))
			break;
		cut_window(w);
		w->empty = sort_window(w) == 0;
		if (w->empty || w->width < TL_USECS_PER_DAY / GROWTH)
			w->width *= w->width < PG_INT64_MAX / GROWTH ? GROWTH : 1;
		else
			w->width = TL_USECS_PER_DAY;
		if (!w->empty)
			return true;
		end_sort(w);
	}
	w->done = true;
	return false;
}

TupleTableSlot *
tl_windows_next(TlWindows *w)
{
	for (;;)
	{
		if (w->sort != NULL && tuplesort_gettupleslot(w->sort, true, false, w->sorted, NULL))
			return w->sorted;
		end_sort(w);
		if (!next_window(w))
			return NULL;
	}
}

void
tl_windows_end(TlWindows *w)
{
	end_sort(w);
}
