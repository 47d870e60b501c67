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

#include "block/block.h"

/* The bucket of blocks that hold several buckets' devices, sorted by bucket. */
#define TL_BUCKET_MIXED (-1)

/*
 * A block's level is 0 as ingested, 1 once its points are counted in the rollups, and 2 and more
 * when such blocks have been merged.  Of all blocks of a bucket and day, those of level 0 have the
 * highest order numbers.  A new block that cannot be rolled up is set aside: its level is -1 then,
 * and it may have any place among the others; see store_aside.c.  New blocks and those set aside
 * are in one partition, rolled ones in another; merged blocks are in one of two, by whether their
 * level is even.
 */
#define TL_LEVEL_ASIDE (-1)
#define TL_LEVEL_NEW 0
#define TL_LEVEL_ROLLED 1
#define TL_LEVEL_LAST 9

typedef enum TlLevels
{
	TL_LEVELS_ALL,
	TL_LEVELS_NEW,	 /* 0 and less: not in the rollups yet */
	TL_LEVELS_ROLLED /* 1 and more: what the rollups are of */
} TlLevels;

/* What a row of telemetry.block says beside its data; (bucket, max_ts, seq, level) is its key. */
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
 * Blocks of the given buckets (ascending) and levels that may hold points with from <= ts <= to,
 * sorted by (day, bucket, min_ts).
 */
extern TlBlockMeta *tl_store_list(const int *buckets, int n_buckets, int64 from, int64 to,
								  TlLevels levels, uint32 *n_blocks);

/*
 * Blocks of level 0 with an order number up to the horizon, some thousand at most: those of days
 * from fresh on first, then those of earlier days; by day, and of each day the oldest numbers, in
 * their order, each with all of its blocks.  *more tells whether there are others.
 */
extern TlBlockMeta *tl_store_list_new(int64 horizon, int64 fresh, uint32 *n_blocks, bool *more);

/*
 * Sets aside a new block that could not be rolled up, or notes that one which is has failed again,
 * with the error; it is due to be tried again the later the more often it has failed.
 */
extern void tl_store_set_aside(const TlBlockMeta *meta, const struct ErrorData *error);
/* A block that is set aside and due to be tried again, or false; *more tells whether others are. */
extern bool tl_store_aside_due(TlBlockMeta *meta, bool *more);
/* Forgets what was noted of a block that was set aside. */
extern void tl_store_aside_forget(const TlBlockMeta *meta);

/*
 * The numbers of the blocks that are set aside and hold points of a bucket (TL_BUCKET_MIXED: any) and
 * of days from one to another.  Blocks are merged only if they are of one stretch between those.
 */
typedef struct TlBarriers TlBarriers;
extern TlBarriers *tl_store_barriers(int bucket, int64 first_day, int64 last_day);
extern bool tl_barriers_between(const TlBarriers *barriers, const TlBlockMeta *a,
								const TlBlockMeta *b);

/*
 * The highest order number of which it is certain that every flush up to it has ended: what is
 * committed of those is visible to any snapshot taken from now on.  Says in *open whether flushes
 * of open transactions are what holds it back.
 */
extern int64 tl_store_horizon(bool *open);

/* The same blocks one by one, newest max_ts first; for readers that may stop early. */
typedef struct TlStoreCursor TlStoreCursor;
extern TlStoreCursor *tl_store_cursor_open(int bucket, int64 from, int64 to, TlLevels levels);
extern bool tl_store_cursor_next(TlStoreCursor *cursor, TlBlockMeta *meta);

/*
 * Where the points of a range begin, or end, of whatever bucket: nothing lies beyond at.  Some blocks near it
 * have so many points in so much time.  False if no block reaches into the range.
 */
typedef struct TlStoreEdge
{
	int64 at;
	double points;
	double time; /* microseconds */
} TlStoreEdge;

extern bool tl_store_find_edge(TlLevels levels, int64 from, int64 to, bool newest,
							   TlStoreEdge *edge);

/* A bucket and day that has blocks of a level. */
typedef struct TlStorePlace
{
	int bucket;
	int64 day; /* its start */
} TlStorePlace;

/*
 * Places with blocks of levels 1 and more after one, in order of (day, bucket): those that have
 * a block of level 1, or several blocks at all.  NULL: from the start.
 */
extern TlStorePlace *tl_store_list_places(const TlStorePlace *after, bool level_1_only,
										  uint32 limit, uint32 *n);

/* Bytes [offset, offset + len) of a block's data, fewer at its end; *got tells how many. */
extern char *tl_store_read(const TlBlockMeta *meta, uint32 offset, uint32 len, uint32 *got);

/* Number of all blocks of some levels and of their points: a pass over all rows. */
extern void tl_store_totals(TlLevels levels, double *blocks, double *points);

/*
 * About how many blocks of some levels lie in a range of time, and how many of their points, for the
 * planner: it looks at a bounded number of rows, whatever the size of the store.  An empty store
 * holds nothing.
 */
typedef struct TlStoreEstimate
{
	double blocks;
	double points;
	int64 first; /* the store's oldest day and newest timestamp */
	int64 last;
} TlStoreEstimate;

extern void tl_store_estimate(TlLevels levels, int64 from, int64 to, TlStoreEstimate *estimate);
/* What the backend keeps for that is out of date: it has changed blocks. */
extern void tl_store_estimate_forget(void);
/* Another number whenever that may be so, or a transaction that has written is over. */
extern uint64 tl_store_estimate_changes(void);

/* Pages of the tables of such blocks, and of their TOAST tables, in which their data mostly lie. */
extern double tl_store_pages(TlLevels levels);
/* The same, but what others have written in the last second may be missing. */
extern double tl_store_recent_pages(TlLevels levels);

/* Waits for other replacers of the bucket's blocks, until the end of the transaction. */
extern void tl_store_lock_bucket(int bucket);
/* The same without waiting: false if someone else has the lock. */
extern bool tl_store_try_lock_bucket(int bucket);
/* What is deleted can still be read by the snapshot that was active before. */
extern void tl_store_delete(const TlBlockMeta *meta);

/* The OID of telemetry.block. */
extern Oid tl_store_relid(void);

#endif
