/*
 * shell/missed.c - what programs asked for and did not get: calls, options and flags by their names.
 *
 * The table is written by programs: what is read there is copied once, and only shown.
 */
#include "shell/missed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "lib/ipaddr.h"

struct word {
	int value;
	const char *name;
};

#define WORD(x)                                                                                    \
	{                                                                                          \
		x, #x                                                                              \
	}

static const struct word families[] = {WORD(AF_INET), WORD(AF_INET6), WORD(AF_PACKET), {0, NULL}};
static const struct word types[] = {
    WORD(SOCK_STREAM), WORD(SOCK_DGRAM),     WORD(SOCK_RAW),
    WORD(SOCK_RDM),    WORD(SOCK_SEQPACKET), {0, NULL},
};
static const struct word levels[] = {
    WORD(SOL_SOCKET),  WORD(IPPROTO_IP),   WORD(IPPROTO_TCP),
    WORD(IPPROTO_UDP), WORD(IPPROTO_IPV6), {0, NULL},
};
static const struct word of_socket[] = {
    WORD(SO_DEBUG),
    WORD(SO_REUSEADDR),
    WORD(SO_DONTROUTE),
    WORD(SO_BROADCAST),
    WORD(SO_SNDBUF),
    WORD(SO_RCVBUF),
    WORD(SO_KEEPALIVE),
    WORD(SO_OOBINLINE),
    WORD(SO_NO_CHECK),
    WORD(SO_PRIORITY),
    WORD(SO_LINGER),
    WORD(SO_BSDCOMPAT),
    WORD(SO_REUSEPORT),
    WORD(SO_PASSCRED),
    WORD(SO_PEERCRED),
    WORD(SO_RCVLOWAT),
    WORD(SO_SNDLOWAT),
    WORD(SO_BINDTODEVICE),
    WORD(SO_ATTACH_FILTER),
    WORD(SO_DETACH_FILTER),
    WORD(SO_TIMESTAMP),
    WORD(SO_MARK),
    WORD(SO_TIMESTAMPING),
    WORD(SO_TIMESTAMPNS),
    WORD(SO_RXQ_OVFL),
    WORD(SO_PEEK_OFF),
    WORD(SO_NOFCS),
    WORD(SO_LOCK_FILTER),
    WORD(SO_BUSY_POLL),
    WORD(SO_MAX_PACING_RATE),
    WORD(SO_ATTACH_BPF),
    WORD(SO_INCOMING_CPU),
    WORD(SO_ATTACH_REUSEPORT_CBPF),
    WORD(SO_INCOMING_NAPI_ID),
    WORD(SO_COOKIE),
    WORD(SO_ZEROCOPY),
    WORD(SO_TXTIME),
    WORD(SO_BINDTOIFINDEX),
    WORD(SO_PREFER_BUSY_POLL),
    WORD(SO_BUSY_POLL_BUDGET),
    {0, NULL},
};
static const struct word of_tcp[] = {
    WORD(TCP_MAXSEG),
    WORD(TCP_KEEPIDLE),
    WORD(TCP_KEEPINTVL),
    WORD(TCP_KEEPCNT),
    WORD(TCP_SYNCNT),
    WORD(TCP_LINGER2),
    WORD(TCP_DEFER_ACCEPT),
    WORD(TCP_WINDOW_CLAMP),
    WORD(TCP_INFO),
    WORD(TCP_QUICKACK),
    WORD(TCP_CONGESTION),
    WORD(TCP_MD5SIG),
    WORD(TCP_USER_TIMEOUT),
    WORD(TCP_REPAIR),
    WORD(TCP_FASTOPEN),
    WORD(TCP_TIMESTAMP),
    WORD(TCP_NOTSENT_LOWAT),
    WORD(TCP_CC_INFO),
    WORD(TCP_SAVE_SYN),
    WORD(TCP_SAVED_SYN),
    WORD(TCP_FASTOPEN_CONNECT),
    WORD(TCP_ULP),
    WORD(TCP_MD5SIG_EXT),
    WORD(TCP_FASTOPEN_KEY),
    WORD(TCP_ZEROCOPY_RECEIVE),
    WORD(TCP_INQ),
    WORD(TCP_TX_DELAY),
    {0, NULL},
};
static const struct word of_ip[] = {
    WORD(IP_TOS),
    WORD(IP_TTL),
    WORD(IP_HDRINCL),
    WORD(IP_OPTIONS),
    WORD(IP_RECVOPTS),
    WORD(IP_RETOPTS),
    WORD(IP_PKTINFO),
    WORD(IP_MTU_DISCOVER),
    WORD(IP_RECVERR),
    WORD(IP_RECVTTL),
    WORD(IP_RECVTOS),
    WORD(IP_MTU),
    WORD(IP_FREEBIND),
    WORD(IP_TRANSPARENT),
    WORD(IP_ORIGDSTADDR),
    WORD(IP_MINTTL),
    WORD(IP_MULTICAST_IF),
    WORD(IP_MULTICAST_TTL),
    WORD(IP_MULTICAST_LOOP),
    WORD(IP_UNICAST_IF),
    WORD(IP_ADD_MEMBERSHIP),
    WORD(IP_DROP_MEMBERSHIP),
    WORD(IP_MULTICAST_ALL),
    WORD(IP_BIND_ADDRESS_NO_PORT),
    {0, NULL},
};
static const struct word of_ipv6[] = {
    WORD(IPV6_V6ONLY),       WORD(IPV6_UNICAST_HOPS), WORD(IPV6_MULTICAST_HOPS),
    WORD(IPV6_MULTICAST_IF), WORD(IPV6_JOIN_GROUP),   WORD(IPV6_RECVPKTINFO),
    WORD(IPV6_TCLASS),       WORD(IPV6_RECVTCLASS),   WORD(IPV6_RECVERR),
    WORD(IPV6_MTU_DISCOVER), WORD(IPV6_MTU),          {0, NULL},
};
static const struct word flags[] = {
    WORD(MSG_OOB),      WORD(MSG_PEEK),    WORD(MSG_DONTROUTE), WORD(MSG_TRUNC),
    WORD(MSG_DONTWAIT), WORD(MSG_WAITALL), WORD(MSG_CONFIRM),   WORD(MSG_ERRQUEUE),
    WORD(MSG_NOSIGNAL), WORD(MSG_MORE),    WORD(MSG_ZEROCOPY),  WORD(MSG_FASTOPEN),
    {0, NULL},
};

