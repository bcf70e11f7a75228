#!/bin/sh
# The series and its two forms: commits in the composed tree build/linux, and
# the files in this repository (patches/ and the new kernel files).
#
#   series.sh compose	make the commits from the files
#   series.sh refresh	make the files from the commits
#   series.sh export	write build/series, mails for git am
#   series.sh apply DIR	apply build/series to another tree
#
# A file in patches/ is a mail as git format-patch writes it, with the changes
# to files that the kernel has; the new files of the commit are listed behind
# "---". A new file belongs to one commit, whole.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
linux=$top/build/linux
composed=refs/famfs/composed	# what compose has made
g() { git -C "$linux" "$@"; }

listed_files() { # MAIL
	sed -n '/^---$/,/^diff /s/^new file: //p' "$1"
}

# What the composed tree depends on.
state() {
	cd "$top"
	cat patches/*.patch
	for f in patches/*.patch; do
		listed_files "$f" | while read -r new; do cat "$new"; done
	done | git hash-object --stdin
	git hash-object patches/*.patch
}

check_clean() {
	if [ -n "$(g status --porcelain)" ]; then
		echo "build/linux has changes that are not committed:" >&2
		g status --short | head >&2
		exit 1
	fi
}

# One commit on top of $head, in an index of its own: the files in build/linux
# are touched once, at the end, so that what does not change is not rebuilt.
compose_one() { # MAIL
	git mailinfo -k "$tmp/msg" "$tmp/diff" < "$1" > "$tmp/info"
	info() { sed -n "s/^$1: //p" "$tmp/info"; }
	{ info Subject | sed 's/^\[PATCH[^]]*\] //'; echo; cat "$tmp/msg"; } > "$tmp/commit"
	if grep -q '^diff ' "$tmp/diff"; then
		g apply --cached "$tmp/diff" || { echo "$1 does not apply" >&2; exit 1; }
	fi
	for new in $(listed_files "$1"); do
		mode=100644
		[ ! -x "$top/$new" ] || mode=100755
		blob=$(g hash-object -w --path "$new" "$top/$new")
		g update-index --add --cacheinfo "$mode,$blob,$new"
	done
	head=$(GIT_AUTHOR_NAME=$(info Author) GIT_AUTHOR_EMAIL=$(info Email) \
		GIT_AUTHOR_DATE=$(info Date) GIT_COMMITTER_DATE=$(info Date) \
		g commit-tree -p "$head" -F "$tmp/commit" "$(g write-tree)")
}

compose() {
	want=$(state | git hash-object --stdin)
	[ "$(cat "$linux/.git/famfs-state" 2>/dev/null)" != "$want" ] || return 0
	if g rev-parse -q --verify $composed > /dev/null; then
		check_clean
		if [ "$(g rev-parse HEAD)" != "$(g rev-parse $composed)" ]; then
			echo "build/linux has commits that are not in patches/." >&2
			echo "Run \"make refresh\", or drop them: git -C build/linux reset --hard $composed" >&2
			exit 1
		fi
	fi
	echo "applying the series to build/linux"
	tmp=$(mktemp -d)
	export GIT_INDEX_FILE="$tmp/index"
	head=$(g rev-parse base)
	g read-tree base
	for mail in "$top"/patches/*.patch; do
		compose_one "$mail"
	done
	unset GIT_INDEX_FILE
	rm -rf "$tmp"
	g checkout -q -B series "$head"
	g update-ref $composed "$head"
	echo "$want" > "$linux/.git/famfs-state"
}

# The new files of a commit; fails if it touches one that an earlier one added.
new_files() { # COMMIT
	g diff-tree -r --no-commit-id --name-status --no-renames "$1" |
	while read -r status file; do
		if g cat-file -e "base:$file" 2>/dev/null; then
			continue
		elif [ "$status" = A ]; then
			echo "$file"
		else
			echo "$(g log -1 --format=%h "$1") changes $file, which an earlier commit adds." >&2
			echo "Fold it into that one: git -C build/linux rebase -i --autosquash base" >&2
			exit 1
		fi
	done
}

refresh() {
	check_clean
	new=$top/build/refresh
	rm -rf "$new"
	mkdir -p "$new/files"
	n=0
	for c in $(g rev-list --reverse base..HEAD); do
		n=$((n + 1))
		files=$(new_files "$c")
		mail=$new/$(printf %04d $n)-$(g log -1 --format=%f "$c" | cut -c1-52).patch
		g format-patch --stdout --zero-commit --no-signature \
			--no-stat --no-renames --full-index --minimal \
			--subject-prefix=PATCH "$c^..$c" -- . \
			$(for f in $files; do echo ":(exclude)$f"; done) > "$new/mail"
		[ -s "$new/mail" ] || {
			# nothing but new files
			g show -s --format='From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001%nFrom: %an <%ae>%nDate: %aD%nSubject: [PATCH] %s%n%n%b---' "$c" > "$new/mail"
		}
		awk -v files="$files" '
		(/^---$/ || /^diff --git /) && !done {
			print "---"
			n = split(files, f, "\n")
			for (i = 1; i <= n; i++) print "new file: " f[i]
			if (/^diff/) print ""
			done = 1
		}
		!/^---$/ { print }' "$new/mail" > "$mail"
		for f in $files; do
			mkdir -p "$new/files/$(dirname "$f")"
			g cat-file blob "HEAD:$f" > "$new/files/$f"
			case $(g ls-tree HEAD "$f") in
			100755*) chmod +x "$new/files/$f" ;;
			esac
		done
	done
	rm -f "$new/mail"
	# only now is anything replaced
	for f in "$top"/patches/*.patch; do
		[ -e "$f" ] || continue
		(cd "$top" && listed_files "$f" | while read -r old; do rm -f "$old"; done)
		rm -f "$f"
	done
	mkdir -p "$top/patches"
	cp "$new"/*.patch "$top/patches/"
	cp -pr "$new/files/." "$top/"
	g update-ref $composed HEAD
	state | git hash-object --stdin > "$linux/.git/famfs-state"
	echo "$n commits are now in patches/"
}

export_series() {
	compose
	out=$top/build/series
	rm -rf "$out"
	g format-patch -q --zero-commit --no-signature --cover-letter -o "$out" base..series
	# the cover letter: subject and text of patches/cover-letter
	awk -v cover="$top/patches/cover-letter" '
	/\*\*\* SUBJECT HERE \*\*\*/ { getline s < cover; sub(/\*\*\* SUBJECT HERE \*\*\*/, s); print; getline s < cover; next }
	/\*\*\* BLURB HERE \*\*\*/ { while ((getline s < cover) > 0) print s; next }
	{ print }' "$out"/0000-cover-letter.patch > "$out/cover" &&
		mv "$out/cover" "$out/0000-cover-letter.patch"
	echo "build/series: $(ls "$out" | wc -l) mails"
}

apply() { # DIR
	[ -e "$1/Makefile" ] || { echo "$1 is no kernel tree" >&2; exit 1; }
	export_series
	if [ -e "$1/.git" ]; then
		rm "$top/build/series/0000-cover-letter.patch"
		git -C "$1" am "$top"/build/series/*.patch
	else
		for f in "$top"/build/series/*.patch; do
			case $f in */0000-*) continue ;; esac
			(cd "$1" && git apply "$f") || exit 1
		done
	fi
}

case ${1:-} in
compose) compose ;;
refresh) refresh ;;
export) export_series ;;
apply) apply "$2" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
