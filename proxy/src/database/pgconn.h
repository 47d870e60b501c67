/*
 * pgconn.h
 *		One asynchronous connection to PostgreSQL.
 *
 * A connection runs one job at a time.  A job is embedded in its owner's object and stays
 * the owner's; so do the statement, parameters and rows given with it, which must last until
 * on_end.  A job that was started always ends with exactly one call of on_end.
 */
#ifndef TL_PGCONN_H
#define TL_PGCONN_H

#include "base/buf.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;

typedef enum TlPgState
{
	TL_PG_DOWN,		  /* waiting to try again  -> CONNECTING */
	TL_PG_CONNECTING, /* -> IDLE, DOWN */
	TL_PG_IDLE,		  /* -> BUSY, DOWN */
	TL_PG_BUSY		  /* -> IDLE, DOWN */
} TlPgState;

typedef enum TlPgOutcome
{
	TL_PG_DONE,	  /* committed: the server is ready for the next query, nothing failed */
	TL_PG_FAILED, /* the server reported an error: nothing was committed */
	TL_PG_LOST	  /* the connection went away: it may have been committed or not */
} TlPgOutcome;

typedef struct TlPgError
{
	char sqlstate[6]; /* empty if unknown */
	char message[256];
} TlPgError;

typedef struct TlPgJob TlPgJob;

struct TlPgJob
{
	/* Rows come one by one, as the server makes them, instead of all together. */
	bool row_by_row;

	/* For each result with rows; the result is freed afterwards. */
	void (*on_rows)(TlPgJob *job, const PGresult *rows);

	/* The connection is free again, or down, when this is called. */
	void (*on_end)(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error);
};

typedef struct TlPgConn TlPgConn;

/* How a connection tells its owner, which starts nothing on it before these return. */
typedef struct TlPgOwner
{
	void (*on_state)(TlPgConn *conn, TlPgState old, TlPgState new, void *owner);

	/* Somebody has called NOTIFY on a channel that a job has made it LISTEN to; or NULL. */
	void (*on_notify)(void *owner);
	void *arg;
} TlPgOwner;

/*
 * Starts connecting at once, and again after each loss.  The server knows it as "telemetry-proxy NAME"
 * (application_name, unless the connection string has one); `name` must last.
 */
extern TlPgConn *tl_pgconn_open(struct event_base *base, const char *name, const char *conninfo,
								int64_t connect_timeout_ms, TlPgOwner owner);

/* Ends a running job as lost, without telling the owner. */
extern void tl_pgconn_close(TlPgConn *conn);

/* Gives up on a connection that does not answer; it will be opened anew. */
extern void tl_pgconn_drop(TlPgConn *conn, const char *reason);

/*
 * Asks the server to end the running job, which then mostly fails.  It ends when the server has both
 * answered it and been asked, so that no later one is meant.
 */
extern void tl_pgconn_cancel(TlPgConn *conn);

/* True when the server has been asked so, or cannot be: what the job has not done it will not do. */
extern bool tl_pgconn_is_cancelled(const TlPgConn *conn);

/*
 * Rows of the running job are not wanted for now: none are read, and the server stops when what lies
 * between is full.  A cancel resumes, and so does the job's end.
 */
extern void tl_pgconn_pause(TlPgConn *conn);

/* on_rows and on_end are called later than this returns. */
extern void tl_pgconn_resume(TlPgConn *conn);

extern TlPgState tl_pgconn_state(const TlPgConn *conn);

/* When the running job was started, by tl_clock_us. */
extern uint64_t tl_pgconn_busy_since(const TlPgConn *conn);

/*
 * For how long it has been waiting for the server: since it was started, or a row came.  One that is
 * paused does not wait.
 */
extern uint64_t tl_pgconn_waited_us(const TlPgConn *conn);

/*
 * Both need an idle connection.  run_copy sends a simple query whose first statement is a
 * COPY FROM STDIN, and `rows` for it.  run_call sends one statement with text parameters.
 */
extern void tl_pgconn_run_copy(TlPgConn *conn, TlPgJob *job, const char *query, const TlBuf *rows);
extern void tl_pgconn_run_call(TlPgConn *conn, TlPgJob *job, const char *query, int count,
							   const char *const *values);

#endif
