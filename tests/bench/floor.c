/*
 * tests/bench/floor.c - `floor DEV`: what the single steps cost that no stack over a TAP can leave out, each in
 * a loop that does nothing else.  A line each: its name and the median of its rounds in us.
 *
 * Frames carry a protocol number nobody serves: the kernel takes them in and lets them go.  The frames read
 * are put on the TAP by a packet socket at the host's end, before the clock starts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/tapfd.h"

#define ROUNDS 2000
#define SMALL 1514u
#define LARGE (14 + 20 + 20 + 44 * 1448u)
#define EXPERIMENTAL 0x88b5 /* IEEE 802: for local experiments */

struct floor {
	int tap, host; /* the device, and a packet socket on its other end */
	char *frame, *copy;
	size_t cold; /* where in `cold_from` the next copy reads */
	char *cold_from;
	uint32_t word; /* of the futex */
	int pair[2];   /* an AF_UNIX stream, as unmodified programs have */
};

#define COLD (64u << 20)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A frame behind its vnet header: of `n` bytes, a TCP super-frame when larger than a segment. */
static size_t frame_make(char *at, size_t n)
{
	struct virtio_net_hdr vh = {0};
	uint16_t type = htons(n > SMALL ? ETH_P_IP : EXPERIMENTAL), len = htons((uint16_t)(n - 14));
	char *ip = at + sizeof(vh) + 14;

	if (n > SMALL)
		vh = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					     .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					     .hdr_len = 54,
					     .gso_size = 1448,
					     .csum_start = 34,
					     .csum_offset = 16};
	memset(at, 0, sizeof(vh) + 54);
	memcpy(at, &vh, sizeof(vh));
	memset(at + sizeof(vh), 2, 12); /* both addresses: nobody's */
	memcpy(at + sizeof(vh) + 12, &type, 2);
	ip[0] = 0x45;
	memcpy(ip + 2, &len, 2);
	ip[8] = 64;
	ip[9] = 6;
	ip[32] = 0x50;
	return sizeof(vh) + n;
}

static uint64_t tap_write(struct floor *f, size_t n)
{
	size_t len = frame_make(f->frame, n);
	uint64_t begin = now_ns();

	if (write(f->tap, f->frame, len) != (ssize_t)len)
		err(1, "write of %zu", len);
	return now_ns() - begin;
}

/* Frames of others (the host's own IPv6) may be there too: they are read, and not counted. */
static uint64_t tap_read(struct floor *f, size_t n)
{
	size_t len = frame_make(f->frame, n);
	uint64_t begin, end;
	ssize_t got;

	if (write(f->host, f->frame, len) != (ssize_t)len)
		err(1, "packet of %zu", len);
	do {
		begin = now_ns();
		got = read(f->tap, f->copy, 1 << 17);
		end = now_ns();
		if (got < 0 && errno != EAGAIN)
			err(1, "read");
	} while (got != (ssize_t)len);
	return end - begin;
}

static uint64_t write_large(struct floor *f)
{
	return tap_write(f, LARGE);
}

static uint64_t write_small(struct floor *f)
{
	return tap_write(f, SMALL);
}

static uint64_t read_large(struct floor *f)
{
	return tap_read(f, LARGE);
}

static uint64_t read_small(struct floor *f)
{
	return tap_read(f, SMALL);
}

static uint64_t read_nothing(struct floor *f)
{
	uint64_t begin;

	while (read(f->tap, f->copy, 1 << 17) > 0)
		;
	begin = now_ns();
	if (read(f->tap, f->copy, 1 << 17) >= 0)
		return 0;
	return now_ns() - begin;
}

static uint64_t wake_nobody(struct floor *f)
{
	uint64_t begin = now_ns();

	syscall(SYS_futex, &f->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return now_ns() - begin;
}

static uint64_t copy_hot(struct floor *f)
{
	uint64_t begin = now_ns();

	memcpy(f->copy, f->frame, 1 << 16);
	return now_ns() - begin;
}

static uint64_t copy_cold(struct floor *f)
{
	uint64_t begin = now_ns();

	memcpy(f->copy, f->cold_from + f->cold, 1 << 16);
	f->cold = (f->cold + (1 << 16)) % COLD;
	return now_ns() - begin;
}

/* n bytes through the stream: what the write of them takes, or the read. */
static uint64_t unix_pass(struct floor *f, size_t n, bool write_counts)
{
	uint64_t begin = now_ns(), wrote, end;

	if (write(f->pair[0], f->frame, n) != (ssize_t)n)
		err(1, "write of %zu to AF_UNIX", n);
	wrote = now_ns();
	if (read(f->pair[1], f->copy, n) != (ssize_t)n)
		err(1, "read of %zu from AF_UNIX", n);
	end = now_ns();
	return write_counts ? wrote - begin : end - wrote;
}

static uint64_t unix_write_large(struct floor *f)
{
	return unix_pass(f, 1 << 16, true);
}

static uint64_t unix_read_large(struct floor *f)
{
	return unix_pass(f, 1 << 16, false);
}

static uint64_t unix_write_small(struct floor *f)
{
	return unix_pass(f, 64, true);
}

static uint64_t unix_read_small(struct floor *f)
{
	return unix_pass(f, 64, false);
}

static const struct {
	const char *name;
	uint64_t (*run)(struct floor *f);
} steps[] = {
    {"write-64k", write_large},
    {"write-1514", write_small},
    {"read-64k", read_large},
    {"read-1514", read_small},
    {"read-nothing", read_nothing},
    {"wake-nobody", wake_nobody},
    {"copy-64k", copy_hot},
    {"copy-64k-cold", copy_cold},
    {"unix-write-64k", unix_write_large},
    {"unix-read-64k", unix_read_large},
    {"unix-write-64", unix_write_small},
    {"unix-read-64", unix_read_small},
};

static int host_open(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		err(1, "packet socket on %s", name);
	return fd;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The clock's own time is taken off. */
static void step_run(struct floor *f, size_t i)
{
	static const size_t middle = ROUNDS / 2;
	uint64_t took[ROUNDS], clock[ROUNDS], begin;

	for (size_t n = 0; n < ROUNDS; n++) {
		took[n] = steps[i].run(f);
		begin = now_ns();
		clock[n] = now_ns() - begin;
	}
	qsort(took, ROUNDS, sizeof(*took), by_size);
	qsort(clock, ROUNDS, sizeof(*clock), by_size);
	printf("%s %.3f\n", steps[i].name, ((double)took[middle] - (double)clock[middle]) / 1e3);
}

int main(int argc, char **argv)
{
	struct floor f = {0};

	if (argc != 2)
		errx(2, "usage: floor DEV");
	f.tap = tapfd_open(argv[1], IFF_VNET_HDR, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	f.host = host_open(argv[1]);
	f.frame = calloc(1, 1 << 17);
	f.copy = calloc(1, 1 << 17);
	f.cold_from = malloc(COLD);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, f.pair))
		err(1, "AF_UNIX");
	if (!f.frame || !f.copy || !f.cold_from)
		err(1, "memory");
	memset(f.cold_from, 1, COLD);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		step_run(&f, i);
	return 0;
}
