/*
 * tests/net/test_lead.c - who reads a queue: a fast thread while it waits, for all; the word goes to
 * who is owed it, back to the netdev thread when nobody comes, or who comes will not lead, and a leader is
 * called off at the end.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/slot.h"
#include "lib/stack.h"
#include "net/net_priv.h"
#include "net/netem.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

#define WAITERS 2

/* One thread that waits: with what, and how it ended. */
struct program {
	pthread_t thread;
	struct waiter *_Atomic waiter;
	bool fast;
	struct pollfd *fds;
	int nfds;
	uint64_t wait_ns;     /* 0: for ever */
	struct rhythm rhythm; /* as it comes to wait, and after that */
	int told;             /* 0, or of so many events, and sends a frame */
	bool held;            /* ... which was held back */
	int result;
};

static struct {
	struct stack *stack;
	struct netdev *dev;
	struct netdev_queue *q;
	int peer;
	sem_t arrived;
	pthread_t carrier;    /* of the last frame; written before the post */
	_Atomic bool endless; /* each frame that is read brings another */
	sem_t over;           /* a program's wait is */
	struct program program[WAITERS];
} t;

/* The last byte of a frame is the program it wakes; any other wakes none. */
static void proto_in(struct pkbuf *b)
{
	struct waiter *w;
	uint8_t i;

	pkbuf_read(b, b->len - 1, &i, 1);
	pkbuf_free(b);
	t.carrier = pthread_self();
	w = i < WAITERS ? atomic_load(&t.program[i].waiter) : NULL;
	if (w)
		batch_wake(t.stack, w);
	if (atomic_load(&t.endless))
		tappair_write(t.peer, WAITERS);
	sem_post(&t.arrived);
}

static const struct net_proto proto = {.type = 0x0800, .in = proto_in};

static void setup(void)
{
	t.stack = netstack_threads();
	net_proto_register(t.stack, &proto);
	t.dev = tappair_create(t.stack, 1, &t.peer);
	t.q = t.dev->queue;
	sem_init(&t.arrived, 0, 0);
	sem_init(&t.over, 0, 0);
	atomic_store(&t.endless, false);
}

static void teardown(void)
{
	netdev_threads_stop(t.dev);
	close(t.peer);
	netstack_destroy(t.stack);
}

/* Starts the netdev thread and lets it read once, so that there is a queue to be led. */
static void start(void)
{
	ck_assert_int_eq(netdev_threads_start(t.dev), 0);
	tappair_write(t.peer, WAITERS);
	await(&t.arrived);
	while (atomic_load(&t.stack->net->busy) != t.q)
		sched_yield();
}

static void program_answer(struct program *p)
{
	struct batch batch;

	netdev_wait_told(t.stack, p->told);
	batch_begin(&batch, t.stack);
	netdev_tx(t.dev, netstack_packet(t.stack, PKBUF_RX_HEAD, 60, 0x45));
	p->held = atomic_load(&t.dev->hold.count) > 0;
	batch_end(&batch);
}

static void *program_run(void *arg)
{
	struct program *p = arg;
	struct slot *s = slot_get(t.stack);
	uint64_t now = env_now(t.stack->env);

	waiter_reset(&s->waiter);
	s->rhythm = p->rhythm;
	s->rhythm.left = p->fast ? now : 0;
	atomic_store(&p->waiter, &s->waiter);
	p->result =
	    netdev_wait(t.stack, p->fds, p->nfds, p->wait_ns ? now + p->wait_ns : ENV_NEVER);
	sem_post(&t.over);
	p->rhythm = s->rhythm;
	if (p->told)
		program_answer(p);
	return NULL;
}

static struct program *program_start(int i, bool fast)
{
	struct program *p = &t.program[i];

	p->fast = fast;
	ck_assert_int_eq(pthread_create(&p->thread, NULL, program_run, p), 0);
	return p;
}

static int program_end(struct program *p)
{
	pthread_join(p->thread, NULL);
	return p->result;
}

static struct waiter *await_sleep(struct program *p, enum waiter_word word)
{
	struct waiter *w;

	while (!(w = atomic_load(&p->waiter)) || atomic_load(&w->word) != word)
		sched_yield();
	return w;
}

/*
 * As after a frame that woke a hot sleeper: the netdev thread lets the word go and stands by.  It may have
 * taken it again by now, if this thread was held up; one that takes a vacant word forgets who is owed it.
 */
static void netdev_lets_go(void)
{
	uint32_t turn = atomic_load(&t.q->turn);

	do {
		atomic_store(&t.q->owed, 1);
		tappair_write(t.peer, WAITERS);
		await(&t.arrived);
		while (atomic_load(&t.q->turn) == turn && atomic_load(&t.q->owed))
			sched_yield();
	} while (atomic_load(&t.q->turn) == turn);
	atomic_store(&t.q->owed, 0);
}

