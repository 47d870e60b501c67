/*
 * http_dialect.c
 *		A row of telemetry.dialect.  See http_dialect.h.
 */
#include "http/http_dialect.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "value/json_value.h"

PG_FUNCTION_INFO_V1(telemetry_check_dialect);

#define STATUS_DEFAULT 400

/* As RFC 9110, 5.6.2, has them. */
#define HEADER_NAME_CHARACTERS                                                                     \
	"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define HEADER_NAME_MAX 64

static const char *const sources[TL_PATH_SOURCES] = {[TL_PATH_EVENT] = "event:",
													 [TL_PATH_ITEM] = "item:",
													 [TL_PATH_BODY] = "body:",
													 [TL_PATH_PARAMS] = "params:",
													 [TL_PATH_HEADER] = "header:"};

/* What lets somebody in is nobody else's to see, and not to be stored. */
static const char *const secret_headers[] = {"authorization", "cookie", "proxy-authorization",
											 "x-api-key"};

static const char *const unknowns[] = {
	[TL_UNKNOWN_KEEP] = "keep", [TL_UNKNOWN_IGNORE] = "ignore", [TL_UNKNOWN_REFUSE] = "refuse"};

typedef struct Row
{
	HeapTuple tuple;
	TupleDesc desc;
} Row;

pg_noreturn static void refuse(const char *column, const char *message);

static void
refuse(const char *column, const char *message)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s: %s", column, message)));
}

static TlSlice
string_of(const JsonbValue *v)
{
	return (TlSlice){v->val.string.val, (uint32) v->val.string.len};
}

static TlSlice
slice_of(const char *text)
{
	return (TlSlice){text, (uint32) strlen(text)};
}

static bool
is_container(const JsonbValue *v)
{
	return v->type == jbvBinary;
}

static bool
is_object(const JsonbValue *v)
{
	return is_container(v) && JsonContainerIsObject(v->val.binary.data);
}

static bool
has_prefix(TlSlice s, const char *prefix)
{
	return s.len >= strlen(prefix) && memcmp(s.data, prefix, strlen(prefix)) == 0;
}

/* A column's value, a copy; false if it is null. */
static bool
column(const Row *row, const char *name, Datum *value)
{
	int number = SPI_fnumber(row->desc, name);
	bool isnull;

	if (number <= 0)
		elog(ERROR, "telemetry.dialect has no column \"%s\"", name);
	*value = SPI_getbinval(row->tuple, row->desc, number, &isnull);
	return !isnull;
}

static TlSlice
text_column(const Row *row, const char *name)
{
	Datum value;

	if (!column(row, name, &value))
		return (TlSlice){NULL, 0};
	return tl_slice_copy(CurrentMemoryContext, tl_slice_of_text(value));
}

/* The members of an object, which stay where they are. */
static JsonbIterator *
members_of_column(const Row *row, const char *name)
{
	Datum value;
	Jsonb *json;

	if (!column(row, name, &value))
		return NULL;
	json = DatumGetJsonbPCopy(value);
	if (!JB_ROOT_IS_OBJECT(json))
		refuse(name, "must be an object");
	return JsonbIteratorInit(&json->root);
}

