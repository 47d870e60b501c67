/*
 * http.c
 *		The HTTP server: requests of clients to endpoints, answers of endpoints to clients.
 *
 * A request is ours from the moment it has come whole until its answer is given.  Should its client go
 * first, the answer is counted and dropped.
 */
#include "net/http_private.h"

#include "base/log.h"
#include "base/metrics.h"
#include "routes/cors.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 1024

/* Requests kept for reuse. */
#define SPARE_REQUESTS 1024

/* Looks after time limits, some of which are as short as 10 ms. */
#define TICK_US 50000

/* When draining begins: for requests that are on their way already, on connections that seem idle. */
#define LAST_CALL_US 250000

static void
http_release(TlRequest *base)
{
	HttpRequest *request = (HttpRequest *) base;
	TlHttp *http = request->http;

	free(request->if_none_match);
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

/* HTTP/1.0 has no 100. */
static bool
http_ends_with_client(void *arg_request, void *arg)
{
	const HttpRequest *request = arg_request;

	(void) arg;
	return request->base.reads && !request->old;
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
	{"Origin", offsetof(TlRequest, origin)},
	{"Access-Control-Request-Method", offsetof(TlRequest, wanted_method)},
	{"Idempotency-Key", offsetof(TlRequest, idempotency_key)},
};

/* Picks the headers that matter.  Returns one that is repeated: who sent it first, or last, may be another. */
static const char *
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
				return wanted[k].name;
			*place = field->value;
		}
	}
	return NULL;
}

static bool
http_find_header(const TlRequest *base, const char *name, const char **value)
{
	const TlHttpHead *head = ((const HttpRequest *) base)->head;

	*value = NULL;
	for (unsigned int i = 0; i < head->field_count; i++)
	{
		if (strcasecmp(head->fields[i].name, name) != 0)
			continue;
		if (*value != NULL)
			return false;
		*value = head->fields[i].value;
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
		.base = {.find_header = http_find_header,
				 .answer = http_answer,
				 .release = http_release,
				 .begin = http_begin,
				 .write = http_write,
				 .end = http_end},
		.http = http,
	};
	return request;
}

static bool
is_of_health(const TlHttpHead *head)
{
	static const char health[] = "/health";
	size_t len = sizeof(health) - 1;

	return strncmp(head->path, health, len) == 0 &&
		   (head->path[len] == '/' || head->path[len] == '\0');
}

/* Sends a request to its endpoint, or refuses it here. */
static void
http_handle(HttpRequest *request, const TlHttpHead *head)
{
	TlRequest *base = &request->base;
	const char *repeated;

	base->path = head->path;
	base->query = head->query;
	repeated = read_headers(head, base);
	if (repeated != NULL)
	{
		char detail[80];

		request->close = true;
		snprintf(detail, sizeof(detail), "header %s is there more than once", repeated);
		tl_request_refuse(base, 400, detail);
		return;
	}
	tl_cors_begin(base, request->http->backend->config);
	if (tl_client_use(request->client) == TL_ADDRESS_HEALTH && !is_of_health(head))
		tl_request_refuse(base, 404, "this address serves /health and nothing else");
	else if (tl_client_is_in_reserve(request->client) && !is_of_health(head))
	{
		request->close = true;
		tl_request_refuse(base, 503, "too many connections; retry");
	}
	else
		tl_route_handle(base, request->http->backend);
}

/* A field that is needed when the head is gone, or NULL. */
static char *
copy_field(const TlHttpHead *head, const char *name)
{
	const char *value = tl_http_field(head, name);
	char *copy = value != NULL ? strdup(value) : NULL;

	if (value != NULL && copy == NULL)
		tl_log_die("out of memory");
	return copy;
}

static void
http_on_request(TlClient *client, const TlHttpHead *head, const char *body, size_t len, void *arg)
{
	TlHttp *http = arg;
	HttpRequest *request = http_take_request(http);

	request->client = client;
	request->head = head;
	request->old = head->old;
	request->close = !head->keep_alive;
	request->takes_gzip = tl_gzip_is_accepted(head);
	request->base.arrived_us = tl_clock_us();
	request->base.method = tl_method_by_name(head->method);
	request->base.body = body;
	request->base.body_len = len;
	request->base.certificate_name = tl_client_identity(client);
	request->if_none_match = copy_field(head, "If-None-Match");
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
	size_t i = 0;

	(void) address_len;
	while (http->listeners[i] != listener)
		i++;
	tl_clients_accept(http->clients, fd, address, http->uses[i]);
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
	if (http->last_call_us != 0 && now >= http->last_call_us)
	{
		http->last_call_us = 0;
		tl_clients_drain(http->clients);
	}
}

