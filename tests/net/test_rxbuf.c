/*
 * tests/net/test_rxbuf.c - frames read by the driver, a pair of sockets in place of /dev/net/tun: what is read
 * into which part, what is kept for the next read, and what is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"
#include "net/rxbuf.h"
#include "net/tap.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

static struct {
	struct stack *stack;
	struct netdev *dev;
	int peer;
	uint8_t frame[FRAME_MAX];
	uint8_t back[FRAME_MAX + VNET_HLEN];
} t;

static void setup(void)
{
	struct tap_config cfg = {.name = "tap0"};

	t.stack = netstack_create(1);
	t.dev = tappair_attach(t.stack, &cfg, &t.peer);
	netdev_up(t.dev);
}

static void teardown(void)
{
	if (t.peer >= 0)
		close(t.peer);
	netstack_destroy(t.stack);
}

static void peer_write(const struct vnet_hdr *vh, const uint8_t *f, size_t len)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)vh, VNET_HLEN}, {(void *)(uintptr_t)f, len}};

	ck_assert_int_eq(writev(t.peer, iov, 2), (ssize_t)(VNET_HLEN + len));
}

/* Writes len bytes of a pattern and reads them as one frame. */
static struct pkbuf *pass(uint32_t len)
{
	static const struct vnet_hdr none;
	struct pkq q;
	struct pkbuf *b;

	pkq_init(&q);
	for (uint32_t i = 0; i < len; i++)
		t.frame[i] = (uint8_t)(i * 7 + (i >> 8) + len);
	peer_write(&none, t.frame, len);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 1), 1);
	b = pkq_take(&q);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, len);
	ck_assert_uint_eq(frame_bytes(b, t.back), len);
	ck_assert_mem_eq(t.back, t.frame, len);
	return b;
}

/* --- reading ---------------------------------------------------------------------------------- */

#define LEAST                                                                                      \
	(PIECE_LARGE / 2 + (uint32_t)sizeof(struct pkbuf)) /* so many stay in the large piece */

struct shape {
	uint32_t len;
	unsigned nfrag;
	uint32_t pinned; /* bytes of pieces */
};

/* Of each length: how many pieces, and no more memory than in proportion. */
static const struct shape shapes[] = {
    {1, 0, 0},
    {60, 0, 0},
    {PKBUF_RX_LINEAR, 0, 0},
    {PKBUF_RX_LINEAR + 1, 1, PIECE_SMALL},
    {1514, 1, PIECE_SMALL},
    {PIECE_SMALL, 1, PIECE_SMALL},
    {PKBUF_RX_LINEAR + PIECE_SMALL, 1, PIECE_SMALL},
    {PKBUF_RX_LINEAR + PIECE_SMALL + 1, 2, 2 * PIECE_SMALL},
    {PKBUF_RX_LINEAR + 2 * PIECE_SMALL, 2, 2 * PIECE_SMALL},
    {PKBUF_RX_LINEAR + 2 * PIECE_SMALL + 1, 1, PIECE_MID},
    {9014, 1, PIECE_MID},
    {PKBUF_RX_LINEAR + PIECE_MID + PIECE_SMALL, 2, PIECE_MID + PIECE_SMALL},
    {30000, 2, 2 * PIECE_MID},
    {20000, 3, PIECE_MID + 2 * PIECE_SMALL},
    {PKBUF_RX_LINEAR + LEAST - 1, 3, 2 * PIECE_MID + PIECE_SMALL},
    {PKBUF_RX_LINEAR + LEAST, 1, PIECE_LARGE},
    {PKBUF_MAX, 1, PIECE_LARGE},
};

START_TEST(test_rxbuf_frame_in_parts_of_its_size)
{
	struct pkbuf *b = pass(shapes[_i].len);

	ck_assert_uint_eq(b->nfrag, shapes[_i].nfrag);
	ck_assert_uint_eq(b->pinned - sizeof(*b), shapes[_i].pinned);
	ck_assert_uint_eq(b->l2, b->head);
	pkbuf_free(b);
}
END_TEST

/* Copied whole, whatever remains of a step. */
START_TEST(test_rxbuf_small_frame_of_any_length)
{
	for (uint32_t len = 1; len <= PKBUF_RX_LINEAR + 1; len++)
		pkbuf_free(pass(len));
}
END_TEST

