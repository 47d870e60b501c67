/*
 * http_answer.c
 *		Answers to requests: whole, or bit by bit; in gzip; or that the client has it already.
 *
 * The request leaves those in flight when its answer is given or begins.  Should its client have gone by
 * then, the answer is counted and dropped.
 */
#include "net/http_private.h"

#include "base/metrics.h"
#include "net/etag.h"
#include "routes/cors.h"
#include "routes/retry.h"

/* Bodies that are worth compressing, and do not keep the loop too long; parts of longer ones are always. */
#define GZIP_LEAST ((size_t) 1024)
#define GZIP_MOST ((size_t) 2 * 1024 * 1024)

/* What is kept of a buffer that one answer has made large. */
#define BUFFER_KEEP ((size_t) 1024 * 1024)

static void
count_answer(const HttpRequest *request, int status)
{
	tl_metrics.requests++;
	tl_latency_add(&tl_metrics.latency, tl_clock_us() - request->base.arrived_us);
	if (status >= 500)
		tl_metrics.responses_5xx++;
	else if (status >= 400)
		tl_metrics.responses_4xx++;
}

static const TlBuf *
http_fields(const HttpRequest *request, const TlAnswer *answer)
{
	TlHttp *http = request->http;

	http->fields.len = 0;
	tl_cors_add_headers(&request->base, http->backend->config, answer, &http->fields);
	return &http->fields;
}

static bool
is_read(const HttpRequest *request)
{
	return request->base.method == TL_METHOD_GET || request->base.method == TL_METHOD_HEAD;
}

/* Whether an answer goes in gzip to whoever takes that. */
static bool
answer_may_be_gzip(const HttpRequest *request, const TlAnswer *answer)
{
	return is_read(request) && tl_gzip_is_worth(answer->content_type != NULL ? answer->content_type
																			 : "application/json");
}

/* Takes the request out of those in flight.  False if there is nobody to answer. */
static bool
http_begin_answer(HttpRequest *request, int status)
{
	TlHttp *http = request->http;

	count_answer(request, status);
	TAILQ_REMOVE(&http->in_flight, request, link);
	request->close |= http->draining;
	http->head.len = 0;
	return request->client != NULL;
}

/*
 * The answer to somebody who has one with this tag already: that it is so.  What is asked for with GET is
 * meant, and found.
 */
static bool
answer_is_known(const HttpRequest *request, const TlAnswer *answer, char tag[TL_ETAG_SIZE])
{
	if (answer->status != 200 || answer->len > GZIP_MOST || !is_read(request))
	{
		tag[0] = '\0';
		return false;
	}
	tl_etag_make(answer->body, answer->len, tag);
	return request->if_none_match != NULL && tl_etag_is_named(request->if_none_match, tag);
}

void
http_answer(TlRequest *base, const TlAnswer *answer)
{
	HttpRequest *request = (HttpRequest *) base;
	TlHttp *http = request->http;
	char tag[TL_ETAG_SIZE];
	TlAnswer sent = *answer;
	TlHeadOptions options = {.old = request->old};

	tl_metrics.in_flight--;
	if (!http_begin_answer(request, answer->status))
		return;
	options.varies = answer->len >= GZIP_LEAST && answer->len <= GZIP_MOST &&
					 answer_may_be_gzip(request, answer);
	if (answer_is_known(request, answer, tag))
	{
		sent.status = 304;
		sent.len = 0;
	}
	else
		options.gzip = options.varies && request->takes_gzip;
	if (options.gzip)
	{
		TlGzip *gzip = tl_gzip_open();

		tl_buf_reset(&http->body, BUFFER_KEEP);
		tl_gzip_add(gzip, answer->body, answer->len, &http->body);
		tl_gzip_end(gzip, &http->body);
		tl_gzip_close(gzip);
		sent.body = http->body.data;
		sent.len = http->body.len;
	}
	options.close = request->close;
	options.framing = tl_http_status_has_body(sent.status) ? TL_FRAMING_LENGTH : TL_FRAMING_NONE;
	options.len = sent.len;
	options.etag = tag[0] != '\0' ? tag : NULL;
	options.fields = http_fields(request, &sent);
	tl_http_compose_head(&http->head, &sent, &options);
	tl_client_answer(
		request->client, http->head.data, http->head.len, sent.body,
		base->method != TL_METHOD_HEAD && tl_http_status_has_body(sent.status) ? sent.len : 0,
		request->close);
	request->client = NULL;
}

