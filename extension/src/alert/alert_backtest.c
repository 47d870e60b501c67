/*
 * alert_backtest.c
 *		telemetry.test_alert_rule: the alerts that a rule would have had.
 *
 * The points of all series are folded day by day, as job alerts would.  Where a rule compares numbers
 * themselves, an hour's extremes tell that none of its points violates, and that each of them clears.
 * Then only the other hours are read, series by series, each stretch of them with the first point after
 * it, which ends what is open.  What is not rolled up yet is read in any case.
 */
#include "alert/alert_history.h"
#include "alert/key_table.h"

#include "base/rows.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "base/statement_row.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "read/scan.h"
#include "utils/float.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "value/value.h"

/* Stretches with less than a day between them are read as one: a day's block is read as a whole. */
#define GAP USECS_PER_DAY

/* A series under test, and its open alert. */
typedef struct Tested
{
	TlKey key; /* first, for the hash table */
	TlAlertState state;
	int64 triggered_at;
	Datum value;
} Tested;

typedef struct Backtest
{
	const TlAlertRule *rule;
	int64 from;
	int64 to; /* inclusive */
	MemoryContext context;
	HTAB *tested;
	ReturnSetInfo *out;
	Tested *at;
	bool by_list; /* the rule is about these devices, and no others */
	TlSlice *devices;
	uint32 n_devices;
} Backtest;

enum
{
	OUT_DEVICE,
	OUT_METRIC,
	OUT_TRIGGERED_AT,
	OUT_RESOLVED_AT,
	OUT_RESOLUTION,
	OUT_VALUE,
	OUT_COLUMNS
};

static void
put_alert(const Backtest *b, const Tested *tested, int64 resolved_at, const char *resolution)
{
	bool open = resolution == NULL;
	bool nulls[OUT_COLUMNS] = {false, false, false, open, open, false};
	Datum values[OUT_COLUMNS];

	values[OUT_DEVICE] = tl_slice_to_text(tested->key.device);
	values[OUT_METRIC] = tl_slice_to_text(tested->key.metric);
	values[OUT_TRIGGERED_AT] = TimestampTzGetDatum(tested->triggered_at);
	values[OUT_RESOLVED_AT] = TimestampTzGetDatum(resolved_at);
	values[OUT_RESOLUTION] = open ? (Datum) 0 : CStringGetTextDatum(resolution);
	values[OUT_VALUE] = tested->value;
	tuplestore_putvalues(b->out->setResult, b->out->setDesc, values, nulls);
}

static void
on_transition(void *arg, TlTransition transition, int64 ts, const TlMeasured *measured)
{
	Backtest *b = arg;

	switch (transition)
	{
		case TL_ALERT_TRIGGERED:
			{
				MemoryContext old = MemoryContextSwitchTo(b->context);
				TlSlice payload = tl_cell_payload(measured->kind, &measured->cell);

				if (b->at->value != (Datum) 0)
					pfree(DatumGetPointer(b->at->value));
				b->at->triggered_at = ts;
				b->at->value = PointerGetDatum(
					tl_value_make((TlKind) measured->kind, payload.data, payload.len));
				MemoryContextSwitchTo(old);
				break;
			}
		case TL_ALERT_CLEARED:
			put_alert(b, b->at, ts, "clear");
			break;
		case TL_ALERT_TIMED_OUT:
			put_alert(b, b->at, ts, "timeout");
			break;
	}
}

/* A state that begins with nothing decided but what lies before the time tested. */
static void
begin_tested(const Backtest *b, Tested *tested)
{
	tl_alert_state_init(&tested->state, b->rule);
	tested->state.decided_to = b->from - 1;
	tested->value = (Datum) 0;
	tl_alert_remember_before(b->rule, &tested->state, &tested->key,
							 b->from - tl_alert_lookback(b->rule));
}

static void
end_tested(Backtest *b, Tested *tested)
{
	b->at = tested;
	tl_alert_fold_clock(b->rule, &tested->state, b->to, on_transition, b);
	if (tested->state.is_open)
		put_alert(b, tested, 0, NULL);
}

