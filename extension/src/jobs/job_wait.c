/*
 * job_wait.c
 *		Waits until what is there is in the rollups.  See job_wait.h.
 *
 * Order numbers say what there was at the call: a flush has a higher one than those before it.  The lock of
 * a job is not waited for: who holds it is doing the work, and how far that is shows in the tables.
 */
#include "jobs/job_wait.h"

#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define POLL_MS 100

#define N_JOBS 2

static const char *const rolling_job[N_JOBS] = {"roll_up", "roll_up_events"};

/* The highest order numbers of what is pending, without what is set aside; 0 if nothing is. */
typedef struct Target
{
	int64 block;
	int64 event_batch;
	int64 event_change;
} Target;

static TlStatement read_target = {
	"SELECT coalesce((SELECT max(b.seq) FROM telemetry.block_0 AS b WHERE b.level = 0), 0),"
	" coalesce((SELECT max(b.id) FROM telemetry.event_batch AS b), 0),"
	" coalesce((SELECT max(c.id) FROM telemetry.event_change AS c), 0)",
	0,
	{0},
	NULL};

static TlStatement read_pending = {
	"SELECT EXISTS (SELECT FROM telemetry.block_0 AS b WHERE b.level = 0 AND b.seq <= $1),"
	" EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id <= $2)"
	" OR EXISTS (SELECT FROM telemetry.event_change AS c WHERE c.id <= $3)",
	3,
	{INT8OID, INT8OID, INT8OID},
	NULL};

static TlStatement read_holders = {"SELECT telemetry.open_ingests()", 0, {0}, NULL};

static Datum
column(int number)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &isnull);
}

static Target
find_target(void)
{
	TlStatementScope scope;
	Target target;

	tl_statement_begin(&scope);
	tl_statement_execute(&read_target, NULL, NULL, true, 1);
	target.block = DatumGetInt64(column(1));
	target.event_batch = DatumGetInt64(column(2));
	target.event_change = DatumGetInt64(column(3));
	tl_statement_end(&scope);
	return target;
}

static void
find_pending(const Target *target, bool pending[N_JOBS])
{
	TlStatementScope scope;
	Datum values[3] = {Int64GetDatum(target->block), Int64GetDatum(target->event_batch),
					   Int64GetDatum(target->event_change)};

	tl_statement_begin(&scope);
	/* Not read only: what this transaction's steps have done is to be seen. */
	tl_statement_execute(&read_pending, values, NULL, false, 1);
	for (int i = 0; i < N_JOBS; i++)
		pending[i] = DatumGetBool(column(i + 1));
	tl_statement_end(&scope);
}

static char *
find_holders(void)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	char *holders;

	tl_statement_begin(&scope);
	tl_statement_execute(&read_holders, NULL, NULL, false, 1);
	holders = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (holders != NULL)
		holders = MemoryContextStrdup(caller, holders);
	tl_statement_end(&scope);
	return holders;
}

static void
raise_timeout(const char *name)
{
	char *holders = strcmp(name, rolling_job[0]) == 0 ? find_holders() : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("job \"%s\" has not rolled up everything within the timeout", name),
			 holders != NULL ? errdetail("It is held up by %s.", holders) : 0,
			 errhint("View telemetry.job_status shows who is running it and what it waits for.")));
}

/* A job by that name that may be run now. */
static TlJob
require_job(const char *name, bool even_disabled)
{
	TlJob job;

	if (!tl_job_look_up(name, &job))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("job \"%s\" does not exist", name)));
	if (!job.enabled && !even_disabled)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cannot wait for job \"%s\", which is not enabled", name),
						errhint("Name it to run it all the same, or enable it with "
								"telemetry.alter_job().")));
	return job;
}

static void
require_jobs_are_free(void)
{
	if (tl_job_must_wait())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no job is run while this database is being restored")));
}

static void
run_once(const TlJobDriver *driver, const char *name)
{
	if (tl_job_run(driver, name) == TL_JOB_RAN && require_job(name, true).failures > 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("job \"%s\" failed, so that not everything is rolled up", name),
						errhint("View telemetry.job_status has its error.")));
}

static void
pause_for(int64 usecs)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (long) Min(usecs / 1000 + 1, POLL_MS), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
tl_job_wait(const TlJobDriver *driver, const char *name, int64 timeout)
{
	TimestampTz deadline = GetCurrentTimestamp() + timeout;
	TlJobDriver waiting = *driver;
	Target target;
	bool wanted[N_JOBS];

	for (int i = 0; i < N_JOBS; i++)
		wanted[i] = name == NULL || strcmp(name, rolling_job[i]) == 0;
	if (!wanted[0] && !wanted[1])
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot wait for job \"%s\"", name),
						errhint("Wait for roll_up, roll_up_events, or both: leave the name out.")));
	waiting.skip_level = DEBUG1;
	waiting.runs_disabled = name != NULL;
	target = find_target();
	for (;;)
	{
		bool pending[N_JOBS];
		const char *behind = NULL;
		int64 left = deadline - GetCurrentTimestamp();

		find_pending(&target, pending);
		for (int i = N_JOBS - 1; i >= 0; i--)
			if (wanted[i] && pending[i])
				behind = rolling_job[i];
		if (behind == NULL)
			return;
		require_jobs_are_free();
		for (int i = 0; i < N_JOBS; i++)
			if (wanted[i] && pending[i])
				(void) require_job(rolling_job[i], name != NULL);
		if (left <= 0)
			raise_timeout(behind);
		waiting.time_limit = left;
		waiting.commit();
		for (int i = 0; i < N_JOBS; i++)
			if (wanted[i] && pending[i])
				run_once(&waiting, rolling_job[i]);
		find_pending(&target, pending);
		waiting.commit();
		if ((wanted[0] && pending[0]) || (wanted[1] && pending[1]))
			pause_for(left);
	}
}
