/*
 * alert_explain.c
 *		telemetry.alert_verdicts: what became of each violation of a series.
 *
 * The series is folded as in a backtest, by the same evaluator, but between the alerts that there
 * really were: these say when one was open and when the cooldown began, so that what is told of a
 * point is what kept it from triggering an alert then.  Neighbours of the same fate are one row.
 */
#include "alert/alert_history.h"

#include "base/rows.h"
#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "read/scan.h"
#include "utils/array.h"
#include "utils/timestamp.h"

/* Beside the evaluator's. */
typedef enum Fate
{
	NOT_MEMBER =
		TL_VERDICT_TRIGGERED + 1, /* the rule is not about the device, or the point's tags */
	HAS_ALERT
} Fate;

static const char *const fate_names[] = {
	[TL_VERDICT_CLEAR] = "clear",
	[TL_VERDICT_OUT_OF_HOURS] = "out_of_hours",
	[TL_VERDICT_OPEN] = "open",
	[TL_VERDICT_TOO_FEW] = "too_few",
	[TL_VERDICT_TOO_SHORT] = "too_short",
	[TL_VERDICT_COOLDOWN] = "cooldown",
	[TL_VERDICT_MAINTENANCE] = "maintenance",
	[TL_VERDICT_TRIGGERED] = "missed",
	[NOT_MEMBER] = "not_member",
	[HAS_ALERT] = "alert",
};

typedef struct Explained
{
	const TlAlertRule *rule;
	TlKey key;
	TlMembership member;
	int64 from;
	TlAlertState state;
	/* The alerts that there were, in the order of their times. */
	int64 *triggered;
	int64 *resolved;
	int n_alerts;
	int n_passed;
	/* The stretch under way; no points: there is none. */
	int fate;
	int64 first;
	int64 last;
	int64 points;
	int violations;
	int64 since;
	int64 until;
	ReturnSetInfo *out;
} Explained;

static void
ignore_transition(void *arg, TlTransition transition, int64 ts, const TlMeasured *what)
{
}

static void
end_stretch(Explained *e)
{
	bool nulls[] = {false, false, false, false, false, e->since == TL_NEVER, e->until == TL_NEVER};
	Datum values[lengthof(nulls)];

	if (e->points == 0)
		return;
	values[0] = TimestampTzGetDatum(e->first);
	values[1] = TimestampTzGetDatum(e->last);
	values[2] = Int64GetDatum(e->points);
	values[3] = CStringGetTextDatum(fate_names[e->fate]);
	values[4] = Int32GetDatum(e->violations);
	values[5] = TimestampTzGetDatum(e->since);
	values[6] = TimestampTzGetDatum(e->until);
	tuplestore_putvalues(e->out->setResult, e->out->setDesc, values, nulls);
	e->points = 0;
}

static void
add_point(Explained *e, int64 ts, int fate)
{
	const TlAlertState *state = &e->state;

	if (fate != e->fate || fate == HAS_ALERT || fate == TL_VERDICT_CLEAR)
		end_stretch(e);
	if (fate == TL_VERDICT_CLEAR)
		return;
	if (e->points++ == 0)
		e->first = ts;
	e->fate = fate;
	e->last = ts;
	e->violations = state->n_violations;
	e->since = state->since;
	e->until = TL_NEVER;
	if (fate == TL_VERDICT_TOO_SHORT)
		e->until = state->since + e->rule->hold;
	else if (fate == TL_VERDICT_COOLDOWN)
		e->until = state->last_triggered + e->rule->cooldown;
}

/* Has the state say what alerts there had been before a point. */
static void
follow_alerts(Explained *e, int64 ts)
{
	TlAlertState *state = &e->state;

	while (e->n_passed < e->n_alerts && e->triggered[e->n_passed] < ts)
		e->n_passed++;
	/* One that a user has resolved since was open until then, by the points' times. */
	state->is_open = e->n_passed > 0 && ts < e->resolved[e->n_passed - 1];
	state->last_triggered = e->n_passed > 0 ? e->triggered[e->n_passed - 1] : TL_NEVER;
	state->last_resolved = TL_NEVER;
}

