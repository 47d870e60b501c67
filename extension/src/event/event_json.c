/*
 * event_json.c
 *		telemetry.ingest_event(): events as JSON, by the columns of telemetry.event.
 *
 * A body that is no event or list of events raises, an event that is wrong does not.  All memory
 * is the call's.
 */
#include "event/event.h"

#include "base/slice_text.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "value/json_time.h"
#include "value/json_value.h"

PG_FUNCTION_INFO_V1(telemetry_ingest_event);

#define EVENTS_MAX 10000

/* What became of each event, as JSON; empty until it is known. */
typedef struct Answers
{
	MemoryContext context;
	char **list;
	uint32 n;
} Answers;

static void
note_fate(void *arg, int64 row, const TlEventFate *fate)
{
	Answers *answers = arg;
	MemoryContext old = MemoryContextSwitchTo(answers->context);
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"index\":" INT64_FORMAT ",\"status\":\"%s\"", row,
					 tl_event_outcome_name[fate->outcome]);
	if (fate->event_id.data != NULL)
	{
		appendStringInfoString(&out, ",\"event_id\":");
		escape_json(&out, pnstrdup(fate->event_id.data, fate->event_id.len));
	}
	if (fate->code != NULL)
	{
		appendStringInfo(&out, ",\"code\":\"%s\",\"message\":", fate->code);
		escape_json(&out, fate->message);
	}
	appendStringInfoChar(&out, '}');
	answers->list[row] = out.data;
	MemoryContextSwitchTo(old);
}

/* A field of the wrong kind; the first one found is told. */
static void
refuse_field(TlEvent *event, TlSlice name, const char *format, const JsonbValue *v)
{
	if (event->bad_field != NULL)
		return;
	event->bad_field = pnstrdup(name.data, name.len);
	event->bad_message = v == NULL ? format : psprintf(format, tl_json_kind(v));
}

static bool
is_named(TlSlice name, const char *wanted)
{
	return name.len == strlen(wanted) && memcmp(name.data, wanted, name.len) == 0;
}

static bool
read_time(const JsonbValue *v, int64 *ts)
{
	if (v->type == jbvString)
		return tl_json_time_text(v->val.string.val, (Size) v->val.string.len, ts);
	return v->type == jbvNumeric && tl_json_time_number(v->val.numeric, ts);
}

static void
read_member(TlEvent *event, TlSlice name, const JsonbValue *v)
{
	if (v->type == jbvNull)
		return;
	for (int i = 0; i < TL_EVENT_TEXTS; i++)
	{
		if (!is_named(name, tl_event_text_name[i]))
			continue;
		if (v->type == jbvString)
			event->text[i] = (TlSlice){v->val.string.val, (uint32) v->val.string.len};
		else
			refuse_field(event, name, "must be a string, not %s", v);
		return;
	}
	if (is_named(name, TL_EVENT_OCCURRED_AT) || is_named(name, TL_EVENT_RECEIVED_AT))
	{
		bool occurred = is_named(name, TL_EVENT_OCCURRED_AT);
		int64 ts = 0;

		if (!read_time(v, &ts))
			refuse_field(event, name, "is not a time in RFC 3339 or since 1970", NULL);
		else if (occurred)
			event->has_occurred_at = true, event->occurred_at = ts;
		else
			event->has_received_at = true, event->received_at = ts;
	}
	else if (is_named(name, TL_EVENT_DURATION))
	{
		event->has_duration = v->type == jbvNumeric;
		if (event->has_duration)
			event->duration_seconds = DatumGetFloat8(
				DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v->val.numeric)));
		else
			refuse_field(event, name, "must be a number, not %s", v);
	}
	else if (is_named(name, TL_EVENT_DATA))
	{
		if (v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data))
			event->data = JsonbValueToJsonb(unconstify(JsonbValue *, v));
		else
			refuse_field(event, name, "must be an object, not %s", v);
	}
	else
		refuse_field(event, name, "is not a column of telemetry.event", NULL);
}

static void
read_event(TlEventIngest *ingest, const JsonbValue *json, bool alone)
{
	TlEvent event = {.alone = alone};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue v;
	TlSlice name = {NULL, 0};

	if (json->type != jbvBinary || !JsonContainerIsObject(json->val.binary.data))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("an event must be an object, not %s", tl_json_kind(json))));
	it = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = (TlSlice){v.val.string.val, (uint32) v.val.string.len};
		else if (token == WJB_VALUE)
			read_member(&event, name, &v);
	}
	if (event.bad_field != NULL)
		event.bad_text = JsonbToCString(NULL, json->val.binary.data, json->val.binary.len);
	tl_event_ingest_row(ingest, &event);
}

static void
check_privilege(void)
{
	Oid event = get_relname_relid("event", get_namespace_oid("telemetry", false));
	AclResult result = pg_class_aclcheck(event, GetUserId(), ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_VIEW, "event");
}

/* Hands over each element of a list; no more memory than one takes. */
static void
read_list(TlEventIngest *ingest, Jsonb *body)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry JSON event", ALLOCSET_SMALL_SIZES);
	JsonbIterator *it = JsonbIteratorInit(&body->root);
	JsonbIteratorToken token;
	JsonbValue v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		MemoryContext old;

		if (token != WJB_ELEM)
			continue;
		old = MemoryContextSwitchTo(context);
		read_event(ingest, &v, false);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

Datum
telemetry_ingest_event(PG_FUNCTION_ARGS)
{
	Jsonb *body = PG_GETARG_JSONB_P(0);
	bool list = JB_ROOT_IS_ARRAY(body) && !JB_ROOT_IS_SCALAR(body);
	Answers answers = {.context = CurrentMemoryContext};
	const TlIngestResult *result;
	TlEventIngest *ingest;
	StringInfoData out;

	check_privilege();
	if (!list && !JB_ROOT_IS_OBJECT(body))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the body must be an event or an array of events")));
	answers.n = list ? JB_ROOT_COUNT(body) : 1;
	if (answers.n > EVENTS_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the body has %u events, the limit is %d", answers.n, EVENTS_MAX)));
	answers.list = palloc0(sizeof(char *) * Max(answers.n, 1));

	ingest = tl_event_ingest_begin();
	tl_event_ingest_on_fate(ingest, note_fate, &answers);
	if (list)
		read_list(ingest, body);
	else
	{
		JsonbValue event;

		JsonbToJsonbValue(body, &event);
		read_event(ingest, &event, true);
	}
	result = tl_event_ingest_end(ingest);

	initStringInfo(&out);
	appendStringInfo(&out,
					 "{\"success\":%s,\"received\":" INT64_FORMAT ",\"accepted\":" INT64_FORMAT
					 ",\"duplicates\":" INT64_FORMAT ",\"conflicts\":" INT64_FORMAT
					 ",\"rejected\":" INT64_FORMAT ",\"results\":[",
					 result->rejected == 0 ? "true" : "false", result->received, result->accepted,
					 result->duplicates, result->conflicts, result->rejected);
	for (uint32 i = 0; i < answers.n; i++)
		appendStringInfo(&out, "%s%s", i > 0 ? "," : "", answers.list[i]);
	appendStringInfoString(&out, "]}");
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}
