/*
 * net/lead.c - who reads a device queue: its netdev thread, or a program's thread that waits.
 *
 * To wake a thread costs more than to read a frame, so a thread that waits for one, and is likely to
 * wait again soon, reads the queue itself: for all, until its own condition is met.  The netdev
 * thread reads while there is no such thread.  The word is taken by CAS, and its holder sleeps in
 * env_wait() with the queue's descriptor beside those of its call.
 *
 * A reader that wakes a hot sleeper (one that would have led) owes it the word and stands down, for
 * that thread reads on when it is back: so a frame is never a wake away from who wants it.  Should it
 * stay away, the netdev thread takes the queue after a while.  docs/architecture.md has the rules.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "lib/slot.h"
#include "lib/stack.h"
#include "net/landing.h"
#include "net/net_priv.h"

#define FAST_NS (50 * NSEC_PER_USEC) /* between two waits: who takes longer does not lead */
#define SLOW_NS (2 * NSEC_PER_MSEC)  /* ... and more than this counts as this */
/* Waits that are not measured after one that was, where the average is far below: each seventh is, no round number. */
#define SURE_WAITS 6
#define SPIN_NS (50 * NSEC_PER_USEC) /* a wake costs about as much */
#define TOLD_NS NSEC_PER_USEC /* for a sixteenth of an event, some 12 us for one: as much longer */
#define TOLD_NS_MAX (500 * NSEC_PER_USEC) /* ... at most: so long others' frames may wait */
#define TOLD_SEVERAL 24 /* sixteenths: two events, with what each wait takes off */
#define TOLD_MAX 256
#define SPIN_CREDIT 16
#define SPIN_RETRY                                                                                 \
	64 /* waits until a spin is tried again that has not paid, twice as many each time ... */
#define SPIN_RETRY_MAX 4096 /* ... up to this */
#define LEAD_BURST 16
#define LEAD_BURST_BULK 64 /* where segments of a stream come faster than they are read */
#define LEAD_PATIENCE 63 /* waits that one frame ended, at most, until a second one is looked for */
#define LEAD_FDS 15      /* descriptors of its own that a leader may wait for */

/* --- the word --------------------------------------------------------------------------------- */

/* What threads hold back while it is vacant goes now. */
bool queue_take(struct netdev_queue *q)
{
	uint32_t vacant = QUEUE_VACANT;

	if (!atomic_compare_exchange_strong(&q->word, &vacant, QUEUE_LED))
		return false;
	if (atomic_load(&q->dev->hold.count))
		hold_flush(q->dev);
	return true;
}

/* Whoever found the queue led sleeps until its word is given back: the netdev thread only. */
void queue_give(struct netdev_queue *q)
{
	struct waiter *w;

	atomic_store_explicit(&q->turn, atomic_load_explicit(&q->turn, memory_order_relaxed) + 1,
			      memory_order_release);
	atomic_store(&q->word, QUEUE_VACANT);
	if (!atomic_load(&q->standby) || !atomic_exchange(&q->standby, false))
		return;
	w = atomic_load(&q->reader);
	if (w)
		waiter_wake(q->dev->stack->env, w);
}

/*
 * Whoever comes to wait and will not lead finds the word vacant: the netdev thread takes it now, and not when
 * it has waited for a leader in vain.
 */
static void queue_call(struct netdev_queue *q)
{
	struct waiter *w = atomic_load(&q->reader);

	if (w && atomic_load(&q->word) == QUEUE_VACANT && atomic_load(&q->owed) <= 0 &&
	    !atomic_exchange(&q->called, true))
		waiter_wake(q->dev->stack->env, w);
}

/* Who is owed the word comes for it; but the last may have come and gone since it was counted. */
bool queue_hand_over(struct netdev_queue *q)
{
	if (atomic_load(&q->owed) <= 0)
		return false;
	queue_give(q);
	return atomic_load(&q->owed) > 0 || !queue_take(q);
}

/* The thread is back: nobody waits for it to lead any more.  The count may have been given up. */
static void owed_settle(struct waiter *w)
{
	_Atomic int *owed = atomic_load_explicit(&w->owed, memory_order_relaxed);
	int n;

	if (!owed)
		return;
	atomic_store(&w->owed, NULL);
	n = atomic_load(owed);
	while (n > 0 && !atomic_compare_exchange_weak(owed, &n, n - 1))
		;
}

/* --- reading ---------------------------------------------------------------------------------- */

