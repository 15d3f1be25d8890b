/*
 * tests/net/test_pkbuf.c - the packet buffer: its front and end, its payload, what it shares.
 */
#include <errno.h>
#include <string.h>

#include "lib/mib.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct stack *st;

static void setup(void)
{
	st = netstack_create(1);
}

static void teardown(void)
{
	ck_assert_int_eq(gauge_read(st, GAUGE_pkbufs), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_piece_bytes), 0);
	netstack_destroy(st);
}

/* b holds n bytes that count up from `first`. */
static void check_counts(const struct pkbuf *b, uint32_t n, unsigned first)
{
	uint8_t bytes[4096];

	ck_assert_uint_eq(b->len, n);
	ck_assert_uint_le(n, sizeof(bytes));
	pkbuf_read(b, 0, bytes, n);
	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_eq(bytes[i], (uint8_t)(first + i));
}

START_TEST(test_alloc_is_empty)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);

	ck_assert_uint_eq(b->len, 0);
	ck_assert_uint_eq(pkbuf_headroom(b), PKBUF_TX_HEAD);
	ck_assert_uint_eq(pkbuf_linear(b), 0);
	ck_assert_uint_eq(b->pinned, sizeof(*b));
	ck_assert_ptr_eq(b->stack, st);
	ck_assert_int_eq(gauge_read(st, GAUGE_pkbufs), 1);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_push_moves_the_front)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_TX_HEAD, 50, 100);
	uint8_t *p;

	b->l4 = b->head;
	p = pkbuf_push(b, 4);
	memcpy(p, "\x60\x61\x62\x63", 4);
	ck_assert_uint_eq(b->l4, PKBUF_TX_HEAD);
	check_counts(b, 54, 0x60);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_pull_makes_contiguous)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 500, 3);
	uint8_t *p = pkbuf_pull(b, 240);

	ck_assert_ptr_eq(p, pkbuf_data(b));
	ck_assert_uint_eq(pkbuf_linear(b), 240);
	for (unsigned i = 0; i < 240; i++)
		ck_assert_uint_eq(p[i], 3 + i);
	check_counts(b, 500, 3);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_pull_moves_headers_down)
{
	struct pkbuf *b = netstack_packet(st, 200, 500, 7);
	uint8_t *p;

	b->csum_start = 210;
	p = pkbuf_pull(b, 130);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(b->l2, b->head);
	ck_assert_uint_eq(b->csum_start, b->head + 10);
	check_counts(b, 500, 7);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_pull_keeps_headers_before_the_front)
{
	struct pkbuf *b = netstack_packet(st, 60, 500, 0);

	pkbuf_trim_front(b, 100); /* l2 stays at 60: no more than that can make room */
	ck_assert_uint_eq(b->l2, 60);
	ck_assert_ptr_null(pkbuf_pull(b, 157));
	ck_assert_ptr_nonnull(pkbuf_pull(b, 156));
	ck_assert_uint_eq(b->l2, 0);
	ck_assert_uint_eq(b->hdr[0], 0); /* the byte that stood at l2 */
	ck_assert_uint_eq(b->hdr[99], 99);
	check_counts(b, 400, 100);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_pull_refuses_more_than_there_is)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 20, 0);

	ck_assert_ptr_null(pkbuf_pull(b, 21));
	ck_assert_ptr_nonnull(pkbuf_pull(b, 20));
	pkbuf_free(b);
	b = netstack_packet(st, PKBUF_RX_HEAD, 1000, 0);
	ck_assert_ptr_null(pkbuf_pull(b, PKBUF_HDR + 1));
	check_counts(b, 1000, 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_trim_front_into_frags)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 0);

	pkbuf_trim_front(b, 300);
	check_counts(b, 100, 300);
	ck_assert_uint_eq(pkbuf_linear(b), 0);
	pkbuf_trim_front(b, 100);
	ck_assert_uint_eq(b->len, 0);
	ck_assert_uint_eq(b->nfrag, 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_trim_to_shortens)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 9);

	pkbuf_trim_to(b, 500);
	ck_assert_uint_eq(b->len, 400);
	pkbuf_trim_to(b, 399);
	check_counts(b, 399, 9);
	pkbuf_trim_to(b, PKBUF_RX_LINEAR);
	check_counts(b, PKBUF_RX_LINEAR, 9);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 0);
	pkbuf_trim_to(b, 5);
	check_counts(b, 5, 9);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_clone_has_its_own_header)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 0), *c = pkbuf_clone(b);

	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 1);
	pkbuf_data(c)[0] = 77;
	pkbuf_trim_front(c, 200);
	check_counts(b, 400, 0);
	pkbuf_free(b);
	check_counts(c, 200, 200);
	pkbuf_free(c);
}
END_TEST

