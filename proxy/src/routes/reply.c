/*
 * reply.c
 *		JSON bodies of the answers that the proxy makes itself.
 *
 * Names are not kept beside the rows: the few that an answer tells are read back from the
 * COPY buffer, where they are in UTF-8 already.
 */
#include "routes/reply.h"

#include "database/copy_encode.h"

/* A metric name too long to be stored is told in part, as telemetry.ingest() does. */
#define METRIC_SHOWN 128

void
tl_reply_detail(TlBuf *out, const char *text)
{
	tl_buf_add_text(out, "{\"detail\":");
	tl_buf_add_json_string(out, text, strlen(text));
	tl_buf_add_text(out, "}");
}

static void
add_field(TlBuf *out, const TlBuf *rows, size_t row, TlCopyField field)
{
	size_t len;
	const char *text = tl_copy_field(rows, row, field, &len);

	if (text == NULL)
		tl_buf_add_text(out, "null");
	else
		tl_buf_add_json_string(out, text, len);
}

/* The metric of a rejected row. */
static void
add_metric(TlBuf *out, const TlBuf *rows, size_t row)
{
	size_t len;
	const char *text = tl_copy_field(rows, row, TL_COPY_METRIC, &len);

	if (len > METRIC_SHOWN)
	{
		len = METRIC_SHOWN;
		while ((text[len] & 0xc0) == 0x80)
			len--;
	}
	tl_buf_add_json_string(out, text, len);
}

void
tl_reply_single(TlBuf *out, const TlGroupEntry *entry, const TlGroupResult *result)
{
	tl_buf_add_text(
		out, "{\"success\":true,\"message\":\"Data point ingested successfully\",\"device_id\":");
	add_field(out, result->rows, entry->first_byte, TL_COPY_DEVICE);
	tl_buf_add_text(out, ",\"metric_name\":");
	add_field(out, result->rows, entry->first_byte, TL_COPY_METRIC);
	tl_buf_add_text(out, "}");
}

/* How many rows before the given one were taken the place of by others of the request. */
static size_t
repeats_before(const TlGroupResult *result, uint32_t row)
{
	size_t low = 0;
	size_t high = result->repeat_count;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (result->repeats[middle].row < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Counts of `count` rows from the `first`-th on, which is at byte `row`, and the rejects among
 * them; returns how many rejects those were.
 */
static size_t
add_counts(TlBuf *out, const TlGroupResult *result, size_t row, uint32_t first, uint32_t count,
		   const TlReject *rejects, size_t reject_count)
{
	const TlBuf *rows = result->rows;
	size_t repeats = repeats_before(result, first + count) - repeats_before(result, first);
	uint32_t position = first;
	size_t failed = 0;

	while (failed < reject_count && rejects[failed].row < first + count)
		failed++;
	tl_buf_printf(out,
				  "{\"success\":%s,\"ingested_count\":%zu,\"failed_count\":%zu,"
				  "\"total_count\":%u,",
				  failed == 0 ? "true" : "false", count - failed, failed, count);
	if (repeats > 0)
		tl_buf_printf(out, "\"replaced_count\":%zu,", repeats);
	tl_buf_add_text(out, "\"errors\":[");
	for (size_t i = 0; i < failed; i++)
	{
		for (; position < rejects[i].row; position++)
			row = tl_copy_next_row(rows, row);
		tl_buf_printf(out, "%s{\"index\":%u,\"metric_name\":", i > 0 ? "," : "",
					  rejects[i].row - first);
		add_metric(out, rows, row);
		tl_buf_add_text(out, ",\"code\":");
		tl_buf_add_json_string(out, rejects[i].code, strlen(rejects[i].code));
		tl_buf_add_text(out, ",\"error\":");
		tl_buf_add_json_string(out, rejects[i].message, strlen(rejects[i].message));
		tl_buf_add_text(out, "}");
	}
	tl_buf_add_text(out, "]}");
	return failed;
}

void
tl_reply_batch(TlBuf *out, const TlGroupEntry *entry, const TlGroupResult *result)
{
	add_counts(out, result, entry->first_byte, 0, entry->rows, result->rejects,
			   result->reject_count);
}

void
tl_reply_bulk(TlBuf *out, const TlGroupEntry *entry, const TlGroupResult *result,
			  const TlDeviceRows *devices, uint32_t device_count)
{
	const TlReject *rejects = result->rejects;
	size_t left = result->reject_count;
	uint32_t first = 0;

	tl_buf_printf(out, "{\"success\":%s,\"results\":{", left == 0 ? "true" : "false");
	for (uint32_t i = 0; i < device_count; i++)
	{
		size_t row = entry->first_byte + devices[i].first_byte;
		size_t failed;

		if (i > 0)
			tl_buf_add_text(out, ",");
		add_field(out, result->rows, row, TL_COPY_DEVICE);
		tl_buf_add_text(out, ":");
		failed = add_counts(out, result, row, first, devices[i].rows, rejects, left);
		rejects += failed;
		left -= failed;
		first += devices[i].rows;
	}
	tl_buf_printf(out, "},\"total_devices\":%u}", device_count);
}
