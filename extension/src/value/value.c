/*
 * value.c
 *		Making, checking and taking apart telemetry.value, and its binary wire form.
 *
 * The wire form is the stored form with float8s in network order and without an absent
 * altitude: one kind byte, then the payload to the end of the message.  Nothing received is
 * trusted: what gets past telemetry_value_recv() prints as text that reads back equal.
 *
 * All memory is the caller's current context.  The first half also compiles as a front end
 * program.
 */
#include "value/value.h"

#include <math.h>

#ifndef FRONTEND
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#endif

StaticAssertDecl(sizeof(double) == 8, "float8 must be eight bytes");

#define TL_NUMERIC_SIZE sizeof(double)

const char *
tl_kind_name(TlKind kind)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return "numeric";
		case TL_KIND_TEXT:
			return "text";
		case TL_KIND_BOOLEAN:
			return "boolean";
		case TL_KIND_JSON:
			return "json";
		case TL_KIND_GEO:
			return "geo";
		case TL_KIND_BINARY:
			return "binary";
	}
	return "unknown";
}

const char *
tl_geo_check(double latitude, double longitude, double altitude)
{
	/* Written so that NaN fails. */
	if (!(latitude >= -90 && latitude <= 90))
		return psprintf("latitude %.15g is not between -90 and 90", latitude);
	if (!(longitude >= -180 && longitude <= 180))
		return psprintf("longitude %.15g is not between -180 and 180", longitude);
	if (isinf(altitude))
		return "altitude is not finite";
	return NULL;
}

const char *
tl_value_check(uint8 kind, const char *payload, Size len)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return len == TL_NUMERIC_SIZE ? NULL : "numeric value is not 8 bytes long";
		case TL_KIND_TEXT:
		case TL_KIND_BINARY:
			return NULL;
		case TL_KIND_BOOLEAN:
			if (len != 1)
				return "boolean value is not 1 byte long";
			return (payload[0] & ~1) == 0 ? NULL : "boolean value is neither 0 nor 1";
		case TL_KIND_JSON:
			return len > 0 ? NULL : "json value is empty";
		case TL_KIND_GEO:
			if (len != TL_GEO_SIZE)
				return "geo value is not 24 bytes long";
			return tl_geo_check(tl_payload_double(payload),
								tl_payload_double(payload + sizeof(double)),
								tl_payload_double(payload + 2 * sizeof(double)));
	}
	return "value is of an unknown kind";
}

#ifndef FRONTEND

PG_FUNCTION_INFO_V1(telemetry_value_recv);
PG_FUNCTION_INFO_V1(telemetry_value_send);

struct varlena *
tl_value_make(TlKind kind, const void *payload, Size len)
{
	Size size = VARHDRSZ + 1 + len;
	struct varlena *value = palloc(size);

	SET_VARSIZE(value, size);
	VARDATA(value)[0] = (char) kind;
	if (len > 0)
		memcpy(VARDATA(value) + 1, payload, len);
	return value;
}

TlValue
tl_value_view(const struct varlena *datum)
{
	TlValue value = {0};
	Size size = VARSIZE_ANY_EXHDR(datum);
	const char *problem = "value has no kind";

	if (size > 0)
	{
		uint8 kind = (uint8) VARDATA_ANY(datum)[0];

		value.kind = (TlKind) kind;
		value.payload = VARDATA_ANY(datum) + 1;
		value.len = size - 1;
		problem = tl_value_check(kind, value.payload, value.len);
	}
	if (unlikely(problem != NULL))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("telemetry value is corrupted"),
						errdetail_internal("%s", problem)));
	return value;
}

pg_noreturn static void reject_message(const char *problem);

static void
reject_message(const char *problem)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary form of telemetry.value: %s", problem)));
}

static double
double_from_network(const char *bytes)
{
	uint64 bits;
	double number;

	memcpy(&bits, bytes, sizeof(bits));
	bits = pg_ntoh64(bits);
	memcpy(&number, &bits, sizeof(number));
	return number;
}

