/*
 * http.c
 *		The HTTP server: requests of clients to endpoints, answers of endpoints to clients.
 *
 * A request is ours from the moment it has come whole until its answer is given.  Should its client go
 * first, the answer is counted and dropped.
 */
#include "net/http.h"

#include "base/log.h"
#include "base/metrics.h"
#include "net/client.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

#define LISTEN_BACKLOG 1024

/* Requests kept for reuse. */
#define SPARE_REQUESTS 1024

/* Looks after time limits, some of which are as short as 10 ms. */
#define TICK_US 50000

/* Of the text of a Date header, RFC 9110, 5.6.7. */
#define DATE_SIZE 32

typedef struct HttpRequest
{
	TlRequest base; /* first: a request is its HTTP request */
	TlHttp *http;
	TlClient *client; /* NULL once it has gone */
	bool old;		  /* HTTP/1.0 */
	bool close;
	TAILQ_ENTRY(HttpRequest) link; /* of those in flight, or spare */
} HttpRequest;

TAILQ_HEAD(RequestList, HttpRequest);

struct TlHttp
{
	struct event_base *base;
	const TlBackend *backend;
	TlClientTable *clients;
	struct evconnlistener *listeners[TL_ADDRESSES_MAX];
	size_t listener_count;
	bool stalled; /* accepting fails for now */
	struct event *tick;
	struct RequestList in_flight;
	struct RequestList spares;
	size_t spare_count;
	TlBuf head; /* of the answer being sent */
	time_t date_of;
	char date[DATE_SIZE];
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
		case 408:
			return "Request Timeout";
		case 409:
			return "Conflict";
		case 413:
			return "Content Too Large";
		case 414:
			return "URI Too Long";
		case 415:
			return "Unsupported Media Type";
		case 417:
			return "Expectation Failed";
		case 422:
			return "Unprocessable Content";
		case 429:
			return "Too Many Requests";
		case 431:
			return "Request Header Fields Too Large";
		case 500:
			return "Internal Server Error";
		case 501:
			return "Not Implemented";
		case 503:
			return "Service Unavailable";
		case 505:
			return "HTTP Version Not Supported";
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
http_on_gone(void *request, void *arg)
{
	(void) arg;
	((HttpRequest *) request)->client = NULL;
	tl_request_give_up(request, true);
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

/* The time as a header has it, made anew once a second. */
static const char *
http_date(TlHttp *http)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != http->date_of)
	{
		http->date_of = now;
		gmtime_r(&now, &tm);
		strftime(http->date, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return http->date;
}

static void
begin_head(TlHttp *http, TlBuf *head, int status, const char *content_type, size_t len)
{
	tl_buf_printf(head, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
				  status, reason_phrase(status), http_date(http), content_type, len);
}

static void
compose_head(HttpRequest *request, const TlAnswer *answer, TlBuf *head)
{
	begin_head(request->http, head, answer->status,
			   answer->content_type != NULL ? answer->content_type : "application/json",
			   answer->len);
	if (answer->allow != NULL)
		tl_buf_printf(head, "Allow: %s\r\n", answer->allow);
	if (answer->file_name != NULL)
		tl_buf_printf(head, "Content-Disposition: attachment; filename=\"%s\"\r\n",
					  answer->file_name);
	if (answer->retry_after > 0)
		tl_buf_printf(head, "Retry-After: %u\r\n", answer->retry_after);
	if (request->close)
		tl_buf_add_text(head, "Connection: close\r\n");
	else if (request->old)
		tl_buf_add_text(head, "Connection: keep-alive\r\n");
	tl_buf_add_text(head, "\r\n");
}

static void
http_answer(TlRequest *base, const TlAnswer *answer)
{
	HttpRequest *request = (HttpRequest *) base;
	TlHttp *http = request->http;

	count_answer(request, answer->status);
	TAILQ_REMOVE(&http->in_flight, request, link);
	if (request->client == NULL)
		return;
	request->close |= http->draining;
	http->head.len = 0;
	compose_head(request, answer, &http->head);
	tl_client_answer(request->client, http->head.data, http->head.len, answer->body,
					 base->method != TL_METHOD_HEAD ? answer->len : 0, request->close);
	request->client = NULL;
}

/* What is no request is answered, too. */
static void
http_on_refusal(int status, const char *why, bool head, TlBuf *out, void *arg)
{
	TlHttp *http = arg;

	tl_metrics.requests++;
	tl_metrics.responses_4xx++;
	begin_head(http, out, status, "application/json", strlen("{\"detail\":\"\"}") + strlen(why));
	tl_buf_add_text(out, "Connection: close\r\n\r\n");
	if (!head)
		tl_buf_printf(out, "{\"detail\":\"%s\"}", why);
}

static TlMethod
method_of(const TlHttpHead *head)
{
	if (strcmp(head->method, "POST") == 0)
		return TL_METHOD_POST;
	if (strcmp(head->method, "GET") == 0)
		return TL_METHOD_GET;
	if (strcmp(head->method, "HEAD") == 0)
		return TL_METHOD_HEAD;
	return TL_METHOD_OTHER;
}

/* A header that an endpoint is given, at most once. */
typedef struct Wanted
{
	const char *name;
	size_t offset; /* in TlRequest: a const char * */
} Wanted;

static const Wanted wanted[] = {
	{"Content-Type", offsetof(TlRequest, content_type)},
	{"Content-Encoding", offsetof(TlRequest, content_encoding)},
	{"User-Agent", offsetof(TlRequest, user_agent)},
	{"X-User-Id", offsetof(TlRequest, user_id)},
	{"X-Device-Id", offsetof(TlRequest, device_id)},
	{"X-Correlation-Id", offsetof(TlRequest, correlation_id)},
	{"traceparent", offsetof(TlRequest, traceparent)},
};

/* Picks the headers that matter.  False if one is repeated: who sent it first, or last, may be another. */
static bool
read_headers(const TlHttpHead *head, TlRequest *request)
{
	for (unsigned int i = 0; i < head->field_count; i++)
	{
		const TlHttpField *field = &head->fields[i];

		for (size_t k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++)
		{
			const char **place = (const char **) ((char *) request + wanted[k].offset);

			if ((field->name[0] | ' ') != (wanted[k].name[0] | ' ') ||
				strcasecmp(field->name, wanted[k].name) != 0)
				continue;
			if (*place != NULL)
				return false;
			*place = field->value;
		}
	}
	return true;
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
http_handle(HttpRequest *request, const TlHttpHead *head)
{
	TlRequest *base = &request->base;

	base->path = head->path;
	base->query = head->query;
	if (!read_headers(head, base))
	{
		request->close = true;
		tl_request_refuse(base, 400, "a header that may be there once is repeated");
	}
	else if (tl_client_is_in_reserve(request->client) && strncmp(head->path, "/health", 7) != 0)
	{
		request->close = true;
		tl_request_refuse(base, 503, "too many connections; retry");
	}
	else
		tl_route_handle(base, request->http->backend);
}

static void
http_on_request(TlClient *client, const TlHttpHead *head, const char *body, size_t len, void *arg)
{
	TlHttp *http = arg;
	HttpRequest *request = http_take_request(http);

	request->client = client;
	request->old = head->old;
	request->close = !head->keep_alive;
	request->base.arrived_us = tl_clock_us();
	request->base.method = method_of(head);
	request->base.body = body;
	request->base.body_len = len;
	tl_client_set_request(client, request);
	TAILQ_INSERT_TAIL(&http->in_flight, request, link);
	tl_metrics.in_flight++;
	http_handle(request, head);
}

static void
http_set_accepting(TlHttp *http, bool accepting)
{
	http->stalled = !accepting;
	for (size_t i = 0; i < http->listener_count; i++)
	{
		if (accepting)
			evconnlistener_enable(http->listeners[i]);
		else
			evconnlistener_disable(http->listeners[i]);
	}
}

static void
http_on_count(void *arg)
{
	TlHttp *http = arg;

	if (http->draining && http->on_drained != NULL && tl_clients_count(http->clients) == 0)
		http->on_drained(http->on_drained_arg);
}

static void
http_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
			   int address_len, void *arg)
{
	TlHttp *http = arg;

	(void) listener;
	(void) address;
	(void) address_len;
	tl_clients_accept(http->clients, fd);
}

static void
http_on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void) listener;
	tl_log(TL_LOG_ERROR, "could not accept a connection: %s", strerror(errno));

