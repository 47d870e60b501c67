/*
 * cancel.c
 *		Asking the server to end the statement that a connection runs.  See cancel.h.
 *
 * The thread owns nothing but what it was given; it says that it is done by a byte on a pipe, after
 * which it touches nothing.  One that is still under way when the process ends is left to that; it is in
 * the list of them, so that nobody takes it for lost.
 */
#include "database/cancel.h"

#include "base/log.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

struct TlCancel
{
	LIST_ENTRY(TlCancel) link;
	PGcancel *request;
	pthread_t thread;
	int pipe[2];
	struct event *done;
	void (*on_done)(void *arg);
	void *arg;
	bool failed;
	char error[256];
};

static LIST_HEAD(, TlCancel) under_way = LIST_HEAD_INITIALIZER(under_way);

static void *
ask(void *arg)
{
	TlCancel *cancel = arg;
	ssize_t written;

	cancel->failed = PQcancel(cancel->request, cancel->error, sizeof(cancel->error)) == 0;
	written = write(cancel->pipe[1], "", 1);
	(void) written;
	return NULL;
}

static void
cancel_free(TlCancel *cancel)
{
	LIST_REMOVE(cancel, link);
	if (cancel->done != NULL)
		event_free(cancel->done);
	PQfreeCancel(cancel->request);
	close(cancel->pipe[0]);
	close(cancel->pipe[1]);
	free(cancel);
}

static void
cancel_on_done(evutil_socket_t fd, short what, void *arg)
{
	TlCancel *cancel = arg;
	void (*on_done)(void *arg) = cancel->on_done;
	void *on_done_arg = cancel->arg;

	(void) fd;
	(void) what;
	pthread_join(cancel->thread, NULL);
	if (cancel->failed)
		tl_log(TL_LOG_WARNING, "could not cancel a statement: %s", cancel->error);
	cancel_free(cancel);
	if (on_done != NULL)
		on_done(on_done_arg);
}

TlCancel *
tl_cancel_start(struct event_base *base, PGconn *pg, void (*on_done)(void *arg), void *arg)
{
	TlCancel *cancel = calloc(1, sizeof(*cancel));

	if (cancel == NULL)
		tl_log_die("out of memory");
	cancel->on_done = on_done;
	cancel->arg = arg;
	if (pipe(cancel->pipe) != 0)
	{
		free(cancel);
		return NULL;
	}
	LIST_INSERT_HEAD(&under_way, cancel, link);
	cancel->request = PQgetCancel(pg);
	cancel->done = event_new(base, cancel->pipe[0], EV_READ, cancel_on_done, cancel);
	if (cancel->request == NULL || cancel->done == NULL ||
		pthread_create(&cancel->thread, NULL, ask, cancel) != 0)
	{
		cancel_free(cancel);
		return NULL;
	}
	event_add(cancel->done, NULL);
	return cancel;
}

void
tl_cancel_abandon(TlCancel *cancel)
{
	cancel->on_done = NULL;
}
