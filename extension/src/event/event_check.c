/*
 * event_check.c
 *		The rules that an event must keep.  See event_check.h.
 */
#include "event/event_check.h"

#include <float.h>
#include <math.h>

#include "base/guc.h"
#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "value/json_number.h"
#include "value/json_text.h"
#include "value/json_value.h"
#include "value/value_size.h"

/* Longest text in bytes, and longest type. */
#define TEXT_MAX 256
#define TYPE_MAX 64

/* Longest duration in seconds, some 31 years: a longer one is a mistake, and would spoil every sum. */
#define DURATION_MAX 1000000000

/* How deep a JSON text within a text may be nested. */
#define JSON_TEXT_DEPTH 64

/* An event being checked. */
typedef struct Check
{
	TlEvent *event;
	const TlStream *stream;
	TlRejection *why;
} Check;

pg_attribute_printf(3, 4) static bool reject(Check *c, const char *field, const char *format, ...)
{
	const char *message = tl_stream_message(c->stream, field);

	c->why->code = tl_stream_code(c->stream, field);
	if (message == NULL)
	{
		StringInfoData text;
		va_list args;
		int more;

		initStringInfo(&text);
		appendStringInfo(&text, "%s ", field);
		for (;;)
		{
			va_start(args, format);
			more = appendStringInfoVA(&text, format, args);
			va_end(args);
			if (more == 0)
				break;
			enlargeStringInfo(&text, more);
		}
		message = text.data;
	}
	c->why->message = message;
	return false;
}

static bool
equal_in_any_case(TlSlice a, TlSlice b)
{
	return a.len == b.len && pg_strncasecmp(a.data, b.data, a.len) == 0;
}

static char *
list_types(const TlStream *stream)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < stream->n_types; i++)
		appendStringInfo(&list, "%s%.*s", i > 0 ? ", " : "", (int) stream->types[i].len,
						 stream->types[i].data);
	return list.data;
}

static bool
check_type(Check *c)
{
	TlSlice *type = &c->event->text[TL_EVENT_TYPE];

	if (type->data == NULL)
		return reject(c, "event_type", "is required");
	if (c->stream->any_type)
		return type->len <= TYPE_MAX ||
			   reject(c, "event_type", "is %u bytes long, the limit is %d", type->len, TYPE_MAX);
	for (int i = 0; i < c->stream->n_types; i++)
	{
		if (equal_in_any_case(*type, c->stream->types[i]))
		{
			*type = c->stream->types[i];
			return true;
		}
	}
	return reject(c, "event_type", "must be one of: %s", list_types(c->stream));
}

static bool
check_texts(Check *c)
{
	for (int i = 0; i < TL_EVENT_TEXTS; i++)
	{
		TlSlice s = c->event->text[i];
		const char *bad;

		if (s.data == NULL)
			continue;
		if (s.len > TEXT_MAX)
			return reject(c, tl_event_text_name[i], "is %u bytes long, the limit is %d", s.len,
						  TEXT_MAX);
		bad = tl_row_control_character(s);
		if (bad != NULL)
			return reject(c, tl_event_text_name[i], "contains a control character at byte %d",
						  (int) (bad - s.data) + 1);
	}
	return true;
}

static const char *
time_text(int64 ts)
{
	static char text[MAXDATELEN + 1];
	static const int utc = 0;

	return JsonEncodeDateTime(text, TimestampTzGetDatum(ts), TIMESTAMPTZOID, &utc);
}

/* An interval as a person would say it. */
static const char *
duration_text(int64 usecs)
{
	static const struct
	{
		const char *name;
		int64 usecs;
	} units[] = {{"day", USECS_PER_DAY}, {"hour", USECS_PER_HOUR}, {"minute", USECS_PER_MINUTE}};

	for (size_t i = 0; i < lengthof(units); i++)
	{
		int64 count = usecs / units[i].usecs;

		if (count > 0 && usecs % units[i].usecs == 0)
			return psprintf(INT64_FORMAT " %s%s", count, units[i].name, count == 1 ? "" : "s");
	}
	return psprintf("%g seconds", (double) usecs / USECS_PER_SEC);
}

/* How much later than another a time is; 0 if it is not.  All of time is more than an int64 has. */
static uint64
time_since(int64 later, int64 earlier)
{
	return later <= earlier ? 0 : (uint64) later - (uint64) earlier;
}

