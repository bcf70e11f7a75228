#!/bin/sh
# The series and its two forms: commits in the composed tree build/linux, and
# the files in this repository (patches/ and the new kernel files).
#
#   series.sh compose	make the commits from the files
#   series.sh refresh	make the files from the commits
#   series.sh export	write build/series, mails for git am
#   series.sh apply DIR	apply the series to another tree, as a whole or not at all
#
# A file in patches/ is a mail as git format-patch writes it, with the changes
# to files that the kernel has; the new files of the commit are listed behind
# "---". A new file belongs to one commit, whole.
set -eu
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars) # set where a git hook runs this
top=$(cd "$(dirname "$0")/.." && pwd -P)
linux=$top/build/linux
composed=refs/famfs/composed	# what compose has made
from=$top	# where compose_one finds the new files
g() { git -C "$linux" "$@"; }
refuse() { printf '%s\n' "$@" >&2; exit 1; }

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
	changes=$(g status --porcelain) || exit 1
	[ -z "$changes" ] || refuse "build/linux has changes that are not committed:" "$changes"
}

# Without build/linux/.git, git would take this repository for the kernel's.
check_tree() {
	[ -e "$linux/.git/famfs-complete" ] ||
		refuse "build/linux is not there yet. \"make kernel\" makes it."
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
	for f in $(listed_files "$1"); do
		mode=100644
		[ ! -x "$from/$f" ] || mode=100755
		blob=$(g hash-object -w --path "$f" "$from/$f")
		g update-index --add --cacheinfo "$mode,$blob,$f"
	done
	head=$(GIT_AUTHOR_NAME=$(info Author) GIT_AUTHOR_EMAIL=$(info Email) \
		GIT_AUTHOR_DATE=$(info Date) GIT_COMMITTER_DATE=$(info Date) \
		g commit-tree -p "$head" -F "$tmp/commit" "$(g write-tree)")
}

