/*
 * export_line.c
 *		Points as lines of text.  See export_line.h.
 *
 *	csv		2025-12-18T10:00:00Z,kitchen,temperature,21.5,C,"{""room"": ""a""}"
 *	ndjson	{"timestamp":"2025-12-18T10:00:00Z","device_id":"kitchen","metric_name":"temperature","value":21.5,…}
 *
 * What most lines have in common with the one before is kept as text: the day, the series, and unit, tags
 * and metadata.  Line ends of CSV are those of RFC 4180.
 *
 * telemetry.csv_field() says what a spreadsheet might take for a formula.  It is asked only of texts that
 * do not begin with a plain character.
 */
#include "export/export_line.h"

#include <math.h>

#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "value/value_text.h"

#define SECONDS_PER_DAY 86400

struct TlExportLines
{
	TlExportFormat format;
	MemoryContext context;
	MemoryContext line; /* what a line needs */
	int64 day;			/* of the text in date, since 2000-01-01 */
	bool has_day;		/* and whether it is one that has four digits of a year */
	char date[16];
	StringInfoData key;	 /* between the time and the value */
	StringInfoData tail; /* after the value, with the line's end */
	bool has_tail;
	TlAttrs attrs; /* that tail is of; copies */
};

TlExportLines *
tl_export_lines_create(TlExportFormat format)
{
	TlExportLines *lines = palloc0(sizeof(TlExportLines));

	lines->format = format;
	lines->context = CurrentMemoryContext;
	lines->line =
		AllocSetContextCreate(CurrentMemoryContext, "line of an export", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&lines->key);
	initStringInfo(&lines->tail);
	return lines;
}

const char *
tl_export_head(TlExportFormat format)
{
	return format == TL_EXPORT_NDJSON ? "" : "timestamp,device_id,metric_name,value,unit,tags\r\n";
}

/* Fields ----------------------------------------------------------------------------------- */

static void
add_quoted(StringInfo out, TlSlice s)
{
	appendStringInfoChar(out, '"');
	for (uint32 i = 0; i < s.len; i++)
	{
		if (s.data[i] == '"')
			appendStringInfoChar(out, '"');
		appendStringInfoChar(out, s.data[i]);
	}
	appendStringInfoChar(out, '"');
}