static bool
check_times(Check *c, int64 now)
{
	TlEvent *e = c->event;
	int64 max_age = e->alone ? c->stream->max_age : c->stream->max_batch_age;
	int64 received_at = e->has_received_at ? e->received_at : now;
	const char *problem = tl_row_time_problem(received_at);

	if (problem != NULL)
		return reject(c, TL_EVENT_RECEIVED_AT, "%s", problem);
	/* Partitions are of days since 1970, see telemetry.create_event_partition(). */
	if (e->has_received_at &&
		e->received_at < (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
		return reject(c, TL_EVENT_RECEIVED_AT, "is before 1970-01-01");
	if (e->has_received_at && e->received_at > now)
		return reject(c, TL_EVENT_RECEIVED_AT, "%s is in the future", time_text(e->received_at));
	if (!e->has_occurred_at)
		return true;
	problem = tl_row_time_problem(e->occurred_at);
	if (problem != NULL)
		return reject(c, TL_EVENT_OCCURRED_AT, "%s", problem);
	if (time_since(received_at, e->occurred_at) > (uint64) max_age)
		return reject(c, TL_EVENT_OCCURRED_AT, "%s is more than %s ago", time_text(e->occurred_at),
					  duration_text(max_age));
	if (time_since(e->occurred_at, received_at) > (uint64) c->stream->max_future)
		return reject(c, TL_EVENT_OCCURRED_AT, "%s is more than %s in the future",
					  time_text(e->occurred_at), duration_text(c->stream->max_future));
	return true;
}

static bool
check_duration(Check *c)
{
	double d = c->event->duration_seconds;

	if (!c->event->has_duration)
		return true;
	return (d >= 0 && d <= DURATION_MAX) ||
		   reject(c, TL_EVENT_DURATION, "must be a number from 0 to %d", DURATION_MAX);
}

static bool
check_data(Check *c)
{
	Jsonb *data = unconstify(Jsonb *, c->event->data);
	TlValueFit fit;

	if (data == NULL)
		return true;
	if (!JB_ROOT_IS_OBJECT(data))
		return reject(c, TL_EVENT_DATA, "is not a JSON object");
	if (VARSIZE(data) > (Size) tl_guc_max_value_size)
		fit = TL_VALUE_IS_LONG;
	else
		fit = tl_value_fit(&data->root, (Size) tl_guc_max_value_size);
	if (fit == TL_VALUE_IS_LONG)
		return reject(c, TL_EVENT_DATA, "is longer than %d bytes", tl_guc_max_value_size);
	if (fit == TL_VALUE_HAS_LONG_NUMBER)
		return reject(c, TL_EVENT_DATA, TL_JSON_NUMBER_PROBLEM ": %s",
					  tl_value_long_number_path(TL_EVENT_DATA, &data->root));
	return true;
}

static bool
is_ulid(TlSlice s)
{
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	if (s.len != 26 || s.data[0] > '7')
		return false;
	for (uint32 i = 0; i < s.len; i++)
		if (s.data[i] == '\0' || strchr(letters, pg_toupper((unsigned char) s.data[i])) == NULL)
			return false;
	return true;
}

static bool
is_uuid(TlSlice s)
{
	if (s.len != 36)
		return false;
	for (uint32 i = 0; i < s.len; i++)
	{
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen ? s.data[i] != '-' : !isxdigit((unsigned char) s.data[i]))
			return false;
	}
	return true;
}

static bool
is_json_text(TlSlice s)
{
	uint32 start = 0;

	while (start < s.len && strchr(" \t\r\n", s.data[start]) != NULL && s.data[start] != '\0')
		start++;
	if (start == s.len || (s.data[start] != '{' && s.data[start] != '[') ||
		tl_json_is_deeper(s, JSON_TEXT_DEPTH))
		return false;
	return pg_parse_json(tl_json_lexer(pnstrdup(s.data, s.len), (int) s.len), &nullSemAction) ==
		   JSON_SUCCESS;
}

/* A ULID is the same in either case. */
static TlSlice
in_upper_case(TlSlice ulid)
{
	char *text = palloc(ulid.len);

	for (uint32 i = 0; i < ulid.len; i++)
		text[i] = (char) pg_toupper((unsigned char) ulid.data[i]);
	return (TlSlice){text, ulid.len};
}

static bool
check_text_rule(Check *c, const TlFieldRule *rule, TlSlice s)
{
	if (rule->max_length > 0 && s.len > (uint32) rule->max_length &&
		pg_mbstrlen_with_len(s.data, (int) s.len) > rule->max_length)
		return reject(c, rule->field, "is longer than %d characters", rule->max_length);
	switch (rule->kind)
	{
		case TL_FIELD_TEXT:
		case TL_FIELD_ANY:
			return true;
		case TL_FIELD_ULID:
			return is_ulid(s) || reject(c, rule->field, "must be a ULID");
		case TL_FIELD_UUID:
			return is_uuid(s) || reject(c, rule->field, "must be a UUID");
		case TL_FIELD_JSON_TEXT:
			return is_json_text(s) ||
				   reject(c, rule->field, "must be the text of a JSON object or array");
		default:
			return reject(c, rule->field, "must not be a text");
	}
}

static bool
check_number_rule(Check *c, const TlFieldRule *rule, double number)
{
	if (rule->kind != TL_FIELD_NUMBER && rule->kind != TL_FIELD_INTEGER &&
		rule->kind != TL_FIELD_ANY)
		return reject(c, rule->field, "must not be a number");
	if (rule->kind != TL_FIELD_ANY && !isfinite(number))
		return reject(c, rule->field, "must be a number from %.6g to %.6g", -DBL_MAX, DBL_MAX);
	if (rule->kind == TL_FIELD_INTEGER && number != rint(number))
		return reject(c, rule->field, "must be an integer");
	if (number >= rule->minimum && number <= rule->maximum)
		return true;
	if (isinf(rule->maximum))
		return reject(c, rule->field, "must be at least %.15g", rule->minimum);
	if (isinf(rule->minimum))
		return reject(c, rule->field, "must be at most %.15g", rule->maximum);
	return reject(c, rule->field, "must be from %.15g to %.15g", rule->minimum, rule->maximum);
}

static bool
applies_to_type(const TlFieldRule *rule, TlSlice type)
{
	if (rule->required)
		return true;
	for (int i = 0; i < rule->n_required_for; i++)
		if (equal_in_any_case(rule->required_for[i], type))
			return true;
	return false;
}

static bool
check_absent(Check *c, const TlFieldRule *rule)
{
	return !applies_to_type(rule, c->event->text[TL_EVENT_TYPE]) ||
		   reject(c, rule->field, "is required");
}

static bool
check_member_rule(Check *c, const TlFieldRule *rule)
{
	Jsonb *data = unconstify(Jsonb *, c->event->data);
	JsonbValue v;

	if (data == NULL || getKeyJsonValueFromContainer(&data->root, rule->member.data,
													 (int) rule->member.len, &v) == NULL)
		return check_absent(c, rule);
	switch (v.type)
	{
		case jbvNull:
			return check_absent(c, rule);
		case jbvString:
			if (v.val.string.len == 0 && applies_to_type(rule, c->event->text[TL_EVENT_TYPE]))
				return reject(c, rule->field, "is empty");
			return check_text_rule(c, rule, (TlSlice){v.val.string.val, (uint32) v.val.string.len});
		case jbvNumeric:
			return check_number_rule(
				c, rule,
				DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												   NumericGetDatum(v.val.numeric))));
		case jbvBool:
			return rule->kind == TL_FIELD_BOOLEAN || rule->kind == TL_FIELD_ANY ||
				   reject(c, rule->field, "must not be a boolean");
		default:
			if (rule->kind == TL_FIELD_ANY ||
				rule->kind ==
					(JsonContainerIsArray(v.val.binary.data) ? TL_FIELD_ARRAY : TL_FIELD_OBJECT))
				return true;
			return reject(c, rule->field, "must not be an %s",
						  JsonContainerIsArray(v.val.binary.data) ? "array" : "object");
	}
}

