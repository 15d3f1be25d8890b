/*
 * tests/bench/waits.c - `waits DEV WAY`: turns UDP datagrams round on a TAP until standard input ends, and
 * waits for each in one WAY.  Nothing else is done with a frame, so the ways differ in what a wait costs alone.
 *
 * A child runs the loop while its parent waits for the end, so a way looks at no more than a stack would: the TAP,
 * and an eventfd by which another thread could wake it.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/tapfd.h"
#include "tests/bench/turn.h"

#define FRAME_MAX (1 << 17)

struct waits {
	int tap, epfd;
	struct pollfd fds[2]; /* the TAP, the eventfd */
	char *frame;
};

/* --- a frame ---------------------------------------------------------------------------------- */

static void answer(struct waits *w, ssize_t n)
{
	struct ether_hdr *e = (void *)(w->frame + sizeof(struct virtio_net_hdr));
	struct ip4_hdr *ip = (void *)(e + 1);

	if (be16_get(e->type) == ETHER_TYPE_IP4 && ip->proto == IP_PROTO_UDP)
		turn_udp(e);
	else if (be16_get(e->type) != ETHER_TYPE_ARP || !turn_arp(e))
		return;
	if (write(w->tap, w->frame, (size_t)n) < 0)
		err(1, "write");
}

/* False: there was none, where a read does not block. */
static bool take(struct waits *w)
{
	ssize_t n = read(w->tap, w->frame, FRAME_MAX);

	if (n > 0)
		answer(w, n);
	else if (n == 0 || errno != EAGAIN)
		err(1, "read");
	return n > 0;
}

/* --- the ways: what is done for the next frame, over and over --------------------------------- */

static void poll_both(struct waits *w)
{
	ppoll(w->fds, 2, NULL, NULL);
	take(w);
}

static void poll_tap(struct waits *w)
{
	ppoll(w->fds, 1, NULL, NULL);
	take(w);
}

static void epoll_both(struct waits *w)
{
	struct epoll_event ev;

	epoll_wait(w->epfd, &ev, 1, -1);
	take(w);
}

/* It sleeps in the read where that blocks, and else never. */
static void read_tap(struct waits *w)
{
	take(w);
}

static void read_twice(struct waits *w)
{
	struct iovec iov = {w->frame, FRAME_MAX};
	ssize_t n = preadv2(w->tap, &iov, 1, -1, RWF_NOWAIT);

	if (n > 0)
		answer(w, n);
	else
		take(w);
}

static void read_poll(struct waits *w)
{
	if (!take(w))
		ppoll(w->fds, 2, NULL, NULL);
}

static void read_yield(struct waits *w)
{
	if (!take(w))
		sched_yield();
}

static const struct way {
	const char *name;
	void (*next)(struct waits *w);
	bool blocks; /* in a read of the TAP */
} ways[] = {
    {.name = "poll-both", .next = poll_both},
    {.name = "poll-tap", .next = poll_tap},
    {.name = "epoll", .next = epoll_both},
    {.name = "read-blocks", .next = read_tap, .blocks = true},
    {.name = "read-twice", .next = read_twice, .blocks = true},
    {.name = "read-poll", .next = read_poll},
    {.name = "spin", .next = read_tap},
    {.name = "spin-yield", .next = read_yield},
};

static const struct way *way_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, name) == 0)
			return &ways[i];
	errx(2, "no such way: %s", name);
}

/* --- the program ------------------------------------------------------------------------------ */

static void watch(struct waits *w, int i, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	w->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev))
		err(1, "epoll_ctl");
}

static void waits_open(struct waits *w, const char *name, const struct way *way)
{
	w->tap = tapfd_open(name, IFF_VNET_HDR, TUN_F_CSUM | TUN_F_TSO4);
	w->frame = malloc(FRAME_MAX);
	w->epfd = epoll_create1(0);
	if (!w->frame || w->epfd < 0 || (way->blocks && fcntl(w->tap, F_SETFL, O_RDWR)))
		err(1, "%s", way->name);
	watch(w, 0, w->tap);
	watch(w, 1, eventfd(0, EFD_NONBLOCK));
}

int main(int argc, char **argv)
{
	const struct way *way;
	struct waits w;
	pid_t child;
	char byte;

	if (argc != 3)
		errx(2, "usage: waits DEV WAY");
	way = way_find(argv[2]);
	waits_open(&w, argv[1], way);
	puts("ready");
	fflush(stdout);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			way->next(&w);
	}
	while (read(0, &byte, 1) > 0)
		;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
