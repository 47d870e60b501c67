/*
 * http_decode.c
 *		From a body, in the words of an app, to events.  See http_decode.h.
 *
 * The request's own texts are copied to the memory context of the call.  What an event takes is in
 * a context of its own, reset after each.
 */
#include "http/http_decode.h"

#include "base/slice_text.h"
#include "event/event_key.h"
#include "event/event_text.h"
#include "http/http_fault.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "value/json_number.h"
#include "value/json_time.h"
#include "value/json_value.h"
#include "value/value_size.h"

/* Longest name of a batch, in bytes. */
#define NAME_MAX_BYTES 256

/* Elements up to this length are shown in telemetry.dead_letter as they came. */
#define SHOWN_LENGTH 16384

/* The members of data that have been found so far. */
typedef struct Members
{
	JsonbParseState *state;
	bool any;
} Members;

typedef struct Decoder
{
	TlHttpRequest *request;
	const TlDialect *dialect;
	JsonbContainer *from[TL_PATH_SOURCES]; /* NULL: not there, or no object */
	JsonbContainer *fixed;				   /* params of the route, before those of the caller */
	bool under_load;
	TlSlice key; /* the sender's, of the request; without data: none */
	int64 party;
	MemoryContext request_context;
	MemoryContext event_context;
	TlEventIngest *ingest;
	const TlStream *stream; /* or NULL */
	TlHttpFaults faults;
	/* Of the event at hand. */
	const JsonbValue *item;
	bool *by_header; /* for each mapping, whether a header tells it; or NULL */
	TlEvent *event;
	Members members;
} Decoder;

static TlSlice
string_of(const JsonbValue *v)
{
	return (TlSlice){v->val.string.val, (uint32) v->val.string.len};
}

static JsonbContainer *
object_of(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data) ? v->val.binary.data
																			 : NULL;
}

static bool
is_array(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data);
}

static bool
get(JsonbContainer *object, TlSlice name, JsonbValue *v)
{
	return getKeyJsonValueFromContainer(object, name.data, (int) name.len, v) != NULL;
}

/* The value at the end of a path; a null is as good as absent. */
static bool
walk(JsonbContainer *object, const TlPath *path, JsonbValue *v)
{
	for (int i = 0; i < path->n_names; i++)
	{
		if (object == NULL || !get(object, path->names[i], v))
			return false;
		object = object_of(v);
	}
	return path->n_names > 0 && v->type != jbvNull;
}

static bool
find(const Decoder *d, const TlPath *path, JsonbValue *v)
{
	if (path->source == TL_PATH_PARAMS && walk(d->fixed, path, v))
		return true;
	return walk(d->from[path->source], path, v);
}

/* The path that counts, or NULL. */
static const TlPath *
find_any(const Decoder *d, const TlMapping *m, JsonbValue *v)
{
	for (int i = 0; i < m->n_paths; i++)
		if (find(d, &m->paths[i], v))
			return &m->paths[i];
	return NULL;
}

/* Something is wrong with a field; the first one found is told. */
static void
refuse(Decoder *d, const char *field, const char *message)
{
	if (d->event->bad_field != NULL)
		return;
	d->event->bad_field = field;
	d->event->bad_message = message;
}

static void
put_member(Members *m, TlSlice name, JsonbValue *v)
{
	JsonbValue key = {.type = jbvString};

	if (!m->any)
		(void) pushJsonbValue(&m->state, WJB_BEGIN_OBJECT, NULL);
	m->any = true;
	key.val.string.val = unconstify(char *, name.data);
	key.val.string.len = (int) name.len;
	(void) pushJsonbValue(&m->state, WJB_KEY, &key);
	(void) pushJsonbValue(&m->state, WJB_VALUE, v);
}

static void
put_all_members(Members *m, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	TlSlice name = {NULL, 0};
	JsonbValue v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = string_of(&v);
		else if (token == WJB_VALUE)
			put_member(m, name, &v);
	}
}

