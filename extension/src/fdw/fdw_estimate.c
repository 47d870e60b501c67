/*
 * fdw_estimate.c
 *		How many rows and blocks a scan has to do with.  See fdw_estimate.h.
 *
 * Keys whose values are known at plan time, now() included, make a filter, of which the store and the
 * series are asked.  A value that is not known yet stands for one of the different ones that there
 * are; a range that is not known, for the planner's usual part.
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

/* What part of all so many values are that are not known yet; 0: there is no such key. */
static double
part_of(double unknown, double all)
{
	return unknown > 0 ? Min(unknown / all, 1) : 1;
}

static double
part_of_unknown_keys(const Estimate *e, const TlSeriesCounts *counts)
{
	return e->unknown_part *
		   (e->filter.n_devices > 0 ? 1 : part_of(e->unknown_devices, counts->devices)) *
		   (e->filter.n_metrics > 0 ? 1 : part_of(e->unknown_metrics, counts->metrics));
}

static double
part_of_unknown_range(const Estimate *e)
{
	if (e->unknown_from && e->unknown_to)
		return DEFAULT_RANGE_INEQ_SEL;
	return e->unknown_from || e->unknown_to ? DEFAULT_INEQ_SEL : 1;
}

/* Of the blocks in a range, those of the devices' buckets. */
static double
part_of_blocks(const Estimate *e)
{
	double devices = e->filter.n_devices > 0 ? e->filter.n_devices : e->unknown_devices;

	return devices > 0 ? Min(devices / tl_store_buckets(), 1) : 1;
}

/* The points of a range that are of the filter's series, at whatever level they are, and those. */
static void
match_series(const Estimate *e, const TlStoreEstimate *in_range, TlSeriesMatch *match)
{
	TlFilter filter = e->filter;
	TlStoreEstimate all = *in_range;

	*match = (TlSeriesMatch){.series = 1};
	if (filter.levels != TL_LEVELS_ALL)
		tl_store_estimate(TL_LEVELS_ALL, filter.from, filter.to, &all);
	filter.from = Max(filter.from, all.first);
	filter.to = Min(filter.to, all.last);
	if (all.points <= 0 || filter.from > filter.to)
		return;
	tl_series_match(&filter, all.points, match);
	match->points *= in_range->points / all.points;
}

/*
 * Of so many series: those listed; else what there is of the other kind tells, each series being
 * another device's if it is the metrics that are chosen, and an average part of one otherwise.
 */
static double
count_different(double listed, double unknown, bool other_is_chosen, double all, double series,
				double all_series)
{
	if (listed > 0 || unknown > 0)
		return Max(Min(listed > 0 ? listed : unknown, series), 1);
	if (!other_is_chosen)
		series *= all / all_series;
	return Max(Min(series, all), 1);
}

static void
count_distinct(const Estimate *e, const TlSeriesCounts *counts, double series, double points,
			   TlDistinct *d)
{
	const TlFilter *f = &e->filter;
	bool chosen_devices = f->n_devices > 0 || f->device_prefix.len > 0 || e->unknown_devices > 0;
	bool chosen_metrics = f->n_metrics > 0 || f->metric_prefix.len > 0 || e->unknown_metrics > 0;

	d->devices = count_different(f->n_devices, e->unknown_devices, chosen_metrics, counts->devices,
								 series, counts->series);
	d->devices = Min(d->devices, points);
	d->metrics = count_different(f->n_metrics, e->unknown_metrics, chosen_devices, counts->metrics,
								 series, counts->series);
	d->metrics = Min(d->metrics, Max(points / d->devices, 1));
	d->times = Max(points / (d->devices * d->metrics), 1);
}

void
tl_estimate_scan(PlannerInfo *root, RelOptInfo *rel, List *clauses, TlScanSize *size)
{
	TlRelPlan *plan = rel->fdw_private;
	Estimate e;
	List *rest = gather(root, rel, clauses, &e);
	TlSeriesCounts counts;
	TlSeriesMatch match;
	TlStoreEstimate in_range;
	TlDistinct distinct;
	double part;

	*size = (TlScanSize){.rows = 1, .tuples = 1, .days = 1};
	if (e.nothing)
		return;
	tl_series_counts(&counts);
	tl_store_estimate(e.filter.levels, e.filter.from, e.filter.to, &in_range);
	match_series(&e, &in_range, &match);
	part = part_of_unknown_keys(&e, &counts);
	size->tuples = clamp_row_est(match.points * part * part_of_unknown_range(&e));
	count_distinct(&e, &counts, match.series * part, size->tuples, &distinct);
	if (e.unknown_time)
	{
		size->tuples = clamp_row_est(size->tuples / distinct.times);
		distinct.times = 1;
	}
	if (plan->distinct.devices == 0)
		plan->distinct = distinct;
	if (plan->newest)
		size->tuples = clamp_row_est(Min(size->tuples, distinct.devices * distinct.metrics));
	/* What is no key the planner judges by its own means, which look at the above. */
	size->rows =
		clamp_row_est(size->tuples * clauselist_selectivity(root, rest, 0, JOIN_INNER, NULL));
	size->blocks = in_range.blocks * part_of_blocks(&e);
	if (e.unknown_from || e.unknown_to || e.unknown_time)
		size->blocks *= e.unknown_from && e.unknown_to ? DEFAULT_RANGE_INEQ_SEL : DEFAULT_INEQ_SEL;
	size->blocks = ceil(size->blocks);
	size->days = (double) (Min(e.filter.to, in_range.last) / TL_USECS_PER_DAY) -
				 (double) (Max(e.filter.from, in_range.first) / TL_USECS_PER_DAY) + 1;
}
