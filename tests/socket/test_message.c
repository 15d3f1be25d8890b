/* sendmsg() and recvmsg(): flags of both kinds of socket, msg_flags, control messages both ways. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
/* last: it wants struct timespec and struct sockaddr_in */
#include <linux/errqueue.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int a, b, pair[2];
static struct sockaddr_in at_a, at_b;
static char buf[64], control[256];

static void setup(void)
{
	st = sockets_begin();
	a = sockets_bound(SOCK_DGRAM, &at_a);
	b = sockets_bound(SOCK_DGRAM, &at_b);
	sockets_pair(pair);
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

static void on(int fd, int name)
{
	int v = 1;

	ck_assert_int_eq(weft_setsockopt(fd, IPPROTO_IP, name, &v, sizeof(v)), 0);
}

static void send_b(void)
{
	ck_assert_int_eq(weft_sendto(a, "abc", 3, 0, sa(&at_b), SA_LEN), 3);
}

/* --- receiving --------------------------------------------------------------------------------- */

static struct iovec into = {buf, sizeof(buf)};
static struct msghdr got;

static ssize_t recv_with(int fd, size_t room, int flags)
{
	memset(control, 0x55, sizeof(control));
	got = (struct msghdr){.msg_iov = &into,
			      .msg_iovlen = 1,
			      .msg_control = room ? control : NULL,
			      .msg_controllen = room,
			      .msg_flags = 77};
	return weft_recvmsg(fd, &got, flags);
}

static void expect_control(int type, void *data, size_t n)
{
	sockets_control(&got, IPPROTO_IP, type, data, n);
}

START_TEST(test_nothing_asked_for_nothing_told)
{
	send_b();
	ck_assert_int_eq(recv_with(b, sizeof(control), 0), 3);
	ck_assert_int_eq(got.msg_flags, 0);
	ck_assert_uint_eq(got.msg_controllen, 0);
}
END_TEST

START_TEST(test_ttl_tos_and_pktinfo_are_told)
{
	struct in_pktinfo info;
	uint8_t tos;
	int ttl;

	on(b, IP_RECVTTL);
	on(b, IP_RECVTOS);
	on(b, IP_PKTINFO);
	ck_assert_int_eq(weft_setsockopt(a, IPPROTO_IP, IP_TTL, &(int){9}, sizeof(int)), 0);
	ck_assert_int_eq(weft_setsockopt(a, IPPROTO_IP, IP_TOS, &(int){0x28}, sizeof(int)), 0);
	send_b();
	ck_assert_int_eq(recv_with(b, sizeof(control), MSG_PEEK), 3);
	ck_assert_int_eq(recv_with(b, sizeof(control), 0), 3);
	ck_assert_int_eq(got.msg_flags, 0);
	expect_control(IP_TTL, &ttl, sizeof(ttl));
	expect_control(IP_TOS, &tos, sizeof(tos));
	expect_control(IP_PKTINFO, &info, sizeof(info));
	ck_assert_int_eq(ttl, 9);
	ck_assert_int_eq(tos, 0x28);
	ck_assert_int_gt(info.ipi_ifindex, 0);
	ck_assert_uint_eq(info.ipi_addr.s_addr, at_b.sin_addr.s_addr);
	ck_assert_uint_eq(info.ipi_spec_dst.s_addr, at_b.sin_addr.s_addr);
}
END_TEST

/* Where there is no room the last one is cut, or none is begun; MSG_CTRUNC says so. */
START_TEST(test_no_room_is_ctrunc)
{
	static const size_t room[] = {0, sizeof(struct cmsghdr) - 1, CMSG_LEN(2),
				      CMSG_LEN(sizeof(int)), CMSG_SPACE(sizeof(int)) + 4};
	static const size_t used[] = {0, 0, CMSG_LEN(2), CMSG_LEN(sizeof(int)),
				      CMSG_SPACE(sizeof(int))};

	on(b, IP_RECVTTL);
	on(b, IP_RECVTOS);
	send_b();
	ck_assert_int_eq(recv_with(b, room[_i], 0), 3);
	ck_assert_int_eq(got.msg_flags, MSG_CTRUNC);
	ck_assert_uint_eq(got.msg_controllen, used[_i]);
	for (size_t i = room[_i]; i < sizeof(control); i++)
		ck_assert_int_eq(control[i], 0x55);
}
END_TEST

/* SO_TIMESTAMP and SO_TIMESTAMPNS: one of them, by the wall's clock, between before and after. */
START_TEST(test_time_of_arrival)
{
	uint64_t before = env_wall(st->env), at;
	struct timespec ns;
	struct timeval us;

	ck_assert_int_eq(weft_setsockopt(b, SOL_SOCKET, SO_TIMESTAMP, &(int){1}, sizeof(int)), 0);
	send_b();
	ck_assert_int_eq(recv_with(b, sizeof(control), MSG_PEEK), 3);
	sockets_control(&got, SOL_SOCKET, SO_TIMESTAMP, &us, sizeof(us));
	at = (uint64_t)us.tv_sec * NSEC_PER_SEC + (uint64_t)us.tv_usec * NSEC_PER_USEC;
	ck_assert_uint_ge(at + NSEC_PER_USEC, before);
	ck_assert_uint_le(at, env_wall(st->env));
	ck_assert_int_eq(weft_setsockopt(b, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)), 0);
	ck_assert_int_eq(recv_with(b, sizeof(control), 0), 3);
	sockets_control(&got, SOL_SOCKET, SO_TIMESTAMPNS, &ns, sizeof(ns));
	ck_assert_uint_eq(got.msg_controllen, CMSG_SPACE(sizeof(ns)));
	ck_assert_int_eq(ns.tv_sec, us.tv_sec);
	ck_assert_int_lt(labs(ns.tv_nsec / 1000 - us.tv_usec), 1000);
}
END_TEST

