/*
 * fdw_plan.c
 *		Sizes, paths and plans of a scan of telemetry.point.
 *
 * Besides the plain scan there are paths in the order of time, which for one series make ORDER BY ts
 * DESC LIMIT 1 read a single block, and for many the blocks of a day; and paths whose device or metric comes from the
 * other side of a join.
 */
#include "fdw/fdw_plan.h"

#include <math.h>

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_opfamily.h"
#include "fdw/fdw_count.h"
#include "fdw/fdw_estimate.h"
#include "fdw/fdw_keys.h"
#include "fdw/fdw_option.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "read/scan.h"
#include "utils/plancache.h"
#include "utils/rel.h"

/* Costs in the planner's units: to start, to open a block, to decode a point. */
#define COST_START 20.0
#define COST_BLOCK 5.0
#define COST_POINT 0.003

/* A store so many times as large, or as small, is not that for which a plan was made. */
#define OUTGROWN 2.0

/*
 * A table of texts, which cannot be read, has no TlRelPlan.  Its scan is planned all the same, and refuses
 * when it begins: who may not read it is to be told that.
 */
void
tl_fdw_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid table)
{
	TlRelPlan *plan = palloc0(sizeof(TlRelPlan));
	Relation relation;
	TlScanSize size;

	if (tl_fdw_is_text(table))
	{
		rel->tuples = 0;
		set_baserel_size_estimates(root, rel);
		return;
	}
	relation = table_open(table, NoLock);
	tl_point_map(RelationGetDescr(relation), RelationGetRelationName(relation), &plan->map);
	table_close(relation, NoLock);
	plan->levels = tl_fdw_levels(table);
	plan->newest = tl_fdw_is_newest(table);
	/* What the scan decides by itself are series: of the newest points, others may be in a range of time. */
	if (plan->newest)
		plan->map.attno[TL_POINT_TS] = 0;
	rel->fdw_private = plan;
	tl_estimate_scan(root, rel, rel->baserestrictinfo, &size);
	/* To the planner, the table is what the keys let through: so are the different values of it. */
	rel->tuples = size.tuples;
	/* For the width and what conditions cost; the rows are ours. */
	set_baserel_size_estimates(root, rel);
	rel->rows = size.rows;
	plan->blocks = size.blocks;
	plan->days = size.days;
}

/* Which of the given clauses are equality keys of a column. */
static bool
has_equality(List *restrictions, Index relid, const TlPointMap *map, TlPointColumn column)
{
	ListCell *lc;

	foreach(lc, restrictions)
	{
		TlScanKey key;

		if (tl_key_from_clause(lfirst_node(RestrictInfo, lc)->clause, relid, map, &key) &&
			key.column == column && key.op == TL_KEY_EQ)
			return true;
	}
	return false;
}

static void
add_path_with(PlannerInfo *root, RelOptInfo *rel, double rows, double blocks, List *pathkeys,
			  Relids outer, TlScanOrder order)
{
	/* An ordered scan opens its blocks one by one: it may stop after the first. */
	bool all_at_once = order == TL_SCAN_ANY || order == TL_SCAN_NEWEST;
	double startup = COST_START + (all_at_once ? COST_BLOCK * blocks : COST_BLOCK);
	double total = COST_START + COST_BLOCK * Max(blocks, 1) + (COST_POINT + cpu_tuple_cost) * rows;

	add_path(rel, (Path *) tl_create_foreignscan_path(root, rel, rows, startup, total, pathkeys,
													  outer, list_make2_int(order, false)));
}

static TlScanOrder
any_order(const TlRelPlan *plan)
{
	return plan->newest ? TL_SCAN_NEWEST : TL_SCAN_ANY;
}

/* The order that the query wants first, if it is that of ts; false if it is another or none. */
static bool
wanted_time_order(PlannerInfo *root, RelOptInfo *rel, const TlPointMap *map, TlScanOrder *order)
{
	PathKey *pathkey;
	ListCell *lc;

	if (root->query_pathkeys == NIL)
		return false;
	pathkey = linitial_node(PathKey, root->query_pathkeys);
	if (pathkey->pk_eclass->ec_has_volatile)
		return false;
	foreach(lc, pathkey->pk_eclass->ec_members)
	{
		EquivalenceMember *em = lfirst_node(EquivalenceMember, lc);
		Var *var = (Var *) em->em_expr;

		if (IsA(var, Var) && var->varno == (int) rel->relid && var->varattno != 0 &&
			var->varattno == map->attno[TL_POINT_TS])
		{
			*order = tl_pathkey_is_descending(pathkey) ? TL_SCAN_TIME_BACKWARD : TL_SCAN_TIME;
			return true;
		}
	}
	return false;
}

/*
 * Many series in the order of time.  Before the first row, a day is read; all of them take about
 * twice a scan, and being sorted day by day.
 */
static void
add_window_path(PlannerInfo *root, RelOptInfo *rel, const TlRelPlan *plan, TlScanOrder order)
{
	double all = COST_BLOCK * Max(plan->blocks, 1) + (COST_POINT + cpu_tuple_cost) * rel->rows;
	double startup = COST_START + all / Max(plan->days, 1);
	double total = COST_START + 2 * all + 2 * cpu_operator_cost * rel->rows * log2(rel->rows + 1);

	add_path(rel,
			 (Path *) tl_create_foreignscan_path(root, rel, rel->rows, Min(startup, total), total,
												 list_make1(linitial(root->query_pathkeys)),
												 rel->lateral_relids, list_make2_int(order, true)));
}