static bool
check_rule(Check *c, const TlFieldRule *rule)
{
	TlEvent *e = c->event;

	switch (rule->place)
	{
		case TL_PLACE_OCCURRED_AT:
			return e->has_occurred_at || check_absent(c, rule);
		case TL_PLACE_DURATION:
			return e->has_duration ? check_number_rule(c, rule, e->duration_seconds)
								   : check_absent(c, rule);
		case TL_PLACE_DATA:
			return e->data != NULL || check_absent(c, rule);
		case TL_PLACE_MEMBER:
			return check_member_rule(c, rule);
		default:
			if (e->text[rule->place].data == NULL)
				return check_absent(c, rule);
			if (!check_text_rule(c, rule, e->text[rule->place]))
				return false;
			if (rule->kind == TL_FIELD_ULID)
				e->text[rule->place] = in_upper_case(e->text[rule->place]);
			return true;
	}
}

bool
tl_event_check(TlEvent *event, const TlStream *stream, int64 now, TlRejection *why)
{
	Check c = {event, stream, why};

	for (int i = 0; i < TL_EVENT_TEXTS; i++)
		if (event->text[i].len == 0)
			event->text[i].data = NULL;
	if (stream == NULL)
	{
		why->code = "UNKNOWN_STREAM";
		if (event->text[TL_EVENT_STREAM].data == NULL)
			why->message = "stream is required";
		else
			why->message =
				psprintf("there is no stream \"%s\"", tl_json_quote(event->text[TL_EVENT_STREAM]));
		return false;
	}
	if (event->bad_field != NULL && strcmp(event->bad_field, "event_type") == 0)
		return reject(&c, event->bad_field, "%s", event->bad_message);
	if (!check_type(&c))
		return false;
	if (event->bad_field != NULL)
		return reject(&c, event->bad_field, "%s", event->bad_message);
	if (!check_texts(&c) || !check_duration(&c) || !check_data(&c))
		return false;
	for (int i = 0; i < stream->n_rules; i++)
		if (!check_rule(&c, &stream->rules[i]))
			return false;
	return check_times(&c, now);
}
