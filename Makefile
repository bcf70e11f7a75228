# famfs for Linux: the kernel series, its build and its tests. See README.md.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

PROFILE ?= plain
CMD ?=
T ?=
SHARE ?=
DEBUG ?=
KVM ?=
SECONDS ?= 60
LOOP ?= open
NOOPEN ?=
# The shell gets these through the environment, whatever is in them.
export KERNEL_SRC := $(value KERNEL_SRC)
export FAMFS_CMD := $(value CMD)
export FAMFS_T := $(value T)
export FAMFS_SHARE := $(value SHARE)
export BASE DEBUG ALL KVM FLAVOUR FOLIO
export FAMFS_CONFIG := $(value CONFIG)
export SIGNOFF := $(value SIGNOFF)

help:
	@echo 'make run [CMD=...]          build, boot in QEMU, mount famfs, show it'
	@echo 'make test [T=pattern]       build the debug kernel, run the tests in it'
	@echo 'make shell [DEBUG=1]        a shell in the guest; with gdb and ftrace'
	@echo 'make demo-shared            two guests share one memory, one is killed and comes back'
	@echo 'make kernel PROFILE=plain|debug|modules|trace|daxctl   build/BASE/PROFILE/bzImage'
	@echo 'make fuzz SECONDS=n         fuzz the map parser in user space'
	@echo 'make soak SECONDS=n         everything at once, for n seconds, in the debug kernel'
	@echo 'make modules                build the drivers and fuse as modules, load them in all orders'
	@echo 'make libfuse                the server in tools/famfs with the libfuse of Debian sid'
	@echo 'make daxctl [ALL=1]         daxctl, ndctl and cxl of Debian sid on the devices'
	@echo 'make apps                   fio, stress-ng, LMDB, SQLite, git and PMDK of Debian 12 on famfs'
	@echo 'make trace                  trace-cmd and perf of Debian 12 on the trace events'
	@echo 'make registered             RDMA and VFIO devices that keep memory of files'
	@echo 'make peers                  ext4 and xfs with DAX: what the series must not break'
	@echo 'make bench                  instructions per operation, beside other file systems'
	@echo 'make bench-long             a file of nearly a TiB, in half a million extents'
	@echo 'make bench-fio              fio on famfs and its peers, by the wall clock'
	@echo 'make profile LOOP=open|pread|pwrite|refault|fault|giant|unmap|unmount|bind|unbind'
	@echo '             [NOOPEN=1] [FOLIO=bytes]'
	@echo '                            instructions of that by function'
	@echo 'make lookup                 cost of a look-up in a map, beside a red-black tree'
	@echo 'make gate                   fails if that is more than 3 % above lab/bench/BASE.csv'
	@echo 'make check                  W=1, sparse and checkpatch on the series'
	@echo 'make builds                 other configurations, compilers, arm64'
	@echo 'make selftest               tests of the scripts'
	@echo 'make release                what takes too long for each submission'
	@echo 'make bisect                 every commit builds, with the options on and off'
	@echo 'make topics                 every topic applies and builds on nothing but what it needs'
	@echo "make series [SIGNOFF='Name <address>']   the series as mails, in build/series/BASE/TOPIC/"
	@echo 'make apply KERNEL_SRC=path  apply it to a kernel tree of your own'
	@echo 'make refresh                commits in build/BASE/linux -> series/ and files'
	@echo 'make deb [FLAVOUR=cloud-amd64] [CONFIG=path]   linux-image and linux-headers packages, in build/BASE/deb/'
	@echo "                            with Debian's configuration of that flavour (amd64), or with another one"
	@echo 'make run-deb                boot the kernel of these packages with its modules, show famfs'
	@echo 'make clean                  remove build/ but for the downloaded source'
	@echo
	@echo 'run and shell take SHARE=dir, a directory of the host that is /mnt/share in the guest.'
	@echo 'Guests run on KVM with KVM=1, and are emulated otherwise.'
	@echo 'Every target takes BASE=7.3 (default) or BASE=7.0, the Linux that the series goes on.'

