/*
 * tests/net/test_gro.c - segments that a TAP reads together, written to the other end of a socket pair:
 * what follows in one stream comes as one super-frame that cuts into the same frames again, and each
 * thing that tells two of them apart keeps them apart.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"
#include "net/tap.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

#define SIZE 1000u
#define FRAMES 3u

static struct {
	struct stack *stack;
	struct netdev *dev;
	int peer;
	struct pkq got;
	uint8_t stream[FRAME_MAX], frame[FRAME_MAX], back[FRAME_MAX];
} t;

static struct ip4_hdr *ip(void)
{
	return (struct ip4_hdr *)(t.frame + ETHER_HLEN);
}

static struct tcp_hdr *tcp(void)
{
	return (struct tcp_hdr *)(t.frame + ETHER_HLEN + IP4_HLEN);
}

static void setup(void)
{
	struct tap_config cfg = {.name = "tap0", .mac = {2, 0, 0, 0, 0, 2}};

	t.stack = netstack_create(1);
	t.dev = tappair_attach(t.stack, &cfg, &t.peer);
	netdev_up(t.dev);
	frame_tcp4(t.stream, FRAME_MAX - FRAME_HLEN4 - 1);
	pkq_init(&t.got);
}

static void teardown(void)
{
	close(t.peer);
	pkq_free(&t.got);
	netstack_destroy(t.stack);
}

/* The i-th segment of the stream, n bytes, its checksums not there yet. */
static void frame_make(unsigned i, uint32_t n)
{
	frame_tcp4(t.frame, n);
	memcpy(t.frame + FRAME_HLEN4, t.stream + FRAME_HLEN4 + i * SIZE, n);
	tcp()->seq = be32_of(be32_get(tcp()->seq) + i * SIZE);
	tcp()->flags = TCP_ACK;
	ip()->id = be16_of((uint16_t)(be16_get(ip()->id) + i));
}

static void frame_write_as(uint32_t len, uint8_t vnet_flags)
{
	struct vnet_hdr h = {.flags = vnet_flags};
	struct iovec iov[2] = {{&h, VNET_HLEN}, {t.frame, len}};

	ck_assert_int_eq(writev(t.peer, iov, 2), (ssize_t)(VNET_HLEN + len));
}

static void frame_write(uint32_t len)
{
	frame_write_as(len, 0);
}

static void frame_seal_and_write(uint32_t n)
{
	ip()->csum = 0;
	ip()->csum = csum_finish(csum_add(0, ip(), IP4_HLEN));
	frame_finish(t.frame, FRAME_HLEN4 + n);
	frame_write(FRAME_HLEN4 + n);
}

/* Reads all that was written as one batch. */
static void read_all(unsigned frames)
{
	ck_assert_int_eq(t.dev->ops->rx(&t.dev->queue[0], &t.got, 64), (int)frames);
}

/* --- joined ----------------------------------------------------------------------------------- */

START_TEST(test_segments_in_order_become_one_and_cut_the_same)
{
	static const uint32_t n[FRAMES] = {SIZE, SIZE, SIZE / 2};
	static uint8_t sent[FRAMES][FRAME_HLEN4 + SIZE];
	struct pkbuf *b;

	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, n[i]);
		if (i == FRAMES - 1)
			tcp()->flags |= TCP_PSH;
		frame_seal_and_write(n[i]);
		memcpy(sent[i], t.frame, FRAME_HLEN4 + n[i]);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, 1);
	b = pkq_take(&t.got);
	ck_assert_uint_eq(b->len, FRAME_HLEN4 + 2 * SIZE + SIZE / 2);
	ck_assert_uint_eq(b->gso_size, SIZE);
	ck_assert_uint_eq(b->gso_type, GSO_TCP4);
	ck_assert_uint_eq(b->csum, CSUM_PARTIAL);
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_PACKETS),
			  FRAMES - 1); /* netdev_rx() counts the one */
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_BYTES), (FRAMES - 1) * FRAME_HLEN4);
	ck_assert_int_eq(gso_cut(b, 0, &t.got), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		b = pkq_take(&t.got);
		ck_assert_uint_eq(frame_bytes(b, t.back), FRAME_HLEN4 + n[i]);
		ck_assert_mem_eq(t.back, sent[i], FRAME_HLEN4 + n[i]);
		pkbuf_free(b);
	}
}
END_TEST

START_TEST(test_joined_bytes_and_sums_are_right)
{
	struct pkbuf *b;

	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		frame_seal_and_write(SIZE);
	}
	read_all(FRAMES);
	b = pkq_take(&t.got);
	b->gso_size = 0;
	pkbuf_csum_finish(b);
	ck_assert_uint_eq(frame_bytes(b, t.back), FRAME_HLEN4 + FRAMES * SIZE);
	ck_assert(frame_is_whole(t.back, FRAME_HLEN4 + FRAMES * SIZE));
	ck_assert(frame_has_pattern(t.back + FRAME_HLEN4, FRAMES * SIZE, 0));
	pkbuf_free(b);
}
END_TEST

