/*
 * http.c
 *		The HTTP server: libevent's evhttp with limits, time-outs and JSON errors.
 *
 * A request is ours from evhttp's callback until its answer is sent; evhttp frees its own
 * half when the answer has gone out.  While the request is ours evhttp does not read from
 * the connection, so a client that leaves is noticed only when its answer cannot be written;
 * should the connection still go first, evhttp takes it off its half, and sending the answer
 * then only frees that.
 */
#include "net/http.h"

#include "base/log.h"
#include "base/metrics.h"
#include "net/client.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>

#define LISTEN_BACKLOG 1024

/* Requests kept for reuse. */
#define SPARE_REQUESTS 1024

/* Looks after time limits, some of which are as short as 10 ms. */
#define TICK_US 50000

typedef struct HttpRequest
{
	TlRequest base; /* first: a request is its HTTP request */
	TlHttp *http;
	struct evhttp_request *half; /* evhttp's, until answered */
	TlClient *client;			 /* NULL once it has gone */
	bool close;
	TAILQ_ENTRY(HttpRequest) link; /* of those in flight, or spare */
} HttpRequest;

TAILQ_HEAD(RequestList, HttpRequest);

struct TlHttp
{
	struct event_base *base;
	const TlBackend *backend;
	struct evhttp *server;
	TlClientTable *clients;
	struct evhttp_bound_socket *sockets[TL_ADDRESSES_MAX];
	size_t socket_count;
	bool accepting;
	bool stalled; /* accepting fails for now */
	struct event *tick;
	struct RequestList in_flight;
	struct RequestList spares;
	size_t spare_count;
	bool in_callback; /* evhttp waits for us to return */
	bool draining;
	void (*on_drained)(void *arg);
	void *on_drained_arg;
};

static const char *
reason_phrase(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 201:
			return "Created";
		case 202:
			return "Accepted";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 409:
			return "Conflict";
		case 413:
			return "Content Too Large";
		case 415:
			return "Unsupported Media Type";
		case 422:
			return "Unprocessable Content";
		case 429:
			return "Too Many Requests";
		case 500:
			return "Internal Server Error";
		case 503:
			return "Service Unavailable";
		default:
			return "Status";
	}
}

static void
http_release(TlRequest *base)
{
	HttpRequest *request = (HttpRequest *) base;
	TlHttp *http = request->http;

	if (http->spare_count == SPARE_REQUESTS)
	{
		free(request);
		return;
	}
	TAILQ_INSERT_HEAD(&http->spares, request, link);
	http->spare_count++;
}

static void
http_on_gone(void *arg)
{
	HttpRequest *request = arg;

	request->client = NULL;
}

static void
http_on_written(struct evhttp_request *half, void *arg)
{
	(void) half;
	tl_client_end_writing(arg);
}

static void
count_answer(const HttpRequest *request, int status)
{
	tl_metrics.requests++;
	tl_metrics.in_flight--;
	tl_metrics.latency_us += tl_clock_us() - request->base.arrived_us;
	if (status >= 500)
		tl_metrics.responses_5xx++;
	else if (status >= 400)
		tl_metrics.responses_4xx++;
}

static void
http_answer(TlRequest *base, const TlAnswer *answer)
{
	HttpRequest *request = (HttpRequest *) base;
	struct evhttp_request *half = request->half;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(half);
	TlHttp *http = request->http;
	TlClient *client = request->client;
	char number[24];

	count_answer(request, answer->status);
	TAILQ_REMOVE(&http->in_flight, request, link);
	request->half = NULL;

	evhttp_add_header(headers, "Content-Type",
					  answer->content_type != NULL ? answer->content_type : "application/json");
	snprintf(number, sizeof(number), "%zu", answer->len);
	evhttp_add_header(headers, "Content-Length", number);
	if (answer->allow != NULL)
		evhttp_add_header(headers, "Allow", answer->allow);
	if (answer->file_name != NULL)
	{
		char disposition[TL_FILE_NAME_MAX + 32];

		snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"",
				 answer->file_name);
		evhttp_add_header(headers, "Content-Disposition", disposition);
	}
	if (answer->retry_after > 0)
	{
		snprintf(number, sizeof(number), "%u", answer->retry_after);
		evhttp_add_header(headers, "Retry-After", number);
	}
	if (request->close || http->draining)
		evhttp_add_header(headers, "Connection", "close");
	if (base->method != TL_METHOD_HEAD)
		evbuffer_add(evhttp_request_get_output_buffer(half), answer->body, answer->len);

	if (client != NULL)
	{
		evhttp_request_set_on_complete_cb(half, http_on_written, client);
		tl_client_begin_writing(client);
	}
	evhttp_send_reply(half, answer->status, reason_phrase(answer->status), NULL);
	if (client != NULL && !http->in_callback)
		tl_client_flush(client);
}

