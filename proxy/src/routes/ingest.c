/*
 * ingest.c
 *		The endpoints that store points.
 *
 * A body of plain points becomes rows of the lane's open group while it is read; any other
 * body goes to telemetry.http_ingest() as it is.  The body itself is not kept, unless it is large.
 */
#include "routes/ingest.h"

#include "base/log.h"
#include "base/metrics.h"
#include "routes/body.h"
#include "routes/idempotency.h"
#include "routes/reply.h"

#include <stddef.h>
#include <stdlib.h>

/* Positions in /api/v1/telemetry/devices/{device_id}/... */
#define SEGMENT_DEVICE 4

static TlRequest *
entry_request(TlGroupEntry *entry)
{
	return (TlRequest *) ((char *) entry - offsetof(TlRequest, entry));
}

static void
ingest_on_rows_end(TlGroupEntry *entry, const TlGroupResult *result)
{
	TlRequest *request = entry_request(entry);
	TlBuf *body;
	TlAnswer answer = {.status = 200};

	if (request->answered)
	{
		tl_request_end_wait(request);
		return;
	}
	if (result->outcome != TL_PG_DONE)
		tl_request_fail(request, result->outcome, result->error);
	else if (request->kind == TL_BODY_SINGLE && result->reject_count > 0)
		tl_request_refuse(request, 422, result->rejects[0].message);
	else
	{
		body = tl_request_scratch();
		switch (request->kind)
		{
			case TL_BODY_SINGLE:
				tl_reply_single(body, entry, result);
				break;
			case TL_BODY_BATCH:
				tl_reply_batch(body, entry, result);
				break;
			case TL_BODY_BULK:
				tl_reply_bulk(body, entry, result, request->devices, request->device_count);
				break;
		}
		answer.body = body->data;
		answer.len = body->len;
		tl_request_answer(request, &answer);
	}
	tl_request_end_wait(request);
}

/* The sum of a member of the extension's answer, which a bulk body has for each device; no text has it so. */
static uint64_t
sum_member(const TlRpcResult *result, const char *name)
{
	const char *end = result->body + result->len;
	const char *p = result->body;
	size_t len = strlen(name);
	uint64_t sum = 0;

	while ((p = memmem(p, (size_t) (end - p), name, len)) != NULL)
	{
		uint64_t number = 0;

		for (p += len; p < end && *p >= '0' && *p <= '9'; p++)
			number = number * 10 + (uint64_t) (*p - '0');
		sum += number;
	}
	return sum;
}

static void
ingest_on_call_end(const TlRpcResult *result, void *arg)
{
	TlRequest *request = arg;

	/* A repeated batch counts again, as repeated points do. */
	if (result->outcome == TL_PG_DONE && request->kind != TL_BODY_SINGLE)
	{
		tl_metrics.points_received += sum_member(result, "\"total_count\": ");
		tl_metrics.points_rejected += sum_member(result, "\"failed_count\": ");
	}
	else if (result->outcome == TL_PG_DONE)
	{
		tl_metrics.points_received++;
		tl_metrics.points_rejected += result->status != 200;
	}
	tl_request_relay(request, result);
	tl_request_end_wait(request);
}

static void
ingest_call(TlRequest *request, const TlBackend *backend, const TlSegment *device, const char *key,
			const char *body, size_t len)
{
	static const char *const kinds[] = {
		[TL_BODY_SINGLE] = "single",
		[TL_BODY_BATCH] = "batch",
		[TL_BODY_BULK] = "bulk",
	};
	TlBuf *params = tl_request_scratch();

	tl_buf_printf(params, "{\"kind\":\"%s\"", kinds[request->kind]);
	if (request->kind != TL_BODY_BULK)
	{
		tl_buf_add_text(params, ",\"device_id\":");
		tl_buf_add_json_string(params, device->text, device->len);
	}
	if (key[0] != '\0')
	{
		tl_buf_add_text(params, ",\"idempotency_key\":");
		tl_buf_add_json_string(params, key, strlen(key));
	}
	tl_buf_add_text(params, "}");
	request->waiting = true;
	request->call = tl_rpc_call(backend->ingest.rpc, TL_RPC_INGEST, params->data, params->len, body,
								len, tl_request_deadline_us(request), ingest_on_call_end, request);
}

static void
ingest_expire(TlRequest *request)
{
	tl_request_refuse(request, 503, "not confirmed by the database in time; retry");
}