START_TEST(test_run_ends_when_its_references_are_used_up)
{
	for (unsigned i = 0; i < PKBUF_FRAGS + 2; i++) {
		frame_make(i, SIZE);
		frame_seal_and_write(SIZE);
	}
	read_all(PKBUF_FRAGS + 2);
	ck_assert_uint_eq(t.got.count, 2);
	ck_assert_uint_eq(t.got.head->len, FRAME_HLEN4 + PKBUF_FRAGS * SIZE);
	ck_assert_uint_eq(t.got.head->next->len, FRAME_HLEN4 + 2 * SIZE);
}
END_TEST

/* A joined frame's header part is the next one's: nothing of it is left there. */
START_TEST(test_header_part_of_a_joined_frame_is_used_again)
{
	struct pkbuf *b;

	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		frame_seal_and_write(SIZE);
	}
	read_all(FRAMES);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 2); /* its own, and the next */
	ck_assert_uint_eq(t.got.count, 1);
	pkq_free(&t.got);

	frame_make(0, SIZE);
	frame_seal_and_write(SIZE);
	frame_make(1, SIZE);
	ip()->csum = 0;
	ip()->csum = csum_finish(csum_add(0, ip(), IP4_HLEN));
	frame_write_as(FRAME_HLEN4 + SIZE, VNET_F_DATA_VALID);
	frame_make(0, SIZE - 1);
	tcp()->sport = be16_of(5);
	frame_write(FRAME_HLEN4 + SIZE - 1);
	read_all(3);
	ck_assert_uint_eq(t.got.count, 2);
	b = t.got.head->next;
	ck_assert_uint_eq(b->len, FRAME_HLEN4 + SIZE - 1);
	ck_assert_uint_eq(b->pinned, sizeof(*b) + PIECE_SMALL);
	ck_assert_uint_eq(b->csum, CSUM_NONE);
	ck_assert_uint_eq(b->gso_size, 0);
	ck_assert_uint_eq(b->nfrag, 1);
	ck_assert_ptr_eq(b->dev, t.dev);
	ck_assert_uint_eq(frame_bytes(b, t.back), FRAME_HLEN4 + SIZE - 1);
	ck_assert_mem_eq(t.back, t.frame, FRAME_HLEN4 + SIZE - 1);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 3);
}
END_TEST

/* Nothing follows a segment with PSH that may be sent on, for a cut would not set it again. */
START_TEST(test_push_ends_a_run_but_for_ourselves)
{
	struct ip_addr own = ip_addr4(0x0a000002);

	if (_i)
		ck_assert_int_eq(ifaddr_add(t.dev, &own, IP_PREFIX4(24)), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		tcp()->flags |= TCP_PSH;
		frame_seal_and_write(SIZE);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, _i ? 1 : FRAMES);
}
END_TEST

/* Timestamps behind the header of the frame made last, which has n bytes: RFC 7323, appendix A. */
static void frame_stamp(uint32_t n, uint8_t stamp)
{
	const uint8_t option[12] = {1, 1, 8, 10, 0, 0, 0, stamp, 0, 0, 0, 7};

	memmove(t.frame + FRAME_HLEN4 + sizeof(option), t.frame + FRAME_HLEN4, n);
	memcpy(t.frame + FRAME_HLEN4, option, sizeof(option));
	tcp()->off = (TCP_HLEN + sizeof(option)) / 4 << 4;
	ip()->len = be16_of((uint16_t)(be16_get(ip()->len) + sizeof(option)));
}

START_TEST(test_timestamps_must_be_the_same)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		frame_stamp(SIZE, _i && i == 1 ? 6 : 5);
		frame_seal_and_write(SIZE + 12);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, _i ? FRAMES : 1);
}
END_TEST

/* What a sender on this host owes is owed by the joined frame too, if it is TCP's sum. */
START_TEST(test_sums_that_are_owed)
{
	struct vnet_hdr h = {.flags = VNET_F_NEEDS_CSUM, .csum_start = ETHER_HLEN + IP4_HLEN};
	struct iovec iov[2] = {{&h, VNET_HLEN}, {t.frame, FRAME_HLEN4 + SIZE}};

	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		ip()->csum = 0;
		ip()->csum = csum_finish(csum_add(0, ip(), IP4_HLEN));
		h.csum_offset = _i && i == 1 ? 6 : offsetof(struct tcp_hdr, csum);
		ck_assert_int_gt(writev(t.peer, iov, 2), 0);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, _i ? FRAMES : 1);
	ck_assert_uint_eq(t.got.head->csum, CSUM_PARTIAL);
}
END_TEST

