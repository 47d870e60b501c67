/*
 * event_text.h
 *		An event as a JSON text.
 */
#ifndef TL_EVENT_TEXT_H
#define TL_EVENT_TEXT_H

#include "event/event.h"

/*
 * An object with the columns of telemetry.event that are not null, palloc'd; times in ISO 8601.
 * *whole tells whether it is all of the event: data longer than telemetry.max_value_size is left
 * out, and texts of more than 4 kB are cut.
 */
extern char *tl_event_to_json(const TlEvent *event, bool *whole);

#endif
