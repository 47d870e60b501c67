/*
 * client_answer.c
 *		A client's connection: answers are sent, whole or bit by bit.  See client.h.
 *
 * How far the client is behind is what lies in the bufferevent's output; the kernel's buffers are not
 * seen.  Its low watermark says when to look whether it has caught up.
 */
#include "net/client_private.h"

/* What a client must take of an answer within write-timeout. */
#define WRITE_LEAST ((size_t) 64 * 1024)

size_t
client_unsent(const TlClient *client)
{
	return evbuffer_get_length(client_output(client));
}

void
tl_client_write(TlClient *client, const struct iovec *parts, int count)
{
	for (int i = 0; i < count; i++)
		client->given += parts[i].iov_len;
	tl_transport_write(client->bev, parts, count);
}

static void
client_begin_answer(TlClient *client, Phase phase, bool close)
{
	client->close |= close;
	client->given = 0;
	client->taken = 0;
	client->answer_us = client->table->now_us;
	client_set_phase(client, phase);
}

void
tl_client_answer(TlClient *client, const char *head, size_t head_len, const char *body,
				 size_t body_len, bool close)
{
	struct iovec parts[] = {{(void *) head, head_len}, {(void *) body, body_len}};

	client->request = NULL;
	client_begin_answer(client, PHASE_WRITING, close);
	tl_client_write(client, parts, body_len > 0 ? 2 : 1);
	client_proceed(client);
}

void
tl_client_begin(TlClient *client, const char *head, size_t len, bool close)
{
	struct iovec part = {(void *) head, len};

	client_begin_answer(client, PHASE_STREAMING, close);
	bufferevent_setwatermark(client->bev, EV_WRITE, CLIENT_CAUGHT_UP, 0);
	tl_client_write(client, &part, 1);
}

bool
tl_client_is_behind(TlClient *client, size_t mark)
{
	const TlClientTable *table = client->table;
	size_t unsent = client_unsent(client);

	client->behind = unsent > mark || (unsent > CLIENT_CAUGHT_UP &&
									   table->unsent > (size_t) table->config->max_buffered / 2);
	return client->behind;
}

void
tl_client_end(TlClient *client)
{
	client->request = NULL;
	client->behind = false;
	client_set_phase(client, PHASE_WRITING);
	bufferevent_setwatermark(client->bev, EV_WRITE, 0, 0);
	client_proceed(client);
}

void
tl_client_abort(TlClient *client)
{
	static const struct timeval next_round = {0};

	client->request = NULL;
	client->behind = false;
	client->is_cut = true;
	client_set_phase(client, PHASE_CLOSING);
	event_add(client->turn, &next_round);
}

bool
client_takes_answer(TlClient *client)
{
	const TlClientTable *table = client->table;
	size_t unsent = client_unsent(client);
	size_t taken = client->given - unsent;

	if (client->phase != PHASE_STREAMING && client->phase != PHASE_WRITING)
		return false;
	if (table->now_us - client->answer_us > (uint64_t) table->config->answer_timeout * 1000)
		return false;
	if (unsent > 0 && taken < client->taken + WRITE_LEAST)
		return false;
	client->taken = taken;
	client_set_phase(client, client->phase);
	return true;
}
