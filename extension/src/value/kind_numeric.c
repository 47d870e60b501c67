/*
 * kind_numeric.c
 *		Numbers: a float8.
 */
#include "value/value.h"

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "value/value_wire.h"

static const char *
check(const char *payload, Size len)
{
	return len == sizeof(double) ? NULL : "numeric value is not 8 bytes long";
}

static char *
to_json(const char *payload, Size len)
{
	char *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	double_to_shortest_decimal_buf(tl_payload_double(payload), text);
	return text;
}

static struct varlena *
receive(const char *bytes, Size len)
{
	const char *problem = check(bytes, len);
	double number;

	if (problem != NULL)
		tl_wire_reject(problem);
	number = tl_wire_double(bytes);
	return tl_value_make(TL_KIND_NUMERIC, &number, sizeof(number));
}

static void
send(StringInfo message, const char *payload, Size len)
{
	pq_sendfloat8(message, tl_payload_double(payload));
}

const TlKindType tl_kind_numeric = {
	.name = "numeric",
	.has_numbers = true,
	.check = check,
	.to_json = to_json,
	.receive = receive,
	.send = send,
};
