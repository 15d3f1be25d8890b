/*
 * net/gro.h - joining what a driver reads together, frame by frame: of those that follow each other in one
 * stream only the first keeps its header part.
 */
#pragma once
#include <stdbool.h>

#include "net/netdev.h"

struct ip4_hdr;
struct tcp_hdr;

/* One frame that may be joined. */
struct gro_seg {
	const struct ip4_hdr *ip;
	const struct tcp_hdr *tcp;
	uint32_t hlen; /* link, IP and TCP headers */
	uint32_t len;  /* of the payload */
};

/*
 * Of one batch, on its stack.
 *
 * LOCKING: the holder of the queue's word.
 */
struct gro {
	struct netdev *dev;
	struct pkq *out;    /* what can be joined no more */
	struct pkbuf *b;    /* what was read last, with what was joined to it; NULL: nothing */
	struct gro_seg seg; /* of the first of them, once looked at */
	uint32_t link;      /* bytes of a link header */
	uint32_t next;      /* sequence number */
	uint32_t count;
	uint16_t id;  /* of the last datagram */
	uint8_t push; /* TCP_PSH: the last had it */
	bool on;      /* anything may be joined at all */
	bool looked;  /* at b: seg.ip is NULL if nothing can be joined to it */
	bool own;     /* its destination is known to be ours */
	bool sound;   /* its checksums hold */
	bool full;    /* nothing follows */
};

void gro_begin(struct gro *g, struct netdev *dev, struct pkq *out);
/* True: b's payload is joined to what came before, and b itself is to be used again. */
bool gro_add(struct gro *g, struct pkbuf *b);
/* What is left is on `out`. */
void gro_end(struct gro *g);
