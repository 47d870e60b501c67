/*
 * health.c
 *		The endpoints that tell of the service and of past batches.
 *
 * Health is answered 200 only by the database itself, through a connection that ingest uses
 * too; when it is away or silent the proxy answers 503 in the same shape.
 */
#include "routes/health.h"

#include "base/metrics.h"
#include "base/url.h"

/* Longer ids than any key; they are simply not found. */
#define BATCH_DEVICE_SIZE 1024

#define SEGMENT_BATCH 4

static unsigned int reported_port;

static void
health_answer_away(TlRequest *request, const char *detail)
{
	TlBuf *body = tl_request_scratch();
	TlAnswer answer = {.status = 503, .retry_after = 1};

	tl_buf_printf(body,
				  "{\"status\":\"unhealthy\",\"service\":\"telemetry_service\",\"port\":%u,"
				  "\"detail\":\"%s\"}",
				  reported_port, detail);
	answer.body = body->data;
	answer.len = body->len;
	tl_request_answer(request, &answer);
}

/* The proxy's part of the detailed answer. */
static void
add_proxy_numbers(TlBuf *out, const TlBackend *backend)
{
	TlPoolCounts counts = tl_pool_counts(backend->pool);
	double seconds = (double) (tl_clock_us() - tl_metrics.started_us) / 1e6;
	double answered = (double) tl_metrics.requests;

	tl_buf_printf(out,
				  "{\"uptime_seconds\":%.1f,\"connections_idle\":%u,\"connections_busy\":%u,"
				  "\"connections_down\":%u,\"clients\":%llu,\"requests_in_flight\":%llu,"
				  "\"pending_rows\":%zu,\"pending_bytes\":%zu,",
				  seconds, counts.idle, counts.busy, counts.down,
				  (unsigned long long) tl_metrics.clients,
				  (unsigned long long) tl_metrics.in_flight, tl_lane_pending_rows(backend->points),
				  tl_lane_pending_bytes(backend->points) + tl_lane_pending_bytes(backend->events) +
					  tl_rpc_pending_bytes(backend->rpc));
	tl_buf_printf(
		out,
		"\"requests_total\":%llu,\"responses_4xx\":%llu,\"responses_5xx\":%llu,"
		"\"points_total\":%llu,\"points_rejected\":%llu,\"event_requests_total\":%llu,\"copies_"
		"total\":%llu,"
		"\"copies_failed\":%llu,\"calls_total\":%llu,\"latency_avg_ms\":%.3f}",
		(unsigned long long) tl_metrics.requests, (unsigned long long) tl_metrics.responses_4xx,
		(unsigned long long) tl_metrics.responses_5xx,
		(unsigned long long) tl_metrics.points_received,
		(unsigned long long) tl_metrics.points_rejected,
		(unsigned long long) tl_metrics.event_requests, (unsigned long long) tl_metrics.copies,
		(unsigned long long) tl_metrics.copies_failed, (unsigned long long) tl_metrics.calls,
		answered > 0 ? (double) tl_metrics.latency_us / answered / 1000 : 0.0);
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
				  reported_port, detail);
	add_proxy_numbers(body, backend);
	tl_buf_add_text(body, "}}");
	answer.body = body->data;
	answer.len = body->len;
	tl_request_answer(request, &answer);
}

static void
health_on_end(const TlRpcResult *result, void *arg)
{
	TlRequest *request = arg;

	if (result->outcome == TL_PG_DONE)
		tl_request_relay(request, result);
	else
		health_answer_away(request, result->outcome == TL_PG_LOST ? "the database is away"
																  : "the database check failed");
	tl_request_end_wait(request);
}

static void
health_expire(TlRequest *request)
{
	health_answer_away(request, "the database does not answer");
}

static void
health_call(TlRequest *request, const TlBackend *backend, TlRpcName name)
{
	TlBuf *params = tl_request_scratch();

	reported_port = backend->report_port;
	request->expire = health_expire;
	request->timeout_ms = backend->config->health_timeout;
	if (tl_pool_is_away(backend->pool))
	{
		if (name == TL_RPC_HEALTH_DETAILED)
			detailed_answer_away(request, backend, "the database is away");
		else
			health_answer_away(request, "the database is away");
		return;
	}
	tl_buf_printf(params, "{\"port\":%u", backend->report_port);
	if (name == TL_RPC_HEALTH_DETAILED)
	{
		tl_buf_add_text(params, ",\"proxy\":");
		add_proxy_numbers(params, backend);
	}
	tl_buf_add_text(params, "}");
	request->waiting = true;
	tl_rpc_call(backend->rpc, name, params->data, params->len, NULL, 0, health_on_end, request);
}

void
tl_health(TlRequest *request, const TlBackend *backend)
{
	health_call(request, backend, TL_RPC_HEALTH);
}

void
tl_health_detailed(TlRequest *request, const TlBackend *backend)
{
	health_call(request, backend, TL_RPC_HEALTH_DETAILED);
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

	request->expire = receipt_expire;
	request->timeout_ms = backend->config->request_timeout;
	if (found < 0)
	{
		tl_request_refuse(request, 400, "malformed query parameter device_id");
		return;
	}
	if (tl_pool_is_away(backend->pool))
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
	tl_rpc_call(backend->rpc, TL_RPC_BATCH, params->data, params->len, NULL, 0, receipt_on_end,
				request);
}
