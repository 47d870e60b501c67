/*
 * notify.h
 *		What the process tells whoever started it, by the protocol of sd_notify(3).
 */
#ifndef TL_NOTIFY_H
#define TL_NOTIFY_H

#include <stdint.h>

/*
 * Takes from the environment where to tell and how often to say that all is well, and removes it
 * there, so that no child believes that it was meant.
 */
extern void tl_notify_begin(void);

/* From now on the other end of this socket is told. */
extern void tl_notify_through(int fd);

/* Lines NAME=VALUE, with a line end between them; to nobody if nobody has asked. */
extern void tl_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Before the configuration is read again.  READY=1 follows. */
extern void tl_notify_reloading(void);

/* After so long without WATCHDOG=1 the process is taken to hang; 0: nobody watches. */
extern uint64_t tl_notify_watchdog_us(void);

#endif
