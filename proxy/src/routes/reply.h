/*
 * reply.h
 *		JSON bodies of the answers that the proxy makes itself (shapes of seed 004).
 */
#ifndef TL_REPLY_H
#define TL_REPLY_H

#include "database/group.h"
#include "routes/decode.h"

/* {"detail": text} */
extern void tl_reply_detail(TlBuf *out, const char *text);

/* The answer to one stored point, which is the entry's only row. */
extern void tl_reply_single(TlBuf *out, const TlGroupEntry *entry, const TlGroupResult *result);

/* Counts, and an error for each rejected row. */
extern void tl_reply_batch(TlBuf *out, const TlGroupEntry *entry, const TlGroupResult *result);

/* The same for each device. */
extern void tl_reply_bulk(TlBuf *out, const TlGroupEntry *entry, const TlGroupResult *result,
						  const TlDeviceRows *devices, uint32_t device_count);

#endif
