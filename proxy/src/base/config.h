/*
 * config.h
 *		Options of telemetry-proxy: one table drives the file, the environment, the command
 *		line and --help.
 */
#ifndef TL_CONFIG_H
#define TL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum TlAuth
{
	TL_AUTH_UNSET,
	TL_AUTH_NONE
} TlAuth;

typedef enum TlClientCertificates
{
	TL_CLIENT_CERTIFICATES_OFF,
	TL_CLIENT_CERTIFICATES_OPTIONAL,
	TL_CLIENT_CERTIFICATES_REQUIRED
} TlClientCertificates;

typedef enum TlTlsVersion
{
	TL_TLS_1_2,
	TL_TLS_1_3
} TlTlsVersion;

typedef enum TlSmtpTls
{
	TL_SMTP_TLS_OFF,
	TL_SMTP_TLS_REQUIRED
} TlSmtpTls;

/*
 * Strings belong to the configuration; sizes are bytes, times milliseconds.  See the table
 * in config.c for what each means.
 */
typedef struct TlConfig
{
	char *listen;
	char *tls_listen;
	char *health_listen;
	int64_t report_port;
	int64_t reuse_port;
	int64_t processes;
	int64_t max_connections;
	int64_t max_per_address;
	char *database;
	int64_t connections;
	int64_t read_connections;
	int64_t export_connections;
	int64_t connect_timeout;
	int64_t auth; /* TlAuth */
	char *tls_certificate;
	char *tls_key;
	char *tls_client_ca;
	int64_t tls_client_certificates; /* TlClientCertificates */
	int64_t tls_min_version;		 /* TlTlsVersion */
	char *cors_origins;				 /* a list, see origin.h; empty: nothing is said to browsers */
	int64_t cors_max_age;
	int64_t cors_credentials;
	int64_t max_headers;
	int64_t max_body;
	int64_t max_decompressed;
	int64_t json_depth;
	int64_t max_pending;
	int64_t max_buffered;
	int64_t max_batch_rows;
	int64_t max_batch_bytes;
	int64_t request_timeout;
	int64_t health_timeout;
	int64_t header_timeout;
	int64_t read_timeout;
	int64_t write_timeout;
	int64_t answer_timeout;
	int64_t idle_timeout;
	int64_t drain_timeout;
	int64_t deliver;
	int64_t deliver_transfers;
	char *deliver_allow_private; /* a list, see network.h */
	char *deliver_ca;
	char *smtp_url;
	int64_t smtp_tls; /* TlSmtpTls */
	char *smtp_user;
	char *smtp_password_file;
	int64_t log_level; /* TlLogLevel */
} TlConfig;

/* Where the last refusal is explained, for the caller to print. */
typedef struct TlConfigError
{
	char text[512];
	char hint[1024];
} TlConfigError;

/* Explains; returns false. */
extern bool tl_config_refuse(TlConfigError *error, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Sets all defaults. */
extern void tl_config_begin(TlConfig *config);
extern void tl_config_free(TlConfig *config);

/*
 * Each returns false and explains if a name is unknown or a value is not acceptable.  Call
 * them in the order of their precedence, weakest first.
 */
extern bool tl_config_set(TlConfig *config, const char *name, const char *value,
						  TlConfigError *error);
extern bool tl_config_read_file(TlConfig *config, const char *path, TlConfigError *error);
extern bool tl_config_read_environment(TlConfig *config, char **environment, TlConfigError *error);

/*
 * Takes over what is different and can be changed while the proxy runs; the log says what was.  `fresh`
 * has the old values then.
 */
extern void tl_config_change(TlConfig *config, TlConfig *fresh);

/* True if the option is a switch, which may stand on a command line without a value. */
extern bool tl_config_is_switch(const char *name);

/* What can be wrong only when everything is known. */
extern bool tl_config_check(const TlConfig *config, TlConfigError *error);

/* The options for --help. */
extern void tl_config_print_help(FILE *out);

#endif
