/*
 * certificate.c
 *		What a certificate says.  See certificate.h.
 */
#include "net/certificate.h"

#include "base/url.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

/* U+0080 to U+009F, which are controls as well, are this byte and one less than the other. */
#define C1_LEAD 0xc2
#define C1_END 0xa0

static bool
is_name(const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < 0x20 || text[i] == 0x7f)
			return false;
		if (text[i] == C1_LEAD && i + 1 < len && text[i + 1] < C1_END)
			return false;
	}
	return len <= TL_CERTIFICATE_NAME_MAX && tl_utf8_valid((const char *) text, len);
}

static int
copy_name(const ASN1_STRING *string, char *name)
{
	unsigned char *text;
	int len = ASN1_STRING_to_UTF8(&text, string);

	if (len < 0)
	{
		ERR_clear_error();
		return -1;
	}
	if (is_name(text, (size_t) len))
	{
		memcpy(name, text, (size_t) len);
		name[len] = '\0';
	}
	else
		len = -1;
	OPENSSL_free(text);
	return len;
}

static int
common_name(const X509 *certificate, char *name)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int last = -1;
	int next;

	while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0)
		last = next;
	if (last < 0)
		return 0;
	return copy_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)), name);
}

static int
alternative_name(X509 *certificate, char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int len = 0;

	for (int i = 0; len == 0 && i < sk_GENERAL_NAME_num(names); i++)
	{
		int type;
		const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_DNS || type == GEN_URI || type == GEN_EMAIL)
			len = copy_name(value, name);
	}
	GENERAL_NAMES_free(names);
	return len;
}

int
tl_certificate_name(X509 *certificate, char *name)
{
	int len = common_name(certificate, name);

	return len != 0 ? len : alternative_name(certificate, name);
}

int
tl_certificate_days_left(const X509 *certificate)
{
	int days;
	int seconds;

	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
	{
		ERR_clear_error();
		return -1;
	}
	return days > 0 || seconds >= 0 ? days : days - 1;
}
