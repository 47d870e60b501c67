/*
 * alert_watch.h
 *		Rules and the points of one statement.
 */
#ifndef TL_ALERT_WATCH_H
#define TL_ALERT_WATCH_H

#include "base/compat.h"

/* Has each ingest judge its points (ingest/watch.h). */
extern void tl_alert_watch_define(void);

#endif