int queue_read(struct netdev_queue *q, int max)
{
	struct netdev *dev = q->dev;
	struct rx_sum sum = {0};
	struct batch batch;
	struct pkq frames;
	struct pkbuf *b;
	int n;

	pkq_init(&frames);
	batch_begin(&batch, dev->stack);
	batch.owed = &q->owed;
	n = dev->ops->rx(q, &frames, max);
	if (frames.count)
		q->read_at = batch_clock(dev->stack);
	while ((b = pkq_take(&frames))) {
		q->bulk = b->len > FRAME_BULK;
		b->stamp = q->read_at;
		netdev_rx_sum(dev, b, &sum);
	}
	if (sum.frames)
		traffic_count(dev, NETDEV_RX_PACKETS, sum.frames, sum.bytes);
	batch_end(&batch);
	return n;
}

int netdev_poll(struct netdev_queue *q, int max)
{
	int n;

	if (!q->dev->ops->rx)
		return -EAGAIN;
	if (!queue_take(q))
		return -EBUSY;
	n = queue_read(q, max);
	queue_give(q);
	return n;
}

/* --- the end of a device --------------------------------------------------------------------- */

void queue_evict(struct netdev_queue *q)
{
	while (!queue_take(q)) {
		struct waiter *w = atomic_load(&q->leader);

		if (w)
			waiter_wake(q->dev->stack->env, w);
		sched_yield();
	}
	queue_give(q);
}

/* --- a program's thread ------------------------------------------------------------------------ */

/* One wait of a call, by who may lead. */
struct lead {
	struct stack *stack;
	struct netdev_queue *q; /* NULL: none to lead */
	struct env *env;
	struct waiter *waiter;
	struct rhythm *rhythm;
	struct pollfd *fds; /* the call's own */
	int n;
	uint64_t deadline;
	uint64_t ended; /* ns: when the small frame that ended the wait was read; 0: it was more */
	uint64_t spin;  /* ns: until when; ENV_NEVER: it has not begun; 0: not at all */
	bool slept;     /* since the last read */
};

/* A spin is for answers that come soon: it is tried again now and then where it did not pay. */
static void lead_spin_begin(struct lead *l)
{
	struct rhythm *r = l->rhythm;

	if (r->retry == 0)
		r->retry = SPIN_RETRY;
	if (l->q->bulk || r->serves || (r->credit == 0 && ++r->skipped < r->retry))
		return;
	r->skipped = 0;
	l->spin = ENV_NEVER;
}

/*
 * It ended at `at`.  It has paid if that was in time.  Whoever keeps the CPU that is yielded to it for longer
 * than a wake takes will do so again, and makes a spin dearer than any sleep.
 */
static void lead_spin_end(struct lead *l, uint64_t at)
{
	struct rhythm *r = l->rhythm;
	bool paid = at < l->spin, lost = !paid && at - l->spin >= SPIN_NS;

	if (!l->spin)
		return;
	l->spin = 0;
	if (!paid && r->credit == 0 && r->retry < SPIN_RETRY_MAX)
		r->retry *= 2;
	if (paid) {
		r->credit = r->credit < SPIN_CREDIT - 2 ? r->credit + 2 : SPIN_CREDIT;
		r->retry = SPIN_RETRY;
	} else if (lost) {
		r->credit = 0;
	} else if (r->credit) {
		r->credit--;
	}
}

/* True: look again at once.  A spin begins where the first look did not end the wait. */
static bool lead_spins(struct lead *l)
{
	uint64_t now;

	if (!l->spin)
		return false;
	now = env_now(l->env);
	if (l->spin == ENV_NEVER)
		l->spin = now + SPIN_NS;
	if (l->q->bulk || now >= l->spin) {
		lead_spin_end(l, now > l->spin ? now : l->spin);
		return false;
	}
	sched_yield(); /* whoever has something to do on this CPU goes first */
	return true;
}

/*
 * More at a time where frames come faster than they are read.  One that ended the wait may have been all there was, as
 * the answer to a question: to look for a second is a read that finds nothing, and the rarer the more often it did.
 * A large one is one of many.
 */
static void lead_burst(struct lead *l, unsigned n)
{
	struct netdev_queue *q = l->q;

	if (n < q->burst) {
		if (n > 1 || q->bulk)
			return;
		q->burst = 1;
		q->patience =
		    q->patience < LEAD_PATIENCE ? (uint8_t)(q->patience * 2 + 1) : q->patience;
		return;
	}
	if (l->slept)
		return;
	if (q->burst > 1)
		q->patience = 0;
	else if (!q->bulk && waiter_is_woken(l->waiter) && q->alone++ < q->patience)
		return;
	q->alone = 0;
	q->burst *= 2;
}

