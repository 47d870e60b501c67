/*
 * app.c
 *		The endpoints that the database has: events of apps, and calls of functions.
 *
 * The proxy knows nothing of them but how to pass a request on: with params, an object of what
 * there is beside the body, and the body as it came, once it is known to be JSON.  What is not
 * plain to jsonb goes alone, so that nobody else's rows fail with it.
 *
 * params has, the later ones winning: the query's parameters and the path's by their names, "repeated"
 * {name: [text, …]} of names that the query has several times, the route's own, "proxy", what is counted
 * here, if the route wants that, "headers" {name in lower case: text} if the dialect reads some, "caller"
 * {"user_id", "device_id", "correlation_id", "user_agent", "certificate", "idempotency_key"}, and for
 * events "under_load": true while much is waiting for the database.
 */
#include "routes/app.h"

#include "base/json_scan.h"
#include "base/log.h"
#include "base/url.h"
#include "database/copy_encode.h"
#include "database/deadline.h"
#include "database/sqlstate.h"
#include "routes/app_query.h"
#include "routes/app_route.h"
#include "routes/body.h"
#include "routes/counters.h"
#include "routes/stream.h"
#include "routes/cors.h"
#include "routes/retry.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>

#define POLL_SECONDS 2
#define CALLER_TEXT_MAX 256
#define HEADER_TEXT_MAX 1024

#define ROUTES_QUERY                                                                               \
	"SELECT 200, coalesce(telemetry.http_routes($1::jsonb ->> 'known'), 'null')::text"             \
	" WHERE $2::jsonb IS NULL"

/* One request for itself, with events or for a function; its route's name is a member of params. */
#define QUERY_OF(function, body)                                                                   \
	"SELECT (answer).status, CASE WHEN (answer).content_type IS NULL"                              \
	" OR (answer).content_type LIKE '%json%'"                                                      \
	" THEN (answer).body::text ELSE (answer).body #>> '{}' END, "                                  \
	"(answer).content_type" TL_DEADLINE_FROM("telemetry." function                                 \
											 "($1::jsonb #>> '{caller,route}',"                    \
											 " $1::jsonb #- '{caller,route}', " body ")")
#define ALONE_QUERY QUERY_OF("http_events", "$2::text")
#define CALL_QUERY QUERY_OF("http_call", "$2::text")

static const TlBackend *app_backend;
static struct event *poll_timer;
static bool polling;
static bool poll_failed; /* and that has been logged */
static TlAppTable *table;
static TlBuf params;

/* Routes ---------------------------------------------------------------------------------- */

static void
on_routes(const TlRpcResult *result, void *arg)
{
	TlAppTable *fresh;

	(void) arg;
	polling = false;
	if (result->outcome != TL_PG_DONE)
	{
		if (result->outcome == TL_PG_FAILED && !poll_failed)
			tl_log(TL_LOG_WARNING, "could not read routes: %s", result->error->message);
		poll_failed = result->outcome == TL_PG_FAILED;
		return;
	}
	poll_failed = false;
	if (result->len == 4 && memcmp(result->body, "null", 4) == 0)
		return;
	fresh = tl_app_table_create(result->body, result->len);
	if (fresh == NULL)
	{
		tl_log(TL_LOG_WARNING, "the answer of telemetry.http_routes() was not understood");
		return;
	}
	tl_app_table_free(table);
	table = fresh;
}

static void
on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct timeval next = {.tv_sec = POLL_SECONDS};

	(void) fd;
	(void) what;
	(void) arg;
	event_add(poll_timer, &next);
	if (polling || tl_pool_is_away(app_backend->health.pool))
		return;
	polling = true;
	params.len = 0;
	tl_buf_add_text(&params, "{");
	if (table != NULL)
	{
		const char *version = tl_app_table_version(table);

		tl_buf_add_text(&params, "\"known\":");
		tl_buf_add_json_string(&params, version, strlen(version));
	}
	tl_buf_add_text(&params, "}");
	tl_rpc_query(app_backend->health.rpc, ROUTES_QUERY, "telemetry.http_routes()", params.data,
				 params.len, NULL, 0, 0, on_routes, NULL);
}

