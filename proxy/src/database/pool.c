/*
 * pool.c
 *		Some connections to the database, and who may use the next free one.
 *
 * The pool owns its connections; sources are only linked.
 */
#include "database/pool.h"

#include "base/log.h"
#include "base/metrics.h"

#include <event2/event.h>
#include <stdlib.h>

struct TlPool
{
	struct event *dispatch;
	struct event *watch; /* once a second */
	uint64_t busy_limit_us;
	bool scheduled;
	bool away;

	const char *name;
	TlPoolSource *sources; /* in turn: the one served last is moved to the end */

	unsigned int size;
	TlPgConn *conns[];
};

static TlPoolSource **
source_end(TlPoolSource **list)
{
	while (*list != NULL)
		list = &(*list)->next;
	return list;
}

/* Gives the connection to the first source that has work. */
static bool
pool_serve(TlPool *pool, TlPgConn *conn)
{
	for (TlPoolSource **link = &pool->sources; *link != NULL; link = &(*link)->next)
	{
		TlPoolSource *source = *link;

		if (source->start(source, conn))
		{
			*link = source->next;
			source->next = NULL;
			*source_end(&pool->sources) = source;
			return true;
		}
	}
	return false;
}

static void
pool_on_dispatch(evutil_socket_t fd, short what, void *arg)
{
	TlPool *pool = arg;

	(void) fd;
	(void) what;
	pool->scheduled = false;
	for (unsigned int i = 0; i < pool->size; i++)
	{
		if (tl_pgconn_state(pool->conns[i]) == TL_PG_IDLE && !pool_serve(pool, pool->conns[i]))
			return;
	}
}

void
tl_pool_wake(TlPool *pool)
{
	if (pool->scheduled)
		return;
	pool->scheduled = true;

	/*
	 * The event goes to the end of the queue of those that are ready now, so it runs when
	 * they have.  A lower priority would also wait for all that become ready meanwhile, and
	 * under steady load something always does.
	 */
	event_active(pool->dispatch, EV_TIMEOUT, 0);
}

/* Whatever waits is told that it will not be done. */
static void
pool_set_away(TlPool *pool)
{
	if (pool->away)
		return;
	pool->away = true;
	for (TlPoolSource *source = pool->sources; source != NULL; source = source->next)
		source->away(source);
}

static void
pool_on_state(TlPgConn *conn, TlPgState old, TlPgState new, void *arg)
{
	TlPool *pool = arg;
	TlPoolCounts counts;

	(void) conn;
	if (new == TL_PG_IDLE)
	{
		if (pool->away)
			tl_log(TL_LOG_INFO, "the database is back for %s", pool->name);
		pool->away = false;
		tl_pool_wake(pool);
	}
	else if (new == TL_PG_DOWN && old == TL_PG_CONNECTING)
	{
		counts = tl_pool_counts(pool);
		if (counts.idle + counts.busy == 0 && !pool->away)
		{
			tl_log(TL_LOG_ERROR, "the database is away for %s", pool->name);
			pool_set_away(pool);
		}
	}
}

/* A connection whose server or network has died silently is given up. */
static void
pool_on_watch(evutil_socket_t fd, short what, void *arg)
{
	TlPool *pool = arg;

	(void) fd;
	(void) what;
	for (unsigned int i = 0; i < pool->size; i++)
	{
		TlPgConn *conn = pool->conns[i];

		if (tl_pgconn_state(conn) == TL_PG_BUSY && tl_pgconn_waited_us(conn) > pool->busy_limit_us)
			tl_pgconn_drop(conn, "no answer for too long");
	}
}

TlPool *
tl_pool_open(struct event_base *base, const char *name, const char *conninfo, unsigned int size,
			 int64_t connect_timeout_ms, int64_t busy_limit_ms)
{
	TlPool *pool = calloc(1, sizeof(*pool) + size * sizeof(TlPgConn *));
	struct timeval second = {.tv_sec = 1};
	TlPgOwner owner = {.on_state = pool_on_state, .arg = pool};

	if (pool == NULL)
		tl_log_die("out of memory");
	pool->name = name;
	pool->busy_limit_us = (uint64_t) busy_limit_ms * 1000;
	pool->dispatch = event_new(base, -1, 0, pool_on_dispatch, pool);
	pool->watch = event_new(base, -1, EV_PERSIST, pool_on_watch, pool);
	if (pool->dispatch == NULL || pool->watch == NULL)
		tl_log_die("out of memory");
	event_add(pool->watch, &second);
	for (pool->size = 0; pool->size < size; pool->size++)
		pool->conns[pool->size] = tl_pgconn_open(base, name, conninfo, connect_timeout_ms, owner);
	return pool;
}

void
tl_pool_close(TlPool *pool)
{
	unsigned int size = pool->size;

	/* What ends now must not be given new work. */
	pool->size = 0;
	pool_set_away(pool);
	for (unsigned int i = 0; i < size; i++)
		tl_pgconn_close(pool->conns[i]);
	event_free(pool->dispatch);
	event_free(pool->watch);
	free(pool);
}

void
tl_pool_add_source(TlPool *pool, TlPoolSource *source)
{
	source->next = NULL;
	*source_end(&pool->sources) = source;
}

bool
tl_pool_is_away(const TlPool *pool)
{
	return pool->away;
}

bool
tl_pool_is_stuck(const TlPool *pool, int64_t limit_ms)
{
	bool any_busy = false;

	for (unsigned int i = 0; i < pool->size; i++)
	{
		const TlPgConn *conn = pool->conns[i];
		TlPgState state = tl_pgconn_state(conn);

		if (state == TL_PG_IDLE ||
			(state == TL_PG_BUSY && tl_pgconn_waited_us(conn) <= (uint64_t) limit_ms * 1000))
			return false;
		any_busy |= state == TL_PG_BUSY;
	}
	return any_busy;
}

TlPoolCounts
tl_pool_counts(const TlPool *pool)
{
	TlPoolCounts counts = {0};

	for (unsigned int i = 0; i < pool->size; i++)
	{
		switch (tl_pgconn_state(pool->conns[i]))
		{
			case TL_PG_IDLE:
				counts.idle++;
				break;
			case TL_PG_BUSY:
				counts.busy++;
				break;
			case TL_PG_DOWN:
			case TL_PG_CONNECTING:
				counts.down++;
				break;
		}
	}
	return counts;
}
