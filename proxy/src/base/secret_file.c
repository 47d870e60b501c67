/*
 * secret_file.c
 *		Files with secrets, which nobody else may read.
 */
#include "base/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
check_file(const char *what, const char *path, int fd, TlConfigError *error)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return tl_config_refuse(error, "", "could not look at %s \"%s\": %s", what, path,
								strerror(errno));
	if (!S_ISREG(status.st_mode))
		return tl_config_refuse(error, "", "%s \"%s\" is not a regular file", what, path);
	if (status.st_uid != geteuid() && status.st_uid != 0)
		return tl_config_refuse(error, "", "%s \"%s\" must be owned by the proxy's user or root",
								what, path);
	if ((status.st_mode & (status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO)) !=
		0)
		return tl_config_refuse(
			error,
			"It must have permissions u=rw (0600) or less if owned by the proxy's user, "
			"u=rw,g=r (0640) or less if owned by root.",
			"%s \"%s\" has group or world access", what, path);
	return true;
}

int
tl_secret_file_open(const char *what, const char *path, TlConfigError *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		tl_config_refuse(error, "", "could not open %s \"%s\": %s", what, path, strerror(errno));
	else if (!check_file(what, path, fd, error))
	{
		close(fd);
		fd = -1;
	}
	return fd;
}
