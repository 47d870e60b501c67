/*
 * event_store.c
 *		The ledger, the log of events and conflicts, through SQL.  See event_store.h.
 */
#include "event/event_store.h"

#include "base/guc.h"
#include "base/rows.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "event/event_text.h"
#include "executor/spi.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(telemetry_flushed_keys);
PG_FUNCTION_INFO_V1(telemetry_flushed_events);

static TlStatement next_number = {"SELECT nextval('telemetry.event_seq'::regclass)", 0, {0}, NULL};

static TlStatement claim_keys = {
	"INSERT INTO telemetry.event_key (key, content, id, received_at, stream)"
	" SELECT key, content, id, received_at, stream FROM telemetry.flushed_keys()"
	" ON CONFLICT (key) DO NOTHING RETURNING id",
	0,
	{0},
	NULL};

static TlStatement look_up_keys = {
	"SELECT k.n, e.content, e.id, e.received_at FROM unnest($1) WITH ORDINALITY AS k (key, n),"
	" LATERAL (SELECT * FROM telemetry.event_key AS e WHERE e.key = k.key OFFSET 0) AS e",
	1,
	{UUIDARRAYOID},
	NULL};

/* In the order of the array, which is that of keys. */
static TlStatement lock_key = {
	"SELECT e.content, e.id, e.received_at FROM telemetry.event_key AS e WHERE e.key = $1"
	" FOR UPDATE",
	1,
	{UUIDOID},
	NULL};

/* A telemetry.value has all digits of a number, whatever extra_float_digits says. */
static TlStatement read_event = {
	"SELECT e.occurred_at, e.data,"
	" (SELECT jsonb_object_agg(m.key, m.value)::text"
	"  FROM jsonb_each(to_jsonb(e) || jsonb_build_object('duration_seconds',"
	"   e.duration_seconds::telemetry.value::jsonb)) AS m"
	"  WHERE jsonb_typeof(m.value) <> 'null'"
	"  AND m.key <> 'id'),"
	" e.event_type, e.device_id, e.user_id, e.session_id, e.subject_id, e.event_id"
	" FROM telemetry.event_log AS e WHERE e.received_at = $1 AND e.id = $2",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};

static TlStatement remove_events = {"SELECT telemetry.remove_events($1, $2, $3)",
									3,
									{TIMESTAMPTZARRAYOID, INT8ARRAYOID, BOOLARRAYOID},
									NULL};

static TlStatement change_keys = {
	"UPDATE telemetry.event_key AS e SET content = k.content, id = k.id,"
	" received_at = k.received_at"
	" FROM telemetry.flushed_keys() AS k WHERE e.key = k.key",
	0,
	{0},
	NULL};

static TlStatement create_partition = {
	"SELECT telemetry.create_event_partition($1)", 1, {DATEOID}, NULL};

static TlStatement insert_events = {
	"INSERT INTO telemetry.event_log SELECT * FROM telemetry.flushed_events()", 0, {0}, NULL};

static TlStatement insert_batches = {
	"INSERT INTO telemetry.event_batch (id, received_at, n) SELECT * FROM unnest($1, $2, $3)",
	3,
	{INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT4ARRAYOID},
	NULL};

static TlStatement insert_conflicts = {
	"INSERT INTO telemetry.conflict"
	" (stream, event_id, event_type, user_id, device_id, strategy, resolution, stored, incoming)"
	" SELECT s, i, t, u, d, st, r, b::jsonb, c::jsonb"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS k (s, i, t, u, d, st, r, b, c)",
	9,
	{TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
	 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID},
	NULL};

/* What the set-returning functions return, while a statement of ours is running. */
static const TlEventBuffer *flushed = NULL;
static TlEventSet **flushed_sets = NULL;
static uint32 n_flushed_sets = 0;

static int64
int64_column(uint64 row, int number)
{
	bool isnull;

	return DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &isnull));
}

/* Runs a statement that reads from the buffer, or from some of its sets. */
static void
execute_with(const TlEventBuffer *b, TlEventSet **sets, uint32 n, TlStatement *statement)
{
	PG_TRY();
	{
		flushed = b;
		flushed_sets = sets;
		n_flushed_sets = n;
		tl_statement_execute(statement, NULL, NULL, false, 0);
	}
	PG_FINALLY();
	{
		flushed = NULL;
	}
	PG_END_TRY();
}

int64
tl_event_store_next_id(void)
{
	TlStatementScope scope;
	int64 number;

	tl_statement_begin(&scope);
	tl_statement_execute(&next_number, NULL, NULL, false, 1);
	number = int64_column(0, 1);
	tl_statement_end(&scope);
	return number << TL_EVENT_FLUSH_BITS;
}