run:
	@lab/scripts/build.sh plain
	@lab/scripts/run.sh "$$FAMFS_CMD"

test:
	@lab/scripts/tests.sh "$$FAMFS_T"
	@lab/scripts/build.sh debug
	@lab/scripts/tests.sh -b "$$FAMFS_T"
	@lab/scripts/test.sh "$$FAMFS_T"

shell:
	@lab/scripts/build.sh $(if $(DEBUG),trace,plain)
	@lab/scripts/shell.sh

soak:
	@lab/scripts/build.sh debug
	@FAMFS_SOAK_SECONDS='$(SECONDS)' lab/scripts/test.sh 'soak_test'

kernel:
	@lab/scripts/build.sh $(PROFILE)

fuzz:
	@lab/scripts/packages.sh git xz-utils clang libclang-rt-14-dev && lab/scripts/source.sh && lab/scripts/series.sh compose
	@lab/scripts/fuzz.sh '$(SECONDS)'

# a script of that name, with the plain kernel or one of that name
demo-shared libfuse apps check:
	@lab/scripts/build.sh plain
	@lab/scripts/$@.sh

registered peers:
	@lab/scripts/build.sh debug
	@lab/scripts/$@.sh

modules daxctl:
	@lab/scripts/build.sh $@
	@lab/scripts/$@.sh

trace:
	@lab/scripts/build.sh trace
	@lab/scripts/apps.sh trace

deb:
	@lab/scripts/deb.sh

run-deb:
	@lab/scripts/run-deb.sh

bench:
	@lab/scripts/build.sh plain
	@lab/scripts/bench.sh all

bench-fio:
	@lab/scripts/build.sh plain
	@lab/scripts/bench.sh fio

bench-long:
	@lab/scripts/build.sh modules
	@lab/scripts/bench.sh long

profile:
	@lab/scripts/build.sh plain
	@lab/scripts/profile.sh '$(LOOP)' $(if $(NOOPEN),-n)

lookup:
	@lab/scripts/packages.sh git xz-utils && lab/scripts/source.sh && lab/scripts/series.sh compose
	@lab/scripts/lookup.sh

gate:
	@lab/scripts/build.sh plain
	@lab/scripts/bench.sh gate

builds:
	@lab/scripts/builds.sh ci

selftest:
	@lab/scripts/packages.sh cpio git
	@lab/scripts/selftest.sh

release:
	@lab/scripts/builds.sh release
	@$(MAKE) daxctl ALL=1
	@$(MAKE) trace
	@$(MAKE) topics
	@$(MAKE) bisect
	@$(MAKE) fuzz SECONDS=1800
	@$(MAKE) soak SECONDS=1800
	@$(MAKE) run BASE=7.0 CMD='sh /tests/demo.sh'
	@for t in kunit '[bdfr]*_test'; do $(MAKE) test BASE=7.0 T="$$t" || exit 1; done

bisect:
	@lab/scripts/build.sh plain
	@lab/scripts/bisect.sh commits

topics:
	@lab/scripts/build.sh plain
	@lab/scripts/bisect.sh topics

series:
	@lab/scripts/packages.sh git xz-utils && KERNEL_SRC= lab/scripts/source.sh
	@lab/scripts/series.sh export

apply:
	@test -n "$$KERNEL_SRC" || { echo 'make apply KERNEL_SRC=/path/to/linux'; exit 2; }
	@lab/scripts/packages.sh git xz-utils && KERNEL_SRC= lab/scripts/source.sh
	@lab/scripts/series.sh apply "$$KERNEL_SRC"

refresh:
	@lab/scripts/series.sh refresh

clean:
	@find build -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + 2>/dev/null || true

.PHONY: help run test shell demo-shared soak kernel fuzz modules libfuse daxctl apps trace registered peers deb run-deb bench bench-fio bench-long profile lookup gate check builds selftest release \
	bisect topics series apply refresh clean
