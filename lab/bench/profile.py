# SPDX-License-Identifier: GPL-2.0
# Instructions of each function per round of lab/bench/loop.c, from QEMU's log of what it
# has executed. A round begins with a call of getppid() and ends with one of getuid().
#
#   profile.py LOG SYSTEM.MAP
import bisect
import re
import sys

symbols = []
with open(sys.argv[2]) as f:
    for line in f:
        address, kind, name = line.split()[:3]
        if kind in "tTwW":
            symbols.append((int(address, 16), name))
symbols.sort()
addresses = [s[0] for s in symbols]
marks = {name: address for address, name in symbols}
begin, end = marks["__x64_sys_getppid"], marks["__x64_sys_getuid"]

count, calls, rounds, total, round = {}, {}, 0, 0, None
with open(sys.argv[1], errors="replace") as f:
    for line in f:
        found = re.match(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", line)
        if not found:
            continue
        pc = int(found.group(1), 16)
        if pc == begin:
            round = {}
        if round is None:
            continue
        if pc >> 63:
            i = bisect.bisect_right(addresses, pc) - 1
            name = symbols[i][1]
        else:
            i, name = None, "(user space)"
        n, c = round.get(name, (0, 0))
        round[name] = (n + 1, c + (i is not None and addresses[i] == pc))
        if pc == end:
            for name, (n, c) in round.items():
                count[name] = count.get(name, 0) + n
                calls[name] = calls.get(name, 0) + c
                total += n
            rounds += 1
            round = None
if rounds < 1:
    sys.exit("not a whole round was executed")
print("%d rounds of %.0f instructions, those of two system calls included" % (rounds, total / rounds))
print("%12s %8s  function" % ("instructions", "calls"))
for name, n in sorted(count.items(), key=lambda item: -item[1]):
    if n >= rounds:
        print("%12.1f %8.2f  %s" % (n / rounds, calls[name] / rounds, name))
