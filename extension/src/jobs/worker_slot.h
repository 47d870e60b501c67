/*
 * worker_slot.h
 *		What launcher, workers and sessions know of each other: a table in shared memory.
 *
 * A slot is a database that has the extension, or that a worker is just looking into.  It stays
 * while its worker is down, with the reason, and until the extension or the database is gone.
 *
 * All of it is guarded by one lock (tl_slots_lock), which is held for moments only.  The launcher
 * alone gives slots out and takes them back; a worker changes its own slot between its start and
 * its end; sessions ask by signals and requests.  Without shared_preload_libraries there is no
 * table, no launcher and no worker.
 */
#ifndef TL_WORKER_SLOT_H
#define TL_WORKER_SLOT_H

#include "base/compat.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"

/* After each state, in brackets, those that may follow; tl_slot_change is the only way. */
typedef enum TlSlotState
{
	TL_SLOT_FREE,	  /* [STARTING] */
	TL_SLOT_STARTING, /* a process has been asked for [RUNNING, ENDED] */
	TL_SLOT_RUNNING,  /* it is there [ENDED] */
	TL_SLOT_ENDED,	  /* it has gone; the launcher is to see to it [WAITING, FREE] */
	TL_SLOT_WAITING	  /* for start_at, or until workers are wanted [STARTING, FREE] */
} TlSlotState;

/* Why a worker ended. */
typedef enum TlSlotExit
{
	TL_EXIT_NONE,
	TL_EXIT_ERROR,		   /* an error, which the slot and the log have */
	TL_EXIT_TERMINATED,	   /* asked by a signal */
	TL_EXIT_NO_EXTENSION,  /* nothing to do in this database */
	TL_EXIT_OTHER_VERSION, /* the extension there is of another version than the library */
	TL_EXIT_DISABLED,	   /* telemetry.workers is off */
	TL_EXIT_HELD,		   /* a command needs the database for itself */
	TL_EXIT_NOT_STARTED	   /* the process never came */
} TlSlotExit;

#define TL_SLOT_ERROR_SIZE 256

typedef struct TlSlot
{
	TlSlotState state;
	Oid database;
	uint32 generation; /* counts starts, so that a process that comes too late knows */
	pid_t pid;		   /* of a running worker, else 0 */
	bool confirmed;	   /* the extension has been found there */
	bool version_told; /* the log has been told that its version is another */
	TlSlotExit last_exit;
	int failures;					/* in a row */
	int starts;						/* since the extension was found */
	TimestampTz asked_at;			/* when the process was asked for */
	TimestampTz began_at;			/* when it came */
	TimestampTz ended_at;			/* when it went */
	TimestampTz start_at;			/* of a waiting one */
	char error[TL_SLOT_ERROR_SIZE]; /* message of the last error, or empty */
} TlSlot;

/* Asks for shared memory; called when the library is preloaded. */
extern void tl_slots_define(void);

/* Whether the library was preloaded, so that there is a table. */
extern bool tl_slots_exist(void);

extern void tl_slots_lock(void);
extern void tl_slots_unlock(void);

/* With the lock held: */
extern TlSlot *tl_slots(int *n);
extern TlSlot *tl_slot_of(Oid database); /* NULL if it has none */
extern void tl_slot_change(TlSlot *slot, TlSlotState state);
extern bool tl_database_is_held(Oid database);
extern void tl_slots_signal_ended(void); /* wakes those who wait for a worker's end */

/* Without: */

/* The launcher's latch is set when there is something to do; cleared at its exit. */
extern void tl_slots_set_launcher(Latch *latch);
extern void tl_slots_wake_launcher(void);

/*
 * Asks the launcher to look into a database at once (InvalidOid: to see which there are), and
 * its side: the next such request, false if there is none.
 */
extern void tl_slots_request(Oid database);
extern void tl_slots_request_at_commit(void); /* for the session's own database */
extern bool tl_slots_next_request(Oid *database);

/*
 * No worker is in the database from its return (false if it did not leave in time) to the end of
 * the transaction.
 */
extern bool tl_database_hold(Oid database);

#endif
