/*
 * ingest.h
 *		The endpoints that store points.
 */
#ifndef TL_INGEST_H
#define TL_INGEST_H

#include "routes/request.h"

extern void tl_ingest_single(TlRequest *request, const TlBackend *backend);
extern void tl_ingest_batch(TlRequest *request, const TlBackend *backend);
extern void tl_ingest_bulk(TlRequest *request, const TlBackend *backend);

#endif
