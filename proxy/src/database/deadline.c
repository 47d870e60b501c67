/*
 * deadline.c
 *		Until when the database may store what a request brought.  See deadline.h.
 *
 * The server's clock is taken for that of the moment of its answer, so that it is behind, if anything,
 * and deadlines are early.  The quicker an answer, the closer: a slower one counts only when the last
 * that did is old, as clocks drift.
 */
#include "database/deadline.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define OLD_US ((uint64_t) 30 * 1000 * 1000)

static bool known;
static int64_t ahead_us; /* of tl_clock_us */
static uint64_t learned_us;
static uint64_t round_trip_us;

void
tl_deadline_learn(int64_t server_us, uint64_t asked_us, uint64_t answered_us)
{
	uint64_t round_trip = answered_us - asked_us;

	if (known && round_trip > round_trip_us && answered_us - learned_us < OLD_US)
		return;
	known = true;
	ahead_us = server_us - (int64_t) answered_us;
	learned_us = answered_us;
	round_trip_us = round_trip;
}

void
tl_deadline_format(uint64_t time_us, char *out)
{
	out[0] = '\0';
	if (known)
		snprintf(out, TL_DEADLINE_SIZE, "%" PRId64, (int64_t) time_us + ahead_us);
}
