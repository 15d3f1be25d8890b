/*
 * Several messages in one call, and vectors: where they end, and what is kept for the next call.
 */
#include <errno.h>
#include <string.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int a, b, pair[2];
static struct sockaddr_in at_a, at_b;
static char buf[64];

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

static void send_b(void)
{
	ck_assert_int_eq(weft_sendto(a, "abc", 3, 0, sa(&at_b), SA_LEN), 3);
}

#define MANY 3

static struct mmsghdr many[MANY];
static struct iovec many_iov[MANY];
static char many_buf[MANY][8];

static void many_make(struct sockaddr_in *to)
{
	for (int i = 0; i < MANY; i++) {
		memset(many_buf[i], 'a' + i, sizeof(many_buf[i]));
		many_iov[i] = (struct iovec){many_buf[i], (size_t)i + 1};
		many[i].msg_hdr = (struct msghdr){.msg_name = to,
						  .msg_namelen = to ? SA_LEN : 0,
						  .msg_iov = &many_iov[i],
						  .msg_iovlen = 1};
		many[i].msg_len = 99;
	}
}

START_TEST(test_several_messages_in_one_call)
{
	many_make(&at_b);
	ck_assert_int_eq(weft_sendmmsg(a, many, MANY, 0), MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert_uint_eq(many[i].msg_len, (unsigned)i + 1);
	many_make(NULL);
	for (int i = 0; i < MANY; i++)
		many_iov[i].iov_len = sizeof(many_buf[i]);
	ck_assert_int_eq(weft_recvmmsg(b, many, 2, 0, NULL), 2);
	ck_assert_uint_eq(many[0].msg_len, 1);
	ck_assert_uint_eq(many[1].msg_len, 2);
	ck_assert_mem_eq(many_buf[1], "bbb", 3); /* two of them came */
	ck_assert_int_eq(weft_recvmmsg(b, many, MANY, MSG_WAITFORONE, NULL), 1);
	ck_assert_uint_eq(many[0].msg_len, 3);
	ck_assert_errno(weft_recvmmsg(b, many, MANY, MSG_DONTWAIT, NULL), EAGAIN);
}
END_TEST

START_TEST(test_several_messages_end_at_the_first_error)
{
	struct timespec none = {0}, bad = {.tv_nsec = 1000000000};

	many_make(&at_b);
	many[1].msg_hdr.msg_namelen = 1;
	ck_assert_int_eq(weft_sendmmsg(a, many, MANY, 0), 1);
	ck_assert_errno(weft_sendmmsg(a, many + 1, 1, 0), EINVAL);
	ck_assert_errno(weft_sendmmsg(a, NULL, 1, 0), EFAULT);
	ck_assert_errno(weft_recvmmsg(b, NULL, 1, 0, NULL), EFAULT);
	ck_assert_errno(weft_recvmmsg(b, many, 1, 0, &bad), EINVAL);
	ck_assert_errno(weft_sendmmsg(-1, many, 1, 0), EBADF);
	ck_assert_int_eq(weft_sendmmsg(a, many, 0, 0), 0);
	send_b();
	many_make(NULL);
	ck_assert_int_eq(weft_recvmmsg(b, many, MANY, 0, &none), 1); /* and its time is over */
}
END_TEST

/* What would follow a message sent in part would take the place of its rest. */
START_TEST(test_several_messages_end_at_one_sent_in_part)
{
	static char large[8 << 20];

	many_make(NULL);
	many_iov[0] = (struct iovec){large, sizeof(large)};
	many_iov[1].iov_len = 0;
	ck_assert_int_eq(weft_sendmmsg(pair[0], many, 2, MSG_DONTWAIT), 1);
	ck_assert_uint_gt(many[0].msg_len, 0);
	ck_assert_uint_lt(many[0].msg_len, sizeof(large));
	ck_assert_uint_eq(many[1].msg_len, 99);
}
END_TEST

START_TEST(test_error_behind_messages_is_kept)
{
	struct linger reset = {.l_onoff = 1};

	ck_assert_int_eq(weft_send(pair[0], "abcd", 4, 0), 4);
	ck_assert_int_eq(weft_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	ck_assert_int_eq(weft_close(pair[0]), 0);
	many_make(NULL);
	for (int i = 0; i < MANY; i++)
		many_iov[i].iov_len = 4;
	ck_assert_int_eq(weft_recvmmsg(pair[1], many, MANY, 0, NULL), 1);
	ck_assert_uint_eq(many[0].msg_len, 4);
	ck_assert_errno(weft_recv(pair[1], buf, 4, 0), ECONNRESET);
	ck_assert_int_eq(weft_recv(pair[1], buf, 4, 0), 0);
}
END_TEST

START_TEST(test_vectors_of_nothing_neither_wait_nor_send)
{
	struct iovec none[2] = {{buf, 0}, {NULL, 0}};

	ck_assert_int_eq(weft_readv(pair[1], none, 2), 0);
	send_b();
	ck_assert_int_eq(weft_readv(b, none, 2), 0);
	ck_assert_int_eq(weft_readv(b, NULL, 0), 0);
	ck_assert_int_eq(weft_recv(b, buf, sizeof(buf), 0), 3); /* it is still there */
	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	ck_assert_int_eq(weft_writev(a, none, 2), 0);
	ck_assert_errno(weft_recv(b, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	ck_assert_errno(weft_readv(-1, none, 2), EBADF);
	ck_assert_errno(weft_writev(a, NULL, 1), EFAULT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("many");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_several_messages_in_one_call);
	tcase_add_test(tc, test_several_messages_end_at_the_first_error);
	tcase_add_test(tc, test_several_messages_end_at_one_sent_in_part);
	tcase_add_test(tc, test_error_behind_messages_is_kept);
	tcase_add_test(tc, test_vectors_of_nothing_neither_wait_nor_send);
	return unit_run("many", tc);
}
