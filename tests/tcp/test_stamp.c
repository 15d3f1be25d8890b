/*
 * tests/tcp/test_stamp.c - SO_TIMESTAMPING of a stream: which bytes are told of, when, under which key, and
 * that nothing else is told.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
/* last: they want struct timespec, and have names of their own for what lib/wire/tcp.h defines */
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/tcp.h>

#include "net/netem.h"
#include "tests/harness/tcp_lab.h"

#define MSS 1000u
#define SND SOF_TIMESTAMPING_TX_SOFTWARE
#define SCHED SOF_TIMESTAMPING_TX_SCHED
#define ACKED SOF_TIMESTAMPING_TX_ACK
#define REPORT (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID)
#define TSONLY SOF_TIMESTAMPING_OPT_TSONLY

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = MSS});
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	tcp_lab_mark();
}

static void stamping(uint32_t flags)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_TIMESTAMPING, (int)flags);
}

static int stamping_errno(int fd, uint32_t flags)
{
	errno = 0;
	return weft_setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) ? errno : 0;
}

static void acked(uint32_t upto)
{
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = upto);
}

/* --- one message --------------------------------------------------------------------------------- */

static struct {
	ssize_t n;
	int flags;
	bool timed;
	uint64_t ms; /* since tcp_lab_mark() */
	struct sock_extended_err ee;
	struct sockaddr_in offender;
	uint8_t bytes[4000], stats[512];
	size_t nstats;
} got;

static void take_control(const struct cmsghdr *h)
{
	struct scm_timestamping three;

	if (h->cmsg_level == IPPROTO_IP) {
		ck_assert_int_eq(h->cmsg_type, IP_RECVERR);
		memcpy(&got.ee, CMSG_DATA(h), sizeof(got.ee));
		memcpy(&got.offender, CMSG_DATA(h) + sizeof(got.ee), sizeof(got.offender));
		return;
	}
	ck_assert_int_eq(h->cmsg_level, SOL_SOCKET);
	if (h->cmsg_type == SCM_TIMESTAMPING_OPT_STATS) {
		got.nstats = h->cmsg_len - CMSG_LEN(0);
		memcpy(got.stats, CMSG_DATA(h), got.nstats);
		return;
	}
	ck_assert_int_eq(h->cmsg_type, SO_TIMESTAMPING);
	memcpy(&three, CMSG_DATA(h), sizeof(three));
	got.timed = true;
	got.ms = ((uint64_t)three.ts[0].tv_sec * NSEC_PER_SEC + (uint64_t)three.ts[0].tv_nsec -
		  tl.mark) /
		 NSEC_PER_MSEC;
	ck_assert_int_eq(three.ts[1].tv_sec | three.ts[1].tv_nsec, 0);
	ck_assert_int_eq(three.ts[2].tv_sec | three.ts[2].tv_nsec, 0);
}

/* False: the queue is empty. */
static bool take(size_t room)
{
	char control[1024];
	struct iovec iov = {got.bytes, room};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};

	memset(&got, 0, sizeof(got));
	got.n = weft_recvmsg(tl.fd, &m, MSG_ERRQUEUE);
	if (got.n < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		return false;
	}
	got.flags = m.msg_flags;
	ck_assert_uint_eq(m.msg_namelen, 0);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
		take_control(h);
	ck_assert_uint_eq(got.ee.ee_errno, ENOMSG);
	ck_assert_uint_eq(got.ee.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
	return true;
}

static void expect(uint32_t what, uint32_t key, uint64_t ms)
{
	ck_assert(take(sizeof(got.bytes)));
	ck_assert(got.timed);
	ck_assert_uint_eq(got.ee.ee_info, what);
	ck_assert_uint_eq(got.ee.ee_data, key);
	ck_assert_uint_eq(got.ms, ms);
}

#define expect_none() ck_assert(!take(sizeof(got.bytes)))

/* --- sending ------------------------------------------------------------------------------------- */

START_TEST(test_way_of_a_write_is_told)
{
	stamping(SCHED | SND | ACKED | REPORT);
	expect_none();
	ck_assert_int_eq(tcp_lab_poll() & POLLERR, 0);
	advance_ms(5);
	tcp_lab_write(300);
	ck_assert_int_eq(tcp_lab_poll() & POLLERR, POLLERR);
	expect(SCM_TSTAMP_SCHED, 299, 5);
	expect(SCM_TSTAMP_SND, 299, 5);
	expect_none();
	advance_ms(20);
	acked(301);
	expect(SCM_TSTAMP_ACK, 299, 25);
	ck_assert_int_eq(tcp_lab_poll() & POLLERR, 0);
	expect_none();
}
END_TEST

