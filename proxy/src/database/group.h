/*
 * group.h
 *		Group commit: rows of many requests in one COPY.
 *
 * A lane is one COPY statement with the rows that wait for it.  Rows are encoded straight
 * into the lane's open group; a free connection takes the oldest group whole.  A request's
 * rows always lie together in one group, and one transaction.
 *
 *	begin	gives the buffer to append rows to
 *	commit	the rows so appended belong to an entry, which is told how they fared
 *	abort	they are taken back
 */
#ifndef TL_GROUP_H
#define TL_GROUP_H

#include "base/buf.h"
#include "database/copy_reply.h"
#include "database/pool.h"

typedef struct TlLane TlLane;
typedef struct TlGroup TlGroup;
typedef struct TlGroupEntry TlGroupEntry;

/* How the rows of an entry fared; valid only during the call. */
typedef struct TlGroupResult
{
	TlPgOutcome outcome;
	const TlPgError *error; /* unless DONE */
	const TlBuf *rows;		/* of the whole group, see copy_encode.h */
	const TlReject *rejects;
	size_t reject_count;
	const TlRepeat *repeats; /* by rows of the same entry; like rejects in the order of rows */
	size_t repeat_count;
	const TlRowAnswer *answers; /* for each row, from a lane of requests */
} TlGroupResult;

/* Embedded in its owner's object, which must live until on_end. */
struct TlGroupEntry
{
	void (*on_end)(TlGroupEntry *entry, const TlGroupResult *result);
	uint32_t rows;
	size_t first_byte; /* of its first row in the group's buffer */
	uint32_t first_row;
	TlGroupEntry *next;
	TlGroup *group;
	uint64_t deadline_us; /* set by the owner: nobody waits after it */
	bool given_up;
};

/* What a lane's rows are, and what the statement after its COPY tells of them. */
typedef enum TlLaneKind
{
	TL_LANE_POINTS,	 /* telemetry.ingest_result(): a row with counts and what was rejected */
	TL_LANE_REQUESTS /* telemetry.http_event_result(): status, body, content_type for each row */
} TlLaneKind;

/*
 * `query` is COPY FROM STDIN and then the statement that tells its result.  Each is sent with the
 * earliest deadline of its entries, after which it stores nothing.
 */
extern TlLane *tl_lane_open(TlPool *pool, TlLaneKind kind, const char *query, size_t max_rows,
							size_t max_bytes);

/* After the pool is closed. */
extern void tl_lane_close(TlLane *lane);

extern TlBuf *tl_group_begin(TlLane *lane);
extern void tl_group_commit(TlLane *lane, TlGroupEntry *entry, uint32_t rows);
extern void tl_group_abort(TlLane *lane);

/*
 * Nobody waits for an entry any more: if its group still waits, its rows are left out.  If that is on
 * its way, and `cancel`, the server is asked to end it, and what others have in it is sent again.
 */
extern void tl_group_give_up(TlGroupEntry *entry, bool cancel);

/* Whether it can no longer be that an entry's rows are stored, unless they are already. */
extern bool tl_group_is_given_up(const TlGroupEntry *entry);

/* Rows and bytes not yet confirmed, in groups that wait or are on their way. */
extern size_t tl_lane_pending_rows(const TlLane *lane);
extern size_t tl_lane_pending_bytes(const TlLane *lane);

#endif