# One commit for each mail in DIR, on top of base; $head is the last.
compose_all() { # DIR
	tmp=$top/build/compose
	rm -rf "$tmp"
	mkdir "$tmp"
	export GIT_INDEX_FILE="$tmp/index"
	head=$(g rev-parse base)
	g read-tree base
	for mail in "$1"/*.patch; do
		compose_one "$mail"
	done
	unset GIT_INDEX_FILE
	rm -rf "$tmp"
}

compose() {
	check_tree
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
	compose_all "$top/patches"
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

# What refresh would lose, it refuses to touch.
check_refresh() {
	check_tree
	for doing in rebase-merge rebase-apply sequencer MERGE_HEAD CHERRY_PICK_HEAD \
		REVERT_HEAD BISECT_LOG; do
		[ ! -e "$linux/.git/$doing" ] ||
			refuse "build/linux is in the middle of something ($doing). Finish or abort it first."
	done
	[ "$(g symbolic-ref -q HEAD)" = refs/heads/series ] ||
		refuse "build/linux is not on its branch: git -C build/linux checkout series"
	check_clean
	commits=$(g rev-list --reverse --no-merges base..HEAD)
	if ! g merge-base --is-ancestor base HEAD || [ -z "$commits" ] ||
		[ -n "$(g rev-list --merges base..HEAD)" ]; then
		refuse "The branch series in build/linux is no list of commits on top of the tag base."
	fi
	[ "$(state 2>/dev/null | git hash-object --stdin)" = "$(cat "$linux/.git/famfs-state")" ] ||
		refuse "patches/, or a file that it lists, has changed since build/linux was made from it:" \
			"$(cd "$top" && git status --short -- patches $(old_files) 2>/dev/null)" \
			"To keep both: put it aside (git stash), make refresh, commit, and get it back." \
			"To drop it: git restore it, then make refresh."
	for f in $(g diff --name-only --no-renames --diff-filter=A base HEAD); do
		[ ! -e "$top/$f" ] || old_files | grep -qxF "$f" ||
			refuse "build/linux adds $f, which this repository has, and not from the series."
	done
}

old_files() { # what patches/ lists
	(cd "$top" && for f in patches/*.patch; do listed_files "$f"; done)
}

# The mail of a commit, with its new files in $new/files.
refresh_one() { # COMMIT MAIL
	files=$(new_files "$1")
	# shellcheck disable=SC2046
	g format-patch --stdout --zero-commit --no-signature \
		--no-stat --no-renames --full-index --minimal \
		--subject-prefix=PATCH "$1^..$1" -- . \
		$(for f in $files; do echo ":(exclude)$f"; done) > "$new/mail"
	[ -s "$new/mail" ] || {
		# nothing but new files
		g show -s --format='From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001%nFrom: %an <%ae>%nDate: %aD%nSubject: [PATCH] %s%n%n%b---' "$1" > "$new/mail"
	}
	awk -v files="$files" '
	(/^---$/ || /^diff --git /) && !done {
		print "---"
		n = split(files, f, "\n")
		for (i = 1; i <= n; i++) print "new file: " f[i]
		if (/^diff/) print ""
		done = 1
	}
	!/^---$/ { print }' "$new/mail" > "$2"
	for f in $files; do
		mkdir -p "$new/files/$(dirname "$f")"
		g cat-file blob "HEAD:$f" > "$new/files/$f"
		case $(g ls-tree HEAD "$f") in
		100755*) chmod +x "$new/files/$f" ;;
		esac
	done
}

# $new/files and $new/patches become what the repository has.
replace_files() {
	trap '' INT TERM HUP
	for f in $(old_files; cd "$top" && ls patches/*.patch); do
		[ -e "$new/$f" ] || [ -e "$new/files/$f" ] || rm -f "$top/$f"
	done
	(cd "$new" && find patches files -type f) | while read -r f; do
		mkdir -p "$top/$(dirname "${f#files/}")"
		mv "$new/$f" "$top/${f#files/}"
	done
	g update-ref $composed HEAD
	state | git hash-object --stdin > "$linux/.git/famfs-state"
	trap - INT TERM HUP
}

refresh() {
	check_refresh
	new=$top/build/refresh
	rm -rf "$new"
	mkdir -p "$new/files" "$new/patches"
	n=0
	for c in $commits; do
		n=$((n + 1))
		refresh_one "$c" "$new/patches/$(printf %04d $n)-$(g log -1 --format=%f "$c" | cut -c1-52).patch"
	done
	rm -f "$new/mail"
	from=$new/files
	compose_all "$new/patches"
	g diff --quiet "$head" HEAD ||
		refuse "build/refresh does not make the tree of build/linux again; nothing was replaced."
	replace_files
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

# A repository gets commits.
apply_commits() { # DIR
	cd "$1"
	for doing in rebase-merge rebase-apply; do
		[ ! -e "$(git rev-parse --git-path $doing)" ] ||
			refuse "$1 is in the middle of something ($doing). Finish or abort it first."
	done
	changes=$(git status --porcelain -uno) || exit 1
	[ -z "$changes" ] || refuse "$1 has changes that are not committed:" "$changes"
	rm "$top/build/series/0000-cover-letter.patch"
	trap : INT TERM HUP # they end git, too
	git am -q "$top"/build/series/*.patch || {
		git am --abort
		refuse "The series does not apply to $1; nothing was changed there."
	}
	echo "$(ls "$top/build/series" | wc -l) commits on $(git rev-parse --abbrev-ref HEAD) of $1"
}

# Any other tree gets the changes, in one step.
apply_files() { # DIR
	g diff --binary --full-index --no-renames base series > "$top/build/series.diff"
	cd "$1"
	git apply --check "$top/build/series.diff" ||
		refuse "The series does not apply to $1; nothing was changed there."
	g diff --name-only --no-renames --diff-filter=MD base series |
		tar cf "$top/build/series.tar" -T -
	trap : INT TERM HUP
	git apply --whitespace=nowarn "$top/build/series.diff" || {
		# such as a full disk, or a file that is read-only
		g diff --name-only --no-renames --diff-filter=A base series | xargs rm -f
		tar xf "$top/build/series.tar"
		refuse "The series cannot be written to $1; what had been changed there is restored."
	}
	echo "$(g diff --name-only base series | wc -l) files changed in $1"
}

apply() { # DIR
	dir=$(cd "$1" && pwd -P)
	"$top/scripts/version.sh" "$dir"
	export_series
	# In a directory of some other repository, "git apply" leaves out, without
	# a word, what is not below that directory. It is not to look above it.
	export GIT_CEILING_DIRECTORIES="${dir%/*}"
	if [ -e "$dir/.git" ]; then
		apply_commits "$dir"
	else
		apply_files "$dir"
	fi
}

case ${1:-} in
compose) compose ;;
refresh) refresh ;;
export) export_series ;;
apply) apply "$2" ;;
*) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
