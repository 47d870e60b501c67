/*
 * test_proxy_address_count.c
 *		Connections by address: the numbers, the limit, and nothing kept of what has gone.
 */
#include "random.h"
#include "tap.h"
#include "net/address_count.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#define ADDRESSES 2000
#define STEPS 200000

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
add(TlAddressCounts *counts, const char *text, unsigned int limit, TlAddressCount **count)
{
	struct sockaddr_storage address = address_of(text);

	return tl_address_count_add(counts, (struct sockaddr *) &address, limit, count);
}

static void
an_address_has_as_many_as_it_may(void)
{
	TlAddressCounts *counts = tl_address_counts_open();
	TlAddressCount *held[8];

	TAP_CHECK(add(counts, "192.0.2.1", 2, &held[0]) && add(counts, "192.0.2.1", 2, &held[1]));
	TAP_CHECK(!add(counts, "192.0.2.1", 2, &held[2]) && held[2] == NULL);
	/* The same, mapped; and another. */
	TAP_CHECK(!add(counts, "::ffff:192.0.2.1", 2, &held[2]));
	TAP_CHECK(add(counts, "192.0.2.2", 2, &held[2]));
	/* A user of IPv6 has a network. */
	TAP_CHECK(add(counts, "2001:db8:0:1::1", 2, &held[3]) &&
			  add(counts, "2001:db8:0:1:ffff::2", 2, &held[4]));
	TAP_CHECK(!add(counts, "2001:db8:0:1::3", 2, &held[5]));
	TAP_CHECK(add(counts, "2001:db8:0:2::3", 2, &held[5]));
	TAP_CHECK(tl_address_counts_size(counts) == 4);
	/* Without a limit. */
	TAP_CHECK(add(counts, "192.0.2.1", 0, &held[6]));
	for (int i = 0; i < 7; i++)
		tl_address_count_drop(counts, held[i]);
	TAP_CHECK(tl_address_counts_size(counts) == 0);
	TAP_CHECK(add(counts, "192.0.2.1", 1, &held[0]));
	tl_address_counts_close(counts);
}

static void
what_has_no_address_is_not_counted(void)
{
	TlAddressCounts *counts = tl_address_counts_open();
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	TlAddressCount *count;

	for (int i = 0; i < 3; i++)
		TAP_CHECK(tl_address_count_add(counts, (struct sockaddr *) &local, 1, &count) &&
				  count == NULL);
	tl_address_count_drop(counts, NULL);
	TAP_CHECK(tl_address_counts_size(counts) == 0);
	tl_address_counts_close(counts);
}

static void
random_connections_are_counted_as_by_a_table(void)
{
	TlAddressCounts *counts = tl_address_counts_open();
	static TlAddressCount *held[ADDRESSES][4];
	static unsigned int n[ADDRESSES];
	Random random = {20261129};
	size_t size = 0;
	bool same = true;

	for (int step = 0; step < STEPS; step++)
	{
		unsigned int which = (unsigned int) random_below(&random, ADDRESSES);
		unsigned int limit = 1 + (unsigned int) random_below(&random, 4);
		struct sockaddr_in address = {.sin_family = AF_INET,
									  .sin_addr.s_addr = htonl(which * 65537)};
		TlAddressCount *count;

		if (random_below(&random, 2) == 0)
		{
			bool taken = tl_address_count_add(counts, (struct sockaddr *) &address, limit, &count);

			same &= taken == (n[which] < limit);
			if (taken)
			{
				size += n[which] == 0;
				held[which][n[which]++] = count;
			}
		}
		else if (n[which] > 0)
		{
			tl_address_count_drop(counts, held[which][--n[which]]);
			size -= n[which] == 0;
		}
		same &= tl_address_counts_size(counts) == size;
	}
	TAP_CHECK(same);
	tl_address_counts_close(counts);
}

int
main(void)
{
	TAP_RUN(an_address_has_as_many_as_it_may);
	TAP_RUN(what_has_no_address_is_not_counted);
	TAP_RUN(random_connections_are_counted_as_by_a_table);
	return tap_end();
}
