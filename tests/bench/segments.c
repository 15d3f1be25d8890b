/*
 * tests/bench/segments.c - `segments receive|send|write|request|trip|datagram|connection COUNT TIMESTAMPS`: segments
 * through a whole stack in this process, for callgrind to count the instructions of one; or of a request, or a
 * connection.
 *
 * Two stacks on the virtual clock have a TAP driver each over the two ends of a socket pair; the one measured
 * has 10.0.0.1.  Each call of the program is one segment (write: a batch of them), as a device with checksum
 * offload carries it.  What counts is inside the functions measured_*: a batch of segments read and acknowledged; or written by the
 * program, and their ACKs read; or all that an epoll server does for 64 bytes that it sends back, over a batch of
 * connections at a time; or what a server does that waits in recv() for them (trip, over UDP datagram), as the thread
 * that reads the device; or a server for a connection, from its SYN to the last ACK.  What is received is compared.
 *
 * `segments sizes` prints what an idle connection has of the TCP room, bytes: never used, and after a request
 * (tests/tcp/test_idle.c looks that it is so).
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "ip/ip.h"
#include "lib/stack.h"
#include "lib/sysctl.h"
#include "net/ifaddr.h"
#include "net/net_priv.h"
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
#define QUESTION 64

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
	int listener;
	int epfd;        /* watches what the measured end accepted */
	int asks[BATCH]; /* connections of the other end */
	struct env_ops env_ops;
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

/* The SYN is on its way. */
static int other_connect(struct pair *p)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0x0a000001)};
	int fd = socket_open(&p->end[1]);

	weft_connect(fd, (struct sockaddr *)&to, sizeof(to));
	return fd;
}

static void pair_connect(struct pair *p)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	p->listener = socket_open(&p->end[0]);
	if (weft_bind(p->listener, (struct sockaddr *)&at, sizeof(at)) ||
	    weft_listen(p->listener, BATCH))
		err(1, "listen");
	p->end[1].fd = other_connect(p);
	pair_settle(p);
	p->end[0].fd = weft_accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
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

/* --- a server --------------------------------------------------------------------------------- */

static void ask(int fd, uint64_t at)
{
	uint64_t question[QUESTION / sizeof(at)] = {at};

	if (weft_send(fd, question, sizeof(question), 0) != sizeof(question))
		err(1, "send");
}

static void answer_check(int fd, uint64_t at)
{
	uint64_t answer[QUESTION / sizeof(at)];

	if (weft_recv(fd, answer, sizeof(answer), 0) != sizeof(answer) || answer[0] != at)
		errx(1, "a wrong answer");
}

static void answer(int fd)
{
	char buf[QUESTION];
	ssize_t n = weft_recv(fd, buf, sizeof(buf), 0);

	if (n != sizeof(buf) || weft_send(fd, buf, sizeof(buf), 0) != n)
		err(1, "no question");
}

static void requests_open(struct pair *p)
{
	weft_use(p->end[0].st);
	p->epfd = weft_epoll_create1(0);
	for (unsigned i = 0; i < BATCH; i++) {
		struct epoll_event ev = {.events = EPOLLIN};

		p->asks[i] = other_connect(p);
		pair_settle(p);
		ev.data.fd = weft_accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
		if (weft_setsockopt(ev.data.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) ||
		    weft_epoll_ctl(p->epfd, EPOLL_CTL_ADD, ev.data.fd, &ev))
			err(1, "accept");
	}
}

static void serve_requests(struct pair *p)
{
	struct epoll_event ev[BATCH];
	int n;

	netdev_poll(&p->end[0].dev->queue[0], QUEUE_MAX);
	n = weft_epoll_wait(p->epfd, ev, BATCH, 0);
	for (int i = 0; i < n; i++)
		answer(ev[i].data.fd);
}

static __attribute__((noinline)) void measured_requests(struct pair *p)
{
	serve_requests(p);
}

static void round_requests(struct pair *p, bool measured)
{
	uint64_t at = ++p->end[1].place;

	p->end[0].place = at;
	for (unsigned i = 0; i < BATCH; i++)
		ask(p->asks[i], at + i);
	if (measured)
		measured_requests(p);
	else
		serve_requests(p);
	netdev_poll(&p->end[1].dev->queue[0], QUEUE_MAX);
	for (unsigned i = 0; i < BATCH; i++)
		answer_check(p->asks[i], at + i);
}

/* What it waits for is there: by the second look at the latest. */
static int wait_ready(struct env *e, struct waiter *w, struct pollfd *fds, int n, uint64_t deadline)
{
	fds[n - 1].revents = POLLIN;
	return 1;
}

/* The measured end's thread leads, as with threads around it. */
static void trips_open(struct pair *p)
{
	struct stack *st = p->end[0].st;

	p->env_ops = *p->env->ops;
	p->env_ops.wait = wait_ready;
	p->env->ops = &p->env_ops;
	atomic_store(&st->net->busy, p->end[0].dev->queue);
	slot_get(st)->rhythm.busy = 0;
	weft_fcntl(p->end[0].fd, F_SETFL, 0);
}

