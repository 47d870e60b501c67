/*
 * value_wire.c
 *		The binary wire form of telemetry.value.
 *
 * It is the stored form with float8s in network order and without an absent altitude: one kind
 * byte, then the payload to the end of the message.  Nothing received is trusted: what gets past
 * telemetry_value_recv() prints as text that reads back equal.
 */
#include "value/value_wire.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "value/value.h"

PG_FUNCTION_INFO_V1(telemetry_value_recv);
PG_FUNCTION_INFO_V1(telemetry_value_send);

void
tl_wire_reject(const char *problem)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary form of telemetry.value: %s", problem)));
}

double
tl_wire_double(const char *bytes)
{
	uint64 bits;
	double number;

	memcpy(&bits, bytes, sizeof(bits));
	bits = pg_ntoh64(bits);
	memcpy(&number, &bits, sizeof(number));
	return number;
}

/*
 * Checked here although the conversion checks too, so that the error is ours.
 */
void
tl_wire_receive_text(const char **text, Size *len)
{
	int client = pg_get_client_encoding();
	int server = GetDatabaseEncoding();
	int encoding = client == PG_SQL_ASCII ? server : client;

	/* The verifiers stop at a zero byte too, in every encoding. */
	if (!pg_verify_mbstr(encoding, *text, (int) *len, true))
		tl_wire_reject(psprintf("not valid text in encoding %s", pg_encoding_to_char(encoding)));
	if (encoding != server)
	{
		char *converted = pg_client_to_server(*text, (int) *len);

		if (converted != *text)
		{
			*text = converted;
			*len = strlen(converted);
		}
	}
}

Datum
telemetry_value_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	const char *payload = message->data + message->cursor + 1;
	Size len;
	uint8 kind;

	if (message->cursor >= message->len)
		tl_wire_reject("value has no kind");
	len = message->len - message->cursor - 1;
	kind = (uint8) payload[-1];
	message->cursor = message->len;
	if (kind > TL_KIND_LAST || tl_kinds[kind] == NULL)
		tl_wire_reject(tl_value_check(kind, payload, len));
	PG_RETURN_POINTER(tl_kinds[kind]->receive(payload, len));
}

Datum
telemetry_value_send(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbyte(&message, (uint8) value.kind);
	tl_kinds[value.kind]->send(&message, value.payload, value.len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
