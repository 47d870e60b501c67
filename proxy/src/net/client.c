/*
 * client.c
 *		A client's connection.  See client.h.
 *
 * client_proceed does what there is to do with what has come, request by request, and is the only
 * one to do so; whoever may end a client calls it last.  Only client_free and those that say so end
 * one.
 */
#include "net/client.h"

#include "base/log.h"
#include "base/metrics.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <unistd.h>

/* Connections beyond max-connections, for health. */
#define RESERVE 16

/* Of those that have been idle longest, to find one to make room. */
#define IDLE_TRIES 8

/* How long a client that was refused may go on sending before it is cut off. */
#define LINGER_US ((uint64_t) 2 * 1000 * 1000)

/* What a client must take of an answer within write-timeout. */
#define WRITE_LEAST ((size_t) 64 * 1024)

/* What may be read ahead of the request that is being answered. */
#define READ_AHEAD ((size_t) 64 * 1024)

/* A bufferevent reads 4 kB and then goes round the loop; see client_read_more. */
#define BUFFEREVENT_READ_SIZE 4096
#define READ_MORE_SIZE ((size_t) 60 * 1024)

/* So many requests of one client are answered before others have their turn. */
#define REQUESTS_A_TURN 32

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

typedef enum Phase
{
	PHASE_IDLE,		/* between requests */
	PHASE_HEAD,		/* part of a head has come */
	PHASE_BODY,		/* the head has come */
	PHASE_HANDLING, /* the request is the owner's to answer */
	PHASE_WRITING,	/* the client has to take its answer */
	PHASE_CLOSING	/* refused, or the last answer has gone; what still comes is thrown away */
} Phase;

#define PHASES (PHASE_CLOSING + 1)

struct TlClient
{
	TAILQ_ENTRY(TlClient) link;
	TlClientTable *table;
	struct bufferevent *bev;
	struct event *turn; /* goes on with client_proceed in the next round */
	Phase phase;
	uint64_t since_us; /* of the phase; coarse */
	void *request;
	size_t unsent;	 /* of the answer, when the phase or its time began */
	bool proceeding; /* client_proceed runs */
	bool in_reserve;
	bool at_end;	/* the client will send no more */
	bool close;		/* after the answer */
	size_t scanned; /* of a head */
	TlBuf head_text;
	TlHttpHead *head; /* of the body being read */
	TlHttpChunks chunks;
	TlBuf body; /* of chunks */
};

TAILQ_HEAD(ClientList, TlClient);

struct TlClientTable
{
	struct event_base *base;
	const TlConfig *config;
	TlClientOwner owner;
	struct ClientList phases[PHASES];
	unsigned int count;
	uint64_t now_us; /* as of the last tick */
	bool draining;
	TlHttpHead head; /* of the request that has just come */
	TlBuf refusal;
};

static void client_proceed(TlClient *client);

static void
client_set_phase(TlClient *client, Phase phase)
{
	TlClientTable *table = client->table;

	TAILQ_REMOVE(&table->phases[client->phase], client, link);
	client->phase = phase;
	client->since_us = table->now_us;
	TAILQ_INSERT_TAIL(&table->phases[phase], client, link);
}

/* Forgets the request that was read. */
static void
client_forget_request(TlClient *client)
{
	free(client->head);
	client->head = NULL;
	tl_buf_free(&client->head_text);
	tl_buf_free(&client->body);
	client->chunks = (TlHttpChunks){0};
	client->scanned = 0;
}

static void
client_free(TlClient *client)
{
	TlClientTable *table = client->table;

	TAILQ_REMOVE(&table->phases[client->phase], client, link);
	if (client->request != NULL)
		table->owner.on_gone(client->request, table->owner.arg);
	client_forget_request(client);
	bufferevent_free(client->bev);
	event_free(client->turn);
	free(client);
	table->count--;
	tl_metrics.clients--;
	table->owner.on_count(table->owner.arg);
}

