/*
 * alert_rule.c
 *		Rules as they are kept in memory.  See alert_rule.h.
 *
 * When they are read again, the old ones stay as long as a batch under way holds them.
 */
#include "alert/alert_rule.h"

#include <math.h>

#include "base/like.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "base/statement_row.h"
#include "base/table_copy.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_alert_rules_changed);

#define RULE_COLUMNS_OF                                                                            \
	"SELECT r.rule_id, r.revision, r.metric_name, r.metric_pattern, r.measure, r.condition,"       \
	" r.threshold_value, r.resolve_threshold, r.trigger_count, r.evaluation_window,"               \
	" r.for_seconds, r.cooldown_minutes, r.auto_resolve_timeout, r.auto_resolve,"                  \
	" r.late = 'record', r.active_timezone, r.active_hours, r.device_ids, r.device_patterns,"      \
	" r.device_groups, r.level::text FROM "

static TlStatement read_rules = {
	RULE_COLUMNS_OF "telemetry.alert_rule AS r WHERE r.enabled AND r.condition <> 'absent'"
					" ORDER BY r.metric_name NULLS LAST, r.rule_id",
	0,
	{0},
	NULL};

static TlStatement read_row = {
	RULE_COLUMNS_OF "(SELECT ($1).*) AS r", 1, {InvalidOid /* the row type */}, NULL};

/* Groups that are named somewhere: name, devices, tags. */
static TlStatement read_groups = {
	"SELECT name, device_ids, tags FROM telemetry.device_group ORDER BY name", 0, {0}, NULL};

static TlStatement read_maintenance = {
	"SELECT starts_at, ends_at, rule_ids, levels::text[], device_ids, device_groups"
	" FROM telemetry.maintenance ORDER BY starts_at, id",
	0,
	{0},
	NULL};

typedef struct DeviceGroup
{
	TlSlice name;
	TlDeviceList list;
	Jsonb *tags;
} DeviceGroup;

/* A maintenance before it is given to the rules that it is about. */
typedef struct Window
{
	TlMaintenance maintenance;
	TlSlice *rules;
	int n_rules;
	TlSlice *levels;
	int n_levels;
} Window;

/* Whatever was read together. */
struct TlAlertRules
{
	TlTableCopy copy;
	DeviceGroup *groups;
	int n_groups;
	Window *windows;
	int n_windows;
	TlAlertRule *rules; /* by metric; those with patterns last */
	int n_rules;
	int n_exact;
	TlMetricRules *slots; /* of metrics seen lately, by their hash */
};

typedef TlAlertRules Rules;

/* Metrics seen lately, by their hash. */
#define METRIC_SLOTS 4096

/* Rows ------------------------------------------------------------------------------------ */

static int64
integer_column(const TlStatementRow *row, int number)
{
	Datum value;

	return tl_row_column(row, number, &value) ? DatumGetInt32(value) : 0;
}

/* The texts of an array that has no nulls, sorted. */
static TlSlice *
sorted_texts(const TlStatementRow *row, int number, int *n)
{
	TlSlice *texts = tl_row_texts(row, number, n);

	if (*n > 1)
		qsort(texts, (size_t) *n, sizeof(TlSlice), tl_slice_order);
	return texts;
}

static bool
list_has(const TlSlice *sorted, int n, TlSlice wanted)
{
	return n > 0 && bsearch(&wanted, sorted, (size_t) n, sizeof(TlSlice), tl_slice_order) != NULL;
}

/* Sets of devices ------------------------------------------------------------------------- */

static const DeviceGroup *
find_group(const Rules *rules, TlSlice name)
{
	for (int i = 0; i < rules->n_groups; i++)
		if (tl_slice_equal(rules->groups[i].name, name))
			return &rules->groups[i];
	return NULL;
}

/*
 * Of a list, of patterns if there is such a column, and of groups by their names.  False if a pattern
 * cannot be one, which is checked when a rule is written.
 */
