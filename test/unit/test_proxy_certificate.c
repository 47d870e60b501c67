/*
 * test_proxy_certificate.c
 *		Whose a certificate is, and until when.
 */
#include "tap.h"
#include "net/certificate.h"

#include <openssl/x509v3.h>
#include <string.h>

static void
add_field(X509 *certificate, int field, int type, const void *text, int len)
{
	X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), field, type, text, len, -1, 0);
}

static void
add_alternative(GENERAL_NAMES *names, int type, const void *text, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	ASN1_STRING_set(value, text, len);
	GENERAL_NAME_set0_value(name, type, value);
	sk_GENERAL_NAME_push(names, name);
}

/* Whether a certificate with this common name, in a string of that type, has that name. */
static bool
common_name_is(int type, const void *text, int len, const char *expected)
{
	X509 *certificate = X509_new();
	/* Of the very size that is promised to do. */
	char *name = malloc(TL_CERTIFICATE_NAME_MAX + 1);
	ASN1_STRING *value = ASN1_STRING_type_new(type);
	X509_NAME_ENTRY *entry;
	int got;
	bool same;

	/* As it would be read: none of the limits that hold where names are made. */
	ASN1_STRING_set(value, text, len);
	entry =
		X509_NAME_ENTRY_create_by_NID(NULL, NID_commonName, type, (const unsigned char *) "x", 1);
	ASN1_STRING_copy(X509_NAME_ENTRY_get_data(entry), value);
	X509_NAME_add_entry(X509_get_subject_name(certificate), entry, -1, 0);
	got = tl_certificate_name(certificate, name);
	same =
		expected == NULL ? got == -1 : got == (int) strlen(expected) && strcmp(name, expected) == 0;
	X509_NAME_ENTRY_free(entry);
	ASN1_STRING_free(value);
	free(name);
	X509_free(certificate);
	return same;
}

/* The same of an alternative name. */
static bool
alternative_is(int type, const void *text, int len, const char *expected)
{
	X509 *certificate = X509_new();
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	char *name = malloc(TL_CERTIFICATE_NAME_MAX + 1);
	int got;
	bool same;

	add_alternative(names, type, text, len);
	X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
	got = tl_certificate_name(certificate, name);
	same =
		expected == NULL ? got == -1 : got == (int) strlen(expected) && strcmp(name, expected) == 0;
	GENERAL_NAMES_free(names);
	free(name);
	X509_free(certificate);
	return same;
}

static void
common_name_is_read_in_every_encoding(void)
{
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "J\xc3\xb6rg", 5, "J\xc3\xb6rg"));
	TAP_CHECK(common_name_is(V_ASN1_PRINTABLESTRING, "sensor-7", 8, "sensor-7"));
	TAP_CHECK(common_name_is(V_ASN1_T61STRING, "J\xf6rg", 4, "J\xc3\xb6rg"));
	TAP_CHECK(common_name_is(V_ASN1_BMPSTRING, "\0J\0\xf6", 4, "J\xc3\xb6"));
	TAP_CHECK(common_name_is(V_ASN1_UNIVERSALSTRING, "\0\0\0J", 4, "J"));
}

static void
name_that_is_no_text_is_refused(void)
{
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "admin\0.example", 14, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "admin\0", 6, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "\0", 1, NULL));
	TAP_CHECK(common_name_is(V_ASN1_BMPSTRING, "\0a\0\0", 4, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "a\nb", 3, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "a\x7f", 2, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "a\xc2\x85", 3, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "a\xc2\xa0", 3, "a\xc2\xa0"));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "a\xff", 2, NULL));
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, "a\xc3", 2, NULL));
	TAP_CHECK(alternative_is(GEN_DNS, "admin\0.example", 14, NULL));
	TAP_CHECK(alternative_is(GEN_URI, "urn:\r", 5, NULL));
}

static void
name_is_cut_nowhere(void)
{
	char text[TL_CERTIFICATE_NAME_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[TL_CERTIFICATE_NAME_MAX] = '\0';
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, text, TL_CERTIFICATE_NAME_MAX, text));
	TAP_CHECK(alternative_is(GEN_URI, text, TL_CERTIFICATE_NAME_MAX, text));
	text[TL_CERTIFICATE_NAME_MAX] = 'x';
	TAP_CHECK(common_name_is(V_ASN1_UTF8STRING, text, TL_CERTIFICATE_NAME_MAX + 1, NULL));
	TAP_CHECK(alternative_is(GEN_EMAIL, text, TL_CERTIFICATE_NAME_MAX + 1, NULL));
	/* Whose bytes are few, and those of its UTF-8 more than fit. */
	memset(text, '\xf6', sizeof(text));
	TAP_CHECK(common_name_is(V_ASN1_T61STRING, text, TL_CERTIFICATE_NAME_MAX / 2 + 1, NULL));
}

static void
last_common_name_goes_before_alternative_names(void)
{
	X509 *certificate = X509_new();
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	char name[TL_CERTIFICATE_NAME_MAX + 1];

	TAP_CHECK(tl_certificate_name(certificate, name) == 0);
	add_field(certificate, NID_organizationName, V_ASN1_UTF8STRING, "Org", 3);
	TAP_CHECK(tl_certificate_name(certificate, name) == 0);
	add_alternative(names, GEN_URI, "urn:x", 5);
	add_alternative(names, GEN_DNS, "d.example", 9);
	X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
	TAP_CHECK(tl_certificate_name(certificate, name) == 5 && strcmp(name, "urn:x") == 0);
	add_field(certificate, NID_commonName, V_ASN1_UTF8STRING, "first", 5);
	add_field(certificate, NID_commonName, V_ASN1_UTF8STRING, "second", 6);
	TAP_CHECK(tl_certificate_name(certificate, name) == 6 && strcmp(name, "second") == 0);
	GENERAL_NAMES_free(names);
	X509_free(certificate);
}

static void
days_left_are_rounded_down(void)
{
	X509 *certificate = X509_new();

	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * 9 + 43200);
	TAP_CHECK(tl_certificate_days_left(certificate) == 9);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 43200);
	TAP_CHECK(tl_certificate_days_left(certificate) == 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -43200);
	TAP_CHECK(tl_certificate_days_left(certificate) == -1);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -86400L * 9);
	TAP_CHECK(tl_certificate_days_left(certificate) < 0);
	X509_free(certificate);
}

int
main(void)
{
	TAP_RUN(common_name_is_read_in_every_encoding);
	TAP_RUN(name_that_is_no_text_is_refused);
	TAP_RUN(name_is_cut_nowhere);
	TAP_RUN(last_common_name_goes_before_alternative_names);
	TAP_RUN(days_left_are_rounded_down);
	return tap_end();
}
