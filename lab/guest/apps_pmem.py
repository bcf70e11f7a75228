# What a program does with libpmem and libpmemobj on files of fixed size.
#
#   apps_pmem.py map FILE		map it, store, persist, read with read(2)
#   apps_pmem.py create|add|check POOL	an object pool; "add" is killed in the end
#
# Prints what was done; fails if anything is wrong.
import ctypes
import mmap
import os
import signal
import sys
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint64, c_void_p

MAP_SHARED_VALIDATE, MAP_SYNC = 0x03, 0x80000
RECORDS = 1000

what, path = sys.argv[1], sys.argv[2].encode()
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = c_void_p
libc.mmap.argtypes = [c_void_p, c_size_t, c_int, c_int, c_int, c_size_t]


class Oid(ctypes.Structure):
    _fields_ = [('pool', c_uint64), ('off', c_uint64)]


def map_sync(fd, size):
    p = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0)
    return 'works' if p != c_void_p(-1).value else f'fails with {os.strerror(ctypes.get_errno())}'


def map_file():
    pmem = ctypes.CDLL('libpmem.so.1')
    pmem.pmem_map_file.restype = c_void_p
    pmem.pmem_map_file.argtypes = [c_char_p, c_size_t, c_int, c_int, c_void_p, c_void_p]
    pmem.pmem_errormsg.restype = c_char_p
    for f in pmem.pmem_persist, pmem.pmem_msync, pmem.pmem_is_pmem, pmem.pmem_unmap:
        f.argtypes = [c_void_p, c_size_t]
    pmem.pmem_memcpy_persist.argtypes = [c_void_p, c_char_p, c_size_t]
    size, is_pmem = c_size_t(), c_int()
    p = pmem.pmem_map_file(path, 0, 0, 0, byref(size), byref(is_pmem))
    if not p:
        sys.exit(pmem.pmem_errormsg().decode())
    size = size.value
    data = bytes(os.urandom(65536)) * (size // 65536)
    ctypes.memmove(p, data, size // 2)
    if is_pmem:
        pmem.pmem_persist(p, size // 2)
        pmem.pmem_memcpy_persist(p + size // 2, data[size // 2:], len(data) - size // 2)
    else:
        ctypes.memmove(p + size // 2, data[size // 2:], len(data) - size // 2)
        if pmem.pmem_msync(p, size):
            sys.exit('pmem_msync')
    fd = os.open(path, os.O_RDWR)
    spoil()
    if os.pread(fd, len(data), 0) != data:
        sys.exit('read(2) does not find what was stored')
    says = pmem.pmem_is_pmem(p, size)
    pmem.pmem_unmap(p, size)
    print(f'MAP_SYNC {map_sync(fd, size)}; pmem_map_file: is_pmem {is_pmem.value}; pmem_is_pmem: {says};',
          f'{size >> 20} MiB stored and', 'persisted' if is_pmem else 'msynced')
    # the size of a file is what it is
    if pmem.pmem_map_file(path, size * 2, 1, 0o600, None, None):
        sys.exit('pmem_map_file has made the file longer')
    print('pmem_map_file with PMEM_FILE_CREATE and twice the size:', pmem.pmem_errormsg().decode())


def spoil():
    """With $SPOIL, change a byte, so that the check has something to find."""
    if os.environ.get('SPOIL'):
        fd = os.open(path, os.O_RDWR)
        byte = os.pread(fd, 1, 5000)
        os.pwrite(fd, bytes([byte[0] ^ 1]), 5000)


def pool(function):
    obj = ctypes.CDLL('libpmemobj.so.1')
    obj.pmemobj_create.restype = obj.pmemobj_open.restype = c_void_p
    obj.pmemobj_create.argtypes = [c_char_p, c_char_p, c_size_t, c_int]
    obj.pmemobj_root.restype = Oid
    obj.pmemobj_root.argtypes = [c_void_p, c_size_t]
    obj.pmemobj_errormsg.restype = c_char_p
    obj.pmemobj_close.argtypes = [c_void_p]
    obj.pmemobj_memcpy_persist.argtypes = [c_void_p, c_void_p, c_void_p, c_size_t]
    obj.pmemobj_alloc.argtypes = [c_void_p, c_void_p, c_size_t, c_uint64, c_void_p, c_void_p]
    if what == 'create':
        p = obj.pmemobj_create(path, b'famfs', 0, 0o644)
    else:
        p = obj.pmemobj_open(path, b'famfs')
    if not p:
        sys.exit(obj.pmemobj_errormsg().decode())
    # the root object: a number of records, and the offset of each in the pool
    root = p + obj.pmemobj_root(p, 8 * (RECORDS + 1)).off
    function(obj, p, (c_uint64 * (RECORDS + 1)).from_address(root))
    obj.pmemobj_close(p)


def record(n):
    return b'%08d' % n * (8 + n % 8)


def add(obj, p, root):
    for n in range(root[0] + 1, root[0] + 1 + RECORDS // 4):
        oid = Oid()
        if obj.pmemobj_alloc(p, byref(oid), len(record(n)), 1, None, None):
            sys.exit(obj.pmemobj_errormsg().decode())
        obj.pmemobj_memcpy_persist(p, p + oid.off, record(n), len(record(n)))
        root[n] = oid.off
        obj.pmemobj_memcpy_persist(p, ctypes.addressof(root), byref(c_uint64(n)), 8)
    os.kill(os.getpid(), signal.SIGKILL)


def check(obj, p, root):
    if not root[0] or root[0] % (RECORDS // 4):
        sys.exit(f'{root[0]} records')
    for n in range(1, root[0] + 1):
        if ctypes.string_at(p + root[n], len(record(n))) != record(n):
            sys.exit(f'record {n} is not what was stored')
    print(f'{root[0]} objects of processes that were killed, all as stored')


if what == 'map':
    map_file()
else:
    pool({'create': lambda *args: print('an object pool in a file that was there'),
          'add': add, 'check': check}[what])
