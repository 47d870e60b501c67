/*
 * metric_definition.c
 *		Definitions of metrics as they are kept in memory.  See metric_definition.h.
 *
 * When they are read again, the old ones stay as long as a batch under way holds them.
 */
#include "ingest/metric_definition.h"

#include "base/like.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "base/statement_row.h"
#include "base/table_copy.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/float.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "value/value_text.h"

PG_FUNCTION_INFO_V1(telemetry_metric_definitions_changed);

/* Those of one metric first, by its name; of patterns the longest first. */
static TlStatement read_definitions = {
	"SELECT m.name, m.name_pattern, m.data_type, m.coerce, m.unit, m.min_value, m.max_value,"
	" m.allowed_values FROM telemetry.metric AS m"
	" ORDER BY m.name_pattern IS NOT NULL, octet_length(m.name_pattern) DESC, m.name",
	0,
	{0},
	NULL};

static const struct
{
	const char *name;
	TlKind kind;
} data_types[] = {
	{"numeric", TL_KIND_NUMERIC}, {"string", TL_KIND_TEXT},		{"boolean", TL_KIND_BOOLEAN},
	{"json", TL_KIND_JSON},		  {"geolocation", TL_KIND_GEO}, {"binary", TL_KIND_BINARY},
};

/* A metric seen lately, and its definition. */
typedef struct Slot
{
	TlSlice metric;
	uint32 number;
} Slot;

#define SLOTS 4096

struct TlMetricDefinitions
{
	TlTableCopy copy;
	TlMetricDefinition *list;
	uint32 n;
	uint32 n_exact; /* of one metric */
	Slot *slots;	/* by the metric's hash */
};

typedef TlMetricDefinitions Definitions;

/* Reading --------------------------------------------------------------------------------- */

static bool
read_type(const TlStatementRow *row, TlMetricDefinition *d)
{
	TlSlice name = tl_row_text(row, 3);

	for (size_t i = 0; i < lengthof(data_types); i++)
		if (name.len == strlen(data_types[i].name) &&
			memcmp(name.data, data_types[i].name, name.len) == 0)
		{
			d->data_type = data_types[i].name;
			d->kind = data_types[i].kind;
			return true;
		}
	return false;
}

static void
read_bounds(const TlStatementRow *row, TlMetricDefinition *d)
{
	Datum value;

	d->min = -get_float8_infinity();
	d->max = get_float8_infinity();
	if (tl_row_column(row, 6, &value))
	{
		d->has_bounds = true;
		d->min = DatumGetFloat8(value);
	}
	if (tl_row_column(row, 7, &value))
	{
		d->has_bounds = true;
		d->max = DatumGetFloat8(value);
	}
}

static int
compare_numbers(const void *a, const void *b)
{
	return float8_cmp_internal(*(const double *) a, *(const double *) b);
}

/* False if it is of another kind than the metric. */
static bool
read_allowed_value(MemoryContext context, const JsonbValue *value, TlMetricDefinition *d)
{
	switch (value->type)
	{
		case jbvNumeric:
			return d->kind == TL_KIND_NUMERIC &&
				   tl_value_convert_number(value->val.numeric, &d->numbers[d->n_allowed++]);
		case jbvString:
			if (d->kind != TL_KIND_TEXT)
				return false;
			d->texts[d->n_allowed++] = tl_slice_copy(
				context, (TlSlice){value->val.string.val, (uint32) value->val.string.len});
			return true;
		case jbvBool:
			if (d->kind != TL_KIND_BOOLEAN)
				return false;
			d->booleans[value->val.boolean] = true;
			d->n_allowed++;
			return true;
		default:
			return false;
	}
}

static bool
read_allowed(const TlStatementRow *row, TlMetricDefinition *d)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue value;
	Jsonb *json;
	Size n;
	Datum datum;

	if (!tl_row_column(row, 8, &datum))
		return true;
	json = DatumGetJsonbP(datum);
	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		return false;
	n = Max(JB_ROOT_COUNT(json), 1);
	d->has_allowed = true;
	if (d->kind == TL_KIND_NUMERIC)
		d->numbers = MemoryContextAlloc(row->context, n * sizeof(double));
	else if (d->kind == TL_KIND_TEXT)
		d->texts = MemoryContextAlloc(row->context, n * sizeof(TlSlice));
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM && !read_allowed_value(row->context, &value, d))
			return false;
	if (d->numbers != NULL)
		qsort(d->numbers, (size_t) d->n_allowed, sizeof(double), compare_numbers);
	if (d->texts != NULL)
		qsort(d->texts, (size_t) d->n_allowed, sizeof(TlSlice), tl_slice_order);
	return true;
}