/* Folds the points of a run, up to so many; how many were the rule's. */
static uint32
fold_run(Backtest *b, Tested *tested, const TlRun *run, uint32 most)
{
	const TlAlertRule *rule = b->rule;
	TlMembership member = tl_device_set_has(&rule->devices, run->key.device);
	uint32 n = 0;

	b->at = tested;
	for (uint32 i = 0; i < run->n && n < most; i++)
	{
		TlFoldPoint point = {run->key.device, run->ts[i], tl_run_kind(run, i), run->cell[i],
							 run->attrs == NULL ? NULL : run->attrs[i]};

		if (member == TL_MEMBER_NEVER ||
			(member == TL_MEMBER_BY_TAGS && !tl_device_set_has_tags(&rule->devices, point.attrs)))
			continue;
		n++;
		if (point.ts < b->from)
			tl_alert_fold_remember(rule, &tested->state, &point);
		else
			tl_alert_fold_point(rule, &tested->state, &point, on_transition, b);
	}
	return n;
}

/* The devices of a rule that names all of its own. */
static void
list_devices(Backtest *b)
{
	const TlDeviceSet *set = &b->rule->devices;
	Size n = 0;

	b->by_list = !set->all && set->n_patterns == 0 && set->n_tags == 0;
	if (!b->by_list)
		return;
	for (int i = 0; i < set->n_lists; i++)
		n += (Size) set->lists[i].n;
	b->devices = MemoryContextAllocHuge(b->context, sizeof(TlSlice) * Max(n, 1));
	for (int i = 0; i < set->n_lists; i++)
		for (int k = 0; k < set->lists[i].n; k++)
			b->devices[b->n_devices++] = set->lists[i].ids[k];
	b->n_devices = tl_slices_make_unique(b->devices, b->n_devices);
}

static TlFilter
filter_of_rule(const Backtest *b)
{
	const TlAlertRule *rule = b->rule;
	TlFilter filter = {.from = b->from - tl_alert_lookback(rule),
					   .to = b->to,
					   .columns = TL_COLUMN_VALUE,
					   .levels = TL_LEVELS_ALL};

	if (rule->devices.n_tags > 0 || rule->n_maintenance > 0)
		filter.columns |= TL_COLUMN_ATTRS;
	if (rule->metric.data != NULL)
	{
		filter.metrics = unconstify(TlSlice *, &rule->metric);
		filter.n_metrics = 1;
	}
	filter.devices = b->devices;
	filter.n_devices = b->n_devices;
	return filter;
}

/* All points --------------------------------------------------------------------------------- */

static Tested *
find_tested(Backtest *b, const TlKey *key)
{
	MemoryContext old = MemoryContextSwitchTo(b->context);
	Tested *tested = hash_search(b->tested, key, HASH_FIND, NULL);

	if (tested == NULL)
	{
		TlKey copy = {tl_slice_copy(b->context, key->device),
					  tl_slice_copy(b->context, key->metric)};

		tested = hash_search(b->tested, &copy, HASH_ENTER, NULL);
		begin_tested(b, tested);
	}
	MemoryContextSwitchTo(old);
	return tested;
}

static void
test_all_points(Backtest *b)
{
	TlFilter filter = filter_of_rule(b);
	HASH_SEQ_STATUS all;
	Tested *tested;
	TlScan *scan;
	TlRun run;

	/* A list that names nobody is not a list of all. */
	if (b->by_list && b->n_devices == 0)
		return;
	b->tested = tl_key_table_create("telemetry backtest", sizeof(Tested), b->context);
	scan = tl_scan_begin(&filter, TL_SCAN_ANY);
	while (tl_scan_next(scan, &run))
	{
		CHECK_FOR_INTERRUPTS();
		if (tl_alert_rule_has_metric(b->rule, run.key.metric))
			(void) fold_run(b, find_tested(b, &run.key), &run, run.n);
	}
	tl_scan_end(scan);
	hash_seq_init(&all, b->tested);
	while ((tested = hash_seq_search(&all)) != NULL)
		end_tested(b, tested);
}