void
http_begin(TlRequest *base, const TlAnswer *answer)
{
	HttpRequest *request = (HttpRequest *) base;
	TlHttp *http = request->http;
	bool gzip = answer_may_be_gzip(request, answer);
	TlHeadOptions options = {.old = request->old, .varies = gzip};
	bool is_wanted = http_begin_answer(request, answer->status);

	TAILQ_INSERT_TAIL(&http->streaming, request, link);
	tl_metrics.exports++;
	if (!is_wanted)
		return;
	options.gzip = gzip && request->takes_gzip;
	if (base->method == TL_METHOD_HEAD || !tl_http_status_has_body(answer->status))
		options.framing = TL_FRAMING_NONE;
	else
	{
		options.framing = request->old ? TL_FRAMING_CLOSE : TL_FRAMING_CHUNKED;
		request->gzip = options.gzip ? tl_gzip_open() : NULL;
	}
	request->close |= options.framing == TL_FRAMING_CLOSE;
	request->framing = options.framing;
	options.close = request->close;
	options.fields = http_fields(request, answer);
	tl_http_compose_head(&http->head, answer, &options);
	tl_client_begin(request->client, http->head.data, http->head.len, request->close);
}

/* Sends a piece of a body, as it is to go over the wire. */
static void
http_send_piece(HttpRequest *request, const char *data, size_t len)
{
	char size[20];
	struct iovec parts[] = {
		{size, 0},
		{(void *) data, len},
		{(void *) "\r\n", 2},
	};

	if (len == 0)
		return;
	if (request->framing == TL_FRAMING_CHUNKED)
	{
		parts[0].iov_len = (size_t) snprintf(size, sizeof(size), "%zx\r\n", len);
		tl_client_write(request->client, parts, 3);
	}
	else if (request->framing == TL_FRAMING_CLOSE)
		tl_client_write(request->client, &parts[1], 1);
}

bool
http_write(TlRequest *base, const char *data, size_t len, size_t mark)
{
	HttpRequest *request = (HttpRequest *) base;
	TlHttp *http = request->http;

	if (request->client == NULL)
		return true;
	if (request->gzip != NULL)
	{
		tl_buf_reset(&http->body, BUFFER_KEEP);
		tl_gzip_add(request->gzip, data, len, &http->body);
		data = http->body.data;
		len = http->body.len;
	}
	http_send_piece(request, data, len);
	return !tl_client_is_behind(request->client, mark);
}

/* What is left in the compressor, and the last chunk. */
static void
http_send_end(HttpRequest *request)
{
	static const struct iovec last_chunk = {(void *) "0\r\n\r\n", 5};
	TlHttp *http = request->http;

	if (request->gzip != NULL)
	{
		tl_buf_reset(&http->body, BUFFER_KEEP);
		tl_gzip_end(request->gzip, &http->body);
		http_send_piece(request, http->body.data, http->body.len);
	}
	if (request->framing == TL_FRAMING_CHUNKED)
		tl_client_write(request->client, &last_chunk, 1);
}

void
http_end(TlRequest *base, bool complete)
{
	HttpRequest *request = (HttpRequest *) base;
	TlClient *client = request->client;

	if (client != NULL && complete)
		http_send_end(request);
	tl_gzip_close(request->gzip);
	request->gzip = NULL;
	TAILQ_REMOVE(&request->http->streaming, request, link);
	tl_metrics.exports--;
	tl_metrics.in_flight--;
	request->client = NULL;
	if (client != NULL && complete)
		tl_client_end(client);
	else if (client != NULL)
		tl_client_abort(client);
}

void
http_on_caught_up(void *request, void *arg)
{
	TlRequest *base = request;

	(void) arg;
	base->on_caught_up(base);
}

/* What is no request is answered, too. */
void
http_on_refusal(int status, const char *why, bool head, TlBuf *out, void *arg)
{
	TlAnswer answer = {.status = status, .retry_after = tl_retry_after(status)};

	(void) arg;
	tl_metrics.requests++;
	if (status >= 500)
		tl_metrics.responses_5xx++;
	else
		tl_metrics.responses_4xx++;
	answer.len = strlen("{\"detail\":\"\"}") + strlen(why);
	tl_http_compose_head(out, &answer, &(TlHeadOptions){.len = answer.len, .close = true});
	if (!head)
		tl_buf_printf(out, "{\"detail\":\"%s\"}", why);
}
