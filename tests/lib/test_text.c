/*
 * tests/lib/test_text.c - text that others have chosen: what a terminal would obey is shown by its number, and
 * whatever the bytes, JSON is UTF-8 without them.
 */
#include <stdlib.h>

#include "lib/text.h"
#include "tests/harness/unit.h"

static const struct {
	const char *text, *shown, *json;
	bool plain;
} rows[] = {
    {"", "", "\"\"", true},
    {"plain ~", "plain ~", "\"plain ~\"", true},
    {"a\"b\\c", "a\"b\\c", "\"a\\\"b\\\\c\"", true},
    {"\033[31mred\n", "\\x1b[31mred\\x0a", "\"\\u001b[31mred\\u000a\"", false},
    {"\x7f", "\\x7f", "\"\\u007f\"", false},
    /* U+009B is CSI, in UTF-8 and bare; the first one behind is U+00A0 */
    {"\xc2\x9b\x33m", "\\xc2\\x9b\x33m", "\"\\u009b\x33m\"", false},
    {"\x9b\x33m", "\\x9b\x33m", "\"\\ufffd\x33m\"", false},
    {"\xc2\xa0", "\xc2\xa0", "\"\xc2\xa0\"", true},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
     "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", true},
    {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
     "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"", true},
    /* RFC 3629, 3: none longer than needed, no surrogates, none beyond U+10FFFF */
    {"\xc0\x9b", "\\xc0\\x9b", "\"\\ufffd\\ufffd\"", false},
    {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf", "\"\\ufffd\\ufffd\\ufffd\"", false},
    {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", false},
    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\\ufffd\\ufffd\\ufffd\"", false},
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", false},
    {"\xff\xf8", "\\xff\\xf8", "\"\\ufffd\\ufffd\"", false},
    /* cut off by the end, and by another */
    {"\xe2\x82", "\\xe2\\x82", "\"\\ufffd\\ufffd\"", false},
    {"\xf0\x9f\x98z", "\\xf0\\x9f\\x98z", "\"\\ufffd\\ufffd\\ufffdz\"", false},
};

/* What `show` writes of `text`. */
static char *written(void (*show)(FILE *out, const char *text), const char *text)
{
	char *made = NULL;
	size_t n;
	FILE *f = open_memstream(&made, &n);

	ck_assert_ptr_nonnull(f);
	show(f, text);
	ck_assert_int_eq(fclose(f), 0);
	return made;
}

START_TEST(test_shown_without_control)
{
	char *made = written(text_show, rows[_i].text);

	ck_assert_str_eq(made, rows[_i].shown);
	ck_assert_int_eq(text_is_plain(rows[_i].text), rows[_i].plain);
	ck_assert(text_is_plain(made));
	free(made);
}
END_TEST

START_TEST(test_shown_as_json)
{
	char *made = written(text_show_json, rows[_i].text);

	ck_assert_str_eq(made, rows[_i].json);
	ck_assert(text_is_plain(made));
	free(made);
}
END_TEST

#define ROWS (int)(sizeof(rows) / sizeof(rows[0]))

int main(void)
{
	TCase *tc = tcase_create("text");

	tcase_add_loop_test(tc, test_shown_without_control, 0, ROWS);
	tcase_add_loop_test(tc, test_shown_as_json, 0, ROWS);
	return unit_run("text", tc);
}
