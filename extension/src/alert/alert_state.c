/*
 * alert_state.c
 *		States of series and alerts, as rows.  See alert_state.h.
 */
#include "alert/alert_state.h"

#include "access/xact.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "base/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "value/value.h"

/* Types that have no name in pg_type.h. */
#define BOOLARRAY 1000
#define TIMESTAMPTZARRAY 1185

/* The class of our advisory locks (pg_locks.objsubid); SQL can only take those of 1 and 2. */
#define LOCK_CLASS_NUMBER 21581

/* So many series may become known in one transaction: each takes a place in the server's lock table. */
#define NEW_MAX 256

static int new_in_transaction = 0;

static TlStatement lock_states = {
	"SELECT a.n::integer, s.revision, s.live, s.recount, s.decided_to, s.open_alert,"
	" s.last_triggered, s.last_resolved, s.last_violation, s.violating_since, s.violations,"
	" s.late_points, s.due_at"
	" FROM unnest($2, $3) WITH ORDINALITY AS a (device_id, metric_name, n)"
	" JOIN telemetry.alert_state AS s ON s.rule_id = $1"
	" AND s.device_id = a.device_id COLLATE \"C\" AND s.metric_name = a.metric_name COLLATE \"C\""
	" FOR UPDATE OF s SKIP LOCKED",
	3,
	{TEXTOID, TEXTARRAYOID, TEXTARRAYOID},
	NULL};

static TlStatement find_states = {
	"SELECT a.n::integer"
	" FROM unnest($2, $3) WITH ORDINALITY AS a (device_id, metric_name, n)"
	" JOIN telemetry.alert_state AS s ON s.rule_id = $1"
	" AND s.device_id = a.device_id COLLATE \"C\" AND s.metric_name = a.metric_name COLLATE \"C\"",
	3,
	{TEXTOID, TEXTARRAYOID, TEXTARRAYOID},
	NULL};

/* Rows without a time are of series that became live, and were judged. */
static TlStatement find_pending = {
	"SELECT DISTINCT a.n::integer"
	" FROM unnest($2, $3) WITH ORDINALITY AS a (device_id, metric_name, n)"
	" JOIN telemetry.alert_pending AS p ON p.rule_id = $1"
	" AND p.device_id = a.device_id COLLATE \"C\" AND p.metric_name = a.metric_name COLLATE \"C\""
	" WHERE p.decided_to IS NOT NULL",
	3,
	{TEXTOID, TEXTARRAYOID, TEXTARRAYOID},
	NULL};

static TlStatement leave_series = {
	"INSERT INTO telemetry.alert_pending (rule_id, device_id, metric_name, decided_to, late_points)"
	" SELECT $1, a.device_id, a.metric_name, a.decided_to, a.late_points::bigint[]"
	" FROM unnest($2, $3, $4, $5) AS a (device_id, metric_name, decided_to, late_points)",
	5,
	{TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAY, TEXTARRAYOID},
	NULL};

#define VALUES_ARRAY_ARGUMENT 6

static TlStatement insert_alerts = {
	"INSERT INTO telemetry.alert (alert_id, rule_id, rule_name, device_id, metric_name, level, "
	"status,"
	" condition, threshold_value, value, message, triggered_at, resolved_at, resolution,"
	" resolution_known_at, late)"
	" SELECT a.alert_id, r.rule_id, r.name, a.device_id, a.metric_name, r.level,"
	" (CASE WHEN a.resolution IS NULL THEN 'active' ELSE 'resolved' END)::telemetry.alert_status,"
	" r.condition, r.threshold_value, a.value,"
	" left(format('%s: %s of %s is %s (%s%s %s)', r.name, a.metric_name, a.device_id, a.value,"
	"  CASE r.measure WHEN 'value' THEN '' ELSE r.measure || ' ' END, r.condition,"
	"  r.threshold_value), 2000),"
	" a.triggered_at, CASE WHEN a.resolution IS NOT NULL THEN a.resolved_at END, a.resolution,"
	" CASE WHEN a.resolution IS NOT NULL THEN clock_timestamp() END, a.late"
	" FROM unnest($2, $3, $4, $5, $6, $7, $8, $9) AS a (alert_id, device_id, metric_name,"
	" triggered_at, resolved_at, value, resolution, late)"
	" JOIN telemetry.alert_rule AS r ON r.rule_id = $1 AND r.revision = $10",
	10,
	{TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAY, TIMESTAMPTZARRAY,
	 InvalidOid, TEXTARRAYOID, BOOLARRAY, INT8OID},
	NULL};

