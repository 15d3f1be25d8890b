/*
 * tcp/tcp_reass.h - data out of order, for tcp_reass.c, which keeps them, and tcp_sack_out.c, which tells of them.
 */
#pragma once
#include <bsd/sys/tree.h>
#include <sys/queue.h>

#include "tcp/tcp_priv.h"

/*
 * LOCKING
 *	l	lock of its sock
 */
struct ofo_block {
	RB_ENTRY(ofo_block) tree;      /* l */
	TAILQ_ENTRY(ofo_block) recent; /* l */
	uint32_t seq, end;             /* l */
	struct pkq q;                  /* l */
	bool fresh;                    /* l: it has grown since the peer was told of it */
};

RB_HEAD(ofo_tree, ofo_block);

/*
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_ofo {
	struct ofo_tree tree;           /* l: by sequence number; never two that touch */
	TAILQ_HEAD(, ofo_block) recent; /* l: the last one that grew first (RFC 2018, 4) */
	uint32_t bytes;                 /* l: in all blocks */
	uint32_t fresh;                 /* l: blocks */
	uint32_t ts_floor;           /* l: nothing missing was sent with an older timestamp ... */
	uint32_t ts_next, round_end; /* l: ... than this, once RCV.NXT is there */
	bool ack_first; /* l: what is before the first hole has an ACK of its own due */
};