/* Each alone, and nothing else with it. */
START_TEST(test_only_what_is_asked_for)
{
	static const uint32_t asks[] = {SCHED, SND, ACKED, SOF_TIMESTAMPING_TX_HARDWARE};
	static const uint32_t told[] = {SCM_TSTAMP_SCHED, SCM_TSTAMP_SND, SCM_TSTAMP_ACK};

	stamping(asks[_i] | REPORT | TSONLY);
	tcp_lab_write(10);
	acked(11);
	if (_i < 3)
		expect(told[_i], 9, 0);
	expect_none();
}
END_TEST

/* Without SOF_TIMESTAMPING_SOFTWARE there is a message, and no time in it; without OPT_ID no key (Linux). */
START_TEST(test_without_report_no_time)
{
	stamping(SND);
	tcp_lab_write(10);
	ck_assert(take(sizeof(got.bytes)));
	ck_assert(!got.timed);
	ck_assert_uint_eq(got.ee.ee_data, 0);
	expect_none();
}
END_TEST

/* A write in several segments: its last byte is what counts, when that goes. */
START_TEST(test_last_byte_of_a_write)
{
	stamping(SND | ACKED | REPORT | TSONLY);
	tcp_lab_write(12 * MSS);
	expect_none();
	advance_ms(30);
	acked(1 + 10 * MSS);
	expect(SCM_TSTAMP_SND, 12 * MSS - 1, 30);
	expect_none();
	advance_ms(30);
	acked(1 + 11 * MSS);
	expect_none();
	acked(1 + 12 * MSS);
	expect(SCM_TSTAMP_ACK, 12 * MSS - 1, 60);
	expect_none();
}
END_TEST

/* Two in one segment, which Linux tells of as one. */
START_TEST(test_two_writes_in_one_segment)
{
	stamping(SND | ACKED | REPORT | TSONLY);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(100);
	tcp_lab_write(200);
	expect_none();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 0);
	tx(ACK, .seq = 1, .ack = 1, .len = 300);
	expect(SCM_TSTAMP_SND, 99, 0);
	expect(SCM_TSTAMP_SND, 299, 0);
	expect_none();
	acked(101);
	expect(SCM_TSTAMP_ACK, 99, 0);
	expect_none();
	acked(301);
	expect(SCM_TSTAMP_ACK, 299, 0);
	expect_none();
}
END_TEST

/* What is sent again is told again; the acknowledgement once. */
START_TEST(test_sent_again_is_told_again)
{
	uint64_t ms;

	stamping(SND | ACKED | REPORT | TSONLY);
	tcp_lab_write(100);
	tcp_lab_drop();
	expect(SCM_TSTAMP_SND, 99, 0);
	expect_none();
	ms = wait_ms(3000);
	ck_assert_uint_ge(ms, 200);
	expect(SCM_TSTAMP_SND, 99, ms);
	expect_none();
	acked(101);
	expect(SCM_TSTAMP_ACK, 99, ms);
	expect_none();
}
END_TEST

/* SACK of it is no acknowledgement (timestamping.rst, 1.3.1). */
/* Each once, in order; of those sent again, what their segments have. */
START_TEST(test_many_writes_each_told_once)
{
	uint64_t ms;

	stamping(SND | ACKED | REPORT | TSONLY);
	for (uint32_t i = 0; i < 9; i++) {
		tcp_lab_write(100);
		expect(SCM_TSTAMP_SND, 100 * i + 99, 0);
	}
	expect_none();
	acked(401);
	for (uint32_t i = 0; i < 4; i++)
		expect(SCM_TSTAMP_ACK, 100 * i + 99, 0);
	expect_none();
	ms = wait_ms(3000);
	for (uint32_t i = 4; take(sizeof(got.bytes)); i++) {
		ck_assert_uint_eq(got.ee.ee_info, SCM_TSTAMP_SND);
		ck_assert_uint_eq(got.ee.ee_data, 100 * i + 99);
	}
	acked(901);
	for (uint32_t i = 4; i < 9; i++)
		expect(SCM_TSTAMP_ACK, 100 * i + 99, ms);
	expect_none();
}
END_TEST

