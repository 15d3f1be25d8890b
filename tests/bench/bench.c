/*
 * tests/bench/bench.c - one end of a measurement, on the kernel's sockets or on weft's.
 *
 *	bench [OPTIONS] serve			until standard input ends
 *	bench [OPTIONS] CASE SERVER AMOUNT	one line of numbers
 *
 *	-w DEV,ADDR/PREFIX[,GATEWAY]	weft's sockets, on this TAP; else the kernel's
 *	-c NAME				this congestion control
 *	-p				bulk carries a pattern, and who receives it looks (at both ends)
 *
 * CASE: out (Gbit/s sent in AMOUNT s), in (Gbit/s received), rtt (us at p50 and p99 of a 64-byte
 * question and answer, for AMOUNT s), conns (connections a second, AMOUNT of them one by one).
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calls.h"

#define BULK (128 * 1024)
#define QUESTION 64
#define SAMPLES_MAX (1 << 20)

enum { PORT_SINK = 5001, PORT_SOURCE, PORT_ECHO };

/* Of one run: set before the first thread is made. */
struct bench {
	const struct calls *net;
	const char *congestion; /* NULL: the default */
	bool pattern;
	weft_stack *stack; /* NULL: the kernel */
	struct sockaddr_in server;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *buffer(size_t n)
{
	void *buf = calloc(1, n);