/* Of a plain TCP segment the headers alone are apart, and its text lies together. */
static const struct {
	uint8_t ihl, proto, words; /* zeroes: as most have it */
	uint32_t text, linear;
} segments[] = {
    {.text = 1000, .linear = FRAME_HLEN4},
    {.text = 1000, .linear = FRAME_HLEN4 + 12, .words = 8},
    {.text = 1000, .linear = FRAME_HLEN4 + 40, .words = 15},
    {.text = 60000, .linear = FRAME_HLEN4},
    {.text = 171, .linear = FRAME_HLEN4},
    {.text = 170, .linear = PKBUF_RX_LINEAR}, /* fits as it is */
    {.text = 1000, .linear = PKBUF_RX_LINEAR, .words = 4},
    {.text = 1000, .linear = PKBUF_RX_LINEAR, .ihl = 0x46},
    {.text = 1000, .linear = PKBUF_RX_LINEAR, .ihl = 0x65},
    {.text = 1000, .linear = PKBUF_RX_LINEAR, .proto = IP_PROTO_UDP},
};

START_TEST(test_rxbuf_headers_apart)
{
	static const struct vnet_hdr none;
	struct ip4_hdr *ip = (void *)(t.frame + ETHER_HLEN);
	struct tcp_hdr *tcp = (void *)(ip + 1);
	uint32_t len = frame_tcp4(t.frame, segments[_i].text);
	struct pkbuf *b;
	struct pkq q;

	pkq_init(&q);
	if (segments[_i].ihl)
		ip->ver_ihl = segments[_i].ihl;
	if (segments[_i].proto)
		ip->proto = segments[_i].proto;
	if (segments[_i].words)
		tcp->off = (uint8_t)(segments[_i].words << 4);
	peer_write(&none, t.frame, len);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 8), 1);
	b = pkq_take(&q);
	ck_assert_uint_eq(pkbuf_linear(b), segments[_i].linear);
	ck_assert_uint_eq(b->nfrag, len > segments[_i].linear);
	ck_assert_uint_eq(frame_bytes(b, t.back), len);
	ck_assert_mem_eq(t.back, t.frame, len);
	pkbuf_free(b);
}
END_TEST

/* What waits for the next frame is always a header part and one large piece. */
START_TEST(test_rxbuf_idle_device_holds_the_same)
{
	int64_t pieces = gauge_read(t.stack, GAUGE_pieces);
	struct pkq q;

	pkq_init(&q);
	ck_assert_int_eq(pieces, 1);
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		pkbuf_free(pass(shapes[i].len));
		ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 8), -EAGAIN);
		ck_assert_int_eq(gauge_read(t.stack, GAUGE_pieces), pieces);
		ck_assert_int_eq(gauge_read(t.stack, GAUGE_piece_bytes), PIECE_LARGE);
		ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 1);
	}
}
END_TEST

/* A frame that is still held is not written over by those after it. */
START_TEST(test_rxbuf_held_frame_keeps_its_bytes)
{
	struct pkbuf *a = pass(40000), *b;
	uint8_t *first = malloc(40000);

	memcpy(first, t.frame, 40000);
	t.frame[0] = 1;
	b = pass(50000);
	frame_bytes(a, t.back);
	ck_assert_mem_eq(t.back, first, 40000);
	free(first);
	pkbuf_free(a);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_rxbuf_at_most_max)
{
	static const struct vnet_hdr none;
	struct pkq q;

	pkq_init(&q);
	for (int i = 0; i < 5; i++)
		peer_write(&none, t.frame, 100);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 3), 3);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 3), 2);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 3), -EAGAIN);
	ck_assert_uint_eq(q.count, 5);
	pkq_free(&q);
}
END_TEST

/* The bound ends a batch behind the frame that reaches it; the rest is the next one's. */
START_TEST(test_rxbuf_batch_ends_at_byte_bound)
{
	static const struct vnet_hdr none;
	const uint32_t len = NETDEV_BATCH_BYTES / 4;
	struct pkq q;

	for (int i = 0; i < 6; i++)
		peer_write(&none, t.frame, i == 4 ? 60 : len);
	pkq_init(&q);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 64), 4);
	ck_assert_uint_eq(q.bytes, NETDEV_BATCH_BYTES);
	pkq_free(&q);
	pkq_init(&q);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 64), 2);
	ck_assert_uint_eq(q.bytes, 60 + len);
	pkq_free(&q);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 64), -EAGAIN);
}
END_TEST

