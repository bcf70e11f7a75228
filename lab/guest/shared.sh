#!/bin/sh
# One host of "make demo-shared": two guests that have the same memory as dax0.0.
#
#   shared.sh 1		creates and writes files, reads the log of host 2
#   shared.sh 2		reads them, writes its log, unbinds, ends in the middle of writing
#   shared.sh 2 again	what host 2 does when it is back
#
# The hosts tell each other everything through three logs in the memory. "files"
# is a log of lines for the server's layout and says which files there are.
. /tests/dax.sh
dev=dax0.0
host=$1
mnt=/mnt/famfs
files=$mnt/files mine=$mnt/log$host theirs=$mnt/log$((3 - host))
# seconds in which the other host gets around to anything; without a sign for so
# long, it is taken for dead
patience=120 silence=10

check() { # TEXT COMMAND...
	text=$1
	shift
	if "$@"; then
		echo "ok: $text"
	else
		echo "FAIL: $text"
		exit 1
	fi
}
saw() { echo "saw: $*"; } # for the summary

# What the hosts have to know beforehand: where the logs are.
first_layout() {
	cat <<-END
	dev 0 /dev/$dev
	file files 644 2M simple 0:0:2M
	file log1 644 2M simple 0:2M:2M
	file log2 644 512M simple 0:4M:512M
	END
}

start_server() {
	dax_set_mode $dev famfs || return
	first_layout > /tmp/layout
	serve $mnt files
}

stop_server() {
	kill $server
	wait $server 2> /dev/null
	umount $mnt 2> /dev/null
	[ "$(dax_mode $dev)" != famfs ] || dax_disable $dev
}

# The server reads the layout again before it answers the next request.
read_files() {
	{ first_layout; shared print $files; } > /tmp/layout.new &&
		mv /tmp/layout.new /tmp/layout && kill -HUP $server
}

create() { # LINE of the layout
	shared append $files "$1" && read_files
}

write() { # NAME SEED; tells the other host
	sum=$(shared fill $mnt/$1 $2) && shared append $mine "$1 $sum" || return
	written="$written $1=$sum"
}

as_written() { # every file that has been written has its sum
	for f in $written; do
		[ "$(shared sum $mnt/${f%=*})" = "${f#*=}" ] || return 1
	done
}

# The first COUNT records of their log are "NAME SUM".
hear() { # COUNT
	written=
	for n in $(seq 0 $(($1 - 1))); do
		record=$(shared get $theirs $n $patience) || return
		written="$written ${record% *}=${record#* }"
	done
	read_files
}

bytes() { # of the files in $written
	for f in $written; do stat -c %s $mnt/${f%=*}; done | awk '{ n += $1 } END { print n }'
}

until_back() { # RECORD: reads the files until their log has it
	rounds=0
	until shared get $theirs "$1" 0 > /dev/null; do
		as_written || return 1
		rounds=$((rounds + 1))
	done
}

unbind_in_use() {
	mkfifo /tmp/go
	shared hold $mnt/d/plain /tmp/go > /tmp/hold &
	holder=$!
	until grep -qs mapped /tmp/hold; do sleep 0.1; done
	dax_disable $dev || return
	echo > /tmp/go
	wait $holder
	grep -q '^SIGBUS, EIO$' /tmp/hold
}

host_1() {
	check "mounts" start_server
	check "creates a directory and three files" eval '
		create "dir d 755" &&
		create "file d/plain 644 16M simple 0:576M:16M" &&
		create "file d/small 644 5000 simple 0:600M:8K" &&
		create "file d/interleaved 644 24M interleave 2M 24M 0:608M:6M 0:624M:6M 0:640M:6M 0:656M:6M"'
	check "writes them through mappings, msync" eval 'write d/plain 1 && write d/small 2 && write d/interleaved 3'
	check "reads the log of host 2 while that is written" eval 'end=$(shared follow $theirs 0 unbinding $patience)'
	check "has read all of it" [ "$end" = 5001 ]
	saw "$end records of host 2 as they came, each complete when its flag was there"
	check "reads its files while host 2 unbinds and returns" until_back "$end"
	check "has read them at least once" [ "$rounds" -gt 0 ]
	saw "its files unchanged, $rounds times, while host 2 unbound and returned"
	from=$end
	end=$(shared follow $theirs $from '-' $silence)
	check "reads records until host 2 is silent" [ "$end" -gt $((from + 1)) ]
	saw "$end records, all complete, and then nothing for $silence s"
	shared append $mine "$end"
	check "creates and writes another file" eval '
		create "file d/later 644 4M simple 0:672M:4M" && write d/later 4'
	from=$end
	check "reads the log of host 2, which is back" eval 'end=$(shared follow $theirs $from end $patience)'
	check "its own files are as written" as_written
	saw "$((end - from)) more records of host 2"
}

host_2() {
	check "mounts" start_server
	check "hears of three files" hear 3
	check "reads through mappings what host 1 has written" as_written
	saw "three files of host 1, $(bytes) bytes, as written"
	check "writes 5000 records to its log, msync for each" shared stream $mine 5000
	check "says that it unbinds" shared append $mine unbinding
	check "unbinds the device in use" unbind_in_use
	saw "SIGBUS in its mapping and EIO from read(2) after it had unbound the device"
	stop_server
	check "binds and mounts again, reads the files" eval 'start_server && hear 3 && as_written'
	check "says that it has returned" shared append $mine back
	echo "writes to its log until it is killed"
	shared stream $mine 0
	check "is killed before its log is full" false
}

host_2_again() {
	check "mounts" start_server
	end=$(shared get $theirs 3 $patience)
	check "counts the records in its log" [ "$(shared print $mine | wc -l)" = "$end" ]
	check "hears of the file that was written in its absence" eval 'last=$(shared get $theirs 4 $patience)'
	check "hears of the other files" hear 3
	written="$written ${last% *}=${last#* }"
	check "reads all of them" as_written
	saw "its log as it was, $end records, and four files of host 1, $(bytes) bytes, as written"
	check "goes on with its log" eval 'shared stream $mine 100 && shared append $mine end'
}

host_$host${2:+_$2}
stop_server
