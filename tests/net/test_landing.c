/*
 * tests/net/test_landing.c - frames read into memory that the reading thread lends: which ones, the others as if it lent
 * none, where a batch ends, and that copies share nothing with it.  Through the driver, over a pair of sockets.
 */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/landing.h"
#include "net/net_priv.h"
#include "net/tap.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

#define HEAD (ETHER_HLEN + IP4_HLEN + TCP_HLEN)
#define LENT (256u << 10)
#define FRAME 40000u

static struct {
	struct stack *stack;
	struct netdev *dev;
	int peer;
	struct landing landing;
	uint8_t lent[LENT], frame[HEAD + 65536], back[HEAD + 65536];
	struct pkq q;
} t;

static void setup(void)
{
	struct tap_config cfg = {.name = "tap0"};

	memset(&t, 0, sizeof(t));
	t.stack = netstack_create(1);
	t.dev = tappair_attach(t.stack, &cfg, &t.peer);
	pkq_init(&t.q);
}

static void teardown(void)
{
	landing_withdraw(t.stack);
	pkq_free(&t.q);
	if (t.landing.piece.stack)
		ck_assert(!piece_is_shared(&t.landing.piece));
	close(t.peer);
	netstack_destroy(t.stack);
}

/* --- frames ------------------------------------------------------------------------------------- */

/* What may differ from a segment of the stream from 10.0.0.2, 4000 to 10.0.0.1, 80; zeroes do not. */
struct odd {
	uint16_t type, sport, off;
	uint8_t ihl, proto, flags, words;
	bool padded;
};

static void headers(const struct odd *o, uint32_t seq, uint32_t n)
{
	struct ether_hdr *e = (void *)t.frame;
	struct ip4_hdr *ip = (void *)(t.frame + ETHER_HLEN);
	struct tcp_hdr *tcp = (void *)(t.frame + ETHER_HLEN + IP4_HLEN);
	uint32_t all = IP4_HLEN + TCP_HLEN + n;

	*e = (struct ether_hdr){.type = be16_of(o->type ? o->type : ETHER_TYPE_IP4)};
	*ip = (struct ip4_hdr){.ver_ihl = o->ihl ? o->ihl : 0x45,
			       .len = be16_of((uint16_t)(o->padded ? all - 1 : all)),
			       .off = be16_of(o->off ? o->off : IP4_DF),
			       .proto = o->proto ? o->proto : IP_PROTO_TCP,
			       .src = {10, 0, 0, 2},
			       .dst = {10, 0, 0, 1}};
	*tcp = (struct tcp_hdr){.sport = be16_of(o->sport ? o->sport : 4000),
				.dport = be16_of(80),
				.seq = be32_of(seq),
				.off = (uint8_t)((o->words ? o->words : 5) << 4),
				.flags = o->flags ? o->flags : TCP_ACK};
}

static uint8_t byte_at(uint32_t seq)
{
	return (uint8_t)(seq * 7 + (seq >> 8) + 1);
}

static void write_frame(uint32_t seq, uint32_t n, uint8_t vnet_flags)
{
	struct vnet_hdr vh = {.flags = vnet_flags};
	struct iovec iov[2] = {{&vh, sizeof(vh)}, {t.frame, HEAD + n}};

	for (uint32_t i = 0; i < n; i++)
		t.frame[HEAD + i] = byte_at(seq + i);
	ck_assert_int_eq(writev(t.peer, iov, 2), (ssize_t)(sizeof(vh) + HEAD + n));
}

static void write_odd(const struct odd *o, uint32_t seq, uint32_t n)
{
	headers(o, seq, n);
	write_frame(seq, n, 0);
}

/* One that may be joined with those before and behind it (net/gro.c). */
static void write_sound(uint32_t seq, uint32_t n)
{
	struct ip4_hdr *ip = (void *)(t.frame + ETHER_HLEN);

	headers(&(struct odd){0}, seq, n);
	ip->csum = csum_finish(csum_add(0, ip, IP4_HLEN));
	write_frame(seq, n, VNET_F_DATA_VALID);
}

