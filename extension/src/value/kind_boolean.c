/*
 * kind_boolean.c
 *		Booleans: one byte, 0 or 1.
 */
#include "value/value.h"

#include "libpq/pqformat.h"
#include "value/value_wire.h"

static const char *
check(const char *payload, Size len)
{
	if (len != 1)
		return "boolean value is not 1 byte long";
	return (payload[0] & ~1) == 0 ? NULL : "boolean value is neither 0 nor 1";
}

static char *
to_json(const char *payload, Size len)
{
	return pstrdup(payload[0] ? "true" : "false");
}

static struct varlena *
receive(const char *bytes, Size len)
{
	const char *problem = check(bytes, len);

	if (problem != NULL)
		tl_wire_reject(problem);
	return tl_value_make(TL_KIND_BOOLEAN, bytes, len);
}

static void
send(StringInfo message, const char *payload, Size len)
{
	pq_sendbytes(message, payload, (int) len);
}

const TlKindType tl_kind_boolean = {
	.name = "boolean",
	.check = check,
	.to_json = to_json,
	.receive = receive,
	.send = send,
};
