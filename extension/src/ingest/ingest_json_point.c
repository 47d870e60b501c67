/*
 * ingest_json_point.c
 *		{"timestamp", "metric_name", "value", "unit", "tags", "metadata"} to a row of ingest.
 *
 * Only types and the form of the time are judged here; the rules on contents are row_check's.
 * Members of other names are ignored, a null is as good as absent.
 */
#include "ingest/ingest_json_point.h"

#include "base/guc.h"
#include "ingest/row_check.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "value/json_number.h"
#include "value/json_time.h"
#include "value/json_value.h"
#include "value/value_size.h"
#include "value/value_text.h"

/* telemetry.dead_letter shows members of a point up to these lengths, of one and of all. */
#define SHOWN_LENGTH 4096
#define SHOWN_TOTAL 16384

static bool
reject(TlRejection *why, const char *code, const char *message)
{
	why->code = code;
	why->message = message;
	return false;
}

static bool
reject_kind(TlRejection *why, const char *code, const char *name, const char *wanted,
			const JsonbValue *got)
{
	return reject(why, code, psprintf("%s must be %s, not %s", name, wanted, tl_json_kind(got)));
}

static bool
is_object(const JsonbValue *json)
{
	return json->type == jbvBinary && JsonContainerIsObject(json->val.binary.data);
}

static TlSlice
string_of(const JsonbValue *json)
{
	return (TlSlice){json->val.string.val, (uint32) json->val.string.len};
}

static TlSlice
slice_of(const char *text)
{
	return (TlSlice){text, (uint32) strlen(text)};
}

/* A member that is there and not null. */
static bool
get(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), value) != NULL &&
		   value->type != jbvNull;
}

static bool
read_time(JsonbContainer *object, TlIngestRow *row, TlRejection *why)
{
	JsonbValue v;

	if (!get(object, "timestamp", &v))
		return reject(why, TL_REJECT_MISSING, "timestamp is required");
	switch (v.type)
	{
		case jbvString:
			row->has_ts = tl_json_time_text(v.val.string.val, (Size) v.val.string.len, &row->ts);
			return row->has_ts ||
				   reject(why, TL_REJECT_TIMESTAMP,
						  psprintf("timestamp \"%s\" is not an RFC 3339 date and time",
								   tl_json_quote(string_of(&v))));
		case jbvNumeric:
			row->has_ts = tl_json_time_number(v.val.numeric, &row->ts);
			return row->has_ts || reject(why, TL_REJECT_TIMESTAMP,
										 psprintf("timestamp %s is out of range",
												  numeric_out_sci(v.val.numeric, 6)));
		default:
			return reject_kind(why, TL_REJECT_TIMESTAMP, "timestamp", "a string or a number", &v);
	}
}

static bool
read_metric(JsonbContainer *object, TlIngestRow *row, TlRejection *why)
{
	JsonbValue v;

	if (!get(object, "metric_name", &v))
		return reject(why, TL_REJECT_MISSING, "metric_name is required");
	if (v.type != jbvString)
		return reject_kind(why, TL_REJECT_KEY, "metric_name", "a string", &v);
	row->metric = string_of(&v);
	return true;
}

/* Refuses what would take all memory, were it written down to be measured. */
static bool
check_size(const JsonbValue *v, const char *name, const char *code, TlRejection *why)
{
	JsonbContainer *container = v->val.binary.data;

	if (v->type != jbvBinary)
		return true;
	switch (tl_value_fit(container, (Size) tl_guc_max_value_size))
	{
		case TL_VALUE_FITS:
			return true;
		case TL_VALUE_IS_LONG:
			return reject(why, TL_REJECT_TOO_LARGE,
						  psprintf("%s is longer than %d bytes", name, tl_guc_max_value_size));
		case TL_VALUE_HAS_LONG_NUMBER:
			break;
	}
	return reject(
		why, code,
		psprintf("%s %s", tl_value_long_number_path(name, container), TL_JSON_NUMBER_PROBLEM));
}

static bool
read_value(JsonbContainer *object, TlIngestRow *row, TlRejection *why)
{
	JsonbValue v;
	struct varlena *value;
	const char *error;

	if (!get(object, "value", &v))
		return reject(why, TL_REJECT_MISSING, "value is required");
	if (!check_size(&v, "value", TL_REJECT_VALUE, why))
		return false;
	if (!tl_value_from_json(&v, &value, &error))
		return reject(why, TL_REJECT_VALUE, psprintf("value: %s", error));
	row->value = value;
	return true;
}

