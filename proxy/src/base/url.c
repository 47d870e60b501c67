/*
 * url.c
 *		Percent-decoding and UTF-8 checks.  Nothing is allocated.
 */
#include "base/url.h"

#include <string.h>

size_t
tl_utf8_sequence(const char *p, const char *end)
{
	const unsigned char *s = (const unsigned char *) p;
	size_t left = (size_t) (end - p);
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (left == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	if (s[0] < 0xe0)
		len = 2;
	else if (s[0] < 0xf0)
	{
		len = 3;
		if (s[0] == 0xe0)
			low = 0xa0;
		else if (s[0] == 0xed)
			high = 0x9f;
	}
	else
	{
		len = 4;
		if (s[0] == 0xf0)
			low = 0x90;
		else if (s[0] == 0xf4)
			high = 0x8f;
	}
	if (left < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
	{
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

bool
tl_utf8_valid(const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end)
	{
		size_t n = tl_utf8_sequence(text, end);

		if (n == 0)
			return false;
		text += n;
	}
	return true;
}

int
tl_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

long
tl_url_decode(const char *text, size_t len, bool plus_is_space, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
	{
		char c = text[i];

		if (c == '%')
		{
			int high, low;

			if (len - i < 3)
				return -1;
			high = tl_hex_digit(text[i + 1]);
			low = tl_hex_digit(text[i + 2]);
			if (high < 0 || low < 0)
				return -1;
			c = (char) (high * 16 + low);
			i += 2;
		}
		else if (c == '+' && plus_is_space)
			c = ' ';
		if (c == '\0')
			return -1;
		out[n++] = c;
	}
	return tl_utf8_valid(out, n) ? (long) n : -1;
}

int
tl_url_query(const char *query, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);

	while (query != NULL && *query != '\0')
	{
		size_t len = strcspn(query, "&");

		if (len > name_len && memcmp(query, name, name_len) == 0 && query[name_len] == '=')
		{
			size_t value_len = len - name_len - 1;
			long n;

			if (value_len >= size)
				return -1;
			n = tl_url_decode(query + name_len + 1, value_len, true, out);
			if (n < 0)
				return -1;
			out[n] = '\0';
			return 1;
		}
		query += len;
		if (*query == '&')
			query++;
	}
	return 0;
}