START_TEST(test_sack_is_no_acknowledgement)
{
	tcp_lab_settle();
	tcp_lab_open();
	tcp_lab_established(&(struct seg){.mss = MSS, .opts = O_SACK_OK});
	stamping(ACKED | REPORT | TSONLY);
	tcp_lab_mark();
	tcp_lab_write(MSS);
	tcp_lab_write(MSS);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .nsack = 1, .sack = {{1 + MSS, 1 + 2 * MSS}});
	expect_none();
	advance_ms(7);
	acked(1 + 2 * MSS);
	expect(SCM_TSTAMP_ACK, MSS - 1, 7);
	expect(SCM_TSTAMP_ACK, 2 * MSS - 1, 7);
}
END_TEST

/* netem stands for the queueing discipline. */
START_TEST(test_queue_before_the_device)
{
	struct netem_config cfg = {.delay = 40 * NSEC_PER_MSEC, .seed = 1};

	ck_assert_int_eq(netem_set(tl.dev, NETEM_OUT, &cfg), 0);
	stamping(SCHED | SND | REPORT | TSONLY);
	tcp_lab_write(100);
	expect(SCM_TSTAMP_SCHED, 99, 0);
	expect_none();
	advance_ms(40);
	expect(SCM_TSTAMP_SND, 99, 40);
	expect_none();
}
END_TEST

/* The sock is closed, and gone, before its packet goes: nobody is told, nothing is left. */
START_TEST(test_closed_while_a_packet_waits)
{
	struct netem_config cfg = {.delay = 60 * NSEC_PER_SEC, .seed = 1};
	struct linger now = {1, 0};

	ck_assert_int_eq(netem_set(tl.dev, NETEM_OUT, &cfg), 0);
	stamping(SCHED | SND | ACKED | REPORT);
	tcp_lab_write(100);
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	ck_assert_int_eq(weft_close(tl.fd), 0);
	tl.fd = -1;
	advance_ms(61000);
	ck_assert_uint_gt(tcp_lab_drop(), 0);
}
END_TEST

/* A message that goes on in more calls has one end; of a part that was taken it is the part's. */
START_TEST(test_part_of_a_write)
{
	static uint8_t bytes[100000];
	ssize_t n;

	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, 10000);
	stamping(ACKED | REPORT | TSONLY);
	n = weft_send(tl.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, (ssize_t)sizeof(bytes));
	for (uint32_t una = 1; una < 1 + n;) {
		expect_none();
		una = una + 2 * MSS < 1 + n ? una + 2 * MSS : 1 + (uint32_t)n;
		acked(una);
	}
	expect(SCM_TSTAMP_ACK, (uint32_t)n - 1, 0);
	expect_none();
}
END_TEST

/* --- keys ---------------------------------------------------------------------------------------- */

/* They count from what is not acknowledged, or with OPT_ID_TCP not written, when OPT_ID is set; again, anew. */
START_TEST(test_keys_count_from_the_option)
{
	tcp_lab_write(500);
	tcp_lab_drop();
	stamping(SND | REPORT | TSONLY);
	tcp_lab_write(10);
	expect(SCM_TSTAMP_SND, 509, 0);
	stamping(SND | REPORT | TSONLY); /* on already: it goes on */
	tcp_lab_write(10);
	expect(SCM_TSTAMP_SND, 519, 0);
	stamping(SND | TSONLY | SOF_TIMESTAMPING_SOFTWARE);
	stamping(SND | REPORT | TSONLY | 1u << 16);
	tcp_lab_write(10);
	expect(SCM_TSTAMP_SND, 9, 0);
}
END_TEST

START_TEST(test_options_are_checked)
{
	int fd = tcp_lab_socket(), v[2] = {-1, -1};
	socklen_t n = sizeof(v);

	ck_assert_int_eq(stamping_errno(tl.fd, 1u << 18), EINVAL);
	ck_assert_int_eq(stamping_errno(tl.fd, 1u << 16), EINVAL); /* OPT_ID_TCP alone */
	ck_assert_int_eq(stamping_errno(tl.fd, SOF_TIMESTAMPING_OPT_STATS), EINVAL);
	ck_assert_int_eq(stamping_errno(tl.fd, SOF_TIMESTAMPING_BIND_PHC), EOPNOTSUPP);
	ck_assert_int_eq(stamping_errno(fd, REPORT), EINVAL); /* there is no byte yet */
	ck_assert_int_eq(stamping_errno(fd, SND | SOF_TIMESTAMPING_SOFTWARE), 0);
	ck_assert_int_eq(weft_getsockopt(tl.fd, SOL_SOCKET, SO_TIMESTAMPING, v, &n), 0);
	ck_assert_uint_eq(n, sizeof(v));
	ck_assert_int_eq(v[0], 0);
	stamping(SND | REPORT | SOF_TIMESTAMPING_RX_HARDWARE);
	n = sizeof(v[0]);
	ck_assert_int_eq(weft_getsockopt(tl.fd, SOL_SOCKET, SO_TIMESTAMPING, v, &n), 0);
	ck_assert_uint_eq(n, sizeof(v[0]));
	ck_assert_uint_eq((uint32_t)v[0], SND | REPORT | SOF_TIMESTAMPING_RX_HARDWARE);
	weft_close(fd);
}
END_TEST

