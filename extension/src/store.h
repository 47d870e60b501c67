/*
 * store.h
 *		telemetry.block through SQL.
 *
 * The only file that reads or writes the table of blocks.  Every statement goes through SPI,
 * names the bucket, and runs as the table's owner, so that a user needs no privilege but that
 * on telemetry.point.  WAL, visibility and locks are PostgreSQL's.
 *
 * Reads use the caller's active snapshot.  Results are palloc'd in the caller's memory context.
 *
 * Ingest takes no lock but the ordinary one on the table.  Whoever replaces blocks (deletion,
 * compaction) first takes tl_store_lock_bucket, and only then looks at the bucket.
 */
#ifndef TL_STORE_H
#define TL_STORE_H

#include "block.h"

/* The bucket of blocks that hold several buckets' devices, sorted by bucket. */
#define TL_BUCKET_MIXED (-1)

/* What a row of telemetry.block says beside its data; (bucket, max_ts, seq) is its key. */
typedef struct TlBlockMeta
{
	int bucket;
	int level;
	int64 seq; /* order number of its flush: the higher one's points win */
	int64 min_ts;
	int64 max_ts;
	uint32 n;
	uint32 length; /* of data, in bytes */
} TlBlockMeta;

/* The number of buckets that this database was set up with. */
extern int tl_store_buckets(void);

/* A new order number, higher than any before. */
extern int64 tl_store_next_seq(void);

extern void tl_store_insert(int bucket, int level, int64 seq, const TlBlockInfo *info);

/*
 * Blocks of the given buckets (ascending) that may hold points with from <= ts <= to, sorted
 * by (day, bucket, min_ts).
 */
extern TlBlockMeta *tl_store_list(const int *buckets, int n_buckets, int64 from, int64 to,
								  uint32 *n_blocks);

/* The same blocks one by one, newest max_ts first; for readers that may stop early. */
typedef struct TlStoreCursor TlStoreCursor;
extern TlStoreCursor *tl_store_cursor_open(int bucket, int64 from, int64 to);
extern bool tl_store_cursor_next(TlStoreCursor *cursor, TlBlockMeta *meta);

/* Bytes [offset, offset + len) of a block's data, fewer at its end; *got tells how many. */
extern char *tl_store_read(const TlBlockMeta *meta, uint32 offset, uint32 len, uint32 *got);

/* Number of blocks and points in the whole store, for estimates. */
extern void tl_store_totals(double *blocks, double *points);

/* Waits for other replacers of the bucket's blocks, until the end of the transaction. */
extern void tl_store_lock_bucket(int bucket);
extern void tl_store_delete(const TlBlockMeta *meta);

/* The OID of telemetry.block. */
extern Oid tl_store_relid(void);

/*
 * Runs one of our own statements as the owner of telemetry.block.  plan is prepared on first
 * use and kept.  Between begin and end an SPI connection is open.
 */
typedef struct TlStatement
{
	const char *sql;
	int n_args;
	Oid args[12];
	struct _SPI_plan *plan;
} TlStatement;

typedef struct TlStoreScope
{
	Oid user;
	int security_context;
} TlStoreScope;

extern void tl_store_begin(TlStoreScope *scope);
extern void tl_store_end(const TlStoreScope *scope);
extern int tl_store_execute(TlStatement *statement, Datum *values, const char *nulls,
							bool read_only, long limit);

#endif
