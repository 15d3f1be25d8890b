/*
 * tests/net/test_interrupt.c - the netdev threads: frames arrive, alarms run, idle threads sleep
 * untimed, a lost device ends the reading, stop joins, and the word has one holder.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stack.h"
#include "lib/wire/vnet.h"
#include "net/net_priv.h"
#include "net/tap.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

#define QUEUES 2

static struct {
	struct stack *stack;
	struct netdev *dev;
	int peer[QUEUES];
	sem_t arrived, fired, went_down;
	_Atomic unsigned frames;
	_Atomic int lost;
	char name[QUEUES]
		 [16];     /* of the thread that carried queue i's frame; written before the post */
	pthread_t alarmed; /* the thread that ran the alarm; written before the post */
	sigset_t blocked;
} t;

/* The last byte of a frame is the queue it was written to. */
static void proto_in(struct pkbuf *b)
{
	uint8_t i;

	pkbuf_read(b, b->len - 1, &i, 1);
	pthread_getname_np(pthread_self(), t.name[i], sizeof(t.name[i]));
	pthread_sigmask(SIG_SETMASK, NULL, &t.blocked);
	atomic_fetch_add(&t.frames, 1);
	pkbuf_free(b);
	sem_post(&t.arrived);
}

static const struct net_proto proto = {.type = 0x0800, .in = proto_in};

static int on_event(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	if (ev == NETDEV_EV_DOWN)
		sem_post(&t.went_down);
	if (ev == NETDEV_EV_LOST)
		atomic_fetch_add(&t.lost, 1);
	return 0;
}

static void setup(void)
{
	t.stack = netstack_threads();
	net_proto_register(t.stack, &proto);
	netdev_notify_register(t.stack, on_event);
	t.dev = tappair_create(t.stack, QUEUES, t.peer);
	sem_init(&t.arrived, 0, 0);
	sem_init(&t.fired, 0, 0);
	sem_init(&t.went_down, 0, 0);
}

static void start(void)
{
	ck_assert_int_eq(netdev_threads_start(t.dev), 0);
}

static void teardown(void)
{
	netdev_threads_stop(t.dev);
	for (int i = 0; i < QUEUES; i++)
		close(t.peer[i]);
	netstack_destroy(t.stack);
}

static void peer_write(int queue)
{
	tappair_write(t.peer[queue], (uint8_t)queue);
}

/* Until the queue's thread sleeps in the way `word`. */
static struct waiter *await_sleep(struct netdev_queue *q, enum waiter_word word)
{
	struct waiter *w;

	while (!(w = atomic_load(&q->reader)) || atomic_load(&w->word) != word)
		sched_yield();
	return w;
}

START_TEST(test_interrupt_frames_arrive)
{
	start();
	for (int i = 0; i < 1000; i++)
		peer_write(0);
	for (int i = 0; i < 1000; i++)
		await(&t.arrived);
	while (netdev_traffic(t.dev, NETDEV_RX_PACKETS) <
	       1000) /* the last batch's are, before it wakes anybody */
		sched_yield();
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_PACKETS), 1000);
}
END_TEST

START_TEST(test_interrupt_queues_have_named_threads)
{
	start();
	for (int i = 0; i < QUEUES; i++) {
		peer_write(i);
		await(&t.arrived);
	}
	ck_assert_str_eq(t.name[0], "netdev");
	ck_assert_str_eq(t.name[1], "netdev/1");
}
END_TEST

START_TEST(test_interrupt_threads_block_signals)
{
	sigset_t mine, before;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	start();
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	ck_assert_int_eq(sigismember(&mine, SIGTERM), sigismember(&before, SIGTERM));
	peer_write(0);
	await(&t.arrived);
	ck_assert(sigismember(&t.blocked, SIGTERM) && sigismember(&t.blocked, SIGPIPE));
}
END_TEST

/* No deadline, no timer: nothing wakes the thread of an idle device. */
START_TEST(test_interrupt_idle_sleeps_untimed)
{
	struct waiter *w;

	start();
	w = await_sleep(&t.dev->queue[0], WAITER_POLLING);
	ck_assert_uint_eq(atomic_load(&w->until), ENV_NEVER);
	peer_write(0);
	await(&t.arrived);
	await_sleep(&t.dev->queue[0], WAITER_POLLING);
	ck_assert_uint_eq(atomic_load(&w->until), ENV_NEVER);
}
END_TEST

