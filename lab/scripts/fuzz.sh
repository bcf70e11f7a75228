#!/bin/sh
# Fuzzes fs/fuse/famfs_map.c in user space.
#
#   fuzz.sh SECONDS [RUNS]
#
# Stops after SECONDS, or RUNS executions. Prints the number of executions and
# returns 1 if one failed; its input is build/BASE/fuzz/crash-* then, and
# "build/BASE/fuzz/famfs_map_fuzz FILE" repeats it. What was learned stays in
# build/BASE/fuzz/corpus for the next time. LINUX is the kernel tree, WORKERS the
# number of processes, PAGE_SHIFT the size of a page.
set -eu
. lab/scripts/base.sh
linux=${LINUX:-$linux}
out=$build/fuzz
seconds=$1 runs=${2:--1}

# install PACKAGE: what is missing
install() {
	if [ "$(id -u)" != 0 ]; then
		echo "fuzz.sh: apt-get install $1" >&2
		exit 1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" > /dev/null
}

# cc OPTIONS: compiles as much like the kernel as clang can do it
cc() {
	clang -g -O2 -std=gnu11 -Wall -Wno-c2x-extensions \
		-fsanitize=address,undefined -fno-sanitize-recover=all \
		-DPAGE_SHIFT="${PAGE_SHIFT:-12}" -Ilab/fuzz/include \
		-I"$linux/fs/fuse" -I"$linux/tools/include" \
		-idirafter "$linux/include" "$@"
}

command -v clang > /dev/null || install clang
[ -e "$(clang --print-file-name="libclang_rt.fuzzer-$(uname -m).a")" ] ||
	install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"

# Only the code under test guides the fuzzer. Tracing its comparisons would take
# half of the time, and the mutator knows the values that matter.
mkdir -p "$out"
cc -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp \
	-c "$linux/fs/fuse/famfs_map.c" -o "$out/famfs_map.o"
for f in fuzz mutate; do
	cc -c lab/fuzz/famfs_map_$f.c -o "$out/$f.o"
done
cc -fsanitize=fuzzer "$out/famfs_map.o" "$out/fuzz.o" "$out/mutate.o" \
	-o "$out/famfs_map_fuzz"
cc lab/fuzz/famfs_map_seeds.c -o "$out/famfs_map_seeds"

rm -rf "$out/seeds"
mkdir -p "$out/seeds" "$out/corpus"
"$out/famfs_map_seeds" "$out/seeds"
status=0
"$out/famfs_map_fuzz" -fork="${WORKERS:-2}" -max_total_time="$seconds" \
	-runs="$runs" -max_len=2097152 -len_control=100 \
	-artifact_prefix="$out/" "$out/corpus" lab/fuzz/corpus "$out/seeds" \
	2> "$out/log" || status=$?
if [ $status != 0 ]; then
	grep -v '^#' "$out/log" | tail -n 60 >&2
	status=1
fi
sed -n 's/^#\([0-9]*\): .*/\1/p' "$out/log" | tail -n 1 |
	sed 's/$/ executions/'
exit $status