static TlStatement resolve_alerts = {
	"UPDATE telemetry.alert AS t SET status = 'resolved', resolved_at = a.resolved_at,"
	" resolution = a.resolution, resolution_known_at = clock_timestamp()"
	" FROM unnest($1, $2, $3) AS a (alert_id, resolved_at, resolution)"
	" WHERE t.alert_id = a.alert_id COLLATE \"C\" AND t.status <> 'resolved'",
	3,
	{TEXTARRAYOID, TIMESTAMPTZARRAY, TEXTARRAYOID},
	NULL};

static TlStatement note_error = {
	"INSERT INTO telemetry.alert_rule_error (rule_id, error_code, error) SELECT $1, $2, $3"
	" WHERE NOT EXISTS (SELECT FROM telemetry.alert_rule_error AS e WHERE e.rule_id = $1"
	"  AND e.error_code = $2 AND e.occurred_at > clock_timestamp() - interval '1 min')",
	3,
	{TEXTOID, TEXTOID, TEXTOID},
	NULL};

enum
{
	STATE_RULE,
	STATE_DEVICE,
	STATE_METRIC,
	STATE_REVISION,
	STATE_LIVE,
	STATE_RECOUNT,
	STATE_DECIDED_TO,
	STATE_OPEN_ALERT,
	STATE_LAST_TRIGGERED,
	STATE_LAST_RESOLVED,
	STATE_LAST_VIOLATION,
	STATE_SINCE,
	STATE_VIOLATIONS,
	STATE_DUE_AT,
	STATE_LATE_POINTS,
	STATE_CHANGED_AT,
	STATE_COLUMNS
};

static const TlTableShape state_shape = {"alert_state",
										 3,
										 STATE_COLUMNS,
										 {"rule_id", "device_id", "metric_name", "revision", "live",
										  "recount", "decided_to", "open_alert", "last_triggered",
										  "last_resolved", "last_violation", "violating_since",
										  "violations", "due_at", "late_points", "changed_at"}};

StaticAssertDecl(STATE_COLUMNS <= TL_TABLE_COLUMNS_MAX, "too many columns of alert_state");

/* The words of telemetry.alert.resolution. */
static const char *const resolutions[] = {
	[TL_ALERT_TRIGGERED] = NULL, [TL_ALERT_CLEARED] = "clear", [TL_ALERT_TIMED_OUT] = "timeout"};

static int
compare_times(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

void
tl_times_sort(int64 *times, int n)
{
	if (n > 1)
		qsort(times, (size_t) n, sizeof(int64), compare_times);
}

/* Arrays as parameters --------------------------------------------------------------------- */

typedef struct Column
{
	Datum *values;
	bool *nulls;
	int n;
} Column;

static Column
column_make(int n)
{
	return (Column){palloc(sizeof(Datum) * (Size) Max(n, 1)),
					palloc0(sizeof(bool) * (Size) Max(n, 1)), 0};
}

static void
column_add(Column *column, Datum value, bool isnull)
{
	column->values[column->n] = value;
	column->nulls[column->n++] = isnull;
}

static void
column_add_time(Column *column, int64 time)
{
	column_add(column, TimestampTzGetDatum(time), time == TL_NEVER);
}

static void
column_add_string(Column *column, const char *string)
{
	column_add(column, string == NULL ? (Datum) 0 : CStringGetTextDatum(string), string == NULL);
}

static Datum
column_array(const Column *column, Oid type)
{
	int lower = 1;
	int n = column->n;
	int16 len;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &len, &by_value, &align);
	return PointerGetDatum(construct_md_array(column->values, column->nulls, 1, &n, &lower, type,
											  len, by_value, align));
}