void
tl_app_open(struct event_base *base, const TlBackend *backend)
{
	struct timeval at_once = {0};

	app_backend = backend;
	poll_timer = evtimer_new(base, on_poll, NULL);
	if (poll_timer == NULL)
		tl_log_die("out of memory");
	event_add(poll_timer, &at_once);
}

void
tl_app_stop(void)
{
	event_free(poll_timer);
}

void
tl_app_shutdown(void)
{
	tl_app_table_free(table);
	tl_buf_free(&params);
	tl_app_query_shutdown();
}

/* Parameters ------------------------------------------------------------------------------ */

static void
add_name(const char *name, size_t len)
{
	if (params.data[params.len - 1] != '{')
		tl_buf_add_text(&params, ",");
	tl_buf_add_json_string(&params, name, len);
	tl_buf_add_text(&params, ":");
}

static void
add_text(const char *name, size_t name_len, const char *text, size_t len)
{
	add_name(name, name_len);
	tl_buf_add_json_string(&params, text, len);
}

/* What can be stored of a header. */
static bool
is_plain_text(const char *text, size_t max)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return len >= 1 && len <= max && tl_utf8_valid(text, len);
}

/* A header that names somebody. */
static bool
is_caller_text(const char *text)
{
	return is_plain_text(text, CALLER_TEXT_MAX);
}

/* The trace-id of a W3C traceparent, 32 hexadecimal digits, or NULL. */
static const char *
trace_id(const char *traceparent)
{
	static const char digits[] = "0123456789abcdef";

	if (traceparent == NULL || strlen(traceparent) < 55 || strspn(traceparent, digits) != 2 ||
		traceparent[2] != '-' || strspn(traceparent + 3, digits) != 32 || traceparent[35] != '-' ||
		strspn(traceparent + 3, "0") == 32)
		return NULL;
	return traceparent + 3;
}

static void
add_caller(const TlRequest *request, const TlAppRoute *route, const char *key, bool alone)
{
	const char *trace = trace_id(request->traceparent);

	add_name("caller", 6);
	tl_buf_add_text(&params, "{");
	if (request->user_id != NULL)
		add_text("user_id", 7, request->user_id, strlen(request->user_id));
	if (request->device_id != NULL)
		add_text("device_id", 9, request->device_id, strlen(request->device_id));
	if (request->correlation_id != NULL)
		add_text("correlation_id", 14, request->correlation_id, strlen(request->correlation_id));
	else if (trace != NULL)
		add_text("correlation_id", 14, trace, 32);
	if (request->user_agent != NULL && is_caller_text(request->user_agent))
		add_text("user_agent", 10, request->user_agent, strlen(request->user_agent));
	if (request->certificate_name != NULL)
		add_text("certificate", 11, request->certificate_name, strlen(request->certificate_name));
	if (key[0] != '\0')
		add_text("idempotency_key", 15, key, strlen(key));
	if (alone)
		add_text("route", 5, route->name, strlen(route->name));
	tl_buf_add_text(&params, "}");
}

/* The headers that the route's dialect reads.  One that is empty is as good as absent. */
static void
add_headers(const TlRequest *request, const TlAppRoute *route)
{
	if (route->header_count == 0)
		return;
	add_name("headers", 7);
	tl_buf_add_text(&params, "{");
	for (unsigned int i = 0; i < route->header_count; i++)
	{
		const char *name = route->headers[i];
		const char *value;

		if (request->find_header(request, name, &value) && value != NULL && value[0] != '\0')
			add_text(name, strlen(name), value, strlen(value));
	}
	tl_buf_add_text(&params, "}");
}

