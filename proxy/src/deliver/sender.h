/*
 * sender.h
 *		Transfers under way: libcurl's multi interface, driven by the event loop.
 */
#ifndef TL_SENDER_H
#define TL_SENDER_H

#include "deliver/transfer.h"

struct event_base;

typedef struct TlSender TlSender;

/* A transfer that has ended, and been judged, is the owner's again. */
typedef void (*TlSenderEnd)(TlTransfer *transfer, void *arg);

extern TlSender *tl_sender_open(struct event_base *base, TlSenderEnd on_end, void *arg);

/* None is under way. */
extern void tl_sender_close(TlSender *sender);

/* on_end is called later than this returns. */
extern void tl_sender_start(TlSender *sender, TlTransfer *transfer);

/* Ends one, without on_end. */
extern void tl_sender_abandon(TlSender *sender, TlTransfer *transfer);

#endif
