/*
 * shell/ping.h - what the two pings share: options, the schedule, the output, the statistics.
 *
 * They differ in how an echo request leaves and how an answer is seen: ping by a raw socket as any
 * program, ping2 inside the stack.
 */
#pragma once
#include "lib/ipaddr.h"
#include "lib/wire/icmp4.h"
#include "shell/shell.h"

#define PING_SIZE_MAX 65507u /* 65535 - 20 - 8 */

struct ping;

/* What came back. */
struct ping_reply {
	uint64_t when; /* ns, env's clock */
	struct ip_addr from;
	uint8_t type, code, ttl;
	uint16_t seq;
	uint32_t len;   /* of the ICMP message */
	uint32_t info;  /* second header word of an error, host order */
	int64_t bad_at; /* payload byte that differs, -1: none */
};

struct ping_ops {
	int (*open)(struct ping *p);               /* a command's status, told */
	int (*send)(struct ping *p, uint16_t seq); /* 0 or -errno */
	/* 1: *r is filled in; 0: something else came, or nothing by `deadline`; -errno. */
	int (*recv)(struct ping *p, struct ping_reply *r, uint64_t deadline);
	void (*close)(struct ping *p);
};

/* One answer that was asked for; by seq modulo PING_TRACK. */
struct ping_sent {
	uint64_t when;
	uint16_t seq;
	bool used, answered;
};
#define PING_TRACK 4096u

/* LOCKING: its command's thread; c below also what the stack's threads read, constant while open. */
struct ping {
	struct cmd *c;
	const struct ping_ops *ops;
	void *priv;              /* c: the ops' */
	struct ip_addr dst, src; /* c: src any: by route */
	struct netdev *dev;      /* -I DEV, or NULL */
	uint64_t count;          /* 0: until cancelled */
	uint64_t interval, wait; /* ns; wait 0: by the round trips seen */
	uint32_t size;           /* c */
	uint8_t ttl;             /* 0: the stack's */
	bool quiet;
	uint16_t id;   /* c */
	uint8_t *data; /* c: PING_SIZE_MAX bytes of the pattern */
	uint64_t sent, received, duplicates, errors, corrupted;
	uint64_t first;             /* when the first left */
	double min, max, sum, sum2; /* ms */
	struct ping_sent *track;
};

int ping_run(struct cmd *c, const struct ping_ops *ops);
/* The first byte of n, at `off` of the payload, that is not the pattern's; -1: none. */
int64_t ping_check(const uint8_t *data, uint32_t off, uint32_t n);
