/*
 * tests/socket/test_program.c - names and slots of unmodified programs' sockets.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "socket/program.h"
#include "tests/harness/unit.h"

static const char instance[] = "abc234";

static struct program_table *table_new(void)
{
	struct program_table *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	return t;
}

START_TEST(test_name_written_and_read)
{
	static const struct program_name names[] = {
	    {.kind = PROGRAM_STREAM, .id = 0xdeadbeef},
	    {.kind = PROGRAM_REQUEST},
	    {.kind = PROGRAM_PEER, .slot = 65535, .port = 53, .addr = 0x0a000002},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct program_name got;
		struct sockaddr_un sa;
		socklen_t n = program_address(&sa, instance, &names[i]);

		/* what shell/confine.c counts on: no packet socket takes so short an address */
		ck_assert_uint_lt(n, 20);
		ck_assert(program_name_of(&got, instance, &sa, n));
		ck_assert_mem_eq(&got, &names[i], sizeof(got));
		ck_assert(!program_name_of(&got, "zzzzzz", &sa, n));
		ck_assert(!program_name_of(&got, instance, &sa, n - 1));
	}
}
END_TEST

START_TEST(test_name_of_others_refused)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct program_name got;

	memcpy(sa.sun_path, "\0wsabc2340000000g", 17);
	ck_assert(!program_name_of(&got, instance, &sa, PROGRAM_NAME_LEN));
	sa.sun_path[0] = 'x';
	ck_assert(!program_name_of(&got, instance, &sa, PROGRAM_NAME_LEN));
}
END_TEST

START_TEST(test_token_written_and_read)
{
	struct program_token t = {.instance = "abc234", .secret = {1, 2, 255}, .pid = 77}, got;
	char text[PROGRAM_TOKEN];

	program_token_text(&t, text);
	ck_assert_uint_eq(strlen(text), PROGRAM_TOKEN - 1);
	ck_assert(program_token_of(&got, text));
	ck_assert_mem_eq(&t, &got, sizeof(t));
	text[PROGRAM_TOKEN - 2] = 'g';
	text[PROGRAM_TOKEN - 3] = 'g';
	ck_assert(!program_token_of(&got, text));
	ck_assert(!program_token_of(&got, "short"));
	ck_assert(!program_token_of(&got, NULL));
}
END_TEST

START_TEST(test_slot_freed_has_another_id)
{
	struct program_table *t = table_new();
	uint32_t a = program_slot_take(t), b = program_slot_take(t);

	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(a, b);
	program_slot_of(t, a)->error = 7;
	program_slot_free(t, a);
	ck_assert_ptr_null(program_slot_of(t, a));
	program_slot_free(t, a); /* a second time does nothing */
	ck_assert_ptr_nonnull(program_slot_of(t, b));
	ck_assert_uint_ne(program_slot_take(t), a);
	free(t);
}
END_TEST

START_TEST(test_slots_all_taken_and_one_freed)
{
	struct program_table *t = table_new();
	uint32_t id, last = 0, n = 0;

	while ((id = program_slot_take(t))) {
		last = id;
		n++;
	}
	ck_assert_uint_eq(n, PROGRAM_SLOTS - 1);
	ck_assert_uint_eq(atomic_load(&t->top), PROGRAM_SLOTS);
	program_slot_free(t, last);
	ck_assert_uint_ne(program_slot_take(t), 0);
	ck_assert_uint_eq(program_slot_take(t), 0);
	free(t);
}
END_TEST

START_TEST(test_missed_same_kind_counted_once)
{
	struct program_table *t = table_new();

	program_missed(t, PROGRAM_CALL_SETSOCKOPT, 1, 26, 92);
	program_missed(t, PROGRAM_CALL_SETSOCKOPT, 1, 26, 92);
	program_missed(t, PROGRAM_CALL_GETSOCKOPT, 1, 26, 92);
	program_missed(t, PROGRAM_CALL_SETSOCKOPT, 1, 26, 22);
	ck_assert_uint_eq(atomic_load(&t->miss[0].count), 2);
	ck_assert_uint_eq(atomic_load(&t->miss[1].call), PROGRAM_CALL_GETSOCKOPT);
	ck_assert_int_eq(t->miss[2].err, 22);
	ck_assert_uint_eq(atomic_load(&t->miss[3].call), 0);
	free(t);
}
END_TEST

