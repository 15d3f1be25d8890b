/*
 * tcp/tcp_isn.c - initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323, 7.1).
 *
 * Both are a clock plus a keyed hash, so that nobody off the path can tell one connection's numbers
 * from another's, while those of one four-tuple only rise.
 */
#include "lib/siphash.h"
#include "tcp/tcp_priv.h"

#define ISN_TICK_NS 4000u /* RFC 9293, 3.4.1: a clock of 4 us */

uint32_t tcp_isn(struct stack *st, const struct inet_tuple *tu)
{
	struct {
		struct ip_addr laddr, raddr;
		uint16_t lport, rport;
	} key = {tu->laddr, tu->raddr, tu->lport, tu->rport};
	uint64_t clock = batch_now(st) / ISN_TICK_NS;

	return (uint32_t)(clock + siphash(&key, 36, st->tcp->isn_key));
}

/*
 * One offset a pair of hosts: a new connection's timestamps are then above those of the last one,
 * which lets it follow a TIME-WAIT at once (RFC 6191).
 */
uint32_t tcp_ts_offset(struct stack *st, const struct ip_addr *laddr, const struct ip_addr *raddr)
{
	struct ip_addr key[2] = {*laddr, *raddr};

	return (uint32_t)siphash(key, sizeof(key), st->tcp->ts_key);
}
