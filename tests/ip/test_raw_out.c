/*
 * tests/ip/test_raw_out.c - what raw endpoints send (raw(7)): headers of the stack's making and of a
 * program's own, source and destination, refusals.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "net/ifaddr.h"
#include "tests/harness/raw_lab.h"
#include "tests/harness/unit.h"

static void setup(void)
{
	raw_lab_open();
}

static void teardown(void)
{
	raw_lab_close();
}

static struct ip_packet packet(uint8_t proto, uint32_t n)
{
	return (struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", .proto = proto, .n = n};
}

static void rx(const struct ip_packet *p)
{
	ip_lab_rx_ip(&raw_lab, raw_lab.eth, p);
	raw_lab_flush();
}

static void expect_nothing(struct sock *sk)
{
	ck_assert_int_eq(raw_lab_recv(sk, NULL), -EAGAIN);
}

/* --- out -------------------------------------------------------------------------------------- */

static const struct ip4_hdr *expect_sent(uint32_t n)
{
	ck_assert_uint_eq(ip_lab_sent(&raw_lab, raw_lab.eth, raw_lab_bytes), n);
	ck_assert(ip_packet_is_sound(raw_lab_bytes, n));
	return (const struct ip4_hdr *)(void *)raw_lab_bytes;
}

START_TEST(test_send_gets_a_header)
{
	struct sock *a = raw_lab_open_sock(200);
	const struct ip4_hdr *h;

	ck_assert_int_eq(raw_lab_setopt(a, IPPROTO_IP, IP_TTL, 9), 0);
	ck_assert_int_eq(raw_lab_setopt(a, IPPROTO_IP, IP_TOS, 0x10), 0);
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.2", "hello", 5), 5);
	h = expect_sent(25);
	ck_assert(h->proto == 200 && h->ttl == 9 && h->tos == 0x10);
	ck_assert_int_eq(memcmp(h->src, "\x0a\0\0\1", 4), 0);
	ck_assert_int_eq(memcmp(raw_lab_bytes + 20, "hello", 5), 0);
	raw_lab_end(a);
}
END_TEST

/* IP_HDRINCL: checksum, length, and what is 0 of identification and source are filled in. */
START_TEST(test_send_own_header_is_completed)
{
	struct sock *a = raw_lab_open_sock(IP_PROTO_RAW);
	uint8_t own[28] = {0x45, 0, 0, 0, 0, 0, 0, 0, 3, 77};
	const struct ip4_hdr *h;

	ck_assert_uint_ne(a->flags & SOCK_HDRINCL, 0);
	own[16] = 10;
	own[19] = 2;
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.2", own, sizeof(own)), sizeof(own));
	h = expect_sent(28);
	ck_assert(h->proto == 77 && h->ttl == 3);
	ck_assert_int_eq(memcmp(h->src, "\x0a\0\0\1", 4), 0);
	ck_assert_uint_ne(be16_get(h->id), 0);
	own[12] = 192; /* any source it likes */
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.2", own, sizeof(own)), sizeof(own));
	h = expect_sent(28);
	ck_assert_uint_eq(h->src[0], 192);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_send_refusals)
{
	struct sock *a = raw_lab_open_sock(200), *h = raw_lab_open_sock(IP_PROTO_RAW);
	static uint8_t big[65535], own[20] = {0x45};

	ck_assert_int_eq(raw_lab_send(a, NULL, "x", 1), -EDESTADDRREQ);
	ck_assert_int_eq(raw_lab_send(a, "192.0.2.1", "x", 1), -ENETUNREACH);
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.255", "x", 1), -EACCES);
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.2", big, 65516), -EMSGSIZE);
	ck_assert_int_eq(raw_lab_send(h, "10.0.0.2", own, 19), -EINVAL);
	own[0] = 0x65;
	ck_assert_int_eq(raw_lab_send(h, "10.0.0.2", own, 20), -EINVAL);
	big[0] = 0x45;
	ck_assert_int_eq(raw_lab_send(h, "10.0.0.2", big, 1501), -EMSGSIZE);
	ip_lab_quiet(&raw_lab, raw_lab.eth);
	raw_lab_end(a);
	raw_lab_end(h);
}
END_TEST