START_TEST(test_time_of_arrival_of_a_stream)
{
	uint64_t before = env_wall(st->env), at;
	struct timeval us;

	ck_assert_int_eq(weft_setsockopt(pair[1], SOL_SOCKET, SO_TIMESTAMP, &(int){1}, sizeof(int)),
			 0);
	ck_assert_int_eq(weft_send(pair[0], "abc", 3, 0), 3);
	ck_assert_int_eq(recv_with(pair[1], sizeof(control), 0), 3);
	sockets_control(&got, SOL_SOCKET, SO_TIMESTAMP, &us, sizeof(us));
	at = (uint64_t)us.tv_sec * NSEC_PER_SEC + (uint64_t)us.tv_usec * NSEC_PER_USEC;
	ck_assert_uint_ge(at + NSEC_PER_USEC, before);
	ck_assert_uint_le(at, env_wall(st->env));
}
END_TEST

START_TEST(test_options_are_datagrams_only)
{
	static const int names[] = {IP_RECVTTL, IP_RECVTOS, IP_PKTINFO};
	int v = 1;
	socklen_t n = sizeof(v);

	for (int i = 0; i < 3; i++) {
		ck_assert_errno(weft_setsockopt(pair[0], IPPROTO_IP, names[i], &v, sizeof(v)),
				ENOPROTOOPT);
		on(a, names[i]);
		v = 0;
		ck_assert_int_eq(weft_getsockopt(a, IPPROTO_IP, names[i], &v, &n), 0);
		ck_assert_int_eq(v, 1);
	}
}
END_TEST

/* --- sending ----------------------------------------------------------------------------------- */

