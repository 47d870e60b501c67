/*
 * worker.c
 *		The process that runs the jobs of one database.  See worker.h.
 *
 * Looks for due jobs, runs each, and sleeps until the next is due, but at most a second: so it
 * notices that the extension has been dropped or a job altered.  When nothing is due that is one
 * short transaction that reads two small tables.
 *
 * Leaves, and tells the launcher why, when the extension is not there or not of this library's
 * version, when telemetry.workers is off, on SIGTERM, and with an error that is not a job's.
 */
#include "jobs/worker.h"

#include <signal.h>

#include "access/xact.h"
#include "base/guc.h"
#include "jobs/installed.h"
#include "jobs/job.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/*
 * A job that has more to do lets the others have their turn after so long: one that is to run every
 * few seconds, such as those that keep aggregates, waits less for the others than they for it.
 */
#define TURN (5 * USECS_PER_SEC)
#define SHORT_TURN (1 * USECS_PER_SEC)

/* So long runs are written ahead: see tl_job_run.  A server that is killed by a job starts anew. */
#define PROBATION (60 * USECS_PER_SEC)

#define SLEEP_MAX (1 * USECS_PER_SEC)

/* What bgw_extra carries. */
typedef struct WorkerStart
{
	int slot_number;
	uint32 generation;
} WorkerStart;

static int my_slot = -1;
static TlSlotExit my_exit = TL_EXIT_ERROR;
static char my_error[TL_SLOT_ERROR_SIZE];

/* Why begin_job refused; TL_EXIT_NONE if only for now. */
static TlSlotExit refusal = TL_EXIT_NONE;

