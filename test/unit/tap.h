/*
 * tap.h
 *		Test programs that speak TAP: one function a test, named by the behaviour it shows.
 *
 *	static void
 *	empty_input_is_refused(void)
 *	{
 *		TAP_CHECK(!parse("", 0));
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		TAP_RUN(empty_input_is_refused);
 *		return tap_end();
 *	}
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A test that is wrong in a loop need not say so a million times. */
#define TAP_MESSAGES_MAX 20

static int tap_tests;
static int tap_failed_tests;
static int tap_failures; /* in the current test */

/* Goes on after a failure; true if there is none. */
#define TAP_CHECK(condition) tap_check((condition), #condition, __FILE__, __LINE__)

#define TAP_RUN(test) tap_run(test, #test)

static inline bool
tap_check(bool holds, const char *text, const char *file, int line)
{
	if (!holds && ++tap_failures <= TAP_MESSAGES_MAX)
		printf("# %s:%d: %s\n", file, line, text);
	return holds;
}

static inline void
tap_run(void (*test)(void), const char *name)
{
	tap_failures = 0;
	test();
	if (tap_failures > 0)
		tap_failed_tests++;
	printf("%s %d - %s\n", tap_failures > 0 ? "not ok" : "ok", ++tap_tests, name);
	fflush(stdout);
}

static inline int
tap_end(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failed_tests > 0;
}

#endif
