/*
 * http_event.c
 *		Requests that bring events: COPY into telemetry.http_event, telemetry.http_events().
 *
 * All requests of a statement are one ingest of events.  A trigger before the statement begins it,
 * one for each row decodes a request, and one after the statement stores the events and makes the
 * answers, which telemetry.http_event_result() then gives until the end of the transaction.
 *
 * A statement (base/under_way.h) lives in a context of the (sub)transaction that began it; so do
 * answers.
 */
#include "http/http_answer.h"

#include "base/rows.h"
#include "base/slice_text.h"
#include "base/under_way.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "http/http_batch_log.h"
#include "http/http_decode.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_http_event_statement);
PG_FUNCTION_INFO_V1(telemetry_http_event_row);
PG_FUNCTION_INFO_V1(telemetry_http_event_result);
PG_FUNCTION_INFO_V1(telemetry_http_events);
PG_FUNCTION_INFO_V1(telemetry_http_events_of_text);
PG_FUNCTION_INFO_V1(telemetry_http_problem);

/* The view's columns, in their order. */
enum
{
	COLUMN_ROUTE,
	COLUMN_PARAMS,
	COLUMN_BODY,
	COLUMNS
};

typedef struct Statement
{
	TlUnderWay under_way;
	TlEventIngest *ingest;
	TlHttpRequest *requests;
	uint32 n;
	uint32 cap;
	uint32 told; /* the request that the last fate was of */
	int64 rows;	 /* events so far */
} Statement;

static TlUnderWay *innermost = NULL;

/* Those of the transaction's last statement. */
static MemoryContext answers_context = NULL;
static TlHttpAnswer *answers;
static uint32 n_answers;

static void
forget_answers(void *arg)
{
	answers_context = NULL;
	n_answers = 0;
}

/* The request that an event of the statement is of; mostly that of the one before, or the next. */
static TlHttpRequest *
request_of(Statement *s, int64 row)
{
	uint32 i = s->told < s->n ? s->told : 0;

	if (row < s->requests[i].first_row)
		i = 0;
	while (row >= s->requests[i].first_row + (int64) s->requests[i].n)
		i++;
	Assert(i < s->n);
	s->told = i;
	return &s->requests[i];
}

static void
note_fate(void *arg, int64 row, const TlEventFate *fate)
{
	Statement *s = arg;
	TlHttpRequest *r = request_of(s, row);
	MemoryContext old = MemoryContextSwitchTo(s->under_way.context);

	tl_http_note_fate(r, (uint32) (row - r->first_row), fate);
	MemoryContextSwitchTo(old);
}

static void
begin_statement(void)
{
	Statement *s = tl_under_way_begin(&innermost, sizeof(Statement), "telemetry requests");
	MemoryContext old = MemoryContextSwitchTo(s->under_way.context);

	tl_routes_refresh();
	s->ingest = tl_event_ingest_begin();
	tl_event_ingest_on_fate(s->ingest, note_fate, s);
	MemoryContextSwitchTo(old);
}

/* params may be NULL. */
static void
take_request(TlSlice route, Jsonb *params, const TlHttpBody *body)
{
	Statement *s = (Statement *) innermost;
	MemoryContext old = MemoryContextSwitchTo(s->under_way.context);
	TlHttpRequest *r;

	if (s->n == s->cap)
	{
		Size cap = Max((Size) s->cap * 2, 16);

		s->requests = s->requests == NULL ? palloc(sizeof(TlHttpRequest) * cap)
										  : repalloc_huge(s->requests, sizeof(TlHttpRequest) * cap);
		s->cap = (uint32) cap;
	}
	r = &s->requests[s->n++];
	memset(r, 0, sizeof(*r));
	r->route = tl_route_find(route);
	r->started_at = GetCurrentTimestamp();
	r->first_row = s->rows;
	if (r->route == NULL)
		r->detail = psprintf("there is no route \"%.*s\"", (int) route.len,
							 route.data == NULL ? "" : route.data);
	else
		tl_http_decode(r, s->n, params, body, s->ingest);
	s->rows += r->n;
	MemoryContextSwitchTo(old);
}

/* Stores the events, and makes the answers in the current memory context. */
static TlHttpAnswer *
end_statement(uint32 *n)
{
	Statement *s = (Statement *) innermost;
	TlHttpAnswer *list =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TlHttpAnswer) * Max((Size) s->n, 1));

	(void) tl_event_ingest_end(s->ingest);
	tl_http_log_batches(s->requests, s->n);
	for (uint32 i = 0; i < s->n; i++)
		list[i] = tl_http_answer(&s->requests[i]);
	*n = s->n;
	tl_under_way_end(&s->under_way);
	return list;
}