static void
set_key_arguments(Datum *values, TlSlice rule_id, const TlAlertSeries *series, int n)
{
	Column devices = column_make(n);
	Column metrics = column_make(n);

	for (int i = 0; i < n; i++)
	{
		column_add(&devices, tl_slice_to_text(series[i].key.device), false);
		column_add(&metrics, tl_slice_to_text(series[i].key.metric), false);
	}
	values[0] = tl_slice_to_text(rule_id);
	values[1] = column_array(&devices, TEXTOID);
	values[2] = column_array(&metrics, TEXTOID);
}

/* Locking --------------------------------------------------------------------------------- */

static int64
time_at(int row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? TL_NEVER : DatumGetTimestampTz(value);
}

static Datum
value_at(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static void
read_violations(TlAlertState *state, int trigger_count, Datum array)
{
	Datum *times;
	int n;
	int skip;

	deconstruct_array(DatumGetArrayTypeP(array), TIMESTAMPTZOID, sizeof(TimestampTz), true,
					  TYPALIGN_DOUBLE, &times, NULL, &n);
	/* Of another revision there may be more, but then they are computed anew. */
	skip = Max(0, n - trigger_count);
	state->n_violations = n - skip;
	for (int i = skip; i < n; i++)
		state->violations[i - skip] = DatumGetTimestampTz(times[i]);
}

static void
read_state(const TlAlertRule *rule, TlAlertSeries *series, int row)
{
	TlAlertState *state = &series->state;
	bool isnull;
	Datum value;

	series->locked = true;
	series->exists = true;
	series->revision = DatumGetInt64(value_at(row, 2, &isnull));
	series->was_live = DatumGetBool(value_at(row, 3, &isnull));
	series->recount = DatumGetBool(value_at(row, 4, &isnull));
	state->decided_to = time_at(row, 5);
	value = value_at(row, 6, &isnull);
	state->is_open = !isnull;
	if (!isnull)
		strlcpy(series->open_alert, TextDatumGetCString(value), sizeof(series->open_alert));
	state->last_triggered = time_at(row, 7);
	state->last_resolved = time_at(row, 8);
	state->last_violation = time_at(row, 9);
	state->since = time_at(row, 10);
	read_violations(state, rule->trigger_count, value_at(row, 11, &isnull));
	series->late_points = DatumGetInt64(value_at(row, 12, &isnull));
	series->due_at = time_at(row, 13);
	series->due_after = state->last_violation;
}

static uint64
series_hash(const TlAlertRule *rule, const TlKey *key)
{
	uint64 hash = tl_hash_bytes(rule->id.data, rule->id.len, 0);

	hash = tl_hash_bytes(key->device.data, key->device.len, hash);
	return tl_hash_bytes(key->metric.data, key->metric.len, hash);
}

static void
forget_new(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		new_in_transaction = 0;
}

bool
tl_alert_states_at_limit(void)
{
	return new_in_transaction >= NEW_MAX;
}

/* Whoever wants to make the same row has the same lock. */
static bool
lock_new(const TlAlertRule *rule, const TlKey *key)
{
	static bool registered = false;
	uint64 hash = series_hash(rule, key);
	LOCKTAG tag;

	if (!registered)
	{
		RegisterXactCallback(forget_new, NULL);
		registered = true;
	}
	if (new_in_transaction >= NEW_MAX)
		return false;
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash,
						 LOCK_CLASS_NUMBER);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	new_in_transaction++;
	return true;
}

