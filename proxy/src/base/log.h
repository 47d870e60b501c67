/*
 * log.h
 *		One line per event on standard error.
 */
#ifndef TL_LOG_H
#define TL_LOG_H

typedef enum TlLogLevel
{
	TL_LOG_DEBUG,
	TL_LOG_INFO,
	TL_LOG_WARNING,
	TL_LOG_ERROR
} TlLogLevel;

extern void tl_log_set_level(TlLogLevel level);

/* From now on each line has the number of this process: where several write into one log. */
extern void tl_log_name_process(void);

/* Control characters in the formatted text are replaced, so one call is always one line. */
extern void tl_log(TlLogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Logs and exits with status 1: for what cannot be carried on from, such as no memory. */
extern void tl_log_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
