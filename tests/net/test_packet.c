/*
 * tests/net/test_packet.c - frames of a packet device, a piece of memory in place of the ring and a
 * pair of sockets in place of the packet socket: slots in their order, super-frames from the socket
 * in between, tags, what is dropped and why.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/udp.h"
#include "net/net_priv.h"
#include "net/packet.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

#define MAC_AT 96 /* of a slot: where the kernel might put the frame */
#define UDP_AT (ETHER_HLEN + IP4_HLEN)
#define LO 1 /* the interface of every namespace */

static struct {
	struct stack *stack;
	struct netdev *dev;
	int peer, link;
	uint8_t *ring;
	unsigned put; /* the slot that is filled next */
	struct pkq got;
	uint8_t frame[FRAME_MAX];
	uint8_t back[FRAME_MAX];
} t;

static struct packet_fds fds_create(bool ring)
{
	struct packet_fds f = {.n = 1};
	int queue[2], link[2], size = 1 << 20;

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, queue), 0);
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, link), 0);
	setsockopt(queue[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	f.queue[0] = queue[0];
	f.link = link[0];
	t.peer = queue[1];
	t.link = link[1];
	if (ring) {
		f.ring[0] = mmap(NULL, PACKET_SLOT * PACKET_SLOTS, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(f.ring[0], MAP_FAILED);
	}
	t.ring = f.ring[0];
	return f;
}

static int device_create(bool ring, int ifindex)
{
	struct packet_config cfg = {.name = "veth0", .mac = {2, 0, 0, 0, 0, 1}};
	struct packet *p = calloc(1, sizeof(*p));
	struct packet_fds f = fds_create(ring);

	ck_assert_ptr_nonnull(p);
	p->ifindex = ifindex;
	p->mtu_max = 9000;
	return packet_attach(t.stack, &cfg, p, &f, &t.dev);
}

static void setup(void)
{
	t.stack = netstack_create(1);
	t.put = 0;
	pkq_init(&t.got);
	for (uint32_t i = 0; i < FRAME_MAX; i++)
		t.frame[i] = (uint8_t)(i * 7 + (i >> 8));
	t.frame[12] = t.frame[13] = 0x88; /* no protocol of IP's */
	ck_assert_int_eq(device_create(true, LO), 0);
}

static void teardown(void)
{
	pkq_free(&t.got);
	close(t.peer);
	close(t.link);
	netstack_destroy(t.stack);
}

static struct tpacket2_hdr *slot(unsigned i)
{
	return (void *)(t.ring + (size_t)(i % PACKET_SLOTS) * PACKET_SLOT);
}

/* As the kernel does: the slot is filled, and then it is the program's. */
static struct tpacket2_hdr *put(uint32_t len, const struct vnet_hdr *vh, uint32_t status)
{
	struct tpacket2_hdr *h = slot(t.put++);
	uint32_t room = PACKET_SLOT - MAC_AT;
	uint8_t *to = (uint8_t *)h + MAC_AT;

	ck_assert_uint_eq(h->tp_status, TP_STATUS_KERNEL);
	*h = (struct tpacket2_hdr){
	    .tp_len = len, .tp_snaplen = len < room ? len : room, .tp_mac = MAC_AT};
	memcpy(to, t.frame, h->tp_snaplen);
	memcpy(to - sizeof(*vh), vh, sizeof(*vh));
	h->tp_status = TP_STATUS_USER | status;
	return h;
}

static void put_plain(uint32_t len)
{
	static const struct vnet_hdr none;

	put(len, &none, 0);
}

/* At the socket. */
static void peer_write(uint32_t len)
{
	static struct vnet_hdr none;
	struct iovec iov[2] = {{&none, sizeof(none)}, {t.frame, len}};

	ck_assert_int_eq(writev(t.peer, iov, 2), (ssize_t)(sizeof(none) + len));
}

static int rx(int max)
{
	return t.dev->ops->rx(&t.dev->queue[0], &t.got, max);
}

static void check_next(uint32_t len)
{
	struct pkbuf *b = pkq_take(&t.got);

	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, len);
	ck_assert_uint_eq(b->l2, b->head);
	ck_assert_ptr_eq(b->dev, t.dev);
	frame_bytes(b, t.back);
	ck_assert_mem_eq(t.back, t.frame, len);
	pkbuf_free(b);
}

START_TEST(test_packet_ring_frames_in_order)
{
	static const uint32_t len[] = {14, 60, 128, 129, 224, 225, 1514};
	const unsigned n = sizeof(len) / sizeof(len[0]);

	ck_assert_int_eq(rx(8), -EAGAIN);
	for (unsigned i = 0; i < n; i++)
		put_plain(len[i]);
	ck_assert_int_eq(rx(3), 3);
	ck_assert_int_eq(rx(8), (int)n - 3);
	for (unsigned i = 0; i < n; i++) {
		check_next(len[i]);
		ck_assert_uint_eq(slot(i)->tp_status, TP_STATUS_KERNEL);
	}
	ck_assert_int_eq(rx(8), -EAGAIN);
}
END_TEST

START_TEST(test_packet_ring_goes_round)
{
	for (unsigned i = 0; i < PACKET_SLOTS + 3; i++) {
		put_plain(60 + i % 64);
		ck_assert_int_eq(rx(1), 1);
		check_next(60 + i % 64);
	}
	ck_assert_int_eq(rx(1), -EAGAIN);
}
END_TEST

/* One that did not fit its slot is read at the socket, in its turn. */
START_TEST(test_packet_ring_super_frame_from_the_socket)
{
	static const struct vnet_hdr none;

	put_plain(100);
	put(30000, &none, TP_STATUS_COPY);
	put(PKBUF_MAX, &none, TP_STATUS_COPY);
	put_plain(200);
	peer_write(30000);
	peer_write(PKBUF_MAX);
	ck_assert_int_eq(rx(8), 4);
	check_next(100);
	check_next(30000);
	check_next(PKBUF_MAX);
	check_next(200);
}
END_TEST

/* Where there are no pieces a frame is lost, by the socket as by the ring, and what fits a header part is not. */
START_TEST(test_packet_ring_without_memory)
{
	static struct piece *held[4096];
	static const struct vnet_hdr none;
	unsigned n = 0;

	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.mem_limit", 1 << 20), 0);
	put(40000, &none, TP_STATUS_COPY);
	peer_write(40000); /* takes the large piece along */
	ck_assert_int_eq(rx(1), 1);
	while (n < 4096 && (held[n] = piece_alloc_rx(t.stack, PIECE_LARGE)))
		n++;
	while (n < 4096 && (held[n] = piece_alloc_rx(t.stack, PIECE_SMALL)))
		n++;
	put(5000, &none, TP_STATUS_COPY);
	peer_write(5000);
	put_plain(1514);
	put_plain(60);
	ck_assert_int_eq(rx(8), 3);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_NO_MEMORY), 2);
	ck_assert_uint_eq(t.dev->stats.rx_dropped, 2);
	check_next(40000);
	check_next(60);
	while (n > 0)
		piece_put(held[--n]);
}
END_TEST

