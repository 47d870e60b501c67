/*
 * text_time.h
 *		Times as files have them.
 *
 *	2024-02-29  2024-02-29T12:30  2024/2/29 9:05:07.25 PM  20240229T123000Z  2024-02-29 12:30:00,5 +01:00
 *	29.02.2024 12:30  2/29/2024	 only with an order of day and month, which is never guessed
 *	1709209800  1709209800.25  1709209800250  1709209800250000  1709209800250000000	 since 1970
 *
 * What timestamptz takes as well means the same to both, to the microsecond.  Years are 1 to 9999.
 */
#ifndef TL_TEXT_TIME_H
#define TL_TEXT_TIME_H

#include "base/slice.h"

#include "pgtime.h"

/* What a number is. */
typedef enum TlEpochUnit
{
	/*
	 * 8 and 14 digits are a date YYYYMMDD and a time YYYYMMDDhhmmss.  Others are seconds to 2e10, which
	 * is the year 2603, then milliseconds to 2e13, microseconds to 2e16, and nanoseconds.
	 */
	TL_EPOCH_AUTO,
	TL_EPOCH_SECONDS,
	TL_EPOCH_MILLISECONDS,
	TL_EPOCH_MICROSECONDS,
	TL_EPOCH_NANOSECONDS
} TlEpochUnit;

/* How a date that does not begin with the year is to be read. */
typedef enum TlDateOrder
{
	TL_DATE_YMD, /* not at all */
	TL_DATE_DMY,
	TL_DATE_MDY
} TlDateOrder;

typedef struct TlTextTime
{
	TlEpochUnit epoch;
	TlDateOrder order;
	pg_tz *zone; /* of times that do not say theirs */
} TlTextTime;

/*
 * Reads a time without spaces around it.  Does not raise; false with *problem, a phrase that goes after
 * the text, in the current memory context or constant.
 */
extern bool tl_text_time(TlSlice text, const TlTextTime *how, int64 *ts, const char **problem);

#endif