static bool
read_devices(const Rules *rules, const TlStatementRow *row, int ids, int patterns, int groups,
			 TlDeviceSet *set)
{
	MemoryContext context = rules->copy.context;
	TlDeviceList own;
	int n_names;
	TlSlice *names = sorted_texts(row, groups, &n_names);
	int n_patterns = 0;
	TlSlice *given = patterns > 0 ? sorted_texts(row, patterns, &n_patterns) : NULL;
	bool good = true;

	own.ids = sorted_texts(row, ids, &own.n);
	memset(set, 0, sizeof(TlDeviceSet));
	set->all = own.n == 0 && n_patterns == 0 && n_names == 0;
	set->lists = MemoryContextAlloc(context, sizeof(TlDeviceList) * (Size) (n_names + 1));
	set->tags = MemoryContextAlloc(context, sizeof(Jsonb *) * (Size) Max(n_names, 1));
	set->lists[set->n_lists++] = own;
	for (int i = 0; i < n_names; i++)
	{
		const DeviceGroup *group = find_group(rules, names[i]);

		if (group == NULL)
			continue;
		set->lists[set->n_lists++] = group->list;
		if (group->tags != NULL)
			set->tags[set->n_tags++] = group->tags;
	}
	set->patterns = MemoryContextAlloc(context, sizeof(text *) * (Size) Max(n_patterns, 1));
	for (int i = 0; i < n_patterns; i++)
	{
		good = good && tl_is_pattern(given[i]);
		set->patterns[set->n_patterns++] = tl_pattern_make(context, given[i]);
	}
	return good;
}

/* Reading --------------------------------------------------------------------------------- */

static int
word_number(const char *const *words, TlSlice word)
{
	for (int i = 0; word.data != NULL && words[i] != NULL; i++)
		if (strlen(words[i]) == word.len && memcmp(words[i], word.data, word.len) == 0)
			return i;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("a rule cannot have \"%.*s\" as its condition or measure",
						   (int) word.len, word.data == NULL ? "" : word.data)));
}

/* A value in the rules' context. */
static uint8
value_column(const TlStatementRow *row, int number, TlSlice *payload)
{
	Datum datum;
	TlValue value;

	if (!tl_row_column(row, number, &datum))
		return 0;
	value = tl_value_view((struct varlena *) PG_DETOAST_DATUM_PACKED(datum));
	*payload = tl_slice_copy(row->context, (TlSlice){value.payload, (uint32) value.len});
	return (uint8) value.kind;
}

static void
read_hours(const TlStatementRow *row, TlAlertRule *rule)
{
	int n;
	TlSlice *texts = sorted_texts(row, 17, &n);
	TlSlice zone = tl_row_text(row, 16);

	if (n == 0)
		return;
	rule->hours = MemoryContextAlloc(row->context, sizeof(TlAlertHours));
	/* They were read when the rule was written; a zone may have gone with an update since. */
	rule->is_broken =
		zone.data == NULL || !tl_alert_hours_begin(rule->hours, pnstrdup(zone.data, zone.len));
	for (int i = 0; i < n; i++)
		if (tl_alert_hours_add(rule->hours, pnstrdup(texts[i].data, texts[i].len)) != NULL)
			rule->is_broken = true;
}

static void
find_maintenance(const Rules *rules, TlAlertRule *rule, TlSlice level)
{
	rule->maintenance = MemoryContextAlloc(
		rules->copy.context, sizeof(TlMaintenance *) * (Size) Max(rules->n_windows, 1));
	for (int i = 0; i < rules->n_windows; i++)
	{
		const Window *window = &rules->windows[i];

		if ((window->n_rules == 0 || list_has(window->rules, window->n_rules, rule->id)) &&
			(window->n_levels == 0 || list_has(window->levels, window->n_levels, level)))
			rule->maintenance[rule->n_maintenance++] = &window->maintenance;
	}
}

