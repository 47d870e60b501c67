/*
 * dead_letter.c
 *		Writes rejected rows to telemetry.dead_letter, some hundred at a time.
 *
 * The buffer lives in a memory context of its own, emptied at each write.
 */
#include "dead_letter.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "value_size.h"

#define BUFFERED 256

/* Longer fields are cut: a dead letter is for people to look at. */
#define FIELD_LIMIT 4096

struct TlDeadLetters
{
	MemoryContext context;
	int n;
	Datum code[BUFFERED];
	Datum reason[BUFFERED];
	Datum payload[BUFFERED];
};

static TlStatement insert_letters = {
	"INSERT INTO telemetry.dead_letter (kind, code, reason, payload, sender)"
	" SELECT 'point', c, r, p::pg_catalog.jsonb, $4"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
	" AS t(c, r, p)",
	4,
	{TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, NAMEOID},
	NULL};

TlDeadLetters *
tl_dead_letters_create(void)
{
	TlDeadLetters *letters = palloc0(sizeof(TlDeadLetters));

	letters->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry dead letters", ALLOCSET_SMALL_SIZES);
	return letters;
}

static void
put_field(StringInfo out, const char *name, const char *json)
{
	appendStringInfo(out, "%s\"%s\": %s", out->len > 1 ? ", " : "", name, json);
}

static void
put_text(StringInfo out, const char *name, TlSlice s)
{
	StringInfoData json;

	if (s.data == NULL)
		return;
	initStringInfo(&json);
	escape_json(&json, pnstrdup(s.data, pg_mbcliplen(s.data, (int) s.len, FIELD_LIMIT)));
	put_field(out, name, json.data);
}

static void
put_jsonb(StringInfo out, const char *name, TlSlice s)
{
	Jsonb *copy;

	if (s.data == NULL || s.len > FIELD_LIMIT)
		return;
	copy = palloc(VARHDRSZ + s.len);
	SET_VARSIZE(copy, VARHDRSZ + s.len);
	memcpy(VARDATA(copy), s.data, s.len);
	if (!tl_value_size_exceeds(&copy->root, FIELD_LIMIT))
		put_field(out, name, JsonbToCString(NULL, &copy->root, (int) s.len));
}

static void
put_value(StringInfo out, const struct varlena *datum)
{
	Size len = datum == NULL ? 0 : VARSIZE_ANY_EXHDR(datum);
	StringInfoData json;
	TlValue value;
	char *text;

	if (len == 0 || len > FIELD_LIMIT ||
		tl_value_check((uint8) *VARDATA_ANY(datum), VARDATA_ANY(datum) + 1, len - 1) != NULL)
		return;
	value = tl_value_view(datum);
	text = tl_value_to_text(&value);
	if (value.kind == TL_KIND_NUMERIC && !isfinite(tl_payload_double(value.payload)))
	{
		initStringInfo(&json);
		escape_json(&json, text);
		text = json.data;
	}
	put_field(out, "value", text);
}

char *
tl_dead_letter_payload(const TlIngestRow *row)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	if (row->has_ts)
	{
		StringInfoData json;

		initStringInfo(&json);
		escape_json(&json, timestamptz_to_str(row->ts));
		put_field(&out, "timestamp", json.data);
	}
	put_text(&out, "device_id", row->device);
	put_text(&out, "metric_name", row->metric);
	put_value(&out, row->value);
	put_text(&out, "unit", row->unit);
	put_jsonb(&out, "tags", row->tags);
	put_jsonb(&out, "metadata", row->metadata);
	appendStringInfoChar(&out, '}');
	return out.data;
}

void
tl_dead_letters_add(TlDeadLetters *letters, const char *code, const char *message,
					const char *payload)
{
	MemoryContext old = MemoryContextSwitchTo(letters->context);

	letters->code[letters->n] = CStringGetTextDatum(code);
	letters->reason[letters->n] = CStringGetTextDatum(message);
	letters->payload[letters->n] = CStringGetTextDatum(payload);
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
	TlStoreScope scope;
	Datum values[4];
	NameData sender;

	if (letters->n == 0)
		return;
	old = MemoryContextSwitchTo(letters->context);
	namestrcpy(&sender, GetUserNameFromId(GetUserId(), false));
	values[0] = text_array(letters->code, letters->n);
	values[1] = text_array(letters->reason, letters->n);
	values[2] = text_array(letters->payload, letters->n);
	values[3] = NameGetDatum(&sender);
	tl_store_begin(&scope);
	tl_store_execute(&insert_letters, values, NULL, false, 0);
	tl_store_end(&scope);
	MemoryContextSwitchTo(old);
	MemoryContextReset(letters->context);
	letters->n = 0;
}
