/*
 * tests/tcp/test_big.c - super-segments of more than 64 KB: to the host behind a TAP and nobody else, and not
 * where one was lost or not taken.
 */
#include <errno.h>
#include <string.h>

#include "lib/wire/ip4.h"
#include "net/pkbuf.h"
#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"

#define TOTAL 900000u
#define SMALL (IP4_LEN_MAX - IP4_HLEN - TCP_HLEN)

static const uint8_t peer[ETHER_ALEN] = {2, 0, 0, 0, 0, 2}, other[ETHER_ALEN] = {2, 0, 0, 0, 0, 3};

static void setup(void)
{
	tcp_lab_setup_tso();
	tl.dev->features |= NETDEV_F_BIG;
	memcpy(tl.dev->host, peer, ETHER_ALEN);
	tl.syn = (struct seg){.mss = 1460, .opts = O_WS | O_SACK_OK, .ws = 8, .wnd = 60000};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

/* The peer's: what has come in a row, and then out of it. */
struct heard {
	uint32_t acked, from, to;
};

static void hear(struct heard *h, const struct seg *s)
{
	if (s->seq > 1 + h->acked) {
		h->from = s->seq;
		h->to = s->seq + s->len;
		rx(ACK, .seq = 1, .ack = 1 + h->acked, .wnd = 60000, .nsack = 1,
		   .sack = {{h->from, h->to}});
		return;
	}
	if (s->seq == 1 + h->acked)
		h->acked += s->len;
	if (h->to > 1 + h->acked && h->from <= 1 + h->acked)
		h->acked = h->to - 1;
	rx(ACK, .seq = 1, .ack = 1 + h->acked, .wnd = 60000);
}

/* Acknowledges what comes of the first `end` bytes; the most that came at once. */
static uint32_t taken(uint32_t end)
{
	struct heard h = {.acked = tl.snd - 1};
	uint32_t most = 0;
	struct seg s;

	for (unsigned i = 0; i < 400 && h.acked < end; i++) {
		while (tcp_lab_take(&s)) {
			most = s.len > most ? s.len : most;
			hear(&h, &s);
		}
		advance_ms(10);
	}
	ck_assert_uint_eq(h.acked, end);
	tl.snd = 1 + end;
	return most;
}

static uint32_t sent_at_once(uint32_t n)
{
	uint32_t end = tl.snd - 1 + n;

	tcp_lab_write(n);
	return taken(end);
}

START_TEST(test_host_is_sent_more_than_64_kb)
{
	uint32_t most = sent_at_once(TOTAL);

	ck_assert_uint_gt(most, SMALL);
	ck_assert_uint_le(most, TCP_GSO_BIG - IP4_HLEN - TCP_HLEN);
	quiet();
}
END_TEST

START_TEST(test_who_is_not_the_host_is_not)
{
	memcpy(tl.dev->host, other, ETHER_ALEN);
	ck_assert_uint_le(sent_at_once(TOTAL), SMALL);
}
END_TEST

START_TEST(test_without_the_feature_not)
{
	tl.dev->features &= ~NETDEV_F_BIG;
	ck_assert_uint_le(sent_at_once(TOTAL), SMALL);
}
END_TEST

START_TEST(test_setting_ends_it)
{
	ck_assert_uint_gt(sent_at_once(TOTAL), SMALL);
	tcp_lab_sysctl("net.weft.big", 0);
	ck_assert_uint_le(sent_at_once(TOTAL), SMALL);
}
END_TEST

START_TEST(test_small_send_buffer_not)
{
	ck_assert_uint_gt(sent_at_once(TOTAL), SMALL);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, (int)TCP_GSO_BIG);
	ck_assert_uint_le(sent_at_once(200000), SMALL);
}
END_TEST

/* How a device fares with what is longer than 64 KB: an errno of its write, or it is lost. */
static struct {
	struct netdev_ops ops;
	const struct netdev_ops *below;
	int err;
	unsigned met;
} strict;

static int strict_xmit(struct netdev *dev, struct pkbuf *b)
{
	if (b->len <= PKBUF_MAX)
		return strict.below->xmit(dev, b);
	strict.met++;
	pkbuf_drop(b, DROP_DEV_TX);
	return strict.err;
}

static void strict_begin(int err)
{
	ck_assert_uint_gt(sent_at_once(TOTAL), SMALL);
	strict.below = tl.dev->ops;
	strict.ops = *tl.dev->ops;
	strict.ops.xmit = strict_xmit;
	strict.err = err;
	strict.met = 0;
	tl.dev->ops = &strict.ops;
}

static void strict_end(void)
{
	tl.dev->ops = strict.below;
}

/* No pages in a row for it, or more pages than the kernel gives a frame. */
static const int refusals[] = {-ENOBUFS, -ENOMEM, -EMSGSIZE};

START_TEST(test_refused_goes_in_parts_from_then_on)
{
	uint32_t end;

	strict_begin(refusals[_i]);
	end = tl.snd - 1 + TOTAL;
	tcp_lab_write(TOTAL);
	ck_assert_uint_gt(tl.nsent, 0); /* at once */
	ck_assert_uint_le(taken(end), SMALL);
	ck_assert_uint_le(sent_at_once(TOTAL), SMALL);
	ck_assert_uint_eq(strict.met, 1);
	ck_assert_uint_eq(mib_read(tl.st, MIB_Tcp_RetransSegs), 0);
	strict_end();
}
END_TEST

/* What follows a large one comes, and tells of it before there is a time-out. */
START_TEST(test_lost_goes_in_parts_from_then_on)
{
	strict_begin(0);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_le(sent_at_once(TCP_GSO_BIG + SMALL / 2), SMALL);
	ck_assert_uint_eq(mib_read(tl.st, MIB_TcpExt_TCPTimeouts), 0);
	ck_assert_uint_eq(strict.met, 1);
	strict_end();
}
END_TEST

START_TEST(test_after_a_timeout_none_any_more)
{
	uint32_t end;

	ck_assert_uint_gt(sent_at_once(TOTAL), SMALL);
	end = tl.snd - 1 + TOTAL;
	tcp_lab_write(TOTAL);
	ck_assert_uint_gt(tcp_lab_drop(), 0);
	ck_assert_uint_gt(wait_ms(5000), 0); /* a probe, and then the time-out */
	tcp_lab_drop();
	wait_ms(5000);
	ck_assert_uint_gt(mib_read(tl.st, MIB_TcpExt_TCPTimeouts), 0);
	ck_assert_uint_le(taken(end), SMALL);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_le(sent_at_once(TOTAL), SMALL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("big");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_host_is_sent_more_than_64_kb);
	tcase_add_test(tc, test_who_is_not_the_host_is_not);
	tcase_add_test(tc, test_without_the_feature_not);
	tcase_add_test(tc, test_setting_ends_it);
	tcase_add_test(tc, test_small_send_buffer_not);
	tcase_add_loop_test(tc, test_refused_goes_in_parts_from_then_on, 0,
			    (int)(sizeof(refusals) / sizeof(*refusals)));
	tcase_add_test(tc, test_lost_goes_in_parts_from_then_on);
	tcase_add_test(tc, test_after_a_timeout_none_any_more);
	return unit_run("tcp_big", tc);
}
