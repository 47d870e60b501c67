/*
 * launcher.c
 *		Starts a worker in each database that has the extension, and starts it again.
 *
 * Only a process that is connected to a database can tell whether it has the extension, so each
 * database is looked into by a worker, which leaves at once if there is nothing for it, or stays.
 * One looks at a time.  Databases are listed and looked into again every
 * telemetry.launcher_interval, and at once on request: CREATE EXTENSION and commands on databases
 * ask for it (worker_sql.c, worker_command.c).
 *
 * All that must outlive the launcher itself is in the slots: if it fails, the postmaster starts
 * it again, and it goes on from there.  A worker tells of its end by its slot.
 */
#include "jobs/launcher.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/guc.h"
#include "catalog/pg_database.h"
#include "jobs/worker.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include <signal.h>

#define RESTART_SECONDS 5

/* A worker that fails is started again after so long at first, then twice as long each time. */
#define BACKOFF_MIN_S 1
#define BACKOFF_MAX_S 60
/* It is as good as new when it has run for so long. */
#define RAN_WELL (60 * USECS_PER_SEC)

/* A process that was asked for and has not come is given up. */
#define START_TIME_LIMIT (30 * USECS_PER_SEC)

/* Between looks into databases that were looked into before, so that many cost little. */
#define LOOK_AGAIN_GAP (1 * USECS_PER_SEC)

/* The log need not hear of the same trouble more often. */
#define TELL_AGAIN_AFTER (3600 * USECS_PER_SEC)

/* pg_database.datconnlimit of one whose DROP was interrupted. */
#define CONNECTION_LIMIT_INVALID (-2)

typedef struct Database
{
	Oid oid;
	char name[NAMEDATALEN];
	bool is_listed;
	bool is_asked_for; /* at once, on request */
	bool was_looked_into;
	int failures;		 /* of looking into it */
	TimestampTz look_at; /* when to look into it, while it has no slot */
} Database;

static Database *databases = NULL;
static int n_databases = 0;
static int max_databases = 0;

static TimestampTz list_at = DT_NOBEGIN;
static TimestampTz look_again_at = DT_NOBEGIN;
static TimestampTz told_no_process_at = DT_NOBEGIN;

static Database *
database_of(Oid oid)
{
	for (int i = 0; i < n_databases; i++)
		if (databases[i].oid == oid)
			return &databases[i];
	return NULL;
}

static void
note_database(Oid oid, const char *name)
{
	Database *d = database_of(oid);

	if (d == NULL)
	{
		if (n_databases == max_databases)
		{
			max_databases = Max(16, max_databases * 2);
			databases = databases == NULL
							? MemoryContextAlloc(TopMemoryContext, sizeof(Database) * max_databases)
							: repalloc(databases, sizeof(Database) * max_databases);
		}
		d = &databases[n_databases++];
		*d = (Database){.oid = oid, .look_at = DT_NOBEGIN};
	}
	strlcpy(d->name, name, NAMEDATALEN);
	d->is_listed = true;
}

static void
list_databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	int kept = 0;
	Relation rel;
	TableScanDesc scan;
	HeapTuple tuple;

	for (int i = 0; i < n_databases; i++)
		databases[i].is_listed = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && !form->datistemplate &&
			form->datconnlimit != CONNECTION_LIMIT_INVALID)
			note_database(form->oid, NameStr(form->datname));
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);

	for (int i = 0; i < n_databases; i++)
		if (databases[i].is_listed)
			databases[kept++] = databases[i];
	n_databases = kept;
}

static TimestampTz
seconds_from(TimestampTz now, int seconds)
{
	return now + seconds * USECS_PER_SEC;
}

static TimestampTz
back_off(TimestampTz now, int failures)
{
	int seconds = BACKOFF_MIN_S;

	for (int i = 1; i < failures && seconds < BACKOFF_MAX_S; i++)
		seconds *= 2;
	return seconds_from(now, Min(seconds, BACKOFF_MAX_S));
}

/* What sessions have asked for since the last round. */
static void
take_requests(TimestampTz now)
{
	Oid oid;

	while (tl_slots_next_request(&oid))
	{
		Database *d = database_of(oid);
		TlSlot *slot;

		if (d == NULL)
			list_at = now;
		else
			d->is_asked_for = true;
		tl_slots_lock();
		slot = tl_slot_of(oid);
		if (slot != NULL)
			slot->start_at = now;
		tl_slots_unlock();
	}
}

/* A worker of a database that had the extension has ended. */
static void
settle_confirmed(TlSlot *slot, TimestampTz now)
{
	tl_slot_change(slot, TL_SLOT_WAITING);
	switch (slot->last_exit)
	{
		case TL_EXIT_DISABLED:
		case TL_EXIT_HELD:
			slot->start_at = now;
			break;
		case TL_EXIT_OTHER_VERSION:
			slot->start_at = seconds_from(now, tl_guc_launcher_interval);
			break;
		default:
			if (slot->ended_at - slot->began_at >= RAN_WELL)
				slot->failures = 0;
			slot->failures++;
			slot->start_at = back_off(now, slot->failures);
	}
}

/* A worker that was only looking into its database, or found nothing there any more. */
static void
settle_unconfirmed(TlSlot *slot, Database *d, TimestampTz now)
{
	TlSlotExit why = slot->last_exit;

	tl_slot_change(slot, TL_SLOT_FREE);
	if (d == NULL)
		return;
	if (why == TL_EXIT_DISABLED || why == TL_EXIT_HELD)
		d->look_at = now;
	else if (why == TL_EXIT_NO_EXTENSION)
	{
		d->was_looked_into = true;
		d->failures = 0;
		d->look_at = seconds_from(now, tl_guc_launcher_interval);
	}
	else
		d->look_at = back_off(now, ++d->failures);
}

