/*
 * kind_text.c
 *		Texts: bytes in the database encoding.
 */
#include "value/value.h"

#include "libpq/pqformat.h"
#include "utils/json.h"
#include "value/value_wire.h"

static const char *
check(const char *payload, Size len)
{
	return NULL;
}

static char *
to_json(const char *payload, Size len)
{
	StringInfoData json;
	char *quoted;

	for (Size i = 0; i < len; i++)
	{
		if ((unsigned char) payload[i] < ' ' || payload[i] == '"' || payload[i] == '\\')
		{
			initStringInfo(&json);
			escape_json(&json, pnstrdup(payload, len));
			return json.data;
		}
	}
	quoted = palloc(len + 3);
	quoted[0] = '"';
	memcpy(quoted + 1, payload, len);
	quoted[len + 1] = '"';
	quoted[len + 2] = '\0';
	return quoted;
}

static struct varlena *
receive(const char *bytes, Size len)
{
	tl_wire_receive_text(&bytes, &len);
	return tl_value_make(TL_KIND_TEXT, bytes, len);
}

static void
send(StringInfo message, const char *payload, Size len)
{
	pq_sendtext(message, payload, (int) len);
}

const TlKindType tl_kind_text = {
	.name = "text",
	.check = check,
	.to_json = to_json,
	.receive = receive,
	.send = send,
};
