/*
 * stream.c
 *		Answers that the database makes in parts.  See stream.h.
 */
#include "routes/stream.h"

#include "base/log.h"
#include "base/metrics.h"
#include "routes/retry.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

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

/* How often an export that waits for a connection looks whether it may have another's. */
static const struct timeval look_around = {.tv_sec = 1};

/* Who takes less than so much a second, for so long, has to make room for those that wait. */
#define FAIR_RATE ((size_t) 64 * 1024)
#define FAIR_SECONDS 10

struct TlStream
{
	LIST_ENTRY(TlStream) link; /* of exports that have begun */
	bool is_listed;
	TlRequest *request;
	const TlBackend *backend;
	size_t mark;
	struct event *pause; /* of an export, or NULL: until it looks around, or goes on */
	uint64_t counted_us; /* since when what is written is counted */
	size_t written;
	bool giving_way;
	bool behind; /* the client is */
	bool known;	 /* the first part has come */
	int status;
	char content_type[TL_CONTENT_TYPE_MAX + 1]; /* empty: JSON */
	TlBuf first;								/* its body, until another part comes */
};

static LIST_HEAD(, TlStream) exports_begun = LIST_HEAD_INITIALIZER(exports_begun);

void
tl_stream_free(TlStream *stream)
{
	if (stream == NULL)
		return;
	if (stream->is_listed)
		LIST_REMOVE(stream, link);
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
stream_begin_count(TlStream *stream, uint64_t now)
{
	stream->counted_us = now;
	stream->written = 0;
}

/*
 * Ends the slowest of the exports whose clients do not keep up, so that one that waits has its connection: few
 * slow readers could hold all of them for as long as an answer may take.  What a client has been given is a
 * little more than it has taken, so each is judged anew from time to time.
 */
static void
make_room(uint64_t now)
{
	TlStream *slowest = NULL;
	size_t least = FAIR_RATE;
	TlStream *stream;

	LIST_FOREACH(stream, &exports_begun, link)
	{
		uint64_t seconds = (now - stream->counted_us) / 1000000;
		size_t rate;

		if (seconds < FAIR_SECONDS)
			continue;
		rate = stream->written / (size_t) seconds;
		if (stream->behind && !stream->request->given_up && rate < least)
		{
			slowest = stream;
			least = rate;
		}
		stream_begin_count(stream, now);
	}
	if (slowest == NULL)
		return;
	tl_metrics.clients_cut_off++;
	tl_log(TL_LOG_DEBUG, "an export is cut off, whose client takes %zu bytes a second: others wait",
		   least);
	tl_request_give_up(slowest->request, true);
}

static void
stream_write(TlRequest *request, const char *data, size_t len)
{
	TlStream *stream = request->stream;

	stream->written += len;
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
	if (!tl_rpc_is_under_way(request->call))
	{
		event_add(request->stream->pause, &look_around);
		make_room(tl_clock_us());
		return;
	}
	request->stream->giving_way = false;
	stream_resume(request);
}

/* The first part was not the only one. */
static void
stream_go_on(TlRequest *request)
{
	TlStream *stream = request->stream;
	TlAnswer answer = stream_answer(request);

	if (stream->pause != NULL)
	{
		LIST_INSERT_HEAD(&exports_begun, stream, link);
		stream->is_listed = true;
		stream_begin_count(stream, tl_clock_us());
	}
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

	/* Parts that came after it was given up were dropped. */
	if (request->streaming)
		tl_request_end(request, (result->outcome == TL_PG_DONE && !request->given_up) ||
									request->method == TL_METHOD_HEAD);
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
	stream->request = request;
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
	if (exports)
		event_add(stream->pause, &look_around);
}
