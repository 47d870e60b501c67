/*
 * pgconn.c
 *		One asynchronous connection to PostgreSQL.
 *
 * libpq is never waited for: its socket is watched for reading all the time and for writing
 * while something is unsent.  (Only the look-up of a host name blocks; use an address if the
 * resolver is slow.)  Rows of a COPY are handed to libpq a piece at a time, the next when the
 * last has gone out, so that they are not copied whole and the server starts early.
 */
#include "database/pgconn.h"

#include "base/log.h"
#include "base/metrics.h"
#include "database/cancel.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#define COPY_PIECE ((size_t) 128 * 1024)

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 5000

typedef enum CopyPhase
{
	COPY_NONE,
	COPY_SENDING,
	COPY_SENT
} CopyPhase;

/* How long after the server was asked to cancel a statement it is asked again. */
#define CANCEL_AGAIN_MS 1000

struct TlPgConn
{
	struct event_base *base;
	const char *name;
	char *conninfo;
	int64_t connect_timeout_ms;
	TlPgOwner owner;

	TlPgState state;
	PGconn *pg;
	struct event *readable;
	struct event *writable;
	struct event *
		timer; /* back-off while down, time limit while connecting, until the next request to cancel */
	int64_t backoff_ms;

	TlPgJob *job; /* while busy */
	TlCancel *cancel;
	bool cancelled;
	bool answered; /* all that the server has to say of the job has come */
	bool paused;
	TlPgOutcome outcome;
	TlPgError error;
	uint64_t busy_since;
	uint64_t waiting_since;
	const TlBuf *rows;
	size_t rows_sent;
	CopyPhase phase;
};

static void conn_on_readable(evutil_socket_t fd, short what, void *arg);
static void conn_on_writable(evutil_socket_t fd, short what, void *arg);
static void conn_poll_connect(evutil_socket_t fd, short what, void *arg);

/* The only place where the state changes. */
static void
conn_set_state(TlPgConn *conn, TlPgState state)
{
	static const bool legal[4][4] = {
		[TL_PG_DOWN] = {[TL_PG_CONNECTING] = true},
		[TL_PG_CONNECTING] = {[TL_PG_IDLE] = true, [TL_PG_DOWN] = true},
		[TL_PG_IDLE] = {[TL_PG_BUSY] = true, [TL_PG_DOWN] = true},
		[TL_PG_BUSY] = {[TL_PG_IDLE] = true, [TL_PG_DOWN] = true},
	};
	TlPgState old = conn->state;

	assert(legal[old][state]);
	(void) legal;
	conn->state = state;
	conn->owner.on_state(conn, old, state, conn->owner.arg);
}

