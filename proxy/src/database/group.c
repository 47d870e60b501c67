/*
 * group.c
 *		Group commit: rows of many requests in one COPY.
 *
 * The lane owns its groups, and a group its buffer.  Groups form a queue; rows are appended
 * to the last one until it is full.  A group that a connection has taken is off the queue
 * until its transaction has ended, then its entries are told and it is kept for reuse.
 *
 * No row should ever fail a COPY.  Should one do so after all, its group is divided in two and
 * each half tried again, until the request that it came with is alone: others must not suffer.
 */
#include "database/group.h"

#include "base/log.h"
#include "base/metrics.h"
#include "database/copy_encode.h"
#include "database/deadline.h"

#include <stdlib.h>

#define QUERY_CANCELED "57014"

/* What another attempt is expected to take at most: this one may have waited for a lock. */
#define ATTEMPT_MAX_US ((uint64_t) 250 * 1000)

/* Groups, and memory in each, that are kept for reuse. */
#define SPARE_GROUPS 8
#define SPARE_BYTES ((size_t) 16 * 1024 * 1024)

struct TlGroup
{
	TlPgJob job; /* first: a job is its group */
	TlLane *lane;
	TlGroup *next;
	TlBuf rows;
	uint32_t row_count;
	uint32_t entry_count;
	bool sealed;	   /* takes no more rows */
	bool any_given_up; /* of the entries */
	TlPgConn *conn;	   /* NULL while it waits */
	TlBuf query;
	TlGroupEntry *first;
	TlGroupEntry **last;
	TlCopyReply reply;
};

struct TlLane
{
	TlPoolSource source; /* first: a source is its lane */
	TlPool *pool;
	TlLaneKind kind;
	char *query;
	size_t max_rows;
	size_t max_bytes;

	TlGroup *head; /* oldest */
	TlGroup *tail; /* open, unless full */
	size_t mark;   /* where the rows being appended begin */

	TlGroup *spares;
	size_t spare_count;
	size_t pending_rows;
	size_t pending_bytes;
};

static void group_on_rows(TlPgJob *job, const PGresult *rows);
static void group_on_end(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error);

static void
group_clear(TlGroup *group)
{
	tl_copy_reply_clear(&group->reply);
	group->first = NULL;
	group->last = &group->first;
	group->next = NULL;
	group->row_count = 0;
	group->entry_count = 0;
	group->sealed = false;
	group->any_given_up = false;
	group->conn = NULL;
}

static TlGroup *
group_acquire(TlLane *lane)
{
	TlGroup *group = lane->spares;

	if (group != NULL)
	{
		lane->spares = group->next;
		lane->spare_count--;
	}
	else
	{
		group = calloc(1, sizeof(*group));
		if (group == NULL)
			tl_log_die("out of memory");
		group->job.on_rows = group_on_rows;
		group->job.on_end = group_on_end;
		group->lane = lane;
	}
	group_clear(group);
	tl_copy_begin(&group->rows);
	return group;
}

static void
group_free(TlGroup *group)
{
	group_clear(group);
	tl_buf_free(&group->rows);
	tl_buf_free(&group->query);
	free(group);
}

static void
group_release(TlGroup *group)
{
	TlLane *lane = group->lane;

	if (lane->spare_count == SPARE_GROUPS)
	{
		group_free(group);
		return;
	}
	group_clear(group);
	tl_buf_reset(&group->rows, SPARE_BYTES);
	group->next = lane->spares;
	lane->spares = group;
	lane->spare_count++;
}

/* The repeats within the entry of those from repeat on, which are moved there; returns the next one. */
static TlRepeat *
entry_repeats(const TlGroupEntry *entry, TlRepeat *repeat, const TlRepeat *end,
			  TlGroupResult *result)
{
	TlRepeat *out = repeat;
	uint32_t last = entry->first_row + entry->rows;

	result->repeats = out;
	for (; repeat < end && repeat->row < last; repeat++)
		if (repeat->by < last)
			*out++ = (TlRepeat){repeat->row - entry->first_row, repeat->by - entry->first_row};
	result->repeat_count = (size_t) (out - result->repeats);
	return repeat;
}

