/*
 * tests/lib/test_ipaddr.c - address text of both families there and back, texts that must be
 * refused, prefixes and classes.
 */
#include <errno.h>

#include "lib/ipaddr.h"
#include "tests/harness/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct ip_addr addr(const char *text)
{
	struct ip_addr a = {.d = {0, 0}};

	ck_assert_msg(ip_addr_parse(text, &a) == 0, "%s", text);
	return a;
}

START_TEST(test_ip_addr4_is_mapped)
{
	struct ip_addr a = ip_addr4(0x0a000001), b = ip_addr4_be((const uint8_t[]){10, 0, 0, 1});
	static const uint8_t wire[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};

	ck_assert_mem_eq(a.b, wire, 16);
	ck_assert(ip_addr_eq(&a, &b));
	ck_assert(ip_addr_is4(&a));
	ck_assert_uint_eq(ip_addr_to4(&a), 0x0a000001);
}
END_TEST

static const struct {
	const char *in, *out;
} texts[] = {
    {"10.0.0.1", "10.0.0.1"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"::", "::"},
    {"::1", "::1"},
    {"fe80::1", "fe80::1"},
    {"FE80:0:0:0:0:0:0:1", "fe80::1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"::ffff:10.1.2.3", "10.1.2.3"}, /* the mapped form is the IPv4 address */
    {"::ffff:a01:203", "10.1.2.3"},
};

START_TEST(test_ip_addr_text_there_and_back)
{
	char buf[IP_ADDR_TEXT];
	struct ip_addr a = addr(texts[_i].in), b;

	ck_assert_str_eq(ip_addr_text(&a, buf), texts[_i].out);
	b = addr(buf);
	ck_assert(ip_addr_eq(&a, &b));
}
END_TEST

static const char *const bad_texts[] = {
    "",
    " ",
    "10",
    "10.0.0",
    "10.0.0.0.1",
    "10.0.0.256",
    "10.0.0.-1",
    "10.0.0.01",
    "0x0a.0.0.1",
    "10.0.0.1 ",
    " 10.0.0.1",
    "10..0.1",
    "10.0.0.1x",
    "localhost",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::1",
    "fe80::1%lo",
    "[::1]",
    "::10.0.0.256",
    "10.0.0.1/24",
    "1:2:3:4:5:6:7:8:",
    "10.0.0.1.",
};

START_TEST(test_ip_addr_parse_bad_text_refused)
{
	struct ip_addr a = ip_addr_loop4;

	ck_assert_int_eq(ip_addr_parse(bad_texts[_i], &a), -EINVAL);
	ck_assert(ip_addr_eq(&a, &ip_addr_loop4));
}
END_TEST

static const struct {
	const char *text, *addr;
	unsigned prefix;
} prefixes[] = {
    {"10.0.0.0/24", "10.0.0.0", 120},
    {"10.0.0.1", "10.0.0.1", 128},
    {"0.0.0.0/0", "0.0.0.0", 96},
    {"10.0.0.1/32", "10.0.0.1", 128},
    {"fe80::/10", "fe80::", 10},
    {"::/0", "::", 0},
    {"::1", "::1", 128},
    {"::1/128", "::1", 128},
    {"10.1.2.3/7", "10.1.2.3", 103},
};

START_TEST(test_ip_prefix_parse_good)
{
	struct ip_addr a, want = addr(prefixes[_i].addr);
	unsigned prefix;

	ck_assert_int_eq(ip_prefix_parse(prefixes[_i].text, &a, &prefix), 0);
	ck_assert(ip_addr_eq(&a, &want));
	ck_assert_uint_eq(prefix, prefixes[_i].prefix);
}
END_TEST

static const char *const bad_prefixes[] = {
    "",
    "/",
    "/24",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/a",
    "10.0.0.0/024",
    "10.0.0.0/24/1",
    "10.0.0.0/24 ",
    "fe80::/129",
    "10.0.0/24",
    "10.0.0.0/99999999999999999999",
};

START_TEST(test_ip_prefix_parse_bad_text_refused)
{
	struct ip_addr a = ip_addr_loop4;
	unsigned prefix = 7;

	ck_assert_int_eq(ip_prefix_parse(bad_prefixes[_i], &a, &prefix), -EINVAL);
	ck_assert(ip_addr_eq(&a, &ip_addr_loop4));
	ck_assert_uint_eq(prefix, 7);
}
END_TEST

static const struct {
	const char *text, *addr;
	uint16_t port;
} endpoints[] = {
    {"10.0.0.1:80", "10.0.0.1", 80},       {"0.0.0.0:65535", "0.0.0.0", 65535},
    {"127.0.0.1:0", "127.0.0.1", 0},       {"[::1]:80", "::1", 80},
    {"[fe80::1:2]:443", "fe80::1:2", 443}, {"[::ffff:10.0.0.1]:7", "10.0.0.1", 7},
};

START_TEST(test_ip_addrport_parse_good)
{
	struct ip_addr a, want = addr(endpoints[_i].addr);
	uint16_t port;

	ck_assert_int_eq(ip_addrport_parse(endpoints[_i].text, &a, &port), 0);
	ck_assert(ip_addr_eq(&a, &want));
	ck_assert_uint_eq(port, endpoints[_i].port);
}
END_TEST

static const char *const bad_endpoints[] = {
    "",
    ":",
    ":80",
    "10.0.0.1",
    "10.0.0.1:",
    "10.0.0.1:65536",
    "10.0.0.1:-1",
    "10.0.0.1:8a",
    "10.0.0.1: 8",
    "10.0.0.1:080",
    "::1:80",
    "[::1]",
    "[::1]:",
    "[::1:80",
    "::1]:80",
    "[10.0.0.1]:80",
    "[:80",
    "[]:80",
    "[::1]x:80",
    "[[::1]]:80",
    "10.0.0.1::80",
    "10.0.0.1:99999999999",
};

START_TEST(test_ip_addrport_parse_bad_text_refused)
{
	struct ip_addr a = ip_addr_loop4;
	uint16_t port = 7;

	ck_assert_int_eq(ip_addrport_parse(bad_endpoints[_i], &a, &port), -EINVAL);
	ck_assert(ip_addr_eq(&a, &ip_addr_loop4));
	ck_assert_uint_eq(port, 7);
}
END_TEST

enum {
	ANY = 1 << 0,
	LOOP = 1 << 1,
	MCAST = 1 << 2,
	BCAST = 1 << 3,
	LINK = 1 << 4,
	CLASS_E = 1 << 5,
};

static const struct {
	const char *text;
	unsigned classes;
} classes[] = {
    {"0.0.0.0", ANY},
    {"::", ANY},
    {"0.0.0.1", 0},
    {"::2", 0},
    {"127.0.0.1", LOOP},
    {"127.255.255.255", LOOP},
    {"126.255.255.255", 0},
    {"128.0.0.0", 0},
    {"::1", LOOP},
    {"1::1", 0},
    {"223.255.255.255", 0},
    {"224.0.0.0", MCAST},
    {"239.255.255.255", MCAST},
    {"240.0.0.0", CLASS_E},
    {"255.255.255.254", CLASS_E},
    {"255.255.255.255", BCAST},
    {"ff02::1", MCAST},
    {"feff::1", 0},
    {"169.254.0.0", LINK},
    {"169.254.255.255", LINK},
    {"169.253.255.255", 0},
    {"169.255.0.0", 0},
    {"fe80::", LINK},
    {"febf:ffff::", LINK},
    {"fec0::", 0},
    {"fe7f::", 0},
    {"10.0.0.1", 0},
    {"::1:7f00:1", 0},
    {"::fffe:127.0.0.1", 0},
    {"ffff::", MCAST},
};

START_TEST(test_ip_addr_classes)
{
	struct ip_addr a = addr(classes[_i].text);
	unsigned got = 0;

	got |= ip_addr_is_any(&a) ? ANY : 0;
	got |= ip_addr_is_loopback(&a) ? LOOP : 0;
	got |= ip_addr_is_multicast(&a) ? MCAST : 0;
	got |= ip_addr_is_bcast(&a) ? BCAST : 0;
	got |= ip_addr_is_linklocal(&a) ? LINK : 0;
	got |= ip_addr_is_class_e(&a) ? CLASS_E : 0;
	ck_assert_msg(got == classes[_i].classes, "%s: %#x", classes[_i].text, got);
}
END_TEST

/* For each prefix length: the last bit inside matters, the first bit outside does not. */
START_TEST(test_ip_addr_match_every_prefix)
{
	struct ip_addr net = addr("2001:db8:a5a5:5a5a:0123:4567:89ab:cdef"), a;
	unsigned prefix = (unsigned)_i;

	ck_assert(ip_addr_match(&net, &net, prefix));
	if (prefix > 0) {
		a = net;
		a.b[(prefix - 1) / 8] ^= (uint8_t)(0x80u >> (prefix - 1) % 8);
		ck_assert(!ip_addr_match(&a, &net, prefix));
	}
	if (prefix < 128) {
		a = net;
		a.b[prefix / 8] ^= (uint8_t)(0x80u >> prefix % 8);
		ck_assert(ip_addr_match(&a, &net, prefix));
	}
}
END_TEST

START_TEST(test_ip_addr_mask_every_prefix)
{
	struct ip_addr ones = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), zero = addr("::");
	struct ip_addr m = ip_addr_mask(&ones, (unsigned)_i);
	struct ip_addr b = ip_addr_bcast_of(&zero, (unsigned)_i);

	for (int bit = 0; bit < 128; bit++) {
		unsigned shift = 7 - (unsigned)bit % 8;

		ck_assert_int_eq(m.b[bit / 8] >> shift & 1, bit < _i);
		ck_assert_int_eq(b.b[bit / 8] >> shift & 1, bit >= _i);
	}
}
END_TEST

