/*
 * dead_letter.h
 *		Rows that were rejected, on their way to telemetry.dead_letter.
 */
#ifndef TL_DEAD_LETTER_H
#define TL_DEAD_LETTER_H

#include "ingest/ingest.h"

typedef struct TlDeadLetters TlDeadLetters;

/* The kind is what the rows should have become, and a constant. */
extern TlDeadLetters *tl_dead_letters_create(const char *kind);

/*
 * The JSON object that shows a point, palloc'd.  Says in *whole whether nothing is left out, so
 * that the point could be made of it again.
 */
extern char *tl_dead_letter_payload(const TlIngestRow *row, bool *whole);

/* The same for a row of texts; those whose data is NULL are left out, long ones are cut. */
extern char *tl_dead_letter_texts(const char *const *names, const TlSlice *texts, int n);

/* Keeps a row, as far as telemetry.dead_letter_rows and _size allow; a full buffer is written to the table. */
extern void tl_dead_letters_add(TlDeadLetters *letters, const char *code, const char *message,
								const char *payload, bool whole);

/* Writes what is left, and returns how many there was no room for. */
extern int64 tl_dead_letters_end(TlDeadLetters *letters);

#endif
