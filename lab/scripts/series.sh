#!/bin/sh
# The series and its two forms: commits in the composed tree build/BASE/linux,
# and the files in this repository (series/ and the new kernel files).
#
#   series.sh compose	make the commits from the files
#   series.sh refresh	make the files from the commits
#   series.sh export	write build/series/BASE/TOPIC, mails for git am
#   series.sh apply DIR	apply the series to another tree, as a whole or not at all
#
# series/BASE lists the patches for that base in their order. TOPIC/NAME.patch is
# that of the default base, and of the other where it makes the same commit there;
# what the other has for itself is TOPIC/BASE/NAME.patch. A patch is a mail as git
# format-patch writes it, with the changes to files that the kernel has; the new
# files of the commit are listed after "---" and are here as the series ends. What a
# later patch changes in such a file is undone for the commit that adds it.
#
# In the composed tree every topic begins with an empty commit whose message is
# "topic NAME: " and the cover letter, which is series/TOPIC/cover-letter here.
#
# SIGNOFF='Name <address>' makes export write mails by that author, signed off.
set -eu
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars) # set where a git hook runs this
called_in=$PWD
top=$(cd "$(dirname "$0")/../.." && pwd -P)
cd "$top"
. lab/scripts/base.sh
tree=$linux
linux=$top/$linux
list=series/$BASE
composed=refs/famfs/composed	# what compose has made
from=$top	# where compose_one finds series/ and the new files
g() { git -C "$linux" "$@"; }
refuse() { printf '%s\n' "$@" >&2; exit 1; }

listed_files() { # MAIL
	sed -n '/^---$/,/^diff /s/^new file: //p' "$1"
}

# What the composed tree depends on: the list, cover letters, patches, new files.
inputs() { # DIR
	echo "$list"
	for p in $(cat "$1/$list"); do
		echo "series/${p%%/*}/cover-letter"
		echo "series/$p"
		listed_files "$1/series/$p"
	done | awk '!seen[$0]++'
}

state() {
	inputs "$top" | while read -r f; do echo "$f $(git hash-object "$f")"; done
}

check_clean() {
	changes=$(g status --porcelain) || exit 1
	[ -z "$changes" ] || refuse "$tree has changes that are not committed:" "$changes"
}

# Without .git in the tree, git would take this repository for the kernel's.
check_tree() {
	[ -e "$linux/.git/famfs-complete" ] ||
		refuse "$tree is not there yet. \"make kernel BASE=$BASE\" makes it."
}

# Put the commit with the message $tmp/commit and the tree of the index on $head.
commit_index() { # AUTHOR EMAIL DATE
	head=$(GIT_AUTHOR_NAME=$1 GIT_AUTHOR_EMAIL=$2 GIT_AUTHOR_DATE=$3 GIT_COMMITTER_DATE=$3 \
		g commit-tree -p "$head" -F "$tmp/commit" "$(g write-tree)")
}

# Prints "MODE,BLOB,FILE" of a file that the commit adds: as $like has it, if
# that is set, otherwise as it is without the patches $later.
new_file() { # FILE
	if [ -n "$like" ]; then
		g ls-tree "$like" "$1" | awk '{ print $1 "," $3 "," $4 }'
		return
	fi
	rm -rf "$tmp/new"
	mkdir -p "$tmp/new/$(dirname "$1")"
	cp -p "$from/$1" "$tmp/new/$1"
	for p in $(reverse $later); do
		! grep -qxF "diff --git a/$1 b/$1" "$from/series/$p" ||
			(cd "$tmp/new" && GIT_CEILING_DIRECTORIES=$tmp git apply -R --include="$1" "$from/series/$p") ||
			return 1
	done
	mode=100644
	[ ! -x "$tmp/new/$1" ] || mode=100755
	echo "$mode,$(g hash-object -w --path "$1" "$tmp/new/$1"),$1"
}

reverse() { printf '%s\n' "$@" | tac; }

# One commit on top of $head, in an index of its own: the files in the tree
# are touched once, at the end, so that what does not change is not rebuilt.
compose_one() { # MAIL
	git mailinfo -k "$tmp/msg" "$tmp/diff" < "$1" > "$tmp/info"
	info() { sed -n "s/^$1: //p" "$tmp/info"; }
	{ info Subject | sed 's/^\[PATCH[^]]*\] //'; echo; cat "$tmp/msg"; } > "$tmp/commit"
	if grep -q '^diff ' "$tmp/diff"; then
		g apply --cached "$tmp/diff" || return 1
	fi
	for f in $(listed_files "$1"); do
		g update-index --add --cacheinfo "$(new_file "$f")" || return 1
	done
	commit_index "$(info Author)" "$(info Email)" "$(info Date)"
}

