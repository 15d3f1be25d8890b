/* lib/wire/tcp.h - TCP header and option kinds (RFC 9293, 3.1; 7323; 2018). */
#pragma once
#include "lib/wire/be.h"

#define TCP_HLEN 20
#define TCP_HLEN_MAX 60
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

#define TCP_OFF_AE 0x01 /* in tcp_hdr.off: RFC 9768 */

#define TCP_OPT_END 0
#define TCP_OPT_NOP 1
#define TCP_OPT_MSS 2     /* length 4 */
#define TCP_OPT_WSCALE 3  /* length 3 */
#define TCP_OPT_SACK_OK 4 /* length 2 */
#define TCP_OPT_SACK 5    /* length 2 + 8n */
#define TCP_OPT_TS 8
#define TCP_OPT_TS_LEN 10
#define TCP_OPT_FO 34   /* RFC 7413: length 2, or 6 to 18 and even */
#define TCP_OPT_EXP 254 /* RFC 6994: length, then a magic number of 16 bits */
#define TCP_OPT_EXP_FO 0xf989
#define TCP_WSCALE_MAX 14   /* RFC 7323, 2.3 */
#define TCP_MSS_DEFAULT 536 /* RFC 9293, MUST-15 */

struct tcp_hdr {
	be16 sport, dport;
	be32 seq, ack;
	uint8_t off; /* header length in words, high nibble; low nibble reserved */
	uint8_t flags;
	be16 wnd;
	uint16_t csum; /* as stored */
	be16 urg;
} __attribute__((packed));
_Static_assert(sizeof(struct tcp_hdr) == TCP_HLEN, "wire format");

static inline unsigned tcp_hdr_len(const struct tcp_hdr *h)
{
	return (h->off >> 4) * 4u;
}
