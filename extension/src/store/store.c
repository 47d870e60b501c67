/*
 * store.c
 *		The statements on telemetry.block.  See store.h.
 */
#include "store/store.h"

#include "access/table.h"
#include "base/peek.h"
#include "base/standby.h"
#include "base/statement.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "store/store_row.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define META_COLUMNS TL_STORE_ROW_COLUMNS

/* The partitions by level; whoever knows a block's level need not look into the others. */
#define LEAVES 4
#define ALL_BLOCKS "telemetry.block"
#define NEW_BLOCKS "telemetry.block_0"
#define ROLLED_BLOCKS "telemetry.block WHERE level >= 1 AND"

/* Blocks do not cross a day, which bounds max_ts from above as well: $4 is the end of to's day. */
#define IN_RANGE " max_ts >= $2 AND max_ts < $4 AND min_ts <= $3 "

#define SAME_BLOCK " bucket = $1 AND max_ts = $2 AND seq = $3 AND level = $4"

#define INSERT_BLOCK(leaf)                                                                         \
	{                                                                                              \
		"INSERT INTO " leaf " (bucket, level, day, seq, min_ts, max_ts, n, data)"                  \
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",                                                \
			8, {INT2OID,		INT2OID,		DATEOID, INT8OID,                                  \
				TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, BYTEAOID},                                \
			NULL                                                                                   \
	}

static TlStatement insert_block[LEAVES] = {
	INSERT_BLOCK("telemetry.block_0"), INSERT_BLOCK("telemetry.block_1"),
	INSERT_BLOCK("telemetry.block_2"), INSERT_BLOCK("telemetry.block_3")};

#define LIST_BLOCKS(blocks)                                                                        \
	{                                                                                              \
		"SELECT " META_COLUMNS " FROM " blocks " bucket = ANY ($1) AND" IN_RANGE                   \
		"ORDER BY day, bucket, min_ts",                                                            \
			4, {INT2ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}, NULL                \
	}

/* By TlLevels. */
static TlStatement list_blocks[] = {LIST_BLOCKS(ALL_BLOCKS " WHERE"),
									LIST_BLOCKS(NEW_BLOCKS " WHERE"), LIST_BLOCKS(ROLLED_BLOCKS)};

#define LIST_NEW(days)                                                                             \
	{                                                                                              \
		"SELECT " META_COLUMNS " FROM " NEW_BLOCKS " WHERE level = 0 AND day " days " $1"          \
		" AND seq <= $2 ORDER BY day, seq, bucket LIMIT $3",                                       \
			3, {DATEOID, INT8OID, INT8OID}, NULL                                                   \
	}

static TlStatement list_fresh = LIST_NEW(">=");
static TlStatement list_stale = LIST_NEW("<");

/*
 * The next blocks in falling order of (max_ts, seq) below ($5, $6): index scans backwards, merged
 * and cut at $7 rows, so that nothing is sorted.
 */
#define NEWEST_OF(blocks, bucket)                                                                  \
	"(SELECT " META_COLUMNS " FROM " blocks " bucket = " bucket " AND" IN_RANGE                    \
	"AND ROW(max_ts, seq) < ROW($5, $6)"                                                           \
	" ORDER BY max_ts DESC, seq DESC LIMIT $7)"
#define OR_MIXED                                                                                   \
	" UNION ALL " NEWEST_OF(NEW_BLOCKS " WHERE", "-1") " ORDER BY max_ts DESC, seq DESC LIMIT $7"
#define NEWEST(statement)                                                                          \
	{                                                                                              \
		statement, 7, {INT2OID,		   TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,             \
					   TIMESTAMPTZOID, INT8OID,		   INT8OID},                                   \
			NULL                                                                                   \
	}

/* By TlLevels; mixed blocks are only among the new ones. */
static TlStatement newest_blocks[] = {NEWEST(NEWEST_OF(ALL_BLOCKS " WHERE", "$1") OR_MIXED),
									  NEWEST(NEWEST_OF(NEW_BLOCKS " WHERE", "$1") OR_MIXED),
									  NEWEST(NEWEST_OF(ROLLED_BLOCKS, "$1"))};

/* The first blocks of a range by their ends, from either side: scans of the index on max_ts, merged. */
#define EDGE_BLOCKS(blocks, order)                                                                 \
	{                                                                                              \
		"SELECT min_ts, max_ts, n FROM " blocks " bucket >= -1 AND" IN_RANGE                       \
		"ORDER BY max_ts" order " LIMIT $1",                                                       \
			4, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}, NULL                     \
	}