static bool
read_unit(JsonbContainer *object, TlIngestRow *row, TlRejection *why)
{
	JsonbValue v;

	if (!get(object, "unit", &v))
		return true;
	if (v.type != jbvString)
		return reject_kind(why, TL_REJECT_UNIT, "unit", "a string", &v);
	row->unit = string_of(&v);
	return true;
}

static bool
read_object(JsonbContainer *object, const char *name, const char *code, TlSlice *slice,
			TlRejection *why)
{
	JsonbValue v;

	if (!get(object, name, &v))
		return true;
	if (!is_object(&v))
		return reject_kind(why, code, name, "an object", &v);
	if (!check_size(&v, name, code, why))
		return false;
	slice->data = (const char *) v.val.binary.data;
	slice->len = (uint32) v.val.binary.len;
	return true;
}

static bool
read_point(const JsonbValue *point, TlIngestRow *row, TlRejection *why)
{
	JsonbContainer *object;

	if (!is_object(point))
		return reject_kind(why, TL_REJECT_MISSING, "a data point", "an object", point);
	object = point->val.binary.data;
	return read_time(object, row, why) && read_metric(object, row, why) &&
		   read_value(object, row, why) && read_unit(object, row, why) &&
		   read_object(object, "tags", TL_REJECT_TAGS, &row->tags, why) &&
		   read_object(object, "metadata", TL_REJECT_METADATA, &row->metadata, why);
}

static void
put_name(StringInfo out, TlSlice name)
{
	if (out->len > 1)
		appendStringInfoString(out, ", ");
	escape_json(out, pnstrdup(name.data, name.len));
	appendStringInfoString(out, ": ");
}

static void
put_string(StringInfo out, TlSlice text)
{
	escape_json(out, pnstrdup(text.data, pg_mbcliplen(text.data, (int) text.len, SHOWN_LENGTH)));
}

static void
put_value(StringInfo out, const JsonbValue *v)
{
	Jsonb *json;

	if (v->type == jbvString)
	{
		put_string(out, string_of(v));
		return;
	}
	json = JsonbValueToJsonb(unconstify(JsonbValue *, v));
	if (tl_value_size_exceeds(&json->root, SHOWN_LENGTH))
		appendStringInfoString(out, "\"...\"");
	else
		(void) JsonbToCString(out, &json->root, (int) VARSIZE(json));
}

static void
put_members(StringInfo out, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	TlSlice name = {NULL, 0};
	JsonbValue v;

	while (out->len < SHOWN_TOTAL && (token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = string_of(&v);
		if (token != WJB_VALUE || name.len > SHOWN_LENGTH)
			continue;
		put_name(out, name);
		put_value(out, &v);
	}
}

/* The point as it came and its device, as one JSON object. */
static char *
show_point(TlSlice device, const JsonbValue *point)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	if (is_object(point))
		put_members(&out, point->val.binary.data);
	else
	{
		put_name(&out, slice_of("point"));
		put_value(&out, point);
	}
	if (device.data != NULL)
	{
		put_name(&out, slice_of("device_id"));
		put_string(&out, device);
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

void
tl_ingest_json_point(TlIngest *ingest, TlSlice device, const JsonbValue *point)
{
	TlIngestRow row = {.device = device};
	TlRejection why;

	if (read_point(point, &row, &why))
		(void) tl_ingest_row(ingest, &row);
	else
		tl_ingest_reject(ingest, why.code, why.message, show_point(device, point));
}

/* That of the field; a member of a point that means nothing has none. */
static const char *
code_of_field(const TlJsonFault *fault, int path_of_point)
{
	static const struct
	{
		const char *name;
		const char *code;
	} fields[] = {
		{"timestamp", TL_REJECT_TIMESTAMP}, {"metric_name", TL_REJECT_KEY},
		{"value", TL_REJECT_VALUE},			{"unit", TL_REJECT_UNIT},
		{"tags", TL_REJECT_TAGS},			{"metadata", TL_REJECT_METADATA},
	};

	if (fault->n_steps > path_of_point)
	{
		TlSlice name = fault->steps[path_of_point].name;

		for (size_t i = 0; i < lengthof(fields); i++)
			if (tl_slice_equal(name, slice_of(fields[i].name)))
				return fields[i].code;
	}
	return TL_REJECT_JSON;
}

void
tl_ingest_json_reject_fault(TlIngest *ingest, TlSlice device, const JsonbValue *point,
							const TlJsonFault *fault, int path_of_point)
{
	const char *path = tl_json_fault_path(fault, path_of_point);
	const char *message;

	if (*path == '\0')
		message = psprintf("a data point %s", fault->problem);
	else
		message = psprintf("%s%s %s", fault->in_name ? "the name " : "", path, fault->problem);
	tl_ingest_reject(ingest, code_of_field(fault, path_of_point), message,
					 show_point(device, point));
}
