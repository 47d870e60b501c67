/*
 * http_head.c
 *		Heads of answers.
 */
#include "net/http_head.h"

#include <strings.h>
#include <time.h>

/* Of the text of a Date header, RFC 9110, 5.6.7. */
#define DATE_SIZE 32

static const char *
reason_phrase(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 201:
			return "Created";
		case 202:
			return "Accepted";
		case 204:
			return "No Content";
		case 304:
			return "Not Modified";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 408:
			return "Request Timeout";
		case 409:
			return "Conflict";
		case 413:
			return "Content Too Large";
		case 414:
			return "URI Too Long";
		case 415:
			return "Unsupported Media Type";
		case 417:
			return "Expectation Failed";
		case 422:
			return "Unprocessable Content";
		case 429:
			return "Too Many Requests";
		case 431:
			return "Request Header Fields Too Large";
		case 500:
			return "Internal Server Error";
		case 501:
			return "Not Implemented";
		case 503:
			return "Service Unavailable";
		case 505:
			return "HTTP Version Not Supported";
		default:
			return "Status";
	}
}

/* The time as a header has it, made anew once a second. */
static const char *
date_text(void)
{
	static time_t date_of;
	static char date[DATE_SIZE];
	time_t now = time(NULL);
	struct tm tm;

	if (now != date_of)
	{
		date_of = now;
		gmtime_r(&now, &tm);
		strftime(date, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return date;
}

/*
 * A page runs no script, fetches nothing, and is in no other page's frame, whatever is in it: what devices
 * sent may be.
 */
static void
add_page_policy(TlBuf *out, const char *content_type)
{
	if (content_type == NULL || strncasecmp(content_type, "text/html", 9) != 0)
		return;
	tl_buf_add_text(out, "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
						 "img-src data:; base-uri 'none'; form-action 'none'; "
						 "frame-ancestors 'none'\r\n"
						 "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
}

static void
add_framing(TlBuf *out, const TlHeadOptions *options)
{
	if (options->framing == TL_FRAMING_LENGTH)
		tl_buf_printf(out, "Content-Length: %zu\r\n", options->len);
	else if (options->framing == TL_FRAMING_CHUNKED)
		tl_buf_add_text(out, "Transfer-Encoding: chunked\r\n");
	if (options->close || options->framing == TL_FRAMING_CLOSE)
		tl_buf_add_text(out, "Connection: close\r\n");
	else if (options->old)
		tl_buf_add_text(out, "Connection: keep-alive\r\n");
}

bool
tl_http_status_has_body(int status)
{
	return status != 204 && status != 304;
}

void
tl_http_compose_head(TlBuf *out, const TlAnswer *answer, const TlHeadOptions *options)
{
	tl_buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", answer->status,
				  reason_phrase(answer->status), date_text());
	/* Of what the client has already, only what may have changed beside it. */
	if (tl_http_status_has_body(answer->status))
		tl_buf_printf(out, "Content-Type: %s\r\n",
					  answer->content_type != NULL ? answer->content_type : "application/json");
	add_page_policy(out, answer->content_type);
	if (options->gzip)
		tl_buf_add_text(out, "Content-Encoding: gzip\r\n");
	if (options->varies)
		tl_buf_add_text(out, "Vary: Accept-Encoding\r\n");
	if (options->etag != NULL)
		tl_buf_printf(out, "ETag: %s\r\nCache-Control: no-cache\r\n", options->etag);
	if (answer->allow != NULL)
		tl_buf_printf(out, "Allow: %s\r\n", answer->allow);
	if (answer->file_name != NULL)
		tl_buf_printf(out, "Content-Disposition: attachment; filename=\"%s\"\r\n",
					  answer->file_name);
	if (answer->retry_after > 0)
		tl_buf_printf(out, "Retry-After: %u\r\n", answer->retry_after);
	if (options->fields != NULL)
		tl_buf_add(out, options->fields->data, options->fields->len);
	add_framing(out, options);
	tl_buf_add_text(out, "\r\n");
}