/* To b, with one control message of n bytes. */
static ssize_t send_with(int level, int type, const void *data, size_t n)
{
	struct iovec iov = {buf, 3};
	struct msghdr m = {.msg_name = &at_b,
			   .msg_namelen = SA_LEN,
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE(n)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	*h = (struct cmsghdr){.cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(h), data, n);
	return weft_sendmsg(a, &m, 0);
}

START_TEST(test_one_datagram_has_its_own_ttl_and_tos)
{
	uint8_t byte = 0x10;
	int ttl = 3, tos;

	on(b, IP_RECVTTL);
	on(b, IP_RECVTOS);
	ck_assert_int_eq(send_with(IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 3);
	ck_assert_int_eq(recv_with(b, sizeof(control), 0), 3);
	ttl = 0;
	expect_control(IP_TTL, &ttl, sizeof(ttl));
	ck_assert_int_eq(ttl, 3);
	ck_assert_int_eq(send_with(IPPROTO_IP, IP_TOS, &byte, sizeof(byte)), 3);
	ck_assert_int_eq(recv_with(b, sizeof(control), 0), 3);
	byte = 0;
	expect_control(IP_TOS, &byte, sizeof(byte));
	ck_assert_int_eq(byte, 0x10);
	expect_control(IP_TTL, &ttl, sizeof(ttl));
	ck_assert_int_eq(ttl, 64); /* the first was for one only */
	tos = 0x20;
	ck_assert_int_eq(send_with(IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 3);
}
END_TEST

START_TEST(test_pktinfo_chooses_the_source)
{
	struct sockaddr_in from;
	struct in_pktinfo info = {.ipi_spec_dst = in4("127.0.0.9", 0).sin_addr};
	socklen_t n = SA_LEN;
	int fresh = weft_socket(AF_INET, SOCK_DGRAM, 0), old = a;

	a = fresh;
	ck_assert_int_eq(send_with(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)), 3);
	ck_assert_int_eq(weft_recvfrom(b, buf, sizeof(buf), 0, sa(&from), &n), 3);
	ck_assert_uint_eq(from.sin_addr.s_addr, info.ipi_spec_dst.s_addr);
	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	ck_assert_int_eq(send_with(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)), 3);
	ck_assert_int_eq(weft_recvfrom(b, buf, sizeof(buf), 0, sa(&from), &n), 3);
	ck_assert_uint_eq(from.sin_addr.s_addr, info.ipi_spec_dst.s_addr);
	info.ipi_spec_dst = in4("10.9.9.9", 0).sin_addr; /* not ours */
	ck_assert_errno(send_with(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)), ENETUNREACH);
	info.ipi_spec_dst = in4("255.255.255.255", 0).sin_addr; /* nobody's */
	ck_assert_errno(send_with(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)), EINVAL);
	a = old;
}
END_TEST

static const struct wrong_case {
	int level, type, value;
	size_t n;
} wrong[] = {
    {IPPROTO_IP, IP_TTL, 0, 4},      {IPPROTO_IP, IP_TTL, 256, 4}, {IPPROTO_IP, IP_TTL, 1, 1},
    {IPPROTO_IP, IP_TOS, 256, 4},    {IPPROTO_IP, IP_TOS, 1, 2},   {IPPROTO_IP, IP_PKTINFO, 0, 4},
    {IPPROTO_IP, IP_RECVERR, 1, 4},  {SOL_SOCKET, 9999, 0, 4},     {IPPROTO_UDP, 103, 1000, 2},
    {SOL_SOCKET, SO_PRIORITY, 1, 2},
};
#define WRONG (int)(sizeof(wrong) / sizeof(wrong[0]))

START_TEST(test_control_that_is_wrong_or_unknown_einval)
{
	const struct wrong_case *w = &wrong[_i];

	ck_assert_errno(send_with(w->level, w->type, &w->value, w->n), EINVAL);
}
END_TEST

/* By Linux 6.18, of both kinds of socket: what is another level's, or an AF_UNIX socket's, is for somebody else. */
static const struct other_case {
	int level, type, value, stream, dgram; /* errno; 0: it is sent */
} others[] = {
    {99, 1, 1, 0, 0},
    {IPPROTO_ICMP, 1, 1, 0, 0},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, 1, 0, 0},
    {IPPROTO_TCP, 77, 1, 0, 0},
    {IPPROTO_UDP, 77, 1, 0, EINVAL},
    {IPPROTO_IP, 9999, 1, 0, EINVAL},
    {IPPROTO_IP, IP_TTL, 0, 0, EINVAL},
    {SOL_SOCKET, SCM_RIGHTS, 0, 0, 0},
    {SOL_SOCKET, SCM_CREDENTIALS, 0, 0, 0},
    {SOL_SOCKET, SO_PRIORITY, 6, 0, 0},
    {SOL_SOCKET, SO_PRIORITY, 7, EPERM, EPERM},
    {SOL_SOCKET, SO_TIMESTAMP, 1, EINVAL, EINVAL},
    {SOL_SOCKET, 9999, 1, EINVAL, EINVAL},
};
#define OTHERS (int)(sizeof(others) / sizeof(others[0]))

