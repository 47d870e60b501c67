/*
 * job_state.h
 *		The tables of jobs: telemetry.job, which is the user's, and telemetry.job_state, which is
 *		written by whoever runs a job.
 *
 * Both are small; a job's state is written only by the one that holds the job's lock (job.c), so
 * that nobody waits for a row.  What users say of when a job is to run next is in telemetry.job
 * for that reason.  Strings are palloc'd in the caller's memory context.
 */
#ifndef TL_JOB_STATE_H
#define TL_JOB_STATE_H

#include "base/compat.h"

#include "datatype/timestamp.h"

typedef struct TlJob
{
	char *name;
	bool enabled;
	int64 run_every; /* microseconds */
	TimestampTz due; /* when it is to run next; DT_NOBEGIN at once, DT_NOEND never */
	int failures;	 /* in a row, so far */
} TlJob;

typedef enum TlJobStatus
{
	TL_JOB_RUNNING,	   /* written ahead, by those who fear that they may not come back */
	TL_JOB_SUCCESS,	   /* it said that there is no more to do */
	TL_JOB_UNFINISHED, /* its time was over before that; it goes on soon */
	TL_JOB_FAILURE
} TlJobStatus;

typedef struct TlJobRun
{
	TlJobStatus status;
	TimestampTz started;
	TimestampTz finished;
	int steps;
	const ErrorData *error; /* of a failure */
} TlJobRun;

/* The enabled jobs, those that run often first. */
extern TlJob *tl_job_list(int *n_jobs);

extern bool tl_job_look_up(const char *name, TlJob *job);

/* "a, b and c": for hints. */
extern char *tl_job_names(void);

/* Writes down how a run went, or is going, and when the next is due. */
extern void tl_job_record(const TlJob *job, const TlJobRun *run);

#endif