static void datagrams_open(struct pair *p)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0x0a000001)};

	for (unsigned i = 0; i < 2; i++) {
		weft_use(p->end[i].st);
		p->end[i].fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
	}
	if (weft_bind(p->end[0].fd, (struct sockaddr *)&at, sizeof(at)) ||
	    weft_connect(p->end[1].fd, (struct sockaddr *)&at, sizeof(at)))
		err(1, "UDP");
	trips_open(p);
}

static void answer_datagram(struct pair *p)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[QUESTION];
	int fd = p->end[0].fd;
	ssize_t n = weft_recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

	if (n != sizeof(buf) ||
	    weft_sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, len) != n)
		err(1, "no question");
}

static void serve_trip(struct pair *p, bool datagram)
{
	if (datagram)
		answer_datagram(p);
	else
		answer(p->end[0].fd);
}

static __attribute__((noinline)) void measured_trip(struct pair *p, bool datagram)
{
	serve_trip(p, datagram);
}

static void round_trips(struct pair *p, bool datagrams, bool measured)
{
	/* it was never away for long */
	slot_get(p->end[0].st)->rhythm.left = env_now(p->env);
	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t at = ++p->end[1].place;

		p->end[0].place = at;
		ask(p->end[1].fd, at);
		p->env->threaded = true;
		if (measured)
			measured_trip(p, datagrams);
		else
			serve_trip(p, datagrams);
		p->env->threaded = false;
		netdev_poll(&p->end[1].dev->queue[0], QUEUE_MAX);
		answer_check(p->end[1].fd, at);
	}
}

/* Accepted once the question is there. */
static void serve_connection(struct pair *p)
{
	int fd = weft_accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);

	answer(fd);
	weft_close(fd);
}

static __attribute__((noinline)) void measured_connection(struct pair *p)
{
	serve_connection(p);
}

static void frames_read(struct end *e, bool measured)
{
	if (measured)
		measured_poll(e);
	else
		netdev_poll(&e->dev->queue[0], QUEUE_MAX);
}

static void connection(struct pair *p, bool measured)
{
	uint64_t at = ++p->end[1].place;
	int fd = other_connect(p);

	p->end[0].place = at;
	frames_read(&p->end[0], measured); /* SYN */
	frames_read(&p->end[1], false);
	frames_read(&p->end[0], measured); /* ACK, or with the question */
	ask(fd, at);
	frames_read(&p->end[0], measured);
	if (measured)
		measured_connection(p);
	else
		serve_connection(p);
	frames_read(&p->end[1], false);
	answer_check(fd, at);
	weft_close(fd);
	frames_read(&p->end[0], measured); /* FIN */
	pair_settle(p);
}

static void round_connections(struct pair *p, bool measured)
{
	for (unsigned i = 0; i < BATCH; i++)
		connection(p, measured);
}

/* --- rounds ----------------------------------------------------------------------------------- */

enum way { RECEIVE, SEND, WRITE, REQUEST, TRIP, DATAGRAM, CONNECTION, WAYS };

static void round_run(struct pair *p, enum way way, bool measured)
{
	switch (way) {
	case RECEIVE:
		round_receive(p, measured);
		break;
	case SEND:
		round_send(p, 1, measured);
		break;
	case WRITE:
		round_send(p, BATCH, measured);
		break;
	case REQUEST:
		round_requests(p, measured);
		break;
	case TRIP:
	case DATAGRAM:
		round_trips(p, way == DATAGRAM, measured);
		break;
	default:
		round_connections(p, measured);
	}
}

static void rounds_run(struct pair *p, enum way way, unsigned rounds, bool measured)
{
	for (unsigned i = 0; i < rounds; i++) {
		round_run(p, way, measured);
		env_lab_advance(p->env, NSEC_PER_MSEC);
		pair_settle(p);
	}
}

static enum way way_parse(const char *text)
{
	static const char *const name[WAYS] = {"receive", "send",     "write",     "request",
					       "trip",    "datagram", "connection"};
	unsigned way = 0;

	while (way < WAYS && strcmp(text, name[way]) != 0)
		way++;
	return way;
}

int main(int argc, char **argv)
{
	struct pair p = {0};
	enum way way;
	unsigned rounds;
	int fd[2];

	if (argc == 2 && strcmp(argv[1], "sizes") == 0) {
		printf("%zu %zu\n", sizeof(struct tcp_sock),
		       sizeof(struct tcp_sock) + sizeof(struct tcp_est));
		return 0;
	}
	way = argc == 4 ? way_parse(argv[1]) : WAYS;
	if (way == WAYS)
		errx(2, "usage: segments receive|send|write|request|trip|datagram|connection COUNT "
			"TIMESTAMPS | sizes");
	rounds = ((unsigned)atoi(argv[2]) + BATCH - 1) / BATCH;
	p.size = atoi(argv[3]) ? 1448 : 1460;
	p.env = env_lab_create(1);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		err(1, "socketpair");
	for (unsigned i = 0; i < 2; i++)
		end_open(&p, i, fd[i], atoi(argv[3]));
	pair_connect(&p);
	if (way == REQUEST)
		requests_open(&p);
	if (way == TRIP)
		trips_open(&p);
	if (way == DATAGRAM)
		datagrams_open(&p);
	rounds_run(&p, way, ROUNDS_WARM, false);
	rounds_run(&p, way, rounds, true);
	if (p.end[0].place != p.end[1].place)
		errx(1, "not everything came");
	printf("%u\n", rounds * BATCH);
	return 0;
}