static void
explain_point(Explained *e, const TlFoldPoint *point)
{
	int fate;

	if (!tl_alert_is_member(e->rule, e->member, point->attrs))
	{
		if (point->ts >= e->from)
			add_point(e, point->ts, NOT_MEMBER);
		return;
	}
	if (point->ts < e->from)
	{
		tl_alert_fold_remember(e->rule, &e->state, point);
		return;
	}
	follow_alerts(e, point->ts);
	tl_alert_fold_point(e->rule, &e->state, point, ignore_transition, NULL);
	fate = (int) e->state.verdict;
	Assert(fate != TL_VERDICT_RESOLVED_LATER);
	/* Whatever the rule would say today. */
	if (e->n_passed < e->n_alerts && e->triggered[e->n_passed] == point->ts)
		fate = HAS_ALERT;
	add_point(e, point->ts, fate);
}

static void
explain_series(Explained *e, int64 to)
{
	int64 remembered = e->from - tl_alert_lookback(e->rule);
	TlFilter filter = {.devices = &e->key.device,
					   .n_devices = 1,
					   .metrics = &e->key.metric,
					   .n_metrics = 1,
					   .from = remembered,
					   .to = to,
					   .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS,
					   .levels = TL_LEVELS_ALL};
	TlScan *scan;
	TlRun run;

	tl_alert_remember_before(e->rule, &e->state, &e->key, remembered);
	scan = tl_scan_begin(&filter, TL_SCAN_TIME);
	while (tl_scan_next(scan, &run))
	{
		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < run.n; i++)
		{
			TlFoldPoint point = {e->key.device, run.ts[i], tl_run_kind(&run, i), run.cell[i],
								 run.attrs == NULL ? NULL : run.attrs[i]};

			explain_point(e, &point);
		}
	}
	tl_scan_end(scan);
	end_stretch(e);
}

/* The times of an array, which must be in their order. */
static int64 *
read_times(Datum array, int *n)
{
	Datum *times;
	int64 *read;

	deconstruct_array(DatumGetArrayTypeP(array), TIMESTAMPTZOID, sizeof(TimestampTz), true,
					  TYPALIGN_DOUBLE, &times, NULL, n);
	read = palloc(sizeof(int64) * (Size) Max(*n, 1));
	for (int i = 0; i < *n; i++)
		read[i] = DatumGetTimestampTz(times[i]);
	return read;
}

PG_FUNCTION_INFO_V1(telemetry_alert_verdicts);

Datum
telemetry_alert_verdicts(PG_FUNCTION_ARGS)
{
	int64 to = PG_GETARG_TIMESTAMPTZ(4);
	Explained e = {.from = PG_GETARG_TIMESTAMPTZ(3),
				   .out = tl_rows_begin(fcinfo, work_mem),
				   .since = TL_NEVER,
				   .until = TL_NEVER};
	TlAlertRule *rule;
	int n_resolved;

	if (TIMESTAMP_NOT_FINITE(e.from) || TIMESTAMP_NOT_FINITE(to))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("from_ts and to_ts must be finite")));
	rule = tl_alert_rule_of_row(get_fn_expr_argtype(fcinfo->flinfo, 0), PG_GETARG_DATUM(0));
	/* What resolves alerts is known. */
	rule->auto_resolve = false;
	e.rule = rule;
	e.key = (TlKey){tl_slice_of_text(PG_GETARG_DATUM(1)), tl_slice_of_text(PG_GETARG_DATUM(2))};
	if (!tl_alert_rule_has_metric(rule, e.key.metric))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the rule is not about metric \"%.*s\"", (int) e.key.metric.len,
							   e.key.metric.data)));
	e.member = tl_device_set_has(&rule->devices, e.key.device);
	e.triggered = read_times(PG_GETARG_DATUM(5), &e.n_alerts);
	e.resolved = read_times(PG_GETARG_DATUM(6), &n_resolved);
	if (n_resolved != e.n_alerts)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("triggered and resolved must have as many times")));
	tl_alert_state_init(&e.state, rule);
	if (e.from < to)
		explain_series(&e, to - 1);
	return (Datum) 0;
}