/* What the stream wants a column to be; any, if it does not say. */
static TlFieldKind
kind_of(const Decoder *d, int place, TlFieldKind unsaid)
{
	for (int i = 0; d->stream != NULL && i < d->stream->n_rules; i++)
		if (d->stream->rules[i].place == place)
			return d->stream->rules[i].kind;
	return unsaid;
}

static void
read_time(Decoder *d, const TlMapping *m, const JsonbValue *v)
{
	TlEvent *e = d->event;

	if (v->type == jbvString)
	{
		const char *text = v->val.string.val;
		Size len = (Size) v->val.string.len;

		e->has_occurred_at = tl_json_time_text(text, len, &e->occurred_at) ||
							 tl_json_date_text(text, len, &e->occurred_at);
	}
	else if (v->type == jbvNumeric && kind_of(d, m->place, TL_FIELD_ANY) != TL_FIELD_TEXT)
		e->has_occurred_at = tl_json_time_number(v->val.numeric, &e->occurred_at);
	if (e->has_occurred_at)
		return;
	if (v->type == jbvString)
		refuse(d, m->field,
			   psprintf("\"%s\" is not an ISO 8601 date and time", tl_json_quote(string_of(v))));
	else
		refuse(d, m->field, psprintf("must be an ISO 8601 date and time, not %s", tl_json_kind(v)));
}

/* Of a column that is a text; a number is one where the stream takes anything. */
static void
read_text(Decoder *d, const TlMapping *m, const JsonbValue *v)
{
	TlSlice *text = &d->event->text[m->place];

	if (v->type == jbvString)
		*text = string_of(v);
	else if (v->type != jbvNumeric || kind_of(d, m->place, TL_FIELD_TEXT) != TL_FIELD_ANY)
		refuse(d, m->field, psprintf("must be a string, not %s", tl_json_kind(v)));
	else if (tl_json_numeric_length(v->val.numeric) > NAME_MAX_BYTES)
		refuse(d, m->field, psprintf("is a number of more than %d characters", NAME_MAX_BYTES));
	else
	{
		text->data =
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v->val.numeric)));
		text->len = (uint32) strlen(text->data);
	}
}

static void
read_field(Decoder *d, const TlMapping *m, JsonbValue *v)
{
	TlEvent *e = d->event;

	switch (m->place)
	{
		case TL_PLACE_OCCURRED_AT:
			read_time(d, m, v);
			break;
		case TL_PLACE_DURATION:
			e->has_duration = v->type == jbvNumeric;
			if (e->has_duration)
				e->duration_seconds = DatumGetFloat8(DirectFunctionCall1(
					numeric_float8_no_overflow, NumericGetDatum(v->val.numeric)));
			else
				refuse(d, m->field, psprintf("must be a number, not %s", tl_json_kind(v)));
			break;
		case TL_PLACE_DATA:
			if (object_of(v) != NULL)
				put_all_members(&d->members, object_of(v));
			else
				refuse(d, m->field, psprintf("must be an object, not %s", tl_json_kind(v)));
			break;
		case TL_PLACE_MEMBER:
			put_member(&d->members, m->member, v);
			break;
		default:
			read_text(d, m, v);
	}
}

/* The names from the event to a member of it, or of an object in it; the last one first. */
typedef struct Trail
{
	const struct Trail *above;
	TlSlice name;
	int depth; /* how many names */
} Trail;

/* What the dialect's paths do with a member. */
typedef struct Reading
{
	bool ends;	/* one ends there */
	bool whole; /* and takes an object with all that is in it */
	bool goes_on;
} Reading;

static void
note_path(const Decoder *d, const TlPath *path, const Trail *trail, bool takes_objects, Reading *r)
{
	if (path->n_names < trail->depth || d->from[path->source] != d->from[TL_PATH_EVENT])
		return;
	for (const Trail *t = trail; t != NULL; t = t->above)
		if (!tl_slice_equal(path->names[t->depth - 1], t->name))
			return;
	if (path->n_names > trail->depth)
		r->goes_on = true;
	else
	{
		r->ends = true;
		r->whole |= takes_objects;
	}
}