/* A program that has the word: the netdev thread may take it first, then it is let go again. */
static struct program *leader_start(int i)
{
	struct program *p = &t.program[i];

	for (;;) {
		netdev_lets_go();
		program_start(i, true);
		while (!atomic_load(&p->waiter))
			sched_yield();
		while (atomic_load(&p->waiter->word) == WAITER_IDLE)
			sched_yield();
		if (atomic_load(&t.q->leader) == p->waiter &&
		    atomic_load(&p->waiter->word) == WAITER_POLLING)
			return p;
		waiter_wake(t.stack->env, p->waiter);
		program_end(p);
		atomic_store(&p->waiter, NULL);
	}
}

START_TEST(test_lead_fast_thread_reads_for_itself)
{
	struct program *p;

	start();
	p = leader_start(0);
	tappair_write(t.peer, 0);
	await(&t.arrived);
	ck_assert_int_eq(program_end(p), 0);
	ck_assert(pthread_equal(t.carrier, p->thread));
}
END_TEST

/* Others' frames come faster than they are read: each wait has its time all the same. */
START_TEST(test_lead_time_is_over_while_frames_come)
{
	struct pollfd none = {.fd = -1, .events = POLLIN};
	struct program *p = &t.program[0];
	struct timespec late;
	bool over;

	p->wait_ns = 50 * NSEC_PER_MSEC;
	p->fds = _i ? &none : NULL;
	p->nfds = _i;
	start();
	do {
		atomic_store(&t.endless, false);
		netdev_lets_go();
		atomic_store(&t.endless, true);
		atomic_store(&p->waiter, NULL);
		program_start(0, true);
		while (!atomic_load(&p->waiter))
			sched_yield();
		tappair_write(t.peer, WAITERS);
		clock_gettime(CLOCK_REALTIME, &late);
		late.tv_sec += 5;
		over = sem_timedwait(&t.over, &late) == 0;
		atomic_store(&t.endless, false);
		ck_assert_int_eq(program_end(p), -ETIMEDOUT);
		ck_assert(over);
	} while (atomic_load(&t.q->leader) != p->waiter);
}
END_TEST

