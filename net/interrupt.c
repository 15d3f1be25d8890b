/*
 * net/interrupt.c - device interrupts: the netdev threads, one a queue.
 *
 * A thread reads a batch and carries each packet up to its socket, reads again, and sleeps only
 * when there is nothing: in ppoll on the queue's descriptor, or on its waiter alone where the queue
 * has none; and while a program's thread reads in its place (net/lead.c).  The thread of queue 0 runs
 * the alarms of its device (loop's rest, netem) in between.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/debug.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "net/net_priv.h"

#define NETDEV_BATCH 64
#define GRACE_NS (2 * NSEC_PER_MSEC) /* for a leader to come to a vacant queue */

/* The link below has changed.  0, or -errno: the device is lost. */
static int queue_link(struct netdev *dev)
{
	struct batch batch;
	int r;

	batch_begin(&batch, dev->stack);
	r = dev->ops->link(dev);
	batch_end(&batch);
	return r;
}

/*
 * Sleeps until there may be a frame (`polls`), the link has changed, an alarm is due or somebody
 * wakes w.  0, or -errno when the descriptor can be waited for no longer.
 */
static int queue_sleep(struct netdev_queue *q, struct waiter *w, bool polls, uint64_t deadline)
{
	struct netdev *dev = q->dev;
	struct pollfd p[2] = {{.fd = polls ? q->fd : -1, .events = POLLIN},
			      {.fd = q->tells_link ? dev->link_fd : -1, .events = POLLIN}};
	int r = env_wait(dev->stack->env, w, p, q->tells_link ? 2 : polls, deadline);

	if (r < 0 && r != -ETIMEDOUT && r != -EINTR)
		return r;
	if (r <= 0)
		return 0;
	if (p[1].revents || (dev->link_fd >= 0 && p[0].revents & POLLERR))
		return queue_link(dev);
	/* frames that wait are read first: the next read finds the error itself */
	return p[0].revents & POLLIN ? 0 : -ENODEV;
}

static void queue_lost(struct netdev_queue *q, int err)
{
	struct netdev *dev = q->dev;
	struct netdev_queue *lost = q;
	struct batch batch;

	atomic_compare_exchange_strong(&dev->stack->net->busy, &lost, NULL);
	debug(dev->stack, DEBUG_DEV, "%s: lost: %s", dev->name, strerrordesc_np(-err));
	batch_begin(&batch, dev->stack);
	netdev_down(dev);
	if (!atomic_exchange(&dev->lost, true))
		netdev_notify(dev, NETDEV_EV_LOST, NULL);
	batch_end(&batch);
}

/* Where a program's thread looks for something to lead. */
static void queue_set_busy(struct netdev_queue *q)
{
	struct net_state *net = q->dev->stack->net;

	if (atomic_load_explicit(&net->busy, memory_order_relaxed) != q)
		atomic_store(&net->busy, q);
}

/*
 * With the word: one read, or a sleep where there is nothing to read (`polls`: yet).  -errno: the device
 * is lost.
 */
static int queue_serve(struct netdev_queue *q, struct waiter *w, bool polls, uint64_t next,
		       bool *mine)
{
	int n = polls ? queue_read(q, NETDEV_BATCH) : -EAGAIN;

	if (n == -EAGAIN)
		return queue_sleep(q, w, polls, next);
	if (n < 0)
		return n;
	queue_set_busy(q);
	*mine = !queue_hand_over(q);
	return 0;
}

/* The end of the grace, which an alarm in between does not put off. */
static uint64_t queue_grace(struct netdev_queue *q, uint32_t turn, bool led)
{
	if (!q->grace || q->turn_seen != turn || q->led_seen != led)
		q->grace = env_now(q->dev->stack->env) + GRACE_NS;
	q->turn_seen = turn;
	q->led_seen = led;
	return q->grace;
}

/* A leader that has not moved for so long sleeps itself: whoever gives the word back then ends this sleep. */
static int queue_stand_back(struct netdev_queue *q, struct waiter *w)
{
	uint64_t next;
	int r = 0;

	waiter_reset(w);
	/* one set from here on ends the sleep as well */
	next = env_thread_run_alarms(q->dev->stack->env, w);
	atomic_store(&q->standby, true);
	if (atomic_load(&q->word) == QUEUE_LED && !atomic_load(&q->stop))
		r = queue_sleep(q, w, false, next);
	atomic_store(&q->standby, false);
	return r;
}

