/*
 * rpc.c
 *		Calls of the extension's http_* functions.
 *
 * A call owns the texts of its parameters and of its answer; it is freed when its owner has
 * been told.  The answer is kept until the server is ready again, because only then is what
 * the call wrote committed.
 */
#include "database/rpc.h"

#include "base/log.h"
#include "base/metrics.h"
#include "database/deadline.h"
#include "database/sqlstate.h"

#include <stdlib.h>
#include <sys/queue.h>

struct TlRpcCall
{
	TlPgJob job; /* first: a job is its call */
	TlRpc *rpc;
	TAILQ_ENTRY(TlRpcCall) link; /* of those that wait */
	TlPgConn *conn;				 /* NULL while it waits */
	const char *query;
	char *name; /* for the log; NULL: the statement */
	char *params;
	char *body; /* or NULL */
	size_t size;
	uint64_t deadline_us; /* or 0 */
	TlRpcOnPart on_part;  /* or NULL: the answer is wanted whole */
	TlRpcEnd on_end;
	void *arg;

	bool given_up;
	bool understood;
	int status;
	TlBuf answer;
	char content_type[TL_CONTENT_TYPE_MAX + 1]; /* empty: JSON */
};

struct TlRpc
{
	TlPoolSource source; /* first: a source is its queue of calls */
	TlPool *pool;
	TAILQ_HEAD(, TlRpcCall) waiting;
	size_t pending_bytes;
};

#define CALL_QUERY(function) "SELECT status, body FROM telemetry." function "($1::jsonb, $2::jsonb)"

#define INGEST_QUERY                                                                               \
	"SELECT (answer).status, (answer).body" TL_DEADLINE_FROM(                                      \
		"telemetry.http_ingest($1::jsonb, $2::text)")

static const char *const queries[] = {
	[TL_RPC_INGEST] = INGEST_QUERY,
	[TL_RPC_BATCH] = CALL_QUERY("http_batch"),
	[TL_RPC_HEALTH_DETAILED] = CALL_QUERY("http_health_detailed"),
};

static void
call_finish(TlRpcCall *call, const TlRpcResult *result)
{
	call->rpc->pending_bytes -= call->size;
	call->on_end(result, call->arg);
	tl_buf_free(&call->answer);
	free(call->name);
	free(call->params);
	free(call->body);
	free(call);
}

/*
 * Whether an answer may have this status and Content-Type, or none: a line break in it would begin another
 * field of the head.
 */
static bool
is_head(int status, const char *content_type)
{
	size_t len = content_type != NULL ? strlen(content_type) : 0;

	for (size_t i = 0; i < len; i++)
		if (content_type[i] < ' ' || content_type[i] > '~')
			return false;
	return status >= 200 && status <= 599 && len <= TL_CONTENT_TYPE_MAX;
}

static void
call_on_rows(TlPgJob *job, const PGresult *rows)
{
	TlRpcCall *call = (TlRpcCall *) job;

	if (PQntuples(rows) != 1 || PQnfields(rows) < 2 || PQgetisnull(rows, 0, 0) ||
		PQgetisnull(rows, 0, 1))
		return;
	call->status = atoi(PQgetvalue(rows, 0, 0));
	call->understood = is_head(call->status, PQnfields(rows) > 2 ? PQgetvalue(rows, 0, 2) : NULL);
	tl_buf_add(&call->answer, PQgetvalue(rows, 0, 1), (size_t) PQgetlength(rows, 0, 1));
	if (PQnfields(rows) > 2)
		snprintf(call->content_type, sizeof(call->content_type), "%s", PQgetvalue(rows, 0, 2));
}

/* In a field of a row, or NULL. */
static const char *
part_text(const PGresult *row, int column)
{
	return PQgetisnull(row, 0, column) ? NULL : PQgetvalue(row, 0, column);
}