static Reading
reading_of(const Decoder *d, const Trail *trail)
{
	const TlDialect *dialect = d->dialect;
	Reading r = {0};

	for (int i = 0; i < dialect->n_mappings; i++)
	{
		const TlMapping *m = &dialect->mappings[i];

		/* A member that would stand in for the header is one like any other. */
		if (d->by_header != NULL && d->by_header[i])
			continue;
		for (int k = 0; k < m->n_paths; k++)
			note_path(d, &m->paths[k], trail,
					  m->place == TL_PLACE_DATA || m->place == TL_PLACE_MEMBER, &r);
	}
	note_path(d, &dialect->kind, trail, false, &r);
	note_path(d, &dialect->batch_id, trail, false, &r);
	return r;
}

static const char *
quote_trail(const Trail *trail)
{
	const Trail **trails = palloc(sizeof(Trail *) * (Size) trail->depth);
	StringInfoData out;

	for (const Trail *t = trail; t != NULL; t = t->above)
		trails[t->depth - 1] = t;
	initStringInfo(&out);
	for (int i = 0; i < trail->depth; i++)
		appendStringInfo(&out, "%s%.*s", i > 0 ? "." : "", (int) trails[i]->name.len,
						 trails[i]->name.data);
	return tl_json_quote((TlSlice){out.data, (uint32) out.len});
}

/*
 * The members of an object that no path goes through: what is to be kept of them goes into rest.
 * An object that paths go into has members of both kinds.
 */
static void
read_unknown(Decoder *d, JsonbContainer *object, const Trail *above, Members *rest)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	Trail trail = {.above = above, .depth = above == NULL ? 1 : above->depth + 1};
	JsonbIteratorToken token;
	JsonbValue v;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		Reading r;

		if (token == WJB_KEY)
			trail.name = string_of(&v);
		if (token != WJB_VALUE)
			continue;
		r = reading_of(d, &trail);
		/* What is null counts as not there. */
		if (r.whole || (r.goes_on && v.type == jbvNull))
			continue;
		if (r.goes_on && object_of(&v) != NULL)
		{
			Members inner = {0};

			read_unknown(d, object_of(&v), &trail, &inner);
			if (inner.any)
				put_member(rest, trail.name, pushJsonbValue(&inner.state, WJB_END_OBJECT, NULL));
		}
		else if (r.ends)
			continue;
		else if (d->dialect->unknown == TL_UNKNOWN_KEEP)
			put_member(rest, trail.name, &v);
		else
			refuse(d, TL_EVENT_DATA, psprintf("has an unknown member \"%s\"", quote_trail(&trail)));
	}
}

/* The type of event that its kind means; without data if it means none. */
static TlSlice
read_kind(Decoder *d, TlHttpEvent *told)
{
	static const TlSlice none = {NULL, 0};
	const TlDialect *dialect = d->dialect;
	const char *field = tl_event_text_name[TL_EVENT_TYPE];
	JsonbValue v;

	if (!find(d, &dialect->kind, &v))
		return none;
	if (v.type != jbvString)
	{
		refuse(d, field, psprintf("cannot be told from %s", tl_json_kind(&v)));
		return none;
	}
	if (told != NULL && tl_template_uses(&dialect->result, TL_HTTP_KIND))
		told->kind = tl_slice_copy(d->request_context, string_of(&v));
	for (int i = 0; i < dialect->n_kinds; i++)
		if (tl_slice_equal(dialect->kinds[i].name, string_of(&v)))
			return dialect->kinds[i].event_type;
	refuse(d, field, psprintf("cannot be told from \"%s\"", tl_json_quote(string_of(&v))));
	return none;
}

