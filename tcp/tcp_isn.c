/*
 * tcp/tcp_isn.c - initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323, 7.1).
 *
 * Both are a clock plus a keyed hash, so that nobody off the path can tell one connection's numbers
 * from another's, while those of one four-tuple only rise.
 */
#include "lib/siphash.h"
#include "tcp/tcp_priv.h"

#define ISN_TICK_NS 4000u /* RFC 9293, 3.4.1: a clock of 4 us */

/* Of IPv4 an address's last word is all there is of it, and less to hash. */
static bool are4(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_addr_is4(a) && ip_addr_is4(b);
}

static uint64_t isn_hash(const struct inet_tuple *tu, const uint8_t key[16])
{
	struct {
		struct ip_addr laddr, raddr;
		uint16_t lport, rport;
	} of = {tu->laddr, tu->raddr, tu->lport, tu->rport};
	struct {
		uint32_t laddr, raddr;
		uint16_t lport, rport;
	} of4 = {tu->laddr.w[3], tu->raddr.w[3], tu->lport, tu->rport};

	return are4(&tu->laddr, &tu->raddr) ? siphash(&of4, sizeof(of4), key)
					    : siphash(&of, 36, key);
}

uint32_t tcp_isn(struct stack *st, const struct inet_tuple *tu)
{
	uint64_t clock = batch_now(st) / ISN_TICK_NS;

	return (uint32_t)(clock + isn_hash(tu, st->tcp->isn_key));
}

/*
 * One offset a pair of hosts: a new connection's timestamps are then above those of the last one,
 * which lets it follow a TIME-WAIT at once (RFC 6191).
 */
uint32_t tcp_ts_offset(struct stack *st, const struct ip_addr *laddr, const struct ip_addr *raddr)
{
	const uint32_t of4[2] = {laddr->w[3], raddr->w[3]};
	const struct ip_addr of[2] = {*laddr, *raddr};

	return (uint32_t)(are4(laddr, raddr) ? siphash(of4, sizeof(of4), st->tcp->ts_key)
					     : siphash(of, sizeof(of), st->tcp->ts_key));
}