/* What is taken, and what is not. */
START_TEST(test_rxbuf_batch_is_counted)
{
	static const struct vnet_hdr none;

	for (uint32_t len = 100; len <= 300; len += 100)
		peer_write(&none, t.frame, len);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 8), 3);
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_PACKETS), 3);
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_BYTES), 600);
	netdev_down(t.dev);
	peer_write(&none, t.frame, 100);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 8), 1);
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_PACKETS), 3);
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_BYTES), 600);
	ck_assert_uint_eq(t.dev->stats.rx_dropped, 1);
}
END_TEST

START_TEST(test_rxbuf_super_frame_carries_its_state)
{
	struct vnet_hdr vh = {
	    .flags = VNET_F_NEEDS_CSUM,
	    .gso_type = VNET_GSO_TCP4,
	    .hdr_len = FRAME_HLEN4,
	    .gso_size = 1448,
	    .csum_start = FRAME_HLEN4 - TCP_HLEN,
	    .csum_offset = offsetof(struct tcp_hdr, csum),
	};
	struct pkbuf *b;
	struct pkq q;

	pkq_init(&q);
	peer_write(&vh, t.frame, frame_tcp4(t.frame, 60000));
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 8), 1);
	b = pkq_take(&q);
	ck_assert_int_eq(b->csum, CSUM_PARTIAL);
	ck_assert_int_eq(b->gso_type, GSO_TCP4);
	ck_assert_uint_eq(b->gso_size, 1448);
	pkbuf_free(b);
}
END_TEST

static void check_refused(enum drop_reason why)
{
	struct pkq q;

	pkq_init(&q);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 1), 1);
	ck_assert_uint_eq(q.count, 0);
	ck_assert_uint_eq(pkbuf_drops(t.stack, why), 1);
}

START_TEST(test_rxbuf_bad_vnet_header_dropped)
{
	struct vnet_hdr vh = {.flags = VNET_F_NEEDS_CSUM, .csum_start = 1000};

	peer_write(&vh, t.frame, 100);
	check_refused(DROP_VNET_HDR);
	ck_assert_uint_eq(t.dev->stats.rx_errors, 1);
}
END_TEST

START_TEST(test_rxbuf_shorter_than_vnet_header_dropped)
{
	ck_assert_int_eq(write(t.peer, t.frame, VNET_HLEN - 1), VNET_HLEN - 1);
	check_refused(DROP_VNET_HDR);
}
END_TEST

START_TEST(test_rxbuf_longer_than_any_frame_dropped)
{
	uint8_t *f = calloc(1, PKBUF_MAX + 1);
	struct vnet_hdr none = {0};

	peer_write(&none, f, PKBUF_MAX + 1);
	check_refused(DROP_TOO_BIG);
	free(f);
}
END_TEST

/* Takes every piece there is, the device's reserve too. */
static unsigned use_up(struct piece **held, unsigned max)
{
	unsigned n = 0;

	while (n < max && (held[n] = piece_alloc_rx(t.stack, PIECE_LARGE)))
		n++;
	while (n < max && (held[n] = piece_alloc_rx(t.stack, PIECE_SMALL)))
		n++;
	ck_assert_uint_lt(n, max);
	return n;
}

/* The frame is read all the same: a reader that left it would be called for ever. */
START_TEST(test_rxbuf_without_memory_dropped_and_read)
{
	static struct piece *held[4096];
	static const struct vnet_hdr none;
	struct pkbuf *kept;
	unsigned n;

	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.mem_limit", 1 << 20), 0);
	kept = pass(40000); /* the large piece goes with it, and no read follows that refills */
	n = use_up(held, 4096);
	peer_write(&none, t.frame, 1514);
	check_refused(DROP_NO_MEMORY);
	ck_assert_uint_eq(t.dev->stats.rx_dropped, 1);
	pkbuf_free(pass(100)); /* the header part is enough for it */
	while (n > 0)
		piece_put(held[--n]);
	pkbuf_free(kept);
	pkbuf_free(pass(1514));
}
END_TEST

