/*
 * ingest.h
 *		The one way for points into the store: check, collect, flush, report.
 *
 * A statement (COPY, INSERT, telemetry.ingest) begins an ingest, hands over row after row and
 * ends it.  A row that breaks a rule is rejected with a code and a message, and kept in
 * telemetry.dead_letter; it never raises an error.  What became of the rows is remembered for
 * the transaction, until its next ingest, for telemetry.ingest_result().
 */
#ifndef TL_INGEST_H
#define TL_INGEST_H

#include "ingest/ingest_result.h"
#include "block/run.h"

typedef struct TlIngest TlIngest;

/* A row as it came; a slice whose data is NULL is a NULL. */
typedef struct TlIngestRow
{
	bool has_ts;
	int64 ts;
	TlSlice device;
	TlSlice metric;
	const struct varlena *value; /* a telemetry.value, detoasted, or NULL */
	TlSlice unit;
	TlSlice tags;	  /* jsonb in binary form, without varlena header */
	TlSlice metadata; /* likewise */
} TlIngestRow;

extern TlIngest *tl_ingest_begin(void);

/*
 * Also tells fn of each row as it is rejected, from within the call that brings the row; unlike
 * the reports, none is left out.  The texts last no longer than that call.
 */
typedef void (*TlRejectFn)(void *arg, int64 row, const char *code, const char *message);
extern void tl_ingest_on_reject(TlIngest *ingest, TlRejectFn fn, void *arg);

/*
 * Also tells fn of each row that a later one has taken the place of, when they are flushed; none is
 * missed, for the rows are kept in memory until the end.  So they must be few.
 */
typedef void (*TlRepeatFn)(void *arg, int64 row);
extern void tl_ingest_on_repeat(TlIngest *ingest, TlRepeatFn fn, void *arg);

/*
 * False if the row was rejected.  Else the row is then as it is stored: the definition of its metric may
 * have made its value another one, or given it a unit.  That is good until the next call.
 */
extern bool tl_ingest_row(TlIngest *ingest, TlIngestRow *row);

/*
 * Rejects a row that could not even be made one, such as a JSON point without metric; what is
 * a JSON text that shows it, for telemetry.dead_letter, or NULL if it is not to be kept there.
 */
extern void tl_ingest_reject(TlIngest *ingest, const char *code, const char *message,
							 const char *what);

/* Stores what is left and publishes the result, which is valid until the next ingest. */
extern const TlIngestResult *tl_ingest_end(TlIngest *ingest);

/* Reject codes, as users see them. */
#define TL_REJECT_MISSING "missing_field"
#define TL_REJECT_KEY "invalid_key"
#define TL_REJECT_TIMESTAMP "invalid_timestamp"
#define TL_REJECT_FUTURE "timestamp_in_future"
#define TL_REJECT_NO_VALUE "no_value"
#define TL_REJECT_VALUE "invalid_value"
#define TL_REJECT_TOO_LARGE "value_too_large"
#define TL_REJECT_UNIT "invalid_unit"
#define TL_REJECT_TAGS "invalid_tags"
#define TL_REJECT_METADATA "invalid_metadata"
#define TL_REJECT_TYPE "type_mismatch" /* these three by the metric's definition */
#define TL_REJECT_RANGE "out_of_range"
#define TL_REJECT_NOT_ALLOWED "value_not_allowed"
#define TL_REJECT_JSON "invalid_json" /* in no field that there is */
#define TL_REJECT_POINTS                                                                           \
	"invalid_points" /* of a device of a bulk body, whose points are not taken */

#endif