static void
read_one(const Rules *rules, const TlStatementRow *row, TlAlertRule *rule)
{
	static const char *const measures[] = {"value", "delta", "rate", NULL};
	static const char *const comparisons[] = {">", "<", ">=", "<=", "==", "!=", NULL};
	TlSlice resolve;
	TlSlice pattern;
	Datum value;

	memset(rule, 0, sizeof(TlAlertRule));
	rule->id = tl_row_text(row, 1);
	rule->revision = tl_row_column(row, 2, &value) ? DatumGetInt64(value) : 0;
	rule->metric = tl_row_text(row, 3);
	pattern = tl_row_text(row, 4);
	if (rule->metric.data == NULL && pattern.data != NULL && !tl_is_pattern(pattern))
		rule->is_broken = true;
	else if (rule->metric.data == NULL && pattern.data != NULL)
		rule->metric_pattern = tl_pattern_make(row->context, pattern);
	rule->measure = (TlMeasure) word_number(measures, tl_row_text(row, 5));
	rule->comparison = (TlComparison) word_number(comparisons, tl_row_text(row, 6));
	rule->kind = value_column(row, 7, &rule->payload);
	if (rule->kind == TL_KIND_NUMERIC)
		rule->number = tl_payload_double(rule->payload.data);
	rule->has_resolve = value_column(row, 8, &resolve) == TL_KIND_NUMERIC;
	rule->resolve_number = rule->has_resolve ? tl_payload_double(resolve.data) : 0;
	rule->trigger_count = (int) integer_column(row, 9);
	rule->window = integer_column(row, 10) * USECS_PER_SEC;
	rule->hold = integer_column(row, 11) * USECS_PER_SEC;
	rule->cooldown = integer_column(row, 12) * USECS_PER_MINUTE;
	rule->timeout = integer_column(row, 13) * USECS_PER_SEC;
	rule->auto_resolve = tl_row_boolean(row, 14);
	rule->records_late = tl_row_boolean(row, 15);
	read_hours(row, rule);
	if (!read_devices(rules, row, 18, 19, 20, &rule->devices))
		rule->is_broken = true;
	find_maintenance(rules, rule, tl_row_text(row, 21));
}

static void
read_group(const TlStatementRow *row, DeviceGroup *group)
{
	Datum value;

	group->name = tl_row_text(row, 1);
	group->list.ids = sorted_texts(row, 2, &group->list.n);
	if (tl_row_column(row, 3, &value))
	{
		MemoryContext old = MemoryContextSwitchTo(row->context);

		group->tags = DatumGetJsonbPCopy(value);
		MemoryContextSwitchTo(old);
	}
}

static void
read_window(const Rules *rules, const TlStatementRow *row, Window *window)
{
	Datum value;

	(void) tl_row_column(row, 1, &value);
	window->maintenance.from = DatumGetTimestampTz(value);
	(void) tl_row_column(row, 2, &value);
	window->maintenance.to = DatumGetTimestampTz(value);
	window->rules = sorted_texts(row, 3, &window->n_rules);
	window->levels = sorted_texts(row, 4, &window->n_levels);
	(void) read_devices(rules, row, 5, 0, 6, &window->maintenance.devices);
}

