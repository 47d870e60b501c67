/*
 * expire.h
 *		What a pass of job retention has not gone through yet.  See expire.c.
 */
#ifndef TL_EXPIRE_H
#define TL_EXPIRE_H

#include "base/compat.h"

#include "utils/date.h"

/* A bucket that the pass has not finished. */
typedef struct TlExpireTodo
{
	int bucket;
	int64 day; /* the first to look at; DT_NOBEGIN: all */
} TlExpireTodo;

/* The rows of telemetry.retention_todo, by bucket; palloc'd in the current context. */
extern TlExpireTodo *tl_expire_read_todo(uint32 *n);

/* The beginning of a UTC day, or DT_NOBEGIN or DT_NOEND. */
extern int64 tl_expire_time_of_date(DateADT date);

#endif