START_TEST(test_ip_addr_prefix4)
{
	struct ip_addr a = addr("10.1.2.3"), net = addr("10.1.0.0"), want = addr("10.1.255.255");
	struct ip_addr m = ip_addr_mask(&a, IP_PREFIX4(16));
	struct ip_addr b = ip_addr_bcast_of(&a, IP_PREFIX4(16));
	struct ip_addr v6 = addr("fe80::10.1.2.3");

	ck_assert(ip_addr_eq(&m, &net));
	ck_assert(ip_addr_eq(&b, &want));
	ck_assert(ip_addr_match(&a, &net, IP_PREFIX4(16)));
	ck_assert(ip_addr_match(&a, &ip_addr_any4, IP_PREFIX4(0)));
	ck_assert(!ip_addr_match(&v6, &ip_addr_any4, IP_PREFIX4(0)));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ipaddr");

	tcase_add_test(tc, test_ip_addr4_is_mapped);
	tcase_add_loop_test(tc, test_ip_addr_text_there_and_back, 0, COUNT(texts));
	tcase_add_loop_test(tc, test_ip_addr_parse_bad_text_refused, 0, COUNT(bad_texts));
	tcase_add_loop_test(tc, test_ip_prefix_parse_good, 0, COUNT(prefixes));
	tcase_add_loop_test(tc, test_ip_prefix_parse_bad_text_refused, 0, COUNT(bad_prefixes));
	tcase_add_loop_test(tc, test_ip_addrport_parse_good, 0, COUNT(endpoints));
	tcase_add_loop_test(tc, test_ip_addrport_parse_bad_text_refused, 0, COUNT(bad_endpoints));
	tcase_add_loop_test(tc, test_ip_addr_classes, 0, COUNT(classes));
	tcase_add_loop_test(tc, test_ip_addr_match_every_prefix, 0, 129);
	tcase_add_loop_test(tc, test_ip_addr_mask_every_prefix, 0, 129);
	tcase_add_test(tc, test_ip_addr_prefix4);
	return unit_run("ipaddr", tc);
}