/* What is known of an event that is refused, and the element that it came in. */
static const char *
show(const Decoder *d)
{
	TlEvent known = *d->event;
	Jsonb *item = JsonbValueToJsonb(unconstify(JsonbValue *, d->item));
	StringInfoData out;
	bool whole;

	known.data = NULL;
	initStringInfo(&out);
	appendStringInfoString(&out, tl_event_to_json(&known, &whole));
	if (!tl_value_size_exceeds(&item->root, SHOWN_LENGTH))
	{
		out.data[--out.len] = '\0';
		appendStringInfoString(&out, ", \"body\": ");
		(void) JsonbToCString(&out, &item->root, (int) VARSIZE(item));
		appendStringInfoChar(&out, '}');
	}
	return out.data;
}

/* Which fields headers tell. */
static void
note_headers(Decoder *d)
{
	const TlDialect *dialect = d->dialect;

	d->by_header = palloc(sizeof(bool) * (Size) dialect->n_mappings);
	for (int i = 0; i < dialect->n_mappings; i++)
	{
		JsonbValue v;
		const TlPath *path = find_any(d, &dialect->mappings[i], &v);

		d->by_header[i] = path != NULL && path->source == TL_PATH_HEADER;
	}
}

static void
read_event(Decoder *d, TlHttpEvent *told)
{
	const TlDialect *dialect = d->dialect;
	JsonbValue v = *d->item;
	TlSlice type;

	d->from[TL_PATH_ITEM] = object_of(&v);
	type = read_kind(d, told);
	if (d->request->batch && dialect->item.n_names > 0 && d->from[TL_PATH_ITEM] != NULL &&
		!walk(d->from[TL_PATH_ITEM], &dialect->item, &v))
		v.type = jbvNull;
	d->from[TL_PATH_EVENT] = object_of(&v);
	if (d->from[TL_PATH_EVENT] == NULL)
	{
		refuse(d, tl_event_text_name[TL_EVENT_TYPE],
			   psprintf("is required: an event must be an object, not %s", tl_json_kind(&v)));
		return;
	}
	if (dialect->maps_headers)
		note_headers(d);
	if (dialect->unknown != TL_UNKNOWN_IGNORE)
		read_unknown(d, d->from[TL_PATH_EVENT], NULL, &d->members);
	for (int i = 0; i < dialect->n_mappings; i++)
		if (find_any(d, &dialect->mappings[i], &v) != NULL)
			read_field(d, &dialect->mappings[i], &v);
	if (type.data != NULL)
		d->event->text[TL_EVENT_TYPE] = type;
	if (d->members.any)
		d->event->data = JsonbValueToJsonb(pushJsonbValue(&d->members.state, WJB_END_OBJECT, NULL));
}

/* What is the same when a request comes again, and of nobody else's requests; texts have no NUL. */
static TlSlice
make_seed(const Decoder *d, uint32 index)
{
	const TlHttpRequest *r = d->request;
	const TlSlice parts[] = {r->route->name, r->user_id, r->device_id, d->key};
	StringInfoData seed;

	initStringInfo(&seed);
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		appendBinaryStringInfo(&seed, parts[i].data == NULL ? "" : parts[i].data,
							   (int) parts[i].len);
		appendStringInfoChar(&seed, '\0');
	}
	appendStringInfo(&seed, "%u", index);
	return (TlSlice){seed.data, (uint32) seed.len};
}

static void
refuse_fault(Decoder *d, const TlJsonFault *fault)
{
	const TlMapping *m = tl_http_fault_field(&d->faults, d->dialect, fault);
	const char *path = tl_json_fault_path(fault, d->faults.steps);

	if (m != NULL && strcmp(path, m->shown) == 0)
		refuse(d, m->field, fault->problem);
	else
		refuse(d, m == NULL ? TL_EVENT_DATA : m->field,
			   *path == '\0' ? fault->problem : psprintf("%s: %s", fault->problem, path));
}