static void
call_on_part(TlPgJob *job, const PGresult *row)
{
	TlRpcCall *call = (TlRpcCall *) job;
	TlRpcPart part;
	const char *status;

	if (PQntuples(row) != 1 || PQnfields(row) != 3 || PQgetisnull(row, 0, 2))
		return;
	part = (TlRpcPart){
		.is_first = !call->understood,
		.content_type = part_text(row, 1),
		.body = PQgetvalue(row, 0, 2),
		.len = (size_t) PQgetlength(row, 0, 2),
	};
	if (part.is_first)
	{
		status = part_text(row, 0);
		part.status = status != NULL ? atoi(status) : 0;
		if (!is_head(part.status, part.content_type))
			return;
		call->understood = true;
	}
	call->on_part(&part, call->arg);
}

/* What clients bring about, by their data or by leaving, must not fill the log. */
static bool
call_failed_as_expected(const TlRpcCall *call, const TlPgError *error)
{
	/* An answer that has begun cannot tell any more. */
	bool is_told = call->on_part == NULL || !call->understood;

	return (is_told && tl_sqlstate_blames_request(error->sqlstate)) ||
		   (call->given_up && tl_sqlstate_is_cancel(error->sqlstate));
}

static void
call_on_end(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error)
{
	TlRpcCall *call = (TlRpcCall *) job;
	TlPgError confused = {.message = "its status is not one from 200 to 599, or its content type "
									 "no plain text of up to 255 bytes"};
	TlRpcResult result = {.outcome = outcome, .error = error};

	if (outcome == TL_PG_DONE && !call->understood)
	{
		result.outcome = TL_PG_FAILED;
		result.error = &confused;
	}
	if (result.outcome == TL_PG_DONE && call->on_part == NULL)
	{
		result.status = call->status;
		result.body = call->answer.data;
		result.len = call->answer.len;
		result.content_type = call->content_type[0] != '\0' ? call->content_type : NULL;
	}
	else if (result.outcome != TL_PG_DONE)
	{
		tl_log(call_failed_as_expected(call, result.error) ? TL_LOG_DEBUG : TL_LOG_WARNING,
			   "%s failed: %s%s%s", call->name != NULL ? call->name : call->query,
			   result.error->sqlstate, result.error->sqlstate[0] != '\0' ? " " : "",
			   result.error->message);
	}
	call_finish(call, &result);
}

static TlRpcCall *
rpc_take(TlRpc *rpc)
{
	TlRpcCall *call = TAILQ_FIRST(&rpc->waiting);

	if (call != NULL)
		TAILQ_REMOVE(&rpc->waiting, call, link);
	return call;
}

static bool
rpc_start(TlPoolSource *source, TlPgConn *conn)
{
	TlRpcCall *call = rpc_take((TlRpc *) source);
	const char *values[3];
	char deadline[TL_DEADLINE_SIZE];

	if (call == NULL)
		return false;
	tl_metrics.calls++;
	call->conn = conn;
	values[0] = call->params;
	values[1] = call->body;
	values[2] = deadline;
	tl_deadline_format(call->deadline_us, deadline);
	tl_pgconn_run_call(conn, &call->job, call->query, call->deadline_us != 0 ? 3 : 2, values);
	return true;
}

static void
rpc_away(TlPoolSource *source)
{
	TlPgError error = {.message = "the database is away"};
	TlRpcResult result = {.outcome = TL_PG_LOST, .error = &error};
	TlRpcCall *call;

	while ((call = rpc_take((TlRpc *) source)) != NULL)
		call_finish(call, &result);
}

TlRpc *
tl_rpc_open(TlPool *pool)
{
	TlRpc *rpc = calloc(1, sizeof(*rpc));

	if (rpc == NULL)
		tl_log_die("out of memory");
	rpc->source.start = rpc_start;
	rpc->source.away = rpc_away;
	rpc->pool = pool;
	TAILQ_INIT(&rpc->waiting);
	tl_pool_add_source(pool, &rpc->source);
	return rpc;
}

