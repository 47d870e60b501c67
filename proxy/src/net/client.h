/*
 * client.h
 *		What evhttp does not keep about a client's connection: its phase, and since when.
 *
 * A client is made when evhttp asks for a bufferevent and freed when evhttp frees the
 * connection; between the two evhttp owns the bufferevent and the connection.
 */
#ifndef TL_CLIENT_H
#define TL_CLIENT_H

#include "base/config.h"

#include <sys/queue.h>

struct bufferevent;
struct event_base;
struct evhttp_connection;

typedef enum TlClientPhase
{
	TL_CLIENT_NEW,		/* evhttp has not finished accepting -> IDLE */
	TL_CLIENT_IDLE,		/* between requests -> READING, CLOSING */
	TL_CLIENT_READING,	/* part of a request has come -> HANDLING, CLOSING */
	TL_CLIENT_HANDLING, /* the request is ours to answer -> WRITING */
	TL_CLIENT_WRITING,	/* -> IDLE */
	TL_CLIENT_CLOSING	/* refused; what still comes is thrown away */
} TlClientPhase;

typedef struct TlClient TlClient;
typedef struct TlClientTable TlClientTable;

/* The number of clients changed, or one fell idle. */
typedef void (*TlClientsChanged)(TlClientTable *table, void *arg);

extern TlClientTable *tl_clients_open(struct event_base *base, const TlConfig *config,
									  TlClientsChanged on_change, void *arg);

/* After all connections are gone. */
extern void tl_clients_close(TlClientTable *table);

extern unsigned int tl_clients_count(const TlClientTable *table);

/* For evhttp_set_bevcb, with the table as argument. */
extern struct bufferevent *tl_client_accept(struct event_base *base, void *table);

/* The client of a connection that evhttp hands a request of. */
extern TlClient *tl_client_find(TlClientTable *table, struct evhttp_connection *connection);

/* The request has come whole; `request` is told to on_gone if the connection goes first. */
extern void tl_client_begin_handling(TlClient *client, void (*on_gone)(void *request),
									 void *request);
extern void tl_client_begin_writing(TlClient *client);
extern void tl_client_end_writing(TlClient *client);

/*
 * Writes the answer now instead of in the next round of the loop.  Not from within evhttp's
 * callback; the client may be gone afterwards.
 */
extern void tl_client_flush(TlClient *client);

/* Enforces the time limits; call it a few times a second. */
extern void tl_clients_tick(TlClientTable *table, uint64_t now_us);

/* From now on, connections are closed as they fall idle. */
extern void tl_clients_drain(TlClientTable *table);

#endif
