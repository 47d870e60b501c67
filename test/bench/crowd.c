/*
 * A crowd of HTTP connections that are a burden, each in its way, while something else is measured:
 *
 *   idle      has had one answer and stays connected
 *   heads     a request line and headers, a byte each interval, without end
 *   bodies    a whole head, and then a body, a byte each interval
 *   answers   a request for --path, whose answer is taken a byte each interval
 *   readers   --path again and again, as fast as it comes or at --rate bytes a second
 *
 * Who loses the connection comes again. "ready" is printed once all are there and the answers that are
 * taken slowly have begun, as making them is no burden that lasts; the crowd ends with its
 * standard input and then prints what it has met: how often it came, what it was answered, how much it
 * has read.
 *
 * One thread. Who reads at full speed is woken by epoll; who is slow is looked at each tick.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define TL_EVENTS_MAX 256
#define TL_TICK_MS 20
#define TL_AGAIN_NS INT64_C(100000000) /* who was turned away comes again so much later */
#define TL_SLOW_BUFFER 4096			   /* of the kernel, so that the server sees the pace */
#define TL_PACED_BUFFER (64 * 1024)
#define TL_TAIL 5
#define TL_ANSWER_TIMEOUT_MS 60000
#define TL_STATUSES 6 /* 1xx to 5xx; 0: none */

typedef enum TlKind
{
	TL_IDLE,
	TL_HEADS,
	TL_BODIES,
	TL_ANSWERS,
	TL_READERS,
	TL_KINDS
} TlKind;

static const char *const kind_names[TL_KINDS] = {"idle", "heads", "bodies", "answers", "readers"};

typedef struct TlMember
{
	int fd; /* -1: to come again when due */
	TlKind kind;
	int64_t due;
	int64_t begun;
	int64_t received; /* of this connection */
	int status;		  /* its first digit; 0: not yet known */
	char tail[TL_TAIL];
} TlMember;

typedef struct TlMet
{
	int64_t opened;
	int64_t lost; /* closed by the server before an answer was whole */
	int64_t whole;
	int64_t bytes;
	int64_t answers[TL_STATUSES];
} TlMet;

typedef struct TlCrowd
{
	struct sockaddr_in address;
	const char *path;
	int64_t rate;	  /* bytes a second; 0: any */
	int64_t interval; /* nanoseconds from byte to byte */
	int64_t count[TL_KINDS];
	TlMember *members;
	size_t member_count;
	TlMet met[TL_KINDS];
	int epoll;
	char buffer[256 * 1024];
} TlCrowd;

static const char first_of_head[] = "GET /health HTTP/1.1\r\nHost: crowd\r\nX-Slow: ";
static const char head_of_body[] =
	"POST /api/telemetry HTTP/1.1\r\nHost: crowd\r\nContent-Type: application/json\r\n"
	"Content-Length: 1000000\r\n\r\n";

static void
member_write(const TlMember *member, const char *data, size_t len)
{
	/* The server may have closed; that is found by reading. */
	(void) send(member->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
member_ask(const TlCrowd *crowd, const TlMember *member)
{
	char request[1024];
	int len = snprintf(request, sizeof(request),
					   "GET %s HTTP/1.1\r\nHost: crowd\r\nConnection: close\r\n\r\n", crowd->path);

	if (len < 0 || (size_t) len >= sizeof(request))
		tl_measure_die("the path is too long");
	member_write(member, request, (size_t) len);
}

/* Waits for the answer, which leaves the connection idle. */
static void
member_become_idle(TlCrowd *crowd, const TlMember *member)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: crowd\r\n\r\n";
	ssize_t got;

	member_write(member, request, sizeof(request) - 1);
	got = recv(member->fd, crowd->buffer, sizeof(crowd->buffer) - 1, 0);
	if (got <= 0)
		tl_measure_die("a connection was closed before it was idle");
	crowd->buffer[got] = '\0';
	if (strncmp(crowd->buffer, "HTTP/1.1 200", 12) != 0)
		tl_measure_die("not an answer of /health: %.300s", crowd->buffer);
}

static bool
member_is_woken(const TlCrowd *crowd, const TlMember *member)
{
	return member->kind == TL_IDLE || (member->kind == TL_READERS && crowd->rate == 0);
}

static void
member_open(TlCrowd *crowd, TlMember *member, int64_t now)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};
	int buffer = member->kind == TL_READERS ? TL_PACED_BUFFER : TL_SLOW_BUFFER;

	member->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (member->fd < 0)
		tl_measure_die("socket: %s", strerror(errno));
	if (!member_is_woken(crowd, member))
		setsockopt(member->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (connect(member->fd, (struct sockaddr *) &crowd->address, sizeof(crowd->address)) != 0)
		tl_measure_die("cannot connect: %s", strerror(errno));
	crowd->met[member->kind].opened++;
	member->begun = now;
	member->due = now + crowd->interval;
	member->received = 0;
	member->status = 0;
	memset(member->tail, 0, TL_TAIL);
	if (member->kind == TL_IDLE)
		member_become_idle(crowd, member);
	else if (member->kind == TL_BODIES)
		member_write(member, head_of_body, sizeof(head_of_body) - 1);
	else if (member->kind != TL_HEADS)
		member_ask(crowd, member);
	fcntl(member->fd, F_SETFL, fcntl(member->fd, F_GETFL) | O_NONBLOCK);
	if (member_is_woken(crowd, member) &&
		epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, member->fd, &event) != 0)
		tl_measure_die("epoll: %s", strerror(errno));
}