/* By TlLevels, and whether the newest are wanted. */
static TlStatement edge_blocks[][2] = {
	{EDGE_BLOCKS(ALL_BLOCKS " WHERE", ""), EDGE_BLOCKS(ALL_BLOCKS " WHERE", " DESC")},
	{EDGE_BLOCKS(NEW_BLOCKS " WHERE", ""), EDGE_BLOCKS(NEW_BLOCKS " WHERE", " DESC")},
	{EDGE_BLOCKS(ROLLED_BLOCKS, ""), EDGE_BLOCKS(ROLLED_BLOCKS, " DESC")}};

#define READ_BLOCK(leaf)                                                                           \
	{                                                                                              \
		"SELECT substr(data, $5, $6) FROM " leaf " WHERE" SAME_BLOCK, 6,                           \
			{INT2OID, TIMESTAMPTZOID, INT8OID, INT2OID, INT4OID, INT4OID}, NULL                    \
	}

static TlStatement read_block[LEAVES] = {
	READ_BLOCK("telemetry.block_0"), READ_BLOCK("telemetry.block_1"),
	READ_BLOCK("telemetry.block_2"), READ_BLOCK("telemetry.block_3")};

#define DELETE_BLOCK(leaf)                                                                         \
	{                                                                                              \
		"DELETE FROM " leaf " WHERE" SAME_BLOCK, 4, {INT2OID, TIMESTAMPTZOID, INT8OID, INT2OID},   \
			NULL                                                                                   \
	}

static TlStatement delete_block[LEAVES] = {
	DELETE_BLOCK("telemetry.block_0"), DELETE_BLOCK("telemetry.block_1"),
	DELETE_BLOCK("telemetry.block_2"), DELETE_BLOCK("telemetry.block_3")};

#define LIST_PLACES(blocks, having)                                                                \
	{                                                                                              \
		"SELECT bucket, day FROM " blocks " ROW(day, bucket) > ROW($1, $2)"                        \
		" GROUP BY day, bucket " having " ORDER BY day, bucket LIMIT $3",                          \
			3, {DATEOID, INT2OID, INT4OID}, NULL                                                   \
	}

static TlStatement list_places[] = {LIST_PLACES(ROLLED_BLOCKS, "HAVING count(*) > 1"),
									LIST_PLACES("telemetry.block_1 WHERE", "")};

static inline TlStatement *
of_level(TlStatement *leaves, int level)
{
	if (level <= TL_LEVEL_NEW)
		return &leaves[0];
	return &leaves[level == TL_LEVEL_ROLLED ? 1 : 2 + level % 2];
}

#define TOTAL_BLOCKS(blocks)                                                                       \
	{                                                                                              \
		"SELECT count(*), sum(n) FROM " blocks " bucket >= -1", 0, {InvalidOid}, NULL              \
	}

static TlStatement total_blocks[] = {TOTAL_BLOCKS(ALL_BLOCKS " WHERE"),
									 TOTAL_BLOCKS(NEW_BLOCKS " WHERE"),
									 TOTAL_BLOCKS(ROLLED_BLOCKS)};

static TlStatement read_layout = {"SELECT buckets FROM telemetry.layout", 0, {InvalidOid}, NULL};

Oid
tl_store_relid(void)
{
	return tl_relation("block");
}

int
tl_store_buckets(void)
{
	static Oid known_for = InvalidOid;
	static int known;
	Oid relid = tl_relation("layout");

	/* The row never changes; another relation means the extension was created anew. */
	if (known_for != relid)
	{
		TlStatementScope scope;
		bool isnull;

		tl_statement_begin(&scope);
		tl_statement_execute(&read_layout, NULL, NULL, true, 1);
		if (SPI_processed != 1)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("table \"telemetry.layout\" is empty"),
							errhint("If this database was restored from a dump without data, run "
									"SELECT telemetry.initialise().")));
		known =
			DatumGetInt16(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		tl_statement_end(&scope);
		known_for = relid;
	}
	return known;
}

void
tl_store_insert(int bucket, int level, int64 seq, const TlBlockInfo *info)
{
	Datum values[8];
	TlStatementScope scope;

	values[0] = Int16GetDatum((int16) bucket);
	values[1] = Int16GetDatum((int16) level);
	values[2] = Int32GetDatum((int32) (tl_day_of(info->max_ts) / TL_USECS_PER_DAY));
	values[3] = Int64GetDatum(seq);
	values[4] = Int64GetDatum(info->min_ts);
	values[5] = Int64GetDatum(info->max_ts);
	values[6] = Int32GetDatum((int32) info->n_points);
	values[7] = PointerGetDatum(info->data);
	tl_statement_begin(&scope);
	tl_statement_execute(of_level(insert_block, level), values, NULL, false, 0);
	tl_statement_end(&scope);
	tl_store_estimate_forget();
}