/* Tells every entry of a group that has left the queue, and gives the group back. */
static void
group_finish(TlGroup *group, TlPgOutcome outcome, const TlPgError *error)
{
	TlGroupResult result = {.outcome = outcome, .error = error, .rows = &group->rows};
	TlReject *reject = group->reply.rejects;
	TlReject *end = group->reply.rejects + group->reply.reject_count;
	TlRepeat *repeat = group->reply.repeats;
	const TlRepeat *repeats_end = group->reply.repeats + group->reply.repeat_count;
	TlGroupEntry *entry = group->first;

	group->lane->pending_rows -= group->row_count;
	group->lane->pending_bytes -= group->rows.len;

	while (entry != NULL)
	{
		/* The entry may be gone once it has been told. */
		TlGroupEntry *next = entry->next;

		result.rejects = reject;
		result.reject_count = 0;
		while (reject < end && reject->row < entry->first_row + entry->rows)
		{
			reject->row -= entry->first_row;
			result.reject_count++;
			reject++;
		}
		repeat = entry_repeats(entry, repeat, repeats_end, &result);
		if (group->reply.answers != NULL)
			result.answers = group->reply.answers + entry->first_row;
		entry->on_end(entry, &result);
		entry = next;
	}
	group_release(group);
}

static void
group_on_rows(TlPgJob *job, const PGresult *rows)
{
	TlGroup *group = (TlGroup *) job;

	if (group->lane->kind == TL_LANE_REQUESTS)
		tl_copy_reply_read_answers(&group->reply, rows, group->row_count);
	else
		tl_copy_reply_read_result(&group->reply, rows, group->row_count);
}