static TlMethod
method_of(struct evhttp_request *half)
{
	switch (evhttp_request_get_command(half))
	{
		case EVHTTP_REQ_GET:
			return TL_METHOD_GET;
		case EVHTTP_REQ_HEAD:
			return TL_METHOD_HEAD;
		case EVHTTP_REQ_POST:
			return TL_METHOD_POST;
		default:
			return TL_METHOD_OTHER;
	}
}

/*
 * Picks the headers that matter.  False if two readers could disagree about where the body
 * ends: evhttp knows chunked or one length, and takes anything else for no body at all.
 */
static bool
read_headers(HttpRequest *request)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request->half);
	const char *length = NULL;
	const char *transfer = NULL;
	struct evkeyval *header;

	for (header = TAILQ_FIRST(headers); header != NULL; header = TAILQ_NEXT(header, next))
	{
		switch (strlen(header->key))
		{
			case 9:
				if (strcasecmp(header->key, "X-User-Id") == 0)
					request->base.user_id = header->value;
				break;
			case 10:
				if (strcasecmp(header->key, "User-Agent") == 0)
					request->base.user_agent = header->value;
				break;
			case 11:
				if (strcasecmp(header->key, "X-Device-Id") == 0)
					request->base.device_id = header->value;
				else if (strcasecmp(header->key, "traceparent") == 0)
					request->base.traceparent = header->value;
				break;
			case 12:
				if (strcasecmp(header->key, "Content-Type") == 0)
					request->base.content_type = header->value;
				break;
			case 14:
				if (strcasecmp(header->key, "Content-Length") == 0)
				{
					if (length != NULL && strcmp(length, header->value) != 0)
						return false;
					length = header->value;
				}
				break;
			case 16:
				if (strcasecmp(header->key, "Content-Encoding") == 0)
					request->base.content_encoding = header->value;
				else if (strcasecmp(header->key, "X-Correlation-Id") == 0)
					request->base.correlation_id = header->value;
				break;
			case 17:
				if (strcasecmp(header->key, "Transfer-Encoding") == 0)
				{
					if (transfer != NULL)
						return false;
					transfer = header->value;
				}
				break;
		}
	}
	if (transfer != NULL && (length != NULL || strcasecmp(transfer, "chunked") != 0))
		return false;

	/* strtoll, which evhttp reads lengths with, also takes signs and spaces. */
	return length == NULL || length[strspn(length, "0123456789")] == '\0';
}

static HttpRequest *
http_take_request(TlHttp *http)
{
	HttpRequest *request = TAILQ_FIRST(&http->spares);

	if (request != NULL)
	{
		TAILQ_REMOVE(&http->spares, request, link);
		http->spare_count--;
	}
	else
		request = malloc(sizeof(*request));
	if (request == NULL)
		tl_log_die("out of memory");
	*request = (HttpRequest){
		.base = {.answer = http_answer, .release = http_release},
		.http = http,
	};
	return request;
}

/* Sends a request to its endpoint, or refuses it here. */
static void
http_handle(HttpRequest *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request->half);
	struct evbuffer *input = evhttp_request_get_input_buffer(request->half);
	TlRequest *base = &request->base;

	if (!read_headers(request))
	{
		request->close = true;
		tl_request_refuse(base, 400, "ambiguous body length");
		return;
	}
	base->path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	base->query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	if (base->path == NULL)
	{
		request->close = true;
		tl_request_refuse(base, 400, "malformed path");
		return;
	}
	base->body_len = evbuffer_get_length(input);
	if (base->body_len > 0)
		base->body = (const char *) evbuffer_pullup(input, -1);
	tl_route_handle(base, request->http->backend);
}

static void
http_on_request(struct evhttp_request *half, void *arg)
{
	TlHttp *http = arg;
	HttpRequest *request = http_take_request(http);

	request->half = half;
	request->client = tl_client_find(http->clients, evhttp_request_get_connection(half));
	request->base.arrived_us = tl_clock_us();
	request->base.method = method_of(half);
	tl_client_begin_handling(request->client, http_on_gone, request);
	TAILQ_INSERT_TAIL(&http->in_flight, request, link);
	tl_metrics.in_flight++;

	/* An answer given at once must not be flushed at once: evhttp still uses the connection. */
	http->in_callback = true;
	http_handle(request);
	http->in_callback = false;
}

static void
http_set_accepting(TlHttp *http, bool accepting)
{
	if (http->accepting == accepting)
		return;
	http->accepting = accepting;
	for (size_t i = 0; i < http->socket_count; i++)
	{
		struct evconnlistener *listener = evhttp_bound_socket_get_listener(http->sockets[i]);

		if (accepting)
			evconnlistener_enable(listener);
		else
			evconnlistener_disable(listener);
	}
}

static void
http_on_clients(TlClientTable *clients, void *arg)
{
	TlHttp *http = arg;
	unsigned int count = tl_clients_count(clients);

	if (!http->draining)
		http_set_accepting(http, !http->stalled &&
									 count < (unsigned int) http->backend->config->max_connections);
	else if (count == 0 && http->on_drained != NULL)
		http->on_drained(http->on_drained_arg);
}

