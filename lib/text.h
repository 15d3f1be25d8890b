/*
 * lib/text.h - text that others have chosen, on its way to a terminal or into JSON.
 *
 * A program's name, a job's words or a path may have what a terminal obeys: such a byte is shown as \xNN.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>

/* Valid UTF-8 without characters of control. */
bool text_is_plain(const char *text);
/* What is not plain by its number, in malloc'd memory.  NULL: no memory. */
char *text_shown(const char *text);
void text_show(FILE *out, const char *text);
/* As a string of JSON (RFC 8259, 7), with its quotes; what is no UTF-8 becomes U+FFFD. */
void text_show_json(FILE *out, const char *text);
