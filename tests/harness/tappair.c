/* tests/harness/tappair.c - a TAP whose other side is a socket of the test. */
#include "tests/harness/tappair.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/wire/vnet.h"
#include "net/packet.h"
#include "net/tap.h"
#include "tests/harness/unit.h"

static void pair_open(int *fd, int *peer)
{
	int pair[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	*fd = pair[0];
	*peer = pair[1];
}

struct netdev *tappair_create(struct stack *st, unsigned n, int peer[])
{
	struct tap_config cfg = {.name = "tap0", .tun = true};
	struct netdev *dev;
	int fd[PACKET_QUEUES_MAX];

	for (unsigned i = 0; i < n; i++)
		pair_open(&fd[i], &peer[i]);
	ck_assert_int_eq(tap_attach(st, &cfg, fd, n, &dev), 0);
	netdev_up(dev);
	return dev;
}

struct netdev *tappair_attach(struct stack *st, const struct tap_config *cfg, int *peer)
{
	struct netdev *dev;
	int fd, size = 1 << 20;

	pair_open(&fd, peer);
	setsockopt(*peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ck_assert_int_eq(tap_attach(st, cfg, &fd, 1, &dev), 0);
	return dev;
}

void tappair_write(int peer, uint8_t last)
{
	uint8_t f[VNET_HLEN + 60] = {0};

	f[VNET_HLEN] = 0x45;
	f[sizeof(f) - 1] = last;
	while (write(peer, f, sizeof(f)) < 0) {
		ck_assert_int_eq(errno, EAGAIN); /* full: the reader is at work */
		sched_yield();
	}
}

void await(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 50;
	while (sem_timedwait(s, &ts) < 0)
		ck_assert_int_eq(errno, EINTR);
}
