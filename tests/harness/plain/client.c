/*
 * tests/harness/plain/client.c - a first client as textbooks have it, for `weft run`: 127.0.0.1:8080, one message there,
 * one back.
 *
 * As many of them do, it fills sin_zero with a character and ends without close().
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 8080

int main(void)
{
	const char *hello = "Hello from client";
	struct sockaddr_in server;
	char buffer[1024] = {0};
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	if (sock < 0) {
		perror("socket");
		return 1;
	}
	memset(&server, '0', sizeof(server));
	server.sin_family = AF_INET;
	server.sin_port = htons(PORT);
	if (inet_pton(AF_INET, "127.0.0.1", &server.sin_addr) <= 0) {
		perror("inet_pton");
		return 1;
	}
	if (connect(sock, (struct sockaddr *)&server, sizeof(server)) < 0) {
		perror("connect");
		return 1;
	}
	send(sock, hello, strlen(hello), 0);
	printf("Message sent to server\n");
	if (read(sock, buffer, sizeof(buffer) - 1) < 0) {
		perror("read");
		return 1;
	}
	printf("%s\n", buffer);
	return 0;
}
