/*
 * deliver.c
 *		Sends what the database has to tell: notifications of alerts, to webhooks and by mail.
 *
 *	NOTIFY, or time ─ prepare ─ take ═ committed ═▶ transfers under way ─▶ ended ─ settle, one by one ─▶ database
 *
 * One connection does one of these after the other, settling first.  A transfer belongs to one of the two lists, and
 * there are no more of both than may be: so what waits for a database that is away is bounded, and
 * nothing is taken that is not sent at once.  Should this process die, what was taken is taken again when its lease is
 * over, under the same id.
 */
#include "deliver/deliver.h"

#include "base/log.h"
#include "base/metrics.h"
#include "database/pgconn.h"
#include "database/sqlstate.h"
#include "deliver/sender.h"
#include "deliver/settings.h"
#include "deliver/transfer.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* Of PostgreSQL's own: where there is a table to write to, and LISTEN is taken. */
#define STANDBY_QUERY "SELECT pg_catalog.pg_is_in_recovery()"
#define LISTEN_QUERY "LISTEN telemetry_outbox"
#define PREPARE_QUERY "SELECT telemetry.prepare_notifications($1::pg_catalog.int4)"
#define SETTLE_QUERY                                                                               \
	"SELECT telemetry.settle_notification($1, $2::pg_catalog.bool, $3, $4::pg_catalog.int4,"       \
	" $5::pg_catalog.bool)"

#define PREPARED_AT_ONCE 5000

/*
 * How often is looked without being told: often for a while after something was there, because what
 * waits for others or comes again is told by nobody.
 */
#define POLL_US ((uint64_t) 5 * 1000 * 1000)
#define POLL_ACTIVE_US ((uint64_t) 1000 * 1000)
#define ACTIVE_US ((uint64_t) 2 * 60 * 1000 * 1000)

/* Between two looks, however often it is told: what is told of may be no alert. */
#define PAUSE_US ((uint64_t) 100 * 1000)

/* After a failure, twice as long each time. */
#define FAILURE_FIRST_US ((uint64_t) 1000 * 1000)
#define FAILURE_LAST_US ((uint64_t) 60 * 1000 * 1000)

typedef enum Step
{
	STEP_STANDBY,
	STEP_LISTEN,
	STEP_PREPARE,
	STEP_TAKE,
	STEP_SETTLE
} Step;

typedef TAILQ_HEAD(TransferList, TlTransfer) TransferList;

struct TlDeliver
{
	TlPgJob job; /* first: a job is its owner */
	struct event_base *base;
	const TlConfig *config;
	TlDeliverSettings settings;
	TlSender *sender;
	TlPgConn *conn; /* NULL: none is wanted */
	struct event *dispatch;
	char worker[128]; /* who takes */

	Step step; /* while the connection is busy */
	char limit[16];
	char attempt[16];
	bool is_primary;
	bool is_listening;
	bool prepare_due;
	bool take_due;
	int64_t answer;			 /* of the step: a number, or a truth */
	uint64_t look_us;		 /* when it is to be looked again without being told */
	uint64_t pause_until_us; /* before which it is not, though told */
	uint64_t active_until_us;
	uint64_t failure_pause_us; /* after the last failure; 0: it has taken since */
	uint64_t retry_us;		   /* before which nothing is done, because of that */

	TransferList under_way;
	TransferList ended; /* to be settled */
	TransferList taken; /* by a statement that is not committed yet */
	unsigned int count; /* of all these */

