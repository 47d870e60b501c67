/*
 * client.c
 *		A client's connection: requests are read, one after the other.  See client.h.
 *
 * client_proceed does what there is to do with what has come, request by request, and is the only
 * one to do so; whoever may end a client calls it last.  Only client_free and those that say so end
 * one.
 */
#include "net/client_private.h"

#include "base/log.h"
#include "base/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What may be read ahead of the request that is being answered. */
#define READ_AHEAD ((size_t) 64 * 1024)

/* So many requests of one client are answered before others have their turn. */
#define REQUESTS_A_TURN 32

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* How often one that has said all is asked whether it still waits for its answer. */
static const struct timeval probe_interval = {.tv_sec = 1};

/* Forgets the request that was read. */
void
client_forget_request(TlClient *client)
{
	free(client->head);
	client->head = NULL;
	tl_buf_free(&client->head_text);
	client->table->unread -= client->body.len;
	tl_buf_free(&client->body);
	client->chunks = (TlHttpChunks){0};
	client->scanned = 0;
}

static void
client_throw_away_input(TlClient *client)
{
	evbuffer_drain(client_input(client), evbuffer_get_length(client_input(client)));
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
	tl_transport_finish(client->bev);
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
void
client_refuse(TlClient *client, int status, const char *why)
{
	TlClientTable *table = client->table;
	struct iovec part;
	char named[128];

	/* What is too large is told the limit. */
	if (status == 413)
	{
		snprintf(named, sizeof(named), "%s: max-body is %lld bytes", why,
				 (long long) table->config->max_body);
		why = named;
	}
	tl_buf_reset(&table->refusal, 0);
	table->owner.on_refusal(status, why, client_asks_for_head(client), &table->refusal,
							table->owner.arg);
	part = (struct iovec){table->refusal.data, table->refusal.len};
	tl_client_write(client, &part, 1);
	client_begin_closing(client);
}

static void
client_write_continue(TlClient *client)
{
	struct iovec part = {CONTINUE, sizeof(CONTINUE) - 1};

	tl_client_write(client, &part, 1);
}

/*
 * Between one that reads on and one that has closed its connection TCP tells no difference before it is
 * sent something, which the latter resets: then the next one fails, and ends the client.
 */
static void
client_probe(TlClient *client)
{
	TlClientTable *table = client->table;

	if (client->request == NULL ||
		!table->owner.ends_with_client(client->request, table->owner.arg))
		return;
	client_write_continue(client);
	event_add(client->turn, &probe_interval);
}

/* How much may be buffered now. */
void
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
		client_write_continue(client);
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
		size_t before = client->body.len;
		const char *why;
		size_t used;
		int status;

		if (len == 0)
			return false;
		status = tl_http_chunks_read(
			&client->chunks, (char *) evbuffer_pullup(input, (ev_ssize_t) len), len,
			(size_t) client->table->config->max_body, &client->body, &used, &why);
		client->table->unread += client->body.len - before;
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
	if (!client->close && !(client->table->draining && !tl_transport_has_sent(client->bev)))
	{
		client_set_phase(client, PHASE_IDLE);
		return true;
	}
	if (!client->at_end && tl_transport_has_sent(client->bev))
	{
		client_begin_closing(client);
		return true;
	}
	client_free(client);
	return false;
}

/* Lets the owner go on with an answer when most of what there was of it has been taken. */
static void
client_catch_up(TlClient *client)
{
	TlClientTable *table = client->table;

	if (!client->behind || client_unsent(client) > CLIENT_CAUGHT_UP)
		return;
	client->behind = false;
	table->owner.on_caught_up(client->request, table->owner.arg);
}

void
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
			case PHASE_HANDSHAKE:
			case PHASE_HANDLING:
				more = false;
				break;
			case PHASE_STREAMING:
				client_catch_up(client);
				more = client->phase != PHASE_STREAMING;
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
		if (!more && !yielded && client->phase <= PHASE_BODY)
			more = tl_transport_read(client->bev, false, &client->at_end);
	}
	client->proceeding = false;
	if (client->at_end && client->phase == PHASE_HANDLING && !evtimer_pending(client->turn, NULL))
		event_add(client->turn, &probe_interval);
	/* One that sends no more is of no use when all that it has asked is answered. */
	if (client->at_end &&
		((client->phase <= PHASE_BODY && !yielded) ||
		 (client->phase == PHASE_CLOSING && client_unsent(client) == 0 && !client->is_cut)))
		client_free(client);
}

void
client_on_turn(evutil_socket_t fd, short what, void *arg)
{
	TlClient *client = arg;

	(void) fd;
	(void) what;
	if (client->is_cut)
		client_free(client);
	else if (client->at_end && client->phase == PHASE_HANDLING)
		client_probe(client);
	else
		client_proceed(client);
}

void
client_on_readable(struct bufferevent *bev, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	if (client->phase <= PHASE_BODY)
		tl_transport_read(client->bev, true, &client->at_end);
	client_proceed(client);
}

void
client_on_written(struct bufferevent *bev, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	if (client->phase != PHASE_CLOSING)
		client_proceed(client);
	else if (!client->is_cut)
		tl_transport_finish(client->bev);
}

/* One that speaks HTTP where TLS is spoken is told so, in HTTP.  May end the client. */
static void
client_end_handshake(TlClient *client, bool done)
{
	struct bufferevent *plain = done ? NULL : tl_tls_fall_back(client->bev, client->table->base);

	if (done)
	{
		tl_metrics.handshakes++;
		client->identity = tl_tls_client_name(client->bev);
		client_set_phase(client, PHASE_IDLE);
		client_proceed(client);
	}
	else if (plain != NULL)
	{
		tl_metrics.handshakes_failed++;
		client_take_bufferevent(client, plain);
		client_refuse(client, 400, "this address is for HTTPS");
	}
	else
		client_free(client);
}

void
client_on_event(struct bufferevent *bev, short what, void *arg)
{
	TlClient *client = arg;

	(void) bev;
	if (client->phase == PHASE_HANDSHAKE)
	{
		client_end_handshake(client, (what & BEV_EVENT_CONNECTED) != 0);
		return;
	}
	if (!tl_transport_goes_on(client->bev, what))
	{
		client_free(client);
		return;
	}
	/* It may still read: some clients say that they have said all. */
	client->at_end = true;
	client_proceed(client);
}
