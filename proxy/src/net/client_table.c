/*
 * client_table.c
 *		The clients by phase: room for new ones, time limits, and the end.  See client.h.
 */
#include "net/client_private.h"

#include "base/log.h"
#include "base/metrics.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* Connections beyond max-connections, for health. */
#define RESERVE 16

/* Of those that have been idle longest, to find one to make room. */
#define IDLE_TRIES 8

/* How long a client that was refused may go on sending before it is cut off. */
#define LINGER_US ((uint64_t) 2 * 1000 * 1000)

void
client_set_phase(TlClient *client, Phase phase)
{
	TlClientTable *table = client->table;

	TAILQ_REMOVE(&table->phases[client->phase], client, link);
	client->phase = phase;
	client->since_us = table->now_us;
	TAILQ_INSERT_TAIL(&table->phases[phase], client, link);
}

void
client_free(TlClient *client)
{
	TlClientTable *table = client->table;

	TAILQ_REMOVE(&table->phases[client->phase], client, link);
	if (client->request != NULL)
		table->owner.on_gone(client->request, table->owner.arg);
	client_forget_request(client);
	if (client->phase == PHASE_HANDSHAKE)
		tl_metrics.handshakes_failed++;
	table->unread -= evbuffer_get_length(client_input(client));
	table->unsent -= evbuffer_get_length(client_output(client));
	if (client->is_cut)
		tl_transport_cut(client->bev);
	else
		tl_transport_close(client->bev);
	free(client->identity);
	event_free(client->turn);
	tl_address_count_drop(table->addresses, client->address);
	free(client);
	table->count--;
	tl_metrics.clients--;
	table->owner.on_count(table->owner.arg);
}

/* One that has been in a phase for long and has sent nothing, which would wait for its turn; or NULL. */
static TlClient *
table_find_idle(TlClientTable *table, Phase phase)
{
	TlClient *idle = TAILQ_FIRST(&table->phases[phase]);

	for (int tries = 0; idle != NULL && tries < IDLE_TRIES; tries++, idle = TAILQ_NEXT(idle, link))
		if (!tl_transport_has_sent(idle->bev))
			return idle;
	return NULL;
}

/* Makes room, if it can be made.  False if there is none. */
static bool
table_make_room(TlClientTable *table)
{
	TlClient *idle;
	TlClient *silent;

	if (table->count < (unsigned int) table->config->max_connections)
		return true;
	idle = table_find_idle(table, PHASE_IDLE);
	silent = table_find_idle(table, PHASE_HANDSHAKE);
	if (idle == NULL || (silent != NULL && silent->since_us < idle->since_us))
		idle = silent;
	if (idle != NULL)
		client_free(idle);
	return table->count < (unsigned int) table->config->max_connections + RESERVE;
}

/* Keeps the sum of what all clients' buffers hold. */
static void
table_on_buffer(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	size_t *sum = arg;

	(void) buffer;
	*sum += info->n_added - info->n_deleted;
}

