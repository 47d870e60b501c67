/*
 * outbox.h
 *		What ingest tells other systems of, in telemetry.outbox.
 */
#ifndef TL_OUTBOX_H
#define TL_OUTBOX_H

#include "base/slice.h"
#include "ingest/ingest_result.h"

/* Tells that points were received, of one device or (data NULL) of several. */
extern void tl_outbox_received(TlSlice device, const TlIngestResult *counts);

#endif
