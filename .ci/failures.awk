# What failed, from the output of "go test -v": the last lines that each failed
# test printed, then the names alone, because a log is often seen by its end.
function keep(line) {
	said[test] = said[test] "\n" substr(line, 1, 300)
	if (++lines[test] > 15) sub(/\n[^\n]*/, "", said[test])
}
/^[[:space:]]*=== (RUN|NAME|CONT|PAUSE) / { test = $3; next }
/^[[:space:]]*--- FAIL: / { names = names "\n" $3; print "\n" $0 said[$3]; next }
/^[[:space:]]*--- (PASS|SKIP): / { delete said[$3]; next }
/^WARNING: DATA RACE|^panic: |^fatal error: / { names = names "\n" $0 }
/^(FAIL|ok)[[:space:]]/ {
	if ($1 == "FAIL") names = names "\n" $0
	test = ""; split("", said); split("", lines)
	next
}
test != "" { keep($0) }
END { print "\n.ci/run: failed:" names }
