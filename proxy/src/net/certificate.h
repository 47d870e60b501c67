/*
 * certificate.h
 *		What a certificate says: whose it is, and until when.
 */
#ifndef TL_CERTIFICATE_H
#define TL_CERTIFICATE_H

#include <openssl/x509.h>

#define TL_CERTIFICATE_NAME_MAX 256

/*
 * The name of whoever the certificate is of: the common name of its subject, of several the last, which
 * is the most specific; where there is none, the first alternative name that is of a host, a URI or a
 * mailbox.  UTF-8 with a NUL behind it, in a buffer with room for TL_CERTIFICATE_NAME_MAX + 1 bytes.
 *
 * Returns its length; 0 if there is none, -1 if it is longer, is no text or has control characters:
 * one that is cut, or ends at a NUL, might be another's.
 */
extern int tl_certificate_name(X509 *certificate, char *name);

/* Days until it expires, rounded down; less than 0 if it has. */
extern int tl_certificate_days_left(const X509 *certificate);

#endif