static bool
compose_params(const TlRequest *request, const TlAppRoute *route, const TlBackend *backend,
			   const char *key, bool alone)
{
	params.len = 0;
	tl_buf_add_text(&params, "{");
	if (!tl_app_query_add(&params, request->query))
		return false;
	for (unsigned int i = 0; i < route->segment_count; i++)
	{
		const TlAppSegment *segment = &route->segments[i];

		if (segment->is_parameter)
			add_text(segment->name, segment->len, request->segments[i].text,
					 request->segments[i].len);
	}
	if (route->params[0] != '\0')
	{
		if (params.data[params.len - 1] != '{')
			tl_buf_add_text(&params, ",");
		tl_buf_add_text(&params, route->params);
	}
	if (route->counters)
	{
		add_name("proxy", 5);
		tl_counters_add(&params, backend);
	}
	add_headers(request, route);
	add_caller(request, route, key, alone);
	if (route->kind == TL_APP_EVENTS && tl_backend_pending_bytes(backend, &backend->ingest) >
											(size_t) backend->config->max_pending / 2)
		tl_buf_add_text(&params, ",\"under_load\":true");
	tl_buf_add_text(&params, "}");
	return true;
}

/* Requests -------------------------------------------------------------------------------- */

static TlRequest *
entry_request(TlGroupEntry *entry)
{
	return (TlRequest *) ((char *) entry - offsetof(TlRequest, entry));
}

static void
on_row_end(TlGroupEntry *entry, const TlGroupResult *result)
{
	TlRequest *request = entry_request(entry);

	if (request->answered)
		;
	else if (result->outcome == TL_PG_DONE)
	{
		const TlRowAnswer *row = result->answers;
		TlAnswer answer = {.status = row->status,
						   .retry_after = tl_retry_after(row->status),
						   .content_type = row->content_type,
						   .body = row->body,
						   .len = row->len};

		tl_request_answer(request, &answer);
	}
	else if (result->outcome == TL_PG_FAILED && tl_sqlstate_blames_request(result->error->sqlstate))
		tl_request_refuse(request, 400, result->error->message);
	else
		tl_request_fail(request, result->outcome, result->error);
	tl_request_end_wait(request);
}

static void
on_call_end(const TlRpcResult *result, void *arg)
{
	TlRequest *request = arg;

	tl_request_relay(request, result);
	tl_request_end_wait(request);
}

static void
app_expire(TlRequest *request)
{
	tl_request_refuse(request, 503, "not confirmed by the database in time; retry");
}

/* Whether all is well with a header; if not, the request is refused. */
static bool
check_header(TlRequest *request, const char *value, const char *refusal)
{
	if (value == NULL || is_caller_text(value))
		return true;
	tl_request_refuse(request, 400, refusal);
	return false;
}

/* Whether the headers that the route's dialect reads can be read. */
static bool
check_headers(TlRequest *request, const TlAppRoute *route)
{
	for (unsigned int i = 0; i < route->header_count; i++)
	{
		const char *wrong = NULL;
		const char *value;
		char detail[128];

		if (!request->find_header(request, route->headers[i], &value))
			wrong = "is repeated";
		else if (value != NULL && value[0] != '\0' && !is_plain_text(value, HEADER_TEXT_MAX))
			wrong = "is not up to 1024 bytes of text";
		if (wrong == NULL)
			continue;
		snprintf(detail, sizeof(detail), "header %.64s %s", route->headers[i], wrong);
		tl_request_refuse(request, 400, detail);
		return false;
	}
	return true;
}

/* Whether the request comes from somebody who may be known, and must be. */
static bool
check_caller(TlRequest *request, const TlAppRoute *route)
{
	if (!check_header(request, request->user_id, "X-User-Id is not 1 to 256 bytes of text") ||
		!check_header(request, request->device_id, "X-Device-Id is not 1 to 256 bytes of text") ||
		!check_header(request, request->correlation_id,
					  "X-Correlation-Id is not 1 to 256 bytes of text"))
		return false;
	if (route->caller == TL_APP_USER && request->user_id == NULL)
	{
		tl_request_refuse(request, 401, "a user must be known: X-User-Id");
		return false;
	}
	if (route->caller == TL_APP_DEVICE && request->device_id == NULL)
	{
		tl_request_refuse(request, 401, "a device must be known: X-Device-Id");
		return false;
	}
	return true;
}

/*
 * Whether a beacon comes from somewhere that it may.  Any page can have a browser send text/plain, where a
 * page that would send JSON must be allowed to.
 */
