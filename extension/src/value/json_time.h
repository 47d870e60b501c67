/*
 * json_time.h
 *		The time of a JSON point.
 *
 * No function raises; false means that the time is not one we take.  Years are 1 to 9999.
 */
#ifndef TL_JSON_TIME_H
#define TL_JSON_TIME_H

#include "base/compat.h"
#include "utils/numeric.h"

/*
 * RFC 3339 and its nearest relatives in ISO 8601: date and time of day, seconds and fraction
 * optional, zone Z, +hh, +hhmm or +hh:mm; UTC when there is none.
 */
extern bool tl_json_time_text(const char *text, Size len, int64 *ts);

/* A date alone: its first moment in UTC. */
extern bool tl_json_date_text(const char *text, Size len, int64 *ts);

/* Seconds since 1970, or milliseconds when that would be beyond the year 2603. */
extern bool tl_json_time_number(Numeric number, int64 *ts);

#endif
