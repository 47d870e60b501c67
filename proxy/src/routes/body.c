/*
 * body.c
 *		The JSON text that a request brings.
 */
#include "routes/body.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define INFLATED_KEEP ((size_t) 1024 * 1024)

/* A longer text is large: reading this much takes some milliseconds. */
#define LARGE ((size_t) 1024 * 1024)

static TlBuf inflated; /* the body being read, decompressed */
static size_t pending_bytes;

void
tl_body_shutdown(void)
{
	tl_buf_free(&inflated);
}

/* Of a Content-Type, without its parameters. */
static bool
media_type_is(const char *type, const char *name)
{
	size_t len = strcspn(type, "; \t");

	return len == strlen(name) && strncasecmp(type, name, len) == 0;
}

static bool
content_type_is_json(const char *type)
{
	static const char suffix[] = "+json";
	size_t len;

	if (type == NULL || media_type_is(type, "application/json"))
		return true;

	/* application/vnd.example+json, application/cloudevents+json: RFC 6839. */
	len = strcspn(type, "; \t");
	return memchr(type, '/', len) != NULL && len > sizeof(suffix) - 1 &&
		   strncasecmp(type + len - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0;
}

bool
tl_body_is_plain_text(const TlRequest *request)
{
	return request->content_type != NULL && media_type_is(request->content_type, "text/plain");
}

/* How a body is compressed, by its header or its first bytes. */
static TlEncoding
body_encoding(const TlRequest *request)
{
	TlEncoding encoding = TL_ENCODING_IDENTITY;

	if (request->content_encoding != NULL)
		encoding = tl_encoding_by_name(request->content_encoding);
	if (encoding == TL_ENCODING_IDENTITY)
		encoding = tl_encoding_detect(request->body, request->body_len);
	return encoding;
}

static void
refuse_inflated(TlRequest *request, TlEncoding encoding, TlInflateResult result, size_t max)
{
	static const char *const corrupt[] = {
		[TL_ENCODING_GZIP] = "the body is not valid gzip",
		[TL_ENCODING_DEFLATE] = "the body is not valid deflate",
		[TL_ENCODING_LZ4] = "the body is not a valid lz4 frame",
		[TL_ENCODING_ZSTD] = "the body is not a valid zstd frame",
	};

	char too_large[100];

	if (result == TL_INFLATE_CORRUPT)
	{
		tl_request_refuse(request, 400, corrupt[encoding]);
		return;
	}
	snprintf(too_large, sizeof(too_large),
			 "the decompressed body is too large: max-decompressed is %zu bytes", max);
	tl_request_refuse(request, 413, too_large);
}

/* Decompresses a body that comes compressed, if it is not large. */
static TlBodyState
read_compressed(TlRequest *request, const TlConfig *config, TlEncoding encoding)
{
	size_t max = (size_t) config->max_decompressed;
	TlInflateResult result;

	tl_buf_reset(&inflated, INFLATED_KEEP);
	result = tl_inflate(encoding, request->body, request->body_len, max < LARGE ? max : LARGE,
						&inflated);
	if (result == TL_INFLATE_OK)
		return TL_BODY_READ;
	if (result == TL_INFLATE_TOO_LARGE && max > LARGE)
		return TL_BODY_LARGE;
	refuse_inflated(request, encoding, result, max);
	return TL_BODY_REFUSED;
}

TlBodyState
tl_body_read(TlRequest *request, const TlConfig *config, const char **body, size_t *len)
{
	TlEncoding encoding;
	TlBodyState state;

	if (!content_type_is_json(request->content_type) &&
		!(request->takes_text && tl_body_is_plain_text(request)))
	{
		tl_request_refuse(request, 415, "Content-Type must be application/json");
		return TL_BODY_REFUSED;
	}
	encoding = body_encoding(request);
	if (encoding == TL_ENCODING_UNKNOWN)
	{
		tl_request_refuse(request, 415, "Content-Encoding must be gzip, deflate, lz4 or zstd");
		return TL_BODY_REFUSED;
	}
	if (request->body_len == 0)
	{
		tl_request_refuse(request, 400, "the body is empty");
		return TL_BODY_REFUSED;
	}
	if (encoding == TL_ENCODING_IDENTITY)
	{
		*body = request->body;
		*len = request->body_len;
		return request->body_len > LARGE ? TL_BODY_LARGE : TL_BODY_READ;
	}
	state = read_compressed(request, config, encoding);
	*body = inflated.data;
	*len = inflated.len;
	return state;
}

/* Large bodies ---------------------------------------------------------------------------- */

static void
body_work_run(TlWork *base)
{
	TlBodyWork *work = (TlBodyWork *) base;

	if (atomic_load(&work->is_unwanted))
		return;
	work->body = work->raw;
	work->len = work->raw_len;
	if (work->encoding != TL_ENCODING_IDENTITY)
	{
		work->result =
			tl_inflate(work->encoding, work->raw, work->raw_len, work->max, &work->inflated);
		work->body = work->inflated.data;
		work->len = work->inflated.len;
	}
	if (work->result == TL_INFLATE_OK)
		work->read(work);
}

static void
body_work_on_end(TlWork *base)
{
	TlBodyWork *work = (TlBodyWork *) base;
	TlRequest *request = work->request;

	pending_bytes -= work->raw_len;
	request->reading = NULL;
	request->waiting = false;
	if (request->answered)
		tl_request_end_wait(request);
	else if (request->given_up)
		request->expire(request);
	else if (tl_backend_pending_bytes(work->backend, &work->backend->ingest) >
			 (size_t) work->backend->config->max_pending)
		/* Decompressed, it is more than it was. */
		tl_request_refuse(request, 503, "too much is waiting for the database; retry");
	else if (work->result != TL_INFLATE_OK)
		refuse_inflated(request, work->encoding, work->result, work->max);
	else
		work->end(work);
	free(work->raw);
	tl_buf_free(&work->inflated);
	work->free(work);
}

void
tl_body_work_begin(TlBodyWork *work, TlRequest *request, const TlBackend *backend)
{
	work->work.run = body_work_run;
	work->work.on_end = body_work_on_end;
	work->request = request;
	work->backend = backend;
	work->raw = malloc(request->body_len);
	if (work->raw == NULL)
		tl_log_die("out of memory");
	memcpy(work->raw, request->body, request->body_len);
	work->raw_len = request->body_len;
	work->encoding = body_encoding(request);
	work->max = (size_t) backend->config->max_decompressed;
	work->result = TL_INFLATE_OK;
	pending_bytes += work->raw_len;
	request->reading = work;
	request->waiting = true;
	tl_worker_add(backend->worker, &work->work);
}

void
tl_body_work_give_up(TlBodyWork *work)
{
	atomic_store(&work->is_unwanted, true);
}

size_t
tl_body_pending_bytes(void)
{
	return pending_bytes;
}
