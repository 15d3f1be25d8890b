/*
 * net/netdev.c - one device: up, down, MTU, and the ways of a packet through it.
 *
 * On the walk up between interrupt.c and the link layer, on the walk down between the link layer and
 * ops->xmit.  Super-frames and unfinished checksums go as far as they can: what the device cannot
 * carry is cut and finished here, last of all.
 */
#include "net/netdev.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "net/capture.h"
#include "net/net_priv.h"
#include "net/txstamp.h"

#define NETDEV_MTU 1500
#define NETDEV_MTU_MIN 68 /* RFC 791, 3.2 */
#define NETDEV_MTU_MAX 65535

static void stat_add(_Atomic uint64_t *s, uint64_t n)
{
	atomic_fetch_add_explicit(s, n, memory_order_relaxed);
}

/* --- making and ending ------------------------------------------------------------------------ */

struct netdev *netdev_alloc(struct stack *st, const char *name, const struct netdev_ops *ops,
			    const struct link_ops *link, unsigned nqueue)
{
	struct netdev *dev = calloc(1, sizeof(*dev));

	assert(nqueue > 0);
	if (!dev)
		return NULL;
	dev->queue = calloc(nqueue, sizeof(*dev->queue));
	if (!dev->queue || !traffic_init(dev)) {
		free(dev->queue);
		free(dev);
		return NULL;
	}
	strncpy(dev->name, name, sizeof(dev->name) - 1);
	dev->ops = ops;
	dev->link = link;
	dev->stack = st;
	dev->mtu = NETDEV_MTU;
	dev->link_fd = -1;
	dev->nqueue = nqueue;
	for (unsigned i = 0; i < nqueue; i++) {
		dev->queue[i].dev = dev;
		dev->queue[i].fd = -1;
	}
	mutex_init(&dev->addr_lock, RANK_IFADDR);
	hold_init(&dev->hold);
	return dev;
}

void netdev_close(struct netdev *dev)
{
	if (dev->netem_in)
		netem_destroy(dev->netem_in);
	if (dev->netem_out)
		netem_destroy(dev->netem_out);
	dev->netem_in = dev->netem_out = NULL;
	pkq_free(&dev->hold.frames);
	if (dev->ops->close)
		dev->ops->close(dev);
}

void netdev_free(struct netdev *dev)
{
	ifaddr_free_all(dev);
	mutex_fini(&dev->addr_lock);
	mutex_fini(&dev->hold.lock);
	traffic_fini(dev);
	free(dev->queue);
	free(dev);
}

/* --- settings --------------------------------------------------------------------------------- */

void netdev_up(struct netdev *dev)
{
	if (!(atomic_fetch_or(&dev->flags, NETDEV_UP) & NETDEV_UP))
		netdev_notify(dev, NETDEV_EV_UP, NULL);
}

void netdev_down(struct netdev *dev)
{
	if (atomic_fetch_and(&dev->flags, ~NETDEV_UP) & NETDEV_UP)
		netdev_notify(dev, NETDEV_EV_DOWN, NULL);
}

/* By whoever has it, and below. */
static bool netdev_is_up(struct netdev *dev)
{
	uint32_t flags = atomic_load_explicit(&dev->flags, memory_order_relaxed);

	return (flags & (NETDEV_UP | NETDEV_NOCARRIER)) == NETDEV_UP;
}

void netdev_set_link(struct netdev *dev, bool carrier)
{
	uint32_t old = carrier ? atomic_fetch_and(&dev->flags, ~NETDEV_NOCARRIER)
			       : atomic_fetch_or(&dev->flags, NETDEV_NOCARRIER);

	if (carrier != !(old & NETDEV_NOCARRIER))
		netdev_notify(dev, NETDEV_EV_LINK, NULL);
}

void netdev_stats_update(struct netdev *dev)
{
	if (dev->ops->stats)
		dev->ops->stats(dev);
}

int netdev_set_mtu(struct netdev *dev, uint32_t mtu)
{
	int r;

	if (mtu < NETDEV_MTU_MIN || mtu > NETDEV_MTU_MAX)
		return -ERANGE;
	r = dev->ops->set_mtu ? dev->ops->set_mtu(dev, mtu) : 0;
	if (r < 0)
		return r;
	atomic_store(&dev->mtu, mtu);
	netdev_notify(dev, NETDEV_EV_MTU, NULL);
	return 0;
}

/* --- up --------------------------------------------------------------------------------------- */

/* From here up a datagram is a packet. */
static __attribute__((noinline)) void rx_cut(struct netdev *dev, struct pkbuf *b,
					     struct rx_sum *sum)
{
	struct pkq q;

	pkq_init(&q);
	if (gso_cut(b, NETDEV_F_CSUM, &q) < 0)
		stat_add(&dev->stats.rx_dropped, 1);
	while ((b = pkq_take(&q)))
		netdev_rx_sum(dev, b, sum);
}

/* Somebody looks at it, or netem has it first. */
static __attribute__((noinline)) void rx_seen(struct netdev *dev, struct pkbuf *b)
{
	struct netem *n = atomic_load_explicit(&dev->netem_in, memory_order_acquire);

	if (netdev_captured(dev))
		capture_show(dev, b, false);
	if (!n || !netem_is_on(n))
		netdev_rx_link(dev, b);
	else if (pkbuf_settle(b) == 0)
		netem_in(n, b);
	else
		pkbuf_drop(b, DROP_NO_MEMORY);
}

