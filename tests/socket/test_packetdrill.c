/*
 * tests/socket/test_packetdrill.c - packetdrill's world: who waits there gets the lab's answers, and time stands while
 * the other thread is on its way.  Its table: datagrams in and out, by virtual time and by the real one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/udp.h"
#include "socket/packetdrill_priv.h"
#include "tests/harness/unit.h"

static struct {
	struct world *world;
	struct env *env;
	struct waiter waiter;
	struct waiter others;
	uint64_t slept_until; /* the other thread's clock when it was back */
} t;

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.world = world_create(false, 1);
	ck_assert_ptr_nonnull(t.world);
	t.env = world_env(t.world);
	waiter_init(&t.waiter);
	waiter_init(&t.others);
}

static void teardown(void)
{
	waiter_fini(&t.waiter);
	waiter_fini(&t.others);
	world_destroy(t.world);
}

static int wait_until(uint64_t deadline)
{
	int r;

	world_enter(t.world);
	r = env_wait(t.env, &t.waiter, NULL, 0, deadline);
	world_leave(t.world);
	return r;
}

START_TEST(test_deadline_moves_the_clock)
{
	uint64_t now = env_now(t.env);

	waiter_reset(&t.waiter);
	ck_assert_int_eq(wait_until(now + 5000), -ETIMEDOUT);
	ck_assert_uint_eq(env_now(t.env), now + 5000);
}
END_TEST

START_TEST(test_deadline_in_the_past_leaves_the_clock)
{
	uint64_t now = env_now(t.env);

	waiter_reset(&t.waiter);
	ck_assert_int_eq(wait_until(now - 1), -ETIMEDOUT);
	ck_assert_uint_eq(env_now(t.env), now);
}
END_TEST

START_TEST(test_nothing_to_come_is_no_wait)
{
	waiter_reset(&t.waiter);
	ck_assert_int_eq(wait_until(ENV_NEVER), -EDEADLK);
}
END_TEST

START_TEST(test_cancelled_and_woken_is_intr)
{
	waiter_reset(&t.waiter);
	atomic_store(&t.waiter.cancel, true);
	waiter_wake(t.env, &t.waiter);
	ck_assert_int_eq(wait_until(ENV_NEVER), -EINTR);
}
END_TEST

/* As packetdrill's: a call that blocks, then a look at the clock. */
static void *other_main(void *arg)
{
	uint64_t *deadline = arg;

	world_enter(t.world);
	waiter_reset(&t.others);
	ck_assert_int_eq(env_wait(t.env, &t.others, NULL, 0, *deadline),
			 *deadline == ENV_NEVER ? 0 : -ETIMEDOUT);
	world_leave(t.world);
	t.slept_until = world_look(t.world);
	return NULL;
}

static void other_asleep(pthread_t *other, uint64_t *deadline)
{
	bool asleep = false;

	ck_assert_int_eq(pthread_create(other, NULL, other_main, deadline), 0);
	while (!asleep) {
		world_enter(t.world);
		asleep = atomic_load(&t.others.word) == WAITER_WAITING;
		world_leave(t.world);
	}
}

START_TEST(test_time_stands_until_who_was_woken_has_looked)
{
	uint64_t never = ENV_NEVER, now;
	pthread_t other;

	other_asleep(&other, &never);
	world_enter(t.world);
	now = env_now(t.env);
	waiter_wake(t.env, &t.others);
	world_leave(t.world);
	world_sleep(t.world, NSEC_PER_SEC);
	pthread_join(other, NULL);
	ck_assert_uint_eq(t.slept_until, now);
	ck_assert_uint_eq(env_now(t.env), now + NSEC_PER_SEC);
}
END_TEST

START_TEST(test_time_stands_at_the_others_deadline)
{
	uint64_t now = env_now(t.env), deadline = now + 300 * NSEC_PER_MSEC;
	pthread_t other;

	other_asleep(&other, &deadline);
	world_sleep(t.world, NSEC_PER_SEC);
	pthread_join(other, NULL);
	ck_assert_uint_eq(t.slept_until, deadline);
	ck_assert_uint_eq(env_now(t.env), now + NSEC_PER_SEC);
}
END_TEST

/* --- the table --------------------------------------------------------------------------------- */

#define LOCAL 192, 168, 0, 1
#define REMOTE 192, 0, 2, 1

static const uint8_t remote[] = {REMOTE};
static struct packetdrill_interface ifc;

static void table_setup(void)
{
	packetdrill_interface_init("ip=4;log=1;mtu=1500", &ifc);
}

static void table_setup_real(void)
{
	packetdrill_interface_init("clock=real", &ifc);
}

