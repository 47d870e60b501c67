/*
 * http_batch_log.h
 *		telemetry.batch_log: how batches went.
 */
#ifndef TL_HTTP_BATCH_LOG_H
#define TL_HTTP_BATCH_LOG_H

#include "http/http_answer.h"

/* Logs those of n requests whose route says so and that had events, in one statement. */
extern void tl_http_log_batches(const TlHttpRequest *requests, uint32 n);

#endif
