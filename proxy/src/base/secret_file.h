/*
 * secret_file.h
 *		Files with secrets, which nobody else may read.
 */
#ifndef TL_SECRET_FILE_H
#define TL_SECRET_FILE_H

#include "base/config.h"

/*
 * Opens a regular file of the proxy's user that no other has access to, or one of root that the proxy's
 * group may read; `what` is what its name stands after in errors, "key file" for instance.  Returns a descriptor,
 * the caller's to close, or -1, with the reason.
 */
extern int tl_secret_file_open(const char *what, const char *path, TlConfigError *error);

#endif
