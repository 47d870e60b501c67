/*
 * supervise.h
 *		Several processes that serve, and one that watches over them.
 */
#ifndef TL_SUPERVISE_H
#define TL_SUPERVISE_H

#include <stdbool.h>

#define TL_WORKERS_MAX 64

typedef struct TlSupervision
{
	unsigned int workers;

	/*
	 * A worker's life; returns its exit status.  It begins with SIGTERM, SIGINT and SIGHUP blocked, and
	 * is told SIGTERM once, to end, and SIGHUP.  What it has to tell goes through tl_notify: READY=1 when it
	 * serves, and WATCHDOG=1 as systemd would have it.
	 */
	int (*work)(void *arg);

	/* In the parent, at SIGHUP; false if there is nothing that workers should hear of. */
	bool (*reload)(void *arg);

	void *arg;
} TlSupervision;

/*
 * Returns an exit status, in the parent and in each worker.  In the parent it is 0 if it was told to
 * end and all workers then ended with 0.
 */
extern int tl_supervise(const TlSupervision *what);

#endif