static void
error_set(TlPgError *error, const char *sqlstate, const char *message)
{
	size_t len;

	snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
	snprintf(error->message, sizeof(error->message), "%s", message != NULL ? message : "");
	len = strlen(error->message);
	while (len > 0 && error->message[len - 1] == '\n')
		error->message[--len] = '\0';
	/* libpq's own may have several lines. */
	for (char *p = error->message; *p != '\0'; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
}

static void
conn_free_events(TlPgConn *conn)
{
	if (conn->readable != NULL)
		event_free(conn->readable);
	if (conn->writable != NULL)
		event_free(conn->writable);
	conn->readable = NULL;
	conn->writable = NULL;
}

static void
conn_set_timer(TlPgConn *conn, int64_t ms)
{
	struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(conn->timer, &when);
}

/* Releases the job and tells it. */
static void
conn_end_job(TlPgConn *conn, TlPgState state, TlPgOutcome outcome)
{
	TlPgJob *job = conn->job;
	TlPgError error = conn->error;

	conn->job = NULL;
	conn->rows = NULL;
	conn->phase = COPY_NONE;
	if (conn->cancel != NULL)
		tl_cancel_abandon(conn->cancel);
	conn->cancel = NULL;
	conn->cancelled = false;
	conn->answered = false;
	conn->paused = false;
	conn_set_state(conn, state);
	if (job != NULL)
		job->on_end(job, outcome, &error);
}

/* Closes what is left of the connection and arranges for the next attempt. */
static void
conn_lose(TlPgConn *conn, const char *reason)
{
	TlPgState old = conn->state;
	int64_t wait = conn->backoff_ms;

	/* What the server said last may itself be the reason. */
	if (reason != conn->error.message)
		error_set(&conn->error, "", reason);
	/* Of attempts that follow upon one that failed, or a loss, the first has said enough. */
	tl_log(wait > BACKOFF_FIRST_MS ? TL_LOG_DEBUG : TL_LOG_WARNING,
		   "database connection for %s %s: %s", conn->name,
		   old == TL_PG_CONNECTING ? "failed" : "lost", conn->error.message);
	conn_free_events(conn);
	PQfinish(conn->pg);
	conn->pg = NULL;

	/* A connection that worked is tried again soon; jitter keeps many from doing so at once. */
	conn_set_timer(conn, wait / 2 + rand() % (wait / 2 + 1));
	conn->backoff_ms = wait * 2 < BACKOFF_LAST_MS ? wait * 2 : BACKOFF_LAST_MS;
	conn_end_job(conn, TL_PG_DOWN, TL_PG_LOST);
}

static void
conn_notice(void *arg, const char *message)
{
	(void) arg;
	tl_log(TL_LOG_DEBUG, "database: %s", message);
}

static bool
conn_watch(TlPgConn *conn, event_callback_fn on_read, event_callback_fn on_write, short persist)
{
	conn_free_events(conn);
	conn->readable =
		event_new(conn->base, PQsocket(conn->pg), (short) (EV_READ | persist), on_read, conn);
	conn->writable = event_new(conn->base, PQsocket(conn->pg), EV_WRITE, on_write, conn);
	return conn->readable != NULL && conn->writable != NULL;
}

static void
conn_start(TlPgConn *conn)
{
	const char *const names[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	char application[64];
	const char *const values[] = {conn->conninfo, application, "UTF8", NULL};

	snprintf(application, sizeof(application), "telemetry-proxy %s", conn->name);
	conn_set_state(conn, TL_PG_CONNECTING);
	conn->pg = PQconnectStartParams(names, values, 1);
	if (conn->pg == NULL)
		tl_log_die("out of memory");
	if (PQstatus(conn->pg) == CONNECTION_BAD)
	{
		conn_lose(conn, PQerrorMessage(conn->pg));
		return;
	}
	PQsetNoticeProcessor(conn->pg, conn_notice, NULL);
	conn_set_timer(conn, conn->connect_timeout_ms);
	if (!conn_watch(conn, conn_poll_connect, conn_poll_connect, 0))
		tl_log_die("out of memory");
	event_add(conn->writable, NULL);
}

static void
conn_on_cancelled(void *arg)
{
	TlPgConn *conn = arg;

	conn->cancel = NULL;
	conn->cancelled = true;
	if (conn->answered)
		conn_end_job(conn, TL_PG_IDLE, conn->outcome);
	else
		conn_set_timer(conn, CANCEL_AGAIN_MS);
}

/* A server that has not come to the statement yet ignores what it is asked, so it is asked again. */
static void
conn_ask_to_cancel(TlPgConn *conn)
{
	conn->cancel = tl_cancel_start(conn->base, conn->pg, conn_on_cancelled, conn);
	conn->cancelled |= conn->cancel == NULL;
}

static void
conn_on_timer(evutil_socket_t fd, short what, void *arg)
{
	TlPgConn *conn = arg;

	(void) fd;
	(void) what;
	if (conn->state == TL_PG_DOWN)
		conn_start(conn);
	else if (conn->state == TL_PG_CONNECTING)
		conn_lose(conn, "time limit for connecting passed");
	else if (conn->state == TL_PG_BUSY && conn->cancelled && conn->cancel == NULL)
		conn_ask_to_cancel(conn);
}

/* Connected: sees that we understand each other. */
static void
conn_established(TlPgConn *conn)
{
	const char *encoding = PQparameterStatus(conn->pg, "server_encoding");

	event_del(conn->timer);
	if (PQsetnonblocking(conn->pg, 1) != 0)
	{
		conn_lose(conn, PQerrorMessage(conn->pg));
		return;
	}
	if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
	{
		/* A row that the server could not convert would fail everybody's COPY. */
		conn->backoff_ms = BACKOFF_LAST_MS;
		conn_lose(conn, "the database's encoding is not UTF8");
		return;
	}
	if (!conn_watch(conn, conn_on_readable, conn_on_writable, EV_PERSIST))
		tl_log_die("out of memory");
	event_add(conn->readable, NULL);
	conn->backoff_ms = BACKOFF_FIRST_MS;
	tl_log(TL_LOG_INFO, "connected to database \"%s\" as \"%s\" for %s, server version %s",
		   PQdb(conn->pg), PQuser(conn->pg), conn->name,
		   PQparameterStatus(conn->pg, "server_version"));
	conn_set_state(conn, TL_PG_IDLE);
}

static void
conn_poll_connect(evutil_socket_t fd, short what, void *arg)
{
	TlPgConn *conn = arg;
	PostgresPollingStatusType status = PQconnectPoll(conn->pg);

	(void) fd;
	(void) what;
	if (status == PGRES_POLLING_OK)
	{
		conn_established(conn);
		return;
	}
	if (status == PGRES_POLLING_FAILED)
	{
		conn_lose(conn, PQerrorMessage(conn->pg));
		return;
	}
	/* libpq may have gone on to another address, with another socket. */
	if (!conn_watch(conn, conn_poll_connect, conn_poll_connect, 0))
		tl_log_die("out of memory");
	event_add(status == PGRES_POLLING_READING ? conn->readable : conn->writable, NULL);
}

/* How far sending got. */
typedef enum Sent
{
	SENT_ALL,
	SENT_PART, /* the rest when the socket is writable; that is arranged */
	SENT_LOST  /* the connection is down, the job ended */
} Sent;

/* Sends what libpq holds. */
static Sent
conn_flush(TlPgConn *conn)
{
	int rc = PQflush(conn->pg);

	if (rc == 0)
		return SENT_ALL;
	if (rc > 0)
	{
		event_add(conn->writable, NULL);
		return SENT_PART;
	}
	conn_lose(conn, PQerrorMessage(conn->pg));
	return SENT_LOST;
}

/* Sends rows as long as they go out, each piece when the last is gone, and then the end. */
static void
conn_send_rows(TlPgConn *conn)
{
	while (conn_flush(conn) == SENT_ALL && conn->phase != COPY_SENT)
	{
		size_t left = conn->rows->len - conn->rows_sent;
		size_t piece = left < COPY_PIECE ? left : COPY_PIECE;
		int rc;

		if (left > 0)
		{
			rc = PQputCopyData(conn->pg, conn->rows->data + conn->rows_sent, (int) piece);
			conn->rows_sent += rc == 1 ? piece : 0;
		}
		else
		{
			rc = PQputCopyEnd(conn->pg, NULL);
			conn->phase = rc == 1 ? COPY_SENT : COPY_SENDING;
		}

		/* libpq takes all when it holds nothing; 0 would mean that it still does. */
		if (rc != 1)
		{
			conn_lose(conn, rc == 0 ? "unexpected state of libpq" : PQerrorMessage(conn->pg));
			return;
		}
	}
}

/* Takes one result; false if there will be no more for now. */
static bool
conn_take_result(TlPgConn *conn, PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
		case PGRES_SINGLE_TUPLE:
			conn->waiting_since = tl_clock_us();
			if (conn->outcome == TL_PG_DONE)
				conn->job->on_rows(conn->job, result);
			break;
		case PGRES_COMMAND_OK:
			break;
		case PGRES_COPY_IN:
			if (conn->rows == NULL || conn->phase != COPY_NONE)
			{
				conn->outcome = TL_PG_FAILED;
				conn_lose(conn, "unexpected COPY");
				return false;
			}
			conn->phase = COPY_SENDING;
			conn_send_rows(conn);
			/* What the server has said meanwhile, an error perhaps, may have been read already. */
			return conn->phase == COPY_SENT;
		default:
			/* The first error is the cause, later ones follow from it. */
			if (conn->outcome == TL_PG_DONE)
			{
				conn->outcome = TL_PG_FAILED;
				error_set(&conn->error, PQresultErrorField(result, PG_DIAG_SQLSTATE),
						  PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
			}
			break;
	}
	return true;
}

/* Reads results as far as they have come. */
static void
conn_take_results(TlPgConn *conn)
{
	while (conn->state == TL_PG_BUSY && !conn->answered && !conn->paused && !PQisBusy(conn->pg))
	{
		PGresult *result;
		bool more;

		if (conn->phase == COPY_SENDING)
			return;
		result = PQgetResult(conn->pg);
		if (result == NULL)
		{
			if (PQstatus(conn->pg) != CONNECTION_OK ||
				PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
				conn_lose(conn, conn->error.message[0] != '\0' ? conn->error.message
															   : PQerrorMessage(conn->pg));
			else if (conn->cancel != NULL)
				conn->answered = true;
			else
				conn_end_job(conn, TL_PG_IDLE, conn->outcome);
			return;
		}
		more = conn_take_result(conn, result);
		PQclear(result);
		if (!more)
			return;
	}
}

static void
conn_on_readable(evutil_socket_t fd, short what, void *arg)
{
	TlPgConn *conn = arg;
	PGnotify *notify;

	(void) fd;
	(void) what;
	if (PQconsumeInput(conn->pg) == 0)
	{
		conn_take_results(conn);
		if (conn->pg != NULL && PQstatus(conn->pg) != CONNECTION_OK)
			conn_lose(conn, PQerrorMessage(conn->pg));
		return;
	}
	if (conn->state == TL_PG_IDLE)
	{
		/* Nothing was asked: a notice, or the server is closing the connection. */
		if (!PQisBusy(conn->pg))
			PQclear(PQgetResult(conn->pg));
		if (PQstatus(conn->pg) != CONNECTION_OK)
		{
			conn_lose(conn, PQerrorMessage(conn->pg));
			return;
		}
	}
	while ((notify = PQnotifies(conn->pg)) != NULL)
	{
		PQfreemem(notify);
		if (conn->owner.on_notify != NULL)
			conn->owner.on_notify(conn->owner.arg);
	}
	conn_take_results(conn);
}

static void
conn_on_writable(evutil_socket_t fd, short what, void *arg)
{
	TlPgConn *conn = arg;

	(void) fd;
	(void) what;
	if (conn->phase != COPY_SENDING)
	{
		conn_flush(conn);
		return;
	}
	conn_send_rows(conn);
	/* An error that came while rows were sent has been read, and nothing follows that would say so. */
	conn_take_results(conn);
}

TlPgConn *
tl_pgconn_open(struct event_base *base, const char *name, const char *conninfo,
			   int64_t connect_timeout_ms, TlPgOwner owner)
{
	TlPgConn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		tl_log_die("out of memory");
	conn->base = base;
	conn->name = name;
	conn->conninfo = strdup(conninfo);
	conn->connect_timeout_ms = connect_timeout_ms;
	conn->owner = owner;
	conn->backoff_ms = BACKOFF_FIRST_MS;
	conn->timer = evtimer_new(base, conn_on_timer, conn);
	if (conn->conninfo == NULL || conn->timer == NULL)
		tl_log_die("out of memory");

	/* The first attempt starts from the loop, when the owner knows the connection. */
	conn_set_timer(conn, 0);
	return conn;
}

void
tl_pgconn_close(TlPgConn *conn)
{
	TlPgJob *job = conn->job;

	conn_free_events(conn);
	event_free(conn->timer);
	if (conn->cancel != NULL)
		tl_cancel_abandon(conn->cancel);
	PQfinish(conn->pg);
	error_set(&conn->error, "", "shutting down");
	if (job != NULL)
		job->on_end(job, TL_PG_LOST, &conn->error);
	free(conn->conninfo);
	free(conn);
}

void
tl_pgconn_drop(TlPgConn *conn, const char *reason)
{
	tl_pgconn_cancel(conn);
	if (conn->state != TL_PG_DOWN)
		conn_lose(conn, reason);
}

void
tl_pgconn_pause(TlPgConn *conn)
{
	if (conn->state != TL_PG_BUSY || conn->cancel != NULL || conn->cancelled)
		return;
	conn->paused = true;
	event_del(conn->readable);
}

void
tl_pgconn_resume(TlPgConn *conn)
{
	if (!conn->paused)
		return;
	conn->paused = false;
	conn->waiting_since = tl_clock_us();
	event_add(conn->readable, NULL);
	/* Of what has been read already nobody else would tell. */
	event_active(conn->readable, EV_READ, 0);
}

void
tl_pgconn_cancel(TlPgConn *conn)
{
	if (conn->state != TL_PG_BUSY || conn->cancel != NULL || conn->cancelled)
		return;
	tl_pgconn_resume(conn);
	conn_ask_to_cancel(conn);
}

bool
tl_pgconn_is_cancelled(const TlPgConn *conn)
{
	return conn->cancelled;
}

TlPgState
tl_pgconn_state(const TlPgConn *conn)
{
	return conn->state;
}

uint64_t
tl_pgconn_busy_since(const TlPgConn *conn)
{
	return conn->busy_since;
}

uint64_t
tl_pgconn_waited_us(const TlPgConn *conn)
{
	return conn->paused ? 0 : tl_clock_us() - conn->waiting_since;
}

static void
conn_begin_job(TlPgConn *conn, TlPgJob *job, const TlBuf *rows)
{
	conn->job = job;
	conn->outcome = TL_PG_DONE;
	conn->error = (TlPgError){0};
	conn->busy_since = tl_clock_us();
	conn->waiting_since = conn->busy_since;
	conn->rows = rows;
	conn->rows_sent = 0;
	conn->phase = COPY_NONE;
	conn_set_state(conn, TL_PG_BUSY);
}

void
tl_pgconn_run_copy(TlPgConn *conn, TlPgJob *job, const char *query, const TlBuf *rows)
{
	conn_begin_job(conn, job, rows);
	if (PQsendQuery(conn->pg, query) != 1)
		conn_lose(conn, PQerrorMessage(conn->pg));
	else
		conn_flush(conn);
}

void
tl_pgconn_run_call(TlPgConn *conn, TlPgJob *job, const char *query, int count,
				   const char *const *values)
{
	conn_begin_job(conn, job, NULL);
	if (PQsendQueryParams(conn->pg, query, count, NULL, values, NULL, NULL, 0) != 1 ||
		(job->row_by_row && PQsetSingleRowMode(conn->pg) != 1))
		conn_lose(conn, PQerrorMessage(conn->pg));
	else
		conn_flush(conn);
}
