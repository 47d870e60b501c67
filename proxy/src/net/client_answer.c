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
tl_client_unsent(const TlClient *client)
{
	return evbuffer_get_length(client_output(client));
}

/*
 * Sends at once what the socket takes, which spares most answers a round of the loop and two calls of
 * epoll_ctl; the rest, and any error, is the bufferevent's business.
 */
void
client_send(TlClient *client, const struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *) parts, .msg_iovlen = (size_t) count};
	ssize_t sent = 0;

	if (tl_client_unsent(client) == 0)
		sent = sendmsg(bufferevent_getfd(client->bev), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (int i = 0; i < count; i++)
	{
		size_t skip = sent <= 0							 ? 0
					  : (size_t) sent < parts[i].iov_len ? (size_t) sent
														 : parts[i].iov_len;

		client->given += parts[i].iov_len;
		sent -= (ssize_t) skip;
		if (skip < parts[i].iov_len)
			bufferevent_write(client->bev, (char *) parts[i].iov_base + skip,
							  parts[i].iov_len - skip);
	}
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
	client_send(client, parts, 2);
	client_proceed(client);
}

void
tl_client_begin(TlClient *client, const char *head, size_t len, bool close)
{
	struct iovec part = {(void *) head, len};

	client_begin_answer(client, PHASE_STREAMING, close);
	bufferevent_setwatermark(client->bev, EV_WRITE, CLIENT_CAUGHT_UP, 0);
	client_send(client, &part, 1);
}

void
tl_client_write(TlClient *client, const struct iovec *parts, int count)
{
	client_send(client, parts, count);
}

bool
tl_client_is_behind(TlClient *client, size_t mark)
{
	const TlClientTable *table = client->table;
	size_t unsent = tl_client_unsent(client);

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
	struct linger at_once = {.l_onoff = 1};

	/* Not an end that could be taken for that of the answer. */
	setsockopt(bufferevent_getfd(client->bev), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
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
	size_t unsent = tl_client_unsent(client);
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
