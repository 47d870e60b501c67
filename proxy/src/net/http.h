/*
 * http.h
 *		The HTTP server: requests of clients to endpoints, answers of endpoints to clients.
 */
#ifndef TL_HTTP_H
#define TL_HTTP_H

#include "base/address.h"
#include "net/tls.h"
#include "routes/route.h"

struct event_base;

typedef struct TlHttp TlHttp;

/* NULL, with the reason logged, if an address cannot be bound. */
extern TlHttp *tl_http_open(struct event_base *base, const TlBackend *backend,
							const TlAddressList *addresses, const TlTls *tls);

/*
 * Takes the connections that wait to be accepted, and no more, and closes all as they fall idle,
 * those that are idle now a moment later; on_drained is called when there are none left, perhaps at
 * once.
 */
extern void tl_http_drain(TlHttp *http, void (*on_drained)(void *arg), void *arg);

/* The database is told to end what it does for requests; it may answer them yet. */
extern void tl_http_give_up(TlHttp *http);

/* Answers every request that still waits with 503. */
extern void tl_http_abandon(TlHttp *http);

/* After the pool is closed, so that nobody holds a request. */
extern void tl_http_close(TlHttp *http);

#endif
