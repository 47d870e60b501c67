/*
 * alert_condition.h
 *		What violates a rule, and what clears it.
 */
#ifndef TL_ALERT_CONDITION_H
#define TL_ALERT_CONDITION_H

#include "alert/alert_rule.h"

/*
 * What a rule compares of a point: its value, or what it makes of two numbers.  Of a number
 * without one before it there is nothing to compare: it does not violate, and clears.
 */
typedef struct TlMeasured
{
	uint8 kind; /* 0: there is nothing to compare */
	TlCell cell;
} TlMeasured;

/* Whether the condition holds, whatever the time; within the active hours it is violated. */
extern bool tl_alert_rule_holds(const TlAlertRule *rule, const TlMeasured *measured);
extern bool tl_alert_rule_is_active(const TlAlertRule *rule, int64 ts);
extern bool tl_alert_rule_is_violated(const TlAlertRule *rule, int64 ts,
									  const TlMeasured *measured);
/* Whether a point that does not violate clears an alert. */
extern bool tl_alert_rule_is_cleared(const TlAlertRule *rule, const TlMeasured *measured,
									 bool violates);
/* delta or rate of a number that comes after another one. */
extern double tl_alert_rule_difference(const TlAlertRule *rule, int64 ts, double number,
									   int64 before_ts, double before);
extern bool tl_alert_rule_is_in_maintenance(const TlAlertRule *rule, TlSlice device, int64 ts,
											const TlAttrs *attrs);

#endif
