/*
 * tests/net/test_tap.c - frames through the driver, a pair of sockets in place of /dev/net/tun: writing,
 * and what is made of which configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"
#include "net/rxbuf.h"
#include "net/tap.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

static struct {
	struct stack *stack;
	struct netdev *dev;
	int peer;
	uint8_t frame[FRAME_MAX];
	uint8_t back[FRAME_MAX + VNET_HLEN];
} t;

static void setup(void)
{
	struct tap_config cfg = {.name = "tap0"};

	t.stack = netstack_create(1);
	t.dev = tappair_attach(t.stack, &cfg, &t.peer);
	netdev_up(t.dev);
}

static void teardown(void)
{
	if (t.peer >= 0)
		close(t.peer);
	netstack_destroy(t.stack);
}

/* --- writing ---------------------------------------------------------------------------------- */

START_TEST(test_tap_xmit_super_frame_in_one_write)
{
	struct pkbuf *b = frame_send4(t.stack, 60000, 1448);
	uint32_t len = b->len;
	struct vnet_hdr vh;

	ck_assert_int_eq(t.dev->ops->xmit(t.dev, b), 0);
	ck_assert_int_eq(read(t.peer, t.back, sizeof(t.back)), (ssize_t)(VNET_HLEN + len));
	memcpy(&vh, t.back, sizeof(vh));
	ck_assert_uint_eq(vh.flags, VNET_F_NEEDS_CSUM);
	ck_assert_uint_eq(vh.gso_type, VNET_GSO_TCP4);
	ck_assert_uint_eq(vh.gso_size, 1448);
	ck_assert_uint_eq(vh.csum_start, FRAME_HLEN4 - TCP_HLEN);
	ck_assert_uint_eq(vh.hdr_len, FRAME_HLEN4);
	frame_tcp4(t.frame, 60000);
	ck_assert_mem_eq(t.back + VNET_HLEN, t.frame, len);
}
END_TEST

/* Small ones are copied together first, at the bound and behind it the same goes out. */
static const uint32_t sent[] = {0, 1, 500, 2048 - FRAME_HLEN4, 2049 - FRAME_HLEN4, 9000};

START_TEST(test_tap_xmit_every_byte)
{
	struct pkbuf *b = frame_send4(t.stack, sent[_i], 0);
	uint32_t len = b->len;

	ck_assert_int_eq(t.dev->ops->xmit(t.dev, b), 0);
	ck_assert_int_eq(read(t.peer, t.back, sizeof(t.back)), (ssize_t)(VNET_HLEN + len));
	ck_assert_uint_eq(((struct vnet_hdr *)t.back)->flags, VNET_F_NEEDS_CSUM);
	ck_assert_uint_eq(frame_tcp4(t.frame, sent[_i]), len);
	ck_assert_mem_eq(t.back + VNET_HLEN, t.frame, len);
}
END_TEST

/* What has no room for the vnet header before it goes out all the same. */
START_TEST(test_tap_xmit_without_headroom)
{
	struct pkbuf *b = pkbuf_alloc(t.stack, VNET_HLEN - 1);

	frame_tcp4(t.frame, 100);
	ck_assert_int_eq(pkbuf_append(b, t.frame, FRAME_HLEN4 + 100), 0);
	ck_assert_uint_eq(b->nfrag, 0);
	ck_assert_int_eq(t.dev->ops->xmit(t.dev, b), 0);
	ck_assert_int_eq(read(t.peer, t.back, sizeof(t.back)), VNET_HLEN + FRAME_HLEN4 + 100);
	ck_assert_mem_eq(t.back + VNET_HLEN, t.frame, FRAME_HLEN4 + 100);
}
END_TEST

START_TEST(test_tap_xmit_full_device_drops)
{
	int r, n = 0;

	do
		r = t.dev->ops->xmit(t.dev, frame_send4(t.stack, 1000, 0));
	while (r == 0 && ++n < 100000);
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_DEV_TX), 1);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 1); /* the device's own */
}
END_TEST

START_TEST(test_tap_no_offload_sends_wire_frames)
{
	struct tap_config cfg = {.name = "tap1", .no_offload = true};
	struct batch batch;
	struct netdev *dev;
	ssize_t len;
	int peer, n = 0;

	dev = tappair_attach(t.stack, &cfg, &peer);
	ck_assert_uint_eq(dev->features, 0);
	netdev_up(dev);
	batch_begin(&batch, t.stack);
	ck_assert_int_eq(netdev_tx(dev, frame_send4(t.stack, 4000, 1448)), 0);
	batch_end(&batch);
	while ((len = recv(peer, t.back, sizeof(t.back), MSG_DONTWAIT)) > 0) {
		static const uint8_t none[VNET_HLEN];

		n++;
		ck_assert_mem_eq(t.back, none, VNET_HLEN);
		ck_assert(frame_is_whole(t.back + VNET_HLEN, (uint32_t)len - VNET_HLEN));
	}
	ck_assert_int_eq(n, 3);
	close(peer);
}
END_TEST

/* --- making ----------------------------------------------------------------------------------- */

START_TEST(test_tap_attach_defaults)
{
	struct tap_config tun = {.name = "tun0", .tun = true, .mtu = 9000};
	struct netdev *dev;
	int peer;

	ck_assert_str_eq(t.dev->ops->kind, "tap");
	ck_assert_ptr_eq(t.dev->link, &ether_link);
	ck_assert_uint_eq(t.dev->mtu, 1500);
	ck_assert_uint_eq(t.dev->features, NETDEV_F_ALL);
	ck_assert_uint_eq(t.dev->mac[0] & 3, 2); /* local, unicast */
	dev = tappair_attach(t.stack, &tun, &peer);
	ck_assert_str_eq(dev->ops->kind, "tun");
	ck_assert_ptr_eq(dev->link, &raw_link);
	ck_assert_uint_eq(dev->mtu, 9000);
	ck_assert(dev->flags & NETDEV_NOARP);
	close(peer);
}
END_TEST

