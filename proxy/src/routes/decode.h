/*
 * decode.h
 *		JSON bodies of the ingest endpoints to COPY rows.
 *
 * The decoder judges only what it must: that the text is JSON, and that the envelope has
 * the shape that lets points be counted.  It knows the plain form of a point.  A body with
 * any other point, or with a batch_id, is `odd`: it goes unchanged to the extension, which
 * says what is wrong with it or knows better.
 */
#ifndef TL_DECODE_H
#define TL_DECODE_H

#include "base/buf.h"

#include <stdint.h>

#define TL_BATCH_POINTS_MAX 1000
#define TL_BULK_POINTS_MAX 10000

typedef enum TlBodyKind
{
	TL_BODY_SINGLE, /* one point */
	TL_BODY_BATCH, /* {"data_points": [point, ...], "compression": ..., "batch_id": ...}, or the array */
	TL_BODY_BULK /* {device_id: [point, ...], ...} */
} TlBodyKind;

typedef enum TlDecodeVerdict
{
	TL_DECODE_ROWS,	  /* rows were appended */
	TL_DECODE_ODD,	  /* nothing was appended: a body for the extension */
	TL_DECODE_REFUSED /* nothing was appended: answer with status and detail */
} TlDecodeVerdict;

/* The rows of one device of a bulk body, in the order of the body. */
typedef struct TlDeviceRows
{
	size_t first_byte; /* of its first row, from the first row of the body */
	uint32_t rows;
} TlDeviceRows;

typedef struct TlDecoded
{
	TlDecodeVerdict verdict;
	uint32_t rows;	 /* appended */
	uint32_t points; /* counted in the body, whatever the verdict */
	int status;
	char detail[200];
	TlDeviceRows *devices; /* bulk: the caller's to free; NULL otherwise */
	uint32_t device_count;
} TlDecoded;

/*
 * Decodes a body and appends its rows to `rows`.  `device` is the device_id of the path (not
 * used for bulk).  The body must outlive only this call.
 */
extern void tl_decode_body(TlBodyKind kind, const char *body, size_t len, const char *device,
						   size_t device_len, unsigned int max_depth, TlBuf *rows,
						   TlDecoded *decoded);

#endif