static bool
check_beacon(TlRequest *request, const TlAppRoute *route)
{
	request->takes_text = route->beacon;
	if (!route->beacon || !tl_body_is_plain_text(request) || request->origin == NULL ||
		request->allowed_origin != NULL)
		return true;
	tl_request_refuse(request, 403, "text/plain is taken from pages of listed origins only");
	return false;
}

/* What a body is found to be. */
typedef struct BodyCheck
{
	bool is_json;
	bool odd; /* jsonb may refuse it, or read it otherwise */
	char detail[160];
} BodyCheck;

static void
check_body(const char *body, size_t len, unsigned int max_depth, BodyCheck *check)
{
	TlJson json;
	TlJsonValue value;

	tl_json_begin(&json, body, len, max_depth);
	check->is_json = tl_json_read(&json, &value) && tl_json_end(&json);
	check->odd = json.odd;
	if (!check->is_json)
		snprintf(check->detail, sizeof(check->detail), "malformed JSON at byte %zu: %s",
				 (size_t) (json.p - json.start) + 1, json.error != NULL ? json.error : "no value");
}

/* A large body, and what has to be known of the request when it has been read. */
typedef struct AppWork
{
	TlBodyWork base; /* first: the work is its body's */
	TlRpc *rpc;
	const char *query;
	char *name; /* of the route */
	unsigned int max_depth;
	TlBuf params;
	BodyCheck check;
} AppWork;

static void
app_work_read(TlBodyWork *base)
{
	AppWork *work = (AppWork *) base;

	check_body(base->body, base->len, work->max_depth, &work->check);
}

static void
app_work_end(TlBodyWork *base)
{
	AppWork *work = (AppWork *) base;
	TlRequest *request = base->request;

	if (!work->check.is_json)
	{
		tl_request_refuse(request, 400, work->check.detail);
		return;
	}
	request->waiting = true;
	request->call =
		tl_rpc_query(work->rpc, work->query, work->name, work->params.data, work->params.len,
					 base->body, base->len, tl_request_deadline_us(request), on_call_end, request);
}

static void
app_work_free(TlBodyWork *base)
{
	AppWork *work = (AppWork *) base;

	free(work->name);
	tl_buf_free(&work->params);
	free(work);
}

static bool
is_segment(const TlAppSegment *segment, const char *name)
{
	return segment->len == strlen(name) && memcmp(segment->name, name, segment->len) == 0;
}

/*
 * What a file that comes by the route is called: the last name of its path, with its ending; of a path
 * that ends in /csv, the name before.
 */
static void
name_file(TlRequest *request, const TlAppRoute *route)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
	static const char ending[] = ".csv";
	const TlAppSegment *last = NULL;
	size_t len;

	for (unsigned int i = 0; i < route->segment_count; i++)
		if (!route->segments[i].is_parameter &&
			(last == NULL || !is_segment(&route->segments[i], ending + 1)))
			last = &route->segments[i];
	if (last == NULL)
		return;
	len = last->len;
	if (len >= strlen(ending) &&
		memcmp(last->name + len - strlen(ending), ending, strlen(ending)) == 0)
		len -= strlen(ending);
	if (len == 0 || len + strlen(ending) > TL_FILE_NAME_MAX || strspn(last->name, plain) < len)
		return;
	memcpy(request->file_name, last->name, len);
	memcpy(request->file_name + len, ending, sizeof(ending));
}

/* What only reads must not keep waiting what stores something. */
static const TlAccess *
access_of(const TlBackend *backend, const TlAppRoute *route)
{
	if (route->kind == TL_APP_STREAM)
		return &backend->exports;
	return route->reads ? &backend->reads : &backend->ingest;
}

/* With a large body it goes alone. */
static void
serve_large(TlRequest *request, const TlBackend *backend, const TlAppRoute *route, const char *key)
{
	AppWork *work;

	if (!compose_params(request, route, backend, key, true))
	{
		tl_request_refuse(request, 400, "malformed query");
		return;
	}
	work = calloc(1, sizeof(*work));
	if (work == NULL || (work->name = strdup(route->name)) == NULL)
		tl_log_die("out of memory");
	work->base.read = app_work_read;
	work->base.end = app_work_end;
	work->base.free = app_work_free;
	work->rpc = access_of(backend, route)->rpc;
	work->query = route->kind == TL_APP_EVENTS ? ALONE_QUERY : CALL_QUERY;
	work->max_depth = (unsigned int) backend->config->json_depth;
	tl_buf_add(&work->params, params.data, params.len);
	name_file(request, route);
	tl_body_work_begin(&work->base, request, backend);
}