static bool
next_member(JsonbIterator **it, TlSlice *name, JsonbValue *value)
{
	JsonbIteratorToken token;

	while (*it != NULL && (token = JsonbIteratorNext(it, value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			*name = string_of(value);
		if (token == WJB_VALUE)
			return true;
	}
	return false;
}

/* The name of a header as a path of one name, in lower case. */
static void
read_header(TlPath *path, TlSlice name, const char *what)
{
	char *lower = pnstrdup(name.data, name.len);

	if (name.len == 0 || name.len > HEADER_NAME_MAX ||
		strspn(lower, HEADER_NAME_CHARACTERS) != name.len)
		refuse(what, psprintf("\"%s\" is not the name of a header, of at most %d bytes", lower,
							  HEADER_NAME_MAX));
	for (char *c = lower; *c != '\0'; c++)
		*c = (char) pg_ascii_tolower((unsigned char) *c);
	for (size_t i = 0; i < lengthof(secret_headers); i++)
		if (strcmp(lower, secret_headers[i]) == 0)
			refuse(what, psprintf("header \"%s\" may carry a secret", lower));
	path->names = palloc(sizeof(TlSlice));
	path->names[path->n_names++] = (TlSlice){lower, name.len};
}

static TlPath
read_path(TlSlice text, const char *what)
{
	TlPath path = {.source = TL_PATH_EVENT};
	const char *end;
	const char *name;

	for (int i = 0; i < TL_PATH_SOURCES; i++)
	{
		if (!has_prefix(text, sources[i]))
			continue;
		path.source = (TlPathSource) i;
		text.data += strlen(sources[i]);
		text.len -= (uint32) strlen(sources[i]);
		break;
	}
	if (path.source == TL_PATH_HEADER)
	{
		read_header(&path, text, what);
		return path;
	}
	end = text.data + text.len;
	path.names = palloc(sizeof(TlSlice) * (text.len + 1));
	name = text.data;
	for (const char *p = text.data; p <= end; p++)
	{
		if (p < end && *p != '.')
			continue;
		if (p == name)
			refuse(what, psprintf("path \"%.*s\" has an empty name", (int) text.len, text.data));
		path.names[path.n_names++] = (TlSlice){name, (uint32) (p - name)};
		name = p + 1;
	}
	return path;
}

static TlPath
path_column(const Row *row, const char *name)
{
	TlSlice text = text_column(row, name);

	return text.data == NULL ? (TlPath){0} : read_path(text, name);
}

/* A path to what holds events. */
static TlPath
body_path_column(const Row *row, const char *name)
{
	TlPath path = path_column(row, name);

	if (path.source == TL_PATH_HEADER)
		refuse(name, "must be a path in the body");
	return path;
}

/* What a path is called in messages to the sender, who does not see params. */
static const char *
show_path(const TlPath *path, const char *field)
{
	StringInfoData out;

	if (path->source == TL_PATH_PARAMS)
		return field;
	initStringInfo(&out);
	if (path->source == TL_PATH_HEADER)
		appendStringInfoString(&out, "header ");
	for (int i = 0; i < path->n_names; i++)
		appendStringInfo(&out, "%s%.*s", i > 0 ? "." : "", (int) path->names[i].len,
						 path->names[i].data);
	return out.data;
}

static void
read_mapping(TlMapping *m, TlSlice field, const JsonbValue *v)
{
	bool is_list = is_container(v) && !is_object(v);
	uint32 n = is_list ? JsonContainerSize(v->val.binary.data) : 1;

	m->field = pnstrdup(field.data, field.len);
	m->place = tl_field_place(m->field);
	if (m->place == TL_PLACE_MEMBER)
	{
		if (!has_prefix(field, TL_EVENT_DATA ".") || field.len == strlen(TL_EVENT_DATA "."))
			refuse("fields",
				   psprintf("\"%s\" is neither a column of telemetry.event nor data and a name",
							m->field));
		m->member = slice_of(m->field + strlen(TL_EVENT_DATA "."));
	}
	if (m->place == TL_EVENT_STREAM || m->place == TL_EVENT_CORRELATION)
		refuse("fields", psprintf("%s is not told by the sender", m->field));
	m->paths = palloc(sizeof(TlPath) * Max(n, 1));
	for (uint32 i = 0; i < n; i++)
	{
		const JsonbValue *path = is_list ? getIthJsonbValueFromContainer(v->val.binary.data, i) : v;

		if (path->type != jbvString)
			refuse("fields", psprintf("%s must be a path or an array of paths", m->field));
		m->paths[m->n_paths++] = read_path(string_of(path), "fields");
	}
	if (n == 0)
		refuse("fields", psprintf("%s must have a path", m->field));
	m->shown = show_path(&m->paths[0], m->field);
	/* A sender has one of the two, and knows which. */
	if (m->paths[0].source == TL_PATH_HEADER && m->n_paths > 1 &&
		m->paths[1].source != TL_PATH_PARAMS)
		m->shown = psprintf("%s or %s", m->shown, show_path(&m->paths[1], m->field));
}

static bool
maps_header(const TlMapping *m)
{
	for (int i = 0; i < m->n_paths; i++)
		if (m->paths[i].source == TL_PATH_HEADER)
			return true;
	return false;
}

static void
read_mappings(TlDialect *d, const Row *row)
{
	JsonbIterator *it = members_of_column(row, "fields");
	TlSlice name = {NULL, 0};
	JsonbValue v;

	while (next_member(&it, &name, &v))
	{
		d->mappings = d->mappings == NULL
						  ? palloc0(sizeof(TlMapping))
						  : repalloc(d->mappings, sizeof(TlMapping) * (Size) (d->n_mappings + 1));
		memset(&d->mappings[d->n_mappings], 0, sizeof(TlMapping));
		read_mapping(&d->mappings[d->n_mappings], name, &v);
		d->maps_headers |= maps_header(&d->mappings[d->n_mappings]);
		d->n_mappings++;
	}
}

static void
read_kinds(TlDialect *d, const Row *row)
{
	JsonbIterator *it = members_of_column(row, "kinds");
	TlEventKind kind = {0};
	JsonbValue v;

	while (next_member(&it, &kind.name, &v))
	{
		if (v.type != jbvString && v.type != jbvNull)
			refuse("kinds", psprintf("\"%.*s\" must be an event type or null", (int) kind.name.len,
									 kind.name.data));
		kind.event_type = v.type == jbvString ? string_of(&v) : (TlSlice){NULL, 0};
		d->kinds = d->kinds == NULL
					   ? palloc(sizeof(TlEventKind))
					   : repalloc(d->kinds, sizeof(TlEventKind) * (Size) (d->n_kinds + 1));
		d->kinds[d->n_kinds++] = kind;
	}
}

static void
read_outcomes(TlDialect *d, const Row *row)
{
	JsonbIterator *it = members_of_column(row, "outcomes");
	TlSlice name = {NULL, 0};
	JsonbValue v;

	for (int i = 0; i <= TL_EVENT_REJECTED; i++)
		d->outcomes[i] = tl_event_outcome_name[i];
	while (next_member(&it, &name, &v))
	{
		int outcome = 0;

		while (outcome <= TL_EVENT_REJECTED &&
			   !tl_slice_equal(name, slice_of(tl_event_outcome_name[outcome])))
			outcome++;
		if (outcome > TL_EVENT_REJECTED)
			refuse("outcomes", psprintf("there is no outcome \"%.*s\"", (int) name.len, name.data));
		if (v.type != jbvString)
			refuse("outcomes", psprintf("%s must be a text", tl_event_outcome_name[outcome]));
		d->outcomes[outcome] = pnstrdup(v.val.string.val, v.val.string.len);
	}
}

static char *
problem_text(const TlProblem *p, TlSlice name, const JsonbValue *v)
{
	if (v->type != jbvString)
		refuse("problems",
			   psprintf("%.*s of %s must be a text", (int) name.len, name.data, p->code));
	return pnstrdup(v->val.string.val, v->val.string.len);
}

static int
problem_status(const TlProblem *p, const JsonbValue *v)
{
	int status = 0;

	if (v->type == jbvNumeric)
		status = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(v->val.numeric)));
	if (status < 400 || status > 599)
		refuse("problems", psprintf("status of %s must be a number from 400 to 599", p->code));
	return status;
}