static void
take_event(Decoder *d, const JsonbValue *item, uint32 index)
{
	const TlHttpRequest *r = d->request;
	TlHttpEvent *told = r->events == NULL ? NULL : &r->events[index];
	TlEvent event = {.alone = !r->batch, .party = d->party, .under_load = d->under_load};

	if (d->key.data != NULL)
		event.seed = make_seed(d, index);
	event.text[TL_EVENT_STREAM] = r->route->stream;
	event.text[TL_EVENT_CORRELATION] = r->correlation_id;
	d->item = item;
	d->event = &event;
	d->members = (Members){0};
	if (d->faults.of_event != NULL && d->faults.of_event[index] != NULL)
		refuse_fault(d, d->faults.of_event[index]);
	read_event(d, told);
	if (told != NULL && event.text[TL_EVENT_ID].data != NULL &&
		tl_template_uses(&d->dialect->result, TL_HTTP_EVENT_ID))
		told->event_id = tl_slice_copy(d->request_context, event.text[TL_EVENT_ID]);
	if (event.bad_field != NULL)
		event.bad_text = show(d);
	tl_event_ingest_row(d->ingest, &event);
}

/* The request as a whole is wrong. */
static bool
fail(const Decoder *d, const char *code, const char *detail)
{
	d->request->code = code;
	d->request->detail = detail;
	return false;
}

/* A path in messages. */
static char *
name_of(const TlPath *path)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < path->n_names; i++)
		appendStringInfo(&out, "%s%.*s", i > 0 ? "." : "", (int) path->names[i].len,
						 path->names[i].data);
	return out.data;
}

/* Where the events of a batch lie in the body. */
static const TlPath *
list_path(const Decoder *d, const JsonbValue *body)
{
	static const TlPath whole_body = {.source = TL_PATH_BODY};

	return d->request->route->takes_array && is_array(body) ? &whole_body : &d->dialect->events;
}

/* Where the events are: the body, or the list of a batch. */
static bool
find_events(const Decoder *d, const JsonbValue *body, JsonbValue *events)
{
	const TlHttpRequest *r = d->request;
	const TlPath *path = list_path(d, body);
	bool is_body = path->n_names == 0;
	const char *name = is_body ? "the body" : name_of(path);
	uint32 n;

	*events = *body;
	if (!(r->batch && is_body) && d->from[TL_PATH_BODY] == NULL)
		return fail(d, TL_HTTP_INVALID,
					psprintf("the body must be an object, not %s", tl_json_kind(body)));
	if (!r->batch)
		return true;
	if (!is_body && !walk(d->from[TL_PATH_BODY], path, events))
		return fail(d, TL_HTTP_INVALID, psprintf("%s is required", name));
	if (!is_array(events))
		return fail(d, TL_HTTP_INVALID,
					psprintf("%s must be an array, not %s", name, tl_json_kind(events)));
	n = JsonContainerSize(events->val.binary.data);
	if (n == 0)
		return fail(d, TL_HTTP_INVALID, psprintf("%s must not be empty", name));
	if (n > (uint32) r->route->max_events)
		return fail(d, TL_HTTP_TOO_MANY,
					psprintf("Maximum %d events per batch.", r->route->max_events));
	return true;
}

static bool
find_batch_id(const Decoder *d)
{
	TlHttpRequest *r = d->request;
	const TlPath *path = &d->dialect->batch_id;
	JsonbValue v;

	r->batch_id = d->key.data != NULL ? d->key : r->correlation_id;
	if (!find(d, path, &v))
		return true;
	if (v.type != jbvString || v.val.string.len < 1 || v.val.string.len > NAME_MAX_BYTES)
		return fail(
			d, TL_HTTP_INVALID,
			psprintf("%s must be a string of 1 to %d bytes", name_of(path), NAME_MAX_BYTES));
	r->batch_id = tl_slice_copy(d->request_context, string_of(&v));
	return true;
}

