/*
 * tests/harness/fuzz_rx.h - seeded damage into netdev_rx(): a stack with connections in every state,
 * frames of every protocol that fit them, mutated, their checksums repaired, and program calls and time
 * in between.  What goes wrong ends the process.
 *
 *	fuzz_open(&f, seed);
 *	fuzz_frames(&f, 20000);
 *	fuzz_close(&f);                it answers a ping, takes a connection; every gauge is back
 */
#pragma once
#include "lib/mib.h"
#include "lib/random.h"
#include "lib/stack.h"
#include "net/netdev.h"
#include "socket/socket.h"

#define FUZZ_CONNS 14 /* one a state, and more of ESTABLISHED */
#define FUZZ_FRAME 9100
#define FUZZ_PORT 80

/* A connection: the stack's end by its descriptor, ours by its ports. */
struct fuzz_conn {
	unsigned state; /* to be brought to */
	int fd;
	uint16_t lport, rport;
	uint32_t seq, ack; /* of ours: next number, and of the stack's next */
	uint32_t una;      /* the stack's SND.UNA */
	bool ts;
};

struct fuzz_stats {
	uint64_t frames, mutated, repaired, sent, calls, rounds;
	uint64_t kind[16];
};

struct fuzz {
	struct env *env;
	struct stack *st;
	struct netdev *dev;
	struct random random;
	struct fuzz_conn conn[FUZZ_CONNS];
	int listener, udp, raw;
	uint8_t last[FUZZ_FRAME]; /* what the stack sent last */
	uint32_t last_len;
	uint16_t ident; /* of the IP datagrams made */
	int64_t gauge[GAUGE_MAX];
	struct fuzz_stats stats;
};

void fuzz_open(struct fuzz *f, uint64_t seed);
void fuzz_frames(struct fuzz *f, uint64_t n);
void fuzz_close(struct fuzz *f);
void fuzz_fail(const struct fuzz *f, const char *what) __attribute__((noreturn));

/* For the parts of it. */
static inline uint32_t fuzz_below(struct fuzz *f, uint32_t n)
{
	return (uint32_t)(random_next(&f->random) >> 32) % n;
}
/* An Ethernet frame as the device reads it. */
void fuzz_rx(struct fuzz *f, const uint8_t *frame, uint32_t n);
/* tests/harness/fuzz_frame.c: the next frame; returns its length. */
uint32_t fuzz_frame(struct fuzz *f, uint8_t *frame);
/* A TCP segment of connection c with its numbers; frame of a sound sender. */
uint32_t fuzz_segment(const struct fuzz_conn *c, unsigned flags, uint32_t len, uint8_t *frame);
/* An ICMP echo request. */
uint32_t fuzz_ping(uint16_t seq, uint8_t *frame);
