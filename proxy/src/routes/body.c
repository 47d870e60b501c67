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

/* Of a Content-Type, without its parameters. */
static bool
media_type_is(const char *type, const char *name)
{
	size_t len = strcspn(type, "; \t");

	return len == strlen(name) && strncasecmp(type, name, len) == 0;
}

static bool
content_type_is_json(const char *type)
{
	static const char suffix[] = "+json";
	size_t len;

	if (type == NULL || media_type_is(type, "application/json"))
		return true;

	/* application/vnd.example+json, application/cloudevents+json: RFC 6839. */
	len = strcspn(type, "; \t");
	return memchr(type, '/', len) != NULL && len > sizeof(suffix) - 1 &&
		   strncasecmp(type + len - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0;
}

bool
tl_body_is_plain_text(const TlRequest *request)
{
	return request->content_type != NULL && media_type_is(request->content_type, "text/plain");
}

bool
tl_body_read(TlRequest *request, const TlConfig *config, const char **body, size_t *len)
{
	static const char *const corrupt[] = {
		[TL_ENCODING_GZIP] = "the body is not valid gzip",
		[TL_ENCODING_DEFLATE] = "the body is not valid deflate",
		[TL_ENCODING_LZ4] = "the body is not a valid lz4 frame",
		[TL_ENCODING_ZSTD] = "the body is not a valid zstd frame",
	};
	TlEncoding encoding = TL_ENCODING_IDENTITY;

	if (!content_type_is_json(request->content_type) &&
		!(request->takes_text && tl_body_is_plain_text(request)))
	{
		tl_request_refuse(request, 415, "Content-Type must be application/json");
		return false;
	}
	if (request->content_encoding != NULL)
		encoding = tl_encoding_by_name(request->content_encoding);
	if (encoding == TL_ENCODING_UNKNOWN)
	{
		tl_request_refuse(request, 415, "Content-Encoding must be gzip, deflate, lz4 or zstd");
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
			tl_request_refuse(request, 400, corrupt[encoding]);
			return false;
		case TL_INFLATE_TOO_LARGE:
			tl_request_refuse(request, 413, "the decompressed body is too large");
			return false;
	}
	*body = inflated.data;
	*len = inflated.len;
	return true;
}
