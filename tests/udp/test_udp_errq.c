/*
 * tests/udp/test_udp_errq.c - the error queue behind IP_RECVERR: what recvmsg(MSG_ERRQUEUE) finds of
 * ICMP errors and of datagrams too large, in which order, and that it is bounded and given back.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
/* last: it wants struct timespec and struct sockaddr_in */
#include <linux/errqueue.h>

#include "ip/inet_dgram.h"
#include "tests/harness/udp_lab.h"
#include "tests/harness/unit.h"

static struct sock *sk;
static uint8_t data[2000];

static void setup(void)
{
	int on = 1;

	udp_lab_open();
	sk = udp_lab_bound("0.0.0.0", 5000);
	sock_lock(sk);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_RECVERR, &on, sizeof(on)), 0);
	sock_unlock(sk);
}

static void teardown(void)
{
	udp_lab_end(sk);
	udp_lab_close();
}

static void set(int name, int v)
{
	sock_lock(sk);
	ck_assert_int_eq(inet_sock_setopt(sk, name, &v, sizeof(v)), 0);
	sock_unlock(sk);
}

static void rx(uint8_t type, uint8_t code, uint16_t dport, uint32_t word)
{
	udp_lab_rx_icmp(&(struct udp_lab_icmp){.from = "10.0.0.9",
					       .type = type,
					       .code = code,
					       .sport = 5000,
					       .dport = dport,
					       .word = word});
}

static uint32_t poll_sk(void)
{
	uint32_t ev;

	sock_lock(sk);
	ev = udp_ops.poll(sk);
	sock_unlock(sk);
	return ev;
}

/* One message, with what it says of an error. */
struct error {
	ssize_t n;
	struct sock_msg m;
	struct sock_extended_err ee;
	struct sockaddr_in offender;
	uint8_t bytes[600], control[256];
};

static struct error error_take(int flags)
{
	static struct error e;
	struct iovec iov = {e.bytes, sizeof(e.bytes)};
	struct cmsghdr *h = (struct cmsghdr *)(void *)e.control;

	e.m = (struct sock_msg){.iov = &iov,
				.niov = 1,
				.len = sizeof(e.bytes),
				.flags = MSG_ERRQUEUE | flags,
				.control = e.control,
				.controllen = sizeof(e.control)};
	sock_lock(sk);
	e.n = udp_ops.recv(sk, &e.m);
	sock_unlock(sk);
	if (e.n < 0)
		return e;
	ck_assert_uint_eq(e.m.control_done, CMSG_SPACE(sizeof(e.ee) + sizeof(e.offender)));
	ck_assert_int_eq(h->cmsg_level, IPPROTO_IP);
	ck_assert_int_eq(h->cmsg_type, IP_RECVERR);
	memcpy(&e.ee, CMSG_DATA(h), sizeof(e.ee));
	memcpy(&e.offender, CMSG_DATA(h) + sizeof(e.ee), sizeof(e.offender));
	return e;
}

static ssize_t recv_plain(void)
{
	struct iovec iov = {data, sizeof(data)};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = sizeof(data)};
	ssize_t r;

	sock_lock(sk);
	r = udp_ops.recv(sk, &m);
	sock_unlock(sk);
	return r;
}

START_TEST(test_errq_tells_the_datagram_and_who_complained)
{
	struct error e;
	struct ip_addr dst;

	rx(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 7, 0);
	ck_assert_uint_ne(poll_sk() & EPOLLERR, 0);
	e = error_take(0);
	ck_assert_int_ge(e.n, 0);
	ck_assert_int_eq(e.m.out_flags, MSG_ERRQUEUE);
	ck_assert_uint_eq(e.ee.ee_errno, ECONNREFUSED);
	ck_assert_uint_eq(e.ee.ee_origin, SO_EE_ORIGIN_ICMP);
	ck_assert_uint_eq(e.ee.ee_type, ICMP_DEST_UNREACH);
	ck_assert_uint_eq(e.ee.ee_code, ICMP_PORT_UNREACH);
	ck_assert_uint_eq(e.ee.ee_info, 0);
	ck_assert_int_eq(e.offender.sin_family, AF_INET);
	ck_assert_uint_eq(ntohl(e.offender.sin_addr.s_addr), 0x0a000009);
	ck_assert_int_eq(ip_addr_parse("10.0.0.2", &dst), 0);
	ck_assert(e.m.has_addr && ip_addr_eq(&e.m.addr, &dst));
	ck_assert_uint_eq(e.m.port, 7);
	ck_assert_uint_eq(poll_sk() & EPOLLERR, 0);
	ck_assert_int_eq(error_take(0).n, -EAGAIN);
	ck_assert_int_eq(recv_plain(), -EAGAIN); /* with it went the pending errno */
}
END_TEST

