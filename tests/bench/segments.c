/*
 * tests/bench/segments.c - `segments receive|send|write COUNT TIMESTAMPS`: segments through a whole stack in
 * this process, for callgrind to count the instructions of one.
 *
 * Two stacks on the virtual clock have a TAP driver each over the two ends of a socket pair; the one measured
 * has 10.0.0.1.  Each call of the program is one segment (write: a batch of them), as a device with checksum
 * offload carries it.  What counts is inside the functions measured_*: a batch of segments read and acknowledged; or written by the
 * program, and their ACKs read.  What is received is compared.
 *
 * `segments sizes` prints what an idle connection has of the TCP room, bytes: never used, and after a request
 * (tests/tcp/test_idle.c looks that it is so).
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "ip/ip.h"
#include "lib/stack.h"
#include "lib/sysctl.h"
#include "net/ifaddr.h"
#include "net/tap.h"
#include "socket/socket.h"
#include "tcp/tcp_priv.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#define BATCH 16
#define SEGMENT_MAX 2048
#define ROUNDS_WARM 200
#define PORT 7000
#define QUEUE_MAX 64

struct end {
	struct stack *st;
	struct netdev *dev;
	int fd;         /* of the connection */
	uint64_t place; /* in the stream sent, or received */
};

struct pair {
	struct env *env;
	struct end end[2]; /* [0] is measured */
	uint32_t size;     /* payload of a segment */
};

/* --- the world -------------------------------------------------------------------------------- */

static void end_open(struct pair *p, unsigned i, int fd, int timestamps)
{
	struct tap_config cfg = {.name = "tap0", .mac = {2, 0, 0, 0, 0, (uint8_t)(1 + i)}};
	uint8_t other_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, (uint8_t)(2 - i)};
	struct ip_addr own = ip_addr4(0x0a000001 + i), other = ip_addr4(0x0a000002 - i);
	struct end *e = &p->end[i];
	struct batch b;

	e->st = stack_create(p->env);
	if (!e->st || sysctl_write(e->st, "net.ipv4.tcp_timestamps", timestamps) ||
	    tap_attach(e->st, &cfg, &fd, 1, &e->dev))
		errx(1, "no stack");
	batch_begin(&b, e->st);
	netdev_up(e->dev);
	if (ifaddr_add(e->dev, &own, IP_PREFIX4(24)) ||
	    neigh_add_permanent(e->dev, &other, other_mac))
		errx(1, "no address");
	batch_end(&b);
}

/* Until nothing is on its way: what one reads, the other may answer. */
static void pair_settle(struct pair *p)
{
	while (netdev_poll(&p->end[0].dev->queue[0], QUEUE_MAX) > 0 ||
	       netdev_poll(&p->end[1].dev->queue[0], QUEUE_MAX) > 0)
		;
}

static int socket_open(const struct end *e)
{
	int on = 1, fd;

	weft_use(e->st);
	fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || weft_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		err(1, "socket");
	return fd;
}

static void pair_connect(struct pair *p)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int listener = socket_open(&p->end[0]);

	if (weft_bind(listener, (struct sockaddr *)&at, sizeof(at)) || weft_listen(listener, 1))
		err(1, "listen");
	p->end[1].fd = socket_open(&p->end[1]);
	at.sin_addr.s_addr = htonl(0x0a000001);
	weft_connect(p->end[1].fd, (struct sockaddr *)&at, sizeof(at));
	pair_settle(p);
	p->end[0].fd = weft_accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (p->end[0].fd < 0)
		err(1, "accept");
}

/* --- the stream ------------------------------------------------------------------------------- */

static void stream_write(struct pair *p, struct end *e)
{
	char buf[SEGMENT_MAX];

	memset(buf, (int)(e->place / p->size % 251), p->size);
	if (weft_send(e->fd, buf, p->size, 0) != (ssize_t)p->size)
		err(1, "send");
	e->place += p->size;
}

static void stream_read(struct pair *p, struct end *e)
{
	char buf[SEGMENT_MAX];
	ssize_t n;

	while ((n = weft_recv(e->fd, buf, sizeof(buf), 0)) > 0)
		for (ssize_t i = 0; i < n; i++, e->place++)
			if ((uint8_t)buf[i] != e->place / p->size % 251)
				errx(1, "byte %llu is wrong", (unsigned long long)e->place);
}

/* --- what is measured ------------------------------------------------------------------------- */

static __attribute__((noinline)) void measured_poll(struct end *e)
{
	netdev_poll(&e->dev->queue[0], QUEUE_MAX);
}

static __attribute__((noinline)) void measured_send(const struct end *e, const char *buf,
						    uint32_t size)
{
	if (weft_send(e->fd, buf, size, 0) != (ssize_t)size)
		err(1, "send");
}

static void round_receive(struct pair *p, bool measured)
{
	for (unsigned i = 0; i < BATCH; i++)
		stream_write(p, &p->end[1]);
	if (measured)
		measured_poll(&p->end[0]);
	pair_settle(p);
	stream_read(p, &p->end[0]);
}

/* `each` segments a call. */
static void round_send(struct pair *p, unsigned each, bool measured)
{
	struct end *e = &p->end[0];
	char buf[BATCH * SEGMENT_MAX];

	for (unsigned i = 0; i < BATCH; i += each) {
		for (unsigned k = 0; k < each; k++, e->place += p->size)
			memset(buf + k * p->size, (int)(e->place / p->size % 251), p->size);
		if (measured)
			measured_send(e, buf, each * p->size);
		else if (weft_send(e->fd, buf, each * p->size, 0) != (ssize_t)(each * p->size))
			err(1, "send");
	}
	netdev_poll(&p->end[1].dev->queue[0], QUEUE_MAX);
	if (measured)
		measured_poll(e);
	stream_read(p, &p->end[1]);
	pair_settle(p);
}

/* `each` 0: receives. */
static void rounds_run(struct pair *p, unsigned each, unsigned rounds, bool measured)
{
	for (unsigned i = 0; i < rounds; i++) {
		if (each)
			round_send(p, each, measured);
		else
			round_receive(p, measured);
		env_lab_advance(p->env, NSEC_PER_MSEC);
		pair_settle(p);
	}
}

static unsigned way_parse(const char *way)
{
	if (strcmp(way, "send") == 0)
		return 1;
	return strcmp(way, "write") == 0 ? BATCH : 0;
}

int main(int argc, char **argv)
{
	struct pair p = {0};
	unsigned each, rounds;
	int fd[2];

	if (argc == 2 && strcmp(argv[1], "sizes") == 0) {
		printf("%zu %zu\n", sizeof(struct tcp_sock),
		       sizeof(struct tcp_sock) + sizeof(struct tcp_est));
		return 0;
	}
	if (argc != 4)
		errx(2, "usage: segments receive|send|write COUNT TIMESTAMPS | sizes");
	each = way_parse(argv[1]);
	rounds = ((unsigned)atoi(argv[2]) + BATCH - 1) / BATCH;
	p.size = atoi(argv[3]) ? 1448 : 1460;
	p.env = env_lab_create(1);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		err(1, "socketpair");
	for (unsigned i = 0; i < 2; i++)
		end_open(&p, i, fd[i], atoi(argv[3]));
	pair_connect(&p);
	rounds_run(&p, each, ROUNDS_WARM, false);
	rounds_run(&p, each, rounds, true);
	if (p.end[0].place != p.end[1].place)
		errx(1, "not everything came");
	printf("%u\n", rounds * BATCH);
	return 0;
}
