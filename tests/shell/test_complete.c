/*
 * tests/shell/test_complete.c - what TAB offers: one line of each kind, and where nothing fits, nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "shell/complete.h"
#include "shell/shell_priv.h"
#include "shell/usage.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct {
	struct shell shell;
	struct job job[3];
} t;

static void setup(void)
{
	struct stack *st = netstack_create(1);

	memset(&t, 0, sizeof(t));
	t.shell.stack = st;
	mutex_init(&t.shell.lock, RANK_LEAF);
	testdev_create(st, "tap0", &ether_link, 0);
	testdev_create(st, "tap1", &ether_link, 0);
	for (int i = 0; i < 3; i++)
		t.job[i] =
		    (struct job){.id = i + 1, .client = -1, .next = i < 2 ? &t.job[i + 1] : NULL};
	t.job[1].client = 5; /* one of `weft ctl` that has ended */
	t.job[1].ended = true;
	t.shell.jobs = t.job;
}

static void teardown(void)
{
	mutex_fini(&t.shell.lock);
	netstack_destroy(t.shell.stack);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is offered at `point` of a line: sorted, a blank between; "<files>"; "..." if more may follow in the word. */
static void offered_at(const char *line, size_t point, const char *what)
{
	char all[16384] = "";
	struct complete c;

	complete_line(&t.shell, line, point, &c);
	if (c.n)
		qsort(c.word, c.n, sizeof(*c.word), by_text);
	for (unsigned i = 0; i < c.n; i++)
		strcat(strcat(all, i ? " " : ""), c.word[i]);
	if (c.files)
		strcat(all, "<files>");
	if (c.joins)
		strcat(all, "...");
	complete_free(&c);
	ck_assert_msg(strcmp(all, what) == 0, "'%s': '%s', not '%s'", line, all, what);
}

static void offered(const char *line, const char *what)
{
	offered_at(line, strlen(line), what);
}

START_TEST(test_each_usage_line_is_a_grammar)
{
	struct usage u;

	for (const struct command *c = commands; c->name; c++)
		ck_assert_msg(usage_parse(&u, c->args), "%s %s", c->name, c->args);
	ck_assert(!usage_parse(&u, "[a"));
	ck_assert(!usage_parse(&u, "a]"));
	ck_assert(!usage_parse(&u, "a  b"));
	ck_assert(!usage_parse(&u, "a | "));
	ck_assert(!usage_parse(&u, "a[=B"));
}
END_TEST

START_TEST(test_usage_longer_than_a_set_is_refused)
{
	char args[4 * USAGE_WORDS] = "";
	struct usage u;

	for (int i = 0; i < USAGE_WORDS; i++)
		strcat(args, i ? "|a" : "a");
	ck_assert(usage_parse(&u, args));
	ck_assert(u.first == UINT64_MAX);
	ck_assert(!usage_parse(&u, strcat(args, "|a")));
}
END_TEST

START_TEST(test_command_names)
{
	offered("if", "ifconfig");
	offered("  pi", "ping ping2");
	offered("jobs; wa", "wait");
	offered("httpd & k", "kill");
	offered("help ki", "kill");
	offered("nosuch", "");
	offered_at("sy net.ipv4", 2, "sysctl");
}
END_TEST

START_TEST(test_settings)
{
	offered("sysctl net.ipv4.tcp_con", "net.ipv4.tcp_congestion_control...");
	offered("sysctl -a net.ipv4.ip_local_port_r", "net.ipv4.ip_local_port_range...");
	offered("sysctl net.ipv4.ip_forward=1 net.ipv4.ip_d", "net.ipv4.ip_default_ttl...");
	offered("sysctl \"net.ipv4.ip_def", "net.ipv4.ip_default_ttl...");
	offered("sysctl net.ipv4.ip_forward=", "");
}
END_TEST

START_TEST(test_devices)
{
	offered("ifconfig ", "tap0 tap1");
	offered("arping -I ", "tap0 tap1");
	offered("arping -c 1 -b -I tap1", "tap1");
	offered("ping -I t", "tap0 tap1");
	offered("tcpdump -i ", "tap0 tap1");
	offered("netem ta", "tap0 tap1");
	offered("neigh show dev ", "tap0 tap1");
	offered("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev ", "tap0 tap1");
	offered("route add default gw 10.0.0.2 metric 5 dev ", "tap0 tap1");
}
END_TEST

START_TEST(test_levels_and_counters)
{
	offered("debug ", "all arp dev icmp ip l2 tcp tcpstate udp");
	offered("debug -n tcp t", "tcpstate");
	offered("nstat -a IpForwD", "IpForwDatagrams");
	offered("nstat IpInReceives TcpExtTCPPur", "TcpExtTCPPureAcks");
}
END_TEST

START_TEST(test_jobs_but_no_client_that_has_ended)
{
	offered("kill ", "1 3");
	offered("kill 1 ", "3");
	offered("wait ", "1 3");
	offered("wait 1 ", "");
}
END_TEST

START_TEST(test_words_of_route_in_any_order)
{
	offered("route ", "add del get show");
	offered("route add ", "blackhole default unreachable");
	offered("route add -net 10.0.1.0/24 ", "advmss dev gw initcwnd metric mtu netmask src via");
	offered("route add default m", "metric mtu");
	offered("route del default mtu ", "lock");
	offered("route add default src 10.0.0.1 mtu lock 1400 vi", "via");
	offered("route show ", "");
}
END_TEST

START_TEST(test_words_of_netem)
{
	offered("netem tap0 ", "blackout corrupt delay drop drop-frag duplicate gap in latency "
			       "limit loss off out rate reorder seed show");
	offered("netem tap0 in o", "off");
	offered("netem tap0 loss ", "");
	offered("netem tap0 out loss 5% de", "delay");
	offered("netem tap0 loss 5% 25% delay 20ms 5ms re", "reorder");
	offered("netem tap0 off ", "");
	offered("netem nosuch l", "latency limit loss");
}
END_TEST

START_TEST(test_words_of_others)
{
	offered("neigh ", "add del flush show");
	offered("neigh -s show ", "dev");
	offered("neigh add 10.0.0.9 ", "lladdr");
	offered("neigh flush ", "dev");
	offered("ifconfig tap0 ", "add del down mtu up");
	offered("ifconfig tap0 mtu 1400 up a", "add");
	offered("inetd e", "echo...");
	offered("inetd echo:70 d", "daytime discard...");
}
END_TEST

START_TEST(test_options)
{
	offered("arping -", "-D -I -b -c -w");
	offered("arping -c 1 -D -", "-I -b -w");
	offered("ss --", "--json");
	offered("ping 10.0.0.2 -q", "-q");
	offered("jobs -", "");
}
END_TEST

START_TEST(test_files_where_one_is_taken)
{
	offered("tcpdump -w ", "<files>");
	offered("snc -c 10.0.0.2:80 -o o", "<files>");
	offered("stat >", "<files>");
	offered("stat >> o", "<files>");
	offered("snc -c 10.0.0.2:80 < \"my f", "<files>");
	offered("stat > out -", "--json -d");
}
END_TEST

START_TEST(test_nothing_where_nothing_fits)
{
	offered("jobs ", "");
	offered("nosuch ", "");
	offered("ping ", "");
	offered("ping -c ", "");
	offered("httpd ", "");
	offered("snc -c ", "");
	offered("ifconfig tap0 mtu ", "");
	offered("route get ", "");
	offered("kill x", "");
	offered("ifconfig # ta", "");
	offered("help | he", "");
	offered("> f; he", "");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("complete");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_each_usage_line_is_a_grammar);
	tcase_add_test(tc, test_usage_longer_than_a_set_is_refused);
	tcase_add_test(tc, test_command_names);
	tcase_add_test(tc, test_settings);
	tcase_add_test(tc, test_devices);
	tcase_add_test(tc, test_levels_and_counters);
	tcase_add_test(tc, test_jobs_but_no_client_that_has_ended);
	tcase_add_test(tc, test_words_of_route_in_any_order);
	tcase_add_test(tc, test_words_of_netem);
	tcase_add_test(tc, test_words_of_others);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_files_where_one_is_taken);
	tcase_add_test(tc, test_nothing_where_nothing_fits);
	return unit_run("complete", tc);
}