/* The sets that are not settled, in order. */
static TlEventSet **
unsettled_sets(TlEventBuffer *b, uint32 *n)
{
	TlEventSet **list =
		MemoryContextAllocHuge(b->context, sizeof(TlEventSet *) * Max((Size) b->n_sets, 1));

	*n = 0;
	for (uint32 i = 0; i < b->n_sets; i++)
		if (!b->sets[i].settled)
			list[(*n)++] = &b->sets[i];
	return list;
}

static const uint8 *
key_of(const TlEventBuffer *b, const TlEventSet *set)
{
	return b->order[set->first]->identity.key;
}

void
tl_event_store_claim(TlEventBuffer *b)
{
	uint32 n;
	TlEventSet **sets = unsettled_sets(b, &n);
	TlStatementScope scope;
	uint32 at = 0;

	tl_statement_begin(&scope);
	execute_with(b, sets, n, &claim_keys);
	/* Rows come back in the order in which they were given. */
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int64 id = int64_column(i, 1);

		while (at < n && sets[at]->winner->id != id)
			at++;
		if (at == n)
			elog(ERROR, "a key was inserted that was not given");
		sets[at]->settled = true;
		sets[at]->is_new = true;
	}
	tl_statement_end(&scope);
}

static Datum
key_array(const TlEventBuffer *b, TlEventSet **sets, uint32 n)
{
	Datum *keys = palloc(sizeof(Datum) * Max((Size) n, 1));

	for (uint32 i = 0; i < n; i++)
		keys[i] = UUIDPGetDatum((pg_uuid_t *) key_of(b, sets[i]));
	return PointerGetDatum(construct_array(keys, (int) n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

void
tl_event_store_look_up(TlEventBuffer *b)
{
	uint32 n;
	TlEventSet **sets = unsettled_sets(b, &n);
	TlStatementScope scope;
	Datum keys;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	keys = key_array(b, sets, n);
	tl_statement_execute(&look_up_keys, &keys, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		TlEventSet *set = sets[int64_column(i, 1) - 1];

		set->settled = true;
		set->content = (uint64) int64_column(i, 2);
		set->id = int64_column(i, 3);
		set->received_at = int64_column(i, 4);
	}
	tl_statement_end(&scope);
}

/* False if the key has gone. */
static bool
lock_set(const TlEventBuffer *b, TlEventSet *set)
{
	Datum key = UUIDPGetDatum((pg_uuid_t *) key_of(b, set));

	tl_statement_execute(&lock_key, &key, NULL, false, 1);
	if (SPI_processed == 0)
		return false;
	set->content = (uint64) int64_column(0, 1);
	set->id = int64_column(0, 2);
	set->received_at = int64_column(0, 3);
	return true;
}

static void
read_version(const TlEventSet *set, MemoryContext context, TlEventVersion *version)
{
	Datum values[2] = {TimestampTzGetDatum(set->received_at), Int64GetDatum(set->id)};
	static const TlEventText counted[] = TL_EVENT_COUNTED_TEXTS;
	bool isnull;
	Datum datum;

	*version = (TlEventVersion){.content = set->content, .received_at = set->received_at};
	tl_statement_execute(&read_event, values, NULL, false, 1);
	if (SPI_processed == 0)
	{
		version->removed = true;
		return;
	}
	version->occurred_at = int64_column(0, 1);
	datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	version->priority = isnull ? 0 : tl_event_priority(DatumGetJsonbP(datum));
	datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull);
	version->json = MemoryContextStrdup(context, TextDatumGetCString(datum));
	for (size_t i = 0; i < lengthof(counted); i++)
	{
		datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, (int) i + 4, &isnull);
		if (!isnull)
			version->text[counted[i]] = tl_slice_copy(context, tl_slice_of_text(datum));
	}
	datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, (int) lengthof(counted) + 4,
						  &isnull);
	version->event_id = tl_slice_copy(context, tl_slice_of_text(datum));
}

void
tl_event_store_read_versions(TlEventBuffer *b, TlEventSet **sets, uint32 n, bool lock,
							 TlEventVersion *versions)
{
	TlStatementScope scope;

	tl_statement_begin(&scope);
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		/* A key that has just been pruned is of an event that is not to come back, either. */
		if (lock && !lock_set(b, sets[i]))
			versions[i] = (TlEventVersion){
				.content = sets[i]->content, .received_at = sets[i]->received_at, .removed = true};
		else
			read_version(sets[i], b->context, &versions[i]);
	}
	tl_statement_end(&scope);
}

