/*
 * tests/ip/test_hook.c - the five points: which a packet passes, in which order, and what a verdict
 * does.
 */
#include <errno.h>

#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static struct testdev *other;

static char seen[64]; /* the points passed, a letter each */
static unsigned nseen;

struct probe {
	struct hook hook;
	char letter;
	enum hook_verdict verdict;
	struct netdev *in, *out; /* what it was told */
	struct pkbuf *stolen;
};

static enum hook_verdict probe_fn(struct hook *h, struct pkbuf *b, const struct hook_io *io)
{
	struct probe *p = h->arg;

	ck_assert_uint_eq(b->head, b->l3);
	seen[nseen++] = p->letter;
	seen[nseen] = '\0';
	p->in = io->in;
	p->out = io->out;
	if (p->verdict == HOOK_STOLEN)
		p->stolen = b;
	return p->verdict;
}

static struct probe probes[8];

static struct probe *probe_at(enum hook_point at, char letter, int priority)
{
	static unsigned n;
	struct probe *p = &probes[n++ % 8];

	*p = (struct probe){.letter = letter, .verdict = HOOK_ACCEPT};
	p->hook = (struct hook){.priority = priority, .fn = probe_fn, .arg = p};
	hook_register(l.st, at, &p->hook);
	return p;
}

static void setup(void)
{
	ip_lab_open(&l);
	other = ip_lab_device(&l, "test1", "10.1.0.1/24");
	nseen = 0;
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static void probe_all(void)
{
	probe_at(HOOK_PRE_ROUTING, 'p', 0);
	probe_at(HOOK_LOCAL_IN, 'i', 0);
	probe_at(HOOK_FORWARD, 'f', 0);
	probe_at(HOOK_LOCAL_OUT, 'o', 0);
	probe_at(HOOK_POST_ROUTING, 't', 0);
}

static void rx(const char *dst)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = dst, .n = 8};

	ip_lab_rx_ip(&l, l.eth, &p);
}

static int send_one(void)
{
	struct ip_flow f = {.dst = ip_of("10.0.0.2"), .proto = IP_LAB_PROTO};

	return ip_lab_out(&l, &f, "x", 1);
}

START_TEST(test_ways_pass_their_points)
{
	probe_all();
	rx("10.0.0.1");
	ck_assert_str_eq(seen, "pi");
	nseen = 0;
	rx("10.1.0.2");
	ck_assert_str_eq(seen, "pft");
	nseen = 0;
	ck_assert_int_eq(send_one(), 0);
	ck_assert_str_eq(seen, "ot");
}
END_TEST

START_TEST(test_order_is_by_priority_then_age)
{
	probe_at(HOOK_PRE_ROUTING, 'c', 5);
	probe_at(HOOK_PRE_ROUTING, 'a', -5);
	probe_at(HOOK_PRE_ROUTING, 'd', 5);
	probe_at(HOOK_PRE_ROUTING, 'b', 0);
	rx("10.0.0.1");
	ck_assert_str_eq(seen, "abcd");
}
END_TEST

START_TEST(test_drop_ends_round_and_packet)
{
	static const enum hook_point points[] = {HOOK_PRE_ROUTING, HOOK_LOCAL_IN, HOOK_FORWARD,
						 HOOK_LOCAL_OUT, HOOK_POST_ROUTING};
	enum hook_point at = points[_i];
	struct probe *p = probe_at(at, 'x', 0);

	probe_at(at, 'y', 1);
	p->verdict = HOOK_DROP;
	if (at == HOOK_LOCAL_OUT || at == HOOK_POST_ROUTING)
		ck_assert_int_eq(send_one(), -EPERM);
	else
		rx(at == HOOK_FORWARD ? "10.1.0.2" : "10.0.0.1");
	ck_assert_str_eq(seen, "x");
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_HOOK), 1);
	ip_lab_quiet(&l, l.eth);
	ip_lab_quiet(&l, other);
}
END_TEST

START_TEST(test_stolen_is_the_hooks)
{
	static const enum hook_point points[] = {HOOK_PRE_ROUTING, HOOK_LOCAL_IN, HOOK_FORWARD,
						 HOOK_LOCAL_OUT, HOOK_POST_ROUTING};
	enum hook_point at = points[_i];
	struct probe *p = probe_at(at, 'x', 0);

	p->verdict = HOOK_STOLEN;
	if (at == HOOK_LOCAL_OUT || at == HOOK_POST_ROUTING)
		ck_assert_int_eq(send_one(), 0);
	else
		rx(at == HOOK_FORWARD ? "10.1.0.2" : "10.0.0.1");
	ck_assert_ptr_nonnull(p->stolen);
	pkbuf_free(p->stolen);
	ip_lab_quiet(&l, l.eth);
	ip_lab_quiet(&l, other);
}
END_TEST

START_TEST(test_points_tell_their_devices)
{
	struct probe *fwd = probe_at(HOOK_FORWARD, 'f', 0);
	struct probe *post = probe_at(HOOK_POST_ROUTING, 't', 0);

	rx("10.1.0.2");
	ck_assert_ptr_eq(fwd->in, l.eth->dev);
	ck_assert_ptr_eq(fwd->out, other->dev);
	ck_assert_ptr_eq(post->in, l.eth->dev);
	ck_assert_ptr_eq(post->out, other->dev);
	send_one();
	ck_assert_ptr_null(post->in);
	ck_assert_ptr_eq(post->out, l.eth->dev);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hook");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_ways_pass_their_points);
	tcase_add_test(tc, test_order_is_by_priority_then_age);
	tcase_add_loop_test(tc, test_drop_ends_round_and_packet, 0, 5);
	tcase_add_loop_test(tc, test_stolen_is_the_hooks, 0, 5);
	tcase_add_test(tc, test_points_tell_their_devices);
	return unit_run("hook", tc);
}
