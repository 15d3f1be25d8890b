/*
 * net/netem.c - impairment of one direction of a device: what happens to each wire frame, and when
 * it is passed on.
 *
 * A frame's fate is drawn under the lock, the packet worked on without it (that takes memory, whose
 * locks are leaves too), and the lock taken again to queue it.  The queue is emptied by an alarm,
 * so by one thread, which keeps its order.
 */
#include "net/netem.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "net/delayq.h"
#include "net/net_priv.h"

#define NETEM_LIMIT 1000 /* packets, as tc */
#define NETEM_GAP 1
#define NETEM_DELAY_MAX (24 * 3600 * NSEC_PER_SEC)

/*
 * LOCKING
 *	c	constant after creation		a	atomic, written under lock
 *	l	lock (a leaf)
 */
struct netem {
	struct netdev *dev;        /* c */
	enum netem_dir dir;        /* c */
	struct netdev_alarm alarm; /* set under lock */
	struct mutex lock;
	_Atomic bool on;          /* a */
	struct netem_config cfg;  /* l */
	struct netem_stats stats; /* l: `queued` is the queue's */
	struct random random;     /* l */
	struct delayq queue;      /* l */
	uint64_t free;            /* l: when the line has sent all that was given to it */
	uint64_t last;            /* l: when the last packet in order is due */
	uint32_t last_loss;       /* l: the draw before, for its correlation */
	bool bad;                 /* l: the state of the Gilbert-Elliott chain */
	uint64_t began;           /* l: ns, netem_set(): blackouts count from here */
	uint32_t counter;         /* l: packets since the last that passed the others */
};

/* What happens to a frame, and to its copy. */
struct fate {
	bool lost, duplicated;
	struct {
		bool corrupted;
		uint32_t bit; /* from l3 on */
	} copy[2];
};

uint32_t netem_percent(double percent)
{
	if (!(percent > 0))
		return 0;
	if (percent >= 100)
		return UINT32_MAX;
	return (uint32_t)(percent / 100 * UINT32_MAX + 0.5);
}

bool netem_is_on(const struct netem *n)
{
	return atomic_load_explicit(&n->on, memory_order_relaxed);
}

/* --- fate ------------------------------------------------------------------------------------- */

/* What is off draws nothing, so that the others' draws do not depend on it. */
static bool netem_draw(struct netem *n, uint32_t probability) REQUIRES(n->lock)
{
	return probability && (uint32_t)(random_next(&n->random) >> 32) <= probability;
}

/* A draw that leans towards the one before by its share `loss_cor`. */
static bool netem_draw_loss(struct netem *n) REQUIRES(n->lock)
{
	uint64_t cor = n->cfg.loss_cor, draw;

	if (!n->cfg.loss)
		return false;
	draw = random_next(&n->random) >> 32;
	if (cor)
		draw = (draw * (UINT32_MAX - cor) + n->last_loss * cor) / UINT32_MAX;
	n->last_loss = (uint32_t)draw;
	return draw <= n->cfg.loss;
}

/* Each packet moves the chain by a step, then is lost as its state loses. */
static bool netem_draw_burst(struct netem *n) REQUIRES(n->lock)
{
	if (!n->cfg.bad_enter)
		return false;
	if (netem_draw(n, n->bad ? n->cfg.bad_leave : n->cfg.bad_enter))
		n->bad = !n->bad;
	return netem_draw(n, n->bad ? n->cfg.bad_loss : n->cfg.good_loss);
}

static bool netem_is_dark(struct netem *n) REQUIRES(n->lock)
{
	uint64_t every = n->cfg.blackout_every, past = env_now(n->dev->stack->env) - n->began;

	return every && past % every >= every - n->cfg.blackout;
}

/* Is b the last fragment of an IPv4 datagram? */
static bool netem_last_frag(struct netem *n, const struct pkbuf *b)
{
	unsigned hlen = n->dev->link->hlen;
	struct ether_hdr eth;
	struct ip4_hdr ip;
	uint16_t off;

	if (b->len < hlen + sizeof(ip))
		return false;
	if (hlen == sizeof(eth)) {
		pkbuf_read(b, 0, &eth, sizeof(eth));
		if (be16_get(eth.type) != ETHER_TYPE_IP4)
			return false;
	}
	pkbuf_read(b, hlen, &ip, sizeof(ip));
	off = be16_get(ip.off);
	return ip.ver_ihl >> 4 == 4 && !(off & IP4_MF) && (off & IP4_OFFMASK);
}

