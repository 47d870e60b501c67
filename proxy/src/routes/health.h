/*
 * health.h
 *		The endpoints that tell of the service and of past batches.
 */
#ifndef TL_HEALTH_H
#define TL_HEALTH_H

#include "routes/request.h"

struct event_base;

/* Starts to ask the database how it is, once a second. */
extern void tl_health_open(struct event_base *base, const TlBackend *backend);
extern void tl_health_stop(void);
extern void tl_health_shutdown(void);

extern void tl_health(TlRequest *request, const TlBackend *backend);
extern void tl_health_live(TlRequest *request, const TlBackend *backend);
extern void tl_health_detailed(TlRequest *request, const TlBackend *backend);
extern void tl_batch_receipt(TlRequest *request, const TlBackend *backend);

#endif