static int64
column(HeapTuple tuple, TupleDesc desc, int number)
{
	bool isnull;
	Datum value = SPI_getbinval(tuple, desc, number, &isnull);

	if (isnull)
		tl_corrupt("a column of telemetry.block is null");
	switch (TupleDescAttr(desc, number - 1)->atttypid)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

void
tl_store_row_read(HeapTuple tuple, TupleDesc desc, TlBlockMeta *meta)
{
	meta->bucket = (int) column(tuple, desc, 1);
	meta->level = (int) column(tuple, desc, 2);
	meta->seq = column(tuple, desc, 3);
	meta->min_ts = column(tuple, desc, 4);
	meta->max_ts = column(tuple, desc, 5);
	meta->n = (uint32) column(tuple, desc, 6);
	meta->length = (uint32) column(tuple, desc, 7);
}

/* The rows of the statement just executed. */
static TlBlockMeta *
read_metas(MemoryContext context, uint32 *n)
{
	TlBlockMeta *list =
		MemoryContextAllocHuge(context, sizeof(TlBlockMeta) * Max(SPI_processed, 1));

	for (uint64 i = 0; i < SPI_processed; i++)
		tl_store_row_read(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &list[i]);
	*n = (uint32) SPI_processed;
	return list;
}

/* The first instant after the day that ts lies in, where there is one. */
static int64
end_of_day(int64 ts)
{
	return ts > END_TIMESTAMP - TL_USECS_PER_DAY || ts < MIN_TIMESTAMP
			   ? DT_NOEND
			   : tl_day_of(ts) + TL_USECS_PER_DAY;
}

static Datum
bucket_array(const int *buckets, int n)
{
	Datum *elements = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		elements[i] = Int16GetDatum((int16) buckets[i]);
	return PointerGetDatum(
		construct_array(elements, n, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
}

TlBlockMeta *
tl_store_list(const int *buckets, int n_buckets, int64 from, int64 to, TlLevels levels,
			  uint32 *n_blocks)
{
	MemoryContext caller = CurrentMemoryContext;
	TlBlockMeta *list;
	TlStatementScope scope;
	Datum values[4];

	tl_statement_begin(&scope);
	values[0] = bucket_array(buckets, n_buckets);
	values[1] = Int64GetDatum(from);
	values[2] = Int64GetDatum(to);
	values[3] = Int64GetDatum(end_of_day(to));
	tl_statement_execute(&list_blocks[levels], values, NULL, true, 0);
	list = read_metas(caller, n_blocks);
	tl_statement_end(&scope);
	return list;
}

/* So many rows are looked at; a number has fewer of a day, one for each bucket. */
#define LIST_NEW_ROWS 8192

/* Appends what a statement finds to a list; false if that was cut off. */
static bool
list_new(TlStatement *statement, int64 day, int64 horizon, TlBlockMeta *list, uint32 *n)
{
	uint32 room = LIST_NEW_ROWS - *n;
	TlStatementScope scope;
	Datum values[3];
	bool complete;

	values[0] = DateADTGetDatum((DateADT) (day / TL_USECS_PER_DAY));
	values[1] = Int64GetDatum(horizon);
	values[2] = Int64GetDatum((int64) room + 1);
	tl_statement_begin(&scope);
	tl_statement_execute(statement, values, NULL, true, 0);
	complete = SPI_processed <= room;
	for (uint64 i = 0; i < Min(SPI_processed, room); i++)
		tl_store_row_read(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &list[(*n)++]);
	tl_statement_end(&scope);
	return complete;
}

static bool
same_flush(const TlBlockMeta *a, const TlBlockMeta *b)
{
	return a->seq == b->seq && tl_day_of(a->max_ts) == tl_day_of(b->max_ts);
}

TlBlockMeta *
tl_store_list_new(int64 horizon, int64 fresh, uint32 *n_blocks, bool *more)
{
	TlBlockMeta *list = palloc(sizeof(TlBlockMeta) * LIST_NEW_ROWS);
	uint32 n = 0;

	*more = !list_new(&list_fresh, fresh, horizon, list, &n) ||
			!list_new(&list_stale, fresh, horizon, list, &n);
	if (*more && n == LIST_NEW_ROWS)
	{
		/* Of the last number, some may have been cut off. */
		TlBlockMeta last = list[n - 1];

		while (n > 0 && same_flush(&list[n - 1], &last))
			n--;
	}
	*n_blocks = n;
	return list;
}

/* Fetches so many rows at first, then twice as many each time, up to the most. */
#define CURSOR_FETCH_FIRST 4
#define CURSOR_FETCH_MOST 256

/* Not a portal, which the end of a transaction may drop before the scan that uses it. */
struct TlStoreCursor
{
	int bucket;
	int64 from;
	int64 to;
	TlLevels levels;
	TlBlockMeta fetched[CURSOR_FETCH_MOST];
	int n_fetched;
	int next;
	int fetch;
};

TlStoreCursor *
tl_store_cursor_open(int bucket, int64 from, int64 to, TlLevels levels)
{
	TlStoreCursor *cursor = palloc0(sizeof(TlStoreCursor));

	cursor->bucket = bucket;
	cursor->from = from;
	cursor->to = to;
	cursor->levels = levels;
	cursor->fetch = CURSOR_FETCH_FIRST;
	return cursor;
}

static void
fetch_next(TlStoreCursor *cursor)
{
	const TlBlockMeta *last =
		cursor->n_fetched == 0 ? NULL : &cursor->fetched[cursor->n_fetched - 1];
	TlStatementScope scope;
	Datum values[7];

	values[0] = Int16GetDatum((int16) cursor->bucket);
	values[1] = Int64GetDatum(cursor->from);
	values[2] = Int64GetDatum(cursor->to);
	values[3] = Int64GetDatum(end_of_day(cursor->to));
	values[4] = Int64GetDatum(last == NULL ? DT_NOEND : last->max_ts);
	values[5] = Int64GetDatum(last == NULL ? PG_INT64_MAX : last->seq);
	values[6] = Int64GetDatum(cursor->fetch);
	tl_statement_begin(&scope);
	tl_statement_execute(&newest_blocks[cursor->levels], values, NULL, true, 0);
	cursor->n_fetched = (int) SPI_processed;
	cursor->next = 0;
	for (int i = 0; i < cursor->n_fetched; i++)
		tl_store_row_read(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &cursor->fetched[i]);
	tl_statement_end(&scope);
	cursor->fetch =
		cursor->n_fetched < cursor->fetch ? 0 : Min(cursor->fetch * 2, CURSOR_FETCH_MOST);
}

bool
tl_store_cursor_next(TlStoreCursor *cursor, TlBlockMeta *meta)
{
	if (cursor->next == cursor->n_fetched && cursor->fetch > 0)
		fetch_next(cursor);
	if (cursor->next == cursor->n_fetched)
		return false;
	*meta = cursor->fetched[cursor->next++];
	return true;
}

/* So many blocks tell how dense points are. */
#define EDGE_ROWS 64

bool
tl_store_find_edge(TlLevels levels, int64 from, int64 to, bool newest, TlStoreEdge *edge)
{
	TlStatementScope scope;
	Datum values[4];
	int64 first = DT_NOEND;
	int64 last = DT_NOBEGIN;
	bool found;

	values[0] = Int64GetDatum(EDGE_ROWS);
	values[1] = Int64GetDatum(from);
	values[2] = Int64GetDatum(to);
	values[3] = Int64GetDatum(end_of_day(to));
	edge->points = 0;
	tl_statement_begin(&scope);
	tl_statement_execute(&edge_blocks[levels][newest], values, NULL, true, 0);
	found = SPI_processed > 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];

		first = Min(first, column(tuple, SPI_tuptable->tupdesc, 1));
		last = Max(last, column(tuple, SPI_tuptable->tupdesc, 2));
		edge->points += (double) column(tuple, SPI_tuptable->tupdesc, 3);
	}
	tl_statement_end(&scope);
	if (!found)
		return false;
	edge->time = (double) (last - first) + 1;
	/* Those that end later may begin earlier, on the same day. */
	edge->at = newest ? Min(to, last) : Max(from, tl_day_of(first));
	return true;
}

char *
tl_store_read(const TlBlockMeta *meta, uint32 offset, uint32 len, uint32 *got)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[6];
	Datum value;
	bool isnull;
	char *copy;

	if (offset > PG_INT32_MAX - 1 || len > PG_INT32_MAX - 1 - offset)
		tl_corrupt("a block is too large");
	values[0] = Int16GetDatum((int16) meta->bucket);
	values[1] = Int64GetDatum(meta->max_ts);
	values[2] = Int64GetDatum(meta->seq);
	values[3] = Int16GetDatum((int16) meta->level);
	values[4] = Int32GetDatum((int32) offset + 1);
	values[5] = Int32GetDatum((int32) len);
	tl_statement_begin(&scope);
	tl_statement_execute(of_level(read_block, meta->level), values, NULL, true, 1);
	if (SPI_processed != 1)
		elog(ERROR, "block " INT64_FORMAT " of bucket %d has vanished", meta->seq, meta->bucket);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		tl_corrupt("the data of a block is null");
	*got = (uint32) VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	copy = MemoryContextAllocHuge(caller, Max(*got, 1));
	memcpy(copy, VARDATA_ANY(DatumGetPointer(value)), *got);
	tl_statement_end(&scope);
	return copy;
}

