/*
 * job.c
 *		A run of a job: lock, steps, record.  See job.h.
 */
#include "jobs/job.h"

#include "access/xact.h"
#include "base/run_as.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "jobs/progress.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/*
 * Advisory locks of users have 1 or 2 here.  The view telemetry.job_status finds our locks by
 * this number and hashtext(name).
 */
#define JOB_LOCK_CLASS 21613

/* A job must not run jobs: the lock of its own would not stop it. */
static bool is_running = false;

static LOCKTAG
job_lock(const char *name)
{
	uint32 hash = DatumGetUInt32(hash_any((const unsigned char *) name, (int) strlen(name)));
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, hash, JOB_LOCK_CLASS);
	return tag;
}

/* What holds up all jobs is the lock of the one without a name. */
void
tl_job_hold_all(void)
{
	LOCKTAG tag = job_lock("");

	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

bool
tl_job_must_wait(void)
{
	LOCKTAG tag = job_lock("");

	return LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL;
}

/* SELECT telemetry.job_NAME(), in a subtransaction that is the caller's to end. */
static bool
call_function(const char *name)
{
	char *function = psprintf("job_%s", name);
	StringInfoData sql;
	TlStatementScope scope;
	TlRunAs run_as;
	Datum value;
	bool isnull;

	tl_statement_begin(&scope);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT telemetry.%s()", quote_identifier(function));
	/* One that is not the extension's must not get the rights of its owner. */
	tl_run_as_begin(
		&run_as,
		LookupFuncName(list_make2(makeString("telemetry"), makeString(function)), 0, NULL, false));
	if (SPI_execute(sql.data, false, 2) != SPI_OK_SELECT || SPI_processed != 1 ||
		SPI_gettypeid(SPI_tuptable->tupdesc, 1) != BOOLOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("function telemetry.job_%s() does not return one boolean", name)));
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("function telemetry.job_%s() returned null", name)));
	tl_run_as_end(&run_as);
	tl_statement_end(&scope);
	return DatumGetBool(value);
}

typedef struct Step
{
	const char *name;
	bool more;
} Step;

static void
call_step(void *arg)
{
	Step *step = arg;

	step->more = call_function(step->name);
}

/* The user of CALL, or the log, learns of it as well. */
static void
warn(const char *name, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode), errmsg("job \"%s\" failed: %s", name, error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0,
			 error->context != NULL ? errcontext_msg("%s", error->context) : 0));
}

/* In the transaction of the last step. */
static void
finish(const TlJobDriver *driver, const TlJob *job, const TlJobRun *run)
{
	/* If the step wrote nothing, its record alone is not worth a wait for the disk. */
	if (driver->commits && !TransactionIdIsValid(GetTopTransactionIdIfAny()))
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	tl_progress_end();
	tl_job_record(job, run);
	driver->commit();
	if (run->error != NULL)
		warn(job->name, run->error);
}

/* From the driver's begin on, with the job's lock. */
static TlJobOutcome
run_steps(const TlJobDriver *driver, const char *name)
{
	TlJobRun run = {.status = TL_JOB_RUNNING};
	TlJob job;

	if (!tl_job_look_up(name, &job) || !(job.enabled || driver->runs_disabled))
	{
		driver->commit();
		return TL_JOB_SKIPPED;
	}
	run.started = driver->now();
	if (driver->writes_ahead())
	{
		tl_job_record(&job, &run);
		driver->commit();
		if (!driver->begin())
			return TL_JOB_STOPPED;
	}
	while (run.status == TL_JOB_RUNNING)
	{
		Step step = {.name = name};
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		error = tl_subtransaction(call_step, &step);
		if (error != NULL && tl_error_is_to_be_raised(error))
			ReThrowError(error);
		run.steps++;
		run.finished = driver->now();
		run.error = error;
		if (error != NULL)
			run.status = TL_JOB_FAILURE;
		else if (!step.more)
			run.status = TL_JOB_SUCCESS;
		else if (driver->time_limit > 0 && run.finished - run.started >= driver->time_limit)
			run.status = TL_JOB_UNFINISHED;
		else
		{
			driver->commit();
			if (!driver->begin())
				return TL_JOB_STOPPED;
		}
	}
	finish(driver, &job, &run);
	return TL_JOB_RAN;
}

TlJobOutcome
tl_job_run(const TlJobDriver *driver, const char *name)
{
	LOCKTAG tag = job_lock(name);
	TlJobOutcome outcome;

	if (is_running)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a job cannot run jobs")));
	if (!driver->begin())
		return TL_JOB_STOPPED;
	if (LockAcquire(&tag, ExclusiveLock, driver->commits, true) == LOCKACQUIRE_NOT_AVAIL)
	{
		ereport(driver->skip_level,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("job \"%s\" is skipped: another session is running it", name)));
		driver->commit();
		return TL_JOB_SKIPPED;
	}
	is_running = true;
	PG_TRY();
	{
		outcome = run_steps(driver, name);
	}
	PG_FINALLY();
	{
		is_running = false;
		if (driver->commits)
			LockRelease(&tag, ExclusiveLock, true);
	}
	PG_END_TRY();
	return outcome;
}

void
tl_job_fail(const TlJobDriver *driver, const char *name, const ErrorData *error)
{
	TlJobRun run = {.status = TL_JOB_FAILURE, .error = error};
	TlJob job;

	if (!driver->begin())
		return;
	run.started = run.finished = driver->now();
	tl_progress_end();
	if (tl_job_look_up(name, &job))
		tl_job_record(&job, &run);
	driver->commit();
	warn(name, error);
}
