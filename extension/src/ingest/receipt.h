/*
 * receipt.h
 *		What became of each batch that had a batch_id: telemetry.receipt.
 *
 * A batch claims its id, is ingested, and completes its receipt, all in one transaction.  Who
 * claims an id that another transaction has just claimed waits for its end.
 */
#ifndef TL_RECEIPT_H
#define TL_RECEIPT_H

#include "block/run.h"
#include "utils/jsonb.h"

typedef struct TlReceipt
{
	int32 total;	/* points of the batch */
	int32 failed;	/* of them */
	int32 replaced; /* of those that did not fail: a later one has the same key */
	Jsonb *errors;
} TlReceipt;

/*
 * True if the id is the caller's to use, who must complete the receipt.  False if the same
 * content came under it within telemetry.batch_window; then *earlier is what became of it,
 * palloc'd.  Raises if other content did.
 */
extern bool tl_receipt_claim(TlSlice device, TlSlice batch, const JsonbValue *content,
							 TlReceipt *earlier);
extern void tl_receipt_complete(TlSlice device, TlSlice batch, const TlReceipt *receipt);

#endif
