/*
 * lib/text.c - text that others have chosen: characters told apart from what a terminal obeys.
 */
#include "lib/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The character that text begins with (RFC 3629, 4) and its length; 0: none begins there. */
static unsigned char_at(const char *text, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = (const uint8_t *)text;
	unsigned n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	if (n == 0 || *p >= 0xf8)
		return 0;
	*c = n == 1 ? *p : *p & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) /* the text's end too */
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

/* C0, DEL and C1. */
static bool is_control(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0);
}

/* The length of a plain character; 0: what stands there is none. */
static unsigned plain_at(const char *text)
{
	uint32_t c;
	unsigned n = char_at(text, &c);

	return n && !is_control(c) ? n : 0;
}

bool text_is_plain(const char *text)
{
	unsigned n;

	for (; *text; text += n) {
		n = plain_at(text);
		if (n == 0)
			return false;
	}
	return true;
}

char *text_shown(const char *text)
{
	char *shown = malloc(4 * strlen(text) + 1), *to = shown;

	for (unsigned n; shown && *text; text += n ? n : 1) {
		n = plain_at(text);
		if (n)
			to = mempcpy(to, text, n);
		else
			to += sprintf(to, "\\x%02x", (unsigned)(uint8_t)*text);
	}
	if (shown)
		*to = '\0';
	return shown;
}

void text_show(FILE *out, const char *text)
{
	char *shown = text_shown(text);

	fputs(shown ? shown : "?", out);
	free(shown);
}

void text_show_json(FILE *out, const char *text)
{
	uint32_t c;

	fputc('"', out);
	for (unsigned n; *text; text += n ? n : 1) {
		n = char_at(text, &c);
		if (n == 0 || is_control(c))
			fprintf(out, "\\u%04x", n ? c : 0xfffd);
		else
			fprintf(out, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)n, text);
	}
	fputc('"', out);
}