static TlProblem
usual_problem(const char *code)
{
	TlProblem p = {.code = code, .status = STATUS_DEFAULT};
	char *type = pstrdup(code);
	char *title = pstrdup(code);

	for (char *c = type; *c != '\0'; c++)
		*c = *c == '_' ? '-' : (char) pg_tolower((unsigned char) *c);
	for (char *c = title; *c != '\0'; c++)
		*c = *c == '_' ? ' ' : c == title ? *c : (char) pg_tolower((unsigned char) *c);
	p.type = type;
	p.title = title;
	return p;
}

static void
read_problem(TlProblem *p, TlSlice code, const JsonbValue *v)
{
	JsonbIterator *it;
	TlSlice name = {NULL, 0};
	JsonbValue member;

	*p = usual_problem(pnstrdup(code.data, code.len));
	if (!is_object(v))
		refuse("problems", psprintf("%s must be an object", p->code));
	it = JsonbIteratorInit(v->val.binary.data);
	while (next_member(&it, &name, &member))
	{
		if (tl_slice_equal(name, slice_of("status")))
			p->status = problem_status(p, &member);
		else if (tl_slice_equal(name, slice_of("type")))
			p->type = problem_text(p, name, &member);
		else if (tl_slice_equal(name, slice_of("title")))
			p->title = problem_text(p, name, &member);
		else
			refuse("problems", psprintf("%s has \"%.*s\", not one of status, type, title", p->code,
										(int) name.len, name.data));
	}
}

