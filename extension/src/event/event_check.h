/*
 * event_check.h
 *		The rules that an event must keep.
 */
#ifndef TL_EVENT_CHECK_H
#define TL_EVENT_CHECK_H

#include "event/event_stream.h"
#include "ingest/row_check.h"

/*
 * Whether the event keeps all rules of its stream, which is NULL if there is none of that name;
 * if not, why, palloc'd in the current memory context.  Does not raise.  Empty texts become
 * nulls, and the type is spelt as the stream has it.  now is the time that ages count from.
 */
extern bool tl_event_check(TlEvent *event, const TlStream *stream, int64 now, TlRejection *why);

#endif
