/*
 * event_stream.c
 *		The rules of telemetry.stream and telemetry.stream_field.  See event_stream.h.
 *
 * The streams live in a memory context of their own.  When they are read again the old ones are
 * left to the transaction, since an ingest under way may still use them.
 */
#include "event/event_stream.h"

#include <float.h>
#include <math.h>

#include "access/xact.h"
#include "base/at_end.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "base/statement_row.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(telemetry_stream_changed);

static TlStatement read_streams = {
	"SELECT name, number, event_types, identity, on_conflict,"
	" least(extract(epoch FROM max_age) * 1000000, 9223372036854775807)::int8,"
	" least(extract(epoch FROM max_batch_age) * 1000000, 9223372036854775807)::int8,"
	" least(extract(epoch FROM max_future) * 1000000, 9223372036854775807)::int8,"
	" sampling, access_check, access_failure = 'reject', key_scope"
	" FROM telemetry.stream ORDER BY name",
	0,
	{0},
	NULL};

static TlStatement read_rules = {
	"SELECT stream, field, kind, required, required_for, minimum, maximum, max_length, code,"
	" message FROM telemetry.stream_field ORDER BY stream, field",
	0,
	{0},
	NULL};

static MemoryContext streams_context = NULL;
static TlStream *streams;
static int n_streams;
/* Which telemetry.stream they were read from; another one if the extension was created anew. */
static Oid streams_of = InvalidOid;
static bool streams_stale = true;

const char *const tl_event_text_name[TL_EVENT_TEXTS] = {[TL_EVENT_STREAM] = "stream",
														[TL_EVENT_TYPE] = "event_type",
														[TL_EVENT_ID] = "event_id",
														[TL_EVENT_DEVICE] = "device_id",
														[TL_EVENT_USER] = "user_id",
														[TL_EVENT_SESSION] = "session_id",
														[TL_EVENT_SUBJECT] = "subject_id",
														[TL_EVENT_APP_VERSION] = "app_version",
														[TL_EVENT_CORRELATION] = "correlation_id"};

/* Words of the tables, by their numbers here. */
static const char *const identities[] = {"event_id", "type_session", NULL};
static const char *const scopes[] = {"none", "device", "user", NULL};
static const char *const strategies[] = {"first_wins", "last_write_wins", "client_priority", NULL};
static const char *const kinds[] = {"text",		 "number", "integer", "boolean", "object", "array",
									"json_text", "ulid",   "uuid",	  "any",	 NULL};

static void
on_change(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == streams_of)
		streams_stale = true;
}

/* A function that an access check names may have been dropped, and may be there again. */
static void
on_function_change(Datum arg, int cache, uint32 hash)
{
	streams_stale = true;
}

static int
word_number(const char *const *words, TlSlice word)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strlen(words[i]) == word.len && memcmp(words[i], word.data, word.len) == 0)
			return i;
	elog(ERROR, "unexpected word \"%.*s\" in telemetry.stream", (int) word.len, word.data);
}

static const char *
string_column(const TlStatementRow *row, int number)
{
	Datum value;

	if (!tl_row_column(row, number, &value))
		return NULL;
	return MemoryContextStrdup(streams_context, TextDatumGetCString(value));
}

static int64
usecs_column(const TlStatementRow *row, int number)
{
	Datum value;

	return tl_row_column(row, number, &value) ? DatumGetInt64(value) : PG_INT64_MAX;
}

static double
number_column(const TlStatementRow *row, int number, double otherwise)
{
	Datum value;

	return tl_row_column(row, number, &value) ? DatumGetFloat8(value) : otherwise;
}