/* Which series have a row, locked or not. */
static void
find_rows(Datum *values, TlAlertSeries *series)
{
	bool isnull;

	tl_statement_execute(&find_states, values, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
		series[DatumGetInt32(value_at((int) i, 1, &isnull)) - 1].exists = true;
}

void
tl_alert_states_lock(const TlAlertRule *rule, TlAlertSeries *series, int n)
{
	Datum values[3];
	bool isnull;
	bool some_are_new = false;

	set_key_arguments(values, rule->id, series, n);
	for (int i = 0; i < n; i++)
	{
		tl_alert_state_init(&series[i].state, rule);
		series[i].locked = false;
		series[i].exists = false;
		series[i].was_live = false;
		series[i].recount = false;
		series[i].revision = 0;
		series[i].late_points = 0;
		series[i].due_at = TL_NEVER;
		series[i].open_alert[0] = '\0';
	}
	tl_statement_execute(&lock_states, values, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
		read_state(rule, &series[DatumGetInt32(value_at((int) i, 1, &isnull)) - 1], (int) i);
	if ((int) SPI_processed == n)
		return;
	find_rows(values, series);
	for (int i = 0; i < n; i++)
		if (!series[i].exists && !series[i].is_unknown && lock_new(rule, &series[i].key))
		{
			series[i].locked = true;
			some_are_new = true;
		}
	/* Who had the lock before may have committed its row since we looked. */
	if (some_are_new)
	{
		find_rows(values, series);
		for (int i = 0; i < n; i++)
			if (series[i].exists && series[i].state.decided_to == TL_NEVER &&
				series[i].revision == 0)
				series[i].locked = false;
	}
}

bool
tl_alert_is_followed(const TlAlertRule *rule, const TlAlertSeries *series)
{
	return series->locked && series->exists && series->revision == rule->revision &&
		   series->was_live;
}

void
tl_alert_give_up_pending(const TlAlertRule *rule, TlAlertSeries *series, int n)
{
	bool all_followed = true;
	Datum values[3];
	bool isnull;

	for (int i = 0; i < n; i++)
		all_followed &= !series[i].locked || tl_alert_is_followed(rule, &series[i]);
	if (all_followed)
		return;
	set_key_arguments(values, rule->id, series, n);
	tl_statement_execute(&find_pending, values, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		TlAlertSeries *s = &series[DatumGetInt32(value_at((int) i, 1, &isnull)) - 1];

		if (!tl_alert_is_followed(rule, s))
			s->locked = false;
	}
}

/* Writing --------------------------------------------------------------------------------- */

static Datum
violations_array(const TlAlertState *state)
{
	Column column = column_make(state->n_violations);

	for (int i = 0; i < state->n_violations; i++)
		column_add_time(&column, state->violations[i]);
	if (column.n == 0)
		return PointerGetDatum(construct_empty_array(TIMESTAMPTZOID));
	return column_array(&column, TIMESTAMPTZOID);
}

static void
set_time(Datum *values, bool *nulls, int column, int64 time)
{
	values[column] = TimestampTzGetDatum(time);
	nulls[column] = time == TL_NEVER;
}

int64
tl_alert_clock_due(const TlAlertRule *rule, const TlAlertSeries *series)
{
	int64 due = tl_alert_due_at(rule, &series->state);

	if (due == TL_NEVER)
		return TL_NEVER;
	if (series->due_at != TL_NEVER && series->due_after == series->state.last_violation)
		return series->due_at;
	return Max(due, GetCurrentTimestamp() + rule->timeout);
}

static void
write_state(TlTable *table, const TlAlertRule *rule, TlAlertSeries *series)
{
	MemoryContext old = MemoryContextSwitchTo(tl_table_row_context(table));
	const TlAlertState *state = &series->state;
	Datum values[STATE_COLUMNS];
	bool nulls[STATE_COLUMNS] = {false};
	ItemPointerData place;

	values[STATE_RULE] = tl_slice_to_text(rule->id);
	values[STATE_DEVICE] = tl_slice_to_text(series->key.device);
	values[STATE_METRIC] = tl_slice_to_text(series->key.metric);
	values[STATE_REVISION] = Int64GetDatum(rule->revision);
	values[STATE_LIVE] = BoolGetDatum(tl_alert_is_live(rule, state));
	/* What was not read to its end does not know all that counts. */
	values[STATE_RECOUNT] = BoolGetDatum(series->leave && series->rebuild);
	values[STATE_DECIDED_TO] =
		TimestampTzGetDatum(state->decided_to == TL_NEVER ? DT_NOBEGIN : state->decided_to);
	nulls[STATE_OPEN_ALERT] = series->open_alert[0] == '\0';
	values[STATE_OPEN_ALERT] =
		nulls[STATE_OPEN_ALERT] ? (Datum) 0 : CStringGetTextDatum(series->open_alert);
	set_time(values, nulls, STATE_LAST_TRIGGERED, state->last_triggered);
	set_time(values, nulls, STATE_LAST_RESOLVED, state->last_resolved);
	set_time(values, nulls, STATE_LAST_VIOLATION, state->last_violation);
	set_time(values, nulls, STATE_SINCE, state->since);
	values[STATE_VIOLATIONS] = violations_array(state);
	set_time(values, nulls, STATE_DUE_AT, tl_alert_clock_due(rule, series));
	values[STATE_LATE_POINTS] = Int64GetDatum(series->late_points);
	values[STATE_CHANGED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	MemoryContextSwitchTo(old);

	if (!series->exists)
		tl_table_insert(table, values, nulls);
	else if (tl_table_find(table, values, &place))
		tl_table_update(table, &place, values, nulls);
	else
		elog(ERROR, "the state of a series that was locked is gone");
}

/* Of most series there is nothing to be known; of one that is not done, up to where it is. */
static bool
is_worth_a_row(const TlAlertRule *rule, const TlAlertSeries *series)
{
	return series->leave || series->late_points > 0 || series->state.last_violation != TL_NEVER ||
		   tl_alert_is_live(rule, &series->state);
}

void
tl_alert_states_write(const TlAlertRule *rule, TlAlertSeries *series, int n)
{
	TlTable *table = tl_table_open(&state_shape);

	for (int i = 0; i < n; i++)
		if (series[i].locked && (series[i].exists || is_worth_a_row(rule, &series[i])))
			write_state(table, rule, &series[i]);
	tl_table_close(table);
}

void
tl_alert_leave(TlSlice rule_id, const TlAlertSeries *series, int n)
{
	TlAlertSeries *left = palloc(sizeof(TlAlertSeries) * (Size) Max(n, 1));
	Column known = column_make(n);
	Column late = column_make(n);
	Datum values[5];
	int n_left = 0;

	for (int i = 0; i < n; i++)
	{
		const TlAlertSeries *s = &series[i];
		int64 known_to = s->known_to;
		bool lost = !s->locked && !s->is_unknown;
		StringInfoData times;

		if (!lost && !s->leave)
			continue;
		/* Of what was judged, the state says up to where; what is late has been counted. */
		if (s->locked)
			known_to = TL_NEVER;
		else if (s->first != TL_NEVER)
			known_to = Max(known_to, s->first - 1);
		column_add_time(&known, known_to);
		initStringInfo(&times);
		appendStringInfoChar(&times, '{');
		for (int j = 0; !s->locked && j < s->n_late; j++)
			appendStringInfo(&times, j == 0 ? INT64_FORMAT : "," INT64_FORMAT, s->late[j]);
		appendStringInfoChar(&times, '}');
		column_add_string(&late, times.data);
		left[n_left++] = *s;
	}
	if (n_left == 0)
		return;
	set_key_arguments(values, rule_id, left, n_left);
	values[3] = column_array(&known, TIMESTAMPTZOID);
	values[4] = column_array(&late, TEXTOID);
	tl_statement_execute(&leave_series, values, NULL, false, 0);
}

void
tl_alert_make_id(char *id)
{
	uint8 bytes[12];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	memcpy(id, "alert_", 6);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 6 + 2 * i, 3, "%02x", bytes[i]);
}

static Oid
value_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("value"),
						   ObjectIdGetDatum(get_namespace_oid("telemetry", false)));
}