/* The errno is told once by a plain call; what is queued stays. */
START_TEST(test_errq_outlives_the_errno)
{
	rx(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 7, 0);
	ck_assert_int_eq(recv_plain(), -EHOSTUNREACH);
	ck_assert_int_eq(recv_plain(), -EAGAIN);
	ck_assert_uint_ne(poll_sk() & EPOLLERR, 0);
	ck_assert_uint_eq(error_take(0).ee.ee_errno, EHOSTUNREACH);
	ck_assert_uint_eq(poll_sk() & EPOLLERR, 0);
}
END_TEST

START_TEST(test_errq_is_in_order_and_the_errno_follows)
{
	rx(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 7, 0);
	rx(ICMP_PARAM_PROBLEM, 0, 8, 20u << 24);
	ck_assert_uint_eq(error_take(0).m.port, 7);
	ck_assert_int_eq(recv_plain(), -EPROTO);
	ck_assert_uint_eq(error_take(0).m.port, 8);
}
END_TEST

START_TEST(test_errq_frag_needed_names_the_mtu)
{
	struct error e;

	rx(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 7, 1000);
	e = error_take(0);
	ck_assert_uint_eq(e.ee.ee_errno, EMSGSIZE);
	ck_assert_uint_eq(e.ee.ee_info, 1000);
	set(IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	rx(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 7, 900);
	ck_assert_int_eq(error_take(0).n, -EAGAIN);
}
END_TEST

/* One of our own: no offender, nothing quoted, no pending errno. */
START_TEST(test_errq_too_large_is_local)
{
	struct error e;

	set(IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, data, 1473), -EMSGSIZE);
	ck_assert_uint_ne(poll_sk() & EPOLLERR, 0);
	ck_assert_int_eq(recv_plain(), -EAGAIN);
	e = error_take(0);
	ck_assert_int_eq(e.n, 0);
	ck_assert_uint_eq(e.ee.ee_errno, EMSGSIZE);
	ck_assert_uint_eq(e.ee.ee_origin, SO_EE_ORIGIN_LOCAL);
	ck_assert_uint_eq(e.ee.ee_info, 1500);
	ck_assert_int_eq(e.offender.sin_family, AF_UNSPEC);
	ck_assert_uint_eq(e.m.port, 7);
}
END_TEST

/* What of the quoted datagram is shown are its data, cut where they do not fit. */
START_TEST(test_errq_shows_the_data_quoted)
{
	struct error e;

	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.1", 9, "0123456789", 10), 10);
	udp_lab_flush(); /* our own stack answers: nobody has port 9 */
	e = error_take(0);
	ck_assert_int_eq(e.n, 10);
	ck_assert_mem_eq(e.bytes, "0123456789", 10);
	ck_assert_uint_eq(e.m.port, 9);
}
END_TEST

START_TEST(test_errq_off_is_empty)
{
	rx(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 7, 0);
	set(IP_RECVERR, 0);
	ck_assert_int_eq(error_take(0).n, -EAGAIN);
	ck_assert_uint_eq(sk->rcv_bytes, 0);
	rx(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 7, 0);
	ck_assert_int_eq(error_take(0).n, -EAGAIN);
}
END_TEST

/* Errors fill the receive buffer and no more; all of it comes back. */
START_TEST(test_errq_is_bounded)
{
	unsigned n = 0;

	sk->rcvbuf = 8192;
	for (int i = 0; i < 200; i++)
		rx(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 7, 0);
	ck_assert_uint_le(sk->rcv_bytes, 8192);
	while (error_take(0).n >= 0)
		n++;
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_lt(n, 200);
	ck_assert_uint_eq(sk->rcv_bytes, 0);
}
END_TEST

START_TEST(test_errq_left_at_the_close_is_freed)
{
	for (int i = 0; i < 3; i++)
		rx(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 7, 0);
	ck_assert_uint_ne(sk->rcv_bytes, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("udp_errq");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_errq_tells_the_datagram_and_who_complained);
	tcase_add_test(tc, test_errq_outlives_the_errno);
	tcase_add_test(tc, test_errq_is_in_order_and_the_errno_follows);
	tcase_add_test(tc, test_errq_frag_needed_names_the_mtu);
	tcase_add_test(tc, test_errq_too_large_is_local);
	tcase_add_test(tc, test_errq_shows_the_data_quoted);
	tcase_add_test(tc, test_errq_off_is_empty);
	tcase_add_test(tc, test_errq_is_bounded);
	tcase_add_test(tc, test_errq_left_at_the_close_is_freed);
	return unit_run("udp_errq", tc);
}