void
tl_event_store_replace(TlEventBuffer *b, TlEventSet **sets, uint32 n)
{
	TlStatementScope scope;
	Datum *received;
	Datum *ids;
	Datum *recount;
	Datum values[3];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	received = palloc(sizeof(Datum) * n);
	ids = palloc(sizeof(Datum) * n);
	recount = palloc(sizeof(Datum) * n);
	for (uint32 i = 0; i < n; i++)
	{
		received[i] = TimestampTzGetDatum(sets[i]->received_at);
		ids[i] = Int64GetDatum(sets[i]->id);
		recount[i] = BoolGetDatum(sets[i]->recount);
	}
	values[0] = PointerGetDatum(
		construct_array(received, (int) n, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(
		construct_array(ids, (int) n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] = PointerGetDatum(construct_array(recount, (int) n, BOOLOID, 1, true, TYPALIGN_CHAR));
	tl_statement_execute(&remove_events, values, NULL, false, 0);
	execute_with(b, sets, n, &change_keys);
	tl_statement_end(&scope);
}

/* Makes the partition of the day of a time if there is none. */
static void
provide_partition(int64 received_at)
{
	int32 day = (int32) (tl_day_of(received_at) / TL_USECS_PER_DAY);
	Datum date = DateADTGetDatum(day);
	int year;
	int month;
	int day_of_month;
	char name[NAMEDATALEN];

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &day_of_month);
	snprintf(name, sizeof(name), "event_log_%04d%02d%02d", year, month, day_of_month);
	if (!OidIsValid(get_relname_relid(name, get_namespace_oid("telemetry", false))))
		tl_statement_execute(&create_partition, &date, NULL, false, 0);
}

static int
compare_ids(const void *a, const void *b)
{
	int64 x = (*(TlEventSet *const *) a)->winner->id;
	int64 y = (*(TlEventSet *const *) b)->winner->id;

	return (x > y) - (x < y);
}

/* The sets that have a winner to be stored, in the order of ids. */
static TlEventSet **
winning_sets(TlEventBuffer *b, uint32 *n)
{
	TlEventSet **list =
		MemoryContextAllocHuge(b->context, sizeof(TlEventSet *) * Max((Size) b->n_sets, 1));

	*n = 0;
	for (uint32 i = 0; i < b->n_sets; i++)
		if (b->sets[i].winner != NULL)
			list[(*n)++] = &b->sets[i];
	qsort(list, *n, sizeof(TlEventSet *), compare_ids);
	return list;
}

/* One row for each flush number, which goes with one time. */
static void
insert_flushes(TlEventSet **sets, uint32 n)
{
	Datum *ids = palloc(sizeof(Datum) * n);
	Datum *times = palloc(sizeof(Datum) * n);
	Datum *counts = palloc(sizeof(Datum) * n);
	Datum values[3];
	int n_flushes = 0;
	int32 count = 0;

	for (uint32 i = 0; i < n; i++)
	{
		const TlEventRow *row = sets[i]->winner;
		int64 flush = row->id >> TL_EVENT_FLUSH_BITS;

		count++;
		if (i + 1 < n && sets[i + 1]->winner->id >> TL_EVENT_FLUSH_BITS == flush)
			continue;
		ids[n_flushes] = Int64GetDatum(flush << TL_EVENT_FLUSH_BITS);
		times[n_flushes] = TimestampTzGetDatum(row->received_at);
		counts[n_flushes++] = Int32GetDatum(count);
		count = 0;
	}
	values[0] = PointerGetDatum(
		construct_array(ids, n_flushes, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(
		construct_array(times, n_flushes, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] = PointerGetDatum(construct_array(counts, n_flushes, INT4OID, 4, true, TYPALIGN_INT));
	tl_statement_execute(&insert_batches, values, NULL, false, 0);
}

void
tl_event_store_insert(TlEventBuffer *b)
{
	uint32 n;
	TlEventSet **sets = winning_sets(b, &n);
	TlStatementScope scope;
	int64 day = PG_INT64_MIN;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	for (uint32 i = 0; i < n; i++)
	{
		int64 received_at = sets[i]->winner->received_at;

		if (tl_day_of(received_at) != day)
			provide_partition(received_at);
		day = tl_day_of(received_at);
	}
	execute_with(b, sets, n, &insert_events);
	insert_flushes(sets, n);
	tl_statement_end(&scope);
}

/* A column of conflicts as an array of texts. */
typedef struct Texts
{
	Datum *values;
	bool *nulls;
} Texts;

static void
put_slice(Texts *column, uint32 i, TlSlice s)
{
	column->nulls[i] = s.data == NULL;
	if (s.data != NULL)
		column->values[i] = tl_slice_to_text(s);
}

static void
put_string(Texts *column, uint32 i, const char *s)
{
	put_slice(column, i, (TlSlice){s, s == NULL ? 0 : (uint32) strlen(s)});
}

void
tl_event_store_conflicts(TlEventBuffer *b)
{
	uint32 n = b->n_conflicts;
	int dims[1] = {(int) n};
	int bounds[1] = {1};
	Texts columns[9];
	Datum values[9];
	TlStatementScope scope;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	for (size_t c = 0; c < lengthof(columns); c++)
		columns[c] = (Texts){palloc(sizeof(Datum) * n), palloc(sizeof(bool) * n)};
	for (uint32 i = 0; i < n; i++)
	{
		const TlEventConflict *conflict = &b->conflicts[i];
		const TlEventRow *row = conflict->incoming;
		bool whole;

		put_slice(&columns[0], i, row->event.text[TL_EVENT_STREAM]);
		put_slice(&columns[1], i, tl_event_row_id(row));
		put_slice(&columns[2], i, row->event.text[TL_EVENT_TYPE]);
		put_slice(&columns[3], i, row->event.text[TL_EVENT_USER]);
		put_slice(&columns[4], i, row->event.text[TL_EVENT_DEVICE]);
		put_string(&columns[5], i, row->stream->strategy_name);
		put_string(&columns[6], i, conflict->replaced ? "replaced" : "kept");
		put_string(&columns[7], i, conflict->stored);
		put_string(&columns[8], i, tl_event_to_json(&row->event, &whole));
	}
	for (size_t c = 0; c < lengthof(columns); c++)
		values[c] = PointerGetDatum(construct_md_array(columns[c].values, columns[c].nulls, 1, dims,
													   bounds, TEXTOID, -1, false, TYPALIGN_INT));
	tl_statement_execute(&insert_conflicts, values, NULL, false, 0);
	tl_statement_end(&scope);
}

/* What is flushed is in memory already, and once more at most. */
static ReturnSetInfo *
begin_rows(FunctionCallInfo fcinfo)
{
	if (flushed == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no events are being stored")));
	return tl_rows_begin(fcinfo, tl_guc_batch_memory);
}

Datum
telemetry_flushed_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *out = begin_rows(fcinfo);
	bool nulls[5] = {false};
	Datum values[5];

	for (uint32 i = 0; i < n_flushed_sets; i++)
	{
		const TlEventRow *row = flushed_sets[i]->winner;

		values[0] = UUIDPGetDatum((pg_uuid_t *) row->identity.key);
		values[1] = Int64GetDatum((int64) row->identity.content);
		values[2] = Int64GetDatum(row->id);
		values[3] = TimestampTzGetDatum(row->received_at);
		values[4] = Int32GetDatum(row->stream->number);
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The columns of telemetry.event_template. */
enum
{
	COLUMN_RECEIVED_AT,
	COLUMN_ID,
	COLUMN_OCCURRED_AT,
	COLUMN_DURATION,
	COLUMN_TEXTS,
	COLUMN_DATA = COLUMN_TEXTS + TL_EVENT_TEXTS,
	COLUMNS
};

Datum
telemetry_flushed_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *out = begin_rows(fcinfo);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry event row", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool nulls[COLUMNS] = {false};
	Datum values[COLUMNS];

	for (uint32 i = 0; i < n_flushed_sets; i++)
	{
		const TlEventRow *row = flushed_sets[i]->winner;
		const TlEvent *e = &row->event;

		values[COLUMN_RECEIVED_AT] = TimestampTzGetDatum(row->received_at);
		values[COLUMN_ID] = Int64GetDatum(row->id);
		values[COLUMN_OCCURRED_AT] =
			TimestampTzGetDatum(e->has_occurred_at ? e->occurred_at : row->received_at);
		nulls[COLUMN_DURATION] = !e->has_duration;
		values[COLUMN_DURATION] = Float8GetDatum(e->duration_seconds);
		for (int t = 0; t < TL_EVENT_TEXTS; t++)
		{
			TlSlice s = t == TL_EVENT_ID ? tl_event_row_id(row) : e->text[t];

			nulls[COLUMN_TEXTS + t] = s.data == NULL;
			if (s.data != NULL)
				values[COLUMN_TEXTS + t] = tl_slice_to_text(s);
		}
		nulls[COLUMN_DATA] = e->data == NULL;
		values[COLUMN_DATA] = PointerGetDatum(e->data);
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}
