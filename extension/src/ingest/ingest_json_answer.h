/*
 * ingest_json_answer.h
 *		What became of JSON points, as JSON.
 */
#ifndef TL_INGEST_JSON_ANSWER_H
#define TL_INGEST_JSON_ANSWER_H

#include "ingest/ingest.h"
#include "ingest/ingest_json_bulk.h"
#include "ingest/receipt.h"

/* A point that was not stored. */
typedef struct TlJsonError
{
	int64 row; /* position in the ingest */
	TlSlice metric;
	const char *code;
	const char *message;
} TlJsonError;

/* In the order of rows; lives in a memory context of its caller, as do the repeats. */
typedef struct TlJsonErrors
{
	MemoryContext context;
	TlJsonError *list;
	uint32 n;
	uint32 cap;
} TlJsonErrors;

/* Rows that later ones have taken the place of. */
typedef struct TlJsonRepeats
{
	int64 *list; /* in order, once sorted */
	uint32 n;
	uint32 cap;
} TlJsonRepeats;

extern void tl_ingest_json_errors_create(TlJsonErrors *errors);

extern void tl_ingest_json_repeats_add(TlJsonRepeats *repeats, MemoryContext context, int64 row);
/* Before anything is made of them. */
extern void tl_ingest_json_repeats_sort(TlJsonRepeats *repeats);

/* Copies all that it is given. */
extern void tl_ingest_json_errors_add(TlJsonErrors *errors, int64 row, TlSlice metric,
									  const char *code, const char *message);

/* {"success": true, "message", "device_id", "metric_name"} or {"success": false, "detail", ...} */
extern Jsonb *tl_ingest_json_answer_single(TlSlice device, TlSlice metric,
										   const TlJsonErrors *errors);

/* What became of rows [first, first + total). */
extern void tl_ingest_json_receipt(const TlJsonErrors *errors, const TlJsonRepeats *repeats,
								   int64 first, int32 total, TlReceipt *receipt);

/*
 * {"success", "ingested_count", "failed_count", "total_count", "errors": [...]}, and "replaced_count"
 * if it is not 0.
 */
extern Jsonb *tl_ingest_json_answer_batch(const TlReceipt *receipt);

/*
 * {"success", "results": {device_id: as of a batch, ...}, "total_devices"}.  A device whose points were
 * not taken has one error, without index.
 */
extern Jsonb *tl_ingest_json_answer_bulk(const TlJsonDevices *devices);

#endif