void
tl_store_totals(TlLevels levels, double *blocks, double *points)
{
	TlStatementScope scope;
	HeapTuple tuple;
	bool isnull;
	Datum sum;

	tl_statement_begin(&scope);
	tl_statement_execute(&total_blocks[levels], NULL, NULL, true, 1);
	tuple = SPI_tuptable->vals[0];
	*blocks = (double) column(tuple, SPI_tuptable->tupdesc, 1);
	sum = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull);
	*points = isnull ? 0 : (double) DatumGetInt64(sum);
	tl_statement_end(&scope);
}

TlStorePlace *
tl_store_list_places(const TlStorePlace *after, bool level_1_only, uint32 limit, uint32 *n)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStorePlace *places;
	TlStatementScope scope;
	Datum values[3];

	values[0] = DateADTGetDatum(after == NULL ? DATEVAL_NOBEGIN
											  : (DateADT) (after->day / TL_USECS_PER_DAY));
	values[1] = Int16GetDatum(after == NULL ? 0 : (int16) after->bucket);
	values[2] = Int32GetDatum((int32) limit);
	tl_statement_begin(&scope);
	tl_statement_execute(&list_places[level_1_only], values, NULL, true, 0);
	places = MemoryContextAllocHuge(caller, sizeof(TlStorePlace) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;

		places[i].bucket = (int) column(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		places[i].day = TL_USECS_PER_DAY *
						(int64) DatumGetDateADT(SPI_getbinval(SPI_tuptable->vals[i],
															  SPI_tuptable->tupdesc, 2, &isnull));
	}
	*n = (uint32) SPI_processed;
	tl_statement_end(&scope);
	return places;
}

