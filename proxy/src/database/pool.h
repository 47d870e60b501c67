/*
 * pool.h
 *		Some connections to the database, and who may use the next free one.
 *
 * There is a pool for each class of work, so that one cannot starve another.  Work waits in sources (a lane of rows, a queue of calls).  At the end of each round of the
 * event loop, when all that was ready has been read, free connections are offered to the
 * sources: what came in together is sent together.  No timer holds anything back.
 */
#ifndef TL_POOL_H
#define TL_POOL_H

#include "database/pgconn.h"

typedef struct TlPool TlPool;
typedef struct TlPoolSource TlPoolSource;

/* Embedded in its owner's object, which must live as long as the pool. */
struct TlPoolSource
{
	/* Starts the next piece of work on an idle connection; false if there is none. */
	bool (*start)(TlPoolSource *source, TlPgConn *conn);

	/* The database is away: whatever waits will not be done. */
	void (*away)(TlPoolSource *source);

	TlPoolSource *next;
};

typedef struct TlPoolCounts
{
	unsigned int idle;
	unsigned int busy;
	unsigned int down; /* or connecting */
} TlPoolCounts;

/* `name` is what the log and the server know the connections by; a constant. */
extern TlPool *tl_pool_open(struct event_base *base, const char *name, const char *conninfo,
							unsigned int size, int64_t connect_timeout_ms, int64_t busy_limit_ms);
extern void tl_pool_close(TlPool *pool);

extern void tl_pool_add_source(TlPool *pool, TlPoolSource *source);

/* A source has work. */
extern void tl_pool_wake(TlPool *pool);

/*
 * True when no connection stands and the last attempt to make one failed.  (Before the first
 * attempt has ended, work may wait for it.)
 */
extern bool tl_pool_is_away(const TlPool *pool);

/* True when none is free, and those that are busy have all been so for longer than this. */
extern bool tl_pool_is_stuck(const TlPool *pool, int64_t limit_ms);

extern TlPoolCounts tl_pool_counts(const TlPool *pool);

#endif