/*
 * Text of the client as text of the server: *text may come to point to a converted copy.
 * Checked here although the conversion checks too, so that the error is ours.
 */
static void
receive_text(const char **text, Size *len)
{
	int client = pg_get_client_encoding();
	int server = GetDatabaseEncoding();
	int encoding = client == PG_SQL_ASCII ? server : client;

	/* The verifiers stop at a zero byte too, in every encoding. */
	if (!pg_verify_mbstr(encoding, *text, (int) *len, true))
		reject_message(psprintf("not valid text in encoding %s", pg_encoding_to_char(encoding)));
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

/*
 * JSON is parsed, for the stored form is that of jsonb; a scalar, $geo or $binary becomes the
 * kind that its text form would.
 */
static struct varlena *
receive_json(const char *text, Size len)
{
	struct varlena *value;
	const char *error;
	const char *detail;

	receive_text(&text, &len);
	if (!tl_value_from_json_text(pnstrdup(text, len), &value, &error, &detail))
	{
		if (error != NULL)
			reject_message(error);
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary form of telemetry.value: not valid JSON"),
						errdetail_internal("%s", detail)));
	}
	return value;
}

static struct varlena *
receive_geo(const char *payload, Size len)
{
	double place[3];
	const char *problem;
	bool has_altitude = len == TL_GEO_SIZE;

	if (len != 2 * sizeof(double) && !has_altitude)
		reject_message("geo value is neither 16 nor 24 bytes long");

	/* Adding zero turns -0 into 0, so that equal places are equal bytes. */
	place[0] = double_from_network(payload) + 0.0;
	place[1] = double_from_network(payload + sizeof(double)) + 0.0;
	place[2] = has_altitude ? double_from_network(payload + 2 * sizeof(double)) + 0.0 : NAN;
	problem = tl_geo_check(place[0], place[1], place[2]);
	if (problem == NULL && has_altitude && isnan(place[2]))
		problem = "altitude is not finite";
	if (problem != NULL)
		reject_message(problem);
	return tl_value_make(TL_KIND_GEO, place, sizeof(place));
}

Datum
telemetry_value_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	const char *payload = message->data + message->cursor + 1;
	Size len;
	uint8 kind;
	const char *problem;

	if (message->cursor >= message->len)
		reject_message("value has no kind");
	len = message->len - message->cursor - 1;
	kind = (uint8) payload[-1];
	message->cursor = message->len;

	switch (kind)
	{
		case TL_KIND_NUMERIC:
			if (likely(len == TL_NUMERIC_SIZE))
			{
				double number = double_from_network(payload);

				PG_RETURN_POINTER(tl_value_make(TL_KIND_NUMERIC, &number, sizeof(number)));
			}
			break;
		case TL_KIND_TEXT:
			receive_text(&payload, &len);
			break;
		case TL_KIND_JSON:
			PG_RETURN_POINTER(receive_json(payload, len));
		case TL_KIND_GEO:
			PG_RETURN_POINTER(receive_geo(payload, len));
		default:
			break;
	}
	problem = tl_value_check(kind, payload, len);
	if (problem != NULL)
		reject_message(problem);
	PG_RETURN_POINTER(tl_value_make((TlKind) kind, payload, len));
}

Datum
telemetry_value_send(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbyte(&message, (uint8) value.kind);
	switch (value.kind)
	{
		case TL_KIND_NUMERIC:
			pq_sendfloat8(&message, tl_payload_double(value.payload));
			break;
		case TL_KIND_TEXT:
		case TL_KIND_JSON:
			pq_sendtext(&message, value.payload, (int) value.len);
			break;
		case TL_KIND_GEO:
			for (int i = 0; i < 3; i++)
			{
				double number = tl_payload_double(value.payload + i * sizeof(double));

				/* Only an absent altitude is NaN. */
				if (!isnan(number))
					pq_sendfloat8(&message, number);
			}
			break;
		case TL_KIND_BOOLEAN:
		case TL_KIND_BINARY:
			pq_sendbytes(&message, value.payload, (int) value.len);
			break;
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

#endif
