/*
 * ingest_result.h
 *		What became of the rows of the transaction's last ingest, for telemetry.ingest_result().
 *
 * An ingest collects reports in a memory context of their own, which becomes the transaction's when
 * it ends: the result lives until the next ingest begins, the transaction ends, or the
 * subtransaction that it was made in is rolled back.
 */
#ifndef TL_INGEST_RESULT_H
#define TL_INGEST_RESULT_H

#include "base/compat.h"

typedef enum TlRowStatus
{
	TL_ROW_DUPLICATE, /* the same came again in this statement, or an event that is stored already */
	TL_ROW_REPLACED,  /* a later point of this statement has the same key */
	TL_ROW_CONFLICT,  /* an event that is stored with other content; the code says what was done */
	TL_ROW_SAMPLED,	  /* an event that was left out because the server was short of time */
	TL_ROW_REJECTED
} TlRowStatus;

/* A row that was not plainly accepted. */
typedef struct TlRowReport
{
	int64 row; /* 0-based position in the statement */
	TlRowStatus status;
	const char *code;
	const char *message;
	int64
		by; /* of a point that is a duplicate or replaced: the next row of its key; -1 otherwise */
} TlRowReport;

typedef struct TlIngestResult
{
	int64 received;
	int64 accepted;	  /* events with status sampled included */
	int64 duplicates; /* rows with status duplicate or replaced */
	int64 conflicts;  /* none for points: a later value wins */
	int64 rejected;
	int64 unkept;		  /* of the rejected, those that telemetry.dead_letter had no room for */
	TlRowReport *reports; /* ordered by row, as far as the settings have room for them */
	uint32 n_reports;
} TlIngestResult;

typedef struct TlReports TlReports;

/* Lives in the current memory context; forgets the transaction's last result. */
extern TlReports *tl_reports_begin(void);

/* Copies the code and the message. */
extern void tl_reports_add(TlReports *reports, int64 row, TlRowStatus status, const char *code,
						   const char *message);
/* The same for constants. */
extern void tl_reports_add_constant(TlReports *reports, int64 row, TlRowStatus status,
									const char *code, const char *message);
/* The same of a point that a later row of the statement has taken the place of. */
extern void tl_reports_add_repeat(TlReports *reports, int64 row, int64 by, TlRowStatus status,
								  const char *code, const char *message);

/* Publishes the counts with the reports; valid until the next ingest, or the transaction's end. */
extern const TlIngestResult *tl_reports_end(TlReports *reports, const TlIngestResult *counts);

#endif
