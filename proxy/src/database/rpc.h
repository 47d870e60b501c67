/*
 * rpc.h
 *		Calls of the extension's http_* functions.
 *
 *	SELECT status, body FROM telemetry.http_NAME($1::jsonb, $2::jsonb)
 *
 * Calls wait in a queue, which takes turns with the pool's lanes.
 */
#ifndef TL_RPC_H
#define TL_RPC_H

#include "database/pool.h"

typedef struct TlRpc TlRpc;

typedef enum TlRpcName
{
	TL_RPC_INGEST,
	TL_RPC_BATCH,
	TL_RPC_HEALTH,
	TL_RPC_HEALTH_DETAILED
} TlRpcName;

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

extern TlRpc *tl_rpc_open(TlPool *pool);

/* After the pool is closed. */
extern void tl_rpc_close(TlRpc *rpc);

/*
 * Queues a call.  Both texts are JSON and are copied; `body` may be NULL.  on_end is called
 * exactly once, later than this function returns.
 */
extern void tl_rpc_call(TlRpc *rpc, TlRpcName name, const char *params, size_t params_len,
						const char *body, size_t body_len, TlRpcEnd on_end, void *arg);

/*
 * The same with another statement of these two parameters, which returns status, body and, if it
 * has a third column, content type; it is copied, too.
 */
extern void tl_rpc_query(TlRpc *rpc, const char *query, const char *params, size_t params_len,
						 const char *body, size_t body_len, TlRpcEnd on_end, void *arg);

/* Bytes of calls that wait or are on their way. */
extern size_t tl_rpc_pending_bytes(const TlRpc *rpc);

#endif
