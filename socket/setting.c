/*
 * socket/setting.c - a stack's settings for programs, as text and by Linux's names: weft_sysctl_get()
 * and weft_sysctl_set().  The table is lib/sysctl.def.
 */
#include <errno.h>
#include <string.h>

#include "lib/stack.h"
#include "socket/include/weft/weft.h"

int weft_sysctl_set(weft_stack *st, const char *name, const char *value)
{
	char why[SYSCTL_TEXT_MAX];

	if (!st || !name || !value)
		return -EINVAL;
	return sysctl_write_text(st, name, value, why);
}

int weft_sysctl_get(weft_stack *st, const char *name, char *value, size_t n)
{
	char text[SYSCTL_TEXT_MAX];
	int err;

	if (!st || !name || !value)
		return -EINVAL;
	err = sysctl_read_text(st, name, text);
	if (err)
		return err;
	if (strlen(text) >= n)
		return -ERANGE;
	memcpy(value, text, strlen(text) + 1);
	return 0;
}
