/*
 * etag.c
 *		Entity tags.  See etag.h.
 */
#include "net/etag.h"

#include "base/log.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* Of the digest, which is cut: 128 bits tell bodies apart. */
#define BYTES 16

void
tl_etag_make(const char *body, size_t len, char out[TL_ETAG_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *p = out + sprintf(out, "W/\"");

	if (EVP_Digest(body, len, digest, NULL, EVP_sha256(), NULL) != 1)
		tl_log_die("could not compute a digest");
	for (size_t i = 0; i < BYTES; i++)
		p += sprintf(p, "%02x", digest[i]);
	sprintf(p, "\"");
}

/* The opaque part of a tag, which is compared. */
static const char *
opaque(const char *tag)
{
	return strncmp(tag, "W/", 2) == 0 ? tag + 2 : tag;
}

bool
tl_etag_is_named(const char *list, const char *tag)
{
	const char *want = opaque(tag);
	size_t want_len = strlen(want);

	while (*list != '\0')
	{
		const char *p;

		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		p = opaque(list);
		if (strncmp(p, want, want_len) == 0 && strchr(" \t,", p[want_len]) != NULL)
			return true;
		/* A tag is in quotes and may have commas in it. */
		if (*p == '"' && strchr(p + 1, '"') != NULL)
			list = strchr(p + 1, '"') + 1;
		else
			list = p + strcspn(p, ",");
	}
	return false;
}
