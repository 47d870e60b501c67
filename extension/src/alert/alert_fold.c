/*
 * alert_fold.c
 *		The evaluator.  See alert_fold.h.
 */
#include "alert/alert_fold.h"

#include "utils/timestamp.h"

void
tl_alert_state_init(TlAlertState *state, const TlAlertRule *rule)
{
	memset(state, 0, sizeof(TlAlertState));
	state->decided_to = TL_NEVER;
	state->last_triggered = TL_NEVER;
	state->last_resolved = TL_NEVER;
	state->last_violation = TL_NEVER;
	state->since = TL_NEVER;
	state->violations = palloc(sizeof(int64) * (Size) rule->trigger_count);
}

void
tl_alert_state_forget(TlAlertState *state)
{
	state->n_violations = 0;
	state->since = TL_NEVER;
	state->has_before = false;
}

/* What is compared of a point, and the number that the next one is compared with. */
static TlMeasured
measure(const TlAlertRule *rule, TlAlertState *state, const TlFoldPoint *point)
{
	TlMeasured measured = {point->kind, point->cell};

	if (rule->measure == TL_MEASURE_VALUE)
		return measured;
	measured.kind = 0;
	if (point->kind != TL_KIND_NUMERIC)
		return measured;
	if (state->has_before && state->before_ts > point->ts - rule->window)
	{
		measured.kind = TL_KIND_NUMERIC;
		measured.cell.number = tl_alert_rule_difference(rule, point->ts, point->cell.number,
														state->before_ts, state->before);
	}
	state->has_before = true;
	state->before_ts = point->ts;
	state->before = point->cell.number;
	return measured;
}

/* Takes a point into account, as one that violates or not. */
static void
note(const TlAlertRule *rule, TlAlertState *state, int64 ts, bool violates)
{
	int gone = 0;

	while (gone < state->n_violations && state->violations[gone] <= ts - rule->window)
		gone++;
	if (violates && gone == 0 && state->n_violations == rule->trigger_count)
		gone = 1;
	state->n_violations -= gone;
	memmove(state->violations, state->violations + gone,
			sizeof(int64) * (Size) state->n_violations);
	if (!violates)
	{
		state->since = TL_NEVER;
		return;
	}
	state->violations[state->n_violations++] = ts;
	if (state->since == TL_NEVER)
		state->since = ts;
}

void
tl_alert_fold_remember(const TlAlertRule *rule, TlAlertState *state, const TlFoldPoint *point)
{
	TlMeasured measured = measure(rule, state, point);

	note(rule, state, point->ts, tl_alert_rule_is_violated(rule, point->ts, &measured));
}

static void
resolve(TlAlertState *state, TlTransition how, int64 ts, TlTransitionFn tell, void *arg)
{
	state->is_open = false;
	state->last_resolved = ts;
	tell(arg, how, ts, NULL);
}

int64
tl_alert_due_at(const TlAlertRule *rule, const TlAlertState *state)
{
	if (!state->is_open || !rule->auto_resolve || rule->timeout == 0)
		return TL_NEVER;
	return state->last_violation + rule->timeout;
}

void
tl_alert_fold_clock(const TlAlertRule *rule, TlAlertState *state, int64 now, TlTransitionFn tell,
					void *arg)
{
	int64 due = tl_alert_due_at(rule, state);

	if (due == TL_NEVER || now < due)
		return;
	resolve(state, TL_ALERT_TIMED_OUT, due, tell, arg);
	state->decided_to = Max(state->decided_to, due);
}

static TlVerdict
judge_violation(const TlAlertRule *rule, const TlAlertState *state, const TlFoldPoint *point)
{
	int64 ts = point->ts;

	if (state->is_open)
		return TL_VERDICT_OPEN;
	if (state->n_violations < rule->trigger_count)
		return TL_VERDICT_TOO_FEW;
	if (ts - state->since < rule->hold)
		return TL_VERDICT_TOO_SHORT;
	if (state->last_triggered != TL_NEVER && ts < state->last_triggered + rule->cooldown)
		return TL_VERDICT_COOLDOWN;
	if (state->last_resolved != TL_NEVER && ts < state->last_resolved)
		return TL_VERDICT_RESOLVED_LATER;
	if (tl_alert_rule_is_in_maintenance(rule, point->device, ts, point->attrs))
		return TL_VERDICT_MAINTENANCE;
	return TL_VERDICT_TRIGGERED;
}

void
tl_alert_fold_point(const TlAlertRule *rule, TlAlertState *state, const TlFoldPoint *point,
					TlTransitionFn tell, void *arg)
{
	TlMeasured measured = measure(rule, state, point);
	bool holds = tl_alert_rule_holds(rule, &measured);
	bool violates = holds && tl_alert_rule_is_active(rule, point->ts);

	tl_alert_fold_clock(rule, state, point->ts, tell, arg);
	if (state->is_open && rule->auto_resolve && tl_alert_rule_is_cleared(rule, &measured, violates))
		resolve(state, TL_ALERT_CLEARED, point->ts, tell, arg);
	note(rule, state, point->ts, violates);
	if (violates)
	{
		state->last_violation = point->ts;
		state->verdict = judge_violation(rule, state, point);
	}
	else
		state->verdict = holds ? TL_VERDICT_OUT_OF_HOURS : TL_VERDICT_CLEAR;
	if (state->verdict == TL_VERDICT_TRIGGERED)
	{
		state->is_open = true;
		state->last_triggered = point->ts;
		tell(arg, TL_ALERT_TRIGGERED, point->ts, &measured);
	}
	state->decided_to = point->ts;
}

bool
tl_alert_is_live(const TlAlertRule *rule, const TlAlertState *state)
{
	return state->is_open || (rule->trigger_count > 1 && state->n_violations > 0) ||
		   (rule->hold > 0 && state->since != TL_NEVER) || rule->measure != TL_MEASURE_VALUE;
}

int64
tl_alert_lookback(const TlAlertRule *rule)
{
	int64 lookback = rule->hold;

	if (rule->trigger_count > 1)
		lookback = Max(lookback, rule->window);
	if (rule->measure != TL_MEASURE_VALUE)
		lookback += rule->window;
	return lookback;
}
