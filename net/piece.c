/*
 * net/piece.c - payload pieces: bytes shared by reference between packets and queues.
 */
#include <assert.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "net/net_priv.h"

_Static_assert(sizeof(struct piece) <= PIECE_HEAD, "payload follows");

static const uint32_t piece_sizes[DEPOT_CLASSES] = {
    [DEPOT_SMALL] = PIECE_SMALL,
    [DEPOT_MID] = PIECE_MID,
    [DEPOT_LARGE] = PIECE_LARGE,
};

static inline struct piece *piece_alloc_for(struct stack *st, uint32_t size, enum depot_need need)
{
	struct slot *s = slot_get(st);
	enum depot_class c = DEPOT_LARGE;
	struct piece *p;

	assert(size <= PIECE_LARGE);
	if (size <= PIECE_MID)
		c = size <= PIECE_SMALL ? DEPOT_SMALL : DEPOT_MID;
	p = depot_take(s, c, need);
	if (!p)
		return NULL;
	p->stack = st;
	atomic_init(&p->refs, 1);
	p->data = (uint8_t *)p + PIECE_HEAD;
	p->size = piece_sizes[c];
	p->class = (uint8_t)c;
	slot_gauge_add(s, GAUGE_pieces, 1);
	slot_gauge_add(s, GAUGE_piece_bytes, p->size);
	return p;
}

struct piece *piece_alloc(struct stack *st, uint32_t size)
{
	return piece_alloc_for(st, size, DEPOT_DATA);
}

struct piece *piece_alloc_rx(struct stack *st, uint32_t size)
{
	return piece_alloc_for(st, size, DEPOT_RX);
}

struct piece *piece_get(struct piece *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void piece_put(struct piece *p)
{
	struct slot *s;

	/* whoever has the only reference needs no locked instruction: nobody else can take one */
	if (atomic_load_explicit(&p->refs, memory_order_acquire) > 1 &&
	    atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	s = slot_get(p->stack);
	slot_gauge_add(s, GAUGE_pieces, -1);
	slot_gauge_add(s, GAUGE_piece_bytes, -(int64_t)p->size);
	depot_give(s, p->class, p);
}

uint8_t *piece_data(struct piece *p)
{
	return p->data;
}

uint32_t piece_size(const struct piece *p)
{
	return p->size;
}

bool piece_is_shared(const struct piece *p)
{
	return atomic_load_explicit(&p->refs, memory_order_acquire) > 1;
}
