/*
 * kind_geo.c
 *		Places: three float8, latitude, longitude and altitude (NaN when there is none).
 */
#include "value/kind_geo.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "value/value.h"
#include "value/value_text.h"
#include "value/value_wire.h"

static const char *
check_place(double latitude, double longitude, double altitude)
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

static const char *
check(const char *payload, Size len)
{
	if (len != TL_GEO_SIZE)
		return "geo value is not 24 bytes long";
	return check_place(tl_payload_double(payload), tl_payload_double(payload + sizeof(double)),
					   tl_payload_double(payload + 2 * sizeof(double)));
}

const char *
tl_geo_make(const double place[3], bool has_altitude, struct varlena **value)
{
	/* Adding zero turns -0 into 0, so that equal places are equal bytes. */
	double stored[3] = {place[0] + 0.0, place[1] + 0.0, has_altitude ? place[2] + 0.0 : NAN};
	const char *problem = check_place(stored[0], stored[1], stored[2]);

	if (problem == NULL && has_altitude && isnan(stored[2]))
		problem = "altitude is not finite";
	if (problem == NULL)
		*value = tl_value_make(TL_KIND_GEO, stored, sizeof(stored));
	return problem;
}

static char *
to_json(const char *payload, Size len)
{
	char number[3][DOUBLE_SHORTEST_DECIMAL_LEN];
	bool has_altitude = !isnan(tl_payload_double(payload + 2 * sizeof(double)));

	for (int i = 0; i < 3; i++)
		double_to_shortest_decimal_buf(tl_payload_double(payload + i * sizeof(double)), number[i]);
	if (has_altitude)
		return psprintf("{\"$geo\":[%s,%s,%s]}", number[0], number[1], number[2]);
	return psprintf("{\"$geo\":[%s,%s]}", number[0], number[1]);
}

static const char *
from_json(const JsonbValue *json, struct varlena **value)
{
	JsonbContainer *array = json->type == jbvBinary ? json->val.binary.data : NULL;
	double place[3] = {0};
	uint32 count;

	if (array == NULL || !JsonContainerIsArray(array) || JsonContainerSize(array) < 2 ||
		JsonContainerSize(array) > 3)
		return "$geo is not an array of latitude, longitude and perhaps altitude";

	count = JsonContainerSize(array);
	for (uint32 i = 0; i < count; i++)
	{
		JsonbValue *number = getIthJsonbValueFromContainer(array, i);

		if (number->type != jbvNumeric)
			return "$geo holds something that is not a number";
		if (!tl_value_convert_number(number->val.numeric, &place[i]))
			return psprintf("$geo holds %s, which is out of range",
							numeric_out_sci(number->val.numeric, 6));
	}
	return tl_geo_make(place, count == 3, value);
}

static struct varlena *
receive(const char *bytes, Size len)
{
	bool has_altitude = len == TL_GEO_SIZE;
	double place[3] = {0};
	struct varlena *value;
	const char *problem;

	if (len != 2 * sizeof(double) && !has_altitude)
		tl_wire_reject("geo value is neither 16 nor 24 bytes long");
	for (int i = 0; i < (has_altitude ? 3 : 2); i++)
		place[i] = tl_wire_double(bytes + i * sizeof(double));
	problem = tl_geo_make(place, has_altitude, &value);
	if (problem != NULL)
		tl_wire_reject(problem);
	return value;
}

static void
send(StringInfo message, const char *payload, Size len)
{
	for (int i = 0; i < 3; i++)
	{
		double number = tl_payload_double(payload + i * sizeof(double));

		/* Only an absent altitude is NaN. */
		if (!isnan(number))
			pq_sendfloat8(message, number);
	}
}

const TlKindType tl_kind_geo = {
	.name = "geo",
	.has_numbers = true,
	.check = check,
	.to_json = to_json,
	.json_member = "$geo",
	.from_json = from_json,
	.receive = receive,
	.send = send,
};