/* --- words ---------------------------------------------------------------------------------------------- */

/* A number where there is no name; it is the caller's buffer then. */
static const char *word_of(const struct word *w, int value, char number[16])
{
	for (; w->name; w++) {
		if (w->value == value)
			return w->name;
	}
	snprintf(number, 16, "%d", value);
	return number;
}

static const struct word *options_of(int level)
{
	static const struct word none = {0, NULL};

	switch (level) {
	case SOL_SOCKET:
		return of_socket;
	case IPPROTO_TCP:
		return of_tcp;
	case IPPROTO_IP:
		return of_ip;
	case IPPROTO_IPV6:
		return of_ipv6;
	default:
		return &none;
	}
}

static void flags_text(unsigned set, char *text, size_t size)
{
	size_t n = 0;

	for (const struct word *w = flags; w->name; w++) {
		if (!(set & (unsigned)w->value))
			continue;
		set &= ~(unsigned)w->value;
		n += (size_t)snprintf(text + n, n < size ? size - n : 0, "%s%s", n ? " | " : "",
				      w->name);
		n = n < size ? n : size;
	}
	if (set || n == 0)
		snprintf(text + n, size - n, "%s%#x", n ? " | " : "", set);
}

static void destination_text(const struct missed_one *one, char *text)
{
	const struct ip_addr a = ip_addr4((uint32_t)one->second);
	char addr[IP_ADDR_TEXT];

	snprintf(text, MISSED_TEXT, "connect or send to %s",
		 one->first == AF_INET ? ip_addr_text(&a, addr) : "an IPv6 address");
}

void missed_text(const struct missed_one *one, char *text)
{
	const char *set = one->call == PROGRAM_CALL_GETSOCKOPT ? "get" : "set";
	char a[16], b[16], all[48];

	switch (one->call) {
	case PROGRAM_CALL_SOCKET:
		snprintf(text, MISSED_TEXT, "socket(%s, %s, %d)", word_of(families, one->first, a),
			 word_of(types, one->second >> 16, b), one->second & 0xffff);
		break;
	case PROGRAM_CALL_CONNECT:
		destination_text(one, text);
		break;
	case PROGRAM_CALL_SEND:
	case PROGRAM_CALL_RECV:
		flags_text((unsigned)one->first, all, sizeof(all));
		snprintf(text, MISSED_TEXT, "%s with %s",
			 one->call == PROGRAM_CALL_SEND ? "sendmsg" : "recvmsg", all);
		break;
	default:
		snprintf(text, MISSED_TEXT, "%ssockopt(%s, %s)", set,
			 word_of(levels, one->first, a),
			 word_of(options_of(one->first), one->second, b));
	}
}

/* --- counts ---------------------------------------------------------------------------------------------- */

void missed_begin(struct missed *m, const struct program_table *t)
{
	for (unsigned i = 0; i < PROGRAM_MISSES; i++)
		m->before[i] = atomic_load(&t->miss[i].count);
}

bool missed_next(const struct missed *m, const struct program_table *t, unsigned *at,
		 struct missed_one *one)
{
	while (*at < PROGRAM_MISSES) {
		const struct program_miss *p = &t->miss[*at];

		*one = (struct missed_one){.call = (enum program_call)atomic_load(&p->call),
					   .first = p->first,
					   .second = p->second,
					   .err = p->err,
					   .count = atomic_load(&p->count) - m->before[*at]};
		++*at;
		if (one->count && one->call >= PROGRAM_CALL_SOCKET &&
		    one->call <= PROGRAM_CALL_RECV)
			return true;
	}
	return false;
}
