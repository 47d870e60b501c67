/*
 * worker.h
 *		The process that runs the jobs of one database, and how the launcher starts it.
 */
#ifndef TL_WORKER_H
#define TL_WORKER_H

#include "jobs/worker_slot.h"

/*
 * Asks the postmaster for the worker of a slot that is STARTING.  False if there are as many
 * background workers as max_worker_processes allows.
 */
extern bool tl_worker_start(int slot_number, uint32 generation, const char *database);

/* SIGTERM: ends the process at once, or at the next check for interrupts if it is at work. */
extern void tl_worker_terminate(SIGNAL_ARGS);

extern PGDLLEXPORT void tl_worker_main(Datum arg);

#endif
