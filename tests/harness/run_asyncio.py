"""run_asyncio.py HOST PORT - 50 streams at once through an echo server: of this program's own (PORT 0), or there."""
import asyncio
import sys

DATA = bytes(range(256)) * 400


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def ask(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(DATA)
    writer.write_eof()
    got = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    assert got == DATA, len(got)


async def main(host, port):
    server = None
    if port == 0:
        server = await asyncio.start_server(echo, host, 0)
        port = server.sockets[0].getsockname()[1]
    await asyncio.wait_for(asyncio.gather(*(ask(host, port) for _ in range(50))), 20)
    try:
        await asyncio.open_connection(host, 9999)
        assert False, "port 9999 is open"
    except ConnectionRefusedError:
        pass
    if server:
        server.close()
        await server.wait_closed()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
