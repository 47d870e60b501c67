/*
 * network.c
 *		Networks of addresses, and which addresses are not the public internet's.
 */
#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96

/* Longest text of a network: an address of IPv6 with one of IPv4 at its end, and /128. */
#define TEXT_MAX (INET6_ADDRSTRLEN + 4)

#define V4(a, b, c, d, bits)                                                                       \
	{                                                                                              \
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, MAPPED_BITS + (bits)               \
	}

/* The first two groups. */
#define V6(first, second, bits)                                                                    \
	{                                                                                              \
		{(first) >> 8, (first) &0xff, (second) >> 8, (second) &0xff}, bits                         \
	}

/* IANA's registries of special-purpose addresses, without those of documentation, which are nobody's. */
static const TlNetwork private_networks[] = {
	V4(0, 0, 0, 0, 8),		/* this network; 0.0.0.0 is this machine */
	V4(10, 0, 0, 0, 8),		/* private */
	V4(100, 64, 0, 0, 10),	/* shared behind a provider's translation */
	V4(127, 0, 0, 0, 8),	/* loopback */
	V4(169, 254, 0, 0, 16), /* link-local, where clouds tell machines their secrets */
	V4(172, 16, 0, 0, 12),	/* private */
	V4(192, 0, 0, 0, 24),	/* protocols' own */
	V4(192, 168, 0, 0, 16), /* private */
	V4(198, 18, 0, 0, 15),	/* benchmarks */
	V4(224, 0, 0, 0, 4),	/* multicast */
	V4(240, 0, 0, 0, 4),	/* reserved; broadcast */
	V6(0x0064, 0xff9b, 32), /* translated locally (64:ff9b:1::/48); the rest is unpacked before */
	V6(0x0100, 0, 64),		/* discarded */
	V6(0x2001, 0, 32),		/* Teredo */
	V6(0xfc00, 0, 7),		/* unique local */
	V6(0xfe80, 0, 10),		/* link-local */
	V6(0xfec0, 0, 10),		/* site-local, of the past */
	V6(0xff00, 0, 8),		/* multicast */
};

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const unsigned char translated[12] = {0, 0x64, 0xff, 0x9b};
static const unsigned char compatible[12] = {0};
static const unsigned char tunnel[2] = {0x20, 0x02}; /* 6to4 */

static bool
network_has(const TlNetwork *network, const unsigned char *bytes)
{
	size_t whole = network->bits / 8;
	unsigned int rest = network->bits % 8;

	/* What is written of IPv6 is not meant of IPv4. */
	if (network->bits < MAPPED_BITS && memcmp(bytes, mapped, sizeof(mapped)) == 0)
		return false;
	return memcmp(network->address, bytes, whole) == 0 &&
		   (rest == 0 || (network->address[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

/* False if it is of another family. */
static bool
address_bytes(const struct sockaddr *address, unsigned char *bytes)
{
	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

		memcpy(bytes, mapped, sizeof(mapped));
		memcpy(bytes + sizeof(mapped), &v4->sin_addr, 4);
		return true;
	}
	if (address->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

		memcpy(bytes, &v6->sin6_addr, 16);
		return true;
	}
	return false;
}

bool
tl_network_list_has(const TlNetworkList *list, const struct sockaddr *address)
{
	unsigned char bytes[16];

	if (!address_bytes(address, bytes))
		return false;
	for (size_t i = 0; i < list->count; i++)
		if (network_has(&list->items[i], bytes))
			return true;
	return list->any;
}

bool
tl_network_is_public(const struct sockaddr *address)
{
	unsigned char bytes[16];

	if (!address_bytes(address, bytes) || memcmp(bytes, compatible, sizeof(compatible)) == 0)
		return false;
	if (memcmp(bytes, translated, sizeof(translated)) == 0)
		memcpy(bytes, mapped, sizeof(mapped));
	else if (memcmp(bytes, tunnel, sizeof(tunnel)) == 0)
	{
		memcpy(bytes + sizeof(mapped), bytes + sizeof(tunnel), 4);
		memcpy(bytes, mapped, sizeof(mapped));
	}
	for (size_t i = 0; i < sizeof(private_networks) / sizeof(private_networks[0]); i++)
		if (network_has(&private_networks[i], bytes))
			return false;
	return true;
}

/* Whether no bit is set after the first of them. */
static bool
ends_in_zeros(const TlNetwork *network)
{
	for (unsigned int bit = network->bits; bit < 128; bit++)
		if (network->address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

static bool
network_parse(const char *text, size_t len, TlNetwork *network)
{
	char host[TEXT_MAX];
	char *slash;
	char *end;
	unsigned int bits_before = 0;
	unsigned long bits;

	if (len == 0 || len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	slash = strchr(host, '/');
	if (slash != NULL)
		*slash = '\0';
	if (inet_pton(AF_INET, host, network->address + sizeof(mapped)) == 1)
	{
		memcpy(network->address, mapped, sizeof(mapped));
		bits_before = MAPPED_BITS;
	}
	else if (inet_pton(AF_INET6, host, network->address) != 1)
		return false;
	network->bits = 128;
	if (slash != NULL)
	{
		bits = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > 128 - bits_before)
			return false;
		network->bits = bits_before + (unsigned int) bits;
	}
	return ends_in_zeros(network);
}

bool
tl_network_list_parse(const char *text, TlNetworkList *list, char *reason, size_t size)
{
	size_t len;

	*list = (TlNetworkList){.any = strcmp(text, "on") == 0};
	if (list->any || text[0] == '\0' || strcmp(text, "off") == 0)
		return true;
	for (;; text++)
	{
		text += strspn(text, " ");
		len = strcspn(text, ", ");
		if (list->count == TL_NETWORKS_MAX)
		{
			snprintf(reason, size, "more than %d networks", TL_NETWORKS_MAX);
			return false;
		}
		if (!network_parse(text, len, &list->items[list->count]))
		{
			snprintf(reason, size, "\"%.*s\" is not a network", (int) (len < 100 ? len : 100),
					 text);
			return false;
		}
		list->count++;
		text += len;
		text += strspn(text, " ");
		if (*text == '\0')
			return true;
		if (*text != ',')
		{
			snprintf(reason, size, "networks must be separated by commas");
			return false;
		}
	}
}
