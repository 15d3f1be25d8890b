/*
 * tests/net/test_depot.c - the packet memory of a stack: its bound, what is left for whom, reclaim, and
 * the caches of threads that end.
 */
#include <pthread.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "lib/slot.h"
#include "net/net_priv.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

#define LIMIT (1 << 20)
#define MANY 4096

static struct stack *st;
static struct piece *taken[MANY];
static unsigned ntaken;
static unsigned calls[RECLAIM_MAX], order;

static void setup(void)
{
	st = netstack_create(1);
	ck_assert_int_eq(sysctl_write(st, "net.weft.mem_limit", LIMIT), 0);
}

static void teardown(void)
{
	ck_assert_int_eq(gauge_read(st, GAUGE_pkbufs), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_piece_bytes), 0);
	netstack_destroy(st);
}

static void fill(uint32_t size, struct piece *(*alloc)(struct stack *, uint32_t))
{
	struct piece *p;

	while (ntaken < MANY && (p = alloc(st, size)))
		taken[ntaken++] = p;
}

static void give_back(unsigned keep)
{
	while (ntaken > keep)
		piece_put(taken[--ntaken]);
}

START_TEST(test_piece_sizes)
{
	static const uint32_t ask[] = {1, 2048, 2049, 16384, 16385, 65600};
	static const uint32_t get[] = {2048, 2048, 16384, 16384, 65600, 65600};
	struct piece *p = piece_alloc(st, ask[_i]);

	ck_assert_uint_eq(piece_size(p), get[_i]);
	ck_assert_uint_eq((uintptr_t)piece_data(p) % 64, 0);
	ck_assert_int_eq(gauge_read(st, GAUGE_piece_bytes), get[_i]);
	ck_assert(!piece_is_shared(p));
	ck_assert_ptr_eq(piece_get(p), p);
	ck_assert(piece_is_shared(p));
	piece_put(p);
	ck_assert(!piece_is_shared(p));
	ck_assert_int_eq(gauge_read(st, GAUGE_pieces), 1);
	piece_put(p);
}
END_TEST

START_TEST(test_bound_holds)
{
	fill(PIECE_SMALL, piece_alloc);
	ck_assert_uint_gt(ntaken, LIMIT / PIECE_SMALL * 8 / 10);
	ck_assert_uint_le(depot_bytes(st), LIMIT);
	ck_assert_ptr_null(piece_alloc(st, 1));
	give_back(ntaken - 1);
	fill(PIECE_SMALL, piece_alloc);
	ck_assert_ptr_null(piece_alloc(st, 1));
	give_back(0);
}
END_TEST

/* Programs stop first, then device reads, then bare headers. */
START_TEST(test_reserve_is_for_reading_and_closing)
{
	unsigned programs, reads, n = 0;
	struct pkq q;
	struct pkbuf *b;

	fill(PIECE_SMALL, piece_alloc);
	programs = ntaken;
	fill(PIECE_SMALL, piece_alloc_rx);
	reads = ntaken - programs;
	ck_assert_uint_ge(reads, LIMIT / 32 / PIECE_SMALL - 1);
	pkq_init(&q);
	for (; n < MANY && (b = pkbuf_alloc(st, PKBUF_TX_HEAD)); n++)
		pkq_add(&q, b);
	ck_assert_uint_ge(n, LIMIT / 32 / 1024);
	ck_assert_uint_lt(n, MANY);
	ck_assert_uint_le(depot_bytes(st), LIMIT);
	pkq_free(&q);
	give_back(0);
}
END_TEST

START_TEST(test_pressure_in_the_last_eighth)
{
	ck_assert(!depot_pressure(st));
	fill(PIECE_SMALL, piece_alloc);
	ck_assert(depot_pressure(st));
	give_back(0);
	ck_assert(!depot_pressure(st));
}
END_TEST

START_TEST(test_share_shrinks_in_the_third_quarter)
{
	uint32_t share, before = 1000;

	ck_assert_uint_eq(depot_share(st, 1000), 1000);
	while ((share = depot_share(st, 1000)) > 0) {
		ck_assert_uint_le(share, before);
		before = share;
		taken[ntaken] = piece_alloc(st, PIECE_MID);
		ck_assert_ptr_nonnull(taken[ntaken]);
		ntaken++;
	}
	ck_assert_uint_le(before, 1000 / 4); /* by degrees */
	ck_assert_uint_ge(depot_bytes(st), LIMIT / 4 * 3);
	ck_assert(!depot_pressure(st));
	give_back(ntaken / 2);
	ck_assert_uint_eq(depot_share(st, 1000), 1000);
	give_back(0);
}
END_TEST