static void write_text(uint32_t seq, uint32_t n)
{
	write_odd(&(struct odd){0}, seq, n);
}

static bool is_text(const uint8_t *p, uint32_t seq, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (p[i] != byte_at(seq + i))
			return false;
	}
	return true;
}

static int read_most(int max)
{
	return t.dev->ops->rx(&t.dev->queue[0], &t.q, max);
}

/* One frame with this payload; the caller's. */
static struct pkbuf *read_text(uint32_t seq, uint32_t n)
{
	struct pkbuf *b;

	ck_assert_int_eq(read_most(1), 1);
	b = pkq_take(&t.q);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, HEAD + n);
	pkbuf_read(b, 0, t.back, b->len);
	ck_assert(is_text(t.back + HEAD, seq, n));
	return b;
}

/* The stream's text up to seq has come, and all behind it is waited for. */
static void lend_at(void *data, uint32_t size, uint32_t seq)
{
	headers(&(struct odd){0}, 0, 0);
	t.landing.owner = &t;
	t.landing.next = seq;
	t.landing.hlen = IP4_HLEN + TCP_HLEN;
	memcpy(t.landing.flow, t.frame + ETHER_HLEN + offsetof(struct ip4_hdr, src), LANDING_FLOW);
	landing_lend(&t.landing, t.stack, data, size);
}

/* A large frame has come, and the program waits for seq. */
static void lend(uint32_t seq)
{
	write_text(seq - FRAME, FRAME);
	pkbuf_free(read_text(seq - FRAME, FRAME));
	lend_at(t.lent, LENT, seq);
}

/* --- what fits ---------------------------------------------------------------------------------- */

START_TEST(test_one_behind_the_other)
{
	struct pkbuf *a, *b;

	lend(FRAME);
	write_text(FRAME, FRAME);
	write_odd(&(struct odd){.flags = TCP_ACK | TCP_PSH}, 2 * FRAME, 100);
	a = read_text(FRAME, FRAME);
	b = read_text(2 * FRAME, 100);
	ck_assert(a->landed && b->landed);
	ck_assert_ptr_eq(piece_data(a->frag[0].piece) + a->frag[0].off, t.lent);
	ck_assert(is_text(t.lent, FRAME, FRAME + 100));
	ck_assert_uint_eq(a->pinned, sizeof(*a) + FRAME);
	pkbuf_free(a);
	ck_assert(piece_is_shared(&t.landing.piece));
	pkbuf_free(b);
	ck_assert(!piece_is_shared(&t.landing.piece));
}
END_TEST

/* Not before a large one of its stream came. */
START_TEST(test_after_small_ones)
{
	write_text(0, 100);
	pkbuf_free(read_text(0, 100));
	lend_at(t.lent, LENT, 100);
	write_text(100, FRAME);
	pkbuf_free(read_text(100, FRAME));
	ck_assert_uint_eq(t.lent[0], 0);
	ck_assert_uint_eq(t.landing.room, LENT);
}
END_TEST

START_TEST(test_after_one_of_another_stream)
{
	write_odd(&(struct odd){.sport = 4001}, 0, FRAME);
	pkbuf_free(read_text(0, FRAME));
	lend_at(t.lent, LENT, 100);
	write_text(100, FRAME);
	pkbuf_free(read_text(100, FRAME));
	ck_assert_uint_eq(t.lent[0], 0);
}
END_TEST

/* A batch ends where the next may not fit, and what comes then goes into pieces. */
START_TEST(test_full)
{
	lend(FRAME);
	lend_at(t.lent, 2 * LANDING_FRAME, FRAME);
	for (unsigned i = 0; i < 4; i++)
		write_text(FRAME + i * 65000, 65000);
	ck_assert_int_eq(read_most(10), 2);
	ck_assert(t.landing.full);
	ck_assert(is_text(t.lent, FRAME, 130000));
	pkq_free(&t.q);
	ck_assert_int_eq(read_most(10), 2);
	ck_assert(!t.q.head->landed);
}
END_TEST