START_TEST(test_interrupt_stop_wakes_and_joins)
{
	start();
	await_sleep(&t.dev->queue[0], WAITER_POLLING);
	await_sleep(&t.dev->queue[1], WAITER_POLLING);
	netdev_threads_stop(t.dev);
	ck_assert(!t.dev->queue[0].running && !t.dev->queue[1].running);
	ck_assert_ptr_null(atomic_load(&t.dev->queue[0].reader));
	netdev_threads_stop(t.dev); /* there is nothing more to stop */
	start();
	peer_write(0);
	await(&t.arrived);
}
END_TEST

START_TEST(test_interrupt_stop_right_after_start)
{
	for (int i = 0; i < 50; i++) {
		start();
		netdev_threads_stop(t.dev);
	}
	ck_assert_uint_eq(atomic_load(&t.frames), 0);
}
END_TEST

static void on_alarm(void *arg)
{
	t.alarmed = pthread_self();
	sem_post(&t.fired);
}

static void check_alarm(struct netdev *dev, bool started)
{
	struct netdev_alarm a;

	netdev_alarm_add(dev, &a, on_alarm, NULL);
	env_alarm(t.stack->env, &a.alarm, env_now(t.stack->env) + NSEC_PER_MSEC);
	if (!started)
		ck_assert_int_eq(netdev_threads_start(dev), 0);
	await(&t.fired);
	ck_assert(pthread_equal(t.alarmed, dev->queue[0].thread));
	netdev_alarm_del(dev, &a);
}

START_TEST(test_interrupt_runs_alarms_of_its_device)
{
	start();
	await_sleep(&t.dev->queue[0], WAITER_POLLING);
	check_alarm(t.dev, true);
}
END_TEST

/* One set before there is a thread is not lost. */
START_TEST(test_interrupt_runs_alarm_set_before_start)
{
	check_alarm(t.dev, false);
}
END_TEST

START_TEST(test_interrupt_lo_only_runs_alarms)
{
	struct netdev *lo;

	ck_assert_int_eq(loop_create(t.stack, &lo), 0);
	ck_assert_int_eq(netdev_threads_start(lo), 0);
	await_sleep(&lo->queue[0], WAITER_WAITING);
	check_alarm(lo, true);
	netdev_threads_stop(lo);
}
END_TEST

/* Both threads find their end closed: the device goes down once, and they sleep instead of polling. */
START_TEST(test_interrupt_lost_device_goes_down)
{
	start();
	peer_write(0);
	await(&t.arrived);
	for (int i = 0; i < QUEUES; i++)
		ck_assert_int_eq(shutdown(t.peer[i], SHUT_RDWR), 0);
	await(&t.went_down);
	ck_assert(!(t.dev->flags & NETDEV_UP));
	for (int i = 0; i < QUEUES; i++)
		await_sleep(&t.dev->queue[i], WAITER_WAITING);
	ck_assert_int_eq(sem_trywait(&t.went_down), -1);
	ck_assert_int_eq(atomic_load(&t.lost), 1);
}
END_TEST

/* Reads what was written and answers with it. */
static int on_link(struct netdev *dev)
{
	int answer = 0;

	ck_assert_int_eq(read(dev->link_fd, &answer, sizeof(answer)), sizeof(answer));
	sem_post(&t.fired);
	return answer;
}