# The empty commit at the beginning of a topic.
compose_topic() { # TOPIC
	sed "1s/^/topic $1: /" "$from/series/$1/cover-letter" > "$tmp/commit"
	commit_index 'famfs for Linux' famfs@localhost.localdomain '2026-01-01T00:00:00Z'
}

begin_compose() { # COMMIT to begin with
	tmp=$top/$build/compose
	rm -rf "$tmp"
	mkdir -p "$tmp"
	export GIT_INDEX_FILE="$tmp/index"
	head=$(g rev-parse "$1")
	g read-tree "$1"
}

end_compose() {
	unset GIT_INDEX_FILE
	rm -rf "$tmp"
}

# One commit for each patch that the list in $from has, on top of base; $head is
# the last.
compose_all() {
	begin_compose base
	topic=
	like=
	later=$(cat "$from/$list")
	for p in $later; do
		[ "${p%%/*}" = "$topic" ] || compose_topic "${p%%/*}"
		topic=${p%%/*}
		later=$(echo "$later" | tail -n +2)
		compose_one "$from/series/$p" || refuse "series/$p does not apply to Linux $BASE"
	done
	end_compose
}

# A file of ours that this kernel has, and the patches change, ends as it is here.
check_shared() { # COMMIT
	for f in $(cat series/[0-9]* | sort -u | while read -r p; do listed_files "series/$p"; done); do
		! g cat-file -e "$1:$f" 2> /dev/null ||
			[ "$(g rev-parse "$1:$f")" = "$(g hash-object --path "$f" "$top/$f")" ] ||
			refuse "With the patches for $BASE, $f ends as another file than the one here."
	done
}

compose() {
	check_tree
	want=$(state | git hash-object --stdin)
	[ "$(cat "$linux/.git/famfs-state" 2>/dev/null)" != "$want" ] || return 0
	if g rev-parse -q --verify $composed > /dev/null; then
		check_clean
		if [ "$(g rev-parse HEAD)" != "$(g rev-parse $composed)" ]; then
			echo "$tree has commits that are not in series/." >&2
			echo "Run \"make refresh BASE=$BASE\", or drop them: git -C $tree reset --hard $composed" >&2
			exit 1
		fi
	fi
	echo "applying the series to $tree"
	compose_all
	check_shared "$head"
	g checkout -q -B series "$head"
	g update-ref $composed "$head"
	echo "$want" > "$linux/.git/famfs-state"
}

new_files() { # COMMIT
	g diff-tree -r --no-commit-id --name-only --no-renames --diff-filter=A "$1"
}

topic_of() { # COMMIT: prints the name if the commit begins a topic
	g show -s --format=%s "$1" | sed -n 's/^topic \([a-z0-9]*\): .*/\1/p'
}

# What refresh would lose, it refuses to touch.
check_refresh() {
	check_tree
	for doing in rebase-merge rebase-apply sequencer MERGE_HEAD CHERRY_PICK_HEAD \
		REVERT_HEAD BISECT_LOG; do
		[ ! -e "$linux/.git/$doing" ] ||
			refuse "$tree is in the middle of something ($doing). Finish or abort it first."
	done
	[ "$(g symbolic-ref -q HEAD)" = refs/heads/series ] ||
		refuse "$tree is not on its branch: git -C $tree checkout series"
	check_clean
	commits=$(g rev-list --reverse --no-merges base..HEAD)
	if ! g merge-base --is-ancestor base HEAD || [ -z "$commits" ] ||
		[ -n "$(g rev-list --merges base..HEAD)" ]; then
		refuse "The branch series in $tree is no list of commits on top of the tag base."
	fi
	[ -n "$(topic_of "${commits%%
*}")" ] || refuse "The first commit in $tree does not begin a topic."
	[ "$(state 2>/dev/null | git hash-object --stdin)" = "$(cat "$linux/.git/famfs-state")" ] ||
		refuse "series/, or a file that it lists, has changed since $tree was made from it:" \
			"$(git status --short -- $(inputs "$top" 2> /dev/null) 2> /dev/null)" \
			"To keep both: put it aside (git stash), make refresh, commit, and get it back." \
			"To drop it: git restore it, then make refresh."
	for f in $(g diff --name-only --no-renames --diff-filter=A base HEAD); do
		[ ! -e "$f" ] || all_files | grep -qxF "$f" ||
			refuse "$tree adds $f, which this repository has, and not from the series."
	done
}

all_files() { # what the patches of all bases list
	for p in $(cat series/[0-9]*); do listed_files "series/$p"; done | sort -u
}

# The mail of a commit, with its new files in $new.
write_mail() { # COMMIT MAIL
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
	mkdir -p "$(dirname "$2")"
	awk -v files="$files" '
	(/^---$/ || /^diff --git /) && !done {
		print "---"
		n = split(files, f, "\n")
		for (i = 1; i <= n; i++) print "new file: " f[i]
		if (/^diff/) print ""
		done = 1
	}
	!/^---$/ { print }' "$new/mail" > "$2"
	rm "$new/mail"
}

write_file() { # FILE
	mkdir -p "$new/$(dirname "$1")"
	g cat-file blob "HEAD:$1" > "$new/$1"
	case $(g ls-tree HEAD "$1") in
	100755*) chmod +x "$new/$1" ;;
	esac
}

