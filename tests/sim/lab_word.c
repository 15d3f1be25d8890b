/*
 * tests/sim/lab_word.c - quantities in text: 10mbit, 20ms, 10KB, 1%.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/lab_scene.h"

struct suffix {
	enum lab_unit unit;
	const char *text;
	uint64_t factor;
};

/* The largest first. */
static const struct suffix suffixes[] = {
    {LAB_RATE, "gbit", 1000000000},
    {LAB_RATE, "mbit", 1000000},
    {LAB_RATE, "kbit", 1000},
    {LAB_RATE, "bit", 1},
    {LAB_TIME, "s", 1000000000},
    {LAB_TIME, "ms", 1000000},
    {LAB_TIME, "us", 1000},
    {LAB_TIME, "ns", 1},
    {LAB_SIZE, "GB", 1000000000},
    {LAB_SIZE, "MB", 1000000},
    {LAB_SIZE, "KB", 1000},
    {LAB_SIZE, "B", 1},
    {LAB_SIZE, "", 1},
    {LAB_SHARE, "%", LAB_PPM / 100},
    {LAB_COUNT, "p", 1},
    {LAB_COUNT, "", 1},
};
#define SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

const char *lab_unit_example(enum lab_unit unit)
{
	static const char *const example[] = {
	    [LAB_RATE] = "a rate, as 10mbit",       [LAB_TIME] = "a time, as 20ms",
	    [LAB_SIZE] = "a size, as 10KB",         [LAB_SHARE] = "a share, as 1%",
	    [LAB_COUNT] = "a whole number, as 100",
	};

	return example[unit];
}

/* What is scaled must come out whole (1.5ms is, 0.5ns is not), and fit. */
static bool scale(double number, uint64_t factor, uint64_t *value)
{
	double v = number * (double)factor;

	if (!(v >= 0) || v > 1e18 || fabs(v - round(v)) > 1e-6 * (1 + v / 1e9))
		return false;
	*value = (uint64_t)llround(v);
	return true;
}

bool lab_quantity_parse(const char *text, enum lab_unit unit, uint64_t *value)
{
	double number;
	char *end;

	if (!strchr("0123456789", text[0]) || !text[0])
		return false;
	number = strtod(text, &end);
	for (size_t i = 0; i < SUFFIXES; i++) {
		if (suffixes[i].unit != unit || strcmp(end, suffixes[i].text) != 0)
			continue;
		if (!scale(number, suffixes[i].factor, value))
			return false;
		return unit != LAB_SHARE || *value <= LAB_PPM;
	}
	return false;
}

static char *share_print(char *to, uint64_t value)
{
	char *end;

	snprintf(to, LAB_QUANTITY, "%" PRIu64 ".%04u", value / (LAB_PPM / 100),
		 (unsigned)(value % (LAB_PPM / 100)));
	for (end = to + strlen(to); end[-1] == '0'; end--)
		;
	if (end[-1] == '.')
		end--;
	strcpy(end, "%");
	return to;
}

char *lab_quantity_print(char *to, enum lab_unit unit, uint64_t value)
{
	const struct suffix *s = suffixes;

	if (unit == LAB_SHARE)
		return share_print(to, value);
	while (s->unit != unit || (s->factor > 1 && (value % s->factor || value == 0)))
		s++;
	if (unit == LAB_COUNT)
		snprintf(to, LAB_QUANTITY, "%" PRIu64, value);
	else
		snprintf(to, LAB_QUANTITY, "%" PRIu64 "%s", value / s->factor, s->text);
	return to;
}
