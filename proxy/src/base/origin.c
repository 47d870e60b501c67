/*
 * origin.c
 *		Web origins, and lists of those that may call.  See origin.h.
 */
#include "base/origin.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define LABEL LOWER DIGITS "-_"

/* Of bytes, in a name of DNS. */
#define LABEL_MAX 63

/* An entry of a list, without the blanks around it. */
typedef struct Entry
{
	const char *text;
	size_t len;
} Entry;

/* The next entry, from *list on; false after the last one. */
static bool
next_entry(const char **list, Entry *entry)
{
	size_t len = strcspn(*list, ",");

	if (**list == '\0')
		return false;
	*entry = (Entry){*list, len};
	*list += len + ((*list)[len] == ',');
	while (entry->len > 0 && entry->text[0] == ' ')
	{
		entry->text++;
		entry->len--;
	}
	while (entry->len > 0 && entry->text[entry->len - 1] == ' ')
		entry->len--;
	return true;
}

static bool
is_text(Entry entry, const char *text)
{
	return entry.len == strlen(text) && memcmp(entry.text, text, entry.len) == 0;
}

/* How many of the first bytes are among those. */
static size_t
span(const char *text, const char *end, const char *among)
{
	const char *p = text;

	while (p < end && strchr(among, *p) != NULL)
		p++;
	return (size_t) (p - text);
}

/* Labels joined by dots, the first of which may be a star; or an IPv6 address in brackets. */
static const char *
host_end(const char *p, const char *end)
{
	size_t len;

	if (p < end && *p == '[')
	{
		len = span(p + 1, end, DIGITS "abcdef:.");
		return len > 0 && p + 1 + len < end && p[1 + len] == ']' ? p + len + 2 : NULL;
	}
	if (end - p > 2 && p[0] == '*' && p[1] == '.')
		p += 2;
	for (;;)
	{
		len = span(p, end, LABEL);
		if (len == 0)
			return NULL;
		p += len;
		if (p == end || *p != '.')
			return p;
		p++;
	}
}

static bool
port_is_right(const char *p, const char *end, const char *scheme, size_t scheme_len)
{
	size_t len = span(p, end, DIGITS);
	long port = strtol(p, NULL, 10);
	bool is_usual = (scheme_len == 4 && memcmp(scheme, "http", 4) == 0 && port == 80) ||
					(scheme_len == 5 && memcmp(scheme, "https", 5) == 0 && port == 443);

	return len > 0 && len <= 5 && p[0] != '0' && p + len == end && port <= UINT16_MAX && !is_usual;
}

static bool
entry_is_right(Entry entry)
{
	const char *end = entry.text + entry.len;
	size_t scheme = span(entry.text, end, LOWER DIGITS "+-.");
	const char *p = entry.text + scheme;

	if (scheme == 0 || strchr(LOWER, entry.text[0]) == NULL || end - p < 4 ||
		memcmp(p, "://", 3) != 0)
		return false;
	p = host_end(p + 3, end);
	if (p == NULL)
		return false;
	return p == end || (*p == ':' && port_is_right(p + 1, end, entry.text, scheme));
}

bool
tl_origin_list_is_any(const char *list)
{
	Entry entry;

	return next_entry(&list, &entry) && is_text(entry, "*") && *list == '\0';
}

bool
tl_origin_list_check(const char *list, char *reason, size_t size)
{
	Entry entry;

	if (tl_origin_list_is_any(list))
		return true;
	while (next_entry(&list, &entry))
	{
		if (entry_is_right(entry))
			continue;
		if (is_text(entry, "*"))
			snprintf(reason, size, "\"*\" must stand alone");
		else
			snprintf(reason, size, "\"%.*s\" is not an origin as browsers write it",
					 (int) (entry.len < 200 ? entry.len : 200), entry.text);
		return false;
	}
	return true;
}

static bool
entry_matches(Entry entry, const char *origin, size_t len)
{
	const char *star = memchr(entry.text, '*', entry.len);
	size_t before;
	size_t after;
	size_t label;

	if (star == NULL)
		return len == entry.len && memcmp(origin, entry.text, len) == 0;
	before = (size_t) (star - entry.text);
	after = entry.len - before - 1;
	if (len <= before + after || memcmp(origin, entry.text, before) != 0)
		return false;
	label = span(origin + before, origin + len, LABEL);
	return label > 0 && label <= LABEL_MAX && before + label + after == len &&
		   memcmp(origin + before + label, star + 1, after) == 0;
}

bool
tl_origin_is_listed(const char *list, const char *origin)
{
	size_t len = strlen(origin);
	Entry entry;

	if (tl_origin_list_is_any(list))
		return true;
	while (next_entry(&list, &entry))
	{
		if (entry_matches(entry, origin, len))
			return true;
	}
	return false;
}