	bool draining;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

static bool
is_wanted(const TlDeliver *deliver)
{
	return deliver->config->deliver && !deliver->draining;
}

static void
deliver_wake(TlDeliver *deliver)
{
	event_active(deliver->dispatch, EV_TIMEOUT, 0);
}

static void
deliver_wake_at(TlDeliver *deliver, uint64_t time_us)
{
	uint64_t now = tl_clock_us();
	uint64_t left = time_us > now ? time_us - now : 0;
	struct timeval when = {(time_t) (left / 1000000), (suseconds_t) (left % 1000000)};

	event_add(deliver->dispatch, &when);
}

static void
deliver_is_active(TlDeliver *deliver)
{
	deliver->active_until_us = tl_clock_us() + ACTIVE_US;
}

/* Transfers ---------------------------------------------------------------------------------- */

static void
deliver_free_transfer(TlDeliver *deliver, TransferList *list, TlTransfer *transfer)
{
	TAILQ_REMOVE(list, transfer, link);
	tl_transfer_free(transfer);
	deliver->count--;
}

static void
on_sent(TlTransfer *transfer, void *arg)
{
	TlDeliver *deliver = arg;

	TAILQ_REMOVE(&deliver->under_way, transfer, link);
	TAILQ_INSERT_TAIL(&deliver->ended, transfer, link);
	tl_metrics.notifications_under_way--;
	if (transfer->verdict == TL_VERDICT_SENT)
		tl_metrics.notifications_sent++;
	else
		tl_metrics.notifications_failed++;
	deliver_wake(deliver);
}

static bool
channel_is_under_way(const TlDeliver *deliver, const char *channel)
{
	const TlTransfer *transfer;

	TAILQ_FOREACH(transfer, &deliver->under_way, link)
	if (strcmp(transfer->notification.channel, channel) == 0)
		return true;
	return false;
}

static void
start_transfer(TlDeliver *deliver, TlTransfer *transfer)
{
	const TlNotification *notification = &transfer->notification;

	TAILQ_REMOVE(&deliver->taken, transfer, link);
	if (channel_is_under_way(deliver, notification->channel))
	{
		/* Its lease was taken from it. */
		tl_log(TL_LOG_WARNING,
			   "notification %s waits, since another one is on its way to channel %s",
			   notification->id, notification->channel);
		tl_transfer_free(transfer);
		deliver->count--;
		return;
	}
	TAILQ_INSERT_TAIL(&deliver->under_way, transfer, link);
	tl_metrics.notifications_under_way++;
	if (notification->is_mail && deliver->settings.smtp_url == NULL)
	{
		transfer->verdict = TL_VERDICT_AGAIN;
		snprintf(transfer->reason, sizeof(transfer->reason), "option \"smtp-url\" is not set");
		on_sent(transfer, deliver);
	}
	else
		tl_sender_start(deliver->sender, transfer);
}

/* A failure, once the database has said what becomes of it. */
static void
log_failure(const TlTransfer *transfer, const char *state)
{
	const TlNotification *notification = &transfer->notification;

	tl_log(TL_LOG_WARNING,
		   "notification %s to channel %s (%s, host \"%s\") failed at attempt %d: %s; it is %s",
		   notification->id, notification->channel, notification->kind, transfer->host,
		   notification->attempt, transfer->reason, state);
}

/* Steps -------------------------------------------------------------------------------------- */

static void
job_on_rows(TlPgJob *job, const PGresult *rows)
{
	TlDeliver *deliver = (TlDeliver *) job;
	TlNotification notification;

	if (deliver->step == STEP_TAKE)
	{
		for (int row = 0; row < PQntuples(rows); row++)
		{
			TlTransfer *transfer;

			if (!tl_notification_read(&notification, rows, row))
			{
				tl_log(TL_LOG_ERROR, "the database gave a notification that cannot be read");
				tl_notification_free(&notification);
				continue;
			}
			transfer = tl_transfer_create(&notification, &deliver->settings);
			transfer->taken_us = tl_clock_us();
			TAILQ_INSERT_TAIL(&deliver->taken, transfer, link);
			deliver->count++;
		}
	}
	else if (deliver->step == STEP_SETTLE)
	{
		const TlTransfer *transfer = TAILQ_FIRST(&deliver->ended);

		if (PQntuples(rows) == 1 && transfer->verdict != TL_VERDICT_SENT)
			log_failure(transfer, PQgetisnull(rows, 0, 0) ? "gone" : PQgetvalue(rows, 0, 0));
	}
	else if (PQntuples(rows) == 1)
		deliver->answer = deliver->step == STEP_STANDBY ? PQgetvalue(rows, 0, 0)[0] == 't'
														: atoll(PQgetvalue(rows, 0, 0));
}

static void
step_is_done(TlDeliver *deliver)
{
	TlTransfer *transfer;

	switch (deliver->step)
	{
		case STEP_STANDBY:
			deliver->is_primary = deliver->answer == 0;
			break;
		case STEP_LISTEN:
			deliver->is_listening = true;
			deliver->prepare_due = deliver->take_due = true;
			break;
		case STEP_PREPARE:
			deliver->prepare_due |= deliver->answer >= PREPARED_AT_ONCE;
			if (deliver->answer > 0)
			{
				deliver->take_due = true;
				deliver_is_active(deliver);
			}
			break;
		case STEP_TAKE:
			deliver->failure_pause_us = 0;
			if (!TAILQ_EMPTY(&deliver->taken))
				deliver_is_active(deliver);
			while ((transfer = TAILQ_FIRST(&deliver->taken)) != NULL)
				start_transfer(deliver, transfer);
			break;
		case STEP_SETTLE:
			deliver_free_transfer(deliver, &deliver->ended, TAILQ_FIRST(&deliver->ended));
			deliver_is_active(deliver);
			/* There may be more, for which there was no room. */
			deliver->take_due = true;
			break;
	}
}

/* Whether the database may still want to know: it does when it comes late, too, but not for ever. */
static bool
is_worth_settling(const TlTransfer *transfer, const TlPgError *error)
{
	bool is_new = tl_clock_us() - transfer->taken_us <
				  (uint64_t) 2 * TL_NOTIFICATION_LEASE_SECONDS * 1000 * 1000;

	return is_new && !tl_sqlstate_blames_request(error->sqlstate);
}

static void
step_has_failed(TlDeliver *deliver, TlPgOutcome outcome, const TlPgError *error)
{
	static const char *const names[] = {
		[STEP_STANDBY] = "look for a standby",	  [STEP_LISTEN] = "listen to the outbox",
		[STEP_PREPARE] = "prepare notifications", [STEP_TAKE] = "take notifications",
		[STEP_SETTLE] = "settle a notification",
	};
	TlTransfer *transfer;

	while ((transfer = TAILQ_FIRST(&deliver->taken)) != NULL)
		deliver_free_transfer(deliver, &deliver->taken, transfer);
	transfer = TAILQ_FIRST(&deliver->ended);
	if (deliver->step == STEP_SETTLE && !is_worth_settling(transfer, error))
	{
		tl_log(TL_LOG_ERROR, "the database could not be told of notification %s: %s",
			   transfer->notification.id, error->message);
		deliver_free_transfer(deliver, &deliver->ended, transfer);
	}
	else if (deliver->step == STEP_SETTLE)
	{
		/* The others need not wait for it. */
		TAILQ_REMOVE(&deliver->ended, transfer, link);
		TAILQ_INSERT_TAIL(&deliver->ended, transfer, link);
	}
	/* Of a connection that is lost it has said so itself. */
	tl_log(outcome == TL_PG_FAILED && deliver->failure_pause_us == 0 ? TL_LOG_WARNING
																	 : TL_LOG_DEBUG,
		   "could not %s: %s %s", names[deliver->step], error->sqlstate, error->message);
	/* Perhaps it has become a standby. */
	deliver->is_primary = false;
	deliver->is_listening = false;
	if (deliver->failure_pause_us == 0)
		deliver->failure_pause_us = FAILURE_FIRST_US;
	else if (deliver->failure_pause_us < FAILURE_LAST_US)
		deliver->failure_pause_us *= 2;
	deliver->retry_us = tl_clock_us() + deliver->failure_pause_us;
}

static void
job_on_end(TlPgJob *job, TlPgOutcome outcome, const TlPgError *error)
{
	TlDeliver *deliver = (TlDeliver *) job;

	if (outcome == TL_PG_DONE)
		step_is_done(deliver);
	else
		step_has_failed(deliver, outcome, error);
	deliver_wake(deliver);
}

static void
run(TlDeliver *deliver, Step step, const char *query, int count, const char *const *values)
{
	deliver->step = step;
	deliver->answer = 0;
	tl_pgconn_run_call(deliver->conn, &deliver->job, query, count, values);
}

static void
settle(TlDeliver *deliver, const TlTransfer *transfer)
{
	const TlNotification *notification = &transfer->notification;
	bool is_sent = transfer->verdict == TL_VERDICT_SENT;
	char detail[sizeof(transfer->reason) + sizeof(transfer->answer_told) + 2];
	const char *values[] = {
		notification->id,
		is_sent ? "true" : "false",
		is_sent ? NULL : detail,
		deliver->attempt,
		transfer->verdict == TL_VERDICT_NEVER ? "true" : "false",
	};

	snprintf(detail, sizeof(detail), "%s%s%s", transfer->reason,
			 transfer->answer_told[0] != '\0' ? ": " : "", transfer->answer_told);
	snprintf(deliver->attempt, sizeof(deliver->attempt), "%d", notification->attempt);
	run(deliver, STEP_SETTLE, SETTLE_QUERY, 5, values);
}

static void
prepare(TlDeliver *deliver)
{
	const char *values[] = {deliver->limit};

	/* Before: what is told of meanwhile is not in it. */
	deliver->prepare_due = false;
	snprintf(deliver->limit, sizeof(deliver->limit), "%d", PREPARED_AT_ONCE);
	run(deliver, STEP_PREPARE, PREPARE_QUERY, 1, values);
}

static void
take(TlDeliver *deliver)
{
	const char *values[] = {deliver->worker, deliver->limit};

	deliver->take_due = false;
	snprintf(deliver->limit, sizeof(deliver->limit), "%u",
			 (unsigned int) deliver->config->deliver_transfers - deliver->count);
	run(deliver, STEP_TAKE, TL_NOTIFICATION_QUERY, 2, values);
}

/* Looks, if it is time to and there is room. */
static void
look(TlDeliver *deliver)
{
	uint64_t now = tl_clock_us();
	bool has_room = deliver->count < (unsigned int) deliver->config->deliver_transfers;

	if (now >= deliver->look_us)
	{
		deliver->prepare_due = deliver->take_due = true;
		deliver->look_us = now + (now < deliver->active_until_us ? POLL_ACTIVE_US : POLL_US);
	}
	if (now < deliver->pause_until_us ||
		(!deliver->prepare_due && !(deliver->take_due && has_room)))
		return;
	if (!deliver->is_primary)
	{
		/* A standby is asked again when it is time to look. */
		deliver->prepare_due = deliver->take_due = false;
		run(deliver, STEP_STANDBY, STANDBY_QUERY, 0, NULL);
	}
	else if (deliver->prepare_due)
		prepare(deliver);
	else
	{
		deliver->pause_until_us = now + PAUSE_US;
		take(deliver);
	}
}

/* The next statement, of an idle connection, if there is one to be made now. */
static void
deliver_step(TlDeliver *deliver)
{
	const TlTransfer *ended = TAILQ_FIRST(&deliver->ended);

	if (ended != NULL)
		settle(deliver, ended);
	else if (is_wanted(deliver) && deliver->is_primary && !deliver->is_listening)
		run(deliver, STEP_LISTEN, LISTEN_QUERY, 0, NULL);
	else if (is_wanted(deliver))
		look(deliver);
}

/* Closes the connection when it is not wanted and nothing needs it any more. */
static void
end_if_done(TlDeliver *deliver)
{
	if (is_wanted(deliver) || deliver->count > 0 ||
		(deliver->conn != NULL && tl_pgconn_state(deliver->conn) == TL_PG_BUSY))
		return;
	if (deliver->conn != NULL)
		tl_pgconn_close(deliver->conn);
	deliver->conn = NULL;
	if (deliver->on_drained != NULL)
		deliver->on_drained(deliver->drained_arg);
	deliver->on_drained = NULL;
}

/* Does the next thing that there is to do, or arranges for its time. */
static void
deliver_on_dispatch(evutil_socket_t fd, short what, void *arg)
{
	TlDeliver *deliver = arg;
	uint64_t limit_us = (uint64_t) deliver->config->request_timeout * 2 * 1000;
	uint64_t now;
	uint64_t next;

	(void) fd;
	(void) what;
	end_if_done(deliver);
	if (deliver->conn == NULL)
		return;
	if (tl_pgconn_state(deliver->conn) == TL_PG_BUSY &&
		tl_pgconn_waited_us(deliver->conn) > limit_us)
		tl_pgconn_drop(deliver->conn, "no answer for too long");
	if (tl_pgconn_state(deliver->conn) == TL_PG_IDLE && tl_clock_us() >= deliver->retry_us)
		deliver_step(deliver);
	now = tl_clock_us();
	next = deliver->look_us;
	if (deliver->retry_us > now)
		next = deliver->retry_us;
	else if ((deliver->prepare_due || deliver->take_due) && deliver->pause_until_us > now &&
			 deliver->pause_until_us < next)
		next = deliver->pause_until_us;
	/* That the connection is free, or there is room, is told. */
	if (next <= now)
		next = now + POLL_ACTIVE_US;
	deliver_wake_at(deliver, next);
}

static void
on_state(TlPgConn *conn, TlPgState old, TlPgState new, void *arg)
{
	TlDeliver *deliver = arg;

	(void) conn;
	(void) old;
	if (new == TL_PG_DOWN)
		deliver->is_primary = deliver->is_listening = false;
	else if (new == TL_PG_IDLE)
		deliver_wake(deliver);
}

static void
on_notify(void *arg)
{
	TlDeliver *deliver = arg;

	deliver->prepare_due = deliver->take_due = true;
	deliver_wake(deliver);
}

/* From the outside ---------------------------------------------------------------------------- */

bool
tl_deliver_check(const TlConfig *config, TlConfigError *error)
{
	TlDeliverSettings settings;

	if (!tl_deliver_settings_read(&settings, config, error))
		return false;
	tl_deliver_settings_free(&settings);
	return true;
}

void
tl_deliver_reload(TlDeliver *deliver)
{
	TlDeliverSettings fresh;
	TlConfigError error;
	TlPgOwner owner = {.on_state = on_state, .on_notify = on_notify, .arg = deliver};

	if (tl_deliver_settings_read(&fresh, deliver->config, &error))
	{
		tl_deliver_settings_free(&deliver->settings);
		deliver->settings = fresh;
	}
	else
		tl_log(TL_LOG_ERROR, "what is to be known of sending stays as it is: %s", error.text);
	if (is_wanted(deliver) && deliver->conn == NULL)
		deliver->conn = tl_pgconn_open(deliver->base, "deliver", deliver->config->database,
									   deliver->config->connect_timeout, owner);
	deliver_wake(deliver);
}

TlDeliver *
tl_deliver_open(struct event_base *base, const TlConfig *config)
{
	TlDeliver *deliver = calloc(1, sizeof(*deliver));
	char host[64] = "";

	if (deliver == NULL)
		tl_log_die("out of memory");
	deliver->job.on_rows = job_on_rows;
	deliver->job.on_end = job_on_end;
	deliver->base = base;
	deliver->config = config;
	TAILQ_INIT(&deliver->under_way);
	TAILQ_INIT(&deliver->ended);
	TAILQ_INIT(&deliver->taken);
	deliver->sender = tl_sender_open(base, on_sent, deliver);
	deliver->dispatch = evtimer_new(base, deliver_on_dispatch, deliver);
	if (deliver->dispatch == NULL)
		tl_log_die("out of memory");
	(void) gethostname(host, sizeof(host) - 1);
	snprintf(deliver->worker, sizeof(deliver->worker), "telemetry-proxy %s %d", host,
			 (int) getpid());
	tl_deliver_reload(deliver);
	return deliver;
}

void
tl_deliver_drain(TlDeliver *deliver, void (*on_drained)(void *arg), void *arg)
{
	deliver->draining = true;
	deliver->on_drained = on_drained;
	deliver->drained_arg = arg;
	deliver_wake(deliver);
}

void
tl_deliver_close(TlDeliver *deliver)
{
	TlTransfer *transfer;

	if (deliver->count > 0)
		tl_log(TL_LOG_WARNING, "%u notifications are left to be sent again", deliver->count);
	if (deliver->conn != NULL)
		tl_pgconn_close(deliver->conn);
	while ((transfer = TAILQ_FIRST(&deliver->under_way)) != NULL)
	{
		tl_sender_abandon(deliver->sender, transfer);
		deliver_free_transfer(deliver, &deliver->under_way, transfer);
	}
	while ((transfer = TAILQ_FIRST(&deliver->ended)) != NULL)
		deliver_free_transfer(deliver, &deliver->ended, transfer);
	tl_sender_close(deliver->sender);
	event_free(deliver->dispatch);
	tl_deliver_settings_free(&deliver->settings);
	free(deliver);
}
