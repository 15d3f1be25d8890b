/*
 * tests/script/drill_code.c - %{ assertions on TCP_INFO }%: each look at the connection is written
 * down as assignments, with the script's own lines behind them, and python3 runs it all at the end.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#include "tests/script/drill.h"

static const char preamble[] = "import sys\n"
			       "TCP_CA_Open, TCP_CA_Disorder, TCP_CA_CWR, TCP_CA_Recovery, "
			       "TCP_CA_Loss = range(5)\n"
			       "TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK, TCPI_OPT_WSCALE, TCPI_OPT_ECN, "
			       "TCPI_OPT_ECN_SEEN, TCPI_OPT_SYN_DATA = 1, 2, 4, 8, 16, 32\n"
			       "TCP_ESTABLISHED, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, "
			       "TCP_FIN_WAIT2, TCP_TIME_WAIT, TCP_CLOSE, TCP_CLOSE_WAIT, "
			       "TCP_LAST_ACK, TCP_LISTEN, TCP_CLOSING = range(1, 12)\n"
			       "TCP_INFINITE_SSTHRESH = 0x7fffffff\n";

void code_begin(struct drill *d)
{
	d->python = tmpfile();
	if (!d->python)
		drill_fail(d, "no temporary file for the assertions");
	fputs(preamble, d->python);
}

#define FIELD(name) fprintf(f, "tcpi_" #name " = %llu\n", (unsigned long long)i->tcpi_##name)

static void info_write(FILE *f, const struct tcp_info *i)
{
	FIELD(state);
	FIELD(ca_state);
	FIELD(retransmits);
	FIELD(probes);
	FIELD(backoff);
	FIELD(options);
	FIELD(snd_wscale);
	FIELD(rcv_wscale);
	FIELD(rto);
	FIELD(ato);
	FIELD(snd_mss);
	FIELD(rcv_mss);
	FIELD(unacked);
	FIELD(sacked);
	FIELD(lost);
	FIELD(retrans);
	FIELD(last_data_sent);
	FIELD(last_data_recv);
	FIELD(last_ack_recv);
	FIELD(pmtu);
	FIELD(rcv_ssthresh);
	FIELD(rtt);
	FIELD(rttvar);
	FIELD(snd_ssthresh);
	FIELD(snd_cwnd);
	FIELD(advmss);
	FIELD(reordering);
	FIELD(rcv_rtt);
	FIELD(rcv_space);
	FIELD(total_retrans);
	FIELD(pacing_rate);
	FIELD(bytes_acked);
	FIELD(bytes_received);
	FIELD(segs_out);
	FIELD(segs_in);
	FIELD(notsent_bytes);
	FIELD(min_rtt);
	FIELD(data_segs_in);
	FIELD(data_segs_out);
	FIELD(delivery_rate);
	FIELD(busy_time);
	FIELD(rwnd_limited);
	FIELD(sndbuf_limited);
	FIELD(delivered);
	FIELD(delivered_ce);
	FIELD(bytes_sent);
	FIELD(bytes_retrans);
	FIELD(dsack_dups);
	FIELD(reord_seen);
	FIELD(rcv_ooopack);
	FIELD(snd_wnd);
}

/* The lines less the blanks all of them begin with: python minds. */
static void lines_write(FILE *f, const char *text)
{
	size_t indent = 0;
	const char *line;

	while (isspace((unsigned char)*text)) {
		indent = *text == '\n' ? 0 : indent + 1;
		text++;
	}
	for (line = text; *line;) {
		const char *end = strchrnul(line, '\n');

		fprintf(f, "    %.*s\n", (int)(end - line), line);
		line = *end ? end + 1 : end;
		for (size_t i = 0; i < indent && (*line == ' ' || *line == '\t'); i++)
			line++;
	}
}

void code_add(struct drill *d, const struct event *ev)
{
	struct tcp_info i = {0};
	socklen_t n = sizeof(i);

	if (d->ifc.getsockopt(d->ifc.userdata, d->flow.fd, IPPROTO_TCP, TCP_INFO, &i, &n))
		drill_fail(d, "TCP_INFO is refused");
	d->asserts = true;
	info_write(d->python, &i);
	fprintf(d->python, "try:\n");
	lines_write(d->python, ev->text);
	fprintf(d->python, /* the empty line: the last one may end in a backslash */
		"\nexcept AssertionError as e:\n"
		"    sys.exit('%s:%d: assertion failed: ' + str(e))\n",
		d->script->path, ev->line);
}

/* From a file that is read by descriptor: no name to clash over. */
bool code_judge(struct drill *d)
{
	char command[64];
	int status;

	if (!d->asserts) {
		fclose(d->python);
		return true;
	}
	if (fflush(d->python))
		return false;
	rewind(d->python);
	snprintf(command, sizeof(command), "exec python3 - <&%d", fileno(d->python));
	status = system(command);
	fclose(d->python);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
