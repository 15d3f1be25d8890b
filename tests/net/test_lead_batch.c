/*
 * tests/net/test_lead_batch.c - what a leader reads at a time, and which part of the time that takes is its own: one
 * thread on a virtual clock, with a device whose frames the test makes.
 */
#include <errno.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "net/net_priv.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

#define SMALL 60u
#define JOINED 8000u /* as many segments in one */
#define READS 16
#define HANDLING                                                                                   \
	NSEC_PER_MSEC /* what a packet costs who carries it up: far too long for one that leads */

static struct {
	struct stack *stack;
	struct testdev *dev;
	struct netdev_ops dev_ops;
	struct env_ops env_ops;
	uint32_t bytes; /* of a frame */
	unsigned frames, packets;
	int most[READS]; /* what each read was allowed */
	unsigned reads;
} t;

/* As many frames as there are, and no more than a batch may have; joined ones are one packet. */
static int rx(struct netdev_queue *q, struct pkq *out, int max)
{
	unsigned n = t.frames < (unsigned)max ? t.frames : (unsigned)max;
	unsigned packets = t.bytes == JOINED ? 1 : n;

	if (n == 0)
		return -EAGAIN;
	ck_assert_uint_lt(t.reads, READS);
	t.most[t.reads++] = max;
	t.frames -= n;
	for (unsigned i = 0; i < packets; i++) {
		struct pkbuf *b = netstack_packet(t.stack, PKBUF_RX_HEAD, t.bytes, 0x45);

		b->l2 = b->head;
		pkq_add(out, b);
	}
	return (int)n;
}

/* The last packet wakes the thread; each takes its time. */
static void proto_in(struct pkbuf *b)
{
	pkbuf_free(b);
	env_lab_advance(t.stack->env, HANDLING);
	t.packets++;
	if (t.frames == 0)
		batch_wake(t.stack, &slot_get(t.stack)->waiter);
}

static const struct net_proto proto = {.type = 0x0800, .in = proto_in};

/* A descriptor is the device's: there is a frame. */
static int wait_for_frames(struct env *e, struct waiter *w, struct pollfd *fds, int n,
			   uint64_t deadline)
{
	if (n == 0 || t.frames == 0)
		return -ETIMEDOUT;
	fds[n - 1].revents = POLLIN;
	return 1;
}

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.stack = netstack_create(1);
	net_proto_register(t.stack, &proto);
	t.dev = testdev_create(t.stack, "test0", &raw_link, 0);
	t.dev_ops = *t.dev->dev->ops;
	t.dev_ops.rx = rx;
	t.dev->dev->ops = &t.dev_ops;
	atomic_store(&t.stack->net->busy, t.dev->dev->queue);
	t.env_ops = *t.stack->env->ops;
	t.env_ops.wait = wait_for_frames;
	t.stack->env->ops = &t.env_ops;
	t.stack->env->threaded = true;
	/* fast, but not so clearly that its waits are not measured */
	slot_get(t.stack)->rhythm = (struct rhythm){.left = env_now(t.stack->env), .busy = 40000};
}

static void teardown(void)
{
	t.stack->env->threaded = false;
	netstack_destroy(t.stack);
}

/* One wait, which ends with the last of these frames. */
static int wait_for(unsigned frames, uint32_t bytes)
{
	t.frames = frames;
	t.bytes = bytes;
	t.reads = t.packets = 0;
	waiter_reset(&slot_get(t.stack)->waiter);
	return netdev_wait(t.stack, NULL, 0, env_now(t.stack->env) + NSEC_PER_SEC);
}

