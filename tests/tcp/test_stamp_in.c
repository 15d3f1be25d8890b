/*
 * tests/tcp/test_stamp_in.c - SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING of what a stream receives: when the
 * last byte of a read came.
 */
#include <linux/net_tstamp.h>
#include <string.h>
#include <time.h>

#include "tests/harness/tcp_lab.h"

#define MSS 1000u

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = MSS});
	tcp_lab_mark();
}

static void stamping(uint32_t flags)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_TIMESTAMPING, (int)flags);
}

/* When the last byte read came, ms since the mark; -1: no message says so. */
static int64_t came(int name, size_t n, int flags)
{
	char control[256], bytes[4000];
	struct iovec iov = {bytes, n};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *h;
	struct timespec t;

	ck_assert_int_eq(weft_recvmsg(tl.fd, &m, flags), (ssize_t)n);
	for (h = CMSG_FIRSTHDR(&m); h && h->cmsg_type != name; h = CMSG_NXTHDR(&m, h))
		;
	if (!h)
		return -1;
	memcpy(&t, CMSG_DATA(h), sizeof(t));
	if (name == SO_TIMESTAMP)
		t.tv_nsec *= 1000;
	return (int64_t)(((uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec - tl.mark) /
			 NSEC_PER_MSEC);
}

static const int names[] = {SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING};

/* Of a read over two segments the second; small ones are kept together, and still the last one counts. */
START_TEST(test_when_the_last_byte_came)
{
	int in = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

	tcp_lab_setopt(tl.fd, SOL_SOCKET, names[_i], names[_i] == SO_TIMESTAMPING ? in : 1);
	advance_ms(10);
	rx(ACK, .seq = 1, .ack = 1, .len = MSS);
	advance_ms(5);
	ck_assert_int_eq(came(names[_i], 100, 0), 10);
	advance_ms(5);
	rx(ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
	advance_ms(10);
	ck_assert_int_eq(came(names[_i], MSS, MSG_PEEK), 20);
	ck_assert_int_eq(came(names[_i], 2 * MSS - 100, 0), 20);
	for (uint32_t i = 0; i < 4; i++) {
		rx(ACK, .seq = 1 + 2 * MSS + 10 * i, .ack = 1, .len = 10);
		advance_ms(1);
	}
	ck_assert_int_eq(came(names[_i], 40, 0), 33);
	rx(ACK, .seq = 41 + 2 * MSS, .ack = 1, .len = 10);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, names[_i], 0);
	ck_assert_int_eq(came(names[_i], 10, 0), -1);
}
END_TEST

/* SOF_TIMESTAMPING_SOFTWARE alone asks for no stamps; beside SO_TIMESTAMP it tells of its, unless filtered. */
START_TEST(test_report_alone_is_no_request)
{
	stamping(SOF_TIMESTAMPING_SOFTWARE);
	rx(ACK, .seq = 1, .ack = 1, .len = 40);
	ck_assert_int_eq(came(SO_TIMESTAMPING, 10, 0), -1);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_TIMESTAMP, 1);
	ck_assert_int_eq(came(SO_TIMESTAMPING, 10, 0), 0);
	ck_assert_int_eq(came(SO_TIMESTAMP, 10, 0), 0);
	stamping(SOF_TIMESTAMPING_SOFTWARE | 1u << 17);
	ck_assert_int_eq(came(SO_TIMESTAMPING, 10, 0), -1);
}
END_TEST

/* What a listener asks for its connections ask for. */
START_TEST(test_connections_have_it_from_their_listener)
{
	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	weft_close(tl.fd);
	tcp_lab_drop();
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = MSS);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	ck_assert_int_eq(came(SO_TIMESTAMPNS, 10, 0), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("stamp_in");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_when_the_last_byte_came, 0, 3);
	tcase_add_test(tc, test_report_alone_is_no_request);
	tcase_add_test(tc, test_connections_have_it_from_their_listener);
	return unit_run("tcp_stamp_in", tc);
}
