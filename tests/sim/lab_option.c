/*
 * tests/sim/lab_option.c - socket options that a job asks for.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "tests/sim/lab_world.h"

static bool option_set(struct lab_end *e, int fd, int level, int name, uint32_t value)
{
	int v = (int)value;

	if (value == 0 || weft_setsockopt(fd, level, name, &v, sizeof(v)) == 0)
		return true;
	lab_violate_end(e, "setsockopt() %d of level %d fails: %s", name, level, strerror(errno));
	return false;
}

bool lab_options_set(struct lab_end *e, int fd)
{
	const struct lab_job *j = e->conn->run->job;

	if (!option_set(e, fd, IPPROTO_TCP, TCP_NODELAY, j->nodelay) ||
	    !option_set(e, fd, SOL_SOCKET, SO_SNDBUF, j->sndbuf) ||
	    !option_set(e, fd, SOL_SOCKET, SO_RCVBUF, j->rcvbuf))
		return false;
	if (!j->cc[0])
		return true;
	if (weft_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, j->cc, (socklen_t)strlen(j->cc)) == 0)
		return true;
	lab_violate_end(e, "cc %s: %s", j->cc, strerror(errno));
	return false;
}
