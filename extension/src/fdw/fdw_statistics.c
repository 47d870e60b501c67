/*
 * fdw_statistics.c
 *		Numbers of different devices, metrics and times, for the planner.  See fdw_statistics.h.
 *
 * ANALYZE never comes by itself to foreign tables, and what it could say is of the whole table: joins by
 * device and time of points of one day would be taken for next to nothing.  So where the planner asks
 * for a column's statistics it gets those of the scan that it is planning, which TlRelPlan has.
 *
 * A tuple that is handed out is allocated in the current memory context, and the planner frees it.
 */
#include "fdw/fdw_statistics.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_statistic.h"
#include "fdw/fdw_plan.h"
#include "foreign/fdwapi.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

static get_relation_stats_hook_type previous_hook = NULL;

/* The plan of a table of ours whose size is known; else NULL. */
static const TlRelPlan *
plan_of(PlannerInfo *root, const RangeTblEntry *rte, Index *relid)
{
	if (rte->rtekind != RTE_RELATION || root->simple_rel_array == NULL)
		return NULL;
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		const RelOptInfo *rel = root->simple_rel_array[i];
		const TlRelPlan *plan;

		if (rel == NULL || root->simple_rte_array[i] != rte)
			continue;
		*relid = (Index) i;
		if (rel->fdwroutine == NULL || rel->fdwroutine->GetForeignRelSize != tl_fdw_rel_size)
			return NULL;
		plan = rel->fdw_private;
		return plan != NULL && plan->distinct.devices > 0 ? plan : NULL;
	}
	return NULL;
}

static bool
has_column(PlannerInfo *root, List *clauses, Index relid, AttrNumber attno)
{
	ListCell *lc;

	foreach(lc, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Var *var = (Var *) get_sortgroupclause_expr(clause, root->parse->targetList);

		if (IsA(var, Var) && var->varno == (int) relid && var->varattno == attno)
			return true;
	}
	return false;
}

/*
 * Groups are mostly made of times that are cut to hours or days, of which the planner would suppose as many
 * as there are times.  It begins with groups when it is done with joins.
 */
static bool
groups_by_parts_of(PlannerInfo *root, Index relid, AttrNumber attno)
{
	const Query *query = root->parse;

	return (root->upper_rels[UPPERREL_GROUP_AGG] != NIL ||
			root->upper_rels[UPPERREL_DISTINCT] != NIL) &&
		   !has_column(root, query->groupClause, relid, attno) &&
		   !has_column(root, query->distinctClause, relid, attno);
}

/* How many different values a column has; 0: that is not known. */
static double
distinct_values(PlannerInfo *root, const TlRelPlan *plan, Index relid, AttrNumber attno)
{
	const AttrNumber *columns = plan->map.attno;

	if (attno <= 0)
		return 0;
	if (attno == columns[TL_POINT_DEVICE_ID])
		return plan->distinct.devices;
	/* What is measured has its unit. */
	if (attno == columns[TL_POINT_METRIC] || attno == columns[TL_POINT_UNIT])
		return plan->distinct.metrics;
	if (attno != columns[TL_POINT_TS])
		return 0;
	return groups_by_parts_of(root, relid, attno) ? Min(plan->distinct.times, DEFAULT_NUM_DISTINCT)
												  : plan->distinct.times;
}

/* What ANALYZE leaves of a column that it finds no value of remarkable, in a tuple of its own. */
static HeapTuple
make_tuple(Oid table, AttrNumber attno)
{
	Relation catalog = table_open(StatisticRelationId, AccessShareLock);
	Datum values[Natts_pg_statistic] = {0};
	bool nulls[Natts_pg_statistic] = {false};
	HeapTuple tuple;

	values[Anum_pg_statistic_starelid - 1] = ObjectIdGetDatum(table);
	values[Anum_pg_statistic_staattnum - 1] = Int16GetDatum(attno);
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		nulls[Anum_pg_statistic_stanumbers1 - 1 + i] = true;
		nulls[Anum_pg_statistic_stavalues1 - 1 + i] = true;
	}
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	table_close(catalog, AccessShareLock);
	return tuple;
}

/* A copy of what ANALYZE has left, if anything. */
static HeapTuple
copy_tuple(const RangeTblEntry *rte, AttrNumber attno)
{
	return SearchSysCacheCopy3(STATRELATTINH, ObjectIdGetDatum(rte->relid), Int16GetDatum(attno),
							   BoolGetDatum(rte->inh));
}

static bool
get_statistics(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attno, VariableStatData *vardata)
{
	const TlRelPlan *plan;
	double distinct;
	Index relid;

	if (previous_hook != NULL && previous_hook(root, rte, attno, vardata))
		return true;
	plan = plan_of(root, rte, &relid);
	distinct = plan == NULL ? 0 : distinct_values(root, plan, relid, attno);
	if (distinct == 0)
		return false;
	vardata->statsTuple = copy_tuple(rte, attno);
	if (vardata->statsTuple == NULL)
		vardata->statsTuple = make_tuple(rte->relid, attno);
	((Form_pg_statistic) GETSTRUCT(vardata->statsTuple))->stadistinct = (float4) distinct;
	vardata->freefunc = heap_freetuple;
	/* Values that ANALYZE has found are shown only to who may see all of them. */
	vardata->acl_ok = rte->securityQuals == NIL &&
					  pg_class_aclcheck(rte->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	return true;
}

void
tl_statistics_define(void)
{
	previous_hook = get_relation_stats_hook;
	get_relation_stats_hook = get_statistics;
}