static void table_teardown(void)
{
	ifc.free(ifc.userdata);
}

/* A datagram from REMOTE around the n bytes that stand behind its header; its length. */
static size_t datagram(uint8_t *p, uint8_t proto, size_t n)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(void *)p;

	*h = (struct ip4_hdr){.ver_ihl = 0x45,
			      .len = be16_of((uint16_t)(IP4_HLEN + n)),
			      .ttl = 64,
			      .proto = proto,
			      .src = {REMOTE},
			      .dst = {LOCAL}};
	h->csum = csum_finish(csum_add(0, h, IP4_HLEN));
	return IP4_HLEN + n;
}

static void check_reply(uint64_t before)
{
	_Alignas(8) uint8_t p[2000];
	size_t n = sizeof(p);
	long long at;

	ck_assert_int_eq(ifc.netdev_receive(ifc.userdata, p, &n, &at), 0);
	ck_assert_uint_eq(n, IP4_HLEN + 12);
	ck_assert_mem_eq(p + offsetof(struct ip4_hdr, dst), remote, 4);
	ck_assert_uint_eq(p[IP4_HLEN], ICMP_ECHO_REPLY);
	ck_assert_mem_eq(p + IP4_HLEN + 8, "data", 4);
	ck_assert_int_ge(at, (long long)before);
}

START_TEST(test_echo_is_answered)
{
	_Alignas(8) uint8_t p[IP4_HLEN + 12] = {0};
	struct timeval now;
	uint16_t sum;

	p[IP4_HLEN] = ICMP_ECHO;
	memcpy(p + IP4_HLEN + 8, "data", 4);
	sum = csum_finish(csum_add(0, p + IP4_HLEN, 12));
	memcpy(p + IP4_HLEN + 2, &sum, sizeof(sum));
	ck_assert_int_eq(ifc.gettimeofday(ifc.userdata, &now, NULL), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ifc.netdev_send(ifc.userdata, p, datagram(p, IP_PROTO_ICMP, 12)),
				 0);
		check_reply((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec);
	}
}
END_TEST

/* What no script of ours calls. */
START_TEST(test_recvfrom_tells_the_sender)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080)};
	_Alignas(8) uint8_t p[IP4_HLEN + UDP_HLEN + 3] = {0};
	struct udp_hdr *h = (struct udp_hdr *)(void *)(p + IP4_HLEN);
	void *ud = ifc.userdata;
	socklen_t n = sizeof(a);
	char buf[8];
	int fd = ifc.socket(ud, AF_INET, SOCK_DGRAM, IPPROTO_UDP);

	ck_assert_int_eq(ifc.bind(ud, fd, (struct sockaddr *)&a, sizeof(a)), 0);
	*h = (struct udp_hdr){be16_of(7), be16_of(8080), be16_of(UDP_HLEN + 3), 0};
	memcpy(h + 1, "abc", 3);
	ck_assert_int_eq(ifc.netdev_send(ud, p, datagram(p, IP_PROTO_UDP, UDP_HLEN + 3)), 0);
	ck_assert_int_eq(ifc.recvfrom(ud, fd, buf, 8, 0, (struct sockaddr *)&a, &n), 3);
	ck_assert_mem_eq(buf, "abc", 3);
	ck_assert_mem_eq(&a.sin_addr, remote, 4);
	ck_assert_uint_eq(ntohs(a.sin_port), 7);
	ck_assert_int_eq(ifc.close(ud, fd), 0);
	ck_assert_int_eq(ifc.close(ud, fd), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("packetdrill");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_deadline_moves_the_clock);
	tcase_add_test(tc, test_deadline_in_the_past_leaves_the_clock);
	tcase_add_test(tc, test_nothing_to_come_is_no_wait);
	tcase_add_test(tc, test_cancelled_and_woken_is_intr);
	tcase_add_test(tc, test_time_stands_until_who_was_woken_has_looked);
	tcase_add_test(tc, test_time_stands_at_the_others_deadline);
	if (unit_run("packetdrill", tc))
		return 1;
	tc = tcase_create("table");
	tcase_add_checked_fixture(tc, table_setup, table_teardown);
	tcase_add_test(tc, test_echo_is_answered);
	tcase_add_test(tc, test_recvfrom_tells_the_sender);
	if (unit_run("packetdrill_table", tc))
		return 1;
	tc = tcase_create("real");
	tcase_add_checked_fixture(tc, table_setup_real, table_teardown);
	tcase_add_test(tc, test_echo_is_answered);
	tcase_add_test(tc, test_recvfrom_tells_the_sender);
	return unit_run("packetdrill_real", tc);
}