START_TEST(test_copy_shares_nothing)
{
	struct stack *other = netstack_join(st);
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 3000, 0), *c;

	b->l3 = b->head + 14;
	b->mark = 5;
	c = pkbuf_copy(other, b);
	pkbuf_free(b);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 0);
	ck_assert_ptr_eq(c->stack, other);
	ck_assert_ptr_null(c->dev);
	ck_assert_uint_eq(c->l3, PKBUF_RX_HEAD + 14);
	ck_assert_uint_eq(c->mark, 5);
	check_counts(c, 3000, 0);
	ck_assert_uint_eq(c->pinned, sizeof(*c) + PIECE_MID);
	pkbuf_free(c);
	netstack_leave(other);
}
END_TEST

START_TEST(test_add_piece_joins_neighbours)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	struct piece *p = piece_alloc(st, 100);

	for (uint32_t i = 0; i < 100; i++)
		piece_data(p)[i] = (uint8_t)i;
	ck_assert(pkbuf_add_piece(b, p, 10, 20));
	ck_assert(pkbuf_add_piece(b, p, 30, 50));
	ck_assert(pkbuf_add_piece(b, p, 0, 0));
	ck_assert_uint_eq(b->nfrag, 1);
	check_counts(b, 70, 10);
	ck_assert(pkbuf_add_piece(b, p, 90, 10));
	ck_assert_uint_eq(b->nfrag, 2);
	ck_assert_uint_eq(b->pinned, sizeof(*b) + PIECE_SMALL); /* charged once */
	piece_put(p);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_add_piece_ends_with_the_slots)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	struct piece *p = piece_alloc(st, 100);

	for (uint32_t i = 0; i < PKBUF_FRAGS; i++)
		ck_assert(pkbuf_add_piece(b, p, 2 * i, 1));
	ck_assert(!pkbuf_add_piece(b, p, 99, 1));
	ck_assert_uint_eq(b->len, PKBUF_FRAGS);
	piece_put(p);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_append_fills_the_tail_first)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	uint8_t bytes[300];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_int_eq(pkbuf_append(b, bytes, PKBUF_HDR - PKBUF_TX_HEAD), 0);
	ck_assert_uint_eq(b->nfrag, 0);
	ck_assert_int_eq(pkbuf_append(b, bytes + 112, 100), 0);
	ck_assert_int_eq(pkbuf_append(b, bytes + 212, 88), 0); /* into the same piece */
	ck_assert_uint_eq(b->nfrag, 1);
	check_counts(b, 300, 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_append_does_not_write_shared_pieces)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 0), *c = pkbuf_clone(b);
	uint8_t x = 144;

	ck_assert_int_eq(pkbuf_append(b, &x, 1), 0);
	ck_assert_uint_eq(b->nfrag, 2);
	check_counts(b, 401, 0);
	check_counts(c, 400, 0);
	pkbuf_free(b);
	pkbuf_free(c);
}
END_TEST

START_TEST(test_append_64_kilobytes)
{
	static uint8_t in[PKBUF_MAX], out[PKBUF_MAX];
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);

	for (unsigned i = 0; i < PKBUF_MAX; i++)
		in[i] = (uint8_t)(i * 7 + i / 256);
	ck_assert_int_eq(pkbuf_append(b, in, PKBUF_MAX), 0);
	ck_assert_uint_eq(b->len, PKBUF_MAX);
	pkbuf_read(b, 0, out, PKBUF_MAX);
	ck_assert_mem_eq(in, out, PKBUF_MAX);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_append_iov_skips)
{
	char a[] = "abcd", c[] = "efgh", e[] = "ijkl";
	struct iovec iov[] = {{a, 4}, {NULL, 0}, {c, 4}, {NULL, 0}, {NULL, 0}, {e, 4}};
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	char out[16] = "";

	ck_assert_int_eq(pkbuf_append_iov(b, iov, 6, 3, 7), 0);
	ck_assert_int_eq(pkbuf_append_iov(b, iov, 6, 8, 4), 0);
	ck_assert_int_eq(pkbuf_append_iov(b, iov, 6, 12, 0), 0);
	pkbuf_read(b, 0, out, 11);
	ck_assert_str_eq(out, "defghijijkl");
	pkbuf_free(b);
}
END_TEST