static bool
member_has_whole_answer(const TlMember *member)
{
	return member->status == 2 && memcmp(member->tail, "0\r\n\r\n", TL_TAIL) == 0;
}

static void
member_close(TlCrowd *crowd, TlMember *member, int64_t now)
{
	TlMet *met = &crowd->met[member->kind];

	met->answers[member->status]++;
	if (member_has_whole_answer(member))
		met->whole++;
	else
		met->lost++;
	close(member->fd);
	member->fd = -1;
	/* A reader that was served is back at once. */
	member->due = member_has_whole_answer(member) ? now : now + TL_AGAIN_NS;
}

/* Keeps what tells whether an answer is whole: the digit of its status, and its last bytes. */
static void
member_note(TlMember *member, const char *data, size_t len)
{
	static const size_t digit = sizeof("HTTP/1.1 ") - 1;
	size_t kept = len < TL_TAIL ? TL_TAIL - len : 0;
	size_t before = (size_t) member->received;

	if (before <= digit && before + len > digit && data[digit - before] >= '1' &&
		data[digit - before] <= '5')
		member->status = data[digit - before] - '0';
	memmove(member->tail, member->tail + TL_TAIL - kept, kept);
	memcpy(member->tail + kept, data + len - (TL_TAIL - kept), TL_TAIL - kept);
	member->received += (int64_t) len;
}

static void
member_read(TlCrowd *crowd, TlMember *member, size_t most, int64_t now)
{
	ssize_t got = recv(member->fd, crowd->buffer,
					   most < sizeof(crowd->buffer) ? most : sizeof(crowd->buffer), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (got <= 0)
	{
		member_close(crowd, member, now);
		return;
	}
	member_note(member, crowd->buffer, (size_t) got);
	crowd->met[member->kind].bytes += got;
}

/* A byte of a head that does not end. */
static void
member_send_head(TlMember *member, int64_t now, int64_t interval)
{
	size_t at = (size_t) ((now - member->begun) / interval) - 1;

	member_write(member, at < sizeof(first_of_head) - 1 ? &first_of_head[at] : "x", 1);
}

/* What is due for one who is slow. */
static void
member_go_on(TlCrowd *crowd, TlMember *member, int64_t now)
{
	double elapsed = (double) (now - member->begun) / 1e9;

	switch (member->kind)
	{
		case TL_HEADS:
			member_send_head(member, now, crowd->interval);
			member_read(crowd, member, sizeof(crowd->buffer), now);
			break;
		case TL_BODIES:
			member_write(member, "[", 1);
			member_read(crowd, member, sizeof(crowd->buffer), now);
			break;
		case TL_ANSWERS:
			member_read(crowd, member, 1, now);
			break;
		default:
			if (elapsed * (double) crowd->rate > (double) member->received)
				member_read(
					crowd, member,
					(size_t) (elapsed * (double) crowd->rate - (double) member->received) + 1, now);
			return;
	}
	if (member->fd >= 0)
		member->due += crowd->interval;
}

static void
crowd_tick(TlCrowd *crowd, int64_t now)
{
	/* Those that are idle come first and need no look. */
	for (size_t i = (size_t) crowd->count[TL_IDLE]; i < crowd->member_count; i++)
	{
		TlMember *member = &crowd->members[i];

		if (member->fd < 0 && now >= member->due)
			member_open(crowd, member, now);
		else if (member->fd >= 0 && !member_is_woken(crowd, member) &&
				 (now >= member->due || member->kind == TL_READERS))
			member_go_on(crowd, member, now);
	}
}

static void
crowd_wait_for_answers(const TlCrowd *crowd)
{
	for (size_t i = 0; i < crowd->member_count; i++)
	{
		struct pollfd wait = {.fd = crowd->members[i].fd, .events = POLLIN};

		if (crowd->members[i].kind == TL_ANSWERS && poll(&wait, 1, TL_ANSWER_TIMEOUT_MS) != 1)
			tl_measure_die("an answer does not begin");
	}
}

static void
crowd_gather(TlCrowd *crowd)
{
	size_t at = 0;

	for (int kind = 0; kind < TL_KINDS; kind++)
		crowd->member_count += (size_t) crowd->count[kind];
	crowd->members = tl_measure_alloc(crowd->member_count, sizeof(*crowd->members));
	for (int kind = 0; kind < TL_KINDS; kind++)
		for (int64_t i = 0; i < crowd->count[kind]; i++, at++)
		{
			crowd->members[at].kind = (TlKind) kind;
			member_open(crowd, &crowd->members[at], tl_measure_read_clock());
		}
	crowd_wait_for_answers(crowd);
	printf("ready\n");
	fflush(stdout);
}

/* Until standard input ends. */
static void
crowd_stay(TlCrowd *crowd)
{
	struct epoll_event events[TL_EVENTS_MAX];
	struct epoll_event end = {.events = EPOLLIN, .data.ptr = NULL};
	int64_t ticked = 0;

	if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &end) != 0)
		tl_measure_die("standard input must be a pipe: %s", strerror(errno));
	for (;;)
	{
		int count = epoll_wait(crowd->epoll, events, TL_EVENTS_MAX, TL_TICK_MS);
		int64_t now = tl_measure_read_clock();

		for (int i = 0; i < count; i++)
		{
			if (events[i].data.ptr == NULL)
				return;
			member_read(crowd, events[i].data.ptr, sizeof(crowd->buffer), now);
		}
		if (now - ticked >= TL_TICK_MS * INT64_C(1000000))
		{
			crowd_tick(crowd, now);
			ticked = now;
		}
	}
}