/*
 * After a sleep one frame at a time, for it may be what the caller waits for; more where they come
 * faster than they are read, up to a batch, which saves ACKs and wakes.  Who serves others waits for no
 * frame of its own, nor does who is told of several events at a time.
 */
static int lead_read(struct lead *l)
{
	struct netdev_queue *q = l->q;
	unsigned most;
	int n;

	if (l->slept || q->burst == 0)
		q->burst = 1;
	if ((l->rhythm->serves || l->rhythm->told > TOLD_SEVERAL) && q->burst < LEAD_BURST)
		q->burst = LEAD_BURST;
	n = queue_read(q, (int)q->burst);
	most = q->bulk ? LEAD_BURST_BULK : LEAD_BURST;
	if (n < 0)
		q->burst = 1;
	else
		lead_burst(l, (unsigned)n);
	if (q->burst > most)
		q->burst = most;
	l->slept = false;
	return n;
}

/* memcpy() wants an address even for none. */
static void fds_copy(struct pollfd *to, const struct pollfd *from, int n)
{
	if (n > 0)
		memcpy(to, from, (size_t)n * sizeof(*to));
}

/* There is nothing to read, or another reads it. */
static void wait_idle(struct stack *st)
{
	struct landing *l = landing_of(st);

	if (l && l->idle)
		l->idle(l);
}

/* As env_wait(), to `until`; -EAGAIN: there is a frame. */
static int lead_sleep(struct lead *l, uint64_t until)
{
	struct pollfd all[LEAD_FDS + 1];
	struct pollfd *own = &all[l->n];
	int r;

	wait_idle(l->q->dev->stack);
	fds_copy(all, l->fds, l->n);
	*own = (struct pollfd){.fd = l->q->fd, .events = POLLIN};
	r = env_wait(l->env, l->waiter, all, l->n + 1, until);
	if (r <= 0)
		return r;
	fds_copy(l->fds, all, l->n);
	if (own->revents && --r == 0)
		return own->revents & POLLIN ? -EAGAIN : -ENODEV;
	return r;
}

/* Frames come without end: is there something else to see to, or the time over?  -EAGAIN: no. */
static int lead_look(struct lead *l)
{
	uint64_t now;
	int r = -EAGAIN;

	if (l->n == 0 && l->deadline == ENV_NEVER)
		return -EAGAIN;
	now = env_now(l->env);
	if (l->n > 0)
		r = lead_sleep(l, now);
	if (r == -EAGAIN || r == -ETIMEDOUT)
		r = now < l->deadline ? -EAGAIN : -ETIMEDOUT;
	return r;
}

/*
 * With the word: reads until the call's thread is woken, its time is over or one of its descriptors is
 * ready, as env_wait().  -EBUSY: the word has gone to another; -ENODEV: the device is lost, which the
 * netdev thread will find too.
 */
static int lead_loop(struct lead *l)
{
	bool look = l->spin || l->q->bulk || l->q->burst > 1;
	int r;

	for (;;) {
		r = look ? lead_read(l) : -EAGAIN;
		look = true;
		if (waiter_is_woken(l->waiter)) {
			l->ended = r == 1 && !l->q->bulk ? l->q->read_at : 0;
			return 0;
		}
		if (r < 0 && r != -EAGAIN)
			return -ENODEV;
		if (queue_hand_over(l->q))
			return -EBUSY;
		if (r > 0) {
			if (l->spin == ENV_NEVER) /* it was for a frame that is not there yet */
				l->spin = l->q->read_at + SPIN_NS;
			r = lead_look(l);
		} else if (!lead_spins(l)) {
			r = lead_sleep(l, l->deadline);
			l->slept = true;
		}
		if (r != -EAGAIN)
			return r;
	}
}

/* Whoever has several events to see to stays away for longer than who sleeps hot should wait.  -EBUSY: somebody else leads. */
static int lead(struct lead *l)
{
	struct netdev_queue *q = l->q;
	int r;

	if (!queue_take(q))
		return -EBUSY;
	if (atomic_load(&q->leader) != l->waiter)
		atomic_store(&q->leader, l->waiter);
	if (atomic_load(&q->stop)) { /* stored before the leader is looked for: queue_evict() */
		queue_give(q);
		return -EBUSY;
	}
	lead_spin_begin(l);
	r = lead_loop(l);
	lead_spin_end(l, l->ended ? l->ended : l->spin);
	if (r == -EBUSY)
		return r;
	queue_give(q);
	if (l->rhythm->told > TOLD_SEVERAL && atomic_load(&q->hot) > 0)
		queue_call(q);
	return r;
}

