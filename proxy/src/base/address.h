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

typedef enum TlAddressUse
{
	TL_ADDRESS_PLAIN,
	TL_ADDRESS_TLS,
	TL_ADDRESS_HEALTH /* plain, and for nothing but health */
} TlAddressUse;

typedef struct TlAddress
{
	TlAddressUse use;
	struct sockaddr_storage socket;
	socklen_t len;
	int fd;			/* a socket that listens there already, or -1 */
	char text[120]; /* host:port in numbers, or unix:path */
} TlAddress;

typedef struct TlAddressList
{
	TlAddress items[TL_ADDRESSES_MAX];
	size_t count;
} TlAddressList;

/*
 * Adds host:port and [v6]:port, separated by commas; a name stands for all its addresses.
 * On failure the reason is put into `error`.
 */
extern bool tl_address_parse(const char *text, TlAddressUse use, TlAddressList *list, char *error,
							 size_t size);

/* Makes its text; false if it is neither TCP's nor a Unix socket's. */
extern bool tl_address_describe(TlAddress *address);

/* Whether only this machine can reach it; who of it may use a Unix socket, its mode says. */
extern bool tl_address_is_loopback(const TlAddress *address);

/* 0 of a Unix socket. */
extern unsigned int tl_address_port(const TlAddress *address);

/* Whether nobody else listens there; errno says what is the matter otherwise. */
extern bool tl_address_is_free(const TlAddress *address);

#endif