/* False if it makes none. */
static bool
read_one(const TlStatementRow *row, TlMetricDefinition *d)
{
	TlSlice pattern = tl_row_text(row, 2);

	memset(d, 0, sizeof(TlMetricDefinition));
	if (pattern.data == NULL)
		d->metric = tl_row_text(row, 1);
	else if (tl_is_pattern(pattern))
		d->pattern = tl_pattern_make(row->context, pattern);
	else
		return false;
	d->coerces = tl_row_boolean(row, 4);
	d->unit = tl_row_text(row, 5);
	read_bounds(row, d);
	return read_type(row, d) && read_allowed(row, d);
}

static void
read_all(void *copy)
{
	Definitions *definitions = copy;

	tl_statement_execute(&read_definitions, NULL, NULL, false, 0);
	definitions->list = MemoryContextAllocExtended(
		definitions->copy.context, sizeof(TlMetricDefinition) * (Size) Max(SPI_processed, 1),
		MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		TlStatementRow row = tl_statement_row(i, definitions->copy.context);
		TlMetricDefinition *d = &definitions->list[definitions->n];

		if (!read_one(&row, d))
			continue;
		definitions->n++;
		if (d->pattern == NULL)
			definitions->n_exact = definitions->n;
	}
	if (definitions->n > 0)
		definitions->slots =
			MemoryContextAllocZero(definitions->copy.context, sizeof(Slot) * (Size) SLOTS);
}

static TlKeptTable kept = {.table = "metric",
						   .size = sizeof(Definitions),
						   .context_name = "telemetry metric definitions",
						   .read = read_all};

TlMetricDefinitions *
tl_metric_definitions_at_hand(MemoryContext holder)
{
	/* The lock is kept to the end of the transaction, so that reading does not wait. */
	if (tl_kept_table_is_old(&kept) &&
		!ConditionalLockRelationOid(tl_relation("metric"), AccessShareLock))
		return tl_kept_table_as_known(&kept, holder);
	return tl_kept_table_now(&kept, holder);
}

/* Finding --------------------------------------------------------------------------------- */

static uint32
find_exact(const Definitions *definitions, TlSlice metric)
{
	uint32 low = 0;
	uint32 high = definitions->n_exact;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		int c = tl_slice_compare(definitions->list[middle].metric, metric);

		if (c == 0)
			return middle + 1;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static uint32
find(const Definitions *definitions, TlSlice metric)
{
	uint32 number = find_exact(definitions, metric);

	for (uint32 i = definitions->n_exact; number == 0 && i < definitions->n; i++)
		if (tl_is_like(metric, definitions->list[i].pattern))
			number = i + 1;
	return number;
}

uint32
tl_metric_definition_find(TlMetricDefinitions *definitions, TlSlice metric)
{
	Slot *slot;

	if (definitions->n == 0)
		return 0;
	slot = &definitions->slots[tl_hash_bytes(metric.data, metric.len, 0) % SLOTS];
	if (slot->metric.data == NULL || !tl_slice_equal(slot->metric, metric))
	{
		if (slot->metric.data != NULL)
			pfree(unconstify(char *, slot->metric.data));
		slot->metric = tl_slice_copy(definitions->copy.context, metric);
		slot->number = find(definitions, metric);
	}
	return slot->number;
}

const TlMetricDefinition *
tl_metric_definition(const TlMetricDefinitions *definitions, uint32 number)
{
	Assert(number > 0 && number <= definitions->n);
	return &definitions->list[number - 1];
}

/* Tells all sessions, when this transaction commits, that what they know is old. */
Datum
telemetry_metric_definitions_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry.metric_definitions_changed() is a trigger function")));
	CacheInvalidateRelcacheByRelid(tl_relation("metric"));
	return PointerGetDatum(NULL);
}
