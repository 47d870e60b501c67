/*
 * counters.c
 *		What the proxy counts.  See counters.h.
 */
#include "routes/counters.h"

#include "base/metrics.h"

#include <unistd.h>

void
tl_counters_add(TlBuf *out, const TlBackend *backend)
{
	TlPoolCounts counts = tl_pool_counts(backend->ingest.pool);
	TlPoolCounts reads = tl_pool_counts(backend->reads.pool);
	TlPoolCounts exports = tl_pool_counts(backend->exports.pool);
	double seconds = (double) (tl_clock_us() - tl_metrics.started_us) / 1e6;

	tl_buf_printf(
		out,
		"{\"process\":%d,\"uptime_seconds\":%.1f,\"connections_idle\":%u,\"connections_busy\":%u,"
		"\"connections_down\":%u,\"read_connections_busy\":%u,\"export_connections_busy\":%u,"
		"\"clients\":%llu,\"requests_in_flight\":%llu,\"answers_under_way\":%llu,"
		"\"pending_rows\":%zu,\"pending_bytes\":%zu,",
		(int) getpid(), seconds, counts.idle, counts.busy, counts.down, reads.busy, exports.busy,
		(unsigned long long) tl_metrics.clients, (unsigned long long) tl_metrics.in_flight,
		(unsigned long long) tl_metrics.exports, tl_lane_pending_rows(backend->points),
		tl_backend_pending_bytes(backend, &backend->ingest));
	tl_buf_printf(
		out,
		"\"requests_total\":%llu,\"responses_4xx\":%llu,\"responses_5xx\":%llu,"
		"\"points_total\":%llu,\"points_rejected\":%llu,\"event_requests_total\":%llu,\"copies_"
		"total\":%llu,"
		"\"copies_failed\":%llu,\"calls_total\":%llu,\"tls_handshakes_total\":%llu,"
		"\"tls_handshakes_failed\":%llu,\"clients_refused_total\":%llu,"
		"\"clients_cut_off_total\":%llu,\"notifications_under_way\":%llu,"
		"\"notifications_sent_total\":%llu,\"notifications_failed_total\":%llu,"
		"\"latency_avg_ms\":%.3f,\"latency_p50_ms\":%.3f,\"latency_p95_ms\":%.3f}",
		(unsigned long long) tl_metrics.requests, (unsigned long long) tl_metrics.responses_4xx,
		(unsigned long long) tl_metrics.responses_5xx,
		(unsigned long long) tl_metrics.points_received,
		(unsigned long long) tl_metrics.points_rejected,
		(unsigned long long) tl_metrics.event_requests, (unsigned long long) tl_metrics.copies,
		(unsigned long long) tl_metrics.copies_failed, (unsigned long long) tl_metrics.calls,
		(unsigned long long) tl_metrics.handshakes,
		(unsigned long long) tl_metrics.handshakes_failed,
		(unsigned long long) tl_metrics.clients_refused,
		(unsigned long long) tl_metrics.clients_cut_off,
		(unsigned long long) tl_metrics.notifications_under_way,
		(unsigned long long) tl_metrics.notifications_sent,
		(unsigned long long) tl_metrics.notifications_failed,
		tl_latency_mean_ms(&tl_metrics.latency), tl_latency_percentile_ms(&tl_metrics.latency, 50),
		tl_latency_percentile_ms(&tl_metrics.latency, 95));
}
