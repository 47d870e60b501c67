/*
 * http_template.c
 *		JSON texts with blanks to be filled in.  See http_template.h.
 */
#include "http/http_template.h"

#include "utils/json.h"

static const char *const names[TL_HTTP_NAMES] = {[TL_HTTP_CORRELATION_ID] = "correlation_id",
												 [TL_HTTP_BATCH_ID] = "batch_id",
												 [TL_HTTP_RECEIVED] = "received",
												 [TL_HTTP_ACCEPTED] = "accepted",
												 [TL_HTTP_DUPLICATES] = "duplicates",
												 [TL_HTTP_CONFLICTS] = "conflicts",
												 [TL_HTTP_REPEATED] = "repeated",
												 [TL_HTTP_SETTLED] = "settled",
												 [TL_HTTP_REJECTED] = "rejected",
												 [TL_HTTP_RESULTS] = "results",
												 [TL_HTTP_INDEX] = "index",
												 [TL_HTTP_EVENT_ID] = "event_id",
												 [TL_HTTP_KIND] = "kind",
												 [TL_HTTP_OUTCOME] = "outcome",
												 [TL_HTTP_RESOLUTION] = "resolution",
												 [TL_HTTP_IS_REPEATED] = "is_repeated",
												 [TL_HTTP_RECEIVED_AT] = "received_at",
												 [TL_HTTP_STATUS] = "status",
												 [TL_HTTP_CODE] = "code",
												 [TL_HTTP_TYPE] = "type",
												 [TL_HTTP_TITLE] = "title",
												 [TL_HTTP_DETAIL] = "detail"};

static bool
is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

static int
find_name(TlSlice word, const char *what)
{
	StringInfoData hint;

	for (int i = 0; i < TL_HTTP_NAMES; i++)
		if (strlen(names[i]) == word.len && memcmp(names[i], word.data, word.len) == 0)
			return i;
	initStringInfo(&hint);
	for (int i = 0; i < TL_HTTP_NAMES; i++)
		appendStringInfo(&hint, "%s$%s", i > 0 ? ", " : "", names[i]);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s: there is no value \"$%.*s\"", what, (int) word.len, word.data),
					errhint("Values are %s.", hint.data)));
}

static void
add_part(TlTemplate *t, TlTemplatePart part)
{
	t->parts = t->parts == NULL ? palloc(sizeof(part))
								: repalloc(t->parts, sizeof(part) * (Size) (t->n_parts + 1));
	t->parts[t->n_parts++] = part;
	if (part.name >= 0)
		t->uses |= (uint32) 1 << part.name;
}

/* Whether a colon follows a string: then it is the name of a member, which stays a string. */
static bool
is_key(const char *p, const char *end)
{
	while (p < end && isspace((unsigned char) *p))
		p++;
	return p < end && *p == ':';
}

void
tl_template_read(TlTemplate *t, TlSlice text, const char *what)
{
	const char *end = text.data + text.len;
	const char *literal = text.data;
	const char *string = NULL; /* the quote that it began with */

	StaticAssertStmt(TL_HTTP_NAMES <= 32, "a bit for each name");
	memset(t, 0, sizeof(*t));
	for (const char *p = text.data; p < end; p++)
	{
		const char *word = p + 1;
		bool whole;

		if (string != NULL && *p == '\\')
			p++;
		else if (*p == '"')
			string = string == NULL ? p : NULL;
		if (string == NULL || *p != '$' || word == end || !is_name_character(*word))
			continue;
		for (p = word; p < end && is_name_character(*p); p++)
			;
		whole = word - 2 == string && p < end && *p == '"' && !is_key(p + 1, end);
		add_part(t, (TlTemplatePart){.literal = {literal, (uint32) (word - 1 - whole - literal)},
									 .name = find_name((TlSlice){word, (uint32) (p - word)}, what),
									 .whole = whole});
		literal = p + whole;
		if (whole)
			string = NULL;
		else
			p--;
	}
	add_part(t, (TlTemplatePart){.literal = {literal, (uint32) (end - literal)}, .name = -1});
}

bool
tl_template_uses(const TlTemplate *t, TlHttpName name)
{
	return (t->uses >> name & 1) != 0;
}

static void
put_value(StringInfo out, const TlHttpValue *v)
{
	switch (v->kind)
	{
		case TL_HTTP_NULL:
			appendStringInfoString(out, "null");
			break;
		case TL_HTTP_NUMBER:
			appendStringInfo(out, INT64_FORMAT, v->number);
			break;
		case TL_HTTP_BOOLEAN:
			appendStringInfoString(out, v->number != 0 ? "true" : "false");
			break;
		case TL_HTTP_TEXT:
			escape_json(out, pnstrdup(v->text.data, v->text.len));
			break;
		case TL_HTTP_JSON:
			appendBinaryStringInfo(out, v->text.data, (int) v->text.len);
			break;
	}
}

/* Within a string: a null is nothing. */
static void
put_text_of_value(StringInfo out, const TlHttpValue *v)
{
	StringInfoData text;
	StringInfoData json;

	if (v->kind == TL_HTTP_NULL)
		return;
	initStringInfo(&text);
	initStringInfo(&json);
	if (v->kind == TL_HTTP_TEXT)
		appendBinaryStringInfo(&text, v->text.data, (int) v->text.len);
	else
		put_value(&text, v);
	escape_json(&json, text.data);
	appendBinaryStringInfo(out, json.data + 1, json.len - 2);
	pfree(text.data);
	pfree(json.data);
}

void
tl_template_fill(StringInfo out, const TlTemplate *t, const TlHttpValues *values)
{
	for (int i = 0; i < t->n_parts; i++)
	{
		const TlTemplatePart *part = &t->parts[i];

		appendBinaryStringInfo(out, part->literal.data, (int) part->literal.len);
		if (part->name < 0)
			continue;
		if (part->whole)
			put_value(out, &values->of[part->name]);
		else
			put_text_of_value(out, &values->of[part->name]);
	}
}