START_TEST(test_packet_ring_cut_frame_is_an_overrun)
{
	put_plain(3000); /* and the socket had no room for it */
	put_plain(60);
	ck_assert_int_eq(rx(8), 2);
	check_next(60);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_DEV_OVERRUN), 1);
	ck_assert_uint_eq(t.dev->stats.rx_dropped, 1);
	ck_assert_uint_eq(slot(0)->tp_status, TP_STATUS_KERNEL);
}
END_TEST

/* Told of and not there: the slot is given back all the same. */
START_TEST(test_packet_ring_missing_super_frame_is_passed)
{
	static const struct vnet_hdr none;

	put(30000, &none, TP_STATUS_COPY);
	put_plain(60);
	ck_assert_int_eq(rx(8), 2);
	check_next(60);
	ck_assert_ptr_null(pkq_take(&t.got));
}
END_TEST

START_TEST(test_packet_ring_bad_vnet_header_dropped)
{
	static const struct vnet_hdr bad = {
	    .flags = VNET_F_NEEDS_CSUM, .csum_start = 100, .csum_offset = 16};

	put(60, &bad, 0);
	ck_assert_int_eq(rx(8), 1);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_VNET_HDR), 1);
	ck_assert_uint_eq(t.dev->stats.rx_errors, 1);
}
END_TEST

