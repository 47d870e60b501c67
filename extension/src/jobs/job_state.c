/*
 * job_state.c
 *		The statements on telemetry.job and telemetry.job_state.  See job_state.h.
 */
#include "jobs/job_state.h"

#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The least and the most that a job which fails is left alone. */
#define BACKOFF_MIN (1 * USECS_PER_SEC)
#define BACKOFF_MAX (300 * USECS_PER_SEC)

/*
 * A time that a user has set counts until the job has been started after it was set.  One that no run can have
 * set was written before the clock was set back.
 */
#define JOB_COLUMNS                                                                                \
	"SELECT j.name, j.enabled,"                                                                    \
	" (date_part('epoch', j.run_every) * 1000000)::bigint,"                                        \
	" CASE WHEN j.run_at > COALESCE(s.last_started_at, '-infinity') THEN j.run_at"                 \
	" WHEN s.next_run_at <= clock_timestamp() + GREATEST(j.run_every, '5 min') + interval '1 s'"   \
	"  THEN s.next_run_at ELSE '-infinity' END,"                                                   \
	" COALESCE(s.failures, 0)"                                                                     \
	" FROM telemetry.job AS j LEFT JOIN telemetry.job_state AS s ON s.name = j.name"

static TlStatement list_jobs = {
	JOB_COLUMNS " WHERE j.enabled ORDER BY j.run_every, j.name", 0, {InvalidOid}, NULL};

static TlStatement look_up_job = {JOB_COLUMNS " WHERE j.name = $1", 1, {TEXTOID}, NULL};

static TlStatement list_names = {
	"SELECT string_agg(name, ', ' ORDER BY name) FROM telemetry.job", 0, {InvalidOid}, NULL};

/* The times, the counts and the error of a run that is only written ahead are not known yet. */
static TlStatement record_run = {
	"INSERT INTO telemetry.job_state AS s (name, next_run_at, last_started_at, last_finished_at,"
	" last_duration, last_steps, last_status, last_error, last_error_code, last_error_context,"
	" last_error_at, failures, runs, total_failures, total_steps)"
	" SELECT j.name, $2, $3, $4, $4 - $3, $5, $6, $7, $8, $9,"
	" CASE WHEN $7 IS NOT NULL THEN $4 END, $10, $11,"
	" CASE WHEN $7 IS NOT NULL THEN 1 ELSE 0 END, COALESCE($5, 0)"
	" FROM telemetry.job AS j WHERE j.name = $1"
	" ON CONFLICT (name) DO UPDATE SET next_run_at = EXCLUDED.next_run_at,"
	" last_started_at = EXCLUDED.last_started_at,"
	" last_finished_at = COALESCE(EXCLUDED.last_finished_at, s.last_finished_at),"
	" last_duration = COALESCE(EXCLUDED.last_duration, s.last_duration),"
	" last_steps = COALESCE(EXCLUDED.last_steps, s.last_steps),"
	" last_status = EXCLUDED.last_status, failures = EXCLUDED.failures,"
	" last_error = COALESCE(EXCLUDED.last_error, s.last_error),"
	" last_error_code = COALESCE(EXCLUDED.last_error_code, s.last_error_code),"
	" last_error_context = CASE WHEN EXCLUDED.last_error IS NULL THEN s.last_error_context"
	" ELSE EXCLUDED.last_error_context END,"
	" last_error_at = COALESCE(EXCLUDED.last_error_at, s.last_error_at),"
	" runs = s.runs + EXCLUDED.runs,"
	" total_failures = s.total_failures + EXCLUDED.total_failures,"
	" total_steps = s.total_steps + EXCLUDED.total_steps",
	11,
	{TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, TEXTOID, TEXTOID, TEXTOID,
	 TEXTOID, INT4OID, INT8OID},
	NULL};

/* Reads take a new snapshot, as writes do: they must see what the last holder of a lock wrote. */
#define READ_ONLY false

static const char *const status_names[] = {
	[TL_JOB_RUNNING] = "running",
	[TL_JOB_SUCCESS] = "success",
	[TL_JOB_UNFINISHED] = "unfinished",
	[TL_JOB_FAILURE] = "failure",
};

