/*
 * copy_reply.h
 *		What the statement after a COPY tells of its rows.
 *
 * telemetry.ingest_result() has one row, with counts and a list of those rows of the COPY that were
 * not plainly stored; telemetry.http_event_result() has an answer for each.  A reply owns its texts.
 */
#ifndef TL_COPY_REPLY_H
#define TL_COPY_REPLY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* A row that was not stored. */
typedef struct TlReject
{
	uint32_t row; /* position within the rows it is told with */
	const char *code;
	const char *message;
} TlReject;

/* A row whose place a later one has taken. */
typedef struct TlRepeat
{
	uint32_t row; /* position within the rows it is told with */
	uint32_t by;  /* the next row of its key */
} TlRepeat;

/* What a row is to be answered. */
typedef struct TlRowAnswer
{
	int status;
	const char *body;
	size_t len;
	const char *content_type;
} TlRowAnswer;

/* Begins as {0}. */
typedef struct TlCopyReply
{
	bool understood;
	TlReject *rejects; /* by row of the COPY, as the others are */
	size_t reject_count;
	TlRepeat *repeats;
	size_t repeat_count;
	TlRowAnswer *answers;

	struct json_object *details; /* owns the texts of rejects */
	PGresult *result;			 /* owns the texts of answers */
} TlCopyReply;

/* Reads the rows of telemetry.ingest_result() after a COPY of so many rows. */
extern void tl_copy_reply_read_result(TlCopyReply *reply, const PGresult *rows, uint32_t row_count);

/* Reads the rows of telemetry.http_event_result(). */
extern void tl_copy_reply_read_answers(TlCopyReply *reply, const PGresult *rows,
									   uint32_t row_count);

extern void tl_copy_reply_clear(TlCopyReply *reply);

#endif