/* The checksum that is owed still begins where it did. */
START_TEST(test_packet_vlan_tag_put_back)
{
	static const struct vnet_hdr owed = {
	    .flags = VNET_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
	static const uint8_t dot1q[] = {0x81, 0, 0x60, 7}, dot1ad[] = {0x88, 0xa8, 0, 9};
	struct tpacket2_hdr *h = put(200, &owed, TP_STATUS_VLAN_VALID);
	struct pkbuf *b;

	h->tp_vlan_tci = 0x6007;
	h = put(200, &owed, TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID);
	h->tp_vlan_tci = 9;
	h->tp_vlan_tpid = 0x88a8;
	ck_assert_int_eq(rx(8), 2);
	for (int i = 0; i < 2; i++) {
		b = pkq_take(&t.got);
		ck_assert_uint_eq(b->len, 204);
		ck_assert_uint_eq(b->l2, b->head);
		ck_assert_uint_eq(b->csum_start, b->head + 34 + 4);
		frame_bytes(b, t.back);
		ck_assert_mem_eq(t.back, t.frame, 12);
		ck_assert_mem_eq(t.back + 12, i ? dot1ad : dot1q, 4);
		ck_assert_mem_eq(t.back + 16, t.frame + 12, 200 - 12);
		pkbuf_free(b);
	}
}
END_TEST

/* What is owed lies so far back that the room before the frame would be given up for it: there must stay some for a tag. */
START_TEST(test_packet_vlan_tag_has_room)
{
	static const struct vnet_hdr far = {
	    .flags = VNET_F_NEEDS_CSUM, .csum_start = 236, .csum_offset = 16};
	static const struct vnet_hdr last = {
	    .flags = VNET_F_NEEDS_CSUM, .csum_start = 206, .csum_offset = 16};

	put(600, &far, TP_STATUS_VLAN_VALID)->tp_vlan_tci = 7;
	put(600, &last, TP_STATUS_VLAN_VALID)->tp_vlan_tci = 7;
	ck_assert_int_eq(rx(8), 2);
	ck_assert_uint_eq(t.got.count, 1);
	ck_assert_uint_eq(t.got.head->len, 604);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_VNET_HDR), 1);
}
END_TEST

/* Ethernet, IPv4 and UDP in front of n bytes of the pattern, as for one datagram. */
static uint32_t udp_frame(uint32_t n)
{
	struct ip4_hdr ip = {
	    .ver_ihl = 0x45,
	    .len = be16_of((uint16_t)(IP4_HLEN + UDP_HLEN + n)),
	    .id = be16_of(0xffff),
	    .ttl = 64,
	    .proto = IP_PROTO_UDP,
	    .src = {10, 0, 0, 2},
	    .dst = {10, 0, 0, 1},
	};
	struct udp_hdr udp = {be16_of(5), be16_of(7), be16_of((uint16_t)(UDP_HLEN + n)), 0};

	memcpy(t.frame, t.dev->mac, ETHER_ALEN);
	memcpy(t.frame + 12, "\x08", 2);
	memcpy(t.frame + ETHER_HLEN, &ip, sizeof(ip));
	memcpy(t.frame + ETHER_HLEN + IP4_HLEN, &udp, sizeof(udp));
	return UDP_AT + UDP_HLEN + n;
}

static void in4(struct pkbuf *b)
{
	pkq_add(&t.got, b);
}

static const struct net_proto proto4 = {ETHER_TYPE_IP4, in4};

/* The i-th of a sender's datagrams, n bytes: headers of its own, and a checksum that comes out. */
static void check_datagram(uint32_t i, uint32_t n, uint32_t at)
{
	struct pkbuf *b = pkq_take(&t.got);
	const struct ip4_hdr *ip = (const void *)t.back;
	const struct udp_hdr *udp = (const void *)(t.back + IP4_HLEN);

	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->csum, CSUM_PARTIAL);
	pkbuf_csum_finish(b);
	frame_bytes(b, t.back);
	ck_assert_uint_eq(b->len, IP4_HLEN + UDP_HLEN + n);
	ck_assert_uint_eq(be16_get(ip->len), b->len);
	ck_assert_uint_eq(be16_get(ip->id), (0xffff + i) & 0xffff);
	ck_assert_uint_eq(csum_finish(csum_add(0, ip, IP4_HLEN)), 0);
	ck_assert_uint_eq(be16_get(udp->len), UDP_HLEN + n);
	ck_assert_uint_eq(
	    csum_finish(csum_add(csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_UDP, UDP_HLEN + n), udp,
				 UDP_HLEN + n)),
	    0);
	ck_assert_mem_eq(t.back + IP4_HLEN + UDP_HLEN, t.frame + UDP_AT + UDP_HLEN + at, n);
	pkbuf_free(b);
}

static void udp_setup(void)
{
	setup();
	net_proto_register(t.stack, &proto4);
	netdev_up(t.dev);
	netdev_set_link(t.dev, true); /* lo may be down */
}

/* UDP_SEGMENT of the sender: what crosses the veth as one is cut before anybody sees it. */
START_TEST(test_packet_udp_segments_are_datagrams)
{
	static const struct vnet_hdr vh = {.flags = VNET_F_NEEDS_CSUM,
					   .gso_type = VNET_GSO_UDP_L4,
					   .gso_size = 500,
					   .csum_start = UDP_AT,
					   .csum_offset = 6};

	put(udp_frame(1700), &vh, 0);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 8), 1);
	for (uint32_t i = 0; i < 4; i++)
		check_datagram(i, i < 3 ? 500 : 200, 500 * i);
	ck_assert_ptr_null(pkq_take(&t.got));
	ck_assert_uint_eq(netdev_traffic(t.dev, NETDEV_RX_PACKETS), 4);
}
END_TEST