static void
read_problems(TlDialect *d, const Row *row)
{
	JsonbIterator *it = members_of_column(row, "problems");
	TlSlice code = {NULL, 0};
	JsonbValue v;

	while (next_member(&it, &code, &v))
	{
		d->problems = d->problems == NULL
						  ? palloc(sizeof(TlProblem))
						  : repalloc(d->problems, sizeof(TlProblem) * (Size) (d->n_problems + 1));
		read_problem(&d->problems[d->n_problems++], code, &v);
	}
}

static void
read_template(TlTemplate *t, const Row *row, const char *name)
{
	TlSlice text = text_column(row, name);

	tl_template_read(t, text.data == NULL ? slice_of("null") : text, name);
}

void
tl_dialect_read(TlDialect *d, HeapTuple tuple, TupleDesc desc)
{
	Row row = {tuple, desc};
	TlSlice unknown = text_column(&row, "unknown");
	TlSlice type = text_column(&row, "failure_type");
	Datum value;

	memset(d, 0, sizeof(*d));
	d->name = text_column(&row, "name");
	d->events = body_path_column(&row, "events");
	d->item = body_path_column(&row, "item");
	d->batch_id = path_column(&row, "batch_id");
	d->kind = path_column(&row, "kind");
	read_kinds(d, &row);
	read_mappings(d, &row);
	for (size_t i = 0; i < lengthof(unknowns); i++)
		if (tl_slice_equal(unknown, slice_of(unknowns[i])))
			d->unknown = (TlUnknown) i;

	column(&row, "success_status", &value);
	d->success_status = DatumGetInt32(value);
	read_template(&d->success, &row, "success");
	read_template(&d->batch, &row, "batch");
	read_template(&d->result, &row, "result");
	d->only_rejected_results = tl_slice_equal(text_column(&row, "results"), slice_of("rejected"));
	read_outcomes(d, &row);
	read_template(&d->failure, &row, "failure");
	d->failure_type = pnstrdup(type.data, type.len);
	read_problems(d, &row);
}

TlProblem
tl_dialect_problem(const TlDialect *d, const char *code)
{
	for (int i = 0; i < d->n_problems; i++)
		if (strcmp(d->problems[i].code, code) == 0)
			return d->problems[i];
	return usual_problem(code);
}

static bool
begins_with_word(const char *message, const char *word)
{
	return strncmp(message, word, strlen(word)) == 0 && message[strlen(word)] == ' ';
}

const char *
tl_dialect_message(const TlDialect *d, const char *message)
{
	for (int i = 0; i < d->n_mappings; i++)
		if (begins_with_word(message, d->mappings[i].field))
			return psprintf("%s%s", d->mappings[i].shown, message + strlen(d->mappings[i].field));
	/* A member that was kept has its own name. */
	if (strncmp(message, TL_EVENT_DATA ".", strlen(TL_EVENT_DATA ".")) == 0)
		return message + strlen(TL_EVENT_DATA ".");
	if (begins_with_word(message, TL_EVENT_DATA))
		return psprintf("the event%s", message + strlen(TL_EVENT_DATA));
	return message;
}

/* Trigger of telemetry.dialect: refuses a row that cannot be read. */
Datum
telemetry_check_dialect(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext context;
	MemoryContext old;
	HeapTuple tuple;
	TlDialect dialect;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		RelationGetRelid(trigger->tg_relation) != tl_relation("dialect"))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry.check_dialect() is a trigger function of "
							   "telemetry.dialect")));
	tuple =
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	context = AllocSetContextCreate(CurrentMemoryContext, "telemetry dialect check",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	tl_dialect_read(&dialect, tuple, RelationGetDescr(trigger->tg_relation));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return PointerGetDatum(tuple);
}