/*
 * Without the word, which stays vacant between a leader and the next: it is taken when GRACE has passed
 * and nobody came, or as soon as somebody came who will not lead.  What is held goes (net/hold.c).  As queue_serve().
 */
static int queue_stand_by(struct netdev_queue *q, struct waiter *w, uint64_t next, bool *mine)
{
	struct env *e = q->dev->stack->env;
	uint32_t turn = atomic_load(&q->turn);
	bool led = atomic_load(&q->word) == QUEUE_LED;
	uint64_t until = queue_grace(q, turn, led);
	int r = queue_sleep(q, w, false, until < next ? until : next);

	if (r >= 0 && atomic_exchange(&q->called, false)) {
		q->grace = 0;
		*mine = queue_take(q);
		return 0;
	}
	if (r < 0 || env_now(e) < until)
		return r;
	q->grace = 0;
	if (atomic_load(&q->dev->hold.count))
		hold_flush(q->dev);
	if (atomic_load(&q->turn) != turn)
		return r;
	if (led)
		return queue_stand_back(q, w);
	*mine = queue_take(q);
	if (*mine)
		atomic_store(&q->owed, 0);
	return 0;
}

/* The alarms run before each read, so that a busy device holds none of them up. */
static void netdev_interrupt(struct netdev_queue *q, struct waiter *w)
{
	bool polls = q->fd >= 0;             /* there is something to read, yet */
	bool mine = !polls || queue_take(q); /* lo drains its queue under the word */
	uint64_t next;
	int r;

	q->tells_link = q == q->dev->queue && q->dev->link_fd >= 0;
	for (;;) {
		waiter_reset(w);
		next = env_thread_run_alarms(q->dev->stack->env, w);
		if (atomic_load(&q->stop))
			break;
		r = mine ? queue_serve(q, w, polls, next, &mine)
			 : queue_stand_by(q, w, next, &mine);
		if (r < 0) {
			queue_lost(q, r);
			polls = q->tells_link = false;
		}
	}
	if (mine && q->fd >= 0)
		queue_give(q);
}

static void queue_set_reader(struct netdev_queue *q, struct waiter *w)
{
	if (q == q->dev->queue)
		netdev_alarms_adopt(q->dev, w);
	else
		atomic_store(&q->reader, w);
}

/* By itself, before it runs anything; and by who makes it, so that whoever looks afterwards sees it. */
static void queue_set_name(const struct netdev_queue *q, pthread_t thread)
{
	unsigned i = (unsigned)(q - q->dev->queue);
	char name[24] = "netdev"; /* the kernel takes 15 bytes: queues are few */

	if (i > 0)
		snprintf(name, sizeof(name), "netdev/%u", i);
	pthread_setname_np(thread, name);
}

static void *netdev_thread(void *arg)
{
	struct netdev_queue *q = arg;
	struct waiter *w = &slot_get(q->dev->stack)->waiter;

	queue_set_name(q, pthread_self());
	queue_set_reader(q, w);
	netdev_interrupt(q, w);
	queue_set_reader(q, NULL);
	return NULL;
}

int netdev_threads_start(struct netdev *dev)
{
	sigset_t all, old;
	int err = 0;

	if (!dev->stack->env->threaded)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < dev->nqueue && err == 0; i++) {
		struct netdev_queue *q = &dev->queue[i];

		assert(!q->running);
		atomic_store(&q->stop, false);
		err = pthread_create(&q->thread, NULL, netdev_thread, q);
		q->running = err == 0;
		if (q->running)
			queue_set_name(q, q->thread);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		netdev_threads_stop(dev);
	return -err;
}

/* The thread stores its waiter before it looks at `stop`: a waiter not seen here has not slept. */
void netdev_threads_stop(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i], *mine;
		struct waiter *w;

		if (!q->running)
			continue;
		atomic_store(&q->stop, true);
		w = atomic_load(&q->reader);
		if (w)
			waiter_wake(dev->stack->env, w);
		pthread_join(q->thread, NULL);
		queue_evict(q);
		mine = q;
		atomic_compare_exchange_strong(&dev->stack->net->busy, &mine, NULL);
		q->running = false;
	}
}