void
client_take_bufferevent(TlClient *client, struct bufferevent *bev)
{
	TlClientTable *table = client->table;

	client->bev = bev;
	evbuffer_add_cb(client_input(client), table_on_buffer, &table->unread);
	evbuffer_add_cb(client_output(client), table_on_buffer, &table->unsent);
	bufferevent_setcb(bev, client_on_readable, client_on_written, client_on_event, client);
	client_limit_reading(client, (size_t) table->config->max_headers);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void
tl_clients_accept(TlClientTable *table, int fd, const struct sockaddr *address, TlAddressUse use)
{
	bool secure = use == TL_ADDRESS_TLS;
	struct bufferevent *bev;
	TlAddressCount *count;
	TlClient *client;
	int one = 1;

	if (!tl_address_count_add(table->addresses, address,
							  (unsigned int) table->config->max_per_address, &count))
	{
		tl_metrics.clients_refused++;
		close(fd);
		return;
	}
	if (!table_make_room(table))
	{
		tl_metrics.clients_refused++;
		tl_address_count_drop(table->addresses, count);
		close(fd);
		return;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		tl_log_die("out of memory");
	client->table = table;
	client->address = count;
	client->in_reserve = table->count >= (unsigned int) table->config->max_connections;
	client->use = use;
	client->turn = event_new(table->base, -1, 0, client_on_turn, client);
	bev = secure ? tl_tls_accept(table->tls, table->base, fd)
				 : bufferevent_socket_new(table->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL || client->turn == NULL)
		tl_log_die("out of memory");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	client->since_us = table->now_us;
	client->phase = secure ? PHASE_HANDSHAKE : PHASE_IDLE;
	TAILQ_INSERT_TAIL(&table->phases[client->phase], client, link);
	table->count++;
	tl_metrics.clients++;
	table->owner.on_count(table->owner.arg);
	client_take_bufferevent(client, bev);
}

TlAddressUse
tl_client_use(const TlClient *client)
{
	return client->use;
}

const char *
tl_client_identity(const TlClient *client)
{
	return client->identity;
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

static void
table_expire(TlClientTable *table, Phase phase, uint64_t limit_us, bool refuse)
{
	TlClient *client;

	while ((client = TAILQ_FIRST(&table->phases[phase])) != NULL &&
		   table->now_us - client->since_us > limit_us)
	{
		if (!refuse && client_takes_answer(client))
			continue;
		tl_metrics.clients_cut_off += phase != PHASE_IDLE && phase != PHASE_CLOSING;
		if (refuse)
			client_refuse(client, 408, "the request did not come in time");
		else
			client_free(client);
	}
}

/*
 * While clients' buffers hold more than they may, those are cut off that have been at it longest: of
 * requests that are being read, or of answers that are not taken, whichever there is more of.
 */
static void
table_make_memory(TlClientTable *table)
{
	TlClient *client = NULL;

	while (table->unread + table->unsent > (size_t) table->config->max_buffered)
	{
		if (table->unread > table->unsent)
		{
			client = TAILQ_FIRST(&table->phases[PHASE_BODY]);
			if (client == NULL)
				return;
			tl_metrics.clients_cut_off++;
			client_refuse(client, 503, "too much is being sent; retry");
			continue;
		}
		client = TAILQ_FIRST(&table->phases[PHASE_WRITING]);
		if (client == NULL)
			client = TAILQ_FIRST(&table->phases[PHASE_STREAMING]);
		if (client == NULL)
			return;
		tl_metrics.clients_cut_off++;
		client_free(client);
	}
}

void
tl_clients_tick(TlClientTable *table, uint64_t now_us)
{
	const TlConfig *config = table->config;

	table->now_us = now_us;
	table_expire(table, PHASE_HANDSHAKE, (uint64_t) config->header_timeout * 1000, false);
	table_expire(table, PHASE_IDLE, (uint64_t) config->idle_timeout * 1000, false);
	table_expire(table, PHASE_HEAD, (uint64_t) config->header_timeout * 1000, true);
	table_expire(table, PHASE_BODY, (uint64_t) config->read_timeout * 1000, true);
	table_expire(table, PHASE_STREAMING, (uint64_t) config->write_timeout * 1000, false);
	table_expire(table, PHASE_WRITING, (uint64_t) config->write_timeout * 1000, false);
	table_expire(table, PHASE_CLOSING, LINGER_US, false);
	table_make_memory(table);
}

void
tl_clients_drain(TlClientTable *table)
{
	TlClient *client;
	TlClient *next;

	table->draining = true;
	while ((client = TAILQ_FIRST(&table->phases[PHASE_HANDSHAKE])) != NULL)
		client_free(client);
	for (client = TAILQ_FIRST(&table->phases[PHASE_IDLE]); client != NULL; client = next)
	{
		next = TAILQ_NEXT(client, link);
		if (!tl_transport_has_sent(client->bev))
			client_free(client);
	}
}

TlClientTable *
tl_clients_open(struct event_base *base, const TlConfig *config, const TlTls *tls,
				TlClientOwner owner)
{
	TlClientTable *table = calloc(1, sizeof(*table));

	if (table == NULL)
		tl_log_die("out of memory");
	table->base = base;
	table->config = config;
	table->tls = tls;
	table->owner = owner;
	table->now_us = tl_clock_us();
	table->addresses = tl_address_counts_open();
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
	tl_address_counts_close(table->addresses);
	tl_buf_free(&table->refusal);
	free(table);
}
