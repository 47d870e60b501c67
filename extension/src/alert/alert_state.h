/*
 * alert_state.h
 *		What telemetry.alert_state keeps of series between two points, and the alerts that come of them.
 *
 * Who judges a series has locked it before: its row of telemetry.alert_state, or if there is none yet,
 * an advisory lock of a class of our own.  Both are held to the end of the transaction, and neither is
 * waited for: a series that somebody else is judging is left to job alerts, by a row of
 * telemetry.alert_pending.  Alerts of a series change under the same lock, so nobody who ingests waits
 * for anybody.
 *
 * All functions are to be called between tl_statement_begin and tl_statement_end.
 */
#ifndef TL_ALERT_STATE_H
#define TL_ALERT_STATE_H

#include "alert/alert_fold.h"

#define TL_ALERT_ID_SIZE sizeof("alert_0123456789abcdef01234567")

/* A series that is to be judged by one rule. */
typedef struct TlAlertSeries
{
	TlKey key;

	/* from whoever wants it judged */
	int64
		known_to; /* points up to here are not to be judged if nothing else is known; or TL_NEVER */
	int64 first;  /* the earliest of the rule's points that came; TL_NEVER: none, or not known */
	int64 earliest; /* the same of all the series' points, of which one may have been the rule's */
	int64 *late; /* violations that are late if they are not newer than what is decided, sorted */
	int n_late;
	bool is_unknown; /* nothing came: it counts only if there is a state */
	bool has_unseen; /* points may have come, at any time, that nobody has judged */

	/* from tl_alert_states_lock() */
	bool locked;
	bool exists;
	bool was_live;
	bool recount;
	int64 revision;
	char open_alert[TL_ALERT_ID_SIZE]; /* empty: none */
	int64 late_points;
	int64 due_at;	 /* when the clock resolves the open alert; TL_NEVER: not */
	int64 due_after; /* the violation that it is reckoned from */
	TlAlertState state;

	/* while it is judged */
	bool rebuild;		/* violations are computed anew */
	bool has_others;	/* points that are not decided and came with other statements */
	bool is_read;		/* from the store, rather than from memory */
	const void *filter; /* that it is being read by */
	int opened;			/* which of the new alerts is open, from 1 on */
	bool leave;			/* it is not done: pending */
} TlAlertSeries;

/* An alert that was triggered now, and perhaps is over already. */
typedef struct TlNewAlert
{
	const TlAlertSeries *series;
	char id[TL_ALERT_ID_SIZE];
	int64 triggered_at;
	Datum value;	   /* telemetry.value */
	int64 resolved_at; /* TL_NEVER: open */
	TlTransition resolution;
	bool late;
} TlNewAlert;

/* One that was open before, and is over. */
typedef struct TlResolvedAlert
{
	char id[TL_ALERT_ID_SIZE];
	int64 resolved_at;
	TlTransition resolution;
} TlResolvedAlert;

extern void tl_times_sort(int64 *times, int n);

/* Locks what it can without waiting and reads it; of the others, locked is false. */
extern void tl_alert_states_lock(const TlAlertRule *rule, TlAlertSeries *series, int n);
/*
 * Gives up those that are not followed but wait for job alerts: of what is stored of them not all has been
 * judged.  To be called after the store was looked at.
 */
extern void tl_alert_give_up_pending(const TlAlertRule *rule, TlAlertSeries *series, int n);
/*
 * Whether all points of a series have been judged one by one as they came, up to what is decided: it was
 * live, by the same revision of the rule.
 */
extern bool tl_alert_is_followed(const TlAlertRule *rule, const TlAlertSeries *series);
/* Whether the transaction cannot lock any more series that have no row. */
extern bool tl_alert_states_at_limit(void);
/*
 * When the clock resolves the open alert: auto_resolve_timeout after the last violation, and after it was
 * learned of, so that what a device has kept for a while is still judged point by point.
 */
extern int64 tl_alert_clock_due(const TlAlertRule *rule, const TlAlertSeries *series);
/* Writes the states of those that are locked and not unknown. */
extern void tl_alert_states_write(const TlAlertRule *rule, TlAlertSeries *series, int n);
/* Leaves those with leave, or not locked, to job alerts. */
extern void tl_alert_leave(TlSlice rule_id, const TlAlertSeries *series, int n);
extern void tl_alert_make_id(char *id);
extern void tl_alerts_insert(const TlAlertRule *rule, const TlNewAlert *alerts, int n);
extern void tl_alerts_resolve(const TlResolvedAlert *alerts, int n);
/* Tells of a rule that could not be applied; once a minute is enough. */
extern void tl_alert_rule_failed(TlSlice rule_id, int sqlstate, const char *message);
/* The same of one that is broken. */
extern void tl_alert_rule_is_broken(TlSlice rule_id);

#endif
