/*
 * alert_judge.h
 *		Judges series of one rule.
 *
 *	lock the states ─▶ what others have stored ─▶ fold, from memory or from the store ─▶ alerts, states
 *
 * Ingest calls it when its points are stored, and job alerts for what ingest has left.  What a statement
 * has brought is still in its memory, mostly; if others have committed points of a series meanwhile, or
 * older ones count, they are all read from the store, in the order of their times.  It is to be called in a
 * subtransaction, since stored bytes may be damaged.
 */
#ifndef TL_ALERT_JUDGE_H
#define TL_ALERT_JUDGE_H

#include "alert/alert_state.h"

/* So many series at once. */
#define TL_ALERT_SERIES_MAX 1000

/* What a statement has brought; NULL in its place: nothing, the series are judged by what is stored. */
typedef struct TlAlertBatch
{
	const int64 *seqs; /* order numbers of its flushes */
	int n_seqs;
	/* All its points of a series; NULL: they are not in memory any more. */
	bool (*find)(void *arg, const TlKey *key, TlRun *run);
	void *arg;
} TlAlertBatch;

/*
 * Sorts the series.  now: the clock, which resolves alerts, or TL_NEVER to leave it out.  points: at most
 * so many are read, but always a day of them; what is left to do is left to job alerts.
 */
extern void tl_alert_judge(const TlAlertRule *rule, TlAlertSeries *series, int n,
						   const TlAlertBatch *batch, int64 now, uint64 points);

/* Leaves series to job alerts, with what is to be known of them then. */
extern void tl_alert_judge_later(const TlAlertRule *rule, TlAlertSeries *series, int n,
								 const TlAlertBatch *batch);

#endif
