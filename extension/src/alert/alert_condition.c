/*
 * alert_condition.c
 *		What violates a rule.  See alert_condition.h.
 */
#include "alert/alert_condition.h"

#include "utils/float.h"
#include "utils/timestamp.h"

/* As PostgreSQL compares double precision: NaN equals itself and is above all others. */
static bool
compare_numbers(TlComparison comparison, double a, double b)
{
	switch (comparison)
	{
		case TL_GREATER:
			return float8_gt(a, b);
		case TL_LESS:
			return float8_lt(a, b);
		case TL_GREATER_EQUAL:
			return float8_ge(a, b);
		case TL_LESS_EQUAL:
			return float8_le(a, b);
		case TL_EQUAL:
			return float8_eq(a, b);
		case TL_NOT_EQUAL:
			return float8_ne(a, b);
	}
	pg_unreachable();
}

bool
tl_alert_rule_holds(const TlAlertRule *rule, const TlMeasured *measured)
{
	if (measured->kind != rule->kind)
		return false;
	if (rule->kind == TL_KIND_NUMERIC)
		return compare_numbers(rule->comparison, measured->cell.number, rule->number);
	return tl_slice_equal(tl_cell_payload(measured->kind, &measured->cell), rule->payload) ==
		   (rule->comparison == TL_EQUAL);
}

bool
tl_alert_rule_is_active(const TlAlertRule *rule, int64 ts)
{
	return rule->hours == NULL || tl_alert_hours_have(rule->hours, ts);
}

bool
tl_alert_rule_is_violated(const TlAlertRule *rule, int64 ts, const TlMeasured *measured)
{
	return tl_alert_rule_holds(rule, measured) && tl_alert_rule_is_active(rule, ts);
}

bool
tl_alert_rule_is_cleared(const TlAlertRule *rule, const TlMeasured *measured, bool violates)
{
	if (violates)
		return false;
	return !rule->has_resolve || measured->kind != TL_KIND_NUMERIC ||
		   !compare_numbers(rule->comparison, measured->cell.number, rule->resolve_number);
}

double
tl_alert_rule_difference(const TlAlertRule *rule, int64 ts, double number, int64 before_ts,
						 double before)
{
	double delta = number < before ? number : number - before;

	return rule->measure == TL_MEASURE_DELTA
			   ? delta
			   : delta / ((double) (ts - before_ts) / (double) USECS_PER_SEC);
}

bool
tl_alert_rule_is_in_maintenance(const TlAlertRule *rule, TlSlice device, int64 ts,
								const TlAttrs *attrs)
{
	for (int i = 0; i < rule->n_maintenance && rule->maintenance[i]->from <= ts; i++)
	{
		const TlMaintenance *m = rule->maintenance[i];

		if (ts >= m->to)
			continue;
		switch (tl_device_set_has(&m->devices, device))
		{
			case TL_MEMBER_ALWAYS:
				return true;
			case TL_MEMBER_BY_TAGS:
				if (tl_device_set_has_tags(&m->devices, attrs))
					return true;
				break;
			case TL_MEMBER_NEVER:
				break;
		}
	}
	return false;
}
