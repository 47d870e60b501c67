/*
 * deadline.h
 *		Until when the database may store what a request brought, by its own clock.
 *
 * A statement that was refused may still be in a socket, or its backend be paused, where no request
 * to cancel it can be relied on.  So it says itself until when it may store something
 * (telemetry.deadline), and the time that a request has is counted by the clock of the server, of
 * which the probe of health learns.
 */
#ifndef TL_DEADLINE_H
#define TL_DEADLINE_H

#include <stdint.h>

/*
 * FROM: the call of a function, as `answer`, with a deadline as $3.  CASE sees to it that the function
 * runs after the setting is there.
 */
#define TL_DEADLINE_FROM(call)                                                                     \
	" FROM (SELECT CASE WHEN set_config('telemetry.deadline', $3, true) IS NOT NULL"               \
	" THEN " call " END AS answer OFFSET 0) AS called"

/* Room for one as text. */
#define TL_DEADLINE_SIZE 24

/* The server's clock said so, in microseconds since 1970, between two times of tl_clock_us. */
extern void tl_deadline_learn(int64_t server_us, uint64_t asked_us, uint64_t answered_us);

/* A time of tl_clock_us as telemetry.deadline has it; empty as long as the server's clock is not known. */
extern void tl_deadline_format(uint64_t time_us, char *out);

#endif
