/*
 * tests/net/test_gso.c - super-frames cut into wire frames: the bytes, every header field that must
 * change, and the checksums, by a model that adds bytes.
 */
#include <errno.h>
#include <string.h>

#include "lib/mib.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/netdev.h"
#include "tests/harness/netstack.h"
#include "tests/harness/superframe.h"
#include "tests/harness/unit.h"

static struct stack *st;
static uint8_t whole[65536 + 100], frame[65536 + 100];

static void setup(void)
{
	st = netstack_create(1);
}

static void teardown(void)
{
	ck_assert_int_eq(gauge_read(st, GAUGE_pkbufs), 0);
	netstack_destroy(st);
}

static const struct {
	enum pkbuf_gso type;
	uint32_t n;
	uint16_t gso;
} cuts[] = {
    {GSO_TCP4, 1448 * 3, 1448}, {GSO_TCP4, 65000, 1448}, {GSO_TCP4, 1449, 1448},
    {GSO_TCP4, 1000, 1448},     {GSO_TCP4, 65000, 7},    {GSO_TCP4, 50, 1},
    {GSO_TCP6, 64000, 1428},    {GSO_TCP6, 3001, 1000},  {GSO_TCP4, 0, 1448},
};

/* The i-th frame of the cut: `off` bytes of payload came before it.  Its payload's length. */
static uint32_t check_frame(const struct pkbuf *b, unsigned cut, uint32_t i, uint32_t off)
{
	uint32_t l4 = superframe_l4(whole), hlen = l4 + 32, n = b->len - hlen;
	const struct tcp_hdr *h = (const struct tcp_hdr *)(frame + l4);
	bool last = off + n == cuts[cut].n;

	pkbuf_read(b, 0, frame, b->len);
	ck_assert_mem_eq(frame, whole, ETHER_HLEN);
	ck_assert_mem_eq(frame + hlen, whole + hlen + off, n);
	ck_assert(superframe_verifies(frame, b->len));
	ck_assert_uint_eq(be32_get(h->seq), SUPERFRAME_SEQ + off);
	ck_assert_uint_eq(h->flags, TCP_ACK | (last ? TCP_PSH | TCP_FIN : 0) | (i ? 0 : TCP_CWR));
	if (cuts[cut].type == GSO_TCP4) {
		ck_assert_uint_eq(frame[ETHER_HLEN + 4] << 8 | frame[ETHER_HLEN + 5],
				  (SUPERFRAME_ID + i) & 0xffff);
	}
	ck_assert_uint_le(n, cuts[cut].gso);
	if (!last)
		ck_assert_uint_eq(n, cuts[cut].gso);
	return n;
}

START_TEST(test_cut_frames_are_right)
{
	struct pkbuf *b = superframe(st, cuts[_i].type, cuts[_i].n, cuts[_i].gso);
	uint32_t off = 0, i = 0;
	struct pkq q;

	b->mark = 3;
	pkbuf_read(b, 0, whole, b->len);
	pkq_init(&q);
	ck_assert_int_eq(gso_cut(b, 0, &q), 0);
	ck_assert_uint_eq(q.count, cuts[_i].n ? (cuts[_i].n + cuts[_i].gso - 1) / cuts[_i].gso : 1);
	while ((b = pkq_take(&q))) {
		ck_assert_uint_eq(b->csum, CSUM_NONE);
		ck_assert_uint_eq(b->gso_size, 0);
		ck_assert_uint_eq(b->mark, 3);
		ck_assert_uint_eq(b->l4 - b->l2, superframe_l4(whole));
		ck_assert_uint_eq(b->l3 - b->l2, ETHER_HLEN);
		off += check_frame(b, (unsigned)_i, i++, off);
		pkbuf_free(b);
	}
	ck_assert_uint_eq(off, cuts[_i].n);
}
END_TEST

START_TEST(test_cut_leaves_the_checksum_to_the_device)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 3000, 1448);
	struct pkq q;

	pkq_init(&q);
	ck_assert_int_eq(gso_cut(b, NETDEV_F_CSUM, &q), 0);
	while ((b = pkq_take(&q))) {
		ck_assert_uint_eq(b->csum, CSUM_PARTIAL);
		ck_assert_uint_eq(b->csum_start, b->l4);
		pkbuf_read(b, 0, frame, b->len);
		ck_assert(!superframe_verifies(frame, b->len));
		pkbuf_csum_finish(b);
		pkbuf_read(b, 0, frame, b->len);
		ck_assert(superframe_verifies(frame, b->len));
		pkbuf_free(b);
	}
}
END_TEST

START_TEST(test_cut_shares_payload)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 60000, 1448);
	struct pkq q;

	pkq_init(&q);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 1);
	ck_assert_int_eq(gso_cut(b, 0, &q), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 1);
	pkq_free(&q);
}
END_TEST

/* A packet of a tun has no link header: l3 is the front. */
START_TEST(test_cut_without_link_header)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 3000, 1448);
	struct pkq q;

	pkbuf_read(b, 0, frame, ETHER_HLEN);
	pkbuf_trim_front(b, ETHER_HLEN);
	pkq_init(&q);
	ck_assert_int_eq(gso_cut(b, 0, &q), 0);
	ck_assert_uint_eq(q.count, 3);
	ck_assert_uint_eq(q.head->len, 20 + 32 + 1448);
	pkbuf_read(q.head, 0, frame + ETHER_HLEN, q.head->len);
	ck_assert(superframe_verifies(frame, q.head->len + ETHER_HLEN));
	pkq_free(&q);
}
END_TEST

START_TEST(test_cut_adds_behind_what_is_there)
{
	struct pkq q;

	pkq_init(&q);
	ck_assert_int_eq(gso_cut(superframe(st, GSO_TCP4, 2000, 1000), 0, &q), 0);
	ck_assert_int_eq(gso_cut(superframe(st, GSO_TCP6, 3000, 1000), 0, &q), 0);
	ck_assert_uint_eq(q.count, 5);
	pkq_free(&q);
}
END_TEST

START_TEST(test_cut_without_memory_leaves_nothing)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 60000, 10), *c;
	struct pkq q, held;

	pkq_init(&q);
	pkq_init(&held);
	sysctl_write(st, "net.weft.mem_limit", 1 << 20);
	while ((c = pkbuf_alloc(st, PKBUF_TX_HEAD)))
		pkq_add(&held, c);
	for (unsigned i = 0; i < 100; i++)
		pkbuf_free(pkq_take(&held));
	ck_assert_int_eq(gso_cut(b, 0, &q), -ENOMEM);
	ck_assert_uint_eq(q.count, 0);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_NO_MEMORY), 1);
	pkq_free(&held);
}
END_TEST

START_TEST(test_cut_refuses_headers_that_do_not_fit)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 3000, 1448);
	struct pkq q;

	pkq_init(&q);
	b->hdr[b->l4 + 12] = 4 << 4; /* a TCP header of 16 bytes */
	ck_assert_int_eq(gso_cut(b, 0, &q), -EINVAL);
	ck_assert_uint_eq(q.count, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gso");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_cut_frames_are_right, 0,
			    (int)(sizeof(cuts) / sizeof(cuts[0])));
	tcase_add_test(tc, test_cut_leaves_the_checksum_to_the_device);
	tcase_add_test(tc, test_cut_shares_payload);
	tcase_add_test(tc, test_cut_without_link_header);
	tcase_add_test(tc, test_cut_adds_behind_what_is_there);
	tcase_add_test(tc, test_cut_without_memory_leaves_nothing);
	tcase_add_test(tc, test_cut_refuses_headers_that_do_not_fit);
	return unit_run("gso", tc);
}
