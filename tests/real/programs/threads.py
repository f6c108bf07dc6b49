# Threads by hand with a queue and a condition, a pool of concurrent.futures, timers, thread-local data.
import hashlib
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

jobs, results, lock, turn = queue.Queue(8), {}, threading.Lock(), threading.Condition()
own = threading.local()
ticks = 0


def digest(n):
    # Long updates let go of the interpreter's lock.
    h, block = hashlib.sha256(), bytes([n % 256]) * 65536
    for _ in range(60):
        h.update(block)
        block = h.digest() * 2048
    return h.hexdigest()


def work():
    own.count = 0
    while (job := jobs.get()) is not None:
        result = digest(job)
        own.count += 1
        with lock:
            results[job] = result
        jobs.task_done()
    with lock:
        results["counts"] = results.get("counts", 0) + own.count


def longest(n):
    best = (0, 0)
    for start in range(n * 1000 + 1, (n + 1) * 1000 + 1):
        x, length = start, 0
        while x != 1:
            x = x // 2 if x % 2 == 0 else 3 * x + 1
            length += 1
        best = max(best, (length, start))
    return best


def tick():
    global ticks
    with turn:
        ticks += 1
        turn.notify()


team = [threading.Thread(target=work, name=f"worker {n}") for n in range(4)]
for thread in team:
    thread.start()
timers = [threading.Timer(0.05 * n, tick) for n in range(20)]
for timer in timers:
    timer.start()
with ThreadPoolExecutor(4) as pool:
    found = pool.map(longest, range(24))
    for n in range(int(sys.argv[1])):
        jobs.put(n)
    print(list(found))
jobs.join()
for _ in team:
    jobs.put(None)
for thread in team:
    thread.join()
with turn:
    done = turn.wait_for(lambda: ticks == len(timers), timeout=60)
print(hashlib.sha256(str(sorted(results.items(), key=str)).encode()).hexdigest(), results["counts"])
event = threading.Event()
begin = time.monotonic()
print(done, event.wait(0.05), time.monotonic() - begin >= 0.05, threading.active_count())