/* A text that is known of the caller, a copy; without data if it is not. */
static TlSlice
caller_text(const Decoder *d, const char *name)
{
	TlSlice names[] = {{"caller", (uint32) strlen("caller")}, {name, (uint32) strlen(name)}};
	TlPath path = {TL_PATH_PARAMS, names, lengthof(names)};
	JsonbValue v;

	if (!find(d, &path, &v) || v.type != jbvString || v.val.string.len == 0)
		return (TlSlice){NULL, 0};
	return tl_slice_copy(d->request_context, string_of(&v));
}

static void
read_params(Decoder *d, Jsonb *params)
{
	static const TlSlice under_load = {"under_load", 10};
	static const TlSlice headers = {"headers", 7};
	TlHttpRequest *r = d->request;
	JsonbValue v;

	if (params != NULL && JB_ROOT_IS_OBJECT(params))
	{
		d->from[TL_PATH_PARAMS] = &params->root;
		if (get(&params->root, headers, &v))
			d->from[TL_PATH_HEADER] = object_of(&v);
		d->under_load = get(&params->root, under_load, &v) && v.type == jbvBool && v.val.boolean;
	}
	d->fixed = unconstify(JsonbContainer *, &r->route->params->root);
	r->user_id = caller_text(d, "user_id");
	r->device_id = caller_text(d, "device_id");
	d->key = caller_text(d, "idempotency_key");
	r->correlation_id = caller_text(d, "correlation_id");
	if (r->correlation_id.data == NULL)
	{
		r->correlation_id = (TlSlice){palloc(TL_ULID_SIZE), TL_ULID_SIZE};
		tl_event_make_ulid(r->started_at, unconstify(char *, r->correlation_id.data));
	}
}

/* Hands over each element of a list, or all of it as one event. */
static void
take_events(Decoder *d, const JsonbValue *events)
{
	for (uint32 i = 0; i < d->request->n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(d->event_context);

		CHECK_FOR_INTERRUPTS();
		take_event(d,
				   d->request->batch ? getIthJsonbValueFromContainer(events->val.binary.data, i)
									 : events,
				   i);
		MemoryContextSwitchTo(old);
		MemoryContextReset(d->event_context);
	}
}

/* A body as a value, so that it can be looked at like any other. */
static JsonbValue
value_of(Jsonb *body)
{
	JsonbValue v = {.type = jbvNull};

	if (body == NULL || JsonbExtractScalar(&body->root, &v))
		return v;
	v.type = jbvBinary;
	v.val.binary.data = &body->root;
	v.val.binary.len = (int) VARSIZE(body) - VARHDRSZ;
	return v;
}

void
tl_http_decode(TlHttpRequest *r, int64 number, Jsonb *params, const TlHttpBody *body,
			   TlEventIngest *ingest)
{
	Decoder d = {.request = r,
				 .dialect = r->route->dialect,
				 .request_context = CurrentMemoryContext,
				 .ingest = ingest};
	JsonbValue value = value_of(body->json);
	JsonbValue events;
	const TlJsonFault *stray;
	uint32 n;

	r->batch = r->route->batch || (r->route->takes_array && is_array(&value));
	d.party = r->batch ? number : 0;
	d.stream = tl_stream_find(r->route->stream);
	read_params(&d, params);
	d.from[TL_PATH_BODY] = object_of(&value);
	if (!find_events(&d, &value, &events) || !find_batch_id(&d))
		return;
	n = r->batch ? JsonContainerSize(events.val.binary.data) : 1;
	stray = tl_http_faults_find(&d.faults, d.dialect, r->batch ? list_path(&d, &value) : NULL,
								body->faults, body->n_faults, n);
	if (stray != NULL)
	{
		(void) fail(&d, TL_HTTP_INVALID,
					psprintf("%s %s", tl_json_fault_path(stray, 0), stray->problem));
		return;
	}
	r->n = n;
	if (tl_http_tells_events(r))
		r->events = palloc0(sizeof(TlHttpEvent) * r->n);
	d.event_context = AllocSetContextCreate(CurrentMemoryContext, "telemetry event of a request",
											ALLOCSET_SMALL_SIZES);
	take_events(&d, &events);
	MemoryContextDelete(d.event_context);
}
