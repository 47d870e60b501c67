/*
 * health.c
 *		The endpoints that tell of the service and of past batches.
 *
 * The database is asked once a second how it is, by a connection that does nothing else, and what it
 * said last is what GET /health answers at once.  It is 200 only in the database's own words.  While
 * these are old, or nothing could be stored for want of a connection, the proxy answers 503 in the
 * same shape.
 */
#include "routes/health.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/url.h"
#include "database/deadline.h"
#include "routes/counters.h"

#include <event2/event.h>
#include <stdlib.h>

#define PROBE_SECONDS 1

/* The server's clock comes in the place of a content type. */
#define PROBE_QUERY                                                                                \
	"SELECT status, body, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"               \
	" FROM telemetry.http_health($1::jsonb, $2::jsonb)"

/* Longer ids than any key; they are simply not found. */
#define BATCH_DEVICE_SIZE 1024

#define SEGMENT_BATCH 4

/* What is known of the database. */
typedef struct Probe
{
	const TlBackend *backend;
	struct event *timer;
	bool asking;
	uint64_t asked_us;
	int status; /* of its last answer; 0: there is none, or it was an error */
	TlBuf body;
} Probe;

static Probe probe;

static void
probe_on_end(const TlRpcResult *result, void *arg)
{
	(void) arg;
	probe.asking = false;
	probe.status = result->outcome == TL_PG_DONE ? result->status : 0;
	probe.body.len = 0;
	if (result->outcome != TL_PG_DONE)
		return;
	tl_buf_add(&probe.body, result->body, result->len);
	tl_deadline_learn(strtoll(result->content_type, NULL, 10), probe.asked_us, tl_clock_us());
}

static void
probe_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timeval next = {.tv_sec = PROBE_SECONDS};
	TlBuf *params;

	(void) fd;
	(void) what;
	(void) arg;
	event_add(probe.timer, &next);
	if (probe.asking || tl_pool_is_away(probe.backend->health.pool))
		return;
	probe.asking = true;
	probe.asked_us = tl_clock_us();
	params = tl_request_scratch();
	tl_buf_printf(params, "{\"port\":%u}", probe.backend->report_port);
	tl_rpc_query(probe.backend->health.rpc, PROBE_QUERY, "the check of health", params->data,
				 params->len, NULL, 0, 0, probe_on_end, NULL);
}

void
tl_health_open(struct event_base *base, const TlBackend *backend)
{
	struct timeval at_once = {0};

	probe.backend = backend;
	probe.timer = evtimer_new(base, probe_on_timer, NULL);
	if (probe.timer == NULL)
		tl_log_die("out of memory");
	event_add(probe.timer, &at_once);
}

void
tl_health_stop(void)
{
	event_free(probe.timer);
}

void
tl_health_shutdown(void)
{
	tl_buf_free(&probe.body);
}

/* Why nothing can be stored as far as the proxy itself knows, or NULL. */
static const char *
reason_unhealthy(const TlBackend *backend)
{
	uint64_t limit_us = (uint64_t) backend->config->health_timeout * 1000;

	if (tl_pool_is_away(backend->health.pool) || tl_pool_is_away(backend->ingest.pool))
		return "the database is away";
	if (probe.asking && tl_clock_us() - probe.asked_us > limit_us)
		return "the database does not answer";
	if (tl_pool_is_stuck(backend->ingest.pool, backend->config->health_timeout))
		return "the database does not store anything";
	if (probe.status == 0)
		return probe.asking ? "the database has not answered yet" : "the database check failed";
	return NULL;
}

static void
detailed_answer_away(TlRequest *request, const TlBackend *backend, const char *detail)
{
	TlBuf *body = tl_request_scratch();
	TlAnswer answer = {.status = 503, .retry_after = 1};

	tl_buf_printf(body,
				  "{\"status\":\"unhealthy\",\"service\":\"telemetry_service\",\"port\":%u,"
				  "\"detail\":\"%s\",\"components\":{"
				  "\"data_ingestion\":{\"status\":\"unhealthy\"},"
				  "\"time_series_db\":{\"status\":\"unhealthy\"},"
				  "\"alert_engine\":{\"status\":\"unknown\"},"
				  "\"real_time_stream\":{\"status\":\"unknown\"}},\"performance\":{\"proxy\":",
				  backend->report_port, detail);
	tl_counters_add(body, backend);
	tl_buf_add_text(body, "}}");
	answer.body = body->data;
	answer.len = body->len;
	tl_request_answer(request, &answer);
}

