/*
 * dead_letter.c
 *		Writes rejected rows to telemetry.dead_letter, some hundred at a time.
 *
 * The buffer lives in a memory context of its own, emptied at each write.
 */
#include "ingest/dead_letter.h"

#include <math.h>

#include "base/statement.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "value/value_size.h"
#include "value/value_text.h"

#define BUFFERED 256

/* Longer fields are cut: a dead letter is for people to look at. */
#define FIELD_LIMIT 4096

struct TlDeadLetters
{
	MemoryContext context;
	const char *kind;
	int n;
	Datum code[BUFFERED];
	Datum reason[BUFFERED];
	Datum payload[BUFFERED];
	Datum whole[BUFFERED];
};

static TlStatement insert_letters = {
	"INSERT INTO telemetry.dead_letter (kind, code, reason, payload, whole, sender)"
	" SELECT $5, c, r, p::jsonb, w, $6"
	" FROM unnest($1, $2, $3, $4) AS t(c, r, p, w)",
	6,
	{TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TEXTOID, NAMEOID},
	NULL};

TlDeadLetters *
tl_dead_letters_create(const char *kind)
{
	TlDeadLetters *letters = palloc0(sizeof(TlDeadLetters));

	letters->kind = kind;
	letters->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry dead letters", ALLOCSET_SMALL_SIZES);
	return letters;
}

static void
put_field(StringInfo out, const char *name, const char *json)
{
	appendStringInfo(out, "%s\"%s\": %s", out->len > 1 ? ", " : "", name, json);
}

/* These tell whether they have put the whole field. */
static bool
put_text(StringInfo out, const char *name, TlSlice s)
{
	StringInfoData json;
	int len;

	if (s.data == NULL)
		return true;
	initStringInfo(&json);
	len = pg_mbcliplen(s.data, (int) s.len, FIELD_LIMIT);
	escape_json(&json, pnstrdup(s.data, len));
	put_field(out, name, json.data);
	return len == (int) s.len;
}

static bool
put_jsonb(StringInfo out, const char *name, TlSlice s)
{
	Jsonb *copy;

	if (s.data == NULL)
		return true;
	if (s.len > FIELD_LIMIT)
		return false;
	copy = palloc(VARHDRSZ + s.len);
	SET_VARSIZE(copy, VARHDRSZ + s.len);
	memcpy(VARDATA(copy), s.data, s.len);
	if (tl_value_size_exceeds(&copy->root, FIELD_LIMIT))
		return false;
	put_field(out, name, JsonbToCString(NULL, &copy->root, (int) s.len));
	return true;
}

static bool
put_value(StringInfo out, const struct varlena *datum)
{
	Size len = datum == NULL ? 0 : VARSIZE_ANY_EXHDR(datum);
	StringInfoData json;
	TlValue value;
	char *text;

	if (datum == NULL)
		return true;
	if (len == 0 || len > FIELD_LIMIT ||
		tl_value_check((uint8) *VARDATA_ANY(datum), VARDATA_ANY(datum) + 1, len - 1) != NULL)
		return false;
	value = tl_value_view(datum);
	text = tl_value_to_text(&value);
	if (value.kind == TL_KIND_NUMERIC && !isfinite(tl_payload_double(value.payload)))
	{
		initStringInfo(&json);
		escape_json(&json, text);
		put_field(out, "value", json.data);
		return false;
	}
	put_field(out, "value", text);
	return true;
}

char *
tl_dead_letter_payload(const TlIngestRow *row, bool *whole)
{
	StringInfoData out;

	*whole = true;
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	if (row->has_ts)
	{
		static const int utc = 0;
		char text[MAXDATELEN + 1];
		Datum ts = TimestampTzGetDatum(row->ts);

		put_field(&out, "timestamp",
				  psprintf("\"%s\"", JsonEncodeDateTime(text, ts, TIMESTAMPTZOID, &utc)));
	}
	*whole &= put_text(&out, "device_id", row->device);
	*whole &= put_text(&out, "metric_name", row->metric);
	*whole &= put_value(&out, row->value);
	*whole &= put_text(&out, "unit", row->unit);
	*whole &= put_jsonb(&out, "tags", row->tags);
	*whole &= put_jsonb(&out, "metadata", row->metadata);
	appendStringInfoChar(&out, '}');
	return out.data;
}

char *
tl_dead_letter_texts(const char *const *names, const TlSlice *texts, int n)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	for (int i = 0; i < n; i++)
		(void) put_text(&out, names[i], texts[i]);
	appendStringInfoChar(&out, '}');
	return out.data;
}

void
tl_dead_letters_add(TlDeadLetters *letters, const char *code, const char *message,
					const char *payload, bool whole)
{
	MemoryContext old = MemoryContextSwitchTo(letters->context);

	letters->code[letters->n] = CStringGetTextDatum(code);
	letters->reason[letters->n] = CStringGetTextDatum(message);
	letters->payload[letters->n] = CStringGetTextDatum(payload);
	letters->whole[letters->n] = BoolGetDatum(whole);
	letters->n++;
	MemoryContextSwitchTo(old);
	if (letters->n == BUFFERED)
		tl_dead_letters_flush(letters);
}

static Datum
text_array(Datum *elements, int n)
{
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

void
tl_dead_letters_flush(TlDeadLetters *letters)
{
	MemoryContext old;
	TlStatementScope scope;
	Datum values[6];
	NameData sender;

	if (letters->n == 0)
		return;
	old = MemoryContextSwitchTo(letters->context);
	namestrcpy(&sender, GetUserNameFromId(GetUserId(), false));
	values[0] = text_array(letters->code, letters->n);
	values[1] = text_array(letters->reason, letters->n);
	values[2] = text_array(letters->payload, letters->n);
	values[3] = PointerGetDatum(
		construct_array(letters->whole, letters->n, BOOLOID, 1, true, TYPALIGN_CHAR));
	values[4] = CStringGetTextDatum(letters->kind);
	values[5] = NameGetDatum(&sender);
	tl_statement_begin(&scope);
	tl_statement_execute(&insert_letters, values, NULL, false, 0);
	tl_statement_end(&scope);
	MemoryContextSwitchTo(old);
	MemoryContextReset(letters->context);
	letters->n = 0;
}
