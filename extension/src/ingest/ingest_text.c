/*
 * ingest_text.c
 *		From a row of texts to a row of ingest.  See ingest_text.h.
 *
 * Only what the texts mean is judged here; the rules on contents are row_check's.  Memory: what a row
 * takes is in a context that is emptied after it; most rows, of a time and a number, take none.
 */
#include "ingest/ingest_text.h"

#include "base/guc.h"
#include "ingest/dead_letter.h"
#include "ingest/row_check.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "value/json_text.h"
#include "value/json_value.h"
#include "value/text_time.h"
#include "value/text_value.h"

struct TlTextIngest
{
	TlIngest *ingest;
	MemoryContext context;
	MemoryContext row_context;
	TlTextTime time;
	TlTextValue value;
	TlSlice *nulls;
	int n_nulls;
	bool began; /* whether there has been a row */
	TlNumberValue number;
};

/* As messages and dead letters call them: by the names of the HTTP interface. */
static const char *const field_name[TL_TEXT_FIELDS] = {
	"timestamp", "device_id", "metric_name", "value", "unit", "tags", "metadata"};

/* The words of telemetry.text_nulls: between commas; "" is the empty one. */
static void
read_nulls(TlTextIngest *in, const char *list)
{
	char *copy = pstrdup(list);
	char *next = copy;

	if (tl_text_trim((TlSlice){copy, (uint32) strlen(copy)}).len == 0)
		return;
	for (const char *p = copy; *p != '\0'; p++)
		in->n_nulls += *p == ',';
	in->nulls = palloc(sizeof(TlSlice) * (in->n_nulls + 1));
	in->n_nulls = 0;
	while (next != NULL)
	{
		char *word = strsep(&next, ",");
		TlSlice s = tl_text_trim((TlSlice){word, (uint32) strlen(word)});

		if (s.len == 2 && memcmp(s.data, "\"\"", 2) == 0)
			s.len = 0;
		else if (s.len == 0)
			continue;
		in->nulls[in->n_nulls++] = s;
	}
}

TlTextIngest *
tl_text_ingest_begin(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry text ingest", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlTextIngest *in = palloc0(sizeof(TlTextIngest));

	in->context = context;
	in->row_context =
		AllocSetContextCreate(context, "telemetry text ingest row", ALLOCSET_SMALL_SIZES);
	in->time.epoch = (TlEpochUnit) tl_guc_text_epoch;
	in->time.order = (TlDateOrder) tl_guc_text_date_order;
	in->time.zone =
		*tl_guc_text_timezone == '\0' ? session_timezone : pg_tzset(tl_guc_text_timezone);
	in->value.decimal_comma = tl_guc_text_decimal_comma;
	in->value.words = tl_guc_text_words;
	read_nulls(in, tl_guc_text_nulls);
	in->ingest = tl_ingest_begin();
	MemoryContextSwitchTo(old);
	return in;
}

static bool
reject(TlRejection *why, const char *code, const char *message)
{
	why->code = code;
	why->message = message;
	return false;
}

static bool
reject_field(TlRejection *why, const char *code, TlTextField field, TlSlice s, const char *problem)
{
	return reject(why, code,
				  psprintf("%s \"%s\" %s", field_name[field], tl_json_quote(s), problem));
}

static bool
read_time(const TlTextIngest *in, TlSlice s, TlIngestRow *row, TlRejection *why)
{
	const char *problem;

	s = tl_text_trim(s);
	row->has_ts = s.len > 0;
	if (!row->has_ts || tl_text_time(s, &in->time, &row->ts, &problem))
		return true;
	return reject_field(why, TL_REJECT_TIMESTAMP, TL_TEXT_TIMESTAMP, s, problem);
}

static bool
is_null_word(const TlTextIngest *in, TlSlice s)
{
	for (int i = 0; i < in->n_nulls; i++)
		if (in->nulls[i].len == s.len && pg_strncasecmp(in->nulls[i].data, s.data, s.len) == 0)
			return true;
	return false;
}