/* --- wishes of one call -------------------------------------------------------------------------- */

static ssize_t send_asking(uint32_t asks, int level, int type, size_t len)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(8)];
	} c = {.h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type}};
	struct iovec iov = {(char[]){"0123456789"}, 10};
	struct msghdr m = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(len)};

	memcpy(CMSG_DATA(&c.h), &asks, sizeof(asks));
	errno = 0;
	return weft_sendmsg(tl.fd, &m, 0);
}

START_TEST(test_call_asks_for_itself)
{
	stamping(ACKED | REPORT | TSONLY);
	ck_assert_int_eq(send_asking(SND, SOL_SOCKET, SO_TIMESTAMPING, 4), 10);
	expect(SCM_TSTAMP_SND, 9, 0);
	ck_assert_int_eq(send_asking(0, SOL_SOCKET, SO_TIMESTAMPING, 4), 10);
	acked(21);
	expect_none(); /* neither asked for it */
	tl.sent += 20;
	tcp_lab_write(10);
	acked(31);
	expect(SCM_TSTAMP_ACK, 29, 0);
	expect_none();
}
END_TEST

START_TEST(test_call_with_wrong_wishes)
{
	ck_assert_int_eq(send_asking(SOF_TIMESTAMPING_SOFTWARE, SOL_SOCKET, SO_TIMESTAMPING, 4),
			 -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(send_asking(SND, SOL_SOCKET, SO_TIMESTAMPING, 8), -1);
	ck_assert_int_eq(errno, EINVAL);
	quiet();
}
END_TEST

/* --- what a message shows ------------------------------------------------------------------------- */

/* The packet, of which the bytes are the end; the acknowledged bytes; with OPT_TSONLY nothing. */
START_TEST(test_message_shows_the_packet)
{
	static uint8_t want[300];

	stream_fill(want, sizeof(want), tl.sent);
	stamping(SND | ACKED | REPORT);
	tcp_lab_write(sizeof(want));
	expect(SCM_TSTAMP_SND, 299, 0);
	ck_assert_int_eq(got.flags, MSG_ERRQUEUE);
	ck_assert_int_gt(got.n, 300 + 40);
	ck_assert_mem_eq(got.bytes + got.n - sizeof(want), want, sizeof(want));
	acked(301);
	ck_assert(take(7));
	ck_assert_int_eq(got.flags, MSG_ERRQUEUE | MSG_TRUNC);
	ck_assert_int_eq(got.n, 7);
	ck_assert_mem_eq(got.bytes, want, 7);
	stamping(SND | REPORT | TSONLY);
	tcp_lab_write(5);
	expect(SCM_TSTAMP_SND, 304, 0);
	ck_assert_int_eq(got.n, 0);
	ck_assert_int_eq(got.flags, MSG_ERRQUEUE);
}
END_TEST

/* Attribute `type` of the numbers; -1: it is not there. */
static int64_t stat_of(uint16_t type)
{
	uint64_t v = 0;

	for (size_t at = 0; at + NLA_HDRLEN <= got.nstats;) {
		struct nlattr a;

		memcpy(&a, got.stats + at, sizeof(a));
		ck_assert_uint_gt(a.nla_len, NLA_HDRLEN);
		ck_assert_uint_le(at + a.nla_len, got.nstats);
		if (a.nla_type == type) {
			memcpy(&v, got.stats + at + NLA_HDRLEN, a.nla_len - (size_t)NLA_HDRLEN);
			return (int64_t)v;
		}
		at += NLA_ALIGN(a.nla_len);
	}
	return -1;
}

START_TEST(test_numbers_beside_the_time)
{
	stamping(SND | ACKED | REPORT | TSONLY | SOF_TIMESTAMPING_OPT_STATS);
	tcp_lab_write(3 * MSS);
	expect(SCM_TSTAMP_SND, 3 * MSS - 1, 0);
	ck_assert_uint_gt(got.nstats, 0);
	ck_assert_int_eq(stat_of(TCP_NLA_SNDQ_SIZE), 3 * MSS);
	ck_assert_int_eq(stat_of(TCP_NLA_SND_CWND), 10);
	ck_assert_int_eq(stat_of(TCP_NLA_DATA_SEGS_OUT), 3);
	ck_assert_int_eq(stat_of(TCP_NLA_TOTAL_RETRANS), 0);
	ck_assert_int_eq(stat_of(TCP_NLA_CA_STATE), 0);
	ck_assert_int_eq(stat_of(TCP_NLA_BYTES_NOTSENT), 0);
	advance_ms(30);
	acked(1 + 3 * MSS);
	expect(SCM_TSTAMP_ACK, 3 * MSS - 1, 30);
	ck_assert_int_ge(stat_of(TCP_NLA_SNDQ_SIZE), 0);
	ck_assert_int_ge(stat_of(TCP_NLA_SRTT), 0);
}
END_TEST

/* Nobody reads them: they end at the receive buffer's size, and the window stays open. */
START_TEST(test_unread_messages_are_bounded)
{
	uint32_t una = 1, n = 0;
	struct seg s;

	stamping(SND | REPORT | TSONLY);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 20000);
	for (int i = 0; i < 400; i++) {
		tcp_lab_write(1);
		acked(++una);
	}
	rx(ACK, .seq = 1, .ack = una, .len = 100);
	advance_ms(100);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_gt(s.wnd, 0);
	while (take(1))
		n++;
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_lt(n, 100);
}
END_TEST

