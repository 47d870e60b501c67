/*
 * body.c
 *		The JSON text that a request brings.
 */
#include "routes/body.h"

#include "base/inflate.h"

#include <strings.h>

#define INFLATED_KEEP ((size_t) 1024 * 1024)

static TlBuf inflated; /* the body being read, decompressed */

void
tl_body_shutdown(void)
{
	tl_buf_free(&inflated);
}

static bool
content_type_is_json(const char *type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	if (type == NULL)
		return true;
	return strncasecmp(type, json, len) == 0 &&
		   (type[len] == '\0' || type[len] == ';' || type[len] == ' ' || type[len] == '\t');
}

bool
tl_body_read(TlRequest *request, const TlConfig *config, const char **body, size_t *len)
{
	TlEncoding encoding = TL_ENCODING_IDENTITY;

	if (!content_type_is_json(request->content_type))
	{
		tl_request_refuse(request, 415, "Content-Type must be application/json");
		return false;
	}
	if (request->content_encoding != NULL)
		encoding = tl_encoding_by_name(request->content_encoding);
	if (encoding == TL_ENCODING_UNKNOWN)
	{
		tl_request_refuse(request, 415, "Content-Encoding must be gzip or lz4");
		return false;
	}
	if (request->body_len == 0)
	{
		tl_request_refuse(request, 400, "the body is empty");
		return false;
	}

	*body = request->body;
	*len = request->body_len;
	if (encoding == TL_ENCODING_IDENTITY)
		encoding = tl_encoding_detect(*body, *len);
	if (encoding == TL_ENCODING_IDENTITY)
		return true;

	tl_buf_reset(&inflated, INFLATED_KEEP);
	switch (tl_inflate(encoding, *body, *len, (size_t) config->max_decompressed, &inflated))
	{
		case TL_INFLATE_OK:
			break;
		case TL_INFLATE_CORRUPT:
			tl_request_refuse(request, 400,
							  encoding == TL_ENCODING_GZIP ? "the body is not valid gzip"
														   : "the body is not a valid lz4 frame");
			return false;
		case TL_INFLATE_TOO_LARGE:
			tl_request_refuse(request, 413, "the decompressed body is too large");
			return false;
	}
	*body = inflated.data;
	*len = inflated.len;
	return true;
}