START_TEST(test_control_for_others_ignored)
{
	const struct other_case *o = &others[_i];
	int old = a;

	errno = 0;
	ck_assert_int_eq(send_with(o->level, o->type, &o->value, 4), o->dgram ? -1 : 3);
	ck_assert_int_eq(errno, o->dgram);
	a = pair[0];
	errno = 0;
	ck_assert_int_eq(send_with(o->level, o->type, &o->value, 4), o->stream ? -1 : 3);
	ck_assert_int_eq(errno, o->stream);
	a = old;
}
END_TEST

/* Which is not served. */
START_TEST(test_control_of_six_einval)
{
	int hops = 3, old = a;

	a = weft_socket(AF_INET6, SOCK_DGRAM, 0);
	at_b = in4("127.0.0.1", 9);
	ck_assert_errno(send_with(IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops)), EINVAL);
	a = old;
}
END_TEST

START_TEST(test_control_that_is_malformed)
{
	struct iovec iov = {buf, 3};
	struct msghdr m = {.msg_name = &at_b,
			   .msg_namelen = SA_LEN,
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE(4)};
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(0) - 1, .cmsg_level = IPPROTO_IP};

	memcpy(control, &h, sizeof(h));
	ck_assert_errno(weft_sendmsg(a, &m, 0), EINVAL);
	h.cmsg_len = CMSG_SPACE(4) + 1;
	memcpy(control, &h, sizeof(h));
	ck_assert_errno(weft_sendmsg(a, &m, 0), EINVAL);
	m.msg_control = NULL;
	ck_assert_errno(weft_sendmsg(a, &m, 0), EFAULT);
	m.msg_control = control;
	m.msg_controllen = 3; /* too short for one: there is none (cmsg(3)) */
	ck_assert_int_eq(weft_sendmsg(a, &m, 0), 3);
	m.msg_name = NULL;
	m.msg_namelen = 0;
	ck_assert_int_eq(weft_sendmsg(pair[0], &m, 0), 3);
}
END_TEST

/* --- flags ------------------------------------------------------------------------------------- */

START_TEST(test_unknown_flags_are_refused)
{
	const int fds[] = {b, pair[0]};

	ck_assert_int_eq(weft_connect(b, sa(&at_b), SA_LEN), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_errno(weft_send(fds[i], "x", 1, 0x800000), EOPNOTSUPP);
		ck_assert_errno(weft_send(fds[i], "x", 1, MSG_DONTROUTE), EOPNOTSUPP);
		ck_assert_errno(weft_recv(fds[i], buf, 1, 0x800000 | MSG_DONTWAIT), EOPNOTSUPP);
		ck_assert_errno(weft_recv(fds[i], buf, 1, MSG_MORE | MSG_DONTWAIT), EOPNOTSUPP);
		ck_assert_int_eq(weft_send(fds[i], "x", 1, MSG_NOSIGNAL | MSG_ZEROCOPY), 1);
	}
	ck_assert_errno(weft_recv(b, buf, 1, MSG_OOB), EOPNOTSUPP);
	ck_assert_errno(weft_send(b, "x", 1, MSG_MORE), EOPNOTSUPP);
}
END_TEST

START_TEST(test_stream_peek_then_discard_then_read)
{
	ck_assert_int_eq(weft_send(pair[0], "abcdef", 6, 0), 6);
	ck_assert_int_eq(recv_with(pair[1], sizeof(control), MSG_PEEK), 6);
	ck_assert_int_eq(got.msg_flags, 0);
	ck_assert_uint_eq(got.msg_controllen, 0);
	ck_assert_mem_eq(buf, "abcdef", 6);
	memset(buf, 'z', sizeof(buf));
	ck_assert_int_eq(weft_recv(pair[1], buf, 4, MSG_TRUNC), 4);
	ck_assert_mem_eq(buf, "zzzz", 4); /* read and thrown away (tcp(7)) */
	ck_assert_int_eq(weft_recv(pair[1], buf, 64, 0), 2);
	ck_assert_mem_eq(buf, "ef", 2);
}
END_TEST

