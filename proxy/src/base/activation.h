/*
 * activation.h
 *		Sockets that whoever started the process has opened for it, by the protocol of
 *		sd_listen_fds(3).
 */
#ifndef TL_ACTIVATION_H
#define TL_ACTIVATION_H

#include "base/address.h"

/*
 * Takes them, and what says so out of the environment.  None is success with an empty list; false,
 * with the reason in `error`, if one is not a listening stream socket.
 */
extern bool tl_activation_take(TlAddressList *list, char *error, size_t size);

#endif