# Does a mail that the repository has make this very commit?
makes() { # MAIL COMMIT
	[ -e "$1" ] || return 1
	begin_compose "$2^"
	like=$2
	same=1
	{ compose_one "$1" 2> /dev/null &&
		[ "$(g show -s --format='%T %an %ae %ad %B' "$head")" = \
		"$(g show -s --format='%T %an %ae %ad %B' "$2")" ]; } || same=
	end_compose
	[ -n "$same" ]
}

# The patch of a commit: the shared one if it makes this commit. Otherwise it is
# written: for the default base as the shared one, for another as its own.
store() { # COMMIT TOPIC NAME
	p=$2/$3.patch
	if makes "series/$p" "$1"; then
		mkdir -p "$new/series/$2"
		cp "series/$p" "$new/series/$p"
	else
		[ "$BASE" = $default_base ] || p=$2/$BASE/$3.patch
		write_mail "$1" "$new/series/$p"
	fi
	echo "$p" >> "$new/$list"
}

store_topic() { # COMMIT TOPIC
	mkdir -p "$new/series/$2"
	# %B ends with an empty line
	g show -s --format=%B "$1" | sed '1s/^topic [a-z0-9]*: //; $d' > "$new/series/$2/cover-letter"
}

# What is in $new becomes what the repository has; what no base uses goes.
replace_files() {
	old=$(all_files; find series -name '*.patch')
	trap '' INT TERM HUP
	(cd "$new" && find . -type f) | while read -r f; do
		mkdir -p "$(dirname "$f")"
		cmp -s "$new/$f" "$f" || cp -p "$new/$f" "$f"
	done
	used=$(all_files; sed 's,^,series/,' series/[0-9]*)
	for f in $old; do
		echo "$used" | grep -qxF "$f" || rm -f "$f"
	done
	g update-ref $composed HEAD
	state | git hash-object --stdin > "$linux/.git/famfs-state"
	trap - INT TERM HUP
}

refresh() {
	check_refresh
	new=$top/$build/refresh
	rm -rf "$new"
	mkdir -p "$new/series"
	: > "$new/$list"
	n=0
	for c in $commits; do
		name=$(topic_of "$c")
		if [ -n "$name" ]; then
			topic=$name
			store_topic "$c" "$topic"
			continue
		fi
		n=$((n + 1))
		store "$c" "$topic" "$(g log -1 --format=%f "$c" | cut -c1-60)"
	done
	[ -z "$(sort "$new/$list" | uniq -d)" ] || refuse "Two commits of a topic have the same subject."
	for f in $(for p in $(cat "$new/$list"); do listed_files "$new/series/$p"; done; all_files); do
		! g cat-file -e "HEAD:$f" 2> /dev/null || write_file "$f"
	done
	from=$new
	compose_all
	g diff --quiet "$head" HEAD ||
		refuse "$build/refresh does not make the tree of $tree again; nothing was replaced."
	replace_files
	echo "$n commits are now in series/, for $BASE"
}

# "Name <address>" -> the committer, for git format-patch --signoff
signer() {
	[ -n "${SIGNOFF:-}" ] || return 0
	case $SIGNOFF in
	?*' <'?*@?*'>') ;;
	*) refuse "SIGNOFF is 'Name <address>', not '$SIGNOFF'" ;;
	esac
	GIT_COMMITTER_NAME=${SIGNOFF% <*}
	GIT_COMMITTER_EMAIL=${SIGNOFF##*<}
	GIT_COMMITTER_EMAIL=${GIT_COMMITTER_EMAIL%>}
	export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
}

# The commits of the topics: "TOPIC FIRST LAST", FIRST is the one that begins it.
topics() {
	g log --reverse --format='%H %s' base..series | awk '
	$2 == "topic" { if (t) print t, first, last; t = $3; sub(/:/, "", t); first = $1 }
	{ last = $1 }
	END { print t, first, last }'
}

