/* net/delayq.h - packets that wait for a time, in order of it and then of arrival. */
#pragma once
#include <stdint.h>

#include "net/pkbuf.h"

struct delayed {
	uint64_t when, order;
	struct pkbuf *b;
};

/* A binary heap.  LOCKING: its owner's. */
struct delayq {
	struct delayed *heap;
	uint32_t n, size;
	uint64_t order; /* of the next to come */
};

void delayq_init(struct delayq *q);
void delayq_fini(struct delayq *q); /* must be empty */
/* 0, or -ENOMEM with b still the caller's. */
int delayq_add(struct delayq *q, struct pkbuf *b, uint64_t when);
uint64_t delayq_next(const struct delayq *q); /* ENV_NEVER: empty */
/* The first, if it is due at `now`; NULL: none is. */
struct pkbuf *delayq_take(struct delayq *q, uint64_t now);
