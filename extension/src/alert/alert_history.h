/*
 * alert_history.h
 *		What lies before the points that a rule looks back on.
 */
#ifndef TL_ALERT_HISTORY_H
#define TL_ALERT_HISTORY_H

#include "alert/alert_fold.h"

/*
 * Remembers what for_seconds needs of a series before a time: its last point, and if that is compared with
 * one before itself, the last number within the window.  Reads with the active snapshot.
 */
extern void tl_alert_remember_before(const TlAlertRule *rule, TlAlertState *state, const TlKey *key,
									 int64 ts);

#endif
