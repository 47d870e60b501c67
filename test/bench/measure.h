/*
 * What the three measuring programs share: clocks, quantiles and the way they stop on an error.
 */
#ifndef TL_BENCH_MEASURE_H
#define TL_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds of a clock that never steps back. */
extern int64_t tl_measure_read_clock(void);

/* Seconds of processor time, user and system, this process has used. */
extern double tl_measure_read_cpu(void);

/* Sorts the durations in place; quantiles of sorted durations are then read off by position. */
extern void tl_measure_sort(int64_t *nanoseconds, size_t count);
extern double tl_measure_quantile_ms(const int64_t *sorted, size_t count, double quantile);

/* malloc and calloc that end the program instead of returning NULL. */
extern void *tl_measure_alloc(size_t count, size_t size);

/* A decimal number of an option; anything else ends the program. */
extern int64_t tl_measure_parse_number(const char *option, const char *text);

/* Prints a string as a JSON literal. */
extern void tl_measure_print_json_string(const char *text);

extern void tl_measure_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif /* TL_BENCH_MEASURE_H */
