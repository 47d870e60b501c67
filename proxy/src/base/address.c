/*
 * address.c
 *		The addresses to listen on.  Nothing is kept allocated.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned int
tl_address_port(const TlAddress *address)
{
	if (address->socket.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *) &address->socket)->sin6_port);
	return ntohs(((const struct sockaddr_in *) &address->socket)->sin_port);
}

bool
tl_address_is_loopback(const TlAddress *address)
{
	if (address->socket.ss_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) &address->socket;

		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->socket.ss_family == AF_INET6)
	{
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *) &address->socket)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
	}
	return false;
}

/* Takes one "host:port" apart. */
static bool
split_host_port(const char *text, size_t len, char *host, size_t host_size, char *port,
				size_t port_size)
{
	const char *colon = memrchr(text, ':', len);
	size_t host_len;
	size_t port_len;

	if (colon == NULL)
		return false;
	host_len = (size_t) (colon - text);
	port_len = len - host_len - 1;
	if (host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']')
	{
		text++;
		host_len -= 2;
	}
	else if (memchr(text, ':', host_len) != NULL)
		return false;
	if (host_len == 0 || host_len >= host_size || port_len == 0 || port_len >= port_size ||
		strspn(colon + 1, "0123456789") < port_len)
		return false;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	memcpy(port, colon + 1, port_len);
	port[port_len] = '\0';
	return atoi(port) > 0 && atoi(port) <= 65535;
}

static bool
resolve(const char *host, const char *port, TlAddressList *list, char *error, size_t size)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
	{
		snprintf(error, size, "could not resolve \"%s\": %s", host, gai_strerror(rc));
		return false;
	}
	for (struct addrinfo *info = found; info != NULL; info = info->ai_next)
	{
		TlAddress *address = &list->items[list->count];
		char numeric[64];

		if (list->count == TL_ADDRESSES_MAX)
		{
			snprintf(error, size, "more than %d addresses", TL_ADDRESSES_MAX);
			freeaddrinfo(found);
			return false;
		}
		if (getnameinfo(info->ai_addr, info->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
						NI_NUMERICHOST) != 0)
			continue;
		*address = (TlAddress){.len = info->ai_addrlen};
		memcpy(&address->socket, info->ai_addr, info->ai_addrlen);
		snprintf(address->text, sizeof(address->text),
				 info->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", numeric, port);
		list->count++;
	}
	freeaddrinfo(found);
	return true;
}

bool
tl_address_parse(const char *text, TlAddressList *list, char *error, size_t size)
{
	list->count = 0;
	for (;;)
	{
		char host[256];
		char port[8];
		size_t len;

		text += strspn(text, " ");
		len = strcspn(text, ", ");
		if (!split_host_port(text, len, host, sizeof(host), port, sizeof(port)))
		{
			snprintf(error, size, "\"%.*s\" is not host:port or [v6]:port", (int) len, text);
			return false;
		}
		if (!resolve(host, port, list, error, size))
			return false;
		text += len;
		text += strspn(text, " ");
		if (*text == '\0')
			return true;
		if (*text != ',')
		{
			snprintf(error, size, "addresses must be separated by commas");
			return false;
		}
		text++;
	}
}
