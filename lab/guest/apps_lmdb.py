# What a program does with an LMDB database that is one file of fixed size.
#
#   apps_lmdb.py turns|kill|full FILE [writemap]
#
# turns: several processes write in turn, and one reads the while. kill: a writer is
# killed in a transaction, and others at any time; all that was committed is there.
# full: the file does not grow. Prints what was done; fails if anything is wrong.
import os
import random
import signal
import sys
import time
import zlib

import lmdb

what, path = sys.argv[1:3]
writemap = 'writemap' in sys.argv[3:]
random.seed(1)


def open_db(size=None, **args):
    return lmdb.open(path, subdir=False, create=False, map_size=size or os.path.getsize(path),
                     writemap=writemap, **args)


def key(n):
    return b'%010d' % n


def value(n):
    data = random.Random(n).randbytes(100 + n % 200)
    return b'%08x' % zlib.crc32(data) + data


def count(txn):
    return int(txn.get(b'count', b'0'))


def append(txn, n):
    txn.put(key(n), value(n))
    txn.put(b'count', b'%d' % n)


def check(txn, least=0):
    n = count(txn)
    if n < least:
        sys.exit(f'{least} records were committed, {n} are there')
    for i in range(1, n + 1):
        if txn.get(key(i)) != value(i):
            sys.exit(f'record {i} is not what was written')
    if txn.stat()['entries'] != n + (n > 0):
        sys.exit('there is a record that was never committed')
    return n


def process(function, *args):
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = function(*args) or 0
    except lmdb.Error as e:
        print(e)
    finally:
        sys.stdout.flush()
        os._exit(status)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def write(times):
    env = open_db()
    for _ in range(times):
        with env.begin(write=True) as txn:
            append(txn, count(txn) + 1)


def read(times):
    env = open_db()
    last = 0
    for _ in range(times):
        with env.begin() as txn:
            last = check(txn, last)


def turns():
    writers, times = 4, 40
    pids = [process(write, times) for _ in range(writers)] + [process(read, 10)]
    if any([ended(pid) for pid in pids]):
        sys.exit('a process has failed')
    with open_db().begin() as txn:
        n = check(txn)
    if n != writers * times:
        sys.exit(f'{n} records of {writers * times}')
    print(f'{writers} processes committed {times} transactions each, while another one read')


def write_until_killed(fd, in_transaction):
    env = open_db()
    while True:
        with env.begin(write=True) as txn:
            n = count(txn) + 1
            append(txn, n)
            if in_transaction:
                for i in range(n + 1, n + 200):
                    append(txn, i)
                os.write(fd, b'%d\n' % (n - 1))
                time.sleep(1000)
        os.write(fd, b'%d\n' % n)


def killed(in_transaction):
    """-> the last record that the process has said to have committed"""
    r, w = os.pipe()
    pid = process(write_until_killed, w, in_transaction)
    os.close(w)
    wanted = 1 if in_transaction else random.randint(1, 30)
    said = b''
    while said.count(b'\n') < wanted and (more := os.read(r, 4096)):
        said += more
    os.kill(pid, signal.SIGKILL)
    if ended(pid) != -signal.SIGKILL:
        sys.exit('the writer was not killed')
    while more := os.read(r, 4096):
        said += more
    os.close(r)
    return int(said.split(b'\n')[-2])


def reopened(least):
    with open_db().begin(write=True) as txn:
        n = check(txn, least)
        if n > least + 1:
            sys.exit(f'{n} records, although only {least} were committed')
        append(txn, n + 1)


def kill():
    times = 5
    for i in range(times):
        for in_transaction in True, False:
            if ended(process(reopened, killed(in_transaction))):
                sys.exit('the database could not be used after the kill')
    with open_db().begin() as txn:
        n = check(txn)
    print(f'{times} writers killed in a transaction and {times} at any time;'
          f' {n} records, all that were committed')


def fill(size):
    env = open_db(size)
    n = 0
    try:
        while True:
            with env.begin(write=True) as txn:
                n = count(txn) + 1
                for i in range(n, n + 50):
                    append(txn, i)
    except lmdb.Error as e:
        return e, n - 1


def full():
    size = os.path.getsize(path)
    for map_size in size, size * 2:
        e, n = fill(map_size)
        if os.path.getsize(path) != size:
            sys.exit('the size of the file has changed')
        with open_db(map_size).begin() as txn:
            check(txn, n)
        print(f'full, with a map size of {map_size >> 20} MiB in a file of {size >> 20} MiB:'
              f' {e}; {n} records are there')


{'turns': turns, 'kill': kill, 'full': full}[what]()
