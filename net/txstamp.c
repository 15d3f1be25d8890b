/*
 * net/txstamp.c - the notes of a packet whose sender wants to know when it goes.
 */
#include "net/txstamp.h"

#include <assert.h>

#include "lib/stack.h"
#include "net/pkbuf.h"

void txstamp_add(struct pkbuf *b, struct txstamp *t)
{
	struct txstamp **end = &b->txstamp;

	while (*end)
		end = &(*end)->next;
	t->next = NULL;
	*end = t;
}

void txstamp_tell(struct pkbuf *b, uint8_t what)
{
	struct txstamp **at = &b->txstamp, *t;
	uint64_t now = env_now(b->stack->env);

	while ((t = *at)) {
		if (t->wants & what)
			t->ops->tell(t, b, what, now);
		t->wants &= (uint8_t)~what;
		if (t->wants) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		t->ops->end(t);
	}
}

void txstamp_move(struct pkbuf *to, struct pkbuf *from)
{
	assert(!to->txstamp);
	to->txstamp = from->txstamp;
	from->txstamp = NULL;
}

void txstamp_end(struct pkbuf *b)
{
	struct txstamp *t;

	while ((t = b->txstamp)) {
		b->txstamp = t->next;
		t->ops->end(t);
	}
}
