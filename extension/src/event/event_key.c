/*
 * event_key.c
 *		What makes an event the same as another, as numbers.  See event_key.h.
 */
#include "event/event_key.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

struct TlEventHasher
{
	pg_cryptohash_ctx *sha;
	StringInfoData parts; /* what is to be hashed */
};

TlEventHasher *
tl_event_hasher_begin(void)
{
	TlEventHasher *h = palloc(sizeof(TlEventHasher));

	h->sha = pg_cryptohash_create(PG_SHA256);
	if (h->sha == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	initStringInfo(&h->parts);
	return h;
}

void
tl_event_hasher_end(TlEventHasher *h)
{
	pg_cryptohash_free(h->sha);
	pfree(h->parts.data);
	pfree(h);
}

static void
put_number(TlEventHasher *h, uint64 number)
{
	uint64 bytes = pg_hton64(number);

	appendBinaryStringInfo(&h->parts, (const char *) &bytes, sizeof(bytes));
}

static void
put_bytes(TlEventHasher *h, const char *data, Size len)
{
	put_number(h, len);
	appendBinaryStringInfo(&h->parts, data, (int) len);
}

/* A null is unlike any text. */
static void
put_slice(TlEventHasher *h, TlSlice s)
{
	if (s.data == NULL)
		put_number(h, PG_UINT64_MAX);
	else
		put_bytes(h, s.data, s.len);
}

static void
put_double(TlEventHasher *h, double number)
{
	union
	{
		double number;
		uint64 bits;
	} u = {.number = number == 0 ? 0 : number}; /* minus zero is zero */

	put_number(h, u.bits);
}

static void
put_json(TlEventHasher *h, const Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	JsonbIteratorToken token;
	JsonbValue v;

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		appendStringInfoChar(&h->parts, (char) token);
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		appendStringInfoChar(&h->parts, (char) v.type);
		switch (v.type)
		{
			case jbvString:
				put_bytes(h, v.val.string.val, (Size) v.val.string.len);
				break;
			case jbvNumeric:
				{
					char *digits = numeric_normalize(v.val.numeric);

					put_bytes(h, digits, strlen(digits));
					pfree(digits);
					break;
				}
			case jbvBool:
				appendStringInfoChar(&h->parts, v.val.boolean ? 't' : 'f');
				break;
			default:
				break;
		}
	}
}

/* Hashes the parts put so far, and forgets them. */
static void
finish(TlEventHasher *h, uint8 *digest)
{
	if (pg_cryptohash_init(h->sha) < 0 ||
		pg_cryptohash_update(h->sha, (const uint8 *) h->parts.data, (size_t) h->parts.len) < 0 ||
		pg_cryptohash_final(h->sha, digest, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute SHA-256");
	resetStringInfo(&h->parts);
}

static uint64
first_8_bytes(const uint8 *bytes)
{
	uint64 number;

	memcpy(&number, bytes, sizeof(number));
	return pg_ntoh64(number);
}

static void
hash_content(TlEventHasher *h, const TlEvent *e, uint8 *digest)
{
	static const TlEventText texts[] = {TL_EVENT_TYPE,	  TL_EVENT_DEVICE,	TL_EVENT_USER,
										TL_EVENT_SESSION, TL_EVENT_SUBJECT, TL_EVENT_APP_VERSION};

	for (size_t i = 0; i < lengthof(texts); i++)
		put_slice(h, e->text[texts[i]]);
	put_number(h, e->has_occurred_at);
	put_number(h, e->has_occurred_at ? (uint64) e->occurred_at : 0);
	put_number(h, e->has_duration);
	put_double(h, e->has_duration ? e->duration_seconds : 0);
	if (e->data != NULL)
		put_json(h, e->data);
	finish(h, digest);
}

void
tl_event_key_to_text(const uint8 *bytes, char *out)
{
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64 high = first_8_bytes(bytes);
	uint64 low = first_8_bytes(bytes + 8);

	for (int i = TL_ULID_SIZE - 1; i >= 0; i--)
	{
		out[i] = letters[low & 31];
		low = low >> 5 | high << 59;
		high >>= 5;
	}
}

void
tl_event_make_ulid(int64 now, char *out)
{
	int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	uint64 time = pg_hton64((uint64) ((now + epoch) / 1000) << 16);
	uint8 bytes[16];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	memcpy(bytes, &time, 6);
	tl_event_key_to_text(bytes, out);
}

static void
make_id(TlEventHasher *h, const TlEvent *e, const TlStream *stream, const uint8 *content,
		char *made_id)
{
	uint8 digest[PG_SHA256_DIGEST_LENGTH];

	if (e->seed.data != NULL)
	{
		put_number(h, (uint64) stream->number);
		appendStringInfoChar(&h->parts, 'k');
		put_slice(h, e->seed);
		finish(h, digest);
	}
	else if (e->has_occurred_at)
	{
		put_number(h, (uint64) stream->number);
		put_bytes(h, (const char *) content, PG_SHA256_DIGEST_LENGTH);
		finish(h, digest);
	}
	else if (!pg_strong_random(digest, 16))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	memcpy(made_id, "evt_", 4);
	tl_event_key_to_text(digest, made_id + 4);
}

/* Whose the event is, where that is part of what makes it the same as another. */
static void
put_scope(TlEventHasher *h, const TlEvent *e, TlStreamScope scope)
{
	switch (scope)
	{
		case TL_SCOPE_NONE:
			break;
		case TL_SCOPE_DEVICE:
			appendStringInfoChar(&h->parts, 'd');
			put_slice(h, e->text[TL_EVENT_DEVICE]);
			break;
		case TL_SCOPE_USER:
			appendStringInfoChar(&h->parts, 'u');
			put_slice(h, e->text[TL_EVENT_USER]);
			break;
	}
}

void
tl_event_identify(TlEventHasher *h, const TlEvent *e, const TlStream *stream,
				  TlEventIdentity *identity)
{
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	TlSlice id = e->text[TL_EVENT_ID];

	hash_content(h, e, digest);
	identity->content = first_8_bytes(digest);
	if (id.data == NULL)
	{
		make_id(h, e, stream, digest, identity->made_id);
		id = (TlSlice){identity->made_id, TL_EVENT_MADE_ID_SIZE};
	}

	put_number(h, (uint64) stream->number);
	if (stream->identity == TL_SAME_TYPE_SESSION && e->text[TL_EVENT_SESSION].data != NULL)
	{
		appendStringInfoChar(&h->parts, 's');
		put_slice(h, e->text[TL_EVENT_TYPE]);
		put_slice(h, e->text[TL_EVENT_SESSION]);
	}
	else
	{
		appendStringInfoChar(&h->parts, 'i');
		put_slice(h, id);
	}
	put_scope(h, e, stream->scope);
	finish(h, digest);
	memcpy(identity->key, digest, TL_EVENT_KEY_SIZE);
}

double
tl_event_key_fraction(const uint8 *key)
{
	return (double) (first_8_bytes(key) >> 11) / (double) (UINT64CONST(1) << 53);
}
