/*
 * copy_encode.h
 *		Rows of telemetry.point and telemetry.http_event in PostgreSQL's binary COPY format.
 *
 *	stream	header, rows, int16 -1
 *	row		int16 7, then seven fields (ts, device_id, metric, value, unit, tags, metadata),
 *			or int16 3, then three (route, params, body)
 *	field	int32 length (-1: null), bytes
 *
 * All integers are in network order.  ts is microseconds since 2000; a value is its kind
 * byte and payload; a document is version byte 1 and JSON text.
 */
#ifndef TL_COPY_ENCODE_H
#define TL_COPY_ENCODE_H

#include "base/buf.h"
#include "base/json_scan.h"

#include <stdint.h>

#define TL_COPY_HEADER_SIZE 19
#define TL_COPY_TRAILER_SIZE 2

/* telemetry.value on the wire. */
enum
{
	TL_VALUE_NUMERIC = 1,
	TL_VALUE_TEXT = 2,
	TL_VALUE_BOOLEAN = 3,
	TL_VALUE_JSON = 4
};

/* The columns in their order. */
typedef enum TlCopyField
{
	TL_COPY_TS,
	TL_COPY_DEVICE,
	TL_COPY_METRIC,
	TL_COPY_VALUE,
	TL_COPY_UNIT,
	TL_COPY_TAGS,
	TL_COPY_METADATA,
	TL_COPY_FIELDS
} TlCopyField;

/* A point ready to be encoded.  Types TL_JSON_NULL and TL_JSON_INVALID mean SQL null. */
typedef struct TlPoint
{
	int64_t ts;
	const char *device;
	size_t device_len;
	TlJsonValue metric;	  /* string */
	TlJsonValue value;	  /* anything but null */
	TlJsonValue unit;	  /* string or null */
	TlJsonValue tags;	  /* object or null */
	TlJsonValue metadata; /* object or null */
} TlPoint;

extern void tl_copy_begin(TlBuf *buf);
extern void tl_copy_end(TlBuf *buf);

/* Appends one row; false, and nothing is appended, if a number does not fit a double. */
extern bool tl_copy_add_point(TlBuf *buf, const TlPoint *point);

/* Appends a row of telemetry.http_event; params and body are JSON texts. */
extern void tl_copy_add_request(TlBuf *buf, const char *route, const TlBuf *params,
								const char *body, size_t body_len);

/* Of points: the byte offset of the row after the one at `row`. */
extern size_t tl_copy_next_row(const TlBuf *buf, size_t row);

/* Of points: the bytes of one field of the row at `row`; NULL if it is null. */
extern const char *tl_copy_field(const TlBuf *buf, size_t row, TlCopyField field, size_t *len);

#endif