/*
 * The moving average of what the thread does between its waits; the first says little.  Where it is clearly fast not
 * each is measured, for the clock costs as much as a small part of the walks.
 */
static void rhythm_measure(struct rhythm *r, uint64_t now)
{
	uint64_t busy = r->left ? now - r->left : SLOW_NS;

	if (busy > SLOW_NS)
		busy = SLOW_NS;
	if (!r->left)
		r->busy = SLOW_NS;
	r->busy = (uint32_t)(r->busy - r->busy / 4 + busy / 4);
	r->sure = r->busy < FAST_NS / 2 ? SURE_WAITS : 0;
}

/*
 * Who is told of many events at a time may take longer: to read and to answer in turn costs less than to hand each frame
 * to another thread.
 */
static bool rhythm_is_fast(struct rhythm *r, struct env *e)
{
	uint64_t more;

	if (r->sure)
		r->sure--;
	else
		rhythm_measure(r, env_now(e));
	r->told -= r->told / 8;
	more = r->told * TOLD_NS;
	return r->busy < FAST_NS + (more < TOLD_NS_MAX ? more : TOLD_NS_MAX) || r->serves;
}

/* Another reads.  `hot`: so would this thread, if it found the word. */
static int wait_led(struct lead *l, bool hot)
{
	struct waiter *w = l->waiter;
	int r;

	wait_idle(l->stack);
	if (!hot)
		return env_wait(l->env, w, l->fds, l->n, l->deadline);
	atomic_store_explicit(&w->hot, true, memory_order_relaxed);
	atomic_fetch_add(&l->q->hot, 1);
	r = env_wait(l->env, w, l->fds, l->n, l->deadline);
	atomic_fetch_sub(&l->q->hot, 1);
	atomic_store_explicit(&w->hot, false, memory_order_relaxed);
	return r;
}

/* Who leads sleeps with its eventfd; where the process has no descriptor left for one, others read. */
static bool may_poll(struct waiter *w)
{
	return atomic_load_explicit(&w->efd, memory_order_relaxed) >= 0 || waiter_eventfd(w) >= 0;
}

static int wait_leading(struct stack *st, struct pollfd *fds, int n, uint64_t deadline)
{
	struct slot *s = slot_get(st);
	struct lead l = {.stack = st,
			 .q = atomic_load_explicit(&st->net->busy, memory_order_relaxed),
			 .env = st->env,
			 .waiter = &s->waiter,
			 .rhythm = &s->rhythm,
			 .fds = fds,
			 .n = n,
			 .deadline = deadline};
	bool fast =
	    rhythm_is_fast(&s->rhythm, st->env) && l.q && n <= LEAD_FDS && may_poll(l.waiter);
	int r = fast ? lead(&l) : -EBUSY;

	if (!fast && l.q)
		queue_call(l.q);
	s->rhythm.led = l.q;
	if (r == -EBUSY || r == -ENODEV) {
		s->rhythm.led = NULL;
		r = wait_led(&l, fast && r == -EBUSY);
	}
	if (!s->rhythm.sure)
		s->rhythm.left = l.ended ? l.ended : env_now(st->env);
	return r;
}

void netdev_wait_serves(struct stack *st)
{
	slot_get(st)->rhythm.serves = true;
}

void netdev_wait_told(struct stack *st, int n)
{
	struct rhythm *r = &slot_get(st)->rhythm;

	r->told = (uint16_t)(r->told - r->told / 4 + (n < TOLD_MAX ? n : TOLD_MAX) * 4);
	hold_begin(st, n);
}

int netdev_wait(struct stack *st, struct pollfd *fds, int n, uint64_t deadline)
{
	struct waiter *w = &slot_get(st)->waiter;

	owed_settle(w);
	netdev_hold_end(st);
	if (st->env->threaded && sysctl_get(st, lead))
		return wait_leading(st, fds, n, deadline);
	slot_get(st)->rhythm.led = NULL;
	wait_idle(st);
	return env_wait(st->env, w, fds, n, deadline);
}
