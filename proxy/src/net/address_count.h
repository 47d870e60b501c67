/*
 * address_count.h
 *		How many connections each address has.
 *
 * An address is one of IPv4, or the first 64 bits of one of IPv6, of which a single user has all others.
 * There are entries only for addresses that have a connection, so memory is bounded by those.
 */
#ifndef TL_ADDRESS_COUNT_H
#define TL_ADDRESS_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct TlAddressCounts TlAddressCounts;
typedef struct TlAddressCount TlAddressCount;

extern TlAddressCounts *tl_address_counts_open(void);
extern void tl_address_counts_close(TlAddressCounts *counts);

/*
 * Counts a connection.  False if its address has `limit` already; 0 is no limit.  *count is to be
 * given back with tl_address_count_drop; NULL of what has no address, such as a Unix socket.
 */
extern bool tl_address_count_add(TlAddressCounts *counts, const struct sockaddr *address,
								 unsigned int limit, TlAddressCount **count);
extern void tl_address_count_drop(TlAddressCounts *counts, TlAddressCount *count);

/* How many addresses there are. */
extern size_t tl_address_counts_size(const TlAddressCounts *counts);

#endif
