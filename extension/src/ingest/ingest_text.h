/*
 * ingest_text.h
 *		Points whose fields are all texts, as files have them, on their way into an ingest.
 *
 * How they are read is said by the settings telemetry.text_…, as of the begin.  A row that cannot be read
 * is rejected, as one that breaks a rule is; none raises.
 */
#ifndef TL_INGEST_TEXT_H
#define TL_INGEST_TEXT_H

#include "ingest/ingest.h"

typedef enum TlTextField
{
	TL_TEXT_TIMESTAMP,
	TL_TEXT_DEVICE,
	TL_TEXT_METRIC,
	TL_TEXT_VALUE,
	TL_TEXT_UNIT,
	TL_TEXT_TAGS,
	TL_TEXT_METADATA
} TlTextField;

#define TL_TEXT_FIELDS (TL_TEXT_METADATA + 1)

/* In the database's encoding; a slice whose data is NULL is a NULL. */
typedef struct TlTextRow
{
	TlSlice field[TL_TEXT_FIELDS];
} TlTextRow;

typedef struct TlTextIngest TlTextIngest;

extern TlTextIngest *tl_text_ingest_begin(void);
/* False if the row was rejected. */
extern bool tl_text_ingest_row(TlTextIngest *ingest, const TlTextRow *row);
extern void tl_text_ingest_end(TlTextIngest *ingest);

#endif