static void
http_on_accept_error(struct evconnlistener *listener, void *arg)
{
	TlHttp *http = arg;

	(void) listener;
	tl_log(TL_LOG_ERROR, "could not accept a connection: %s", strerror(errno));

	/* Most likely out of descriptors; the next tick tries again. */
	http->stalled = true;
	http_set_accepting(http, false);
}

static void
http_expire_requests(TlHttp *http, uint64_t now)
{
	HttpRequest *request = TAILQ_FIRST(&http->in_flight);

	while (request != NULL)
	{
		HttpRequest *next = TAILQ_NEXT(request, link);

		if (now - request->base.arrived_us > (uint64_t) request->base.timeout_ms * 1000)
			request->base.expire(&request->base);
		request = next;
	}
}

static void
http_on_tick(evutil_socket_t fd, short what, void *arg)
{
	TlHttp *http = arg;
	uint64_t now = tl_clock_us();

	(void) fd;
	(void) what;
	tl_clients_tick(http->clients, now);
	http_expire_requests(http, now);
	if (http->stalled)
	{
		http->stalled = false;
		http_on_clients(http->clients, http);
	}
}

static bool
http_listen(TlHttp *http, const TlAddressList *addresses)
{
	unsigned int flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;

	if (http->backend->config->reuse_port)
		flags |= LEV_OPT_REUSEABLE_PORT;
	for (size_t i = 0; i < addresses->count; i++)
	{
		const TlAddress *address = &addresses->items[i];
		unsigned int family_flags =
			address->socket.ss_family == AF_INET6 ? LEV_OPT_BIND_IPV6ONLY : 0;
		struct evconnlistener *listener =
			evconnlistener_new_bind(http->base, NULL, NULL, flags | family_flags, LISTEN_BACKLOG,
									(const struct sockaddr *) &address->socket, (int) address->len);
		struct evhttp_bound_socket *bound;

		if (listener == NULL)
		{
			tl_log(TL_LOG_ERROR, "could not listen on %s: %s", address->text, strerror(errno));
			return false;
		}
		bound = evhttp_bind_listener(http->server, listener);
		if (bound == NULL)
			tl_log_die("out of memory");
		evconnlistener_set_error_cb(listener, http_on_accept_error);
		http->sockets[http->socket_count++] = bound;
		tl_log(TL_LOG_INFO, "listening on %s", address->text);
	}
	return true;
}

TlHttp *
tl_http_open(struct event_base *base, const TlBackend *backend, const TlAddressList *addresses)
{
	TlHttp *http = calloc(1, sizeof(*http));
	struct timeval tick = {.tv_usec = TICK_US};

	if (http == NULL)
		tl_log_die("out of memory");
	http->base = base;
	http->backend = backend;
	http->accepting = true;
	TAILQ_INIT(&http->in_flight);
	TAILQ_INIT(&http->spares);
	http->clients = tl_clients_open(base, backend->config, http_on_clients, http);
	http->server = evhttp_new(base);
	http->tick = event_new(base, -1, EV_PERSIST, http_on_tick, http);
	if (http->server == NULL || http->tick == NULL)
		tl_log_die("out of memory");
	event_add(http->tick, &tick);

	/* All methods: what a path does not know it answers itself. */
	evhttp_set_allowed_methods(http->server, 0xffff);
	evhttp_set_max_headers_size(http->server, (ev_ssize_t) backend->config->max_headers);
	evhttp_set_max_body_size(http->server, (ev_ssize_t) backend->config->max_body);
	evhttp_set_gencb(http->server, http_on_request, http);
	evhttp_set_bevcb(http->server, tl_client_accept, http->clients);
	if (!http_listen(http, addresses))
	{
		tl_http_close(http);
		return NULL;
	}
	return http;
}

void
tl_http_drain(TlHttp *http, void (*on_drained)(void *arg), void *arg)
{
	if (http->draining)
		return;
	http->draining = true;
	http->on_drained = on_drained;
	http->on_drained_arg = arg;
	for (size_t i = 0; i < http->socket_count; i++)
		evhttp_del_accept_socket(http->server, http->sockets[i]);
	http->socket_count = 0;
	tl_clients_drain(http->clients);
	http_on_clients(http->clients, http);
}

void
tl_http_abandon(TlHttp *http)
{
	HttpRequest *request;

	while ((request = TAILQ_FIRST(&http->in_flight)) != NULL)
		request->base.expire(&request->base);
}

void
tl_http_close(TlHttp *http)
{
	HttpRequest *request;

	http->draining = true;
	http->on_drained = NULL;
	evhttp_free(http->server);
	tl_clients_close(http->clients);
	event_free(http->tick);
	while ((request = TAILQ_FIRST(&http->spares)) != NULL)
	{
		TAILQ_REMOVE(&http->spares, request, link);
		free(request);
	}
	free(http);
}
