/*
 * tests/net/test_pcap.c - pcap files, read back with a reader of its own: header, link types, times,
 * bytes; and a disk that is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/stack.h"
#include "net/capture.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/sink.h"
#include "tests/harness/unit.h"

struct record {
	uint32_t sec, nsec, caplen, len;
};

static struct {
	struct stack *stack;
	struct sink *sink;
	char path[64];
	FILE *file;
	uint32_t link;
	struct record rec;
	uint8_t bytes[FRAME_MAX];
} t;

static void setup_on(struct stack *st)
{
	int fd;

	t.stack = st;
	t.sink = sink_create(t.stack, "sink0", NETDEV_F_ALL);
	strcpy(t.path, "/tmp/weft-pcap-XXXXXX");
	fd = mkstemp(t.path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void setup(void)
{
	setup_on(netstack_create(1));
}

static void setup_threads(void)
{
	setup_on(netstack_threads());
}

static void teardown(void)
{
	if (t.file)
		fclose(t.file);
	unlink(t.path);
	netstack_destroy(t.stack);
}

static struct pcap *open_ok(bool cut)
{
	int err = 0;
	struct pcap *p = pcap_open_dev(t.sink->dev, t.path, cut, 0, &err);

	ck_assert_ptr_nonnull(p);
	return p;
}

static void read_header(void)
{
	uint32_t h[6];

	t.file = fopen(t.path, "r");
	ck_assert_ptr_nonnull(t.file);
	ck_assert_uint_eq(fread(h, sizeof(h), 1, t.file), 1);
	ck_assert_uint_eq(h[0], 0xa1b23c4d);
	ck_assert_uint_eq(h[1],
			  2 | 4 << 16); /* version 2.4; the tests run on little-endian machines */
	ck_assert_uint_eq(h[2], 0);
	ck_assert_uint_eq(h[3], 0);
	ck_assert_uint_ge(h[4], FRAME_MAX);
	t.link = h[5];
}

/* The next packet; false at the end of the file. */
static bool read_packet(void)
{
	if (fread(&t.rec, sizeof(t.rec), 1, t.file) != 1)
		return false;
	ck_assert_uint_eq(t.rec.caplen, t.rec.len);
	ck_assert_uint_le(t.rec.caplen, sizeof(t.bytes));
	ck_assert_uint_eq(fread(t.bytes, 1, t.rec.caplen, t.file), t.rec.caplen);
	return true;
}

START_TEST(test_pcap_empty_file_has_a_header)
{
	struct pcap *p = open_ok(false);

	ck_assert_uint_eq(pcap_count(p), 0);
	ck_assert_int_eq(pcap_close_dev(p), 0);
	read_header();
	ck_assert_uint_eq(t.link, 1);
	ck_assert(!read_packet());
}
END_TEST

START_TEST(test_pcap_open_has_its_header_at_once)
{
	struct pcap *p = open_ok(false);

	read_header();
	ck_assert(!read_packet());
	ck_assert_int_eq(pcap_close_dev(p), 0);
}
END_TEST

