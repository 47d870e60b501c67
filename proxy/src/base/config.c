/*
 * config.c
 *		Options of telemetry-proxy.
 *
 * Every option is one row of the table below; nothing else knows their names.  In a file an
 * option is `name = value`; in the environment TELEMETRY_PROXY_NAME with underscores; on the
 * command line --name=value.
 */
#include "base/config.h"

#include "base/edit_distance.h"
#include "base/log.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENVIRONMENT_PREFIX "TELEMETRY_PROXY_"
#define NAME_SIZE 64

/* inih cuts longer lines in two; see read_line. */
#define FILE_LINE_MAX 198

typedef enum OptionType
{
	OPTION_STRING,
	OPTION_NUMBER,
	OPTION_BYTES,
	OPTION_TIME,
	OPTION_SWITCH,
	OPTION_CHOICE
} OptionType;

typedef struct Option
{
	const char *name;
	OptionType type;
	size_t offset; /* in TlConfig: a char * or an int64_t */
	const char *initial;
	int64_t min;
	int64_t max;
	const char *const *choices; /* the value is the index */
	const char *help;
	bool at_start; /* not to be changed later */
} Option;

typedef struct Unit
{
	const char *name;
	int64_t factor;
} Unit;

#define KILO INT64_C(1024)
#define MEGA (1024 * KILO)
#define GIGA (1024 * MEGA)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static const Unit byte_units[] = {
	{"GB", GIGA}, {"MB", MEGA}, {"kB", KILO}, {"B", 1}, {NULL, 0},
};

static const Unit time_units[] = {
	{"min", MINUTE}, {"ms", 1}, {"s", SECOND}, {"h", HOUR}, {NULL, 0},
};

static const char *const auth_choices[] = {"", "none", NULL};
static const char *const certificates_choices[] = {"off", "optional", "required", NULL};
static const char *const version_choices[] = {"1.2", "1.3", NULL};
static const char *const smtp_tls_choices[] = {"off", "required", NULL};
static const char *const log_choices[] = {"debug", "info", "warning", "error", NULL};

#define AT(field) offsetof(TlConfig, field)

