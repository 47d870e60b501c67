/*
 * http_private.h
 *		What the files of the HTTP server share: http.c has the listeners and the requests, http_answer.c
 *		their answers.
 */
#ifndef TL_HTTP_PRIVATE_H
#define TL_HTTP_PRIVATE_H

#include "net/client.h"
#include "net/gzip.h"
#include "net/http.h"
#include "net/http_head.h"

#include <event2/listener.h>
#include <sys/queue.h>

typedef struct HttpRequest
{
	TlRequest base; /* first: a request is its HTTP request */
	TlHttp *http;
	TlClient *client;		/* NULL once it has gone */
	const TlHttpHead *head; /* while its endpoint is called */
	bool old;				/* HTTP/1.0 */
	char *if_none_match;	/* or NULL; the request's own */
	bool close;
	bool takes_gzip;
	TlFraming framing;			   /* of an answer bit by bit */
	TlGzip *gzip;				   /* of that, or NULL */
	TAILQ_ENTRY(HttpRequest) link; /* of those in flight, or spare */
} HttpRequest;

TAILQ_HEAD(RequestList, HttpRequest);

struct TlHttp
{
	struct event_base *base;
	const TlBackend *backend;
	TlClientTable *clients;
	struct evconnlistener *listeners[TL_ADDRESSES_MAX];
	bool queue_is_ours[TL_ADDRESSES_MAX]; /* otherwise somebody goes on listening */
	TlAddressUse uses[TL_ADDRESSES_MAX];  /* of the listeners */
	size_t listener_count;
	bool stalled; /* accepting fails for now */
	struct event *tick;
	struct RequestList in_flight; /* without an answer */
	struct RequestList streaming; /* with one that has begun */
	struct RequestList spares;
	size_t spare_count;
	TlBuf head;	  /* of the answer being sent */
	TlBuf body;	  /* of it, or of a part, in gzip */
	TlBuf fields; /* of its head: what browsers are told */
	bool draining;
	uint64_t last_call_us; /* when idle connections are closed; 0: they have been, or need not be */
	void (*on_drained)(void *arg);
	void *on_drained_arg;
};

/* http_answer.c: what a request answers with, TlRequest's functions. */
extern void http_answer(TlRequest *base, const TlAnswer *answer);
extern void http_begin(TlRequest *base, const TlAnswer *answer);
extern bool http_write(TlRequest *base, const char *data, size_t len, size_t mark);
extern void http_end(TlRequest *base, bool complete);

/* http_answer.c: what the connection layer asks for, TlClientOwner's functions. */
extern void http_on_caught_up(void *request, void *arg);
extern void http_on_refusal(int status, const char *why, bool head, TlBuf *out, void *arg);

#endif
