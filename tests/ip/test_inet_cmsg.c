/*
 * tests/ip/test_inet_cmsg.c - control messages of a send as bytes: what is well formed is taken, what
 * is not is refused, and nothing outside the program's buffer is looked at.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "lib/random.h"
#include "tests/harness/inet_lab.h"
#include "tests/harness/unit.h"

#define ROUNDS 20000

static struct ip_lab lab;
static struct sock *sk;
static struct inet_table *table;

static void setup(void)
{
	ip_lab_open(&lab);
	table = inet_table_create(lab.st, IP_PROTO_UDP, NULL);
	sk = inet_lab_sock(&lab, &inet_lab_dgram, 0);
}

static void teardown(void)
{
	inet_lab_end(table, sk);
	inet_table_destroy(table);
	ip_lab_close(&lab);
}

/* One more message at the end of buf, without the padding behind it; its length. */
static size_t put(uint8_t *buf, size_t at, int type, const void *data, size_t n)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(n), .cmsg_level = IPPROTO_IP, .cmsg_type = type};

	memcpy(buf + at, &h, sizeof(h));
	memcpy(buf + at + CMSG_LEN(0), data, n);
	return at + CMSG_LEN(n);
}

static int parse(void *control, size_t n, struct dgram_control *c)
{
	struct sock_msg m = {.control = control, .controllen = n};

	return dgram_control_in(sk, &m, c);
}

START_TEST(test_none_is_as_the_sock)
{
	struct dgram_control c;

	ck_assert_int_eq(parse(NULL, 0, &c), 0);
	ck_assert(!c.any && c.tos == -1 && c.ttl == -1 && c.ifindex == 0);
	ck_assert(ip_addr_is_any(&c.src));
}
END_TEST

START_TEST(test_several_are_all_taken)
{
	struct in_pktinfo info = {.ipi_ifindex = 3, .ipi_spec_dst.s_addr = htonl(0x0a000001)};
	uint8_t buf[128] = {0}, tos = 0x28;
	struct dgram_control c;
	int ttl = 9;
	size_t n = put(buf, 0, IP_TTL, &ttl, sizeof(ttl));

	n = put(buf, CMSG_ALIGN(n), IP_TOS, &tos, sizeof(tos));
	n = put(buf, CMSG_ALIGN(n), IP_PKTINFO, &info, sizeof(info));
	ck_assert_int_eq(parse(buf, n, &c), 0);
	ck_assert(c.any && c.tos == 0x28 && c.ttl == 9 && c.ifindex == 3);
	ck_assert_uint_eq(ip_addr_to4(&c.src), 0x0a000001);
	ck_assert_int_eq(parse(buf, n - 1, &c), -EINVAL); /* the last one is cut */
}
END_TEST

/* A good one with some bytes of it spoilt, in memory of exactly its size. */
START_TEST(test_spoilt_bytes_are_no_harm)
{
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x0a000001)};
	struct random r;
	unsigned good = 0, bad = 0;

	random_seed(&r, 7);
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t buf[128] = {0}, *exact;
		struct dgram_control c;
		int ttl = 9;
		size_t n = put(buf, 0, IP_PKTINFO, &info, sizeof(info));

		n = put(buf, CMSG_ALIGN(n), IP_TTL, &ttl, sizeof(ttl));
		n -= random_next(&r) % (n + 1);
		for (uint64_t k = random_next(&r) % 3; k && n; k--)
			buf[random_next(&r) % n] = (uint8_t)random_next(&r);
		exact = malloc(n ? n : 1);
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, buf, n);
		if (parse(exact, n, &c) == 0)
			good++;
		else
			bad++;
		free(exact);
	}
	ck_assert_uint_gt(good, 0);
	ck_assert_uint_gt(bad, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inet_cmsg");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_none_is_as_the_sock);
	tcase_add_test(tc, test_several_are_all_taken);
	tcase_add_test(tc, test_spoilt_bytes_are_no_harm);
	return unit_run("inet_cmsg", tc);
}
