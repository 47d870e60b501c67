/*
 * tls.c
 *		TLS as the configuration has it.  See tls.h.
 *
 * A context belongs to TlTls and to the sessions made of it; the last to go frees it.
 */
#include "net/tls.h"

#include "base/log.h"
#include "base/secret_file.h"
#include "net/certificate.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A certificate that expires within so many days is warned of. */
#define EXPIRES_SOON_DAYS 14

/* Of sessions that a client may take up again, which saves both sides the arithmetic. */
#define SESSIONS_KEPT 4096
#define SESSION_SECONDS 300

/*
 * Those with a key of its own for each session, of which the cheapest come first: 128 bits are as far out of
 * reach as 256.
 */
#define CIPHERS_OF_1_2 "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_OF_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* How many bytes are taken from the socket at once. */
#define READ_AHEAD_SIZE ((size_t) 64 * 1024)

/* As much as another bufferevent reads; most requests are smaller. */
#define READ_SIZE 4096

#define SESSION_ID_CONTEXT "telemetry-proxy"

static const unsigned char protocol[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

struct TlTls
{
	SSL_CTX *context; /* NULL: there are no addresses for TLS */
	char *certificate_file;
};

static bool refuse(TlConfigError *error, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool
refuse(TlConfigError *error, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	snprintf(error->hint, sizeof(error->hint), "%s", hint);
	ERR_clear_error();
	return false;
}

/* What the library complained of first; the rest is what came of it. */
static const char *
library_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *reason =
		ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	return reason != NULL ? reason : "unknown error";
}

/* The files ------------------------------------------------------------------------------- */

/* A passphrase is not asked for: nobody may be there. */
static int
no_passphrase(char *room, int size, int writing, void *arg)
{
	(void) room;
	(void) size;
	(void) writing;
	(void) arg;
	return -1;
}

static bool
load_key(SSL_CTX *context, const char *path, TlConfigError *error)
{
	int fd = tl_secret_file_open("key file", path, error);
	BIO *file;
	EVP_PKEY *key;
	bool good;

	if (fd < 0)
		return false;
	file = BIO_new_fd(fd, BIO_NOCLOSE);
	if (file == NULL)
		tl_log_die("out of memory");
	key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
	BIO_free(file);
	close(fd);
	if (key == NULL)
		return refuse(error, "It must be in PEM form and without a passphrase.",
					  "could not read key file \"%s\": %s", path, library_reason());
	good = SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
	EVP_PKEY_free(key);
	return good || refuse(error, "", "key file \"%s\" does not belong to the certificate: %s", path,
						  library_reason());
}

static bool
load_certificate(SSL_CTX *context, const char *path, TlConfigError *error)
{
	return SSL_CTX_use_certificate_chain_file(context, path) == 1 ||
		   refuse(error, "", "could not load certificate file \"%s\": %s", path, library_reason());
}

/* Clients ---------------------------------------------------------------------------------- */

/* A certificate that all is well with but its name, which is not to be cut. */
static int
on_verify(int good, X509_STORE_CTX *store)
{
	char name[TL_CERTIFICATE_NAME_MAX + 1];

	if (!good || X509_STORE_CTX_get_error_depth(store) > 0 ||
		tl_certificate_name(X509_STORE_CTX_get_current_cert(store), name) >= 0)
		return good;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static bool
load_client_ca(SSL_CTX *context, const TlConfig *config, TlConfigError *error)
{
	STACK_OF(X509_NAME) * names;
	int mode = SSL_VERIFY_PEER;

	if (config->tls_client_certificates == TL_CLIENT_CERTIFICATES_OFF)
		return true;
	if (config->tls_client_ca[0] == '\0')
		return refuse(error, "Name the CAs that clients' certificates come from.",
					  "option \"tls-client-ca\" is not set, and \"tls-client-certificates\" is");
	if (config->tls_client_certificates == TL_CLIENT_CERTIFICATES_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	names = SSL_load_client_CA_file(config->tls_client_ca);
	if (names == NULL || SSL_CTX_load_verify_file(context, config->tls_client_ca) != 1)
	{
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return refuse(error, "", "could not load CA file \"%s\": %s", config->tls_client_ca,
					  library_reason());
	}
	SSL_CTX_set_client_CA_list(context, names);
	SSL_CTX_set_verify(context, mode, on_verify);
	return true;
}

/* Who asks for a protocol by name must be content with HTTP/1.1. */
static int
on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *len,
			 const unsigned char *offered, unsigned int offered_len, void *arg)
{
	unsigned char *found;

	(void) ssl;
	(void) arg;
	if (SSL_select_next_proto(&found, len, protocol, sizeof(protocol), offered, offered_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = found;
	return SSL_TLSEXT_ERR_OK;
}

/* Contexts --------------------------------------------------------------------------------- */

/*
 * Sessions are kept here rather than in tickets, whose key would open all that was sent under it.  A
 * connection that is cut off is as good an end as any: what HTTP has told the end of is whole, and the
 * rest is not taken.
 */
static bool
set_up_context(SSL_CTX *context, const TlConfig *config)
{
	int version = config->tls_min_version == TL_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
									 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
									 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_SIZE);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(context, SESSIONS_KEPT);
	SSL_CTX_set_timeout(context, SESSION_SECONDS);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_alpn_select_cb(context, on_protocols, NULL);
	return SSL_CTX_set_min_proto_version(context, version) == 1 &&
		   SSL_CTX_set_max_proto_version(context, 0) == 1 &&
		   SSL_CTX_set_cipher_list(context, CIPHERS_OF_1_2) == 1 &&
		   SSL_CTX_set_ciphersuites(context, CIPHERS_OF_1_3) == 1 &&
		   SSL_CTX_set_session_id_context(context, (const unsigned char *) SESSION_ID_CONTEXT,
										  sizeof(SESSION_ID_CONTEXT) - 1) == 1;
}

/* NULL if something is wrong. */
static SSL_CTX *
context_create(const TlConfig *config, TlConfigError *error)
{
	SSL_CTX *context;

	if (config->tls_certificate[0] == '\0' || config->tls_key[0] == '\0')
	{
		refuse(error, "TLS needs a certificate and its private key.", "option \"%s\" is not set",
			   config->tls_certificate[0] == '\0' ? "tls-certificate" : "tls-key");
		return NULL;
	}
	ERR_clear_error();
	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL || !set_up_context(context, config))
		tl_log_die("could not set up TLS: %s", library_reason());
	if (load_certificate(context, config->tls_certificate, error) &&
		load_key(context, config->tls_key, error) && load_client_ca(context, config, error))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

static void
tls_set(TlTls *tls, SSL_CTX *context, const char *certificate_file)
{
	SSL_CTX_free(tls->context);
	free(tls->certificate_file);
	tls->context = context;
	tls->certificate_file = strdup(certificate_file);
	if (tls->certificate_file == NULL)
		tl_log_die("out of memory");
}

TlTls *
tl_tls_open(const TlConfig *config, TlConfigError *error)
{
	SSL_CTX *context = NULL;
	TlTls *tls;

	if (config->tls_listen[0] != '\0' && (context = context_create(config, error)) == NULL)
		return NULL;
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		tl_log_die("out of memory");
	tls_set(tls, context, config->tls_certificate);
	return tls;
}

bool
tl_tls_reload(TlTls *tls, const TlConfig *fresh, TlConfigError *error)
{
	SSL_CTX *context;

	if (tls->context == NULL)
		return true;
	context = context_create(fresh, error);
	if (context == NULL)
		return false;
	tls_set(tls, context, fresh->tls_certificate);
	return true;
}

void
tl_tls_report(const TlTls *tls)
{
	const X509 *certificate;
	struct tm end;
	char date[sizeof("2025-12-18")] = "";
	int days;

	if (tls->context == NULL)
		return;
	certificate = SSL_CTX_get0_certificate(tls->context);
	days = tl_certificate_days_left(certificate);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
		strftime(date, sizeof(date), "%Y-%m-%d", &end);
	if (days < 0)
		tl_log(TL_LOG_WARNING, "certificate \"%s\" has expired on %s", tls->certificate_file, date);
	else if (days < EXPIRES_SOON_DAYS)
		tl_log(TL_LOG_WARNING, "certificate \"%s\" expires in %d days, on %s",
			   tls->certificate_file, days, date);
	else
		tl_log(TL_LOG_INFO, "certificate \"%s\" is good until %s", tls->certificate_file, date);
}

void
tl_tls_close(TlTls *tls)
{
	SSL_CTX_free(tls->context);
	free(tls->certificate_file);
	free(tls);
}

/* Sessions --------------------------------------------------------------------------------- */

struct bufferevent *
tl_tls_accept(const TlTls *tls, struct event_base *base, int fd)
{
	SSL *ssl = SSL_new(tls->context);
	struct bufferevent *bev;

	if (ssl == NULL)
		tl_log_die("out of memory");
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
										 BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		return NULL;
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	bufferevent_set_max_single_read(bev, READ_SIZE);
	return bev;
}

char *
tl_tls_client_name(struct bufferevent *bev)
{
	X509 *certificate = SSL_get1_peer_certificate(bufferevent_openssl_get_ssl(bev));
	char name[TL_CERTIFICATE_NAME_MAX + 1];
	char *copy = NULL;

	if (certificate != NULL && tl_certificate_name(certificate, name) > 0)
	{
		copy = strdup(name);
		if (copy == NULL)
			tl_log_die("out of memory");
	}
	X509_free(certificate);
	return copy;
}

/* The session is robbed of its socket, so that this is not closed with it. */
struct bufferevent *
tl_tls_fall_back(struct bufferevent *bev, struct event_base *base)
{
	int fd = bufferevent_getfd(bev);
	const char *why = NULL;
	bool is_http = false;
	unsigned long code;

	while ((code = bufferevent_get_openssl_error(bev)) != 0)
	{
		if (ERR_GET_LIB(code) != ERR_LIB_SSL)
			continue;
		why = ERR_reason_error_string(code);
		is_http |= ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
	}
	tl_log(TL_LOG_DEBUG, "no session of TLS: %s", why != NULL ? why : "the client has gone");
	if (!is_http)
		return NULL;
	SSL_set_bio(bufferevent_openssl_get_ssl(bev), NULL, NULL);
	bufferevent_free(bev);
	bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		tl_log_die("out of memory");
	return bev;
}
