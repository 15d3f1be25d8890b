/*
 * tests/harness/plain/listen.c - for `weft run`: how far a server comes before it is reached.
 *
 *	bind		bound to port 8081, and no listen(): connect() is refused
 *	listen		port 8082, and no accept(): connect() succeeds all the same
 *	fork		port 8083: the parent binds and listens, the child accepts and answers
 *
 * It says "there" when it is so far, and ends with its standard input.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int bound(unsigned short port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		       bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0
		   ? fd
		   : -1;
}

static int child(int fd)
{
	int sock = accept(fd, NULL, NULL);

	if (sock < 0 || send(sock, "child\n", 6, 0) != 6)
		return 1;
	return close(sock) ? 1 : 0;
}

static int parent(int fd)
{
	int status = 1;
	pid_t pid;

	if (listen(fd, 3))
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(child(fd));
	close(fd);
	puts("there");
	fflush(stdout);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "bind";
	int fd = bound(strcmp(how, "bind") == 0 ? 8081 : strcmp(how, "listen") == 0 ? 8082 : 8083);
	char byte;

	if (fd < 0)
		return 1;
	if (strcmp(how, "fork") == 0)
		return parent(fd);
	if (strcmp(how, "listen") == 0 && listen(fd, 3))
		return 1;
	puts("there");
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) < 0 ? 1 : 0;
}