static void
keep_answers(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurTransactionContext, "telemetry answers", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MemoryContextCallback *on_delete = palloc0(sizeof(MemoryContextCallback));
	uint32 n;
	TlHttpAnswer *list = end_statement(&n);

	if (answers_context != NULL)
		MemoryContextDelete(answers_context);
	answers_context = context;
	answers = list;
	n_answers = n;
	on_delete->func = forget_answers;
	MemoryContextRegisterResetCallback(context, on_delete);
	MemoryContextSwitchTo(old);
}

Datum
telemetry_http_event_statement(PG_FUNCTION_ARGS)
{
	if (tl_under_way_is_begin(fcinfo, innermost, "http_event_statement", "http_event"))
		begin_statement();
	else
		keep_answers();
	return PointerGetDatum(NULL);
}

Datum
telemetry_http_event_row(PG_FUNCTION_ARGS)
{
	TupleTableSlot *slot =
		tl_under_way_row(fcinfo, innermost, COLUMNS, "http_event_row", "http_event");
	TlSlice route = {NULL, 0};
	TlHttpBody body = {0};

	if (!slot->tts_isnull[COLUMN_ROUTE])
		route = tl_slice_of_text(slot->tts_values[COLUMN_ROUTE]);
	if (!slot->tts_isnull[COLUMN_BODY])
		body.json = DatumGetJsonbP(slot->tts_values[COLUMN_BODY]);
	take_request(route,
				 slot->tts_isnull[COLUMN_PARAMS] ? NULL
												 : DatumGetJsonbP(slot->tts_values[COLUMN_PARAMS]),
				 &body);
	return PointerGetDatum(((TriggerData *) fcinfo->context)->tg_trigtuple);
}

/* http_event_result() returns setof (status integer, body text, content_type text) */
Datum
telemetry_http_event_result(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *out = tl_rows_begin(fcinfo, work_mem);

	for (uint32 i = 0; i < n_answers; i++)
	{
		bool nulls[3] = {false, false, false};
		Datum values[3];

		values[0] = Int32GetDatum(answers[i].status);
		values[1] = CStringGetTextDatum(answers[i].body);
		values[2] = CStringGetTextDatum(answers[i].content_type);
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Of a call of http_events(), with its body. */
static Datum
answer_events(FunctionCallInfo fcinfo, const TlHttpBody *body)
{
	TlSlice route = {NULL, 0};
	TlHttpAnswer *list;
	uint32 n;

	if (!PG_ARGISNULL(0))
		route = tl_slice_of_text(PG_GETARG_DATUM(0));
	begin_statement();
	take_request(route, PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), body);
	list = end_statement(&n);
	return tl_http_response(fcinfo, &list[0]);
}

/* http_events(route text, params jsonb, body jsonb) returns http_response */
Datum
telemetry_http_events(PG_FUNCTION_ARGS)
{
	TlHttpBody body = {0};

	if (!PG_ARGISNULL(2))
		body.json = PG_GETARG_JSONB_P(2);
	PG_RETURN_DATUM(answer_events(fcinfo, &body));
}

/* http_events(route text, params jsonb, body text) returns http_response */
Datum
telemetry_http_events_of_text(PG_FUNCTION_ARGS)
{
	TlHttpBody body = {0};
	TlJsonMended mended;

	if (!PG_ARGISNULL(2))
	{
		tl_json_mend(tl_slice_of_text(PG_GETARG_DATUM(2)), false, &mended);
		body = (TlHttpBody){mended.json, mended.faults, mended.n_faults};
	}
	PG_RETURN_DATUM(answer_events(fcinfo, &body));
}

/* http_problem(dialect text, status integer, code text, detail text) returns http_response */
Datum
telemetry_http_problem(PG_FUNCTION_ARGS)
{
	const TlDialect *dialect = NULL;
	TlHttpAnswer answer;

	tl_routes_refresh();
	if (!PG_ARGISNULL(0))
		dialect = tl_dialect_find(tl_slice_of_text(PG_GETARG_DATUM(0)));
	answer = tl_http_problem(dialect, PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1),
							 PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)),
							 PG_ARGISNULL(3) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	PG_RETURN_DATUM(tl_http_response(fcinfo, &answer));
}
