/*
 * request.c
 *		What all endpoints do with a request: answer it, relay to it, fail it.
 */
#include "routes/request.h"

#include "database/sqlstate.h"
#include "routes/body.h"
#include "routes/idempotency.h"
#include "routes/reply.h"
#include "routes/retry.h"
#include "routes/stream.h"

#include <stdlib.h>

#define SCRATCH_KEEP ((size_t) 1024 * 1024)

static TlBuf scratch;

TlBuf *
tl_request_scratch(void)
{
	tl_buf_reset(&scratch, SCRATCH_KEEP);
	return &scratch;
}

void
tl_request_shutdown(void)
{
	tl_buf_free(&scratch);
}

static void
request_release_if_done(TlRequest *request)
{
	if (!request->answered || request->streaming || request->waiting)
		return;
	free(request->devices);
	request->devices = NULL;
	tl_stream_free(request->stream);
	request->stream = NULL;
	free(request->allowed_origin);
	request->allowed_origin = NULL;
	tl_failure_release(request->failure);
	request->failure = NULL;
	request->release(request);
}

size_t
tl_backend_pending_bytes(const TlBackend *backend, const TlAccess *access)
{
	size_t rows = tl_lane_pending_bytes(backend->points) + tl_lane_pending_bytes(backend->events);

	return (access == &backend->ingest ? rows + tl_body_pending_bytes() : 0) +
		   tl_rpc_pending_bytes(access->rpc);
}

void
tl_request_answer(TlRequest *request, const TlAnswer *answer)
{
	if (request->answered)
		return;
	request->answered = true;
	request->answer(request, answer);
	request_release_if_done(request);
}

void
tl_request_begin(TlRequest *request, const TlAnswer *answer)
{
	if (request->answered)
		return;
	request->answered = true;
	request->streaming = true;
	request->begin(request, answer);
}

bool
tl_request_write(TlRequest *request, const char *data, size_t len, size_t mark)
{
	return !request->streaming || request->write(request, data, len, mark);
}

void
tl_request_end(TlRequest *request, bool complete)
{
	if (!request->streaming)
		return;
	request->streaming = false;
	request->end(request, complete);
	request_release_if_done(request);
}

static void
refuse(TlRequest *request, int status, const char *detail, const char *allow)
{
	TlBuf *body = tl_request_scratch();
	TlAnswer answer = {.status = status, .retry_after = tl_retry_after(status), .allow = allow};

	if (request->failure != NULL)
	{
		tl_failure_compose(request->failure, status, detail, body);
		answer.content_type = tl_failure_content_type(request->failure);
	}
	else
		tl_reply_detail(body, detail);
	answer.body = body->data;
	answer.len = body->len;
	tl_request_answer(request, &answer);
}

void
tl_request_refuse(TlRequest *request, int status, const char *detail)
{
	refuse(request, status, detail, NULL);
}

void
tl_request_tell_methods(TlRequest *request, unsigned int methods, const char *headers)
{
	const char *allow = tl_method_list(methods);

	if (request->method == TL_METHOD_OPTIONS)
		tl_request_answer(request,
						  &(TlAnswer){.status = 204, .allow = allow, .allow_headers = headers});
	else
		refuse(request, 405, "Method Not Allowed", allow);
}

const char *
tl_request_idempotency_key(TlRequest *request)
{
	static char key[TL_IDEMPOTENCY_KEY_MAX + 1];

	key[0] = '\0';
	if (request->idempotency_key == NULL || tl_idempotency_key_read(request->idempotency_key, key))
		return key;
	tl_request_refuse(request, 400, "Idempotency-Key is not a string of 1 to 255 characters");
	return NULL;
}

void
tl_request_end_wait(TlRequest *request)
{
	request->waiting = false;
	request_release_if_done(request);
}

void
tl_request_give_up(TlRequest *request, bool gone)
{
	if (!request->waiting)
		return;
	request->given_up = true;
	if (request->reading != NULL)
		tl_body_work_give_up(request->reading);
	else if (request->call != NULL)
	{
		/* Nor does one that leaves take back what it has asked for. */
		if (!gone || request->reads || !tl_rpc_is_under_way(request->call))
			tl_rpc_give_up(request->call);
	}
	else
		/* A client that leaves must not be able to stop what others have sent. */
		tl_group_give_up(&request->entry, !gone);
}

uint64_t
tl_request_deadline_us(const TlRequest *request)
{
	return request->arrived_us + (uint64_t) request->timeout_ms * 1000;
}

bool
tl_request_is_given_up(const TlRequest *request)
{
	if (!request->given_up || request->reading != NULL)
		return request->given_up;
	return request->call != NULL ? tl_rpc_is_given_up(request->call)
								 : tl_group_is_given_up(&request->entry);
}

void
tl_request_fail(TlRequest *request, TlPgOutcome outcome, const TlPgError *error)
{
	if (outcome == TL_PG_LOST || tl_sqlstate_is_passing(error->sqlstate))
		tl_request_refuse(request, 503, "not confirmed by the database; retry");
	else
		tl_request_refuse(request, 500, "internal error");
}

static bool
is_csv(const char *content_type)
{
	return content_type != NULL && strncasecmp(content_type, "text/csv", 8) == 0;
}

const char *
tl_request_file_name(const TlRequest *request, const char *content_type)
{
	return is_csv(content_type) && request->file_name[0] != '\0' ? request->file_name : NULL;
}

void
tl_request_relay(TlRequest *request, const TlRpcResult *result)
{
	if (result->outcome == TL_PG_DONE)
	{
		TlAnswer answer = {
			.status = result->status,
			.retry_after = tl_retry_after(result->status),
			.content_type = result->content_type,
			.file_name = tl_request_file_name(request, result->content_type),
			.body = result->body,
			.len = result->len,
		};

		tl_request_answer(request, &answer);
	}
	else if (result->outcome != TL_PG_FAILED ||
			 !tl_sqlstate_blames_request(result->error->sqlstate))
		tl_request_fail(request, result->outcome, result->error);
	else if (request->failure != NULL)
		tl_request_refuse(request, 400, result->error->message);
	else if (strcmp(result->error->sqlstate, "22P02") == 0)
		tl_request_refuse(request, 400, "malformed JSON");
	else
		tl_request_refuse(request, 422, result->error->message);
}
