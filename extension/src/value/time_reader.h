/*
 * time_reader.h
 *		Steps through the text of a time; what the readers of times share.
 */
#ifndef TL_TIME_READER_H
#define TL_TIME_READER_H

#include "base/compat.h"

#include <math.h>

#include "utils/timestamp.h"

/* More digits of a fraction cannot change a microsecond. */
#define TL_FRACTION_DIGITS 30

/* As timestamptz has it. */
#define TL_ZONE_HOURS_MAX 15

typedef struct TlTimeReader
{
	const char *p;
	const char *end;
} TlTimeReader;

static inline bool
tl_take(TlTimeReader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static inline bool
tl_take_any(TlTimeReader *r, const char *set)
{
	if (r->p == r->end || *r->p == '\0' || strchr(set, *r->p) == NULL)
		return false;
	r->p++;
	return true;
}

static inline bool
tl_at_digit(const TlTimeReader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* The roundings of timestamptz: first to a double, then to a microsecond. */
static inline bool
tl_take_fraction(TlTimeReader *r, int64 *micros)
{
	char text[TL_FRACTION_DIGITS + 2] = ".";
	int n = 1;

	if (!tl_at_digit(r))
		return false;
	for (; tl_at_digit(r); r->p++)
		if (n <= TL_FRACTION_DIGITS)
			text[n++] = *r->p;
	*micros = (int64) rint(strtod(text, NULL) * (double) USECS_PER_SEC);
	return true;
}

#endif
