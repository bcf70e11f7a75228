# Turns "row, file system, value" lines into a table: what=csv, or for readers
# what=peers, growth or wall.
function cell(r, c) {
	return (r, c) in v ? v[r, c] : ""
}

function number(x) {
	return x == "" ? "" : x < 100 && x != int(x) ? sprintf("%.1f", x) : sprintf("%.0f", x)
}

function ratio(r, c,	x, own) {
	x = cell(r, c)
	own = cell(r, "famfs")
	if (c == "famfs" || x == "" || own == "" || x + 0 == 0)
		return number(x)
	return sprintf("%s (%.2f)", number(x), own / x)
}

/^#/ || NF != 3 { next }
{
	if (!($1 in row)) { row[$1] = ++nrows; rname[nrows] = $1 }
	if (!($2 in col)) { col[$2] = ++ncols; cname[ncols] = $2 }
	# of several runs, the lowest: what disturbs only adds
	if (!(($1, $2) in v) || $3 + 0 < v[$1, $2])
		v[$1, $2] = $3
}

END {
	n = 0
	for (j = 1; j <= ncols; j++) {
		own = cname[j] ~ /^famfs/
		if (what == "csv" || what == "wall" || (what == "growth" && own) ||
		    (what == "peers" && (!own || cname[j] == "famfs")))
			pick[++n] = cname[j]
	}
	sep = what == "csv" ? "," : " | "
	line = what == "csv" ? "row" : "| | "
	for (j = 1; j <= n; j++)
		line = line (what == "csv" || j > 1 ? sep : "") pick[j]
	print line (what == "csv" ? "" : " |")
	if (what != "csv") {
		line = "|---|"
		for (j = 1; j <= n; j++)
			line = line "---:|"
		print line
	}
	for (i = 1; i <= nrows; i++) {
		r = rname[i]
		filled = 0
		line = (what == "csv" ? "" : "| ") r
		for (j = 1; j <= n; j++) {
			x = cell(r, pick[j])
			if (x != "")
				filled++
			line = line sep (what == "csv" ? x : what == "peers" ? ratio(r, pick[j]) : number(x))
		}
		# what has one value only does not grow
		if (!filled || (what == "growth" && filled < 2))
			continue
		print line (what == "csv" ? "" : " |")
	}
}
