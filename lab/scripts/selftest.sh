#!/bin/sh
# Tests of the scripts themselves, on a kernel of four files: what would lose
# work or leave half of something behind is refused, and changes nothing. Guests
# are not booted; a script in the place of QEMU shows what it would be started with.
#
#   selftest.sh [DIR]	DIR has the scripts to test, by default these
#
# Prints KTAP.
set -u
scripts=$(cd "${1:-$(dirname "$0")}" && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
repo=$dir/repo linux=$dir/repo/build/7.3/linux
unset BASE
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
number=0 failed=0
result() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		sed 's/^/# /' "$dir/out"
		echo "not ok $number $2"
		failed=$((failed + 1))
	fi
}
contents() { # DIR: of everything below it that is not git's or built
	(cd "$1" && find . -name .git -prune -o -path ./build -prune -o -print |
		sort | while read -r f; do [ -d "$f" ] || echo "$f $(git hash-object "$f")"; done)
}
# BASE is that of the tree $linux
base=7.3
use_base() { base=$1 linux=$repo/build/$1/linux; }
series() { (export BASE=$base; cd "$repo" && sh lab/scripts/series.sh "$@") > "$dir/out" 2>&1; }
in_linux() { git -C "$linux" "$@" > "$dir/log" 2>&1; }

kernel() { # DIR VERSION PATCHLEVEL
	mkdir -p "$1/mm"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = 13\n' "$2" "$3" > "$1/Makefile"
	: > "$1/Kbuild"
	seq 20 > "$1/mm/memory.c"
	seq 20 > "$1/mm/last.c"
}

