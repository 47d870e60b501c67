/*
 * cancel.h
 *		Asking the server to end the statement that a connection runs.
 *
 * libpq before 17 can only ask and wait for the network meanwhile, so each request has a thread of
 * its own, and the loop is told when it has been made.  The statement may still end well.
 */
#ifndef TL_CANCEL_H
#define TL_CANCEL_H

#include <libpq-fe.h>

struct event_base;

typedef struct TlCancel TlCancel;

/* on_done is called from the loop, and the request is gone then; NULL if it cannot be made. */
extern TlCancel *tl_cancel_start(struct event_base *base, PGconn *pg, void (*on_done)(void *arg),
								 void *arg);

/* Nobody is to be told any more. */
extern void tl_cancel_abandon(TlCancel *cancel);

#endif