void netdev_rx_sum(struct netdev *dev, struct pkbuf *b, struct rx_sum *sum)
{
	if (b->gso_type >= GSO_UDP4) {
		rx_cut(dev, b, sum);
		return;
	}
	b->dev = dev;
	b->l2 = b->head;
	if (!netdev_is_up(dev)) {
		stat_add(&dev->stats.rx_dropped, 1);
		pkbuf_drop(b, DROP_DEV_DOWN);
		return;
	}
	sum->frames++;
	sum->bytes += b->len;
	if (netdev_captured(dev) || atomic_load_explicit(&dev->netem_in, memory_order_relaxed))
		rx_seen(dev, b);
	else
		netdev_rx_link(dev, b);
}

void netdev_rx(struct netdev *dev, struct pkbuf *b)
{
	struct rx_sum sum = {0};

	netdev_rx_sum(dev, b, &sum);
	traffic_count(dev, NETDEV_RX_PACKETS, sum.frames, sum.bytes);
}

void netdev_rx_link(struct netdev *dev, struct pkbuf *b)
{
	dev->link->in(b);
}

/* --- down ------------------------------------------------------------------------------------- */

static int tx_drop(struct netdev *dev, struct pkbuf *b, enum drop_reason why, int err)
{
	stat_add(&dev->stats.tx_dropped, 1);
	pkbuf_drop(b, why);
	return err;
}

/* Asked of its segments: a super-frame fits when each of the frames it stands for does. */
static bool tx_fits(struct netdev *dev, const struct pkbuf *b)
{
	uint32_t mtu = atomic_load_explicit(&dev->mtu, memory_order_relaxed);

	if (b->gso_size)
		return pkbuf_wire_len(b) <= mtu;
	return b->len <= mtu + dev->link->hlen;
}

static int tx_write(struct netdev *dev, struct pkbuf *b)
{
	uint32_t len = b->len;
	int r;

	if (b->txstamp)
		txstamp_tell(b, TXSTAMP_SENT);
	r = dev->ops->xmit(dev, b);
	batch_wrote(dev->stack, len);
	if (r < 0) {
		stat_add(&dev->stats.tx_errors, 1);
		return r;
	}
	traffic_count(dev, NETDEV_TX_PACKETS, 1, len);
	return 0;
}

int netdev_tx_held(struct netdev *dev, struct pkbuf *b)
{
	if (!netdev_is_up(dev))
		return tx_drop(dev, b, DROP_DEV_DOWN, -ENETDOWN);
	return tx_write(dev, b);
}

/* Behind what is held, for a connection's frames should not overtake one another. */
static int tx_one(struct netdev *dev, struct pkbuf *b)
{
	if (slot_get(dev->stack)->rhythm.holds && hold_frame(dev, b))
		return 0;
	if (atomic_load_explicit(&dev->hold.count, memory_order_relaxed))
		hold_flush(dev);
	return tx_write(dev, b);
}

/* Of the frames that b is cut into; an error when none of them went. */
static int tx_cut(struct netdev *dev, struct pkbuf *b)
{
	struct pkq q;
	int r, err;

	pkq_init(&q);
	err = gso_cut(b, dev->features, &q);
	if (err < 0)
		stat_add(&dev->stats.tx_dropped, 1);
	for (bool first = true; (b = pkq_take(&q)); first = false) {
		r = tx_one(dev, b);
		if (first || r == 0)
			err = r;
	}
	return err;
}

/* A super-frame that the device does not take. */
static bool tx_must_cut(const struct netdev *dev, const struct pkbuf *b)
{
	uint32_t need = b->gso_type == GSO_TCP6 ? NETDEV_F_TSO6 : NETDEV_F_TSO4;

	if (b->len > PKBUF_MAX)
		need |= NETDEV_F_BIG;
	return ~dev->features & (need | NETDEV_F_CSUM);
}

static int tx_now(struct netdev *dev, struct pkbuf *b)
{
	if (b->gso_size && tx_must_cut(dev, b))
		return tx_cut(dev, b);
	if (b->csum == CSUM_PARTIAL && !(dev->features & NETDEV_F_CSUM))
		pkbuf_csum_finish(b);
	return tx_one(dev, b);
}

int netdev_tx_xmit(struct netdev *dev, struct pkbuf *b)
{
	if (!netdev_is_up(dev))
		return tx_drop(dev, b, DROP_DEV_DOWN, -ENETDOWN);
	return tx_now(dev, b);
}

/* Somebody looks at it, or netem has it first. */
static __attribute__((noinline)) int tx_seen(struct netdev *dev, struct pkbuf *b)
{
	struct netem *n = atomic_load_explicit(&dev->netem_out, memory_order_acquire);

	if (b->txstamp)
		txstamp_tell(b, TXSTAMP_SCHED);
	if (netdev_captured(dev))
		capture_show(dev, b, true);
	if (n && netem_is_on(n)) {
		netem_in(n, b);
		return 0;
	}
	return tx_now(dev, b);
}

int netdev_tx(struct netdev *dev, struct pkbuf *b)
{
	b->dev = dev;
	b->l2 = b->head;
	if (!netdev_is_up(dev))
		return tx_drop(dev, b, DROP_DEV_DOWN, -ENETDOWN);
	if (!tx_fits(dev, b))
		return tx_drop(dev, b, DROP_TOO_BIG, -EMSGSIZE);
	if (b->txstamp || netdev_captured(dev) ||
	    atomic_load_explicit(&dev->netem_out, memory_order_relaxed))
		return tx_seen(dev, b);
	return tx_now(dev, b);
}
