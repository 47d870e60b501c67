/*
 * verdict.h
 *		What a receiver's answer means, and what of it may be told.
 */
#ifndef TL_VERDICT_H
#define TL_VERDICT_H

#include <stddef.h>

typedef enum TlVerdict
{
	TL_VERDICT_SENT,
	TL_VERDICT_AGAIN, /* later it may do */
	TL_VERDICT_NEVER  /* it will not be taken, whenever it comes */
} TlVerdict;

/* Of a status of HTTP. */
extern TlVerdict tl_verdict_of_http(long status);

/* Of the reply of SMTP at which a transfer failed; 0: there was none. */
extern TlVerdict tl_verdict_of_smtp(long reply);

/*
 * What of an answer's body people are told: its first `max` bytes at most, as UTF-8, without control
 * characters and with a question mark for what is no text, and a null byte; `out` has room for max + 1.
 */
extern void tl_verdict_text(const char *body, size_t len, size_t max, char *out);

#endif
