/*
 * lib/sysctl.c - the settings by name: table, default, range.
 *
 * Code on the way of a packet reads the field (sysctl_get); only the shell and tests come here.
 * Settings as text are in lib/sysctl_text.c.
 */
#include "lib/sysctl.h"

#include <errno.h>
#include <string.h>

#include "lib/stack.h"

const struct sysctl_info sysctl_info[] = {
#define SYSCTL(field, name, dflt, min, max, text)                                                  \
	{name, text, offsetof(struct sysctls, field), dflt, min, max, SYSCTL_NUMBER, 0, 0},
#define SYSCTL_PART(field, list, part, dflt, min, max, text)                                       \
	{list "." part,    text, offsetof(struct sysctls, field), dflt, min, max, SYSCTL_NUMBER,   \
	 sizeof(list) - 1, 0},
#define SYSCTL_WORDS(field, name, kind, words, text)                                               \
	{name, text, offsetof(struct sysctls, field), 0, 0, 0,                                     \
	 kind, 0,    offsetof(struct sysctls, words)},
#define SYSCTL_KEY(field, list, part, text)                                                        \
	{list "." part,    text, offsetof(struct sysctls, field), 0, 0, UINT32_MAX, SYSCTL_HEX,    \
	 sizeof(list) - 1, 0},
#include "lib/sysctl.def"
#undef SYSCTL
#undef SYSCTL_PART
#undef SYSCTL_WORDS
#undef SYSCTL_KEY
};

const size_t sysctl_count = sizeof(sysctl_info) / sizeof(sysctl_info[0]);

static _Atomic int64_t *sysctl_field(struct sysctls *s, const struct sysctl_info *info)
{
	return (_Atomic int64_t *)((char *)s + info->offset);
}

static const struct sysctl_info *sysctl_find(const char *name)
{
	for (size_t i = 0; i < sysctl_count; i++) {
		if (strcmp(sysctl_info[i].name, name) == 0)
			return &sysctl_info[i];
	}
	return NULL;
}

void sysctl_init(struct sysctls *s)
{
	for (size_t i = 0; i < sysctl_count; i++)
		atomic_init(sysctl_field(s, &sysctl_info[i]), sysctl_info[i].dflt);
}

int sysctl_write(struct stack *st, const char *name, int64_t value)
{
	const struct sysctl_info *info = sysctl_find(name);

	if (!info)
		return -ENOENT;
	if (info->kind != SYSCTL_NUMBER)
		return -EINVAL;
	if (value < info->min || value > info->max)
		return -ERANGE;
	atomic_store_explicit(sysctl_field(&st->sysctl, info), value, memory_order_relaxed);
	return 0;
}
