#!/bin/sh
# Other people's programs, from Debian, on famfs. Prints KTAP: a line for each check, and
# before it what was done and what was asked of the server meanwhile.
#
#   apps.sh [-x] [PROGRAM]...	fio, stress-ng, lmdb, sqlite, git, pmdk; by default all;
#				trace, for trace-cmd and perf, if the kernel has events
#
# With -x a byte is changed between writing and checking, and every check that this
# should make fail has to.
# The programs are in /apps, a root directory of their own. The server makes no files:
# what a program needs is made in memory first and then copied into a file that is
# there, as long as it has to be.
. /tests/dax.sh
root=/apps dir=/mnt/famfs
spoil=
[ "${1:-}" != -x ] || { spoil=1; shift; }
number=0 status=0
result() { # STATUS NAME
	number=$((number + 1))
	sed 's/^/# /' /tmp/said
	: > /tmp/said
	[ "$1" = 0 ] && { echo "ok $number $2"; return; }
	tail -n 30 /tmp/out | sed 's/^/#   /'
	echo "not ok $number $2"
	status=1
}
say() { echo "$*" >> /tmp/said; }
run() { # COMMAND...: in /apps
	chroot $root /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 \
		GIT_CONFIG_NOSYSTEM=1 ${spoil:+SPOIL=1} "$@"
}

# The requests to the server since "forget", by name. All that a program may cause are
# those of names, attributes, opens and locks: none reads, writes or extends.
names='- LOOKUP FORGET GETATTR SETATTR READLINK SYMLINK - MKNOD MKDIR UNLINK RMDIR RENAME LINK OPEN
READ WRITE STATFS RELEASE - FSYNC SETXATTR GETXATTR LISTXATTR REMOVEXATTR FLUSH INIT OPENDIR
READDIR RELEASEDIR FSYNCDIR GETLK SETLK SETLKW ACCESS CREATE INTERRUPT BMAP DESTROY IOCTL POLL
NOTIFY_REPLY BATCH_FORGET FALLOCATE READDIRPLUS RENAME2 LSEEK COPY_FILE_RANGE SETUPMAPPING
REMOVEMAPPING SYNCFS TMPFILE STATX - GET_FMAP GET_DAXDEV'
counters() { od -A n -v -t u8 -w8 /tmp/stats; }
forget() { counters > /tmp/before; }
requests() {
	counters | paste /tmp/before - | awk -v names="$names" 'BEGIN { split(names, name) }
		$2 != $1 { printf " %s %d", name[NR], $2 - $1 }'
}
asked() { # fails if a request was one for data
	local r
	r=$(requests)
	say "requests:${r:- none}"
	case "$r " in
	*' READ '* | *' WRITE '* | *' FSYNC '* | *' FALLOCATE '* | *' LSEEK '* | *' COPY_FILE_RANGE '* | *' POLL '* | *' IOCTL '*)
		echo "requests for data: $r" >> /tmp/out
		return 1 ;;
	esac
}

