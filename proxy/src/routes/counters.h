/*
 * counters.h
 *		What the proxy counts, for answers that tell of it.
 */
#ifndef TL_COUNTERS_H
#define TL_COUNTERS_H

#include "routes/request.h"

/* Adds a JSON object. */
extern void tl_counters_add(TlBuf *out, const TlBackend *backend);

#endif
