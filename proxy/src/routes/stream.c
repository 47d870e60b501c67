/*
 * stream.c
 *		Answers that the database makes in parts.  See stream.h.
 */
#include "routes/stream.h"

#include "base/log.h"
#include "routes/retry.h"

#include <event2/event.h>
#include <stdlib.h>

#define QUERY                                                                                      \
	"SELECT (p.part).status, (p.part).content_type, (p.part).body FROM ("                          \
	"SELECT telemetry.http_parts($1::jsonb #>> '{caller,route}', $1::jsonb #- '{caller,route}',"   \
	" $2::jsonb) AS part) AS p"

/*
 * What a client may have to take before the database has to wait.  A connection for reads should be
 * free again soon; exports have theirs to wait with.
 */
#define READ_MARK ((size_t) 32 * 1024 * 1024)
#define EXPORT_MARK ((size_t) 256 * 1024)

/*
 * While rows wait to be stored an export gives way, which has no other end: after each part, 64 kB, it
 * waits so long.
 */
static const struct timeval give_way = {.tv_usec = 10 * 1000};

struct TlStream
{
	const TlBackend *backend;
	size_t mark;
	struct event *pause; /* of an export, or NULL */
	bool giving_way;
	bool behind; /* the client is */
	bool known;	 /* the first part has come */
	int status;
	char content_type[TL_CONTENT_TYPE_MAX + 1]; /* empty: JSON */
	TlBuf first;								/* its body, until another part comes */
};

void
tl_stream_free(TlStream *stream)
{
	if (stream == NULL)
		return;
	if (stream->pause != NULL)
		event_free(stream->pause);
	tl_buf_free(&stream->first);
	free(stream);
}

static TlAnswer
stream_answer(const TlRequest *request)
{
	const TlStream *stream = request->stream;
	const char *type = stream->content_type[0] != '\0' ? stream->content_type : NULL;

	return (TlAnswer){
		.status = stream->status,
		.retry_after = tl_retry_after(stream->status),
		.content_type = type,
		.file_name = tl_request_file_name(request, type),
		.body = stream->first.data,
		.len = stream->first.len,
	};
}

static bool
rows_wait(const TlBackend *backend)
{
	return tl_lane_pending_bytes(backend->points) + tl_lane_pending_bytes(backend->events) > 0;
}

static void
stream_write(TlRequest *request, const char *data, size_t len)
{
	TlStream *stream = request->stream;

	stream->behind = !tl_request_write(request, data, len, stream->mark);
	if (stream->pause != NULL && rows_wait(stream->backend))
	{
		stream->giving_way = true;
		event_add(stream->pause, &give_way);
	}
	if (stream->behind || stream->giving_way)
		tl_rpc_pause(request->call);
}

static void
stream_resume(TlRequest *request)
{
	if (!request->stream->behind && !request->stream->giving_way)
		tl_rpc_resume(request->call);
}

static void
stream_on_caught_up(TlRequest *request)
{
	request->stream->behind = false;
	stream_resume(request);
}

static void
stream_on_pause_end(evutil_socket_t fd, short what, void *arg)
{
	TlRequest *request = arg;

	(void) fd;
	(void) what;
	request->stream->giving_way = false;
	stream_resume(request);
}

/* The first part was not the only one. */
static void
stream_go_on(TlRequest *request)
{
	TlStream *stream = request->stream;
	TlAnswer answer = stream_answer(request);

	request->on_caught_up = stream_on_caught_up;
	tl_request_begin(request, &answer);
	stream_write(request, stream->first.data, stream->first.len);
	tl_buf_free(&stream->first);
}

static void
stream_on_part(const TlRpcPart *part, void *arg)
{
	TlRequest *request = arg;
	TlStream *stream = request->stream;

	if (request->given_up || (request->answered && !request->streaming))
		return;
	if (part->is_first)
	{
		stream->known = true;
		stream->status = part->status;
		if (part->content_type != NULL)
			snprintf(stream->content_type, sizeof(stream->content_type), "%s", part->content_type);
		tl_buf_add(&stream->first, part->body, part->len);
		return;
	}
	if (!request->streaming)
		stream_go_on(request);
	stream_write(request, part->body, part->len);
	/* A head is all that is asked for. */
	if (request->method == TL_METHOD_HEAD)
		tl_request_give_up(request, true);
}

static void
stream_on_end(const TlRpcResult *result, void *arg)
{
	TlRequest *request = arg;
	TlAnswer answer;

	if (request->streaming)
		tl_request_end(request, result->outcome == TL_PG_DONE || request->method == TL_METHOD_HEAD);
	else if (result->outcome == TL_PG_DONE)
	{
		answer = stream_answer(request);
		tl_request_answer(request, &answer);
	}
	else
		tl_request_relay(request, result);
	tl_request_end_wait(request);
}

void
tl_stream_begin(TlRequest *request, const TlBackend *backend, bool exports, const char *name,
				const char *params, size_t params_len)
{
	const TlAccess *access = exports ? &backend->exports : &backend->reads;
	TlStream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		tl_log_die("out of memory");
	stream->backend = backend;
	stream->mark = exports ? EXPORT_MARK : READ_MARK;
	if (exports)
	{
		stream->pause = evtimer_new(backend->base, stream_on_pause_end, request);
		if (stream->pause == NULL)
			tl_log_die("out of memory");
	}
	request->stream = stream;
	request->waiting = true;
	request->call = tl_rpc_stream(access->rpc, QUERY, name, params, params_len, stream_on_part,
								  stream_on_end, request);
}