/* By telemetry.csv_field(). */
static void
add_safe(StringInfo out, TlSlice s)
{
	static TlStatement statement = {"SELECT telemetry.csv_field($1)", 1, {TEXTOID}, NULL};
	TlStatementScope scope;
	Datum arg = tl_slice_to_text(s);
	TlSlice field;
	bool is_null;

	tl_statement_begin(&scope);
	tl_statement_execute(&statement, &arg, NULL, true, 1);
	field =
		tl_slice_of_text(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	appendBinaryStringInfo(out, field.data, (int) field.len);
	tl_statement_end(&scope);
}

/* No formula begins with one of these, and no blank is one. */
static bool
begins_plainly(TlSlice s)
{
	char c = s.len == 0 ? '_' : s.data[0];

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		   c == '{' || c == '"' || c == '%';
}

static void
add_exact(StringInfo out, TlSlice s)
{
	if (memchr(s.data, '"', s.len) != NULL || memchr(s.data, ',', s.len) != NULL ||
		memchr(s.data, '\n', s.len) != NULL || memchr(s.data, '\r', s.len) != NULL)
		add_quoted(out, s);
	else
		appendBinaryStringInfo(out, s.data, (int) s.len);
}

static void
add_field(const TlExportLines *lines, StringInfo out, TlSlice s)
{
	if (s.data == NULL)
		return;
	if (lines->format == TL_EXPORT_CSV && !begins_plainly(s))
		add_safe(out, s);
	else
		add_exact(out, s);
}

static void
add_json_string(StringInfo out, TlSlice s)
{
	if (s.data == NULL)
		appendStringInfoString(out, "null");
	else
		escape_json(out, pnstrdup(s.data, s.len));
}

/* What is JSON already. */
static void
add_json(StringInfo out, TlSlice s)
{
	if (s.data == NULL)
		appendStringInfoString(out, "null");
	else
		appendBinaryStringInfo(out, s.data, (int) s.len);
}

/* Times ------------------------------------------------------------------------------------ */

/* Keeps the day's text, unless its year has not four digits. */
static void
use_day(TlExportLines *lines, int64 day)
{
	int year;
	int month;
	int date;

	lines->day = day;
	j2date((int) (day + POSTGRES_EPOCH_JDATE), &year, &month, &date);
	lines->has_day = year >= 1 && year <= 9999;
	if (lines->has_day)
		snprintf(lines->date, sizeof(lines->date), "%04d-%02d-%02dT", year, month, date);
}

static char *
put_two(char *to, int number)
{
	to[0] = (char) ('0' + number / 10);
	to[1] = (char) ('0' + number % 10);
	return to + 2;
}

/* In UTC; microseconds only if there are any. */
static void
add_time(TlExportLines *lines, StringInfo out, int64 ts)
{
	static const int utc = 0;
	int64 day = ts / USECS_PER_DAY - (ts % USECS_PER_DAY < 0);
	int64 rest = ts - day * USECS_PER_DAY;
	int seconds = (int) (rest / USECS_PER_SEC);
	int micros = (int) (rest % USECS_PER_SEC);
	char text[MAXDATELEN + 1];
	char *p = text;

	if (day != lines->day || lines->date[0] == '\0')
		use_day(lines, day);
	if (!lines->has_day)
	{
		appendStringInfoString(
			out, JsonEncodeDateTime(text, TimestampTzGetDatum(ts), TIMESTAMPTZOID, &utc));
		return;
	}
	appendStringInfoString(out, lines->date);
	p = put_two(p, seconds / 3600);
	*p++ = ':';
	p = put_two(p, seconds / 60 % 60);
	*p++ = ':';
	p = put_two(p, seconds % 60);
	if (micros != 0)
	{
		*p++ = '.';
		p = put_two(p, micros / 10000);
		p = put_two(p, micros / 100 % 100);
		p = put_two(p, micros % 100);
	}
	*p++ = 'Z';
	appendBinaryStringInfo(out, text, (int) (p - text));
}

/* Lines ------------------------------------------------------------------------------------ */

void
tl_export_lines_key(TlExportLines *lines, const TlKey *key)
{
	MemoryContext old = MemoryContextSwitchTo(lines->line);

	resetStringInfo(&lines->key);
	if (lines->format == TL_EXPORT_NDJSON)
	{
		appendStringInfoString(&lines->key, "\",\"device_id\":");
		add_json_string(&lines->key, key->device);
		appendStringInfoString(&lines->key, ",\"metric_name\":");
		add_json_string(&lines->key, key->metric);
		appendStringInfoString(&lines->key, ",\"value\":");
	}
	else
	{
		appendStringInfoChar(&lines->key, ',');
		add_field(lines, &lines->key, key->device);
		appendStringInfoChar(&lines->key, ',');
		add_field(lines, &lines->key, key->metric);
		appendStringInfoChar(&lines->key, ',');
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(lines->line);
}

static void
keep(TlExportLines *lines, TlSlice *kept, TlSlice s)
{
	if (kept->data != NULL)
		pfree(unconstify(char *, kept->data));
	*kept = s.data == NULL ? (TlSlice){NULL, 0} : tl_slice_copy(lines->context, s);
}

static void
use_attrs(TlExportLines *lines, const TlAttrs *attrs)
{
	static const TlAttrs none;
	const TlAttrs *a = attrs == NULL ? &none : attrs;

	if (lines->has_tail && tl_slice_equal(lines->attrs.unit, a->unit) &&
		tl_slice_equal(lines->attrs.tags, a->tags) &&
		tl_slice_equal(lines->attrs.metadata, a->metadata))
		return;
	lines->has_tail = false;
	resetStringInfo(&lines->tail);
	if (lines->format == TL_EXPORT_NDJSON)
	{
		appendStringInfoString(&lines->tail, ",\"unit\":");
		add_json_string(&lines->tail, a->unit);
		appendStringInfoString(&lines->tail, ",\"tags\":");
		add_json(&lines->tail, a->tags);
		appendStringInfoString(&lines->tail, ",\"metadata\":");
		add_json(&lines->tail, a->metadata);
		appendStringInfoString(&lines->tail, "}\n");
	}
	else
	{
		appendStringInfoChar(&lines->tail, ',');
		add_field(lines, &lines->tail, a->unit);
		appendStringInfoChar(&lines->tail, ',');
		add_field(lines, &lines->tail, a->tags);
		appendStringInfoString(&lines->tail, "\r\n");
	}
	keep(lines, &lines->attrs.unit, a->unit);
	keep(lines, &lines->attrs.tags, a->tags);
	keep(lines, &lines->attrs.metadata, a->metadata);
	lines->has_tail = true;
}

/* The JSON text form, which no spreadsheet takes for a formula; in JSON, numbers that it lacks are strings. */
static void
add_value(const TlExportLines *lines, StringInfo out, uint8 kind, TlCell cell)
{
	TlSlice payload = tl_cell_payload(kind, &cell);
	TlValue value = {kind, payload.data, payload.len};
	char *text = tl_value_to_text(&value);

	if (lines->format != TL_EXPORT_NDJSON)
		add_exact(out, (TlSlice){text, (uint32) strlen(text)});
	else if (kind == TL_KIND_NUMERIC && !isfinite(cell.number))
		appendStringInfo(out, "\"%s\"", text);
	else
		appendStringInfoString(out, text);
}

void
tl_export_lines_add(TlExportLines *lines, const TlRun *run, uint32 i, StringInfo out)
{
	MemoryContext old = MemoryContextSwitchTo(lines->line);

	use_attrs(lines, run->attrs == NULL ? NULL : run->attrs[i]);
	if (lines->format == TL_EXPORT_NDJSON)
		appendStringInfoString(out, "{\"timestamp\":\"");
	add_time(lines, out, run->ts[i]);
	appendBinaryStringInfo(out, lines->key.data, lines->key.len);
	add_value(lines, out, tl_run_kind(run, i), run->cell[i]);
	appendBinaryStringInfo(out, lines->tail.data, lines->tail.len);
	MemoryContextSwitchTo(old);
	MemoryContextReset(lines->line);
}