/* What a listener asks for its connections ask for. */
START_TEST(test_connections_have_it_from_their_listener)
{
	int v = SND | SOF_TIMESTAMPING_SOFTWARE;

	ck_assert_int_eq(stamping_errno(tl.ls, SND | REPORT), EINVAL);
	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_TIMESTAMPING, v);
	weft_close(tl.fd);
	tcp_lab_drop();
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = MSS);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_assert_int_eq(weft_send(tl.fd, "x", 1, 0), 1);
	tcp_lab_drop();
	ck_assert(take(sizeof(got.bytes)));
	ck_assert_uint_eq(got.ee.ee_info, SCM_TSTAMP_SND);
}
END_TEST

/* Without memory for the message the packet goes all the same, and nobody is told. */
START_TEST(test_no_memory_for_the_message)
{
	static struct piece *held[4096];
	unsigned n = 0;

	stamping(SCHED | SND | REPORT);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(300);
	quiet();
	tcp_lab_sysctl("net.weft.mem_limit", 1 << 20);
	while (n < 4096 && (held[n] = piece_alloc(tl.st, PIECE_SMALL)))
		n++;
	ck_assert_uint_lt(n, 4096);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 0);
	tx(ACK, .seq = 1, .ack = 1, .len = 300);
	while (n)
		piece_put(held[--n]);
	expect_none();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("stamp");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_way_of_a_write_is_told);
	tcase_add_loop_test(tc, test_only_what_is_asked_for, 0, 4);
	tcase_add_test(tc, test_without_report_no_time);
	tcase_add_test(tc, test_last_byte_of_a_write);
	tcase_add_test(tc, test_two_writes_in_one_segment);
	tcase_add_test(tc, test_sent_again_is_told_again);
	tcase_add_test(tc, test_many_writes_each_told_once);
	tcase_add_test(tc, test_sack_is_no_acknowledgement);
	tcase_add_test(tc, test_queue_before_the_device);
	tcase_add_test(tc, test_closed_while_a_packet_waits);
	tcase_add_test(tc, test_part_of_a_write);
	tcase_add_test(tc, test_keys_count_from_the_option);
	tcase_add_test(tc, test_options_are_checked);
	tcase_add_test(tc, test_call_asks_for_itself);
	tcase_add_test(tc, test_call_with_wrong_wishes);
	tcase_add_test(tc, test_message_shows_the_packet);
	tcase_add_test(tc, test_numbers_beside_the_time);
	tcase_add_test(tc, test_unread_messages_are_bounded);
	tcase_add_test(tc, test_connections_have_it_from_their_listener);
	tcase_add_test(tc, test_no_memory_for_the_message);
	return unit_run("tcp_stamp", tc);
}
