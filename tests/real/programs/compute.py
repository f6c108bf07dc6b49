# Numbers, dictionaries, generators, exceptions, big integers, a class with a cycle for the collector.
import hashlib
import json
import math
import re
import sys


class Node:
    def __init__(self, n):
        self.n, self.me = n, self


def primes(limit):
    sieve = bytearray([1]) * limit
    for i in range(2, limit):
        if sieve[i]:
            yield i
            sieve[i * i :: i] = bytes(len(range(i * i, limit, i)))


digest = hashlib.sha256()
for turn in range(int(sys.argv[1])):
    total = sum(primes(300000))
    table = {f"key{i}": [i, i * turn, math.sqrt(i)] for i in range(20000)}
    text = json.dumps(table, sort_keys=True)
    digest.update(text.encode())
    back = json.loads(text)
    failures = 0
    for i in range(0, 30000, 7):
        try:
            back[f"key{i}"].append(Node(i).n)
        except KeyError:
            failures += 1
    words = len(re.findall(r'"key(\d*7)"', text))
    print(turn, total, failures, words, digest.hexdigest()[:16], pow(3, 20000 + turn) % (10**9 + 7), flush=turn % 2 == 0)