void
tl_rpc_close(TlRpc *rpc)
{
	/* Only what was queued after the pool had closed is left. */
	rpc_away(&rpc->source);
	free(rpc);
}

static TlRpcCall *
call_create(TlRpc *rpc, const char *query, const char *params, size_t params_len, const char *body,
			size_t body_len)
{
	TlRpcCall *call = calloc(1, sizeof(*call));

	if (call == NULL)
		tl_log_die("out of memory");
	call->job.on_rows = call_on_rows;
	call->job.on_end = call_on_end;
	call->rpc = rpc;
	call->query = query;
	call->params = strndup(params, params_len);
	if (body != NULL)
		call->body = strndup(body, body_len);
	if (call->params == NULL || (body != NULL && call->body == NULL))
		tl_log_die("out of memory");
	call->size = sizeof(*call) + params_len + body_len;
	return call;
}

static TlRpcCall *
rpc_queue(TlRpc *rpc, TlRpcCall *call, TlRpcEnd on_end, void *arg)
{
	call->on_end = on_end;
	call->arg = arg;
	rpc->pending_bytes += call->size;
	TAILQ_INSERT_TAIL(&rpc->waiting, call, link);
	tl_pool_wake(rpc->pool);
	return call;
}

TlRpcCall *
tl_rpc_call(TlRpc *rpc, TlRpcName name, const char *params, size_t params_len, const char *body,
			size_t body_len, uint64_t deadline_us, TlRpcEnd on_end, void *arg)
{
	TlRpcCall *call = call_create(rpc, queries[name], params, params_len, body, body_len);

	call->deadline_us = deadline_us;
	return rpc_queue(rpc, call, on_end, arg);
}

static void
call_set_name(TlRpcCall *call, const char *name)
{
	call->name = strdup(name);
	if (call->name == NULL)
		tl_log_die("out of memory");
}

TlRpcCall *
tl_rpc_query(TlRpc *rpc, const char *query, const char *name, const char *params, size_t params_len,
			 const char *body, size_t body_len, uint64_t deadline_us, TlRpcEnd on_end, void *arg)
{
	TlRpcCall *call = call_create(rpc, query, params, params_len, body, body_len);

	call_set_name(call, name);
	call->deadline_us = deadline_us;
	return rpc_queue(rpc, call, on_end, arg);
}

TlRpcCall *
tl_rpc_stream(TlRpc *rpc, const char *query, const char *name, const char *params,
			  size_t params_len, TlRpcOnPart on_part, TlRpcEnd on_end, void *arg)
{
	TlRpcCall *call = call_create(rpc, query, params, params_len, NULL, 0);

	call_set_name(call, name);
	call->job.row_by_row = true;
	call->job.on_rows = call_on_part;
	call->on_part = on_part;
	return rpc_queue(rpc, call, on_end, arg);
}

void
tl_rpc_pause(TlRpcCall *call)
{
	tl_pgconn_pause(call->conn);
}

void
tl_rpc_resume(TlRpcCall *call)
{
	tl_pgconn_resume(call->conn);
}

void
tl_rpc_give_up(TlRpcCall *call)
{
	TlPgError error = {.message = "nobody waits for it"};
	TlRpcResult result = {.outcome = TL_PG_LOST, .error = &error};

	call->given_up = true;
	if (call->conn != NULL)
		tl_pgconn_cancel(call->conn);
	else
	{
		TAILQ_REMOVE(&call->rpc->waiting, call, link);
		call_finish(call, &result);
	}
}

bool
tl_rpc_is_under_way(const TlRpcCall *call)
{
	return call->conn != NULL;
}

bool
tl_rpc_is_given_up(const TlRpcCall *call)
{
	return call->conn != NULL && tl_pgconn_is_cancelled(call->conn);
}

size_t
tl_rpc_pending_bytes(const TlRpc *rpc)
{
	return rpc->pending_bytes;
}