static Datum
column(uint64 row, int number)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &isnull);

	if (isnull)
		tl_corrupt("a column of telemetry.job is null");
	return value;
}

static void
read_job(uint64 row, MemoryContext caller, TlJob *job)
{
	MemoryContext spi = MemoryContextSwitchTo(caller);

	job->name = TextDatumGetCString(column(row, 1));
	MemoryContextSwitchTo(spi);
	job->enabled = DatumGetBool(column(row, 2));
	job->run_every = DatumGetInt64(column(row, 3));
	job->due = DatumGetTimestampTz(column(row, 4));
	job->failures = DatumGetInt32(column(row, 5));
}

TlJob *
tl_job_list(int *n_jobs)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	TlJob *jobs;

	tl_statement_begin(&scope);
	tl_statement_execute(&list_jobs, NULL, NULL, READ_ONLY, 0);
	*n_jobs = (int) SPI_processed;
	jobs = MemoryContextAlloc(caller, sizeof(TlJob) * Max(*n_jobs, 1));
	for (int i = 0; i < *n_jobs; i++)
		read_job((uint64) i, caller, &jobs[i]);
	tl_statement_end(&scope);
	return jobs;
}

bool
tl_job_look_up(const char *name, TlJob *job)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum value;
	bool found;

	tl_statement_begin(&scope);
	value = CStringGetTextDatum(name);
	tl_statement_execute(&look_up_job, &value, NULL, READ_ONLY, 1);
	found = SPI_processed == 1;
	if (found)
		read_job(0, caller, job);
	tl_statement_end(&scope);
	return found;
}

char *
tl_job_names(void)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	char *names = NULL;
	Datum value;
	bool isnull;

	tl_statement_begin(&scope);
	tl_statement_execute(&list_names, NULL, NULL, READ_ONLY, 1);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		names = MemoryContextStrdup(caller, TextDatumGetCString(value));
	tl_statement_end(&scope);
	return names;
}

static int64
backoff(int64 run_every, int failures)
{
	int64 delay = run_every;

	for (int i = 0; i < failures && delay < BACKOFF_MAX; i++)
		delay *= 2;
	return Min(Max(delay, BACKOFF_MIN), BACKOFF_MAX);
}

static TimestampTz
next_due(const TlJob *job, const TlJobRun *run, int failures)
{
	switch (run->status)
	{
		case TL_JOB_SUCCESS:
			/* What was missed is not caught up with. */
			return Max(run->started + job->run_every, run->finished);
		case TL_JOB_UNFINISHED:
			return run->finished;
		case TL_JOB_RUNNING:
			return run->started + backoff(job->run_every, failures);
		case TL_JOB_FAILURE:
			break;
	}
	return run->finished + backoff(job->run_every, failures);
}

void
tl_job_record(const TlJob *job, const TlJobRun *run)
{
	bool is_over = run->status != TL_JOB_RUNNING;
	bool is_good = run->status == TL_JOB_SUCCESS || run->status == TL_JOB_UNFINISHED;
	int failures = is_good ? 0 : job->failures + 1;
	TlStatementScope scope;
	Datum values[11];
	char nulls[12] = "           ";

	tl_statement_begin(&scope);
	values[0] = CStringGetTextDatum(job->name);
	values[1] = TimestampTzGetDatum(next_due(job, run, failures));
	values[2] = TimestampTzGetDatum(run->started);
	values[3] = TimestampTzGetDatum(run->finished);
	values[4] = Int32GetDatum(run->steps);
	values[5] = CStringGetTextDatum(status_names[run->status]);
	values[9] = Int32GetDatum(failures);
	values[10] = Int64GetDatum(is_over ? 1 : 0);
	if (!is_over)
		nulls[3] = nulls[4] = 'n';
	memset(nulls + 6, 'n', 3);
	if (run->error != NULL)
	{
		values[6] = CStringGetTextDatum(run->error->message);
		values[7] = CStringGetTextDatum(unpack_sql_state(run->error->sqlerrcode));
		nulls[6] = nulls[7] = ' ';
		if (run->error->context != NULL)
		{
			values[8] = CStringGetTextDatum(run->error->context);
			nulls[8] = ' ';
		}
	}
	tl_statement_execute(&record_run, values, nulls, false, 0);
	tl_statement_end(&scope);
}
