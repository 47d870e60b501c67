/*
 * job.h
 *		Runs the jobs of telemetry.job.
 *
 * A job NAME is the function telemetry.job_NAME() RETURNS boolean.  Each call of it, a step, is
 * one transaction; true means that there is more to do, and it is called again.  A run is the
 * steps of one job until there is no more, it fails, or its time is over.
 *
 * Each step runs as the owner of the extension's tables, or of its function if that one lacks the
 * rights of the former, with search_path pg_catalog and pg_temp, in a subtransaction: its error is
 * caught and written to telemetry.job_state, and the job is left alone for a while.  Only what
 * asks this process to stop is raised again.  How the run went is written in the transaction of
 * its last step.
 *
 * Locks, in their order: the extension (installed.h), in each transaction; then the job's own,
 * an advisory one of our class, from before the first step to after the last.  It is never
 * waited for: a job that somebody else is running is left to them.
 */
#ifndef TL_JOB_H
#define TL_JOB_H

#include "jobs/job_state.h"

/* How a process that runs jobs goes about it. */
typedef struct TlJobDriver
{
	/* Opens a transaction and takes the extension's lock; false, with none open: do not go on. */
	bool (*begin)(void);
	void (*commit)(void);
	/*
	 * Whether commit really ends a transaction.  If not, all steps are part of the caller's, and
	 * the job's lock is held to its end.
	 */
	bool commits;
	TimestampTz (*now)(void);
	int64 time_limit; /* of one run, in microseconds; 0 is none */
	/* Whether a run is to be written ahead, so that one that kills the server is not repeated. */
	bool (*writes_ahead)(void);
	bool runs_disabled; /* runs a job that is disabled, too */
	int skip_level;		/* of the message that a job is skipped */
} TlJobDriver;

typedef enum TlJobOutcome
{
	TL_JOB_RAN,		/* well or not: telemetry.job_state says it */
	TL_JOB_SKIPPED, /* somebody else is running it, or it is disabled or gone */
	TL_JOB_STOPPED	/* begin returned false */
} TlJobOutcome;

/*
 * Holds up all jobs until this session ends, for a restore that they would be in the way of.
 * Waits for transactions in which tl_job_must_wait has said that they need not.
 */
extern void tl_job_hold_all(void);

/* Whether somebody holds up all jobs.  If not, nobody will before the end of this transaction. */
extern bool tl_job_must_wait(void);

/*
 * One run of one job.  The current memory context must outlive transactions.  An error that is
 * not of the job's own function, such as one of commit, is raised.
 */
extern TlJobOutcome tl_job_run(const TlJobDriver *driver, const char *name);

/* Writes down an error that tl_job_run has raised, in a transaction of its own. */
extern void tl_job_fail(const TlJobDriver *driver, const char *name, const ErrorData *error);

#endif
