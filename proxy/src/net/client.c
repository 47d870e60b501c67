/*
 * client.c
 *		What evhttp does not keep about a client's connection.
 *
 * evhttp answers what it cannot parse or what is too large with HTML pages of its own, and
 * knows only one time limit.  Both are mended from outside, with public functions only:
 *
 *	- Bytes that appear in the output while no request of ours is being answered are such a
 *	  page.  They are replaced by JSON before the socket is next written to, which libevent
 *	  never does before returning to its loop.
 *	- A connection refused so, or for slowness, is taken from evhttp by setting other
 *	  callbacks: its answer goes out, then what the client still sends is thrown away for a
 *	  moment, since closing with unread input would destroy the answer on its way.
 *
 * evhttp_connection_free() ends every connection, and its close callback frees the client.
 */
#include "net/client.h"

#include "base/log.h"
#include "base/metrics.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long a refused client may go on sending before it is cut off. */
#define LINGER_US ((uint64_t) 2 * 1000 * 1000)

/* See client_read_more. */
#define BUFFEREVENT_READ_SIZE 4096
#define READ_MORE_SIZE (60 * 1024)
#define READ_MORE_LIMIT ((size_t) 1024 * 1024)

#define CONTINUE_PAGE "HTTP/1.1 100 Continue\r\n\r\n"
#define CONTINUE_LEN (sizeof(CONTINUE_PAGE) - 1)
#define STATUS_AT 9 /* in "HTTP/1.1 413 ..." */

struct TlClient
{
	TAILQ_ENTRY(TlClient) link;
	TlClientTable *table;
	struct bufferevent *bev;			  /* evhttp's, but for a reference while NEW */
	struct evhttp_connection *connection; /* evhttp's */
	struct event *event;				  /* runs client_on_event from the loop */
	int fd;
	TlClientPhase phase;
	uint64_t since_us; /* of the phase; coarse */
	bool reading_more;
	void (*on_gone)(void *request);
	void *request;
};

struct TlClientTable
{
	struct event_base *base;
	const TlConfig *config;
	TlClientsChanged on_change;
	void *arg;
	TAILQ_HEAD(, TlClient) clients;
	unsigned int count;
	uint64_t now_us; /* as of the last tick */
	bool draining;
	TlClient **by_fd;
	size_t fd_count;
};

static void
client_set_phase(TlClient *client, TlClientPhase phase)
{
	client->phase = phase;
	client->since_us = client->table->now_us;
}

static void
table_set_fd(TlClientTable *table, int fd, TlClient *client)
{
	size_t need = (size_t) fd + 1;

	if (need > table->fd_count)
	{
		size_t count = table->fd_count > 0 ? table->fd_count : 64;
		TlClient **by_fd;

		while (count < need)
			count *= 2;
		by_fd = realloc(table->by_fd, count * sizeof(*by_fd));
		if (by_fd == NULL)
			tl_log_die("out of memory");
		memset(by_fd + table->fd_count, 0, (count - table->fd_count) * sizeof(*by_fd));
		table->by_fd = by_fd;
		table->fd_count = count;
	}
	table->by_fd[fd] = client;
}

static void
client_free(TlClient *client)
{
	TlClientTable *table = client->table;

	if (client->fd >= 0)
		table->by_fd[client->fd] = NULL;
	TAILQ_REMOVE(&table->clients, client, link);
	event_free(client->event);
	free(client);
	table->count--;
	tl_metrics.clients--;
	table->on_change(table, table->arg);
}

static void
client_on_close(struct evhttp_connection *connection, void *arg)
{
	TlClient *client = arg;

	(void) connection;
	if (client->on_gone != NULL)
		client->on_gone(client->request);
	client_free(client);
}