/* Members that are numbers from 0 to 1; others are as if they were not there. */
static void
read_sampling(const TlStatementRow *row, int number, TlStream *stream)
{
	Datum value;
	Jsonb *json;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue v;
	TlSlice type = {NULL, 0};

	if (!tl_row_column(row, number, &value))
		return;
	json = DatumGetJsonbP(value);
	if (!JB_ROOT_IS_OBJECT(json) || JB_ROOT_COUNT(json) == 0)
		return;
	stream->sampling =
		MemoryContextAlloc(streams_context, sizeof(TlSamplingRule) * JB_ROOT_COUNT(json));
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		double rate;

		if (token == WJB_KEY)
			type = (TlSlice){v.val.string.val, (uint32) v.val.string.len};
		if (token != WJB_VALUE || v.type != jbvNumeric)
			continue;
		rate = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(v.val.numeric)));
		if (rate >= 0 && rate <= 1)
			stream->sampling[stream->n_sampling++] =
				(TlSamplingRule){tl_slice_copy(streams_context, type), rate};
	}
}

/*
 * By the name that trigger check_access has left: schema.name(text, text).  Whoever ingests may have
 * types called text in the search path, so that these are not looked up.
 */
static Oid
find_access_function(const char *signature)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	const char *arguments = strstr(signature, "(text, text)");
	List *name;
	Oid function;

	for (const char *next = arguments; next != NULL; next = strstr(next + 1, "(text, text)"))
		arguments = next;
	if (arguments == NULL)
		return InvalidOid;
	name =
		textToQualifiedNameList(cstring_to_text_with_len(signature, (int) (arguments - signature)));
	if (list_length(name) != 2)
		return InvalidOid;
	function = LookupFuncName(name, lengthof(types), types, true);
	if (!OidIsValid(function) || get_func_prokind(function) != PROKIND_FUNCTION ||
		get_func_retset(function) || get_func_rettype(function) != BOOLOID)
		return InvalidOid;
	return function;
}

static void
read_stream(const TlStatementRow *row, TlStream *stream)
{
	Datum value;

	stream->name = tl_row_text(row, 1);
	tl_row_column(row, 2, &value);
	stream->number = DatumGetInt32(value);
	stream->any_type = !tl_row_column(row, 3, &value);
	stream->types = tl_row_texts(row, 3, &stream->n_types);
	stream->identity = (TlStreamIdentity) word_number(identities, tl_row_text(row, 4));
	stream->strategy = (TlStreamStrategy) word_number(strategies, tl_row_text(row, 5));
	stream->strategy_name = strategies[stream->strategy];
	stream->max_age = usecs_column(row, 6);
	stream->max_batch_age = usecs_column(row, 7);
	stream->max_future = usecs_column(row, 8);
	read_sampling(row, 9, stream);
	stream->access_check = string_column(row, 10);
	stream->denies_unchecked = tl_row_boolean(row, 11);
	stream->scope = (TlStreamScope) word_number(scopes, tl_row_text(row, 12));
	if (stream->access_check != NULL)
		stream->access_function = find_access_function(stream->access_check);
}

int
tl_field_place(const char *field)
{
	for (int i = 0; i < TL_EVENT_TEXTS; i++)
		if (strcmp(field, tl_event_text_name[i]) == 0)
			return i;
	if (strcmp(field, TL_EVENT_OCCURRED_AT) == 0)
		return TL_PLACE_OCCURRED_AT;
	if (strcmp(field, TL_EVENT_DURATION) == 0)
		return TL_PLACE_DURATION;
	return strcmp(field, TL_EVENT_DATA) == 0 ? TL_PLACE_DATA : TL_PLACE_MEMBER;
}

static void
read_rule(const TlStatementRow *row, TlFieldRule *rule)
{
	Datum value;

	rule->field = string_column(row, 2);
	rule->place = tl_field_place(rule->field);
	if (rule->place == TL_PLACE_MEMBER)
	{
		const char *member = rule->field + strlen(TL_EVENT_DATA ".");

		rule->member = (TlSlice){member, (uint32) strlen(member)};
	}
	rule->kind = (TlFieldKind) word_number(kinds, tl_row_text(row, 3));
	rule->required = tl_row_column(row, 4, &value) && DatumGetBool(value);
	rule->required_for = tl_row_texts(row, 5, &rule->n_required_for);
	rule->minimum = number_column(row, 6, -INFINITY);
	rule->maximum = number_column(row, 7, INFINITY);
	rule->max_length = tl_row_column(row, 8, &value) ? DatumGetInt32(value) : 0;
	rule->code = string_column(row, 9);
	rule->message = string_column(row, 10);
}

