/*
 * failure.h
 *		The shapes of the answers that the proxy itself gives when a request fails.
 *
 * A dialect's shapes come from the database (telemetry.http_routes), as JSON texts in which
 * $detail and $status are to be filled in.  They are shared by routes and by the requests that
 * are under way when routes change, and go with the last of them.
 */
#ifndef TL_FAILURE_H
#define TL_FAILURE_H

#include "base/buf.h"

struct json_object;

typedef struct TlFailure TlFailure;

/* Of "error_type" and "errors" of a route; NULL if these are not as they should be. */
extern TlFailure *tl_failure_create(const char *content_type, struct json_object *templates);

extern TlFailure *tl_failure_acquire(TlFailure *failure);
extern void tl_failure_release(TlFailure *failure); /* may be NULL */

extern const char *tl_failure_content_type(const TlFailure *failure);
extern void tl_failure_compose(const TlFailure *failure, int status, const char *detail,
							   TlBuf *out);

#endif