START_TEST(test_tap_attach_name_taken)
{
	struct tap_config cfg = {.name = "tap0"};
	struct netdev *dev;
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	ck_assert_int_eq(tap_attach(t.stack, &cfg, fd, 1, &dev), -EEXIST);
	ck_assert_int_eq(write(fd[0], "", 1), -1); /* closed with it */
	close(fd[1]);
}
END_TEST

START_TEST(test_tap_create_bad_config_refused)
{
	struct tap_config cfg = {.name = "a-name-too-long-"};
	struct netdev *dev;

	ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), -ENAMETOOLONG);
	cfg = (struct tap_config){.name = "tap9", .queues = 257};
	ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), -EINVAL);
}
END_TEST

/* A network of this process alone; false: the machine gives us none. */
static bool own_network(void)
{
	return (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
	       access("/dev/net/tun", R_OK | W_OK) == 0;
}

static short interface_flags(int s, const char *name, short set)
{
	struct ifreq ifr = {0};

	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(s, SIOCGIFFLAGS, &ifr), 0);
	if (set) {
		ifr.ifr_flags |= set;
		ck_assert_int_eq(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	}
	return ifr.ifr_flags;
}

/* As `ip tuntap add`: it stays when nobody reads it. */
static void interface_make(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

/* The host answers from the first frame on. */
START_TEST(test_tap_create_ends_with_the_interface_running)
{
	char name[IFNAMSIZ];
	int s;

	if (!own_network())
		return;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 1; i < 30; i++) {
		struct tap_config cfg = {.name = name};
		struct netdev *dev;

		snprintf(name, sizeof(name), "tap%d", i);
		interface_make(name);
		ck_assert(!(interface_flags(s, name, IFF_UP) & IFF_RUNNING));
		ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), 0);
		ck_assert(interface_flags(s, name, 0) & IFF_RUNNING);
	}
	close(s);
}
END_TEST

/* The kernel refuses a read with less room than a vnet header: that is no end of the device. */
START_TEST(test_tap_without_any_memory_is_not_lost)
{
	static struct pkbuf *held[4096];
	struct tap_config cfg = {.name = "tap1"};
	struct pollfd p = {.events = POLLIN};
	struct netdev *dev;
	struct pkq q;
	unsigned n = 0;
	int s;

	if (!own_network())
		return;
	pkq_init(&q);
	interface_make("tap1");
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	interface_flags(s, "tap1", IFF_UP);
	ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), 0);
	p.fd = dev->queue[0].fd;
	ck_assert_int_eq(poll(&p, 1, 10000), 1); /* the kernel looks for IPv6 neighbours */
	ck_assert_int_ge(dev->ops->rx(&dev->queue[0], &q, 1), 1);
	pkq_free(&q);
	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.mem_limit", 1 << 20), 0);
	interface_flags(s, "tap1", IFF_UP);
	rxbuf_end(dev->queue[0].priv);
	while (n < 4096 && (held[n] = pkbuf_alloc(t.stack, 0)))
		n++;
	ck_assert_uint_lt(n, 4096);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert_int_eq(dev->ops->rx(&dev->queue[0], &q, 1), 1);
	ck_assert_uint_eq(dev->stats.rx_dropped, 1);
	while (n > 0)
		pkbuf_free(held[--n]);
	close(s);
}
END_TEST

/* A host that takes super-frames of more than 64 KB is told by its link address; elsewhere none goes. */
START_TEST(test_tap_create_finds_the_host)
{
	struct tap_config cfg = {.name = "tap1"};
	static const uint8_t none[ETHER_ALEN];
	struct ifreq ifr = {0};
	struct netdev *dev;
	bool big;
	int s;

	if (!own_network())
		return;
	interface_make(cfg.name);
	ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), 0);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(ifr.ifr_name, cfg.name);
	ck_assert_int_eq(ioctl(s, SIOCGIFHWADDR, &ifr), 0);
	close(s);
	big = memcmp(dev->host, none, ETHER_ALEN) != 0;
	ck_assert_uint_eq(dev->features, big ? NETDEV_F_ALL | NETDEV_F_BIG : NETDEV_F_ALL);
	ck_assert_mem_eq(dev->host, big ? (const uint8_t *)ifr.ifr_hwaddr.sa_data : none,
			 ETHER_ALEN);
	cfg = (struct tap_config){.name = "tap2", .no_offload = true};
	ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), 0);
	ck_assert_uint_eq(dev->features, 0);
	cfg = (struct tap_config){.name = "tun1", .tun = true};
	ck_assert_int_eq(tap_create(t.stack, &cfg, &dev), 0);
	ck_assert_uint_eq(dev->features, NETDEV_F_ALL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tap");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_tap_xmit_super_frame_in_one_write);
	tcase_add_loop_test(tc, test_tap_xmit_every_byte, 0, sizeof(sent) / sizeof(sent[0]));
	tcase_add_test(tc, test_tap_xmit_without_headroom);
	tcase_add_test(tc, test_tap_xmit_full_device_drops);
	tcase_add_test(tc, test_tap_no_offload_sends_wire_frames);
	tcase_add_test(tc, test_tap_attach_defaults);
	tcase_add_test(tc, test_tap_attach_name_taken);
	tcase_add_test(tc, test_tap_create_bad_config_refused);
	tcase_add_test(tc, test_tap_create_ends_with_the_interface_running);
	tcase_add_test(tc, test_tap_without_any_memory_is_not_lost);
	tcase_add_test(tc, test_tap_create_finds_the_host);
	return unit_run("tap", tc);
}