START_TEST(test_append_from_refers)
{
	struct pkbuf *from = netstack_packet(st, PKBUF_RX_HEAD, 1500, 0);
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);

	ck_assert_int_eq(pkbuf_append_from(b, from, 200, 1300), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 1);
	pkbuf_free(from);
	check_counts(b, 1300, 200);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_append_from_many_parts)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD), *from;

	for (unsigned i = 0; i < 50; i++) {
		from = netstack_packet(st, PKBUF_RX_HEAD, 300, (uint8_t)(70 * i));
		ck_assert_int_eq(pkbuf_append_from(b, from, 230, 70), 0);
		pkbuf_free(from);
	}
	ck_assert_uint_le(b->nfrag, PKBUF_FRAGS);
	check_counts(b, 3500, 230);
	/* gathered in proportion to what they hold */
	ck_assert_int_le(gauge_read(st, GAUGE_piece_bytes), PIECE_MID + PKBUF_FRAGS * PIECE_SMALL);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_append_without_memory_changes_nothing)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 0);
	static uint8_t much[PKBUF_MAX];
	struct piece *taken[64];
	unsigned n = 0;

	sysctl_write(st, "net.weft.mem_limit", 1 << 20);
	while ((taken[n] = piece_alloc(st, PIECE_LARGE)))
		n++;
	ck_assert_int_eq(pkbuf_append(b, much, sizeof(much)), -ENOMEM);
	check_counts(b, 400, 0);
	while (n > 0)
		piece_put(taken[--n]);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_iov_covers_every_byte)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 0);
	struct iovec iov[1 + PKBUF_FRAGS];

	ck_assert_int_eq(pkbuf_iov(b, iov), 2);
	ck_assert_uint_eq(iov[0].iov_len, PKBUF_RX_LINEAR);
	ck_assert_uint_eq(iov[1].iov_len, 400 - PKBUF_RX_LINEAR);
	pkbuf_trim_front(b, PKBUF_RX_LINEAR);
	ck_assert_int_eq(pkbuf_iov(b, iov), 1);
	ck_assert_uint_eq(*(uint8_t *)iov[0].iov_base, PKBUF_RX_LINEAR);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_unshare_before_poke)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 400, 0), *c = pkbuf_clone(b);
	uint8_t got[2];

	ck_assert_int_eq(pkbuf_unshare(c), 0);
	pkbuf_poke(c, 10, 200);
	pkbuf_poke(c, 300, 201);
	pkbuf_read(c, 10, &got[0], 1);
	pkbuf_read(c, 300, &got[1], 1);
	ck_assert_uint_eq(got[0], 200);
	ck_assert_uint_eq(got[1], 201);
	check_counts(b, 400, 0);
	pkbuf_free(b);
	pkbuf_free(c);
}
END_TEST

START_TEST(test_wire_len_of_super_frame)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 3000, 0);

	b->l3 = b->head + 14;
	ck_assert_uint_eq(pkbuf_wire_len(b), 2986);
	b->l4 = b->l3 + 20;
	b->hdr[b->l4 + 12] = 8 << 4; /* a TCP header of 32 bytes */
	b->gso_size = 1448;
	b->gso_type = GSO_TCP4;
	ck_assert_uint_eq(pkbuf_wire_len(b), 1500);
	b->gso_size = 4000; /* one segment, shorter than that */
	ck_assert_uint_eq(pkbuf_wire_len(b), 2986);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_drop_counts_its_reason)
{
	pkbuf_drop(netstack_packet(st, PKBUF_RX_HEAD, 10, 0), DROP_TOO_BIG);
	pkbuf_drop(netstack_packet(st, PKBUF_RX_HEAD, 10, 0), DROP_TOO_BIG);
	pkbuf_drop(netstack_packet(st, PKBUF_RX_HEAD, 10, 0), DROP_NONE);
	pkbuf_count_drop(st, DROP_NO_L3);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_TOO_BIG), 2);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_NO_L3), 1);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_NONE), 0);
}
END_TEST