# The repository: two topics with a patch each, for both bases; the first has a new
# file, the second changes a file that comes after the others.
new_repo() {
	rm -rf "$repo"
	mkdir -p "$repo/lab" "$repo/series/mm" "$repo/series/fuse" "$repo/fs/fuse"
	cp -r "$scripts" "$repo/lab/scripts"
	echo /build/ > "$repo/.gitignore"
	for b in 7.0 7.3; do
		use_base $b
		kernel "$linux" 7 ${b#7.}
		git -C "$linux" init -q -b main
		in_linux add -A
		in_linux commit -q -m base
		in_linux tag base
		touch "$linux/.git/famfs-complete"
		printf 'mm/first.patch\nfuse/second.patch\n' > "$repo/series/$b"
	done
	echo 'int famfs;' > "$repo/fs/fuse/famfs.c"
	head='From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: a <a@b>
Date: Sat, 21 Nov 2026 04:01:08 +0000'
	diff='--- a/mm/memory.c
+++ b/mm/memory.c
@@ -1,4 +1,4 @@
-1
+one
 2
 3
 4'
	printf '%s\nSubject: [PATCH] first\n\nWhy.\n\n---\nnew file: fs/fuse/famfs.c\n\ndiff --git a/mm/memory.c b/mm/memory.c\n%s\n' \
		"$head" "$diff" > "$repo/series/mm/first.patch"
	printf '%s\nSubject: [PATCH] second\n\nWhy.\n\nSigned-off-by: The famfs for Linux developers <famfs@localhost.localdomain>\n---\n\ndiff --git a/mm/last.c b/mm/last.c\n%s\n' \
		"$head" "$diff" | sed 's,/mm/memory.c,/mm/last.c,' > "$repo/series/fuse/second.patch"
	printf 'mm subject\n\ntext\n' > "$repo/series/mm/cover-letter"
	printf 'fuse subject\n\ntext\n' > "$repo/series/fuse/cover-letter"
	git -C "$repo" init -q -b main
	git -C "$repo" add -A
	git -C "$repo" commit -q -m import
	series compose || cat "$dir/out"
}
patches() { (cd "$repo/series" && find . -name '*.patch' | sed 's,^\./,,' | sort | tr '\n' ' '); }
commit_in_linux() { # TEXT
	echo "$1" >> "$linux/mm/last.c"
	in_linux commit -q -a -m "$1"
}
refuses() { # NAME COMMAND...: fails, and the repository is as it was
	name=$1
	shift
	contents "$repo" > "$dir/before"
	! "$@"
	result $? "$name is refused"
	contents "$repo" | diff "$dir/before" - > "$dir/out"
	result $? "$name leaves the repository as it is"
}

new_repo
git -C "$linux" diff --quiet series base -- Makefile &&
	[ "$(cat "$linux/fs/fuse/famfs.c")" = 'int famfs;' ] && [ "$(head -n 1 "$linux/mm/last.c")" = one ]
result $? "compose"
series refresh
result $? "refresh with nothing new"
commit_in_linux third
series refresh && [ "$(patches)" = "fuse/second.patch fuse/third.patch mm/first.patch " ]
result $? "refresh adds a patch"
series refresh
result $? "refresh once more, before its result is committed"
in_linux reset -q --hard HEAD^ && series refresh && [ "$(patches)" = "fuse/second.patch mm/first.patch " ]
result $? "refresh drops a patch"
in_linux reset -q --hard HEAD^^
in_linux mv fs/fuse/famfs.c fs/fuse/other.c
in_linux commit -q --amend -m first
series refresh && [ -e "$repo/fs/fuse/other.c" ]
result $? "refresh renames a new file"
use_base 7.0
rm "$repo/series/7.0" && cp "$repo/series/7.3" "$repo/series/7.0" && series compose && series refresh &&
	[ ! -e "$repo/fs/fuse/famfs.c" ] && [ "$(patches)" = "mm/first.patch " ]
result $? "what no base uses any more goes"

# two bases
new_repo
use_base 7.0
series compose && series refresh && [ "$(patches)" = "fuse/second.patch mm/first.patch " ]
result $? "bases share patches"
use_base 7.3
sed -i 's/^20$/last/' "$linux/mm/memory.c"
in_linux commit -q -a --amend -m second
series refresh && use_base 7.0 && series compose && [ "$(tail -n 1 "$linux/mm/memory.c")" = last ]
result $? "a change in the default base reaches the other"
sed -i 's/^19$/7.0/' "$linux/mm/memory.c"
in_linux commit -q -a --amend -m second
series refresh && [ "$(patches)" = "fuse/7.0/second.patch fuse/second.patch mm/first.patch " ]
result $? "what the other base has for itself is stored apart"
use_base 7.3
series compose && series refresh && [ "$(sed -n 19p "$linux/mm/memory.c")" = 19 ]
result $? "the default base does not see it"
use_base 7.0
sed -i 's/^7.0$/19/' "$linux/mm/memory.c"
in_linux commit -q -a --amend -m second
series refresh && [ "$(patches)" = "fuse/second.patch mm/first.patch " ]
result $? "what has become equal is shared again"
use_base 7.3
echo 'int later;' >> "$linux/fs/fuse/famfs.c"
in_linux commit -q -a -m later
series refresh && [ "$(tail -n 1 "$repo/fs/fuse/famfs.c")" = 'int later;' ] && rm -rf "$linux/.git/famfs-state" &&
	series compose && [ "$(git -C "$linux" show "series~3:fs/fuse/famfs.c")" = 'int famfs;' ]
result $? "a later patch may change a new file"
new_repo
mkdir -p "$repo/drivers"
echo 1 > "$repo/drivers/fsdev.c"
use_base 7.0
sed -i 's,^new file: .*,&\nnew file: drivers/fsdev.c,' "$repo/series/mm/first.patch"
cp "$repo/series/mm/first.patch" "$dir/first"
series compose
result $? "a file that is new on one base"
use_base 7.3
mkdir -p "$linux/drivers"
echo 2 > "$linux/drivers/fsdev.c"
in_linux checkout -q -B main base && in_linux add -A && in_linux commit -q -m base && in_linux tag -f base && in_linux checkout -q series
sed 's/^new file: drivers.*//' "$dir/first" > "$repo/series/mm/first73.patch"
sed -i s/first/first73/ "$repo/series/7.3"
refuses "a file that ends differently on the bases" series compose

# export
new_repo
SIGNOFF='Ann Onym <ann@onym.org>' series export && grep -qx 'Signed-off-by: Ann Onym <ann@onym.org>' "$repo"/build/series/7.3/mm/0001-first.patch &&
	grep -qx 'From: Ann Onym <ann@onym.org>' "$repo"/build/series/7.3/mm/0001-first.patch &&
	! grep -r localhost.localdomain "$repo"/build/series/7.3 &&
	grep -q '^Subject: .*mm subject' "$repo"/build/series/7.3/mm/0000-cover-letter.patch &&
	[ -e "$repo"/build/series/7.3/fuse/0001-second.patch ]
result $? "export writes the topics, signed off"
SIGNOFF='nobody' refuses "a sign-off without an address" series export

new_repo
rm -rf "$repo/build"
refuses "refresh in a fresh clone" series refresh
mkdir -p "$linux"
refuses "refresh with an empty build/7.3/linux" series refresh

new_repo
commit_in_linux third
GIT_SEQUENCE_EDITOR='sed -i "2s/^pick/edit/"' git -C "$linux" rebase -q -i base > "$dir/log" 2>&1
[ -e "$linux/.git/rebase-merge" ] || echo "# no rebase"
refuses "refresh in the middle of a rebase" series refresh
in_linux rebase --abort
in_linux checkout -q HEAD^
refuses "refresh with a detached HEAD" series refresh
in_linux checkout -q -b topic
refuses "refresh on another branch" series refresh
in_linux checkout -q series
in_linux branch -q side HEAD^
in_linux checkout -q side
echo a > "$linux/mm/side.c"
in_linux add mm/side.c
in_linux commit -q -m side
in_linux checkout -q series
in_linux merge -q -m merge side
refuses "refresh of a merge" series refresh

new_repo
commit_in_linux third
echo 'int edited;' >> "$repo/fs/fuse/famfs.c"
refuses "refresh over an edited new file" series refresh
git -C "$repo" commit -q -a -m edited
refuses "refresh over a new file that was committed, but not composed" series refresh
git -C "$repo" reset -q --hard HEAD^
sed -i 's/^Why/Therefore/' "$repo/series/fuse/second.patch"
refuses "refresh over an edited patch" series refresh
git -C "$repo" checkout -q .
rm "$repo/fs/fuse/famfs.c"
refuses "refresh over a deleted new file" series refresh
git -C "$repo" checkout -q .
series refresh
result $? "refresh after the edits are gone"

new_repo
echo mine > "$repo/mm.c"
echo kernel > "$linux/mm.c"
in_linux add mm.c
in_linux commit -q -m mm.c
refuses "refresh over a file that is not of the series" series refresh

new_repo
echo a >> "$linux/mm/last.c"
refuses "refresh with changes that are not committed" series refresh

# apply
applied() { # DIR: all of it is there
	[ "$(cat "$1/fs/fuse/famfs.c" 2>&1)" = 'int famfs;' ] && [ "$(head -n 1 "$1/mm/memory.c")" = one ] &&
		[ "$(head -n 1 "$1/mm/last.c")" = one ]
}
untouched() { # NAME DIR: apply fails and DIR is as it was
	contents "$2" > "$dir/before"
	! series apply "$2"
	result $? "apply to $1 fails"
	contents "$2" | diff "$dir/before" - > "$dir/out"
	result $? "apply to $1 leaves it as it is"
}
new_repo
kernel "$dir/plain" 7 3
series apply "$dir/plain" && applied "$dir/plain"
result $? "apply to a plain tree"
untouched "a tree that has it" "$dir/plain"

git init -q "$dir/outer"
kernel "$dir/outer/tracked" 7 3
git -C "$dir/outer" add -A
git -C "$dir/outer" commit -q -m outer
series apply "$dir/outer/tracked" && applied "$dir/outer/tracked"
result $? "apply to a directory of another repository"
kernel "$dir/outer/ignored" 7 3
echo /ignored > "$dir/outer/.gitignore"
series apply "$dir/outer/ignored" && applied "$dir/outer/ignored"
result $? "apply to a directory that another repository ignores"

as_repo() { # DIR
	git -C "$1" init -q && git -C "$1" add -A && git -C "$1" commit -q -m kernel
}
kernel "$dir/git" 7 3
as_repo "$dir/git"
series apply "$dir/git" && applied "$dir/git" && [ "$(git -C "$dir/git" rev-list --count HEAD)" = 3 ]
result $? "apply to a repository makes commits"

for kind in plain git; do
	rm -rf "$dir/other"
	kernel "$dir/other" 7 3
	sed -i 1d "$dir/other/mm/last.c"
	[ $kind = plain ] || as_repo "$dir/other"
	untouched "a $kind tree that the second patch does not fit" "$dir/other"
	[ $kind = plain ] || { [ "$(git -C "$dir/other" rev-list --count HEAD)" = 1 ] &&
		[ ! -e "$dir/other/.git/rebase-apply" ]; }
	result $? "no commits and no git am are left over in the $kind tree"
	for version in "6 3" "7 0"; do
		rm -rf "$dir/other"
		# shellcheck disable=SC2086
		kernel "$dir/other" $version
		[ $kind = plain ] || as_repo "$dir/other"
		untouched "a $kind tree of version $version" "$dir/other"
		[ "$(wc -l < "$dir/out")" = 0 ] && ! series apply "$dir/other" && [ "$(wc -l < "$dir/out")" = 1 ]
		result $? "one message about version $version"
	done
done
rm -rf "$dir/other"
kernel "$dir/other" 7 3
echo 'in the way' > "$dir/other/fs"
untouched "a tree that cannot be written to" "$dir/other"

rm -rf "$dir/other"
kernel "$dir/other" 7 3
as_repo "$dir/other"
echo a >> "$dir/other/mm/memory.c"
untouched "a repository with changes that are not committed" "$dir/other"
mkdir "$dir/other/empty"
untouched "a directory without a kernel" "$dir/other/empty"

# guests
new_repo
mkdir -p "$dir/bin" "$dir/a dir, with \$signs"
printf '#!/bin/sh\nprintf "%%s\\n" "$@" > "$ARGUMENTS"\ncpio -i --quiet --to-stdout cmd < "$(sed -n "/^-initrd/{n;p}" "$ARGUMENTS")" > "$ARGUMENTS.cmd"\necho guest-exit: 7\n' \
	> "$dir/bin/qemu-system-x86_64"
chmod +x "$dir/bin/qemu-system-x86_64"
: > "$repo/build/7.3/initramfs.cpio"
guest() { # ARGUMENTS: of guest.sh, which returns what the guest has
	(cd "$repo" && PATH=$dir/bin:$PATH ARGUMENTS=$dir/args sh lab/scripts/guest.sh "$@") > "$dir/out" 2>&1
}
given() { grep -qxF -e "$1" "$dir/args" || { cat "$dir/args" > "$dir/out"; return 1; }; } # QEMU-ARGUMENT
cmd='echo "a  b" '"'c  d'"' $HOME `id` \n %s'
guest kernel "$cmd"
[ $? = 7 ] && [ "$(cat "$dir/args.cmd")" = "$cmd" ]
result $? "a command gets into the guest as it is, its status comes back"
given tcg && ! grep -q 9p "$dir/args"
result $? "a guest is emulated and sees nothing of the host"
FAMFS_SHARE="$dir/a dir, with \$signs" guest kernel true
given "local,id=share,security_model=none,path=$dir/a dir,, with \$signs"
result $? "a shared directory with spaces, commas and dollar signs"
FAMFS_SHARE=$dir/nothing guest kernel true
[ $? = 2 ] && [ "$(cat "$dir/out")" = "SHARE=$dir/nothing is not a directory." ]
result $? "a shared directory that is none"
guest -m 3 -f "$dir/memory" kernel true
given "memory-backend-file,id=shared,share=on,mem-path=$dir/memory,size=1G" && given "memory-backend-ram,id=ram,size=2G"
result $? "memory from a file"
kvm() { # PATH: taken for /dev/kvm
	(cd "$repo" && sed "s,/dev/kvm,$1,g" lab/scripts/guest.sh > guest.sh
	PATH=$dir/bin:$PATH ARGUMENTS=$dir/args KVM=1 sh guest.sh kernel true) > "$dir/out" 2>&1
}
kvm "$dir/nothing"
[ $? = 2 ] && [ "$(wc -l < "$dir/out")" = 1 ]
result $? "one message where there is no KVM"
kvm /dev/null
[ $? = 7 ] && given kvm
result $? "a guest on KVM"

echo "1..$number"
echo "$((number - failed)) passed, $failed failed"
[ $failed = 0 ]
