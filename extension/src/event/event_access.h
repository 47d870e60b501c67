/*
 * event_access.h
 *		The streams' access checks.
 *
 * telemetry.stream.access_check is asked once for each subject and user of a buffer, with the
 * rights of the current user and within a subtransaction.  A check that fails or takes too long
 * must not cost events: it is taken for a yes, with a warning.
 */
#ifndef TL_EVENT_ACCESS_H
#define TL_EVENT_ACCESS_H

#include "event/event_buffer.h"

/* Rejects the events whose user may not access their subject, and the others of their party. */
extern void tl_event_check_access(TlEventBuffer *buffer);

#endif