START_TEST(test_queue_keeps_order)
{
	struct pkq q;

	pkq_init(&q);
	ck_assert_ptr_null(pkq_take(&q));
	for (unsigned i = 1; i <= 3; i++)
		pkq_add(&q, netstack_packet(st, PKBUF_RX_HEAD, i, 0));
	ck_assert_uint_eq(q.count, 3);
	ck_assert_uint_eq(q.bytes, 6);
	for (unsigned i = 1; i <= 2; i++) {
		struct pkbuf *b = pkq_take(&q);

		ck_assert_uint_eq(b->len, i);
		pkbuf_free(b);
	}
	pkq_free(&q);
	ck_assert_uint_eq(q.count + q.bytes, 0);
	pkq_add(&q, netstack_packet(st, PKBUF_RX_HEAD, 9, 0));
	ck_assert_uint_eq(q.head->len, 9);
	pkq_free(&q);
}
END_TEST

START_TEST(test_queues_join)
{
	struct pkq a, b;

	pkq_init(&a);
	pkq_init(&b);
	pkq_join(&a, &b);
	ck_assert_ptr_null(a.head);
	pkq_add(&b, netstack_packet(st, PKBUF_RX_HEAD, 1, 0));
	pkq_add(&b, netstack_packet(st, PKBUF_RX_HEAD, 2, 0));
	pkq_join(&a, &b);
	ck_assert_ptr_null(b.head);
	ck_assert_uint_eq(b.count + b.bytes, 0);
	pkq_add(&b, netstack_packet(st, PKBUF_RX_HEAD, 3, 0));
	pkq_join(&a, &b);
	pkq_add(&a, netstack_packet(st, PKBUF_RX_HEAD, 4, 0));
	ck_assert_uint_eq(a.count, 4);
	ck_assert_uint_eq(a.bytes, 10);
	for (unsigned i = 1; i <= 4; i++) {
		struct pkbuf *p = pkq_take(&a);

		ck_assert_uint_eq(p->len, i);
		pkbuf_free(p);
	}
	ck_assert_ptr_null(pkq_take(&a));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pkbuf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_alloc_is_empty);
	tcase_add_test(tc, test_push_moves_the_front);
	tcase_add_test(tc, test_pull_makes_contiguous);
	tcase_add_test(tc, test_pull_moves_headers_down);
	tcase_add_test(tc, test_pull_keeps_headers_before_the_front);
	tcase_add_test(tc, test_pull_refuses_more_than_there_is);
	tcase_add_test(tc, test_trim_front_into_frags);
	tcase_add_test(tc, test_trim_to_shortens);
	tcase_add_test(tc, test_clone_has_its_own_header);
	tcase_add_test(tc, test_copy_shares_nothing);
	tcase_add_test(tc, test_add_piece_joins_neighbours);
	tcase_add_test(tc, test_add_piece_ends_with_the_slots);
	tcase_add_test(tc, test_append_fills_the_tail_first);
	tcase_add_test(tc, test_append_does_not_write_shared_pieces);
	tcase_add_test(tc, test_append_64_kilobytes);
	tcase_add_test(tc, test_append_iov_skips);
	tcase_add_test(tc, test_append_from_refers);
	tcase_add_test(tc, test_append_from_many_parts);
	tcase_add_test(tc, test_append_without_memory_changes_nothing);
	tcase_add_test(tc, test_iov_covers_every_byte);
	tcase_add_test(tc, test_unshare_before_poke);
	tcase_add_test(tc, test_wire_len_of_super_frame);
	tcase_add_test(tc, test_drop_counts_its_reason);
	tcase_add_test(tc, test_queue_keeps_order);
	tcase_add_test(tc, test_queues_join);
	return unit_run("pkbuf", tc);
}
