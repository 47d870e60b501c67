/*
 * job_wait.h
 *		Waits until what is there is in the rollups.
 */
#ifndef TL_JOB_WAIT_H
#define TL_JOB_WAIT_H

#include "jobs/job.h"

/*
 * Runs the jobs that roll up, or that one of them which is named, until all points and events that were
 * committed when it was called are in the rollups, whoever puts them there.  The driver must commit.
 * Raises when a job fails or must not be run, and when the time, in microseconds, is over.
 */
extern void tl_job_wait(const TlJobDriver *driver, const char *name, int64 timeout);

#endif