# A check passes if the command does and the server has been asked for no data; with
# -x only those that compare content are of interest.
works() { # NAME COMMAND...
	local name=$1 ret
	shift
	forget
	"$@" > /tmp/out 2>&1
	ret=$?
	asked || ret=1
	result $ret "$name"
}
compares() { # NAME COMMAND...
	if [ -z "$spoil" ]; then
		works "$@"
		return
	fi
	local name=$1
	shift
	! "$@" > /tmp/out 2>&1
	result $? "$name: finds the byte that was changed"
}
refused() { # NAME MESSAGE COMMAND...: fails, and says so
	local name=$1 message=$2 ret
	shift 2
	forget
	! "$@" > /tmp/out 2>&1 && grep -qF -- "$message" /tmp/out
	ret=$?
	[ $ret != 0 ] || say "$(grep -F -- "$message" /tmp/out | head -n 1)"
	asked || ret=1
	result $ret "$name is refused"
}
change() { # FILE OFFSET
	local byte
	[ -n "$spoil" ] || return 0
	byte=$(od -A n -t u1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}
# Into a file that is there. Opening it as the shell does for > would truncate it.
put() { dd if="$1" of="$2" bs=64k conv=notrunc 2> /dev/null; }
sum() { sha256sum < "$1" | cut -c 1-16; } # through read(2)

# ---- the files of all programs
next=0
file() { # NAME BYTES: aligned to 2 MiB if it is as long, so that it can be mapped so
	local align=4096
	[ "$2" -lt 2097152 ] || align=2097152
	next=$(((next + align - 1) / align * align))
	echo "file $1 644 $2 simple 0:$next:$((($2 + 4095) / 4096 * 4096))"
	next=$((next + ($2 + 4095) / 4096 * 4096))
}
tree() { # DIR NAME: a directory and all that is below it
	(cd "$1" && find . -type d | sort | sed "s,^\.,dir $2," | sed 's/$/ 755/')
	for f in $(cd "$1" && find . -type f | sed 's,^\./,,' | sort); do
		file "$2/$f" "$(stat -c %s "$1/$f")"
	done
}
strips() { # NAME: 16 MiB, interleaved two ways
	next=$(((next + 2097151) / 2097152 * 2097152))
	echo "file $1 644 16M interleave 2M 16M 0:$next:8M 0:$((next + 8388608)):8M"
	next=$((next + 16777216))
}
make_repository() {
	mkdir -p /tmp/git
	awk 'BEGIN {
		for (i = 1; i <= 40; i++) {
			print "commit refs/heads/main\ncommitter a <a@b> " 1700000000 + i " +0000\ndata 8\ncommit", i % 10
			for (f = 0; f < 3; f++) {
				text = ""
				for (l = 0; l < 20 + i * f; l++)
					text = text "file " f " line " l " of commit " i * l "\n"
				print "M 644 inline dir" f "/file" i % 7 "\ndata " length(text) "\n" text
			}
		}
	}' > /tmp/git/stream
	run git init -q --bare --template= -b main /tmp/git/repo &&
		run sh -c 'cd /tmp/git/repo && git fast-import --quiet < /tmp/git/stream &&
			git repack -q -a -d && git pack-refs --all && git update-server-info'
}
make_database() {
	mkdir -p /tmp/sqlite
	run sqlite3 /tmp/sqlite/db "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
			INSERT INTO t SELECT i, 'name ' || (i * 7919 % 3001), zeroblob(i % 400) FROM n;
		CREATE INDEX by_name ON t(name); ANALYZE;"
}
make_lmdb() {
	mkdir -p /tmp/lmdb
	printf 'VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=8388608\nHEADER=END\nDATA=END\n' > /tmp/lmdb/dump
	run mdb_load -n -f /tmp/lmdb/dump /tmp/lmdb/seed
}
layout() {
	echo "dev 0 /dev/$dev"
	printf 'dir %s 755\n' fio stress lmdb sqlite pmdk trace
	file fio/simple 16777216
	strips fio/strips
	file fio/buffers 4194304
	for s in $stressors; do file stress/$s 16777216; done
	for f in turns kill full empty writemap; do
		file lmdb/$f 8388608
		# for the lock that LMDB has beside a database
		file lmdb/$f-lock 65536
	done
	file sqlite/db "$(stat -c %s /tmp/sqlite/db)"
	# with room to grow into
	file sqlite/room $((2 * $(stat -c %s /tmp/sqlite/db)))
	file pmdk/map 8388608
	file pmdk/pool 33554432
	file pmdk/created 33554432
	file trace/one 4194304
	file trace/two 4194304
	tree /tmp/git/repo repo
}

# ---- fio: what one engine writes, all of them find
fio() { # OPTION...: of a job
	run fio --minimal --name=job --thread --bs=16k --size=16M --verify=crc32c --verify_fatal=1 --fallocate=none \
		--unlink=0 --create_on_open=1 --allow_file_create=0 --randseed=1 "$@"
}
fio_engine() { # ENGINE [OPTION...]
	local engine=$1
	shift
	fio --filename=$dir/fio/$file --ioengine="$engine" "$@"
}
fio_write() { # ENGINE OPTIONS: into a file of zeroes, since an older run would pass, too
	dd if=/dev/zero of=$dir/fio/$file bs=1M count=16 conv=notrunc 2> /dev/null &&
		fio_engine "$1" --rw=randwrite --do_verify=0 --verify_state_save=0 $2 &&
		change $dir/fio/$file 5000000
}
fio_read() { fio_engine "$1" --rw=read; }
# as many requests for four times the work
fio_requests() { # ENGINE
	local once
	# the first open of a file is dearer
	: < $dir/fio/$file
	forget
	fio_engine "$1" --verify=0 --rw=randrw --norandommap --io_size=8M || return 1
	once=$(requests)
	forget
	fio_engine "$1" --verify=0 --rw=randrw --norandommap --io_size=32M || return 1
	say "8 MiB:$once; 32 MiB:$(requests)"
	# a RELEASE can come after the next "forget"
	[ "$(requests | sed 's/ RELEASE.*//')" = "${once% RELEASE*}" ]
}
# io_uring registers the buffers that fio has, here in a mapping of a famfs file
fio_buffers() { # OPTION...
	fio --filename=/tmp/fio --allow_file_create=1 --ioengine=io_uring --iodepth=4 \
		--rw=write --size=1M --mem=mmapshared:$dir/fio/buffers "$@"
}
test_fio() {
	local file engine from options
	for file in simple strips; do
		for from in psync mmap io_uring; do
			options=
			[ $from != io_uring ] || options='--iodepth=8 --direct=1 --fixedbufs=1 --registerfiles=1'
			[ -n "$spoil" ] || works "fio: $from writes $file" fio_write $from "$options"
			[ -z "$spoil" ] || fio_write $from "$options" > /tmp/out 2>&1
			for engine in mmap psync io_uring; do
				compares "fio: $engine finds what $from has written to $file" fio_read $engine
			done
		done
	done
	[ -z "$spoil" ] || return
	for engine in mmap psync io_uring; do
		works "fio: $engine asks nothing of the server for more" fio_requests $engine
	done
	works "fio: io_uring with buffers in a famfs file" fio_buffers
	works "fio: io_uring with registered buffers in a famfs file" fio_buffers --fixedbufs=1
	refused "fio: a file longer than it is" "" fio_engine psync --rw=write --size=32M
}