/* Hours whose extremes matter ------------------------------------------------------------------ */

/*
 * Hours of which a point may violate or not clear, and those of which not all is known yet, by series:
 * $4 is the condition and $5 the threshold that clears.
 */
#define HOUR_IS_HOT                                                                                \
	"CASE $4 WHEN 0 THEN r.max > $5 WHEN 1 THEN r.min < $5 WHEN 2 THEN r.max >= $5"                \
	" WHEN 3 THEN r.min <= $5 WHEN 4 THEN r.min <= $5 AND r.max >= $5"                             \
	" ELSE r.min <> $5 OR r.max <> $5 END"

/* How many hours matter, and how many points there are in all. */
static TlStatement count_hours = {
	"SELECT count(*) FILTER (WHERE " HOUR_IS_HOT "), coalesce(sum(r.n + r.others), 0)::int8"
	" FROM telemetry.rollup_hour AS r"
	" WHERE r.metric = $1 AND r.hour > $2 - interval '1 hour' AND r.hour <= $3",
	5,
	{TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, FLOAT8OID},
	NULL};

static TlStatement find_hours = {
	"SELECT h.device_id, h.metric, h.hour FROM ("
	" SELECT r.device_id, r.metric, r.hour FROM telemetry.rollup_hour AS r"
	" WHERE r.metric = $1 AND r.hour > $2 - interval '1 hour' AND r.hour <= $3"
	" AND " HOUR_IS_HOT " UNION"
	" SELECT p.device_id, p.metric, telemetry.hour_of(p.ts) FROM telemetry.pending_point AS p"
	" WHERE p.metric = $1 AND p.ts >= $2 AND p.ts <= $3) AS h"
	" ORDER BY h.device_id, h.metric, h.hour",
	5,
	{TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, FLOAT8OID},
	NULL};

/* A stretch of hours costs as much to read as some thousand points one after the other; few cost little in any case. */
#define POINTS_PER_HOUR 4000
#define HOURS_FEW 1000

static bool
has_extremes(const TlAlertRule *rule)
{
	return rule->measure == TL_MEASURE_VALUE && rule->kind == TL_KIND_NUMERIC &&
		   rule->metric.data != NULL;
}

/* Hours in the order of their series. */
typedef struct Hour
{
	TlKey key;
	int64 start;
} Hour;

static void
set_arguments(const Backtest *b, Datum *values)
{
	const TlAlertRule *rule = b->rule;

	values[0] = tl_slice_to_text(rule->metric);
	values[1] = TimestampTzGetDatum(b->from - tl_alert_lookback(rule));
	values[2] = TimestampTzGetDatum(b->to);
	values[3] = Int32GetDatum((int) rule->comparison);
	values[4] = Float8GetDatum(rule->has_resolve ? rule->resolve_number : rule->number);
}

static bool
few_hours_matter(const Backtest *b)
{
	TlStatementScope scope;
	Datum values[5];
	TlStatementRow row;
	Datum hours = 0;
	Datum points = 0;

	tl_statement_begin(&scope);
	set_arguments(b, values);
	tl_statement_execute_planned(&count_hours, values, NULL, true, 0);
	row = tl_statement_row(0, CurrentMemoryContext);
	(void) tl_row_column(&row, 1, &hours);
	(void) tl_row_column(&row, 2, &points);
	tl_statement_end(&scope);
	return DatumGetInt64(hours) <= Max(DatumGetInt64(points) / POINTS_PER_HOUR, HOURS_FEW);
}