/* Errors that the data may have caused. */
static bool
error_may_be_a_row(const TlPgError *error)
{
	static const char *const classes[] = {"22", "23", "54", "P0", "XX"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(error->sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/* Puts groups that were sent before back at the queue's head: one, or a chain of them. */
static void
lane_put_back(TlLane *lane, TlGroup *first, TlGroup *last)
{
	last->next = lane->head;
	lane->head = first;
	if (lane->tail == NULL)
		lane->tail = last;
	tl_pool_wake(lane->pool);
}

/* Divides a group that has left the queue, and puts both halves at the queue's head. */
static void
group_divide(TlGroup *group)
{
	TlLane *lane = group->lane;
	TlGroup *half = group_acquire(lane);
	TlGroupEntry **link = &group->first;
	size_t split_byte;
	uint32_t split_row;

	lane->pending_bytes -= group->rows.len;
	for (uint32_t i = 0; i < group->entry_count / 2; i++)
		link = &(*link)->next;
	split_byte = (*link)->first_byte;
	split_row = (*link)->first_row;

	half->any_given_up = group->any_given_up;
	half->first = *link;
	half->last = group->last;
	half->entry_count = group->entry_count - group->entry_count / 2;
	half->row_count = group->row_count - split_row;
	for (TlGroupEntry *entry = half->first; entry != NULL; entry = entry->next)
	{
		entry->first_byte = entry->first_byte - split_byte + half->rows.len;
		entry->first_row -= split_row;
		entry->group = half;
	}
	tl_buf_add(&half->rows, group->rows.data + split_byte,
			   group->rows.len - split_byte - TL_COPY_TRAILER_SIZE);

	*link = NULL;
	group->last = link;
	group->entry_count /= 2;
	group->row_count = split_row;
	group->rows.len = split_byte;

	tl_copy_reply_clear(&group->reply);
	group->conn = NULL;
	group->sealed = true;
	half->sealed = true;
	group->next = half;
	lane->pending_bytes += group->rows.len + half->rows.len;
	lane_put_back(lane, group, half);
}

/* Gives up the entries whose deadlines come before a time. */
static void
group_give_up_before(TlGroup *group, uint64_t time_us)
{
	for (TlGroupEntry *entry = group->first; entry != NULL; entry = entry->next)
	{
		entry->given_up |= time_us > entry->deadline_us;
		group->any_given_up |= entry->given_up;
	}
}

/*
 * Whether it was for the sake of some of its entries that nothing was stored.  If so, those go, too,
 * for whom another attempt would probably come too late: else deadlines that lie closer together than
 * a COPY takes would make one attempt after the other fail.
 */
static bool
group_is_overdue(TlGroup *group)
{
	uint64_t now = tl_clock_us();
	uint64_t again = now - tl_pgconn_busy_since(group->conn);

	group_give_up_before(group, now);
	if (!group->any_given_up)
		return false;
	group_give_up_before(group, now + (again < ATTEMPT_MAX_US ? again : ATTEMPT_MAX_US));
	return true;
}

/* Puts a group that was cancelled for somebody's sake at the queue's head again. */
static void
group_send_again(TlGroup *group)
{
	TlLane *lane = group->lane;

	group->rows.len -= TL_COPY_TRAILER_SIZE;
	lane->pending_bytes -= TL_COPY_TRAILER_SIZE;
	tl_copy_reply_clear(&group->reply);
	group->sealed = true;
	group->conn = NULL;
	lane_put_back(lane, group, group);
}

static void
group_on_end(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error)
{
	TlGroup *group = (TlGroup *) job;
	TlPgError confused = {.message = "what became of the rows was not understood"};

	/* Stored, but who of the waiting may be told so is unknown: nobody. */
	if (outcome == TL_PG_DONE && !group->reply.understood)
	{
		outcome = TL_PG_FAILED;
		error = &confused;
	}
	if (outcome == TL_PG_DONE)
	{
		tl_metrics.copies++;
		if (group->lane->kind == TL_LANE_REQUESTS)
			tl_metrics.event_requests += group->row_count;
		else
		{
			tl_metrics.points_received += group->row_count;
			tl_metrics.points_rejected += group->reply.reject_count;
		}
	}
	else
	{
		tl_metrics.copies_failed++;
		tl_log(TL_LOG_ERROR, "a COPY of %u rows was not confirmed: %s%s%s", group->row_count,
			   error->sqlstate, error->sqlstate[0] != '\0' ? " " : "", error->message);
		group->reply.reject_count = 0;
		group->reply.repeat_count = 0;
		if (outcome == TL_PG_FAILED && strcmp(error->sqlstate, QUERY_CANCELED) == 0 &&
			group_is_overdue(group))
		{
			group_send_again(group);
			return;
		}
		if (outcome == TL_PG_FAILED && group->entry_count > 1 && error_may_be_a_row(error))
		{
			group_divide(group);
			return;
		}
	}
	group_finish(group, outcome, error);
}

/*
 * Takes out of a group that has left the queue the entries that nobody waits for, and tells them that
 * they are lost.  False if nothing is left of it; it is given back then.
 */
static bool
group_leave_out(TlGroup *group)
{
	TlPgError error = {.message = "nobody waits for it"};
	TlGroupResult result = {.outcome = TL_PG_LOST, .error = &error, .rows = &group->rows};
	TlLane *lane = group->lane;
	TlGroupEntry *entry = group->first;
	size_t kept_bytes;

	if (!group->any_given_up)
		return true;
	kept_bytes = entry->first_byte;
	group->any_given_up = false;
	group->first = NULL;
	group->last = &group->first;
	group->row_count = 0;
	group->entry_count = 0;
	while (entry != NULL)
	{
		TlGroupEntry *next = entry->next;
		size_t end = next != NULL ? next->first_byte : group->rows.len;
		size_t bytes = end - entry->first_byte;

		if (entry->given_up)
		{
			lane->pending_rows -= entry->rows;
			lane->pending_bytes -= bytes;
			entry->on_end(entry, &result);
		}
		else
		{
			memmove(group->rows.data + kept_bytes, group->rows.data + entry->first_byte, bytes);
			entry->first_byte = kept_bytes;
			entry->first_row = group->row_count;
			entry->next = NULL;
			*group->last = entry;
			group->last = &entry->next;
			group->row_count += entry->rows;
			group->entry_count++;
			kept_bytes += bytes;
		}
		entry = next;
	}
	group->rows.len = kept_bytes;
	if (group->entry_count > 0)
		return true;
	lane->pending_bytes -= group->rows.len;
	group_release(group);
	return false;
}

static void
group_compose_query(TlGroup *group)
{
	uint64_t earliest = UINT64_MAX;
	char deadline[TL_DEADLINE_SIZE];

	for (const TlGroupEntry *entry = group->first; entry != NULL; entry = entry->next)
		earliest = entry->deadline_us < earliest ? entry->deadline_us : earliest;
	tl_deadline_format(earliest, deadline);
	group->query.len = 0;
	tl_buf_printf(&group->query, "SET LOCAL telemetry.deadline = '%s'; %s", deadline,
				  group->lane->query);
}

static TlGroup *
lane_take_group(TlLane *lane)
{
	TlGroup *group = lane->head;

	if (group == NULL || group->row_count == 0)
		return NULL;
	lane->head = group->next;
	if (lane->head == NULL)
		lane->tail = NULL;
	group->next = NULL;
	return group;
}

static bool
lane_start(TlPoolSource *source, TlPgConn *conn)
{
	TlLane *lane = (TlLane *) source;
	TlGroup *group;

	do
	{
		group = lane_take_group(lane);
		if (group == NULL)
			return false;
		group_give_up_before(group, tl_clock_us());
	} while (!group_leave_out(group));
	group->conn = conn;
	tl_copy_end(&group->rows);
	lane->pending_bytes += TL_COPY_TRAILER_SIZE;
	group_compose_query(group);
	tl_pgconn_run_copy(conn, &group->job, group->query.data, &group->rows);
	return true;
}

static void
lane_away(TlPoolSource *source)
{
	TlLane *lane = (TlLane *) source;
	TlPgError error = {.message = "the database is away"};
	TlGroup *group;

	while ((group = lane_take_group(lane)) != NULL)
		group_finish(group, TL_PG_LOST, &error);
}

TlLane *
tl_lane_open(TlPool *pool, TlLaneKind kind, const char *query, size_t max_rows, size_t max_bytes)
{
	TlLane *lane = calloc(1, sizeof(*lane));

	if (lane == NULL)
		tl_log_die("out of memory");
	lane->source.start = lane_start;
	lane->source.away = lane_away;
	lane->pool = pool;
	lane->kind = kind;
	lane->query = strdup(query);
	if (lane->query == NULL)
		tl_log_die("out of memory");
	lane->max_rows = max_rows;
	lane->max_bytes = max_bytes;
	tl_pool_add_source(pool, &lane->source);
	return lane;
}

void
tl_lane_close(TlLane *lane)
{
	while (lane->head != NULL)
	{
		TlGroup *group = lane->head;

		lane->head = group->next;
		group_free(group);
	}
	while (lane->spares != NULL)
	{
		TlGroup *group = lane->spares;

		lane->spares = group->next;
		group_free(group);
	}
	free(lane->query);
	free(lane);
}

TlBuf *
tl_group_begin(TlLane *lane)
{
	TlGroup *group = lane->tail;

	if (group == NULL || group->sealed || group->row_count >= lane->max_rows ||
		group->rows.len >= lane->max_bytes)
	{
		group = group_acquire(lane);
		lane->pending_bytes += group->rows.len;
		if (lane->tail != NULL)
			lane->tail->next = group;
		else
			lane->head = group;
		lane->tail = group;
	}
	lane->mark = group->rows.len;
	return &group->rows;
}

void
tl_group_commit(TlLane *lane, TlGroupEntry *entry, uint32_t rows)
{
	TlGroup *group = lane->tail;

	entry->first_byte = lane->mark;
	entry->first_row = group->row_count;
	entry->rows = rows;
	entry->next = NULL;
	entry->group = group;
	entry->given_up = false;
	*group->last = entry;
	group->last = &entry->next;
	group->row_count += rows;
	group->entry_count++;
	lane->pending_rows += rows;
	lane->pending_bytes += group->rows.len - lane->mark;
	tl_pool_wake(lane->pool);
}

void
tl_group_abort(TlLane *lane)
{
	lane->tail->rows.len = lane->mark;
}

void
tl_group_give_up(TlGroupEntry *entry, bool cancel)
{
	TlGroup *group = entry->group;

	entry->given_up = true;
	group->any_given_up = true;
	if (cancel && group->conn != NULL)
		tl_pgconn_cancel(group->conn);
}

bool
tl_group_is_given_up(const TlGroupEntry *entry)
{
	const TlPgConn *conn = entry->group->conn;

	return entry->given_up && (conn == NULL || tl_pgconn_is_cancelled(conn));
}

size_t
tl_lane_pending_rows(const TlLane *lane)
{
	return lane->pending_rows;
}

size_t
tl_lane_pending_bytes(const TlLane *lane)
{
	return lane->pending_bytes;
}