/* A stream has no error queue: its errors are told by the next call. */
START_TEST(test_stream_error_queue_is_empty)
{
	on(pair[1], IP_RECVERR);
	ck_assert_int_eq(weft_send(pair[0], "abc", 3, 0), 3);
	ck_assert_errno(weft_recv(pair[1], buf, 3, MSG_ERRQUEUE), EAGAIN);
	ck_assert_int_eq(weft_recv(pair[1], buf, 3, 0), 3);
}
END_TEST

START_TEST(test_datagram_trunc_tells_the_length)
{
	send_b();
	into.iov_len = 2;
	ck_assert_int_eq(recv_with(b, 0, MSG_TRUNC | MSG_PEEK), 3);
	ck_assert_int_eq(got.msg_flags, MSG_TRUNC);
	ck_assert_int_eq(recv_with(b, 0, 0), 2);
	ck_assert_int_eq(got.msg_flags, MSG_TRUNC);
	into.iov_len = sizeof(buf);
}
END_TEST

static short events_of(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_ge(weft_poll(&p, 1, 0), 0);
	return p.revents;
}

/* Nobody has the port: the answer is in the queue, by the public calls. */
START_TEST(test_error_queue_by_recvmsg)
{
	struct sockaddr_in to = at_b, name;
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} err;

	on(a, IP_RECVERR);
	ck_assert_int_eq(weft_close(b), 0);
	ck_assert_int_eq(weft_sendto(a, "abc", 3, 0, sa(&to), SA_LEN), 3);
	ck_assert_int_eq(events_of(a), POLLERR);
	into.iov_len = 2;
	got = (struct msghdr){.msg_name = &name,
			      .msg_namelen = sizeof(name),
			      .msg_iov = &into,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control)};
	ck_assert_int_eq(weft_recvmsg(a, &got, MSG_ERRQUEUE), 2);
	into.iov_len = sizeof(buf);
	ck_assert_int_eq(got.msg_flags, MSG_ERRQUEUE | MSG_TRUNC);
	ck_assert_mem_eq(buf, "ab", 2);
	ck_assert_uint_eq(name.sin_port, to.sin_port);
	ck_assert_uint_eq(name.sin_addr.s_addr, to.sin_addr.s_addr);
	expect_control(IP_RECVERR, &err, sizeof(err));
	ck_assert_uint_eq(err.ee.ee_errno, ECONNREFUSED);
	ck_assert_uint_eq(err.offender.sin_addr.s_addr, to.sin_addr.s_addr);
	ck_assert_int_eq(events_of(a), 0);
	ck_assert_errno(weft_recvmsg(a, &got, MSG_ERRQUEUE), EAGAIN);
}
END_TEST

/* --- a stream's own ---------------------------------------------------------------------------- */

START_TEST(test_inq_tells_what_is_left)
{
	struct cmsghdr *h;
	int v = 1, n;

	ck_assert_int_eq(weft_setsockopt(pair[1], IPPROTO_TCP, TCP_INQ, &v, sizeof(v)), 0);
	ck_assert_int_eq(weft_send(pair[0], "abcdef", 6, 0), 6);
	ck_assert_int_eq(weft_shutdown(pair[0], SHUT_WR), 0);
	into.iov_len = 4;
	for (int left = 2; left; left--) { /* 2, then the end, which counts as 1 */
		ck_assert_int_eq(recv_with(pair[1], sizeof(control), 0), left == 2 ? 4 : 2);
		h = CMSG_FIRSTHDR(&got);
		ck_assert_ptr_nonnull(h);
		ck_assert(h->cmsg_level == IPPROTO_TCP && h->cmsg_type == TCP_CM_INQ);
		memcpy(&n, CMSG_DATA(h), sizeof(n));
		ck_assert_int_eq(n, left);
	}
	into.iov_len = sizeof(buf);
}
END_TEST

static ssize_t send_zerocopy(const char *data)
{
	return weft_send(pair[0], data, strlen(data), MSG_ZEROCOPY);
}

