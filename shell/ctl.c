/*
 * shell/ctl.c - `weft ctl CMD...`: a command of a running weft, with this process's descriptors.
 *
 * One word is a whole line ("inetd; httpd 80").  Of several each is a word of the command, and ; and &
 * standing alone mean what they mean at the prompt.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/control.h"
#include "shell/options.h"
#include "shell/shell_priv.h"

/* One that is read back as it is: an operator that stands alone is one. */
static bool word_is_plain(const char *word)
{
	return *word && (!strpbrk(word, " \t\r\n\"'\\#;&<>|") || !word[strspn(word, ";&<>|")]);
}

/* Appends one word, quoted if it would not be read back as it is. */
static int line_append(char *line, const char *word)
{
	size_t at = strlen(line);
	bool plain = word_is_plain(word);
	char *quoted = plain ? NULL : words_quote(word);
	const char *text = plain ? word : quoted;
	bool fits = text && at + strlen(text) + 2 <= CONTROL_LINE;

	if (fits) {
		if (at)
			line[at++] = ' ';
		strcpy(line + at, text);
	}
	free(quoted);
	return fits ? 0 : -E2BIG;
}

static int line_of(char *line, int argc, char **argv)
{
	int err = 0;

	*line = '\0';
	if (argc > 1) {
		for (int i = 0; i < argc && !err; i++)
			err = line_append(line, argv[i]);
		return err;
	}
	if (strlen(argv[0]) >= CONTROL_LINE)
		return -E2BIG;
	strcpy(line, argv[0]);
	return 0;
}

static int ctl_request(int fd, const char *line)
{
	struct control_request head = {.magic = CONTROL_MAGIC, .kind = CONTROL_RUN};
	struct iovec iov[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)line, strlen(line) + 1}};
	int fds[CONTROL_FDS] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,
				open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	int err = fds[3] < 0 ? -errno : control_send(fd, iov, 2, fds, CONTROL_FDS);

	if (fds[3] >= 0)
		close(fds[3]);
	return err;
}

/* A descriptor that tells of SIGINT, which is no longer delivered. */
static int ctl_signals(void)
{
	sigset_t set;

	signal(SIGINT, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Passes one on.  True: it was the second, for the command has not ended: then this client does. */
static bool ctl_interrupt(int fd, int signals, unsigned *seen)
{
	struct control_request r = {.magic = CONTROL_MAGIC, .kind = CONTROL_INTERRUPT};
	struct signalfd_siginfo si;

	if (read(signals, &si, sizeof(si)) != sizeof(si))
		return false;
	control_send(fd, &(struct iovec){&r, sizeof(r)}, 1, NULL, 0);
	return ++*seen > 1;
}

/* Until weft hangs up, after its reply: at once, or when it has ended.  The command's status. */
static int ctl_wait(int fd, int signals)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	int fds[CONTROL_FDS], nfd, n, status = -EPROTO;
	struct control_reply r;
	unsigned seen = 0;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents && ctl_interrupt(fd, signals, &seen))
			return CMD_INTERRUPTED;
		if (!p[0].revents)
			continue;
		n = control_recv(fd, &(struct iovec){&r, sizeof(r)}, 1, fds, &nfd);
		if (n == -EINTR)
			continue;
		if (n > 0)
			control_close_fds(fds, nfd);
		if (n == sizeof(r) && r.magic == CONTROL_MAGIC)
			status = r.status;
		else
			return n < 0 && status < 0 ? n : status;
	}
}

int ctl_main(int argc, char **argv)
{
	const char *control = NULL;
	enum options_result parsed = options_words(argc, argv, &control);
	int fd, status, signals;
	char *line;

	if (parsed != OPTIONS_RUN)
		return options_status(parsed);
	line = malloc(CONTROL_LINE);
	if (!line || line_of(line, argc - optind, argv + optind)) {
		shell_error("ctl: the command is longer than %d bytes", CONTROL_LINE - 1);
		free(line);
		return CMD_USAGE;
	}
	signals = ctl_signals();
	fd = control_find(control, "ctl");
	if (fd < 0) {
		free(line);
		return CMD_FAIL;
	}
	status = ctl_request(fd, line);
	free(line);
	if (!status)
		status = ctl_wait(fd, signals);
	close(fd);
	if (status >= 0)
		return status;
	if (status == -EPROTO || status == -ECONNRESET || status == -EPIPE)
		shell_error("ctl: weft has ended, or takes nothing from this user");
	else
		shell_error("ctl: %s", strerror(-status));
	return CMD_FAIL;
}
