/*
 * client_private.h
 *		What the files of the connection layer share: client.c reads requests, client_answer.c sends
 *		answers, client_table.c has the clients by phase.
 */
#ifndef TL_CLIENT_PRIVATE_H
#define TL_CLIENT_PRIVATE_H

#include "net/address_count.h"
#include "net/client.h"
#include "net/transport.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/queue.h>

typedef enum Phase
{
	PHASE_HANDSHAKE, /* of TLS */
	PHASE_IDLE,		 /* between requests */
	PHASE_HEAD,		 /* part of a head has come */
	PHASE_BODY,		 /* the head has come */
	PHASE_HANDLING,	 /* the request is the owner's to answer */
	PHASE_STREAMING, /* the owner writes an answer */
	PHASE_WRITING,	 /* the client has to take what is left of it */
	PHASE_CLOSING	 /* refused, or the last answer has gone; what still comes is thrown away */
} Phase;

#define PHASES (PHASE_CLOSING + 1)

/* A client has caught up when it has no more than this to take. */
#define CLIENT_CAUGHT_UP ((size_t) 64 * 1024)

struct TlClient
{
	TAILQ_ENTRY(TlClient) link;
	TlClientTable *table;
	TlAddressCount *address; /* that it is counted with */
	struct bufferevent *bev;
	struct event *turn; /* goes on with the client in the next round */
	Phase phase;
	uint64_t since_us; /* of the phase, or of the last progress in it; coarse */
	void *request;	   /* that has no whole answer */
	bool proceeding;   /* client_proceed runs */
	bool in_reserve;
	TlAddressUse use;
	char *identity; /* in its certificate, or NULL */
	bool at_end;	/* the client will send no more */

	/* Of the request being read. */
	size_t scanned; /* of a head */
	TlBuf head_text;
	TlHttpHead *head; /* of the body being read */
	TlHttpChunks chunks;
	TlBuf body; /* of chunks */

	/* Of the answer. */
	bool close;			/* it is the last */
	bool behind;		/* its owner waits for the client to catch up */
	bool is_cut;		/* it cannot be completed */
	size_t given;		/* bytes */
	size_t taken;		/* by the client, of these, as last looked at */
	uint64_t answer_us; /* when it began */
};

TAILQ_HEAD(TlClientList, TlClient);

struct TlClientTable
{
	struct event_base *base;
	const TlConfig *config;
	const TlTls *tls;
	TlClientOwner owner;
	struct TlClientList phases[PHASES];
	unsigned int count;
	TlAddressCounts *addresses;
	size_t unread;	 /* bytes of requests, of all clients */
	size_t unsent;	 /* of answers */
	uint64_t now_us; /* as of the last tick */
	bool draining;
	TlHttpHead head; /* of the request that has just come */
	TlBuf refusal;
};

static inline struct evbuffer *
client_input(const TlClient *client)
{
	return bufferevent_get_input(client->bev);
}

static inline struct evbuffer *
client_output(const TlClient *client)
{
	return bufferevent_get_output(client->bev);
}

/* client.c: takes all that there is to take, and goes on with the answer.  May end the client. */
extern void client_proceed(TlClient *client);

/* client.c: how a bufferevent tells of it. */
extern void client_on_readable(struct bufferevent *bev, void *arg);
extern void client_on_written(struct bufferevent *bev, void *arg);
extern void client_on_event(struct bufferevent *bev, short what, void *arg);
extern void client_on_turn(evutil_socket_t fd, short what, void *arg);

/* client.c: refuses what cannot be answered as a request; the connection is closed then. */
extern void client_refuse(TlClient *client, int status, const char *why);

/* client.c: forgets the request that was read. */
extern void client_forget_request(TlClient *client);

/* client.c: how much may be buffered now. */
extern void client_limit_reading(TlClient *client, size_t wanted);

/* client_answer.c: bytes that the client has yet to take. */
extern size_t client_unsent(const TlClient *client);

/* client_answer.c: whether the client takes its answer fast enough to go on; it has as long again then. */
extern bool client_takes_answer(TlClient *client);

/* client_table.c */
extern void client_set_phase(TlClient *client, Phase phase);
extern void client_free(TlClient *client);

/* client_table.c: from now on the client is spoken to by this one. */
extern void client_take_bufferevent(TlClient *client, struct bufferevent *bev);

#endif
