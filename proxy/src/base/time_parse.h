/*
 * time_parse.h
 *		RFC 3339 text to PostgreSQL's timestamptz.
 */
#ifndef TL_TIME_PARSE_H
#define TL_TIME_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Microseconds since 2000-01-01 00:00 UTC.  False for everything that is not plainly an
 * RFC 3339 date-time; the caller then leaves the verdict to the extension.
 */
extern bool tl_time_parse(const char *text, size_t len, int64_t *timestamp);

#endif
