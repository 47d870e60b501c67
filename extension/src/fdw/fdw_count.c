/*
 * fdw_count.c
 *		SELECT count(*) without rows: the count is made from what blocks say of themselves.
 *
 * This is for queries over one foreign table whose conditions are all keys, and that ask for
 * nothing but counts of rows.  The plan is a scan without a relation; its rows have a column for
 * each count, and then one, never filled, for each key column: EXPLAIN shows conditions on those.
 */
#include "fdw/fdw_count.h"

#include "executor/executor.h"
#include "fdw/fdw_keys.h"
#include "fdw/fdw_plan.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/tlist.h"
#include "read/scan_count.h"
#include "utils/fmgroids.h"

/* In the upper relation's fdw_private. */
typedef struct CountPlan
{
	RelOptInfo *input;
	List *aggregates; /* all different */
} CountPlan;

typedef struct CountState
{
	MemoryContext context;
	TlKeyStates keys;
	int n_counts;
	bool done;
	TlReadStats stats;
} CountState;

/* Whether what is counted is never null, so that all rows count. */
static bool
is_never_null(Node *node, const RelOptInfo *input)
{
	const TlRelPlan *table = input->fdw_private;
	Var *var = (Var *) node;

	if (IsA(node, Const))
		return !((Const *) node)->constisnull;
	if (!IsA(node, Var) || var->varno != (int) input->relid || var->varlevelsup != 0)
		return false;
	for (int c = TL_POINT_TS; c <= TL_POINT_VALUE; c++)
		if (table->map.attno[c] == var->varattno)
			return true;
	return false;
}

static bool
counts_rows(const Aggref *agg, const RelOptInfo *input)
{
	if (agg->agglevelsup != 0 || agg->aggfilter != NULL || agg->aggdistinct != NIL ||
		agg->aggorder != NIL)
		return false;
	if (agg->aggfnoid == F_COUNT_)
		return true;
	return agg->aggfnoid == F_COUNT_ANY &&
		   is_never_null((Node *) linitial_node(TargetEntry, agg->args)->expr, input);
}

/* Whether the scan decides all conditions; one that no column is part of is not its business. */
static bool
has_only_keys(const RelOptInfo *input)
{
	const TlRelPlan *table = input->fdw_private;
	TlPlanKeys keys;
	List *rest;

	tl_keys_divide(input->baserestrictinfo, input->relid, &table->map, &keys, &rest);
	return rest == NIL && list_length(keys.clauses) == list_length(input->baserestrictinfo);
}

/* The counts that a query asks for; NIL if it asks for anything else of the rows, or nothing. */
static List *
counts_wanted(PathTarget *target, const RelOptInfo *input)
{
	List *wanted = NIL;
	ListCell *lc;

	foreach(lc, pull_var_clause((Node *) target->exprs,
								PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_PLACEHOLDERS))
	{
		Node *node = lfirst(lc);

		if (!IsA(node, Aggref) || !counts_rows((Aggref *) node, input))
			return NIL;
		wanted = list_append_unique(wanted, node);
	}
	return wanted;
}

void
tl_fdw_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
				   RelOptInfo *output, void *extra)
{
	Query *query = root->parse;
	CountPlan *plan;
	List *aggregates;
	double cost;

	if (stage != UPPERREL_GROUP_AGG || input->reloptkind != RELOPT_BASEREL ||
		input->fdw_private == NULL || ((TlRelPlan *) input->fdw_private)->newest ||
		output->fdw_private != NULL || query->groupClause != NIL || query->groupingSets != NIL ||
		root->hasHavingQual || !has_only_keys(input))
		return;
	aggregates = counts_wanted(output->reltarget, input);
	if (aggregates == NIL)
		return;
	plan = palloc(sizeof(CountPlan));
	plan->input = input;
	plan->aggregates = aggregates;
	output->fdw_private = plan;

	/* The scan's costs before its first row are those of its blocks, which are mostly not read. */
	cost = input->cheapest_total_path->startup_cost / 10;
	add_path(output, (Path *) tl_create_upper_path(root, output, cost));
}

ForeignScan *
tl_count_plan(RelOptInfo *rel, List *tlist)
{
	CountPlan *plan = rel->fdw_private;
	const TlRelPlan *table = plan->input->fdw_private;
	TlPlanKeys keys;
	List *rest;
	List *columns = add_to_flat_tlist(NIL, plan->aggregates);

	tl_keys_divide(plan->input->baserestrictinfo, plan->input->relid, &table->map, &keys, &rest);
	columns = add_to_flat_tlist(columns, pull_var_clause((Node *) keys.clauses, 0));
	return make_foreignscan(tlist, NIL, 0, keys.values,
							list_make3(keys.columns, keys.ops, list_make1_int(table->levels)),
							columns, keys.clauses, NULL);
}

void
tl_count_begin(ForeignScanState *node)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	CountState *s = palloc0(sizeof(CountState));
	ListCell *lc;

	s->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry count", ALLOCSET_SMALL_SIZES);
	tl_keys_begin(node, &s->keys);
	foreach(lc, plan->fdw_scan_tlist)
		s->n_counts += IsA(lfirst_node(TargetEntry, lc)->expr, Aggref);
	node->fdw_state = s;
}

static uint64
count(CountState *s, ExprContext *econtext)
{
	MemoryContext old = MemoryContextSwitchTo(s->context);
	uint64 n = 0;
	TlFilter filter;

	if (tl_keys_filter(&s->keys, econtext, &filter))
		n = tl_scan_count(&filter, &s->stats);
	MemoryContextSwitchTo(old);
	MemoryContextReset(s->context);
	return n;
}

TupleTableSlot *
tl_count_iterate(ForeignScanState *node)
{
	CountState *s = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	uint64 n;

	ExecClearTuple(slot);
	if (s->done)
		return slot;
	s->done = true;
	n = count(s, node->ss.ps.ps_ExprContext);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < s->n_counts; i++)
	{
		slot->tts_values[i] = Int64GetDatum((int64) n);
		slot->tts_isnull[i] = false;
	}
	return ExecStoreVirtualTuple(slot);
}

void
tl_count_rescan(ForeignScanState *node)
{
	((CountState *) node->fdw_state)->done = false;
}

const TlReadStats *
tl_count_stats(const ForeignScanState *node)
{
	return &((const CountState *) node->fdw_state)->stats;
}