static void
crowd_tell(const TlCrowd *crowd)
{
	printf("{");
	for (int kind = 0; kind < TL_KINDS; kind++)
	{
		const TlMet *met = &crowd->met[kind];

		if (crowd->count[kind] == 0)
			continue;
		printf("\"%s\": {\"opened\": %" PRId64 ", \"lost\": %" PRId64 ", \"whole\": %" PRId64
			   ", \"bytes\": %" PRId64 ", \"answers\": {",
			   kind_names[kind], met->opened, met->lost, met->whole, met->bytes);
		for (int status = 1; status < TL_STATUSES; status++)
			printf("%s\"%dxx\": %" PRId64, status > 1 ? ", " : "", status, met->answers[status]);
		printf("}}, ");
	}
	printf("\"client_cpu_seconds\": %.3f}\n", tl_measure_read_cpu());
}

static void
allow_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"idle", required_argument, NULL, TL_IDLE},
											{"heads", required_argument, NULL, TL_HEADS},
											{"bodies", required_argument, NULL, TL_BODIES},
											{"answers", required_argument, NULL, TL_ANSWERS},
											{"readers", required_argument, NULL, TL_READERS},
											{"port", required_argument, NULL, 'p'},
											{"path", required_argument, NULL, 'u'},
											{"rate", required_argument, NULL, 'r'},
											{"interval-ms", required_argument, NULL, 'i'},
											{NULL, 0, NULL, 0}};
	static TlCrowd crowd = {.path = "/health", .interval = 500 * INT64_C(1000000)};
	int64_t port = 8218;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		if (option >= 0 && option < TL_KINDS)
			crowd.count[option] = tl_measure_parse_number(kind_names[option], optarg);
		else if (option == 'p')
			port = tl_measure_parse_number("port", optarg);
		else if (option == 'u')
			crowd.path = optarg;
		else if (option == 'r')
			crowd.rate = tl_measure_parse_number("rate", optarg);
		else if (option == 'i')
			crowd.interval = tl_measure_parse_number("interval-ms", optarg) * 1000000;
		else
			return 1;
	}
	if (crowd.interval < 1 || port < 1 || port > UINT16_MAX)
		tl_measure_die("usage: crowd [--port=N] [--idle=N] [--heads=N] [--bodies=N] [--answers=N]"
					   " [--readers=N] [--path=PATH] [--rate=BYTES] [--interval-ms=N]");
	crowd.address = (struct sockaddr_in){.sin_family = AF_INET,
										 .sin_port = htons((uint16_t) port),
										 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	crowd.epoll = epoll_create1(0);
	allow_connections();
	crowd_gather(&crowd);
	crowd_stay(&crowd);
	crowd_tell(&crowd);
	return 0;
}