/* What refers to lent memory says so: it is not joined to what does not. */
START_TEST(test_not_joined)
{
	const uint32_t n = 20000;
	struct pkbuf *a, *b;

	lend_at(t.lent, LENT, n);
	write_sound(0, n);
	write_sound(n, n);
	ck_assert_int_eq(read_most(2), 2);
	a = pkq_take(&t.q);
	b = pkq_take(&t.q);
	ck_assert_ptr_nonnull(b);
	ck_assert(!a->landed && b->landed);
	pkbuf_free(a);
	pkbuf_free(b);
}
END_TEST

/* The same without anything lent: then they are. */
START_TEST(test_joined_otherwise)
{
	const uint32_t n = 20000;

	write_sound(0, n);
	write_sound(n, n);
	ck_assert_int_eq(read_most(2), 2);
	ck_assert_uint_eq(t.q.count, 1);
	ck_assert_uint_eq(t.q.head->len, HEAD + 2 * n);
}
END_TEST

/* --- what does not ------------------------------------------------------------------------------ */

static const struct {
	struct odd odd;
	uint32_t seq; /* more than is waited for */
} others[] = {
    {.seq = 1},
    {.seq = (uint32_t)-1},
    {.odd.sport = 4001},
    {.odd.flags = TCP_ACK | TCP_FIN},
    {.odd.flags = TCP_ACK | TCP_URG},
    {.odd.flags = TCP_SYN},
    {.odd.words = 6},
    {.odd.words = 4},
    {.odd.proto = 17},
    {.odd.ihl = 0x46},
    {.odd.ihl = 0x65},
    {.odd.off = IP4_MF},
    {.odd.off = 3},
    {.odd.type = 0x86dd},
    {.odd.padded = true},
};

static const uint32_t lengths[] = {1, 60, 74, 75, 100, 178, 179, 2000, FRAME, 65000, 65495};

/* In the header part, of all that is longer than it: a plain TCP segment's headers. */
static uint32_t linear(const struct odd *o)
{
	uint32_t words = o->words ? o->words : 5;

	if ((o->ihl && o->ihl != 0x45) || o->proto || words < 5)
		return PKBUF_RX_LINEAR;
	return HEAD - TCP_HLEN + 4 * words;
}

/* Moved on to where it had been without; the rest of the wait nothing lands. */
START_TEST(test_wrong_guess)
{
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t seq = FRAME + others[_i].seq, n = lengths[i];
		struct pkbuf *b;

		lend(FRAME);
		write_odd(&others[_i].odd, seq, n);
		b = read_text(seq, n);
		ck_assert(!b->landed && !piece_is_shared(&t.landing.piece));
		ck_assert_uint_eq(t.landing.room, 0);
		ck_assert_uint_eq(pkbuf_linear(b),
				  b->len > PKBUF_RX_LINEAR ? linear(&others[_i].odd) : b->len);
		memset(t.lent, 0xee, sizeof(t.lent));
		pkbuf_read(b, 0, t.back, b->len);
		ck_assert(is_text(t.back + HEAD, seq, n));
		pkbuf_free(b);
		write_text(FRAME, FRAME);
		b = read_text(FRAME, FRAME);
		ck_assert(!b->landed);
		pkbuf_free(b);
	}
}
END_TEST

/* No more than a part of the headers, or nothing behind them. */
START_TEST(test_less_than_headers)
{
	static const struct vnet_hdr none;

	for (size_t n = 0; n <= sizeof(none) + HEAD; n++) {
		int r;

		lend(FRAME);
		headers(&(struct odd){0}, FRAME, 0);
		memmove(t.frame + sizeof(none), t.frame, HEAD);
		memcpy(t.frame, &none, sizeof(none));
		if (n == 0)
			continue; /* the end of a pair of sockets */
		ck_assert_int_eq(write(t.peer, t.frame, n), (ssize_t)n);
		r = read_most(1);
		ck_assert_int_eq(r, 1);
		ck_assert_uint_eq(t.landing.room, 0);
		pkq_free(&t.q);
	}
}
END_TEST

