/*
 * tests/bench/bench.c - one end of a measurement, on the kernel's sockets or on weft's.
 *
 *	bench [OPTIONS] serve			until standard input ends
 *	bench [OPTIONS] CASE SERVER SECONDS	one line of numbers
 *
 *	-w DEV,ADDR/PREFIX[,GATEWAY]	weft's sockets, on this TAP or packet:NAME; else the kernel's
 *	-o				that TAP without offload
 *	-c NAME				this congestion control
 *	-p				bulk carries a pattern, and who receives it looks
 *	-n N				bulk: streams; conns: at a time; requests, hold: connections
 *	-s BYTES			rtt: of a question
 *	-u				rtt: over UDP
 *	-b				conns: in as few packets as possible
 *	-a, -k				hold: after one request each; with keepalive besides
 *	-f N				hold: connections are numbered from N on
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

/* Always the same: the host knows it from the last run, and would believe another one a second late. */
#define MAC "02:00:00:00:00:01"

/* out, in: Gbit/s, bytes; rtt: p50 and p99 in us; conns, requests: a second; hold: see hold.c. */
static const struct {
	const char *name;
	void (*run)(const struct bench *b, double seconds);
} cases[] = {
    {"out", case_out},           {"in", case_in},     {"rtt", case_rtt}, {"conns", case_conns},
    {"requests", case_requests}, {"hold", case_hold},
};

/* "tap0,10.0.0.1/24" or "tap0,10.0.0.1/24,10.0.0.2"; "packet:v0,..." for a device of another kind */
static void use_weft(struct bench *b, const char *text, bool offload)
{
	char spec[96], *rest = spec;
	struct weft_device dev = {.spec = spec, .mac = MAC, .no_offload = !offload};
	struct weft_config cfg = {.devices = &dev, .ndevices = 1};
	int e;

	snprintf(spec, sizeof(spec), "%s%s", strchr(text, ':') ? "" : "tap:", text);
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

/* What follows the options, from argv on; -w comes last, when the others are known. */
static char **options(struct bench *b, int argc, char **argv)
{
	const char *device = NULL;
	bool offload = true;
	int opt;

	while ((opt = getopt(argc, argv, "w:c:n:s:f:opubak")) != -1) {
		switch (opt) {
		case 'w':
			device = optarg;
			break;
		case 'c':
			b->congestion = optarg;
			break;
		case 'n':
			b->many = (unsigned)atoi(optarg);
			break;
		case 's':
			b->size = (size_t)atoi(optarg);
			break;
		case 'f':
			b->first = (unsigned)atoi(optarg);
			break;
		case 'o':
			offload = false;
			break;
		case 'p':
			b->pattern = true;
			break;
		case 'u':
			b->udp = true;
			break;
		case 'b':
			b->brief = true;
			break;
		case 'a':
			b->hold = PORT_HOLD_ASKED;
			break;
		case 'k':
			b->hold = PORT_HOLD_TIMED;
			break;
		default:
			exit(2);
		}
	}
	if (!b->many || !b->size || b->size > QUESTION_MAX)
		errx(2, "-n from 1, -s from 1 to %d", QUESTION_MAX);
	if (device)
		use_weft(b, device, offload);
	return argv + optind;
}

static void more_descriptors(void)
{
	struct rlimit r = {1 << 20, 1 << 20};

	if (setrlimit(RLIMIT_NOFILE, &r) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

int main(int argc, char **argv)
{
	struct bench b = {
	    .net = &kernel_calls,
	    .many = 1,
	    .size = QUESTION,
	    .hold = PORT_HOLD,
	    .server.sin_family = AF_INET,
	};

	signal(SIGPIPE, SIG_IGN);
	more_descriptors();
	argv = options(&b, argc, argv);
	if (argv[0] && !argv[1] && strcmp(argv[0], "serve") == 0)
		serve(&b);
	if (!argv[0] || !argv[1] || !argv[2] ||
	    inet_pton(AF_INET, argv[1], &b.server.sin_addr) != 1)
		errx(
		    2,
		    "usage: bench [OPTIONS] serve | out|in|rtt|conns|requests|hold SERVER SECONDS");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, argv[0]) == 0)
			cases[i].run(&b, strtod(argv[2], NULL));
	return b.stack ? -weft_stop(b.stack) : 0;
}