static void netem_judge(struct netem *n, const struct pkbuf *b, struct fate *f) REQUIRES(n->lock)
{
	unsigned hlen = n->dev->link->hlen;

	*f = (struct fate){0};
	f->lost = netem_draw_loss(n) || netem_draw_burst(n) || netem_is_dark(n) ||
		  (n->cfg.drop_last_frag && netem_last_frag(n, b));
	if (f->lost) {
		n->stats.lost++;
		return;
	}
	f->duplicated = netem_draw(n, n->cfg.duplicate);
	n->stats.duplicated += f->duplicated;
	for (unsigned i = 0; i < 1u + f->duplicated; i++) {
		if (b->len <= hlen || !netem_draw(n, n->cfg.corrupt))
			continue;
		f->copy[i].corrupted = true;
		f->copy[i].bit = (uint32_t)random_below(&n->random, 8ull * (b->len - hlen));
		n->stats.corrupted++;
	}
}

/* Flips one bit of l3 or behind, which nobody vouches for any more.  0 or -ENOMEM. */
static int netem_corrupt(struct netem *n, struct pkbuf *b, uint32_t bit)
{
	uint32_t off = n->dev->link->hlen + bit / 8;
	uint8_t byte;

	if (pkbuf_unshare(b) < 0)
		return -ENOMEM;
	pkbuf_read(b, off, &byte, 1);
	pkbuf_poke(b, off, (uint8_t)(byte ^ 1u << bit % 8));
	b->csum = CSUM_NONE;
	return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

/* True for a packet that goes past those that wait: tc's reorder and gap. */
static bool netem_overtakes(struct netem *n) REQUIRES(n->lock)
{
	uint32_t gap = n->cfg.gap ? n->cfg.gap : NETEM_GAP;

	if (!n->cfg.reorder)
		return false;
	if (++n->counter < gap || !netem_draw(n, n->cfg.reorder))
		return false;
	n->counter = 0;
	return true;
}

/* When a packet of len bytes that comes now is due. */
static uint64_t netem_when(struct netem *n, uint32_t len, uint64_t now) REQUIRES(n->lock)
{
	uint64_t jitter = n->cfg.jitter, delay = n->cfg.delay, when;

	if (jitter) {
		delay += random_below(&n->random, 2 * jitter + 1);
		delay = delay > jitter ? delay - jitter : 0;
	}
	when = now + delay;
	if (n->cfg.rate) { /* a line sends one after the other */
		if (when < n->free)
			when = n->free;
		when += 8ull * len * NSEC_PER_SEC / n->cfg.rate;
		n->free = when;
	}
	if (!jitter && when < n->last)
		when = n->last; /* the delay was made shorter meanwhile */
	n->last = when;
	return when;
}

/* Queues b, or says that it is to be passed on at once (true) or dropped (*why). */
static bool netem_schedule(struct netem *n, struct pkbuf *b, enum drop_reason *why)
    REQUIRES(n->lock)
{
	struct env *e = n->dev->stack->env;
	uint32_t limit = n->cfg.limit ? n->cfg.limit : NETEM_LIMIT;
	uint64_t now = env_now(e), when;

	if (!netem_is_on(n))
		return true;
	if (netem_overtakes(n)) {
		n->stats.reordered++;
		return true;
	}
	if (n->queue.n >= limit) {
		n->stats.overlimit++;
		*why = DROP_NETEM_LIMIT;
		return false;
	}
	when = netem_when(n, b->len, now);
	if (when <= now && n->queue.n == 0)
		return true;
	if (delayq_add(&n->queue, b, when) < 0)
		*why = DROP_NO_MEMORY;
	else
		env_alarm(e, &n->alarm.alarm, delayq_next(&n->queue));
	return false;
}

/* --- the way through -------------------------------------------------------------------------- */

/* Inside a batch, no lock held. */
static void netem_pass(struct netem *n, struct pkq *q)
{
	struct pkbuf *b;

	while ((b = pkq_take(q))) {
		if (n->dir == NETEM_IN)
			netdev_rx_link(n->dev, b);
		else
			netdev_tx_xmit(n->dev, b);
	}
}

/* Moves what is due at `now` over to q. */
static void netem_take(struct netem *n, uint64_t now, struct pkq *q) REQUIRES(n->lock)
{
	struct pkbuf *b;

	while ((b = delayq_take(&n->queue, now))) {
		n->stats.passed++;
		pkq_add(q, b);
	}
}

/* One packet, whose fate is known, to the queue or to `pass`. */
static void netem_enqueue(struct netem *n, struct pkbuf *b, struct pkq *pass)
{
	enum drop_reason why = DROP_NONE;

	mutex_lock(&n->lock);
	if (netem_schedule(n, b, &why)) {
		n->stats.passed++;
		pkq_add(pass, b);
	}
	mutex_unlock(&n->lock);
	if (why != DROP_NONE)
		pkbuf_drop(b, why);
}

static void netem_frame(struct netem *n, struct pkbuf *b, struct pkq *pass)
{
	struct pkbuf *copy[2] = {b, NULL};
	struct fate f;

	mutex_lock(&n->lock);
	netem_judge(n, b, &f);
	mutex_unlock(&n->lock);
	if (f.lost) {
		pkbuf_drop(b, DROP_NETEM_LOSS);
		return;
	}
	if (f.duplicated)
		copy[1] = pkbuf_clone(b);
	for (int i = 0; i < 2; i++) {
		if (!copy[i])
			continue;
		if (f.copy[i].corrupted && netem_corrupt(n, copy[i], f.copy[i].bit) < 0)
			pkbuf_drop(copy[i], DROP_NO_MEMORY);
		else
			netem_enqueue(n, copy[i], pass);
	}
}

void netem_in(struct netem *n, struct pkbuf *b)
{
	struct pkq frames, pass;

	pkq_init(&frames);
	pkq_init(&pass);
	if (b->gso_size) {
		if (gso_cut(b, 0, &frames) < 0)
			return;
	} else {
		pkbuf_csum_finish(b);
		pkq_add(&frames, b);
	}
	while ((b = pkq_take(&frames)))
		netem_frame(n, b, &pass);
	netem_pass(n, &pass);
}

static void netem_fire(void *arg)
{
	struct netem *n = arg;
	struct stack *st = n->dev->stack;
	struct batch batch;
	struct pkq due;

	pkq_init(&due);
	batch_begin(&batch, st);
	mutex_lock(&n->lock);
	netem_take(n, env_now(st->env), &due);
	if (n->queue.n)
		env_alarm(st->env, &n->alarm.alarm, delayq_next(&n->queue));
	mutex_unlock(&n->lock);
	netem_pass(n, &due);
	batch_end(&batch);
}

/* --- settings --------------------------------------------------------------------------------- */

static _Atomic(struct netem *) *netem_place(struct netdev *dev, enum netem_dir dir)
{
	return dir == NETEM_IN ? &dev->netem_in : &dev->netem_out;
}

/* The device's, made and hung there when it has none. */
static struct netem *netem_make(struct netdev *dev, enum netem_dir dir)
{
	struct netem *n = atomic_load(netem_place(dev, dir)), *none = NULL;

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->dev = dev;
	n->dir = dir;
	mutex_init(&n->lock, RANK_LEAF);
	delayq_init(&n->queue);
	netdev_alarm_add(dev, &n->alarm, netem_fire, n);
	if (atomic_compare_exchange_strong(netem_place(dev, dir), &none, n))
		return n;
	netem_destroy(n); /* another was quicker */
	return none;
}

int netem_set(struct netdev *dev, enum netem_dir dir, const struct netem_config *cfg)
{
	struct netem *n;

	if (cfg->delay > NETEM_DELAY_MAX || cfg->jitter > NETEM_DELAY_MAX ||
	    cfg->blackout > cfg->blackout_every)
		return -EINVAL;
	n = netem_make(dev, dir);
	if (!n)
		return -ENOMEM;
	mutex_lock(&n->lock);
	n->cfg = *cfg;
	if (!cfg->seed)
		n->cfg.seed = env_random(dev->stack->env);
	random_seed(&n->random, n->cfg.seed);
	n->stats = (struct netem_stats){0};
	n->last_loss = UINT32_MAX;
	n->counter = 0;
	n->bad = false;
	n->began = env_now(dev->stack->env);
	n->free = 0;
	if (n->queue.n == 0)
		n->last = 0;
	atomic_store(&n->on, true);
	mutex_unlock(&n->lock);
	return 0;
}

int netem_off(struct netdev *dev, enum netem_dir dir)
{
	struct netem *n = atomic_load(netem_place(dev, dir));
	struct batch batch;
	struct pkq due;

	if (!n || !netem_is_on(n))
		return -ENOENT;
	pkq_init(&due);
	batch_begin(&batch, dev->stack);
	mutex_lock(&n->lock);
	atomic_store(&n->on, false);
	netem_take(n, ENV_NEVER, &due);
	mutex_unlock(&n->lock);
	netem_pass(n, &due);
	batch_end(&batch);
	return 0;
}

bool netem_get(struct netdev *dev, enum netem_dir dir, struct netem_config *cfg,
	       struct netem_stats *s)
{
	struct netem *n = atomic_load(netem_place(dev, dir));

	if (!n || !netem_is_on(n))
		return false;
	mutex_lock(&n->lock);
	*cfg = n->cfg;
	*s = n->stats;
	s->queued = n->queue.n;
	mutex_unlock(&n->lock);
	return true;
}

void netem_destroy(struct netem *n)
{
	struct pkbuf *b;

	netdev_alarm_del(n->dev, &n->alarm);
	while ((b = delayq_take(&n->queue, ENV_NEVER)))
		pkbuf_free(b);
	delayq_fini(&n->queue);
	mutex_fini(&n->lock);
	free(n);
}
