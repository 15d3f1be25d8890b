/*
 * tests/harness/differ/options.c - what getsockopt() and setsockopt() answer for every number of the levels that
 * sockets here have, a line each; the same on the kernel's network and on weft's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An int is told, of what is larger its size. */
static void get(int s, int level, int name)
{
	unsigned char value[256];
	socklen_t n = sizeof(value);
	int x = 0;

	if (getsockopt(s, level, name, value, &n)) {
		printf(" get:%s", strerrorname_np(errno));
		return;
	}
	memcpy(&x, value, n < sizeof(x) ? n : sizeof(x));
	printf(" get:%u=%d", n, n <= sizeof(x) ? x : -1);
}

static void set(int s, int level, int name, int v, socklen_t n)
{
	int r = setsockopt(s, level, name, &v, n);

	printf(" set%d/%u:%s", v, n, r ? strerrorname_np(errno) : "well");
}

static void option(const char *kind, int s, int level, int name)
{
	printf("%s:%d/%d", kind, level, name);
	get(s, level, name);
	for (int v = 1; v >= 0; v--) {
		set(s, level, name, v, sizeof(v));
		get(s, level, name);
	}
	set(s, level, name, 1, 1);
	set(s, level, name, 1, 0);
	printf("\n");
}

/* Each of a socket of its own. */
static void options(const char *kind, int type, int protocol)
{
	static const int levels[][2] = {
	    {SOL_SOCKET, 85}, {IPPROTO_IP, 70}, {IPPROTO_TCP, 50}, {IPPROTO_UDP, 110}};

	for (unsigned l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
		for (int name = 0; name < levels[l][1]; name++) {
			int s = socket(AF_INET, type, protocol);

			option(kind, s, levels[l][0], name);
			close(s);
		}
	}
}

int main(void)
{
	options("tcp", SOCK_STREAM, 0);
	options("udp", SOCK_DGRAM, 0);
	options("icmp", SOCK_DGRAM, IPPROTO_ICMP);
	return 0;
}