static const Option options[] = {
	{"listen", OPTION_STRING, AT(listen), "127.0.0.1:8218", 0, 0, NULL,
	 "addresses to serve HTTP on, host:port or [v6]:port, separated by commas", true},
	{"tls-listen", OPTION_STRING, AT(tls_listen), "", 0, 0, NULL, "addresses to serve HTTPS on",
	 true},
	{"health-listen", OPTION_STRING, AT(health_listen), "", 0, 0, NULL,
	 "addresses to serve /health on, by HTTP, and nothing else", true},
	{"report-port", OPTION_NUMBER, AT(report_port), "0", 0, 65535, NULL,
	 "port that /health tells; 0 for that of the first address", true},
	{"reuse-port", OPTION_SWITCH, AT(reuse_port), "off", 0, 1, NULL,
	 "let several processes serve the same address (SO_REUSEPORT)", true},
	{"processes", OPTION_NUMBER, AT(processes), "1", 1, 64, NULL,
	 "processes that serve, each with its own connections and limits; one more watches over them",
	 true},
	{"max-connections", OPTION_NUMBER, AT(max_connections), "4096", 1, 1000000, NULL,
	 "clients connected at once; one more takes the place of that which has been idle longest",
	 false},
	{"max-per-address", OPTION_NUMBER, AT(max_per_address), "0", 0, 1000000, NULL,
	 "clients connected at once from one address, of IPv6 from one /64; 0 for any number", false},
	{"database", OPTION_STRING, AT(database), "", 0, 0, NULL,
	 "libpq connection string or URI; what it leaves out libpq takes from PG* variables", true},
	{"connections", OPTION_NUMBER, AT(connections), "4", 1, 64, NULL,
	 "connections to the database for what stores something", true},
	{"read-connections", OPTION_NUMBER, AT(read_connections), "4", 1, 64, NULL,
	 "connections to the database for what reads; health has one of its own", true},
	{"export-connections", OPTION_NUMBER, AT(export_connections), "2", 1, 64, NULL,
	 "connections to the database for answers that are sent while they are made", true},
	{"connect-timeout", OPTION_TIME, AT(connect_timeout), "5s", 10, HOUR, NULL,
	 "time for one attempt to connect to the database", true},
	{"auth", OPTION_CHOICE, AT(auth), "", 0, 0, auth_choices,
	 "who may call; must be named. none: anyone, and only on loopback addresses", true},
	{"tls-certificate", OPTION_STRING, AT(tls_certificate), "", 0, 0, NULL,
	 "PEM file of the certificate, followed by those between it and the CA", false},
	{"tls-key", OPTION_STRING, AT(tls_key), "", 0, 0, NULL,
	 "PEM file of its private key, which nobody else may read", false},
	{"tls-client-ca", OPTION_STRING, AT(tls_client_ca), "", 0, 0, NULL,
	 "PEM file of the CAs that clients' certificates come from", false},
	{"tls-client-certificates", OPTION_CHOICE, AT(tls_client_certificates), "off", 0, 0,
	 certificates_choices, "whether clients may, or must, have a certificate", false},
	{"tls-min-version", OPTION_CHOICE, AT(tls_min_version), "1.2", 0, 0, version_choices,
	 "oldest version of TLS to speak", false},
	{"cors-origins", OPTION_STRING, AT(cors_origins), "", 0, 0, NULL,
	 "origins whose pages may call, separated by commas, such as https://app.example.com or "
	 "https://*.example.com; * for any; empty: browsers are told nothing",
	 false},
	{"cors-max-age", OPTION_TIME, AT(cors_max_age), "10min", 0, 24 * HOUR, NULL,
	 "time for which a browser may remember what it was told", false},
	{"cors-credentials", OPTION_SWITCH, AT(cors_credentials), "off", 0, 1, NULL,
	 "let those pages send cookies and the like", false},
	{"max-headers", OPTION_BYTES, AT(max_headers), "16kB", 1 * KILO, 1 * MEGA, NULL,
	 "size of a request line with its headers", false},
	{"max-body", OPTION_BYTES, AT(max_body), "4MB", 1 * KILO, 256 * MEGA, NULL,
	 "size of a request body as sent", false},
	{"max-decompressed", OPTION_BYTES, AT(max_decompressed), "16MB", 1 * KILO, 256 * MEGA, NULL,
	 "size of a compressed body once decompressed", false},
	{"json-depth", OPTION_NUMBER, AT(json_depth), "32", 4, 1000, NULL, "nesting of a JSON body",
	 false},
	{"max-pending", OPTION_BYTES, AT(max_pending), "64MB", 1 * MEGA, 16 * GIGA, NULL,
	 "rows and calls waiting for the database; past it requests are answered 503", false},
	{"max-buffered", OPTION_BYTES, AT(max_buffered), "256MB", 1 * MEGA, 16 * GIGA, NULL,
	 "bodies being read and answers being sent; past it those at it longest are cut off", false},
	{"max-batch-rows", OPTION_NUMBER, AT(max_batch_rows), "32768", 1, 1000000, NULL,
	 "rows at which a COPY is full (one request's rows are never divided)", true},
	{"max-batch-bytes", OPTION_BYTES, AT(max_batch_bytes), "4MB", 1 * KILO, 256 * MEGA, NULL,
	 "bytes at which a COPY is full", true},
	{"request-timeout", OPTION_TIME, AT(request_timeout), "30s", 10, HOUR, NULL,
	 "time for the database to take a request, which is then answered 503", false},
	{"health-timeout", OPTION_TIME, AT(health_timeout), "2s", 10, HOUR, NULL,
	 "the same for /health and /health/detailed", false},
	{"header-timeout", OPTION_TIME, AT(header_timeout), "10s", 10, HOUR, NULL,
	 "time for a client to send a request line and its headers, from the first byte on; the same "
	 "for a TLS handshake",
	 false},
	{"read-timeout", OPTION_TIME, AT(read_timeout), "30s", 10, HOUR, NULL,
	 "time for a client to send a body, from the end of the headers on", false},
	{"write-timeout", OPTION_TIME, AT(write_timeout), "1min", 10, HOUR, NULL,
	 "time for a client to take the next 64kB of an answer, or its rest", false},
	{"answer-timeout", OPTION_TIME, AT(answer_timeout), "2h", 10, 24 * HOUR, NULL,
	 "time for a client to take a whole answer", false},
	{"idle-timeout", OPTION_TIME, AT(idle_timeout), "2min", 10, 24 * HOUR, NULL,
	 "time a client may stay connected between requests", false},
	{"drain-timeout", OPTION_TIME, AT(drain_timeout), "10s", 0, HOUR, NULL,
	 "time to finish requests after SIGTERM", false},
	{"deliver", OPTION_SWITCH, AT(deliver), "on", 0, 1, NULL,
	 "send notifications of alerts, by one more connection to the database", false},
	{"deliver-transfers", OPTION_NUMBER, AT(deliver_transfers), "64", 1, 1000, NULL,
	 "notifications that are being sent at once, one of a channel", false},
	{"deliver-allow-private", OPTION_STRING, AT(deliver_allow_private), "off", 0, 0, NULL,
	 "addresses that are not the internet's to which webhooks may be sent: off, on, or networks "
	 "separated by commas, such as 10.0.0.0/8",
	 false},
	{"deliver-ca", OPTION_STRING, AT(deliver_ca), "", 0, 0, NULL,
	 "PEM file of the CAs that receivers' certificates come from; empty: the system's", false},
	{"smtp-url", OPTION_STRING, AT(smtp_url), "", 0, 0, NULL,
	 "server that takes mail, smtp://host:587 or smtps://host; empty: none is sent", false},
	{"smtp-tls", OPTION_CHOICE, AT(smtp_tls), "required", 0, 0, smtp_tls_choices,
	 "whether smtp:// must become TLS; off: it is not used, and the server's address must be "
	 "private",
	 false},
	{"smtp-user", OPTION_STRING, AT(smtp_user), "", 0, 0, NULL, "user to log in there as", false},
	{"smtp-password-file", OPTION_STRING, AT(smtp_password_file), "", 0, 0, NULL,
	 "file with that user's password, which nobody else may read", false},
	{"log-level", OPTION_CHOICE, AT(log_level), "info", 0, 0, log_choices,
	 "least important lines to log", false},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

bool
tl_config_refuse(TlConfigError *error, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	snprintf(error->hint, sizeof(error->hint), "%s", hint);
	return false;
}

static const Option *
option_find(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	}
	return NULL;
}