static void
detailed_on_end(const TlRpcResult *result, void *arg)
{
	TlRequest *request = arg;

	if (result->outcome == TL_PG_DONE)
		tl_request_relay(request, result);
	else
		detailed_answer_away(request, probe.backend,
							 result->outcome == TL_PG_LOST ? "the database is away"
														   : "the database check failed");
	tl_request_end_wait(request);
}

static void
detailed_expire(TlRequest *request)
{
	detailed_answer_away(request, probe.backend, "the database does not answer");
}

void
tl_health(TlRequest *request, const TlBackend *backend)
{
	const char *reason = reason_unhealthy(backend);
	TlBuf *away = tl_request_scratch();
	const TlBuf *body = reason == NULL ? &probe.body : away;
	int status = reason == NULL ? probe.status : 503;
	TlAnswer answer = {.status = status, .retry_after = status == 503 ? 1 : 0};

	if (reason != NULL)
		tl_buf_printf(away,
					  "{\"status\":\"unhealthy\",\"service\":\"telemetry_service\",\"port\":%u,"
					  "\"detail\":\"%s\"}",
					  backend->report_port, reason);
	answer.body = body->data;
	answer.len = body->len;
	tl_request_answer(request, &answer);
}

/* The process runs; whether it can do anything is for /health to say. */
void
tl_health_live(TlRequest *request, const TlBackend *backend)
{
	static const char body[] = "{\"status\":\"alive\"}";
	TlAnswer answer = {.status = 200, .body = body, .len = sizeof(body) - 1};

	(void) backend;
	tl_request_answer(request, &answer);
}

void
tl_health_detailed(TlRequest *request, const TlBackend *backend)
{
	const char *reason = reason_unhealthy(backend);
	TlBuf *params;

	request->reads = true;
	request->expire = detailed_expire;
	request->timeout_ms = backend->config->health_timeout;
	if (reason != NULL)
	{
		detailed_answer_away(request, backend, reason);
		return;
	}
	params = tl_request_scratch();
	tl_buf_printf(params, "{\"port\":%u,\"proxy\":", backend->report_port);
	tl_counters_add(params, backend);
	tl_buf_add_text(params, "}");
	request->waiting = true;
	request->call = tl_rpc_call(backend->health.rpc, TL_RPC_HEALTH_DETAILED, params->data,
								params->len, NULL, 0, 0, detailed_on_end, request);
}

static void
receipt_on_end(const TlRpcResult *result, void *arg)
{
	TlRequest *request = arg;

	tl_request_relay(request, result);
	tl_request_end_wait(request);
}

static void
receipt_expire(TlRequest *request)
{
	tl_request_refuse(request, 503, "the database did not answer in time; retry");
}

void
tl_batch_receipt(TlRequest *request, const TlBackend *backend)
{
	const TlSegment *batch = &request->segments[SEGMENT_BATCH];
	TlBuf *params = tl_request_scratch();
	char device[BATCH_DEVICE_SIZE];
	int found = tl_url_query(request->query, "device_id", device, sizeof(device));

	request->reads = true;
	request->expire = receipt_expire;
	request->timeout_ms = backend->config->request_timeout;
	if (found < 0)
	{
		tl_request_refuse(request, 400, "malformed query parameter device_id");
		return;
	}
	if (tl_pool_is_away(backend->reads.pool))
	{
		tl_request_refuse(request, 503, "the database is away; retry");
		return;
	}
	tl_buf_add_text(params, "{\"batch_id\":");
	tl_buf_add_json_string(params, batch->text, batch->len);
	if (found > 0)
	{
		tl_buf_add_text(params, ",\"device_id\":");
		tl_buf_add_json_string(params, device, strlen(device));
	}
	tl_buf_add_text(params, "}");
	request->waiting = true;
	request->call = tl_rpc_call(backend->reads.rpc, TL_RPC_BATCH, params->data, params->len, NULL,
								0, 0, receipt_on_end, request);
}