/* Small pieces are enough for a wire frame. */
START_TEST(test_rxbuf_without_a_large_piece)
{
	static struct piece *held[4096];
	static const struct vnet_hdr none;
	unsigned n = 0;
	struct pkbuf *kept;

	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.mem_limit", 1 << 20), 0);
	kept = pass(40000);
	while (n < 4096 && (held[n] = piece_alloc_rx(t.stack, PIECE_LARGE)))
		n++;
	pkbuf_free(pass(1514));
	pkbuf_free(pass(RXBUF_LESS));
	peer_write(&none, t.frame, RXBUF_LESS + 1);
	check_refused(DROP_NO_MEMORY);
	while (n > 0)
		piece_put(held[--n]);
	pkbuf_free(kept);
	pkbuf_free(pass(RXBUF_LESS + 1));
}
END_TEST

/* A small frame that finds no piece of its size does not take the large one. */
START_TEST(test_rxbuf_without_a_small_piece)
{
	static struct piece *held[4096];
	static const struct vnet_hdr none;
	unsigned n;

	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.mem_limit", 1 << 20), 0);
	n = use_up(held, 4096);
	peer_write(&none, t.frame, 1514);
	check_refused(DROP_NO_MEMORY);
	pkbuf_free(pass(60000)); /* it is still there */
	while (n > 0)
		piece_put(held[--n]);
}
END_TEST

/* What was made ready when memory was short is made anew once there is some: an idle device loses nothing. */
START_TEST(test_rxbuf_after_memory_was_short)
{
	static struct piece *held[4096];
	static const struct vnet_hdr none;
	struct pkbuf *kept;
	struct pkq q;
	unsigned n;

	pkq_init(&q);
	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.mem_limit", 1 << 20), 0);
	kept = pass(40000);
	n = use_up(held, 4096);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 8), -EAGAIN);
	while (n > 0)
		piece_put(held[--n]);
	pkbuf_free(kept);
	peer_write(&none, t.frame, 1514);
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &q, 8), 1);
	kept = pkq_take(&q);
	ck_assert_ptr_nonnull(kept);
	pkbuf_free(kept);
}
END_TEST

START_TEST(test_rxbuf_lost_device_is_an_error)
{
	struct pkq q;

	pkq_init(&q);
	close(t.peer);
	t.peer = -1;
	ck_assert_int_lt(t.dev->ops->rx(&t.dev->queue[0], &q, 8), 0);
	ck_assert_int_ne(t.dev->ops->rx(&t.dev->queue[0], &q, 8), -EAGAIN);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rxbuf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_rxbuf_frame_in_parts_of_its_size, 0,
			    sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_test(tc, test_rxbuf_small_frame_of_any_length);
	tcase_add_loop_test(tc, test_rxbuf_headers_apart, 0,
			    sizeof(segments) / sizeof(segments[0]));
	tcase_add_test(tc, test_rxbuf_idle_device_holds_the_same);
	tcase_add_test(tc, test_rxbuf_held_frame_keeps_its_bytes);
	tcase_add_test(tc, test_rxbuf_at_most_max);
	tcase_add_test(tc, test_rxbuf_batch_ends_at_byte_bound);
	tcase_add_test(tc, test_rxbuf_batch_is_counted);
	tcase_add_test(tc, test_rxbuf_super_frame_carries_its_state);
	tcase_add_test(tc, test_rxbuf_bad_vnet_header_dropped);
	tcase_add_test(tc, test_rxbuf_shorter_than_vnet_header_dropped);
	tcase_add_test(tc, test_rxbuf_longer_than_any_frame_dropped);
	tcase_add_test(tc, test_rxbuf_without_memory_dropped_and_read);
	tcase_add_test(tc, test_rxbuf_without_a_large_piece);
	tcase_add_test(tc, test_rxbuf_without_a_small_piece);
	tcase_add_test(tc, test_rxbuf_after_memory_was_short);
	tcase_add_test(tc, test_rxbuf_lost_device_is_an_error);
	return unit_run("rxbuf", tc);
}