static bool
refuse_unknown(TlConfigError *error, const char *name)
{
	const Option *closest = NULL;
	size_t distance = 4;

	tl_config_refuse(error, "", "unknown option \"%s\"", name);
	for (size_t i = 0; i < OPTION_COUNT && strlen(name) < NAME_SIZE; i++)
	{
		size_t d = tl_edit_distance(name, options[i].name);

		if (d < distance)
		{
			distance = d;
			closest = &options[i];
		}
	}
	if (closest != NULL)
		snprintf(error->hint, sizeof(error->hint), "Perhaps you meant \"%s\".", closest->name);
	else
	{
		size_t used = (size_t) snprintf(error->hint, sizeof(error->hint), "Valid options are");

		for (size_t i = 0; i < OPTION_COUNT && used < sizeof(error->hint); i++)
			used += (size_t) snprintf(error->hint + used, sizeof(error->hint) - used, "%s%s",
									  i > 0 ? ", " : " ", options[i].name);
	}
	return false;
}

/* A whole number with an optional unit. */
static bool
parse_quantity(const char *text, const Unit *units, int64_t *value)
{
	char *end;
	int64_t number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || errno != 0)
		return false;
	while (*end == ' ')
		end++;
	if (*end == '\0')
	{
		/* Bytes need no unit; of a time it would not be clear which one is meant. */
		*value = number;
		return units != time_units || number == 0;
	}
	for (; units != NULL && units->name != NULL; units++)
	{
		if (strcasecmp(end, units->name) == 0)
			return !__builtin_mul_overflow(number, units->factor, value);
	}
	return false;
}

static bool
parse_switch(const char *text, int64_t *value)
{
	static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcasecmp(text, words[i]) == 0)
		{
			*value = (int64_t) (i % 2);
			return true;
		}
	}
	return false;
}

static bool
parse_choice(const char *text, const char *const *choices, int64_t *value)
{
	for (int64_t i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(text, choices[i]) == 0)
		{
			*value = i;
			return true;
		}
	}
	return false;
}

/* A value in the unit that people would write it in. */
static void
format_value(const Option *option, int64_t value, char *out, size_t size)
{
	const Unit *units = option->type == OPTION_TIME ? time_units : byte_units;
	const Unit *best = NULL;

	if (option->type == OPTION_NUMBER || option->type == OPTION_SWITCH || value == 0)
	{
		snprintf(out, size, "%lld", (long long) value);
		return;
	}
	for (const Unit *unit = units; unit->name != NULL; unit++)
	{
		if (value % unit->factor == 0 && (best == NULL || unit->factor > best->factor))
			best = unit;
	}
	snprintf(out, size, "%lld%s", (long long) (value / best->factor), best->name);
}

static const char *
type_name(OptionType type)
{
	switch (type)
	{
		case OPTION_STRING:
			return "text";
		case OPTION_NUMBER:
			return "a whole number";
		case OPTION_BYTES:
			return "a size such as 512kB or 4MB";
		case OPTION_TIME:
			return "a time such as 500ms, 30s or 2min";
		case OPTION_SWITCH:
			return "on or off";
		case OPTION_CHOICE:
			return "one of the choices";
	}
	return "";
}