static void
serve(TlRequest *request, const TlBackend *backend, const TlAppRoute *route)
{
	const TlAccess *access = access_of(backend, route);
	const char *body = NULL;
	const char *key;
	size_t len = 0;
	BodyCheck check = {.is_json = true};

	request->failure = tl_failure_acquire(route->failure);
	request->reads = access != &backend->ingest;
	request->expire = app_expire;
	request->timeout_ms = backend->config->request_timeout;
	if (!tl_cors_check(request) || !check_caller(request, route) ||
		!check_headers(request, route) || !check_beacon(request, route) ||
		(key = tl_request_idempotency_key(request)) == NULL)
		return;
	if (tl_pool_is_away(access->pool))
	{
		tl_request_refuse(request, 503, "the database is away; retry");
		return;
	}
	if (tl_backend_pending_bytes(backend, access) > (size_t) backend->config->max_pending)
	{
		tl_request_refuse(request, 503, "too much is waiting for the database; retry");
		return;
	}
	/* A call may do without a body. */
	if ((route->kind == TL_APP_EVENTS || request->body_len > 0) && route->method != TL_METHOD_GET)
	{
		switch (tl_body_read(request, backend->config, &body, &len))
		{
			case TL_BODY_REFUSED:
				return;
			case TL_BODY_READ:
				check_body(body, len, (unsigned int) backend->config->json_depth, &check);
				break;
			case TL_BODY_LARGE:
				serve_large(request, backend, route, key);
				return;
		}
		if (!check.is_json)
		{
			tl_request_refuse(request, 400, check.detail);
			return;
		}
	}
	if (!compose_params(request, route, backend, key, route->kind != TL_APP_EVENTS || check.odd))
	{
		tl_request_refuse(request, 400, "malformed query");
		return;
	}

	name_file(request, route);
	if (route->method == TL_METHOD_GET)
	{
		tl_stream_begin(request, backend, route->kind == TL_APP_STREAM, route->name, params.data,
						params.len);
		return;
	}
	request->waiting = true;
	if (route->kind == TL_APP_EVENTS && !check.odd)
	{
		tl_copy_add_request(tl_group_begin(backend->events), route->name, &params, body, len);
		request->entry.on_end = on_row_end;
		request->entry.deadline_us = tl_request_deadline_us(request);
		tl_group_commit(backend->events, &request->entry, 1);
	}
	else
		request->call =
			tl_rpc_query(access->rpc, route->kind == TL_APP_EVENTS ? ALONE_QUERY : CALL_QUERY,
						 route->name, params.data, params.len, body, len,
						 tl_request_deadline_us(request), on_call_end, request);
}

void
tl_app_speak(TlRequest *request, unsigned int shared)
{
	TlFailure *failure = table == NULL ? NULL : tl_app_table_nearest(table, request, shared);

	if (failure != NULL)
		request->failure = tl_failure_acquire(failure);
}

bool
tl_app_handle(TlRequest *request, const TlBackend *backend)
{
	const TlAppRoute *route;
	TlFailure *failure;
	unsigned int methods;

	if (table == NULL)
	{
		tl_request_refuse(request, 503, "routes are not known yet; retry");
		return true;
	}
	route = tl_app_table_find(table, request, &methods, &failure);
	if (route != NULL)
	{
		serve(request, backend, route);
		return true;
	}
	if (methods == 0)
		return false;
	request->failure = tl_failure_acquire(failure);
	if (!tl_cors_check(request))
		return true;
	params.len = 0;
	tl_app_table_add_headers(table, request, &params);
	tl_buf_add(&params, "", 1);
	tl_request_tell_methods(request, methods, params.data);
	return true;
}
