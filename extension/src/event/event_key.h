/*
 * event_key.h
 *		What makes an event the same as another, as numbers.
 *
 *	key		the first 16 bytes of SHA-256 of the stream's number, the letter i or s, and
 *			i	event_id
 *			s	event_type and session_id, if the stream's identity is type_session
 *			and then, if its key_scope is device or user, the letter d or u, and device_id or user_id
 *	content	the first 8 bytes of SHA-256 of event_type, device_id, user_id, session_id, subject_id,
 *			app_version, occurred_at if the sender gave it, duration_seconds and data
 *
 * An event without event_id gets one made of its stream's number and of the seed that came with it, the
 * letter k before it; or else of its content, if it says when it occurred; and a random one otherwise.
 * What is sent again is then the same event.
 *
 * Each part is hashed with its length before it, integers and lengths in network order, so that
 * a ledger means the same on any machine.  Of data, members are hashed in jsonb's order and
 * numbers without trailing zeros, so that it does not matter how a sender writes them.
 */
#ifndef TL_EVENT_KEY_H
#define TL_EVENT_KEY_H

#include "event/event_stream.h"

#define TL_EVENT_KEY_SIZE 16

/* evt_ and 26 characters of Crockford's base 32. */
#define TL_EVENT_MADE_ID_SIZE 30

typedef struct TlEventIdentity
{
	uint8 key[TL_EVENT_KEY_SIZE];
	uint64 content;
	char made_id[TL_EVENT_MADE_ID_SIZE]; /* if the event has no event_id */
} TlEventIdentity;

typedef struct TlEventHasher TlEventHasher;

/* Lives in the current memory context and has resources of the server's: to be ended. */
extern TlEventHasher *tl_event_hasher_begin(void);
extern void tl_event_identify(TlEventHasher *hasher, const TlEvent *event, const TlStream *stream,
							  TlEventIdentity *identity);
extern void tl_event_hasher_end(TlEventHasher *hasher);

/* 128 bits as 26 characters of Crockford's base 32, the highest first, as a ULID has them. */
#define TL_ULID_SIZE 26
extern void tl_event_key_to_text(const uint8 *bytes, char *out);

/* A new ULID: 48 bits of a time in milliseconds since 1970, and 80 that are random. */
extern void tl_event_make_ulid(int64 now, char *out);

/* A number from 0 to 1, not 1, that is always the same for a key. */
extern double tl_event_key_fraction(const uint8 *key);

#endif
