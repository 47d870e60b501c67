/*
 * route.h
 *		Paths and methods to endpoints.
 */
#ifndef TL_ROUTE_H
#define TL_ROUTE_H

#include "routes/request.h"

/* Answers the request, or has it wait for the database. */
extern void tl_route_handle(TlRequest *request, const TlBackend *backend);

extern void tl_route_shutdown(void);

#endif
