/*
 * tests/harness/plain/server.c - a first server as textbooks have it, for `weft run`: it accepts, reads, answers and
 * closes, as often as its argument says.
 *
 * SO_REUSEADDR | SO_REUSEPORT is one option's number, that of SO_REUSEPORT, and has to be taken.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 8080

static int listening(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), opt = 1;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	address.sin_addr.s_addr = INADDR_ANY;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR | SO_REUSEPORT, &opt, sizeof(opt))) {
		perror("setsockopt");
		exit(1);
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 3) < 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	const char *hello = "Hello from server";
	int fd = listening(), times = argc > 1 ? atoi(argv[1]) : 1;

	for (; times > 0; times--) {
		char buffer[1024] = {0};
		int sock = accept(fd, NULL, NULL);

		if (sock < 0 || read(sock, buffer, sizeof(buffer) - 1) < 0) {
			perror("accept");
			return 1;
		}
		printf("Received message: %s\n", buffer);
		fflush(stdout);
		send(sock, hello, strlen(hello), 0);
		close(sock);
	}
	close(fd);
	return 0;
}