typedef struct ColumnMatch
{
	AttrNumber attno;
} ColumnMatch;

static bool
is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
		  void *arg)
{
	Var *var = (Var *) em->em_expr;

	return IsA(var, Var) && var->varno == (int) rel->relid &&
		   var->varattno == ((ColumnMatch *) arg)->attno;
}

/* The path that a join clause allows if it gives the device or metric. */
static void
add_join_path(PlannerInfo *root, RelOptInfo *rel, const TlRelPlan *plan, const RestrictInfo *ri)
{
	Relids outer = bms_union(ri->clause_relids, rel->lateral_relids);
	ParamPathInfo *info;
	TlScanKey key;
	TlScanSize size;

	outer = bms_del_member(outer, (int) rel->relid);
	if (bms_is_empty(outer) || !tl_key_from_clause(ri->clause, rel->relid, &plan->map, &key) ||
		key.column == TL_POINT_TS)
		return;
	/* The scan will have all clauses that those relations allow, of which this is one. */
	info = get_baserel_parampathinfo(root, rel, outer);
	tl_estimate_scan(root, rel, list_concat_copy(rel->baserestrictinfo, info->ppi_clauses), &size);
	info->ppi_rows = Min(size.rows, rel->rows);
	add_path_with(root, rel, info->ppi_rows, size.blocks, NIL, outer, any_order(plan));
}

/* Paths for joins that give the device or metric, such as one row of devices after another. */
static void
add_join_paths(PlannerInfo *root, RelOptInfo *rel, const TlRelPlan *plan)
{
	ListCell *lc;

	/* Clauses of outer joins, and others that no equivalence class holds. */
	foreach(lc, rel->joininfo)
	{
		RestrictInfo *ri = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(ri, rel))
			add_join_path(root, rel, plan, ri);
	}
	for (int c = TL_POINT_DEVICE_ID; c <= TL_POINT_METRIC; c++)
	{
		ColumnMatch match = {plan->map.attno[c]};
		List *clauses = generate_implied_equalities_for_column(root, rel, is_column, &match,
															   rel->lateral_referencers);

		foreach(lc, clauses)
			add_join_path(root, rel, plan, lfirst_node(RestrictInfo, lc));
	}
}

void
tl_fdw_paths(PlannerInfo *root, RelOptInfo *rel, Oid table)
{
	TlRelPlan *plan = rel->fdw_private;
	bool one_device;
	TlScanOrder order;

	if (plan == NULL)
	{
		add_path_with(root, rel, 0, 0, NIL, rel->lateral_relids, TL_SCAN_ANY);
		return;
	}
	one_device = has_equality(rel->baserestrictinfo, rel->relid, &plan->map, TL_POINT_DEVICE_ID);

	add_path_with(root, rel, rel->rows, plan->blocks, NIL, rel->lateral_relids, any_order(plan));
	if (!wanted_time_order(root, rel, &plan->map, &order))
		;
	else if (one_device &&
			 has_equality(rel->baserestrictinfo, rel->relid, &plan->map, TL_POINT_METRIC))
		add_path_with(root, rel, rel->rows, plan->blocks,
					  list_make1(linitial(root->query_pathkeys)), rel->lateral_relids, order);
	else
		add_window_path(root, rel, plan, order);
	add_join_paths(root, rel, plan);
}

/* Which columns the executor looks at, as a set. */
static int
wanted_columns(const TlRelPlan *plan, RelOptInfo *rel, List *local_clauses)
{
	Bitmapset *used = NULL;
	int columns = 0;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &used);
	pull_varattnos((Node *) local_clauses, rel->relid, &used);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used))
		return TL_POINT_ALL; /* the whole row */
	for (int c = 0; c < TL_POINT_COLUMNS; c++)
		if (plan->map.attno[c] != 0 &&
			bms_is_member(plan->map.attno[c] - FirstLowInvalidHeapAttributeNumber, used))
			columns |= TL_POINT_BIT(c);
	return columns;
}

static int
pages_of(TlLevels levels)
{
	return (int) Min(tl_store_recent_pages(levels), INT_MAX);
}

ForeignScan *
tl_fdw_plan(PlannerInfo *root, RelOptInfo *rel, Oid table, ForeignPath *best, List *tlist,
			List *clauses, Plan *outer)
{
	const TlRelPlan *plan;
	TlPlanKeys keys;
	List *local;

	if (rel->reloptkind == RELOPT_UPPER_REL)
		return tl_count_plan(rel, tlist);
	plan = rel->fdw_private;
	if (plan == NULL)
		return make_foreignscan(tlist, extract_actual_clauses(clauses, false), rel->relid, NIL, NIL,
								NIL, NIL, outer);
	tl_keys_divide(clauses, rel->relid, &plan->map, &keys, &local);
	return make_foreignscan(tlist, local, rel->relid, keys.values,
							lappend(list_make5(keys.columns, keys.ops, list_make1_int(plan->levels),
											   list_make1_int(pages_of(plan->levels)),
											   list_make1_int(wanted_columns(plan, rel, local))),
									best->fdw_private),
							NIL, keys.clauses, outer);
}

void
tl_fdw_check_plan(const ForeignScan *plan)
{
	int planned = linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_PAGES));
	double pages = pages_of(linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_LEVELS)));

	/* Of this session: ANALYZE would tell all, but never comes, and a standby may tell nobody. */
	if (pages > OUTGROWN * planned || planned > OUTGROWN * pages)
		ResetPlanCache();
}
