/*
 * socket/packetdrill_wire.c - the device at whose other end packetdrill stands: bare IP, nothing to
 * resolve, super-frames taken and cut to what a wire would carry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/batch.h"
#include "lib/stack.h"
#include "socket/packetdrill_priv.h"

#define WIRE_PACKETS 16384u

/*
 * LOCKING
 *	c	constant after creation		l	lock
 */
struct wire {
	struct netdev *dev; /* c */
	struct mutex lock;  /* rank DEV */
	struct pkq out;     /* l: sent, not taken yet */
	bool cut;           /* l */
	pthread_mutex_t sleep;
	pthread_cond_t arrived; /* a packet was sent, in real time */
};

/* 0, or -ENOBUFS when there was no room for any. */
static int wire_queue(struct wire *w, struct pkq *frames)
{
	struct pkbuf *b;
	int err = -ENOBUFS;

	mutex_lock(&w->lock);
	while ((b = pkq_take(frames))) {
		if (w->cut || w->out.count >= WIRE_PACKETS) {
			pkbuf_drop(b, DROP_DEV_TX);
			continue;
		}
		b->stamp = env_now(w->dev->stack->env);
		pkq_add(&w->out, b);
		err = 0;
	}
	mutex_unlock(&w->lock);
	pthread_mutex_lock(&w->sleep);
	pthread_cond_signal(&w->arrived);
	pthread_mutex_unlock(&w->sleep);
	return err;
}

static int wire_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct wire *w = dev->priv;
	struct pkq frames;
	int err;

	pkq_init(&frames);
	if (b->gso_size) {
		err = gso_cut(b, 0, &frames);
		if (err)
			return err;
	} else {
		if (b->csum == CSUM_PARTIAL)
			pkbuf_csum_finish(b);
		pkq_add(&frames, b);
	}
	return wire_queue(w, &frames);
}

static void wire_close(struct netdev *dev)
{
	struct wire *w = dev->priv;

	pkq_free(&w->out);
	mutex_fini(&w->lock);
	pthread_cond_destroy(&w->arrived);
	pthread_mutex_destroy(&w->sleep);
	free(w);
}

static const struct netdev_ops wire_ops = {.kind = "wire", .xmit = wire_xmit, .close = wire_close};

struct wire *wire_create(struct stack *st, uint32_t mtu)
{
	struct netdev *dev = netdev_alloc(st, "tun0", &wire_ops, &raw_link, 1);
	struct wire *w = calloc(1, sizeof(*w));

	if (!dev || !w) {
		if (dev)
			netdev_free(dev);
		free(w);
		return NULL;
	}
	w->dev = dev;
	mutex_init(&w->lock, RANK_DEV);
	pkq_init(&w->out);
	pthread_mutex_init(&w->sleep, NULL);
	pthread_cond_init(&w->arrived, NULL);
	dev->priv = w;
	dev->flags = NETDEV_NOARP | NETDEV_POINTOPOINT;
	dev->features = NETDEV_F_ALL;
	dev->mtu = mtu;
	if (netdev_register(dev) == 0)
		return w;
	wire_close(dev);
	netdev_free(dev);
	return NULL;
}

struct netdev *wire_dev(struct wire *w)
{
	return w->dev;
}

void wire_cut(struct wire *w, bool cut)
{
	mutex_lock(&w->lock);
	w->cut = cut;
	mutex_unlock(&w->lock);
}

int wire_in(struct wire *w, const void *packet, size_t n)
{
	struct stack *st = w->dev->stack;
	struct batch batch;
	struct pkbuf *b;
	int err = -ENOMEM;

	batch_begin(&batch, st);
	b = pkbuf_alloc(st, PKBUF_RX_HEAD);
	if (b)
		err = pkbuf_append(b, packet, (uint32_t)n);
	if (!err) {
		b->stamp = env_now(st->env);
		netdev_rx(w->dev, b);
	} else if (b) {
		pkbuf_free(b);
	}
	batch_end(&batch);
	return err;
}

size_t wire_take(struct wire *w, void *buf, size_t n, uint64_t *when)
{
	struct batch batch;
	struct pkbuf *b;
	size_t len = 0;

	batch_begin(&batch, w->dev->stack);
	mutex_lock(&w->lock);
	b = pkq_take(&w->out);
	mutex_unlock(&w->lock);
	if (b) {
		len = b->len < n ? b->len : n;
		pkbuf_read(b, 0, buf, (uint32_t)len);
		*when = b->stamp;
		pkbuf_free(b);
	}
	batch_end(&batch);
	return len;
}

void wire_wait(struct wire *w, unsigned ms)
{
	struct timespec until;
	bool empty;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000l;
	if (until.tv_nsec >= 1000000000l) {
		until.tv_nsec -= 1000000000l;
		until.tv_sec++;
	}
	pthread_mutex_lock(&w->sleep);
	for (;;) {
		mutex_lock(&w->lock);
		empty = w->out.count == 0;
		mutex_unlock(&w->lock);
		if (!empty || pthread_cond_timedwait(&w->arrived, &w->sleep, &until))
			break;
	}
	pthread_mutex_unlock(&w->sleep);
}
