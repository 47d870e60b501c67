/*
 * test_proxy_network.c
 *		Which addresses are the public internet's, and lists of networks.
 */
#include "base/network.h"
#include "random.h"
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage
address_of(const char *text)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *in = (struct sockaddr_in *) &storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &storage;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	return storage;
}

static bool
is_public(const char *text)
{
	struct sockaddr_storage address = address_of(text);

	return tl_network_is_public((const struct sockaddr *) &address);
}

static void
check_all(const char *const *texts, size_t count, bool public)
{
	for (size_t i = 0; i < count; i++)
		if (!TAP_CHECK(is_public(texts[i]) == public))
			printf("# %s\n", texts[i]);
}

#define CHECK_ALL(texts, public) check_all(texts, sizeof(texts) / sizeof(texts[0]), public)

/* First and last of each, and the neighbours on both sides. */
static const char *const private_v4[] = {
	"0.0.0.0",		   "0.255.255.255",	  "10.0.0.0",		 "10.255.255.255",	"100.64.0.0",
	"100.127.255.255", "127.0.0.0",		  "127.0.0.1",		 "127.255.255.255", "169.254.0.0",
	"169.254.169.254", "169.254.255.255", "172.16.0.0",		 "172.31.255.255",	"192.0.0.0",
	"192.0.0.255",	   "192.168.0.0",	  "192.168.255.255", "198.18.0.0",		"198.19.255.255",
	"224.0.0.0",	   "239.255.255.255", "240.0.0.0",		 "255.255.255.254", "255.255.255.255",
};

static const char *const public_v4[] = {
	"1.0.0.0",		   "9.255.255.255",	  "11.0.0.0",		 "100.63.255.255",	"100.128.0.0",
	"126.255.255.255", "128.0.0.0",		  "169.253.255.255", "169.255.0.0",		"172.15.255.255",
	"172.32.0.0",	   "191.255.255.255", "192.0.1.0",		 "192.167.255.255", "192.169.0.0",
	"198.17.255.255",  "198.20.0.0",	  "223.255.255.255", "8.8.8.8",
};

static void
private_addresses_of_ipv4_are_known_to_their_edges(void)
{
	CHECK_ALL(private_v4, false);
	CHECK_ALL(public_v4, true);
}

static void
addresses_of_ipv6_that_stand_for_one_of_ipv4_are_what_that_is(void)
{
	static const char *const prefixes[] = {"::ffff:", "64:ff9b::"};
	char text[64];

	for (size_t p = 0; p < 2; p++)
	{
		for (size_t i = 0; i < sizeof(private_v4) / sizeof(private_v4[0]); i++)
		{
			snprintf(text, sizeof(text), "%s%s", prefixes[p], private_v4[i]);
			if (!TAP_CHECK(!is_public(text)))
				printf("# %s\n", text);
		}
		for (size_t i = 0; i < sizeof(public_v4) / sizeof(public_v4[0]); i++)
		{
			snprintf(text, sizeof(text), "%s%s", prefixes[p], public_v4[i]);
			if (!TAP_CHECK(is_public(text)))
				printf("# %s\n", text);
		}
	}
	/* 6to4 */
	TAP_CHECK(!is_public("2002:7f00:0001::1") && !is_public("2002:0a01:0203::") &&
			  !is_public("2002:a9fe:a9fe::1") && is_public("2002:0808:0808::1"));
	/* Those of the past, without the mark. */
	TAP_CHECK(!is_public("::127.0.0.1") && !is_public("::8.8.8.8"));
}

