/*
 * request.h
 *		One request on its way from its client to the database and back.
 *
 * The HTTP side owns the request.  An endpoint answers it exactly once, at once or later, whole or (see
 * stream.h) bit by bit; a request whose time is up is given up: the database is told to end what it does for it, and if that
 * is not enough, `expire` answers, and what the database says after that is dropped.  While
 * `waiting`, a lane or a call still holds a pointer to it: it is freed when it is answered and nobody
 * waits.
 */
#ifndef TL_REQUEST_H
#define TL_REQUEST_H

#include "database/group.h"
#include "base/config.h"
#include "base/worker.h"
#include "routes/decode.h"
#include "routes/failure.h"
#include "routes/method.h"
#include "database/rpc.h"

typedef struct TlAnswer
{
	int status;
	unsigned int retry_after;  /* seconds; 0: none */
	const char *allow;		   /* for 405, and OPTIONS */
	const char *allow_headers; /* for OPTIONS: ", name" for each header of the path's own */
	const char *content_type;  /* NULL: application/json */
	const char *file_name;	   /* a download, of this name: letters, digits, . _ ~ and - */
	const char *body;
	size_t len;
} TlAnswer;

/* A decoded segment of the path, also NUL-terminated. */
typedef struct TlSegment
{
	const char *text;
	size_t len;
} TlSegment;

#define TL_SEGMENTS_MAX 8

/* Longest name of a file that an answer gives. */
#define TL_FILE_NAME_MAX 100

typedef struct TlRequest TlRequest;
typedef struct TlStream TlStream;

struct TlRequest
{
	/*
	 * Filled in by the HTTP side.  The texts last only until the endpoint returns; headers
	 * that were not sent are NULL.
	 */
	TlMethod method;
	const char *path;
	const char *query;
	const char *content_type;
	const char *content_encoding;
	const char *user_id; /* X-User-Id */
	const char *device_id;
	const char *correlation_id;
	const char *traceparent;
	const char *user_agent;
	const char *certificate_name; /* of the client's certificate, which has been verified */
	const char *origin;
	const char *wanted_method; /* Access-Control-Request-Method */
	const char *idempotency_key;
	const char *body;
	size_t body_len;
	uint64_t arrived_us;
	/* The value of a header, NULL if it was not sent; false if it was sent more than once. */
	bool (*find_header)(const TlRequest *request, const char *name, const char **value);
	void (*answer)(TlRequest *request, const TlAnswer *answer);
	void (*release)(TlRequest *request);

	/*
	 * An answer bit by bit: all but its body, then that, then the end, which may be that it cannot be
	 * completed.  `write` says whether the client takes it as fast; if not, or there are more than
	 * `mark` bytes for it to take, on_caught_up is called when it has.
	 */
	void (*begin)(TlRequest *request, const TlAnswer *answer);
	bool (*write)(TlRequest *request, const char *data, size_t len, size_t mark);
	void (*end)(TlRequest *request, bool complete);

	/* Filled in by the route; last as long as the texts. */
	TlSegment segments[TL_SEGMENTS_MAX];
	unsigned int segment_count;
	void (*expire)(TlRequest *request); /* answers in place of the database */
	int64_t timeout_ms;
	bool takes_text;					  /* JSON may come as text/plain */
	char file_name[TL_FILE_NAME_MAX + 1]; /* of an answer that is CSV; empty: it has no name */
	TlFailure *failure; /* how its dialect words failures, or NULL; the request's own reference */

	/* Where it comes from, see cors.h; the text is the request's own. */
	char *allowed_origin; /* what an answer names, or NULL */
	bool origin_refused;

	/* The endpoint's. */
	bool answered;	/* or begun */
	bool streaming; /* and not ended */
	void (*on_caught_up)(TlRequest *request);
	TlStream *stream; /* of what comes in parts; see stream.h */
	bool waiting;
	struct TlBodyWork *reading; /* its body, in a thread; or NULL */
	bool given_up;
	TlRpcCall *call; /* what it waits for; NULL: its entry of a group */
	bool reads;		 /* that changes nothing, and is of no use when the client has gone */
	TlBodyKind kind;
	TlGroupEntry entry;
	TlDeviceRows *devices; /* of a bulk body */
	uint32_t device_count;
};

/* Connections for work of one class, and the calls that go by them. */
typedef struct TlAccess
{
	TlPool *pool;
	TlRpc *rpc;
} TlAccess;

/* What endpoints work with. */
typedef struct TlBackend
{
	struct event_base *base;
	const TlConfig *config;
	TlAccess ingest; /* what stores something */
	TlAccess reads;
	TlAccess exports; /* what answers in parts */
	TlAccess health;  /* and the routes */
	TlLane *points;	  /* of ingest's pool, as are events */
	TlLane *events;
	TlWorker *worker; /* reads large bodies */
	unsigned int report_port;
} TlBackend;

/* Bytes that wait for the connections of an access, or are on their way. */
extern size_t tl_backend_pending_bytes(const TlBackend *backend, const TlAccess *access);

/* Answers once; does nothing if that has been done. */
extern void tl_request_answer(TlRequest *request, const TlAnswer *answer);

/* Begins an answer of unknown length, writes, and ends it, as the HTTP side's functions above. */
extern void tl_request_begin(TlRequest *request, const TlAnswer *answer);
extern bool tl_request_write(TlRequest *request, const char *data, size_t len, size_t mark);
extern void tl_request_end(TlRequest *request, bool complete);

/* Answers with what the request's dialect says of a failure, or {"detail": text}. */
extern void tl_request_refuse(TlRequest *request, int status, const char *detail);

/*
 * The request's Idempotency-Key, without quotes; empty if it has none.  NULL, and the request is refused, if
 * it is no key.  Good until it is asked for again.
 */
extern const char *tl_request_idempotency_key(TlRequest *request);

/*
 * The path has endpoints, but none for the request's method: 405 and those that there are, or 204 if that
 * is what was asked; `headers` is ", name" for each header that the path has of its own.
 */
extern void tl_request_tell_methods(TlRequest *request, unsigned int methods, const char *headers);

/* Whatever held the request for the database lets go of it. */
extern void tl_request_end_wait(TlRequest *request);

/*
 * The time for an answer is over, or with `gone` there is nobody to give it to: what the request wants
 * of the database is not to happen any more.  (What one that is gone has on its way, and is no query, may be
 * stored until its time is over.)  May answer and end the request.
 */
extern void tl_request_give_up(TlRequest *request, bool gone);

/* Whether that is so, but for what has happened already. */
extern bool tl_request_is_given_up(const TlRequest *request);

/* When that time is over, by tl_clock_us. */
extern uint64_t tl_request_deadline_us(const TlRequest *request);

/* A buffer for composing one answer, empty; good until the next one is asked for. */
extern TlBuf *tl_request_scratch(void);

/* What an answer of a type is called as a file, or NULL. */
extern const char *tl_request_file_name(const TlRequest *request, const char *content_type);

/* Relays what an http_* function said, or explains its failure. */
extern void tl_request_relay(TlRequest *request, const TlRpcResult *result);

/* 500 or 503 for a statement that failed; the database's words stay in the log. */
extern void tl_request_fail(TlRequest *request, TlPgOutcome outcome, const TlPgError *error);

/* Frees what is kept from request to request. */
extern void tl_request_shutdown(void);

#endif
