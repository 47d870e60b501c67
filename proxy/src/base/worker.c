/*
 * worker.c
 *		Work that would keep the loop too long.  See worker.h.
 *
 *	loop ── waiting ──> thread ── done ──> loop
 *
 * Both lists are under one lock; the loop is woken by an eventfd.
 */
#include "base/worker.h"

#include "base/log.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

STAILQ_HEAD(WorkList, TlWork);

struct TlWorker
{
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t added;
	struct WorkList waiting;
	struct WorkList done;
	bool closing;
	void (*at_end)(void);
	int wake;
	struct event *woken;
};

/* The next piece of work, or NULL when there will be none. */
static TlWork *
worker_take(TlWorker *worker)
{
	TlWork *work;

	pthread_mutex_lock(&worker->lock);
	while ((work = STAILQ_FIRST(&worker->waiting)) == NULL && !worker->closing)
		pthread_cond_wait(&worker->added, &worker->lock);
	if (work != NULL)
		STAILQ_REMOVE_HEAD(&worker->waiting, link);
	pthread_mutex_unlock(&worker->lock);
	return work;
}

static bool
worker_is_closing(TlWorker *worker)
{
	bool closing;

	pthread_mutex_lock(&worker->lock);
	closing = worker->closing;
	pthread_mutex_unlock(&worker->lock);
	return closing;
}

static void *
worker_main(void *arg)
{
	TlWorker *worker = arg;
	const uint64_t one = 1;
	TlWork *work;

	while ((work = worker_take(worker)) != NULL)
	{
		ssize_t written;

		if (!worker_is_closing(worker))
			work->run(work);
		pthread_mutex_lock(&worker->lock);
		STAILQ_INSERT_TAIL(&worker->done, work, link);
		pthread_mutex_unlock(&worker->lock);
		written = write(worker->wake, &one, sizeof(one));
		(void) written;
	}
	worker->at_end();
	return NULL;
}

/* Tells of what has been done. */
static void
worker_on_wake(evutil_socket_t fd, short what, void *arg)
{
	TlWorker *worker = arg;
	struct WorkList done = STAILQ_HEAD_INITIALIZER(done);
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof(count));
	TlWork *work;

	(void) what;
	(void) got;
	pthread_mutex_lock(&worker->lock);
	STAILQ_CONCAT(&done, &worker->done);
	pthread_mutex_unlock(&worker->lock);
	while ((work = STAILQ_FIRST(&done)) != NULL)
	{
		STAILQ_REMOVE_HEAD(&done, link);
		work->on_end(work);
	}
}

TlWorker *
tl_worker_open(struct event_base *base, void (*at_end)(void))
{
	TlWorker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL)
		tl_log_die("out of memory");
	worker->at_end = at_end;
	STAILQ_INIT(&worker->waiting);
	STAILQ_INIT(&worker->done);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->added, NULL);
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake < 0)
		tl_log_die("could not make an eventfd");
	worker->woken = event_new(base, worker->wake, EV_READ | EV_PERSIST, worker_on_wake, worker);
	if (worker->woken == NULL || event_add(worker->woken, NULL) != 0 ||
		pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
		tl_log_die("could not start a thread");
	return worker;
}

void
tl_worker_add(TlWorker *worker, TlWork *work)
{
	pthread_mutex_lock(&worker->lock);
	STAILQ_INSERT_TAIL(&worker->waiting, work, link);
	pthread_cond_signal(&worker->added);
	pthread_mutex_unlock(&worker->lock);
}

void
tl_worker_close(TlWorker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->closing = true;
	pthread_cond_signal(&worker->added);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	worker_on_wake(worker->wake, 0, worker);
	event_free(worker->woken);
	close(worker->wake);
	pthread_cond_destroy(&worker->added);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}
