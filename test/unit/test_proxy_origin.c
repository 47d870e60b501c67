/*
 * test_proxy_origin.c
 *		Lists of web origins, and what is in them.
 */
#include "base/origin.h"
#include "random.h"
#include "tap.h"

#include <string.h>

static void
lists_of_origins_are_taken(void)
{
	static const char *const right[] = {
		"",
		"*",
		" * ",
		"https://app.example.com",
		"https://app.example.com,http://localhost:5173",
		"  https://a.example.com , https://*.example.com:8443",
		"http://[::1]:3000",
		"http://127.0.0.1:65535",
		"capacitor://localhost",
		"https://xn--bcher-kva.example",
		"https://a_b.example",
		"http://a:443,https://a:80",
	};
	char reason[300];

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
	{
		if (!TAP_CHECK(tl_origin_list_check(right[i], reason, sizeof(reason))))
			printf("# %s\n", right[i]);
	}
	TAP_CHECK(tl_origin_list_is_any(" * ") && !tl_origin_list_is_any(""));
	TAP_CHECK(!tl_origin_list_is_any("*,https://a"));
}

static void
what_no_browser_sends_is_refused(void)
{
	static const char *const wrong[] = {
		"null",
		"app.example.com",
		"https://",
		"https://app.example.com/",
		"https://app.example.com/path",
		"https://App.example.com",
		"HTTPS://app.example.com",
		"https://app.example.com:443",
		"http://app.example.com:80",
		"https://app.example.com:",
		"https://app.example.com:0",
		"https://app.example.com:08443",
		"https://app.example.com:65536",
		"https://app.example.com:8443x",
		"https://*",
		"https://*.",
		"https://*example.com",
		"https://a.*.example.com",
		"https://*.*.example.com",
		"https://a..example.com",
		"https://a.example.com.",
		"https://user@a.example.com",
		"https://a.example.com https://b.example.com",
		"https://a.example.com,,https://b.example.com",
		",https://a.example.com",
		"*,https://a.example.com",
		"https://a.example.com,*",
		"https://[::1",
		"https://[]",
		"://a",
		"1https://a",
		"https:/a.example.com",
		"https://a\r\nb",
	};
	char reason[300];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		reason[0] = '\0';
		if (!TAP_CHECK(!tl_origin_list_check(wrong[i], reason, sizeof(reason)) &&
					   reason[0] != '\0'))
			printf("# %s\n", wrong[i]);
	}
}

#define LIST "https://app.example.com, https://*.example.org,http://localhost:5173"

static void
listed_is_what_is_equal_to_the_last_byte(void)
{
	static const char *const others[] = {
		"",
		"null",
		"*",
		"https://app.example.co",
		"https://app.example.com ",
		"https://app.example.comx",
		"https://app.example.com.evil.example",
		"https://evil.example/https://app.example.com",
		"http://app.example.com",
		"https://app.example.com:8443",
		"https://APP.example.com",
		"https://app.example.com,https://a.example.org",
		"http://localhost",
		"http://localhost:5174",
	};

	TAP_CHECK(tl_origin_is_listed(LIST, "https://app.example.com"));
	TAP_CHECK(tl_origin_is_listed(LIST, "http://localhost:5173"));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
	{
		if (!TAP_CHECK(!tl_origin_is_listed(LIST, others[i])))
			printf("# %s\n", others[i]);
		TAP_CHECK(tl_origin_is_listed("*", others[i]));
		TAP_CHECK(!tl_origin_is_listed("", others[i]));
	}
}

static void
a_star_is_one_label(void)
{
	char origin[200];

	TAP_CHECK(tl_origin_is_listed(LIST, "https://a.example.org"));
	TAP_CHECK(tl_origin_is_listed(LIST, "https://a-b_9.example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://.example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://a.b.example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://a.example.org:1"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://evil.example/.example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://evil@.example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://a\r\nX: y.example.org"));
	TAP_CHECK(!tl_origin_is_listed(LIST, "https://*.example.org"));
	for (int len = 62; len <= 65; len++)
	{
		snprintf(origin, sizeof(origin), "https://%.*s.example.org", len,
				 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
		TAP_CHECK(tl_origin_is_listed(LIST, origin) == (len <= 63));
	}
}

/* Whatever comes, what is listed can be a line of a header. */
static void
what_is_listed_may_be_sent_back(void)
{
	static const char bytes[] = "ahtps:/.*,[]:@ \r\n\t\"\\0";
	static const char *const parts[] = {"https://", ".example.org", "a", "app.example.com"};
	Random random = {20260101};
	size_t listed = 0;

	for (int i = 0; i < 200000; i++)
	{
		char origin[100] = "";
		size_t len = 0;

		for (unsigned int n = (unsigned int) (random_below(&random, 5)); n > 0; n--)
		{
			uint64_t dice = random_bits(&random);

			if (dice % 2 == 0)
				len += (size_t) snprintf(origin + len, sizeof(origin) - len, "%s",
										 parts[dice / 2 % 4]);
			else
				len += (size_t) snprintf(origin + len, sizeof(origin) - len, "%c",
										 bytes[dice / 2 % (sizeof(bytes) - 1)]);
		}
		if (!tl_origin_is_listed(LIST, origin))
			continue;
		listed++;
		if (strpbrk(origin, "\r\n\t \"\\,*@") != NULL)
			TAP_CHECK(false);
	}
	TAP_CHECK(listed > 100);
}

int
main(void)
{
	TAP_RUN(lists_of_origins_are_taken);
	TAP_RUN(what_no_browser_sends_is_refused);
	TAP_RUN(listed_is_what_is_equal_to_the_last_byte);
	TAP_RUN(a_star_is_one_label);
	TAP_RUN(what_is_listed_may_be_sent_back);
	return tap_end();
}
