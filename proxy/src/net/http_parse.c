/*
 * http_parse.c
 *		The framing of HTTP/1.1 requests.  See http_parse.h.
 */
#include "net/http_parse.h"

#include "base/url.h"

#include <string.h>
#include <strings.h>

/* Empty lines before a request line, which RFC 9112, 2.2 has us ignore. */
#define EMPTY_LINES_MAX ((size_t) 8)

/* No method that we know of is longer than 17, and no text of ours shows one. */
#define METHOD_MAX ((size_t) 32)

/* Of a length or of a chunk's size; no number of them overflows. */
#define DECIMALS_MAX 18
#define HEX_DIGITS_MAX 15

/* Extensions and trailers of a body. */
#define OVERHEAD_MAX ((size_t) 16 * 1024)

/* RFC 9110, 5.6.2. */
static bool
is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		   (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* What may stand in a line beside CR LF: all but control characters, of which only the tab. */
static bool
is_text_char(unsigned char c)
{
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

static size_t
token_length(const char *text)
{
	size_t n = 0;

	while (is_token_char((unsigned char) text[n]))
		n++;
	return n;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static int
refuse(int status, const char *reason, const char **why)
{
	*why = reason;
	return status;
}

static size_t
empty_lines(const char *data, size_t len)
{
	size_t n = 0;

	while (n + 2 <= len && n < 2 * EMPTY_LINES_MAX && data[n] == '\r' && data[n + 1] == '\n')
		n += 2;
	return n;
}

int
tl_http_find_end(const char *data, size_t len, size_t max, size_t *scanned, size_t *end,
				 const char **why)
{
	size_t start = empty_lines(data, len);
	size_t i = *scanned > start ? *scanned : start;
	bool in_first_line = memchr(data + start, '\n', i - start) == NULL;

	*end = 0;
	for (; i < len; i++)
	{
		char c = data[i];

		if (in_first_line && (i - start >= max || i - start >= TL_HTTP_LINE_MAX))
			return refuse(414, "the request line is longer than 8 kB, or than max-headers", why);
		if (i - start >= max)
			return refuse(431, "request line and headers are longer than max-headers", why);
		if (c == '\n')
		{
			if (i == start || data[i - 1] != '\r')
				return refuse(400, "a line ends in LF alone", why);
			in_first_line = false;
			if (i >= start + 3 && data[i - 2] == '\n')
			{
				*end = i + 1;
				return 0;
			}
		}
		else if (i > start && data[i - 1] == '\r')
			return refuse(400, "a CR without LF", why);
		else if (c != '\r' && !is_text_char((unsigned char) c))
			return refuse(400, "a control character in the header", why);
		else if (i == start && !is_token_char((unsigned char) c) && c != '\r')
			return refuse(400, "malformed request line", why);
	}
	*scanned = len;
	return 0;
}

/* Ends a line that is known to end in CR LF; returns the next one. */
static char *
cut_line(char *line)
{
	char *end = strchr(line, '\r');

	*end = '\0';
	return end + 2;
}

/*
 * An authority of the form host [":" port], RFC 3986, 3.2; no user, since http has none; nor a comma,
 * which may be two hosts that somebody has joined.  `len` bytes.
 */
static bool
is_host(const char *text, size_t len)
{
	size_t i = 0;

	if (len > 0 && text[0] == '[')
	{
		while (i < len && text[i] != ']')
			i++;
		if (i == 1 || i == len || strspn(text + 1, "0123456789abcdefABCDEF:.") != i - 1)
			return false;
		i++;
	}
	else
		while (i < len &&
			   ((is_token_char((unsigned char) text[i]) && strchr("#^`|", text[i]) == NULL) ||
				strchr("();=", text[i]) != NULL))
			i++;
	if (i == 0)
		return false;
	if (i < len && text[i] == ':')
		for (i++; i < len && text[i] >= '0' && text[i] <= '9';)
			i++;
	return i == len;
}

/*
 * Where the path begins in http://host/path, which proxies may be sent; NULL if that is no such
 * target.  Its host goes before that of the header, RFC 9112, 3.2.2, and neither matters here.
 */
static char *
skip_authority(char *target)
{
	char *host;
	size_t len;

	if (strncasecmp(target, "http://", 7) == 0)
		host = target + 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		host = target + 8;
	else
		return NULL;
	len = strcspn(host, "/?");
	return is_host(host, len) ? host + len : NULL;
}

static int
parse_target(char *target, TlHttpHead *head, const char **why)
{
	char *path = target;

	for (const char *p = target; *p != '\0'; p++)
		if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f || *p == '#')
			return refuse(400, "malformed path", why);
	if (strcmp(target, "*") == 0)
	{
		if (strcmp(head->method, "OPTIONS") != 0)
			return refuse(400, "malformed path", why);
		head->path = target;
		return 0;
	}
	if (*target != '/')
	{
		path = skip_authority(target);
		if (path == NULL)
			return refuse(400, "malformed path", why);
	}
	head->path = path;
	if (*path == '/')
		path += strcspn(path, "?");
	else
		head->path = "/"; /* RFC 9112, 3.2.1 */
	if (*path == '?')
	{
		*path = '\0';
		head->query = path + 1;
	}
	return 0;
}

/* method SP request-target SP HTTP-version */
static int
parse_request_line(char *line, TlHttpHead *head, const char **why)
{
	size_t method_len = token_length(line);
	char *target = line + method_len + 1;
	char *version;

	if (method_len == 0 || method_len > METHOD_MAX || line[method_len] != ' ')
		return refuse(400, "malformed request line", why);
	line[method_len] = '\0';
	head->method = line;
	version = strchr(target, ' ');
	if (version == NULL || version == target)
		return refuse(400, "malformed request line", why);
	*version++ = '\0';
	if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.' ||
		version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
		return refuse(400, "malformed request line", why);
	if (version[5] != '1')
		return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here", why);
	head->old = version[7] == '0';
	if (strcmp(head->method, "CONNECT") == 0)
		return refuse(501, "this is no proxy", why);
	return parse_target(target, head, why);
}

/* field-name ":" OWS field-value OWS */
static int
parse_field(char *line, TlHttpField *field, const char **why)
{
	size_t name_len = token_length(line);
	char *value = line + name_len + 1;
	size_t len;

	if (name_len == 0 || line[name_len] != ':')
		return refuse(400, "malformed header", why);
	line[name_len] = '\0';
	while (is_space(*value))
		value++;
	len = strlen(value);
	while (len > 0 && is_space(value[len - 1]))
		len--;
	value[len] = '\0';
	*field = (TlHttpField){line, value};
	return 0;
}

/* Whether a comma-separated list has a token, RFC 9110, 5.6.1. */
static bool
list_has(const char *list, const char *token)
{
	size_t token_len = strlen(token);

	while (*list != '\0')
	{
		size_t len;

		list += strspn(list, " \t,");
		len = strcspn(list, ",");
		while (len > 0 && is_space(list[len - 1]))
			len--;
		if (len == token_len && strncasecmp(list, token, len) == 0)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static int
parse_length(const char *text, TlHttpHead *head, const char **why)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0')
		return refuse(400, "malformed Content-Length", why);
	if (digits > DECIMALS_MAX)
		return refuse(413, "the body is too large", why);
	head->length = 0;
	for (size_t i = 0; i < digits; i++)
		head->length = head->length * 10 + (uint64_t) (text[i] - '0');
	return 0;
}

/* What the fields say of the request as a whole. */
typedef struct Framing
{
	const char *length;
	const char *transfer;
	const char *host;
	bool close;
	bool keep_alive;
} Framing;

/* Keeps the value of a field that there may be one of. */
static int
keep_only(const char **kept, const TlHttpField *field, const char **why)
{
	if (*kept != NULL)
		return refuse(400, "a header that may be there once is repeated", why);
	*kept = field->value;
	return 0;
}

static int
read_framing_field(const TlHttpField *field, Framing *framing, TlHttpHead *head, const char **why)
{
	switch (strlen(field->name))
	{
		case 4:
			if (strcasecmp(field->name, "Host") == 0)
				return keep_only(&framing->host, field, why);
			break;
		case 6:
			if (strcasecmp(field->name, "Expect") == 0)
			{
				if (strcasecmp(field->value, "100-continue") != 0)
					return refuse(417, "unknown Expect header", why);
				head->expects_continue = !head->old; /* RFC 9110, 10.1.1 */
			}
			break;
		case 10:
			if (strcasecmp(field->name, "Connection") == 0)
			{
				framing->close |= list_has(field->value, "close");
				framing->keep_alive |= list_has(field->value, "keep-alive");
			}
			break;
		case 14:
			if (strcasecmp(field->name, "Content-Length") == 0)
				return keep_only(&framing->length, field, why);
			break;
		case 17:
			if (strcasecmp(field->name, "Transfer-Encoding") == 0)
				return keep_only(&framing->transfer, field, why);
			break;
	}
	return 0;
}

/* Where the body ends: RFC 9112, 6.3. */
static int
read_body_framing(const Framing *framing, TlHttpHead *head, const char **why)
{
	if (framing->transfer == NULL)
		return framing->length == NULL ? 0 : parse_length(framing->length, head, why);
	if (framing->length != NULL)
		return refuse(400, "both Content-Length and Transfer-Encoding", why);
	if (head->old)
		return refuse(400, "Transfer-Encoding in HTTP/1.0", why);
	if (strcasecmp(framing->transfer, "chunked") != 0)
		return refuse(501, "Transfer-Encoding must be chunked", why);
	head->chunked = true;
	return 0;
}

static int
read_host(const Framing *framing, const TlHttpHead *head, const char **why)
{
	if (framing->host == NULL)
		return head->old ? 0 : refuse(400, "the Host header is missing", why);
	if (!is_host(framing->host, strlen(framing->host)))
		return refuse(400, "malformed Host header", why);
	return 0;
}

int
tl_http_parse_head(char *data, size_t len, TlHttpHead *head, const char **why)
{
	char *line = data + empty_lines(data, len);
	Framing framing = {0};
	char *next = cut_line(line);
	int status;

	memset(head, 0, offsetof(TlHttpHead, fields));
	status = parse_request_line(line, head, why);
	for (line = next; status == 0 && *line != '\r'; line = next)
	{
		TlHttpField *field;

		next = cut_line(line);
		if (head->field_count == TL_HTTP_FIELDS_MAX)
			return refuse(431, "there are more than 100 headers", why);
		field = &head->fields[head->field_count++];
		status = parse_field(line, field, why);
		if (status == 0)
			status = read_framing_field(field, &framing, head, why);
	}
	if (status == 0)
		status = read_host(&framing, head, why);
	if (status == 0)
		status = read_body_framing(&framing, head, why);
	head->keep_alive = status == 0 && !framing.close && (!head->old || framing.keep_alive);
	return status;
}

const char *
tl_http_field(const TlHttpHead *head, const char *name)
{
	for (unsigned int i = 0; i < head->field_count; i++)
		if (strcasecmp(head->fields[i].name, name) == 0)
			return head->fields[i].value;
	return NULL;
}

/* chunk-size [ chunk-ext ] CRLF */
static bool
read_size(TlHttpChunks *chunks, char c)
{
	int digit = tl_hex_digit(c);

	if (digit >= 0)
	{
		chunks->left = chunks->left * 16 + (uint64_t) digit;
		return ++chunks->digits <= HEX_DIGITS_MAX;
	}
	if (chunks->digits == 0)
		return false;
	if (c == '\r')
		chunks->state = TL_HTTP_CHUNK_SIZE_LF;
	else if (c == ';')
		chunks->state = TL_HTTP_CHUNK_EXTENSION;
	else
		return false;
	return true;
}

/* *( ";" chunk-ext-name [ "=" chunk-ext-val ] ); a value is a token or a quoted string. */
static bool
read_extension(TlHttpChunks *chunks, char c)
{
	bool in_token = is_token_char((unsigned char) c);

	switch (chunks->state)
	{
		case TL_HTTP_CHUNK_EXTENSION:
			if (!in_token)
				return false;
			chunks->state = TL_HTTP_CHUNK_EXTENSION_NAME;
			break;
		case TL_HTTP_CHUNK_EXTENSION_IS:
			if (c != '"' && !in_token)
				return false;
			chunks->state = c == '"' ? TL_HTTP_CHUNK_QUOTED : TL_HTTP_CHUNK_EXTENSION_VALUE;
			break;
		default:
			if (c == '\r')
				chunks->state = TL_HTTP_CHUNK_SIZE_LF;
			else if (c == ';')
				chunks->state = TL_HTTP_CHUNK_EXTENSION;
			else if (c == '=' && chunks->state == TL_HTTP_CHUNK_EXTENSION_NAME)
				chunks->state = TL_HTTP_CHUNK_EXTENSION_IS;
			else if (!in_token || chunks->state == TL_HTTP_CHUNK_QUOTES_END)
				return false;
			break;
	}
	return ++chunks->overhead <= OVERHEAD_MAX;
}

static bool
read_quoted(TlHttpChunks *chunks, char c)
{
	if (chunks->state == TL_HTTP_CHUNK_ESCAPED)
		chunks->state = TL_HTTP_CHUNK_QUOTED;
	else if (c == '"')
		chunks->state = TL_HTTP_CHUNK_QUOTES_END;
	else if (c == '\\')
		chunks->state = TL_HTTP_CHUNK_ESCAPED;
	return is_text_char((unsigned char) c) && ++chunks->overhead <= OVERHEAD_MAX;
}

/* Trailers are headers that nobody here asks for. */
static bool
read_trailer(TlHttpChunks *chunks, char c)
{
	switch (chunks->state)
	{
		case TL_HTTP_CHUNK_TRAILER_START:
			if (c == '\r')
			{
				chunks->state = TL_HTTP_CHUNK_END_LF;
				return true;
			}
			chunks->state = TL_HTTP_CHUNK_TRAILER_NAME;
			return is_token_char((unsigned char) c) && ++chunks->overhead <= OVERHEAD_MAX;
		case TL_HTTP_CHUNK_TRAILER_NAME:
			if (c == ':')
				chunks->state = TL_HTTP_CHUNK_TRAILER_VALUE;
			else if (!is_token_char((unsigned char) c))
				return false;
			break;
		default:
			if (c == '\r')
				chunks->state = TL_HTTP_CHUNK_TRAILER_LF;
			else if (!is_text_char((unsigned char) c))
				return false;
			break;
	}
	return ++chunks->overhead <= OVERHEAD_MAX;
}

/* Takes one byte that is not data. */
static bool
read_framing_byte(TlHttpChunks *chunks, char c)
{
	switch (chunks->state)
	{
		case TL_HTTP_CHUNK_SIZE:
			return read_size(chunks, c);
		case TL_HTTP_CHUNK_EXTENSION:
		case TL_HTTP_CHUNK_EXTENSION_NAME:
		case TL_HTTP_CHUNK_EXTENSION_IS:
		case TL_HTTP_CHUNK_EXTENSION_VALUE:
		case TL_HTTP_CHUNK_QUOTES_END:
			return read_extension(chunks, c);
		case TL_HTTP_CHUNK_QUOTED:
		case TL_HTTP_CHUNK_ESCAPED:
			return read_quoted(chunks, c);
		case TL_HTTP_CHUNK_SIZE_LF:
			chunks->state = chunks->left > 0 ? TL_HTTP_CHUNK_DATA : TL_HTTP_CHUNK_TRAILER_START;
			chunks->digits = 0;
			return c == '\n';
		case TL_HTTP_CHUNK_DATA_CR:
			chunks->state = TL_HTTP_CHUNK_DATA_LF;
			return c == '\r';
		case TL_HTTP_CHUNK_DATA_LF:
			chunks->state = TL_HTTP_CHUNK_SIZE;
			return c == '\n';
		case TL_HTTP_CHUNK_TRAILER_START:
		case TL_HTTP_CHUNK_TRAILER_NAME:
		case TL_HTTP_CHUNK_TRAILER_VALUE:
			return read_trailer(chunks, c);
		case TL_HTTP_CHUNK_TRAILER_LF:
			chunks->state = TL_HTTP_CHUNK_TRAILER_START;
			return c == '\n';
		case TL_HTTP_CHUNK_END_LF:
			chunks->state = TL_HTTP_CHUNK_DONE;
			return c == '\n';
		case TL_HTTP_CHUNK_DATA:
		case TL_HTTP_CHUNK_DONE:
			break;
	}
	return false;
}

int
tl_http_chunks_read(TlHttpChunks *chunks, const char *data, size_t len, size_t max, TlBuf *body,
					size_t *used, const char **why)
{
	size_t i = 0;

	while (i < len && chunks->state != TL_HTTP_CHUNK_DONE)
	{
		if (chunks->state == TL_HTTP_CHUNK_DATA)
		{
			size_t n = len - i < chunks->left ? len - i : (size_t) chunks->left;

			tl_buf_add(body, data + i, n);
			chunks->left -= n;
			i += n;
			if (chunks->left == 0)
				chunks->state = TL_HTTP_CHUNK_DATA_CR;
			continue;
		}
		if (!read_framing_byte(chunks, data[i++]))
			return refuse(400, "malformed chunked body", why);
		/* The limit may have been lowered since. */
		if (chunks->state == TL_HTTP_CHUNK_DATA &&
			(body->len > max || chunks->left > max - body->len))
			return refuse(413, "the body is too large", why);
	}
	*used = i;
	return 0;
}
