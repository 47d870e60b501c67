/*
 * metrics.h
 *		What this process has done since it started, and the clock it measures with.
 */
#ifndef TL_METRICS_H
#define TL_METRICS_H

#include "base/latency.h"

typedef struct TlMetrics
{
	uint64_t started_us; /* tl_clock_us at start */
	uint64_t clients;	 /* connected now */
	uint64_t handshakes; /* of TLS, at their end */
	uint64_t handshakes_failed;
	uint64_t in_flight; /* requests not yet answered to the end */
	uint64_t exports;	/* of these, with an answer that has begun */
	uint64_t requests;	/* answered */
	uint64_t responses_4xx;
	uint64_t responses_5xx;
	TlLatency latency;		  /* of all answered requests */
	uint64_t points_received; /* in requests the database has confirmed */
	uint64_t points_rejected;
	uint64_t event_requests; /* that brought events, confirmed */
	uint64_t copies;		 /* confirmed */
	uint64_t copies_failed;
	uint64_t calls;			  /* RPCs sent */
	uint64_t clients_refused; /* no room, or too many of one address */
	uint64_t clients_cut_off; /* too slow, or when buffers held too much */
	uint64_t notifications_under_way;
	uint64_t notifications_sent;
	uint64_t notifications_failed; /* attempts */
} TlMetrics;

extern TlMetrics tl_metrics;

/* Monotonic microseconds. */
extern uint64_t tl_clock_us(void);

#endif