static bool
check_size(TlTextField field, TlSlice s, TlRejection *why)
{
	if (s.len <= (uint32) tl_guc_max_value_size)
		return true;
	return reject(why, TL_REJECT_TOO_LARGE,
				  psprintf("%s is %u bytes long, the limit is %d", field_name[field], s.len,
						   tl_guc_max_value_size));
}

static bool
read_value(TlTextIngest *in, TlSlice s, TlIngestRow *row, TlRejection *why)
{
	const char *problem;

	s = tl_text_trim(s);
	if (in->n_nulls > 0 && is_null_word(in, s))
		return reject(why, TL_REJECT_NO_VALUE,
					  psprintf("value \"%s\" is one of telemetry.text_nulls", tl_json_quote(s)));
	if (s.len == 0 || (s.len == 4 && pg_strncasecmp(s.data, "null", 4) == 0))
		return reject(why, TL_REJECT_MISSING, "value is required");
	if (!check_size(TL_TEXT_VALUE, s, why))
		return false;
	row->value = tl_text_value(s, &in->value, &in->number, &problem);
	return row->value != NULL || reject_field(why, TL_REJECT_VALUE, TL_TEXT_VALUE, s, problem);
}

static bool
read_object(TlTextField field, const char *code, TlSlice s, TlSlice *object, TlRejection *why)
{
	const char *problem;
	Jsonb *json;

	s = tl_text_trim(s);
	if (s.len == 0)
		return true;
	if (!check_size(field, s, why))
		return false;
	if (!tl_json_from_text(s, &json, &problem))
		return reject_field(why, code, field, s, problem);
	*object = (TlSlice){VARDATA(json), (uint32) (VARSIZE(json) - VARHDRSZ)};
	return true;
}

/* The time first, then what is measured: the first that is wrong is told. */
static bool
read_row(TlTextIngest *in, const TlSlice *field, TlIngestRow *row, TlRejection *why)
{
	row->device = field[TL_TEXT_DEVICE];
	row->metric = field[TL_TEXT_METRIC];
	row->unit = field[TL_TEXT_UNIT];
	return read_time(in, field[TL_TEXT_TIMESTAMP], row, why) &&
		   read_value(in, field[TL_TEXT_VALUE], row, why) &&
		   (field[TL_TEXT_TAGS].data == NULL ||
			read_object(TL_TEXT_TAGS, TL_REJECT_TAGS, field[TL_TEXT_TAGS], &row->tags, why)) &&
		   (field[TL_TEXT_METADATA].data == NULL ||
			read_object(TL_TEXT_METADATA, TL_REJECT_METADATA, field[TL_TEXT_METADATA],
						&row->metadata, why));
}

/* A byte order mark stands before the first field of a file, whichever column that is. */
static void
skip_byte_order_mark(TlTextRow *row)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		return;
	for (int i = 0; i < TL_TEXT_FIELDS; i++)
	{
		TlSlice *s = &row->field[i];

		if (s->len >= 3 && memcmp(s->data, "\xef\xbb\xbf", 3) == 0)
			*s = (TlSlice){s->data + 3, s->len - 3};
	}
}

bool
tl_text_ingest_row(TlTextIngest *in, const TlTextRow *given)
{
	MemoryContext old = MemoryContextSwitchTo(in->row_context);
	TlIngestRow row = {0};
	TlTextRow text = *given;
	TlRejection why;
	bool accepted = false;

	if (unlikely(!in->began))
		skip_byte_order_mark(&text);
	in->began = true;
	if (likely(read_row(in, text.field, &row, &why)))
		accepted = tl_ingest_row(in->ingest, &row);
	else
		tl_ingest_reject(in->ingest, why.code, why.message,
						 strcmp(why.code, TL_REJECT_NO_VALUE) == 0
							 ? NULL
							 : tl_dead_letter_texts(field_name, text.field, TL_TEXT_FIELDS));
	MemoryContextSwitchTo(old);
	if (unlikely(!in->row_context->isReset))
		MemoryContextReset(in->row_context);
	return accepted;
}

void
tl_text_ingest_end(TlTextIngest *in)
{
	(void) tl_ingest_end(in->ingest);
	MemoryContextDelete(in->context);
}
