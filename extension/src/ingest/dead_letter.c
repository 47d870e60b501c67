/*
 * dead_letter.c
 *		Writes rejected rows to telemetry.dead_letter, some hundred at a time.
 *
 * The buffer lives in a memory context of its own, emptied at each write.
 *
 * The table is bounded: a statement writes telemetry.dead_letter_rows at most, and nobody makes the table
 * larger than telemetry.dead_letter_size; it takes new rows in the room that removed ones have left, which the
 * free space map knows.  Who overshoots that does so by one buffer.  The oldest rows are job prune's to remove:
 * were they removed here, their room would not be free before the next VACUUM, and the table would grow.
 */
#include "ingest/dead_letter.h"

#include <math.h>

#include "access/table.h"
#include "base/guc.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "value/value_size.h"
#include "value/value_text.h"

#define BUFFERED 256

/* A page with so many bytes free takes most rows. */
#define FREE_SPACE 1024

/* Longer fields are cut: a dead letter is for people to look at. */
#define FIELD_LIMIT 4096

struct TlDeadLetters
{
	MemoryContext context;
	const char *kind;
	int64 kept;
	int64 unkept;
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

static Datum
text_array(Datum *elements, int n)
{
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Whether a page of the relation is known to have room for a small row. */
static bool
has_free_page(Relation relation)
{
	return BlockNumberIsValid(GetPageWithFreeSpace(relation, FREE_SPACE));
}

static bool
has_room(void)
{
	Relation table = table_open(tl_relation("dead_letter"), AccessShareLock);
	Relation toast = table_open(table->rd_rel->reltoastrelid, AccessShareLock);
	BlockNumber toast_pages = RelationGetNumberOfBlocks(toast);
	uint64 pages = (uint64) RelationGetNumberOfBlocks(table) + toast_pages;
	bool room = pages * BLCKSZ < (uint64) tl_guc_dead_letter_size * 1024 ||
				(has_free_page(table) && (toast_pages == 0 || has_free_page(toast)));

	table_close(toast, AccessShareLock);
	table_close(table, AccessShareLock);
	return room;
}

static void
write_letters(TlDeadLetters *letters)
{
	MemoryContext old;
	TlStatementScope scope;
	Datum values[6];
	NameData sender;

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
}

static void
flush(TlDeadLetters *letters)
{
	if (letters->n == 0)
		return;
	if (has_room())
	{
		write_letters(letters);
		letters->kept += letters->n;
	}
	else
		letters->unkept += letters->n;
	MemoryContextReset(letters->context);
	letters->n = 0;
}

void
tl_dead_letters_add(TlDeadLetters *letters, const char *code, const char *message,
					const char *payload, bool whole)
{
	MemoryContext old;

	if (letters->kept + letters->n >= tl_guc_dead_letter_rows)
	{
		letters->unkept++;
		return;
	}
	old = MemoryContextSwitchTo(letters->context);
	letters->code[letters->n] = CStringGetTextDatum(code);
	letters->reason[letters->n] = CStringGetTextDatum(message);
	letters->payload[letters->n] = CStringGetTextDatum(payload);
	letters->whole[letters->n] = BoolGetDatum(whole);
	letters->n++;
	MemoryContextSwitchTo(old);
	if (letters->n == BUFFERED)
		flush(letters);
}

int64
tl_dead_letters_end(TlDeadLetters *letters)
{
	flush(letters);
	return letters->unkept;
}
