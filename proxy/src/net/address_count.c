/*
 * address_count.c
 *		How many connections each address has.  See address_count.h.
 *
 * A hash table of chains, keyed with a random number, so that nobody can choose addresses that fall
 * together.
 */
#include "net/address_count.h"

#include "base/log.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS_FIRST 256

/* A mapped address of IPv4 is one of that. */
#define KEY_MAPPED (UINT64_C(0xffff) << 32)

struct TlAddressCount
{
	TlAddressCount *next;
	uint64_t key;
	unsigned int connections;
};

struct TlAddressCounts
{
	uint64_t secret[2];
	TlAddressCount **slots;
	size_t slot_count; /* a power of two */
	size_t size;
};

/* Returns false for what has no address. */
static bool
address_key(const struct sockaddr *address, uint64_t *key)
{
	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		*key = KEY_MAPPED | ntohl(in->sin_addr.s_addr);
		return true;
	}
	if (address->sa_family == AF_INET6)
	{
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *) address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(in6))
		{
			uint32_t in;

			memcpy(&in, in6->s6_addr + 12, sizeof(in));
			*key = KEY_MAPPED | ntohl(in);
		}
		else
			memcpy(key, in6->s6_addr, sizeof(*key));
		return true;
	}
	return false;
}

static size_t
key_slot(const TlAddressCounts *counts, uint64_t key)
{
	unsigned __int128 product =
		(unsigned __int128) (key ^ counts->secret[0]) * (counts->secret[1] | 1);

	return ((size_t) (product >> 64) ^ (size_t) product) & (counts->slot_count - 1);
}

static void
counts_set_slots(TlAddressCounts *counts, size_t slot_count)
{
	TlAddressCount **old = counts->slots;
	size_t old_count = counts->slot_count;

	counts->slots = calloc(slot_count, sizeof(TlAddressCount *));
	if (counts->slots == NULL)
		tl_log_die("out of memory");
	counts->slot_count = slot_count;
	for (size_t i = 0; i < old_count; i++)
	{
		while (old[i] != NULL)
		{
			TlAddressCount *count = old[i];
			TlAddressCount **slot = &counts->slots[key_slot(counts, count->key)];

			old[i] = count->next;
			count->next = *slot;
			*slot = count;
		}
	}
	free(old);
}

TlAddressCounts *
tl_address_counts_open(void)
{
	TlAddressCounts *counts = calloc(1, sizeof(*counts));

	if (counts == NULL ||
		getrandom(counts->secret, sizeof(counts->secret), 0) != sizeof(counts->secret))
		tl_log_die("could not begin to count addresses");
	counts_set_slots(counts, SLOTS_FIRST);
	return counts;
}

void
tl_address_counts_close(TlAddressCounts *counts)
{
	for (size_t i = 0; i < counts->slot_count; i++)
	{
		while (counts->slots[i] != NULL)
		{
			TlAddressCount *count = counts->slots[i];

			counts->slots[i] = count->next;
			free(count);
		}
	}
	free(counts->slots);
	free(counts);
}

bool
tl_address_count_add(TlAddressCounts *counts, const struct sockaddr *address, unsigned int limit,
					 TlAddressCount **out)
{
	TlAddressCount *count;
	TlAddressCount **slot;
	uint64_t key;

	*out = NULL;
	if (!address_key(address, &key))
		return true;
	slot = &counts->slots[key_slot(counts, key)];
	for (count = *slot; count != NULL && count->key != key; count = count->next)
		;
	if (count != NULL && limit > 0 && count->connections >= limit)
		return false;
	if (count == NULL)
	{
		count = calloc(1, sizeof(*count));
		if (count == NULL)
			tl_log_die("out of memory");
		count->key = key;
		count->next = *slot;
		*slot = count;
		if (++counts->size > counts->slot_count)
			counts_set_slots(counts, counts->slot_count * 2);
	}
	count->connections++;
	*out = count;
	return true;
}

void
tl_address_count_drop(TlAddressCounts *counts, TlAddressCount *count)
{
	TlAddressCount **link;

	if (count == NULL || --count->connections > 0)
		return;
	link = &counts->slots[key_slot(counts, count->key)];
	while (*link != count)
		link = &(*link)->next;
	*link = count->next;
	free(count);
	counts->size--;
}

size_t
tl_address_counts_size(const TlAddressCounts *counts)
{
	return counts->size;
}