static void
settle(TlSlot *slot, TimestampTz now)
{
	/* The version is of an extension: that there is one is certain. */
	bool has_extension = slot->last_exit != TL_EXIT_NO_EXTENSION &&
						 (slot->confirmed || slot->last_exit == TL_EXIT_OTHER_VERSION);
	Database *d = database_of(slot->database);

	if (has_extension && d != NULL)
		settle_confirmed(slot, now);
	else
		settle_unconfirmed(slot, d, now);
}

/* With the lock held; false if there is no room for another process. */
static bool
start(TlSlot *slot, int number, const Database *d, TimestampTz now)
{
	slot->database = d->oid;
	tl_slot_change(slot, TL_SLOT_STARTING);
	if (tl_worker_start(number, slot->generation, d->name))
		return true;
	slot->last_exit = TL_EXIT_NOT_STARTED;
	tl_slot_change(slot, TL_SLOT_ENDED);
	settle(slot, now);
	return false;
}

static void
tell_no_process(TimestampTz now)
{
	if (told_no_process_at > now - TELL_AGAIN_AFTER)
		return;
	told_no_process_at = now;
	ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				  errmsg("no process is left for a telemetry worker"),
				  errhint("Increase max_worker_processes, which is %d; jobs can also be run with "
						  "CALL telemetry.run_jobs().",
						  max_worker_processes)));
}

/* Brings a slot up to date; true if its worker is only looking into the database. */
static bool
tend(TlSlot *slot, int number, TimestampTz now, TimestampTz *wake_at, bool *no_process)
{
	Database *d = database_of(slot->database);

	if (slot->state == TL_SLOT_STARTING && now - slot->asked_at >= START_TIME_LIMIT)
	{
		slot->last_exit = TL_EXIT_NOT_STARTED;
		tl_slot_change(slot, TL_SLOT_ENDED);
	}
	if (slot->state == TL_SLOT_ENDED)
		settle(slot, now);
	if (d == NULL && slot->state == TL_SLOT_RUNNING)
		kill(slot->pid, SIGTERM); /* the database no longer takes connections */
	if (d == NULL && slot->state == TL_SLOT_WAITING)
		tl_slot_change(slot, TL_SLOT_FREE);
	if (slot->state == TL_SLOT_WAITING && tl_guc_workers && !tl_database_is_held(slot->database))
	{
		if (slot->start_at > now)
			*wake_at = Min(*wake_at, slot->start_at);
		else if (!start(slot, number, d, now))
			*no_process = true;
	}
	if (slot->state == TL_SLOT_STARTING)
		*wake_at = Min(*wake_at, slot->asked_at + START_TIME_LIMIT);
	return !slot->confirmed && (slot->state == TL_SLOT_STARTING || slot->state == TL_SLOT_RUNNING);
}

/* The database to look into next: those asked for first; NULL if none is due. */
static Database *
next_to_look_into(TimestampTz now, TimestampTz *wake_at)
{
	Database *next = NULL;

	for (int i = 0; i < n_databases; i++)
	{
		Database *d = &databases[i];
		TimestampTz at = d->look_at;

		if (tl_slot_of(d->oid) != NULL || tl_database_is_held(d->oid))
			continue;
		if (d->is_asked_for)
			return d;
		if (d->was_looked_into)
			at = Max(at, look_again_at);
		if (at > now)
			*wake_at = Min(*wake_at, at);
		else if (next == NULL || d->look_at < next->look_at)
			next = d;
	}
	return next;
}

/* Looks into another database, if one is due and there is a slot. */
static void
look_into_next(TimestampTz now, TimestampTz *wake_at, bool *no_process)
{
	Database *d = next_to_look_into(now, wake_at);
	int n;
	TlSlot *slots = tl_slots(&n);

	for (int i = 0; d != NULL && i < n; i++)
	{
		if (slots[i].state != TL_SLOT_FREE)
			continue;
		if (d->was_looked_into && !d->is_asked_for)
			look_again_at = now + LOOK_AGAIN_GAP;
		d->is_asked_for = false;
		*no_process |= !start(&slots[i], i, d, now);
		return;
	}
	if (d != NULL)
		*no_process = true;
}

/* Does what is to be done now; returns when to do so again at the latest. */
static TimestampTz
tend_workers(TimestampTz now)
{
	TimestampTz wake_at = list_at;
	bool is_looking = false;
	bool no_process = false;
	int n;
	TlSlot *slots;

	tl_slots_lock();
	slots = tl_slots(&n);
	for (int i = 0; i < n; i++)
		if (slots[i].state != TL_SLOT_FREE)
			is_looking |= tend(&slots[i], i, now, &wake_at, &no_process);
	if (!is_looking && tl_guc_workers && !no_process)
		look_into_next(now, &wake_at, &no_process);
	tl_slots_unlock();
	if (no_process)
	{
		tell_no_process(now);
		wake_at = Min(wake_at, seconds_from(now, BACKOFF_MIN_S));
	}
	return wake_at;
}

void
tl_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, tl_worker_terminate);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	tl_slots_set_launcher(MyLatch);

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz wake_at;

		/* With code 0 it would not be started again. */
		if (ShutdownRequestPending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			list_at = now;
		}
		take_requests(now);
		if (list_at <= now)
		{
			list_databases();
			list_at = seconds_from(now, tl_guc_launcher_interval);
		}
		wake_at = tend_workers(now);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TimestampDifferenceMilliseconds(now, wake_at) + 1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

void
tl_launcher_define(void)
{
	BackgroundWorker worker = {0};

	/* pg_upgrade wants nobody at work but itself. */
	if (IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "telemetry", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "tl_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "telemetry launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "telemetry launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
