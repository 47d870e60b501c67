/*
 * copy_reply.c
 *		What the statement after a COPY tells of its rows.  See copy_reply.h.
 */
#include "database/copy_reply.h"

#include "base/log.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

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
read_details(TlCopyReply *reply, const char *text, uint32_t row_count)
{
	size_t count;
	size_t out = 0;

	if (strcmp(text, "[]") == 0)
		return true;
	reply->details = json_tokener_parse(text);
	if (!json_object_is_type(reply->details, json_type_array))
		return false;
	count = json_object_array_length(reply->details);
	reply->rejects = calloc(count + 1, sizeof(*reply->rejects));
	reply->repeats = calloc(count + 1, sizeof(*reply->repeats));
	if (reply->rejects == NULL || reply->repeats == NULL)
		tl_log_die("out of memory");
	for (size_t i = 0; i < count; i++)
	{
		struct json_object *detail = json_object_array_get_idx(reply->details, i);
		struct json_object *row;
		int64_t position;

		if (!json_object_object_get_ex(detail, "row", &row))
			return false;
		position = json_object_get_int64(row);
		if (position < 0 || position >= row_count)
			return false;
		if (strcmp(member_text(detail, "status"), "rejected") != 0)
		{
			TlRepeat *repeat = &reply->repeats[reply->repeat_count];

			if (read_repeat(detail, (uint32_t) position, row_count, repeat))
				reply->repeat_count++;
			continue;
		}
		if (out > 0 && (int64_t) reply->rejects[out - 1].row >= position)
			return false;
		reply->rejects[out++] = (TlReject){
			.row = (uint32_t) position,
			.code = member_text(detail, "code"),
			.message = member_text(detail, "message"),
		};
	}
	reply->reject_count = out;
	return true;
}

/* Keeps the answers of a lane of requests. */
static bool
read_answers(TlCopyReply *reply, const PGresult *rows, uint32_t row_count)
{
	if (PQntuples(rows) != (int) row_count || PQnfields(rows) != 3)
		return false;
	reply->result = PQcopyResult(rows, PG_COPYRES_TUPLES);
	reply->answers = calloc(row_count, sizeof(*reply->answers));
	if (reply->result == NULL || reply->answers == NULL)
		tl_log_die("out of memory");
	for (uint32_t i = 0; i < row_count; i++)
	{
		TlRowAnswer *answer = &reply->answers[i];

		answer->status = atoi(PQgetvalue(reply->result, (int) i, 0));
		answer->body = PQgetvalue(reply->result, (int) i, 1);
		answer->len = (size_t) PQgetlength(reply->result, (int) i, 1);
		if (!PQgetisnull(reply->result, (int) i, 2))
			answer->content_type = PQgetvalue(reply->result, (int) i, 2);
		if (answer->status < 200 || answer->status > 599)
			return false;
	}
	return true;
}

void
tl_copy_reply_read_result(TlCopyReply *reply, const PGresult *rows, uint32_t row_count)
{
	if (PQntuples(rows) != 1 || PQnfields(rows) != RESULT_COLUMNS)
		return;
	reply->understood =
		strtoull(PQgetvalue(rows, 0, RESULT_RECEIVED), NULL, 10) == row_count &&
		read_details(reply, PQgetvalue(rows, 0, RESULT_ROWS), row_count) &&
		strtoull(PQgetvalue(rows, 0, RESULT_REJECTED), NULL, 10) == reply->reject_count;
}

void
tl_copy_reply_read_answers(TlCopyReply *reply, const PGresult *rows, uint32_t row_count)
{
	reply->understood = reply->result == NULL && read_answers(reply, rows, row_count);
}

void
tl_copy_reply_clear(TlCopyReply *reply)
{
	if (reply->details != NULL)
		json_object_put(reply->details);
	free(reply->rejects);
	free(reply->repeats);
	PQclear(reply->result);
	free(reply->answers);
	*reply = (TlCopyReply){0};
}