static void
read_all(void)
{
	SPITupleTable *rows;

	tl_statement_execute(&read_streams, NULL, NULL, false, 0);
	n_streams = (int) SPI_processed;
	rows = SPI_tuptable;
	streams = MemoryContextAllocZero(streams_context, sizeof(TlStream) * Max(n_streams, 1));
	for (int i = 0; i < n_streams; i++)
	{
		TlStatementRow row = {rows->vals[i], rows->tupdesc, streams_context};

		read_stream(&row, &streams[i]);
	}

	/* The rules of a stream lie together. */
	tl_statement_execute(&read_rules, NULL, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		TlStatementRow row = tl_statement_row(i, streams_context);
		TlStream *stream = (TlStream *) tl_stream_find(tl_row_text(&row, 1));

		if (stream == NULL)
			continue;
		if (stream->rules == NULL)
			stream->rules =
				MemoryContextAllocZero(streams_context, sizeof(TlFieldRule) * (SPI_processed - i));
		read_rule(&row, &stream->rules[stream->n_rules++]);
	}
}

void
tl_streams_refresh(void)
{
	static bool registered = false;
	Oid relid = tl_relation("stream");
	TlStatementScope scope;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(on_change, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, on_function_change, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, on_function_change, (Datum) 0);
		registered = true;
	}
	if (!streams_stale && streams_of == relid)
		return;

	if (streams_context != NULL)
		MemoryContextSetParent(streams_context, TopTransactionContext);
	streams_context =
		AllocSetContextCreate(CacheMemoryContext, "telemetry streams", ALLOCSET_DEFAULT_SIZES);
	n_streams = 0;
	streams_of = relid;
	/* What changes while they are read makes them stale again. */
	streams_stale = false;
	PG_TRY();
	{
		tl_statement_begin(&scope);
		read_all();
		tl_statement_end(&scope);
	}
	PG_CATCH();
	{
		streams_stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	/* This snapshot may be older than changes that we have been told of already. */
	if (IsolationUsesXactSnapshot())
		tl_set_at_end(&streams_stale);
}

const TlStream *
tl_stream_find(TlSlice name)
{
	for (int i = 0; i < n_streams; i++)
		if (tl_slice_equal(streams[i].name, name))
			return &streams[i];
	return NULL;
}

static const TlFieldRule *
find_rule(const TlStream *stream, const char *field)
{
	for (int i = 0; stream != NULL && i < stream->n_rules; i++)
		if (strcmp(stream->rules[i].field, field) == 0)
			return &stream->rules[i];
	return NULL;
}

const char *
tl_stream_code(const TlStream *stream, const char *field)
{
	const TlFieldRule *rule = find_rule(stream, field);
	const char *name = field;
	char *code;

	if (rule != NULL && rule->code != NULL)
		return rule->code;
	if (strcmp(field, TL_EVENT_OCCURRED_AT) == 0)
		return "INVALID_TIMESTAMP";
	if (strcmp(field, TL_EVENT_DURATION) == 0)
		return "INVALID_DURATION";
	if (strncmp(field, TL_EVENT_DATA ".", strlen(TL_EVENT_DATA ".")) == 0)
		name = field + strlen(TL_EVENT_DATA ".");
	code = psprintf("INVALID_%s", name);
	for (char *c = code; *c != '\0'; c++)
		*c = (char) pg_toupper((unsigned char) *c);
	return code;
}

const char *
tl_stream_message(const TlStream *stream, const char *field)
{
	const TlFieldRule *rule = find_rule(stream, field);

	return rule != NULL ? rule->message : NULL;
}

/* Tells all sessions, when this transaction commits, that what they know of streams is old. */
Datum
telemetry_stream_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry.stream_changed() is a trigger function")));
	CacheInvalidateRelcacheByRelid(tl_relation("stream"));
	return PointerGetDatum(NULL);
}