static struct evbuffer *
client_input(const TlClient *client)
{
	return bufferevent_get_input(client->bev);
}

static size_t
client_unsent(const TlClient *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->bev));
}

static void
client_throw_away_input(TlClient *client)
{
	evbuffer_drain(client_input(client), evbuffer_get_length(client_input(client)));
}

/* True if the client has sent something that has not been read. */
static bool
client_has_sent(const TlClient *client)
{
	char byte;

	return evbuffer_get_length(client_input(client)) > 0 ||
		   recv(bufferevent_getfd(client->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Sends at once what the socket takes, which spares most answers a round of the loop and two calls of
 * epoll_ctl; the rest, and any error, is the bufferevent's business.
 */
static void
client_write(TlClient *client, struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t) count};
	ssize_t sent = 0;

	if (client_unsent(client) == 0)
		sent = sendmsg(bufferevent_getfd(client->bev), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (int i = 0; i < count; i++)
	{
		size_t skip = sent <= 0							 ? 0
					  : (size_t) sent < parts[i].iov_len ? (size_t) sent
														 : parts[i].iov_len;

		sent -= (ssize_t) skip;
		if (skip < parts[i].iov_len)
			bufferevent_write(client->bev, (char *) parts[i].iov_base + skip,
							  parts[i].iov_len - skip);
	}
}

/* All that the client is told has been sent. */
static void
client_end_closing(TlClient *client)
{
	shutdown(bufferevent_getfd(client->bev), SHUT_WR);
}

/*
 * Nothing more is answered.  Closing while the client still sends would destroy the answer on its
 * way, so for a moment that is thrown away.
 */
static void
client_begin_closing(TlClient *client)
{
	client_forget_request(client);
	client_set_phase(client, PHASE_CLOSING);
	client_throw_away_input(client);
	bufferevent_setwatermark(client->bev, EV_READ, 0, 0);
	if (client_unsent(client) == 0)
		client_end_closing(client);
}

/* Whether what has come of a request, or of its head, is one for a head alone. */
static bool
client_asks_for_head(const TlClient *client)
{
	char method[5];

	if (client->head_text.len >= sizeof(method))
		memcpy(method, client->head_text.data, sizeof(method));
	else if (evbuffer_copyout(client_input(client), method, sizeof(method)) != sizeof(method))
		return false;
	/* The parser may have cut the method off. */
	return memcmp(method, "HEAD", 4) == 0 && (method[4] == ' ' || method[4] == '\0');
}

/* Refuses what cannot be answered as a request; the connection is closed then. */
static void
client_refuse(TlClient *client, int status, const char *why)
{
	TlClientTable *table = client->table;
	struct iovec part;

	tl_buf_reset(&table->refusal, 0);
	table->owner.on_refusal(status, why, client_asks_for_head(client), &table->refusal,
							table->owner.arg);
	part = (struct iovec){table->refusal.data, table->refusal.len};
	client_write(client, &part, 1);
	client_begin_closing(client);
}

/* How much may be buffered now. */
static void
client_limit_reading(TlClient *client, size_t wanted)
{
	bufferevent_setwatermark(client->bev, EV_READ, 0, wanted + READ_AHEAD);
}

static void
client_dispatch(TlClient *client, const TlHttpHead *head, const char *body, size_t len)
{
	TlClientTable *table = client->table;

	client->close = !head->keep_alive;
	client_set_phase(client, PHASE_HANDLING);
	table->owner.on_request(client, head, body, len, table->owner.arg);
	client_forget_request(client);
	client_limit_reading(client, (size_t) table->config->max_headers);
}

/*
 * A head has come.  Without a body, or with all of it, the request is whole; else the head is kept
 * until it is.
 */
static void
client_begin_body(TlClient *client)
{
	TlClientTable *table = client->table;
	TlHttpHead *head = &table->head;

	if (!head->chunked && head->length > (uint64_t) table->config->max_body)
	{
		client_refuse(client, 413, "the body is too large");
		return;
	}
	client->head = malloc(sizeof(*head));
	if (client->head == NULL)
		tl_log_die("out of memory");
	memcpy(client->head, head,
		   offsetof(TlHttpHead, fields) + sizeof(TlHttpField) * head->field_count);
	client_set_phase(client, PHASE_BODY);
	client_limit_reading(client, (size_t) head->length);
	if (head->expects_continue && evbuffer_get_length(client_input(client)) == 0)
	{
		struct iovec part = {CONTINUE, sizeof(CONTINUE) - 1};

		client_write(client, &part, 1);
	}
}

/* As tl_http_find_end; a head that lies in one piece is not moved, nor is a body behind it. */
static int
client_find_end(TlClient *client, size_t *end, const char **why)
{
	struct evbuffer *input = client_input(client);
	size_t max = (size_t) client->table->config->max_headers;
	size_t len = evbuffer_get_length(input);
	size_t piece = evbuffer_get_contiguous_space(input);
	int status = tl_http_find_end((char *) evbuffer_pullup(input, (ev_ssize_t) piece), piece, max,
								  &client->scanned, end, why);

	if (status != 0 || *end > 0 || piece == len)
		return status;
	if (len > max + READ_AHEAD)
		len = max + READ_AHEAD;
	return tl_http_find_end((char *) evbuffer_pullup(input, (ev_ssize_t) len), len, max,
							&client->scanned, end, why);
}

/* Returns false if more has to come. */
static bool
client_read_head(TlClient *client)
{
	TlClientTable *table = client->table;
	struct evbuffer *input = client_input(client);
	const char *why;
	size_t end;
	int status;

	if (evbuffer_get_length(input) == 0)
		return false;
	if (client->phase == PHASE_IDLE)
		client_set_phase(client, PHASE_HEAD);
	status = client_find_end(client, &end, &why);
	if (status == 0 && end == 0)
		return false;
	if (status == 0)
	{
		evbuffer_remove(input, tl_buf_reserve(&client->head_text, end), end);
		client->head_text.len = end;
		status = tl_http_parse_head(client->head_text.data, end, &table->head, &why);
	}
	if (status != 0)
		client_refuse(client, status, why);
	else if (table->head.chunked || table->head.length > 0)
		client_begin_body(client);
	else
		client_dispatch(client, &table->head, NULL, 0);
	return true;
}

/* Ends with the request handed on, or refused; false if more has to come. */
static bool
client_read_chunks(TlClient *client)
{
	struct evbuffer *input = client_input(client);

	while (client->chunks.state != TL_HTTP_CHUNK_DONE)
	{
		size_t len = evbuffer_get_contiguous_space(input);
		const char *why;
		size_t used;
		int status;

		if (len == 0)
			return false;
		status = tl_http_chunks_read(
			&client->chunks, (char *) evbuffer_pullup(input, (ev_ssize_t) len), len,
			(size_t) client->table->config->max_body, &client->body, &used, &why);
		if (status != 0)
		{
			client_refuse(client, status, why);
			return true;
		}
		evbuffer_drain(input, used);
	}
	client_dispatch(client, client->head, client->body.data, client->body.len);
	return true;
}

static bool
client_read_body(TlClient *client)
{
	struct evbuffer *input = client_input(client);
	size_t len = (size_t) client->head->length;

	if (client->head->chunked)
		return client_read_chunks(client);
	if (evbuffer_get_length(input) < len)
		return false;
	client_dispatch(client, client->head, (char *) evbuffer_pullup(input, (ev_ssize_t) len), len);
	evbuffer_drain(input, len);
	return true;
}

/* The answer has gone out.  Returns false if the client has ended. */
static bool
client_end_answer(TlClient *client)
{
	if (!client->close && !(client->table->draining && !client_has_sent(client)))
	{
		client_set_phase(client, PHASE_IDLE);
		return true;
	}
	if (!client->at_end && client_has_sent(client))
	{
		client_begin_closing(client);
		return true;
	}
	client_free(client);
	return false;
}

/* Takes all that there is to take.  May end the client. */
static void
client_proceed(TlClient *client)
{
	static const struct timeval next_round = {0};
	unsigned int requests = 0;
	bool yielded = false;
	bool more = true;

	if (client->proceeding)
		return;
	client->proceeding = true;
	while (more)
	{
		switch (client->phase)
		{
			case PHASE_IDLE:
				if (requests++ == REQUESTS_A_TURN)
				{
					event_add(client->turn, &next_round);
					yielded = true;
					more = false;
					break;
				}
				/* FALLTHROUGH */
			case PHASE_HEAD:
				more = client_read_head(client);
				break;
			case PHASE_BODY:
				more = client_read_body(client);
				break;
			case PHASE_HANDLING:
				more = false;
				break;
			case PHASE_WRITING:
				if (client_unsent(client) > 0)
					more = false;
				else if (!client_end_answer(client))
					return;
				break;
			case PHASE_CLOSING:
				client_throw_away_input(client);
				more = false;
				break;
		}
	}
	client->proceeding = false;
	/* One that sends no more is of no use when all that it has asked is answered. */
	if (client->at_end && ((client->phase <= PHASE_BODY && !yielded) ||
						   (client->phase == PHASE_CLOSING && client_unsent(client) == 0)))
		client_free(client);
}

static void
client_on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	client_proceed(arg);
}

/*
 * A bufferevent reads 4 kB and then goes round the loop.  When it got that much there is likely
 * more, and it is worth fetching at once.  End of file and errors are left for the bufferevent to
 * meet.
 */
static void
client_read_more(TlClient *client)
{
	struct evbuffer *input = client_input(client);
	size_t high;
	ssize_t n = (ssize_t) READ_MORE_SIZE;

	if (evbuffer_get_length(input) < BUFFEREVENT_READ_SIZE)
		return;
	bufferevent_getwatermark(client->bev, EV_READ, NULL, &high);
	evbuffer_unfreeze(input, 0);
	while ((size_t) n == READ_MORE_SIZE && evbuffer_get_length(input) < high)
	{
		struct evbuffer_iovec room;

		if (evbuffer_reserve_space(input, (ev_ssize_t) READ_MORE_SIZE, &room, 1) != 1)
			break;
		n = recv(bufferevent_getfd(client->bev), room.iov_base, READ_MORE_SIZE, MSG_DONTWAIT);
		if (n <= 0)
			break;
		room.iov_len = (size_t) n;
		evbuffer_commit_space(input, &room, 1);
	}
	evbuffer_freeze(input, 0);
}

static void
client_on_readable(struct bufferevent *bev, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	if (client->phase <= PHASE_BODY)
		client_read_more(client);
	client_proceed(client);
}

static void
client_on_written(struct bufferevent *bev, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	if (client->phase == PHASE_CLOSING)
		client_end_closing(client);
	else
		client_proceed(client);
}

static void
client_on_event(struct bufferevent *bev, short what, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	if ((what & BEV_EVENT_EOF) == 0)
	{
		client_free(client);
		return;
	}
	/* It may still read: some clients say that they have said all. */
	client->at_end = true;
	client_proceed(client);
}

/* Makes room, if it can be made.  False if there is none. */
static bool
table_make_room(TlClientTable *table)
{
	TlClient *idle = TAILQ_FIRST(&table->phases[PHASE_IDLE]);

	if (table->count < (unsigned int) table->config->max_connections)
		return true;
	/* One that has sent something is not idle, but waits for its turn. */
	for (int tries = 0; idle != NULL && tries < IDLE_TRIES && client_has_sent(idle); tries++)
		idle = TAILQ_NEXT(idle, link);
	if (idle != NULL && !client_has_sent(idle))
		client_free(idle);
	return table->count < (unsigned int) table->config->max_connections + RESERVE;
}

void
tl_clients_accept(TlClientTable *table, int fd)
{
	TlClient *client;
	int one = 1;

	if (!table_make_room(table))
	{
		close(fd);
		return;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		tl_log_die("out of memory");
	client->table = table;
	client->in_reserve = table->count >= (unsigned int) table->config->max_connections;
	client->bev = bufferevent_socket_new(table->base, fd, BEV_OPT_CLOSE_ON_FREE);
	client->turn = event_new(table->base, -1, 0, client_on_turn, client);
	if (client->bev == NULL || client->turn == NULL)
		tl_log_die("out of memory");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	bufferevent_setcb(client->bev, client_on_readable, client_on_written, client_on_event, client);
	client_limit_reading(client, (size_t) table->config->max_headers);
	client->since_us = table->now_us;
	TAILQ_INSERT_TAIL(&table->phases[PHASE_IDLE], client, link);
	table->count++;
	tl_metrics.clients++;
	table->owner.on_count(table->owner.arg);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

bool
tl_client_is_in_reserve(const TlClient *client)
{
	return client->in_reserve;
}

void
tl_client_set_request(TlClient *client, void *request)
{
	client->request = request;
}

void
tl_client_answer(TlClient *client, const char *head, size_t head_len, const char *body,
				 size_t body_len, bool close)
{
	struct iovec parts[] = {{(void *) head, head_len}, {(void *) body, body_len}};

	client->request = NULL;
	client->close |= close;
	client_set_phase(client, PHASE_WRITING);
	client_write(client, parts, 2);
	client->unsent = client_unsent(client);
	client_proceed(client);
}

/* Whether a client takes its answer fast enough to go on; it has as long again then. */
static bool
client_takes_answer(TlClient *client)
{
	size_t unsent = client_unsent(client);

	if (client->phase != PHASE_WRITING || unsent + WRITE_LEAST > client->unsent)
		return false;
	client->unsent = unsent;
	client_set_phase(client, PHASE_WRITING);
	return true;
}

static void
table_expire(TlClientTable *table, Phase phase, uint64_t limit_us, bool refuse)
{
	TlClient *client;

	while ((client = TAILQ_FIRST(&table->phases[phase])) != NULL &&
		   table->now_us - client->since_us > limit_us)
	{
		if (refuse)
			client_refuse(client, 408, "the request did not come in time");
		else if (!client_takes_answer(client))
			client_free(client);
	}
}

void
tl_clients_tick(TlClientTable *table, uint64_t now_us)
{
	const TlConfig *config = table->config;

	table->now_us = now_us;
	table_expire(table, PHASE_IDLE, (uint64_t) config->idle_timeout * 1000, false);
	table_expire(table, PHASE_HEAD, (uint64_t) config->header_timeout * 1000, true);
	table_expire(table, PHASE_BODY, (uint64_t) config->read_timeout * 1000, true);
	table_expire(table, PHASE_WRITING, (uint64_t) config->write_timeout * 1000, false);
	table_expire(table, PHASE_CLOSING, LINGER_US, false);
}

void
tl_clients_drain(TlClientTable *table)
{
	TlClient *client;
	TlClient *next;

	table->draining = true;
	for (client = TAILQ_FIRST(&table->phases[PHASE_IDLE]); client != NULL; client = next)
	{
		next = TAILQ_NEXT(client, link);
		if (!client_has_sent(client))
			client_free(client);
	}
}

TlClientTable *
tl_clients_open(struct event_base *base, const TlConfig *config, TlClientOwner owner)
{
	TlClientTable *table = calloc(1, sizeof(*table));

	if (table == NULL)
		tl_log_die("out of memory");
	table->base = base;
	table->config = config;
	table->owner = owner;
	table->now_us = tl_clock_us();
	for (int i = 0; i < PHASES; i++)
		TAILQ_INIT(&table->phases[i]);
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
	for (int i = 0; i < PHASES; i++)
		while (!TAILQ_EMPTY(&table->phases[i]))
			client_free(TAILQ_FIRST(&table->phases[i]));
	tl_buf_free(&table->refusal);
	free(table);
}
