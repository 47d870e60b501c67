/*
 * health.h
 *		The endpoints that tell of the service and of past batches.
 */
#ifndef TL_HEALTH_H
#define TL_HEALTH_H

#include "routes/request.h"

extern void tl_health(TlRequest *request, const TlBackend *backend);
extern void tl_health_detailed(TlRequest *request, const TlBackend *backend);
extern void tl_batch_receipt(TlRequest *request, const TlBackend *backend);

#endif
