/*
 * tests/tcp/test_pieces.c - where what is written lies: few bytes are not parted over two pieces for a small rest, and a
 * rest that has half of them is used.
 */
#include <netinet/in.h>

#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#define MOST (PIECE_SMALL * 2 / 3) /* bytes that leave half as many in their piece */

static struct sock *sk;

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	sk = tcp_lab_sock();
}

static void teardown(void)
{
	sock_put(sk);
	tcp_lab_teardown();
}

/* Two writes, a segment each. */
static const struct tcp_rec *two_of(uint32_t n)
{
	tcp_lab_write(n);
	tx(ACK, .seq = 1, .ack = 1, .len = n);
	tcp_lab_write(n);
	tx(ACK, .seq = 1 + n, .ack = 1, .len = n);
	quiet();
	return tcp_sk(sk)->est->xfer->head;
}

START_TEST(test_small_rest_is_left)
{
	const struct tcp_rec *a = two_of(MOST + 1), *b = a->next;

	ck_assert_uint_eq(tcp_rec_len(a), MOST + 1);
	ck_assert_uint_eq(tcp_rec_len(b), MOST + 1);
	ck_assert_ptr_ne(a->piece, b->piece);
	ck_assert_ptr_null(b->next);
}
END_TEST

START_TEST(test_rest_of_half_is_used)
{
	const struct tcp_rec *a = two_of(MOST), *b = a->next;

	ck_assert_ptr_eq(a->piece, b->piece);
	ck_assert_uint_eq(b->off, MOST);
	ck_assert_uint_eq(tcp_rec_len(b), PIECE_SMALL - MOST);
	ck_assert_ptr_ne(b->next->piece, b->piece);
	ck_assert_uint_eq(tcp_rec_len(b->next), 2 * MOST - PIECE_SMALL);
	ck_assert_ptr_null(b->next->next);
}
END_TEST

START_TEST(test_what_fits_is_not_parted)
{
	const struct tcp_rec *a = two_of(PIECE_SMALL / 2), *b = a->next;

	ck_assert_ptr_eq(a->piece, b->piece);
	ck_assert_uint_eq(tcp_rec_len(b), PIECE_SMALL / 2);
	ck_assert_ptr_null(b->next);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pieces");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_small_rest_is_left);
	tcase_add_test(tc, test_rest_of_half_is_used);
	tcase_add_test(tc, test_what_fits_is_not_parted);
	return unit_run("tcp_pieces", tc);
}
