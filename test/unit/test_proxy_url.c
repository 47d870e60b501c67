/*
 * test_proxy_url.c
 *		Percent-decoding, query parameters, UTF-8.
 */
#include "random.h"
#include "tap.h"
#include "base/url.h"

/* Decodes from and to memory of the very size. */
static bool
decodes_to(const char *text, bool plus_is_space, const char *expected)
{
	size_t len = strlen(text);
	char *in = malloc(len);
	char *out = malloc(len);
	long n;
	bool same;

	memcpy(in, text, len);
	n = tl_url_decode(in, len, plus_is_space, out);
	same = expected == NULL
			   ? n == -1
			   : n == (long) strlen(expected) && memcmp(out, expected, (size_t) n) == 0;
	free(in);
	free(out);
	return same;
}

static void
escapes_are_decoded(void)
{
	TAP_CHECK(decodes_to("", false, ""));
	TAP_CHECK(decodes_to("sensor-7", false, "sensor-7"));
	TAP_CHECK(decodes_to("a%20b%2Fc%2fd", false, "a b/c/d"));
	TAP_CHECK(decodes_to("%25", false, "%"));
	TAP_CHECK(decodes_to("%2525", false, "%25"));
	TAP_CHECK(decodes_to("%C3%A9", false, "\xc3\xa9"));
	TAP_CHECK(decodes_to("%F0%9F%98%80", false, "\xf0\x9f\x98\x80"));
	TAP_CHECK(decodes_to("a+b", false, "a+b"));
	TAP_CHECK(decodes_to("a+b%2B", true, "a b+"));
}

static void
malformed_escapes_are_refused(void)
{
	static const char *const texts[] = {"%",   "a%",   "%2",	 "a%2",	 "%2g",		 "%g2",
										"%-1", "%%20", "% 20",	 "%0x",	 "%00",		 "a%00b",
										"%C3", "%FF",  "%C0%80", "\xc3", "%ED%A0%80"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		TAP_CHECK(decodes_to(texts[i], false, NULL) && decodes_to(texts[i], true, NULL));
}

static void
every_byte_survives_encoding(void)
{
	Random random = {1};

	for (int round = 0; round < 20000; round++)
	{
		char plain[65];
		char text[200];
		size_t len = random_below(&random, 60);
		size_t n = 0;

		for (size_t i = 0; i < len; i++)
		{
			plain[i] = (char) (1 + random_below(&random, 127));
			if (random_below(&random, 2) == 0 || plain[i] == '%')
				n += (size_t) sprintf(text + n, random_below(&random, 2) ? "%%%02x" : "%%%02X",
									  (unsigned int) plain[i]);
			else
				text[n++] = plain[i];
		}
		plain[len] = text[n] = '\0';
		TAP_CHECK(decodes_to(text, false, plain));
	}
}

static bool
query_gives(const char *query, const char *name, size_t size, int result, const char *value)
{
	char out[32];

	memset(out, 'x', sizeof(out));
	if (tl_url_query(query, name, out, size) != result)
		return false;
	return value == NULL || strcmp(out, value) == 0;
}

static void
query_parameters_are_found_by_name(void)
{
	TAP_CHECK(query_gives("limit=10", "limit", 32, 1, "10"));
	TAP_CHECK(query_gives("from=a&limit=10&x=y", "limit", 32, 1, "10"));
	TAP_CHECK(query_gives("limit=", "limit", 32, 1, ""));
	TAP_CHECK(query_gives("limit=1&limit=2", "limit", 32, 1, "1"));
	TAP_CHECK(query_gives("a=b=c", "a", 32, 1, "b=c"));
	TAP_CHECK(query_gives("a=x+y%2b", "a", 32, 1, "x y+"));
	TAP_CHECK(query_gives("&&a=1&&", "a", 32, 1, "1"));
	TAP_CHECK(query_gives(NULL, "a", 32, 0, NULL));
	TAP_CHECK(query_gives("", "a", 32, 0, NULL));
	TAP_CHECK(query_gives("limits=1&xlimit=2&limit", "limit", 32, 0, NULL));
}

static void
query_values_that_do_not_fit_are_refused(void)
{
	TAP_CHECK(query_gives("a=123", "a", 4, 1, "123"));
	TAP_CHECK(query_gives("a=1234", "a", 4, -1, NULL));
	TAP_CHECK(query_gives("a=%3", "a", 32, -1, NULL));
	TAP_CHECK(query_gives("a=%00", "a", 32, -1, NULL));
}

/* UTF-8 by the definition: decode, then encode again. */
static bool
slow_utf8_valid(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len;)
	{
		static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
		size_t n = s[i] < 0x80			   ? 1
				   : (s[i] & 0xe0) == 0xc0 ? 2
				   : (s[i] & 0xf0) == 0xe0 ? 3
				   : (s[i] & 0xf8) == 0xf0 ? 4
										   : 0;
		unsigned long code = n == 1 ? s[i] : s[i] & (0xffu >> (n + 1));

		if (n == 0 || n > len - i)
			return false;
		for (size_t j = 1; j < n; j++)
		{
			if ((s[i + j] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (s[i + j] & 0x3f);
		}
		if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		i += n;
	}
	return true;
}

static void
utf8_is_what_its_definition_says(void)
{
	Random random = {2};

	for (unsigned int first = 0; first < 256; first++)
		for (unsigned int second = 0; second < 256; second++)
			for (size_t len = 1; len <= 4; len++)
			{
				char *text = malloc(len);
				unsigned char bytes[4] = {(unsigned char) first, (unsigned char) second, 0x80,
										  0xbf};

				memcpy(text, bytes, len);
				TAP_CHECK(tl_utf8_valid(text, len) == slow_utf8_valid(bytes, len));
				free(text);
			}
	for (int round = 0; round < 300000; round++)
	{
		unsigned char bytes[6];
		size_t len = random_below(&random, sizeof(bytes) + 1);

		random_fill(&random, bytes, len);
		for (size_t i = 1; i < len; i++)
			bytes[i] = random_below(&random, 4) > 0 ? 0x80 | (bytes[i] & 0x3f) : bytes[i];
		TAP_CHECK(tl_utf8_valid((char *) bytes, len) == slow_utf8_valid(bytes, len));
	}
}

int
main(void)
{
	TAP_RUN(escapes_are_decoded);
	TAP_RUN(malformed_escapes_are_refused);
	TAP_RUN(every_byte_survives_encoding);
	TAP_RUN(query_parameters_are_found_by_name);
	TAP_RUN(query_values_that_do_not_fit_are_refused);
	TAP_RUN(utf8_is_what_its_definition_says);
	return tap_end();
}