/* Runs a statement and makes room for what each of its rows becomes. */
static void *
read_rows(Rules *rules, TlStatement *statement, Datum *values, Size size, int *n)
{
	tl_statement_execute(statement, values, NULL, false, 0);
	*n = (int) SPI_processed;
	return MemoryContextAllocExtended(rules->copy.context, size * (Size) Max(*n, 1),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* The rules of a statement, with the groups and the maintenance that there are. */
static void
read_all(Rules *rules, TlStatement *statement, Datum *values)
{
	rules->groups = read_rows(rules, &read_groups, NULL, sizeof(DeviceGroup), &rules->n_groups);
	for (int i = 0; i < rules->n_groups; i++)
	{
		TlStatementRow row = tl_statement_row((uint64) i, rules->copy.context);

		read_group(&row, &rules->groups[i]);
	}
	rules->windows = read_rows(rules, &read_maintenance, NULL, sizeof(Window), &rules->n_windows);
	for (int i = 0; i < rules->n_windows; i++)
	{
		TlStatementRow row = tl_statement_row((uint64) i, rules->copy.context);

		read_window(rules, &row, &rules->windows[i]);
	}
	rules->rules = read_rows(rules, statement, values, sizeof(TlAlertRule), &rules->n_rules);
	for (int i = 0; i < rules->n_rules; i++)
	{
		TlStatementRow row = tl_statement_row((uint64) i, rules->copy.context);

		read_one(rules, &row, &rules->rules[i]);
		rules->rules[i].index = i;
		if (rules->rules[i].metric.data != NULL)
			rules->n_exact = i + 1;
	}
}

static void
read_known(void *copy)
{
	Rules *rules = copy;

	read_all(rules, &read_rules, NULL);
	rules->slots =
		MemoryContextAllocZero(rules->copy.context, sizeof(TlMetricRules) * METRIC_SLOTS);
}

static TlKeptTable kept = {.table = "alert_rule",
						   .size = sizeof(Rules),
						   .context_name = "telemetry alert rules",
						   .read = read_known};

TlAlertRules *
tl_alert_rules_now(MemoryContext holder)
{
	return tl_kept_table_now(&kept, holder);
}

/* Locks are kept to the end of the transaction, so that what reads a table afterwards does not wait. */
static bool
lock_without_waiting(const char *table)
{
	return ConditionalLockRelationOid(tl_relation(table), AccessShareLock);
}

TlAlertRules *
tl_alert_rules_at_hand(MemoryContext holder)
{
	if (tl_kept_table_is_old(&kept) &&
		!(lock_without_waiting("alert_rule") && lock_without_waiting("device_group") &&
		  lock_without_waiting("maintenance")))
		return tl_kept_table_as_known(&kept, holder);
	return tl_kept_table_now(&kept, holder);
}

bool
tl_alert_rules_can_be_read(void)
{
	return lock_without_waiting("alert_rule");
}

bool
tl_alert_rule_has_metric(const TlAlertRule *rule, TlSlice metric)
{
	if (rule->metric_pattern != NULL)
		return tl_is_like(metric, rule->metric_pattern);
	return rule->metric.data != NULL && tl_slice_equal(rule->metric, metric);
}

int
tl_alert_rules_count(const TlAlertRules *rules)
{
	return rules->n_rules;
}

/* The first rule of a metric or of a later one. */
static int
first_of_metric(const Rules *rules, TlSlice metric)
{
	int low = 0;
	int high = rules->n_exact;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (tl_slice_compare(rules->rules[middle].metric, metric) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Texts and booleans are violated by no number. */
static void
find_bounds(TlMetricRules *slot)
{
	slot->has_bounds = true;
	slot->lowest = -get_float8_infinity();
	slot->highest = get_float8_infinity();
	for (int i = 0; i < slot->n; i++)
	{
		const TlAlertRule *rule = slot->rules[i];

		if (rule->measure != TL_MEASURE_VALUE || rule->is_broken)
			slot->has_bounds = false;
		if (rule->kind != TL_KIND_NUMERIC)
			continue;
		switch (rule->comparison)
		{
			case TL_GREATER:
				slot->highest = Min(slot->highest, rule->number);
				break;
			case TL_GREATER_EQUAL:
				slot->highest = Min(slot->highest, nextafter(rule->number, -INFINITY));
				break;
			case TL_LESS:
				slot->lowest = Max(slot->lowest, rule->number);
				break;
			case TL_LESS_EQUAL:
				slot->lowest = Max(slot->lowest, nextafter(rule->number, INFINITY));
				break;
			case TL_EQUAL:
			case TL_NOT_EQUAL:
				slot->has_bounds = false;
				break;
		}
		/* What is compared with NaN, which is above all numbers, is left to the comparison. */
		if (isnan(rule->number))
			slot->has_bounds = false;
	}
}

static void
fill_slot(Rules *rules, TlMetricRules *slot, TlSlice metric)
{
	TlAlertRule **about = MemoryContextAlloc(rules->copy.context,
											 sizeof(TlAlertRule *) * (Size) Max(rules->n_rules, 1));
	int n = 0;

	if (slot->rules != NULL)
	{
		pfree(slot->rules);
		pfree(unconstify(char *, slot->metric.data));
		slot->rules = NULL;
	}
	for (int i = first_of_metric(rules, metric);
		 i < rules->n_exact && tl_slice_equal(rules->rules[i].metric, metric); i++)
		about[n++] = &rules->rules[i];
	for (int i = rules->n_exact; i < rules->n_rules; i++)
		if (tl_alert_rule_has_metric(&rules->rules[i], metric))
			about[n++] = &rules->rules[i];
	slot->metric = tl_slice_copy(rules->copy.context, metric);
	slot->rules = about;
	slot->n = n;
	find_bounds(slot);
}

const TlMetricRules *
tl_alert_rules_of_metric(TlAlertRules *rules, TlSlice metric)
{
	TlMetricRules *slot = &rules->slots[tl_hash_bytes(metric.data, metric.len, 0) % METRIC_SLOTS];

	if (slot->rules == NULL || !tl_slice_equal(slot->metric, metric))
		fill_slot(rules, slot, metric);
	return slot;
}

const TlAlertRule *
tl_alert_rule_find(const TlAlertRules *rules, TlSlice id)
{
	for (int i = 0; i < rules->n_rules; i++)
		if (tl_slice_equal(rules->rules[i].id, id))
			return &rules->rules[i];
	return NULL;
}

/* What the table's constraints would refuse, and nobody could judge by. */
static void
check_row(const TlAlertRule *rule)
{
	const char *wrong = NULL;

	if (rule->metric.data == NULL && rule->metric_pattern == NULL && !rule->is_broken)
		wrong = "metric_name or metric_pattern is needed";
	else if (rule->trigger_count < 1 || rule->trigger_count > 1000)
		wrong = "trigger_count must be from 1 to 1000";
	else if (rule->window < USECS_PER_SEC || rule->window > 7 * USECS_PER_DAY)
		wrong = "evaluation_window must be from 1 to 604800";
	else if (rule->hold < 0 || rule->hold > 7 * USECS_PER_DAY)
		wrong = "for_seconds must be from 0 to 604800";
	else if (rule->cooldown < 0 || rule->timeout < 0)
		wrong = "cooldown_minutes and auto_resolve_timeout must not be negative";
	else if (rule->kind != TL_KIND_NUMERIC && rule->kind != TL_KIND_TEXT &&
			 rule->kind != TL_KIND_BOOLEAN)
		wrong = "threshold_value must be a number, a text or a boolean";
	else if (rule->kind != TL_KIND_NUMERIC && rule->comparison != TL_EQUAL &&
			 rule->comparison != TL_NOT_EQUAL)
		wrong = "texts and booleans are compared with == and != only";
	else if (rule->is_broken)
		wrong = "active_hours, active_timezone or a pattern cannot be read";
	if (wrong != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", wrong)));
}

TlAlertRule *
tl_alert_rule_of_row(Oid type, Datum row)
{
	Rules *rules =
		tl_table_copy_create(CurrentMemoryContext, sizeof(Rules), "telemetry alert rules");
	TlStatementScope scope;

	if (read_row.args[0] != type)
	{
		/* The extension has been created anew since. */
		read_row.args[0] = type;
		read_row.plan = NULL;
	}
	tl_statement_begin(&scope);
	read_all(rules, &read_row, &row);
	tl_statement_end(&scope);
	check_row(&rules->rules[0]);
	return &rules->rules[0];
}

/* Tells all sessions, when this transaction commits, that what they know is old. */
Datum
telemetry_alert_rules_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry.alert_rules_changed() is a trigger function")));
	CacheInvalidateRelcacheByRelid(tl_relation("alert_rule"));
	return PointerGetDatum(NULL);
}
