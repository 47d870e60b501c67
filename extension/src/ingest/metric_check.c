/*
 * metric_check.c
 *		A row against the definition of its metric.  See metric_check.h.
 *
 * In this order, which users see in the reasons: the value is made one of the metric's kind if it can be
 * and the definition says so; its kind; its bounds; what is allowed.  Nothing here raises.
 */
#include "ingest/metric_check.h"

#include <math.h>

#include "base/slice_text.h"
#include "utils/float.h"
#include "value/json_value.h"
#include "value/text_value.h"
#include "value/value_text.h"

static bool
is_word(TlSlice s, const char *word)
{
	return s.len == strlen(word) && pg_strncasecmp(s.data, word, s.len) == 0;
}

/* Coercion: NULL if the value cannot be made one of the kind. -------------------------------- */

static const struct varlena *
to_numeric(const TlValue *v)
{
	TlSlice text = tl_text_trim((TlSlice){v->payload, (uint32) v->len});
	double number;

	if (v->kind != TL_KIND_TEXT ||
		(!tl_text_number(text, false, &number) && !tl_text_number(text, true, &number)))
		return NULL;
	return tl_value_make(TL_KIND_NUMERIC, &number, sizeof(number));
}

static const struct varlena *
to_boolean(const TlValue *v)
{
	static const char *const yes[] = {"true", "on", "yes", "1"};
	static const char *const no[] = {"false", "off", "no", "0"};
	TlSlice text = tl_text_trim((TlSlice){v->payload, (uint32) v->len});
	double number;
	bool flag;

	if (v->kind == TL_KIND_NUMERIC)
	{
		number = tl_payload_double(v->payload);
		flag = number == 1;
		return number == 0 || number == 1 ? tl_value_make(TL_KIND_BOOLEAN, &flag, 1) : NULL;
	}
	for (size_t i = 0; v->kind == TL_KIND_TEXT && i < lengthof(yes); i++)
	{
		flag = is_word(text, yes[i]);
		if (flag || is_word(text, no[i]))
			return tl_value_make(TL_KIND_BOOLEAN, &flag, 1);
	}
	return NULL;
}

static const struct varlena *
to_text(const TlValue *v)
{
	char *text;

	if (v->kind != TL_KIND_NUMERIC && v->kind != TL_KIND_BOOLEAN)
		return NULL;
	text = tl_value_to_text(v);
	return tl_value_make(TL_KIND_TEXT, text, strlen(text));
}

static const struct varlena *
coerce(const TlValue *v, TlKind kind)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return to_numeric(v);
		case TL_KIND_BOOLEAN:
			return to_boolean(v);
		case TL_KIND_TEXT:
			return to_text(v);
		default:
			return NULL;
	}
}

/* Checks ------------------------------------------------------------------------------------ */

static bool
reject(TlRejection *why, const char *code, const char *message)
{
	why->code = code;
	why->message = message;
	return false;
}

/* "value 120 of metric "battery_level"", the value in its text form. */
static const char *
describe(const TlIngestRow *row, const TlValue *v)
{
	char *text = tl_value_to_text(v);

	return psprintf("value %s of metric \"%s\"",
					tl_json_quote((TlSlice){text, (uint32) strlen(text)}),
					pnstrdup(row->metric.data, row->metric.len));
}

static bool
reject_kind(const TlMetricDefinition *d, const TlIngestRow *row, const TlValue *v, TlRejection *why)
{
	const char *metric = pnstrdup(row->metric.data, row->metric.len);

	if (d->coerces && v->kind == TL_KIND_TEXT)
		return reject(why, TL_REJECT_TYPE,
					  psprintf("value of metric \"%s\" must be %s, not text \"%s\"", metric,
							   d->data_type,
							   tl_json_quote((TlSlice){v->payload, (uint32) v->len})));
	return reject(why, TL_REJECT_TYPE,
				  psprintf("value of metric \"%s\" must be %s, not %s", metric, d->data_type,
						   tl_kind_name(v->kind)));
}

static bool
check_bounds(const TlMetricDefinition *d, const TlIngestRow *row, const TlValue *v,
			 TlRejection *why)
{
	double number = tl_payload_double(v->payload);
	double bound = number > d->max ? d->max : d->min;

	if (number >= d->min && number <= d->max)
		return true;
	if (isnan(number))
		return reject(why, TL_REJECT_RANGE,
					  psprintf("%s is not within the metric's bounds", describe(row, v)));
	return reject(why, TL_REJECT_RANGE,
				  psprintf("%s is %s of %s", describe(row, v),
						   number > d->max ? "above the maximum" : "below the minimum",
						   tl_kind_numeric.to_json((const char *) &bound, sizeof(bound))));
}

static int
compare_numbers(const void *a, const void *b)
{
	return float8_cmp_internal(*(const double *) a, *(const double *) b);
}

static bool
is_allowed(const TlMetricDefinition *d, const TlValue *v)
{
	TlSlice text = {v->payload, (uint32) v->len};
	double number;

	switch (v->kind)
	{
		case TL_KIND_NUMERIC:
			number = tl_payload_double(v->payload);
			return bsearch(&number, d->numbers, (size_t) d->n_allowed, sizeof(double),
						   compare_numbers) != NULL;
		case TL_KIND_TEXT:
			return bsearch(&text, d->texts, (size_t) d->n_allowed, sizeof(TlSlice),
						   tl_slice_order) != NULL;
		case TL_KIND_BOOLEAN:
			return d->booleans[v->payload[0] != 0];
		default:
			return false;
	}
}

bool
tl_metric_check(const TlMetricDefinition *d, TlIngestRow *row, TlRejection *why)
{
	TlValue v = tl_value_view(row->value);

	if (unlikely(v.kind != d->kind))
	{
		const struct varlena *made = d->coerces ? coerce(&v, d->kind) : NULL;

		if (made == NULL)
			return reject_kind(d, row, &v, why);
		row->value = made;
		v = tl_value_view(made);
	}
	if (d->has_bounds && d->kind == TL_KIND_NUMERIC && !check_bounds(d, row, &v, why))
		return false;
	if (d->has_allowed && !is_allowed(d, &v))
		return reject(why, TL_REJECT_NOT_ALLOWED,
					  psprintf("%s is not one of its allowed values", describe(row, &v)));
	if (row->unit.data == NULL)
		row->unit = d->unit;
	return true;
}
