# famfs for Linux: the kernel series, its build and its tests. See README.md.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

PROFILE ?= plain
CMD ?=
T ?=
DEBUG ?=
SECONDS ?= 60
# The shell gets these through the environment, whatever is in them.
export KERNEL_SRC := $(value KERNEL_SRC)
export FAMFS_CMD := $(value CMD)
export FAMFS_T := $(value T)
export DEBUG

help:
	@echo 'make run [CMD=...]          build, boot in QEMU, mount famfs, show it'
	@echo 'make test [T=pattern]       build the debug kernel, run the tests in it'
	@echo 'make shell [DEBUG=1]        a shell in the guest; with gdb and ftrace'
	@echo 'make kernel PROFILE=plain|debug|modules|trace   build/PROFILE/bzImage'
	@echo 'make fuzz SECONDS=n         fuzz the map parser in user space'
	@echo 'make soak SECONDS=n         everything at once, for n seconds, in the debug kernel'
	@echo 'make modules                build the drivers and fuse as modules, load them in all orders'
	@echo 'make bench                  instructions per operation, beside other file systems'
	@echo 'make gate                   fails if that is more than 3 % above bench/baseline.csv'
	@echo 'make check                  W=1, sparse and checkpatch on the series'
	@echo 'make builds                 other configurations, compilers, arm64'
	@echo 'make selftest               tests of the scripts'
	@echo 'make release                what takes too long for each submission'
	@echo 'make bisect                 every commit builds, with the options on and off'
	@echo 'make series                 the series as mails, in build/series/'
	@echo 'make apply KERNEL_SRC=path  apply it to a kernel tree of your own'
	@echo 'make refresh                commits in build/linux -> patches/ and files'
	@echo 'make clean                  remove build/ but for the downloaded source'

run:
	@scripts/build.sh plain
	@scripts/run.sh "$$FAMFS_CMD"

test:
	@scripts/tests.sh "$$FAMFS_T"
	@scripts/build.sh debug
	@scripts/tests.sh -b "$$FAMFS_T"
	@scripts/test.sh "$$FAMFS_T"

shell:
	@scripts/build.sh $(if $(DEBUG),trace,plain)
	@scripts/shell.sh

soak:
	@scripts/build.sh debug
	@FAMFS_SOAK_SECONDS='$(SECONDS)' scripts/test.sh 'soak_test'

kernel:
	@scripts/build.sh $(PROFILE)

fuzz:
	@scripts/packages.sh git xz-utils clang libclang-rt-14-dev && scripts/source.sh && scripts/series.sh compose
	@scripts/fuzz.sh '$(SECONDS)'

modules:
	@scripts/build.sh modules
	@scripts/modules.sh

bench:
	@scripts/build.sh plain
	@scripts/bench.sh all

gate:
	@scripts/build.sh plain
	@scripts/bench.sh gate

check:
	@scripts/build.sh plain
	@scripts/check.sh

builds:
	@scripts/builds.sh ci

selftest:
	@scripts/selftest.sh

release:
	@scripts/builds.sh release
	@$(MAKE) bisect
	@$(MAKE) fuzz SECONDS=1800
	@$(MAKE) soak SECONDS=1800

bisect:
	@scripts/build.sh plain
	@scripts/bisect.sh

series:
	@scripts/packages.sh git xz-utils && KERNEL_SRC= scripts/source.sh
	@scripts/series.sh export

apply:
	@test -n "$$KERNEL_SRC" || { echo 'make apply KERNEL_SRC=/path/to/linux'; exit 2; }
	@scripts/packages.sh git xz-utils && KERNEL_SRC= scripts/source.sh
	@scripts/series.sh apply "$$KERNEL_SRC"

refresh:
	@scripts/series.sh refresh

clean:
	@find build -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + 2>/dev/null || true

.PHONY: help run test shell soak kernel fuzz modules bench gate check builds selftest release \
	bisect series apply refresh clean