START_TEST(test_packet_udp_segments_refused)
{
	static const struct vnet_hdr bad[] = {
	    {VNET_F_NEEDS_CSUM, VNET_GSO_UDP_L4, 0, 0, UDP_AT, 6},       /* of no length */
	    {VNET_F_NEEDS_CSUM, VNET_GSO_UDP_L4, 0, 10, UDP_AT, 6},      /* too many */
	    {VNET_F_NEEDS_CSUM, VNET_GSO_UDP_L4, 0, 500, UDP_AT, 8},     /* another field */
	    {VNET_F_NEEDS_CSUM, VNET_GSO_UDP_L4, 0, 500, UDP_AT + 4, 6}, /* not behind IP */
	    {0, VNET_GSO_UDP_L4, 0, 500, UDP_AT, 6},                     /* nothing owed */
	};
	const unsigned n = sizeof(bad) / sizeof(bad[0]);

	for (unsigned i = 0; i < n; i++)
		put(udp_frame(128 * 10 + 1), &bad[i], 0);
	ck_assert_int_eq(netdev_poll(&t.dev->queue[0], 8), (int)n);
	ck_assert_ptr_null(pkq_take(&t.got));
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_VNET_HDR), n);
}
END_TEST

START_TEST(test_packet_without_a_ring_by_reading)
{
	teardown();
	t.stack = netstack_create(1);
	ck_assert_int_eq(device_create(false, LO), 0);
	ck_assert_int_eq(rx(8), -EAGAIN);
	peer_write(60);
	peer_write(1514);
	peer_write(60000);
	ck_assert_int_eq(rx(8), 3);
	check_next(60);
	check_next(1514);
	check_next(60000);
}
END_TEST

START_TEST(test_packet_mtu_is_the_lesser)
{
	ck_assert_uint_eq(t.dev->mtu, 9000); /* lo's is 65536 */
	ck_assert_int_eq(netdev_set_mtu(t.dev, 1400), 0);
	ck_assert_int_eq(netdev_set_mtu(t.dev, 0x20000), -ERANGE);
	ck_assert_uint_eq(t.dev->mtu, 1400);
	ck_assert_int_eq(t.dev->ops->link(t.dev), 0); /* nothing has changed: what was set stays */
	ck_assert_uint_eq(t.dev->mtu, 1400);
}
END_TEST

START_TEST(test_packet_interface_gone)
{
	struct packet *p = t.dev->priv;

	p->ifindex = 1 << 30;
	ck_assert_int_eq(write(t.link, "news", 4), 4);
	ck_assert_int_eq(t.dev->ops->link(t.dev), -ENODEV);
	ck_assert_int_eq(recv(t.dev->link_fd, t.back, 1, 0), -1); /* it has been read */
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(test_packet_attach_to_no_interface)
{
	teardown();
	t.stack = netstack_create(1);
	ck_assert_int_eq(device_create(true, 1 << 30), -ENODEV);
	ck_assert_int_eq(recv(t.peer, t.back, 1, 0), 0); /* its end is closed */
	ck_assert_ptr_null(netdev_by_name(t.stack, "veth0"));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("packet"), *udp;
	int r;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_packet_ring_frames_in_order);
	tcase_add_test(tc, test_packet_ring_goes_round);
	tcase_add_test(tc, test_packet_ring_without_memory);
	tcase_add_test(tc, test_packet_ring_super_frame_from_the_socket);
	tcase_add_test(tc, test_packet_ring_cut_frame_is_an_overrun);
	tcase_add_test(tc, test_packet_ring_missing_super_frame_is_passed);
	tcase_add_test(tc, test_packet_ring_bad_vnet_header_dropped);
	tcase_add_test(tc, test_packet_vlan_tag_put_back);
	tcase_add_test(tc, test_packet_vlan_tag_has_room);
	tcase_add_test(tc, test_packet_without_a_ring_by_reading);
	tcase_add_test(tc, test_packet_mtu_is_the_lesser);
	tcase_add_test(tc, test_packet_interface_gone);
	tcase_add_test(tc, test_packet_attach_to_no_interface);
	r = unit_run("packet", tc);
	udp = tcase_create("packet_udp");
	tcase_add_checked_fixture(udp, udp_setup, teardown);
	tcase_add_test(udp, test_packet_udp_segments_are_datagrams);
	tcase_add_test(udp, test_packet_udp_segments_refused);
	return unit_run("packet_udp", udp) | r;
}