/* News of the link are read beside frames, and may be that the device is lost. */
START_TEST(test_interrupt_link_news_are_read)
{
	static struct netdev_ops with_link; /* until the stack's end */
	int fd[2], fine = 0, gone = -ENODEV;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	with_link = *t.dev->ops;
	with_link.link = on_link;
	t.dev->ops = &with_link;
	t.dev->link_fd = fd[0];
	start();
	ck_assert_int_eq(write(fd[1], &fine, sizeof(fine)), sizeof(fine));
	await(&t.fired);
	peer_write(0);
	await(&t.arrived);
	ck_assert_int_eq(atomic_load(&t.lost), 0);
	ck_assert_int_eq(write(fd[1], &gone, sizeof(gone)), sizeof(gone));
	await(&t.went_down);
	await_sleep(&t.dev->queue[0], WAITER_WAITING);
	ck_assert_int_eq(write(fd[1], &gone, sizeof(gone)),
			 sizeof(gone)); /* nobody looks any more */
	ck_assert_int_eq(atomic_load(&t.lost), 1);
	netdev_threads_stop(t.dev);
	ck_assert_int_eq(atomic_load(&t.lost), 1);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

/* --- the word --------------------------------------------------------------------------------- */

START_TEST(test_netdev_poll_reads_without_a_thread)
{
	peer_write(0);
	peer_write(0);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 64), 2);
	ck_assert_uint_eq(atomic_load(&t.frames), 2);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 64), -EAGAIN);
	ck_assert_uint_eq(atomic_load(&t.dev->queue[0].word), QUEUE_VACANT);
}
END_TEST

START_TEST(test_netdev_poll_led_queue_is_busy)
{
	atomic_store(&t.dev->queue[0].word, QUEUE_LED);
	peer_write(0);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 64), -EBUSY);
	ck_assert_uint_eq(atomic_load(&t.frames), 0);
	atomic_store(&t.dev->queue[0].word, QUEUE_VACANT);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 64), 1);
}
END_TEST

START_TEST(test_netdev_poll_lo_has_nothing)
{
	struct netdev *lo;

	ck_assert_int_eq(loop_create(t.stack, &lo), 0);
	ck_assert_int_eq(netdev_poll(&lo->queue[0], 64), -EAGAIN);
}
END_TEST

/* The thread sleeps while another leads, however many frames wait, and reads on when that has gone. */
START_TEST(test_interrupt_sleeps_while_another_leads)
{
	struct netdev_queue *q = &t.dev->queue[0];

	ck_assert(queue_take(q));
	peer_write(0);
	start();
	await_sleep(q, WAITER_WAITING);
	ck_assert_uint_eq(atomic_load(&t.frames), 0);
	ck_assert_int_eq(queue_read(q, 64), 1);
	await(&t.arrived);
	peer_write(0);
	queue_give(q);
	await(&t.arrived);
	await_sleep(q, WAITER_POLLING);
}
END_TEST

/* Readers that compete: each frame is carried up once. */
START_TEST(test_interrupt_competing_readers_lose_nothing)
{
	start();
	for (int i = 0; i < 200; i++) {
		peer_write(0);
		peer_write(0);
		ck_assert_int_le(netdev_poll(&t.dev->queue[0], 1), 1);
	}
	for (int i = 0; i < 400; i++)
		await(&t.arrived);
	ck_assert_uint_eq(atomic_load(&t.frames), 400);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("interrupt");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_interrupt_frames_arrive);
	tcase_add_test(tc, test_interrupt_queues_have_named_threads);
	tcase_add_test(tc, test_interrupt_threads_block_signals);
	tcase_add_test(tc, test_interrupt_idle_sleeps_untimed);
	tcase_add_test(tc, test_interrupt_stop_wakes_and_joins);
	tcase_add_test(tc, test_interrupt_stop_right_after_start);
	tcase_add_test(tc, test_interrupt_runs_alarms_of_its_device);
	tcase_add_test(tc, test_interrupt_runs_alarm_set_before_start);
	tcase_add_test(tc, test_interrupt_lo_only_runs_alarms);
	tcase_add_test(tc, test_interrupt_lost_device_goes_down);
	tcase_add_test(tc, test_interrupt_link_news_are_read);
	tcase_add_test(tc, test_netdev_poll_reads_without_a_thread);
	tcase_add_test(tc, test_netdev_poll_led_queue_is_busy);
	tcase_add_test(tc, test_netdev_poll_lo_has_nothing);
	tcase_add_test(tc, test_interrupt_sleeps_while_another_leads);
	tcase_add_test(tc, test_interrupt_competing_readers_lose_nothing);
	return unit_run("interrupt", tc);
}
