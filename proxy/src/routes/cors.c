/*
 * cors.c
 *		Pages of other origins: who may call, and what browsers are told of that.  See cors.h.
 */
#include "routes/cors.h"

#include "base/log.h"
#include "base/origin.h"

#include <stdlib.h>

/* What endpoints read of a request beside the headers that any page may send. */
#define READ_HEADERS                                                                               \
	"Content-Type, Content-Encoding, Authorization, X-Api-Key, X-User-Id, X-Device-Id, "           \
	"X-Correlation-Id, traceparent, If-None-Match, Idempotency-Key"

/* What a page may read of an answer beside its body and what any page may. */
#define TOLD_HEADERS "Retry-After, Content-Disposition, ETag, X-Correlation-Id"

void
tl_cors_begin(TlRequest *request, const TlConfig *config)
{
	const char *list = config->cors_origins;

	if (request->origin == NULL || list[0] == '\0')
		return;
	if (!tl_origin_is_listed(list, request->origin))
	{
		request->origin_refused = true;
		return;
	}
	request->allowed_origin = strdup(tl_origin_list_is_any(list) ? "*" : request->origin);
	if (request->allowed_origin == NULL)
		tl_log_die("out of memory");
}

bool
tl_cors_check(TlRequest *request)
{
	if (!request->origin_refused)
		return true;
	tl_request_refuse(request, 403, "pages of this origin may not call");
	return false;
}

void
tl_cors_add_headers(const TlRequest *request, const TlConfig *config, const TlAnswer *answer,
					TlBuf *head)
{
	bool is_preflight = request->method == TL_METHOD_OPTIONS && answer->status == 204 &&
						request->wanted_method != NULL && answer->allow != NULL;

	/* A cache must not give one origin what another was answered, nor none. */
	if (config->cors_origins[0] != '\0')
		tl_buf_add_text(head, "Vary: Origin\r\n");
	if (request->allowed_origin == NULL)
		return;
	tl_buf_printf(head, "Access-Control-Allow-Origin: %s\r\n", request->allowed_origin);
	if (config->cors_credentials && strcmp(request->allowed_origin, "*") != 0)
		tl_buf_add_text(head, "Access-Control-Allow-Credentials: true\r\n");
	if (is_preflight)
		tl_buf_printf(head,
					  "Access-Control-Allow-Methods: %s\r\n"
					  "Access-Control-Allow-Headers: " READ_HEADERS "%s\r\n"
					  "Access-Control-Max-Age: %lld\r\n",
					  answer->allow, answer->allow_headers,
					  (long long) (config->cors_max_age / 1000));
	else
		tl_buf_add_text(head, "Access-Control-Expose-Headers: " TOLD_HEADERS "\r\n");
}
