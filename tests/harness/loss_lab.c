/*
 * tests/harness/loss_lab.c - see loss_lab.h.
 */
#include "tests/harness/loss_lab.h"

#include <linux/tcp.h>
#include <netinet/in.h>

void loss_open(unsigned opts)
{
	unsigned asks = opts & LOSS_ECN ? ECE | CWR : 0, answers = opts & LOSS_ECN ? ECE : 0;

	opts &= ~LOSS_ECN;
	tcp_lab_listen(5);
	rx(SYN | asks, .seq = 0, .mss = LOSS_MSS + (opts & O_TS ? 12 : 0), .wnd = LOSS_WND,
	   .opts = opts);
	tx(SYN | ACK | answers, .seq = 0, .ack = 1);
	advance_ms(LOSS_RTT_MS);
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	quiet();
	tcp_lab_mark();
}

void loss_sent_at(const char *file, int line, unsigned segment, unsigned ms)
{
	wait_ms(10000);
	loss_next(file, line, segment);
	ck_assert_msg(tcp_lab_elapsed_ms() >= ms && tcp_lab_elapsed_ms() <= ms + 1,
		      "%s:%d: sent after %u ms, not %u", file, line, (unsigned)tcp_lab_elapsed_ms(),
		      ms);
	tcp_lab_quiet(file, line);
}

void loss_write(unsigned segments)
{
	tcp_lab_write(segments * LOSS_MSS);
}

void loss_next(const char *file, int line, unsigned segment)
{
	tcp_lab_tx(
	    file, line,
	    &(struct seg){.flags = ACK, .seq = 1 + segment * LOSS_MSS, .ack = 1, .len = LOSS_MSS});
}

void loss_sent(const char *file, int line, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		loss_next(file, line, i);
	tcp_lab_quiet(file, line);
}

void loss_ack(unsigned upto, unsigned nsack, struct loss_blocks k, uint32_t tsecr)
{
	struct seg s = {.flags = ACK,
			.seq = 1,
			.ack = 1 + upto * LOSS_MSS,
			.wnd = LOSS_WND,
			.nsack = nsack,
			.tsecr = tsecr};

	for (unsigned i = 0; i < nsack; i++) {
		s.sack[i][0] = 1 + k.b[i][0] * LOSS_MSS;
		s.sack[i][1] = 1 + k.b[i][1] * LOSS_MSS;
	}
	tcp_lab_rx(&s);
}

struct loss_info loss_info(void)
{
	struct tcp_info t = {0};
	socklen_t n = sizeof(t);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &t, &n), 0);
	return (struct loss_info){
	    .state = t.tcpi_ca_state,
	    .cwnd = t.tcpi_snd_cwnd,
	    .ssthresh = t.tcpi_snd_ssthresh,
	    .unacked = t.tcpi_unacked,
	    .sacked = t.tcpi_sacked,
	    .lost = t.tcpi_lost,
	    .retrans = t.tcpi_retrans,
	    .reordering = t.tcpi_reordering,
	    .reord_seen = t.tcpi_reord_seen,
	    .rtt_us = t.tcpi_rtt,
	    .min_rtt_us = t.tcpi_min_rtt,
	    .rto_us = t.tcpi_rto,
	    .total_retrans = t.tcpi_total_retrans,
	    .dsack_dups = t.tcpi_dsack_dups,
	    .delivered = t.tcpi_delivered,
	};
}
