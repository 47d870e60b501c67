/*
 * rpc.h
 *		Calls of the extension's http_* functions.
 *
 *	SELECT status, body FROM telemetry.http_NAME($1::jsonb, $2::jsonb)
 *
 * An answer comes whole, when what the call has done is committed; or in parts while it is made, of a
 * call that only reads.
 * Calls wait in a queue, which takes turns with the pool's lanes.
 */
#ifndef TL_RPC_H
#define TL_RPC_H

#include "database/pool.h"

typedef struct TlRpc TlRpc;
typedef struct TlRpcCall TlRpcCall;

typedef enum TlRpcName
{
	TL_RPC_INGEST,
	TL_RPC_BATCH,
	TL_RPC_HEALTH_DETAILED
} TlRpcName;

/* Longest Content-Type of an answer, in bytes; a longer one, or one that is no plain text, is an error. */
#define TL_CONTENT_TYPE_MAX 255

/* Valid only during the call. */
typedef struct TlRpcResult
{
	TlPgOutcome outcome;
	const TlPgError *error; /* unless DONE */
	int status;				/* if DONE: of HTTP, with its JSON body */
	const char *body;
	size_t len;
	const char *content_type; /* NULL: JSON */
} TlRpcResult;

typedef void (*TlRpcEnd)(const TlRpcResult *result, void *arg);

/* Valid only during the call. */
typedef struct TlRpcPart
{
	bool is_first;
	int status;				  /* of the first, as is the content type */
	const char *content_type; /* NULL: JSON */
	const char *body;
	size_t len;
} TlRpcPart;

typedef void (*TlRpcOnPart)(const TlRpcPart *part, void *arg);

extern TlRpc *tl_rpc_open(TlPool *pool);

/* After the pool is closed. */
extern void tl_rpc_close(TlRpc *rpc);

/*
 * Queues a call.  Both texts are JSON and are copied; `body` may be NULL.  Of those that store
 * something nothing is stored after the deadline, a time of tl_clock_us; others have 0.  on_end is
 * called exactly once, later than this function returns; the call is gone then.
 */
extern TlRpcCall *tl_rpc_call(TlRpc *rpc, TlRpcName name, const char *params, size_t params_len,
							  const char *body, size_t body_len, uint64_t deadline_us,
							  TlRpcEnd on_end, void *arg);

/*
 * The same with another statement of these parameters, the third if there is a deadline, which returns status, body and, if it
 * has a third column, content type.  `query` must last; `name` is what the log says of it, and is copied.
 */
extern TlRpcCall *tl_rpc_query(TlRpc *rpc, const char *query, const char *name, const char *params,
							   size_t params_len, const char *body, size_t body_len,
							   uint64_t deadline_us, TlRpcEnd on_end, void *arg);

/*
 * A statement of params and body, as above, each of whose rows is a part of the answer: status, content
 * type, body.  on_part is called for each, and on_end with no body; if its outcome is not DONE the parts
 * are not all.
 */
extern TlRpcCall *tl_rpc_stream(TlRpc *rpc, const char *query, const char *name, const char *params,
								size_t params_len, TlRpcOnPart on_part, TlRpcEnd on_end, void *arg);

/* No more parts for now; and on they come, later than tl_rpc_resume returns. */
extern void tl_rpc_pause(TlRpcCall *call);
extern void tl_rpc_resume(TlRpcCall *call);

/*
 * Nobody waits for a call any more.  If it waits itself it ends now, as lost, and is not made; if it
 * is on its way the server is asked to end it.
 */
extern void tl_rpc_give_up(TlRpcCall *call);

/* Whether it waits no more. */
extern bool tl_rpc_is_under_way(const TlRpcCall *call);

/* Whether the server has been asked to end it. */
extern bool tl_rpc_is_given_up(const TlRpcCall *call);

/* Bytes of calls that wait or are on their way. */
extern size_t tl_rpc_pending_bytes(const TlRpc *rpc);

#endif
