/*
 * alert_history.c
 *		What lies before the points that a rule looks back on.  See alert_history.h.
 */
#include "alert/alert_history.h"

#include "base/slice_text.h"
#include "read/scan.h"

/* A point that outlives its run. */
static TlFoldPoint
copy_point(const TlKey *key, const TlRun *run, uint32 i)
{
	TlFoldPoint point = {key->device, run->ts[i], tl_run_kind(run, i), run->cell[i], NULL};

	if (!tl_cell_is_whole(point.kind))
	{
		TlSlice *copy = palloc(sizeof(TlSlice));

		*copy = tl_slice_copy(CurrentMemoryContext, *point.cell.bytes);
		point.cell.bytes = copy;
	}
	return point;
}

void
tl_alert_remember_before(const TlAlertRule *rule, TlAlertState *state, const TlKey *key, int64 ts)
{
	TlMembership member = tl_device_set_has(&rule->devices, key->device);
	TlFilter filter = {.devices = unconstify(TlSlice *, &key->device),
					   .n_devices = 1,
					   .metrics = unconstify(TlSlice *, &key->metric),
					   .n_metrics = 1,
					   .from = PG_INT64_MIN,
					   .to = ts - 1,
					   .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS,
					   .levels = TL_LEVELS_ALL};
	TlFoldPoint points[2];
	bool more = true;
	int n = 0;
	TlScan *scan;
	TlRun run;

	if (rule->hold == 0 || ts == TL_NEVER)
		return;
	scan = tl_scan_begin(&filter, TL_SCAN_TIME_BACKWARD);
	while (more && tl_scan_next(scan, &run))
		for (uint32 i = run.n; i > 0 && more; i--)
		{
			if (!tl_alert_is_member(rule, member, run.attrs == NULL ? NULL : run.attrs[i - 1]))
				continue;
			if (n == 1 && run.ts[i - 1] <= points[0].ts - rule->window)
				more = false;
			else if (n == 0 || tl_run_kind(&run, i - 1) == TL_KIND_NUMERIC)
				points[n++] = copy_point(key, &run, i - 1);
			if (n == 2 || (n == 1 && rule->measure == TL_MEASURE_VALUE))
				more = false;
		}
	tl_scan_end(scan);
	while (n > 0)
		tl_alert_fold_remember(rule, state, &points[--n]);
}