# ---- stress-ng makes files of its own, which the server does not
# (Not madvise, which injects memory failures into memory of its own and dies of that.)
stressors='fault msync mmap seek fiemap'
stress_options() { # STRESSOR
	case $1 in
	msync) echo --msync-bytes 4M ;;
	mmap) echo --mmap-file --mmap-bytes 4M ;;
	seek) echo --seek-size 4M ;;
	esac
}
stress() { # STRESSOR
	# shellcheck disable=SC2046
	run FIXED_FILE=$dir/stress/$1 LD_PRELOAD=/tests/fixed.so \
		stress-ng --$1 1 $(stress_options $1) -t 5 --verify --temp-path /tmp/stress --metrics-brief || return 1
	# it has used this file
	case $(requests) in *' OPEN '*) ;; *) return 1 ;; esac
	say "$(awk -v s="$1" '$4 == s && $5 ~ /^[0-9]+$/ { print $5 " operations in " $6 " s"; exit }' /tmp/out)"
}
stress_alone() { # its status is 0 all the same
	run stress-ng --fault 1 -t 1 --temp-path $dir/stress
	! grep -q 'mkdir .* failed' /tmp/out
}
test_stress_ng() {
	local s
	[ -z "$spoil" ] || return
	mkdir -p /tmp/stress
	refused "stress-ng: files of its own" "mkdir" stress_alone
	for s in $stressors; do
		works "stress-ng: $s, with a file that is there" stress $s
		works "stress-ng: the size of the file after $s" [ "$(stat -c %s $dir/stress/$s)" = 16777216 ]
	done
}

# ---- LMDB
lmdb_do() { # WHAT FILE [writemap]
	run ${preload:+FIXED_FILE= LD_PRELOAD=$preload} python3 /tests/apps_lmdb.py "$1" $dir/lmdb/"$2" $3 &&
		cat /tmp/out >> /tmp/said
}
lmdb_dump() { # FILE: the records, without the header
	run mdb_dump -n "$1" > /tmp/lmdb/dumped && sed '1,/^HEADER=END/d' /tmp/lmdb/dumped
}
lmdb_same() { # FILE: LMDB finds in the file what it finds in a copy of it, made by read(2)
	cp $dir/lmdb/"$1" /tmp/lmdb/copy
	# pages that are not in use, too
	for page in $(seq 2 40); do change $dir/lmdb/"$1" $((page * 4096 + 4000)); done
	lmdb_dump $dir/lmdb/"$1" > /tmp/lmdb/mapped && lmdb_dump /tmp/lmdb/copy > /tmp/lmdb/read || return 1
	say "$(run mdb_stat -n $dir/lmdb/"$1" | sed -n 's/^ *Entries: //p') entries, sha256 $(sum /tmp/lmdb/mapped)"
	cmp /tmp/lmdb/mapped /tmp/lmdb/read
}
test_lmdb() {
	local f preload=
	for f in turns kill full writemap; do put /tmp/lmdb/seed $dir/lmdb/$f; done
	if [ -z "$spoil" ]; then
		refused "lmdb: a file without a database in it" "MDB_INVALID" lmdb_do turns empty
		refused "lmdb: MDB_WRITEMAP, which sets the size of the file to what it is" "Operation not permitted" \
			lmdb_do turns writemap writemap
		for f in turns kill full; do works "lmdb: $f" lmdb_do $f $f; done
		preload=/tests/fixed.so
		works "lmdb: MDB_WRITEMAP, without setting the size" lmdb_do turns writemap writemap
		works "lmdb: kill with MDB_WRITEMAP, without setting the size" lmdb_do kill writemap writemap
	else
		lmdb_do turns turns > /tmp/out 2>&1
	fi
	compares "lmdb: mdb_dump of the file and of a copy" lmdb_same turns
	[ -n "$spoil" ] || for f in kill full writemap; do
		works "lmdb: mdb_dump of the file and of a copy, after $f" lmdb_same $f
	done
}

