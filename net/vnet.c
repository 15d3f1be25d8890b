/*
 * net/vnet.c - the vnet header before each frame of a TAP or a packet socket (virtio 1.2, 5.1.6): what is still owed
 * to a frame's checksum, and into which segments it is to be cut.
 *
 * A received one is input like the frame: nothing it says is believed before it fits the packet,
 * for gso_cut() and pkbuf_csum_finish() write where it points.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/ip6.h"
#include "lib/wire/tcp.h"
#include "lib/wire/udp.h"
#include "net/net_priv.h"
#include "net/tap.h"

#define VNET_FLAT 2048u       /* bytes of a frame */
#define UDP_SEGMENTS_MAX 128u /* of one call, Linux's limit */
/*
 * 64 KB by the 8 bytes that 40 of options leave of an MSS of 48, below which Linux cuts nothing; a forwarding host may join
 * smaller ones, but not so many.  Each becomes a packet where weft must cut.
 */
#define TCP_SEGMENTS_MAX 8192u

/*
 * The field lies in the packet, behind the link header, and then in the header part: so near that the room
 * before the frame stays, for a tag or a longer link header.
 */
static bool vnet_csum_in(struct pkbuf *b, const struct vnet_hdr *h, unsigned hlen)
{
	uint32_t end = (uint32_t)h->csum_start + h->csum_offset + sizeof(uint16_t);

	if (h->csum_start < hlen || end > PKBUF_RX_LINEAR || !pkbuf_pull(b, end))
		return false;
	b->csum = CSUM_PARTIAL;
	b->csum_start = (uint16_t)(b->head + h->csum_start);
	b->csum_off = h->csum_offset;
	return true;
}

/* A whole IPv4 datagram, no fragment, with `proto` at csum_start. */
static bool vnet_ip4(const struct pkbuf *b, unsigned hlen, uint8_t proto)
{
	const struct ip4_hdr *ip = (const void *)(b->hdr + b->head + hlen);
	unsigned l4 = b->csum_start - b->head;

	return l4 >= hlen + IP4_HLEN && ip->ver_ihl >> 4 == 4 && hlen + ip4_hdr_len(ip) == l4 &&
	       ip->proto == proto && be16_get(ip->len) == b->len - hlen &&
	       !(be16_get(ip->off) & (IP4_MF | IP4_OFFMASK));
}

/* IPv6 with `proto` at csum_start; extension headers may lie between. */
static bool vnet_ip6(const struct pkbuf *b, unsigned hlen, uint8_t proto)
{
	const struct ip6_hdr *ip = (const void *)(b->hdr + b->head + hlen);
	unsigned l4 = b->csum_start - b->head;

	return l4 >= hlen + IP6_HLEN && ip6_version(ip) == 6 &&
	       (uint32_t)be16_get(ip->len) + IP6_HLEN == b->len - hlen &&
	       (l4 > hlen + IP6_HLEN || ip->next == proto);
}

static bool vnet_ether_type(const struct pkbuf *b, unsigned hlen, uint16_t type)
{
	const struct ether_hdr *e = (const void *)(b->hdr + b->head);

	return hlen != ETHER_HLEN || be16_get(e->type) == type;
}

/* TCP's header is whole, in the header part and where a cut frame has room for it; its length, or 0. */
static unsigned vnet_tcp_hlen(struct pkbuf *b)
{
	unsigned l4 = b->csum_start - b->head, n;
	uint8_t *p = pkbuf_pull(b, l4 + TCP_HLEN);

	if (!p)
		return 0;
	n = tcp_hdr_len((const struct tcp_hdr *)(p + l4));
	return n >= TCP_HLEN && l4 + n <= PKBUF_TX_HEAD && pkbuf_pull(b, l4 + n) ? n : 0;
}

/* Datagrams of one length but the last, behind one header for all (the sender's UDP_SEGMENT). */
static bool vnet_udp_in(struct pkbuf *b, const struct vnet_hdr *h, unsigned hlen)
{
	unsigned l4 = b->csum_start - b->head;
	bool v4 = vnet_ether_type(b, hlen, ETHER_TYPE_IP4) && vnet_ip4(b, hlen, IP_PROTO_UDP);
	uint32_t n = b->len - l4 - UDP_HLEN;

	if (h->gso_size == 0 || n > h->gso_size * UDP_SEGMENTS_MAX || l4 + UDP_HLEN > PKBUF_TX_HEAD)
		return false;
	if (!v4 && !(vnet_ether_type(b, hlen, ETHER_TYPE_IP6) && vnet_ip6(b, hlen, IP_PROTO_UDP)))
		return false;
	b->l3 = (uint16_t)(b->head + hlen);
	b->l4 = b->csum_start;
	if (n <= h->gso_size)
		return true; /* one after all */
	b->gso_type = v4 ? GSO_UDP4 : GSO_UDP6;
	b->gso_size = h->gso_size;
	return true;
}

