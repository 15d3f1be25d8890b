/*
 * tests/harness/preload/other.c - a library of LD_PRELOAD beside weft's, for interop/run-preload.sh: it says on standard
 * error what goes through it on its way to weft's, and what weft's looks up.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>

typedef int connect_fn(int, const struct sockaddr *, socklen_t);
typedef void *dlsym_fn(void *, const char *);

static dlsym_fn *libc_dlsym(void)
{
	static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
	dlsym_fn *found = NULL;

	for (int i = 0; i < 3 && !found; i++)
		*(void **)&found = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
	return found;
}

/* RTLD_NEXT would be what comes after us. */
void *dlsym(void *handle, const char *name)
{
	fprintf(stderr, "dlsym %s\n", name);
	if (handle == RTLD_NEXT)
		handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	return libc_dlsym()(handle, name);
}

int connect(int fd, const struct sockaddr *a, socklen_t n)
{
	connect_fn *next;

	fprintf(stderr, "connect %d\n", a->sa_family);
	*(void **)&next = libc_dlsym()(RTLD_NEXT, "connect");
	return next(fd, a, n);
}
