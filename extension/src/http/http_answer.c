/*
 * http_answer.c
 *		What a request's sender is told.  See http_answer.h.
 */
#include "http/http_answer.h"

#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#define CONTENT_TYPE "application/json"

/* What event_access.c rejects events with. */
#define ACCESS_DENIED "ACCESS_DENIED"

/* Codes of what goes wrong before there is an event, by status. */
static const struct
{
	int status;
	const char *code;
} usual_codes[] = {
	{400, TL_HTTP_INVALID},		  {401, "UNAUTHORIZED"},		   {403, "FORBIDDEN"},
	{404, "NOT_FOUND"},			  {405, "METHOD_NOT_ALLOWED"},	   {408, "REQUEST_TIMEOUT"},
	{413, "PAYLOAD_TOO_LARGE"},	  {415, "UNSUPPORTED_MEDIA_TYPE"}, {422, TL_HTTP_INVALID},
	{429, "RATE_LIMIT_EXCEEDED"}, {500, "INTERNAL_ERROR"},		   {503, "SERVICE_UNAVAILABLE"},
};

static const char *
usual_code(int status)
{
	for (size_t i = 0; i < lengthof(usual_codes); i++)
		if (usual_codes[i].status == status)
			return usual_codes[i].code;
	return "INTERNAL_ERROR";
}

bool
tl_http_tells_events(const TlHttpRequest *r)
{
	return !r->batch || tl_template_uses(&r->route->dialect->batch, TL_HTTP_RESULTS);
}

void
tl_http_note_fate(TlHttpRequest *r, uint32 index, const TlEventFate *fate)
{
	const TlDialect *d = r->route->dialect;
	bool rejected = fate->outcome == TL_EVENT_REJECTED;
	TlHttpEvent *e;

	r->counts[fate->outcome]++;
	if (rejected && r->denied == NULL && strcmp(fate->code, ACCESS_DENIED) == 0)
		r->denied = pstrdup(fate->message);
	if (r->events == NULL)
		return;
	e = &r->events[index];
	e->outcome = fate->outcome;
	e->received_at = fate->received_at;
	if (rejected)
	{
		e->code = pstrdup(fate->code);
		e->detail = pstrdup(tl_dialect_message(d, fate->message));
	}
	else if (tl_template_uses(r->batch ? &d->result : &d->success, TL_HTTP_EVENT_ID))
		e->event_id = tl_slice_copy(CurrentMemoryContext, fate->event_id);
}

uint32
tl_http_accepted(const TlHttpRequest *r)
{
	return r->counts[TL_EVENT_ACCEPTED] + r->counts[TL_EVENT_SAMPLED];
}

uint32
tl_http_conflicts(const TlHttpRequest *r)
{
	return r->counts[TL_EVENT_KEPT] + r->counts[TL_EVENT_REPLACED];
}

/* In ISO 8601, UTC. */
static char *
time_text(int64 ts)
{
	static const int utc = 0;
	static const char zone[] = "+00:00";
	char *text =
		JsonEncodeDateTime(palloc(MAXDATELEN + 1), TimestampTzGetDatum(ts), TIMESTAMPTZOID, &utc);
	Size len = strlen(text);

	Assert(len > strlen(zone) && strcmp(text + len - strlen(zone), zone) == 0);
	strlcpy(text + len - strlen(zone), "Z", sizeof(zone));
	return text;
}

static void
set_event(TlHttpValues *values, const TlDialect *d, const TlHttpEvent *e, uint32 index)
{
	bool conflict = e->outcome == TL_EVENT_KEPT || e->outcome == TL_EVENT_REPLACED;
	bool repeated = conflict || e->outcome == TL_EVENT_DUPLICATE;

	tl_http_set_number(values, TL_HTTP_INDEX, index);
	tl_http_set_text(values, TL_HTTP_EVENT_ID, e->event_id);
	tl_http_set_text(values, TL_HTTP_KIND, e->kind);
	tl_http_set_string(values, TL_HTTP_OUTCOME, d->outcomes[e->outcome]);
	tl_http_set_string(values, TL_HTTP_RESOLUTION,
					   conflict ? tl_event_outcome_name[e->outcome] : NULL);
	values->of[TL_HTTP_IS_REPEATED] = (TlHttpValue){.kind = TL_HTTP_BOOLEAN, .number = repeated};
	tl_http_set_string(values, TL_HTTP_RECEIVED_AT,
					   e->outcome == TL_EVENT_REJECTED ? NULL : time_text(e->received_at));
}

static void
set_problem(TlHttpValues *values, const TlProblem *problem, const char *detail)
{
	tl_http_set_number(values, TL_HTTP_STATUS, problem->status);
	tl_http_set_string(values, TL_HTTP_CODE, problem->code);
	tl_http_set_string(values, TL_HTTP_TYPE, problem->type);
	tl_http_set_string(values, TL_HTTP_TITLE, problem->title);
	tl_http_set_string(values, TL_HTTP_DETAIL, detail);
}

