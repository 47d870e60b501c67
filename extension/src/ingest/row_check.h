/*
 * row_check.h
 *		The rules that a point must keep.
 *
 * Each check returns true, or false with a code and a message (palloc'd in the current memory
 * context) that names the field and the limit.  None raises.
 */
#ifndef TL_ROW_CHECK_H
#define TL_ROW_CHECK_H

#include "base/compat.h"

#include "datatype/timestamp.h"
#include "ingest/ingest.h"

typedef struct TlRejection
{
	const char *code;
	const char *message;
} TlRejection;

/* Fields that must be there, and the length of device_id and metric: cheap, for every row. */
extern bool tl_row_check_present(const TlIngestRow *row, TlRejection *why);
/* Length and characters of a name, which the message calls as given. */
extern bool tl_row_check_name(TlSlice name, const char *what, const char *code, TlRejection *why);
/* device_id and metric byte by byte: once for each series of a memtable. */
extern bool tl_row_check_key(const TlIngestRow *row, TlRejection *why);
/*
 * A time that is stored is of these: 4713-01-01 BC, whose Julian day is 38, to the end of 294275,
 * in UTC.  Before and after there is room for its local hour and day in any zone, and those next to
 * them.
 */
#define TL_TIME_FIRST ((38 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
#define TL_TIME_LAST (END_TIMESTAMP - 366 * USECS_PER_DAY - 1)

/* What is wrong with a time, such as "is not finite"; null: nothing. */
extern const char *tl_row_time_problem(int64 ts);
/* A timestamp beyond latest, which the caller has just computed from the clock. */
extern bool tl_row_check_ts(int64 ts, int64 latest, TlRejection *why);
extern bool tl_row_check_value(const struct varlena *value, TlRejection *why);
extern bool tl_row_check_attrs(const TlIngestRow *row, TlRejection *why);

/* The first control character of a text, or NULL: C0, DEL, and C1 in UTF-8. */
extern const char *tl_row_control_character(TlSlice s);

#endif
