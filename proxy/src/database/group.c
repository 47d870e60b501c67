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

#include <json-c/json.h>
#include <stdlib.h>

/* Groups, and memory in each, that are kept for reuse. */
#define SPARE_GROUPS 8
#define SPARE_BYTES ((size_t) 16 * 1024 * 1024)

/* The columns of telemetry.ingest_result(). */
enum
{
	RESULT_RECEIVED,
	RESULT_ACCEPTED,
	RESULT_DUPLICATES,
	RESULT_CONFLICTS,
	RESULT_REJECTED,
	RESULT_ROWS,
	RESULT_COLUMNS
};

typedef struct Group
{
	TlPgJob job; /* first: a job is its group */
	TlLane *lane;
	struct Group *next;
	TlBuf rows;
	uint32_t row_count;
	uint32_t entry_count;
	bool sealed; /* takes no more rows */
	TlGroupEntry *first;
	TlGroupEntry **last;

	/* Of the result. */
	bool understood;
	struct json_object *details; /* owns the texts of rejects */
	TlReject *rejects;			 /* by row of the group */
	size_t reject_count;
	TlRepeat *repeats; /* by row of the group */
	size_t repeat_count;
	PGresult *result;	  /* owns the texts of answers */
	TlRowAnswer *answers; /* by row of the group */
} Group;

struct TlLane
{
	TlPoolSource source; /* first: a source is its lane */
	TlPool *pool;
	TlLaneKind kind;
	char *query;
	size_t max_rows;
	size_t max_bytes;

	Group *head; /* oldest */
	Group *tail; /* open, unless full */
	size_t mark; /* where the rows being appended begin */

	Group *spares;
	size_t spare_count;
	size_t pending_rows;
	size_t pending_bytes;
};

static void group_on_rows(TlPgJob *job, const PGresult *rows);
static void group_on_end(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error);

static void
group_clear(Group *group)
{
	if (group->details != NULL)
		json_object_put(group->details);
	free(group->rejects);
	free(group->repeats);
	PQclear(group->result);
	free(group->answers);
	group->result = NULL;
	group->answers = NULL;
	group->details = NULL;
	group->rejects = NULL;
	group->reject_count = 0;
	group->repeats = NULL;
	group->repeat_count = 0;
	group->understood = false;
	group->first = NULL;
	group->last = &group->first;
	group->next = NULL;
	group->row_count = 0;
	group->entry_count = 0;
	group->sealed = false;
}

static Group *
group_acquire(TlLane *lane)
{
	Group *group = lane->spares;

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
group_free(Group *group)
{
	group_clear(group);
	tl_buf_free(&group->rows);
	free(group);
}

static void
group_release(Group *group)
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
group_finish(Group *group, TlPgOutcome outcome, const TlPgError *error)
{
	TlGroupResult result = {.outcome = outcome, .error = error, .rows = &group->rows};
	TlReject *reject = group->rejects;
	TlReject *end = group->rejects + group->reject_count;
	TlRepeat *repeat = group->repeats;
	const TlRepeat *repeats_end = group->repeats + group->repeat_count;
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
		if (group->answers != NULL)
			result.answers = group->answers + entry->first_row;
		entry->on_end(entry, &result);
		entry = next;
	}
	group_release(group);
}

static const char *
member_text(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member))
		return "";
	return json_object_get_string(member) != NULL ? json_object_get_string(member) : "";
}

/* Whether a row was not stored because of a later one, which may be another request's. */
static bool
read_repeat(struct json_object *detail, uint32_t row, uint32_t row_count, TlRepeat *repeat)
{
	struct json_object *by;
	int64_t position;

	if (!json_object_object_get_ex(detail, "by", &by))
		return false;
	position = json_object_get_int64(by);
	*repeat = (TlRepeat){row, (uint32_t) position};
	return position > row && position < row_count;
}

/*
 * Takes the rejected rows and the repeats from the list of rows that were not plainly accepted, of
 * which the latter count as stored.
 */
static bool
group_read_details(Group *group, const char *text)
{
	size_t count;
	size_t out = 0;

	if (strcmp(text, "[]") == 0)
		return true;
	group->details = json_tokener_parse(text);
	if (!json_object_is_type(group->details, json_type_array))
		return false;
	count = json_object_array_length(group->details);
	group->rejects = calloc(count + 1, sizeof(*group->rejects));
	group->repeats = calloc(count + 1, sizeof(*group->repeats));
	if (group->rejects == NULL || group->repeats == NULL)
		tl_log_die("out of memory");
	for (size_t i = 0; i < count; i++)
	{
		struct json_object *detail = json_object_array_get_idx(group->details, i);
		struct json_object *row;
		int64_t position;

		if (!json_object_object_get_ex(detail, "row", &row))
			return false;
		position = json_object_get_int64(row);
		if (position < 0 || position >= group->row_count)
			return false;
		if (strcmp(member_text(detail, "status"), "rejected") != 0)
		{
			TlRepeat *repeat = &group->repeats[group->repeat_count];

			if (read_repeat(detail, (uint32_t) position, group->row_count, repeat))
				group->repeat_count++;
			continue;
		}
		if (out > 0 && (int64_t) group->rejects[out - 1].row >= position)
			return false;
		group->rejects[out++] = (TlReject){
			.row = (uint32_t) position,
			.code = member_text(detail, "code"),
			.message = member_text(detail, "message"),
		};
	}
	group->reject_count = out;
	return true;
}

