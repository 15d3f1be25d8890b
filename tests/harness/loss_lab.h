/*
 * tests/harness/loss_lab.h - for tests of the sender's loss recovery: on a tcp_lab connection with
 * segments of 1000 bytes and a round trip of 100 ms, segments and ACKs by number.
 *
 *	loss_open(O_SACK_OK);        ESTABLISHED, NewReno; and O_TS, or 0: neither
 *	loss_write(20);              20 segments are written; segment 0 begins at sequence number 1
 *	sent(0, 10);                 the next sent are the segments 0 to 9, then nothing
 *	advance_ms(100);
 *	sacks(0, 1, {{1, 2}});       the peer misses 0 and has 1 (a block each: from, behind)
 *	has(10);                     the peer has all before 10
 *	ck_cwnd(10, CA_OPEN);
 *
 * With a first round trip of 100 ms RTO is 300 ms, a loss probe goes after 202 ms.
 */
#pragma once
#include "tests/harness/tcp_lab.h"

#define LOSS_MSS 1000u
#define LOSS_WND 65000
#define LOSS_RTT_MS 100u

/* TCP_INFO's states of repair. */
enum { OPEN, DISORDER, CWR_STATE, RECOVERY, LOSS };

#define LOSS_ECN 0x100u /* beside options: ECN is agreed on */

void loss_open(unsigned opts);
void loss_write(unsigned segments);
/* Segments from..to - 1 are the next sent, in one go each; and then nothing more. */
void loss_sent(const char *file, int line, unsigned from, unsigned to);
#define sent(from, to) loss_sent(__FILE__, __LINE__, (from), (to))
/* The same, but more may follow. */
void loss_next(const char *file, int line, unsigned segment);
#define next_is(segment) loss_next(__FILE__, __LINE__, (segment))

struct loss_blocks {
	unsigned b[SEG_SACKS][2];
};
void loss_ack(unsigned upto, unsigned nsack, struct loss_blocks k, uint32_t tsecr);
#define has(upto) loss_ack((upto), 0, (struct loss_blocks){0}, 0)
#define sacks(upto, n, ...) loss_ack((upto), (n), (struct loss_blocks){__VA_ARGS__}, 0)
/* The same with an echoed timestamp that is not the latest. */
#define has_echoing(upto, tsecr) loss_ack((upto), 0, (struct loss_blocks){0}, (tsecr))

/* Segment is the next sent, `ms` after tcp_lab_mark() (a tick of 1 ms may be added); then nothing. */
void loss_sent_at(const char *file, int line, unsigned segment, unsigned ms);
#define sent_at(segment, ms) loss_sent_at(__FILE__, __LINE__, (segment), (ms))

/* The parts of TCP_INFO that recovery is about; counts are segments. */
struct loss_info {
	unsigned state, cwnd, ssthresh, unacked, sacked, lost, retrans, reordering, reord_seen;
	unsigned rtt_us, min_rtt_us, rto_us, total_retrans, dsack_dups, delivered;
};
struct loss_info loss_info(void);

#define ck_state_is(want) ck_assert_uint_eq(loss_info().state, (want))
#define ck_cwnd(segments, want)                                                                    \
	do {                                                                                       \
		ck_assert_uint_eq(loss_info().cwnd, (segments));                                   \
		ck_assert_uint_eq(loss_info().state, (want));                                      \
	} while (0)
#define ck_mib(name, want) ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_##name), (want))
