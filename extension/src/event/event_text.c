/*
 * event_text.c
 *		An event as a JSON text.  See event_text.h.
 */
#include "event/event_text.h"

#include <math.h>

#include "base/guc.h"
#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "value/value_size.h"

/* Longer texts, which no valid event has, are cut. */
#define TEXT_LIMIT 4096

static void
put_name(StringInfo out, const char *name)
{
	appendStringInfo(out, "%s\"%s\": ", out->len > 1 ? ", " : "", name);
}

static void
put_time(StringInfo out, const char *name, int64 ts)
{
	static const int utc = 0;
	char text[MAXDATELEN + 1];

	put_name(out, name);
	appendStringInfo(out, "\"%s\"",
					 JsonEncodeDateTime(text, TimestampTzGetDatum(ts), TIMESTAMPTZOID, &utc));
}

/* With all digits, whatever extra_float_digits says; what JSON has no number for as a string. */
static void
put_number(StringInfo out, const char *name, double number)
{
	const char *quote = isfinite(number) ? "" : "\"";
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(number, text);
	put_name(out, name);
	appendStringInfo(out, "%s%s%s", quote, text, quote);
}

char *
tl_event_to_json(const TlEvent *e, bool *whole)
{
	JsonbContainer *data = e->data == NULL ? NULL : unconstify(JsonbContainer *, &e->data->root);
	StringInfoData out;

	*whole = true;
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	for (int i = 0; i < TL_EVENT_TEXTS; i++)
	{
		int len;

		if (e->text[i].data == NULL)
			continue;
		len = pg_mbcliplen(e->text[i].data, (int) e->text[i].len, TEXT_LIMIT);
		*whole &= len == (int) e->text[i].len;
		put_name(&out, tl_event_text_name[i]);
		escape_json(&out, pnstrdup(e->text[i].data, len));
	}
	if (e->has_occurred_at)
		put_time(&out, TL_EVENT_OCCURRED_AT, e->occurred_at);
	if (e->has_received_at)
		put_time(&out, TL_EVENT_RECEIVED_AT, e->received_at);
	if (e->has_duration)
		put_number(&out, TL_EVENT_DURATION, e->duration_seconds);
	if (data != NULL && (VARSIZE(e->data) > (Size) tl_guc_max_value_size ||
						 tl_value_size_exceeds(data, (Size) tl_guc_max_value_size)))
		*whole = false;
	else if (data != NULL)
	{
		put_name(&out, TL_EVENT_DATA);
		JsonbToCString(&out, data, (int) VARSIZE(e->data));
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}
