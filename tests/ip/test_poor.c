/*
 * tests/ip/test_poor.c - each allocation on a datagram's ways in turn finds no memory: what was to be answered or
 * passed on is lost, as on a wire, and counted; the next one goes its way; nothing is left.
 */
#include "lib/checksum.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/poor.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static struct testdev *other;

static void open_router(void)
{
	ip_lab_open(&l);
	other = ip_lab_device(&l, "test1", "10.1.0.1/24");
	ip_lab_route(&l, "10.9.0.0/16", "10.0.0.3");
	sysctl_write(l.st, "net.ipv4.icmp_ratelimit", 0);
	sysctl_write(l.st, "net.ipv4.conf.all.accept_redirects", 1);
}

/* Read by the device in time: memory is short from there on. */
static void receive(const struct ip_packet *p)
{
	static uint8_t bytes[IP4_LEN_MAX];
	uint32_t n;
	struct pkbuf *b;
	struct piece *piece;
	struct ether_hdr e = {.src = {2, 0xee}, .type = be16_of(ETHER_TYPE_IP4)};
	struct batch batch;

	bool was = poor_pause();

	n = ip_packet_build(p, bytes);
	memcpy(e.dst, l.eth->dev->mac, 6);
	b = pkbuf_alloc(l.st, PKBUF_RX_HEAD);
	piece = piece_alloc(l.st, n);
	ck_assert(b && piece);
	memcpy(piece_data(piece), bytes, n);
	pkbuf_append(b, &e, sizeof(e));
	ck_assert(pkbuf_add_piece(b, piece, 0, n));
	piece_put(piece);
	poor_resume(was);
	batch_begin(&batch, l.st);
	netdev_rx(l.eth->dev, b);
	batch_end(&batch);
}

/* An ICMP message of 10.0.0.2 with this second word; behind it a datagram of ours of 1500 bytes to `quoted`. */
static void receive_icmp(uint8_t type, uint8_t code, uint32_t word, const char *quoted)
{
	uint8_t data[ICMP_HLEN + 28] = {type, code, 0, 0, word >> 24, word >> 16, word >> 8, word};
	struct ip_packet in = {.src = "10.0.0.1", .dst = quoted, .n = 8};
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .proto = IP_PROTO_ICMP};
	uint16_t sum;

	p.data = data;
	p.n = quoted ? sizeof(data) : ICMP_HLEN;
	if (quoted) {
		ip_packet_build(&in, data + ICMP_HLEN);
		((struct ip4_hdr *)(data + ICMP_HLEN))->len = be16_of(1500);
		ip_packet_sum(data + ICMP_HLEN);
	}
	sum = csum_finish(csum_add(0, data, p.n));
	memcpy(data + 2, &sum, sizeof(sum));
	receive(&p);
}

static void receive_for_us(void)
{
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", .n = 100});
	for (unsigned i = 3; i-- > 0;) /* the last one first */
		receive(&(struct ip_packet){.src = "10.0.0.2",
					    .dst = "10.0.0.1",
					    .id = 7,
					    .off = (uint16_t)(i * 125 | (i < 2 ? IP4_MF : 0)),
					    .n = 1000});
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", .proto = 99, .n = 10});
	receive_icmp(ICMP_ECHO, 0, 1, NULL);
	receive_icmp(ICMP_TIMESTAMP, 0, 1, "10.0.0.2");
	receive_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1400, "10.9.0.1");
	receive_icmp(ICMP_REDIRECT, ICMP_REDIR_HOST, 0x0a000004, "10.9.0.2");
}

static void receive_for_others(void)
{
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .n = 100});
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .ttl = 1, .n = 100});
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.9.0.2", .n = 100}); /* redirect */
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.8.0.2", .n = 100});
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .n = 3000});
	receive(
	    &(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .off = IP4_DF, .n = 3000});
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.77", .n = 100}); /* ARP */
}

static void forget(void)
{
	pkq_free(&l.eth->sent);
	pkq_free(&other->sent);
	pkq_free(&l.arrived);
}

static void scene(void (*in)(void))
{
	open_router();
	poor_begin();
	in();
	ip_lab_advance_ms(&l, 60000);
	poor_end();
	forget();
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", .n = 100});
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .n = 100});
	ck_assert_uint_eq(l.arrived.count, 1);
	ck_assert_uint_eq(other->sent.count, 1);
	forget();
	ip_lab_close(&l);
}

static void scene_for_us(void)
{
	scene(receive_for_us);
}

static void scene_for_others(void)
{
	scene(receive_for_others);
}

START_TEST(test_each_allocation_fails)
{
	poor_sweep(_i & 1 ? POOR_ALL : POOR_ONCE, _i & 2 ? scene_for_others : scene_for_us);
}
END_TEST

/* Neither is there a path to remember, nor one to tell the sender by. */
START_TEST(test_forwarded_without_memory_is_discarded)
{
	open_router();
	poor_now();
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .n = 100});
	poor_end();
	ip_lab_quiet(&l, other);
	ip_lab_quiet(&l, l.eth);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InDiscards), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ForwDatagrams), 0);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_NO_MEMORY), 1);
	receive(&(struct ip_packet){.src = "10.0.0.2", .dst = "10.1.0.2", .n = 100});
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ForwDatagrams), 1);
	ip_lab_close(&l);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_poor");

	tcase_add_loop_test(tc, test_each_allocation_fails, 0, 4);
	tcase_add_test(tc, test_forwarded_without_memory_is_discarded);
	return unit_run("ip_poor", tc);
}
