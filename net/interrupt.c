/*
 * net/interrupt.c - device interrupts: the netdev threads, one a queue, and the word that says who
 * reads a queue.
 *
 * A thread reads a batch and carries each packet up to its socket, reads again, and sleeps only
 * when there is nothing: in ppoll on the queue's descriptor, or on its waiter alone where the queue
 * has none.  The thread of queue 0 runs the alarms of its device (loop's rest, netem) in between.
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

/* Whoever found the queue led sleeps until its word is given back: the netdev thread only. */
static void queue_vacate(struct netdev_queue *q)
{
	struct stack *st = q->dev->stack;
	struct waiter *w;

	atomic_store(&q->word, QUEUE_VACANT);
	w = atomic_load(&q->reader);
	if (w && w != &slot_get(st)->waiter)
		waiter_wake(st->env, w);
}

int netdev_poll(struct netdev_queue *q, int max)
{
	uint32_t vacant = QUEUE_VACANT;
	struct netdev *dev = q->dev;
	struct batch batch;
	struct pkq frames;
	struct pkbuf *b;
	uint64_t now;
	int n;

	if (!dev->ops->rx)
		return -EAGAIN;
	if (!atomic_compare_exchange_strong(&q->word, &vacant, QUEUE_LED))
		return -EBUSY;
	pkq_init(&frames);
	batch_begin(&batch, dev->stack);
	n = dev->ops->rx(q, &frames, max);
	now = frames.count ? env_now(dev->stack->env) : 0;
	while ((b = pkq_take(&frames))) {
		b->stamp = now;
		netdev_rx(dev, b);
	}
	batch_end(&batch);
	queue_vacate(q);
	return n;
}

int netdev_wait(struct stack *st, struct waiter *w, struct pollfd *fds, int n, uint64_t deadline)
{
	return env_wait(st->env, w, fds, n, deadline);
}

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
	struct batch batch;

	debug(dev->stack, DEBUG_DEV, "%s: lost: %s", dev->name, strerrordesc_np(-err));
	batch_begin(&batch, dev->stack);
	netdev_down(dev);
	if (!atomic_exchange(&dev->lost, true))
		netdev_notify(dev, NETDEV_EV_LOST, NULL);
	batch_end(&batch);
}

/* The alarms run before each read, so that a busy device holds none of them up. */
static void netdev_interrupt(struct netdev_queue *q, struct waiter *w)
{
	bool silent = q->fd < 0; /* nothing to read, or no more */
	uint64_t next;
	int n;

	q->tells_link = q == q->dev->queue && q->dev->link_fd >= 0;
	for (;;) {
		waiter_reset(w);
		next = env_thread_run_alarms(q->dev->stack->env, w);
		if (atomic_load(&q->stop))
			return;
		n = silent ? -EAGAIN : netdev_poll(q, NETDEV_BATCH);
		if (n > 0)
			continue;
		if (n == -EAGAIN || n == -EBUSY)
			n = queue_sleep(q, w, n == -EAGAIN && !silent, next);
		if (n < 0) {
			queue_lost(q, n);
			silent = true;
			q->tells_link = false;
		}
	}
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
		struct netdev_queue *q = &dev->queue[i];
		struct waiter *w;

		if (!q->running)
			continue;
		atomic_store(&q->stop, true);
		w = atomic_load(&q->reader);
		if (w)
			waiter_wake(dev->stack->env, w);
		pthread_join(q->thread, NULL);
		q->running = false;
	}
}
