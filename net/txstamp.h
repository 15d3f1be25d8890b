/*
 * net/txstamp.h - who wants to know when a packet goes (SO_TIMESTAMPING): a note on the packet, answered by
 * netdev_tx() and by the last step before the device.
 *
 * It has the packet's one holder and ends with the packet, told or not.  Of a packet that is cut it goes
 * with the part whose going says most: the last segment, the first fragment.  A copy has none.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct pkbuf;
struct txstamp;

#define TXSTAMP_SCHED 1u /* given to the device, before netem */
#define TXSTAMP_SENT 2u  /* the driver has it */

struct txstamp_ops {
	/* Required: b has got so far, at this time of the env's clock.  May be called under any lock but leaves. */
	void (*tell)(struct txstamp *t, const struct pkbuf *b, uint8_t what, uint64_t at);
	void (*end)(struct txstamp *t); /* required: its memory */
};

/* Of an object of its owner's. */
struct txstamp {
	struct txstamp *next; /* of the same packet */
	const struct txstamp_ops *ops;
	uint8_t wants; /* TXSTAMP_ not told yet */
};

/* Behind those that b has. */
void txstamp_add(struct pkbuf *b, struct txstamp *t);
void txstamp_tell(struct pkbuf *b, uint8_t what);
/* What was cut off `from` takes over its notes. */
void txstamp_move(struct pkbuf *to, struct pkbuf *from);
void txstamp_end(struct pkbuf *b);
