/*
 * row_check.c
 *		The rules that a point must keep.  See row_check.h.
 */
#include "ingest/row_check.h"

#include "base/guc.h"
#include "mb/pg_wchar.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "value/json_number.h"
#include "value/value_size.h"

static bool
reject(TlRejection *why, const char *code, const char *message)
{
	why->code = code;
	why->message = message;
	return false;
}

const char *
tl_row_control_character(TlSlice s)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;

	for (uint32 i = 0; i < s.len; i++)
	{
		uint8 c = (uint8) s.data[i];

		if (c < 0x20 || c == 0x7f)
			return s.data + i;
		if (utf8 && c == 0xc2 && i + 1 < s.len && (uint8) s.data[i + 1] < 0xa0)
			return s.data + i;
	}
	return NULL;
}

static bool
check_length(TlSlice s, const char *name, const char *code, TlRejection *why)
{
	if (s.len == 0)
		return reject(why, code, psprintf("%s is empty", name));
	if (s.len > TL_KEY_MAX)
		return reject(why, code,
					  psprintf("%s is %u bytes long, the limit is %d", name, s.len, TL_KEY_MAX));
	return true;
}

static bool
check_characters(TlSlice s, const char *name, const char *code, TlRejection *why)
{
	const char *bad = tl_row_control_character(s);

	if (bad != NULL)
		return reject(
			why, code,
			psprintf("%s contains a control character at byte %d", name, (int) (bad - s.data) + 1));
	return true;
}

bool
tl_row_check_name(TlSlice name, const char *what, const char *code, TlRejection *why)
{
	return check_length(name, what, code, why) && check_characters(name, what, code, why);
}

bool
tl_row_check_present(const TlIngestRow *row, TlRejection *why)
{
	if (likely(row->has_ts && row->value != NULL && row->device.data != NULL &&
			   row->metric.data != NULL && row->device.len - 1 < TL_KEY_MAX &&
			   row->metric.len - 1 < TL_KEY_MAX))
		return true;
	if (!row->has_ts)
		return reject(why, TL_REJECT_MISSING, "timestamp is required");
	if (row->device.data == NULL)
		return reject(why, TL_REJECT_MISSING, "device_id is required");
	if (row->metric.data == NULL)
		return reject(why, TL_REJECT_MISSING, "metric_name is required");
	if (row->value == NULL)
		return reject(why, TL_REJECT_MISSING, "value is required");
	return check_length(row->device, "device_id", TL_REJECT_KEY, why) &&
		   check_length(row->metric, "metric_name", TL_REJECT_KEY, why);
}

bool
tl_row_check_key(const TlIngestRow *row, TlRejection *why)
{
	return check_characters(row->device, "device_id", TL_REJECT_KEY, why) &&
		   check_characters(row->metric, "metric_name", TL_REJECT_KEY, why);
}

const char *
tl_row_time_problem(int64 ts)
{
	if (TIMESTAMP_NOT_FINITE(ts) || ts < MIN_TIMESTAMP || ts >= END_TIMESTAMP)
		return "is not finite";
	if (ts < TL_TIME_FIRST)
		return "is before 4713-01-01 BC";
	return ts > TL_TIME_LAST ? "is not before 294276-01-01" : NULL;
}

bool
tl_row_check_ts(int64 ts, int64 latest, TlRejection *why)
{
	const char *problem = tl_row_time_problem(ts);

	if (unlikely(problem != NULL))
		return reject(why, TL_REJECT_TIMESTAMP, psprintf("timestamp %s", problem));
	if (ts > latest)
		return reject(why, TL_REJECT_FUTURE,
					  psprintf("timestamp %s is more than %d s ahead of the server's clock",
							   timestamptz_to_str(ts), tl_guc_max_future));
	return true;
}

bool
tl_row_check_value(const struct varlena *value, TlRejection *why)
{
	Size len = VARSIZE_ANY_EXHDR(value);
	const char *problem;

	if (len == 0)
		return reject(why, TL_REJECT_VALUE, "value is empty");
	if (len - 1 > (Size) tl_guc_max_value_size)
		return reject(
			why, TL_REJECT_TOO_LARGE,
			psprintf("value is %zu bytes long, the limit is %d", len - 1, tl_guc_max_value_size));
	problem = tl_value_check((uint8) *VARDATA_ANY(value), VARDATA_ANY(value) + 1, len - 1);
	if (problem != NULL)
		return reject(why, TL_REJECT_VALUE, problem);
	if (*VARDATA_ANY(value) == TL_KIND_JSON &&
		tl_json_text_has_long_number(VARDATA_ANY(value) + 1, len - 1))
		return reject(why, TL_REJECT_VALUE, "value " TL_JSON_NUMBER_PROBLEM);
	return true;
}

/* Short varlena headers leave a document unaligned, and jsonb cannot be read so. */
static JsonbContainer *
aligned_container(TlSlice json)
{
	char *copy;

	if (json.data == (const char *) INTALIGN(json.data))
		return (JsonbContainer *) json.data;
	copy = palloc(json.len);
	memcpy(copy, json.data, json.len);
	return (JsonbContainer *) copy;
}

static bool
check_object(TlSlice json, const char *name, const char *code, TlRejection *why)
{
	JsonbContainer *container;
	TlValueFit fit;

	if (json.data == NULL)
		return true;
	container = aligned_container(json);
	if (!JsonContainerIsObject(container))
		return reject(why, code, psprintf("%s is not a JSON object", name));
	if (json.len > (uint32) tl_guc_max_value_size)
		fit = TL_VALUE_IS_LONG;
	else
		fit = tl_value_fit(container, (Size) tl_guc_max_value_size);
	if (fit == TL_VALUE_IS_LONG)
		return reject(why, TL_REJECT_TOO_LARGE,
					  psprintf("%s is longer than %d bytes", name, tl_guc_max_value_size));
	if (fit == TL_VALUE_HAS_LONG_NUMBER)
		return reject(
			why, code,
			psprintf("%s %s", tl_value_long_number_path(name, container), TL_JSON_NUMBER_PROBLEM));
	return true;
}

bool
tl_row_check_attrs(const TlIngestRow *row, TlRejection *why)
{
	if (row->unit.data != NULL && row->unit.len > TL_KEY_MAX)
		return check_length(row->unit, "unit", TL_REJECT_UNIT, why);
	return (row->unit.data == NULL || check_characters(row->unit, "unit", TL_REJECT_UNIT, why)) &&
		   check_object(row->tags, "tags", TL_REJECT_TAGS, why) &&
		   check_object(row->metadata, "metadata", TL_REJECT_METADATA, why);
}
