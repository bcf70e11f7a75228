# Turns "row, file system, value" lines into a table: what=csv or median, or for
# readers what=peers, growth or all. Of several runs, median takes the median,
# and the others the lowest value: what disturbs a run mostly adds to it.
function cell(r, c) {
	if (!((r, c) in n))
		return ""
	return all[r, c, what == "median" ? int((n[r, c] + 1) / 2) : 1]
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
	# sorted by insertion, in all[row, column, 1..n]
	i = ++n[$1, $2]
	for (; i > 1 && all[$1, $2, i - 1] > $3 + 0; i--)
		all[$1, $2, i] = all[$1, $2, i - 1]
	all[$1, $2, i] = $3 + 0
}

END {
	csv = what == "csv" || what == "median"
	columns = 0
	for (j = 1; j <= ncols; j++) {
		own = cname[j] ~ /^famfs/
		if (csv || what == "all" || (what == "growth" && own) ||
		    (what == "peers" && (!own || cname[j] == "famfs")))
			pick[++columns] = cname[j]
	}
	sep = csv ? "," : " | "
	line = csv ? "row" : "| | "
	for (j = 1; j <= columns; j++)
		line = line (csv || j > 1 ? sep : "") pick[j]
	print line (csv ? "" : " |")
	if (!csv) {
		line = "|---|"
		for (j = 1; j <= columns; j++)
			line = line "---:|"
		print line
	}
	for (i = 1; i <= nrows; i++) {
		r = rname[i]
		filled = 0
		line = (csv ? "" : "| ") r
		for (j = 1; j <= columns; j++) {
			x = cell(r, pick[j])
			if (x != "")
				filled++
			line = line sep (csv ? x : what == "peers" ? ratio(r, pick[j]) : number(x))
		}
		# what has one value only does not grow
		if (!filled || (what == "growth" && filled < 2))
			continue
		print line (csv ? "" : " |")
	}
}