# ---- SQLite
queries="PRAGMA integrity_check; SELECT count(*), sum(id), sum(length(data)) FROM t;
	SELECT id FROM t WHERE name = 'name 1234'; SELECT max(name), min(name) FROM t;"
sqlite() { # URI COMMANDS...
	local uri=$1
	shift
	run sqlite3 "file:$uri" "$@"
}
sqlite_reads() { # OPTIONS MMAP-SIZE
	sqlite /tmp/sqlite/db "$queries" .sha3sum > /tmp/sqlite/want || return 1
	sqlite "$dir/sqlite/db?$1" "PRAGMA mmap_size=$2; $queries" .sha3sum > /tmp/sqlite/have || return 1
	cat /tmp/sqlite/have
	say "$(tr '\n' ' ' < /tmp/sqlite/have)"
	[ "$(head -n 1 /tmp/sqlite/have)" = "$2" ] && sed 1d /tmp/sqlite/have | cmp - /tmp/sqlite/want
}
sqlite_update() {
	sqlite "$dir/sqlite/room" "PRAGMA journal_mode=memory; UPDATE t SET name = 'renamed' WHERE id <= 100;
		PRAGMA integrity_check; SELECT count(*) FROM t WHERE name = 'renamed';" > /tmp/sqlite/have || return 1
	say "$(tr '\n' ' ' < /tmp/sqlite/have)"
	[ "$(tail -n 1 /tmp/sqlite/have)" = 100 ] && grep -qx ok /tmp/sqlite/have
}
sqlite_intact() {
	[ "$(sqlite "$dir/sqlite/room?mode=ro" 'PRAGMA integrity_check; SELECT count(*) FROM t;' | tr '\n' ' ')" = "ok 3000 " ]
}
test_sqlite() {
	put /tmp/sqlite/db $dir/sqlite/db
	put /tmp/sqlite/db $dir/sqlite/room
	change $dir/sqlite/db $(($(stat -c %s $dir/sqlite/db) / 3))
	compares "sqlite: reads, mode=ro&immutable=1" sqlite_reads 'mode=ro&immutable=1' 0
	compares "sqlite: reads, mode=ro&immutable=1, mmap_size set" sqlite_reads 'mode=ro&immutable=1' 67108864
	compares "sqlite: reads, mode=ro" sqlite_reads mode=ro 67108864
	compares "sqlite: the file is as it was" cmp $dir/sqlite/db /tmp/sqlite/db
	[ -z "$spoil" ] || return
	refused "sqlite: a write with a journal in a file" "unable to open database file" \
		sqlite $dir/sqlite/room "UPDATE t SET name = 'renamed' WHERE id <= 100;"
	works "sqlite: a write with the journal in memory" sqlite_update
	refused "sqlite: growing beyond the end" "disk is full" sqlite $dir/sqlite/room \
		"PRAGMA journal_mode=memory; INSERT INTO t(data) WITH RECURSIVE n(i) AS
		(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT randomblob(4000) FROM n;"
	works "sqlite: the database after that" sqlite_intact
}

# ---- git
git() { run git -c safe.directory='*' -c gc.auto=0 "$@"; }
git_fsck() {
	git --git-dir=$dir/repo fsck --full --strict --no-dangling || return 1
	say "$(git --git-dir=$dir/repo count-objects -v | tr '\n' ' ')"
}
git_log() {
	git --git-dir=/tmp/git/repo log --stat main > /tmp/git/want &&
		git --git-dir=$dir/repo log --stat main > /tmp/git/have || return 1
	say "$(grep -c '^commit ' /tmp/git/have) commits"
	cmp /tmp/git/have /tmp/git/want
}
git_clone() {
	rm -rf /tmp/git/clone
	git clone -q $1 $dir/repo /tmp/git/clone && git -C /tmp/git/clone fsck --full --strict &&
		git -C /tmp/git/clone diff --stat --exit-code HEAD || return 1
	say "$(git -C /tmp/git/clone ls-files | wc -l) files"
}
test_git() {
	local f pack
	for f in $(cd /tmp/git/repo && find . -type f); do put /tmp/git/repo/$f $dir/repo/$f; done
	pack=$(ls $dir/repo/objects/pack/*.pack)
	change "$pack" 3000
	compares "git: fsck of a bare repository" git_fsck
	[ -n "$spoil" ] || works "git: log --stat, as of the original" git_log
	compares "git: clone" git_clone --no-local
	compares "git: the pack is as it was" cmp "$pack" /tmp/git/repo/objects/pack/"${pack##*/}"
	[ -z "$spoil" ] || return
	refused "git: a new tag" "cannot lock ref" git --git-dir=$dir/repo tag new main
}

# ---- PMDK
pmem() { run python3 /tests/apps_pmem.py "$@" && cat /tmp/out >> /tmp/said; }
pmem_add() { pmem add $dir/pmdk/pool; [ $? = 137 ]; }
pool_check() {
	run pmempool check -v $dir/pmdk/pool && say "$(tail -n 1 /tmp/out)"
	grep -q ': consistent' /tmp/out
}
test_pmdk() {
	compares "pmdk: pmem_map_file, pmem_persist" pmem map $dir/pmdk/map
	works "pmdk: pmempool create, in a file that is there" \
		run pmempool create obj --layout=famfs $dir/pmdk/created
	works "pmdk: pmemobj_create with size 0" pmem create $dir/pmdk/pool
	works "pmdk: objects of a process that is killed" pmem_add
	works "pmdk: objects of another one" pmem_add
	# in the checksum of the header
	change $dir/pmdk/pool 4090
	compares "pmdk: pmempool check" pool_check
	compares "pmdk: the objects" pmem check $dir/pmdk/pool
}

# ---- trace-cmd and perf, with the events by name
trace_list() { # COMMAND...: prints all events
	local n
	n=$(find /sys/kernel/tracing/events/famfs -mindepth 1 -type d | wc -l)
	"$@" | grep -o 'famfs:famfs_[a-z_]*' | sort -u > /tmp/events
	say "$n events: $(tr '\n' ' ' < /tmp/events)"
	[ "$n" -gt 0 ] && [ "$(wc -l < /tmp/events)" = "$n" ]
}
trace_found() { # FILE: what was recorded
	grep -E 'famfs_|GET_FMAP' "$1" > /tmp/events
	say "$(head -n 4 /tmp/events)"
	grep -q 'famfs_map_attach: .* size 4194304 even' "$1" &&
		grep -q 'fuse_request_send: .*GET_FMAP' "$1"
}
trace_cmd() {
	run trace-cmd record -q -e famfs -e fuse:fuse_request_send -o /tmp/trace.dat \
		dd if=$dir/trace/one of=/dev/null bs=1M &&
		run trace-cmd report -i /tmp/trace.dat > /tmp/trace.txt && trace_found /tmp/trace.txt
}
trace_perf() {
	run perf record -q -a -e 'famfs:*' -e fuse:fuse_request_send -o /tmp/perf.data \
		dd if=$dir/trace/two of=/dev/null bs=1M &&
		run perf script -i /tmp/perf.data > /tmp/trace.txt && trace_found /tmp/trace.txt
}
test_trace() {
	works "trace-cmd: lists the events" trace_list run trace-cmd list -e famfs:
	works "perf: lists the events" trace_list run perf list tracepoint
	works "trace-cmd: records them" trace_cmd
	works "perf: records them" trace_perf
}

# ---- the system
dev=$(ls $DAX/devices | head -n 1)
dax_set_mode "$dev" famfs || { echo "not ok 1 $dev: famfs mode"; exit 1; }
mkdir -p $dir $root$dir $root/tests
for d in dev proc sys tmp; do
	mkdir -p $root/$d
	mount --rbind /$d $root/$d
done
: > /tmp/said
: > /tmp/out
{ make_repository && make_database && make_lmdb; } > /tmp/out 2>&1 ||
	{ result 1 "making what the files are to contain"; exit 1; }
layout > /tmp/layout || exit 1
serve $dir fio || { echo "not ok 1 mount"; exit 1; }
mount --bind $dir $root$dir
echo "# Linux $(uname -r); $(($(grep -c ^file /tmp/layout))) files, $((next >> 20)) MiB"

[ $# != 0 ] || set -- fio stress-ng lmdb sqlite git pmdk
for program; do
	start=$(cut -d. -f1 /proc/uptime)
	test_"$(echo "$program" | tr - _)"
	echo "# $program took $(($(cut -d. -f1 /proc/uptime) - start)) s"
done
umount $root$dir
works "unmount" umount $dir
echo "1..$number"
exit $status