/* It always comes with a checksum owed. */
static bool vnet_gso_in(struct pkbuf *b, const struct vnet_hdr *h, unsigned hlen)
{
	unsigned type = h->gso_type & ~(unsigned)VNET_GSO_ECN, n;
	bool v4 = type == VNET_GSO_TCP4;

	if (h->gso_type == VNET_GSO_UDP_L4 && b->csum == CSUM_PARTIAL &&
	    b->csum_off == offsetof(struct udp_hdr, csum))
		return vnet_udp_in(b, h, hlen);
	if ((!v4 && type != VNET_GSO_TCP6) || h->gso_size == 0)
		return false;
	if (b->csum != CSUM_PARTIAL || b->csum_off != offsetof(struct tcp_hdr, csum))
		return false;
	n = vnet_tcp_hlen(b);
	if (n == 0 || !vnet_ether_type(b, hlen, v4 ? ETHER_TYPE_IP4 : ETHER_TYPE_IP6))
		return false;
	if (v4 ? !vnet_ip4(b, hlen, IP_PROTO_TCP) : !vnet_ip6(b, hlen, IP_PROTO_TCP))
		return false;
	b->l3 = (uint16_t)(b->head + hlen);
	b->l4 = b->csum_start;
	n = b->len - (uint32_t)(b->l4 - b->head) - n;
	if (n > h->gso_size * TCP_SEGMENTS_MAX)
		return false;
	if (n <= h->gso_size)
		return true; /* one segment after all */
	b->gso_type = v4 ? GSO_TCP4 : GSO_TCP6;
	b->gso_size = h->gso_size;
	return true;
}

bool vnet_in(struct pkbuf *b, const struct vnet_hdr *h, unsigned hlen)
{
	/* otherwise a hint without a use here: the kernel gives its own linear length */
	if (h->hdr_len > b->len)
		return false;
	if (h->flags & VNET_F_NEEDS_CSUM) {
		if (!vnet_csum_in(b, h, hlen))
			return false;
	} else if (h->flags & VNET_F_DATA_VALID) {
		b->csum = CSUM_VERIFIED;
	}
	return h->gso_type == VNET_GSO_NONE || vnet_gso_in(b, h, hlen);
}

/* CWR in a super-frame is for its first segment only (RFC 3168, 6.1.2): the cutter must know. */
static void vnet_gso_out(const struct pkbuf *b, struct vnet_hdr *h)
{
	const struct tcp_hdr *t = (const void *)(b->hdr + b->csum_start);

	h->gso_type = b->gso_type == GSO_TCP4 ? VNET_GSO_TCP4 : VNET_GSO_TCP6;
	if (t->flags & TCP_CWR)
		h->gso_type |= VNET_GSO_ECN;
	h->gso_size = b->gso_size;
	h->hdr_len = (uint16_t)(b->csum_start - b->head + tcp_hdr_len(t));
}

void vnet_out(const struct pkbuf *b, struct vnet_hdr *h)
{
	*h = (struct vnet_hdr){0};
	if (b->csum != CSUM_PARTIAL)
		return;
	h->flags = VNET_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)(b->csum_start - b->head);
	h->csum_offset = b->csum_off;
	if (b->gso_size)
		vnet_gso_out(b, h);
}

/* Copied to where one part of them does: a call with several costs more than that. */
struct vnet_flat {
	struct vnet_hdr hdr;
	uint8_t frame[VNET_FLAT];
};

static void vnet_flatten(struct vnet_flat *f, struct iovec *iov, int n)
{
	uint8_t *to = f->frame;

	for (int i = 1; i < n; to += iov[i++].iov_len)
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
	iov[0].iov_len = (size_t)(to - (uint8_t *)f);
}

/* What lies in the header part alone is one part as it stands: the vnet header goes into its headroom. */
static ssize_t vnet_write_head(int fd, struct pkbuf *b)
{
	struct vnet_hdr *h = (void *)(pkbuf_data(b) - sizeof(*h));
	struct iovec iov = {h, sizeof(*h) + b->len};

	vnet_out(b, h);
	return queue_writev(fd, &iov, 1);
}

static ssize_t vnet_write_parts(int fd, struct pkbuf *b)
{
	struct iovec iov[1 + 1 + PKBUF_FRAGS];
	struct vnet_flat flat;
	int n;

	vnet_out(b, &flat.hdr);
	iov[0] = (struct iovec){&flat.hdr, sizeof(flat.hdr)};
	n = 1 + pkbuf_iov(b, iov + 1);
	if (b->len <= sizeof(flat.frame)) {
		vnet_flatten(&flat, iov, n);
		n = 1;
	}
	return queue_writev(fd, iov, n);
}

int vnet_xmit(int fd, struct pkbuf *b)
{
	bool in_head = b->nfrag == 0 && pkbuf_headroom(b) >= sizeof(struct vnet_hdr);
	int err;

	if ((in_head ? vnet_write_head(fd, b) : vnet_write_parts(fd, b)) < 0) {
		err = errno == EAGAIN ? -ENOBUFS : -errno;
		pkbuf_drop(b, DROP_DEV_TX);
		return err;
	}
	pkbuf_free(b);
	return 0;
}