/* Keeps the answers of a lane of requests. */
static bool
group_read_answers(Group *group, const PGresult *rows)
{
	if (PQntuples(rows) != (int) group->row_count || PQnfields(rows) != 3)
		return false;
	group->result = PQcopyResult(rows, PG_COPYRES_TUPLES);
	group->answers = calloc(group->row_count, sizeof(*group->answers));
	if (group->result == NULL || group->answers == NULL)
		tl_log_die("out of memory");
	for (uint32_t i = 0; i < group->row_count; i++)
	{
		TlRowAnswer *answer = &group->answers[i];

		answer->status = atoi(PQgetvalue(group->result, (int) i, 0));
		answer->body = PQgetvalue(group->result, (int) i, 1);
		answer->len = (size_t) PQgetlength(group->result, (int) i, 1);
		if (!PQgetisnull(group->result, (int) i, 2))
			answer->content_type = PQgetvalue(group->result, (int) i, 2);
		if (answer->status < 200 || answer->status > 599)
			return false;
	}
	return true;
}

static void
group_on_rows(TlPgJob *job, const PGresult *rows)
{
	Group *group = (Group *) job;

	if (group->lane->kind == TL_LANE_REQUESTS)
	{
		group->understood = group->result == NULL && group_read_answers(group, rows);
		return;
	}
	if (PQntuples(rows) != 1 || PQnfields(rows) != RESULT_COLUMNS)
		return;
	group->understood =
		strtoull(PQgetvalue(rows, 0, RESULT_RECEIVED), NULL, 10) == group->row_count &&
		group_read_details(group, PQgetvalue(rows, 0, RESULT_ROWS)) &&
		strtoull(PQgetvalue(rows, 0, RESULT_REJECTED), NULL, 10) == group->reject_count;
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

/* Divides a group that has left the queue, and puts both halves at the queue's head. */
static void
group_divide(Group *group)
{
	TlLane *lane = group->lane;
	Group *half = group_acquire(lane);
	TlGroupEntry **link = &group->first;
	size_t split_byte;
	uint32_t split_row;

	lane->pending_bytes -= group->rows.len;
	for (uint32_t i = 0; i < group->entry_count / 2; i++)
		link = &(*link)->next;
	split_byte = (*link)->first_byte;
	split_row = (*link)->first_row;

	half->first = *link;
	half->last = group->last;
	half->entry_count = group->entry_count - group->entry_count / 2;
	half->row_count = group->row_count - split_row;
	for (TlGroupEntry *entry = half->first; entry != NULL; entry = entry->next)
	{
		entry->first_byte = entry->first_byte - split_byte + half->rows.len;
		entry->first_row -= split_row;
	}
	tl_buf_add(&half->rows, group->rows.data + split_byte,
			   group->rows.len - split_byte - TL_COPY_TRAILER_SIZE);

	*link = NULL;
	group->last = link;
	group->entry_count /= 2;
	group->row_count = split_row;
	group->rows.len = split_byte;

	group->sealed = true;
	half->sealed = true;
	group->next = half;
	half->next = lane->head;
	lane->head = group;
	if (lane->tail == NULL)
		lane->tail = half;
	lane->pending_bytes += group->rows.len + half->rows.len;
	tl_pool_wake(lane->pool);
}

static void
group_on_end(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error)
{
	Group *group = (Group *) job;
	TlPgError confused = {.message = "what became of the rows was not understood"};

	/* Stored, but who of the waiting may be told so is unknown: nobody. */
	if (outcome == TL_PG_DONE && !group->understood)
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
			tl_metrics.points_rejected += group->reject_count;
		}
	}
	else
	{
		tl_metrics.copies_failed++;
		tl_log(TL_LOG_ERROR, "a COPY of %u rows was not confirmed: %s%s%s", group->row_count,
			   error->sqlstate, error->sqlstate[0] != '\0' ? " " : "", error->message);
		group->reject_count = 0;
		group->repeat_count = 0;
		if (outcome == TL_PG_FAILED && group->entry_count > 1 && error_may_be_a_row(error))
		{
			group_divide(group);
			return;
		}
	}
	group_finish(group, outcome, error);
}

static Group *
lane_take_group(TlLane *lane)
{
	Group *group = lane->head;

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
	Group *group = lane_take_group(lane);

	if (group == NULL)
		return false;
	tl_copy_end(&group->rows);
	lane->pending_bytes += TL_COPY_TRAILER_SIZE;
	tl_pgconn_run_copy(conn, &group->job, lane->query, &group->rows);
	return true;
}

static void
lane_away(TlPoolSource *source)
{
	TlLane *lane = (TlLane *) source;
	TlPgError error = {.message = "the database is away"};
	Group *group;

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
		Group *group = lane->head;

		lane->head = group->next;
		group_free(group);
	}
	while (lane->spares != NULL)
	{
		Group *group = lane->spares;

		lane->spares = group->next;
		group_free(group);
	}
	free(lane->query);
	free(lane);
}

TlBuf *
tl_group_begin(TlLane *lane)
{
	Group *group = lane->tail;

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
	Group *group = lane->tail;

	entry->first_byte = lane->mark;
	entry->first_row = group->row_count;
	entry->rows = rows;
	entry->next = NULL;
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
