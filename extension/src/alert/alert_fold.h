/*
 * alert_fold.h
 *		The evaluator: what a rule makes of a series, point by point in the order of their times.
 *
 * The same code judges points as they come, settles what concurrency left, and tells what a rule would
 * have done with history.  It knows nothing of tables: a state goes in, points go by, and what happens
 * is told to a function.
 *
 *	state, points older than what is decided		tl_alert_fold_remember	what has violated lately
 *	state, the next point							tl_alert_fold_point		alerts
 *	state, the time of the clock					tl_alert_fold_clock		alerts that time resolves
 */
#ifndef TL_ALERT_FOLD_H
#define TL_ALERT_FOLD_H

#include "alert/alert_condition.h"

/* Where there is none of a time. */
#define TL_NEVER PG_INT64_MIN

/* What became of a point, for who asks why: the first thing that kept it from triggering an alert. */
typedef enum TlVerdict
{
	TL_VERDICT_CLEAR, /* the condition does not hold */
	TL_VERDICT_OUT_OF_HOURS,
	TL_VERDICT_OPEN, /* an alert is */
	TL_VERDICT_TOO_FEW,
	TL_VERDICT_TOO_SHORT, /* for_seconds */
	TL_VERDICT_COOLDOWN,
	TL_VERDICT_RESOLVED_LATER, /* the last alert, by a user */
	TL_VERDICT_MAINTENANCE,
	TL_VERDICT_TRIGGERED
} TlVerdict;

typedef struct TlAlertState
{
	bool is_open;
	int64 decided_to;
	int64 last_triggered;
	int64 last_resolved;
	int64 last_violation;
	int64 since;	   /* the first of the violations that no other point has come between */
	int64 *violations; /* the last ones within the window, as many as the rule counts */
	int n_violations;
	bool has_before; /* the last number, for what is compared with it */
	int64 before_ts;
	double before;
	TlVerdict verdict; /* of the last point; not kept */
} TlAlertState;

typedef struct TlFoldPoint
{
	TlSlice device;
	int64 ts;
	uint8 kind;
	TlCell cell;
	const TlAttrs *attrs; /* or NULL */
} TlFoldPoint;

typedef enum TlTransition
{
	TL_ALERT_TRIGGERED,
	TL_ALERT_CLEARED,
	TL_ALERT_TIMED_OUT
} TlTransition;

/* what: what was compared, of what is triggered. */
typedef void (*TlTransitionFn)(void *arg, TlTransition transition, int64 ts,
							   const TlMeasured *what);

/* A series that nothing is known of, in the current memory context. */
extern void tl_alert_state_init(TlAlertState *state, const TlAlertRule *rule);
/* Forgets what points tell anew: violations and the number before. */
extern void tl_alert_state_forget(TlAlertState *state);

/* Points in the order of their times. */
extern void tl_alert_fold_remember(const TlAlertRule *rule, TlAlertState *state,
								   const TlFoldPoint *point);
extern void tl_alert_fold_point(const TlAlertRule *rule, TlAlertState *state,
								const TlFoldPoint *point, TlTransitionFn tell, void *arg);
extern void tl_alert_fold_clock(const TlAlertRule *rule, TlAlertState *state, int64 now,
								TlTransitionFn tell, void *arg);

/* When time resolves the open alert; TL_NEVER: not without points. */
extern int64 tl_alert_due_at(const TlAlertRule *rule, const TlAlertState *state);
/* Whether a point that does not violate makes a difference. */
extern bool tl_alert_is_live(const TlAlertRule *rule, const TlAlertState *state);
/* How long before a point others may count for it, at least; of for_seconds, one before these, too. */
extern int64 tl_alert_lookback(const TlAlertRule *rule);

#endif
