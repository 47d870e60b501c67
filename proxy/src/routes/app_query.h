/*
 * app_query.h
 *		The parameters of a query string as members of a JSON object.
 */
#ifndef TL_APP_QUERY_H
#define TL_APP_QUERY_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * Adds them to the object in `params` that is not closed yet, each a text.  Of a name that comes several
 * times all texts are in the member "repeated" as well, {name: [text, …]}.  False if the query is
 * malformed, or has too many parameters.
 */
extern bool tl_app_query_add(TlBuf *params, const char *query);

extern void tl_app_query_shutdown(void);

#endif