static void expect_reads(const int *most, unsigned n)
{
	ck_assert_uint_eq(t.reads, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(t.most[i], most[i]);
}

/* --- how much ------------------------------------------------------------------------------------ */

START_TEST(test_after_a_sleep_one_then_twice_as_many_up_to_16)
{
	ck_assert_int_eq(wait_for(1 + 1 + 2 + 4 + 8 + 16 + 16, SMALL), 0);
	expect_reads((const int[]){1, 1, 2, 4, 8, 16, 16}, 7);
	ck_assert_uint_eq(t.packets, 48);
}
END_TEST

/* The next wait is by a fast thread whose spins have paid: it reads before it sleeps. */
static void look_first(void)
{
	slot_get(t.stack)->rhythm = (struct rhythm){.left = env_now(t.stack->env), .credit = 16};
}

/* Answers to questions; how many of the waits looked for a second frame. */
static unsigned wait_for_answers(unsigned n)
{
	unsigned looked = 0;

	for (unsigned i = 0; i < n; i++) {
		look_first();
		ck_assert_int_eq(wait_for(1, SMALL), 0);
		ck_assert_uint_eq(t.reads, 1);
		looked += t.most[0] > 1;
	}
	return looked;
}

/* A second one, and with it a read that finds nothing, is looked for ever more rarely, but no more than so. */
START_TEST(test_one_that_is_all_needs_one_read)
{
	unsigned looked = wait_for_answers(320);

	ck_assert_uint_gt(looked, 3);
	ck_assert_uint_lt(looked, 12);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(wait_for_answers(65), 1);
	look_first();
	wait_for(31, SMALL);
	expect_reads((const int[]){1, 2, 4, 8, 16}, 5);
}
END_TEST

/* Joined as they are: so the ACK of a batch is for 64. */
START_TEST(test_of_a_stream_up_to_64)
{
	ck_assert_int_eq(wait_for(1 + 1 + 2 + 4 + 8 + 16 + 32 + 64 + 64, JOINED), 0);
	expect_reads((const int[]){1, 1, 2, 4, 8, 16, 32, 64, 64}, 9);
	ck_assert_uint_eq(t.packets, 9);
}
END_TEST

/* Large frames that come one a wait are a stream, however often a small one was all. */
START_TEST(test_of_a_stream_more_behind_answers)
{
	wait_for_answers(200);
	for (unsigned n = 1; n <= 32; n *= 2) {
		look_first();
		wait_for(n, JOINED);
		expect_reads((const int[]){(int)n}, 1);
	}
}
END_TEST

START_TEST(test_behind_a_stream_16_again)
{
	ck_assert_int_eq(wait_for(1 + 1 + 2 + 4 + 8 + 16 + 32 + 64, JOINED), 0);
	ck_assert_int_eq(wait_for(64 + 16 + 3, SMALL), 0);
	expect_reads((const int[]){64, 16, 16}, 3);
}
END_TEST

/* Who serves others has no frame of its own to come to soon. */
START_TEST(test_one_that_serves_reads_16_after_a_sleep)
{
	netdev_wait_serves(t.stack);
	ck_assert_int_eq(wait_for(16 + 16 + 3, SMALL), 0);
	expect_reads((const int[]){16, 16, 16}, 3);
	ck_assert_int_eq(wait_for(16 + 32 + 64 + 64, JOINED), 0);
	expect_reads((const int[]){16, 32, 64, 64}, 4);
}
END_TEST

/* As often as makes the average. */
static void tell(int n)
{
	for (int i = 0; i < 20; i++)
		netdev_wait_told(t.stack, n);
}

/* Nor has who is told of several events at a time. */
START_TEST(test_one_told_of_several_reads_16_after_a_sleep)
{
	tell(4);
	ck_assert_int_eq(wait_for(16 + 16 + 3, SMALL), 0);
	expect_reads((const int[]){16, 16, 16}, 3);
	tell(1);
	t.dev->dev->queue->burst = 0;
	wait_for(1 + 1 + 2, SMALL);
	expect_reads((const int[]){1, 1, 2}, 3);
}
END_TEST

/* --- how long ------------------------------------------------------------------------------------ */

static uint64_t left(void)
{
	return slot_get(t.stack)->rhythm.left;
}

/* Nobody else reads here. */
static bool leads(void)
{
	wait_for(1, SMALL);
	return t.reads > 0;
}

/* An answer: from when it was read on the thread has what it asked for. */
START_TEST(test_one_small_frame_ended_the_wait_when_it_was_read)
{
	uint64_t began = env_now(t.stack->env);

	ck_assert_int_eq(wait_for(1, SMALL), 0);
	ck_assert_uint_eq(left(), began);
	ck_assert_uint_eq(env_now(t.stack->env), began + HANDLING);
	ck_assert(!leads());
}
END_TEST

/* Away for so long before each of n waits: how many of them were by the reader? */
static unsigned led_of(unsigned n, uint64_t away)
{
	unsigned led = 0;

	for (unsigned i = 0; i < n; i++) {
		env_lab_advance(t.stack->env, away);
		/* the time of two is the batch's own */
		led += wait_for(2, SMALL) == 0 && t.reads > 0;
	}
	return led;
}

/* Each seventh wait of who is clearly fast is measured, and so is each of who is not. */
START_TEST(test_one_clearly_fast_is_measured_now_and_then)
{
	struct rhythm *r = &slot_get(t.stack)->rhythm;

	r->busy = 0;
	ck_assert_uint_eq(led_of(1, 0), 1);
	ck_assert_uint_eq(r->sure, 6);
	ck_assert_uint_eq(led_of(6, NSEC_PER_MSEC), 6);
	ck_assert_uint_eq(r->busy, 0);
	ck_assert_uint_eq(r->sure, 0);
	ck_assert_uint_eq(led_of(1, NSEC_PER_MSEC), 0);
	ck_assert_uint_eq(r->busy, NSEC_PER_MSEC / 4);
	ck_assert_uint_eq(led_of(1, 40 * NSEC_PER_USEC), 0);
	ck_assert_uint_lt(r->busy, NSEC_PER_MSEC / 4);
	ck_assert_uint_eq(r->sure, 0);
}
END_TEST

/* A long pause before each eighth wait falls on one that is measured. */
START_TEST(test_a_pause_each_eighth_time_is_seen)
{
	unsigned led = 0;

	slot_get(t.stack)->rhythm.busy = 0;
	ck_assert_uint_eq(led_of(7, 0), 7);
	for (unsigned i = 0; i < 64; i += 8)
		led += led_of(1, 2 * NSEC_PER_MSEC) + led_of(7, 0);
	ck_assert_uint_lt(led, 64);
}
END_TEST

/* One that found its answer at the first look was never needed; one that a stream ended has been lost. */
START_TEST(test_spin_that_has_not_begun)
{
	struct rhythm *r = &slot_get(t.stack)->rhythm;

	look_first();
	r->credit = 3;
	ck_assert_int_eq(wait_for(1, SMALL), 0);
	ck_assert_uint_eq(t.reads, 1);
	ck_assert_uint_eq(r->credit, 5);
	look_first();
	r->credit = 3;
	ck_assert_int_eq(wait_for(1, JOINED), 0);
	ck_assert_uint_eq(t.reads, 1);
	ck_assert_uint_eq(r->credit, 2);
}
END_TEST

/* It waited for longer than a spin while others' frames were read, and then its own came: that was none in time. */
START_TEST(test_spin_begins_with_the_first_look)
{
	struct rhythm *r = &slot_get(t.stack)->rhythm;

	look_first();
	r->credit = 3;
	ck_assert_int_eq(wait_for(16, SMALL), 0); /* 1, 2, 4, 8, and its own */
	ck_assert_uint_eq(t.reads, 5);
	ck_assert_uint_eq(t.most[4], 16);
	ck_assert_uint_eq(r->credit, 0);
}
END_TEST

START_TEST(test_one_that_serves_leads_however_slow)
{
	netdev_wait_serves(t.stack);
	for (int i = 0; i < 20; i++) {
		ck_assert(leads());
		env_lab_advance(t.stack->env, 10 * NSEC_PER_MSEC);
	}
}
END_TEST

/* Is it still the reader after rounds in which it was told of n events and took this long? */
static bool leads_after(int n, uint64_t away)
{
	bool led = false;

	for (int i = 0; i < 30; i++) {
		netdev_wait_told(t.stack, n);
		env_lab_advance(t.stack->env, away);
		/* the time of two is the batch's own */
		led = wait_for(2, SMALL) == 0 && t.reads > 0;
	}
	return led;
}

START_TEST(test_one_told_of_many_may_take_as_many_times_as_long)
{
	ck_assert(leads_after(1, 40 * NSEC_PER_USEC));
	ck_assert(!leads_after(1, 150 * NSEC_PER_USEC));
	ck_assert(leads_after(16, 150 * NSEC_PER_USEC));
	ck_assert(!leads_after(16, 500 * NSEC_PER_USEC));
	ck_assert(leads_after(256, 500 * NSEC_PER_USEC));
	ck_assert(!leads_after(256, 700 * NSEC_PER_USEC));
	ck_assert(!leads_after(256, 100 * NSEC_PER_MSEC));
	ck_assert(leads_after(16, 150 * NSEC_PER_USEC));
}
END_TEST

/* A thread that sleeps hot is not to wait for so long: the netdev thread is called in between. */
START_TEST(test_one_told_of_several_calls_the_netdev_for_hot_sleepers)
{
	struct netdev_queue *q = t.dev->dev->queue;
	struct waiter reader = {.word = WAITER_IDLE};

	tell(4);
	atomic_store(&q->reader, &reader);
	ck_assert_int_eq(wait_for(2, SMALL), 0);
	ck_assert_uint_gt(t.reads, 0);
	ck_assert(!atomic_load(&q->called));
	atomic_store(&q->hot, 1);
	ck_assert_int_eq(wait_for(2, SMALL), 0);
	ck_assert_uint_gt(t.reads, 0);
	ck_assert(atomic_load(&q->called));
	atomic_store(&q->called, false);
	tell(1);
	ck_assert_int_eq(wait_for(2, SMALL), 0);
	ck_assert_uint_gt(t.reads, 0);
	ck_assert(!atomic_load(&q->called));
	atomic_store(&q->reader, NULL);
}
END_TEST

static void expect_own_time(unsigned frames, uint32_t bytes, unsigned packets)
{
	ck_assert_int_eq(wait_for(2 + frames, bytes), 0);
	ck_assert_uint_eq(t.packets, packets);
	ck_assert_uint_eq(left(), env_now(t.stack->env));
	ck_assert(leads());
}

/* What a batch takes, its copying and its ACKs, makes nobody slow. */
START_TEST(test_a_batch_is_no_slowness_of_its_reader)
{
	expect_own_time(2, SMALL, 4);
}
END_TEST

START_TEST(test_joined_segments_are_no_slowness_of_their_reader)
{
	expect_own_time(2, JOINED, 3);
}
END_TEST

START_TEST(test_one_large_frame_is_no_slowness_of_its_reader)
{
	ck_assert_int_eq(wait_for(1, JOINED), 0);
	ck_assert_uint_eq(left(), env_now(t.stack->env));
	ck_assert(leads());
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lead_batch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_after_a_sleep_one_then_twice_as_many_up_to_16);
	tcase_add_test(tc, test_one_that_is_all_needs_one_read);
	tcase_add_test(tc, test_of_a_stream_up_to_64);
	tcase_add_test(tc, test_of_a_stream_more_behind_answers);
	tcase_add_test(tc, test_behind_a_stream_16_again);
	tcase_add_test(tc, test_one_that_serves_reads_16_after_a_sleep);
	tcase_add_test(tc, test_one_told_of_several_reads_16_after_a_sleep);
	tcase_add_test(tc, test_one_that_serves_leads_however_slow);
	tcase_add_test(tc, test_one_clearly_fast_is_measured_now_and_then);
	tcase_add_test(tc, test_a_pause_each_eighth_time_is_seen);
	tcase_add_test(tc, test_spin_that_has_not_begun);
	tcase_add_test(tc, test_spin_begins_with_the_first_look);
	tcase_add_test(tc, test_one_told_of_many_may_take_as_many_times_as_long);
	tcase_add_test(tc, test_one_told_of_several_calls_the_netdev_for_hot_sleepers);
	tcase_add_test(tc, test_one_small_frame_ended_the_wait_when_it_was_read);
	tcase_add_test(tc, test_a_batch_is_no_slowness_of_its_reader);
	tcase_add_test(tc, test_joined_segments_are_no_slowness_of_their_reader);
	tcase_add_test(tc, test_one_large_frame_is_no_slowness_of_its_reader);
	return unit_run("lead_batch", tc);
}
