/*
 * fdw_explain.c
 *		What EXPLAIN shows of a scan of telemetry.point.
 *
 *	Aggregate		when the scan gives a count instead of rows, and of which table
 *	Pushed Down		the clauses that the scan decides by itself
 *	Order			when the scan delivers its rows in the order of time
 *	Points			which, if they are not all
 * and with ANALYZE
 *	Blocks			opened, or counted without, of all that the store holds
 *	Frames, Series Runs, Bytes	fetched and decompressed, decoded, and read from blocks
 */
#include "fdw/fdw_explain.h"

#include "commands/explain.h"
#include "fdw/fdw_count.h"
#include "fdw/fdw_plan.h"
#include "fdw/fdw_scan.h"
#include "nodes/makefuncs.h"
#include "parser/parsetree.h"
#include "read/scan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

static void
explain_pushed(ForeignScanState *node, ExplainState *es, List *ancestors)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List *context;
	char *text;

	if (plan->fdw_recheck_quals == NIL)
		return;
	context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, ancestors);
	text = deparse_expression((Node *) make_ands_explicit(plan->fdw_recheck_quals), context,
							  tl_explain_relations(es) > 1 || es->verbose, false);
	ExplainPropertyText("Pushed Down", text, es);
}

/* The table has no scan of its own in the plan, which would show its name. */
static void
explain_count(const ForeignScan *plan, ExplainState *es)
{
	int rti = bms_next_member(plan->fs_relids, -1);
	Oid table = rt_fetch(rti, es->rtable)->relid;
	const char *name = get_rel_name(table);
	const char *alias = list_nth(es->rtable_names, rti - 1);
	const char *schema = es->verbose ? get_namespace_name_or_temp(get_rel_namespace(table)) : NULL;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "count on %s", quote_qualified_identifier(schema, name));
	if (alias != NULL && strcmp(alias, name) != 0)
		appendStringInfo(&text, " %s", quote_identifier(alias));
	ExplainPropertyText("Aggregate", text.data, es);
}

static void
explain_blocks(const TlReadStats *stats, bool is_count, TlLevels levels, ExplainState *es)
{
	double blocks;
	double points;
	double skipped;

	tl_store_totals(levels, &blocks, &points);
	skipped = Max(blocks - (double) (stats->blocks + stats->counted), 0);
	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		StringInfoData text;

		initStringInfo(&text);
		if (is_count)
			appendStringInfo(&text, UINT64_FORMAT " counted, ", stats->counted);
		appendStringInfo(&text, UINT64_FORMAT " read, %.0f skipped", stats->blocks, skipped);
		ExplainPropertyText("Blocks", text.data, es);
		return;
	}
	if (is_count)
		ExplainPropertyInteger("Blocks Counted", NULL, (int64) stats->counted, es);
	ExplainPropertyInteger("Blocks Read", NULL, (int64) stats->blocks, es);
	ExplainPropertyInteger("Blocks Skipped", NULL, (int64) skipped, es);
}

void
tl_fdw_explain(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	bool is_count = tl_fdw_is_count(node);
	TlScanOrder order =
		is_count ? TL_SCAN_ANY : linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_ORDER));
	TlReadStats stats;

	if (is_count)
		explain_count(plan, es);
	explain_pushed(node, es, NIL);
	if (order == TL_SCAN_NEWEST)
		ExplainPropertyText("Points", "newest of each series", es);
	else if (order != TL_SCAN_ANY)
		ExplainPropertyText("Order", order == TL_SCAN_TIME ? "ts" : "ts backward", es);
	if (!es->analyze)
		return;

	tl_fdw_scan_stats(node, &stats);
	explain_blocks(&stats, is_count, linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_LEVELS)),
				   es);
	ExplainPropertyInteger("Frames", NULL, (int64) stats.frames, es);
	ExplainPropertyInteger("Series Runs", NULL, (int64) stats.entries, es);
	ExplainPropertyInteger("Bytes", NULL, (int64) stats.bytes, es);
}
