/*
 * failure.c
 *		The shapes of the answers that the proxy itself gives when a request fails.
 */
#include "routes/failure.h"

#include "base/log.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTENT_TYPE_MAX 100

struct TlFailure
{
	unsigned int users;
	char content_type[CONTENT_TYPE_MAX + 1];
	struct json_object *templates; /* status, or "default": text */
};

TlFailure *
tl_failure_create(const char *content_type, struct json_object *templates)
{
	struct json_object *fallback;
	TlFailure *failure;

	if (content_type == NULL || strlen(content_type) > CONTENT_TYPE_MAX ||
		content_type[strcspn(content_type, "\r\n")] != '\0' ||
		!json_object_is_type(templates, json_type_object) ||
		!json_object_object_get_ex(templates, "default", &fallback))
		return NULL;
	json_object_object_foreach(templates, name, text)
	{
		(void) name;
		if (!json_object_is_type(text, json_type_string))
			return NULL;
	}
	failure = calloc(1, sizeof(*failure));
	if (failure == NULL)
		tl_log_die("out of memory");
	failure->users = 1;
	memcpy(failure->content_type, content_type, strlen(content_type));
	failure->templates = json_object_get(templates);
	return failure;
}

TlFailure *
tl_failure_acquire(TlFailure *failure)
{
	failure->users++;
	return failure;
}

void
tl_failure_release(TlFailure *failure)
{
	if (failure == NULL || --failure->users > 0)
		return;
	json_object_put(failure->templates);
	free(failure);
}

const char *
tl_failure_content_type(const TlFailure *failure)
{
	return failure->content_type;
}

/* The text as part of a JSON string. */
static void
add_detail(TlBuf *out, const char *detail)
{
	size_t begin = out->len;

	tl_buf_add_json_string(out, detail, strlen(detail));
	/* Without its quotes. */
	memmove(out->data + begin, out->data + begin + 1, out->len - begin - 2);
	out->len -= 2;
}

void
tl_failure_compose(const TlFailure *failure, int status, const char *detail, TlBuf *out)
{
	struct json_object *template;
	const char *text;
	char name[16];

	snprintf(name, sizeof(name), "%d", status);
	if (!json_object_object_get_ex(failure->templates, name, &template) &&
		!json_object_object_get_ex(failure->templates, "default", &template))
		return;
	for (text = json_object_get_string(template); *text != '\0';)
	{
		size_t plain = strcspn(text, "$");

		tl_buf_add(out, text, plain);
		text += plain;
		if (strncmp(text, "$status", 7) == 0)
		{
			tl_buf_add_text(out, name);
			text += 7;
		}
		else if (strncmp(text, "$detail", 7) == 0)
		{
			add_detail(out, detail);
			text += 7;
		}
		else if (*text == '$')
			tl_buf_add(out, text++, 1);
	}
}