/* Goes on with what a body was decoded to; rows are in the lane's open group. */
static void
ingest_take(TlRequest *request, const TlBackend *backend, TlDecoded *decoded,
			const TlSegment *device, const char *key, const char *body, size_t len)
{
	/* Batches that have a name have receipts, which are the extension's. */
	if (decoded->verdict == TL_DECODE_ROWS && key[0] != '\0' && request->kind != TL_BODY_SINGLE)
	{
		free(decoded->devices);
		decoded->verdict = TL_DECODE_ODD;
	}
	switch (decoded->verdict)
	{
		case TL_DECODE_ROWS:
			request->entry.on_end = ingest_on_rows_end;
			request->entry.deadline_us = tl_request_deadline_us(request);
			request->devices = decoded->devices;
			request->device_count = decoded->device_count;
			request->waiting = true;
			tl_group_commit(backend->points, &request->entry, decoded->rows);
			break;
		case TL_DECODE_ODD:
			tl_group_abort(backend->points);
			ingest_call(request, backend, device, key, body, len);
			break;
		case TL_DECODE_REFUSED:
			tl_group_abort(backend->points);
			tl_request_refuse(request, decoded->status, decoded->detail);
			break;
	}
}

/* A large body, and what has to be known of the request when it has been read. */
typedef struct IngestWork
{
	TlBodyWork base; /* first: the work is its body's */
	TlBodyKind kind;
	unsigned int max_depth;
	TlSegment device; /* its text is the work's own */
	char key[TL_IDEMPOTENCY_KEY_MAX + 1];
	TlBuf rows;
	TlDecoded decoded;
} IngestWork;

static void
ingest_work_read(TlBodyWork *base)
{
	IngestWork *work = (IngestWork *) base;

	tl_decode_body(work->kind, base->body, base->len, work->device.text, work->device.len,
				   work->max_depth, &work->rows, &work->decoded);
}

static void
ingest_work_end(TlBodyWork *base)
{
	IngestWork *work = (IngestWork *) base;
	TlBuf *rows = tl_group_begin(base->backend->points);

	tl_buf_add(rows, work->rows.data, work->rows.len);
	ingest_take(base->request, base->backend, &work->decoded, &work->device, work->key, base->body,
				base->len);
	work->decoded.devices = NULL;
}

static void
ingest_work_free(TlBodyWork *base)
{
	IngestWork *work = (IngestWork *) base;

	free((char *) work->device.text);
	free(work->decoded.devices);
	tl_buf_free(&work->rows);
	free(work);
}

static void
ingest_large(TlRequest *request, const TlBackend *backend, const char *key)
{
	const TlSegment *device = &request->segments[SEGMENT_DEVICE];
	IngestWork *work = calloc(1, sizeof(*work));

	if (work == NULL)
		tl_log_die("out of memory");
	work->base.read = ingest_work_read;
	work->base.end = ingest_work_end;
	work->base.free = ingest_work_free;
	work->kind = request->kind;
	work->max_depth = (unsigned int) backend->config->json_depth;
	if (request->kind != TL_BODY_BULK)
	{
		work->device = (TlSegment){strndup(device->text, device->len), device->len};
		if (work->device.text == NULL)
			tl_log_die("out of memory");
	}
	snprintf(work->key, sizeof(work->key), "%s", key);
	tl_body_work_begin(&work->base, request, backend);
}

static void
ingest(TlRequest *request, const TlBackend *backend, TlBodyKind kind)
{
	const TlSegment *device = &request->segments[SEGMENT_DEVICE];
	TlDecoded decoded;
	const char *body;
	const char *key;
	size_t len;

	request->kind = kind;
	request->expire = ingest_expire;
	request->timeout_ms = backend->config->request_timeout;
	if (tl_pool_is_away(backend->ingest.pool))
	{
		tl_request_refuse(request, 503, "the database is away; retry");
		return;
	}
	if (tl_backend_pending_bytes(backend, &backend->ingest) > (size_t) backend->config->max_pending)
	{
		tl_request_refuse(request, 503, "too much is waiting for the database; retry");
		return;
	}
	if ((key = tl_request_idempotency_key(request)) == NULL)
		return;
	switch (tl_body_read(request, backend->config, &body, &len))
	{
		case TL_BODY_REFUSED:
			break;
		case TL_BODY_READ:
			tl_decode_body(kind, body, len, device->text, device->len,
						   (unsigned int) backend->config->json_depth,
						   tl_group_begin(backend->points), &decoded);
			ingest_take(request, backend, &decoded, device, key, body, len);
			break;
		case TL_BODY_LARGE:
			ingest_large(request, backend, key);
			break;
	}
}

void
tl_ingest_single(TlRequest *request, const TlBackend *backend)
{
	ingest(request, backend, TL_BODY_SINGLE);
}

void
tl_ingest_batch(TlRequest *request, const TlBackend *backend)
{
	ingest(request, backend, TL_BODY_BATCH);
}

void
tl_ingest_bulk(TlRequest *request, const TlBackend *backend)
{
	ingest(request, backend, TL_BODY_BULK);
}
