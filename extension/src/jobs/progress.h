/*
 * progress.h
 *		How far long work of this backend has come, for others to see in telemetry.progress.
 *
 * A report is a row of an unlogged table: others see it when the transaction that made it has
 * committed.  So this is for work that takes many short transactions, such as jobs.
 */
#ifndef TL_PROGRESS_H
#define TL_PROGRESS_H

#include "base/compat.h"

/*
 * The backend's row, in place of the one before.  done and total count the same thing, total is
 * 0 while unknown.
 */
extern void tl_progress_report(const char *command, const char *phase, int64 done, int64 total);

/* Takes the row away, if there is one. */
extern void tl_progress_end(void);

#endif
