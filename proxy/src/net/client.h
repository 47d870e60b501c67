/*
 * client.h
 *		A client's connection: requests come in whole, answers go out, one after the other.
 *
 *	 HANDSHAKE (TLS) ──> IDLE ──> HEAD ──> BODY ──> HANDLING ──> STREAMING ──> WRITING ──> IDLE
 *	  │                   │        └────────┴── refused ──┴──────────┴────────────┴──> CLOSING
 *
 * An answer is given whole, or begun, written bit by bit and ended; whoever makes it so is told when the
 * client has fallen behind, and when it has caught up.
 *
 * Each phase has a list of its clients in the order in which they came into it, so what a time limit
 * ends, and who has been idle longest, stands first.  What is read ahead of a request that is being
 * answered is bounded, and so is a body before it is read.
 *
 * A bufferevent does the reading and writing, so that TLS is another kind of it and nothing more but a
 * handshake; transport.h is what both have beside it.
 */
#ifndef TL_CLIENT_H
#define TL_CLIENT_H

#include "base/address.h"
#include "base/config.h"
#include "net/http_parse.h"
#include "net/tls.h"

#include <sys/socket.h>
#include <sys/uio.h>

struct event_base;

typedef struct TlClient TlClient;
typedef struct TlClientTable TlClientTable;

/* The HTTP side. */
typedef struct TlClientOwner
{
	/*
	 * A request is whole; what it is given with lasts until this returns.  Exactly one
	 * tl_client_answer or tl_client_begin follows, from within or later.
	 */
	void (*on_request)(TlClient *client, const TlHttpHead *head, const char *body, size_t len,
					   void *arg);

	/* The client has gone before its request was answered to the end; it must not be used any more. */
	void (*on_gone)(void *request, void *arg);

	/*
	 * Whether a request is of no use when its client has gone.  One that has said all may only have
	 * done that, or have gone; it is then sent 100 (Continue), which tells, so it must know that.
	 */
	bool (*ends_with_client)(void *request, void *arg);

	/* The client has caught up with an answer that is being written. */
	void (*on_caught_up)(void *request, void *arg);

	/* The client is refused: what it is to be sent is appended to `out`, without a body for HEAD. */
	void (*on_refusal)(int status, const char *why, bool head, TlBuf *out, void *arg);

	/* The number of clients changed. */
	void (*on_count)(void *arg);

	void *arg;
} TlClientOwner;

extern TlClientTable *tl_clients_open(struct event_base *base, const TlConfig *config,
									  const TlTls *tls, TlClientOwner owner);

/* Ends all connections. */
extern void tl_clients_close(TlClientTable *table);

extern unsigned int tl_clients_count(const TlClientTable *table);

/*
 * Takes a connection that was accepted, which does not block.  Where there are as many as may be, the
 * one that has been idle longest makes room for it; if none is idle and it cannot be one of the few
 * in reserve, or its address has as many as one may have, it is closed.
 */
extern void tl_clients_accept(TlClientTable *table, int fd, const struct sockaddr *address,
							  TlAddressUse use);

/* What the address is for that the client has come to. */
extern TlAddressUse tl_client_use(const TlClient *client);

/* Whom the client has shown to be by a certificate; NULL if it has not.  Lasts as long as the client. */
extern const char *tl_client_identity(const TlClient *client);

/* One in reserve, which only health is answered. */
extern bool tl_client_is_in_reserve(const TlClient *client);

/* What on_gone and on_caught_up are given while the request that on_request brought has no whole answer. */
extern void tl_client_set_request(TlClient *client, void *request);

/* Head and body of an answer; with `close` it is the last. */
extern void tl_client_answer(TlClient *client, const char *head, size_t head_len, const char *body,
							 size_t body_len, bool close);

/*
 * An answer bit by bit: its head, then what there is of its body, then its end; nothing of it may be
 * sent after that.  All may end the client, who is then gone as with on_gone.
 */
extern void tl_client_begin(TlClient *client, const char *head, size_t len, bool close);
extern void tl_client_write(TlClient *client, const struct iovec *parts, int count);
extern void tl_client_end(TlClient *client);

/* The answer cannot be completed: the client learns so by the loss of its connection. */
extern void tl_client_abort(TlClient *client);

/*
 * Whether the client has more than this to take, or all of them together have too much: then whoever
 * writes is to wait until the client has caught up.
 */
extern bool tl_client_is_behind(TlClient *client, size_t mark);

/* Enforces the time limits; call it a few times a second. */
extern void tl_clients_tick(TlClientTable *table, uint64_t now_us);

/* From now on, connections are closed as they fall idle. */
extern void tl_clients_drain(TlClientTable *table);

#endif
