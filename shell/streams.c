/*
 * shell/streams.c - where a command's input and output are: copies for jobs, a client's descriptors,
 * < FILE and > FILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/shell_priv.h"

/* A stream for lines over fd, which it takes over, also when it fails. */
static FILE *stream_open(int fd)
{
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (f)
		setvbuf(f, NULL, _IOLBF, BUFSIZ);
	else if (fd >= 0)
		close(fd);
	return f;
}

static int fd_copy(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

bool streams_take(struct cmd *c, const int *fd)
{
	c->in = fd[0];
	c->cwd = fd[3];
	c->out = stream_open(fd[1]);
	c->err = stream_open(fd[2]);
	c->tty = c->out && isatty(fileno(c->out));
	return c->out && c->err;
}

bool streams_copy(struct cmd *to, const struct cmd *from)
{
	int fd[4] = {
	    fd_copy(from->in),
	    fd_copy(fileno(from->out)),
	    fd_copy(fileno(from->err)),
	    from->cwd == AT_FDCWD ? AT_FDCWD : fd_copy(from->cwd),
	};

	return streams_take(to, fd) && to->in >= 0 && (to->cwd >= 0 || to->cwd == AT_FDCWD);
}

void streams_close(struct cmd *c)
{
	if (c->out)
		fclose(c->out);
	if (c->err)
		fclose(c->err);
	if (c->in >= 0)
		close(c->in);
	if (c->cwd >= 0)
		close(c->cwd);
	c->out = c->err = NULL;
	c->in = -1;
	c->cwd = AT_FDCWD;
}

/* What reads a pipe waits for its last writer to be gone. */
static void stream_detach(FILE *f, int own)
{
	struct stat st;

	fflush(f);
	if (fstat(fileno(f), &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		dup3(own, fileno(f), O_CLOEXEC);
}

void cmd_detach(struct cmd *c)
{
	stream_detach(c->out, STDOUT_FILENO);
	stream_detach(c->err, STDERR_FILENO);
}

static int redirect_error(struct cmd *c, const char *file)
{
	return cmd_error(c, "%s: %s", file, strerror(errno));
}

int streams_redirect(struct cmd *c, const struct words *w)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (w->append ? O_APPEND : O_TRUNC);
	FILE *out;
	int fd;

	if (w->in) {
		fd = openat(c->cwd, w->in, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return redirect_error(c, w->in);
		c->in = fd;
	}
	if (w->out) {
		out = stream_open(openat(c->cwd, w->out, flags, 0666));
		if (!out)
			return redirect_error(c, w->out);
		c->out = out;
		c->tty = false;
	}
	return CMD_OK;
}

void streams_restore(struct cmd *c, const struct cmd *io)
{
	if (c->in != io->in && c->in >= 0)
		close(c->in);
	if (c->out != io->out)
		fclose(c->out);
}