/* A listener on a socket of its own, or on one that listens already; NULL with errno set. */
static struct evconnlistener *
http_open_listener(TlHttp *http, const TlAddress *address)
{
	const TlConfig *config = http->backend->config;
	unsigned int flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;

	if (address->fd >= 0)
		return evconnlistener_new(http->base, http_on_accept, http, flags, 0, address->fd);
	flags |= LEV_OPT_REUSEABLE;
	if (config->reuse_port || config->processes > 1)
		flags |= LEV_OPT_REUSEABLE_PORT;
	if (address->socket.ss_family == AF_INET6)
		flags |= LEV_OPT_BIND_IPV6ONLY;
	return evconnlistener_new_bind(http->base, http_on_accept, http, flags, LISTEN_BACKLOG,
								   (const struct sockaddr *) &address->socket, (int) address->len);
}

static bool
http_listen(TlHttp *http, const TlAddressList *addresses)
{
	static const char *const of_use[] = {"", " for TLS", " for health"};

	for (size_t i = 0; i < addresses->count; i++)
	{
		const TlAddress *address = &addresses->items[i];
		struct evconnlistener *listener = http_open_listener(http, address);

		if (listener == NULL)
		{
			tl_log(TL_LOG_ERROR, "could not listen on %s: %s", address->text, strerror(errno));
			return false;
		}
		evconnlistener_set_error_cb(listener, http_on_accept_error);
		http->queue_is_ours[http->listener_count] = address->fd < 0;
		http->uses[http->listener_count] = address->use;
		http->listeners[http->listener_count++] = listener;
		tl_log(TL_LOG_INFO, "listening on %s%s", address->text, of_use[address->use]);
	}
	return true;
}

TlHttp *
tl_http_open(struct event_base *base, const TlBackend *backend, const TlAddressList *addresses,
			 const TlTls *tls)
{
	TlHttp *http = calloc(1, sizeof(*http));
	struct timeval tick = {.tv_usec = TICK_US};

	if (http == NULL)
		tl_log_die("out of memory");
	http->base = base;
	http->backend = backend;
	TAILQ_INIT(&http->in_flight);
	TAILQ_INIT(&http->streaming);
	TAILQ_INIT(&http->spares);
	http->clients = tl_clients_open(base, backend->config, tls,
									(TlClientOwner){.on_request = http_on_request,
													.on_gone = http_on_gone,
													.ends_with_client = http_ends_with_client,
													.on_caught_up = http_on_caught_up,
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

/* Closing a listener resets the connections in its queue, whose clients have heard nothing but yes. */
static void
http_accept_queue(TlHttp *http, size_t which)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd;

	while ((fd = accept4(evconnlistener_get_fd(http->listeners[which]),
						 (struct sockaddr *) &address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
	{
		tl_clients_accept(http->clients, fd, (struct sockaddr *) &address, http->uses[which]);
		len = sizeof(address);
	}
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
	for (size_t i = 0; i < http->listener_count; i++)
	{
		if (http->queue_is_ours[i])
			http_accept_queue(http, i);
	}
	http_stop_listening(http);
	http->draining = true;
	http->on_drained = on_drained;
	http->on_drained_arg = arg;
	http->last_call_us = tl_clock_us() + LAST_CALL_US;
	http_on_count(http);
}

static void
give_up_all(struct RequestList *requests)
{
	HttpRequest *request = TAILQ_FIRST(requests);

	while (request != NULL)
	{
		HttpRequest *next = TAILQ_NEXT(request, link);

		tl_request_give_up(&request->base, false);
		request = next;
	}
}

void
tl_http_give_up(TlHttp *http)
{
	give_up_all(&http->in_flight);
	give_up_all(&http->streaming);
}

void
tl_http_abandon(TlHttp *http)
{
	HttpRequest *request;

	while ((request = TAILQ_FIRST(&http->in_flight)) != NULL)
		request->base.expire(&request->base);
	while ((request = TAILQ_FIRST(&http->streaming)) != NULL)
		tl_request_end(&request->base, false);
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
	tl_buf_free(&http->body);
	tl_buf_free(&http->fields);
	free(http);
}