static Hour *
read_hours(const Backtest *b, uint64 *n)
{
	TlStatementScope scope;
	Datum values[5];
	Hour *hours;

	tl_statement_begin(&scope);
	set_arguments(b, values);
	tl_statement_execute_planned(&find_hours, values, NULL, true, 0);
	*n = SPI_processed;
	hours = MemoryContextAllocHuge(b->context, sizeof(Hour) * Max(*n, 1));
	for (uint64 i = 0; i < *n; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		TlKey key = {tl_slice_of_text(SPI_getbinval(row, desc, 1, &isnull)),
					 tl_slice_of_text(SPI_getbinval(row, desc, 2, &isnull))};

		hours[i].start = DatumGetTimestampTz(SPI_getbinval(row, desc, 3, &isnull));
		/* Those of a series share its key. */
		if (i > 0 && tl_key_equal(&hours[i - 1].key, &key))
			hours[i].key = hours[i - 1].key;
		else
			hours[i].key = (TlKey){tl_slice_copy(b->context, key.device),
								   tl_slice_copy(b->context, key.metric)};
	}
	tl_statement_end(&scope);
	return hours;
}

/* The points of a series from one time to another, up to so many. */
static void
test_stretch(Backtest *b, Tested *tested, int64 from, int64 to, uint32 most)
{
	TlFilter filter = filter_of_rule(b);
	TlScan *scan;
	TlRun run;
	uint32 left = most;

	filter.devices = &tested->key.device;
	filter.n_devices = 1;
	filter.from = Max(filter.from, from);
	filter.to = Min(filter.to, to);
	if (filter.from > filter.to)
		return;
	scan = tl_scan_begin(&filter, TL_SCAN_TIME);
	while (left > 0 && tl_scan_next(scan, &run))
	{
		CHECK_FOR_INTERRUPTS();
		left -= fold_run(b, tested, &run, left);
	}
	tl_scan_end(scan);
}

/* One series with its hours. */
static void
test_series(Backtest *b, const Hour *hours, uint64 n)
{
	Tested tested = {.key = hours[0].key};
	MemoryContext scans =
		AllocSetContextCreate(b->context, "telemetry backtest series", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scans);

	if (tl_device_set_has(&b->rule->devices, tested.key.device) == TL_MEMBER_NEVER)
		n = 0;
	begin_tested(b, &tested);
	for (uint64 i = 0; i < n;)
	{
		int64 from = hours[i].start;
		int64 to = from;

		for (; i < n && hours[i].start <= to + GAP; i++)
			to = hours[i].start + USECS_PER_HOUR;
		test_stretch(b, &tested, from, to - 1, PG_UINT32_MAX);
		/* What follows clears, and is cold until the next stretch. */
		test_stretch(b, &tested, to, i < n ? hours[i].start - 1 : b->to, 1);
	}
	end_tested(b, &tested);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scans);
}

static void
test_hours(Backtest *b)
{
	uint64 n;
	Hour *hours = read_hours(b, &n);

	for (uint64 first = 0; first < n;)
	{
		uint64 next = first + 1;

		while (next < n && hours[next].key.device.data == hours[first].key.device.data)
			next++;
		test_series(b, hours + first, next - first);
		first = next;
	}
}

PG_FUNCTION_INFO_V1(telemetry_test_alert_rule);

Datum
telemetry_test_alert_rule(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *out = tl_rows_begin(fcinfo, work_mem);
	Backtest b = {.from = PG_GETARG_TIMESTAMPTZ(1),
				  .to = PG_GETARG_TIMESTAMPTZ(2),
				  .context = CurrentMemoryContext,
				  .out = out};

	if (TIMESTAMP_NOT_FINITE(b.from) || TIMESTAMP_NOT_FINITE(b.to))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("from_ts and to_ts must be finite")));
	b.rule = tl_alert_rule_of_row(get_fn_expr_argtype(fcinfo->flinfo, 0), PG_GETARG_DATUM(0));
	b.to--;
	list_devices(&b);
	if (b.from <= b.to && has_extremes(b.rule) && few_hours_matter(&b))
		test_hours(&b);
	else if (b.from <= b.to)
		test_all_points(&b);
	return (Datum) 0;
}
