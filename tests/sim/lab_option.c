/*
 * tests/sim/lab_option.c - socket options that a job asks for.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "tests/sim/lab_world.h"

#define FASTOPEN_QUEUE 100

static bool option_set(struct lab_end *e, int fd, int level, int name, uint32_t value)
{
	int v = (int)value;

	if (value == 0 || weft_setsockopt(fd, level, name, &v, sizeof(v)) == 0)
		return true;
	lab_violate_end(e, "setsockopt() %d of level %d fails: %s", name, level, strerror(errno));
	return false;
}

static bool fastopen_set(struct lab_end *e, int fd)
{
	const struct lab_job *j = e->conn->run->job;

	/* the first byte sends the SYN: who has none connects as ever */
	if (!j->fastopen || j->up == 0 || e != &e->conn->end[LAB_CLIENT])
		return true;
	return option_set(e, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}

bool lab_end_opens(const struct lab_end *e)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	return weft_getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &i, &n) == 0 &&
	       i.tcpi_state == TCP_SYN_SENT;
}

bool lab_options_listen(const struct lab_job *j, int fd)
{
	const struct {
		int level, name;
		uint32_t value;
	} option[] = {
	    {SOL_SOCKET, SO_RCVBUF, j->rcvbuf},
	    {SOL_SOCKET, SO_SNDBUF, j->sndbuf},
	    {IPPROTO_TCP, TCP_FASTOPEN, j->fastopen ? FASTOPEN_QUEUE : 0},
	};

	for (unsigned i = 0; i < sizeof(option) / sizeof(option[0]); i++) {
		int v = (int)option[i].value;

		if (v && weft_setsockopt(fd, option[i].level, option[i].name, &v, sizeof(v)) < 0)
			return false;
	}
	return true;
}

bool lab_options_set(struct lab_end *e, int fd)
{
	const struct lab_job *j = e->conn->run->job;

	if (!option_set(e, fd, IPPROTO_TCP, TCP_NODELAY, j->nodelay) ||
	    !option_set(e, fd, SOL_SOCKET, SO_SNDBUF, j->sndbuf) ||
	    !option_set(e, fd, SOL_SOCKET, SO_RCVBUF, j->rcvbuf) || !fastopen_set(e, fd))
		return false;
	if (!j->cc[0])
		return true;
	if (weft_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, j->cc, (socklen_t)strlen(j->cc)) == 0)
		return true;
	lab_violate_end(e, "cc %s: %s", j->cc, strerror(errno));
	return false;
}