/* Whose reader does not read, and then does: packets are left out, but those that are there are whole. */
START_TEST(test_pcap_fifo_holds_nobody_up)
{
	unsigned sent = 0, n = 0;
	struct pcap *p;
	int fd;

	unlink(t.path);
	ck_assert_int_eq(mkfifo(t.path, 0600), 0);
	fd = open(t.path, O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	p = open_ok(false);
	for (; sent < 100; sent++)
		sink_tx(t.sink, frame_send4(t.stack, 1400, 0));
	read_header();
	ck_assert_int_eq(fcntl(fileno(t.file), F_SETFL, O_NONBLOCK), 0);
	while (n + 1 < pcap_count(p) && read_packet())
		n++;
	ck_assert_uint_gt(n, 20);
	ck_assert_uint_lt(n, 100);
	sink_tx(t.sink, frame_send4(t.stack, 10, 0)); /* there is room again */
	while (read_packet())
		n++;
	ck_assert_uint_eq(n, pcap_count(p));
	ck_assert_int_eq(pcap_close_dev(p), 0);
	close(fd);
}
END_TEST

START_TEST(test_pcap_packets_with_their_bytes_and_times)
{
	static uint8_t sent[FRAME_MAX];
	struct pcap *p = open_ok(false);
	struct pkbuf *b = frame_send4(t.stack, 50000, 0);
	uint32_t len;

	pkbuf_csum_finish(b);
	len = frame_bytes(b, sent);
	sink_rx(t.sink, b);
	env_lab_advance(t.stack->env, 1500000001);
	sink_tx(t.sink, frame_send4(t.stack, 10, 0));
	ck_assert_uint_eq(pcap_count(p), 2);
	ck_assert_int_eq(pcap_close_dev(p), 0);
	read_header();
	ck_assert(read_packet());
	ck_assert_uint_eq(t.rec.sec, 1);
	ck_assert_uint_eq(t.rec.nsec, 0);
	ck_assert_uint_eq(t.rec.len, len);
	ck_assert_mem_eq(t.bytes, sent, len);
	ck_assert(read_packet());
	ck_assert_uint_eq(t.rec.sec, 2);
	ck_assert_uint_eq(t.rec.nsec, 500000001);
	ck_assert(frame_is_whole(t.bytes, t.rec.len));
	ck_assert(!read_packet());
}
END_TEST

START_TEST(test_pcap_cut_writes_wire_frames)
{
	struct pcap *p = open_ok(true);
	uint32_t off = 0, n = 0;

	sink_tx(t.sink, frame_send4(t.stack, 10000, 1448));
	ck_assert_int_eq(pcap_close_dev(p), 0);
	read_header();
	for (; read_packet(); n++) {
		ck_assert(frame_is_whole(t.bytes, t.rec.len));
		ck_assert(frame_has_pattern(t.bytes + FRAME_HLEN4, t.rec.len - FRAME_HLEN4, off));
		off += t.rec.len - FRAME_HLEN4;
	}
	ck_assert_uint_eq(n, 7);
	ck_assert_uint_eq(off, 10000);
}
END_TEST

START_TEST(test_pcap_bare_ip_has_its_link_type)
{
	struct netdev *lo;
	struct pcap *p;
	int err;

	ck_assert_int_eq(loop_create(t.stack, &lo), 0);
	p = pcap_open_dev(lo, t.path, false, 0, &err);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(pcap_close_dev(p), 0);
	read_header();
	ck_assert_uint_eq(t.link, 101);
}
END_TEST

START_TEST(test_pcap_closed_writes_no_more)
{
	struct pcap *p = open_ok(false);

	ck_assert_int_eq(pcap_close_dev(p), 0);
	sink_rx(t.sink, frame_send4(t.stack, 10, 0));
	ck_assert_uint_eq(t.sink->arrived.count, 1);
	read_header();
	ck_assert(!read_packet());
}
END_TEST

START_TEST(test_pcap_path_that_cannot_be_opened)
{
	int err = 0;

	ck_assert_ptr_null(pcap_open_dev(t.sink->dev, "/nonexistent/file", false, 0, &err));
	ck_assert_int_eq(err, -ENOENT);
	ck_assert_ptr_null(atomic_load(&t.sink->dev->captures));
}
END_TEST

START_TEST(test_pcap_ends_at_the_count_that_was_asked)
{
	int err = 0;
	struct pcap *p = pcap_open_dev(t.sink->dev, t.path, false, 2, &err);

	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < 3; i++) {
		ck_assert(pcap_is_over(p) == (i == 2));
		sink_rx(t.sink, frame_send4(t.stack, 10, 0));
	}
	ck_assert_uint_eq(pcap_count(p), 2);
	ck_assert_int_eq(pcap_close_dev(p), 0);
	read_header();
	ck_assert(read_packet() && read_packet() && !read_packet());
}
END_TEST

/* The stream holds some before it writes: the error comes with the traffic, or at the end. */
START_TEST(test_pcap_full_disk_is_told_and_harms_nothing)
{
	int err = 0, n = _i;
	struct pcap *p = pcap_open_dev(t.sink->dev, "/dev/full", false, 0, &err);

	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < n; i++)
		sink_rx(t.sink, frame_send4(t.stack, 1000, 0));
	ck_assert_uint_eq(t.sink->arrived.count, (unsigned)n);
	if (n == 100)
		ck_assert_uint_lt(pcap_count(p), (unsigned)n); /* it has ended by itself */
	ck_assert(pcap_is_over(p));
	ck_assert_int_eq(pcap_close_dev(p), -ENOSPC);
}
END_TEST

START_TEST(test_pcap_on_threads_has_wall_clock_times)
{
	struct pcap *p = open_ok(false);
	struct timespec before, after;

	clock_gettime(CLOCK_REALTIME, &before);
	sink_rx(t.sink, frame_send4(t.stack, 10, 0));
	clock_gettime(CLOCK_REALTIME, &after);
	ck_assert_int_eq(pcap_close_dev(p), 0);
	read_header();
	ck_assert(read_packet());
	ck_assert_int_ge((time_t)t.rec.sec, before.tv_sec - 1);
	ck_assert_int_le((time_t)t.rec.sec, after.tv_sec + 1);
	ck_assert_uint_lt(t.rec.nsec, NSEC_PER_SEC);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pcap"), *threads = tcase_create("pcap_threads");
	int r;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_pcap_empty_file_has_a_header);
	tcase_add_test(tc, test_pcap_open_has_its_header_at_once);
	tcase_add_test(tc, test_pcap_fifo_holds_nobody_up);
	tcase_add_test(tc, test_pcap_packets_with_their_bytes_and_times);
	tcase_add_test(tc, test_pcap_cut_writes_wire_frames);
	tcase_add_test(tc, test_pcap_bare_ip_has_its_link_type);
	tcase_add_test(tc, test_pcap_closed_writes_no_more);
	tcase_add_test(tc, test_pcap_path_that_cannot_be_opened);
	tcase_add_test(tc, test_pcap_ends_at_the_count_that_was_asked);
	tcase_add_loop_test(tc, test_pcap_full_disk_is_told_and_harms_nothing, 0, 3);
	tcase_add_loop_test(tc, test_pcap_full_disk_is_told_and_harms_nothing, 100, 101);
	r = unit_run("pcap", tc);

	tcase_add_checked_fixture(threads, setup_threads, teardown);
	tcase_add_test(threads, test_pcap_on_threads_has_wall_clock_times);
	return unit_run("pcap_threads", threads) | r;
}
