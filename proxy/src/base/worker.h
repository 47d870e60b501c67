/*
 * worker.h
 *		Work that would keep the loop too long: one thread does it, a piece after the other.
 */
#ifndef TL_WORKER_H
#define TL_WORKER_H

#include <sys/queue.h>

struct event_base;

typedef struct TlWorker TlWorker;
typedef struct TlWork TlWork;

/* Embedded in its owner's object, which must live until on_end. */
struct TlWork
{
	/* In the thread: touches nothing that is not the work's. */
	void (*run)(TlWork *work);

	/* In the loop, when it has been done; never before tl_worker_add returns. */
	void (*on_end)(TlWork *work);

	STAILQ_ENTRY(TlWork) link;
};

/* `at_end` is called in the thread when it has nothing more to do, and gives back what it has kept. */
extern TlWorker *tl_worker_open(struct event_base *base, void (*at_end)(void));

extern void tl_worker_add(TlWorker *worker, TlWork *work);

/* What has not been begun is not done any more; on_end is called of all, before this returns. */
extern void tl_worker_close(TlWorker *worker);

#endif