/* Completions first to last, all in one message. */
static void expect_completions(uint32_t first, uint32_t last)
{
	struct sock_extended_err ee;
	struct cmsghdr *h;

	ck_assert_int_eq(events_of(pair[0]), POLLERR);
	ck_assert_int_eq(recv_with(pair[0], sizeof(control), MSG_ERRQUEUE), 0);
	ck_assert_int_eq(got.msg_flags, MSG_ERRQUEUE);
	h = CMSG_FIRSTHDR(&got);
	ck_assert_ptr_nonnull(h);
	memcpy(&ee, CMSG_DATA(h), sizeof(ee));
	ck_assert_uint_eq(ee.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	ck_assert_uint_eq(ee.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
	ck_assert_uint_eq(ee.ee_errno, 0);
	ck_assert_uint_eq(ee.ee_info, first);
	ck_assert_uint_eq(ee.ee_data, last);
	ck_assert_int_eq(events_of(pair[0]), 0);
	ck_assert_int_eq(recv_with(pair[0], sizeof(control), MSG_ERRQUEUE), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(test_zerocopy_says_that_it_copied)
{
	int v = 1, err;
	socklen_t n = sizeof(err);

	ck_assert_int_eq(send_zerocopy("a"), 1); /* not asked for: a copy like any other */
	ck_assert_int_eq(events_of(pair[0]), 0);
	ck_assert_int_eq(weft_setsockopt(pair[0], SOL_SOCKET, SO_ZEROCOPY, &v, sizeof(v)), 0);
	ck_assert_int_eq(weft_send(pair[0], "a", 1, 0), 1);
	ck_assert_int_eq(send_zerocopy(""), 0);
	ck_assert_int_eq(events_of(pair[0]), 0);
	ck_assert_int_eq(send_zerocopy("abc"), 3);
	expect_completions(0, 0);
	ck_assert_int_eq(send_zerocopy("abc"), 3);
	ck_assert_int_eq(send_zerocopy("abc"), 3);
	ck_assert_int_eq(weft_getsockopt(pair[0], SOL_SOCKET, SO_ERROR, &err, &n), 0);
	ck_assert_int_eq(err, 0); /* no error, though POLLERR stands for it */
	expect_completions(1, 2);
	v = 2;
	ck_assert_errno(weft_setsockopt(pair[0], SOL_SOCKET, SO_ZEROCOPY, &v, sizeof(v)), EINVAL);
	v = 1;
	ck_assert_errno(weft_setsockopt(a, SOL_SOCKET, SO_ZEROCOPY, &v, sizeof(v)), EOPNOTSUPP);
}
END_TEST

/* --- several at once --------------------------------------------------------------------------- */

static void tests_of_streams(TCase *tc)
{
	tcase_add_test(tc, test_inq_tells_what_is_left);
	tcase_add_test(tc, test_zerocopy_says_that_it_copied);
}

int main(void)
{
	TCase *tc = tcase_create("message");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_nothing_asked_for_nothing_told);
	tcase_add_test(tc, test_ttl_tos_and_pktinfo_are_told);
	tcase_add_loop_test(tc, test_no_room_is_ctrunc, 0, 5);
	tcase_add_test(tc, test_time_of_arrival);
	tcase_add_test(tc, test_time_of_arrival_of_a_stream);
	tcase_add_test(tc, test_options_are_datagrams_only);
	tcase_add_test(tc, test_one_datagram_has_its_own_ttl_and_tos);
	tcase_add_test(tc, test_pktinfo_chooses_the_source);
	tcase_add_loop_test(tc, test_control_that_is_wrong_or_unknown_einval, 0, WRONG);
	tcase_add_loop_test(tc, test_control_for_others_ignored, 0, OTHERS);
	tcase_add_test(tc, test_control_of_six_einval);
	tcase_add_test(tc, test_control_that_is_malformed);
	tcase_add_test(tc, test_unknown_flags_are_refused);
	tcase_add_test(tc, test_stream_peek_then_discard_then_read);
	tcase_add_test(tc, test_stream_error_queue_is_empty);
	tcase_add_test(tc, test_datagram_trunc_tells_the_length);
	tcase_add_test(tc, test_error_queue_by_recvmsg);
	tests_of_streams(tc);
	return unit_run("message", tc);
}
