/*
 * kind_json.c
 *		JSON documents: the output text of jsonb, which makes equal documents equal bytes.
 */
#include "value/value.h"

#include "libpq/pqformat.h"
#include "value/value_text.h"
#include "value/value_wire.h"

static const char *
check(const char *payload, Size len)
{
	return len > 0 ? NULL : "json value is empty";
}

static char *
to_json(const char *payload, Size len)
{
	return pnstrdup(payload, len);
}

/*
 * JSON is parsed, for the stored form is that of jsonb; a scalar, $geo or $binary becomes the
 * kind that its text form would.
 */
static struct varlena *
receive(const char *text, Size len)
{
	struct varlena *value;
	const char *error;
	const char *detail;

	tl_wire_receive_text(&text, &len);
	if (!tl_value_from_json_text(pnstrdup(text, len), &value, &error, &detail))
	{
		if (error != NULL)
			tl_wire_reject(error);
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary form of telemetry.value: not valid JSON"),
						errdetail_internal("%s", detail)));
	}
	return value;
}

static void
send(StringInfo message, const char *payload, Size len)
{
	pq_sendtext(message, payload, (int) len);
}

const TlKindType tl_kind_json = {
	.name = "json",
	.check = check,
	.to_json = to_json,
	.receive = receive,
	.send = send,
};
