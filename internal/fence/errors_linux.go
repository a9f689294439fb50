package fence

// pathError says what could not be done with which path.
type pathError struct {
	op, path string
	err      error
}

func (e *pathError) Error() string { return e.op + " " + e.path + ": " + e.err.Error() }

func (e *pathError) Unwrap() error { return e.err }
