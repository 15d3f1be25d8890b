/*
 * tests/harness/sim.h - two whole stacks on one wire in one world: 10.0.0.1 and 10.0.0.2 over a veth
 * with netem on both ways, streams of a known pattern through their sockets, and invariants of every
 * connection looked at after each event.
 *
 *	sim_open(&s, &(struct sim_config){.seed = 1, .netem = {...}});
 *	f = sim_flow(&s, 100000, 0);                   100,000 bytes from client to server
 *	sim_run(&s, 600);                              until all flows are done, at most 600 s
 *	sim_close(&s);                                 every gauge is where it was
 */
#pragma once
#include "lib/mib.h"
#include "lib/stack.h"
#include "net/capture.h"
#include "net/netem.h"
#include "socket/socket.h"
#include "tests/harness/tcp_seg.h"
#include "tests/harness/unit.h"

#define SIM_FLOWS 256
#define SIM_PORT 7000
#define SIM_TRACKED 1024

struct sim_config {
	uint64_t seed;
	struct netem_config netem; /* of both ways */
	uint32_t mtu;              /* 0: 1500 */
	int sndbuf, rcvbuf;        /* of every socket; 0: default */
	bool whole;                /* checks off: many connections */
};

/* One end of a stream. */
struct sim_end {
	int fd;                   /* -1: not there yet, or closed */
	uint32_t todo, sent, got; /* bytes to send, sent, received */
	bool shut, eof;
	int err; /* errno that ended it */
};

struct sim_flow {
	struct sim_end end[2]; /* client (stack 0), server (stack 1) */
	uint32_t chunk;        /* most bytes of one send or recv; 0: any */
	uint64_t pause;        /* ns that the server waits between two reads */
	uint64_t next_read;
	bool answer_late; /* the server sends only after the client's end of file */
	bool used, accepted;
	uint16_t port; /* the client's */
};

/* What was seen of one connection of one stack. */
struct sim_track {
	uint64_t key; /* stack, ports */
	uint32_t iss, snd_edge, rcv_edge;
};

struct sim {
	struct sim_config cfg;
	struct env *env;
	struct stack *st[2];
	struct netdev *dev[2];
	struct capture cap[2];
	uint64_t hash; /* of every frame sent and when */
	uint64_t frames, events, checks;
	int listener;
	struct sim_flow flow[SIM_FLOWS];
	unsigned nflows;
	struct sim_track track[SIM_TRACKED];
	int64_t gauge[2][GAUGE_MAX];
};

void sim_open(struct sim *s, const struct sim_config *cfg);
void sim_close(struct sim *s);
/* A connection that carries these numbers of bytes each way and is then closed. */
struct sim_flow *sim_flow(struct sim *s, uint32_t up, uint32_t down);
/* One event, and whatever the programs can do then; false: nothing left up to `until` (ns). */
bool sim_step(struct sim *s, uint64_t until);
/* Until every flow is over; fails when that takes more than so many seconds. */
void sim_run(struct sim *s, uint64_t seconds);
bool sim_done(const struct sim_flow *f);
/* Both ends have all, and saw the end of file. */
void sim_check(const struct sim_flow *f);
/* After each event: see sim_check.c. */
void sim_invariants(struct sim *s);
