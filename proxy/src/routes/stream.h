/*
 * stream.h
 *		Answers that the database makes in parts: telemetry.http_parts().
 *
 * A part is kept until it is known whether another follows.  If none does the answer is whole, and goes
 * as any other; else it is begun, and goes on as the parts come.  While the client is behind, the
 * database is not asked for more, so that neither side holds more than some parts.
 */
#ifndef TL_STREAM_H
#define TL_STREAM_H

#include "routes/request.h"

/*
 * Asks for the answer of a route that only reads, whose name is a member of params, too.  With `exports` it may
 * be of any length: its connections and its memory are those of exports.
 */
extern void tl_stream_begin(TlRequest *request, const TlBackend *backend, bool exports,
							const char *name, const char *params, size_t params_len);

/* What a request has of it; NULL is fine. */
extern void tl_stream_free(TlStream *stream);

#endif
