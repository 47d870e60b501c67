/*
 * http_answer.h
 *		What became of a request's events, and what its sender is told.
 *
 * A request lives in the memory of the statement that brought it.
 */
#ifndef TL_HTTP_ANSWER_H
#define TL_HTTP_ANSWER_H

#include "http/http_route.h"

#include "fmgr.h"

/* Codes of what is wrong with a request as a whole. */
#define TL_HTTP_INVALID "VALIDATION_ERROR"
#define TL_HTTP_TOO_MANY "BATCH_TOO_LARGE"

/* An event of a request, as far as its answer is about it; slices without data are null. */
typedef struct TlHttpEvent
{
	TlEventOutcome outcome;
	int64 received_at; /* of what is stored */
	TlSlice event_id;
	TlSlice kind;
	const char *code; /* if it was rejected */
	const char *detail;
} TlHttpEvent;

typedef struct TlHttpRequest
{
	const TlRoute *route; /* NULL: there is none of the name */
	TlSlice correlation_id;
	TlSlice batch_id;
	TlSlice user_id;
	TlSlice device_id;
	int64 started_at;

	/* What is wrong with it as a whole, or NULL; then it has no events. */
	const char *code;
	const char *detail;

	bool batch;		 /* its events are a list */
	int64 first_row; /* position of its first event in the statement */
	uint32 n;
	TlHttpEvent *events; /* NULL if only numbers of them are told */
	uint32 counts[TL_EVENT_REJECTED + 1];
	const char *denied; /* why none may be stored, or NULL */
} TlHttpRequest;

typedef struct TlHttpAnswer
{
	int status;
	const char *body; /* JSON */
	const char *content_type;
} TlHttpAnswer;

/* Whether the answer tells of each event. */
extern bool tl_http_tells_events(const TlHttpRequest *request);

/* Notes an event's fate; copies go to the current memory context. */
extern void tl_http_note_fate(TlHttpRequest *request, uint32 index, const TlEventFate *fate);

/* Numbers that an answer tells, and a log of batches. */
extern uint32 tl_http_accepted(const TlHttpRequest *request);
extern uint32 tl_http_conflicts(const TlHttpRequest *request);

/* The answer to a request all of whose events' fates are known; in the current memory context. */
extern TlHttpAnswer tl_http_answer(const TlHttpRequest *request);

/*
 * A failure in a dialect's shape, in that of others if it is NULL.  Status 0: what the dialect
 * has for the code, code NULL: what is usual for the status.  If neither is given, $status stays
 * in the body.
 */
extern TlHttpAnswer tl_http_problem(const TlDialect *dialect, int status, const char *code,
									const char *detail);

/* The same as a telemetry.http_response, which is what the function called returns. */
extern Datum tl_http_response(FunctionCallInfo fcinfo, const TlHttpAnswer *answer);

#endif