bool
tl_worker_start(int slot_number, uint32 generation, const char *database)
{
	WorkerStart start = {slot_number, generation};
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "telemetry", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "tl_worker_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_type, "telemetry worker", sizeof(worker.bgw_type));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "telemetry worker: %s", database);
	StaticAssertStmt(sizeof(start) <= BGW_EXTRALEN, "too much for bgw_extra");
	memcpy(worker.bgw_extra, &start, sizeof(start));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* die() alone would log an error even when there was nothing to interrupt. */
void
tl_worker_terminate(SIGNAL_ARGS)
{
	ShutdownRequestPending = true;
	die(postgres_signal_arg);
}

/*
 * The last thing a worker does: after it was taken off the list of backends, where DROP DATABASE
 * looks, for it was registered before it was put there.
 */
static void
detach(int code, Datum arg)
{
	int n;
	TlSlot *slot;

	/* After an error the table may still be locked. */
	LWLockReleaseAll();
	tl_slots_lock();
	slot = &tl_slots(&n)[my_slot];
	if (my_exit == TL_EXIT_ERROR && ShutdownRequestPending)
		my_exit = TL_EXIT_TERMINATED;
	if (my_exit == TL_EXIT_TERMINATED && tl_database_is_held(slot->database))
		my_exit = TL_EXIT_HELD;
	slot->last_exit = my_exit;
	strlcpy(slot->error, my_error, sizeof(slot->error));
	tl_slot_change(slot, TL_SLOT_ENDED);
	tl_slots_unlock();
	tl_slots_signal_ended();
	tl_slots_wake_launcher();
}

static void
leave(TlSlotExit why)
{
	my_exit = why;
	proc_exit(0);
}

/* Takes the slot that the launcher has meant; its database. */
static Oid
attach(void)
{
	WorkerStart start;
	bool is_held;
	Oid database;
	TlSlot *slot;
	int n;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	tl_slots_lock();
	slot = &tl_slots(&n)[start.slot_number];
	if (slot->state != TL_SLOT_STARTING || slot->generation != start.generation)
	{
		tl_slots_unlock();
		proc_exit(0);
	}
	database = slot->database;
	is_held = tl_database_is_held(database);
	tl_slot_change(slot, TL_SLOT_RUNNING);
	tl_slots_unlock();

	my_slot = start.slot_number;
	on_shmem_exit(detach, (Datum) 0);
	if (is_held)
		leave(TL_EXIT_HELD);
	return database;
}

/* Like autovacuum's, a worker's session does not follow the settings made for users'. */
static void
set_up_session(void)
{
	static const char *const settings[][2] = {
		{"lock_timeout", "10s"}, /* not forever behind somebody's lock; an error as any other */
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"}, /* from 17 on */
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"row_security", "on"},
	};

	for (size_t i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
}

static void
follow_settings(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
tell_other_version(void)
{
	bool told;
	int n;

	tl_slots_lock();
	told = tl_slots(&n)[my_slot].version_told;
	tl_slots(&n)[my_slot].version_told = true;
	tl_slots_unlock();
	if (!told)
		ereport(LOG, (errmsg("jobs do not run: extension \"telemetry\" of this database is not of "
							 "version %s",
							 TL_VERSION),
					  errhint("Run ALTER EXTENSION telemetry UPDATE, after a restart if the "
							  "server was started before the new version was installed.")));
}

/* A transaction with the extension's lock; else none, and the reason in refusal. */
static bool
begin_job(void)
{
	MemoryContext caller = CurrentMemoryContext;
	TlInstalled installed;

	follow_settings();
	if (!tl_guc_workers)
	{
		refusal = TL_EXIT_DISABLED;
		return false;
	}
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(caller);
	installed = tl_installed_lock(false);
	if (installed == TL_INSTALLED_THIS)
	{
		/* SPI wants one around its own. */
		PushActiveSnapshot(GetTransactionSnapshot());
		return true;
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	refusal = installed == TL_INSTALLED_NOT		? TL_EXIT_NO_EXTENSION
			  : installed == TL_INSTALLED_OTHER ? TL_EXIT_OTHER_VERSION
												: TL_EXIT_NONE;
	return false;
}

static void
commit_job(void)
{
	MemoryContext caller = CurrentMemoryContext;

	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	pgstat_report_stat(false);
}

static bool
is_on_probation(void)
{
	return GetCurrentTimestamp() - MyStartTimestamp < PROBATION;
}

static TlJobDriver driver = {.begin = begin_job,
							 .commit = commit_job,
							 .commits = true,
							 .now = GetCurrentTimestamp,
							 .writes_ahead = is_on_probation,
							 .skip_level = DEBUG1};

/* An error outside of a job's function, such as one of commit, is the job's nevertheless. */
static TlJobOutcome
run_job(const TlJob *job)
{
	MemoryContext context = CurrentMemoryContext;
	TlJobOutcome outcome = TL_JOB_RAN;
	char activity[128];

	snprintf(activity, sizeof(activity), "telemetry.job_%s()", job->name);
	driver.time_limit = job->run_every < TURN ? TURN : SHORT_TURN;
	pgstat_report_activity(STATE_RUNNING, activity);
	PG_TRY();
	{
		outcome = tl_job_run(&driver, job->name);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		tl_job_fail(&driver, job->name, error);
		outcome = TL_JOB_RAN;
	}
	PG_END_TRY();
	pgstat_report_activity(STATE_IDLE, NULL);
	return outcome;
}

/* The first time that the extension is found here. */
static void
confirm(void)
{
	static bool is_confirmed = false;
	TlSlot *slot;
	int n;

	if (is_confirmed)
		return;
	is_confirmed = true;
	tl_slots_lock();
	slot = &tl_slots(&n)[my_slot];
	slot->confirmed = true;
	slot->version_told = false;
	slot->starts++;
	tl_slots_unlock();
	/* Which looks into one database at a time. */
	tl_slots_wake_launcher();
}

/*
 * Runs what is due, and returns in how many microseconds to look again.  A job that is run
 * elsewhere stays due, but is no reason to look again at once.
 */
static int64
run_due_jobs(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64 sleep = SLEEP_MAX;
	TlJob *jobs = NULL;
	int n = 0;

	if (!begin_job())
		return sleep;
	if (!tl_job_must_wait())
		jobs = tl_job_list(&n);
	commit_job();
	confirm();
	for (int i = 0; i < n; i++)
	{
		if (jobs[i].due > now)
			sleep = Min(sleep, jobs[i].due - now);
		else
			switch (run_job(&jobs[i]))
			{
				case TL_JOB_RAN:
					sleep = 0;
					break;
				case TL_JOB_SKIPPED:
					break;
				case TL_JOB_STOPPED:
					return SLEEP_MAX;
			}
	}
	return sleep;
}

static void
work(void)
{
	MemoryContext round =
		AllocSetContextCreate(TopMemoryContext, "telemetry worker", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		int64 sleep;

		if (ShutdownRequestPending)
			leave(TL_EXIT_TERMINATED);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(round);
		refusal = TL_EXIT_NONE;
		sleep = run_due_jobs();
		MemoryContextReset(round);
		if (refusal == TL_EXIT_OTHER_VERSION)
			tell_other_version();
		if (refusal != TL_EXIT_NONE)
			leave(refusal);
		if (sleep > 0)
		{
			pgstat_report_stat(true);
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 (long) (sleep / 1000) + 1, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
	}
}

void
tl_worker_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, tl_worker_terminate);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(attach(), InvalidOid, 0);
	set_up_session();
	PG_TRY();
	{
		work();
	}
	PG_CATCH();
	{
		ErrorData *error;

		/* For telemetry.worker; the log gets it when it is raised again. */
		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		strlcpy(my_error, error->message, sizeof(my_error));
		PG_RE_THROW();
	}
	PG_END_TRY();
}