START_TEST(test_longer_than_any_frame)
{
	lend(FRAME);
	write_text(FRAME, PKBUF_MAX + 1 - HEAD);
	ck_assert_int_eq(read_most(1), 1);
	ck_assert_ptr_null(t.q.head);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_TOO_BIG), 1);
	ck_assert_uint_eq(t.landing.room, 0);
}
END_TEST

/* What is lent cannot be written: the frame is lost, no more. */
START_TEST(test_memory_that_is_none)
{
	void *none = mmap(NULL, LENT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	lend(FRAME);
	lend_at(none, LENT, FRAME);
	write_text(FRAME, FRAME);
	write_text(2 * FRAME, FRAME);
	ck_assert_int_eq(read_most(1), 1);
	ck_assert_ptr_null(t.q.head);
	ck_assert_uint_eq(t.dev->stats.rx_dropped, 1);
	pkbuf_free(read_text(2 * FRAME, FRAME));
	munmap(none, LENT);
}
END_TEST

/* --- copies ------------------------------------------------------------------------------------- */

static struct pkbuf *landed(void)
{
	struct pkbuf *b;

	lend(FRAME);
	write_text(FRAME, FRAME);
	b = read_text(FRAME, FRAME);
	ck_assert(b->landed);
	return b;
}

/* b has the text, and nothing of what was lent. */
static void own(struct pkbuf *b, uint32_t off)
{
	memset(t.lent, 0xee, sizeof(t.lent));
	ck_assert(!piece_is_shared(&t.landing.piece));
	ck_assert(!b->landed);
	pkbuf_read(b, off, t.back, FRAME);
	ck_assert(is_text(t.back, FRAME, FRAME));
	pkbuf_free(b);
}

START_TEST(test_clone)
{
	struct pkbuf *b = landed(), *c = pkbuf_clone(b);

	ck_assert_ptr_nonnull(c);
	pkbuf_free(b);
	own(c, HEAD);
}
END_TEST

START_TEST(test_copy)
{
	struct pkbuf *b = landed(), *c = pkbuf_copy(t.stack, b);

	ck_assert_ptr_nonnull(c);
	pkbuf_free(b);
	own(c, HEAD);
}
END_TEST

START_TEST(test_part)
{
	struct pkbuf *b = landed(), *c = pkbuf_alloc(t.stack, 0);

	ck_assert_int_eq(pkbuf_append_from(c, b, HEAD, FRAME), 0);
	pkbuf_free(b);
	own(c, 0);
}
END_TEST

START_TEST(test_settle)
{
	struct pkbuf *b = landed();
	uint32_t pinned = b->pinned;

	ck_assert_int_eq(pkbuf_settle(b), 0);
	ck_assert_uint_eq(b->pinned, pinned); /* what was charged can be taken back */
	own(b, HEAD);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("landing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_one_behind_the_other);
	tcase_add_test(tc, test_after_small_ones);
	tcase_add_test(tc, test_after_one_of_another_stream);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_not_joined);
	tcase_add_test(tc, test_joined_otherwise);
	tcase_add_loop_test(tc, test_wrong_guess, 0, sizeof(others) / sizeof(others[0]));
	tcase_add_test(tc, test_less_than_headers);
	tcase_add_test(tc, test_longer_than_any_frame);
	tcase_add_test(tc, test_memory_that_is_none);
	tcase_add_test(tc, test_clone);
	tcase_add_test(tc, test_copy);
	tcase_add_test(tc, test_part);
	tcase_add_test(tc, test_settle);
	return unit_run("landing", tc);
}
