/*
 * job_sql.c
 *		CALL telemetry.run_jobs(name, wait, timeout): one round of jobs in the caller's session.
 *
 * At top level each step is committed; inside a transaction block or a function all is part of
 * the caller's transaction.  Waiting is for the top level only: nothing could be seen to happen otherwise.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/standby.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "jobs/installed.h"
#include "jobs/job.h"
#include "jobs/job_wait.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define WAIT_MAX USECS_PER_DAY

/* SPI has a transaction open at all times.  The lock is waited for: a user can cancel. */
static bool
begin_in_spi(void)
{
	TlInstalled installed = tl_installed_lock(true);

	if (installed == TL_INSTALLED_NOT)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("extension \"telemetry\" has been dropped")));
	if (installed == TL_INSTALLED_OTHER)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("extension \"telemetry\" of this database is not of version %s",
							   TL_VERSION),
						errhint("Run ALTER EXTENSION telemetry UPDATE.")));
	return true;
}

static void
commit_in_spi(void)
{
	SPI_commit();
	SPI_start_transaction(); /* which SPI_commit does by itself from 15 on */
}

static void
commit_nothing(void)
{
}

/* The user sees at once what a job does to the server. */
static bool
write_nothing_ahead(void)
{
	return false;
}

static const TlJobDriver in_steps = {.begin = begin_in_spi,
									 .commit = commit_in_spi,
									 .commits = true,
									 .now = GetCurrentTimestamp,
									 .writes_ahead = write_nothing_ahead,
									 .skip_level = NOTICE};

static const TlJobDriver in_one_transaction = {.begin = begin_in_spi,
											   .commit = commit_nothing,
											   .commits = false,
											   .now = GetCurrentTimestamp,
											   .writes_ahead = write_nothing_ahead,
											   .skip_level = NOTICE};

static void
look_up(const char *name)
{
	TlJob job;

	if (!tl_job_look_up(name, &job))
	{
		char *names = tl_job_names();

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("job \"%s\" does not exist", name),
				 names != NULL ? errhint("There are %s.", names) : 0));
	}
}

static void
run_named(TlJobDriver driver, const char *name)
{
	look_up(name);
	driver.runs_disabled = true;
	(void) tl_job_run(&driver, name);
}

static void
run_all(const TlJobDriver *driver)
{
	int n;
	TlJob *jobs;

	if (tl_job_must_wait())
	{
		ereport(NOTICE, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("no job is run while this database is being restored")));
		return;
	}
	jobs = tl_job_list(&n);
	for (int i = 0; i < n; i++)
		(void) tl_job_run(driver, jobs[i].name);
}

/* In microseconds; what has months or years counts them as 30 days. */
static int64
wait_limit(FunctionCallInfo fcinfo)
{
	const Interval *limit = PG_ARGISNULL(2) ? NULL : PG_GETARG_INTERVAL_P(2);
	double usecs;

	if (limit == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("timeout must not be null")));
	usecs = (double) limit->time +
			((double) limit->day + (double) limit->month * DAYS_PER_MONTH) * USECS_PER_DAY;
	if (usecs < 0 || usecs > (double) WAIT_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("timeout must be from 0 to 1 day")));
	return (int64) usecs;
}

PG_FUNCTION_INFO_V1(telemetry_run_jobs);
Datum
telemetry_run_jobs(PG_FUNCTION_ARGS)
{
	bool atomic = fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
				  castNode(CallContext, fcinfo->context)->atomic;
	const TlJobDriver *driver = atomic ? &in_one_transaction : &in_steps;
	char *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool wait = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	int64 timeout = wait ? wait_limit(fcinfo) : 0;

	tl_require_writable("run jobs");
	if (wait && atomic)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("run_jobs cannot wait in a transaction block or a function"),
						errhint("Call it by itself, after the points have been committed.")));
	/* SPI's memory, in which we are from here on, outlives the transactions. */
	if (SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* To the end of the first transaction, so that the tables are there. */
	(void) begin_in_spi();
	if (wait)
		tl_job_wait(driver, name == NULL ? NULL : pstrdup(name), timeout);
	else if (name != NULL)
		run_named(*driver, pstrdup(name));
	else
		run_all(driver);
	SPI_finish();
	PG_RETURN_VOID();
}

/* hold_jobs(): to the end of the session. */
PG_FUNCTION_INFO_V1(telemetry_hold_jobs);
Datum
telemetry_hold_jobs(PG_FUNCTION_ARGS)
{
	tl_job_hold_all();
	PG_RETURN_VOID();
}
