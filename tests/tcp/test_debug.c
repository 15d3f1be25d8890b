/*
 * tests/tcp/test_debug.c - `debug tcp`: a line a segment, in and out, with what stands in its header.
 */
#include <stdio.h>
#include <string.h>

#include "lib/debug.h"
#include "tests/harness/tcp_lab.h"

static struct {
	struct debug_sink sink;
	unsigned n;
	char last[2][512]; /* in, out */
} lines;

static void line_take(struct debug_sink *s, enum debug_level l, const char *text)
{
	ck_assert_uint_eq(l, DEBUG_TCP);
	lines.n++;
	snprintf(lines.last[strncmp(text, "tcp in: ", 8) ? 1 : 0], sizeof(lines.last[0]), "%s",
		 text);
}

static void setup(void)
{
	memset(&lines, 0, sizeof(lines));
	tcp_lab_setup();
	tcp_lab_listen(1);
	lines.sink = (struct debug_sink){.line = line_take, .levels = DEBUG_TCP};
	debug_sink_add(tl.st, &lines.sink);
}

static void teardown(void)
{
	debug_sink_del(tl.st, &lines.sink);
	tcp_lab_teardown();
}

static void has(unsigned out, const char *text)
{
	ck_assert_msg(strstr(lines.last[out], text), "'%s' is not in: %s", text, lines.last[out]);
}

START_TEST(test_lines_of_a_connection)
{
	rx(SYN, .seq = 0, .mss = 1000, .wnd = 4321);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	has(0, " [S] ");
	has(0, " SEG.ACK=0 SEG.LEN=1 SEG.WND=4321 SEG.UP=0 SEG.PRC=0");
	has(1, "tcp out: ");
	has(1, " [S.] ");
	has(1, " SEG.LEN=1 ");
	rx(ACK, .seq = 1, .ack = 1, .wnd = 4321);
	has(0, " [.] ");
	has(0, " SEG.LEN=0 ");
	ck_assert_int_ge(tcp_lab_accept(), 0);
	rx(FIN | PSH | ACK, .seq = 1, .ack = 1, .wnd = 4321, .len = 5);
	tx(ACK, .seq = 1, .ack = 7);
	has(0, " [FP.] ");
	has(0, " SEG.LEN=6 ");
	has(1, " [.] ");
	ck_assert_uint_eq(lines.n, 5);
}
END_TEST

START_TEST(test_line_of_a_reset)
{
	rx(ACK | ECE | CWR, .seq = 5, .ack = 9, .wnd = 1);
	has(0, " [.EW] ");
	tx(RST, .seq = 9);
	has(1, " [R] ");
	has(1, " SEG.ACK=0 SEG.LEN=0 SEG.WND=0 ");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("debug");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lines_of_a_connection);
	tcase_add_test(tc, test_line_of_a_reset);
	return unit_run("tcp_debug", tc);
}