/* Memory of one class comes back for another. */
START_TEST(test_classes_make_way)
{
	fill(PIECE_SMALL, piece_alloc);
	give_back(0);
	fill(PIECE_LARGE, piece_alloc);
	ck_assert_uint_ge(ntaken, LIMIT / (PIECE_LARGE + 64) * 3 / 4);
	ck_assert_uint_le(depot_bytes(st), LIMIT);
	give_back(0);
}
END_TEST

START_TEST(test_freed_memory_goes_back)
{
	fill(PIECE_SMALL, piece_alloc);
	give_back(0);
	ck_assert_uint_le(depot_bytes(st), LIMIT / 8 + LIMIT / 64 * 4);
}
END_TEST

static void reclaim_ofo(struct stack *s)
{
	ck_assert_ptr_eq(s, st);
	calls[RECLAIM_OFO] = ++order;
}

static void reclaim_fragments(struct stack *s)
{
	ck_assert_ptr_eq(s, st);
	calls[RECLAIM_FRAGMENTS] = ++order;
	give_back(0);
}

START_TEST(test_batch_end_reclaims_by_rank)
{
	struct batch b;

	depot_reclaim_register(st, RECLAIM_FRAGMENTS, reclaim_fragments);
	depot_reclaim_register(st, RECLAIM_OFO, reclaim_ofo);
	batch_begin(&b, st);
	fill(PIECE_SMALL, piece_alloc);
	ck_assert_uint_eq(order, 0);
	batch_end(&b);
	ck_assert_uint_eq(calls[RECLAIM_OFO], 1);
	ck_assert_uint_eq(calls[RECLAIM_FRAGMENTS], 2);
	ck_assert(!depot_pressure(st));
	batch_begin(&b, st); /* relieved: asked no more */
	piece_put(piece_alloc(st, 1));
	batch_end(&b);
	ck_assert_uint_eq(order, 2);
}
END_TEST

static void *take_and_give(void *arg)
{
	struct pkbuf *b[40];

	for (unsigned i = 0; i < 40; i++)
		b[i] = netstack_packet(st, PKBUF_RX_HEAD, 1500, 0);
	for (unsigned i = 0; i < 40; i++)
		pkbuf_free(b[i]);
	return arg;
}

static unsigned caches(void)
{
	unsigned n = 0;

	for (struct slot *s = atomic_load(&st->slots); s; s = s->next)
		n += s->pkbuf_cache != NULL;
	return n;
}

START_TEST(test_cache_comes_back_when_a_thread_ends)
{
	pthread_t t;

	ck_assert_uint_eq(caches(), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, take_and_give, NULL), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_eq(caches(), 0);
	fill(PIECE_SMALL, piece_alloc); /* and what it held can be had here */
	ck_assert_uint_gt(ntaken, LIMIT / PIECE_SMALL * 8 / 10);
	give_back(0);
}
END_TEST

/* What one thread allocates another frees. */
static void *free_all(void *arg)
{
	pkq_free(arg);
	return NULL;
}

START_TEST(test_threads_pass_packets)
{
	pthread_t t[4];
	struct pkq q[4];

	for (unsigned i = 0; i < 4; i++) {
		pkq_init(&q[i]);
		for (unsigned k = 0; k < 50; k++)
			pkq_add(&q[i], netstack_packet(st, PKBUF_RX_HEAD, 1500, 0));
		ck_assert_int_eq(pthread_create(&t[i], NULL, free_all, &q[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("depot");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_piece_sizes, 0, 6);
	tcase_add_test(tc, test_bound_holds);
	tcase_add_test(tc, test_reserve_is_for_reading_and_closing);
	tcase_add_test(tc, test_pressure_in_the_last_eighth);
	tcase_add_test(tc, test_share_shrinks_in_the_third_quarter);
	tcase_add_test(tc, test_classes_make_way);
	tcase_add_test(tc, test_freed_memory_goes_back);
	tcase_add_test(tc, test_batch_end_reclaims_by_rank);
	tcase_add_test(tc, test_cache_comes_back_when_a_thread_ends);
	tcase_add_test(tc, test_threads_pass_packets);
	return unit_run("depot", tc);
}
