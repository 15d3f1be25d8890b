/*
 * tests/arp/test_arp_veth.c - two stacks on one wire resolve each other, prove each other alive, and
 * notice that they want the same address.
 */
#include <string.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "net/ifaddr.h"
#include "net/pkbuf.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

static struct env *env;
static struct end {
	struct stack *st;
	struct netdev *dev;
	unsigned got;
} end[2];

static void count_in(struct pkbuf *b)
{
	end[b->stack == end[1].st].got++;
	pkbuf_free(b);
}

static const struct net_proto count_proto = {.type = ETHER_TYPE_IP4, .in = count_in};

static void setup(void)
{
	struct veth_end v[2];

	env = env_lab_create(1);
	for (unsigned i = 0; i < 2; i++) {
		end[i].st = stack_alloc(env);
		ck_assert_ptr_nonnull(net_state_create(end[i].st));
		ck_assert_ptr_nonnull(arp_state_create(end[i].st));
		net_proto_register(end[i].st, &count_proto);
		v[i] = (struct veth_end){.stack = end[i].st, .name = "veth0"};
	}
	ck_assert_int_eq(veth_create(&v[0], &v[1]), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct ip_addr own = arp_lab_host(1 + i);

		end[i].dev = v[i].dev;
		end[i].got = 0;
		netdev_up(end[i].dev);
		ck_assert_int_eq(ifaddr_add(end[i].dev, &own, IP_PREFIX4(24)), 0);
	}
}

static void teardown(void)
{
	for (unsigned i = 0; i < 2; i++) {
		arp_state_destroy(end[i].st);
		net_state_destroy(end[i].st);
	}
	for (unsigned i = 0; i < 2; i++)
		stack_free(end[i].st); /* stops at a gauge that is not 0 */
	env_lab_destroy(env);
}

/* A datagram from end i to the other. */
static void send_from(unsigned i, uint32_t to)
{
	static const uint8_t bytes[20] = {0x45};
	struct ip_addr a = arp_lab_host(to);
	struct batch batch;
	struct pkbuf *b;
	struct neigh *n;

	batch_begin(&batch, end[i].st);
	b = pkbuf_alloc(end[i].st, PKBUF_TX_HEAD);
	ck_assert_int_eq(pkbuf_append(b, bytes, sizeof(bytes)), 0);
	n = neigh_get(end[i].dev, &a);
	ck_assert_int_eq(neigh_out(n, b, ETHER_TYPE_IP4), 0);
	neigh_put(n);
	batch_end(&batch);
}

static enum neigh_nud state_of(unsigned i)
{
	struct neigh_info info;

	ck_assert_uint_eq(neigh_list(end[i].st, &info, 1), 1);
	return info.state;
}

START_TEST(test_two_stacks_resolve_and_prove_each_other)
{
	send_from(0, 2);
	env_lab_advance(env, NSEC_PER_MSEC);
	ck_assert_uint_eq(end[1].got, 1);
	ck_assert_int_eq(state_of(0), NUD_REACHABLE);
	ck_assert_int_eq(state_of(1), NUD_STALE);
	send_from(1, 1);
	env_lab_advance(env, NSEC_PER_MSEC);
	ck_assert_uint_eq(end[0].got, 1);
	ck_assert_int_eq(state_of(1), NUD_DELAY);
	env_lab_advance(env, 5 * NSEC_PER_SEC); /* the probe is answered */
	ck_assert_int_eq(state_of(1), NUD_REACHABLE);
	ck_assert_uint_eq(mib_read(end[1].st, MIB_Arp_OutRequests), 1);
}
END_TEST

static unsigned conflicts, calls;

static void done(void *arg, bool conflict, const uint8_t *mac)
{
	calls++;
	conflicts += conflict;
	if (conflict)
		ck_assert_mem_eq(mac, end[0].dev->mac, ETHER_ALEN);
}

START_TEST(test_probe_for_the_others_address_conflicts)
{
	struct ip_addr taken = arp_lab_host(1), none = arp_lab_host(3);

	ck_assert_int_eq(acd_probe(end[1].dev, &taken, done, NULL), 0);
	ck_assert_int_eq(acd_probe(end[1].dev, &none, done, NULL), 0);
	env_lab_advance(env, 10 * NSEC_PER_SEC);
	ck_assert_uint_eq(calls, 2);
	ck_assert_uint_eq(conflicts, 1);
	ck_assert_uint_eq(mib_read(end[0].st, MIB_Arp_Conflicts), 0);
}
END_TEST

/* Both keep it, and neither floods the wire: each defends once an interval. */
START_TEST(test_same_address_at_both_ends_is_fought_over_slowly)
{
	struct ip_addr same = arp_lab_host(1);
	uint64_t sent;

	ck_assert_int_eq(ifaddr_add(end[1].dev, &same, IP_PREFIX4(24)), 0);
	acd_announce(end[1].dev, &same);
	env_lab_advance(env, 60 * NSEC_PER_SEC);
	sent = mib_read(end[0].st, MIB_Arp_OutRequests) + mib_read(end[1].st, MIB_Arp_OutRequests);
	ck_assert_uint_gt(mib_read(end[0].st, MIB_Arp_Conflicts), 0);
	ck_assert_uint_le(sent, 2 + 2 * 7);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("arp_veth");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_two_stacks_resolve_and_prove_each_other);
	tcase_add_test(tc, test_probe_for_the_others_address_conflicts);
	tcase_add_test(tc, test_same_address_at_both_ends_is_fought_over_slowly);
	return unit_run("arp_veth", tc);
}