double
tl_store_pages(TlLevels levels)
{
	static const char *const leaves[LEAVES] = {"block_0", "block_1", "block_2", "block_3"};
	double pages = 0;

	for (int i = levels == TL_LEVELS_ROLLED; i < (levels == TL_LEVELS_NEW ? 1 : LEAVES); i++)
	{
		Relation leaf = table_open(tl_relation(leaves[i]), AccessShareLock);

		pages += RelationGetNumberOfBlocks(leaf);
		if (OidIsValid(leaf->rd_rel->reltoastrelid))
			pages += tl_relation_pages(leaf->rd_rel->reltoastrelid);
		table_close(leaf, AccessShareLock);
	}
	return pages;
}

static bool
lock_bucket(int bucket, bool wait)
{
	LOCKTAG tag;

	/* Who locks will write; on a standby this lock could not be taken. */
	tl_require_writable("change points or rollups");
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, tl_store_relid(),
					   (uint16) (bucket + 1));
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
tl_store_lock_bucket(int bucket)
{
	(void) lock_bucket(bucket, true);
}

bool
tl_store_try_lock_bucket(int bucket)
{
	return lock_bucket(bucket, false);
}

void
tl_store_delete(const TlBlockMeta *meta)
{
	TlStatementScope scope;
	Datum values[4];

	values[0] = Int16GetDatum((int16) meta->bucket);
	values[1] = Int64GetDatum(meta->max_ts);
	values[2] = Int64GetDatum(meta->seq);
	values[3] = Int16GetDatum((int16) meta->level);
	tl_statement_begin(&scope);
	tl_statement_execute(of_level(delete_block, meta->level), values, NULL, false, 0);
	if (SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("a block was replaced by another transaction"),
						errhint("Retry the transaction.")));
	tl_statement_end(&scope);
	tl_store_estimate_forget();
}