static bool
refuse_value(TlConfigError *error, const Option *option, const char *value)
{
	tl_config_refuse(error, "", "invalid value for option \"%s\": \"%s\"", option->name, value);
	if (option->type == OPTION_CHOICE)
	{
		size_t used = (size_t) snprintf(error->hint, sizeof(error->hint), "Valid values are");

		for (int i = 0; option->choices[i] != NULL; i++)
		{
			if (option->choices[i][0] != '\0')
				used += (size_t) snprintf(error->hint + used, sizeof(error->hint) - used, " \"%s\"",
										  option->choices[i]);
		}
		snprintf(error->hint + used, sizeof(error->hint) - used, ".");
	}
	else
		snprintf(error->hint, sizeof(error->hint), "It must be %s.", type_name(option->type));
	return false;
}

bool
tl_config_set(TlConfig *config, const char *name, const char *value, TlConfigError *error)
{
	const Option *option = option_find(name);
	void *field;
	int64_t number = 0;
	bool valid = false;

	if (option == NULL)
		return refuse_unknown(error, name);
	field = (char *) config + option->offset;
	switch (option->type)
	{
		case OPTION_STRING:
			free(*(char **) field);
			*(char **) field = strdup(value);
			if (*(char **) field == NULL)
				tl_log_die("out of memory");
			return true;
		case OPTION_NUMBER:
			valid = parse_quantity(value, NULL, &number);
			break;
		case OPTION_BYTES:
			valid = parse_quantity(value, byte_units, &number);
			break;
		case OPTION_TIME:
			valid = parse_quantity(value, time_units, &number);
			break;
		case OPTION_SWITCH:
			valid = parse_switch(value, &number);
			break;
		case OPTION_CHOICE:
			valid = parse_choice(value, option->choices, &number);
			break;
	}
	if (!valid)
		return refuse_value(error, option, value);
	if (option->type != OPTION_CHOICE && (number < option->min || number > option->max))
	{
		char least[32], most[32];

		format_value(option, option->min, least, sizeof(least));
		format_value(option, option->max, most, sizeof(most));
		tl_config_refuse(error, "", "value \"%s\" is out of range for option \"%s\"", value,
						 option->name);
		snprintf(error->hint, sizeof(error->hint), "It must be from %s to %s.", least, most);
		return false;
	}
	*(int64_t *) field = number;
	return true;
}

void
tl_config_begin(TlConfig *config)
{
	TlConfigError error;

	*config = (TlConfig){0};
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		if (!tl_config_set(config, options[i].name, options[i].initial, &error))
			tl_log_die("default of \"%s\": %s", options[i].name, error.text);
	}
}

void
tl_config_free(TlConfig *config)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		if (options[i].type == OPTION_STRING)
			free(*(char **) ((char *) config + options[i].offset));
	}
	*config = (TlConfig){0};
}

void
tl_config_change(TlConfig *config, TlConfig *fresh)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		const Option *option = &options[i];
		char *new = (char *) fresh + option->offset;
		char *old = (char *) config + option->offset;
		bool same = option->type == OPTION_STRING ? strcmp(*(char **) new, *(char **) old) == 0
												  : *(int64_t *) new == *(int64_t *) old;
		size_t size = option->type == OPTION_STRING ? sizeof(char *) : sizeof(int64_t);
		char kept[sizeof(int64_t)];

		if (same)
			continue;
		if (option->at_start)
		{
			tl_log(TL_LOG_WARNING, "option \"%s\" has changed, and is read at start only",
				   option->name);
			continue;
		}
		memcpy(kept, old, size);
		memcpy(old, new, size);
		memcpy(new, kept, size);
		tl_log(TL_LOG_INFO, "option \"%s\" has changed", option->name);
	}
}

bool
tl_config_is_switch(const char *name)
{
	const Option *option = option_find(name);

	return option != NULL && option->type == OPTION_SWITCH;
}

typedef struct FileReader
{
	TlConfig *config;
	FILE *file;
	TlConfigError *error;
	bool failed;
	int line;
	bool given[OPTION_COUNT];
} FileReader;

/* Reads as fgets does; a line too long for inih's buffer is noted, not silently cut. */
static char *
read_line(char *line, int size, void *stream)
{
	FileReader *reader = stream;

	if (reader->failed || fgets(line, size, reader->file) == NULL)
		return NULL;
	reader->line++;
	if (strchr(line, '\n') == NULL && !feof(reader->file))
	{
		reader->failed = true;
		tl_config_refuse(reader->error, "", "line is longer than %d bytes", FILE_LINE_MAX);
		snprintf(reader->error->hint, sizeof(reader->error->hint),
				 "A long value can be given on the command line or in the environment, "
				 "--database=… or " ENVIRONMENT_PREFIX "DATABASE for instance.");
		return NULL;
	}
	return line;
}

