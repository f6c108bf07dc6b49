# A server of asyncio: counts requests, sleeps in each, and has a timer and a thread.
import asyncio
import signal
import sys
import time

count = ticks = 0


async def answer(reader, writer):
    global count
    await reader.readuntil(b"\r\n\r\n")
    count += 1
    number, before, begin = count, ticks, time.monotonic()
    await asyncio.sleep(0.05)
    late = time.monotonic() - begin >= 0.05
    await asyncio.to_thread(time.sleep, 0.01)
    words = "tick" if late and ticks > before else "do not tick"
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nrequest %d: timers %s\n" % (number, words.encode()))
    await writer.drain()
    writer.close()


async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.005)
        ticks += 1


async def main(listen):
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    ticking = asyncio.create_task(tick())
    host, _, port = listen.rpartition(":")
    if host == "unix":
        server = await asyncio.start_unix_server(answer, port)
    else:
        server = await asyncio.start_server(answer, host, int(port))
    async with server:
        await ended.wait()
    ticking.cancel()
    sys.exit(3)


asyncio.run(main(sys.argv[1]))
