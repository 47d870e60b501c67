/*
 * alert_rule.h
 *		The rules of telemetry.alert_rule, with groups and maintenance: whom they are about, and what
 *		violates them.
 *
 * All rules that are switched on are read at once and kept for the session until one of the three
 * tables changes, of which a trigger tells every session (telemetry.alert_rules_changed).  A rule is
 * good as long as the memory context by which the rules are held.
 */
#ifndef TL_ALERT_RULE_H
#define TL_ALERT_RULE_H

#include "alert/alert_hours.h"
#include "alert/device_set.h"

typedef enum TlMeasure
{
	TL_MEASURE_VALUE,
	TL_MEASURE_DELTA,
	TL_MEASURE_RATE
} TlMeasure;

typedef enum TlComparison
{
	TL_GREATER,
	TL_LESS,
	TL_GREATER_EQUAL,
	TL_LESS_EQUAL,
	TL_EQUAL,
	TL_NOT_EQUAL
} TlComparison;

typedef struct TlMaintenance
{
	int64 from;
	int64 to; /* exclusive */
	TlDeviceSet devices;
} TlMaintenance;

typedef struct TlAlertRule
{
	int index; /* among those that are kept */
	TlSlice id;
	int64 revision;
	TlSlice metric; /* no data: by pattern */
	text *metric_pattern;
	TlDeviceSet devices;

	TlMeasure measure;
	TlComparison comparison;
	uint8 kind;		  /* of the threshold: numeric, text or boolean */
	double number;	  /* the threshold, by its kind */
	TlSlice payload;  /* likewise */
	bool has_resolve; /* a threshold of its own for clearing */
	double resolve_number;
	TlAlertHours *hours; /* NULL: always */

	int trigger_count;
	int64 window; /* microseconds, as all below */
	int64 hold;	  /* for_seconds */
	int64 cooldown;
	int64 timeout; /* 0: none */
	bool auto_resolve;
	bool records_late;
	bool is_broken; /* its hours or patterns cannot be read: it is not to be applied */

	const TlMaintenance **maintenance; /* in the order of their beginnings */
	int n_maintenance;
} TlAlertRule;

/*
 * The rules that were read together.  Those of a statement stay the same to its end, whatever others that it
 * causes find.
 */
typedef struct TlAlertRules TlAlertRules;

/* The rules as of now. */
extern TlAlertRules *tl_alert_rules_now(MemoryContext holder);
/*
 * The same without waiting: while somebody has one of the tables for himself (LOCK TABLE, TRUNCATE, DDL), the
 * rules as they were before.  Only a session that knows none yet waits.
 */
extern TlAlertRules *tl_alert_rules_at_hand(MemoryContext holder);
/* Whether alerts, which are made of the rule's row, can be made without waiting until the transaction's end. */
extern bool tl_alert_rules_can_be_read(void);
extern int tl_alert_rules_count(const TlAlertRules *rules);

/*
 * The rules that are about a metric, whatever the device.  Most numbers violate none of them: if there are
 * bounds, none that lies within.
 */
typedef struct TlMetricRules
{
	TlSlice metric;
	TlAlertRule **rules;
	int n;
	bool has_bounds;
	double lowest;
	double highest;
} TlMetricRules;

extern const TlMetricRules *tl_alert_rules_of_metric(TlAlertRules *rules, TlSlice metric);
/* NULL if there is none of that name that is switched on. */
extern const TlAlertRule *tl_alert_rule_find(const TlAlertRules *rules, TlSlice id);
/*
 * A rule of a row of telemetry.alert_rule (its type and the value), which need not be in the table, into
 * the current memory context.  Raises invalid_parameter_value if it is none that could be there.
 */
extern TlAlertRule *tl_alert_rule_of_row(Oid type, Datum row);

extern bool tl_alert_rule_has_metric(const TlAlertRule *rule, TlSlice metric);

/* The same for a point, of a series whose membership is known. */
static inline bool
tl_alert_is_member(const TlAlertRule *rule, TlMembership member, const TlAttrs *attrs)
{
	return member == TL_MEMBER_ALWAYS ||
		   (member == TL_MEMBER_BY_TAGS && tl_device_set_has_tags(&rule->devices, attrs));
}

#endif