static void
client_on_refused_input(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	/* evhttp may still have a call of this pending, with its own argument. */
	(void) arg;
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void
client_on_refused_output(struct bufferevent *bev, void *arg)
{
	(void) arg;
	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void
client_on_refused_end(struct bufferevent *bev, short what, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	(void) what;
	evhttp_connection_free(client->connection);
}

static const char *
refusal_detail(int status)
{
	switch (status)
	{
		case 408:
			return "the request did not come in time";
		case 413:
			return "the body is too large";
		case 417:
			return "unknown Expect header";
		default:
			return "malformed HTTP request";
	}
}

static const char *
refusal_reason(int status)
{
	switch (status)
	{
		case 408:
			return "Request Timeout";
		case 413:
			return "Content Too Large";
		case 417:
			return "Expectation Failed";
		default:
			return "Bad Request";
	}
}

/* Answers in evhttp's place, in place of whatever it may have written, and lets go. */
static void
client_refuse(TlClient *client, int status)
{
	struct evbuffer *output = bufferevent_get_output(client->bev);
	const char *detail = refusal_detail(status);

	tl_metrics.requests++;
	tl_metrics.responses_4xx++;
	client_set_phase(client, TL_CLIENT_CLOSING);
	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	evbuffer_freeze(output, 1);
	evbuffer_add_printf(output,
						"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
						"Content-Length: %zu\r\nConnection: close\r\n\r\n{\"detail\":\"%s\"}",
						status, refusal_reason(status),
						strlen(detail) + strlen("{\"detail\":\"\"}"), detail);
	bufferevent_setcb(client->bev, client_on_refused_input, client_on_refused_output,
					  client_on_refused_end, client);
	bufferevent_set_timeouts(client->bev, NULL, NULL);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

/* There is output that is not ours: an error page, or an invitation to go on. */
static void
client_replace_page(TlClient *client)
{
	struct evbuffer *output = bufferevent_get_output(client->bev);
	char text[CONTINUE_LEN + STATUS_AT + 4] = "";
	char *page = text;
	ev_ssize_t len;

	evbuffer_unfreeze(output, 1);
	len = evbuffer_copyout(output, text, sizeof(text) - 1);
	evbuffer_freeze(output, 1);
	if (len >= STATUS_AT + 3 && strncmp(text + STATUS_AT, "100", 3) == 0)
	{
		page += CONTINUE_LEN;
		len -= (ev_ssize_t) CONTINUE_LEN;
	}
	if (len >= STATUS_AT + 3)
		client_refuse(client, atoi(page + STATUS_AT));
}

/* evhttp has made the connection that it asked a bufferevent for. */
static void
client_attach(TlClient *client)
{
	bufferevent_data_cb read_cb, write_cb;
	bufferevent_event_cb event_cb;
	void *connection;
	int one = 1;

	bufferevent_getcb(client->bev, &read_cb, &write_cb, &event_cb, &connection);
	bufferevent_decref(client->bev);
	if (connection == NULL)
	{
		client_free(client);
		return;
	}
	client->connection = connection;
	client->fd = bufferevent_getfd(client->bev);
	table_set_fd(client->table, client->fd, client);
	client_set_phase(client, TL_CLIENT_IDLE);
	evhttp_connection_set_closecb(client->connection, client_on_close, client);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* True if the client has sent something that has not been read yet. */
static bool
client_has_sent(const TlClient *client)
{
	char byte;

	return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void
client_on_event(evutil_socket_t fd, short what, void *arg)
{
	TlClient *client = arg;

	(void) fd;
	(void) what;
	switch (client->phase)
	{
		case TL_CLIENT_NEW:
			client_attach(client);
			break;
		case TL_CLIENT_IDLE:
		case TL_CLIENT_READING:
			if (evbuffer_get_length(bufferevent_get_output(client->bev)) > 0)
				client_replace_page(client);
			else if (client->table->draining && client->phase == TL_CLIENT_IDLE &&
					 !client_has_sent(client))
				evhttp_connection_free(client->connection);
			break;
		case TL_CLIENT_HANDLING:
		case TL_CLIENT_WRITING:
		case TL_CLIENT_CLOSING:
			break;
	}
}

/*
 * A bufferevent reads 4 kB and then goes round the loop.  When it got that much there is
 * likely more, and it is worth fetching at once.  End of file and errors are left for the
 * bufferevent to meet.
 */
static void
client_read_more(TlClient *client, struct evbuffer *input)
{
	ssize_t n;

	client->reading_more = true;
	evbuffer_unfreeze(input, 0);
	do
	{
		struct evbuffer_iovec room;

		if (evbuffer_reserve_space(input, READ_MORE_SIZE, &room, 1) != 1)
			break;
		room.iov_len = READ_MORE_SIZE;
		n = recv(client->fd, room.iov_base, room.iov_len, MSG_DONTWAIT);
		if (n <= 0)
			break;
		room.iov_len = (size_t) n;
		evbuffer_commit_space(input, &room, 1);
	} while (n == READ_MORE_SIZE && evbuffer_get_length(input) < READ_MORE_LIMIT);
	evbuffer_freeze(input, 0);
	client->reading_more = false;
}

static void
client_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	TlClient *client = arg;

	if (info->n_added == 0 || client->reading_more)
		return;
	if (client->phase == TL_CLIENT_IDLE)
		client_set_phase(client, TL_CLIENT_READING);
	if (info->n_added >= BUFFEREVENT_READ_SIZE && client->phase == TL_CLIENT_READING)
		client_read_more(client, input);
}

static void
client_on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	TlClient *client = arg;

	(void) output;
	if (info->n_added > 0 &&
		(client->phase == TL_CLIENT_IDLE || client->phase == TL_CLIENT_READING))
		event_active(client->event, EV_TIMEOUT, 0);
}

struct bufferevent *
tl_client_accept(struct event_base *base, void *arg)
{
	TlClientTable *table = arg;
	TlClient *client = calloc(1, sizeof(*client));

	if (client == NULL)
		tl_log_die("out of memory");
	client->table = table;
	client->fd = -1;
	client->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	client->event = event_new(base, -1, 0, client_on_event, client);
	if (client->bev == NULL || client->event == NULL ||
		evbuffer_add_cb(bufferevent_get_input(client->bev), client_on_input, client) == NULL ||
		evbuffer_add_cb(bufferevent_get_output(client->bev), client_on_output, client) == NULL)
		tl_log_die("out of memory");
	/* A client that sends ahead without taking its answers is not read for ever. */
	bufferevent_setwatermark(client->bev, EV_READ, 0,
							 (size_t) (table->config->max_headers + table->config->max_body) +
								 READ_MORE_SIZE);
	client_set_phase(client, TL_CLIENT_NEW);
	TAILQ_INSERT_TAIL(&table->clients, client, link);
	table->count++;
	tl_metrics.clients++;
	table->on_change(table, table->arg);

	/* Before anything can arrive: the event runs in this very round of the loop. */
	bufferevent_incref(client->bev);
	event_active(client->event, EV_TIMEOUT, 0);
	return client->bev;
}

TlClient *
tl_client_find(TlClientTable *table, struct evhttp_connection *connection)
{
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

	assert(fd >= 0 && (size_t) fd < table->fd_count && table->by_fd[fd] != NULL);
	return table->by_fd[fd];
}

void
tl_client_begin_handling(TlClient *client, void (*on_gone)(void *request), void *request)
{
	client_set_phase(client, TL_CLIENT_HANDLING);
	client->on_gone = on_gone;
	client->request = request;
}

void
tl_client_begin_writing(TlClient *client)
{
	client_set_phase(client, TL_CLIENT_WRITING);
	client->on_gone = NULL;
	client->request = NULL;
}

void
tl_client_end_writing(TlClient *client)
{
	size_t waiting = evbuffer_get_length(bufferevent_get_input(client->bev));

	client_set_phase(client, waiting > 0 ? TL_CLIENT_READING : TL_CLIENT_IDLE);
	if (client->table->draining)
		event_active(client->event, EV_TIMEOUT, 0);
}

void
tl_client_flush(TlClient *client)
{
	struct evbuffer *output = bufferevent_get_output(client->bev);

	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, client->fd);
	evbuffer_freeze(output, 1);

	/* What is left, and any error, is the bufferevent's business as ever. */
	if (evbuffer_get_length(output) == 0)
		bufferevent_trigger(client->bev, EV_WRITE, 0);
}

void
tl_clients_tick(TlClientTable *table, uint64_t now_us)
{
	uint64_t read_limit = (uint64_t) table->config->read_timeout * 1000;
	uint64_t idle_limit = (uint64_t) table->config->idle_timeout * 1000;
	TlClient *client = TAILQ_FIRST(&table->clients);

	table->now_us = now_us;
	while (client != NULL)
	{
		TlClient *next = TAILQ_NEXT(client, link);
		uint64_t age = now_us - client->since_us;

		switch (client->phase)
		{
			case TL_CLIENT_NEW:
			case TL_CLIENT_HANDLING:
				break;
			case TL_CLIENT_READING:
				if (age > read_limit)
					client_refuse(client, 408);
				break;
			case TL_CLIENT_IDLE:
			case TL_CLIENT_WRITING:
				if (age > idle_limit)
					evhttp_connection_free(client->connection);
				break;
			case TL_CLIENT_CLOSING:
				if (age > LINGER_US)
					evhttp_connection_free(client->connection);
				break;
		}
		client = next;
	}
}

void
tl_clients_drain(TlClientTable *table)
{
	TlClient *client;

	table->draining = true;
	for (client = TAILQ_FIRST(&table->clients); client != NULL; client = TAILQ_NEXT(client, link))
		event_active(client->event, EV_TIMEOUT, 0);
}

TlClientTable *
tl_clients_open(struct event_base *base, const TlConfig *config, TlClientsChanged on_change,
				void *arg)
{
	TlClientTable *table = calloc(1, sizeof(*table));

	if (table == NULL)
		tl_log_die("out of memory");
	table->base = base;
	table->config = config;
	table->on_change = on_change;
	table->arg = arg;
	table->now_us = tl_clock_us();
	TAILQ_INIT(&table->clients);
	return table;
}

unsigned int
tl_clients_count(const TlClientTable *table)
{
	return table->count;
}

void
tl_clients_close(TlClientTable *table)
{
	free(table->by_fd);
	free(table);
}
