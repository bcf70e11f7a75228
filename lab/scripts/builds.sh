#!/bin/sh
# Builds the series in other configurations than those that the tests run in,
# with other compilers and for another architecture.
#
#   builds.sh ci|release|NAME...
#
# A warning in a file of the series, new or changed, is a failure. Prints KTAP.
# The log of NAME is in build/BASE/builds/NAME.log.
set -u
. lab/scripts/base.sh
out=$build/builds

# WHEN: ci is also part of release. KERNEL: what small.config is built as.
#   objects	the files of the series only, with W=1
#   all		vmlinux, and the modules, if there are any
#   kunit	an image for arm64, and the KUnit tests in it
# CONFIG is added to small.config.
builds='
WHEN    NAME                   TOOLS  KERNEL  CONFIG
ci      memory-failure-off     gcc    all     MEMORY_FAILURE=n
ci      options-off            gcc    all     MEMORY_FAILURE=n DEV_DAX_FSDEV=n FUSE_FAMFS_DAX=n
ci      fsdev-alone            gcc    all     MEMORY_FAILURE=n FUSE_FAMFS_DAX=n
ci      dax-modules            gcc    all     MEMORY_FAILURE=n DEV_DAX=m DEV_DAX_FSDEV=m
ci      fuse-module            gcc    all     MEMORY_FAILURE=n FUSE_FS=m VIRTIO_FS=m
ci      dax-and-fuse-modules   gcc    all     MEMORY_FAILURE=n DEV_DAX=m DEV_DAX_FSDEV=m FUSE_FS=m VIRTIO_FS=m
ci      clang                  clang  objects X86_MCE=y XFS_FS=y
release clang-vmlinux          clang  all     X86_MCE=y
ci      arm64-4k               arm64  objects ARM64_4K_PAGES=y XFS_FS=y
ci      arm64-64k              arm64  objects ARM64_64K_PAGES=y XFS_FS=y
release kunit-arm64-64k        arm64  kunit   ARM64_64K_PAGES=y
'

tools() { # TOOLS -> $arch, $obj, and the arguments of make in $@ of kmake
	obj=obj-builds-$1
	case $1 in
	gcc) arch=x86 cc=gcc args= ;;
	clang) arch=x86 cc=clang-19 args=LLVM=-19 ;;
	arm64) arch=arm64 cc=aarch64-linux-gnu-gcc
		args='ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-' ;;
	esac
}
# shellcheck disable=SC2086
kmake() { make -s -C $linux O="$obj" $args CC="ccache $cc" HOSTCC='ccache gcc' -j"$(nproc)" "$@"; }

configure() { # FRAGMENT SYMBOL=VALUE...
	cat lab/config/small.config
	[ "$1" != kunit ] || cat lab/config/kunit.config
	shift
	for c; do
		case $c in
		*=n) echo "# CONFIG_${c%=n} is not set" ;;
		*) echo "CONFIG_$c" ;;
		esac
	done
	# what x86 needs for memory failure
	case $arch:$* in
	x86:*MEMORY_FAILURE=n*) ;;
	x86:*) echo CONFIG_X86_MCE=y ;;
	esac
}

objects() { # what the series adds or changes
	git -C $linux diff --name-only base series -- '*.c' ':!tools' ':!*_test.c' |
		awk -v arch="arch/$arch/" '!/^arch\// || index($0, arch) == 1 { sub(/\.c$/, ".o"); print }'
	echo drivers/dax/
	echo fs/fuse/
}

# Lines of the log about a file of the series; about an object of it, or by modpost.
warnings() { # LOG
	git -C $linux diff --name-only base series > $out/changed
	sed 's,\.\./,,g' "$1" | grep -iE '(warning|error): ' | sort -u |
		awk 'NR == FNR { f[$0] = 1; sub(/\.c$/, ".o"); f[$0] = 1; next }
		/modpost/ { print; next }
		{ for (i = 1; i <= NF; i++) { w = $i; sub(/:.*/, "", w); if (w in f) { print; next } } }' \
		$out/changed -
}

kunit() { # LOG
	console=$out/kunit.log
	timeout 120 qemu-system-aarch64 -M virt -cpu max -accel tcg -smp 2 -m 1G -nodefaults \
		-display none -no-reboot -serial "file:$console" \
		-kernel $linux/$obj/arch/arm64/boot/Image \
		-append 'console=ttyAMA0 panic=-1 kunit_shutdown=poweroff' >> "$1" 2>&1
	tr -d '\r' < $console | sed 's/^\[[ 0-9.]*\] //' | grep -E '^ *(# |(not )?ok |KTAP|1\.\.)' > $out/kunit.ktap
	grep -E 'not ok' $out/kunit.ktap
	lab/scripts/problems.sh $console && return 1
	grep '^# Totals: ' $out/kunit.ktap
	grep -q '^ok [0-9]* famfs_map$' $out/kunit.ktap && ! grep -q 'not ok' $out/kunit.ktap
}

build() { # NAME KERNEL CONFIG...
	log=$out/$1.log kernel=$2
	shift 2
	# shellcheck disable=SC2086
	configure $kernel "$@" | lab/scripts/configure.sh $linux $obj - $args CC="ccache $cc" \
		HOSTCC='ccache gcc' > "$log" 2>&1 || { cat "$log"; return 1; }
	case $kernel in
	objects)
		# shellcheck disable=SC2046
		kmake W=1 $(objects) ;;
	all) kmake vmlinux modules ;;
	kunit) kmake Image ;;
	esac > "$log" 2>&1 || {
		lab/scripts/explain.sh "$log"
		return 1
	}
	warnings "$log" | grep . && return 1
	[ $kernel != kunit ] || kunit "$log"
}

wanted() { # WHEN NAME ARGUMENT...
	when=$1 name=$2
	shift 2
	for a; do
		case $a in
		"$when" | "$name" | release) return 0 ;;
		esac
	done
	return 1
}

packages='bc bison ccache clang-19 flex gcc gcc-aarch64-linux-gnu git libc6-dev libelf-dev
	libssl-dev lld-19 llvm-19 make python3 xz-utils'
case " $* " in
*release* | *kunit*) packages="$packages qemu-system-arm" ;;
esac
# shellcheck disable=SC2086
lab/scripts/packages.sh $packages && lab/scripts/source.sh && lab/scripts/series.sh compose || exit 1
mkdir -p $out
number=0 failed=0
while read -r when name tools kernel config; do
	case $when in '' | WHEN) continue ;; esac
	wanted "$when" "$name" "$@" || continue
	number=$((number + 1))
	start=$(date +%s)
	tools "$tools"
	# shellcheck disable=SC2086
	if build "$name" "$kernel" $config > $out/report < /dev/null; then
		echo "ok $number $name # $(($(date +%s) - start)) s"
	else
		sed 's/^/# /' $out/report
		echo "not ok $number $name # $(($(date +%s) - start)) s"
		failed=$((failed + 1))
	fi
done <<EOF
$builds
EOF
echo "1..$number"
[ $number -gt 0 ] || { echo "builds.sh: no such build: $*" >&2; exit 2; }
echo "$((number - failed)) passed, $failed failed"
[ $failed = 0 ]