void
tl_alerts_insert(const TlAlertRule *rule, const TlNewAlert *alerts, int n)
{
	Column ids = column_make(n);
	Column devices = column_make(n);
	Column metrics = column_make(n);
	Column triggered = column_make(n);
	Column resolved = column_make(n);
	Column made_of = column_make(n);
	Column resolution = column_make(n);
	Column late = column_make(n);
	Oid type = value_type();
	Datum values[10];

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		const TlNewAlert *alert = &alerts[i];

		column_add_string(&ids, alert->id);
		column_add(&devices, tl_slice_to_text(alert->series->key.device), false);
		column_add(&metrics, tl_slice_to_text(alert->series->key.metric), false);
		column_add_time(&triggered, alert->triggered_at);
		column_add_time(&resolved, alert->resolved_at);
		column_add(&made_of, alert->value, false);
		column_add_string(&resolution, alert->late ? "late" : resolutions[alert->resolution]);
		column_add(&late, BoolGetDatum(alert->late), false);
	}
	values[0] = tl_slice_to_text(rule->id);
	values[1] = column_array(&ids, TEXTOID);
	values[2] = column_array(&devices, TEXTOID);
	values[3] = column_array(&metrics, TEXTOID);
	values[4] = column_array(&triggered, TIMESTAMPTZOID);
	values[5] = column_array(&resolved, TIMESTAMPTZOID);
	values[6] = column_array(&made_of, type);
	values[7] = column_array(&resolution, TEXTOID);
	values[8] = column_array(&late, BOOLOID);
	values[9] = Int64GetDatum(rule->revision);
	if (insert_alerts.args[VALUES_ARRAY_ARGUMENT] != get_array_type(type))
	{
		/* The extension has been created anew since. */
		insert_alerts.args[VALUES_ARRAY_ARGUMENT] = get_array_type(type);
		insert_alerts.plan = NULL;
	}
	tl_statement_execute(&insert_alerts, values, NULL, false, 0);
	if (SPI_processed != (uint64) n)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("the rule was changed while points were judged by it")));
}

