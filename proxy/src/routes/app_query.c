/*
 * app_query.c
 *		The parameters of a query string.  See app_query.h.
 */
#include "routes/app_query.h"

#include "base/url.h"

#include <string.h>

#define PARAMETERS_MAX 64

/* Places in what is decoded, which may move while it grows. */
typedef struct Parameter
{
	size_t start; /* its name, after which its text follows */
	size_t name_len;
	size_t text_len;
} Parameter;

static Parameter parameters[PARAMETERS_MAX];
static unsigned int count;
static TlBuf decoded;

void
tl_app_query_shutdown(void)
{
	tl_buf_free(&decoded);
}

static bool
read_query(const char *query)
{
	count = 0;
	decoded.len = 0;
	while (query != NULL && *query != '\0')
	{
		size_t len = strcspn(query, "&");
		size_t name_len = strcspn(query, "&=");
		char *out = tl_buf_reserve(&decoded, len + 1);
		long name = tl_url_decode(query, name_len, true, out);
		long text = 0;

		if (name >= 0 && name_len < len)
			text = tl_url_decode(query + name_len + 1, len - name_len - 1, true, out + name);
		if (name < 0 || text < 0 || count == PARAMETERS_MAX)
			return false;
		if (name > 0)
			parameters[count++] = (Parameter){decoded.len, (size_t) name, (size_t) text};
		decoded.len += (size_t) name + (size_t) text;
		query += len;
		if (*query == '&')
			query++;
	}
	return true;
}

static bool
is_same_name(unsigned int a, unsigned int b)
{
	return parameters[a].name_len == parameters[b].name_len &&
		   memcmp(decoded.data + parameters[a].start, decoded.data + parameters[b].start,
				  parameters[a].name_len) == 0;
}

/* The first parameter from `i` on that has the name of number `of`; count if there is none. */
static unsigned int
find_same(unsigned int of, unsigned int i)
{
	while (i < count && !is_same_name(i, of))
		i++;
	return i;
}

static void
add_comma(TlBuf *out)
{
	char last = out->data[out->len - 1];

	if (last != '{' && last != '[')
		tl_buf_add_text(out, ",");
}

static void
add_name(TlBuf *out, unsigned int i)
{
	add_comma(out);
	tl_buf_add_json_string(out, decoded.data + parameters[i].start, parameters[i].name_len);
	tl_buf_add_text(out, ":");
}

static void
add_text(TlBuf *out, unsigned int i)
{
	tl_buf_add_json_string(out, decoded.data + parameters[i].start + parameters[i].name_len,
						   parameters[i].text_len);
}

static void
add_all_of_name(TlBuf *out, unsigned int first)
{
	add_name(out, first);
	tl_buf_add_text(out, "[");
	for (unsigned int i = first; i < count; i = find_same(first, i + 1))
	{
		add_comma(out);
		add_text(out, i);
	}
	tl_buf_add_text(out, "]");
}

static void
add_repeated(TlBuf *out)
{
	bool begun = false;

	for (unsigned int i = 0; i < count; i++)
	{
		if (find_same(i, 0) < i || find_same(i, i + 1) == count)
			continue;
		if (!begun)
		{
			add_comma(out);
			tl_buf_add_text(out, "\"repeated\":{");
		}
		begun = true;
		add_all_of_name(out, i);
	}
	if (begun)
		tl_buf_add_text(out, "}");
}

bool
tl_app_query_add(TlBuf *params, const char *query)
{
	if (!read_query(query))
		return false;
	for (unsigned int i = 0; i < count; i++)
	{
		add_name(params, i);
		add_text(params, i);
	}
	add_repeated(params);
	return true;
}