/*
 * Notes that an option is given; false if it was before.  inih takes an indented line for more of the
 * option before it, and gives that again.
 */
static bool
file_note(FileReader *reader, const char *name)
{
	const Option *option = option_find(name);
	bool *given = option != NULL ? &reader->given[option - options] : NULL;

	if (given != NULL && *given)
	{
		tl_config_refuse(reader->error, "", "option \"%s\" is given twice", name);
		snprintf(
			reader->error->hint, sizeof(reader->error->hint),
			"An indented line counts as more of the option before it; write the whole value on "
			"one line.");
		return false;
	}
	if (given != NULL)
		*given = true;
	return true;
}

static int
file_option(void *user, const char *section, const char *name, const char *value)
{
	FileReader *reader = user;

	if (reader->failed)
		return 0;
	if (section[0] != '\0' && strcmp(section, "telemetry-proxy") != 0)
	{
		tl_config_refuse(reader->error, "", "unknown section \"%s\"", section);
		snprintf(reader->error->hint, sizeof(reader->error->hint),
				 "The only section is [telemetry-proxy], and it may be left out.");
		reader->failed = true;
	}
	else if (!file_note(reader, name) || !tl_config_set(reader->config, name, value, reader->error))
		reader->failed = true;
	return !reader->failed;
}

bool
tl_config_read_file(TlConfig *config, const char *path, TlConfigError *error)
{
	FileReader reader = {.config = config, .error = error};
	char text[sizeof(error->text)];
	int bad_line;

	reader.file = fopen(path, "r");
	if (reader.file == NULL)
		return tl_config_refuse(error, "", "could not open file \"%s\": %s", path, strerror(errno));
	bad_line = ini_parse_stream(read_line, &reader, file_option, &reader);
	if (ferror(reader.file))
	{
		tl_config_refuse(error, "", "could not read file \"%s\": %s", path, strerror(errno));
		fclose(reader.file);
		return false;
	}
	fclose(reader.file);
	if (reader.failed)
	{
		memcpy(text, error->text, sizeof(text));
		snprintf(error->text, sizeof(error->text), "%.100s:%d: %.380s", path, reader.line, text);
		return false;
	}
	if (bad_line != 0)
	{
		tl_config_refuse(error, "", "%.400s:%d: not an option", path, bad_line);
		snprintf(error->hint, sizeof(error->hint), "An option is written as \"name = value\".");
		return false;
	}
	return true;
}

bool
tl_config_read_environment(TlConfig *config, char **environment, TlConfigError *error)
{
	static const size_t prefix_len = sizeof(ENVIRONMENT_PREFIX) - 1;

	for (; *environment != NULL; environment++)
	{
		char name[NAME_SIZE];
		size_t len = 0;
		const char *p = *environment;

		if (strncmp(p, ENVIRONMENT_PREFIX, prefix_len) != 0)
			continue;
		for (p += prefix_len; *p != '=' && *p != '\0' && len < sizeof(name) - 1; p++)
		{
			if (*p == '_')
				name[len++] = '-';
			else
				name[len++] = *p >= 'A' && *p <= 'Z' ? (char) (*p - 'A' + 'a') : *p;
		}
		name[len] = '\0';
		if (*p != '=')
			continue;
		if (!tl_config_set(config, name, p + 1, error))
		{
			char text[sizeof(error->text)];

			memcpy(text, error->text, sizeof(text));
			snprintf(error->text, sizeof(error->text), "environment: %.480s", text);
			return false;
		}
	}
	return true;
}

void
tl_config_print_help(FILE *out)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		const Option *option = &options[i];
		int width = fprintf(out, "  --%s", option->name);

		fprintf(out, "%*s%s", width < 22 ? 22 - width : 1, "", option->help);
		if (option->at_start)
			fprintf(out, " (read at start)");
		if (option->type == OPTION_NUMBER || option->type == OPTION_BYTES ||
			option->type == OPTION_TIME)
		{
			char least[32], most[32];

			format_value(option, option->min, least, sizeof(least));
			format_value(option, option->max, most, sizeof(most));
			fprintf(out, "\n%22s(%s to %s; default %s)", "", least, most, option->initial);
		}
		else if (option->initial[0] != '\0')
			fprintf(out, "\n%22s(default %s)", "", option->initial);
		fputc('\n', out);
	}
}
