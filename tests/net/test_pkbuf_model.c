/*
 * tests/net/test_pkbuf_model.c - packets against flat byte arrays: random operations, equal bytes after
 * each, equal checksums, and no memory left.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/mib.h"
#include "lib/random.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

#define PACKETS 6
#define MODEL_MAX 90000u

struct model {
	struct pkbuf *b;
	uint32_t len;
	uint8_t bytes[MODEL_MAX];
};

static struct stack *st;
static struct model model[PACKETS];
static struct random rng;

static void setup(void)
{
	st = netstack_create(1);
}

static void teardown(void)
{
	netstack_destroy(st);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)random_below(&rng, n);
}

/* Small as a rule, now and then large. */
static uint32_t some_length(void)
{
	return below(8) ? below(200) : below(20000);
}

static uint16_t naive_sum(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* 0 and 0xffff are the same sum. */
static void check_sum(const struct model *m)
{
	uint32_t off = below(m->len + 1), n = below(m->len - off + 1);
	uint16_t want = naive_sum(m->bytes + off, n);
	uint16_t got = be16toh(csum_fold(pkbuf_csum(m->b, off, n, 0)));

	ck_assert(want == got || (want % 0xffff == 0 && got % 0xffff == 0));
}

static void check(const struct model *m)
{
	static uint8_t bytes[MODEL_MAX];
	uint32_t inside = pkbuf_linear(m->b);

	ck_assert_uint_eq(m->b->len, m->len);
	pkbuf_read(m->b, 0, bytes, m->len);
	ck_assert_mem_eq(bytes, m->bytes, m->len);
	for (unsigned i = 0; i < m->b->nfrag; i++) {
		ck_assert_uint_gt(m->b->frag[i].len, 0);
		inside += m->b->frag[i].len;
	}
	ck_assert_uint_eq(inside, m->len);
	check_sum(m);
}

/* --- one function an operation ---------------------------------------------------------------- */

static void op_push(struct model *m)
{
	uint32_t n = below(pkbuf_headroom(m->b) + 1);
	uint8_t *p;

	if (m->len + n > MODEL_MAX)
		return;
	p = pkbuf_push(m->b, n);
	memmove(m->bytes + n, m->bytes, m->len);
	for (uint32_t i = 0; i < n; i++)
		m->bytes[i] = p[i] = (uint8_t)below(256);
	m->len += n;
}

static void op_pull(struct model *m)
{
	uint32_t n = below(PKBUF_HDR + 20);
	uint8_t *p = pkbuf_pull(m->b, n);

	if (!p)
		return;
	ck_assert_uint_le(n, m->len);
	ck_assert_mem_eq(p, m->bytes, n);
	if (n > 0)
		p[n - 1] = m->bytes[n - 1] = (uint8_t)below(256);
}

static void op_trim_front(struct model *m)
{
	uint32_t n = below(3) ? below(m->len + 1) : below(m->len / 8 + 1);

	pkbuf_trim_front(m->b, n);
	memmove(m->bytes, m->bytes + n, m->len - n);
	m->len -= n;
}

static void op_trim_to(struct model *m)
{
	uint32_t n = m->len - below(m->len / 4 + 1);

	pkbuf_trim_to(m->b, n);
	m->len = n;
}

static void op_append(struct model *m)
{
	uint32_t n = some_length();

	if (m->len + n > MODEL_MAX)
		return;
	for (uint32_t i = 0; i < n; i++)
		m->bytes[m->len + i] = (uint8_t)below(256);
	ck_assert_int_eq(pkbuf_append(m->b, m->bytes + m->len, n), 0);
	m->len += n;
}

static void op_append_from(struct model *m)
{
	struct model *from = &model[below(PACKETS)];
	uint32_t off = below(from->len + 1), n = below(from->len - off + 1);

	if (from == m || m->len + n > MODEL_MAX)
		return;
	ck_assert_int_eq(pkbuf_append_from(m->b, from->b, off, n), 0);
	memcpy(m->bytes + m->len, from->bytes + off, n);
	m->len += n;
}

static void op_replace(struct model *m, struct pkbuf *(*make)(const struct pkbuf *))
{
	struct model *from = &model[below(PACKETS)];
	struct pkbuf *b = make(from->b);

	ck_assert_ptr_nonnull(b);
	pkbuf_free(m->b);
	m->b = b;
	m->len = from->len;
	memmove(m->bytes, from->bytes, from->len);
}

static struct pkbuf *copy_here(const struct pkbuf *b)
{
	return pkbuf_copy(st, b);
}

static struct pkbuf *empty_one(const struct pkbuf *b)
{
	struct pkbuf *e = pkbuf_alloc(st, below(2) ? PKBUF_TX_HEAD : PKBUF_RX_HEAD);

	(void)b;
	return e;
}

static void op_clone(struct model *m)
{
	op_replace(m, pkbuf_clone);
}

static void op_copy(struct model *m)
{
	op_replace(m, copy_here);
}

static void op_empty(struct model *m)
{
	op_replace(m, empty_one);
	m->len = 0;
}

static void op_poke(struct model *m)
{
	uint32_t off;

	if (m->len == 0)
		return;
	off = below(m->len);
	m->bytes[off] = (uint8_t)below(256);
	ck_assert_int_eq(pkbuf_unshare(m->b), 0);
	pkbuf_poke(m->b, off, m->bytes[off]);
}

static void (*const ops[])(struct model *) = {
    op_push,        op_pull,        op_trim_front, op_trim_to, op_append, op_append, op_append_from,
    op_append_from, op_append_from, op_clone,      op_copy,    op_empty,  op_poke,
};

START_TEST(test_random_operations_match_bytes)
{
	struct model *m;

	random_seed(&rng, (uint64_t)_i + 1);
	for (unsigned i = 0; i < PACKETS; i++) {
		model[i].b = pkbuf_alloc(st, PKBUF_TX_HEAD);
		model[i].len = 0;
	}
	for (unsigned i = 0; i < 1500; i++) {
		m = &model[below(PACKETS)];
		ops[below(sizeof(ops) / sizeof(ops[0]))](m);
		check(m);
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		check(&model[i]); /* what was done to others did not reach it */
		pkbuf_free(model[i].b);
	}
	ck_assert_int_eq(gauge_read(st, GAUGE_pkbufs), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_piece_bytes), 0);
}
END_TEST