/* No further one of the process from here on. */
static void descriptors_end(void)
{
	struct rlimit lim;
	int next = dup(t.peer);

	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = (rlim_t)next;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

/* Its first wait wants an eventfd to lead with: without one it waits as any other. */
START_TEST(test_lead_is_left_to_others_without_a_descriptor)
{
	struct program *p = &t.program[0];

	start();
	while (atomic_load(&atomic_load(&t.q->reader)->efd) < 0)
		sched_yield();
	descriptors_end();
	for (int i = 0; i < 20; i++) {
		netdev_lets_go();
		program_start(0, true);
		while (!atomic_load(&p->waiter))
			sched_yield();
		tappair_write(t.peer, 0);
		await(&t.arrived);
		ck_assert_int_eq(program_end(p), 0);
		atomic_store(&p->waiter, NULL);
	}
}
END_TEST

START_TEST(test_lead_reads_for_others_until_its_own_comes)
{
	struct program *p;

	start();
	p = leader_start(0);
	for (int i = 0; i < 100; i++) {
		tappair_write(t.peer, WAITERS);
		await(&t.arrived);
		ck_assert(pthread_equal(t.carrier, p->thread));
	}
	tappair_write(t.peer, 0);
	await(&t.arrived);
	ck_assert_int_eq(program_end(p), 0);
}
END_TEST

static void check_not_leading(void)
{
	struct program *p = &t.program[0];

	await_sleep(p, WAITER_WAITING);
	tappair_write(t.peer, 0);
	await(&t.arrived);
	ck_assert_int_eq(program_end(p), 0);
	ck_assert(!pthread_equal(t.carrier, p->thread));
}

START_TEST(test_lead_slow_thread_sleeps)
{
	start();
	netdev_lets_go();
	program_start(0, false);
	check_not_leading();
}
END_TEST

START_TEST(test_lead_not_while_the_setting_is_off)
{
	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.lead", 0), 0);
	start();
	netdev_lets_go();
	program_start(0, true);
	check_not_leading();
}
END_TEST

/* A second one sleeps, hot; the leader wakes it and stands down, and it is counted until it is back. */
START_TEST(test_lead_word_goes_to_who_was_woken)
{
	struct program *p, *other;
	struct waiter *w;

	start();
	p = leader_start(0);
	other = program_start(1, true);
	w = await_sleep(other, WAITER_WAITING);
	ck_assert(atomic_load(&w->hot));
	atomic_store(&t.q->owed, 0);
	tappair_write(t.peer, 1);
	await(&t.arrived);
	ck_assert(pthread_equal(t.carrier, p->thread));
	ck_assert_int_eq(program_end(other), 0);
	await_sleep(p, WAITER_WAITING); /* it stood down, and sleeps hot itself */
	ck_assert(atomic_load(&p->waiter->hot));
	tappair_write(t.peer, 0);
	await(&t.arrived);
	ck_assert_int_eq(program_end(p), 0);
	ck_assert(!pthread_equal(t.carrier, p->thread));
}
END_TEST

/* Who was woken to lead ends instead: the netdev thread takes the queue, and the debt is forgotten. */
START_TEST(test_lead_netdev_takes_over_when_nobody_comes)
{
	start();
	netdev_lets_go();
	atomic_store(&t.q->owed, 1);
	tappair_write(t.peer, WAITERS);
	await(&t.arrived);
	ck_assert(pthread_equal(t.carrier, t.q->thread));
	while (atomic_load(&t.q->owed)) /* it may have been read before the word was let go */
		sched_yield();
}
END_TEST

/* A wait of its own end, by a thread too slow to lead. */
static void slow_wait(void)
{
	struct program *p = &t.program[0];

	p->wait_ns = 1;
	ck_assert_int_eq(program_end(program_start(0, false)), -ETIMEDOUT);
}

/* Who will not lead calls the netdev thread to a vacant queue; not where somebody reads, or will. */
START_TEST(test_lead_slow_thread_calls_the_netdev)
{
	struct waiter *w = &slot_get(t.stack)->waiter;

	atomic_store(&t.stack->net->busy, t.q);
	atomic_store(&t.q->reader, w);
	waiter_reset(w);
	ck_assert(queue_take(t.q));
	slow_wait();
	ck_assert(!waiter_is_woken(w));
	queue_give(t.q);
	atomic_store(&t.q->owed, 1);
	slow_wait();
	ck_assert(!waiter_is_woken(w));
	atomic_store(&t.q->owed, 0);
	slow_wait();
	ck_assert(waiter_is_woken(w));
	ck_assert(atomic_load(&t.q->called));
	waiter_reset(w);
	slow_wait();
	ck_assert(!waiter_is_woken(w)); /* called once */
	atomic_store(&t.q->called, false);
	atomic_store(&t.q->reader, NULL);
}
END_TEST

/* Called it takes the queue at once: by itself it would have forgotten the debt, here below nothing. */
START_TEST(test_lead_netdev_comes_when_called)
{
	int owed = 0;

	start();
	for (int i = 0; i < 1000 && owed == 0; i++) {
		netdev_lets_go();
		atomic_store(&t.q->owed, -1);
		program_start(0, false);
		tappair_write(t.peer, WAITERS);
		await(&t.arrived);
		owed = atomic_load(&t.q->owed);
		waiter_wake(t.stack->env, await_sleep(&t.program[0], WAITER_WAITING));
		program_end(&t.program[0]);
		atomic_store(&t.program[0].waiter, NULL);
	}
	ck_assert_int_eq(owed, -1);
}
END_TEST

START_TEST(test_lead_stop_calls_the_leader_off)
{
	struct program *p;

	start();
	p = leader_start(0);
	netdev_threads_stop(t.dev);
	ck_assert_int_eq(program_end(p), 0);
	ck_assert_uint_eq(atomic_load(&t.q->word), QUEUE_VACANT);
	atomic_store(&p->waiter, NULL);
	start();
}
END_TEST

START_TEST(test_lead_ends_in_time)
{
	struct program *p = &t.program[0];

	p->wait_ns = 20 * NSEC_PER_MSEC;
	start();
	netdev_lets_go();
	program_start(0, true);
	ck_assert_int_eq(program_end(p), -ETIMEDOUT);
}
END_TEST

/* A wait in which nothing comes, until one has led through it. */
static struct rhythm rhythm_after(struct rhythm r)
{
	struct program *p = &t.program[0];

	p->wait_ns = NSEC_PER_MSEC;
	do {
		p->rhythm = r;
		atomic_store(&t.q->leader, NULL);
		netdev_lets_go();
		program_start(0, true);
		program_end(p);
	} while (atomic_load(&t.q->leader) != atomic_load(&p->waiter));
	return p->rhythm;
}

/* It costs credit; without any a spin is tried ever more rarely. */
START_TEST(test_lead_spin_that_does_not_pay)
{
	struct rhythm r;

	start();
	r = rhythm_after((struct rhythm){.credit = 3});
	ck_assert_uint_lt(r.credit, 3);
	ck_assert_uint_eq(r.retry, 64);
	r = rhythm_after((struct rhythm){.retry = 64, .skipped = 63});
	ck_assert_uint_eq(r.credit, 0);
	ck_assert_uint_eq(r.skipped, 0);
	ck_assert_uint_eq(r.retry, 128);
	r = rhythm_after(r);
	ck_assert_uint_eq(r.skipped, 1);
	ck_assert_uint_eq(r.retry, 128);
}
END_TEST

static void take_frame(void)
{
	uint8_t f[256];

	while (read(t.peer, f, sizeof(f)) < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		sched_yield();
	}
}

/* One held up itself may find the netdev thread reading, and holds nothing; one that held never comes again. */
START_TEST(test_lead_netdev_writes_what_was_held)
{
	struct program *p = &t.program[0];

	start();
	do {
		p->told = 0;
		leader_start(0);
		p->told = 8;
		tappair_write(t.peer, 0);
		await(&t.arrived);
		ck_assert_int_eq(program_end(p), 0);
		atomic_store(&p->waiter, NULL);
		take_frame();
	} while (!p->held);
	ck_assert_uint_eq(atomic_load(&t.dev->hold.count), 0);
}
END_TEST

START_TEST(test_lead_sees_its_own_descriptors)
{
	struct pollfd f = {.events = POLLIN};
	struct program *p = &t.program[0];
	int pipefd[2];

	ck_assert_int_eq(pipe(pipefd), 0);
	f.fd = pipefd[0];
	p->fds = &f;
	p->nfds = 1;
	start();
	leader_start(0);
	tappair_write(t.peer, WAITERS);
	await(&t.arrived);
	ck_assert_int_eq(write(pipefd[1], "x", 1), 1);
	ck_assert_int_eq(program_end(p), 1);
	ck_assert_int_eq(f.revents, POLLIN);
	close(pipefd[0]);
	close(pipefd[1]);
}
END_TEST

/* While a leader sleeps and the netdev thread with it, an alarm that is set wakes the latter. */
START_TEST(test_lead_alarm_wakes_who_stands_by)
{
	const struct netem_config slow = {.delay = NSEC_PER_MSEC};
	struct program *p;

	ck_assert_int_eq(netem_set(t.dev, NETEM_IN, &slow), 0);
	start();
	p = leader_start(0);
	for (int i = 0; i < 3; i++) {
		while (!atomic_load(&t.q->standby) ||
		       atomic_load(&atomic_load(&t.q->reader)->word) != WAITER_WAITING)
			sched_yield();
		tappair_write(t.peer, i < 2 ? WAITERS : 0);
		await(&t.arrived);
		ck_assert(pthread_equal(t.carrier, t.q->thread));
	}
	ck_assert_int_eq(program_end(p), 0);
}
END_TEST

/* The leader of a lost device sleeps like any other; the netdev thread takes the device down. */
START_TEST(test_lead_lost_device)
{
	struct program *p;

	start();
	p = leader_start(0);
	ck_assert_int_eq(shutdown(t.peer, SHUT_RDWR), 0);
	await_sleep(p, WAITER_WAITING);
	while (atomic_load(&t.dev->flags) & NETDEV_UP)
		sched_yield();
	waiter_wake(t.stack->env, p->waiter);
	ck_assert_int_eq(program_end(p), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lead");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lead_fast_thread_reads_for_itself);
	tcase_add_loop_test(tc, test_lead_time_is_over_while_frames_come, 0, 2);
	tcase_add_test(tc, test_lead_is_left_to_others_without_a_descriptor);
	tcase_add_test(tc, test_lead_reads_for_others_until_its_own_comes);
	tcase_add_test(tc, test_lead_slow_thread_sleeps);
	tcase_add_test(tc, test_lead_not_while_the_setting_is_off);
	tcase_add_test(tc, test_lead_word_goes_to_who_was_woken);
	tcase_add_test(tc, test_lead_netdev_takes_over_when_nobody_comes);
	tcase_add_test(tc, test_lead_slow_thread_calls_the_netdev);
	tcase_add_test(tc, test_lead_netdev_comes_when_called);
	tcase_add_test(tc, test_lead_stop_calls_the_leader_off);
	tcase_add_test(tc, test_lead_ends_in_time);
	tcase_add_test(tc, test_lead_spin_that_does_not_pay);
	tcase_add_test(tc, test_lead_netdev_writes_what_was_held);
	tcase_add_test(tc, test_lead_sees_its_own_descriptors);
	tcase_add_test(tc, test_lead_alarm_wakes_who_stands_by);
	tcase_add_test(tc, test_lead_lost_device);
	return unit_run("lead", tc);
}
