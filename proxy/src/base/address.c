/*
 * address.c
 *		The addresses to listen on.  Nothing is kept allocated or open.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

unsigned int
tl_address_port(const TlAddress *address)
{
	if (address->socket.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *) &address->socket)->sin6_port);
	if (address->socket.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *) &address->socket)->sin_port);
	return 0;
}

/* "@" stands for the null byte with which an abstract name begins, as everywhere. */
static bool
describe_unix(TlAddress *address)
{
	const struct sockaddr_un *name = (const struct sockaddr_un *) &address->socket;
	size_t len = address->len - offsetof(struct sockaddr_un, sun_path);
	bool is_abstract = len > 0 && name->sun_path[0] == '\0';

	snprintf(address->text, sizeof(address->text), "unix:%s%.*s", is_abstract ? "@" : "",
			 (int) (len - is_abstract), name->sun_path + is_abstract);
	return true;
}

bool
tl_address_describe(TlAddress *address)
{
	char numeric[64];
	char port[8];

	if (address->socket.ss_family == AF_UNIX)
		return describe_unix(address);
	if ((address->socket.ss_family != AF_INET && address->socket.ss_family != AF_INET6) ||
		getnameinfo((const struct sockaddr *) &address->socket, address->len, numeric,
					sizeof(numeric), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	snprintf(address->text, sizeof(address->text),
			 address->socket.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", numeric, port);
	return true;
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
	return address->socket.ss_family == AF_UNIX;
}

bool
tl_address_is_free(const TlAddress *address)
{
	int one = 1;
	int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free;
	int error;

	if (fd < 0)
		return false;
	/* What is left of connections of the past is in nobody's way. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->socket.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	is_free = bind(fd, (const struct sockaddr *) &address->socket, address->len) == 0;
	error = errno;
	close(fd);
	errno = error;
	return is_free;
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
resolve(const char *host, const char *port, TlAddressUse use, TlAddressList *list, char *error,
		size_t size)
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

		if (list->count == TL_ADDRESSES_MAX)
		{
			snprintf(error, size, "more than %d addresses", TL_ADDRESSES_MAX);
			freeaddrinfo(found);
			return false;
		}
		*address = (TlAddress){.use = use, .len = info->ai_addrlen, .fd = -1};
		memcpy(&address->socket, info->ai_addr, info->ai_addrlen);
		if (tl_address_describe(address))
			list->count++;
	}
	freeaddrinfo(found);
	return true;
}

bool
tl_address_parse(const char *text, TlAddressUse use, TlAddressList *list, char *error, size_t size)
{
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
		if (!resolve(host, port, use, list, error, size))
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
