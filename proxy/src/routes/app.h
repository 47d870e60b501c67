/*
 * app.h
 *		The endpoints that the database has: events of apps, and calls of functions.
 *
 * Routes are read from telemetry.http_routes() at the start and every two seconds.
 */
#ifndef TL_APP_H
#define TL_APP_H

#include "routes/request.h"

struct event_base;

extern void tl_app_open(struct event_base *base, const TlBackend *backend);
extern void tl_app_stop(void);	   /* before the pool is closed */
extern void tl_app_shutdown(void); /* after that */

/*
 * Answers a request whose path has been split, now or later.  False if the database has no such
 * path; a path is not refused before its routes are known.
 */
extern bool tl_app_handle(TlRequest *request, const TlBackend *backend);

/*
 * Has the request speak the dialect of those routes whose paths begin as its own does, for more than so
 * many segments, if there are any.
 */
extern void tl_app_speak(TlRequest *request, unsigned int shared);

#endif
