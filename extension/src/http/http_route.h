/*
 * http_route.h
 *		The rows of telemetry.route that bring events, with their dialects.
 *
 * All are read at once and kept for the session until telemetry.route or telemetry.dialect
 * changes, of which a trigger tells every session (telemetry.route_changed).
 */
#ifndef TL_HTTP_ROUTE_H
#define TL_HTTP_ROUTE_H

#include "http/http_dialect.h"

typedef struct TlRoute
{
	TlSlice name; /* method, a space, path */
	TlSlice stream;
	const TlDialect *dialect;
	bool batch;
	bool takes_array; /* the body may be an array of events, whatever it is otherwise */
	int max_events;
	const Jsonb *params; /* an object: what a caller cannot change */
	bool log_batches;
} TlRoute;

/* Makes sure that they are as of now. What is found is good until the end of the transaction. */
extern void tl_routes_refresh(void);

/* NULL if there is none of that name. */
extern const TlRoute *tl_route_find(TlSlice name);
extern const TlDialect *tl_dialect_find(TlSlice name);

#endif
