/*
 * address.h
 *		The addresses to listen on.
 */
#ifndef TL_ADDRESS_H
#define TL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TL_ADDRESSES_MAX 16

typedef struct TlAddress
{
	struct sockaddr_storage socket;
	socklen_t len;
	char text[80]; /* host:port in numbers */
} TlAddress;

typedef struct TlAddressList
{
	TlAddress items[TL_ADDRESSES_MAX];
	size_t count;
} TlAddressList;

/*
 * Reads host:port and [v6]:port, separated by commas; a name stands for all its addresses.
 * On failure the reason is put into `error`.
 */
extern bool tl_address_parse(const char *text, TlAddressList *list, char *error, size_t size);

extern bool tl_address_is_loopback(const TlAddress *address);
extern unsigned int tl_address_port(const TlAddress *address);

#endif