static void
private_addresses_of_ipv6_are_known_to_their_edges(void)
{
	static const char *const private_v6[] = {
		"::",
		"::1",
		"::2",
		"64:ff9b:1::",
		"64:ff9b:1:ffff::1",
		"64:ff9b:0:0:0:1::",
		"100::",
		"100::ffff:ffff:ffff:ffff",
		"2001::",
		"2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
		"fc00::",
		"fd12:3456::1",
		"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe80::",
		"fe80::1",
		"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fec0::",
		"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"ff00::",
		"ff02::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};
	static const char *const public_v6[] = {
		"64:ff9a:ffff::1",
		"64:ff9c::",
		"ff:ffff::1",
		"100:0:0:1::",
		"2000::",
		"2001:1::",
		"2001:4860:4860::8888",
		"2606:4700::1111",
		"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe00::",
		"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};

	CHECK_ALL(private_v6, false);
	CHECK_ALL(public_v6, true);
}

static void
what_is_no_internet_address_is_not_public(void)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	TlNetworkList any = {.any = true};

	TAP_CHECK(!tl_network_is_public((const struct sockaddr *) &local));
	TAP_CHECK(!tl_network_list_has(&any, (const struct sockaddr *) &local));
}

/* Whether a list that is good has an address. */
static bool
has(const char *text, const char *member)
{
	struct sockaddr_storage address = address_of(member);
	TlNetworkList list;
	char reason[300];

	return TAP_CHECK(tl_network_list_parse(text, &list, reason, sizeof(reason))) &&
		   tl_network_list_has(&list, (const struct sockaddr *) &address);
}

static void
lists_of_networks_have_what_they_say(void)
{
	TAP_CHECK(!has("", "10.0.0.1") && !has("off", "10.0.0.1") && !has("off", "::1"));
	TAP_CHECK(has("on", "10.0.0.1") && has("on", "::1"));
	TAP_CHECK(has("10.0.0.0/8", "10.255.255.255") && !has("10.0.0.0/8", "11.0.0.0") &&
			  !has("10.0.0.0/8", "9.255.255.255"));
	TAP_CHECK(has(" 192.0.2.1 , 172.16.0.0/12 ", "172.31.255.255") &&
			  has("192.0.2.1,172.16.0.0/12", "192.0.2.1") &&
			  !has("192.0.2.1,172.16.0.0/12", "192.0.2.2"));
	TAP_CHECK(has("10.0.0.0/9", "10.127.255.255") && !has("10.0.0.0/9", "10.128.0.0"));
	TAP_CHECK(has("fd00::/8", "fd12::1") && !has("fd00::/8", "fc00::1") && has("::1", "::1"));
	/* Mapped or not, it is the same one. */
	TAP_CHECK(has("10.0.0.0/8", "::ffff:10.1.2.3") && has("::ffff:10.0.0.0/104", "10.1.2.3"));
	TAP_CHECK(has("0.0.0.0/0", "10.1.2.3") && !has("0.0.0.0/0", "fd00::1"));
	TAP_CHECK(has("::/0", "fd00::1") && !has("::/0", "10.1.2.3"));
}

static void
what_is_no_list_of_networks_is_refused(void)
{
	static const char *const wrong[] = {
		"yes",			 "10.0.0.0/33",
		"10.0.0.0/",	 "10.0.0.0/-1",
		"10.0.0.0/ 8",	 "10.0.0.1/8",
		"10.0.0.0/8x",	 "10.0.0.0/8 ::1",
		"10.0.0.0/8,",	 ",",
		"fd00::/129",	 "fd00::1/8",
		"10.0.0",		 "localhost",
		"on,10.0.0.0/8", "10.0.0.0/99999999999999999999",
		"[::1]",		 "::ffff:10.1.0.0/104",
	};
	TlNetworkList list;
	char reason[300];
	char many[TL_NETWORKS_MAX * 4 + 16] = "::1";

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (!TAP_CHECK(!tl_network_list_parse(wrong[i], &list, reason, sizeof(reason))))
			printf("# %s\n", wrong[i]);
	for (size_t i = 1; i < TL_NETWORKS_MAX; i++)
		strcat(many, ",::1");
	TAP_CHECK(tl_network_list_parse(many, &list, reason, sizeof(reason)));
	strcat(many, ",::1");
	TAP_CHECK(!tl_network_list_parse(many, &list, reason, sizeof(reason)));
}

/* Bit by bit. */
static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++)
		if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

static void
random_networks_have_addresses_as_a_comparison_of_bits_says(void)
{
	Random random = {20261130};
	bool same = true;

	for (int round = 0; round < 100000; round++)
	{
		TlNetworkList list = {.count = 1};
		struct sockaddr_in in = {.sin_family = AF_INET};
		unsigned char network[4], address[4];
		unsigned int bits = (unsigned int) random_below(&random, 33);

		for (int i = 0; i < 4; i++)
		{
			network[i] = (unsigned char) random_below(&random, 256);
			address[i] =
				network[i] ^ (unsigned char) (random_below(&random, 2) << random_below(&random, 8));
		}
		list.items[0].bits = 96 + bits;
		memcpy(list.items[0].address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
		memcpy(list.items[0].address + 12, network, 4);
		memcpy(&in.sin_addr, address, 4);
		same &= tl_network_list_has(&list, (const struct sockaddr *) &in) ==
				same_bits(network, address, bits);
	}
	TAP_CHECK(same);
}

int
main(void)
{
	TAP_RUN(private_addresses_of_ipv4_are_known_to_their_edges);
	TAP_RUN(addresses_of_ipv6_that_stand_for_one_of_ipv4_are_what_that_is);
	TAP_RUN(private_addresses_of_ipv6_are_known_to_their_edges);
	TAP_RUN(what_is_no_internet_address_is_not_public);
	TAP_RUN(lists_of_networks_have_what_they_say);
	TAP_RUN(what_is_no_list_of_networks_is_refused);
	TAP_RUN(random_networks_have_addresses_as_a_comparison_of_bits_says);
	return tap_end();
}
