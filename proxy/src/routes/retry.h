/*
 * retry.h
 *		When those are to come again who cannot be served now.
 *
 * Devices of a fleet fail together, when the database is away for instance, and would come back together
 * if all were told the same.
 */
#ifndef TL_RETRY_H
#define TL_RETRY_H

#include <stdint.h>

/*
 * Seconds for one answer: from 1 to 4, and to one more for each 256 requests that wait, 30 at most; which
 * of these a random number says.
 */
extern unsigned int tl_retry_seconds(uint64_t waiting, uint64_t random);

/* The same for what waits now, of an answer of this status: 0, none, unless that is 503. */
extern unsigned int tl_retry_after(int status);

#endif
