/*
 * idempotency.c
 *		The header Idempotency-Key.  See idempotency.h.
 */
#include "routes/idempotency.h"

#include <stddef.h>

static bool
is_visible(char c)
{
	return c > 0x20 && c < 0x7f;
}

/* RFC 8941, 4.2.5; blanks are part of it, and nothing may follow. */
static bool
read_quoted(const char *p, char *key)
{
	size_t len = 0;

	for (p++; *p != '"'; p++)
	{
		if (*p == '\\' && *++p != '"' && *p != '\\')
			return false;
		if ((!is_visible(*p) && *p != ' ') || len == TL_IDEMPOTENCY_KEY_MAX)
			return false;
		key[len++] = *p;
	}
	key[len] = '\0';
	return len > 0 && p[1] == '\0';
}

static bool
read_bare(const char *p, char *key)
{
	size_t len = 0;

	for (; *p != '\0'; p++)
	{
		if (!is_visible(*p) || *p == '"' || *p == ',' || *p == ';' || *p == '\\' ||
			len == TL_IDEMPOTENCY_KEY_MAX)
			return false;
		key[len++] = *p;
	}
	key[len] = '\0';
	return len > 0;
}

bool
tl_idempotency_key_read(const char *value, char *key)
{
	return value[0] == '"' ? read_quoted(value, key) : read_bare(value, key);
}