/* --- kept apart ------------------------------------------------------------------------------- */

static void other_seq(void)
{
	tcp()->seq = be32_of(be32_get(tcp()->seq) + 1);
}

static void other_ack(void)
{
	tcp()->ack = be32_of(be32_get(tcp()->ack) + 1);
}

static void other_window(void)
{
	tcp()->wnd = be16_of(100);
}

static void other_port(void)
{
	tcp()->sport = be16_of(1025);
}

static void other_ttl(void)
{
	ip()->ttl--;
}

static void other_tos(void)
{
	ip()->tos = IP_ECN_CE;
}

static void other_mac(void)
{
	t.frame[ETHER_ALEN]++;
}

static void other_df(void)
{
	ip()->off = be16_of(0);
}

static void flag_fin(void)
{
	tcp()->flags |= TCP_FIN;
}

static void flag_urg(void)
{
	tcp()->flags |= TCP_URG;
}

static void flag_ece(void)
{
	tcp()->flags |= TCP_ECE;
}

static void a_fragment(void)
{
	ip()->off = be16_of(IP4_MF);
}

static void (*const apart[])(void) = {
    other_seq, other_ack, other_window, other_port, other_ttl, other_tos,
    other_mac, other_df,  flag_fin,     flag_urg,   flag_ece,  a_fragment,
};

START_TEST(test_what_differs_stays_apart)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		if (i == 1)
			apart[_i]();
		frame_seal_and_write(SIZE);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, FRAMES);
}
END_TEST

/* RFC 6864, 4.1: without DF the identification counts, and a cut makes one after the other. */
START_TEST(test_identification_of_what_may_be_cut)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		ip()->off = be16_of(0);
		if (_i && i == 1)
			ip()->id = be16_of(1000);
		frame_seal_and_write(SIZE);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, _i ? FRAMES : 1);
}
END_TEST

/* A byte that the sums of IP or TCP do not fit: it goes up alone, and is dropped there. */
START_TEST(test_wrong_sums_stay_apart)
{
	static const uint32_t at[] = {ETHER_HLEN + 10, FRAME_HLEN4 + 1, FRAME_HLEN4 + SIZE - 1};

	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		frame_seal_and_write(SIZE);
		if (i)
			continue;
		frame_make(1, SIZE);
		frame_finish(t.frame, FRAME_HLEN4 + SIZE);
		t.frame[at[_i]] ^= 1;
		frame_write(FRAME_HLEN4 + SIZE);
	}
	read_all(FRAMES + 1);
	ck_assert_uint_eq(t.got.count, 3); /* the first; the wrong one; the second and third */
}
END_TEST

START_TEST(test_shorter_segment_ends_a_run)
{
	frame_make(0, SIZE);
	frame_seal_and_write(SIZE);
	frame_make(1, SIZE / 2);
	frame_seal_and_write(SIZE / 2);
	frame_make(1, SIZE);
	tcp()->seq = be32_of(be32_get(tcp()->seq) - SIZE / 2);
	frame_seal_and_write(SIZE);
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, 2);
	ck_assert_uint_eq(t.got.head->len, FRAME_HLEN4 + SIZE + SIZE / 2);
}
END_TEST

START_TEST(test_setting_switches_it_off)
{
	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.gro", 0), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_make(i, SIZE);
		frame_seal_and_write(SIZE);
	}
	read_all(FRAMES);
	ck_assert_uint_eq(t.got.count, FRAMES);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gro");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_segments_in_order_become_one_and_cut_the_same);
	tcase_add_test(tc, test_joined_bytes_and_sums_are_right);
	tcase_add_test(tc, test_header_part_of_a_joined_frame_is_used_again);
	tcase_add_test(tc, test_run_ends_when_its_references_are_used_up);
	tcase_add_loop_test(tc, test_push_ends_a_run_but_for_ourselves, 0, 2);
	tcase_add_loop_test(tc, test_timestamps_must_be_the_same, 0, 2);
	tcase_add_loop_test(tc, test_sums_that_are_owed, 0, 2);
	tcase_add_loop_test(tc, test_what_differs_stays_apart, 0,
			    (int)(sizeof(apart) / sizeof(apart[0])));
	tcase_add_loop_test(tc, test_identification_of_what_may_be_cut, 0, 2);
	tcase_add_loop_test(tc, test_wrong_sums_stay_apart, 0, 3);
	tcase_add_test(tc, test_shorter_segment_ends_a_run);
	tcase_add_test(tc, test_setting_switches_it_off);
	return unit_run("gro", tc);
}
