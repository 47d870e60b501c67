/*
 * alert_hours.h
 *		The hours of a week in which a rule's condition holds at all.
 */
#ifndef TL_ALERT_HOURS_H
#define TL_ALERT_HOURS_H

#include "base/compat.h"

#include "pgtime.h"

#define TL_MINUTES_PER_WEEK (7 * 24 * 60)

/* A bit for each minute of the week, from Monday 00:00 on, by the clock of a zone. */
typedef struct TlAlertHours
{
	pg_tz *zone;
	uint8 minutes[TL_MINUTES_PER_WEEK / 8];
} TlAlertHours;

/*
 * Makes them of telemetry.alert_rule.active_timezone, without any hours, and adds those of a text of
 * active_hours.  False if there is no such zone, or else the place from which on the text cannot be
 * read: NULL if all of it can.
 */
extern bool tl_alert_hours_begin(TlAlertHours *hours, const char *zone);
extern const char *tl_alert_hours_add(TlAlertHours *hours, const char *text);

extern bool tl_alert_hours_have(const TlAlertHours *hours, int64 ts);

#endif
