/*
 * network.h
 *		Networks of addresses, and which addresses are not the public internet's.
 */
#ifndef TL_NETWORK_H
#define TL_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TL_NETWORKS_MAX 64

/* An address of IPv4 is here what it is mapped to in IPv6, ::ffff:a.b.c.d. */
typedef struct TlNetwork
{
	unsigned char address[16];
	unsigned int bits; /* that all its addresses have in common */
} TlNetwork;

typedef struct TlNetworkList
{
	bool any; /* address whatever */
	TlNetwork items[TL_NETWORKS_MAX];
	size_t count;
} TlNetworkList;

/*
 * Reads "off" (or nothing), "on" (any), or networks separated by commas, such as 10.0.0.0/8, fd00::/8 or
 * 192.0.2.1.  False, with the reason, if it is none of that.
 */
extern bool tl_network_list_parse(const char *text, TlNetworkList *list, char *reason, size_t size);

extern bool tl_network_list_has(const TlNetworkList *list, const struct sockaddr *address);

/*
 * Whether an address may belong to anybody on the internet: not to this machine, a local network or a
 * provider's own, a group, or nobody.  One of IPv6 that stands for one of IPv4 is what that is; what is
 * neither's is not public.
 */
extern bool tl_network_is_public(const struct sockaddr *address);

#endif