	if (!buf)
		err(1, "memory");
	return buf;
}

static void no_delay(const struct calls *net, int fd)
{
	int on = 1;

	net->setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Set on a listener, its connections have it too. */
static void use_congestion(const struct bench *b, int fd)
{
	if (b->congestion && b->net->setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, b->congestion,
						(socklen_t)strlen(b->congestion)))
		err(1, "congestion control %s", b->congestion);
}

/* --- bulk: each byte tells where in the stream it stands ---------------------------------------- */

static char pattern_at(uint64_t at)
{
	return (char)(at ^ at >> 8 ^ at >> 16 ^ at >> 24);
}

static void pattern_check(const struct bench *b, const char *buf, size_t n, uint64_t at)
{
	for (size_t i = 0; b->pattern && i < n; i++) {
		if (buf[i] != pattern_at(at + i))
			errx(1, "byte %llu of the stream is wrong", (unsigned long long)(at + i));
	}
}

/* The next bytes of the stream; false: the other end is gone. */
static bool bulk_send(const struct bench *b, int fd, char *buf, uint64_t *total)
{
	ssize_t n;

	for (size_t i = 0; b->pattern && i < BULK; i++)
		buf[i] = pattern_at(*total + i);
	n = b->net->send(fd, buf, BULK, MSG_NOSIGNAL);
	*total += n > 0 ? (uint64_t)n : 0;
	return n > 0;
}

/* --- serve ------------------------------------------------------------------------------------ */

struct service {
	const struct bench *bench;
	uint16_t port;
	void (*run)(const struct bench *b, int fd);
};

struct client {
	const struct service *service;
	int fd;
};

/* Reads to the end, then says how much it was. */
static void serve_sink(const struct bench *b, int fd)
{
	char *buf = buffer(BULK);
	uint64_t total = 0;
	ssize_t n;

	while ((n = b->net->recv(fd, buf, BULK, 0)) > 0) {
		pattern_check(b, buf, (size_t)n, total);
		total += (uint64_t)n;
	}
	b->net->send(fd, &total, sizeof(total), MSG_NOSIGNAL);
	free(buf);
}

static void serve_source(const struct bench *b, int fd)
{
	char *buf = buffer(BULK);
	uint64_t total = 0;

	while (bulk_send(b, fd, buf, &total))
		;
	free(buf);
}

static void serve_echo(const struct bench *b, int fd)
{
	const struct calls *net = b->net;
	char buf[QUESTION];
	ssize_t n;

	no_delay(net, fd);
	while ((n = net->recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (net->send(fd, buf, (size_t)n, MSG_NOSIGNAL) < 0)
			break;
	}
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	c->service->run(c->service->bench, c->fd);
	c->service->bench->net->close(c->fd);
	free(c);
	return NULL;
}

/* Connections of echo are short and many: the acceptor serves them itself, one by one. */
static void service_client(const struct service *s, int fd)
{
	struct client *c = buffer(sizeof(*c));
	pthread_t thread;

	*c = (struct client){.service = s, .fd = fd};
	if (s->port == PORT_ECHO) {
		client_main(c);
		return;
	}
	if (pthread_create(&thread, NULL, client_main, c))
		errx(1, "no thread");
	pthread_detach(thread);
}

static void *service_main(void *arg)
{
	const struct service *s = arg;
	const struct calls *net = s->bench->net;
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(s->port)};
	int on = 1, fd, listener = net->socket(AF_INET, SOCK_STREAM, 0);

	net->setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	use_congestion(s->bench, listener);
	if (net->bind(listener, (struct sockaddr *)&sin, sizeof(sin)) ||
	    net->listen(listener, 1024))
		err(1, "port %u", s->port);
	if (s->port == PORT_ECHO) {
		puts("ready");
		fflush(stdout);
	}
	while ((fd = net->accept(listener, NULL, NULL)) >= 0)
		service_client(s, fd);
	return NULL;
}

static void serve(const struct bench *b)
{
	const struct service services[] = {
	    {b, PORT_SINK, serve_sink},
	    {b, PORT_SOURCE, serve_source},
	    {b, PORT_ECHO, serve_echo},
	};
	pthread_t thread;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (pthread_create(&thread, NULL, service_main, (void *)(uintptr_t)&services[i]))
			errx(1, "no thread");
	while (getchar() != EOF)
		;
	_exit(0);
}

/* --- cases ------------------------------------------------------------------------------------ */

static int dial(const struct bench *b, uint16_t port)
{
	struct sockaddr_in sin = b->server;
	int fd = b->net->socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_port = htons(port);
	if (fd >= 0)
		use_congestion(b, fd);
	if (fd < 0 || b->net->connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "connect");
	return fd;
}

static double gbit(uint64_t bytes, uint64_t ns)
{
	return (double)bytes * 8 / (double)ns;
}

/* What counts is what the sink has read, not what the send buffer took. */
static void case_out(const struct bench *b, unsigned seconds)
{
	int fd = dial(b, PORT_SINK);
	char *buf = buffer(BULK);
	uint64_t begin = now_ns(), end = begin + seconds * 1000000000ull, total = 0;

	while (now_ns() < end)
		if (!bulk_send(b, fd, buf, &total))
			err(1, "send");
	b->net->shutdown(fd, SHUT_WR);
	if (b->net->recv(fd, &total, sizeof(total), MSG_WAITALL) != sizeof(total))
		err(1, "no answer of the sink");
	printf("%.5f\n", gbit(total, now_ns() - begin));
	b->net->close(fd);
	free(buf);
}

static void case_in(const struct bench *b, unsigned seconds)
{
	int fd = dial(b, PORT_SOURCE);
	char *buf = buffer(BULK);
	uint64_t begin = now_ns(), end = begin + seconds * 1000000000ull, total = 0;
	ssize_t n;

	while (now_ns() < end) {
		n = b->net->recv(fd, buf, BULK, 0);
		if (n <= 0)
			err(1, "recv");
		pattern_check(b, buf, (size_t)n, total);
		total += (uint64_t)n;
	}
	printf("%.5f\n", gbit(total, now_ns() - begin));
	b->net->close(fd);
	free(buf);
}

static void ask(const struct bench *b, int fd)
{
	char buf[QUESTION] = {0};
	size_t got = 0;
	ssize_t n;

	if (b->net->send(fd, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf))
		err(1, "send");
	while (got < sizeof(buf)) {
		n = b->net->recv(fd, buf, sizeof(buf) - got, 0);
		if (n <= 0)
			err(1, "recv");
		got += (size_t)n;
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void case_rtt(const struct bench *b, unsigned seconds)
{
	uint64_t *took = buffer(SAMPLES_MAX * sizeof(*took)), end, then, now = now_ns();
	int fd = dial(b, PORT_ECHO);
	size_t n = 0;

	no_delay(b->net, fd);
	for (end = now + seconds * 1000000000ull; now < end && n < SAMPLES_MAX; n++) {
		then = now;
		ask(b, fd);
		now = now_ns();
		took[n] = now - then;
	}
	qsort(took, n, sizeof(*took), by_size);
	printf("%.1f %.1f\n", (double)took[n / 2] / 1e3, (double)took[n * 99 / 100] / 1e3);
	b->net->close(fd);
	free(took);
}

/* Each asks once, so that the server has accepted it before it is closed. */
static void case_conns(const struct bench *b, unsigned count)
{
	uint64_t begin = now_ns();
	int fd;

	for (unsigned i = 0; i < count; i++) {
		fd = dial(b, PORT_ECHO);
		ask(b, fd);
		b->net->close(fd);
	}
	printf("%.0f\n", count / ((double)(now_ns() - begin) / 1e9));
}

/* --- main ------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(const struct bench *b, unsigned amount);
} cases[] = {
    {"out", case_out},
    {"in", case_in},
    {"rtt", case_rtt},
    {"conns", case_conns},
};

/* "tap0,10.0.0.1/24" or "tap0,10.0.0.1/24,10.0.0.2" */
static void use_weft(struct bench *b, const char *text)
{
	char spec[96], *rest = spec;
	struct weft_device dev = {.spec = spec};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	int e;

	snprintf(spec, sizeof(spec), "tap:%s", text);
	strsep(&rest, ",");
	dev.addr = strsep(&rest, ",");
	cfg.gateway = rest;
	if (!dev.addr)
		errx(2, "-w DEV,ADDR/PREFIX[,GATEWAY]");

	e = weft_start(&cfg, &b->stack);
	if (e)
		errx(1, "weft_start: %s", strerror(-e));
	b->net = &weft_calls;
}

int main(int argc, char **argv)
{
	struct bench b = {.net = &kernel_calls, .server.sin_family = AF_INET};
	int opt;

	signal(SIGPIPE, SIG_IGN);
	while ((opt = getopt(argc, argv, "w:c:p")) != -1) {
		if (opt == 'w')
			use_weft(&b, optarg);
		else if (opt == 'c')
			b.congestion = optarg;
		else if (opt == 'p')
			b.pattern = true;
		else
			return 2;
	}
	argv += optind;
	argc -= optind;
	if (argc == 1 && strcmp(argv[0], "serve") == 0)
		serve(&b);
	if (argc != 3 || inet_pton(AF_INET, argv[1], &b.server.sin_addr) != 1)
		errx(2, "usage: bench [-p] [-c NAME] [-w DEV,ADDR/PREFIX[,GATEWAY]] serve | "
			"out|in|rtt|conns SERVER AMOUNT");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, argv[0]) == 0)
			cases[i].run(&b, (unsigned)atoi(argv[2]));
	return b.stack ? -weft_stop(b.stack) : 0;
}
