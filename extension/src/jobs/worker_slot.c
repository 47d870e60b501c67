/*
 * worker_slot.c
 *		The table of workers in shared memory.  See worker_slot.h.
 */
#include "jobs/worker_slot.h"

#include <signal.h>

#include "access/xact.h"
#include "postmaster/bgworker.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define MAX_REQUESTS 32
#define MAX_HOLDS 32
#define HOLD_WAIT_MS 5000

typedef struct Hold
{
	Oid database; /* InvalidOid: not in use */
	pid_t pid;	  /* of the session */
} Hold;

typedef struct Shared
{
	LWLock *lock;
	Latch *launcher;		 /* NULL while there is none */
	ConditionVariable ended; /* a worker's */
	Oid requests[MAX_REQUESTS];
	int n_requests;
	Hold holds[MAX_HOLDS];
	int n_slots;
	TlSlot slots[FLEXIBLE_ARRAY_MEMBER];
} Shared;

static Shared *shared = NULL;
static tl_shmem_request_hook previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* More workers there cannot be. */
static Size
shared_size(void)
{
	return add_size(offsetof(Shared, slots), mul_size(sizeof(TlSlot), max_worker_processes));
}

static void
request_memory(void)
{
	tl_shmem_call_request(previous_request);
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("telemetry", 1);
}

static void
start_up(void)
{
	bool found;

	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("telemetry workers", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		shared->lock = &GetNamedLWLockTranche("telemetry")->lock;
		shared->n_slots = max_worker_processes;
		ConditionVariableInit(&shared->ended);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
tl_slots_define(void)
{
	tl_shmem_hook_request(previous_request, request_memory);
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_up;
}

bool
tl_slots_exist(void)
{
	return shared != NULL;
}

void
tl_slots_lock(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
}

void
tl_slots_unlock(void)
{
	LWLockRelease(shared->lock);
}

TlSlot *
tl_slots(int *n)
{
	*n = shared->n_slots;
	return shared->slots;
}

TlSlot *
tl_slot_of(Oid database)
{
	for (int i = 0; i < shared->n_slots; i++)
		if (shared->slots[i].state != TL_SLOT_FREE && shared->slots[i].database == database)
			return &shared->slots[i];
	return NULL;
}

static bool
may_follow(TlSlotState from, TlSlotState to)
{
	switch (from)
	{
		case TL_SLOT_FREE:
			return to == TL_SLOT_STARTING;
		case TL_SLOT_STARTING:
			return to == TL_SLOT_RUNNING || to == TL_SLOT_ENDED;
		case TL_SLOT_RUNNING:
			return to == TL_SLOT_ENDED;
		case TL_SLOT_ENDED:
			return to == TL_SLOT_WAITING || to == TL_SLOT_FREE;
		case TL_SLOT_WAITING:
			return to == TL_SLOT_STARTING || to == TL_SLOT_FREE;
	}
	return false;
}

void
tl_slot_change(TlSlot *slot, TlSlotState state)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!may_follow(slot->state, state))
		elog(ERROR, "worker slot cannot go from state %d to %d", slot->state, state);
	slot->state = state;
	switch (state)
	{
		case TL_SLOT_FREE:
			{
				uint32 generation = slot->generation;

				/* A process that was asked for may still come. */
				memset(slot, 0, sizeof(*slot));
				slot->generation = generation;
				break;
			}
		case TL_SLOT_STARTING:
			slot->generation++;
			slot->asked_at = now;
			break;
		case TL_SLOT_RUNNING:
			slot->pid = MyProcPid;
			slot->began_at = now;
			break;
		case TL_SLOT_ENDED:
			slot->pid = 0;
			slot->ended_at = now;
			break;
		case TL_SLOT_WAITING:
			break;
	}
}

bool
tl_database_is_held(Oid database)
{
	for (int i = 0; i < MAX_HOLDS; i++)
		if (shared->holds[i].database == database)
			return true;
	return false;
}

void
tl_slots_signal_ended(void)
{
	ConditionVariableBroadcast(&shared->ended);
}

static void
forget_launcher(int code, Datum arg)
{
	/* After an error the table may still be locked. */
	LWLockReleaseAll();
	tl_slots_lock();
	shared->launcher = NULL;
	tl_slots_unlock();
}

void
tl_slots_set_launcher(Latch *latch)
{
	on_shmem_exit(forget_launcher, (Datum) 0);
	tl_slots_lock();
	shared->launcher = latch;
	tl_slots_unlock();
}

void
tl_slots_wake_launcher(void)
{
	tl_slots_lock();
	if (shared->launcher != NULL)
		SetLatch(shared->launcher);
	tl_slots_unlock();
}

void
tl_slots_request(Oid database)
{
	bool known = false;

	tl_slots_lock();
	for (int i = 0; i < shared->n_requests; i++)
		known |= shared->requests[i] == database;
	/* When there is no room, the launcher finds out by itself, only later. */
	if (!known && shared->n_requests < MAX_REQUESTS)
		shared->requests[shared->n_requests++] = database;
	if (shared->launcher != NULL)
		SetLatch(shared->launcher);
	tl_slots_unlock();
}

bool
tl_slots_next_request(Oid *database)
{
	bool found;

	tl_slots_lock();
	found = shared->n_requests > 0;
	if (found)
		*database = shared->requests[--shared->n_requests];
	tl_slots_unlock();
	return found;
}

/* What this transaction does at its end. */
static bool is_to_request = false;
static bool is_holding = false;

static void
release_hold(void)
{
	tl_slots_lock();
	for (int i = 0; i < MAX_HOLDS; i++)
		if (shared->holds[i].pid == MyProcPid)
			shared->holds[i] = (Hold){InvalidOid, 0};
	tl_slots_unlock();
}

/* Others see by now what a transaction that has committed did. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (is_holding)
	{
		release_hold();
		tl_slots_request(InvalidOid);
	}
	if (is_to_request && event == XACT_EVENT_COMMIT)
		tl_slots_request(MyDatabaseId);
	is_holding = is_to_request = false;
}

static void
register_end(void)
{
	static bool is_registered = false;

	if (!is_registered)
		RegisterXactCallback(end_transaction, NULL);
	is_registered = true;
}

void
tl_slots_request_at_commit(void)
{
	register_end();
	is_to_request = true;
}

/* Whether the database has no running worker; if it has, asks it to end. */
static bool
ask_to_end(Oid database)
{
	TlSlot *slot;
	bool is_empty;

	tl_slots_lock();
	slot = tl_slot_of(database);
	is_empty = slot == NULL || slot->pid == 0;
	/* It cannot be gone, and its number another's, before it has had the lock. */
	if (!is_empty)
		kill(slot->pid, SIGTERM);
	tl_slots_unlock();
	return is_empty;
}

bool
tl_database_hold(Oid database)
{
	TimestampTz give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), HOLD_WAIT_MS);
	bool is_empty;

	register_end();
	is_holding = true;
	/* A worker that has not come yet sees the hold when it does. */
	tl_slots_lock();
	for (int i = 0; i < MAX_HOLDS; i++)
	{
		Hold *hold = &shared->holds[i];

		if (!OidIsValid(hold->database))
		{
			hold->database = database;
			hold->pid = MyProcPid;
			break;
		}
	}
	tl_slots_unlock();

	ConditionVariablePrepareToSleep(&shared->ended);
	while (!(is_empty = ask_to_end(database)) && GetCurrentTimestamp() < give_up)
		(void) ConditionVariableTimedSleep(&shared->ended, 100, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return is_empty;
}