/* The array of results of a batch's events. */
static TlSlice
list_results(const TlHttpRequest *r)
{
	const TlDialect *d = r->route->dialect;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	for (uint32 i = 0; i < r->n; i++)
	{
		const TlHttpEvent *e = &r->events[i];
		TlHttpValues values = {0};
		TlProblem problem;

		if (d->only_rejected_results && e->outcome != TL_EVENT_REJECTED)
			continue;
		set_event(&values, d, e, i);
		if (e->code != NULL)
		{
			problem = tl_dialect_problem(d, e->code);
			set_problem(&values, &problem, e->detail);
		}
		if (out.len > 1)
			appendStringInfoString(&out, ", ");
		tl_template_fill(&out, &d->result, &values);
	}
	appendStringInfoChar(&out, ']');
	return (TlSlice){out.data, (uint32) out.len};
}

TlHttpAnswer
tl_http_problem(const TlDialect *d, int status, const char *code, const char *detail)
{
	TlHttpValues values = {0};
	TlProblem problem;
	StringInfoData body;

	initStringInfo(&body);
	if (d == NULL)
	{
		appendStringInfoString(&body, "{\"detail\": ");
		escape_json(&body, detail);
		appendStringInfoChar(&body, '}');
		return (TlHttpAnswer){status, body.data, CONTENT_TYPE};
	}
	problem = tl_dialect_problem(d, code == NULL ? usual_code(status) : code);
	if (code == NULL || status != 0)
		problem.status = status;
	set_problem(&values, &problem, detail);
	if (problem.status == 0)
		tl_http_set_string(&values, TL_HTTP_STATUS, "$status");
	tl_template_fill(&body, &d->failure, &values);
	return (TlHttpAnswer){problem.status, body.data, d->failure_type};
}

static void
set_counts(TlHttpValues *values, const TlHttpRequest *r)
{
	uint32 duplicates = r->counts[TL_EVENT_DUPLICATE];
	uint32 conflicts = tl_http_conflicts(r);
	uint32 rejected = r->counts[TL_EVENT_REJECTED];

	tl_http_set_number(values, TL_HTTP_RECEIVED, r->n);
	tl_http_set_number(values, TL_HTTP_ACCEPTED, tl_http_accepted(r));
	tl_http_set_number(values, TL_HTTP_DUPLICATES, duplicates);
	tl_http_set_number(values, TL_HTTP_CONFLICTS, conflicts);
	tl_http_set_number(values, TL_HTTP_REPEATED, duplicates + conflicts);
	tl_http_set_number(values, TL_HTTP_SETTLED, r->n - rejected);
	tl_http_set_number(values, TL_HTTP_REJECTED, rejected);
}

TlHttpAnswer
tl_http_answer(const TlHttpRequest *r)
{
	const TlDialect *d = r->route == NULL ? NULL : r->route->dialect;
	const TlTemplate *template;
	TlHttpValues values = {0};
	StringInfoData body;

	if (d == NULL)
		return tl_http_problem(NULL, 404, NULL, r->detail);
	if (r->code != NULL)
		return tl_http_problem(d, 0, r->code, r->detail);
	if (r->denied != NULL)
		return tl_http_problem(d, 0, ACCESS_DENIED, r->denied);
	if (!r->batch && r->events[0].code != NULL)
		return tl_http_problem(d, 0, r->events[0].code, r->events[0].detail);

	template = r->batch ? &d->batch : &d->success;
	set_counts(&values, r);
	tl_http_set_text(&values, TL_HTTP_CORRELATION_ID, r->correlation_id);
	tl_http_set_text(&values, TL_HTTP_BATCH_ID, r->batch_id);
	if (!r->batch)
		set_event(&values, d, &r->events[0], 0);
	if (tl_template_uses(template, TL_HTTP_RESULTS))
		values.of[TL_HTTP_RESULTS] = (TlHttpValue){
			.kind = TL_HTTP_JSON, .text = r->batch ? list_results(r) : (TlSlice){"[]", 2}};
	initStringInfo(&body);
	tl_template_fill(&body, template, &values);
	return (TlHttpAnswer){d->success_status, body.data, CONTENT_TYPE};
}

Datum
tl_http_response(FunctionCallInfo fcinfo, const TlHttpAnswer *answer)
{
	bool nulls[3] = {false, false, false};
	Datum values[3];
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 3)
		elog(ERROR, "return type must be telemetry.http_response");
	values[0] = Int32GetDatum(answer->status);
	nulls[0] = answer->status == 0;
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(answer->body));
	values[2] = CStringGetTextDatum(answer->content_type);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
