/*
 * dead_letter.h
 *		Rows that were rejected, on their way to telemetry.dead_letter.
 */
#ifndef TL_DEAD_LETTER_H
#define TL_DEAD_LETTER_H

#include "ingest.h"

typedef struct TlDeadLetters TlDeadLetters;

extern TlDeadLetters *tl_dead_letters_create(void);

/* The JSON object that shows a row, palloc'd. */
extern char *tl_dead_letter_payload(const TlIngestRow *row);

/* Keeps a row; a full buffer is written to the table. */
extern void tl_dead_letters_add(TlDeadLetters *letters, const char *code, const char *message,
								const char *payload);
extern void tl_dead_letters_flush(TlDeadLetters *letters);

#endif