# What a topic is based on, as git format-patch --base has it.
say_base() { # TOPIC
	printf '\nbase: Linux %s\n' "$version"
	needs=$(sed -n 's/^Prerequisites: //p' "series/$1/cover-letter")
	for t in $needs; do
		[ "$t" != none ] || continue
		for m in "$out/$t"/*.patch; do
			git patch-id --stable < "$m" | sed 's/^\([0-9a-f]*\) .*/prerequisite-patch-id: \1/'
		done
	done
}

# To and Cc of all mails of a topic, from the MAINTAINERS of the base.
address() { # DIR
	[ -e "$linux/scripts/get_maintainer.pl" ] || return 0
	(cd "$linux" && scripts/get_maintainer.pl --nogit --nogit-fallback --norolestats --no-fixes \
		"$1"/*.patch 2> /dev/null) | grep -v 'localhost' | sort -u > "$1/people"
	{
		grep '<.*>' "$1/people" | sed 's/^/To: /'
		grep -v '<.*>' "$1/people" | sed 's/^/Cc: /'
	} > "$1/headers"
	for m in "$1"/*.patch; do
		sed "/^Subject: /,\$d" "$m" > "$1/mail"
		cat "$1/headers" >> "$1/mail"
		sed -n "/^Subject: /,\$p" "$m" >> "$1/mail"
		mv "$1/mail" "$m"
	done
	rm "$1/people" "$1/headers"
}

# A person is in the place of the address that nobody reads.
sign() { # DIR
	who=$(printf %s "$SIGNOFF" | sed 's,[\&/],\\&,g')
	sed -i -e "0,/^From: .*/s//From: $who/" \
		-e '/^Signed-off-by: .*<famfs@localhost\.localdomain>$/d' \
		-e "s/^\(+M:	\).*<famfs@localhost\.localdomain>$/\1$who/" "$1"/*.patch
}

# The mails of a topic; the empty commit becomes the cover letter.
export_topic() { # TOPIC FIRST LAST
	dir=$out/$1
	mkdir -p "$dir"
	g format-patch -q --zero-commit --no-signature --cover-letter \
		${SIGNOFF:+--signoff} -o "$dir" "$2..$3"
	[ -z "${SIGNOFF:-}" ] || sign "$dir"
	awk -v cover="series/$1/cover-letter" '
	/\*\*\* SUBJECT HERE \*\*\*/ { getline s < cover; sub(/\*\*\* SUBJECT HERE \*\*\*/, s); print; getline s < cover; next }
	/\*\*\* BLURB HERE \*\*\*/ { while ((getline s < cover) > 0) print s; next }
	{ print }' "$dir"/0000-cover-letter.patch > "$dir/cover"
	mv "$dir/cover" "$dir/0000-cover-letter.patch"
	say_base "$1" >> "$dir/0000-cover-letter.patch"
	address "$dir"
	echo "build/series/$BASE/$1: $(ls "$dir" | wc -l) mails"
}

export_series() {
	signer
	compose
	out=$top/build/series/$BASE
	want=$({ state; git hash-object lab/scripts/series.sh; echo "${SIGNOFF:-}"; } | git hash-object --stdin)
	[ "$(cat "$out/made-from" 2> /dev/null)" != "$want" ] || return 0
	rm -rf "$out"
	topics | while read -r t first last; do export_topic "$t" "$first" "$last"; done
	echo "$want" > "$out/made-from"
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
	mails=$(topics | while read -r t rest; do ls "$out/$t"/*.patch | grep -v /0000-; done)
	trap : INT TERM HUP # they end git, too
	# shellcheck disable=SC2086
	git am -q $mails || {
		git am --abort
		refuse "The series does not apply to $1; nothing was changed there."
	}
	echo "$(echo "$mails" | wc -l) commits on $(git rev-parse --abbrev-ref HEAD) of $1"
}

# Any other tree gets the changes, in one step.
apply_files() { # DIR
	g diff --binary --full-index --no-renames base series > "$top/$build/series.diff"
	cd "$1"
	git apply --check "$top/$build/series.diff" ||
		refuse "The series does not apply to $1; nothing was changed there."
	g diff --name-only --no-renames --diff-filter=MD base series |
		tar cf "$top/$build/series.tar" -T -
	trap : INT TERM HUP
	git apply --whitespace=nowarn "$top/$build/series.diff" || {
		# such as a full disk, or a file that is read-only
		g diff --name-only --no-renames --diff-filter=A base series | xargs rm -f
		tar xf "$top/$build/series.tar"
		refuse "The series cannot be written to $1; what had been changed there is restored."
	}
	echo "$(g diff --name-only base series | wc -l) files changed in $1"
}

apply() { # DIR
	dir=$(cd "$called_in" && cd "$1" && pwd -P)
	lab/scripts/version.sh "$dir"
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
*) sed -n '2,20s/^# \{0,1\}//p' "lab/scripts/series.sh"; exit 2 ;;
esac
