/*
 * deliver.h
 *		Sends what the database has to tell: notifications of alerts, to webhooks and by mail.
 *
 * The database decides what, when and how often; see extension/sql/69_notification.sql.
 */
#ifndef TL_DELIVER_H
#define TL_DELIVER_H

#include "base/config.h"

struct event_base;

typedef struct TlDeliver TlDeliver;

/* Whether what the options say of sending can be used; if not, the reason. */
extern bool tl_deliver_check(const TlConfig *config, TlConfigError *error);

/* Begins if "deliver" is on.  `config` must last. */
extern TlDeliver *tl_deliver_open(struct event_base *base, const TlConfig *config);

/* The configuration, which was checked, has changed. */
extern void tl_deliver_reload(TlDeliver *deliver);

/*
 * Takes nothing more; on_drained is called, later than this returns, when what is under way has ended and
 * the database has been told.
 */
extern void tl_deliver_drain(TlDeliver *deliver, void (*on_drained)(void *arg), void *arg);

/* What is under way is left to its lease: it will be sent again. */
extern void tl_deliver_close(TlDeliver *deliver);

#endif
