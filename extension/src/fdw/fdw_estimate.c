/*
 * fdw_estimate.c
 *		How many rows and blocks a scan has to do with.  See fdw_estimate.h.
 *
 * Keys whose values are known at plan time, now() included, make a filter, of which the store and the
 * series are asked.  A value that is not known yet stands for one of the different ones that there
 * are; a time that is not known, for the planner's usual part.
 */
#include "fdw/fdw_estimate.h"

#include <math.h>

#include "fdw/fdw_keys.h"
#include "fdw/fdw_series.h"
#include "optimizer/optimizer.h"
#include "utils/selfuncs.h"
#include "utils/timestamp.h"

/* An array that is not known has so many elements, as the planner has it. */
#define UNKNOWN_ELEMENTS 10
/* The part of all that begins with an unknown prefix. */
#define UNKNOWN_PREFIX 0.1

typedef struct Estimate
{
	TlFilter filter;
	bool nothing;			/* no point can match */
	double unknown_devices; /* equal to so many values that are not known; 0: no such key */
	double unknown_metrics;
	double unknown_part; /* of prefixes that are not known */
	bool unknown_from;
	bool unknown_to;
	bool unknown_time;
} Estimate;

static void
add_unknown(Estimate *e, TlPointColumn column, TlKeyOp op)
{
	double *count = column == TL_POINT_DEVICE_ID ? &e->unknown_devices : &e->unknown_metrics;

	switch (op)
	{
		case TL_KEY_PREFIX:
			e->unknown_part *= UNKNOWN_PREFIX;
			return;
		case TL_KEY_LT:
		case TL_KEY_LE:
			e->unknown_to = true;
			return;
		case TL_KEY_GT:
		case TL_KEY_GE:
			e->unknown_from = true;
			return;
		case TL_KEY_EQ:
		case TL_KEY_ANY:
			break;
	}
	if (column == TL_POINT_TS)
		e->unknown_time = true;
	else if (op == TL_KEY_EQ || *count == 0)
		*count = op == TL_KEY_EQ ? 1 : UNKNOWN_ELEMENTS;
}

static void
add_key(PlannerInfo *root, Estimate *e, const TlScanKey *key)
{
	Node *value = estimate_expression_value(root, (Node *) key->value);

	if (!IsA(value, Const))
		add_unknown(e, key->column, key->op);
	else if (((Const *) value)->constisnull ||
			 !tl_key_apply(key->column, key->op, ((Const *) value)->constvalue,
						   ((Const *) value)->consttype, &e->filter))
		e->nothing = true;
}

/* The keys of clauses; returns what else there is. */
static List *
gather(PlannerInfo *root, RelOptInfo *rel, List *clauses, Estimate *e)
{
	const TlRelPlan *plan = rel->fdw_private;
	List *rest = NIL;
	ListCell *lc;

	memset(e, 0, sizeof(Estimate));
	e->filter.from = DT_NOBEGIN;
	e->filter.to = DT_NOEND;
	e->filter.levels = plan->levels;
	e->unknown_part = 1;
	foreach(lc, clauses)
	{
		RestrictInfo *ri = lfirst_node(RestrictInfo, lc);
		TlScanKey key;

		if (!tl_key_from_clause(ri->clause, rel->relid, &plan->map, &key) || key.lossy)
			rest = lappend(rest, ri);
		else if (!e->nothing)
			add_key(root, e, &key);
	}
	return rest;
}

static double
part_of_unknown(const Estimate *e)
{
	TlSeriesCounts counts;
	double part = e->unknown_part;

	if (e->unknown_from && e->unknown_to)
		part *= DEFAULT_RANGE_INEQ_SEL;
	else if (e->unknown_from || e->unknown_to)
		part *= DEFAULT_INEQ_SEL;
	if (e->unknown_time)
		part *= DEFAULT_EQ_SEL;
	if (e->unknown_devices == 0 && e->unknown_metrics == 0)
		return part;
	tl_series_counts(&counts);
	if (e->unknown_devices > 0 && e->filter.n_devices == 0)
		part *= Min(e->unknown_devices / counts.devices, 1);
	if (e->unknown_metrics > 0 && e->filter.n_metrics == 0)
		part *= Min(e->unknown_metrics / counts.metrics, 1);
	return part;
}

/* Of the blocks in a range, those of the devices' buckets. */
static double
part_of_blocks(const Estimate *e)
{
	double devices = e->filter.n_devices > 0 ? e->filter.n_devices : e->unknown_devices;

	return devices > 0 ? Min(devices / tl_store_buckets(), 1) : 1;
}

/* The points of a range that are of the filter's series, at whatever level they are. */
static double
points_of_series(const Estimate *e, const TlStoreEstimate *in_range)
{
	TlFilter filter = e->filter;
	TlStoreEstimate all = *in_range;

	if (filter.levels != TL_LEVELS_ALL)
		tl_store_estimate(TL_LEVELS_ALL, filter.from, filter.to, &all);
	filter.from = Max(filter.from, all.first);
	filter.to = Min(filter.to, all.last);
	if (all.points <= 0 || filter.from > filter.to)
		return 0;
	return tl_series_points(&filter, all.points) / all.points * in_range->points;
}

double
tl_estimate_points(TlLevels levels)
{
	TlStoreEstimate e;

	tl_store_estimate(levels, DT_NOBEGIN, DT_NOEND, &e);
	return e.points;
}

void
tl_estimate_scan(PlannerInfo *root, RelOptInfo *rel, List *clauses, TlScanSize *size)
{
	Estimate e;
	List *rest = gather(root, rel, clauses, &e);
	TlStoreEstimate in_range;
	double part;

	size->rows = 1;
	size->blocks = 0;
	size->days = 1;
	if (e.nothing)
		return;
	tl_store_estimate(e.filter.levels, e.filter.from, e.filter.to, &in_range);
	part = part_of_unknown(&e);
	size->rows = points_of_series(&e, &in_range) * part *
				 clauselist_selectivity(root, rest, 0, JOIN_INNER, NULL);
	size->rows = clamp_row_est(size->rows);
	size->blocks = in_range.blocks * part_of_blocks(&e);
	if (e.unknown_from || e.unknown_to || e.unknown_time)
		size->blocks *= e.unknown_from && e.unknown_to ? DEFAULT_RANGE_INEQ_SEL : DEFAULT_INEQ_SEL;
	size->blocks = ceil(size->blocks);
	size->days = (double) (Min(e.filter.to, in_range.last) / TL_USECS_PER_DAY) -
				 (double) (Max(e.filter.from, in_range.first) / TL_USECS_PER_DAY) + 1;
}
