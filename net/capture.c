/*
 * net/capture.c - captures: who looks at a device's packets, and what is shown.
 *
 * A capture sees what a wire would carry.  What that takes (a checksum finished, a super-frame cut)
 * is made before the lock is taken, once for all of them, and not at all when none asks.
 */
#include "net/capture.h"

#include "lib/stack.h"
#include "net/net_priv.h"

/* One packet in the forms that captures ask for. */
struct shown {
	const struct pkbuf *whole; /* NULL: no capture wants it, or no memory */
	struct pkbuf *made;        /* whole, when it had to be made */
	struct pkq cut;            /* in place of whole for those who want wire frames */
	bool is_cut;
};

void capture_add(struct netdev *dev, struct capture *c)
{
	struct net_state *net = dev->stack->net;

	mutex_lock(&net->capture_lock);
	c->next = atomic_load(&dev->captures);
	atomic_store(&dev->captures, c);
	mutex_unlock(&net->capture_lock);
}

void capture_del(struct netdev *dev, struct capture *c)
{
	struct net_state *net = dev->stack->net;
	struct capture *at;

	mutex_lock(&net->capture_lock);
	at = atomic_load(&dev->captures);
	if (at == c)
		atomic_store(&dev->captures, c->next);
	for (; at; at = at->next) {
		if (at->next == c)
			at->next = c->next;
	}
	mutex_unlock(&net->capture_lock);
}

/* A copy whose checksum stands in it; NULL: no memory. */
static struct pkbuf *capture_copy(const struct pkbuf *b)
{
	struct pkbuf *copy = pkbuf_clone(b);

	if (copy)
		pkbuf_csum_finish(copy);
	return copy;
}

static void capture_wants(struct netdev *dev, bool *whole, bool *cut)
{
	struct net_state *net = dev->stack->net;

	*whole = *cut = false;
	mutex_lock(&net->capture_lock);
	for (struct capture *c = atomic_load(&dev->captures); c; c = c->next) {
		*whole |= !c->cut;
		*cut |= c->cut;
	}
	mutex_unlock(&net->capture_lock);
}

static void capture_prepare(struct netdev *dev, const struct pkbuf *b, struct shown *s)
{
	bool whole, cut;
	struct pkbuf *copy;

	*s = (struct shown){.is_cut = b->gso_size != 0};
	pkq_init(&s->cut);
	capture_wants(dev, &whole, &cut);
	if (s->is_cut && cut) {
		copy = pkbuf_clone(b);
		if (copy)
			gso_cut(copy, 0, &s->cut);
	}
	if (!whole && s->is_cut)
		return;
	if (b->csum == CSUM_PARTIAL)
		s->whole = s->made = capture_copy(b);
	else
		s->whole = b;
}

static void capture_call(struct capture *c, struct netdev *dev, const struct shown *s, bool out)
{
	if (c->cut && s->is_cut) {
		for (const struct pkbuf *b = s->cut.head; b; b = b->next)
			c->fn(c, dev, b, out);
	} else if (s->whole) {
		c->fn(c, dev, s->whole, out);
	}
}

void capture_show(struct netdev *dev, const struct pkbuf *b, bool out)
{
	struct net_state *net = dev->stack->net;
	struct shown s;

	if (!netdev_captured(dev))
		return;
	capture_prepare(dev, b, &s);
	mutex_lock(&net->capture_lock);
	for (struct capture *c = atomic_load(&dev->captures); c; c = c->next)
		capture_call(c, dev, &s, out);
	mutex_unlock(&net->capture_lock);
	if (s.made)
		pkbuf_free(s.made);
	pkq_free(&s.cut);
}
