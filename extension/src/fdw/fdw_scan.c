/*
 * fdw_scan.c
 *		Reading telemetry.point: keys to a filter, runs to rows.
 *
 * A rescan starts over with the parameters' new values.  What one scan allocates is in a context
 * that the next one empties.
 */
#include "fdw/fdw_scan.h"

#include "executor/executor.h"
#include "fdw/fdw_count.h"
#include "fdw/fdw_keys.h"
#include "fdw/fdw_option.h"
#include "fdw/fdw_plan.h"
#include "fdw/fdw_window.h"
#include "fdw/row_maker.h"
#include "nodes/pg_list.h"
#include "read/scan.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct FdwScan
{
	MemoryContext context; /* of the current scan */
	TlKeyStates keys;
	int columns;
	TlScanOrder order;
	bool by_windows; /* many series in the order of time */
	AttrNumber ts;
	TlRowMaker *maker;

	TlFilter filter;
	TlScan *scan;		/* NULL before the first row and when nothing can match */
	TlWindows *windows; /* likewise, instead */
	bool started;
	TlRun run;
	uint32 done; /* of the run */
	TlReadStats stats;
} FdwScan;

static int
columns_to_decode(int wanted)
{
	int columns = 0;

	if (wanted & (TL_POINT_BIT(TL_POINT_VALUE) | TL_POINT_BIT(TL_POINT_NUM)))
		columns |= TL_COLUMN_VALUE;
	if (wanted & (TL_POINT_BIT(TL_POINT_UNIT) | TL_POINT_BIT(TL_POINT_TAGS) |
				  TL_POINT_BIT(TL_POINT_METADATA)))
		columns |= TL_COLUMN_ATTRS;
	return columns;
}

static void
refuse_texts(Relation table)
{
	if (tl_fdw_is_text(RelationGetRelid(table)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign table \"%s\" can only be written", RelationGetRelationName(table)),
				 errdetail("Its option \"text\" makes it take points as texts."),
				 errhint("Read telemetry.point.")));
}

void
tl_fdw_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TupleDesc desc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	FdwScan *s;
	TlPointMap map;
	int wanted;

	if (tl_fdw_is_count(node))
	{
		tl_count_begin(node);
		return;
	}
	refuse_texts(node->ss.ss_currentRelation);
	tl_fdw_check_plan(plan);
	s = palloc0(sizeof(FdwScan));
	wanted = linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_COLUMNS));
	tl_point_map(desc, RelationGetRelationName(node->ss.ss_currentRelation), &map);
	s->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry point scan", ALLOCSET_SMALL_SIZES);
	tl_keys_begin(node, &s->keys);
	s->columns = columns_to_decode(wanted);
	s->order = linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_ORDER));
	s->by_windows = lsecond_int(list_nth(plan->fdw_private, TL_PRIVATE_ORDER));
	s->ts = map.attno[TL_POINT_TS];
	if (s->by_windows || s->order == TL_SCAN_NEWEST)
		wanted |= TL_POINT_BIT(TL_POINT_TS);
	s->maker = tl_row_maker_create(&map, wanted);
	/* What is not wanted stays null from row to row. */
	memset(node->ss.ss_ScanTupleSlot->tts_isnull, true, desc->natts);
	node->fdw_state = s;
}

static void
start(ForeignScanState *node)
{
	FdwScan *s = node->fdw_state;
	MemoryContext old = MemoryContextSwitchTo(s->context);

	s->started = true;
	s->run.n = s->done = 0;
	if (tl_keys_filter(&s->keys, node->ss.ps.ps_ExprContext, &s->filter))
	{
		s->filter.columns = s->columns;
		if (s->by_windows)
			s->windows = tl_windows_begin(&s->filter, s->order == TL_SCAN_TIME_BACKWARD, s->ts,
										  s->maker, node->ss.ss_ScanTupleSlot, &s->stats);
		else
			s->scan = tl_scan_begin(&s->filter, s->order);
	}
	MemoryContextSwitchTo(old);
}

static void
stop(FdwScan *s)
{
	if (s->scan != NULL)
	{
		tl_read_stats_add(&s->stats, tl_scan_stats(s->scan));
		tl_scan_end(s->scan);
		s->scan = NULL;
	}
	if (s->windows != NULL)
		tl_windows_end(s->windows);
	s->windows = NULL;
	s->started = false;
	MemoryContextReset(s->context);
}

static TupleTableSlot *
next_of_windows(FdwScan *s, TupleTableSlot *none)
{
	MemoryContext old = MemoryContextSwitchTo(s->context);
	TupleTableSlot *slot = s->windows == NULL ? NULL : tl_windows_next(s->windows);

	MemoryContextSwitchTo(old);
	return slot == NULL ? none : slot;
}

TupleTableSlot *
tl_fdw_iterate(ForeignScanState *node)
{
	FdwScan *s = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	if (tl_fdw_is_count(node))
		return tl_count_iterate(node);
	ExecClearTuple(slot);
	if (!s->started)
		start(node);
	if (s->by_windows)
		return next_of_windows(s, slot);
	if (s->done == s->run.n)
	{
		MemoryContext old;
		bool more;

		if (s->scan == NULL)
			return slot;
		old = MemoryContextSwitchTo(s->context);
		more = tl_scan_next(s->scan, &s->run);
		MemoryContextSwitchTo(old);
		s->done = 0;
		if (!more)
		{
			s->run.n = 0;
			return slot;
		}
		tl_row_maker_run(s->maker, &s->run);
	}
	tl_row_maker_fill(s->maker,
					  s->order == TL_SCAN_TIME_BACKWARD ? s->run.n - 1 - s->done : s->done,
					  slot->tts_values, slot->tts_isnull);
	s->done++;
	return ExecStoreVirtualTuple(slot);
}

void
tl_fdw_rescan(ForeignScanState *node)
{
	if (tl_fdw_is_count(node))
		tl_count_rescan(node);
	else
		stop(node->fdw_state);
}

void
tl_fdw_end_scan(ForeignScanState *node)
{
	if (node->fdw_state != NULL && !tl_fdw_is_count(node))
		stop(node->fdw_state);
}

void
tl_fdw_scan_stats(const ForeignScanState *node, TlReadStats *stats)
{
	const FdwScan *s = node->fdw_state;

	if (tl_fdw_is_count(node))
	{
		*stats = *tl_count_stats(node);
		return;
	}
	*stats = s->stats;
	if (s->scan != NULL)
		tl_read_stats_add(stats, tl_scan_stats(s->scan));
}