START_TEST(test_send_connected)
{
	struct sock *a = raw_lab_open_sock(200);
	struct ip_addr own = ip_of("10.0.0.1");
	const struct ip4_hdr *h;

	ck_assert_int_eq(raw_lab_connect(a, "192.0.2.1"), -ENETUNREACH);
	ck_assert_int_eq(raw_lab_connect(a, "10.0.0.2"), 0);
	ck_assert_uint_eq(a->c.state, DGRAM_CONNECTED);
	ck_assert_int_eq(raw_lab_bind(a, "10.0.0.1"), -EINVAL);
	ck_assert_int_eq(raw_lab_send(a, NULL, "x", 1), 1);
	expect_sent(21);
	ck_assert_int_eq(raw_lab_connect(a, "127.0.0.1"), 0);
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.2", "x", 1), 1); /* with a source for there */
	h = expect_sent(21);
	ck_assert_int_eq(memcmp(h->src, "\x0a\0\0\1", 4), 0);
	ck_assert_int_eq(raw_lab_connect(a, "10.0.0.2"), 0);
	ck_assert(ip_addr_eq(&a->c.laddr, &own));
	sock_lock(a);
	ck_assert_int_eq(raw_ops.disconnect(a), 0);
	sock_unlock(a);
	ck_assert(ip_addr_is_any(&a->c.laddr) && ip_addr_is_any(&a->c.raddr));
	ck_assert_int_eq(raw_lab_send(a, NULL, "x", 1), -EDESTADDRREQ);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_bound_source_is_kept)
{
	struct ip_addr second = ip_of("10.0.0.200");
	struct sock *a = raw_lab_open_sock(200);
	const struct ip4_hdr *h;

	ck_assert_int_eq(ifaddr_add(raw_lab.eth->dev, &second, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(raw_lab_bind(a, "10.0.0.200"), 0);
	ck_assert_int_eq(raw_lab_connect(a, "10.0.0.2"), 0);
	ck_assert(ip_addr_eq(&a->c.laddr, &second));
	ck_assert_int_eq(raw_lab_send(a, "10.0.0.3", "x", 1), 1);
	h = expect_sent(21);
	ck_assert_int_eq(memcmp(h->src, second.b + 12, 4), 0);
	sock_lock(a);
	ck_assert_int_eq(raw_ops.disconnect(a), 0);
	sock_unlock(a);
	ck_assert(ip_addr_eq(&a->c.laddr, &second));
	raw_lab_end(a);
}
END_TEST

START_TEST(test_send_only_protocol_receives_nothing)
{
	struct sock *a = raw_lab_open_sock(IP_PROTO_RAW);
	struct ip_packet p = packet(IP_PROTO_RAW, 8);

	rx(&p);
	expect_nothing(a);
	ip_lab_sent_icmp(&raw_lab, raw_lab.eth, ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_send_own_copy_over_loopback)
{
	struct sock *a = raw_lab_open_sock(200), *b = raw_lab_open_sock(200);
	static uint8_t big[65515];

	pattern_fill(big, sizeof(big), 0);
	ck_assert_int_eq(raw_lab_send(a, "127.0.0.1", big, sizeof(big)), sizeof(big));
	raw_lab_flush();
	ck_assert_int_eq(raw_lab_recv(b, NULL), 65535);
	ck_assert(pattern_is(raw_lab_bytes + 20, sizeof(big), 0));
	ck_assert_int_eq(raw_lab_recv(a, NULL), 65535);
	raw_lab_end(a);
	raw_lab_end(b);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("raw_out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_send_gets_a_header);
	tcase_add_test(tc, test_send_own_header_is_completed);
	tcase_add_test(tc, test_send_refusals);
	tcase_add_test(tc, test_send_connected);
	tcase_add_test(tc, test_bound_source_is_kept);
	tcase_add_test(tc, test_send_only_protocol_receives_nothing);
	tcase_add_test(tc, test_send_own_copy_over_loopback);
	return unit_run("raw_out", tc);
}