START_TEST(test_missed_full_counts_what_it_knows)
{
	struct program_table *t = table_new();

	for (int i = 0; i <= (int)PROGRAM_MISSES; i++)
		program_missed(t, PROGRAM_CALL_SETSOCKOPT, 1, i, 92);
	program_missed(t, PROGRAM_CALL_SETSOCKOPT, 1, PROGRAM_MISSES - 1, 92);
	ck_assert_uint_eq(atomic_load(&t->miss[0].count), 1);
	ck_assert_uint_eq(atomic_load(&t->miss[PROGRAM_MISSES - 1].count), 2);
	free(t);
}
END_TEST

START_TEST(test_options_stored_and_taken)
{
	struct program_table *t = table_new();
	uint32_t id = program_slot_take(t);
	struct program_slot *s = program_slot_of(t, id);
	const struct linger soon = {.l_onoff = 1, .l_linger = 5}, off = {0};
	struct program_option o;
	int x;

	s->type = SOCK_STREAM;
	ck_assert(!program_option_take(s, 0, &o));
	for (x = 60; x < 70; x++)
		ck_assert(program_option_store(s, IPPROTO_TCP, TCP_KEEPIDLE, &x, sizeof(x)));
	ck_assert(program_option_store(s, SOL_SOCKET, SO_LINGER, &soon, sizeof(soon)));
	ck_assert(program_option_take(s, 0, &o));
	ck_assert_int_eq(o.level, IPPROTO_TCP);
	ck_assert_int_eq(o.name, TCP_KEEPIDLE);
	ck_assert_int_eq(o.value.number, 69); /* the last one stands */
	ck_assert(!program_option_take(s, 0, &o));
	ck_assert(program_option_take(s, 1, &o));
	ck_assert_int_eq(o.name, SO_LINGER);
	ck_assert_mem_eq(&o.value.linger, &soon, sizeof(soon));
	ck_assert_uint_eq(o.len, sizeof(soon));
	ck_assert(program_option_store(s, SOL_SOCKET, SO_LINGER, &off, sizeof(off)));
	ck_assert(program_option_take(s, 0, &o));
	ck_assert_mem_eq(&o.value.linger, &off, sizeof(off));
	free(t);
}
END_TEST

/* What could fail is asked: values out of range, short ones, options of other sockets, a full slot. */
START_TEST(test_options_that_are_requests)
{
	static const int wrong[][3] = {
	    {IPPROTO_TCP, TCP_KEEPIDLE, 0},  {IPPROTO_TCP, TCP_KEEPCNT, 128},
	    {IPPROTO_IP, IP_TTL, 0},         {IPPROTO_IP, IP_TTL, 256},
	    {IPPROTO_TCP, TCP_MAXSEG, 1000}, {SOL_SOCKET, 9999, 1}};
	static const int names[] = {SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST,
				    SO_KEEPALIVE, SO_SNDBUF,    SO_RCVBUF};
	struct program_table *t = table_new();
	struct program_slot *s = program_slot_of(t, program_slot_take(t));
	int x = 1;

	s->type = SOCK_STREAM;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert(
		    !program_option_store(s, wrong[i][0], wrong[i][1], &wrong[i][2], sizeof(x)));
	ck_assert(!program_option_store(s, SOL_SOCKET, SO_KEEPALIVE, &x, 3));
	ck_assert(!program_option_store(s, SOL_SOCKET, SO_LINGER, &x, sizeof(x)));
	for (unsigned i = 0; i < PROGRAM_OPTIONS; i++)
		ck_assert(program_option_store(s, SOL_SOCKET, names[i], &x, sizeof(x)));
	ck_assert(!program_option_store(s, IPPROTO_IP, IP_TTL, &x, sizeof(x)));
	ck_assert(program_option_store(s, SOL_SOCKET, SO_KEEPALIVE, &x, sizeof(x)));
	s->type = SOCK_DGRAM;
	ck_assert(!program_option_store(s, SOL_SOCKET, SO_KEEPALIVE, &x, sizeof(x)));
	free(t);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("program");

	tcase_add_test(tc, test_name_written_and_read);
	tcase_add_test(tc, test_name_of_others_refused);
	tcase_add_test(tc, test_token_written_and_read);
	tcase_add_test(tc, test_slot_freed_has_another_id);
	tcase_add_test(tc, test_slots_all_taken_and_one_freed);
	tcase_add_test(tc, test_missed_same_kind_counted_once);
	tcase_add_test(tc, test_missed_full_counts_what_it_knows);
	tcase_add_test(tc, test_options_stored_and_taken);
	tcase_add_test(tc, test_options_that_are_requests);
	return unit_run("program", tc);
}