	/* Most likely out of descriptors; the next tick tries again. */
	http_set_accepting(arg, false);
}

/*
 * Those whose time is up are given up, and answered in the database's place when nothing can come of
 * them any more.  Mostly the database says before that what has become of them.
 */
static void
http_expire_requests(TlHttp *http, uint64_t now)
{
	HttpRequest *request = TAILQ_FIRST(&http->in_flight);

	while (request != NULL)
	{
		HttpRequest *next = TAILQ_NEXT(request, link);
		TlRequest *base = &request->base;

		if (now <= tl_request_deadline_us(base))
			;
		else if (tl_request_is_given_up(base))
			base->expire(base);
		else
			tl_request_give_up(base, false);
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
		http_set_accepting(http, true);
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
		struct evconnlistener *listener = evconnlistener_new_bind(
			http->base, http_on_accept, http, flags | family_flags, LISTEN_BACKLOG,
			(const struct sockaddr *) &address->socket, (int) address->len);

		if (listener == NULL)
		{
			tl_log(TL_LOG_ERROR, "could not listen on %s: %s", address->text, strerror(errno));
			return false;
		}
		evconnlistener_set_error_cb(listener, http_on_accept_error);
		http->listeners[http->listener_count++] = listener;
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
	TAILQ_INIT(&http->in_flight);
	TAILQ_INIT(&http->spares);
	http->clients = tl_clients_open(base, backend->config,
									(TlClientOwner){.on_request = http_on_request,
													.on_gone = http_on_gone,
													.on_refusal = http_on_refusal,
													.on_count = http_on_count,
													.arg = http});
	http->tick = event_new(base, -1, EV_PERSIST, http_on_tick, http);
	if (http->tick == NULL)
		tl_log_die("out of memory");
	event_add(http->tick, &tick);
	if (!http_listen(http, addresses))
	{
		tl_http_close(http);
		return NULL;
	}
	return http;
}

static void
http_stop_listening(TlHttp *http)
{
	while (http->listener_count > 0)
		evconnlistener_free(http->listeners[--http->listener_count]);
}

void
tl_http_drain(TlHttp *http, void (*on_drained)(void *arg), void *arg)
{
	if (http->draining)
		return;
	http->draining = true;
	http->on_drained = on_drained;
	http->on_drained_arg = arg;
	http_stop_listening(http);
	tl_clients_drain(http->clients);
	http_on_count(http);
}

void
tl_http_give_up(TlHttp *http)
{
	HttpRequest *request = TAILQ_FIRST(&http->in_flight);

	while (request != NULL)
	{
		HttpRequest *next = TAILQ_NEXT(request, link);

		tl_request_give_up(&request->base, false);
		request = next;
	}
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
	http_stop_listening(http);
	tl_clients_close(http->clients);
	event_free(http->tick);
	while ((request = TAILQ_FIRST(&http->spares)) != NULL)
	{
		TAILQ_REMOVE(&http->spares, request, link);
		free(request);
	}
	tl_buf_free(&http->head);
	free(http);
}
