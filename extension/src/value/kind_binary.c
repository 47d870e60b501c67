/*
 * kind_binary.c
 *		Bytes of any meaning.
 */
#include "value/value.h"

#include "common/base64.h"
#include "libpq/pqformat.h"
#include "utils/jsonb.h"

static const char *
check(const char *payload, Size len)
{
	return NULL;
}

static char *
to_json(const char *payload, Size len)
{
	static const char head[] = "{\"$binary\":\"";
	static const char tail[] = "\"}";
	int max = pg_b64_enc_len((int) len);
	char *json = palloc(sizeof(head) + max + sizeof(tail));
	char *base64 = json + sizeof(head) - 1;
	int used;

	memcpy(json, head, sizeof(head));
	used = pg_b64_encode((const void *) payload, (int) len, base64, max);
	Assert(used >= 0);
	memcpy(base64 + used, tail, sizeof(tail));
	return json;
}

static const char *
from_json(const JsonbValue *json, struct varlena **value)
{
	int max;
	int len;
	char *bytes;

	if (json->type != jbvString)
		return "$binary is not a string";
	max = pg_b64_dec_len(json->val.string.len);
	bytes = palloc(max + 1);
	len = pg_b64_decode(json->val.string.val, json->val.string.len, (void *) bytes, max);
	if (len >= 0)
		*value = tl_value_make(TL_KIND_BINARY, bytes, len);
	pfree(bytes);
	return len >= 0 ? NULL : "$binary is not valid base64";
}

static struct varlena *
receive(const char *bytes, Size len)
{
	return tl_value_make(TL_KIND_BINARY, bytes, len);
}

static void
send(StringInfo message, const char *payload, Size len)
{
	pq_sendbytes(message, payload, (int) len);
}

const TlKindType tl_kind_binary = {
	.name = "binary",
	.check = check,
	.to_json = to_json,
	.json_member = "$binary",
	.from_json = from_json,
	.receive = receive,
	.send = send,
};
