/*
 * fdw_analyze.c
 *		ANALYZE telemetry.point: a random sample of rows.
 *
 * Every block gives rows in proportion to what it holds, but only some blocks are opened: they
 * are chosen at random, and each opened one contributes through a reservoir.  Points that a
 * newer block replaces are counted as rows, which for estimates does no harm.
 */
#include "fdw/fdw_analyze.h"

#include "commands/vacuum.h"
#include "fdw/fdw_option.h"
#include "fdw/point_column.h"
#include "fdw/row_maker.h"
#include "read/scan.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/timestamp.h"

/* So many blocks are opened at most. */
#define SAMPLE_BLOCKS 300

typedef struct Reservoir
{
	HeapTuple *rows;
	int size;
	int filled;
	double seen;
	ReservoirStateData state;
	double skip;
} Reservoir;

/* Algorithm Z of Vitter, as the server's own sampling uses it; the place to put a row, or -1. */
static int
reservoir_place(Reservoir *r)
{
	int place = -1;

	if (r->filled < r->size)
		place = r->filled++;
	else
	{
		if (r->skip < 0)
			r->skip = reservoir_get_next_S(&r->state, r->seen, r->size);
		if (r->skip <= 0)
			place = (int) (r->size * tl_sampler_fract(&r->state));
		r->skip -= 1;
	}
	r->seen += 1;
	return place;
}

static void
sample_block(const TlBlockMeta *meta, const TlFilter *filter, int buckets, TupleDesc desc,
			 TlRowMaker *maker, Reservoir *r)
{
	TlReadStats stats = {0};
	TlSource *source = tl_source_create(meta, filter, buckets, &stats);
	Datum *values = palloc(sizeof(Datum) * desc->natts);
	bool *nulls = palloc(sizeof(bool) * desc->natts);
	TlRun run;

	memset(nulls, true, sizeof(bool) * desc->natts);
	while (tl_source_next(source, false, &run))
	{
		tl_vacuum_delay_point();
		tl_row_maker_run(maker, &run);
		for (uint32 i = 0; i < run.n; i++)
		{
			int place = reservoir_place(r);

			if (place < 0)
				continue;
			tl_row_maker_fill(maker, i, values, nulls);
			if (r->rows[place] != NULL)
				heap_freetuple(r->rows[place]);
			r->rows[place] = heap_form_tuple(desc, values, nulls);
		}
	}
	tl_source_free(source);
	pfree(values);
	pfree(nulls);
}

/* Puts SAMPLE_BLOCKS blocks chosen at random in front. */
static uint32
choose_blocks(TlBlockMeta *blocks, uint32 n, ReservoirState state)
{
	uint32 chosen = Min(n, SAMPLE_BLOCKS);

	for (uint32 i = 0; i < chosen; i++)
	{
		uint32 j = i + (uint32) ((n - i) * tl_sampler_fract(state));
		TlBlockMeta swap = blocks[i];

		j = Min(j, n - 1);
		blocks[i] = blocks[j];
		blocks[j] = swap;
	}
	return chosen;
}

static int
acquire_sample(Relation table, int elevel, HeapTuple *rows, int target, double *total, double *dead)
{
	TupleDesc desc = RelationGetDescr(table);
	int buckets = tl_store_buckets();
	TlFilter filter = {.from = DT_NOBEGIN,
					   .to = DT_NOEND,
					   .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS,
					   .levels = tl_fdw_levels(RelationGetRelid(table))};
	Reservoir r = {.rows = rows, .size = target, .skip = -1};
	TlPointMap map;
	TlRowMaker *maker;
	TlBlockMeta *blocks;
	uint32 n_blocks;
	uint32 chosen;
	int n_buckets;
	int *list = tl_scan_buckets(&filter, buckets, &n_buckets);

	tl_point_map(desc, RelationGetRelationName(table), &map);
	maker = tl_row_maker_create(&map, TL_POINT_ALL);
	memset(rows, 0, sizeof(HeapTuple) * target);
	reservoir_init_selection_state(&r.state, target);
	blocks = tl_store_list(list, n_buckets, DT_NOBEGIN, DT_NOEND, filter.levels, &n_blocks);
	*total = *dead = 0;
	for (uint32 i = 0; i < n_blocks; i++)
		*total += blocks[i].n;
	chosen = choose_blocks(blocks, n_blocks, &r.state);
	for (uint32 i = 0; i < chosen; i++)
		sample_block(&blocks[i], &filter, buckets, desc, maker, &r);
	ereport(elevel, (errmsg("\"%s\": read %u of %u blocks, containing %.0f points; %d in sample",
							RelationGetRelationName(table), chosen, n_blocks, r.seen, r.filled)));
	return r.filled;
}

bool
tl_fdw_analyze(Relation table, AcquireSampleRowsFunc *func, BlockNumber *pages)
{
	double blocks;
	double points;

	/* Of the newest points, the planner knows as much as of the others. */
	if (tl_fdw_is_text(RelationGetRelid(table)) || tl_fdw_is_newest(RelationGetRelid(table)))
		return false;
	tl_store_totals(tl_fdw_levels(RelationGetRelid(table)), &blocks, &points);
	*func = acquire_sample;
	*pages = (BlockNumber) Min(Max(blocks, 1), MaxBlockNumber);
	return true;
}
