/*
 * fdw_explain.c
 *		What EXPLAIN shows of a scan of telemetry.point.
 *
 *	Pushed Down		the clauses that the scan decides by itself
 *	Order			when the scan delivers one series in the order of time
 * and with ANALYZE
 *	Blocks			opened, of all that the store holds
 *	Frames, Series Runs, Bytes	fetched and decompressed, decoded, and read from blocks
 */
#include "fdw.h"

#include "commands/explain.h"
#include "nodes/makefuncs.h"
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
							  list_length(es->rtable) > 1 || es->verbose, false);
	ExplainPropertyText("Pushed Down", text, es);
}

void
tl_fdw_explain(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TlScanOrder order = linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_ORDER));
	TlReadStats stats;
	double blocks;
	double points;

	explain_pushed(node, es, NIL);
	if (order != TL_SCAN_ANY)
		ExplainPropertyText("Order", order == TL_SCAN_TIME ? "ts" : "ts backward", es);
	if (!es->analyze)
		return;

	tl_fdw_scan_stats(node, &stats);
	tl_store_totals(&blocks, &points);
	if (es->format == EXPLAIN_FORMAT_TEXT)
		ExplainPropertyText("Blocks",
							psprintf("%llu read, %.0f skipped", (unsigned long long) stats.blocks,
									 Max(blocks - (double) stats.blocks, 0)),
							es);
	else
	{
		ExplainPropertyInteger("Blocks Read", NULL, (int64) stats.blocks, es);
		ExplainPropertyInteger("Blocks Skipped", NULL,
							   (int64) Max(blocks - (double) stats.blocks, 0), es);
	}
	ExplainPropertyInteger("Frames", NULL, (int64) stats.frames, es);
	ExplainPropertyInteger("Series Runs", NULL, (int64) stats.entries, es);
	ExplainPropertyInteger("Bytes", NULL, (int64) stats.bytes, es);
}