void
tl_alerts_resolve(const TlResolvedAlert *alerts, int n)
{
	Column ids = column_make(n);
	Column resolved = column_make(n);
	Column resolution = column_make(n);
	Datum values[3];

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		column_add_string(&ids, alerts[i].id);
		column_add_time(&resolved, alerts[i].resolved_at);
		column_add_string(&resolution, resolutions[alerts[i].resolution]);
	}
	values[0] = column_array(&ids, TEXTOID);
	values[1] = column_array(&resolved, TIMESTAMPTZOID);
	values[2] = column_array(&resolution, TEXTOID);
	tl_statement_execute(&resolve_alerts, values, NULL, false, 0);
}

void
tl_alert_rule_failed(TlSlice rule_id, int sqlstate, const char *message)
{
	Datum values[3];

	values[0] = tl_slice_to_text(rule_id);
	values[1] = CStringGetTextDatum(unpack_sql_state(sqlstate));
	values[2] = CStringGetTextDatum(message);
	tl_statement_execute(&note_error, values, NULL, false, 0);
}

void
tl_alert_rule_is_broken(TlSlice rule_id)
{
	tl_alert_rule_failed(rule_id, ERRCODE_INVALID_PARAMETER_VALUE,
						 "active_hours, active_timezone or a pattern cannot be read any more");
}