/* --- the owed checksum ------------------------------------------------------------------------ */

/* A packet of n random bytes, split at odd places, that owes the checksum from byte `start` on. */
static struct model *partial(uint32_t n, uint32_t start, uint16_t csum_off)
{
	struct model *m = &model[0];

	m->b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	m->len = 0;
	for (uint32_t at = 0; at < n; at += 37) {
		struct pkbuf *part = pkbuf_alloc(st, PKBUF_TX_HEAD);
		uint32_t k = n - at < 37 ? n - at : 37;

		for (uint32_t i = 0; i < k; i++)
			m->bytes[at + i] = (uint8_t)below(256);
		pkbuf_append(part, m->bytes + at, k);
		ck_assert_int_eq(pkbuf_append_from(m->b, part, 0, k), 0);
		pkbuf_free(part);
	}
	m->len = n;
	m->b->csum = CSUM_PARTIAL;
	m->b->csum_start = (uint16_t)(m->b->head + start);
	m->b->csum_off = csum_off;
	return m;
}

START_TEST(test_csum_finish_makes_the_sum_verify)
{
	uint32_t start = 20, n = 100 + 61 * (uint32_t)_i;
	struct model *m;

	random_seed(&rng, (uint64_t)_i + 1);
	m = partial(n, start, 16);
	pkbuf_data(m->b)[start + 16] = 0;
	pkbuf_data(m->b)[start + 17] = 0;
	pkbuf_csum_finish(m->b);
	ck_assert_uint_eq(m->b->csum, CSUM_NONE);
	pkbuf_read(m->b, 0, m->bytes, n);
	ck_assert_uint_eq(naive_sum(m->bytes + start, n - start), 0xffff);
	pkbuf_free(m->b);
}
END_TEST

/* As a raw socket does, that takes the packet from behind its transport header. */
START_TEST(test_csum_finish_behind_the_front)
{
	uint8_t want[2];
	struct model *m;
	struct pkbuf *c;

	random_seed(&rng, 7);
	m = partial(400, 4, 2);
	c = pkbuf_clone(m->b);
	pkbuf_csum_finish(c);
	memcpy(want, pkbuf_data(c) + 6, 2);
	pkbuf_trim_front(m->b, 20 + (uint32_t)_i);
	pkbuf_csum_finish(m->b);
	pkbuf_push(m->b, 20 + (uint32_t)_i);
	ck_assert_mem_eq(pkbuf_data(m->b) + 6, want, 2);
	pkbuf_free(m->b);
	pkbuf_free(c);
}
END_TEST

/* RFC 768: a sum of 0 is sent as all ones, for 0 says that there is none. */
START_TEST(test_csum_finish_of_udp_is_never_zero)
{
	uint8_t bytes[8] = {0xff, 0xff, 0, 0, 0, 0, 0, 0};
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);

	pkbuf_append(b, bytes, sizeof(bytes));
	b->csum = CSUM_PARTIAL;
	b->csum_off = 6;
	pkbuf_csum_finish(b);
	ck_assert_mem_eq(pkbuf_data(b) + 6, "\xff\xff", 2);
	pkbuf_free(b);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pkbuf_model");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_random_operations_match_bytes, 0, 12);
	tcase_add_loop_test(tc, test_csum_finish_makes_the_sum_verify, 0, 12);
	tcase_add_loop_test(tc, test_csum_finish_behind_the_front, 0, 2);
	tcase_add_test(tc, test_csum_finish_of_udp_is_never_zero);
	return unit_run("pkbuf_model", tc);
}
